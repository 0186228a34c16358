// SPDX-License-Identifier: Apache-2.0
// Changing what is in force, by every way there is.
#include <csignal>
#include <filesystem>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

class Reload : public testing::Test {
 protected:
  Endpoint server() const { return lab_.server_ipv4(kPort); }
  // How many connections one client gets.
  std::size_t room(int at_most = 10) const {
    std::vector<UniqueFd> held;
    for (int i = 0; i < at_most; ++i) {
      ConnectResult result = lab_.client(0).connect(server());
      if (!result.connected()) break;
      held.push_back(std::move(result.socket));
    }
    return held.size();
  }
  // The connections of the last room() are gone.
  bool is_empty(const Headgated& headgated) const {
    return eventually(5s, [&] { return headgated.rule("web").connections == 0; });
  }

  const Lab lab_;
  const Server web_{lab_.server(), lab_.server_ipv4(kPort)};
};

TEST_F(Reload, PrintsTheDifferenceAndTheGeneration) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  EXPECT_EQ(headgated.status().at("generation"), 1);
  headgated.write_config(
      "rules: [{ name: web, listen: [8080], connections: { per_client: 4 } }, { name: api, listen: "
      "[8081] }]\n");
  const CommandResult text = headgated.run_ctl({"reload"});
  EXPECT_EQ(text.status, 0);
  EXPECT_NE(text.output.find("+ rule api"), std::string::npos) << text.output;
  EXPECT_NE(text.output.find("~ web: connections.per_client 2 -> 4"), std::string::npos)
      << text.output;
  EXPECT_NE(text.output.find("generation 2"), std::string::npos) << text.output;
  EXPECT_EQ(room(), 4U);
  EXPECT_EQ(headgated.metrics().at("headgate_config_generation"), 2);
}

TEST_F(Reload, ABadFileChangesNothingAndSaysWhere) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  headgated.write_config(web_rule("per_client: many"));
  const CommandResult bad = headgated.run_ctl({"reload"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.output.find("headgate.yaml:4:32"), std::string::npos) << bad.output;
  EXPECT_EQ(room(), 2U);
  EXPECT_EQ(headgated.status().at("generation"), 1);
  EXPECT_EQ(headgated.metrics().at("headgate_config_last_reload_success"), 0);

  std::filesystem::remove(headgated.config_path());
  EXPECT_EQ(headgated.run_ctl({"reload"}).status, 1);
  ASSERT_TRUE(is_empty(headgated));
  EXPECT_EQ(room(), 2U);

  headgated.reload(web_rule("per_client: 3"));
  EXPECT_EQ(headgated.metrics().at("headgate_config_last_reload_success"), 1);
  EXPECT_GT(headgated.metrics().at("headgate_config_last_reload_timestamp_seconds"), 1.7e9);
}

TEST_F(Reload, OnSighup) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  headgated.write_config(web_rule("per_client: 5"));
  ::kill(headgated.pid(), SIGHUP);
  EXPECT_TRUE(eventually(5s, [&] { return headgated.status().at("generation") == 2; }));
  EXPECT_EQ(room(), 5U);
  EXPECT_NE(headgated.log().find("connections.per_client"), std::string::npos);
}

TEST_F(Reload, TakesTheFrontLinesValuesAtOnce) {
  const std::string rule = web_rule("per_client: 2");
  const Headgated headgated(lab_.server(), rule);
  const nlohmann::json changes =
      headgated.reload(rule + "xdp: { syn_cookies: auto, priority: 7 }\n").at("changes");
  ASSERT_EQ(changes.size(), 2U) << changes;
  EXPECT_EQ(changes[0].at("key"), "xdp.priority");
  EXPECT_EQ(changes[0].at("kind"), "changed") << "needs no restart";
  EXPECT_EQ(headgated.reload(rule).at("changes").size(), 2U);
}

TEST_F(Reload, WarnsOfUdpWithoutAFrontLine) {
  const std::string web = "rules:\n  - name: web\n    listen: [8080, 8080/udp]\n";
  Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const nlohmann::json report = headgated.reload(web);
  ASSERT_EQ(report.at("warnings").size(), 1U) << report;
  EXPECT_NE(report.at("warnings")[0].get<std::string>().find(":3:20: rule 'web' covers '8080/udp'"),
            std::string::npos)
      << report;
  EXPECT_EQ(report.at("rekeyed"), 0);
  headgated.restart();
  EXPECT_NE(headgated.log().find("rule 'web' covers '8080/udp'"), std::string::npos);
}

TEST_F(Reload, WhenTheFileChangesIfItIsWatched) {
  const std::string watched = "reload: { watch: on }\n";
  const Headgated headgated(lab_.server(), web_rule("per_client: 2") + watched);
  headgated.write_config(web_rule("per_client: 4") + watched);
  EXPECT_TRUE(eventually(5s, [&] { return headgated.status().at("generation") == 2; }));
  EXPECT_EQ(room(), 4U);

  headgated.write_config(web_rule("per_client: none at all") + watched);
  EXPECT_TRUE(
      eventually(5s, [&] { return headgated.status().at("last_reload").at("is_good") == false; }));
  EXPECT_EQ(headgated.status().at("generation"), 2);
}

TEST_F(Reload, SetChangesOneValueAtOnceAndAReloadDropsIt) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const CommandResult set = headgated.run_ctl({"set", "web", "connections.per_client=4"});
  EXPECT_EQ(set.status, 0) << set.output;
  EXPECT_EQ(room(), 4U);
  EXPECT_NE(headgated.run_ctl({"diff"}).output.find("connections.per_client"), std::string::npos);

  const CommandResult bad = headgated.run_ctl({"set", "web", "connections.per_client=abc"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.output.find("abc"), std::string::npos);
  EXPECT_EQ(headgated.run_ctl({"set", "nobody", "connections.per_client=4"}).status, 1);

  ASSERT_TRUE(is_empty(headgated));
  EXPECT_EQ(headgated.run_ctl({"unset", "web", "connections.per_client"}).status, 0);
  EXPECT_EQ(room(), 2U);
  ASSERT_TRUE(is_empty(headgated));
  headgated.run_ctl({"set", "web", "connections.per_client=4"});
  headgated.ctl({"reload"});
  EXPECT_EQ(room(), 2U);
}

TEST_F(Reload, SetWithPersistSurvivesAReloadAndARestart) {
  Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  const CommandResult set =
      headgated.run_ctl({"set", "web", "connections.per_client=6", "--persist"});
  ASSERT_EQ(set.status, 0) << set.output;
  headgated.ctl({"reload"});
  EXPECT_EQ(room(), 6U);

  headgated.restart();
  EXPECT_EQ(room(), 6U);
  EXPECT_NE(headgated.run_ctl({"diff"}).output.find("connections.per_client"), std::string::npos);
  ASSERT_TRUE(is_empty(headgated));
  EXPECT_EQ(headgated.run_ctl({"unset", "web", "connections.per_client", "--persist"}).status, 0);
  EXPECT_EQ(room(), 2U);
  headgated.restart();
  ASSERT_TRUE(is_empty(headgated));
  EXPECT_EQ(room(), 2U);
}

TEST_F(Reload, EventsTellWhatHappens) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 1"));
  Process follower({HEADGATECTL_PROGRAM, "--socket", headgated.socket_path(), "-o", "json",
                    "events", "--follow"});
  // The follower is there once an event reaches it.
  ASSERT_TRUE(eventually(5s, [&] {
    headgated.ctl({"reload"});
    return follower.output().find("\"reload\"") != std::string::npos;
  }));
  const auto held = hold(lab_.client(0), server(), 1);
  EXPECT_TRUE(refused(lab_.client(0), server()));
  EXPECT_TRUE(follower.wait_for_output("\"refused\"", 5s));
  EXPECT_NE(follower.output().find("client_connections"), std::string::npos) << follower.output();
  EXPECT_NE(follower.output().find("10.0.1.2"), std::string::npos);
}

TEST_F(Reload, AHundredThousandPrefixesAreInForceWithinTwoSeconds) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 2"));
  std::string overrides =
      "    overrides:\n      - connections: { per_client: 7 }\n        clients:\n";
  std::string denied = "clients:\n  deny:\n";
  for (int i = 0; i < 50'000; ++i) {
    const std::string rest = std::to_string(i / 250) + "." + std::to_string(1 + i % 250);
    overrides += "          - 100." + std::to_string(i % 100) + "." + rest + "\n";
    denied += "    - 101." + std::to_string(i % 100) + "." + rest + "\n";
  }
  overrides += "          - 10.0.1.2\n";
  denied += "    - 10.0.2.2\n";
  headgated.write_config(web_rule("per_client: 2") + overrides + denied);
  const auto begin = std::chrono::steady_clock::now();
  const auto report = headgated.ctl({"reload"});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("100,002 prefixes: headgatectl reload took %.2f s\n", took.count());
  EXPECT_LT(took.count(), 2.0);
  EXPECT_EQ(room(), 7U);
  EXPECT_TRUE(refused(lab_.client(1), server()));
  EXPECT_EQ(headgated.refused_for("web", "denied"), 1U);

  const auto back = headgated.reload(web_rule("per_client: 2"));
  EXPECT_TRUE(admitted(lab_.client(1), server()));
}

}  // namespace
}  // namespace headgate::lab
