// SPDX-License-Identifier: Apache-2.0
// What the kernel makes of a compiled policy against a plain reading of the configuration.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "daemon/config/config.h"
#include "daemon/kernel/address.h"
#include "daemon/kernel/limiter.h"
#include "daemon/policy/policy.h"
#include "tests/kernel/front_lab.h"
#include "tests/kernel/random_world.h"
#include "tests/lab/network_namespace.h"
#include "tests/lab/pin_dir.h"

namespace headgate::lab {
namespace {

// --- the plain reading: straight from the words of docs/configuration.md
// ---------------------------

bool holds(const Prefix& prefix, const IpAddress& address) {
  return prefix.address.family() == address.family() &&
         Prefix::of(address, prefix.length) == prefix;
}

struct Verdict {
  std::string rule;  // empty: none
  std::string client;
  std::uint32_t override_length = 0;  // 0: none (the tests use no override of length 0)
  std::uint32_t per_client = HG_NO_LIMIT;
  std::uint32_t per_network = HG_NO_LIMIT;
  int exempt = 0;
  int reason = HG_ADMITTED;

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

std::ostream& operator<<(std::ostream& out, const Verdict& verdict) {
  return out << "rule '" << verdict.rule << "' client " << verdict.client << " override /"
             << verdict.override_length << " per_client " << verdict.per_client << " per_network "
             << verdict.per_network << " exempt " << verdict.exempt << " reason " << verdict.reason;
}

const config::Rule* find_rule(const Config& config, const IpAddress& server, std::uint16_t port) {
  const config::Rule* found = nullptr;
  int longest = -2;
  for (const config::Rule& rule : config.rules) {
    for (const config::Listen& listen : rule.listen) {
      if (listen.is_udp) continue;
      if (port < listen.first_port || port > listen.last_port) continue;
      if (listen.address && !holds(*listen.address, server)) continue;
      const int length = listen.address ? listen.address->length : -1;
      if (length <= longest) continue;
      longest = length;
      found = &rule;
    }
  }
  return found;
}

Verdict judge(const Config& config, const IpAddress& client, const IpAddress& server,
              std::uint16_t port) {
  Verdict verdict;
  const config::Rule* rule = find_rule(config, server, port);
  if (rule == nullptr) return verdict;
  verdict.rule = rule->name;
  const config::PrefixLengths& cut = rule->settings.client_prefix;
  verdict.client = Prefix::of(client, client.family() == IpFamily::kIpv4 ? cut.ipv4 : cut.ipv6)
                       .address.to_string();
  verdict.per_client = rule->connections.per_client.value_or(HG_NO_LIMIT);
  verdict.per_network = rule->connections.per_network.value_or(HG_NO_LIMIT);
  for (const config::Override& override : rule->overrides) {
    for (const Prefix& prefix : override.clients) {
      if (!holds(prefix, client) || prefix.length <= verdict.override_length) continue;
      verdict.override_length = prefix.length;
      verdict.per_client = rule->connections.per_client.value_or(HG_NO_LIMIT);
      verdict.per_network = rule->connections.per_network.value_or(HG_NO_LIMIT);
      if (override.per_client)
        verdict.per_client = override.per_client->value.value_or(HG_NO_LIMIT);
      if (override.per_network) {
        verdict.per_network = override.per_network->value.value_or(HG_NO_LIMIT);
      }
      verdict.exempt = override.exempt ? 1 : 0;
    }
  }
  for (const config::Exempt& exempt : config.clients.exempt) {
    if (holds(exempt.cidr, client)) verdict.exempt = 2;
  }
  const bool is_denied =
      std::any_of(config.clients.deny.begin(), config.clients.deny.end(),
                  [&client](const config::Deny& deny) { return holds(deny.cidr, client); });
  // Nobody holds a connection: only a limit of 0 is reached.
  const auto& total = rule->connections.total;
  if (is_denied) {
    verdict.reason = HG_DENIED;
  } else if (verdict.per_client == 0) {
    verdict.reason = HG_CLIENT_CONNECTIONS;
  } else if (verdict.per_network == 0) {
    verdict.reason = HG_NETWORK_CONNECTIONS;
  } else if (total && *total == rule->connections.reserve) {
    verdict.reason = HG_TOTAL_CONNECTIONS;
  }
  return verdict;
}

Verdict to_verdict(const hg_explanation& found, const policy::Policy& policy) {
  Verdict verdict;
  if (found.rule == HG_NO_RULE) return verdict;
  verdict.rule = policy.rules.at(static_cast<policy::RuleId>(found.rule)).name;
  verdict.client = kernel::to_ip(found.client.address).to_string();
  if (found.override_bits != 0)
    verdict.override_length = found.override_bits - HG_PREFIX_FIXED_BITS;
  verdict.per_client = found.limits.per_client;
  verdict.per_network = found.limits.per_network;
  verdict.exempt = found.exempt;
  verdict.reason = static_cast<int>(found.reason);
  return verdict;
}

TEST(Compiled, EveryVerdictOfRandomPoliciesIsThatOfAPlainReading) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  World world(seed);
  const NetworkNamespace network("compiled");
  const PinDir pins;
  auto policy = std::make_shared<const policy::Policy>();
  kernel::Limiter limiter = start_limiter(network, pins, policy);
  const std::uint64_t cookie = *limiter.find_netns("");

  int policies = 0;
  std::map<int, int> reasons;
  for (int attempt = 0; policies < 400 && attempt < 4000; ++attempt) {
    const Config config = world.configuration();
    auto compiled = policy::compile(config, "random", policy->numbers);
    if (!compiled) continue;  // two rules claim the same
    ++policies;
    policy = std::make_shared<const policy::Policy>(*std::move(compiled));
    must(limiter.change(policy));
    std::vector<kernel::Denial> denials;
    std::vector<Prefix> denied;
    for (const config::Deny& deny : config.clients.deny) {
      denials.push_back({deny.cidr, HG_FOR_GOOD, ""});
      denied.push_back(deny.cidr);
    }
    must(limiter.deny(denials));
    limiter.set_any_denied(!denied.empty());
    for (int i = 0; i < 60; ++i) {
      const IpAddress client = world.address();
      IpAddress server = world.address();
      while (server.family() != client.family()) server = world.address();
      const std::uint16_t port = world.port();
      const Verdict expected = judge(config, client, server, port);
      const Verdict found =
          to_verdict(must(limiter.explain(cookie, client, server, port)), *policy);
      ASSERT_EQ(found, expected) << "policy " << policies << ": " << client.to_string() << " to "
                                 << server.to_string() << " port " << port;
      ++reasons[found.reason];
    }
    must(limiter.stop_denying(denied));
  }
  EXPECT_EQ(policies, 400);
  for (const int reason : {HG_ADMITTED, HG_CLIENT_CONNECTIONS, HG_NETWORK_CONNECTIONS,
                           HG_TOTAL_CONNECTIONS, HG_DENIED}) {
    EXPECT_GT(reasons[reason], 100) << "the random world must show every reason: " << reason;
  }
}

// --- the time that one verdict takes
// ---------------------------------------------------------------

// The program `admit` that was loaded last: the limiter's own.
UniqueFd open_admit() {
  UniqueFd found;
  std::uint32_t id = 0;
  while (bpf_prog_get_next_id(id, &id) == 0) {
    UniqueFd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
    if (std::string_view(info.name) == "admit") found = std::move(program);
  }
  return found;
}

// Nanoseconds a verdict on SYNs of these clients to port 8000, the mean of many.
double verdict_ns(const UniqueFd& admit, const std::vector<IpAddress>& clients) {
  constexpr int kRepeat = 200;
  double sum = 0;
  for (const IpAddress& client : clients) {
    bpf_sk_lookup syn{};
    syn.family = AF_INET;
    syn.protocol = IPPROTO_TCP;
    syn.local_port = 8000;
    syn.local_ip4 = kernel::to_abi(*IpAddress::parse("10.0.0.1")).word[3];
    syn.remote_ip4 = kernel::to_abi(client).word[3];
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.ctx_in = &syn;
    options.ctx_size_in = sizeof(syn);
    options.repeat = kRepeat;
    if (bpf_prog_test_run_opts(admit.get(), &options) != 0) throw std::runtime_error("test run");
    sum += options.duration;
  }
  return sum / static_cast<double>(clients.size());
}

// The i-th of 62,500 different addresses, far apart for those who search by prefix.
Prefix numbered(int first, int i) {
  return must(Prefix::parse(std::to_string(first) + "." + std::to_string(i % 100) + "." +
                            std::to_string(i / 250) + "." + std::to_string(i % 250)));
}

Config with_overrides(int count) {
  Config made;
  config::Rule rule;
  rule.name = "web";
  rule.listen.push_back({std::nullopt, 8000, 8000, false, {}, {}, {}});
  rule.connections.per_client = 100;
  config::Override override;
  override.per_client = config::OverrideLimit<std::uint32_t>{50};
  for (int i = 0; i < count; ++i) {
    override.clients.push_back(numbered(100, i));
  }
  rule.overrides.push_back(override);
  made.rules.push_back(rule);
  return made;
}

std::vector<kernel::Denial> denials(int count) {
  std::vector<kernel::Denial> made;
  for (int i = 0; i < count; ++i) {
    made.push_back({numbered(101, i), HG_FOR_GOOD, ""});
  }
  return made;
}

TEST(Compiled, AHundredThousandPrefixesDoNotMakeAVerdictSlower) {
  const NetworkNamespace network("verdict");
  const PinDir pins;
  const auto few =
      std::make_shared<const policy::Policy>(must(policy::compile(with_overrides(2), "few")));
  const auto many = std::make_shared<const policy::Policy>(
      must(policy::compile(with_overrides(50'000), "many", few->numbers)));
  kernel::Limiter limiter = start_limiter(network, pins, few);
  const UniqueFd admit = open_admit();
  ASSERT_TRUE(admit);
  must(limiter.deny(denials(2)));
  limiter.set_any_denied(true);
  std::vector<IpAddress> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(numbered(100, 160 * i).address);
  }
  std::vector<double> with_few;
  std::vector<double> with_many;
  const std::vector<kernel::Denial> all_denials = denials(50'000);
  std::vector<Prefix> removed;
  for (std::size_t i = 2; i < all_denials.size(); ++i) removed.push_back(all_denials[i].cidr);
  for (int round = 0; round < 5; ++round) {
    must(limiter.change(few));
    must(limiter.stop_denying(removed));
    with_few.push_back(verdict_ns(admit, clients));
    must(limiter.change(many));
    must(limiter.deny(all_denials));
    with_many.push_back(verdict_ns(admit, clients));
  }
  std::sort(with_few.begin(), with_few.end());
  std::sort(with_many.begin(), with_many.end());
  std::printf("a verdict: %.0f ns with 4 prefixes, %.0f ns with 100,000 (medians of 5)\n",
              with_few[2], with_many[2]);
  EXPECT_LT(with_many[2], 1.5 * with_few[2] + 100);
}

}  // namespace
}  // namespace headgate::lab
