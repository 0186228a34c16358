// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/support.h"

#include <cstring>
#include <sstream>

namespace headgate::lab {
namespace {

const auto kRefusalBound = allowed(50ms);
constexpr auto kPatience = 300ms;  // a SYN that is answered is answered much sooner

std::string describe(const ConnectResult& result) {
  return (result.connected() ? std::string("connected") : std::strerror(result.error)) +
         std::string(" after ") + std::to_string(result.duration / 1us) + " us";
}

// How often a rule refused, or in mode monitor would have refused.
struct Refusals {
  std::uint64_t refused = 0;       // for the reason asked for
  std::uint64_t would_refuse = 0;  // for the reason asked for
  std::uint64_t all = 0;           // both, for every reason
  std::uint64_t connections = 0;
};

Refusals refusals(const Headgated& headgated, const std::string& rule, const std::string& reason) {
  const nlohmann::json status = headgated.status();
  for (const nlohmann::json& one : status.at("rules")) {
    if (one.at("name") != rule) continue;
    Refusals found{one.at("refused").value(reason, std::uint64_t{0}),
                   one.at("would_refuse").value(reason, std::uint64_t{0}), 0,
                   one.at("connections")};
    for (const char* kind : {"refused", "would_refuse"}) {
      for (const auto& [name, count] : one.at(kind).items())
        found.all += count.get<std::uint64_t>();
    }
    return found;
  }
  return {};
}

enum class Gets { kConnection, kReset, kSilence };

Gets expected_of(const nlohmann::json& explained) {
  const bool is_admitted = explained.at("is_admitted");
  if (is_admitted || explained.at("action") == "reply") return Gets::kConnection;
  return explained.at("action") == "drop" ? Gets::kSilence : Gets::kReset;
}

bool is_what_was_expected(Gets expected, const ConnectResult& result) {
  if (expected == Gets::kConnection) return result.connected();
  if (expected == Gets::kSilence) return result.error == ETIMEDOUT;
  return result.error == ECONNREFUSED && result.duration <= kRefusalBound;
}

}  // namespace

std::string web_rule(const std::string& limits, const std::string& more) {
  return "rules:\n  - name: web\n    listen: [\"" + std::to_string(kPort) +
         "\"]\n    connections: { " + limits + " }\n" + (more.empty() ? "" : "    " + more + "\n");
}

std::string web_with(const std::string& keys) {
  std::string yaml = "rules:\n  - name: web\n    listen: [\"" + std::to_string(kPort) + "\"]\n";
  std::istringstream lines(keys);
  for (std::string line; std::getline(lines, line);) yaml += "    " + line + "\n";
  return yaml;
}

std::vector<UniqueFd> hold(const Host& client, const Endpoint& to, int count,
                           const std::optional<Endpoint>& from) {
  std::vector<UniqueFd> held;
  client.network().run([&] {
    for (int i = 0; i < count; ++i) {
      ConnectResult result = connect_to(to, {.from = from});
      EXPECT_TRUE(result.connected()) << "connection " << i + 1 << ": " << describe(result);
      if (result.connected()) held.push_back(std::move(result.socket));
    }
  });
  return held;
}

testing::AssertionResult refused(const Host& client, const Endpoint& to,
                                 const ConnectOptions& options) {
  const ConnectResult result = client.connect(to, options);
  if (result.error == ECONNREFUSED && result.duration <= kRefusalBound) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << describe(result);
}

testing::AssertionResult admitted(const Host& client, const Endpoint& to,
                                  const ConnectOptions& options) {
  const ConnectResult result = client.connect(to, options);
  if (result.connected()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << describe(result);
}

nlohmann::json explain(const Headgated& headgated, const std::string& client, const Endpoint& to) {
  return headgated
      .ctl({"explain", client, "--port", std::to_string(to.port), "--server",
            to.address.to_string()})
      .at("explanations")
      .at(0);
}

std::uint64_t counted_at(const std::string& level, const Headgated& headgated,
                         const std::string& client, const Endpoint& to) {
  return explain(headgated, client, to).at(level).at("connections");
}

double tokens_at(const std::string& level, const Headgated& headgated, const std::string& client,
                 const Endpoint& to) {
  return explain(headgated, client, to).at(level).at("bucket").at("tokens");
}

testing::AssertionResult gets(const std::string& reason, const Headgated& headgated,
                              const Host& client, const Endpoint& to, const std::string& from) {
  const bool is_ipv6 = to.address.family() == IpFamily::kIpv6;
  const IpAddress source = !from.empty() ? address(from) : is_ipv6 ? client.ipv6() : client.ipv4();
  const nlohmann::json explained = explain(headgated, source.to_string(), to);
  if (explained.at("reason") != reason) {
    return testing::AssertionFailure() << "explained as " << explained.dump();
  }
  const bool is_exempt = explained.contains("exempt_by");
  const bool is_monitored = explained.at("mode") == "monitor";
  const bool is_admitted = reason == "none" || is_exempt || is_monitored;
  if (explained.at("is_admitted") != is_admitted) {
    return testing::AssertionFailure() << "wrong verdict: " << explained.dump();
  }
  const std::string rule = explained.at("rule");
  const Refusals before = refusals(headgated, rule, reason);

  const Gets expected = expected_of(explained);
  ConnectResult result = client.connect(
      to, {.from = Endpoint{source}, .timeout = expected == Gets::kSilence ? kPatience : 3000ms});
  if (!is_what_was_expected(expected, result)) {
    return testing::AssertionFailure() << describe(result) << ", explained as " << explained.dump();
  }
  const Refusals after = refusals(headgated, rule, reason);
  const std::uint64_t refused = after.refused - before.refused;
  const std::uint64_t would_refuse = after.would_refuse - before.would_refuse;
  const bool is_counted =
      refused == (is_admitted ? 0U : 1U) &&
      would_refuse == (reason != "none" && is_monitored && !is_exempt ? 1U : 0U) &&
      after.all - before.all == refused + would_refuse;
  if (!is_counted) {
    return testing::AssertionFailure()
           << "counted as " << refused << " refused and " << would_refuse << " would_refuse for "
           << reason << ", " << after.all - before.all << " in all";
  }
  result.socket.reset();
  if (!eventually(3s, [&] {
        return refusals(headgated, rule, reason).connections <= before.connections;
      })) {
    return testing::AssertionFailure() << "its end is not counted";
  }
  return testing::AssertionSuccess();
}

testing::AssertionResult counts(const Headgated& headgated, const std::string& rule,
                                const Host& server, std::uint16_t port, std::uint64_t expected) {
  const SocketDiag diag(server.network());
  std::uint64_t counted = 0;
  std::uint64_t live = 0;
  const auto equal = [&] {
    counted = headgated.rule(rule).connections;
    live = diag.count({.local_port = port});
    return counted == expected && live == expected;
  };
  if (eventually(5s, equal) && equal()) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << counted << " counted, " << live << " live sockets, " << expected << " expected";
}

}  // namespace headgate::lab
