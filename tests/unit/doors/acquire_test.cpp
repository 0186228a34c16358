// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <headgate/quota/v1/quota.grpc.pb.h>

#include "served.h"

namespace headgate::doors {
namespace {

namespace v1 = headgate::quota::v1;
using std::chrono::milliseconds;

class AcquireStreams : public Served {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AcquireRequest, v1::AcquireResponse>;

  // One who asks, and holds what he gets until he is destroyed or says how it went.
  struct Caller {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    v1::AcquireResponse answer;
    bool was_answered = false;

    ~Caller() {
      context.TryCancel();
      if (stream) (void)stream->Finish();
    }
    grpc::Status end() {
      stream->WritesDone();
      const grpc::Status status = stream->Finish();
      stream.reset();
      return status;
    }
    bool is_allowed() const { return was_answered && answer.decision().allowed(); }
  };

  std::unique_ptr<Caller> ask(const std::string& key, const std::string& value) {
    v1::AcquireRequest request;
    request.mutable_request()->set_domain("test");
    auto* const entry = request.mutable_request()->add_descriptors()->add_entries();
    entry->set_key(key);
    entry->set_value(value);
    return ask(request);
  }
  std::unique_ptr<Caller> ask(const v1::AcquireRequest& request) {
    auto caller = std::make_unique<Caller>();
    caller->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    caller->stream = stub().Acquire(&caller->context);
    caller->stream->Write(request);
    caller->was_answered = caller->stream->Read(&caller->answer);
    return caller;
  }
  // Who has gone is noticed in a moment, not at once.
  bool is_soon_allowed(const std::string& key, const std::string& value) {
    for (int i = 0; i < 500; ++i) {
      if (ask(key, value)->is_allowed()) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return false;
  }
  v1::QuotaService::Stub& stub() {
    if (!stub_) stub_ = v1::QuotaService::NewStub(channel_to(unix_target()));
    return *stub_;
  }

 private:
  std::unique_ptr<v1::QuotaService::Stub> stub_;
};

TEST_F(AcquireStreams, HoldPermitsUntilTheyEnd) {
  const auto first = ask("at_once", "x");
  const auto second = ask("at_once", "x");
  ASSERT_TRUE(first->is_allowed());
  ASSERT_TRUE(second->is_allowed());
  EXPECT_TRUE(first->answer.holds_permits());
  const auto third = ask("at_once", "x");
  ASSERT_TRUE(third->was_answered);
  EXPECT_FALSE(third->is_allowed());
  EXPECT_FALSE(third->answer.holds_permits());
  EXPECT_TRUE(third->end().ok()) << "to be refused is no error";
  EXPECT_EQ(third->answer.decision().verdicts(0).reason(), v1::REASON_LIMIT_REACHED);
  EXPECT_TRUE(first->end().ok());
  EXPECT_TRUE(ask("at_once", "x")->is_allowed());
}

TEST_F(AcquireStreams, APermitComesBackWhenTheCallerIsGone) {
  auto first = ask("at_once", "x");
  const auto second = ask("at_once", "x");
  ASSERT_FALSE(ask("at_once", "x")->is_allowed());
  first.reset();
  EXPECT_TRUE(is_soon_allowed("at_once", "x"));
}

TEST_F(AcquireStreams, WhatIsNotLimitedSoHoldsNothing) {
  const auto caller = ask("five", "x");
  EXPECT_TRUE(caller->is_allowed());
  EXPECT_FALSE(caller->answer.holds_permits());
  EXPECT_TRUE(caller->end().ok());
}

TEST_F(AcquireStreams, TellHowItWent) {
  const auto caller = ask("at_once", "x");
  v1::AcquireRequest outcome;
  outcome.mutable_outcome()->mutable_latency()->set_nanos(5'000'000);
  caller->stream->Write(outcome);
  EXPECT_TRUE(caller->end().ok());
}

TEST_F(AcquireStreams, SayWhatIsWrong) {
  const auto code = [](const std::unique_ptr<Caller>& caller) {
    EXPECT_FALSE(caller->was_answered);
    return caller->end().error_code();
  };
  EXPECT_EQ(code(ask(v1::AcquireRequest())), grpc::StatusCode::INVALID_ARGUMENT);
  v1::AcquireRequest outcome_first;
  outcome_first.mutable_outcome()->set_has_failed(true);
  EXPECT_EQ(code(ask(outcome_first)), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(ask("", "x")), grpc::StatusCode::INVALID_ARGUMENT);
  v1::AcquireRequest endless;
  endless.mutable_request()->set_domain("test");
  endless.mutable_request()->add_descriptors()->add_entries()->set_key("at_once");
  endless.mutable_request()->mutable_ttl()->set_seconds(-1);
  EXPECT_EQ(code(ask(endless)), grpc::StatusCode::INVALID_ARGUMENT);

  const auto twice = ask("at_once", "x");
  v1::AcquireRequest again;
  again.mutable_request()->set_domain("test");
  twice->stream->Write(again);
  EXPECT_EQ(twice->end().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(is_soon_allowed("at_once", "x"));
}

TEST_F(AcquireStreams, ReportsSayHowLongToBeSilent) {
  v1::ReportRequest request;
  request.set_domain("test");
  request.set_user("alice");
  request.mutable_time()->set_seconds(1);
  v1::ReportResponse answer;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub().Report(&context, request, &answer).ok());
  }
  EXPECT_EQ(answer.throttle().seconds(), 1);
  EXPECT_EQ(answer.usage().kind(), v1::Usage::TIME);
  EXPECT_DOUBLE_EQ(answer.usage().quota(), 5);
  EXPECT_FALSE(answer.was_ignored());
  request.clear_user();
  grpc::ClientContext context;
  EXPECT_EQ(stub().Report(&context, request, &answer).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace headgate::doors
