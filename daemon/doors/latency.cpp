// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/latency.h"

#include <algorithm>
#include <limits>

namespace headgate::doors {

void Latency::record(Duration time) {
  const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), time);
  const auto index = static_cast<std::size_t>(bound - kBounds.begin());
  counts_[index].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<std::uint64_t>(std::max<Duration::rep>(0, time.count())),
                    std::memory_order_relaxed);
}

prometheus::ClientMetric::Histogram Latency::histogram() const {
  prometheus::ClientMetric::Histogram histogram;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    prometheus::ClientMetric::Bucket bucket;
    bucket.cumulative_count = total;
    bucket.upper_bound = i < kBounds.size() ? std::chrono::duration<double>(kBounds[i]).count()
                                            : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back(bucket);
  }
  histogram.sample_count = total;
  histogram.sample_sum = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
  return histogram;
}

std::vector<prometheus::MetricFamily> LatencyPage::Collect() const {
  prometheus::MetricFamily family;
  family.name = "headgate_quota_request_duration_seconds";
  family.help = "Time that a door took for a quota request, without the network";
  family.type = prometheus::MetricType::Histogram;
  const auto add = [&family](const char* door, const Latency& latency) {
    prometheus::ClientMetric metric;
    metric.label.push_back({"door", door});
    metric.histogram = latency.histogram();
    family.metric.push_back(std::move(metric));
  };
  add("grpc", grpc);
  add("http", http);
  return {family};
}

}  // namespace headgate::doors
