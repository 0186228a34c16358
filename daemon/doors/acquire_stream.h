// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>

#include <grpcpp/grpcpp.h>
#include <headgate/quota/v1/quota.pb.h>

#include "daemon/doors/latency.h"
#include "daemon/quota/engine.h"

namespace headgate::doors {

// One call of Acquire: takes the permits that its first message asks for, and holds them until the
// stream ends, whoever ends it. Until then it always waits for a read or a write, which fails when
// the caller is gone or the server stops. Deletes itself.
class AcquireStream final : public grpc::ServerBidiReactor<headgate::quota::v1::AcquireRequest,
                                                           headgate::quota::v1::AcquireResponse> {
 public:
  // `holders`: the streams that hold permits. All of these outlive it.
  AcquireStream(quota::Engine& engine, Latency& latency, std::atomic<int>& holders);

  static constexpr int kMostHolders = 65'536;

 private:
  ~AcquireStream() override = default;
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  grpc::Status take(const headgate::quota::v1::AcquireRequest& message);

  quota::Engine& engine_;
  Latency& latency_;
  std::atomic<int>& holders_;
  headgate::quota::v1::AcquireRequest message_;
  headgate::quota::v1::AcquireResponse answer_;
  quota::Permit permit_;
  quota::Outcome outcome_;
  bool has_asked_ = false;
  bool is_holder_ = false;  // and counted in holders_
  bool was_told_ = false;   // how it went
  bool is_allowed_ = false;
};

}  // namespace headgate::doors
