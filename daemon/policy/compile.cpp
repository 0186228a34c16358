// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/config/error.h"
#include "daemon/config/listen.h"
#include "daemon/policy/policy.h"

namespace headgate::policy {
namespace {

static_assert(config::kMaxRules < HG_MAX_RULES);
static_assert(config::kMaxConnections < HG_NO_LIMIT);

// A prefix length as a mask over the 16-byte form of an address.
hg_address mask_of(IpFamily family, std::uint8_t length) {
  const unsigned bits = (family == IpFamily::kIpv4 ? 96U : 0U) + length;
  IpAddress::Bytes bytes{};
  for (unsigned bit = 0; bit < bits; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | (0x80U >> (bit % 8)));
  }
  hg_address mask{};
  std::memcpy(&mask, bytes.data(), sizeof(mask));
  return mask;
}

hg_count_half_open to_abi(config::CountHalfOpen value) {
  switch (value) {
    case config::CountHalfOpen::kNone:
      return HG_HALF_OPEN_NONE;
    case config::CountHalfOpen::kAll:
      return HG_HALF_OPEN_ALL;
    case config::CountHalfOpen::kClient:
      break;
  }
  return HG_HALF_OPEN_CLIENT;
}

hg_rule limits_of(const config::Rule& rule) {
  const config::RuleSettings& settings = rule.settings;
  hg_rule limits{};
  limits.per_client = rule.connections.per_client.value_or(HG_NO_LIMIT);
  limits.total = rule.connections.total.value_or(HG_NO_LIMIT);
  limits.handshake_timeout_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(settings.handshake_timeout).count());
  limits.ipv4_mask = mask_of(IpFamily::kIpv4, settings.client_prefix.ipv4);
  limits.ipv6_mask = mask_of(IpFamily::kIpv6, settings.client_prefix.ipv6);
  limits.count_half_open = to_abi(settings.count_half_open);
  const bool refuse = settings.on_table_full == config::OnTableFull::kRefuse;
  limits.flags = refuse ? HG_REFUSE_ON_TABLE_FULL : 0U;
  return limits;
}

hg_listen_key key_of(std::uint16_t port, const Prefix& prefix) {
  const IpFamily family = prefix.address.family();
  hg_listen_key key{};
  key.prefix_bits = HG_LISTEN_FIXED_BITS + prefix.length;
  key.port = port;
  key.family = static_cast<std::uint16_t>(family);
  const std::size_t skipped = family == IpFamily::kIpv4 ? 12 : 0;
  const IpAddress::Bytes& bytes = prefix.address.bytes();
  std::memcpy(key.address, bytes.data() + skipped, bytes.size() - skipped);
  return key;
}

// Which `listen` entry has claimed what so far.
class Claims {
 public:
  explicit Claims(const std::string& file) : file_(file) {}

  Result<void> add(RuleId id, const config::Rule& rule, const config::Listen& listen) {
    const std::size_t ports = 1U + listen.last_port - listen.first_port;
    if (listen.address && addressed_.size() + ports > kMaxListenEntries) {
      config::Listen bare = listen;
      bare.address.reset();
      return config::fail_at(file_, listen.position,
                             "'listen' entries with an address claim more than " +
                                 std::to_string(kMaxListenEntries) + " ports in all rules; " +
                                 config::quote(config::to_string(bare)) +
                                 " for every address would be right");
    }
    const Claim claim{id, &rule, &listen};
    for (unsigned number = listen.first_port; number <= listen.last_port; ++number) {
      const auto port = static_cast<std::uint16_t>(number);
      const auto [first, is_new] = listen.address
                                       ? insert(addressed_, Key(port, *listen.address), claim)
                                       : insert(bare_, port, claim);
      if (!is_new) return duplicate(port, claim, first);
    }
    return {};
  }

  void write_to(Policy& policy) const {
    for (const auto& [port, claim] : bare_) policy.ports[port].rule = claim.id;
    policy.listen.reserve(addressed_.size());
    for (const auto& [key, claim] : addressed_) {
      const auto& [port, prefix] = key;
      policy.ports[port].has_addresses = 1;
      policy.listen.emplace_back(key_of(port, prefix), claim.id);
    }
  }

 private:
  struct Claim {
    RuleId id;
    const config::Rule* rule;
    const config::Listen* listen;
  };
  using Key = std::pair<std::uint16_t, Prefix>;

  template <typename K>
  static std::pair<Claim, bool> insert(std::map<K, Claim>& claims, const K& key,
                                       const Claim& claim) {
    const auto [place, is_new] = claims.emplace(key, claim);
    return {place->second, is_new};
  }

  tl::unexpected<Error> duplicate(std::uint16_t port, const Claim& claim,
                                  const Claim& first) const {
    config::Listen one = *claim.listen;
    one.first_port = one.last_port = port;
    const bool same_rule = first.id == claim.id;
    return config::fail_at(
        file_, claim.listen->position,
        "rule '" + claim.rule->name + "' claims " + config::quote(config::to_string(one)) +
            (same_rule ? " twice, first at " : ", which rule '" + first.rule->name + "' has at ") +
            config::where(file_, first.listen->position) +
            "; one entry for a port and address would be right");
  }

  const std::string& file_;
  std::map<std::uint16_t, Claim> bare_;
  std::map<Key, Claim> addressed_;
};

}  // namespace

Result<Policy> compile(const config::Config& config, const std::string& file) {
  Policy policy;
  Claims claims(file);
  RuleId id = HG_NO_RULE;
  for (const config::Rule& rule : config.rules) {
    ++id;
    policy.rules[id] = CompiledRule{rule.name, limits_of(rule)};
    for (const config::Listen& listen : rule.listen) {
      const Result<void> added = claims.add(id, rule, listen);
      if (!added) return tl::unexpected(added.error());
    }
  }
  claims.write_to(policy);
  return policy;
}

}  // namespace headgate::policy
