// SPDX-License-Identifier: Apache-2.0
#include "quota/service_policy.h"

#include <cstdint>
#include <utility>

namespace headgate::quota {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMostLevels = 64;

// One node of the tree, and what hangs on it.
struct Node {
  std::uint8_t depth = 0;
  std::string key;
  bool has_value = false;
  std::string value;
  bool has_limit = false;
};

template <typename Archive>
void fields(Archive& archive, Node& node) {
  archive(node.depth)(node.key)(node.has_value)(node.value)(node.has_limit);
}

template <typename Archive>
void fields(Archive& archive, LimitCore& limit) {
  LimitSettings& settings = limit.settings;
  archive(limit.name)(settings.algorithm)(settings.is_unlimited)(settings.requests);
  archive(settings.per)(settings.unit)(settings.burst)(settings.floor)(settings.ceiling);
  archive(settings.lease_ttl)(limit.is_enforced)(limit.has_penalty)(limit.shared_values);
  archive(limit.level)(limit.identity);
}

// What is not of this version, or is nonsense, is not used: a window of no length, for example.
bool is_sane(const LimitSettings& settings) {
  return settings.algorithm <= Algorithm::kGradient2 && settings.per.count() >= 0 &&
         settings.lease_ttl.count() >= 0 && settings.floor <= settings.ceiling;
}

}  // namespace

ServicePolicyWriter::ServicePolicyWriter() {
  bytes_(kVersion);
}

void ServicePolicyWriter::add(std::size_t depth, const std::string& key, const std::string* value,
                              const LimitCore* limit) {
  Node node;
  node.depth = static_cast<std::uint8_t>(depth);
  node.key = key;
  node.has_value = value != nullptr;
  if (value != nullptr) node.value = *value;
  node.has_limit = limit != nullptr;
  fields(bytes_, node);
  if (limit == nullptr) return;
  LimitCore copy = *limit;
  fields(bytes_, copy);
}

std::optional<ServicePolicy> read_service_policy(std::string_view bytes) {
  ByteReader reader(bytes);
  std::uint32_t version = 0;
  reader(version);
  if (version != kVersion) return std::nullopt;
  ServicePolicy policy;
  std::vector<RuleTree::Node*> path = {&policy.tree.root()};
  while (!reader.is_at_end()) {
    Node node;
    fields(reader, node);
    const ServiceLimit* limit = nullptr;
    if (node.has_limit) {
      auto read = std::make_unique<ServiceLimit>();
      fields(reader, *read);
      if (!is_sane(read->settings)) return std::nullopt;
      read->prepare();
      policy.limits.push_back(std::move(read));
      limit = policy.limits.back().get();
    }
    if (!reader.is_good() || node.depth >= path.size() || node.depth >= kMostLevels) {
      return std::nullopt;
    }
    path.resize(std::size_t{node.depth} + 1);
    path.push_back(
        &policy.tree.add(*path.back(), node.key, node.has_value ? &node.value : nullptr, limit));
  }
  if (!reader.is_good()) return std::nullopt;
  return policy;
}

}  // namespace headgate::quota
