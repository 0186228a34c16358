// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/service.h"

#include "daemon/control/deny_list_stream.h"

namespace headgate::control {

Service::Service(manage::Manager& manager, const Identity& identity)
    : manager_(manager), handlers_(manager, identity), events_(manager.events()) {}

Service::Unary* Service::Status(Context* context, const v1::StatusRequest* request,
                                v1::StatusResponse* response) {
  return UnaryAnswer::begin(*context, glances_,
                            [=, this] { return handlers_.status(*request, response); });
}

Service::Unary* Service::Explain(Context* context, const v1::ExplainRequest* request,
                                 v1::ExplainResponse* response) {
  return UnaryAnswer::begin(*context, glances_,
                            [=, this] { return handlers_.explain(*request, response); });
}

Service::Unary* Service::Clients(Context* context, const v1::ClientsRequest* request,
                                 v1::ClientsResponse* response) {
  return UnaryAnswer::begin(*context, surveys_,
                            [=, this] { return handlers_.clients(*request, response); });
}

Service::Unary* Service::Diff(Context* context, const v1::DiffRequest* request,
                              v1::DiffResponse* response) {
  return UnaryAnswer::begin(*context, surveys_,
                            [=, this] { return handlers_.diff(*request, response); });
}

Service::Unary* Service::Reload(Context* context, const v1::ReloadRequest* request,
                                v1::ReloadResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.reload(*request, response); });
}

Service::Unary* Service::Set(Context* context, const v1::SetRequest* request,
                             v1::ReloadResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.set(*request, response); });
}

Service::Unary* Service::Unset(Context* context, const v1::UnsetRequest* request,
                               v1::ReloadResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.unset(*request, response); });
}

Service::Unary* Service::DenyAdd(Context* context, const v1::DenyAddRequest* request,
                                 v1::DenyResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.deny_add(*request, response); });
}

Service::Unary* Service::DenyRemove(Context* context, const v1::DenyRemoveRequest* request,
                                    v1::DenyResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.deny_remove(*request, response); });
}

Service::Unary* Service::Evict(Context* context, const v1::EvictRequest* request,
                               v1::EvictResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.evict(*request, response); });
}

Service::Unary* Service::Verify(Context* context, const v1::VerifyRequest* request,
                                v1::VerifyResponse* response) {
  return UnaryAnswer::begin(*context, changes_,
                            [=, this] { return handlers_.verify(*request, response); });
}

Service::Unary* Service::QuotaDomains(Context* context, const v1::QuotaDomainsRequest* request,
                                      v1::QuotaDomainsResponse* response) {
  return UnaryAnswer::begin(*context, glances_,
                            [=, this] { return handlers_.quota_domains(*request, response); });
}

Service::Unary* Service::QuotaCheck(Context* context, const v1::QuotaCheckRequest* request,
                                    v1::QuotaCheckResponse* response) {
  return UnaryAnswer::begin(*context, glances_,
                            [=, this] { return handlers_.quota_check(*request, response); });
}

Service::Unary* Service::QuotaTop(Context* context, const v1::QuotaTopRequest* request,
                                  v1::QuotaTopResponse* response) {
  return UnaryAnswer::begin(*context, surveys_,
                            [=, this] { return handlers_.quota_top(*request, response); });
}

grpc::ServerWriteReactor<v1::DenyListResponse>* Service::DenyList(Context* context,
                                                                  const v1::DenyListRequest*) {
  return DenyListStream::begin(*context, deny_lists_, manager_);
}

grpc::ServerWriteReactor<v1::Event>* Service::Events(Context* context,
                                                     const v1::EventsRequest* request) {
  return events_.begin(*context, *request);
}

}  // namespace headgate::control
