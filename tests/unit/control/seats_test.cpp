// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/seats.h"

#include <thread>

#include <gtest/gtest.h>

namespace headgate::control {
namespace {

class Caller final : public Occupant {
 public:
  using Occupant::has_been_read;
  using Occupant::waits_for_caller;

  void give_up() override {
    ++given_up;
    if (leaves != nullptr) leaves->leave(*this);
  }

  int given_up = 0;
  Seats* leaves = nullptr;  // at once, on the same thread
};

void outwait_patience() {
  std::this_thread::sleep_for(Seats::kPatience + std::chrono::milliseconds(50));
}

TEST(Seats, AreBoundedAndFreeAgainWhenLeft) {
  Seats seats(2);
  Caller a;
  Caller b;
  Caller c;
  EXPECT_TRUE(seats.take(a));
  EXPECT_TRUE(seats.take(b));
  EXPECT_FALSE(seats.take(c));
  seats.leave(c);  // had none
  EXPECT_FALSE(seats.take(c));
  seats.leave(a);
  EXPECT_TRUE(seats.take(c));
}

TEST(Seats, WhoeverDoesNotReadGivesWay) {
  Seats seats(2);
  Caller served;
  Caller stalled;
  Caller next;
  seats.take(stalled);
  seats.take(served);
  stalled.waits_for_caller();
  EXPECT_FALSE(seats.take(next)) << "not yet";
  outwait_patience();
  EXPECT_TRUE(seats.take(next));
  EXPECT_EQ(stalled.given_up, 1);
  EXPECT_EQ(served.given_up, 0);
  Caller another;
  EXPECT_FALSE(seats.take(another));
  seats.leave(stalled);  // later; another sits there now
  EXPECT_FALSE(seats.take(another));
}

TEST(Seats, WhoeverHasWaitedLongestGivesWayFirst) {
  Seats seats(2);
  Caller first;
  Caller second;
  Caller next;
  seats.take(second);
  seats.take(first);
  first.waits_for_caller();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  second.waits_for_caller();
  outwait_patience();
  first.leaves = &seats;
  EXPECT_TRUE(seats.take(next));
  EXPECT_EQ(first.given_up, 1);
  EXPECT_EQ(second.given_up, 0);
}

TEST(Seats, WhoeverReadsKeepsTheSeat) {
  Seats seats(1);
  Caller reader;
  Caller next;
  seats.take(reader);
  reader.waits_for_caller();
  outwait_patience();
  reader.has_been_read();
  EXPECT_FALSE(seats.take(next));
}

}  // namespace
}  // namespace headgate::control
