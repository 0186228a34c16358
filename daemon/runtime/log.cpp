// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/log.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace headgate::runtime {
namespace {

// The syslog priority that systemd reads from the start of a line: sd-daemon(3).
class PriorityFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    char priority = '6';
    if (message.level >= spdlog::level::err) priority = '3';
    if (message.level == spdlog::level::warn) priority = '4';
    if (message.level <= spdlog::level::debug) priority = '7';
    out.push_back('<');
    out.push_back(priority);
    out.push_back('>');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }
};

}  // namespace

Result<void> set_up_log(const std::string& level) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    return fail(ErrorCode::kInvalidArgument,
                "log level '" + level +
                    "' is unknown; trace, debug, info, warning or error "
                    "would be right");
  }
  auto logger = spdlog::stderr_color_mt("headgated");
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  const bool is_journal = std::getenv("JOURNAL_STREAM") != nullptr;
  formatter->add_flag<PriorityFlag>('*').set_pattern(
      is_journal ? "%*%v" : "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  logger->set_formatter(std::move(formatter));
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace headgate::runtime
