// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/latency.h"

#include <cmath>
#include <thread>

#include "served.h"

namespace headgate::doors {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(Latency, CountsByUpperBound) {
  Latency latency;
  latency.record(nanoseconds(-1));
  latency.record(microseconds(5));
  latency.record(microseconds(5) + nanoseconds(1));
  latency.record(std::chrono::seconds(2));
  const auto histogram = latency.histogram();
  ASSERT_EQ(histogram.bucket.size(), Latency::kBounds.size() + 1);
  EXPECT_DOUBLE_EQ(histogram.bucket[0].upper_bound, 5e-6);
  EXPECT_EQ(histogram.bucket[0].cumulative_count, 2U);
  EXPECT_EQ(histogram.bucket[1].cumulative_count, 3U);
  EXPECT_EQ(histogram.bucket[Latency::kBounds.size() - 1].cumulative_count, 3U);
  EXPECT_TRUE(std::isinf(histogram.bucket.back().upper_bound));
  EXPECT_EQ(histogram.bucket.back().cumulative_count, 4U);
  EXPECT_EQ(histogram.sample_count, 4U);
  EXPECT_NEAR(histogram.sample_sum, 2.00001, 1e-6);
}

TEST(Latency, FromManyThreads) {
  Latency latency;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&latency] {
      for (int j = 0; j < 10'000; ++j) latency.record(microseconds(j % 200));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(latency.histogram().sample_count, 40'000U);
}

class LatencyOfDoors : public Served {};

TEST_F(LatencyOfDoors, IsOnTheMetricsPage) {
  answer_to(request_of({{{"five", "a"}}}));
  const auto page = doors->latency();
  doors.reset();  // it outlives them
  const auto families = page->Collect();
  ASSERT_EQ(families.size(), 1U);
  EXPECT_EQ(families[0].name, "headgate_quota_request_duration_seconds");
  ASSERT_EQ(families[0].metric.size(), 2U);
  EXPECT_EQ(families[0].metric[0].label[0].value, "grpc");
  EXPECT_EQ(families[0].metric[0].histogram.sample_count, 1U);
  EXPECT_EQ(families[0].metric[1].label[0].value, "http");
  EXPECT_EQ(families[0].metric[1].histogram.sample_count, 0U);
}

}  // namespace
}  // namespace headgate::doors
