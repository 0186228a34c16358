// SPDX-License-Identifier: Apache-2.0
//
// Watch as its clients see it.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <headgate/quota/v1/quota.grpc.pb.h>

#include "daemon/doors/watchers.h"
#include "served.h"

namespace headgate::doors {
namespace {

namespace v1 = headgate::quota::v1;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

v1::WatchRequest watch_of(const std::string& domain, const std::vector<std::string>& keys = {}) {
  v1::WatchRequest request;
  request.set_domain(domain);
  for (const auto& key : keys) {
    auto* const entry = request.add_descriptors()->add_entries();
    entry->set_key(key);
    entry->set_value("x");
  }
  return request;
}

class Watching : public Served {
 protected:
  struct Watcher {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> reader;

    ~Watcher() {
      context.TryCancel();
      if (reader) (void)reader->Finish();
    }
    v1::WatchResponse next() {
      v1::WatchResponse state;
      if (!reader->Read(&state)) throw std::runtime_error("no state came");
      return state;
    }
    grpc::Status end() {
      v1::WatchResponse state;
      while (reader->Read(&state)) continue;
      const grpc::Status status = reader->Finish();
      reader.reset();
      return status;
    }
  };

  std::unique_ptr<Watcher> watch(const v1::WatchRequest& request,
                                 milliseconds patience = std::chrono::seconds(20)) {
    auto watcher = std::make_unique<Watcher>();
    watcher->context.set_deadline(std::chrono::system_clock::now() + patience);
    watcher->reader = stub().Watch(&watcher->context, request);
    return watcher;
  }
  v1::QuotaService::Stub& stub() {
    if (!stub_) stub_ = v1::QuotaService::NewStub(channel_to(unix_target()));
    return *stub_;
  }
  config::QuotaLimit& limit(const std::string& key) {
    for (auto& rule : quotas.domains[0].descriptors) {
      if (rule.key == key) return *rule.limit;
    }
    throw std::runtime_error("no rule " + key);
  }
  void reload() {
    auto policy = engine.prepare(quotas);
    if (!policy) throw std::runtime_error(policy.error().to_string());
    engine.put_in_force(*std::move(policy));
  }
  // Its states are a megabyte: more than the connection takes of what nobody reads.
  v1::WatchRequest large_watch() {
    quotas.domains[0].descriptors[0].name = std::string(1000, 'n');
    reload();
    return watch_of("test", std::vector<std::string>(1000, "five"));
  }
  void add_adaptive() {
    config::QuotaLimit adaptive;
    adaptive.algorithm = config::QuotaAlgorithm::kGradient2;
    adaptive.floor = 1;
    adaptive.ceiling = 200;
    quotas.domains[0].descriptors.push_back(rule_of("adaptive", adaptive));
    reload();
  }
  // Requests that were there at the same time, as an adaptive limit sees them.
  void learn(milliseconds latency) {
    constexpr int kAtOnce = 15;
    quota::Request request;
    request.domain = "test";
    request.descriptors.push_back({{{"adaptive", "x"}}, std::nullopt, std::nullopt});
    std::vector<quota::Permit> permits;
    for (int i = 0; i < kAtOnce; ++i) {
      auto acquired = engine.acquire(request);
      permits.push_back(std::move(acquired->permit));
    }
    for (auto& permit : permits) permit.end({latency, false});
  }

 private:
  std::unique_ptr<v1::QuotaService::Stub> stub_;
};

TEST_F(Watching, AllLimitsOfADomainAreToldAtOnce) {
  add_adaptive();
  const auto state = watch(watch_of("test"))->next();
  EXPECT_TRUE(state.is_known());
  ASSERT_EQ(state.limits_size(), 9);
  const auto& five = state.limits(0);
  EXPECT_EQ(five.rule(), "five");
  EXPECT_EQ(five.path(), "five");
  EXPECT_EQ(five.algorithm(), "fixed-window");
  EXPECT_EQ(five.limit().requests(), 5U);
  EXPECT_EQ(five.limit().per().seconds(), 365 * 24 * 3600);
  EXPECT_TRUE(five.is_enforced());
  EXPECT_FALSE(five.is_unlimited());
  EXPECT_FALSE(state.limits(4).is_enforced()) << "it is in shadow mode";
  EXPECT_TRUE(state.limits(5).is_unlimited());
  EXPECT_FALSE(state.limits(5).has_limit());
  EXPECT_EQ(state.limits(6).algorithm(), "gcra");
  EXPECT_EQ(state.limits(6).limit().burst(), 2U);
  EXPECT_EQ(state.limits(7).algorithm(), "fixed");
  EXPECT_EQ(state.limits(7).limit().requests(), 2U);
  EXPECT_FALSE(state.limits(7).limit().has_per());
  const auto& adaptive = state.limits(8);
  EXPECT_EQ(adaptive.algorithm(), "gradient2");
  EXPECT_EQ(adaptive.floor(), 1U);
  EXPECT_EQ(adaptive.ceiling(), 200U);
  EXPECT_EQ(adaptive.limit().requests(), 0U) << "each key has its own";
}

TEST_F(Watching, OneLimitForEachDescriptorInTheirOrder) {
  const auto state = watch(watch_of("test", {"at_once", "unknown", "five"}))->next();
  ASSERT_EQ(state.limits_size(), 3);
  EXPECT_EQ(state.limits(0).rule(), "at_once");
  EXPECT_EQ(state.limits(0).limit().requests(), 2U);
  EXPECT_EQ(state.limits(1).rule(), "");
  EXPECT_FALSE(state.limits(1).has_limit());
  EXPECT_EQ(state.limits(2).rule(), "five");
}

TEST_F(Watching, AReloadIsToldAtOnce) {
  const auto all = watch(watch_of("test"));
  const auto one = watch(watch_of("test", {"five"}));
  all->next();
  one->next();
  const auto start = Clock::now();
  limit("five").requests = 6;
  reload();
  EXPECT_EQ(all->next().limits(0).limit().requests(), 6U);
  EXPECT_EQ(one->next().limits(0).limit().requests(), 6U);
  EXPECT_LT(Clock::now() - start, milliseconds(700));
}

TEST_F(Watching, WhatHasNotChangedIsNotTold) {
  add_adaptive();
  const auto watcher = watch(watch_of("test", {"five", "adaptive"}), milliseconds(2500));
  watcher->next();
  limit("two").requests = 3;
  reload();
  v1::WatchResponse more;
  EXPECT_FALSE(watcher->reader->Read(&more)) << more.DebugString();
}

TEST_F(Watching, AnAdaptiveLimitIsToldWhenItHasLearnt) {
  add_adaptive();
  const auto watcher = watch(watch_of("test", {"adaptive"}));
  const std::uint32_t first = watcher->next().limits(0).limit().requests();
  EXPECT_EQ(first, 20U);
  // It learns once a second, and a little only.
  for (int i = 0; i < 70; ++i) {
    learn(milliseconds(10));
    std::this_thread::sleep_for(milliseconds(50));
  }
  const std::uint32_t then = watcher->next().limits(0).limit().requests();
  EXPECT_NE(then, first);
}

TEST_F(Watching, ADomainMayComeAndGo) {
  const auto watcher = watch(watch_of("later", {"five"}));
  const auto unknown = watcher->next();
  EXPECT_FALSE(unknown.is_known());
  ASSERT_EQ(unknown.limits_size(), 1);
  EXPECT_FALSE(unknown.limits(0).has_limit());
  quotas.domains.push_back(quotas.domains[0]);
  quotas.domains[1].name = "later";
  reload();
  const auto known = watcher->next();
  EXPECT_TRUE(known.is_known());
  EXPECT_EQ(known.limits(0).limit().requests(), 5U);
  quotas.domains.pop_back();
  reload();
  EXPECT_FALSE(watcher->next().is_known());
}

TEST_F(Watching, SaysWhatIsWrong) {
  EXPECT_EQ(watch(watch_of(""))->end().error_message(), "the request names no domain");
  const auto status = watch(watch_of("test", {"five", ""}))->end();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "descriptor 2 has an entry without a key");
  auto none = watch_of("test");
  none.add_descriptors();
  EXPECT_EQ(watch(none)->end().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto many = watch_of("test", std::vector<std::string>(1001, "five"));
  EXPECT_EQ(watch(many)->end().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Watching, WhoReadsLateGetsTheNewestState) {
  // A client that nobody polls may take seconds to go on.
  const auto watcher = watch(large_watch(), std::chrono::seconds(60));
  constexpr std::uint32_t kReloads = 10;
  for (std::uint32_t i = 1; i <= kReloads; ++i) {
    std::this_thread::sleep_for(milliseconds(150));
    limit("five").requests = 5 + i;
    reload();
  }
  std::this_thread::sleep_for(milliseconds(300));
  std::uint32_t states = 0;
  while (true) {
    ++states;
    const auto state = watcher->next();
    ASSERT_EQ(state.limits_size(), 1000);
    if (state.limits(0).limit().requests() == 5 + kReloads) break;
  }
  EXPECT_LT(states, kReloads) << "a queue of old states";
}

TEST_F(Watching, SoManyAndNoMore) {
  std::vector<std::unique_ptr<v1::QuotaService::Stub>> stubs;
  std::vector<std::unique_ptr<Watcher>> watchers;
  constexpr std::size_t kEach = 256;  // of one connection
  const auto ask = [&](const v1::WatchRequest& request) {
    auto watcher = std::make_unique<Watcher>();
    watcher->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(100));
    watcher->reader = stubs.back()->Watch(&watcher->context, request);
    return watcher;
  };
  for (std::size_t i = 0; i < Watchers::kMostStreams; ++i) {
    if (i % kEach == 0) stubs.push_back(v1::QuotaService::NewStub(channel_to(unix_target())));
    watchers.push_back(ask(watch_of("test", {"five"})));
    watchers.back()->next();
  }
  stubs.push_back(v1::QuotaService::NewStub(channel_to(unix_target())));
  EXPECT_EQ(ask(watch_of("test"))->end().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  watchers.pop_back();
  // Who has gone is noticed in a moment, not at once.
  v1::WatchResponse state;
  bool is_admitted = false;
  for (int i = 0; i < 500 && !is_admitted; ++i) {
    is_admitted = ask(watch_of("test"))->reader->Read(&state);
    if (!is_admitted) std::this_thread::sleep_for(milliseconds(2));
  }
  EXPECT_TRUE(is_admitted);
  const auto start = Clock::now();
  doors.reset();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(1));
}

TEST_F(Watching, WhatTheyAskForIsBounded) {
  auto large = watch_of("test", {"five"});
  large.mutable_descriptors(0)->mutable_entries(0)->set_value(std::string(1000 * 1000, 'x'));
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 16; ++i) {
    watchers.push_back(watch(large));
    watchers.back()->next();
  }
  EXPECT_EQ(watch(large)->end().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  watch(watch_of("test"))->next();
}

TEST_F(Watching, TheDoorsCloseAtOnceAndSaySo) {
  const auto watcher = watch(watch_of("test"));
  watcher->next();
  const auto start = Clock::now();
  doors.reset();
  EXPECT_LT(Clock::now() - start, milliseconds(400)) << "nobody had to be waited for";
  EXPECT_EQ(watcher->end().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Watching, TheDoorsCloseWithWatchersThatNeverRead) {
  const auto request = large_watch();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 3; ++i) watchers.push_back(watch(request));
  // Until their connection takes no more.
  for (std::uint32_t i = 1; i <= 12; ++i) {
    std::this_thread::sleep_for(milliseconds(150));
    limit("five").requests = 5 + i;
    reload();
  }
  const auto start = Clock::now();
  doors.reset();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(1));
}

// Watchers come and go, with and without reading, while the limits change and the doors close.
TEST_F(Watching, UnderLoad) {
  add_adaptive();
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> ends = false;
    std::atomic<int> states = 0;
    const auto come_and_go = [&](unsigned int seed) {
      const auto own = v1::QuotaService::NewStub(channel_to(unix_target()));
      while (!ends) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() +
                             milliseconds(seed % 3 == 0 ? 5 : 200));
        const auto reader = own->Watch(&context, watch_of("test", {"adaptive", "five"}));
        v1::WatchResponse state;
        for (unsigned int i = 0; i < seed % 4 && reader->Read(&state); ++i) ++states;
        context.TryCancel();
        (void)reader->Finish();
        ++seed;
      }
    };
    std::vector<std::thread> clients;
    for (unsigned int i = 0; i < 6; ++i) clients.emplace_back(come_and_go, i);
    std::thread changes([&] {
      for (std::uint32_t i = 0; !ends; ++i) {
        limit("five").requests = 5 + i % 100;
        reload();
        learn(milliseconds(1 + i % 50));
        std::this_thread::sleep_for(milliseconds(5));
      }
    });
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const auto start = Clock::now();
    doors.reset();
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(1));
    ends = true;
    for (auto& client : clients) client.join();
    changes.join();
    EXPECT_GT(states, 0);
    open();
  }
}

}  // namespace
}  // namespace headgate::doors
