// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/source.h"

#include <utility>

#include "daemon/config/file.h"
#include "daemon/config/parse.h"
#include "daemon/config/settings_file.h"

namespace headgate::manage {

Result<Source> Source::load(const std::string& path) {
  Source source;
  source.path = path;
  Result<std::string> text = config::read_file(path);
  if (!text) return tl::unexpected(text.error());
  source.text = *std::move(text);
  auto settings = config::load_settings(config::settings_path(path));
  if (!settings) return tl::unexpected(settings.error());
  source.persistent = *std::move(settings);
  auto parsed = config::parse(source.text, path, source.persistent);
  if (!parsed) return tl::unexpected(parsed.error());
  auto rule_files = config::read_rule_files(parsed->quotas);
  if (!rule_files) return tl::unexpected(rule_files.error());
  source.rule_files = *std::move(rule_files);
  source.config = *std::move(parsed);
  auto added = config::add_rule_files(source.rule_files, source.config.quotas);
  if (!added) return tl::unexpected(added.error());
  return source;
}

Result<void> Source::parse() {
  std::vector<config::Setting> all = persistent;
  for (const config::Setting& setting : transient) config::put_setting(all, setting);
  auto parsed = config::parse(text, path, all);
  if (!parsed) return tl::unexpected(parsed.error());
  config = *std::move(parsed);
  return config::add_rule_files(rule_files, config.quotas);
}

}  // namespace headgate::manage
