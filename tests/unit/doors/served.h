// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <envoy/service/ratelimit/v3/rls.grpc.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/unique_fd.h"
#include "daemon/doors/doors.h"

namespace headgate::doors {

namespace rls_v3 = envoy::service::ratelimit::v3;

class TempDirectory {
 public:
  TempDirectory() {
    char name[] = "/tmp/headgate-doors-XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("no directory in /tmp");
    path_ = name;
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline config::QuotaLimit limit_of(std::uint32_t requests, std::chrono::milliseconds per,
                                   config::QuotaUnit unit = config::QuotaUnit::kUnknown) {
  config::QuotaLimit limit;
  limit.requests = requests;
  limit.per = per;
  limit.unit = unit;
  return limit;
}

inline config::QuotaRule rule_of(const std::string& key, const config::QuotaLimit& limit) {
  config::QuotaRule rule;
  rule.key = key;
  rule.name = key;
  rule.limit = limit;
  return rule;
}

// A domain "test" with a rule for each case, by its key. A day or longer, so that no window ends
// during a test.
inline config::Quotas quotas_in(const std::string& directory) {
  using config::QuotaUnit;
  constexpr std::chrono::hours kYear{24 * 365};
  config::QuotaDomain domain;
  domain.name = "test";
  domain.descriptors.push_back(rule_of("five", limit_of(5, kYear, QuotaUnit::kYear)));
  domain.descriptors.push_back(rule_of("two", limit_of(2, kYear, QuotaUnit::kYear)));
  domain.descriptors.push_back(rule_of("many", limit_of(4'000'000'000, kYear, QuotaUnit::kYear)));
  domain.descriptors.push_back(rule_of("none", limit_of(0, kYear, QuotaUnit::kYear)));
  domain.descriptors.push_back(rule_of("shadow", limit_of(1, kYear, QuotaUnit::kYear)));
  domain.descriptors.back().shadow_mode = true;
  config::QuotaLimit unlimited;
  unlimited.is_unlimited = true;
  domain.descriptors.push_back(rule_of("unlimited", unlimited));
  config::QuotaLimit rolling = limit_of(10, std::chrono::seconds(1000));
  rolling.algorithm = config::QuotaAlgorithm::kGcra;
  rolling.burst = 2;
  domain.descriptors.push_back(rule_of("rolling", rolling));
  config::QuotaLimit at_once;
  at_once.algorithm = config::QuotaAlgorithm::kConcurrency;
  at_once.requests = 2;
  domain.descriptors.push_back(rule_of("at_once", at_once));
  config::ClientQuota alice;
  alice.user = config::ClientQuota::Whom::kOne;
  alice.user_name = "alice";
  alice.time_percent = 5;
  domain.clients.push_back(alice);

  config::Quotas quotas;
  quotas.socket = directory + "/run/quota.sock";
  quotas.grpc_listen = "127.0.0.1:0";
  quotas.http_listen = "127.0.0.1:0";
  quotas.domains.push_back(std::move(domain));
  return quotas;
}

// {{"key", "value"}, …} as a descriptor of a request.
using Entries = std::vector<std::pair<std::string, std::string>>;
inline void add(rls_v3::RateLimitRequest& request, const Entries& entries) {
  auto* const descriptor = request.add_descriptors();
  for (const auto& [key, value] : entries) {
    auto* const entry = descriptor->add_entries();
    entry->set_key(key);
    entry->set_value(value);
  }
}
inline rls_v3::RateLimitRequest request_of(const std::vector<Entries>& descriptors) {
  rls_v3::RateLimitRequest request;
  request.set_domain("test");
  for (const auto& entries : descriptors) add(request, entries);
  return request;
}

// The real doors on real sockets, with a real engine.
class Served : public testing::Test {
 protected:
  Served() {
    quotas = quotas_in(directory.path());
    auto policy = engine.prepare(quotas);
    if (!policy) throw std::runtime_error(policy.error().to_string());
    engine.put_in_force(*std::move(policy));
    open();
  }

  void open() {
    if (const auto free = Doors::prepare(quotas); !free) {
      throw std::runtime_error(free.error().to_string());
    }
    auto opened = Doors::open(quotas, engine);
    if (!opened) throw std::runtime_error(opened.error().to_string());
    doors = *std::move(opened);
  }

  std::string unix_target() const { return "unix:" + quotas.socket; }
  std::string tcp_target() const { return "127.0.0.1:" + std::to_string(doors->grpc_port()); }

  // With a connection of its own.
  static std::shared_ptr<grpc::Channel> channel_to(const std::string& target) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  }

  static grpc::Status ask(rls_v3::RateLimitService::Stub& stub,
                          const rls_v3::RateLimitRequest& request,
                          rls_v3::RateLimitResponse* response,
                          std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + patience);
    return stub.ShouldRateLimit(&context, request, response);
  }

  // Good, or the test fails.
  rls_v3::RateLimitResponse answer_to(const rls_v3::RateLimitRequest& request) {
    rls_v3::RateLimitResponse response;
    const auto status = ask(*stub(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status refusal_of(const rls_v3::RateLimitRequest& request) {
    rls_v3::RateLimitResponse response;
    return ask(*stub(), request, &response);
  }
  rls_v3::RateLimitService::Stub* stub() {
    if (!stub_) stub_ = rls_v3::RateLimitService::NewStub(channel_to(unix_target()));
    return stub_.get();
  }

  UniqueFd connect_tcp(std::uint16_t port) const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    }
    return fd;
  }

  TempDirectory directory;
  config::Quotas quotas;
  quota::Engine engine;
  std::unique_ptr<Doors> doors;

 private:
  std::unique_ptr<rls_v3::RateLimitService::Stub> stub_;
};

}  // namespace headgate::doors
