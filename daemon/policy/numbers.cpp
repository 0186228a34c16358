// SPDX-License-Identifier: Apache-2.0
#include "daemon/policy/numbers.h"

#include <algorithm>
#include <set>

#include "daemon/config/error.h"
#include "daemon/config/listen.h"

namespace headgate::policy {
namespace {

// Two policies that follow each other never need more numbers than there are.
static_assert(2 * config::kMaxRules < HG_MAX_RULES);
static_assert(2 * kMaxGroups < HG_MAX_GROUPS);
static_assert(config::kMaxNamespaces == HG_MAX_NAMESPACES);

using Replies = std::vector<std::pair<config::Reply, std::uint32_t>>;

auto find(const Replies& replies, const config::Reply& reply) {
  return std::find_if(replies.begin(), replies.end(),
                      [&reply](const auto& entry) { return entry.first == reply; });
}

std::uint32_t free_place(const Replies& taken, const Replies& also_taken) {
  for (std::uint32_t place = 0;; ++place) {
    const auto is_it = [place](const auto& entry) { return entry.second == place; };
    if (std::none_of(taken.begin(), taken.end(), is_it) &&
        std::none_of(also_taken.begin(), also_taken.end(), is_it)) {
      return place;
    }
  }
}

class RuleNumbers {
 public:
  explicit RuleNumbers(const Numbers& previous) : last_(previous.last_rule) {
    for (const auto& [name, id] : previous.rules) taken_.insert(id);
  }

  RuleId next() {
    do {
      last_ = last_ + 1 < HG_MAX_RULES ? static_cast<RuleId>(last_ + 1) : RuleId{1};
    } while (!taken_.insert(last_).second);
    return last_;
  }

  RuleId last() const { return last_; }

 private:
  std::set<RuleId> taken_;
  RuleId last_;
};

// The lowest number that neither policy has.
GroupId free_group(const std::map<std::string, GroupId>& taken,
                   const std::map<std::string, GroupId>& also_taken) {
  std::set<GroupId> numbers;
  for (const auto& [name, id] : taken) numbers.insert(id);
  for (const auto& [name, id] : also_taken) numbers.insert(id);
  GroupId free = 1;
  while (numbers.contains(free)) ++free;
  return free;
}

Result<void> number_groups(const config::Rule& rule, const std::string& file,
                           const Numbers& previous, Numbers& numbers) {
  for (const config::Listen& listen : rule.listen) {
    if (!listen.is_group()) continue;
    const std::string name = group_name(listen);
    if (numbers.groups.contains(name)) continue;
    if (numbers.groups.size() == kMaxGroups) {
      return config::fail_at(file, listen.position,
                             "rule '" + rule.name + "' needs one more than " +
                                 std::to_string(kMaxGroups) +
                                 " units and cgroups in all rules; a slice that holds several of "
                                 "them, or their ports, would be right");
    }
    const auto known = previous.groups.find(name);
    numbers.groups[name] = known == previous.groups.end()
                               ? free_group(previous.groups, numbers.groups)
                               : known->second;
  }
  return {};
}

}  // namespace

std::string group_name(const config::Listen& listen) {
  return config::to_string(listen);
}

Result<Numbers> number(const config::Config& config, const std::string& file,
                       const Numbers& previous) {
  Numbers numbers;
  RuleNumbers fresh(previous);
  for (const config::Rule& rule : config.rules) {
    const auto known = previous.rules.find(rule.name);
    numbers.rules[rule.name] = known == previous.rules.end() ? fresh.next() : known->second;

    Result<void> groups = number_groups(rule, file, previous, numbers);
    if (!groups) return tl::unexpected(std::move(groups).error());

    const std::optional<config::Reply>& reply = rule.settings.reply;
    if (!reply || find(numbers.replies, *reply) != numbers.replies.end()) continue;
    if (numbers.replies.size() == kMaxReplies) {
      return config::fail_at(file, rule.position,
                             "rule '" + rule.name + "' needs one more than " +
                                 std::to_string(kMaxReplies) +
                                 " different replies; using one of the others would be right");
    }
    const auto same = find(previous.replies, *reply);
    numbers.replies.emplace_back(*reply, same == previous.replies.end()
                                             ? free_place(previous.replies, numbers.replies)
                                             : same->second);
  }
  numbers.last_rule = fresh.last();
  return numbers;
}

std::uint32_t reply_number(const Numbers& numbers, const config::Reply& reply) {
  const auto entry = find(numbers.replies, reply);
  return entry == numbers.replies.end() ? HG_MAX_REPLIES : entry->second;
}

}  // namespace headgate::policy
