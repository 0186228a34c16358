// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/snapshot.h"

#include <string>

#include <gtest/gtest.h>

namespace headgate::observe {
namespace {

TEST(Labels, OfReasonsAreThoseOfTheList) {
  const auto label = [](hg_reason reason) {
    return reason_labels().at(static_cast<std::size_t>(reason));
  };
  EXPECT_EQ(reason_labels().size(), static_cast<std::size_t>(HG_REASON_END));
  EXPECT_EQ(label(HG_ADMITTED), "none");
  EXPECT_EQ(label(HG_CLIENT_CONNECTIONS), "client_connections");
  EXPECT_EQ(label(HG_TABLE_FULL), "table_full");
}

TEST(Labels, OfActionsAreTheWordsOfTheConfiguration) {
  ASSERT_EQ(action_labels().size(), static_cast<std::size_t>(HG_ACTION_NONE));
  EXPECT_EQ(action_labels()[HG_ACTION_RESET], to_string(config::OnLimit::kReset));
  EXPECT_EQ(action_labels()[HG_ACTION_DROP], to_string(config::OnLimit::kDrop));
  EXPECT_EQ(action_labels()[HG_ACTION_REPLY], to_string(config::OnLimit::kReply));
  EXPECT_STREQ(to_string(config::OnLimit::kDrop), "drop");
  EXPECT_STREQ(to_string(config::Mode::kEnforce), "enforce");
  EXPECT_STREQ(to_string(config::Mode::kMonitor), "monitor");
}

TEST(CheckRuleName, NamesThoseThereAre) {
  config::Config config;
  const auto none = check_rule_name(config, "web");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(none.error().message, "no rule is named 'web'; there is none");
  config.rules.resize(2);
  config.rules[0].name = "web";
  config.rules[1].name = "mail";
  EXPECT_TRUE(check_rule_name(config, "mail").has_value());
  const auto wrong = check_rule_name(config, "Web");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().message, "no rule is named 'Web'; there are: web, mail");
}

TEST(RuleCounts, ReadTheCounterOfAnActionAndAReason) {
  kernel::RuleCounts counts;
  counts.counters.refused[HG_ACTION_DROP][HG_DENIED - 1] = 5;
  EXPECT_EQ(counts.refused(HG_ACTION_DROP, HG_DENIED), 5U);
  EXPECT_EQ(counts.refused(HG_ACTION_RESET, HG_DENIED), 0U);
  EXPECT_EQ(counts.refused(HG_ACTION_DROP, HG_TABLE_FULL), 0U);
}

}  // namespace
}  // namespace headgate::observe
