// SPDX-License-Identifier: Apache-2.0
#include "cli/deny_input.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iostream>

#include "common/ip.h"
#include "daemon/config/config.h"
#include "daemon/config/error.h"
#include "daemon/config/number.h"
#include "daemon/config/text.h"
#include "daemon/config/timestamp.h"

namespace headgate::cli {
namespace {

constexpr std::size_t kShownFaults = 10;
constexpr std::size_t kMaxLines = 1'000'000;      // as many as the daemon takes in one call
constexpr std::size_t kMaxFaultyLineBytes = 100;  // beyond it is no address
constexpr char kSpace[] = " \t";
constexpr std::chrono::hours kLongest{24 * 365 * 100};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<DenyLine> read_line(const std::string& text) {
  const std::size_t end = text.find_first_of(kSpace);
  const std::string cidr = text.substr(0, end);
  const auto prefix = Prefix::parse(cidr);
  if (!prefix && (cidr.size() > kMaxFaultyLineBytes || config::quote(cidr) != "'" + cidr + "'")) {
    return fail(ErrorCode::kInvalidArgument,
                config::quote(cidr) + " is not an IPv4 or IPv6 address or CIDR");
  }
  if (!prefix) return tl::unexpected(prefix.error());
  DenyLine line{prefix->to_string(), end == std::string::npos ? "" : trimmed(text.substr(end))};
  if (line.reason.starts_with('#')) line.reason.clear();
  if (line.reason.size() > config::kMaxReasonBytes) {
    return fail(ErrorCode::kInvalidArgument,
                "the reason has " + std::to_string(line.reason.size()) + " bytes; at most " +
                    std::to_string(config::kMaxReasonBytes) + " would be right");
  }
  if (!config::check_text(line.reason, "") ||
      line.reason.find_first_of("\t\r\n") != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "the reason " + config::quote(line.reason) + " is not printable UTF-8");
  }
  return line;
}

}  // namespace

Result<std::vector<DenyLine>> read_deny_lines(std::istream& input, const std::string& name) {
  std::vector<DenyLine> lines;
  std::string faults;
  std::size_t fault_count = 0;
  std::string text;
  for (std::size_t number = 1; std::getline(input, text); ++number) {
    if (number == 1 && text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    if (text.ends_with('\r')) text.pop_back();
    text = trimmed(text);
    if (text.empty() || text.front() == '#') continue;
    auto line = read_line(text);
    if (line) {
      lines.push_back(*std::move(line));
    } else if (++fault_count <= kShownFaults) {
      faults += (faults.empty() ? "" : "\n") + name + ":" + std::to_string(number) + ": " +
                line.error().to_string();
    }
    if (lines.size() > kMaxLines) {
      return fail(ErrorCode::kInvalidArgument, name + ": more than " + std::to_string(kMaxLines) +
                                                   " entries; as many in one call would be right");
    }
  }
  if (input.bad()) return fail(ErrorCode::kInternal, name + ": cannot read");
  if (fault_count > kShownFaults) {
    faults += "\n" + name + ": and " + std::to_string(fault_count - kShownFaults) + " more";
  }
  if (fault_count > 0) return fail(ErrorCode::kInvalidArgument, faults);
  if (lines.empty()) {
    return fail(ErrorCode::kInvalidArgument, name + ": no CIDR in it; one a line would be right");
  }
  return lines;
}

Result<std::vector<DenyLine>> read_deny_file(const std::string& path) {
  if (path == "-") return read_deny_lines(std::cin, "standard input");
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return fail_errno(path + ": cannot open", errno);
  if (S_ISDIR(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, path + ": is a directory; a file would be right");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(path + ": cannot open", errno);
  return read_deny_lines(file, path);
}

Result<std::int64_t> expiry_after(const std::string& duration,
                                  std::chrono::system_clock::time_point now) {
  const auto length = config::parse_duration(duration);
  if (!length || length->count() == 0 || *length > kLongest) {
    return fail(ErrorCode::kInvalidArgument,
                config::quote(duration) +
                    " is no time that a denial can last; 10m, 12h or 30d "
                    "would be right, at most 100 years");
  }
  const auto end = now + *length;
  return std::chrono::ceil<std::chrono::milliseconds>(end.time_since_epoch()).count();
}

Result<std::int64_t> expiry_at(const std::string& time, std::chrono::system_clock::time_point now) {
  const auto end = config::parse_timestamp(time);
  if (!end) {
    return fail(ErrorCode::kInvalidArgument,
                config::quote(time) + " is no time; 2030-01-01T00:00:00Z would be right");
  }
  if (*end <= now) {
    return fail(ErrorCode::kInvalidArgument,
                config::quote(time) + " is in the past; a time to come would be right");
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(end->time_since_epoch()).count();
}

}  // namespace headgate::cli
