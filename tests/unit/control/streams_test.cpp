// SPDX-License-Identifier: Apache-2.0
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "served.h"

namespace headgate::control {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

observe::Event event(const std::string& kind, const std::string& rule) {
  observe::Event event;
  event.time = std::chrono::system_clock::time_point(milliseconds(1'700'000'000'001));
  event.kind = kind;
  event.rule = rule;
  event.client = "192.0.2.7";
  event.client_port = 4711;
  event.server = "192.0.2.10:443";
  event.reason = "denied";
  event.action = "reset";
  event.text = "more";
  event.suppressed = 3;
  return event;
}

// A caller that follows the events.
struct Follower {
  explicit Follower(std::unique_ptr<v1::Control::Stub> stub_of_its_own,
                    const v1::EventsRequest& request = {})
      : stub(std::move(stub_of_its_own)) {
    context.set_deadline(std::chrono::system_clock::now() + seconds(30));
    reader = stub->Events(&context, request);
    reader->WaitForInitialMetadata();  // from here on it follows, or was refused
  }

  std::unique_ptr<v1::Control::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::Event>> reader;
};

class Streams : public Served {
 protected:
  std::unique_ptr<Follower> follow(const v1::EventsRequest& request = {}) const {
    return std::make_unique<Follower>(open_stub(), request);
  }
};

TEST_F(Streams, AnEventArrivesWholeAndSoon) {
  const auto follower = follow();
  const auto start = Clock::now();
  manager.hub.publish(event("refused", "web"));
  v1::Event got;
  ASSERT_TRUE(follower->reader->Read(&got));
  EXPECT_LT(Clock::now() - start, milliseconds(500));
  EXPECT_EQ(got.ShortDebugString(),
            "time_unix_ns: 1700000000001000000 kind: \"refused\" rule: \"web\" client: "
            "\"192.0.2.7\" client_port: 4711 server: \"192.0.2.10:443\" reason: \"denied\" action: "
            "\"reset\" text: \"more\" suppressed: 3");
  follower->context.TryCancel();
  EXPECT_EQ(follower->reader->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(Streams, OnlyWhatWasAskedForArrives) {
  v1::EventsRequest request;
  request.set_rule("web");
  request.add_kinds("refused");
  request.add_kinds("penalty");
  const auto follower = follow(request);
  manager.hub.publish(event("refused", "api"));
  manager.hub.publish(event("reload", ""));
  manager.hub.publish(event("penalty", "web"));
  manager.hub.publish(event("closed", "web"));
  manager.hub.publish(event("refused", "web"));
  v1::Event got;
  ASSERT_TRUE(follower->reader->Read(&got));
  EXPECT_EQ(got.kind(), "penalty");
  ASSERT_TRUE(follower->reader->Read(&got));
  EXPECT_EQ(got.kind(), "refused");
  EXPECT_EQ(got.rule(), "web");
}

TEST_F(Streams, BadFiltersAreRefused) {
  v1::EventsRequest request;
  request.set_rule("not a name");
  EXPECT_EQ(follow(request)->reader->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
  request.clear_rule();
  for (int i = 0; i < 33; ++i) request.add_kinds("refused");
  EXPECT_EQ(follow(request)->reader->Finish().error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(Streams, AFollowerThatHangsUpMakesRoomSoon) {
  std::vector<std::unique_ptr<Follower>> followers;
  for (std::size_t i = 0; i < observe::EventHub::kMaxFollowers; ++i) followers.push_back(follow());
  const auto refused = follow()->reader->Finish();
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), "16 callers follow the events already; no more can");
  followers.front()->context.TryCancel();
  const auto deadline = Clock::now() + seconds(1);
  while (manager.hub.follow() == nullptr && Clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  v1::Event got;
  const auto next = follow();
  manager.hub.publish(event("refused", "web"));
  EXPECT_TRUE(next->reader->Read(&got));
}

TEST_F(Streams, ATooSlowFollowerIsToldWhatItMissed) {
  const auto follower = follow();
  constexpr std::uint64_t kPublished = 50'000;
  for (std::uint64_t i = 0; i < kPublished; ++i) manager.hub.publish(event("refused", "web"));
  manager.hub.publish(event("last", "web"));
  std::uint64_t seen = 0;
  std::uint64_t lost = 0;
  v1::Event got;
  while (got.kind() != "last" && follower->reader->Read(&got)) {
    ++seen;
    lost += got.lost();
  }
  EXPECT_EQ(seen + lost, kPublished + 1);
  EXPECT_GT(lost, 0U);
}

TEST_F(Streams, ClosingTheHubEndsTheStreams) {
  const auto follower = follow();
  manager.hub.publish(event("stopping", ""));
  manager.hub.close();
  v1::Event got;
  EXPECT_TRUE(follower->reader->Read(&got));
  EXPECT_FALSE(follower->reader->Read(&got));
  EXPECT_EQ(follower->reader->Finish().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(follow()->reader->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(Streams, TheServerStopsAtOnceThoughOneFollows) {
  const auto follower = follow();
  const auto start = Clock::now();
  server.reset();
  EXPECT_LT(Clock::now() - start, milliseconds(900));
  v1::Event got;
  EXPECT_FALSE(follower->reader->Read(&got));
  EXPECT_EQ(follower->reader->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(Streams, TheDenyListComesInOrderAndInParts) {
  std::vector<manage::DenyListed> listed(2'500);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    listed[i].entry.cidr =
        *Prefix::parse("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    listed[i].source = manage::DenyListed::Source::kPenalty;
    listed[i].rule = "web";
  }
  manager.list(listed);
  grpc::ClientContext context;
  const auto reader = stub->DenyList(&context, {});
  std::vector<int> parts;
  std::vector<std::string> cidrs;
  v1::DenyListResponse part;
  while (reader->Read(&part)) {
    parts.push_back(part.entries_size());
    for (const v1::DenyListed& entry : part.entries()) {
      cidrs.push_back(entry.entry().cidr());
      EXPECT_EQ(entry.source() + entry.rule(), "penaltyweb");
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(parts, testing::ElementsAre(1000, 1000, 500));
  ASSERT_EQ(cidrs.size(), listed.size());
  for (std::size_t i = 0; i < cidrs.size(); ++i) {
    ASSERT_EQ(cidrs[i], listed[i].entry.cidr.to_string());
  }
}

TEST_F(Streams, AnEmptyDenyListAndOneThatFails) {
  v1::DenyListResponse part;
  grpc::ClientContext empty;
  const auto reader = stub->DenyList(&empty, {});
  EXPECT_FALSE(reader->Read(&part));
  EXPECT_TRUE(reader->Finish().ok());
  manager.list(fail(ErrorCode::kInternal, "the map is gone"));
  grpc::ClientContext failing;
  const auto failed = stub->DenyList(&failing, {});
  EXPECT_FALSE(failed->Read(&part));
  EXPECT_EQ(failed->Finish().error_message(), "the map is gone");
}

}  // namespace
}  // namespace headgate::control
