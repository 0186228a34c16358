// SPDX-License-Identifier: Apache-2.0
#include "daemon/policy/claims.h"

#include "daemon/config/error.h"
#include "daemon/config/listen.h"

namespace headgate::policy {

Result<void> Claims::add(RuleId id, const config::Rule& rule, const config::Listen& listen) {
  const Claim claim{id, &rule, &listen};
  if (listen.is_group()) return add_group(claim);
  const std::size_t count = 1U + listen.last_port - listen.first_port;
  const std::size_t addressed = tcp_.addressed.size() + udp_.addressed.size();
  if (listen.address && addressed + count > kMaxListenEntries) {
    config::Listen bare = listen;
    bare.address.reset();
    return config::fail_at(file_, listen.position,
                           "'listen' entries with an address claim more than " +
                               std::to_string(kMaxListenEntries) + " ports in all rules; " +
                               config::quote(config::to_string(bare)) +
                               " for every address would be right");
  }
  Ports& ports = listen.is_udp ? udp_ : tcp_;
  for (unsigned number = listen.first_port; number <= listen.last_port; ++number) {
    const auto port = static_cast<std::uint16_t>(number);
    const auto [first, is_new] = listen.address
                                     ? insert(ports.addressed, Key(port, *listen.address), claim)
                                     : insert(ports.bare, port, claim);
    if (is_new) continue;
    config::Listen one = listen;
    one.first_port = one.last_port = port;
    return duplicate(config::to_string(one), claim, first, "one entry for a port and address");
  }
  return {};
}

Result<void> Claims::add_group(const Claim& claim) {
  const std::string name = group_name(*claim.listen);
  const auto [first, is_new] = insert(groups_, name, claim);
  if (is_new) return {};
  return duplicate(name, claim, first, "one entry for a unit or cgroup");
}

void Claims::write_addressed(const Ports& ports, hg_prefix_kind kind, Policy& policy) {
  for (const auto& [key, claim] : ports.addressed) {
    const auto& [port, prefix] = key;
    hg_port& bare = policy.ports[port];
    (kind == HG_PREFIX_LISTEN_UDP ? bare.has_udp_addresses : bare.has_addresses) = 1;
    hg_prefix value{};
    value.rule = claim.id;
    policy.prefixes.emplace_back(key_of(prefix, kind, port), value);
  }
}

void Claims::write_to(Policy& policy) const {
  for (const auto& [port, claim] : tcp_.bare) policy.ports[port].rule = claim.id;
  for (const auto& [port, claim] : udp_.bare) policy.ports[port].udp_rule = claim.id;
  write_addressed(tcp_, HG_PREFIX_LISTEN, policy);
  write_addressed(udp_, HG_PREFIX_LISTEN_UDP, policy);
  for (const auto& [name, claim] : groups_) {
    policy.groups[policy.numbers.groups.at(name)] = claim.id;
  }
}

tl::unexpected<Error> Claims::duplicate(const std::string& what, const Claim& claim,
                                        const Claim& first, std::string_view right) const {
  const bool same_rule = first.id == claim.id;
  return config::fail_at(
      file_, claim.listen->position,
      "rule '" + claim.rule->name + "' claims " + config::quote(what) +
          (same_rule ? " twice, first at " : ", which rule '" + first.rule->name + "' has at ") +
          config::where(file_, first.listen->position) + "; " + std::string(right) +
          " would be right");
}

}  // namespace headgate::policy
