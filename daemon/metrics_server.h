// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include "common/result.h"

namespace headgate {

// The metrics page on threads of its own, until it is destroyed. Closes within milliseconds.
class MetricsServer {
 public:
  // `address`: ADDRESS:PORT. Errors: kUnavailable, with what to do.
  static Result<std::unique_ptr<MetricsServer>> open(const std::string& address);
  // Can that address be served? Opens it and closes it again.
  static Result<void> probe(const std::string& address);
  ~MetricsServer();

  void add(const std::shared_ptr<prometheus::Collectable>& page);

 private:
  explicit MetricsServer(std::string address) : address_(std::move(address)) {}

  std::string address_;
  std::vector<std::shared_ptr<prometheus::Collectable>> pages_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace headgate
