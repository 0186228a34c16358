// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <headgate/control/v1/control.grpc.pb.h>

#include "daemon/control/event_streams.h"
#include "daemon/control/handlers.h"
#include "daemon/control/unary_answer.h"

namespace headgate::control {

// Takes the calls of the control API and sees to it that each kind has a bounded number of calls
// and one thread: callers that are slow, many or hostile keep out, at worst, others of their kind.
// The server is destroyed before the service, and that before the manager.
class Service final : public v1::Control::CallbackService {
 public:
  Service(manage::Manager& manager, const Identity& identity);

  // Ends what would never end by itself.
  void stop() { events_.stop(); }

 private:
  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* Status(Context* context, const v1::StatusRequest* request,
                v1::StatusResponse* response) override;
  Unary* Clients(Context* context, const v1::ClientsRequest* request,
                 v1::ClientsResponse* response) override;
  Unary* Reload(Context* context, const v1::ReloadRequest* request,
                v1::ReloadResponse* response) override;
  Unary* Set(Context* context, const v1::SetRequest* request,
             v1::ReloadResponse* response) override;
  Unary* Unset(Context* context, const v1::UnsetRequest* request,
               v1::ReloadResponse* response) override;
  Unary* Diff(Context* context, const v1::DiffRequest* request,
              v1::DiffResponse* response) override;
  Unary* DenyAdd(Context* context, const v1::DenyAddRequest* request,
                 v1::DenyResponse* response) override;
  Unary* DenyRemove(Context* context, const v1::DenyRemoveRequest* request,
                    v1::DenyResponse* response) override;
  grpc::ServerWriteReactor<v1::DenyListResponse>* DenyList(
      Context* context, const v1::DenyListRequest* request) override;
  Unary* Evict(Context* context, const v1::EvictRequest* request,
               v1::EvictResponse* response) override;
  Unary* Verify(Context* context, const v1::VerifyRequest* request,
                v1::VerifyResponse* response) override;
  Unary* Explain(Context* context, const v1::ExplainRequest* request,
                 v1::ExplainResponse* response) override;
  grpc::ServerWriteReactor<v1::Event>* Events(Context* context,
                                              const v1::EventsRequest* request) override;
  Unary* QuotaDomains(Context* context, const v1::QuotaDomainsRequest* request,
                      v1::QuotaDomainsResponse* response) override;
  Unary* QuotaCheck(Context* context, const v1::QuotaCheckRequest* request,
                    v1::QuotaCheckResponse* response) override;
  Unary* QuotaTop(Context* context, const v1::QuotaTopRequest* request,
                  v1::QuotaTopResponse* response) override;

  manage::Manager& manager_;
  Handlers handlers_;
  Desk glances_{64};  // answered from what is at hand, in milliseconds
  Desk surveys_{8};   // read whole tables
  Desk changes_{32};  // the manager makes one after the other in any case
  Desk deny_lists_{4};
  EventStreams events_;
};

}  // namespace headgate::control
