// SPDX-License-Identifier: Apache-2.0
#include "client/core.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "client/fork.h"
#include "client/rcu.h"
#include "client/worker.h"

namespace headgate::client {
namespace {

constexpr std::chrono::hours kMostPatience{24};
constexpr std::chrono::seconds kPauseBetweenStarts{1};

}  // namespace

Core::Core(Options options) : options_(std::move(options)), desk_(std::make_unique<Desk>()) {
  add_to_forks(*this);
}

Core::~Core() {
  remove_from_forks(*this);
  worker_.reset();
  delete in_force_.load();
}

void Core::start() {
  worker_ = std::make_unique<Worker>(*this);
  std::unique_lock lock(desk_->mutex);
  desk_->changed.wait_for(lock,
                          std::min<std::chrono::milliseconds>(options_.patience, kMostPatience),
                          [this] { return desk_->has_answer; });
}

void Core::restart_after_fork() noexcept {
  // Whoever is not first goes on with what there is.
  const std::unique_lock lock(desk_->starting, std::try_to_lock);
  const auto now = std::chrono::steady_clock::now();
  if (!lock || !has_forked() || now < next_start_) return;
  next_start_ = now + kPauseBetweenStarts;
  try {
    worker_ = std::make_unique<Worker>(*this);
    has_forked_.store(false, std::memory_order_relaxed);
  } catch (const std::exception&) {
    // The status says that it is not attached.
  }
}

void Core::forget_after_fork() {
  if (worker_ != nullptr) worker_.release()->forget_after_fork();
  static_cast<void>(desk_.release());  // its locks may be those of threads that are not here
  desk_ = std::make_unique<Desk>();
  const InForce* const inherited = in_force_.load(std::memory_order_relaxed);
  if (inherited != nullptr) {
    desk_->status.has_rules = inherited->mapping != nullptr;
    // What was counted is the parent's to tell.
    for (const auto& limit : inherited->policy->limits) static_cast<void>(limit->tally.take());
  }
  desk_->status.problem = "not attached since the fork";
  next_start_ = {};
  has_forked_.store(true, std::memory_order_relaxed);
}

std::unique_ptr<const InForce> Core::replace(std::unique_ptr<const InForce> next) {
  std::unique_ptr<const InForce> former(in_force_.exchange(next.release()));
  wait_for_readers();
  return former;
}

}  // namespace headgate::client
