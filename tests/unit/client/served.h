// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/doors/memory_server.h"
#include "daemon/quota/engine.h"
#include "headgate/client.h"
#include "tests/lab/temp_dir.h"

// The daemon's engine and its door for memory, for clients in this process and in others.
namespace headgate::client {

using namespace std::chrono_literals;

inline config::QuotaLimit rolling(std::uint32_t requests, std::chrono::milliseconds per,
                                  std::uint32_t burst) {
  config::QuotaLimit limit;
  limit.algorithm = config::QuotaAlgorithm::kGcra;
  limit.requests = requests;
  limit.per = per;
  limit.burst = burst;
  return limit;
}

inline config::QuotaLimit per_year(std::uint32_t requests) {
  config::QuotaLimit limit;
  limit.requests = requests;
  limit.per = config::kMaxQuotaPeriod;
  limit.unit = config::QuotaUnit::kYear;
  return limit;
}

inline config::QuotaLimit at_once(std::uint32_t requests) {
  config::QuotaLimit limit;
  limit.algorithm = config::QuotaAlgorithm::kConcurrency;
  limit.requests = requests;
  return limit;
}

inline config::QuotaRule rule(const std::string& key, std::optional<config::QuotaLimit> limit,
                              std::optional<std::string> value = std::nullopt) {
  config::QuotaRule made;
  made.key = key;
  made.value = std::move(value);
  made.limit = limit;
  return made;
}

inline bool becomes_true(std::chrono::milliseconds patience, const std::function<bool()>& is_so) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

class Served : public testing::Test {
 protected:
  // A daemon: its memory goes with it, and so it does when it is started anew.
  void start() {
    engine = std::make_unique<quota::Engine>();
    if (!quotas.domains.empty()) put();
    auto started = doors::MemoryServer::start(socket, *engine);
    ASSERT_TRUE(started) << started.error().message;
    server.emplace(*std::move(started));
  }
  void stop() {
    server.reset();
    engine.reset();
  }

  void put() {
    auto policy = engine->prepare(quotas);
    ASSERT_TRUE(policy) << policy.error().message;
    engine->put_in_force(*std::move(policy));
    if (server) server->follow_rules();
  }
  void put(std::vector<config::QuotaRule> rules, const std::string& name = "api") {
    quotas.domains.clear();
    add(std::move(rules), name);
    if (engine) put();
  }
  config::QuotaDomain& add(std::vector<config::QuotaRule> rules, const std::string& name) {
    config::QuotaDomain& domain = quotas.domains.emplace_back();
    domain.name = name;
    domain.descriptors = std::move(rules);
    domain.max_keys = 1000;
    return domain;
  }

  Options options(const std::string& domain = "api") const {
    return {.domain = domain, .socket = socket, .patience = 5s};
  }

  const quota::Domain& domain(const std::string& name = "api") const {
    return engine->policy()->domains.at(name);
  }
  // What the daemon would say now.
  quota::Verdict look(std::vector<quota::Entry> entries, const std::string& name = "api") const {
    quota::Request request;
    request.domain = name;
    request.descriptors.push_back({std::move(entries), std::nullopt, std::nullopt});
    return engine->look(request)->verdicts.at(0);
  }
  std::uint64_t in_flight(const std::string& rule, const std::string& name = "api") const {
    return engine->in_flight(domain(name))[rule];
  }

  lab::TempDir directory;
  const std::string socket = (directory.path() / "memory.sock").string();
  config::Quotas quotas;
  std::unique_ptr<quota::Engine> engine;
  std::optional<doors::MemoryServer> server;
};

}  // namespace headgate::client
