// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <spdlog/spdlog.h>

#include "common/version.h"
#include "daemon/app.h"
#include "daemon/config/warnings.h"
#include "daemon/manage/source.h"
#include "daemon/policy/policy.h"
#include "daemon/runtime/event_loop.h"
#include "daemon/runtime/log.h"

namespace {

constexpr int kGood = 0;
constexpr int kBad = 1;
constexpr int kUsage = 2;

int complain(const headgate::Error& error) {
  std::fprintf(stderr, "headgated: %s\n", error.to_string().c_str());
  return kBad;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Limits the connections of each client in the kernel.", "headgated");
  std::string config_file = "/etc/headgate/headgate.yaml";
  std::string log_level = "info";
  bool check_only = false;
  app.add_option("-c,--config", config_file, "Configuration file")->capture_default_str();
  app.add_flag("--check", check_only, "Validate the configuration and exit: 0 good, 1 bad");
  app.add_option("--log-level", log_level, "trace, debug, info, warning or error")
      ->capture_default_str();
  app.set_version_flag("--version", std::string("headgated ") + headgate::kVersion);
  app.footer(
      "Exit codes: 0 good, 1 bad, 2 usage. SIGHUP reloads, SIGTERM stops: the limits stay, unless "
      "on_stop says detach.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kGood : kUsage;
  }

  const auto log = headgate::runtime::set_up_log(log_level);
  if (!log) {
    complain(log.error());
    return kUsage;
  }
  // Before the configuration is read: SIGHUP may come at any time.
  const auto signals = headgate::runtime::Signals::block();
  if (!signals) return complain(signals.error());
  auto source = headgate::manage::Source::load(config_file);
  if (!source) return complain(source.error());
  if (check_only) {
    const auto policy = headgate::policy::compile(source->config, config_file);
    if (!policy) return complain(policy.error());
    std::printf("%s: good, %zu rules\n", config_file.c_str(), source->config.rules.size());
    for (const std::string& warning : headgate::config::warnings(source->config, config_file)) {
      std::printf("warning: %s\n", warning.c_str());
    }
    return kGood;
  }
  const auto done = headgate::run_daemon(*signals, *std::move(source));
  if (!done) {
    spdlog::critical("{}", done.error().to_string());
    return kBad;
  }
  return kGood;
}
