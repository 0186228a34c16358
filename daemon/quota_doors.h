// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "common/result.h"
#include "daemon/doors/doors.h"
#include "daemon/manage/live_manager.h"
#include "daemon/metrics_server.h"

namespace headgate {

// Opens the doors for quotas once there are rules, at the start or after a reload, and puts their
// times on the metrics page. Thread-safe.
class QuotaDoors {
 public:
  // Can they be opened, if they are needed? Before anything is enforced.
  static Result<void> prepare(const config::Config& config);

  // Both outlive it; `metrics` may be null.
  QuotaDoors(manage::LiveManager& manager, MetricsServer* metrics)
      : manager_(manager), metrics_(metrics) {}

  // After each change. Does nothing where they are open already, or no rule asks for them.
  Result<void> follow();
  void close();

 private:
  manage::LiveManager& manager_;
  MetricsServer* metrics_;
  std::mutex mutex_;
  std::unique_ptr<doors::Doors> doors_;
  bool is_closed_ = false;
};

// "quotas /run/headgate/quota.sock, 127.0.0.1:8081"; "quotas off" without rules.
std::string describe_doors(const config::Quotas& quotas);

}  // namespace headgate
