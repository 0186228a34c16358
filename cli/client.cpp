// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"

#include <unistd.h>

#include <utility>

#include <grpcpp/grpcpp.h>

namespace headgate::cli {
namespace {

namespace v1 = control::v1;
using Stub = v1::Control::Stub;

constexpr std::chrono::seconds kForAnswer{5};
constexpr std::chrono::seconds kForChange{60};

// A long list of clients is longer than gRPC's default of 4 MiB.
std::shared_ptr<grpc::Channel> open_channel(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

Client::Client(std::string socket_path)
    : socket_path_(std::move(socket_path)),
      channel_(open_channel(socket_path_)),
      stub_(v1::Control::NewStub(channel_)) {}
Client::~Client() = default;

template <typename Request, typename Response>
Result<Response> Client::call(Method<Request, Response> method, const Request& request,
                              std::chrono::seconds patience) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + patience);
  Response response;
  const grpc::Status status = (stub_.get()->*method)(&context, request, &response);
  if (!status.ok()) return tl::unexpected(error_of(status));
  return response;
}

Result<v1::StatusResponse> Client::status() {
  return call<v1::StatusRequest, v1::StatusResponse>(&Stub::Status, {}, kForAnswer);
}

Result<v1::ClientsResponse> Client::clients(const v1::ClientsRequest& request) {
  return call<v1::ClientsRequest, v1::ClientsResponse>(&Stub::Clients, request, kForAnswer);
}

Result<v1::ExplainResponse> Client::explain(const v1::ExplainRequest& request) {
  return call<v1::ExplainRequest, v1::ExplainResponse>(&Stub::Explain, request, kForAnswer);
}

Result<v1::DiffResponse> Client::diff() {
  return call<v1::DiffRequest, v1::DiffResponse>(&Stub::Diff, {}, kForAnswer);
}

Result<v1::QuotaDomainsResponse> Client::quota_domains(const v1::QuotaDomainsRequest& request) {
  return call<v1::QuotaDomainsRequest, v1::QuotaDomainsResponse>(&Stub::QuotaDomains, request,
                                                                 kForAnswer);
}

Result<v1::QuotaCheckResponse> Client::quota_check(const v1::QuotaCheckRequest& request) {
  return call<v1::QuotaCheckRequest, v1::QuotaCheckResponse>(&Stub::QuotaCheck, request,
                                                             kForAnswer);
}

Result<v1::QuotaTopResponse> Client::quota_top(const v1::QuotaTopRequest& request) {
  return call<v1::QuotaTopRequest, v1::QuotaTopResponse>(&Stub::QuotaTop, request, kForAnswer);
}

Result<v1::ReloadResponse> Client::reload() {
  return call<v1::ReloadRequest, v1::ReloadResponse>(&Stub::Reload, {}, kForChange);
}

Result<v1::ReloadResponse> Client::set(const v1::SetRequest& request) {
  return call<v1::SetRequest, v1::ReloadResponse>(&Stub::Set, request, kForChange);
}

Result<v1::ReloadResponse> Client::unset(const v1::UnsetRequest& request) {
  return call<v1::UnsetRequest, v1::ReloadResponse>(&Stub::Unset, request, kForChange);
}

Result<v1::DenyResponse> Client::deny_add(const v1::DenyAddRequest& request) {
  return call<v1::DenyAddRequest, v1::DenyResponse>(&Stub::DenyAdd, request, kForChange);
}

Result<v1::DenyResponse> Client::deny_remove(const v1::DenyRemoveRequest& request) {
  return call<v1::DenyRemoveRequest, v1::DenyResponse>(&Stub::DenyRemove, request, kForChange);
}

Result<v1::VerifyResponse> Client::verify(const v1::VerifyRequest& request) {
  return call<v1::VerifyRequest, v1::VerifyResponse>(&Stub::Verify, request, kForChange);
}

Result<v1::EvictResponse> Client::evict(const v1::EvictRequest& request) {
  return call<v1::EvictRequest, v1::EvictResponse>(&Stub::Evict, request, kForChange);
}

Result<void> Client::deny_list(const std::function<bool(const v1::DenyListResponse&)>& take) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kForChange);
  const auto reader = stub_->DenyList(&context, {});
  v1::DenyListResponse part;
  while (reader->Read(&part)) {
    if (take(part)) continue;
    context.TryCancel();
    reader->Finish();
    return {};
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

Result<void> Client::events(const v1::EventsRequest& request,
                            const std::function<bool(const v1::Event&)>& take) {
  grpc::ClientContext context;
  const auto reader = stub_->Events(&context, request);
  v1::Event event;
  while (reader->Read(&event)) {
    if (take(event)) continue;
    context.TryCancel();
    reader->Finish();
    return {};
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return tl::unexpected(error_of(status));
  return {};
}

Error Client::error_of(const grpc::Status& status) const {
  const auto said = [&](ErrorCode code) { return Error{code, status.error_message(), nullptr}; };
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      // Still connected: these are the daemon's own words, not gRPC's.
      if (channel_->GetState(false) == GRPC_CHANNEL_READY) return said(ErrorCode::kUnavailable);
      if (access(socket_path_.c_str(), F_OK) == 0 && access(socket_path_.c_str(), W_OK) != 0) {
        return {ErrorCode::kPermissionDenied,
                "no permission for " + socket_path_ + "; run as root or join its group", nullptr};
      }
      return {ErrorCode::kUnavailable,
              "cannot reach headgated at " + socket_path_ +
                  "; is it running? --socket or $HEADGATE_SOCKET names another control.socket",
              nullptr};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {ErrorCode::kUnavailable, "headgated at " + socket_path_ + " did not answer in time",
              nullptr};
    case grpc::StatusCode::UNIMPLEMENTED:
      if (!status.error_message().empty()) return said(ErrorCode::kUnsupported);
      return {ErrorCode::kUnsupported,
              "headgated at " + socket_path_ + " is older than headgatectl and cannot do this",
              nullptr};
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return said(ErrorCode::kInvalidArgument);
    case grpc::StatusCode::NOT_FOUND:
      return said(ErrorCode::kNotFound);
    case grpc::StatusCode::PERMISSION_DENIED:
      return said(ErrorCode::kPermissionDenied);
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return said(ErrorCode::kUnavailable);
    default:
      return said(ErrorCode::kInternal);
  }
}

}  // namespace headgate::cli
