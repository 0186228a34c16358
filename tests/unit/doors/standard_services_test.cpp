// SPDX-License-Identifier: Apache-2.0
//
// gRPC's own services: health and reflection.
#include <set>

#include <google/protobuf/descriptor.pb.h>
#include <grpc/health/v1/health.grpc.pb.h>
#include <grpc/reflection/v1/reflection.grpc.pb.h>
#include <headgate/quota/v1/quota.grpc.pb.h>

#include "daemon/doors/reflection.h"
#include "served.h"

namespace headgate::doors {
namespace {

namespace health = grpc::health::v1;
namespace reflection = grpc::reflection::v1;

class Health : public Served {
 protected:
  grpc::Status check(const std::string& service, health::HealthCheckResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    health::HealthCheckRequest request;
    request.set_service(service);
    return health::Health::NewStub(channel_to(unix_target()))->Check(&context, request, response);
  }
};

TEST_F(Health, OverallAndOfEachService) {
  for (const std::string name : {"", rls_v3::RateLimitService::service_full_name(),
                                 headgate::quota::v1::QuotaService::service_full_name()}) {
    health::HealthCheckResponse response;
    ASSERT_TRUE(check(name, &response).ok()) << name;
    EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING) << name;
  }
  health::HealthCheckResponse response;
  EXPECT_EQ(check("no.such.Service", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(Health, CanBeWatched) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  const auto stub = health::Health::NewStub(channel_to(unix_target()));
  const auto reader = stub->Watch(&context, {});
  health::HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), health::HealthCheckResponse::SERVING);
  context.TryCancel();
}

using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;
using Stream = grpc::ClientReaderWriter<Request, Response>;

// v1alpha has the same messages under another name.
class ReflectionService : public Served, public testing::WithParamInterface<const char*> {
 protected:
  std::unique_ptr<Stream> open(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    static const std::string path = "/ServerReflectionInfo";
    method_ = std::string("/") + GetParam() + path;
    const grpc::internal::RpcMethod method(method_.c_str(),
                                           grpc::internal::RpcMethod::BIDI_STREAMING, channel_);
    return std::unique_ptr<Stream>(
        grpc::internal::ClientReaderWriterFactory<Request, Response>::Create(channel_.get(), method,
                                                                             &context));
  }
  Response ask(const Request& request) {
    grpc::ClientContext context;
    const auto stream = open(context);
    Response response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_TRUE(stream->Finish().ok());
    return response;
  }
  static std::set<std::string> files_in(const Response& response) {
    std::set<std::string> names;
    for (const auto& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.insert(file.name());
    }
    return names;
  }

 private:
  std::string method_;
  std::shared_ptr<grpc::Channel> channel_ = channel_to(unix_target());
};

TEST_P(ReflectionService, ListsTheServices) {
  Request request;
  request.set_list_services("");
  const Response response = ask(request);
  std::set<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.insert(service.name());
  }
  EXPECT_TRUE(names.count("envoy.service.ratelimit.v3.RateLimitService"));
  EXPECT_TRUE(names.count("headgate.quota.v1.QuotaService"));
  EXPECT_TRUE(names.count("grpc.health.v1.Health"));
}

TEST_P(ReflectionService, DescribesThemWithAllThatTheyImport) {
  Request request;
  request.set_file_containing_symbol("envoy.service.ratelimit.v3.RateLimitService");
  const auto files = files_in(ask(request));
  EXPECT_TRUE(files.count("envoy/service/ratelimit/v3/rls.proto"));
  EXPECT_TRUE(files.count("envoy/type/v3/ratelimit_unit.proto"));
  EXPECT_TRUE(files.count("google/protobuf/duration.proto"));
  request.set_file_containing_symbol("grpc.health.v1.Health");
  EXPECT_TRUE(files_in(ask(request)).count("grpc/health/v1/health.proto"));
  request.set_file_by_filename("headgate/quota/v1/quota.proto");
  EXPECT_TRUE(files_in(ask(request)).count("headgate/quota/v1/quota.proto"));
}

TEST_P(ReflectionService, SaysWhatItDoesNotKnow) {
  Request request;
  request.set_file_containing_symbol("no.such.Symbol");
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_all_extension_numbers_of_type("headgate.quota.v1.Entry");
  EXPECT_EQ(ask(request).error_response().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(ask(Request()).error_response().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_P(ReflectionService, HasABoundedNumberOfCallers) {
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<Stream>> streams;
  int refused = 0;
  for (int i = 0; i < Reflection::kMaxCallers + 10; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(open(*contexts.back()));
    Request request;
    request.set_list_services("");
    streams.back()->Write(request);
    Response response;
    if (!streams.back()->Read(&response)) {
      EXPECT_EQ(streams.back()->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 10);
  for (const auto& context : contexts) context->TryCancel();
}

INSTANTIATE_TEST_SUITE_P(Versions, ReflectionService,
                         testing::Values("grpc.reflection.v1.ServerReflection",
                                         "grpc.reflection.v1alpha.ServerReflection"),
                         [](const auto& version) {
                           return std::string(version.index == 0 ? "v1" : "v1alpha");
                         });

}  // namespace
}  // namespace headgate::doors
