// SPDX-License-Identifier: Apache-2.0
#include "client/core.h"

#include <exception>
#include <utility>

#include "client/fork.h"
#include "client/rcu.h"
#include "client/worker.h"

namespace headgate::client {

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
  desk_->has_tried.wait_for(lock, options_.patience, [this] { return desk_->status.has_rules; });
}

bool Core::restart_after_fork() noexcept {
  if (!is_forked_.load(std::memory_order_acquire)) return false;
  try {
    const std::lock_guard lock(start_mutex_);
    if (!is_forked_.load(std::memory_order_relaxed)) return true;
    start();
    is_forked_.store(false, std::memory_order_release);
    return true;
  } catch (const std::exception&) {
    return false;  // no thread to be had: perhaps the next time
  }
}

void Core::forget_after_fork() {
  if (worker_ != nullptr) worker_.release()->forget_after_fork();
  static_cast<void>(desk_.release());
  desk_ = std::make_unique<Desk>();
  const InForce* const inherited = in_force_.exchange(nullptr);
  if (inherited != nullptr && inherited->mapping != nullptr) inherited->mapping->disown();
  is_forked_.store(true, std::memory_order_release);
}

std::unique_ptr<const InForce> Core::replace(std::unique_ptr<const InForce> next) {
  std::unique_ptr<const InForce> former(in_force_.exchange(next.release()));
  wait_for_readers();
  return former;
}

}  // namespace headgate::client
