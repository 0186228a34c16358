// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "tests/lab/endpoint.h"

namespace headgate::lab {

// A page in the Prometheus text format.
struct MetricsPage {
  std::map<std::string, std::string> help;  // by metric name
  std::map<std::string, std::string> type;
  std::map<std::string, double> samples;  // by what precedes the value: name{label="value",…}

  bool has(const std::string& sample) const { return samples.count(sample) > 0; }
  // The value of a sample; throws LabError, with those of the same metric, when it is missing.
  double at(const std::string& sample) const;
  // 0 for a sample that is missing: a counter that has counted nothing may not be there.
  double counted(const std::string& sample) const { return has(sample) ? at(sample) : 0; }
  // The sum over all samples of a metric, 0 when there are none.
  double sum(const std::string& name) const;
};

// Throws LabError when a line is not what the format allows.
MetricsPage parse_metrics(const std::string& text);

// The body of GET `path`; throws LabError unless the answer is 200.
std::string http_get(const Endpoint& server, const std::string& path);

}  // namespace headgate::lab
