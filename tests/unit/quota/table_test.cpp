// SPDX-License-Identifier: Apache-2.0
#include "quota/table.h"

#include <algorithm>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory.h"

namespace headgate::quota {
namespace {

constexpr std::uint64_t kMoment = 2 << 20;  // more than the table's clock can miss

Place enter(TableView& table, std::uint64_t number, std::uint64_t now = kMoment) {
  return table.find_or_insert(key(number), now, 0, std::to_string(number));
}

std::uint64_t count_keys(const TableView& table) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < table.slots(); ++i)
    count += table.slot_in_use(i) != nullptr ? 1U : 0U;
  return count;
}

TEST(Table, FindsWhatHasBeenEntered) {
  TableInMemory at(1'000);
  EXPECT_FALSE(at.table.find(key(1)));
  const Place entered = enter(at.table, 1);
  ASSERT_TRUE(entered);
  entered.slot->state = 7;
  const Place found = at.table.find(key(1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found.slot->state, 7U);
  EXPECT_TRUE(found.is_still_there());
  EXPECT_FALSE(at.table.find(key(2)));
  EXPECT_EQ(at.table.keys(), 1U);
}

TEST(Table, HoldsMaxKeysAndNotOneMore) {
  TableInMemory at(5'000);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(enter(at.table, i, i * kMoment)) << i;
    ASSERT_LE(at.table.keys(), 5'000U);
  }
  EXPECT_EQ(count_keys(at.table), at.table.keys());
  EXPECT_GE(at.table.keys(), 4'900U) << "few sets are full before the table is";
  EXPECT_EQ(at.table.evicted(), 20'000 - at.table.keys());
}

TEST(Table, ASmallTableLetsGoOfTheKeyThatWasAskedForTheLongestTimeAgo) {
  TableInMemory at(16);
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 16; ++i) enter(at.table, i, now += kMoment);
  TableView::touch(*at.table.find(key(0)).slot, now += kMoment);
  enter(at.table, 100, now += kMoment);
  EXPECT_TRUE(at.table.find(key(0)));
  EXPECT_FALSE(at.table.find(key(1)));
  for (std::uint64_t i = 2; i < 16; ++i) EXPECT_TRUE(at.table.find(key(i))) << i;
}

TEST(Table, ALargeTableLetsGoOfOldKeys) {
  TableInMemory at(10'000);
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) enter(at.table, i, now += kMoment);
  for (std::uint64_t i = 0; i < 1'000; ++i) enter(at.table, 20'000 + i, now += kMoment);
  std::uint64_t young_lost = 0;
  for (std::uint64_t i = 5'000; i < 10'000; ++i) young_lost += at.table.find(key(i)) ? 0U : 1U;
  EXPECT_LT(young_lost, 10U) << "of 1,000 that had to go, nearly all are of the older half";
}

TEST(Table, ANewKeyHasNothingOfItsPredecessor) {
  TableInMemory at(16);
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    const Place place = enter(at.table, i, now += kMoment);
    ASSERT_EQ(place.slot->state, 0U);
    ASSERT_EQ(place.slot->hits, 0U);
    ASSERT_EQ(place.slot->label[0], std::to_string(i)[0]);
    place.slot->state = ~std::uint64_t{0};
    place.slot->hits = 5;
  }
}

TEST(Table, NeverLetsGoOfAKeyWithLeases) {
  TableInMemory at(16);
  std::uint64_t now = 0;
  for (std::uint64_t i = 0; i < 15; ++i) {
    enter(at.table, i, now += kMoment).slot->in_flight = std::uint64_t{1} << 42;
  }
  for (std::uint64_t i = 100; i < 200; ++i) ASSERT_TRUE(enter(at.table, i, now += kMoment));
  for (std::uint64_t i = 0; i < 15; ++i) EXPECT_TRUE(at.table.find(key(i))) << i;
  EXPECT_EQ(at.table.keys(), 16U);
}

TEST(Table, HasNoRoomWhereAllKeysHaveLeases) {
  TableInMemory at(16);
  for (std::uint64_t i = 0; i < 16; ++i) {
    enter(at.table, i).slot->in_flight = std::uint64_t{1} << 42;
  }
  EXPECT_FALSE(enter(at.table, 100));
  EXPECT_TRUE(enter(at.table, 3));
  EXPECT_EQ(at.table.keys(), 16U);
}

TEST(Table, RemovesAKeyUnlessItHasLeases) {
  TableInMemory at(16);
  const Place place = enter(at.table, 1);
  place.slot->in_flight = std::uint64_t{1} << 42;
  EXPECT_FALSE(at.table.remove(place));
  place.slot->in_flight = 0;
  EXPECT_TRUE(at.table.remove(place));
  EXPECT_TRUE(at.table.remove(place)) << "it is gone already";
  EXPECT_FALSE(at.table.find(key(1)));
  EXPECT_FALSE(place.is_still_there());
  EXPECT_EQ(at.table.keys(), 0U);
}

TEST(Table, CountsAnewWhatADeadProcessHasLeftWrong) {
  TableInMemory at(16);
  for (std::uint64_t i = 0; i < 5; ++i) enter(at.table, i);
  static_cast<shared::Header*>(at.memory.data())->keys = 1'000'000;
  at.table.recount();
  EXPECT_EQ(at.table.keys(), 5U);
}

TEST(Table, CountsWithoutTouchingWhatNobodyHasTouched) {
  TableInMemory at(1'000'000);
  for (std::uint64_t i = 0; i < 20; ++i) enter(at.table, i);
  const auto touched = [&] {
    std::vector<unsigned char> pages((at.memory.size() + 4095) / 4096);
    EXPECT_EQ(mincore(at.memory.data(), at.memory.size(), pages.data()), 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; });
  };
  const auto before = touched();
  static_cast<shared::Header*>(at.memory.data())->keys = 1'000'000;
  at.table.recount();
  EXPECT_EQ(at.table.keys(), 20U);
  EXPECT_LE(touched(), before + 20) << "a group may reach into a second page";
}

// A process that was killed in the middle of a change: the next one finishes it.
TEST(Table, FinishesWhatSomebodyHasBegun) {
  for (const auto phase : {change::Phase::kAsked, change::Phase::kTaken}) {
    TableInMemory at(16, 1);
    const Place place = enter(at.table, 1);
    const std::uint64_t tag = change::tag_of(place.word);
    ASSERT_TRUE(at.table.remove(place));
    std::uint64_t now = place.set->change;
    now = tag << change::kTagShift | std::uint64_t{4} << change::kWayShift |
          static_cast<std::uint64_t>(phase) << change::kPhaseShift | ((now + 1) & 0xffff);
    place.set->change = now;
    const Place found = enter(at.table, 1);
    ASSERT_TRUE(found);
    EXPECT_EQ(found.way, 4U);
    EXPECT_TRUE(found.is_still_there());
  }
}

// No key is there twice, and what is counted for those that stay is exact.
TEST(Table, ManyThreadsEnterAndEvict) {
  constexpr int kThreads = 8;
  constexpr int kSteps = 60'000;
  TableInMemory at(60);
  std::atomic<std::uint64_t> clock = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      for (int i = 0; i < kSteps; ++i) {
        const std::uint64_t now = clock.fetch_add(kMoment);
        const Place place = enter(at.table, random() % 300, now);
        if (place) TableView::touch(*place.slot, now);
        if (i % 64 == 0 && place) at.table.remove(place);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto* const sets = reinterpret_cast<const shared::Set*>(
      static_cast<const std::byte*>(at.memory.data()) + shared::sets_at(at.sets));
  for (std::size_t i = 0; i < at.sets; ++i) {
    std::set<std::uint64_t> tags;
    for (const shared::Word& word : sets[i].tags) {
      const std::uint64_t tag = change::tag_of(word);
      if (tag == 0) continue;
      EXPECT_TRUE(tags.insert(tag).second) << "twice in set " << i;
    }
    EXPECT_EQ(change::phase_of(sets[i].change), change::Phase::kIdle);
  }
  EXPECT_EQ(count_keys(at.table), at.table.keys());
  EXPECT_LE(at.table.keys(), 60U);
}

// Each thread adds to keys that nobody has to let go: no addition is lost, so no key was there
// twice at any time.
TEST(Table, ManyThreadsEnterTheSameKeysAtOnce) {
  constexpr std::uint64_t kKeys = 3'000;
  constexpr int kThreads = 8;
  TableInMemory at(kKeys * 2);
  std::atomic<int> ready = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      for (std::uint64_t i = 0; i < kKeys; ++i) enter(at.table, i).slot->state.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_EQ(at.table.find(key(i)).slot->state, static_cast<std::uint64_t>(kThreads)) << i;
  }
  EXPECT_EQ(at.table.keys(), kKeys);
}

// Whoever may write into the memory may write anything.
TEST(Table, NonsenseInTheMemoryNeitherCrashesNorHangs) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 30; ++round) {
    TableInMemory at(200);
    auto* const words = static_cast<std::uint64_t*>(at.memory.data());
    for (std::size_t i = 0; i < at.memory.size() / 8; ++i) words[i] = random();
    for (std::uint64_t i = 0; i < 200; ++i) {
      const Place place = enter(at.table, i, random());
      if (place) at.table.remove(place);
    }
    at.table.recount();
    EXPECT_LE(at.table.keys(), at.table.slots());
  }
}

TEST(Table, NonsenseWhileItIsUsedNeitherCrashesNorHangs) {
  TableInMemory at(100);
  std::atomic<bool> stop = false;
  std::thread vandal([&] {
    std::mt19937_64 random(2);
    auto* const words = static_cast<std::atomic<std::uint64_t>*>(at.memory.data());
    while (!stop) words[random() % (at.memory.size() / 8)] = random();
  });
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const Place place = enter(at.table, random() % 1'000, random());
    if (place && i % 10 == 0) at.table.remove(place);
  }
  stop = true;
  vandal.join();
}

}  // namespace
}  // namespace headgate::quota
