// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/growing_pause.h"

#include <gtest/gtest.h>

namespace headgate::manage {
namespace {

using std::chrono::seconds;

TEST(GrowingPause, DoublesUpToAMinute) {
  GrowingPause pause;
  GrowingPause::Clock::time_point now{seconds(1000)};
  EXPECT_TRUE(pause.is_over(now));
  EXPECT_FALSE(pause.has_begun());
  for (const int length : {1, 2, 4, 8, 16, 32, 60, 60}) {
    pause.begin(now);
    EXPECT_TRUE(pause.has_begun());
    EXPECT_FALSE(pause.is_over(now + seconds(length - 1)));
    now += seconds(length);
    EXPECT_TRUE(pause.is_over(now)) << length;
  }
}

}  // namespace
}  // namespace headgate::manage
