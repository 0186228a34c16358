// SPDX-License-Identifier: Apache-2.0
#include "daemon/observe/event_text.h"

#include <cstring>

#include <gtest/gtest.h>

#include "common/ip.h"

namespace headgate::observe {
namespace {

hg_address address(const char* text) {
  const IpAddress ip = IpAddress::parse(text).value();
  hg_address result{};
  std::memcpy(&result, ip.bytes().data(), sizeof(result));
  return result;
}

hg_event event(hg_event_type type, const char* remote, const char* local) {
  hg_event result{};
  result.type = static_cast<std::uint16_t>(type);
  result.reason = HG_CLIENT_CONNECTIONS;
  result.remote = address(remote);
  result.remote_port = 40000;
  result.local = address(local);
  result.local_port = 443;
  return result;
}

TEST(EventText, NamesClientServerAndReason) {
  EXPECT_EQ(to_log_line(event(HG_EVENT_REFUSED, "192.0.2.1", "192.0.2.10"), "web"),
            "refused rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443 "
            "reason=client_connections");
}

TEST(EventText, BracketsAnIpv6Server) {
  EXPECT_EQ(to_log_line(event(HG_EVENT_OVERSHOOT, "2001:db8::1", "2001:db8::2"), "web"),
            "closed rule=web client=2001:db8::1 port=40000 server=[2001:db8::2]:443 "
            "reason=client_connections");
}

TEST(EventText, TellsHowManyWereKeptBack) {
  hg_event refused = event(HG_EVENT_REFUSED, "192.0.2.1", "192.0.2.10");
  refused.suppressed = 17;
  const std::string line = to_log_line(refused, "web");
  EXPECT_EQ(line.substr(line.rfind(' ')), " suppressed=17");
}

TEST(EventText, SurvivesAReasonAndATypeThatItDoesNotKnow) {
  hg_event strange = event(HG_EVENT_REFUSED, "192.0.2.1", "192.0.2.10");
  strange.type = 99;
  strange.reason = 9999;
  EXPECT_EQ(to_log_line(strange, "web"),
            "unknown rule=web client=192.0.2.1 port=40000 server=192.0.2.10:443");
}

}  // namespace
}  // namespace headgate::observe
