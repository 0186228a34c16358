// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/rule_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include <glob.h>

#include "daemon/config/error.h"
#include "daemon/config/file.h"
#include "daemon/config/rule_file.h"

namespace headgate::config {
namespace {

bool is_pattern(const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos;
}

bool is_regular_file(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

int stop_at_error(const char* /*path*/, int error) {
  return error == ENOENT ? 0 : 1;
}

Result<void> find_files(const std::string& path, std::set<std::string>& into) {
  if (!is_pattern(path)) {
    into.insert(path);
    return {};
  }
  glob_t found{};
  const std::unique_ptr<glob_t, decltype(&::globfree)> freed(&found, &::globfree);
  const int error = ::glob(path.c_str(), GLOB_NOSORT | GLOB_NOESCAPE, stop_at_error, &found);
  if (error == GLOB_NOMATCH) return {};
  if (error != 0) return fail_errno(path + ": cannot search its directory", errno);
  for (std::size_t i = 0; i < found.gl_pathc; ++i) {
    if (is_regular_file(found.gl_pathv[i])) into.insert(found.gl_pathv[i]);
  }
  return {};
}

}  // namespace

Result<std::vector<RuleFile>> read_rule_files(const Quotas& quotas) {
  std::set<std::string> paths;
  for (const std::string& path : quotas.rule_files) {
    Result<void> found = find_files(path, paths);
    if (!found) return tl::unexpected(std::move(found).error());
  }
  if (paths.size() > kMaxRuleFiles) {
    return fail(ErrorCode::kInvalidArgument, "'quotas.rule_files' names " +
                                                 std::to_string(paths.size()) + " files; at most " +
                                                 std::to_string(kMaxRuleFiles) + " would be right");
  }
  std::vector<RuleFile> files;
  for (const std::string& path : paths) {
    Result<std::string> text = read_file(path);
    if (!text && text.error().code == ErrorCode::kNotFound) {
      return fail(ErrorCode::kInvalidArgument,
                  text.error().message + ", but 'quotas.rule_files' names it");
    }
    if (!text) return tl::unexpected(std::move(text).error());
    files.push_back({path, *std::move(text)});
  }
  return files;
}

Result<void> add_rule_files(const std::vector<RuleFile>& files, Quotas& into) {
  std::map<std::string, std::string> first;
  for (const QuotaDomain& domain : into.domains) {
    first.emplace(domain.name, where(domain.file, domain.position));
  }
  for (const RuleFile& file : files) {
    Result<QuotaDomain> domain = parse_rule_file(file.text, file.path);
    if (!domain) return tl::unexpected(std::move(domain).error());
    const auto [place, is_new] = first.emplace(domain->name, where(domain->file, domain->position));
    if (!is_new) {
      return fail_at(file.path, domain->position,
                     "duplicate domain " + quote(domain->name) + ", first at " + place->second +
                         "; each in one file would be right");
    }
    into.domains.push_back(*std::move(domain));
  }
  return {};
}

}  // namespace headgate::config
