// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <headgate/control/v1/control.grpc.pb.h>

#include "common/result.h"

namespace headgate::cli {

// Calls the daemon's control API. A question waits at most five seconds for its answer, a change a
// minute. Errors: kUnavailable and kPermissionDenied say what to do; others carry the daemon's
// words.
class Client {
 public:
  explicit Client(std::string socket_path);
  ~Client();

  Result<control::v1::StatusResponse> status();
  Result<control::v1::ClientsResponse> clients(const control::v1::ClientsRequest& request);
  Result<control::v1::ExplainResponse> explain(const control::v1::ExplainRequest& request);
  Result<control::v1::DiffResponse> diff();
  Result<control::v1::QuotaDomainsResponse> quota_domains(
      const control::v1::QuotaDomainsRequest& request);
  Result<control::v1::QuotaCheckResponse> quota_check(
      const control::v1::QuotaCheckRequest& request);
  Result<control::v1::QuotaTopResponse> quota_top(const control::v1::QuotaTopRequest& request);

  Result<control::v1::ReloadResponse> reload();
  Result<control::v1::ReloadResponse> set(const control::v1::SetRequest& request);
  Result<control::v1::ReloadResponse> unset(const control::v1::UnsetRequest& request);
  Result<control::v1::DenyResponse> deny_add(const control::v1::DenyAddRequest& request);
  Result<control::v1::DenyResponse> deny_remove(const control::v1::DenyRemoveRequest& request);
  Result<control::v1::VerifyResponse> verify(const control::v1::VerifyRequest& request);
  Result<control::v1::EvictResponse> evict(const control::v1::EvictRequest& request);

  // Hands over what comes until `take` says false, or the end.
  Result<void> deny_list(const std::function<bool(const control::v1::DenyListResponse&)>& take);
  // Without a time limit. Ends only when `take` says so or the daemon hangs up, which is an error.
  Result<void> events(const control::v1::EventsRequest& request,
                      const std::function<bool(const control::v1::Event&)>& take);

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (control::v1::Control::Stub::*)(grpc::ClientContext*, const Request&,
                                                              Response*);
  template <typename Request, typename Response>
  Result<Response> call(Method<Request, Response> method, const Request& request,
                        std::chrono::seconds patience);
  Error error_of(const grpc::Status& status) const;

  std::string socket_path_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<control::v1::Control::Stub> stub_;
};

}  // namespace headgate::cli
