// SPDX-License-Identifier: Apache-2.0
//
// headgate.quota.v1 as its clients see it.
#include <headgate/quota/v1/quota.grpc.pb.h>

#include "served.h"

namespace headgate::doors {
namespace {

namespace v1 = headgate::quota::v1;

class Native : public Served {
 protected:
  static v1::CheckRequest request_for(const std::string& key, const std::string& value) {
    v1::CheckRequest request;
    request.set_domain("test");
    auto* const entry = request.add_descriptors()->add_entries();
    entry->set_key(key);
    entry->set_value(value);
    return request;
  }
  grpc::Status ask(const v1::CheckRequest& request, v1::CheckResponse* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    return stub_->Check(&context, request, response);
  }
  v1::CheckResponse check(const v1::CheckRequest& request) {
    v1::CheckResponse response;
    const auto status = ask(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::Verdict verdict_on(const std::string& key) {
    return check(request_for(key, "a")).verdicts(0);
  }

 private:
  std::unique_ptr<v1::QuotaService::Stub> stub_ =
      v1::QuotaService::NewStub(channel_to(unix_target()));
};

TEST_F(Native, WithinALimit) {
  const auto response = check(request_for("five", "a"));
  EXPECT_TRUE(response.allowed());
  EXPECT_FALSE(response.has_retry_after());
  ASSERT_EQ(response.verdicts_size(), 1);
  const auto& verdict = response.verdicts(0);
  EXPECT_EQ(verdict.rule(), "five");
  EXPECT_EQ(verdict.code(), v1::CODE_OK);
  EXPECT_EQ(verdict.reason(), v1::REASON_WITHIN_LIMIT);
  EXPECT_EQ(verdict.limit().requests(), 5U);
  EXPECT_EQ(verdict.limit().per().seconds(), 365 * 24 * 3600);
  EXPECT_EQ(verdict.remaining(), 4U);
  EXPECT_GT(verdict.until_reset().seconds(), 0);
  EXPECT_FALSE(verdict.has_retry_after());
}

TEST_F(Native, OverALimit) {
  verdict_on("two");
  verdict_on("two");
  const auto response = check(request_for("two", "a"));
  EXPECT_FALSE(response.allowed());
  const auto& verdict = response.verdicts(0);
  EXPECT_EQ(verdict.code(), v1::CODE_OVER_LIMIT);
  EXPECT_EQ(verdict.reason(), v1::REASON_LIMIT_REACHED);
  EXPECT_GE(verdict.retry_after().seconds(), verdict.until_reset().seconds());
  EXPECT_LE(verdict.retry_after().seconds(), verdict.until_reset().seconds() + 1);
  EXPECT_EQ(response.retry_after().seconds(), verdict.retry_after().seconds());
}

TEST_F(Native, TheOtherReasons) {
  EXPECT_EQ(verdict_on("unknown").reason(), v1::REASON_NO_RULE);
  EXPECT_EQ(verdict_on("unlimited").reason(), v1::REASON_UNLIMITED);
  EXPECT_EQ(verdict_on("unlimited").remaining(), 4'294'967'295U);
  verdict_on("shadow");
  const auto shadow = verdict_on("shadow");
  EXPECT_EQ(shadow.reason(), v1::REASON_NOT_ENFORCED);
  EXPECT_EQ(shadow.code(), v1::CODE_OK);
}

TEST_F(Native, WhatIsLargerThanTheLimitIsNotToldToWait) {
  auto request = request_for("rolling", "a");
  request.set_cost(3);
  const auto response = check(request);
  EXPECT_FALSE(response.allowed());
  EXPECT_FALSE(response.has_retry_after());
  EXPECT_EQ(response.verdicts(0).reason(), v1::REASON_LARGER_THAN_LIMIT);
  EXPECT_FALSE(response.verdicts(0).has_retry_after());
  EXPECT_EQ(response.verdicts(0).limit().burst(), 2U);
}

TEST_F(Native, CostAndHits) {
  auto request = request_for("five", "a");
  request.set_cost(2);
  EXPECT_EQ(check(request).verdicts(0).remaining(), 3U);
  request.mutable_descriptors(0)->set_hits(1);
  EXPECT_EQ(check(request).verdicts(0).remaining(), 2U);
  request.mutable_descriptors(0)->set_hits(0);
  EXPECT_EQ(check(request).verdicts(0).remaining(), 2U);
  request.mutable_descriptors(0)->clear_hits();
  request.set_cost(0);
  EXPECT_EQ(check(request).verdicts(0).remaining(), 2U);
}

TEST_F(Native, WhatIsWrongIsSaid) {
  v1::CheckResponse response;
  auto request = request_for("five", "a");
  request.clear_domain();
  EXPECT_EQ(ask(request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request = request_for("", "a");
  const auto status = ask(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("key"), std::string::npos) << status.error_message();
}

}  // namespace
}  // namespace headgate::doors
