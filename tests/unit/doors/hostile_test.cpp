// SPDX-License-Identifier: Apache-2.0
//
// Callers of the gRPC door that say nothing, too much or nonsense: others are served within a
// second.
#include <fstream>
#include <random>
#include <thread>

#include <grpcpp/generic/generic_stub.h>

#include "served.h"

namespace headgate::doors {
namespace {

using grpc::StatusCode;
using std::chrono::seconds;

class Hostile : public Served {
 protected:
  // Any bytes as a request.
  grpc::Status send_bytes(const std::string& bytes, const std::string& method = kMethod) {
    grpc::GenericStub generic(channel_to(unix_target()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + seconds(5));
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    grpc::Status status;
    const auto call = generic.PrepareUnaryCall(&context, method, request, &queue);
    call->StartCall();
    call->Finish(&response, &status, this);
    void* tag = nullptr;
    bool is_good = false;
    queue.Next(&tag, &is_good);
    return status;
  }
  void expect_service() {
    for (int i = 0; i < 5; ++i) {
      const auto own = rls_v3::RateLimitService::NewStub(channel_to(unix_target()));
      rls_v3::RateLimitResponse response;
      const auto status = ask(*own, request_of({{{"many", "a"}}}), &response, seconds(1));
      ASSERT_TRUE(status.ok()) << status.error_message();
    }
  }
  static std::size_t threads() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                      std::filesystem::directory_iterator()));
  }

  static constexpr const char* kMethod =
      "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
};

TEST_F(Hostile, BytesThatAreNoMessage) {
  EXPECT_FALSE(send_bytes("\xff\xff\xff").ok());
  EXPECT_FALSE(send_bytes(std::string("\x0a\x7f", 2)).ok()) << "a string that is cut short";
  EXPECT_FALSE(send_bytes("\x0a\x02\xff\xfe").ok()) << "text that is no UTF-8";
  EXPECT_EQ(send_bytes("").error_code(), StatusCode::INVALID_ARGUMENT) << "an empty message";
  std::mt19937 random(4711);
  for (int i = 0; i < 200; ++i) {
    std::string garbage(random() % 300, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    EXPECT_FALSE(send_bytes(garbage).ok());
  }
  expect_service();
}

TEST_F(Hostile, MethodsThatAreNotThere) {
  EXPECT_EQ(send_bytes("", "/envoy.service.ratelimit.v3.RateLimitService/Nothing").error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(send_bytes("", "/no.such.Service/Method").error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(Hostile, AMessageThatIsTooLarge) {
  auto request = request_of({{{"many", std::string(1'100'000, 'x')}}});
  EXPECT_EQ(refusal_of(request).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  expect_service();
}

TEST_F(Hostile, TooManyDescriptorsAndEntries) {
  rls_v3::RateLimitRequest many;
  many.set_domain("test");
  for (std::size_t i = 0; i < quota::Engine::kMaxDescriptors; ++i) add(many, {{"many", "a"}});
  EXPECT_EQ(answer_to(many).statuses_size(), 1000);
  add(many, {{"many", "a"}});
  EXPECT_EQ(refusal_of(many).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(
      refusal_of(request_of({Entries(quota::Engine::kMaxEntries + 1, {"many", "a"})})).error_code(),
      StatusCode::INVALID_ARGUMENT);
}

TEST_F(Hostile, TooMuchMetadata) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(5));
  context.AddMetadata("x", std::string(100'000, 'x'));
  rls_v3::RateLimitResponse response;
  EXPECT_EQ(
      stub()->ShouldRateLimit(&context, request_of({{{"many", "a"}}}), &response).error_code(),
      StatusCode::RESOURCE_EXHAUSTED);
  expect_service();
}

TEST_F(Hostile, GarbageAndHttp1) {
  std::mt19937 random(4711);
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = connect_tcp(doors->grpc_port());
    std::string garbage(1 + random() % 70'000, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    (void)send(fd.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  }
  expect_service();
}

TEST_F(Hostile, AThousandConnectionsThatSayNothing) {
  expect_service();
  const std::size_t before = threads();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 900; ++i) silent.push_back(connect_tcp(doors->grpc_port()));
  expect_service();
  EXPECT_LE(threads(), before + 4) << "none has a thread of its own";
}

TEST_F(Hostile, ManyClientsAtOnce) {
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([this, &good] {
      const auto own = rls_v3::RateLimitService::NewStub(channel_to(tcp_target()));
      for (int j = 0; j < 200; ++j) {
        rls_v3::RateLimitResponse response;
        good += ask(*own, request_of({{{"many", "shared"}}}), &response, seconds(20)).ok();
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 3200);
  EXPECT_EQ(answer_to(request_of({{{"many", "shared"}}})).statuses(0).limit_remaining(),
            4'000'000'000U - 3201);
}

}  // namespace
}  // namespace headgate::doors
