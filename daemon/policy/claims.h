// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/policy/policy.h"

namespace headgate::policy {

// Which `listen` entry has claimed what so far. `file` and the configuration outlive it.
class Claims {
 public:
  explicit Claims(const std::string& file) : file_(file) {}

  Result<void> add(RuleId id, const config::Rule& rule, const config::Listen& listen);
  // Adds ports, prefixes of kinds HG_PREFIX_LISTEN and HG_PREFIX_LISTEN_UDP, and groups, whose
  // numbers the policy has.
  void write_to(Policy& policy) const;

 private:
  struct Claim {
    RuleId id;
    const config::Rule* rule;
    const config::Listen* listen;
  };
  using Key = std::pair<std::uint16_t, Prefix>;
  // Those of TCP and those of UDP are apart.
  struct Ports {
    std::map<std::uint16_t, Claim> bare;
    std::map<Key, Claim> addressed;
  };

  template <typename K>
  static std::pair<Claim, bool> insert(std::map<K, Claim>& claims, const K& key,
                                       const Claim& claim) {
    const auto [place, is_new] = claims.emplace(key, claim);
    return {place->second, is_new};
  }
  Result<void> add_group(const Claim& claim);
  // `what` is what both have: "443".
  tl::unexpected<Error> duplicate(const std::string& what, const Claim& claim, const Claim& first,
                                  std::string_view right) const;

  static void write_addressed(const Ports& ports, hg_prefix_kind kind, Policy& policy);

  const std::string& file_;
  Ports tcp_;
  Ports udp_;
  std::map<std::string, Claim> groups_;  // by group_name()
};

}  // namespace headgate::policy
