// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/warnings.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/rule_files.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> warned(const std::string& yaml) {
  return warnings(parse_good(yaml), "f");
}

TEST(Warnings, OfUdpWithoutAFrontLineOnceForEachRule) {
  const std::string why =
      ", but only the front line sees UDP and 'xdp.interfaces' names no interface: nobody is "
      "limited there; 'xdp: { interfaces: [eth0] }' would be right";
  const std::string rules = R"(rules:
  - { name: web, listen: [443, 443/udp, 444/udp] }
  - { name: mail, listen: 25 }
  - { name: game, listen: "[2001:db8::1]:7000-7001/udp" }
)";
  const auto both = ElementsAre("f:2:32: rule 'web' covers '443/udp'" + why,
                                "f:4:27: rule 'game' covers '[2001:db8::1]:7000-7001/udp'" + why);
  EXPECT_THAT(warned(rules), both);
  EXPECT_THAT(warned(rules + "xdp: { interfaces: [] }\n"), both);
  EXPECT_THAT(warned(rules + "xdp: { interfaces: [eth0] }\n"), IsEmpty());
}

TEST(Warnings, ThereAreNoneWhereAllHasAnEffect) {
  EXPECT_THAT(warned("rules: []"), IsEmpty());
  EXPECT_THAT(warned("rules: [{ name: web, listen: [443/tcp, { unit: a.service }] }]"), IsEmpty());
  EXPECT_THAT(warned("rules: []\nxdp: { interfaces: [eth0] }\n"), IsEmpty());
}

TEST(Warnings, OfKeysOfARuleFileThatMeanNothingWhereTheyStand) {
  Config config = parse_good("rules: []");
  const auto added = add_rule_files({{"r", "domain: api\nunit: day\n"}}, config.quotas);
  ASSERT_TRUE(added.has_value());
  EXPECT_THAT(warnings(config, "f"),
              ElementsAre("r:2:7: 'unit' has no effect where it stands, here as in "
                          "envoyproxy/ratelimit; the key in the map that it belongs to would be "
                          "right"));
}

TEST(Warnings, OfReplacedLimitsThatDoNotExist) {
  EXPECT_THAT(
      warned(R"(rules: []
quotas:
  domains:
    - domain: api
      descriptors:
        - key: a
          descriptors:
            - { key: b, rate_limit: { requests: 1, per: 1s, name: b, replaces: [{ name: c }, { name: d }] } }
        - { key: c, rate_limit: { requests: 1, per: 1s, name: c } }
    - { domain: other, descriptors: [{ key: d, rate_limit: { unlimited: true, name: d } }] }
)"),
      ElementsAre("f:8:15: 'replaces' names 'd', but no limit of domain 'api' has that name"));
}

}  // namespace
}  // namespace headgate::config
