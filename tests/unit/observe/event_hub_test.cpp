// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_hub.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace headgate::observe {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kNow{0};
constexpr milliseconds kLong{20'000};

Event event(std::uint32_t number) {
  Event event;
  event.suppressed = number;
  return event;
}

TEST(EventHub, AFollowerGetsWhatIsPublishedFromThenOnInOrder) {
  EventHub hub;
  hub.publish(event(1));
  const auto follower = hub.follow();
  ASSERT_NE(follower, nullptr);
  hub.publish(event(2));
  hub.publish(event(3));
  std::uint64_t lost = 99;
  EXPECT_EQ(hub.next(*follower, kNow, lost)->suppressed, 2U);
  EXPECT_EQ(lost, 0U);
  EXPECT_EQ(hub.next(*follower, kNow, lost)->suppressed, 3U);
  EXPECT_FALSE(hub.next(*follower, kNow, lost));
}

TEST(EventHub, EveryFollowerGetsEveryEvent) {
  EventHub hub;
  const auto one = hub.follow();
  const auto two = hub.follow();
  hub.publish(event(1));
  std::uint64_t lost = 0;
  EXPECT_TRUE(hub.next(*one, kNow, lost));
  EXPECT_TRUE(hub.next(*two, kNow, lost));
}

TEST(EventHub, AFollowerThatDoesNotKeepUpLosesTheOldestAndIsToldHowMany) {
  EventHub hub;
  const auto follower = hub.follow();
  for (std::uint32_t i = 0; i < EventHub::kMaxQueued + 7; ++i) hub.publish(event(i));
  std::uint64_t lost = 0;
  EXPECT_EQ(hub.next(*follower, kNow, lost)->suppressed, 7U);
  EXPECT_EQ(lost, 7U);
  EXPECT_EQ(hub.next(*follower, kNow, lost)->suppressed, 8U);
  EXPECT_EQ(lost, 0U) << "told once";
}

TEST(EventHub, TheNumberOfFollowersIsBoundedAndAPlaceIsFreeAgainWhenOneGoes) {
  EventHub hub;
  std::vector<std::shared_ptr<EventHub::Follower>> followers;
  for (std::size_t i = 0; i < EventHub::kMaxFollowers; ++i) {
    followers.push_back(hub.follow());
    ASSERT_NE(followers.back(), nullptr);
  }
  EXPECT_EQ(hub.follow(), nullptr);
  followers.pop_back();
  EXPECT_NE(hub.follow(), nullptr);
}

TEST(EventHub, NextWaitsAsLongAsItWasTold) {
  EventHub hub;
  const auto follower = hub.follow();
  std::uint64_t lost = 0;
  const auto start = Clock::now();
  EXPECT_FALSE(hub.next(*follower, milliseconds(50), lost));
  EXPECT_GE(Clock::now() - start, milliseconds(50));
}

TEST(EventHub, AnEventWakesAFollowerThatWaits) {
  EventHub hub;
  const auto follower = hub.follow();
  const auto start = Clock::now();
  std::thread publisher([&] {
    std::this_thread::sleep_for(milliseconds(20));
    hub.publish(event(1));
  });
  std::uint64_t lost = 0;
  EXPECT_TRUE(hub.next(*follower, kLong, lost));
  EXPECT_LT(Clock::now() - start, kLong);
  publisher.join();
}

TEST(EventHub, CloseWakesAFollowerThatWaits) {
  EventHub hub;
  const auto follower = hub.follow();
  const auto start = Clock::now();
  std::thread closer([&] {
    std::this_thread::sleep_for(milliseconds(20));
    hub.close();
  });
  std::uint64_t lost = 0;
  EXPECT_FALSE(hub.next(*follower, kLong, lost));
  EXPECT_LT(Clock::now() - start, kLong);
  closer.join();
}

TEST(EventHub, OnceClosedItHandsOutWhatIsQueuedAndNothingMore) {
  EventHub hub;
  const auto follower = hub.follow();
  hub.publish(event(1));
  EXPECT_FALSE(hub.is_closed());
  hub.close();
  hub.close();
  hub.publish(event(2));
  EXPECT_TRUE(hub.is_closed());
  EXPECT_EQ(hub.follow(), nullptr);
  std::uint64_t lost = 0;
  EXPECT_EQ(hub.next(*follower, kLong, lost)->suppressed, 1U);
  const auto start = Clock::now();
  EXPECT_FALSE(hub.next(*follower, kLong, lost));
  EXPECT_LT(Clock::now() - start, kLong);
}

TEST(EventHub, AFollowerMayOutliveTheHub) {
  std::shared_ptr<EventHub::Follower> follower;
  {
    EventHub hub;
    follower = hub.follow();
    hub.publish(event(1));
  }
  EXPECT_EQ(follower.use_count(), 1);
}

// Publishers, followers that come and go, and followers that stay: each of these gets or is told
// to have lost every event, in the order of each publisher.
TEST(EventHub, LosesNothingUnnoticedBetweenThreads) {
  constexpr std::uint32_t kEach = 50'000;
  constexpr int kPublishers = 3;
  EventHub hub;
  std::atomic<bool> is_done = false;

  std::vector<std::thread> staying;
  std::atomic<int> following = 0;
  for (int i = 0; i < 4; ++i) {
    staying.emplace_back([&] {
      const auto follower = hub.follow();
      ++following;
      std::uint64_t seen = 0;
      std::uint64_t missed = 0;
      std::vector<std::int64_t> last(kPublishers, -1);
      std::uint64_t lost = 0;
      while (const auto event = hub.next(*follower, kLong, lost)) {
        ++seen;
        missed += lost;
        const auto number = static_cast<std::int64_t>(event->suppressed);
        EXPECT_GT(number, last[event->client_port]);
        last[event->client_port] = number;
      }
      EXPECT_EQ(seen + missed, std::uint64_t{kPublishers} * kEach);
    });
  }
  while (following < 4) std::this_thread::yield();
  std::thread passing([&] {
    while (!is_done) {
      const auto follower = hub.follow();
      std::uint64_t lost = 0;
      if (follower) hub.next(*follower, milliseconds(1), lost);
    }
  });
  std::vector<std::thread> publishers;
  for (int i = 0; i < kPublishers; ++i) {
    publishers.emplace_back([&, i] {
      for (std::uint32_t number = 0; number < kEach; ++number) {
        Event one = event(number);
        one.client_port = static_cast<std::uint16_t>(i);
        hub.publish(one);
      }
    });
  }
  for (auto& thread : publishers) thread.join();
  is_done = true;
  passing.join();
  hub.close();
  for (auto& thread : staying) thread.join();
}

}  // namespace
}  // namespace headgate::observe
