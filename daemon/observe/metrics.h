// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "common/result.h"
#include "daemon/observe/snapshot.h"

namespace headgate::observe {

// The metric families of one snapshot, as docs/metrics.md lists them. Pure. No label ever holds a
// client's address.
std::vector<prometheus::MetricFamily> to_metrics(const Snapshot& snapshot,
                                                 const std::string& version);

// The metrics page: every scrape takes one snapshot. Thread-safe if `take_snapshot` is. A snapshot
// that fails leaves the page with build_info alone.
class MetricsPage : public prometheus::Collectable {
 public:
  MetricsPage(std::function<Result<Snapshot>()> take_snapshot, std::string version);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::function<Result<Snapshot>()> take_snapshot_;
  std::string version_;
};

}  // namespace headgate::observe
