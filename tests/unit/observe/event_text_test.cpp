// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_text.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/ip.h"
#include "daemon/kernel/address.h"

namespace headgate::observe {
namespace {

hg_event event(hg_event_type type, const char* remote = "192.0.2.1",
               const char* local = "192.0.2.10") {
  hg_event result{};
  result.type = static_cast<std::uint16_t>(type);
  result.reason = HG_CLIENT_CONNECTIONS;
  result.remote = kernel::to_abi(*IpAddress::parse(remote));
  result.remote_port = 40000;
  result.local = kernel::to_abi(*IpAddress::parse(local));
  result.local_port = 443;
  return result;
}

hg_event refused_with(hg_action action, hg_reason reason) {
  hg_event result = event(HG_EVENT_REFUSED);
  result.action = static_cast<std::uint16_t>(action);
  result.reason = static_cast<std::uint16_t>(reason);
  return result;
}

std::string line_of(const hg_event& event) {
  return to_log_line(to_event(event, "web"));
}

TEST(Event, TellsWhatTheKernelHasTold) {
  hg_event told = refused_with(HG_ACTION_DROP, HG_TOTAL_RATE);
  told.suppressed = 3;
  const auto before = std::chrono::system_clock::now();
  const Event event = to_event(told, "web");
  EXPECT_GE(event.time, before);
  EXPECT_LE(event.time, std::chrono::system_clock::now());
  EXPECT_EQ(event.kind, "refused");
  EXPECT_EQ(event.rule, "web");
  EXPECT_EQ(event.client, "192.0.2.1");
  EXPECT_EQ(event.client_port, 40000);
  EXPECT_EQ(event.server, "192.0.2.10:443");
  EXPECT_EQ(event.reason, "total_rate");
  EXPECT_EQ(event.action, "drop");
  EXPECT_EQ(event.text, "");
  EXPECT_EQ(event.suppressed, 3U);
}

TEST(Event, NamesEveryReason) {
  const std::vector<std::pair<hg_reason, std::string>> reasons = {
      {HG_CLIENT_CONNECTIONS, "client_connections"},
      {HG_NETWORK_CONNECTIONS, "network_connections"},
      {HG_TOTAL_CONNECTIONS, "total_connections"},
      {HG_CLIENT_RATE, "client_rate"},
      {HG_NETWORK_RATE, "network_rate"},
      {HG_TOTAL_RATE, "total_rate"},
      {HG_DENIED, "denied"},
      {HG_TABLE_FULL, "table_full"}};
  ASSERT_EQ(reasons.size() + 1, static_cast<std::size_t>(HG_REASON_END));
  for (const auto& [reason, label] : reasons) {
    EXPECT_EQ(to_event(refused_with(HG_ACTION_RESET, reason), "web").reason, label);
  }
}

TEST(Event, NamesEveryActionAndSaysWhereARefusalIsOnlyCounted) {
  const std::vector<std::pair<hg_action, std::string>> actions = {
      {HG_ACTION_RESET, "reset"}, {HG_ACTION_DROP, "drop"}, {HG_ACTION_REPLY, "reply"}};
  for (const auto& [action, label] : actions) {
    const Event event = to_event(refused_with(action, HG_DENIED), "web");
    EXPECT_EQ(event.kind, "refused");
    EXPECT_EQ(event.action, label);
  }
  const Event monitored = to_event(refused_with(HG_ACTION_NONE, HG_DENIED), "web");
  EXPECT_EQ(monitored.kind, "would_refuse");
  EXPECT_EQ(monitored.action, "");
}

TEST(Event, OnlyARefusalHasAnAction) {
  for (const auto type : {HG_EVENT_OVERSHOOT, HG_EVENT_TABLE_FULL, HG_EVENT_PENALTY}) {
    EXPECT_EQ(to_event(event(type), "web").action, "") << type;
  }
}

TEST(EventText, NamesClientServerReasonAndAction) {
  EXPECT_EQ(line_of(event(HG_EVENT_REFUSED)),
            "refused rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 "
            "reason=client_connections action=reset");
}

TEST(EventText, BracketsAnIpv6Server) {
  EXPECT_EQ(line_of(event(HG_EVENT_OVERSHOOT, "2001:db8::1", "2001:db8::2")),
            "closed rule=web client=2001:db8::1 port=40000 server=[2001:db8::2]:443 "
            "reason=client_connections");
}

TEST(EventText, SaysWhatIsOnlyMonitored) {
  EXPECT_EQ(line_of(refused_with(HG_ACTION_NONE, HG_NETWORK_RATE)),
            "would_refuse rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 "
            "reason=network_rate");
}

TEST(EventText, TellsForHowLongAPenaltyDenies) {
  hg_event penalty = event(HG_EVENT_PENALTY);
  penalty.seconds = 600;
  EXPECT_EQ(line_of(penalty),
            "penalty rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 "
            "reason=client_connections (denied for 600 s)");
}

TEST(EventText, TellsWhatWasNotCounted) {
  hg_event uncounted = event(HG_EVENT_TABLE_FULL);
  uncounted.reason = HG_TABLE_FULL;
  EXPECT_EQ(line_of(uncounted),
            "uncounted rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 "
            "reason=table_full");
}

TEST(EventText, LeavesOutWhatThereIsNot) {
  Event reload;
  reload.kind = "reload";
  reload.text = "generation 2";
  EXPECT_EQ(to_log_line(reload), "reload (generation 2)");
}

TEST(EventText, TellsHowManyWereKeptBack) {
  hg_event refused = event(HG_EVENT_REFUSED);
  refused.suppressed = 17;
  const std::string line = line_of(refused);
  EXPECT_EQ(line.substr(line.rfind(' ')), " suppressed=17");
}

TEST(EventText, SurvivesAReasonAnActionAndATypeThatItDoesNotKnow) {
  hg_event strange = event(HG_EVENT_REFUSED);
  strange.reason = 9999;
  strange.action = 9999;
  EXPECT_EQ(line_of(strange), "refused rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443");
  strange.type = 99;
  EXPECT_EQ(line_of(strange), "unknown rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443");
}

}  // namespace
}  // namespace headgate::observe
