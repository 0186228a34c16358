// SPDX-License-Identifier: Apache-2.0
#include "daemon/control/input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;
using testing::HasSubstr;

const system_clock::time_point kNow{std::chrono::seconds(1'700'000'000)};

v1::DenyAddRequest request_of(std::initializer_list<const char*> cidrs) {
  v1::DenyAddRequest request;
  for (const char* cidr : cidrs) request.add_entries()->set_cidr(cidr);
  return request;
}

std::string error_of(const v1::DenyAddRequest& request) {
  const auto entries = read_deny_entries(request.entries(), kNow);
  if (entries) return "good";
  EXPECT_EQ(entries.error().code, ErrorCode::kInvalidArgument);
  return entries.error().to_string();
}

TEST(DenyEntries, ReadsPrefixReasonExpiryAndHardness) {
  auto request = request_of({"10.0.0.0/8", "2001:db8::1"});
  request.mutable_entries(0)->set_reason("a scanner, ü");
  request.mutable_entries(1)->set_until_unix_ms(1'700'000'000'001);
  request.mutable_entries(1)->set_is_hard(true);
  const auto entries = read_deny_entries(request.entries(), kNow);
  ASSERT_TRUE(entries) << entries.error().to_string();
  EXPECT_EQ((*entries)[0].cidr, *Prefix::parse("10.0.0.0/8"));
  EXPECT_EQ((*entries)[0].reason, "a scanner, ü");
  EXPECT_FALSE((*entries)[0].until);
  EXPECT_EQ((*entries)[1].until, kNow + milliseconds(1));
  EXPECT_FALSE((*entries)[0].is_hard);
  EXPECT_TRUE((*entries)[1].is_hard);
}

TEST(DenyEntries, TheLastOfTwoAlikeCounts) {
  auto request = request_of({"10.0.0.0/8", "192.0.2.1", "::ffff:192.0.2.1/32"});
  request.mutable_entries(2)->set_reason("again");
  const auto entries = read_deny_entries(request.entries(), kNow);
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ((*entries)[1].reason, "again");
}

TEST(DenyEntries, ErrorsNameTheFirstFewEntries) {
  EXPECT_EQ(error_of(request_of({"10.0.0.0/8", "10.0.0.1/8"})),
            "entry 2: '10.0.0.1/8' has bits set after its length; 10.0.0.0/8 would be right");
  const std::string many = error_of(request_of({"a", "b", "c", "d", "e", "f", "g"}));
  EXPECT_THAT(many, HasSubstr("entry 1: 'a' is not"));
  EXPECT_THAT(many, HasSubstr("; entry 5: 'e' is not"));
  EXPECT_THAT(many, HasSubstr("; and 2 more"));
  EXPECT_THAT(many, testing::Not(HasSubstr("entry 6")));
}

TEST(DenyEntries, NoneAndTooManyAreErrors) {
  EXPECT_THAT(error_of({}), HasSubstr("no entries"));
  v1::DenyAddRequest request;
  for (std::size_t i = 0; i <= kMaxEntries; ++i) request.add_entries();
  EXPECT_THAT(error_of(request), HasSubstr("1000001 entries in one call; at most 1000000"));
}

TEST(DenyEntries, ReasonsAreOneLineOfPrintableText) {
  const std::string bad[] = {"a\nb", "a\tb", "\x1b[31m", std::string("a\0b", 3), "\xff", "\xc3"};
  for (const std::string& reason : bad) {
    auto request = request_of({"10.0.0.0/8"});
    request.mutable_entries(0)->set_reason(reason);
    const std::string error = error_of(request);
    EXPECT_THAT(error, HasSubstr("entry 1: the reason '"));
    for (const char c : error) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << error;
  }
  auto request = request_of({"10.0.0.0/8"});
  request.mutable_entries(0)->set_reason(std::string(config::kMaxReasonBytes, 'x'));
  EXPECT_EQ(error_of(request), "good");
  request.mutable_entries(0)->set_reason(std::string(config::kMaxReasonBytes + 1, 'x'));
  EXPECT_THAT(error_of(request), HasSubstr("201 bytes; at most 200"));
}

TEST(DenyEntries, AnExpiryIsToCome) {
  auto request = request_of({"10.0.0.0/8"});
  const auto with = [&](std::int64_t until) {
    request.mutable_entries(0)->set_until_unix_ms(until);
    return error_of(request);
  };
  EXPECT_THAT(with(1), HasSubstr("in the past"));
  EXPECT_THAT(with(1'700'000'000'000), HasSubstr("in the past"));
  EXPECT_EQ(with(1'700'000'000'001), "good");
  EXPECT_THAT(with(-1), HasSubstr("0 (for good) to"));
  EXPECT_THAT(with(std::numeric_limits<std::int64_t>::max()), HasSubstr("0 (for good) to"));
  EXPECT_EQ(with(7'289'654'399'999), "good");
  EXPECT_THAT(with(7'289'654'400'000), HasSubstr("0 (for good) to"));
}

TEST(Cidrs, OneThatIsThereTwiceCountsOnce) {
  v1::DenyRemoveRequest request;
  for (const char* cidr : {"10.0.0.0/8", "192.0.2.1", "10.0.0.0/8"}) request.add_cidrs(cidr);
  EXPECT_EQ(read_cidrs(request.cidrs())->size(), 2U);
  request.add_cidrs("10.0.0.0/33");
  EXPECT_THAT(read_cidrs(request.cidrs()).error().to_string(), HasSubstr("entry 4: '10.0.0.0/33'"));
  EXPECT_FALSE(read_cidrs({}));
}

TEST(Cidr, HostileTextIsNotRepeatedAsItIs) {
  for (const std::string& text :
       {std::string(), std::string("\x1b[2J"), std::string(100'000, '1'), std::string("1\0", 2)}) {
    const auto cidr = read_cidr(text);
    ASSERT_FALSE(cidr);
    EXPECT_LT(cidr.error().to_string().size(), 300U);
    EXPECT_EQ(cidr.error().to_string().find('\x1b'), std::string::npos);
    ASSERT_FALSE(read_address(text));
    EXPECT_LT(read_address(text).error().to_string().size(), 300U);
  }
}

TEST(RuleName, IsWhatTheConfigurationAllows) {
  EXPECT_TRUE(read_rule("web-1.a_B", false));
  EXPECT_TRUE(read_rule(std::string(63, 'a'), false));
  EXPECT_TRUE(read_rule("", true));
  for (const std::string& bad : {std::string(), std::string("a b"), std::string("ü"),
                                 std::string("a\n"), std::string(64, 'a')}) {
    EXPECT_FALSE(read_rule(bad, false)) << bad;
  }
}

TEST(Setting, NeedsARuleAKeyAndAValue) {
  v1::SetRequest request;
  request.set_rule("web");
  request.set_key("connections.per_client");
  request.set_value("200");
  const auto setting = read_setting(request);
  ASSERT_TRUE(setting);
  EXPECT_EQ(setting->rule + "/" + setting->key + "/" + setting->value,
            "web/connections.per_client/200");
  for (const std::string& bad : {std::string(), std::string("a\nb"), std::string(5000, 'x')}) {
    auto one = request;
    one.set_key(bad);
    EXPECT_FALSE(read_setting(one)) << bad;
    one = request;
    one.set_value(bad);
    EXPECT_FALSE(read_setting(one)) << bad;
  }
}

TEST(Target, IsEitherARuleOrAPort) {
  const auto read = [](const char* rule, std::uint32_t port, const char* server) {
    v1::ExplainRequest request;
    request.set_rule(rule);
    request.set_port(port);
    request.set_server(server);
    return read_target(request);
  };
  EXPECT_EQ(read("web", 0, "")->rule, "web");
  EXPECT_EQ(read("", 443, "")->port, 443);
  EXPECT_EQ(read("", 443, "::1")->server, *IpAddress::parse("::1"));
  EXPECT_FALSE(read("", 0, ""));
  EXPECT_FALSE(read("web", 443, ""));
  EXPECT_FALSE(read("", 65'536, ""));
  EXPECT_FALSE(read("", 443, "localhost"));
  EXPECT_FALSE(read("web", 0, "::1"));
}

TEST(Netns, IsNamedAsTheConfigurationNamesIt) {
  v1::ExplainRequest explain;
  explain.set_rule("web");
  EXPECT_EQ(read_target(explain)->netns, "");
  explain.set_netns("/run/netns/web");
  EXPECT_EQ(read_target(explain)->netns, "/run/netns/web");
  v1::ClientsRequest clients;
  EXPECT_EQ(read_query(clients)->netns, "");
  clients.set_netns("self");
  EXPECT_EQ(read_query(clients)->netns, "self");
  for (const std::string& bad :
       {std::string("/run\n"), std::string("\xff"), std::string(4096, 'a')}) {
    explain.set_netns(bad);
    clients.set_netns(bad);
    const auto target = read_target(explain);
    ASSERT_FALSE(target) << bad;
    EXPECT_EQ(target.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(read_query(clients)) << bad;
  }
}

}  // namespace
}  // namespace headgate::control
