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

// Numbers 1 .. `end` - 1 in turn, but for those that the previous policy has.
class Rotation {
 public:
  Rotation(const std::map<std::string, std::uint16_t>& previous, std::uint16_t last, int end)
      : last_(last), end_(end) {
    for (const auto& [name, number] : previous) taken_.insert(number);
  }

  std::uint16_t next() {
    do {
      last_ = last_ + 1 < end_ ? static_cast<std::uint16_t>(last_ + 1) : std::uint16_t{1};
    } while (!taken_.insert(last_).second);
    return last_;
  }

  std::uint16_t last() const { return last_; }

 private:
  std::set<std::uint16_t> taken_;
  std::uint16_t last_;
  int end_;
};

Result<void> number_groups(const config::Rule& rule, const std::string& file,
                           const Numbers& previous, Rotation& fresh, Numbers& numbers) {
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
    numbers.groups[name] = known == previous.groups.end() ? fresh.next() : known->second;
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
  Rotation fresh(previous.rules, previous.last_rule, HG_MAX_RULES);
  Rotation fresh_groups(previous.groups, previous.last_group, HG_MAX_GROUPS);
  for (const config::Rule& rule : config.rules) {
    const auto known = previous.rules.find(rule.name);
    numbers.rules[rule.name] = known == previous.rules.end() ? fresh.next() : known->second;

    Result<void> groups = number_groups(rule, file, previous, fresh_groups, numbers);
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
  numbers.last_group = fresh_groups.last();
  return numbers;
}

std::uint32_t reply_number(const Numbers& numbers, const config::Reply& reply) {
  const auto entry = find(numbers.replies, reply);
  return entry == numbers.replies.end() ? HG_MAX_REPLIES : entry->second;
}

}  // namespace headgate::policy
