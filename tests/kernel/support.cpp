// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/support.h"

#include <cstring>

namespace headgate::lab {
namespace {

constexpr auto kRefusalBound = 50ms;

std::string describe(const ConnectResult& result) {
  return (result.connected() ? std::string("connected") : std::strerror(result.error)) +
         std::string(" after ") + std::to_string(result.duration / 1us) + " us";
}

}  // namespace

std::string web_rule(const std::string& limits, const std::string& more) {
  return "rules:\n  - name: web\n    listen: [\"" + std::to_string(kPort) +
         "\"]\n    connections: { " + limits + " }\n" + (more.empty() ? "" : "    " + more + "\n");
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
