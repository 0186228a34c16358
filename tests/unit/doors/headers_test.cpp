// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/headers.h"

#include <deque>

#include <gmock/gmock.h>

namespace headgate::doors {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class Headers : public testing::Test {
 protected:
  const quota::Limit* limit(const std::string& name, std::uint32_t requests, milliseconds per) {
    quota::Limit& made = limits_.emplace_back();
    made.name = name;
    made.settings.requests = requests;
    made.settings.per = per;
    return &made;
  }
  void within(const quota::Limit* limit, std::uint32_t remaining, nanoseconds until_reset) {
    quota::Verdict verdict;
    verdict.limit = limit;
    verdict.allowed = limit->settings.requests;
    verdict.remaining = remaining;
    verdict.until_reset = until_reset;
    decision.verdicts.push_back(verdict);
  }
  void over(const quota::Limit* limit, nanoseconds wait) {
    within(limit, 0, wait);
    decision.verdicts.back().is_over = true;
    decision.verdicts.back().retry_after = wait;
    decision.is_over = true;
  }
  // As lines, without jitter.
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const Header& header : headers_of(decision, retry_after(decision, 0))) {
      lines.push_back(std::string(header.name) + ": " + header.value);
    }
    return lines;
  }

  quota::Decision decision;

 private:
  std::deque<quota::Limit> limits_;
};

TEST_F(Headers, OneLimit) {
  within(limit("web", 100, seconds(60)), 99, milliseconds(12'001));
  EXPECT_THAT(lines(),
              ElementsAre("ratelimit-policy: \"web\";q=100;w=60", "ratelimit: \"web\";r=99;t=13"));
}

TEST_F(Headers, OverTheLimit) {
  over(limit("web", 100, seconds(60)), milliseconds(1));
  EXPECT_THAT(lines(), ElementsAre("ratelimit-policy: \"web\";q=100;w=60",
                                   "ratelimit: \"web\";r=0;t=1", "retry-after: 1"));
}

TEST_F(Headers, TheLongestWaitCounts) {
  over(limit("a", 1, seconds(60)), seconds(7));
  over(limit("b", 1, seconds(60)), milliseconds(30'000));
  within(limit("c", 1, seconds(60)), 1, seconds(59));
  EXPECT_EQ(lines().back(), "retry-after: 30");
}

TEST_F(Headers, WaitingDoesNotHelpWhoAsksForTooMuch) {
  over(limit("a", 1, seconds(60)), seconds(7));
  over(limit("b", 1, seconds(60)), seconds(9));
  decision.verdicts.back().retry_after = quota::Verdict::kNever;
  EXPECT_THAT(lines(), testing::Not(testing::Contains(testing::StartsWith("retry-after"))));
  EXPECT_EQ(retry_after(decision, 1), std::nullopt);
}

TEST_F(Headers, NothingWhereNothingLimits) {
  decision.verdicts.resize(2);
  quota::Limit unlimited;
  unlimited.name = "all";
  unlimited.settings.is_unlimited = true;
  within(&unlimited, 4'294'967'295, seconds(0));
  EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(Headers, SeveralAreAListTheFullestFirst) {
  within(limit("a", 10, seconds(1)), 9, seconds(1));
  within(limit("b", 10, seconds(1)), 3, seconds(1));
  over(limit("c", 10, seconds(1)), seconds(1));
  EXPECT_EQ(lines()[0], "ratelimit-policy: \"c\";q=10;w=1, \"b\";q=10;w=1, \"a\";q=10;w=1");
  EXPECT_EQ(lines()[1], "ratelimit: \"c\";r=0;t=1, \"b\";r=3;t=1, \"a\";r=9;t=1");
}

TEST_F(Headers, ALimitIsToldOnceByItsFullestKey) {
  const auto* const same = limit("user", 10, seconds(1));
  within(same, 9, seconds(1));
  within(same, 2, seconds(1));
  EXPECT_THAT(lines(),
              ElementsAre("ratelimit-policy: \"user\";q=10;w=1", "ratelimit: \"user\";r=2;t=1"));
}

TEST_F(Headers, HeadersStayShort) {
  for (int i = 0; i < 1000; ++i) within(limit("rule" + std::to_string(i), 10, seconds(1)), 9, {});
  for (const auto& line : lines()) EXPECT_LT(line.size(), 1000U);
}

// Of requests at once, and of windows that are no whole seconds.
TEST_F(Headers, AWindowThatCannotBeToldIsLeftOut) {
  within(limit("at-once", 10, milliseconds(0)), 9, seconds(0));
  EXPECT_THAT(lines(),
              ElementsAre("ratelimit-policy: \"at-once\";q=10", "ratelimit: \"at-once\";r=9"));
  decision.verdicts.clear();
  within(limit("odd", 10, milliseconds(1500)), 9, seconds(1));
  EXPECT_EQ(lines()[0], "ratelimit-policy: \"odd\";q=10");
}

TEST_F(Headers, NamesAreQuoted) {
  EXPECT_EQ(quoted("plain_name.path"), "\"plain_name.path\"");
  EXPECT_EQ(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quoted("zwölf\r\nSet-Cookie: x"), "\"zw%C3%B6lf%0D%0ASet-Cookie: x\"");
  EXPECT_EQ(quoted(""), "\"\"");
}

TEST_F(Headers, SecondsAreRoundedUp) {
  EXPECT_EQ(seconds_up(nanoseconds(0)), 0U);
  EXPECT_EQ(seconds_up(nanoseconds(-1)), 0U);
  EXPECT_EQ(seconds_up(nanoseconds(1)), 1U);
  EXPECT_EQ(seconds_up(seconds(1)), 1U);
  EXPECT_EQ(seconds_up(seconds(1) + nanoseconds(1)), 2U);
  EXPECT_EQ(seconds_up(nanoseconds::max()), 9'223'372'037U);
}

TEST_F(Headers, TheExtraIsATenthAndASecondAtMost) {
  quota::Verdict verdict;
  verdict.is_over = true;
  verdict.retry_after = seconds(2);
  EXPECT_EQ(retry_after(verdict, 0), seconds(2));
  EXPECT_EQ(retry_after(verdict, 0.5), milliseconds(2'100));
  EXPECT_EQ(retry_after(verdict, 1), milliseconds(2'200));
  verdict.retry_after = seconds(3600);
  EXPECT_EQ(retry_after(verdict, 1), seconds(3601));
  verdict.retry_after = quota::Verdict::kNever - nanoseconds(1);
  EXPECT_GT(*retry_after(verdict, 1), seconds(9'000'000'000)) << "no overflow";
  verdict.is_over = false;
  EXPECT_EQ(retry_after(verdict, 1), std::nullopt);
}

}  // namespace
}  // namespace headgate::doors
