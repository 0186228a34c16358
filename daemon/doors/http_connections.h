// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <list>

namespace headgate::doors {

// A connection of the HTTP door, as far as others may end it.
class Guest {
 public:
  virtual ~Guest() = default;
  // Ends it soon, and not within this call: the guests are being walked.
  virtual void give_up() = 0;

  std::chrono::steady_clock::time_point deadline;  // of what it is to do next
};

// Those that are connected, the longest without a whole request first. One thread.
class Guests {
 public:
  using Place = std::list<Guest*>::iterator;

  explicit Guests(std::size_t most) : most_(most) {}

  // Makes room first where there is none.
  Place enter(Guest& guest) {
    if (guests_.size() >= most_) guests_.front()->give_up();
    return guests_.insert(guests_.end(), &guest);
  }
  void leave(Place place) { guests_.erase(place); }
  // It has asked something.
  void has_asked(Place place) { guests_.splice(guests_.end(), guests_, place); }

  void end_the_late(std::chrono::steady_clock::time_point now) {
    for (Guest* guest : guests_) {
      if (guest->deadline <= now) guest->give_up();
    }
  }

 private:
  const std::size_t most_;
  std::list<Guest*> guests_;
};

}  // namespace headgate::doors
