// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::policy {
namespace {

config::Reply raw_reply(int number) {
  return {config::ReplyKind::kRaw, "no " + std::to_string(number)};
}

config::Config config_of(const std::vector<std::string>& names) {
  config::Config config;
  std::uint16_t port = 0;
  for (const std::string& name : names) {
    config::Rule rule;
    rule.name = name;
    ++port;
    rule.listen.push_back({std::nullopt, port, port, false, {}, {}, {}});
    config.rules.push_back(rule);
  }
  return config;
}

config::Listen unit(const std::string& name) {
  config::Listen listen;
  listen.unit = name + ".service";
  return listen;
}

// One rule that covers these groups.
config::Config config_covering(const std::vector<std::string>& units) {
  config::Config config = config_of({"web"});
  for (const std::string& name : units) config.rules[0].listen.push_back(unit(name));
  return config;
}

// A rule for each of these replies.
config::Config config_replying(const std::vector<int>& replies) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < replies.size(); ++i) names.push_back("r" + std::to_string(i));
  config::Config config = config_of(names);
  for (std::size_t i = 0; i < replies.size(); ++i) {
    config.rules[i].settings.on_limit = config::OnLimit::kReply;
    config.rules[i].settings.reply = raw_reply(replies[i]);
  }
  return config;
}

Numbers numbers_of(const config::Config& config, const Numbers& previous) {
  Result<Policy> policy = compile(config, "f", previous);
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  if (!policy) return {};
  EXPECT_EQ(policy->rules.size(), config.rules.size());
  for (const auto& [id, rule] : policy->rules) {
    EXPECT_EQ(policy->numbers.rules.at(rule.name), id);
    EXPECT_EQ(config.rules.at(rule.index).name, rule.name);
  }
  EXPECT_EQ(policy->groups.size(), policy->numbers.groups.size());
  for (const auto& [name, id] : policy->numbers.groups) EXPECT_TRUE(policy->groups.contains(id));
  return policy->numbers;
}

std::vector<std::string> names(const std::string& stem, std::size_t count) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(stem + std::to_string(i));
  return all;
}

// What must hold between two policies that follow each other.
void expect_next_to(const Numbers& before, const Numbers& after) {
  std::map<RuleId, std::string> owners;
  for (const auto& [name, id] : before.rules) owners[id] = name;
  for (const auto& [name, id] : after.rules) {
    EXPECT_GE(id, 1);
    EXPECT_LT(id, HG_MAX_RULES);
    EXPECT_EQ(owners.emplace(id, name).first->second, name) << "number " << id;
    const auto known = before.rules.find(name);
    if (known != before.rules.end()) {
      EXPECT_EQ(id, known->second) << name;
    }
  }
  std::map<GroupId, std::string> groups;
  for (const auto& [name, id] : before.groups) groups[id] = name;
  for (const auto& [name, id] : after.groups) {
    EXPECT_GE(id, 1);
    EXPECT_LT(id, HG_MAX_GROUPS);
    EXPECT_EQ(groups.emplace(id, name).first->second, name) << "group " << id;
    const auto known = before.groups.find(name);
    if (known != before.groups.end()) {
      EXPECT_EQ(id, known->second) << name;
    }
  }
  std::map<std::uint32_t, std::string> texts;
  for (const auto& [reply, place] : before.replies) texts[place] = reply.raw;
  for (const auto& [reply, place] : after.replies) {
    EXPECT_LT(place, static_cast<std::uint32_t>(HG_MAX_REPLIES));
    EXPECT_EQ(texts.emplace(place, reply.raw).first->second, reply.raw) << "place " << place;
    for (const auto& [known, known_place] : before.replies) {
      if (known == reply) {
        EXPECT_EQ(place, known_place) << reply.raw;
      }
    }
  }
}

TEST(RuleNumbers, StayWithTheNameWhateverTheOrder) {
  const Numbers first = numbers_of(config_of({"a", "b", "c"}), {});
  const Numbers second = numbers_of(config_of({"c", "new", "a"}), first);
  EXPECT_EQ(second.rules.at("a"), 1);
  EXPECT_EQ(second.rules.at("c"), 3);
  EXPECT_EQ(second.rules.at("new"), 4);
  EXPECT_EQ(second.rules.count("b"), 0U);
}

TEST(RuleNumbers, ANumberThatBecomesFreeIsGivenOutAsLateAsPossible) {
  Numbers numbers = numbers_of(config_of({"a", "b"}), {});
  numbers = numbers_of(config_of({"a"}), numbers);
  numbers = numbers_of(config_of({"a", "b"}), numbers);  // b has been away
  EXPECT_EQ(numbers.rules.at("b"), 3);
}

TEST(RuleNumbers, BeginAgainAfterTheLastAndSkipThoseInUse) {
  Numbers numbers = numbers_of(config_of({"stays"}), {});
  EXPECT_EQ(numbers.rules.at("stays"), 1);
  RuleId expected = 2;
  for (int i = 0; i < 2500; ++i) {
    const std::string name = "r" + std::to_string(i);
    numbers = numbers_of(config_of({"stays", name}), numbers);
    ASSERT_EQ(numbers.rules.at("stays"), 1);
    ASSERT_EQ(numbers.rules.at(name), expected);
    expected = expected + 1 < HG_MAX_RULES ? static_cast<RuleId>(expected + 1) : RuleId{2};
  }
}

TEST(RuleNumbers, AsManyNewNamesAsThereMayBeFollowAsManyOldOnes) {
  Numbers before = numbers_of(config_of(names("0-", config::kMaxRules)), {});
  for (int round = 1; round < 5; ++round) {
    const Numbers after =
        numbers_of(config_of(names(std::to_string(round) + "-", config::kMaxRules)), before);
    ASSERT_EQ(after.rules.size(), config::kMaxRules);
    expect_next_to(before, after);
    before = after;
  }
}

TEST(ReplyNumbers, OneReplyHasOnePlaceHoweverManyRulesUseIt) {
  const Result<Policy> policy = compile(config_replying({7, 8, 7}), "f");
  ASSERT_TRUE(policy.has_value());
  EXPECT_EQ(policy->numbers.replies.size(), 2U);
  EXPECT_EQ(policy->rules.at(1).limits.reply, policy->rules.at(3).limits.reply);
  EXPECT_NE(policy->rules.at(1).limits.reply, policy->rules.at(2).limits.reply);
  EXPECT_EQ(policy->rules.at(1).limits.action, HG_ACTION_REPLY);
}

TEST(ReplyNumbers, RulesNameThePlaceOfTheirOwnReply) {
  const config::Config config = config_replying({3, 1, 2});
  const Numbers previous = numbers_of(config_replying({9, 2, 3}), {});
  const Result<Policy> policy = compile(config, "f", previous);
  ASSERT_TRUE(policy.has_value());
  for (const auto& [id, rule] : policy->rules) {
    const config::Reply& wanted = *config.rules[rule.index].settings.reply;
    for (const auto& [reply, place] : policy->numbers.replies) {
      if (reply == wanted) {
        EXPECT_EQ(rule.limits.reply, place);
      }
    }
  }
}

TEST(ReplyNumbers, AsManyNewRepliesAsThereMayBeFollowAsManyOldOnes) {
  std::vector<int> some(kMaxReplies);
  for (std::size_t i = 0; i < some.size(); ++i) some[i] = static_cast<int>(i);
  Numbers before = numbers_of(config_replying(some), {});
  for (int round = 1; round < 5; ++round) {
    for (int& reply : some) reply += 1000;
    const Numbers after = numbers_of(config_replying(some), before);
    ASSERT_EQ(after.replies.size(), kMaxReplies);
    expect_next_to(before, after);
    before = after;
  }
}

TEST(ReplyNumbers, OneMoreThanThereIsRoomForIsAnError) {
  std::string yaml = "rules:\n";
  for (std::size_t i = 1; i <= kMaxReplies + 1; ++i) {
    const std::string number = std::to_string(i);
    yaml += "  - { name: r" + number + ", listen: " + number +
            ", on_limit: reply, reply: { raw: n" + number + " } }\n";
  }
  const Result<Policy> policy = compile_yaml(yaml);
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(policy.error().message,
            "f:34:5: rule 'r33' needs one more than 32 different replies; using one of the others "
            "would be right");
}

TEST(GroupNumbers, StayWithTheNameWhicheverRuleHasIt) {
  const Numbers first = numbers_of(config_covering({"a", "b", "c"}), {});
  EXPECT_EQ(first.groups,
            (std::map<std::string, GroupId>{
                {"unit:a.service", 1}, {"unit:b.service", 2}, {"unit:c.service", 3}}));
  const Numbers second = numbers_of(config_covering({"c", "new", "a"}), first);
  EXPECT_EQ(second.groups,
            (std::map<std::string, GroupId>{
                {"unit:a.service", 1}, {"unit:c.service", 3}, {"unit:new.service", 4}}));
  config::Config moved = config_of({"mail", "www"});
  moved.rules[1].listen = {unit("new")};
  EXPECT_EQ(numbers_of(moved, second).groups,
            (std::map<std::string, GroupId>{{"unit:new.service", 4}}));
}

TEST(GroupNumbers, ANewNameNeverGetsANumberThatTheFormerPolicyHas) {
  Numbers numbers = numbers_of(config_covering({"a"}), {});
  numbers = numbers_of(config_covering({"b"}), numbers);
  EXPECT_EQ(numbers.groups, (std::map<std::string, GroupId>{{"unit:b.service", 2}}));
  // Also where the former name is there again, after the new one.
  numbers = numbers_of(config_covering({"c", "b"}), numbers);
  EXPECT_EQ(numbers.groups,
            (std::map<std::string, GroupId>{{"unit:b.service", 2}, {"unit:c.service", 3}}));
}

// What its sockets listen on is known in the kernel by the number, for some seconds more.
TEST(GroupNumbers, ANumberThatIsFreeIsGivenOutAgainAsLateAsPossible) {
  Numbers numbers = numbers_of(config_covering({"a"}), {});
  for (GroupId expected = 2; expected < HG_MAX_GROUPS; ++expected) {
    numbers = numbers_of(config_of({"www"}), numbers);
    EXPECT_TRUE(numbers.groups.empty());
    numbers = numbers_of(config_covering({"b"}), numbers);
    ASSERT_EQ(numbers.groups.at("unit:b.service"), expected);
  }
  numbers = numbers_of(config_of({"www"}), numbers);
  numbers = numbers_of(config_covering({"b"}), numbers);
  EXPECT_EQ(numbers.groups.at("unit:b.service"), 1);
}

TEST(GroupNumbers, AsManyNewGroupsAsThereMayBeFollowAsManyOldOnes) {
  Numbers before = numbers_of(config_covering(names("0-", kMaxGroups)), {});
  for (int round = 1; round < 5; ++round) {
    const Numbers after =
        numbers_of(config_covering(names(std::to_string(round) + "-", kMaxGroups)), before);
    ASSERT_EQ(after.groups.size(), kMaxGroups);
    expect_next_to(before, after);
    before = after;
  }
}

TEST(GroupNumbers, OneMoreThanThereIsRoomForIsAnError) {
  static_assert(kMaxGroups == 127);
  std::string yaml = "rules:\n  - { name: mail, listen: { unit: mail.service } }\n";
  yaml += "  - name: web\n    listen:\n";
  for (std::size_t i = 2; i <= kMaxGroups; ++i) {
    yaml += "      - { unit: u" + std::to_string(i) + ".service }\n";
  }
  EXPECT_EQ(compile_good(yaml + "      - 443\n").groups.size(), kMaxGroups);
  const Result<Policy> policy = compile_yaml(yaml + "      - { cgroup: more }\n");
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(policy.error().message,
            "f:131:9: rule 'web' needs one more than 127 units and cgroups in all rules; a slice "
            "that holds several of them, or their ports, would be right");
}

// Rules, replies and groups come, go and come back, in any number and order.
TEST(Numbers, PoliciesThatFollowEachOtherNeverGiveOneNumberToTwo) {
  constexpr unsigned kSeed = 20260117;
  RecordProperty("seed", static_cast<int>(kSeed));
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  Numbers before;
  for (int round = 0; round < 300; ++round) {
    std::set<std::string> chosen;
    const std::size_t count = random() % (config::kMaxRules + 1);
    const unsigned range = round % 2 == 0 ? 600 : 100'000;  // mostly known names, mostly new ones
    while (chosen.size() < count) chosen.insert("r" + std::to_string(random() % range));
    config::Config config = config_of({chosen.begin(), chosen.end()});
    std::vector<int> replies(random() % (kMaxReplies + 1));
    for (int& reply : replies) reply = static_cast<int>(random() % 60);
    for (config::Rule& rule : config.rules) {
      if (replies.empty()) continue;
      rule.settings.on_limit = config::OnLimit::kReply;
      rule.settings.reply = raw_reply(replies[random() % replies.size()]);
    }
    std::set<std::string> units;
    const std::size_t unit_count = config.rules.empty() ? 0 : random() % (kMaxGroups + 1);
    while (units.size() < unit_count) units.insert("u" + std::to_string(random() % range));
    for (const std::string& name : units) {
      config.rules[random() % config.rules.size()].listen.push_back(unit(name));
    }
    const Numbers after = numbers_of(config, before);
    expect_next_to(before, after);
    if (HasFailure()) return;
    before = after;
  }
}

}  // namespace
}  // namespace headgate::policy
