// SPDX-License-Identifier: Apache-2.0
#include "daemon/manage/keep_fixed.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config/difference.h"
#include "daemon/config/parse.h"

namespace headgate::manage {
namespace {

using config::Change;
using testing::Each;
using testing::Field;
using testing::SizeIs;

config::Config parsed(const std::string& yaml) {
  auto config = config::parse(yaml, "f");
  EXPECT_TRUE(config.has_value()) << config.error().message;
  return config ? *std::move(config) : config::Config{};
}

const std::string kAllFixed = R"(rules: []
tables: { connections: 2, clients: 1, recent: 1024, penalties: 1024, denied: 1, namespaces: 2 }
metrics: { listen: off }
control: { socket: /c }
replies: { at_once: 1 }
reload: { watch: on }
cgroup: /g
netns: [self, /n]
share_across_netns: true
pin_dir: /p
quotas:
  socket: /q
  memory: { socket: off }
  grpc: { listen: "[::1]:1", tls: { certificate: /c, key: /k } }
  http: { listen: "[::1]:2" }
  max_keys: 16
  domains: [{ domain: api, max_keys: 17 }, { domain: new, max_keys: 18 }]
on_stop: detach
)";

// What a reload says of the next start it says again at the next reload.
TEST(KeepFixed, KeepsWhatNeedsARestartAndNothingElse) {
  const config::Config from = parsed("rules: []\nquotas: { domains: [{ domain: api }] }");
  const config::Config to = parsed(kAllFixed);
  config::Config next = to;
  keep_fixed(from, next);
  EXPECT_THAT(config::difference(next, to),
              AllOf(SizeIs(21), Each(Field(&Change::kind, Change::Kind::kNeedsRestart))));
  EXPECT_THAT(config::difference(from, next),
              AllOf(SizeIs(2), Each(Field(&Change::kind, Change::Kind::kChanged))));
  EXPECT_EQ(next.quotas.domains.at(0).max_keys, std::nullopt);
  EXPECT_EQ(next.quotas.domains.at(1).max_keys, 18U);
}

}  // namespace
}  // namespace headgate::manage
