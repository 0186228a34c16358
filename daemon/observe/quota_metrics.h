// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "daemon/quota/engine.h"

namespace headgate::observe {

// The metrics of request quotas, as docs/metrics.md lists them: by domain and rule; by key only of
// rules that ask for it (detailed_metric, value_to_metric), of the keys that are asked for most, at
// most kMostKeySeries in a domain.
std::vector<prometheus::MetricFamily> quota_metrics(const quota::Engine& engine);
inline constexpr std::size_t kMostKeySeries = 100;

// The same, at each scrape. The engine outlives it. Thread-safe.
class QuotaPage : public prometheus::Collectable {
 public:
  explicit QuotaPage(const quota::Engine& engine) : engine_(engine) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return quota_metrics(engine_); }

 private:
  const quota::Engine& engine_;
};

}  // namespace headgate::observe
