// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/lab/headgated.h"
#include "tests/lab/socket_diag.h"
#include "tests/lab/topology.h"
#include "tests/lab/wait.h"

namespace headgate::lab {

using namespace std::chrono_literals;

inline constexpr std::uint16_t kPort = 8080;

// One rule named "web" on kPort. `limits` as in "per_client: 3, total: 5"; `more` are further keys
// of the rule, as in "handshake_timeout: 2s".
std::string web_rule(const std::string& limits, const std::string& more = "");

// The same rule with these keys, one a line.
std::string web_with(const std::string& keys);

// `count` connections that must all succeed, held as long as the result lives.
std::vector<UniqueFd> hold(const Host& client, const Endpoint& to, int count,
                           const std::optional<Endpoint>& from = std::nullopt);

// Connects and closes again: ECONNREFUSED, not later than 50 ms after the SYN (on a real machine).
testing::AssertionResult refused(const Host& client, const Endpoint& to,
                                 const ConnectOptions& options = {});
testing::AssertionResult admitted(const Host& client, const Endpoint& to,
                                  const ConnectOptions& options = {});

// What `headgatectl explain` tells of a new connection from `client` to `to`.
nlohmann::json explain(const Headgated& headgated, const std::string& client, const Endpoint& to);
// How many connections it counts at a level: "per_client", "per_network", "total".
std::uint64_t counted_at(const std::string& level, const Headgated& headgated,
                         const std::string& client, const Endpoint& to);
// How many tokens it finds there.
double tokens_at(const std::string& level, const Headgated& headgated, const std::string& client,
                 const Endpoint& to);

// `headgatectl explain` says that the limits refuse a new connection for `reason` ("none": they do
// not); one that is made and closed again gets what it said, and is counted so. From the address
// `from`, or else the client's own.
testing::AssertionResult gets(const std::string& reason, const Headgated& headgated,
                              const Host& client, const Endpoint& to, const std::string& from = "");

// The counter of `rule` is `expected` and so is the number of live sockets on `port`, at once or
// within a few seconds; a second look after that must find the same.
testing::AssertionResult counts(const Headgated& headgated, const std::string& rule,
                                const Host& server, std::uint16_t port, std::uint64_t expected);

}  // namespace headgate::lab
