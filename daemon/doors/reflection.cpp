// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/reflection.h"

#include <atomic>
#include <string>
#include <unordered_set>

#include <envoy/service/ratelimit/v3/rls.grpc.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <grpcpp/grpcpp.h>
#include <headgate/quota/v1/quota.grpc.pb.h>

namespace headgate::doors {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using Request = grpc::reflection::v1::ServerReflectionRequest;
using Response = grpc::reflection::v1::ServerReflectionResponse;

constexpr const char* kServices[] = {
    envoy::service::ratelimit::v3::RateLimitService::service_full_name(),
    headgate::quota::v1::QuotaService::service_full_name(),
    grpc::health::v1::Health::service_full_name(),
    grpc::reflection::v1::ServerReflection::service_full_name(),
    "grpc.reflection.v1alpha.ServerReflection",
};

void add_file(const FileDescriptor& file, std::unordered_set<const FileDescriptor*>& added,
              grpc::reflection::v1::FileDescriptorResponse* response) {
  if (!added.insert(&file).second) return;
  google::protobuf::FileDescriptorProto message;
  file.CopyTo(&message);
  response->add_file_descriptor_proto(message.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), added, response);
}

// The file and all that it imports.
void fill(Response* response, const FileDescriptor* file) {
  if (file == nullptr) {
    auto* const error = response->mutable_error_response();
    error->set_error_code(grpc::StatusCode::NOT_FOUND);
    error->set_error_message("there is no such file or symbol");
    return;
  }
  std::unordered_set<const FileDescriptor*> added;
  add_file(*file, added, response->mutable_file_descriptor_response());
}

void fill(Response* response, const Request& request) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const char* name : kServices) {
        response->mutable_list_services_response()->add_service()->set_name(name);
      }
      return;
    case Request::kFileByFilename:
      return fill(response, pool.FindFileByName(request.file_by_filename()));
    case Request::kFileContainingSymbol:
      return fill(response, pool.FindFileContainingSymbol(request.file_containing_symbol()));
    case Request::kFileContainingExtension:  // there are none
    case Request::kAllExtensionNumbersOfType:
    case Request::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  auto* const error = response->mutable_error_response();
  error->set_error_code(grpc::StatusCode::UNIMPLEMENTED);
  error->set_error_message("only services, files and symbols can be asked for");
}

// One caller, question by question.
class Conversation final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Conversation(std::atomic<int>& callers) : callers_(callers) {
    if (++callers_ > Reflection::kMaxCallers) {
      Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many callers; try again"});
    } else {
      StartRead(&request_);
    }
  }

 private:
  void OnReadDone(bool is_good) override {
    if (!is_good) return Finish(grpc::Status::OK);
    response_.Clear();
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    fill(&response_, request_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool is_good) override {
    if (!is_good) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override {
    --callers_;
    delete this;
  }

  std::atomic<int>& callers_;
  Request request_;
  Response response_;
};

}  // namespace

// As the code that protoc makes of a service, but under any name.
class Reflection::Service final : public grpc::Service {
 public:
  explicit Service(const char* method) {
    namespace internal = grpc::internal;
    AddMethod(new internal::RpcServiceMethod(method, internal::RpcMethod::BIDI_STREAMING, nullptr));
    MarkMethodCallback(0, new internal::CallbackBidiHandler<Request, Response>(
                              [this](grpc::CallbackServerContext*) {
                                return new Conversation(callers_);  // deletes itself: OnDone
                              }));
  }

 private:
  std::atomic<int> callers_ = 0;
};

Reflection::Reflection() {
  // So that the linker keeps the file's description.
  (void)grpc::health::v1::HealthCheckRequest::descriptor();
  for (const char* method : {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                             "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    services_.push_back(std::make_unique<Service>(method));
  }
}

Reflection::~Reflection() = default;

void Reflection::register_with(grpc::ServerBuilder& builder) {
  for (const auto& service : services_) builder.RegisterService(service.get());
}

}  // namespace headgate::doors
