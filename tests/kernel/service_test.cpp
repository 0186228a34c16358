// SPDX-License-Identifier: Apache-2.0
// What systemd is told of a daemon while its policy changes.
#include <csignal>

#include "tests/kernel/support.h"
#include "tests/lab/notify_socket.h"

namespace headgate::lab {
namespace {

std::string rules(int count) {
  std::string yaml = "rules:\n";
  for (int i = 0; i < count; ++i) {
    yaml += "  - { name: rule" + std::to_string(i) + ", listen: " + std::to_string(kPort + i) +
            ", connections: { per_client: 5 } }\n";
  }
  return yaml;
}

class Service : public testing::Test {
 protected:
  testing::AssertionResult shows(const std::string& status) {
    if (eventually(5s, [&] { return systemd_.status() == status; })) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "'" << systemd_.status() << "' instead of " << status;
  }

  const Lab lab_;
  NotifySocket systemd_;
  Headgated headgated_{lab_.server(), rules(2)};
};

TEST_F(Service, ShowsWhatIsEnforcedAfterEachChange) {
  EXPECT_TRUE(shows("enforces 2 rules"));
  headgated_.reload(rules(3));
  EXPECT_TRUE(shows("enforces 3 rules"));
  headgated_.ctl({"set", "rule0", "connections.per_client=7"});
  EXPECT_TRUE(shows("enforces 3 rules"));

  headgated_.write_config(rules(1));
  kill(headgated_.pid(), SIGHUP);
  EXPECT_TRUE(eventually(5s, [&] { return systemd_.times_ready() == 2; }));
  EXPECT_TRUE(shows("enforces 1 rule"));
}

TEST_F(Service, ShowsThatTheLastReloadFailed) {
  headgated_.write_config("rules: nonsense\n");
  kill(headgated_.pid(), SIGHUP);
  EXPECT_TRUE(shows("enforces 2 rules; the last reload failed"));
  EXPECT_TRUE(eventually(5s, [&] { return systemd_.times_ready() == 2; })) << "reloading has ended";
  headgated_.reload(rules(3));
  EXPECT_TRUE(shows("enforces 3 rules"));
  EXPECT_EQ(headgated_.run_ctl({"unset", "rule0", "mode"}).status, 1);
  EXPECT_TRUE(shows("enforces 3 rules")) << "nothing has changed";
}

}  // namespace
}  // namespace headgate::lab
