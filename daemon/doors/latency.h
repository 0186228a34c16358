// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

namespace headgate::doors {

// How long the requests of one door took, from when the whole request was there until its answer
// was handed to the network. Thread-safe; recording takes no lock.
class Latency {
 public:
  using Duration = std::chrono::nanoseconds;

  void record(Duration time);

  // With a request that comes meanwhile in some of its numbers and not yet in others.
  prometheus::ClientMetric::Histogram histogram() const;

  // Upper bounds of the buckets; the last has none.
  static constexpr std::array<Duration, 14> kBounds = {
      std::chrono::microseconds(5),      std::chrono::microseconds(10),
      std::chrono::microseconds(20),     std::chrono::microseconds(50),
      std::chrono::microseconds(100),    std::chrono::microseconds(200),
      std::chrono::microseconds(500),    std::chrono::microseconds(1'000),
      std::chrono::microseconds(2'000),  std::chrono::microseconds(5'000),
      std::chrono::microseconds(10'000), std::chrono::microseconds(20'000),
      std::chrono::microseconds(50'000), std::chrono::microseconds(100'000)};

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

// Records the time of its own life.
class Timed {
 public:
  explicit Timed(Latency& latency) : latency_(latency) {}
  ~Timed() { latency_.record(std::chrono::steady_clock::now() - start_); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Latency& latency_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// headgate_quota_request_duration_seconds{door="grpc"|"http"} for the metrics page.
class LatencyPage final : public prometheus::Collectable {
 public:
  Latency grpc;
  Latency http;

  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace headgate::doors
