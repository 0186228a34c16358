// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace headgate::observe {

// Something that an operator may want to see as it happens.
struct Event {
  std::chrono::system_clock::time_point time;
  std::string kind;    // "refused", "would_refuse", "closed", "uncounted", "penalty", "reload", …
  std::string rule;    // empty where there is none
  std::string client;  // address; empty where there is none
  std::uint16_t client_port = 0;
  std::string server;            // "192.0.2.10:443"; empty where there is none
  std::string reason;            // label of enum hg_reason; empty where there is none
  std::string action;            // "reset", "drop", "reply"; empty where there is none
  std::string text;              // more, for people
  std::uint32_t suppressed = 0;  // like events not sent before this one
};

// Hands events to whoever follows them. A follower that does not keep up loses the oldest and is
// told how many. Thread-safe; one follower belongs to one thread at a time. The hub outlives calls
// of it, but not necessarily its followers.
class EventHub {
 public:
  class Follower;  // a queue of events; see event_hub.cpp

  EventHub();
  ~EventHub();

  // Never blocks for longer than a copy; costs next to nothing without followers.
  void publish(const Event& event);

  // Follows until the pointer is let go. None when kMaxFollowers follow already, or once closed.
  std::shared_ptr<Follower> follow();
  // The next event, or none after `patience`. Once the hub is closed: what is queued, then none at
  // once. `lost`: events that this follower did not get before this one.
  std::optional<Event> next(Follower& follower, std::chrono::milliseconds patience,
                            std::uint64_t& lost);
  // Wakes every follower; nothing is published from then on.
  void close();
  bool is_closed() const;

  static constexpr std::size_t kMaxFollowers = 16;
  static constexpr std::size_t kMaxQueued = 4096;  // events a follower

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headgate::observe
