// SPDX-License-Identifier: Apache-2.0
// Adaptive limits in front of a server. The figures that are asserted are what the algorithms do,
// with their weaknesses: whoever makes one better may tighten them.
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "quota/auto_limit.h"
#include "quota/gradient2_limit.h"
#include "simulated_server.h"

namespace headgate::quota {
namespace {

using simulation::Load;
using simulation::Mean;
using simulation::mean_of;
using simulation::overload;
using simulation::Second;
using simulation::Server;
using simulation::simulate;

struct Case {
  Server server;
  double times;  // what is asked of the server, of what it can answer
  std::uint64_t seed;
};

std::string name_of(const Case& c) {
  return std::to_string(c.server.workers) + " workers, " +
         (c.server.is_exponential ? "varying" : "constant") + " times, load " +
         std::to_string(c.times) + ", seed " + std::to_string(c.seed);
}

std::vector<Case> cases(std::vector<unsigned> workers, std::vector<double> times) {
  std::vector<Case> all;
  for (const unsigned count : workers) {
    for (const bool is_exponential : {false, true}) {
      for (const double load : times) {
        for (const std::uint64_t seed : {1, 2}) {
          // 400 answers a second at the least.
          const Server server{.workers = count,
                              .service_s = count < 50 ? 0.02 : 0.05,
                              .is_exponential = is_exponential};
          all.push_back({server, load, seed});
        }
      }
    }
  }
  return all;
}

// In multiples of what the server can answer, and of the time it takes without a queue.
struct Observed {
  double rate;
  double latency;
  double refused;  // share of what was asked
};

Observed between(const std::vector<Second>& seconds, const Server& server, std::size_t from,
                 std::size_t until) {
  const Mean mean = mean_of(seconds, from, until);
  double refused = 0;
  double all = 0;
  for (std::size_t i = from; i < until; ++i) {
    refused += seconds[i].refused;
    all += seconds[i].refused + seconds[i].succeeded + seconds[i].failed;
  }
  return {mean.rate / server.capacity(), mean.latency_s / server.service_s,
          refused / std::max(all, 1.0)};
}

LimitBounds twice_the_workers(const Server& server) {
  return {server.workers / 2, 2 * server.workers};
}

TEST(AutoLimitUnderLoad, HoldsAnOverloadedServerAtItsCapacity) {
  for (const Case& c : cases({20, 100}, {1.2, 4})) {
    SCOPED_TRACE(name_of(c));
    AutoLimit limit(twice_the_workers(c.server), c.seed);
    const auto seconds = simulate(c.server, overload(c.server, c.times), limit, 180, c.seed);
    // Until the latency was measured anew for the first time it may have been learnt too low, and
    // the limit with it.
    EXPECT_GE(between(seconds, c.server, 5, 60).rate, 0.45);
    const Observed then = between(seconds, c.server, 60, 180);
    EXPECT_GE(then.rate, 0.95);
    EXPECT_LE(then.latency, 2.05);
  }
}

// Each client has one request at a time, and comes back soon after it was refused.
TEST(AutoLimitUnderLoad, HoldsAServerWhoseClientsComeBackAtItsCapacity) {
  for (const Case& c : cases({20}, {0})) {
    SCOPED_TRACE(name_of(c));
    AutoLimit limit(twice_the_workers(c.server), c.seed);
    const auto seconds = simulate(c.server, Load{.clients = 200}, limit, 180, c.seed);
    const Observed then = between(seconds, c.server, 30, 180);
    EXPECT_GE(then.rate, 0.95);
    EXPECT_LE(then.latency, 2.05);
  }
}

// With constant times the queue becomes short in the end, even where the initial limit of 40 is ten
// times what the server works at: each time the latency is measured anew, it is with a shorter
// queue.
TEST(AutoLimitUnderLoad, ShortensTheQueueOfASmallServerOverMinutes) {
  const Server server{.workers = 4};
  AutoLimit limit(LimitBounds(1, 1000), 1);
  const auto seconds = simulate(server, overload(server, 1.2), limit, 600);
  EXPECT_GE(between(seconds, server, 2, 30).latency, 6);
  EXPECT_LE(between(seconds, server, 300, 600).latency, 2);
  EXPECT_GE(between(seconds, server, 300, 600).rate, 0.75);
}

// With varying times the queue is mistaken for the server's own time, and grows. The ceiling is
// what keeps it short: by Little's law latency is at most ceiling / workers.
TEST(AutoLimitUnderLoad, NeedsACeilingWhereTimesVaryMuch) {
  const Server server{.workers = 4, .is_exponential = true};
  AutoLimit drifting(LimitBounds(1, 1000), 1);
  EXPECT_GE(between(simulate(server, overload(server, 2), drifting, 600), server, 240, 600).latency,
            4);
  AutoLimit bounded(LimitBounds(1, 8), 1);
  const auto seconds = simulate(server, overload(server, 2), bounded, 600);
  EXPECT_LE(between(seconds, server, 0, 600).latency, 2.05);
  EXPECT_GE(between(seconds, server, 5, 600).rate, 0.95);
}

// The limit follows the load down, and then refuses when a few more come than usual.
TEST(AutoLimitUnderLoad, NeedsAFloorNotToRefuseAtLowLoad) {
  for (const Case& c : cases({20}, {0.5})) {
    SCOPED_TRACE(name_of(c));
    const Load load = overload(c.server, c.times);
    AutoLimit limit(LimitBounds(9, 40), c.seed);
    const Observed low = between(simulate(c.server, load, limit, 120, c.seed), c.server, 10, 120);
    EXPECT_GE(low.refused, 0.02);
    EXPECT_LE(low.refused, 0.15);
    AutoLimit floored(LimitBounds(20, 40), c.seed);
    EXPECT_LE(between(simulate(c.server, load, floored, 120, c.seed), c.server, 10, 120).refused,
              0.005);
  }
}

Server slowed_down(const Server& server) {
  Server slow = server;
  slow.slowness = [](double at_s) { return at_s >= 120 && at_s < 150 ? 2.0 : 1.0; };
  return slow;
}

TEST(AutoLimitUnderLoad, RecoversFromASlowdownWithinTwoSeconds) {
  for (const Case& c : cases({20, 100}, {2})) {
    SCOPED_TRACE(name_of(c));
    const Server server = slowed_down(c.server);
    AutoLimit limit(twice_the_workers(server), c.seed);
    const auto seconds = simulate(server, overload(server, c.times), limit, 240, c.seed);
    EXPECT_GE(between(seconds, server, 120, 150).rate, 0.4);  // of 0.5
    EXPECT_GE(between(seconds, server, 152, 155).rate, 0.95);
    EXPECT_GE(between(seconds, server, 155, 240).rate, 0.95);
    EXPECT_LE(between(seconds, server, 155, 240).latency, 2.05);
  }
}

TEST(Gradient2LimitUnderLoad, HoldsAnOverloadedServerAtItsCapacity) {
  for (const Case& c : cases({20, 100}, {1.2, 4})) {
    SCOPED_TRACE(name_of(c));
    Gradient2Limit limit(twice_the_workers(c.server));
    const auto seconds = simulate(c.server, overload(c.server, c.times), limit, 180, c.seed);
    // The limit grows by 0.8 a second, from 20 or the floor: 63 s to 100.
    const std::size_t grown_s = c.server.workers == 20 ? 5 : 75;
    EXPECT_GE(between(seconds, c.server, grown_s, 180).rate, 0.95);
    EXPECT_LE(between(seconds, c.server, 0, 180).latency, 2.05);
  }
}

TEST(Gradient2LimitUnderLoad, HoldsAServerWhoseClientsComeBackAtItsCapacity) {
  for (const Case& c : cases({20}, {0})) {
    SCOPED_TRACE(name_of(c));
    Gradient2Limit limit(twice_the_workers(c.server));
    const auto seconds = simulate(c.server, Load{.clients = 200}, limit, 120, c.seed);
    EXPECT_GE(between(seconds, c.server, 5, 120).rate, 0.95);
    EXPECT_LE(between(seconds, c.server, 5, 120).latency, 2.05);
  }
}

TEST(Gradient2LimitUnderLoad, DriftsToItsCeilingUnderAnOverloadThatDoesNotEnd) {
  const Server server{.workers = 20};
  Gradient2Limit limit(LimitBounds(4, 100));
  const auto seconds = simulate(server, overload(server, 1.5), limit, 700);
  EXPECT_LE(between(seconds, server, 0, 60).latency, 2.1);
  EXPECT_GE(between(seconds, server, 240, 360).latency, 2.8);
  EXPECT_EQ(seconds[650].lowest_limit, 100);
  EXPECT_EQ(seconds[699].highest_limit, 100);
}

TEST(Gradient2LimitUnderLoad, RefusesNothingAtLowLoad) {
  for (const Case& c : cases({20}, {0.5})) {
    SCOPED_TRACE(name_of(c));
    Gradient2Limit limit(LimitBounds(20, 40));
    const auto seconds = simulate(c.server, overload(c.server, c.times), limit, 120, c.seed);
    EXPECT_LE(between(seconds, c.server, 0, 120).refused, 0.005);
  }
}

// What fell meanwhile grows again by 0.8 a second: at once where the floor is near what the server
// needs, and for a minute where it is far below that.
TEST(Gradient2LimitUnderLoad, RecoversFromASlowdownWithinAMinute) {
  for (const Case& c : cases({20, 100}, {2})) {
    SCOPED_TRACE(name_of(c));
    const Server server = slowed_down(c.server);
    Gradient2Limit limit(twice_the_workers(server));
    const auto seconds = simulate(server, overload(server, c.times), limit, 260, c.seed);
    const std::size_t recovered_s = server.workers == 20 ? 152 : 210;
    EXPECT_GE(between(seconds, server, recovered_s, recovered_s + 3).rate, 0.9);
    EXPECT_GE(between(seconds, server, recovered_s, 260).rate, 0.95);
    EXPECT_LE(between(seconds, server, 155, 260).latency, 2.05);
  }
}

// A server whose callers give up after three times what it takes: what waits longer has failed. A
// queue of failures is a longer latency, and so a higher limit, for both algorithms: the ceiling
// has to be what is served in time, here 0.15 s · 200 / s = 30.
TEST(AdaptiveLimitsUnderLoad, NeedACeilingThatIsServedInTime) {
  const Server server{.workers = 10, .service_s = 0.05, .patience_s = 0.15};
  AutoLimit high(LimitBounds(10, 100), 1);
  EXPECT_LE(between(simulate(server, overload(server, 2), high, 60), server, 20, 60).rate, 0.5);
  AutoLimit automatic(LimitBounds(10, 25), 1);
  EXPECT_GE(between(simulate(server, overload(server, 2), automatic, 60), server, 2, 60).rate,
            0.95);
  Gradient2Limit gradient(LimitBounds(10, 25));
  EXPECT_GE(between(simulate(server, overload(server, 2), gradient, 60), server, 2, 60).rate, 0.95);
}

// Fewer than a hundred answers a second teach it nothing, so a limit below that would stay for
// ever: the floor has to be a hundred times the latency in seconds at least.
TEST(AutoLimitUnderLoad, NeedsAFloorThatAdmitsAHundredASecond) {
  const Server server{.workers = 40, .service_s = 0.2};
  AutoLimit blind(LimitBounds(1, 15), 1);  // 75 a second
  simulate(server, overload(server, 2), blind, 60);
  EXPECT_EQ(blind.lowest_latency_us(), 0);
  AutoLimit seeing(LimitBounds(25, 80), 1);
  EXPECT_GE(between(simulate(server, overload(server, 2), seeing, 180), server, 60, 180).rate,
            0.95);
}

}  // namespace
}  // namespace headgate::quota
