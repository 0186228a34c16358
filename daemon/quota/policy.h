// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "daemon/config/quota.h"
#include "daemon/quota/rule_tree.h"
#include "daemon/quota/tally.h"
#include "daemon/quota/usage.h"

// What is in force: the rules of every domain, compiled for look-up. Immutable; a reload makes a
// new one, and what has been counted goes along where a rule is the same.
namespace headgate::quota {

class Account;

// A limit of the configuration, or one that came with a request.
struct Limit {
  std::string name;  // as metrics and people call it: the configured name, or else the path
  std::string path;  // of the rule in its domain: "user_alice.path", as envoyproxy/ratelimit has it
  config::QuotaLimit settings;
  bool shadow_mode = false;
  bool quota_mode = false;
  bool detailed_metric = false;
  bool value_to_metric = false;
  // share_threshold: by level, the wildcard in place of the values that match it.
  std::map<std::size_t, std::string> shared_values;
  std::vector<std::string> replaces;
  std::optional<config::Penalty> penalty;
  std::uint64_t identity = 0;    // of what makes it the same limit after a reload (compile.h)
  std::shared_ptr<Tally> tally;  // of all its keys; outlives the policy where the identity does
  std::size_t level = 0;         // of the rule's own entry; 0 at the top
};

struct Domain {
  std::string name;
  std::vector<std::unique_ptr<const Limit>> limits;  // in the order of the file, depth first
  RuleTree tree;                                     // refers to them
  std::vector<config::ClientQuota> clients;
  bool check_all_then_commit = false;
  std::shared_ptr<Usage> usage;      // of `clients`
  std::shared_ptr<Account> account;  // what has been counted, by key
};

struct Policy {
  std::unordered_map<std::string, Domain> domains;
};

}  // namespace headgate::quota
