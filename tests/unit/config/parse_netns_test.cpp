// SPDX-License-Identifier: Apache-2.0
//
// The namespaces that the rules hold in, and what becomes of the limits when the daemon ends.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/namespaces.h"

namespace headgate::config {
namespace {

// The value begins at line 2, column 8.
std::string netns(const std::string& value) {
  return "rules: []\nnetns: " + value + "\n";
}

std::string paths(int count) {
  std::string list = "[self";
  for (int i = 1; i < count; ++i) list += ", /run/netns/n" + std::to_string(i);
  return list + "]";
}

TEST(Netns, IsOneOrManyOrAll) {
  struct Good {
    std::string value;
    std::vector<std::string> paths;
    bool is_all;
    std::string text;
  };
  const Good cases[] = {
      {"self", {"self"}, false, "self"},
      {"'self'", {"self"}, false, "self"},
      {"/run/netns/web", {"/run/netns/web"}, false, "/run/netns/web"},
      {"all", {}, true, "all"},
      {"\"all\"", {}, true, "all"},
      {"[self]", {"self"}, false, "self"},
      {"[/run/netns/web]", {"/run/netns/web"}, false, "/run/netns/web"},
      {"[self, /proc/7/ns/net]", {"self", "/proc/7/ns/net"}, false, "[self, /proc/7/ns/net]"},
      {"\n  - /b\n  - self\n  - /a", {"/b", "self", "/a"}, false, "[/b, self, /a]"},
      {"['/run/a: b, c']", {"/run/a: b, c"}, false, "\"/run/a: b, c\""},
      {"[/null, '/a b']", {"/null", "/a b"}, false, "[/null, \"/a b\"]"},
      {"['/self', '/all']", {"/self", "/all"}, false, "[/self, /all]"},
  };
  for (const Good& c : cases) {
    SCOPED_TRACE(c.value);
    const Config config = parse_good(netns(c.value));
    EXPECT_EQ(config.netns, (Namespaces{c.paths, c.is_all, false}));
    EXPECT_EQ(to_string(config.netns), c.text);
    EXPECT_EQ(parse_good(netns(to_string(config.netns))).netns, config.netns);
  }
}

TEST(Netns, ThatIsWrong) {
  const std::string forms =
      "; 'self', 'all', an absolute path or a list such as [self, /run/netns/web] would be right";
  const std::string scalar = "; an absolute path or 'self' or 'all' would be right";
  const std::string item = "; an absolute path or 'self' would be right";
  const std::string all = "'netns' has 'all' in a list; 'netns: all' by itself would be right";
  const std::string longest = "/" + std::string(4094, 'n');
  EXPECT_EQ(parse_good(netns(longest)).netns.paths.at(0), longest);
  expect_messages({
      {netns("~"), "f:2:8: 'netns' is empty" + forms},
      {netns("{}"), "f:2:8: 'netns' is a map" + forms},
      {netns("{ path: /a }"), "f:2:8: 'netns' is a map" + forms},
      {netns("[]"),
       "f:2:8: 'netns' is an empty list; a list such as [self, /run/netns/web] would be right"},
      {netns("''"), "f:2:8: 'netns' is ''" + scalar},
      {netns("ALL"), "f:2:8: 'netns' is 'ALL'" + scalar},
      {netns("self, /a"), "f:2:8: 'netns' is 'self, /a'" + scalar},
      {netns("[web]"), "f:2:9: 'netns' is 'web'" + item},
      {netns("[self, ~]"), "f:2:15: 'netns' is empty" + item},
      {netns("[self, [/a]]"), "f:2:15: 'netns' is a list" + item},
      {netns("[self, { path: /a }]"), "f:2:15: 'netns' is a map" + item},
      {netns("[\"/a\\nb\"]"), "f:2:9: 'netns' is '/a\\x0ab'" + item},
      {netns("[all]"), "f:2:9: " + all},
      {netns("[self, all]"), "f:2:15: " + all},
      {netns("[all, self]"), "f:2:9: " + all},
      {netns("[self, self]"),
       "f:2:15: duplicate namespace 'self', first at line 2; each once would be right"},
      {netns("\n  - /a\n  - /b\n  - '/a'"),
       "f:5:5: duplicate namespace '/a', first at line 3; each once would be right"},
      {netns("/" + longest), "f:2:8: 'netns' is '/" + longest.substr(0, 79) +
                                 "…'; a path of at most 4095 bytes would be right"},
      {netns("[/" + longest + "]"), "f:2:9: 'netns' is '/" + longest.substr(0, 79) +
                                        "…'; a path of at most 4095 bytes would be right"},
  });
}

TEST(Netns, TakesAsManyAsTheTableHolds) {
  const std::string most = "tables: { namespaces: 256 }\n";
  EXPECT_EQ(parse_good(netns(paths(64))).netns.paths.size(), 64U);
  EXPECT_EQ(parse_good(netns(paths(256)) + most).netns.paths.size(), 256U);
  EXPECT_EQ(parse_good(netns("all") + "tables: { namespaces: 1 }\n").tables.namespaces, 1U);
  expect_messages({
      {netns(paths(65)),
       "f:2:8: 'netns' lists 65 namespaces, more than 'tables.namespaces', which is 64; at least "
       "65 there would be right"},
      {"tables: { namespaces: 1 }\nnetns: [self, /a]\nrules: []\n",
       "f:2:8: 'netns' lists 2 namespaces, more than 'tables.namespaces', which is 1; at least 2 "
       "there would be right"},
      {netns(paths(257)) + most, "f:2:8: 'netns' has 257 namespaces; at most 256 would be right"},
      {netns(paths(100'000)), "f:2:8: 'netns' has 100000 namespaces; at most 256 would be right"},
  });
}

TEST(ShareAcrossNetns, IsAPlainTruthValue) {
  const auto share = [](const std::string& value) {
    return "rules: []\nshare_across_netns: " + value + "\n";
  };
  EXPECT_TRUE(parse_good(share("true")).netns.share_counts);
  EXPECT_FALSE(parse_good(share("false")).netns.share_counts);
  EXPECT_EQ(parse_good(share("true") + "netns: all\n").netns, (Namespaces{{}, true, true}));
  EXPECT_EQ(parse_good("netns: all\n" + share("true")).netns, (Namespaces{{}, true, true}));
  const std::string right = "'true' or 'false' would be right";
  const std::string plain = "'true' or 'false' without quotes would be right";
  std::vector<Case> cases = {
      {share("'true'"), "f:2:21: 'share_across_netns' is 'true'; " + plain},
      {share("\"false\""), "f:2:21: 'share_across_netns' is 'false'; " + plain},
      {share("''"), "f:2:21: 'share_across_netns' is ''; " + plain},
      {share("~"), "f:2:21: 'share_across_netns' is empty; " + right},
      {share("[true]"), "f:2:21: 'share_across_netns' is a list; " + right},
      {share("{}"), "f:2:21: 'share_across_netns' is a map; " + right},
  };
  for (const std::string value : {"yes", "no", "on", "off", "True", "TRUE", "1", "0", "y"}) {
    cases.push_back({share(value), "f:2:21: 'share_across_netns' is '" + value + "'; " + right});
  }
  expect_messages(cases);
}

// The value begins at line 2, column 10.
std::string pin_dir(const std::string& value) {
  return "rules: []\npin_dir: " + value + "\n";
}

TEST(PinDir, IsAPathThatBpffsTakes) {
  const std::string longest = "/" + std::string(198, 'p');
  for (const std::string& path : {std::string("/p"), std::string("/sys/fs/bpf/headgate-2"),
                                  std::string("/run/head gate/pins"), longest}) {
    EXPECT_EQ(parse_good(pin_dir(path)).pin_dir, path);
  }
  const std::string dots =
      ", but bpffs reserves names with '.'; a path without dots such as '/sys/fs/bpf/headgate' "
      "would be right";
  const std::string path = "; an absolute path would be right";
  const std::string below = "; a directory below it such as '/sys/fs/bpf/headgate' would be right";
  expect_messages({
      {pin_dir("/sys/fs/bpf/head.gate"), "f:2:10: 'pin_dir' is '/sys/fs/bpf/head.gate'" + dots},
      {pin_dir("/sys/fs/../bpf"), "f:2:10: 'pin_dir' is '/sys/fs/../bpf'" + dots},
      {pin_dir("/sys/./bpf"), "f:2:10: 'pin_dir' is '/sys/./bpf'" + dots},
      {pin_dir("/a/b."), "f:2:10: 'pin_dir' is '/a/b.'" + dots},
      {pin_dir("/"), "f:2:10: 'pin_dir' is '/'" + below},
      {pin_dir("//"), "f:2:10: 'pin_dir' is '//'" + below},
      {pin_dir("/a/"), "f:2:10: 'pin_dir' is '/a/'; '/a' would be right"},
      {pin_dir("/a//b"), "f:2:10: 'pin_dir' is '/a//b'; '/a/b' would be right"},
      {pin_dir("headgate"), "f:2:10: 'pin_dir' is 'headgate'" + path},
      {pin_dir("auto"), "f:2:10: 'pin_dir' is 'auto'" + path},
      {pin_dir("''"), "f:2:10: 'pin_dir' is ''" + path},
      {pin_dir("~"), "f:2:10: 'pin_dir' is empty" + path},
      {pin_dir("[/a]"), "f:2:10: 'pin_dir' is a list" + path},
      {pin_dir("{}"), "f:2:10: 'pin_dir' is a map" + path},
      {pin_dir("\"/a\\nb\""), "f:2:10: 'pin_dir' is '/a\\x0ab'" + path},
      {pin_dir(longest + "p"), "f:2:10: 'pin_dir' is '" + longest.substr(0, 80) +
                                   "…'; a path of at most 199 bytes would be right"},
  });
}

TEST(OnStop, IsKeepOrDetach) {
  const auto on_stop = [](const std::string& value) { return "rules: []\non_stop: " + value; };
  EXPECT_EQ(parse_good(on_stop("keep")).on_stop, OnStop::kKeep);
  EXPECT_EQ(parse_good(on_stop("'detach'")).on_stop, OnStop::kDetach);
  const std::string right = "; 'keep' or 'detach' would be right";
  expect_messages({
      {on_stop("remove"), "f:2:10: 'on_stop' is 'remove'" + right},
      {on_stop("Keep"), "f:2:10: 'on_stop' is 'Keep'" + right},
      {on_stop("~"), "f:2:10: 'on_stop' is empty" + right},
      {on_stop("[keep]"), "f:2:10: 'on_stop' is a list" + right},
  });
}

}  // namespace
}  // namespace headgate::config
