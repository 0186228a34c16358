// SPDX-License-Identifier: Apache-2.0
//
// The front line: on which interfaces, and how.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/flatten.h"

namespace headgate::config {
namespace {

// The value begins at line 2, column 8.
std::string xdp(const std::string& value) {
  return "rules: []\nxdp: { " + value + " }\n";
}

// The value begins at line 2, column 20; the first entry of a list one column later.
std::string interfaces(const std::string& value) {
  return xdp("interfaces: " + value);
}

std::string many(int count) {
  std::string list = "[eth0";
  for (int i = 1; i < count; ++i) list += ", eth" + std::to_string(i);
  return list + "]";
}

using Named = std::pair<std::string, XdpMode>;

std::vector<Named> named(const Config& config) {
  std::vector<Named> all;
  for (const XdpInterface& interface : config.xdp.interfaces) {
    all.emplace_back(interface.name, interface.mode);
  }
  return all;
}

TEST(Xdp, HasNoInterfaceUnlessItIsGivenOne) {
  for (const std::string yaml : {"rules: []\n", "rules: []\nxdp: {}\n"}) {
    const Config config = parse_good(yaml);
    EXPECT_TRUE(config.xdp.interfaces.empty());
    EXPECT_FALSE(config.xdp.syn_cookies);
    EXPECT_EQ(config.xdp.priority, 50U);
  }
}

TEST(Xdp, InterfacesHaveANameOrAPatternAndAMode) {
  struct Good {
    std::string value;
    std::vector<Named> interfaces;
    std::string text;
  };
  const std::string longest_pattern = std::string(98, 'e') + "[0]";
  const Good cases[] = {
      {"[]", {}, "[]"},
      {"[eth0]", {{"eth0", XdpMode::kAuto}}, "[eth0]"},
      {"[{ name: eth0 }]", {{"eth0", XdpMode::kAuto}}, "[eth0]"},
      {"[{ name: eth0, mode: auto }]", {{"eth0", XdpMode::kAuto}}, "[eth0]"},
      {"[{ name: eth0, mode: native }, { mode: generic, name: 'wl*' }]",
       {{"eth0", XdpMode::kNative}, {"wl*", XdpMode::kGeneric}},
       "[{ name: eth0, mode: native }, { name: \"wl*\", mode: generic }]"},
      {"['*', \"en?\", 'eth[0-3]', 'eth[!0]', 'x[]]', br-1.2_3@x]",
       {{"*", XdpMode::kAuto},
        {"en?", XdpMode::kAuto},
        {"eth[0-3]", XdpMode::kAuto},
        {"eth[!0]", XdpMode::kAuto},
        {"x[]]", XdpMode::kAuto},
        {"br-1.2_3@x", XdpMode::kAuto}},
       "[\"*\", \"en?\", \"eth[0-3]\", \"eth[!0]\", \"x[]]\", \"br-1.2_3@x\"]"},
      {"[abcdefghijklmno, ö, 'null', 7, '...']",
       {{"abcdefghijklmno", XdpMode::kAuto},
        {"ö", XdpMode::kAuto},
        {"null", XdpMode::kAuto},
        {"7", XdpMode::kAuto},
        {"...", XdpMode::kAuto}},
       "[abcdefghijklmno, \"ö\", \"null\", 7, \"...\"]"},
      {"['abcdefghijklmnop*']", {{"abcdefghijklmnop*", XdpMode::kAuto}}, "[\"abcdefghijklmnop*\"]"},
  };
  for (const Good& c : cases) {
    SCOPED_TRACE(c.value);
    const Config config = parse_good(interfaces(c.value));
    EXPECT_EQ(named(config), c.interfaces);
    const std::string text = flatten(config.xdp).at("xdp.interfaces");
    EXPECT_EQ(text, c.text);
    EXPECT_EQ(named(parse_good(interfaces(text))), c.interfaces);
  }
  EXPECT_EQ(parse_good(interfaces("[\n  eth0,\n  { name: eth1 }]")).xdp.interfaces[1].position.line,
            4);
}

TEST(Xdp, InterfacesThatAreWrong) {
  const std::string list =
      R"(; a list such as [eth0, { name: "wl*", mode: generic }] would be right)";
  const std::string name =
      R"(; a name of 1 to 15 bytes such as eth0 or, in quotes, a pattern such as "eth*" would be right)";
  const std::string characters = R"(; a name without space, '/', ':' and '\' would be right)";
  const std::string mode = "; 'auto' or 'native' or 'generic' would be right";
  const std::string set = R"(; ']' after '[' as in "eth[0-3]" would be right)";
  const std::string at = "f:2:21: 'xdp.interfaces' is ";
  const std::string long_pattern = std::string(100, 'e') + "*";
  std::vector<Case> cases = {
      {interfaces("eth0"), "f:2:20: 'xdp.interfaces' is 'eth0'" + list},
      {interfaces("~"), "f:2:20: 'xdp.interfaces' is empty" + list},
      {interfaces("{ name: eth0 }"), "f:2:20: 'xdp.interfaces' is a map" + list},
      {interfaces("[~]"), at + "empty" + name},
      {interfaces("[[eth0]]"), at + "a list" + name},
      {interfaces("['']"), at + "''" + name},
      {interfaces("[.]"), at + "'.'" + name},
      {interfaces("['..']"), at + "'..'" + name},
      {interfaces("[abcdefghijklmnop]"), at + "'abcdefghijklmnop'" + name},
      {interfaces("[eth/0]"), at + "'eth/0'" + characters},
      {interfaces("['eth 0']"), at + "'eth 0'" + characters},
      {interfaces("['eth0:1']"), at + "'eth0:1'" + characters},
      {interfaces("['eth\\*']"), at + "'eth\\*'" + characters},
      {interfaces("[\"eth\\n0\"]"), at + "'eth\\x0a0'" + characters},
      {interfaces("[à]"), at + "'à'" + characters},
      {interfaces("['eth[0-3']"), at + "'eth[0-3'" + set},
      {interfaces("['eth[]']"), at + "'eth[]'" + set},
      {interfaces("['eth[!]']"), at + "'eth[!]'" + set},
      {interfaces("['eth[0]x[']"), at + "'eth[0]x['" + set},
      {interfaces("['" + long_pattern + "']"), at + "'" + long_pattern.substr(0, 80) +
                                                   "…'; a pattern of at most 100 bytes would be "
                                                   "right"},
      {interfaces("[{}]"), "f:2:21: 'name' is missing from an interface; 'name: …' would be right"},
      {interfaces("[{ mode: auto }]"),
       "f:2:21: 'name' is missing from an interface; 'name: …' would be right"},
      {interfaces("[{ name: [eth0] }]"), "f:2:29: 'xdp.interfaces.name' is a list" + name},
      {interfaces("[{ name: eth0, mode: offload }]"),
       "f:2:41: 'xdp.interfaces.mode' is 'offload'" + mode},
      {interfaces("[{ name: eth0, mode: ~ }]"), "f:2:41: 'xdp.interfaces.mode' is empty" + mode},
      {interfaces("[{ name: eth0, mod: auto }]"),
       "f:2:35: unknown key 'mod' in an interface; did you mean 'mode'? Known keys: name, mode"},
      {interfaces("[eth0, eth1, eth0]"),
       "f:2:33: duplicate interface 'eth0', first at line 2; each once would be right"},
      {interfaces("[\n  eth0,\n  { name: eth0, mode: native }]"),
       "f:4:3: duplicate interface 'eth0', first at line 3; each once would be right"},
      {interfaces(many(65)),
       "f:2:20: 'xdp.interfaces' has 65 entries; at most 64, or a pattern such as \"eth*\" for "
       "several, would be right"},
  };
  expect_messages(cases);
  EXPECT_EQ(parse_good(interfaces(many(64))).xdp.interfaces.size(), 64U);
}

TEST(Xdp, SynCookiesAreAutoOrOff) {
  EXPECT_TRUE(parse_good(xdp("syn_cookies: auto")).xdp.syn_cookies);
  EXPECT_FALSE(parse_good(xdp("syn_cookies: off")).xdp.syn_cookies);
  const std::string right = "; 'auto' or 'off' would be right";
  expect_messages({
      {xdp("syn_cookies: on"), "f:2:21: 'xdp.syn_cookies' is 'on'" + right},
      {xdp("syn_cookies: true"), "f:2:21: 'xdp.syn_cookies' is 'true'" + right},
      {xdp("syn_cookies: always"), "f:2:21: 'xdp.syn_cookies' is 'always'" + right},
      {xdp("syn_cookies: ~"), "f:2:21: 'xdp.syn_cookies' is empty" + right},
      {xdp("syn_cookies: [off]"), "f:2:21: 'xdp.syn_cookies' is a list" + right},
  });
}

TEST(Xdp, PriorityIsANumber) {
  EXPECT_EQ(parse_good(xdp("priority: 0")).xdp.priority, 0U);
  EXPECT_EQ(parse_good(xdp("priority: 1000000")).xdp.priority, 1'000'000U);
  const std::string right = "; a whole number from 0 to 1000000";
  expect_messages({
      {xdp("priority: 1000001"), "f:2:18: 'xdp.priority' is '1000001'" + right + " would be right"},
      {xdp("priority: -1"), "f:2:18: 'xdp.priority' is '-1'" + right + " would be right"},
      {xdp("priority: '5'"),
       "f:2:18: 'xdp.priority' is '5'" + right + " without quotes would be right"},
      {xdp("priority: first"), "f:2:18: 'xdp.priority' is 'first'" + right + " would be right"},
      {xdp("priority: {}"), "f:2:18: 'xdp.priority' is a map" + right + " would be right"},
  });
}

TEST(Xdp, IsAMap) {
  expect_messages({
      {"rules: []\nxdp: eth0\n",
       "f:2:6: 'xdp' is 'eth0'; a map of 'key: value' lines would be right"},
      {"rules: []\nxdp: [eth0]\n",
       "f:2:6: 'xdp' is a list; a map of 'key: value' lines would be right"},
      {"rules: []\nxdp: ~\n", "f:2:6: 'xdp' is empty; a map of 'key: value' lines would be right"},
      {xdp("interface: [eth0]"),
       "f:2:8: unknown key 'interface' in xdp; did you mean 'interfaces'? Known keys: interfaces, "
       "syn_cookies, priority"},
  });
}

}  // namespace
}  // namespace headgate::config
