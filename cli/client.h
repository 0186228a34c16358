// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <headgate/control/v1/control.grpc.pb.h>

#include "common/result.h"

namespace headgate::cli {

// Calls the daemon's control API. Every call waits at most five seconds.
// Errors: kUnavailable and kPermissionDenied say what to do; others carry the daemon's words.
class Client {
 public:
  explicit Client(std::string socket_path);

  Result<control::v1::StatusResponse> status();
  // The clients of `rule` (all if empty), at most `limit` of them.
  Result<control::v1::ClientsResponse> clients(const std::string& rule, std::uint32_t limit);

 private:
  Error explain(const grpc::Status& status) const;

  std::string socket_path_;
  std::unique_ptr<control::v1::Control::Stub> stub_;
};

}  // namespace headgate::cli
