// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/quota/tally.h"
#include "daemon/quota/usage.h"
#include "quota/limit.h"
#include "quota/rule_tree.h"

// What is in force: the rules of every domain, compiled for look-up. Immutable; a reload makes a
// new one, and what has been counted goes along where a rule is the same.
namespace headgate::quota {

class Account;
class ServiceRules;

// A limit of the configuration, or one that came with a request: with what only the daemon knows.
// is_enforced says what shadow_mode and quota_mode do.
struct Limit : LimitCore {
  std::string path;  // of the rule in its domain: "user_alice.path", as envoyproxy/ratelimit has it
  bool shadow_mode = false;
  bool quota_mode = false;
  bool detailed_metric = false;
  bool value_to_metric = false;
  std::vector<std::string> replaces;
  std::optional<config::Penalty> penalty;
  std::shared_ptr<Tally> tally;  // of all its keys; outlives the policy where the identity does
};

struct Domain {
  std::string name;
  std::vector<std::unique_ptr<const Limit>> limits;  // in the order of the file, depth first
  std::unordered_map<std::uint64_t, const Limit*> by_identity;
  RuleTree tree;  // refers to them, and to no others
  // The same for services that map the account; another object only if they are others.
  std::shared_ptr<const ServiceRules> service_rules;
  std::vector<config::ClientQuota> clients;
  bool check_all_then_commit = false;
  std::shared_ptr<Usage> usage;      // of `clients`
  std::shared_ptr<Account> account;  // what has been counted, by key
};

struct Policy {
  std::unordered_map<std::string, Domain> domains;
};

}  // namespace headgate::quota
