// SPDX-License-Identifier: Apache-2.0
#include "cli/client.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include <grpcpp/grpcpp.h>

namespace headgate::cli {
namespace {

constexpr std::chrono::seconds kPatience{5};

// The list of a full table of clients is longer than gRPC's default of 4 MiB.
std::shared_ptr<grpc::Channel> open_channel(const std::string& socket_path) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(),
                                   arguments);
}

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
}

}  // namespace

Client::Client(std::string socket_path)
    : socket_path_(std::move(socket_path)),
      stub_(control::v1::Control::NewStub(open_channel(socket_path_))) {}

Result<control::v1::StatusResponse> Client::status() {
  grpc::ClientContext context;
  set_deadline(context);
  control::v1::StatusResponse response;
  const grpc::Status status = stub_->Status(&context, {}, &response);
  if (!status.ok()) return tl::unexpected(explain(status));
  return response;
}

Result<control::v1::ClientsResponse> Client::clients(const std::string& rule, std::uint32_t limit) {
  grpc::ClientContext context;
  set_deadline(context);
  control::v1::ClientsRequest request;
  request.set_rule(rule);
  request.set_limit(limit);
  control::v1::ClientsResponse response;
  const grpc::Status status = stub_->Clients(&context, request, &response);
  if (!status.ok()) return tl::unexpected(explain(status));
  return response;
}

Error Client::explain(const grpc::Status& status) const {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    if (access(socket_path_.c_str(), F_OK) == 0 && access(socket_path_.c_str(), W_OK) != 0) {
      return {ErrorCode::kPermissionDenied,
              "no permission for " + socket_path_ + "; run as root or join its group", nullptr};
    }
    return {ErrorCode::kUnavailable,
            "cannot reach headgated at " + socket_path_ +
                "; is it running? --socket or $HEADGATE_SOCKET names another control.socket",
            nullptr};
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return {ErrorCode::kUnavailable, "headgated at " + socket_path_ + " did not answer in time",
            nullptr};
  }
  return {ErrorCode::kInternal, status.error_message(), nullptr};
}

}  // namespace headgate::cli
