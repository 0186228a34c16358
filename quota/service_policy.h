// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quota/bytes.h"
#include "quota/limit.h"
#include "quota/rule_tree.h"
#include "quota/sharded_tally.h"

// The rules of one domain as the daemon hands them to services that map its memory: bytes of a
// version of their own, for a library may be older or newer than the daemon.
namespace headgate::quota {

class ServicePolicyWriter {
 public:
  ServicePolicyWriter();

  // One node of the tree, those above it first: `depth` is 0 at the top. Null: any value; no limit.
  void add(std::size_t depth, const std::string& key, const std::string* value,
           const LimitCore* limit);
  std::string take() { return bytes_.take(); }

 private:
  ByteWriter bytes_;
};

// A limit, and what this process has counted of it since it told the daemon.
struct ServiceLimit : LimitCore {
  mutable ShardedTally tally;
};

struct ServicePolicy {
  std::vector<std::unique_ptr<const ServiceLimit>> limits;
  RuleTree tree;  // refers to them, and to no others

  const ServiceLimit* find(EntrySpan entries) const {
    return static_cast<const ServiceLimit*>(tree.find(entries));
  }
};

// None: it is of another version, or cut off.
std::optional<ServicePolicy> read_service_policy(std::string_view bytes);

}  // namespace headgate::quota
