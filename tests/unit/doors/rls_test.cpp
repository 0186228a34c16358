// SPDX-License-Identifier: Apache-2.0
//
// The rate limit service of Envoy's API as its clients see it.
#include <sys/stat.h>

#include <google/protobuf/unknown_field_set.h>

#include "served.h"

namespace headgate::doors {
namespace {

using grpc::StatusCode;
using rls_v3::RateLimitResponse;
using Limit = RateLimitResponse::RateLimit;

class Rls : public Served {
 protected:
  static std::string header(const RateLimitResponse& response, const std::string& name) {
    for (const auto& one : response.response_headers_to_add()) {
      if (one.key() == name) return one.value();
    }
    return {};
  }
};

TEST_F(Rls, WithinALimit) {
  const auto response = answer_to(request_of({{{"five", "alice"}}}));
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OK);
  ASSERT_EQ(response.statuses_size(), 1);
  const auto& status = response.statuses(0);
  EXPECT_EQ(status.code(), RateLimitResponse::OK);
  EXPECT_EQ(status.limit_remaining(), 4U);
  EXPECT_EQ(status.current_limit().name(), "five");
  EXPECT_EQ(status.current_limit().requests_per_unit(), 5U);
  EXPECT_EQ(status.current_limit().unit(), Limit::YEAR);
  EXPECT_GT(status.duration_until_reset().seconds(), 0);
  EXPECT_LE(status.duration_until_reset().seconds(), 365 * 24 * 3600);
  EXPECT_EQ(header(response, "ratelimit-policy"), "\"five\";q=5;w=31536000");
  EXPECT_EQ(header(response, "ratelimit").substr(0, 11), "\"five\";r=4;");
  EXPECT_EQ(header(response, "retry-after"), "");
}

TEST_F(Rls, OverALimit) {
  const auto request = request_of({{{"two", "alice"}}});
  answer_to(request);
  EXPECT_EQ(answer_to(request).overall_code(), RateLimitResponse::OK);
  const auto response = answer_to(request);
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OVER_LIMIT);
  EXPECT_EQ(response.statuses(0).code(), RateLimitResponse::OVER_LIMIT);
  EXPECT_EQ(response.statuses(0).limit_remaining(), 0U);
  const auto reset = response.statuses(0).duration_until_reset().seconds();
  EXPECT_GE(std::stoll(header(response, "retry-after")), reset);
  EXPECT_LE(std::stoll(header(response, "retry-after")), reset + 2);
  EXPECT_EQ(answer_to(request_of({{{"two", "bob"}}})).overall_code(), RateLimitResponse::OK);
}

TEST_F(Rls, OneStatusForEachDescriptorInTheirOrder) {
  const auto response = answer_to(request_of({{{"five", "a"}},
                                              {{"unknown", "a"}},
                                              {{"none", "a"}},
                                              {{"unlimited", "a"}},
                                              {{"five", "a"}, {"deeper", "b"}}}));
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OVER_LIMIT) << "as one of them is";
  ASSERT_EQ(response.statuses_size(), 5);
  EXPECT_EQ(response.statuses(0).code(), RateLimitResponse::OK);
  EXPECT_EQ(response.statuses(1).code(), RateLimitResponse::OK);
  EXPECT_FALSE(response.statuses(1).has_current_limit());
  EXPECT_EQ(response.statuses(2).code(), RateLimitResponse::OVER_LIMIT);
  EXPECT_EQ(response.statuses(2).current_limit().name(), "none");
  EXPECT_EQ(response.statuses(3).code(), RateLimitResponse::OK);
  EXPECT_EQ(response.statuses(3).limit_remaining(), 4'294'967'295U);
  EXPECT_FALSE(response.statuses(3).has_current_limit());
  EXPECT_EQ(response.statuses(4).code(), RateLimitResponse::OK);
  EXPECT_FALSE(response.statuses(4).has_current_limit()) << "it is deeper than the rule";
}

TEST_F(Rls, AnUnknownDomainIsNotLimited) {
  auto request = request_of({{{"none", "a"}}});
  request.set_domain("elsewhere");
  const auto response = answer_to(request);
  EXPECT_EQ(response.overall_code(), RateLimitResponse::OK);
  ASSERT_EQ(response.statuses_size(), 1);
  EXPECT_EQ(response.statuses(0).code(), RateLimitResponse::OK);
  EXPECT_FALSE(response.statuses(0).has_current_limit());
  EXPECT_EQ(response.response_headers_to_add_size(), 0);
}

TEST_F(Rls, HitsOfTheRequest) {
  auto request = request_of({{{"five", "a"}}});
  request.set_hits_addend(3);
  EXPECT_EQ(answer_to(request).statuses(0).limit_remaining(), 2U);
  request.set_hits_addend(0);
  EXPECT_EQ(answer_to(request).statuses(0).limit_remaining(), 1U) << "0 means 1";
}

TEST_F(Rls, HitsOfADescriptor) {
  auto request = request_of({{{"five", "a"}}, {{"five", "b"}}});
  request.set_hits_addend(2);
  request.mutable_descriptors(0)->mutable_hits_addend()->set_value(4);
  const auto response = answer_to(request);
  EXPECT_EQ(response.statuses(0).limit_remaining(), 1U);
  EXPECT_EQ(response.statuses(1).limit_remaining(), 3U);
}

TEST_F(Rls, NoHitsIsALook) {
  auto look = request_of({{{"five", "a"}}});
  look.mutable_descriptors(0)->mutable_hits_addend()->set_value(0);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(answer_to(look).statuses(0).limit_remaining(), 5U);
  }
}

TEST_F(Rls, ShadowModeCountsAndAdmits) {
  const auto request = request_of({{{"shadow", "a"}}});
  for (int i = 0; i < 5; ++i) {
    const auto response = answer_to(request);
    EXPECT_EQ(response.overall_code(), RateLimitResponse::OK);
    EXPECT_EQ(response.statuses(0).limit_remaining(), 0U);
    EXPECT_EQ(response.statuses(0).current_limit().name(), "shadow");
  }
}

TEST_F(Rls, ALimitThatComesWithTheRequest) {
  auto request = request_of({{{"five", "special"}}});
  auto* const limit = request.mutable_descriptors(0)->mutable_limit();
  limit->set_requests_per_unit(1);
  limit->set_unit(envoy::type::v3::DAY);
  const auto first = answer_to(request);
  EXPECT_EQ(first.overall_code(), RateLimitResponse::OK);
  EXPECT_EQ(first.statuses(0).current_limit().requests_per_unit(), 1U);
  EXPECT_EQ(first.statuses(0).current_limit().unit(), Limit::DAY);
  EXPECT_EQ(answer_to(request).overall_code(), RateLimitResponse::OVER_LIMIT);
}

TEST_F(Rls, EveryUnitOfSuchALimit) {
  for (int unit = 1; unit <= 7; ++unit) {
    auto request = request_of({{{"five", "unit" + std::to_string(unit)}}});
    auto* const limit = request.mutable_descriptors(0)->mutable_limit();
    limit->set_requests_per_unit(10);
    limit->set_unit(static_cast<envoy::type::v3::RateLimitUnit>(unit));
    EXPECT_EQ(answer_to(request).statuses(0).current_limit().unit(), unit);
  }
}

TEST_F(Rls, UnknownFieldsAreIgnored) {
  auto request = request_of({{{"five", "a"}}});
  auto* const unknown = request.GetReflection()->MutableUnknownFields(&request);
  unknown->AddLengthDelimited(1000, "something new");
  auto* const descriptor = request.mutable_descriptors(0);
  descriptor->GetReflection()->MutableUnknownFields(descriptor)->AddVarint(1001, 7);
  EXPECT_EQ(answer_to(request).statuses(0).limit_remaining(), 4U);
}

TEST_F(Rls, WhatIsWrongIsSaid) {
  auto without_domain = request_of({{{"five", "a"}}});
  without_domain.clear_domain();
  auto bad_unit = request_of({{{"five", "a"}}, {{"five", "b"}}});
  bad_unit.mutable_descriptors(1)->mutable_limit()->set_requests_per_unit(1);
  const std::pair<rls_v3::RateLimitRequest, const char*> cases[] = {
      {without_domain, "domain"},
      {request_of({}), "descriptor"},
      {request_of({{{"five", "a"}}, {}}), "2"},
      {request_of({{{"", "a"}}}), "key"},
      {bad_unit, "descriptor 2: limit.unit"},
  };
  for (const auto& [request, part] : cases) {
    const auto status = refusal_of(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find(part), std::string::npos) << status.error_message();
  }
  EXPECT_EQ(answer_to(request_of({{{"five", "a"}}})).statuses(0).limit_remaining(), 4U)
      << "nothing was counted";
}

TEST_F(Rls, TheSameByTcp) {
  const auto tcp = rls_v3::RateLimitService::NewStub(channel_to(tcp_target()));
  RateLimitResponse response;
  ASSERT_TRUE(ask(*tcp, request_of({{{"five", "a"}}}), &response).ok());
  EXPECT_EQ(answer_to(request_of({{{"five", "a"}}})).statuses(0).limit_remaining(), 3U);
}

TEST_F(Rls, OnlyOwnerAndGroupMayUseTheSocket) {
  struct stat file {};
  ASSERT_EQ(stat(quotas.socket.c_str(), &file), 0);
  EXPECT_TRUE(S_ISSOCK(file.st_mode));
  EXPECT_EQ(file.st_mode & 0777U, 0660U);
}

}  // namespace
}  // namespace headgate::doors
