// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include <grpcpp/support/status.h>
#include <headgate/control/v1/control.pb.h>

#include "daemon/control/server.h"
#include "daemon/manage/manager.h"

namespace headgate::control {

// Answers single calls of the control API: checks what was sent, asks the manager, and says it in
// the API's messages. Knows nothing of how calls arrive. Thread-safe. The manager outlives it.
class Handlers {
 public:
  Handlers(manage::Manager& manager, Identity identity)
      : manager_(manager), identity_(std::move(identity)) {}

  // handlers_status.cpp
  grpc::Status status(const v1::StatusRequest& request, v1::StatusResponse* response) const;
  grpc::Status clients(const v1::ClientsRequest& request, v1::ClientsResponse* response) const;
  grpc::Status explain(const v1::ExplainRequest& request, v1::ExplainResponse* response) const;
  // handlers_policy.cpp
  grpc::Status reload(const v1::ReloadRequest& request, v1::ReloadResponse* response);
  grpc::Status set(const v1::SetRequest& request, v1::ReloadResponse* response);
  grpc::Status unset(const v1::UnsetRequest& request, v1::ReloadResponse* response);
  grpc::Status verify(const v1::VerifyRequest& request, v1::VerifyResponse* response);
  grpc::Status diff(const v1::DiffRequest& request, v1::DiffResponse* response) const;
  // handlers_deny.cpp
  grpc::Status deny_add(const v1::DenyAddRequest& request, v1::DenyResponse* response);
  grpc::Status deny_remove(const v1::DenyRemoveRequest& request, v1::DenyResponse* response);
  grpc::Status evict(const v1::EvictRequest& request, v1::EvictResponse* response);
  // handlers_quota.cpp
  grpc::Status quota_domains(const v1::QuotaDomainsRequest& request,
                             v1::QuotaDomainsResponse* response) const;
  grpc::Status quota_check(const v1::QuotaCheckRequest& request, v1::QuotaCheckResponse* response);
  grpc::Status quota_top(const v1::QuotaTopRequest& request, v1::QuotaTopResponse* response) const;

 private:
  manage::Manager& manager_;
  Identity identity_;
};

}  // namespace headgate::control
