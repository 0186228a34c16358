// SPDX-License-Identifier: Apache-2.0
//
// `listen` entries that are groups of processes. The names themselves: group_test.cpp.
#include <string>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/flatten.h"
#include "daemon/config/listen.h"

namespace headgate::config {
namespace {

// The `listen` of a rule; its value begins at line 3, column 13.
std::string listening(const std::string& listen) {
  return "rules:\n  - name: web\n    listen: " + listen + "\n";
}

TEST(ListenGroup, MixesWithPorts) {
  const Config config = parse_good(listening(
      "[80, { unit: nginx.service }, '10.0.0.1:443', { cgroup: system.slice/app.service }]"));
  const std::vector<Listen>& listen = config.rules.at(0).listen;
  ASSERT_EQ(listen.size(), 4U);
  EXPECT_FALSE(listen[0].is_group());
  EXPECT_TRUE(listen[1].is_group());
  EXPECT_EQ(listen[1].unit, "nginx.service");
  EXPECT_EQ(listen[1].cgroup, "");
  EXPECT_EQ(listen[1].first_port, 0);
  EXPECT_EQ(listen[1].last_port, 0);
  EXPECT_EQ(listen[1].address, std::nullopt);
  EXPECT_EQ(listen[1].position.line, 3);
  EXPECT_EQ(listen[1].position.column, 18);
  EXPECT_FALSE(listen[2].is_group());
  EXPECT_TRUE(listen[3].is_group());
  EXPECT_EQ(listen[3].unit, "");
  EXPECT_EQ(listen[3].cgroup, "system.slice/app.service");
  EXPECT_EQ(to_string(listen[1]), "unit:nginx.service");
  EXPECT_EQ(to_string(listen[3]), "cgroup:system.slice/app.service");
  EXPECT_EQ(
      flatten(config.rules[0]).at("listen"),
      "[\"10.0.0.1:443\", 80, { cgroup: system.slice/app.service }, { unit: nginx.service }]");
}

TEST(ListenGroup, MayBeTheOnlyEntryInEveryStyle) {
  for (const std::string listen :
       {"{ unit: nginx.service }", "[{ unit: 'nginx.service' }]", "{ \"unit\": \"nginx.service\" }",
        "\n      unit: nginx.service", "\n      - unit: nginx.service"}) {
    const Config config = parse_good(listening(listen));
    ASSERT_EQ(config.rules.size(), 1U) << listen;
    EXPECT_EQ(to_string(config.rules[0].listen.at(0)), "unit:nginx.service") << listen;
  }
}

TEST(ListenGroup, IsOneUnitOrOneCgroup) {
  const std::string unit = "; a name such as 'nginx.service' would be right";
  const std::string cgroup =
      "; a path below the cgroup2 mount such as 'system.slice/nginx.service' would be right";
  const std::string both =
      "a listen entry has both 'unit' and 'cgroup'; an entry for each would be right";
  const std::string none = "a listen entry is an empty map; { unit: nginx.service } would be right";
  expect_messages({
      {listening("{}"), "f:3:13: " + none},
      {listening("[443, {}]"), "f:3:19: " + none},
      {listening("{ unit: a.service, cgroup: a }"), "f:3:13: " + both},
      {listening("[{ cgroup: a, unit: a.service }]"), "f:3:14: " + both},
      {listening("[443, { units: a.service }]"),
       "f:3:21: unknown key 'units' in a listen entry; did you mean 'unit'? Known keys: unit, "
       "cgroup"},
      {listening("[{ unit: a.service, port: 5 }]"),
       "f:3:33: unknown key 'port' in a listen entry; known keys: unit, cgroup"},
      {listening("[{ unit: a.service, unit: b.service }]"),
       "f:3:33: duplicate key 'unit', first at line 3; each key once would be right"},
      {listening("[{ unit: nginx }]"),
       "f:3:22: 'nginx' does not end with .service, .slice, .scope or .socket; 'nginx.service' "
       "would be right"},
      {listening("[{ cgroup: /a }]"),
       "f:3:24: '/a' begins with '/', but is read from the cgroup2 mount on; 'a' would be right"},
      {listening("[{ unit: }]"), "f:3:22: 'listen.unit' is empty" + unit},
      {listening("[{ unit: '' }]"), "f:3:22: 'listen.unit' is ''" + unit},
      {listening("[{ unit: [a.service, b.service] }]"), "f:3:22: 'listen.unit' is a list" + unit},
      {listening("[{ unit: { name: a } }]"), "f:3:22: 'listen.unit' is a map" + unit},
      {listening("[{ cgroup: ~ }]"), "f:3:24: 'listen.cgroup' is empty" + cgroup},
      {listening("[{ cgroup: [] }]"), "f:3:24: 'listen.cgroup' is a list" + cgroup},
  });
}

TEST(ListenGroup, WrittenAsTextIsToldHowItWouldBeRight) {
  const auto right = [](const std::string& text, const std::string& group) {
    return Case{listening("'" + text + "'"),
                "f:3:13: '" + text + "' is not a port; " + group + " would be right"};
  };
  expect_messages({
      right("unit:nginx.service", "{ unit: nginx.service }"),
      right("cgroup:system.slice/nginx.service", "{ cgroup: system.slice/nginx.service }"),
      right("nginx.service", "{ unit: nginx.service }"),
      right("foo@1.service", "{ unit: \"foo@1.service\" }"),
      right("system.slice/nginx.service", "{ cgroup: system.slice/nginx.service }"),
  });
}

}  // namespace
}  // namespace headgate::config
