// SPDX-License-Identifier: Apache-2.0
// The front line's program, frame by frame: BPF_PROG_TEST_RUN, in a namespace with a real listener.
#include <linux/bpf.h>

#include <chrono>

#include <gtest/gtest.h>

#include "tests/frames/describe.h"
#include "tests/frames/shapes.h"
#include "tests/kernel/front_lab.h"
#include "tests/lab/process.h"
#include "tests/lab/wait.h"

namespace headgate::lab {
namespace {

using namespace frames;
using config::OnLimit;

const char* const kClient = "10.9.9.9";
const char* const kServer = "10.0.0.1";

Bytes syn(const TcpFields& fields = {}, const std::string& from = kClient) {
  return ethernet(ipv4(from, kServer, tcp(fields)));
}
Bytes syn6(const TcpFields& fields = {}) {
  return ethernet(ipv6("2001:db8::9", "2001:db8::1", tcp(fields)));
}

std::string name_of(std::uint32_t verdict) {
  switch (verdict) {
    case XDP_PASS:
      return "pass";
    case XDP_DROP:
      return "drop";
    case XDP_TX:
      return "answer";
    default:
      return "verdict " + std::to_string(verdict);
  }
}

// The verdict, with what is answered, or "changed" if a frame that is not answered is another one.
std::string outcome_of(FrontLab& lab, const Bytes& frame) {
  const Outcome outcome = lab.run(frame);
  std::string text = name_of(outcome.verdict);
  if (outcome.verdict == XDP_TX) return text + " " + describe(outcome.frame);
  if (outcome.frame != frame) text += ", changed";
  return text;
}

// A rule that refuses everybody, for that reason.
config::Config refusing(OnLimit action, config::Mode mode = config::Mode::kEnforce) {
  return web_config([&](config::Rule& rule) {
    rule.connections.per_client = 0;
    rule.settings.on_limit = action;
    rule.settings.mode = mode;
    if (action == OnLimit::kReply) rule.settings.reply = config::Reply{};
  });
}

std::map<std::string, std::uint64_t> refusals(FrontLab& lab) {
  std::map<std::string, std::uint64_t> found;
  const auto counts = must(lab.limiter().counts());
  for (const auto& [id, rule] : counts.rules) {
    for (int action = 0; action < HG_ACTIONS; ++action) {
      for (int reason = 1; reason < HG_REASON_END; ++reason) {
        const auto count =
            rule.refused(static_cast<hg_action>(action), static_cast<hg_reason>(reason));
        if (count > 0) found[std::to_string(action) + "/" + std::to_string(reason)] = count;
      }
    }
  }
  return found;
}

using Counted = std::map<std::string, std::uint64_t>;

// --- what becomes of a request ------------------------------------------------------------------

TEST(Front, DoesWhatTheRuleSays) {
  const std::string macs = "02:00:00:00:00:01 > 02:00:00:00:00:02";
  const std::string four = "answer " + macs +
                           ": 10.0.0.1:8000 > 10.9.9.9:40000 RST ACK sequence 0 acknowledgement "
                           "1001 window 0 ttl 64 DF data 0";
  const std::string six = "answer " + macs +
                          ": 2001:db8::1:8000 > 2001:db8::9:40000 RST ACK sequence 0 "
                          "acknowledgement 1001 window 0 ttl 64 data 0";
  struct Case {
    std::string name;
    config::Config config;
    std::string ipv4;
    std::string ipv6;
  };
  const auto exempt = [](config::Config config) {
    for (const char* cidr : {"10.9.0.0/16", "2001:db8::/64"}) {
      config.clients.exempt.push_back({must(Prefix::parse(cidr)), {}});
    }
    return config;
  };
  const std::vector<Case> cases = {
      {"within the limits", web_config(), "pass", "pass"},
      {"reset", refusing(OnLimit::kReset), four, six},
      {"drop", refusing(OnLimit::kDrop), "drop", "drop"},
      {"reply: the kernel hands it to the courtesy socket", refusing(OnLimit::kReply), "pass",
       "pass"},
      {"monitor", refusing(OnLimit::kDrop, config::Mode::kMonitor), "pass", "pass"},
      {"exempt", exempt(refusing(OnLimit::kDrop)), "pass", "pass"},
  };
  FrontLab lab(web_config());
  for (const Case& one : cases) {
    lab.change(one.config);
    EXPECT_EQ(outcome_of(lab, syn()), one.ipv4) << one.name;
    EXPECT_EQ(outcome_of(lab, syn6()), one.ipv6) << one.name;
  }
}

TEST(Front, RefusesForEveryReason) {
  struct Case {
    std::string reason;
    std::function<void(config::Rule&)> limit;
  };
  const std::vector<Case> cases = {
      {"client_connections", [](auto& rule) { rule.connections.per_client = 0; }},
      {"network_connections", [](auto& rule) { rule.connections.per_network = 0; }},
      {"total_connections", [](auto& rule) { rule.connections.total = 0; }},
  };
  FrontLab lab(web_config());
  for (const Case& one : cases) {
    lab.change(web_config(one.limit));
    lab.counted();
    lab.run(syn());
    EXPECT_EQ(lab.counted(), (Counted{{"reset " + one.reason, 1}}));
  }
  lab.change(web_config());
  lab.deny("10.9.0.0/16");
  lab.run(syn());
  EXPECT_EQ(lab.counted(), (Counted{{"reset denied", 1}}));
}

TEST(Front, EveryShapeGetsWhatItShould) {
  FrontLab lab(refusing(OnLimit::kDrop));
  for (const bool is_denied : {false, true}) {
    if (is_denied) {
      lab.change(web_config([](auto& rule) { rule.settings.on_limit = OnLimit::kDrop; }));
      for (const char* all : {"0.0.0.0/0", "::/0"}) lab.deny(all);
    }
    for (const Shape& shape : shapes()) {
      // Twice: the second time what the first one has found is remembered.
      for (int time = 1; time <= 2; ++time) {
        EXPECT_EQ(outcome_of(lab, shape.frame), shape.kind == Kind::kSyn ? "drop" : "pass")
            << shape.name << (is_denied ? ", denied, time " : ", time ") << time;
      }
    }
  }
}

TEST(Front, AnswersEveryShapeThatItCanAnswer) {
  FrontLab lab(refusing(OnLimit::kReset));
  int answered = 0;
  for (const Shape& shape : shapes()) {
    const Outcome outcome = lab.run(shape.frame);
    if (outcome.verdict != XDP_TX) continue;
    ++answered;
    EXPECT_EQ(shape.kind, Kind::kSyn) << shape.name;
    EXPECT_EQ(outcome.frame.size(), shape.frame.size()) << shape.name;
    EXPECT_NE(describe(outcome.frame).find(" RST ACK sequence 0 "), std::string::npos)
        << shape.name << ": " << describe(outcome.frame);
  }
  EXPECT_GT(answered, 15);
  // The kernel puts them together, or checks them, before it answers.
  for (const Packet& inside : {ipv4(kClient, kServer, tcp(), {.fragment = 0x2000}),
                               ipv6("2001:db8::9", "2001:db8::1", authentication(tcp()))}) {
    EXPECT_EQ(outcome_of(lab, ethernet(inside)), "pass");
  }
}

TEST(Front, NeverAnswersMoreThanItsBudget) {
  constexpr int kBudget = 10'000;  // of a processor and a second
  constexpr int kSyns = 60'000;
  FrontLab lab(refusing(OnLimit::kReset));
  int answered = 0;
  int dropped = 0;
  const auto begin = std::chrono::steady_clock::now();
  lab.inside([&] {
    for (int i = 0; i < kSyns; ++i) {
      const std::uint32_t verdict = lab.run(syn()).verdict;
      if (verdict == XDP_TX) ++answered;
      if (verdict == XDP_DROP) ++dropped;
    }
  });
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin)
          .count();
  EXPECT_EQ(answered + dropped, kSyns);
  const auto most = (seconds + 2) * kBudget * libbpf_num_possible_cpus();
  EXPECT_LE(answered, most);
  EXPECT_TRUE(most >= kSyns || dropped > 0);
}

// --- who is refused ------------------------------------------------------------------------------

TEST(Front, LeavesAloneWhatIsNotForThisHost) {
  FrontLab lab(refusing(OnLimit::kDrop));
  const Packet inside = ipv4(kClient, kServer, tcp());
  ASSERT_EQ(outcome_of(lab, ethernet(inside)), "drop");
  EXPECT_EQ(outcome_of(lab, ethernet(inside, {{300}})), "pass") << "another VLAN";
  EXPECT_EQ(outcome_of(lab, ethernet(inside, {{200}, {100}})), "pass") << "tags in another order";
  EXPECT_EQ(outcome_of(lab, ethernet(inside, {}, {0x02, 0, 0, 0, 0, 0x77})), "pass")
      << "a bridge's";
  EXPECT_EQ(outcome_of(lab, ethernet(inside, {}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff})), "pass");
  EXPECT_EQ(outcome_of(lab, syn({.to = 8001})), "pass") << "a port without a rule";
}

TEST(Front, LeavesAloneWhatIsToBeForwarded) {
  FrontLab lab(refusing(OnLimit::kDrop));
  for (const char* command :
       {"link add d0 type veth peer name d1", "link set d1 up", "link set d0 up",
        "addr add 192.0.2.1/24 dev d0", "-6 addr add 2001:db8:5::1/64 dev d0 nodad"}) {
    must_run({"sh", "-c", std::string("ip ") + command}, {.network = &lab.network()});
  }
  lab.network().set_sysctl("net/ipv4/ip_forward", "1");
  lab.network().set_sysctl("net/ipv6/conf/all/forwarding", "1");
  EXPECT_EQ(outcome_of(lab, syn()), "drop");
  EXPECT_EQ(outcome_of(lab, syn6()), "drop");
  EXPECT_EQ(outcome_of(lab, ethernet(ipv4(kClient, "192.0.2.7", tcp()))), "pass");
  EXPECT_EQ(outcome_of(lab, ethernet(ipv6("2001:db8::9", "2001:db8:5::7", tcp()))), "pass");
  lab.deny("10.9.0.0/16");
  EXPECT_EQ(outcome_of(lab, ethernet(ipv4(kClient, "192.0.2.7", tcp()))), "pass") << "denied";
  EXPECT_EQ(outcome_of(lab, ethernet(ipv4(kClient, "192.0.2.1", tcp()))), "drop") << "our own";
}

TEST(Front, LeavesAloneWhatNobodyListensFor) {
  FrontLab lab(web_config([](config::Rule& rule) {
    rule.listen.front().last_port = FrontLab::kFrontPort + 1;
    rule.connections.per_client = 0;
  }));
  EXPECT_EQ(outcome_of(lab, syn({.to = 8001})), "pass");
  lab.deny("10.9.0.0/16");
  EXPECT_EQ(outcome_of(lab, syn({.to = 8001})), "pass") << "denied";
}

TEST(Front, LeavesAloneASynOfAConnectionThatIsThere) {
  FrontLab lab(web_config([](config::Rule& rule) { rule.connections.per_client = 1; }));
  must_run({"ip", "addr", "add", "10.9.9.9/32", "dev", "lo"}, {.network = &lab.network()});
  const ConnectResult held = lab.network().run([] {
    return connect_to({address(kServer), FrontLab::kFrontPort},
                      {.from = Endpoint{address(kClient), 41000}});
  });
  ASSERT_TRUE(held.connected());
  EXPECT_EQ(outcome_of(lab, syn({.from = 41000})), "pass");
  EXPECT_EQ(lab.run(syn({.from = 41001})).verdict, XDP_TX);
  EXPECT_EQ(outcome_of(lab, syn({}, "10.9.9.8")), "pass") << "another client";
  EXPECT_EQ(
      lab.counted(),
      (Counted{{"pass client_connections", 1}, {"reset client_connections", 1}, {"pass none", 1}}));
}

TEST(Front, OnlyLooks) {
  FrontLab lab(web_config([](config::Rule& rule) {
    rule.new_connections.per_client = config::RateLimit{1, std::chrono::hours(1), 3};
  }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(outcome_of(lab, syn()), "pass");
  must_run({"ip", "addr", "add", "10.9.9.9/32", "dev", "lo"}, {.network = &lab.network()});
  const auto connect = [&lab] {
    return lab.network().run([] {
      return connect_to({address(kServer), FrontLab::kFrontPort},
                        {.from = Endpoint{address(kClient), 0}});
    });
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connect().connected()) << "token " << i;
  lab.counted();
  EXPECT_EQ(lab.run(syn()).verdict, XDP_TX) << "the bucket is empty";
  EXPECT_EQ(lab.counted(), (Counted{{"reset client_rate", 1}}));
  EXPECT_FALSE(connect().connected()) << "sk_lookup says the same";
}

// --- what is told of it -------------------------------------------------------------------------

TEST(Front, CountsARefusalOnce) {
  FrontLab lab(refusing(OnLimit::kReset));
  const std::string reset =
      std::to_string(HG_ACTION_RESET) + "/" + std::to_string(HG_CLIENT_CONNECTIONS);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    lab.run(syn());
    // The front line has asked for the listener each time, which runs `admit`, too.
    EXPECT_EQ(refusals(lab), (Counted{{reset, i}}));
  }
  EXPECT_EQ(lab.counted(), (Counted{{"reset client_connections", 3}}));
  int events = 0;
  must(lab.limiter().poll_events([&](const hg_event& event) {
    ++events;
    EXPECT_EQ(event.type, HG_EVENT_REFUSED);
    EXPECT_EQ(event.reason, HG_CLIENT_CONNECTIONS);
    EXPECT_EQ(event.action, HG_ACTION_RESET);
    EXPECT_EQ(event.local_port, FrontLab::kFrontPort);
    EXPECT_EQ(event.remote_port, 40000);
    EXPECT_EQ(event.netns_cookie, lab.netns_cookie());
  }));
  EXPECT_EQ(events, 3);
}

TEST(Front, CountsDenialsAlsoOnTheShortWay) {
  FrontLab lab(web_config([](auto& rule) { rule.settings.on_limit = OnLimit::kDrop; }));
  lab.deny("10.9.9.9/32");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(outcome_of(lab, syn()), "drop");
  const std::string drop = std::to_string(HG_ACTION_DROP) + "/" + std::to_string(HG_DENIED);
  EXPECT_EQ(refusals(lab), (Counted{{drop, 100}}));
  EXPECT_EQ(lab.counted(), (Counted{{"drop denied", 100}}));
  const auto losses = must(lab.limiter().losses());
  std::uint64_t events = 0;
  must(lab.limiter().poll_events([&](const hg_event&) { ++events; }));
  EXPECT_EQ(events + losses.suppressed, 100U);
  EXPECT_GE(events, 64U);
}

// --- what is remembered --------------------------------------------------------------------------

TEST(Front, AnEndOfADenialIsSeenAtOnce) {
  FrontLab lab(web_config([](auto& rule) { rule.settings.on_limit = OnLimit::kDrop; }));
  for (int i = 0; i < 20; ++i) {
    lab.deny("10.9.9.9/32");
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    must(lab.limiter().stop_denying({must(Prefix::parse("10.9.9.9/32"))}));
    ASSERT_EQ(outcome_of(lab, syn()), "pass");
  }
}

TEST(Front, AnotherPolicyIsSeenAtOnce) {
  const auto drop = web_config([](auto& rule) { rule.settings.on_limit = OnLimit::kDrop; });
  auto exempt = drop;
  exempt.clients.exempt.push_back({must(Prefix::parse("10.9.9.9")), {}});
  auto denied = drop;
  denied.clients.deny.push_back({must(Prefix::parse("10.9.9.9")), {}, {}, {}});
  auto elsewhere = denied;
  elsewhere.rules.front().listen.front().first_port = 9000;
  elsewhere.rules.front().listen.front().last_port = 9000;
  FrontLab lab(drop);
  for (int i = 0; i < 10; ++i) {
    lab.change(denied);
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    lab.change(drop);
    ASSERT_EQ(outcome_of(lab, syn()), "pass");
    lab.deny("10.9.9.9/32");
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    ASSERT_EQ(outcome_of(lab, syn()), "drop");
    lab.change(exempt);
    ASSERT_EQ(outcome_of(lab, syn()), "pass");
    lab.change(elsewhere);
    ASSERT_EQ(outcome_of(lab, syn()), "pass");
    must(lab.limiter().stop_denying({must(Prefix::parse("10.9.9.9/32"))}));
  }
}

TEST(Front, ADenialThatEndsSoonIsNotOutlived) {
  FrontLab lab(web_config([](auto& rule) { rule.settings.on_limit = OnLimit::kDrop; }));
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const std::uint64_t soon = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                             static_cast<std::uint64_t>(now.tv_nsec) + 300'000'000;
  must(lab.limiter().deny({{must(Prefix::parse("10.9.9.9")), soon, ""}}));
  lab.limiter().set_any_denied(true);
  EXPECT_EQ(outcome_of(lab, syn()), "drop");
  EXPECT_EQ(outcome_of(lab, syn()), "drop");
  EXPECT_TRUE(
      eventually(std::chrono::seconds(1), [&] { return lab.run(syn()).verdict == XDP_PASS; }));
}

// --- denied hard ---------------------------------------------------------------------------------

TEST(Front, PacketsOfAConnectionAreDroppedOnlyIfItsClientIsDeniedHard) {
  FrontLab lab(web_config());
  must_run({"ip", "addr", "add", "10.9.9.9/32", "dev", "lo"}, {.network = &lab.network()});
  const ConnectResult held = lab.network().run([] {
    return connect_to({address(kServer), FrontLab::kFrontPort},
                      {.from = Endpoint{address(kClient), 41000}});
  });
  ASSERT_TRUE(held.connected());
  const Bytes segment = syn({.from = 41000, .flags = kAck, .data = 10});
  EXPECT_EQ(outcome_of(lab, segment), "pass");
  lab.deny("10.9.9.9/32");
  EXPECT_EQ(outcome_of(lab, segment), "pass") << "denied, but not hard";
  lab.deny("10.9.9.9/32", true);
  EXPECT_EQ(outcome_of(lab, segment), "drop");
  EXPECT_EQ(outcome_of(lab, syn({.flags = kAck}, "10.9.9.8")), "pass") << "another client";
  EXPECT_EQ(outcome_of(lab, syn({.from = 41000, .to = 22, .flags = kAck})), "pass")
      << "a port without a rule";
  EXPECT_EQ(outcome_of(lab, ethernet(ipv4(kClient, kServer, tcp({.from = 41000, .flags = kAck})),
                                     {}, {0x02, 0, 0, 0, 0, 0x77})),
            "pass")
      << "a bridge's";
  EXPECT_EQ(lab.counted(), (Counted{{"drop denied", 1}}));
}

}  // namespace
}  // namespace headgate::lab
