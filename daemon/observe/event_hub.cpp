// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_hub.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace headgate::observe {

class EventHub::Follower {
 public:
  std::condition_variable changed;  // something is queued, or the hub was closed
  // All followers share one copy of an event.
  std::deque<std::shared_ptr<const Event>> queue;
  std::uint64_t lost = 0;  // since the last event that was handed out
};

// One lock for all: there are few followers, and it is held for a few instructions. A follower
// stops following by letting go of its pointer.
struct EventHub::State {
  std::size_t forget_those_gone() {
    std::erase_if(followers, [](const auto& follower) { return follower.expired(); });
    has_followers = !followers.empty();
    return followers.size();
  }

  std::mutex mutex;
  std::vector<std::weak_ptr<Follower>> followers;
  std::atomic<bool> has_followers = false;  // read without the lock
  bool is_closed = false;
};

EventHub::EventHub() : state_(std::make_unique<State>()) {}

EventHub::~EventHub() {
  close();
}

void EventHub::publish(const Event& event) {
  if (!state_->has_followers) return;
  const auto shared = std::make_shared<const Event>(event);
  const std::lock_guard lock(state_->mutex);
  if (state_->is_closed) return;
  state_->forget_those_gone();
  for (const auto& entry : state_->followers) {
    const auto follower = entry.lock();
    if (!follower) continue;  // gone this very moment
    if (follower->queue.size() >= kMaxQueued) {
      follower->queue.pop_front();
      ++follower->lost;
    }
    follower->queue.push_back(shared);
    follower->changed.notify_one();
  }
}

std::shared_ptr<EventHub::Follower> EventHub::follow() {
  auto follower = std::make_shared<Follower>();
  const std::lock_guard lock(state_->mutex);
  if (state_->is_closed || state_->forget_those_gone() >= kMaxFollowers) return nullptr;
  state_->followers.push_back(follower);
  state_->has_followers = true;
  return follower;
}

std::optional<Event> EventHub::next(Follower& follower, std::chrono::milliseconds patience,
                                    std::uint64_t& lost) {
  std::shared_ptr<const Event> event;
  {
    std::unique_lock lock(state_->mutex);
    const auto is_ready = [&] { return !follower.queue.empty() || state_->is_closed; };
    lost = 0;
    if (!follower.changed.wait_for(lock, patience, is_ready) || follower.queue.empty()) return {};
    event = std::move(follower.queue.front());
    follower.queue.pop_front();
    lost = std::exchange(follower.lost, 0);
  }
  return *event;
}

bool EventHub::is_closed() const {
  const std::lock_guard lock(state_->mutex);
  return state_->is_closed;
}

void EventHub::close() {
  const std::lock_guard lock(state_->mutex);
  state_->is_closed = true;
  for (const auto& entry : state_->followers) {
    if (const auto follower = entry.lock()) follower->changed.notify_all();
  }
}

}  // namespace headgate::observe
