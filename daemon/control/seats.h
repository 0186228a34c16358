// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <vector>

namespace headgate::control {

// A call in the making, from its arrival until its last byte has been taken.
class Occupant {
 public:
  virtual ~Occupant() = default;
  // Ends the call soon, whatever it does. Any thread; does not block.
  virtual void give_up() = 0;

 protected:
  friend class Seats;
  // Between the two the caller has something to read.
  void waits_for_caller();
  void has_been_read();

 private:
  // steady_clock; kNever: it is not the caller who is waited for.
  static constexpr auto kNever = std::chrono::steady_clock::duration::max().count();
  std::atomic<std::chrono::steady_clock::rep> waits_since_ = kNever;
};

// A bounded number of calls that are served at once. When all seats are taken, a caller that has
// not read its answer for kPatience has to give way to a new one; so callers that never read take
// up a bounded amount of memory and keep nobody out. Thread-safe.
class Seats {
 public:
  explicit Seats(std::size_t count) : count_(count) {}

  // False: all are taken by callers that are being served. Whoever takes one leaves it.
  bool take(Occupant& occupant);
  // No give_up() is under way or will come after this. Also for who has none.
  void leave(Occupant& occupant);

  static constexpr std::chrono::milliseconds kPatience{500};

 private:
  bool make_room();

  const std::size_t count_;
  // Recursive, because a call that is given up may leave at once, on the same thread.
  std::recursive_mutex mutex_;
  std::vector<Occupant*> taken_;
};

}  // namespace headgate::control
