// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/service_manager.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include <time.h>

namespace headgate::runtime {
namespace {

// The environment stays as it is: headgated starts no program that could take it for its own.
constexpr int kKeepEnvironment = 0;

Result<void> send(const std::string& message) {
  const int sent = sd_notify(kKeepEnvironment, message.c_str());
  if (sent < 0) return fail_errno("cannot tell the service manager (NOTIFY_SOCKET)", -sent);
  return {};
}

// A line break would begin another variable of the message.
std::string status_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return "STATUS=" + text;
}

std::string monotonic_usec() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000);
}

}  // namespace

Result<ServiceManager> ServiceManager::from_environment() {
  ServiceManager manager;
  const char* socket = std::getenv("NOTIFY_SOCKET");
  manager.is_there_ = socket != nullptr && *socket != '\0';
  const char* directories = std::getenv("RUNTIME_DIRECTORY");
  if (directories != nullptr && *directories == '/') {
    // Further ones would be those of a drop-in.
    const std::string all = directories;
    manager.runtime_directory_ = all.substr(0, all.find(':'));
  }
  std::uint64_t limit_us = 0;
  const int is_watched = sd_watchdog_enabled(kKeepEnvironment, &limit_us);
  if (is_watched < 0) {
    return fail_errno("WATCHDOG_USEC or WATCHDOG_PID in the environment is wrong", -is_watched);
  }
  if (is_watched > 0) {
    const std::chrono::microseconds half(limit_us / 2);
    manager.watchdog_period_ = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(half),
                                        std::chrono::milliseconds(1));
  }
  return manager;
}

Result<void> ServiceManager::ready(const std::string& status) const {
  return send("READY=1\n" + status_line(status));
}

Result<void> ServiceManager::reloading() const {
  return send("RELOADING=1\nMONOTONIC_USEC=" + monotonic_usec() + "\n" +
              status_line("reading the configuration again"));
}

Result<void> ServiceManager::reloaded() const {
  return send("READY=1");
}

Result<void> ServiceManager::stopping(const std::string& status) const {
  return send("STOPPING=1\n" + status_line(status));
}

Result<void> ServiceManager::status(const std::string& text) const {
  return send(status_line(text));
}

Result<void> ServiceManager::alive() const {
  return send("WATCHDOG=1");
}

}  // namespace headgate::runtime
