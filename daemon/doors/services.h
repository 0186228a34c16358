// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include <envoy/service/ratelimit/v3/rls.grpc.pb.h>
#include <headgate/quota/v1/quota.grpc.pb.h>

#include "daemon/doors/acquire_stream.h"
#include "daemon/doors/latency.h"
#include "daemon/doors/watchers.h"
#include "daemon/quota/engine.h"

// The gRPC services of the door. A check takes microseconds and no lock, so it is answered at once,
// on gRPC's own thread. The engine and the latency outlive them.
namespace headgate::doors {

class RateLimitService final
    : public envoy::service::ratelimit::v3::RateLimitService::CallbackService {
 public:
  RateLimitService(quota::Engine& engine, Latency& latency) : engine_(engine), latency_(latency) {}

 private:
  grpc::ServerUnaryReactor* ShouldRateLimit(
      grpc::CallbackServerContext* context,
      const envoy::service::ratelimit::v3::RateLimitRequest* request,
      envoy::service::ratelimit::v3::RateLimitResponse* response) override;

  quota::Engine& engine_;
  Latency& latency_;
};

class QuotaService final : public headgate::quota::v1::QuotaService::CallbackService {
 public:
  QuotaService(quota::Engine& engine, Latency& latency)
      : engine_(engine), latency_(latency), watchers_(engine) {}

  // Before the server does, so that it need not wait for those who only watch.
  void end_watches() { watchers_.end(); }

 private:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const headgate::quota::v1::CheckRequest* request,
                                  headgate::quota::v1::CheckResponse* response) override;
  grpc::ServerBidiReactor<headgate::quota::v1::AcquireRequest,
                          headgate::quota::v1::AcquireResponse>*
  Acquire(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const headgate::quota::v1::ReportRequest* request,
                                   headgate::quota::v1::ReportResponse* response) override;
  grpc::ServerWriteReactor<headgate::quota::v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context,
      const headgate::quota::v1::WatchRequest* request) override;

  quota::Engine& engine_;
  Latency& latency_;
  std::atomic<int> permit_holders_ = 0;
  Watchers watchers_;
};

}  // namespace headgate::doors
