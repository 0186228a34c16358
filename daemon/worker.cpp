// SPDX-License-Identifier: Apache-2.0
#include "daemon/worker.h"

#include <chrono>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/config/difference.h"

namespace headgate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::minutes kBetweenChecks{1};

void log_reload(const Result<manage::ReloadReport>& report) {
  if (!report) {
    spdlog::error("reload failed, the policy is as before: {}", report.error().to_string());
    return;
  }
  for (const config::Change& change : report->changes) {
    spdlog::info("reload: {}", config::to_string(change));
  }
  for (const std::string& warning : report->warnings) spdlog::warn("reload: {}", warning);
  spdlog::info("reload: generation {} is in force ({} changes, {} connections counted anew, {} us)",
               report->generation, report->changes.size(), report->rekeyed, report->took.count());
}

}  // namespace

Worker::Worker(manage::LiveManager& manager, const runtime::ServiceManager& service)
    : manager_(manager),
      service_(service),
      next_check_(Clock::now() + kBetweenChecks),
      thread_([this] { run(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(lock_);
    is_ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::ask(bool& wanted) {
  {
    const std::lock_guard lock(lock_);
    wanted = true;
  }
  wake_.notify_one();
}

void Worker::run() {
  std::unique_lock lock(lock_);
  for (;;) {
    wake_.wait_for(lock, kTick,
                   [this] { return is_ending_ || is_reload_wanted_ || is_look_wanted_; });
    if (is_ending_) return;
    const bool is_reload = std::exchange(is_reload_wanted_, false);
    const bool is_look = std::exchange(is_look_wanted_, false);
    lock.unlock();
    work(is_reload, is_look);
    lock.lock();
  }
}

void Worker::work(bool is_reload, bool is_look) {
  if (is_reload) {
    (void)service_.reloading();
    log_reload(manager_.reload());
    (void)service_.reloaded();
  } else if (is_look) {
    const auto report = manager_.reload_if_changed();
    if (!report) {
      log_reload(tl::unexpected(report.error()));
    } else if (*report) {
      log_reload(**report);
    }
  }
  look_after_host();
}

void Worker::look_after_host() {
  manager_.follow_host();
  manager_.quotas().tick();
  if (Clock::now() < next_check_) return;
  manager_.check_counts();
  next_check_ = Clock::now() + kBetweenChecks;
}

}  // namespace headgate
