// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/result.h"

namespace headgate::runtime {

// Tells systemd how this service is doing: sd_notify(3). Where no service manager asked to be told
// (NOTIFY_SOCKET is not set) every call does nothing and succeeds. A status is one line, shown by
// `systemctl status`; line breaks in it become spaces.
//
// Errors: kPermissionDenied or kInternal when the socket is there and takes no message; that is
// worth a log line and no reason to end.
//
// Thread-safe, as long as nobody changes the environment.
class ServiceManager {
 public:
  // Reads NOTIFY_SOCKET, RUNTIME_DIRECTORY, WATCHDOG_USEC and WATCHDOG_PID, which may be meant for
  // another process.
  static Result<ServiceManager> from_environment();

  // Is there one to tell?
  bool is_there() const { return is_there_; }

  // Which the unit has for what is to end with a reboot (RuntimeDirectory=), if it has one.
  const std::optional<std::string>& runtime_directory() const { return runtime_directory_; }

  Result<void> ready(const std::string& status) const;
  // With CLOCK_MONOTONIC's time, by which systemd tells this reload from an earlier one. reloaded()
  // ends it, whether the reload was good or not, and leaves the status as it is.
  Result<void> reloading() const;
  Result<void> reloaded() const;
  Result<void> stopping(const std::string& status) const;
  Result<void> status(const std::string& text) const;

  // How often alive() must be called: half of what the service manager waits (WatchdogSec= in the
  // unit) before it takes this process for dead. None: it does not watch.
  std::optional<std::chrono::milliseconds> watchdog_period() const { return watchdog_period_; }
  Result<void> alive() const;

 private:
  bool is_there_ = false;
  std::optional<std::chrono::milliseconds> watchdog_period_;
  std::optional<std::string> runtime_directory_;
};

}  // namespace headgate::runtime
