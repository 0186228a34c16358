// SPDX-License-Identifier: Apache-2.0
#include "quota/semaphore.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "memory.h"

namespace headgate::quota {
namespace {

constexpr std::size_t kSlots = 2;
constexpr std::size_t kProcesses = 4;
constexpr std::size_t kThreads = 16;
constexpr std::size_t kLeases = kProcesses * kThreads;

// Slots and leases, and what their holders say of themselves: which slot a lease is in just now,
// + 1.
struct World {
  std::array<shared::Slot, kSlots> slots;
  std::array<shared::Lease, kLeases> leases;
  std::array<std::atomic<std::uint8_t>, kLeases> inside;
  std::array<std::atomic<std::uint64_t>, kProcesses> taken;
};

struct Fixture {
  Fixture() : memory(sizeof(World)), world(*static_cast<World*>(memory.data())) {}

  Semaphore semaphore() { return {world.slots.data(), kSlots, world.leases.data(), kLeases}; }
  std::uint32_t count(std::size_t slot) const {
    return Semaphore::count_of(world.slots[slot].in_flight);
  }

  SharedMemory memory;
  World& world;
};

TEST(Semaphore, GivesAsManyPermitsAsTheLimitSays) {
  Fixture at;
  Semaphore semaphore = at.semaphore();
  for (std::size_t lease = 0; lease < 3; ++lease) {
    EXPECT_EQ(semaphore.take(0, lease, 3, 0), Semaphore::Taken::kYes);
  }
  EXPECT_EQ(semaphore.take(0, 3, 3, 0), Semaphore::Taken::kFull);
  EXPECT_EQ(semaphore.take(1, 4, 3, 0), Semaphore::Taken::kYes) << "another key";
  EXPECT_TRUE(semaphore.give(1));
  EXPECT_EQ(at.count(0), 2U);
  EXPECT_EQ(semaphore.take(0, 3, 3, 0), Semaphore::Taken::kYes);
}

TEST(Semaphore, ALeaseIsGivenBackOnce) {
  Fixture at;
  Semaphore semaphore = at.semaphore();
  EXPECT_FALSE(semaphore.give(0));
  ASSERT_EQ(semaphore.take(0, 0, 3, 0), Semaphore::Taken::kYes);
  ASSERT_EQ(semaphore.take(0, 1, 3, 0), Semaphore::Taken::kYes);
  EXPECT_TRUE(semaphore.give(0));
  EXPECT_FALSE(semaphore.give(0));
  EXPECT_FALSE(semaphore.clear(0));
  EXPECT_EQ(at.count(0), 1U);
}

// Its holder was taken for dead, and somebody else has the lease now.
TEST(Semaphore, WhoHeldALeaseBeforeGivesBackNothingOfItsNextHolder) {
  Fixture at;
  Semaphore semaphore = at.semaphore();
  EXPECT_EQ(semaphore.take(0, 0, 1, 0), Semaphore::Taken::kYes);
  const Semaphore::Life former = semaphore.life_of(0);
  EXPECT_TRUE(semaphore.clear(0));
  EXPECT_EQ(semaphore.take(0, 0, 1, 0), Semaphore::Taken::kYes);
  EXPECT_FALSE(semaphore.give(0, former));
  EXPECT_EQ(at.count(0), 1U);
  EXPECT_TRUE(semaphore.give(0, semaphore.life_of(0)));
  EXPECT_EQ(at.count(0), 0U);
}

TEST(Semaphore, ALimitThatSinksIsKeptAsLeasesEnd) {
  Fixture at;
  Semaphore semaphore = at.semaphore();
  for (std::size_t lease = 0; lease < 5; ++lease) semaphore.take(0, lease, 5, 0);
  semaphore.give(0);
  EXPECT_EQ(semaphore.take(0, 0, 3, 0), Semaphore::Taken::kFull);
  semaphore.give(1);
  semaphore.give(2);
  EXPECT_EQ(semaphore.take(0, 0, 3, 0), Semaphore::Taken::kYes);
}

TEST(Semaphore, LeasesExpireIfTheyHaveAnEnd) {
  Fixture at;
  Semaphore semaphore = at.semaphore();
  semaphore.take(0, 0, 5, 100);
  semaphore.take(0, 1, 5, 0);
  EXPECT_FALSE(semaphore.give_expired(0, 99));
  EXPECT_FALSE(semaphore.give_expired(1, ~std::uint64_t{0}));
  EXPECT_EQ(at.count(0), 2U);
  EXPECT_TRUE(semaphore.give_expired(0, 100));
  EXPECT_FALSE(semaphore.give_expired(0, 100));
  EXPECT_EQ(at.count(0), 1U);
  semaphore.take(0, 0, 5, 200);
  EXPECT_FALSE(semaphore.give_expired(0, 100)) << "another life, with an end of its own";
}

// Two may end the same lease at the same time: its holder, and who looks for those that have
// expired.
TEST(Semaphore, TwoWhoEndTheSameLeaseEndItOnce) {
  Fixture at;
  for (int round = 0; round < 20'000; ++round) {
    Semaphore semaphore = at.semaphore();
    ASSERT_EQ(semaphore.take(0, 0, 8, 0), Semaphore::Taken::kYes);
    ASSERT_EQ(semaphore.take(0, 1, 8, 0), Semaphore::Taken::kYes);
    bool other = false;
    std::thread thread([&] { other = at.semaphore().give(0); });
    const bool mine = semaphore.give(0);
    thread.join();
    ASSERT_NE(mine, other);
    ASSERT_EQ(at.count(0), 1U);
    ASSERT_TRUE(semaphore.give(1));
  }
}

// Every word that a killed holder can leave behind.
TEST(Semaphore, ClearsUpAfterAHolderThatDiedInTheMiddle) {
  constexpr std::uint64_t kPending = std::uint64_t{1} << 41;
  const auto leave = [](Fixture& at, std::uint64_t lease, std::uint64_t in_flight) {
    at.world.leases[0].state = lease;
    at.world.leases[0].slot = 0;
    at.world.slots[0].in_flight = in_flight;
  };
  constexpr std::uint64_t kOther = std::uint64_t{1} << 42;  // somebody else's permit
  {
    Fixture at;  // it has said that it wants to, and no more
    leave(at, 5 << 2 | 1, kOther);
    EXPECT_FALSE(at.semaphore().clear(0));
    EXPECT_EQ(at.count(0), 1U);
  }
  {
    Fixture at;  // it is counted, and its lease does not know
    leave(at, 5 << 2 | 1, 2 * kOther | kPending | 0 << 20 | 5);
    EXPECT_TRUE(at.semaphore().clear(0));
    EXPECT_EQ(at.count(0), 1U);
  }
  {
    Fixture at;  // it is no longer counted, and its lease does not know
    leave(at, 5 << 2 | 2, kOther | kPending | std::uint64_t{1} << 40 | 0 << 20 | 5);
    EXPECT_FALSE(at.semaphore().clear(0));
    EXPECT_EQ(at.count(0), 1U);
  }
  {
    Fixture at;  // it held it
    leave(at, 5 << 2 | 2, 2 * kOther | 9);
    EXPECT_TRUE(at.semaphore().clear(0));
    EXPECT_EQ(at.count(0), 1U);
  }
}

[[noreturn]] void hold_and_let_go(Fixture& at, std::size_t process, std::uint32_t limit) {
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&at, process, limit, t] {
      Semaphore semaphore = at.semaphore();
      const std::size_t lease = process * kThreads + t;
      std::mt19937_64 random(static_cast<std::uint64_t>(getpid()) * kThreads + t);
      while (true) {
        const std::size_t slot = random() % kSlots;
        if (semaphore.take(slot, lease, limit, 0) != Semaphore::Taken::kYes) {
          std::this_thread::yield();
          continue;
        }
        at.world.inside[lease] = static_cast<std::uint8_t>(slot + 1);
        at.world.taken[process].fetch_add(1, std::memory_order_relaxed);
        if (random() % 8 == 0) std::this_thread::yield();
        at.world.inside[lease] = 0;
        if (!semaphore.give(lease)) _exit(3);
      }
    });
  }
  while (true) pause();
}

pid_t start(Fixture& at, std::size_t process, std::uint32_t limit) {
  const pid_t child = fork();
  if (child == 0) hold_and_let_go(at, process, limit);
  return child;
}

void wait_until_stopped(pid_t child) {
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status)) << "it ended with " << status;
}

// 64 threads in 4 processes, of which one is killed every few milliseconds: never are more inside
// than the limit, and all permits come back, none of them twice.
TEST(Semaphore, NeverExceedsTheLimitWhileHoldersAreKilled) {
  constexpr std::uint32_t kLimit = 5;
  Fixture at;
  std::array<pid_t, kProcesses> children{};
  for (std::size_t i = 0; i < kProcesses; ++i) children[i] = start(at, i, kLimit);
  std::mt19937_64 random(4);
  int came_back = 0;
  for (int round = 0; round < 400; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(1'000 + random() % 4'000));
    // All of them at rest: what is said can be compared.
    for (const pid_t child : children) ASSERT_EQ(kill(child, SIGSTOP), 0);
    for (const pid_t child : children) wait_until_stopped(child);
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      std::uint32_t inside = 0;
      for (const auto& where : at.world.inside) inside += where == slot + 1 ? 1U : 0U;
      ASSERT_LE(inside, kLimit) << "round " << round;
      ASSERT_LE(at.count(slot), kLimit) << "round " << round;
      ASSERT_GE(at.count(slot), inside) << "a permit came back twice, round " << round;
    }
    const std::size_t victim = random() % kProcesses;
    ASSERT_EQ(kill(children[victim], SIGKILL), 0);
    ASSERT_EQ(waitpid(children[victim], nullptr, 0), children[victim]);
    for (const pid_t child : children) {
      if (child == children[victim]) continue;
      ASSERT_EQ(kill(child, SIGCONT), 0);
    }
    Semaphore semaphore = at.semaphore();
    for (std::size_t t = 0; t < kThreads; ++t) {
      const std::size_t lease = victim * kThreads + t;
      came_back += semaphore.clear(lease) ? 1 : 0;
      at.world.inside[lease] = 0;
    }
    children[victim] = start(at, victim, kLimit);
  }
  for (std::size_t i = 0; i < kProcesses; ++i) {
    ASSERT_EQ(kill(children[i], SIGKILL), 0);
    ASSERT_EQ(waitpid(children[i], nullptr, 0), children[i]);
  }
  for (std::size_t lease = 0; lease < kLeases; ++lease) at.semaphore().clear(lease);
  for (std::size_t slot = 0; slot < kSlots; ++slot) EXPECT_EQ(at.count(slot), 0U);
  EXPECT_GT(came_back, 50) << "or nobody was killed while he held one";
  for (const auto& taken : at.world.taken) EXPECT_GT(taken, 1'000U);
}

TEST(Semaphore, NonsenseInTheMemoryNeitherCrashesNorHangs) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 2'000; ++round) {
    Fixture at;
    auto* const words = static_cast<std::uint64_t*>(at.memory.data());
    for (std::size_t i = 0; i < sizeof(World) / 8; ++i) words[i] = random() >> random() % 64;
    Semaphore semaphore = at.semaphore();
    for (std::size_t lease = 0; lease < 8; ++lease) {
      semaphore.take(lease % kSlots, lease, 5, 0);
      semaphore.give(lease);
      semaphore.clear(lease);
    }
  }
}

}  // namespace
}  // namespace headgate::quota
