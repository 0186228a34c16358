// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/services.h"

#include <utility>

#include "daemon/doors/native.h"
#include "daemon/doors/rls.h"
#include "daemon/rpc/status_code.h"

namespace headgate::doors {

grpc::ServerUnaryReactor* RateLimitService::ShouldRateLimit(
    grpc::CallbackServerContext* context, const rls::v3::RateLimitRequest* request,
    rls::v3::RateLimitResponse* response) {
  const Timed timed(latency_);
  auto* const reactor = context->DefaultReactor();
  auto outcome = rls::check(engine_, *request, response);
  if (outcome) rls::add_headers(std::move(outcome->headers), response);
  reactor->Finish(outcome ? grpc::Status::OK : rpc::to_status(outcome.error()));
  return reactor;
}

grpc::ServerUnaryReactor* QuotaService::Check(grpc::CallbackServerContext* context,
                                              const native::v1::CheckRequest* request,
                                              native::v1::CheckResponse* response) {
  const Timed timed(latency_);
  auto* const reactor = context->DefaultReactor();
  const auto checked = native::check(engine_, *request, response);
  reactor->Finish(checked ? grpc::Status::OK : rpc::to_status(checked.error()));
  return reactor;
}

grpc::ServerBidiReactor<native::v1::AcquireRequest, native::v1::AcquireResponse>*
QuotaService::Acquire(grpc::CallbackServerContext* /*context*/) {
  return new AcquireStream(engine_, latency_, permit_holders_);
}

grpc::ServerUnaryReactor* QuotaService::Report(grpc::CallbackServerContext* context,
                                               const native::v1::ReportRequest* request,
                                               native::v1::ReportResponse* response) {
  const Timed timed(latency_);
  auto* const reactor = context->DefaultReactor();
  const auto reported = native::report(engine_, *request, response);
  reactor->Finish(reported ? grpc::Status::OK : rpc::to_status(reported.error()));
  return reactor;
}

grpc::ServerWriteReactor<native::v1::WatchResponse>* QuotaService::Watch(
    grpc::CallbackServerContext* /*context*/, const native::v1::WatchRequest* request) {
  return watchers_.begin(*request);
}

}  // namespace headgate::doors
