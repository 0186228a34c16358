// SPDX-License-Identifier: Apache-2.0
// The counters are compared with the open sockets; what differs is told and repaired.
#include <atomic>
#include <sstream>
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/error.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

std::string pinned(const Headgated& headgated, const std::string& map) {
  return headgated.pin_dir() + "/current/map_" + map;
}

nlohmann::json dump(const Headgated& headgated, const std::string& map) {
  return nlohmann::json::parse(
      must_run({"bpftool", "-j", "map", "dump", "pinned", pinned(headgated, map)}));
}

std::vector<std::string> bytes_of(const nlohmann::json& bytes) {
  return bytes.get<std::vector<std::string>>();
}

// Overwrites an entry as it was, but for one byte.
void falsify(const Headgated& headgated, const std::string& map, const nlohmann::json& entry,
             std::size_t byte, int add) {
  std::vector<std::string> value = bytes_of(entry.at("value"));
  const int number = std::stoi(value.at(byte), nullptr, 16) + add;
  std::vector<std::string> command = {"bpftool", "map", "update", "pinned", pinned(headgated, map),
                                      "key"};
  for (const std::string& one : bytes_of(entry.at("key"))) command.push_back(one);
  command.push_back("value");
  value.at(byte) = std::to_string(number);
  for (const std::string& one : value) command.push_back(one);
  must_run(command);
}

// The entry of a client that holds `connections`.
nlohmann::json client_entry(const Headgated& headgated, int connections) {
  for (const nlohmann::json& entry : dump(headgated, "clients")) {
    if (std::stoi(entry.at("value").at(0).get<std::string>(), nullptr, 16) == connections) {
      return entry;
    }
  }
  throw LabError("no client holds " + std::to_string(connections) + " connections");
}

// From now on nothing that the server sends reaches the first client.
void lose_answers(const Lab& lab) {
  const std::string client = lab.client(0).ipv4().to_string();
  const std::string& netns = lab.server().network().name();
  std::istringstream route(must_run({"ip", "-n", netns, "-o", "route", "get", client}));
  std::string word;
  while (route >> word && word != "dev") continue;
  route >> word;
  must_run(
      {"ip", "-n", netns, "neigh", "replace", client, "lladdr", "02:00:00:00:00:01", "dev", word});
}

class Verify : public testing::Test {
 protected:
  Lab lab_;
  Server server_{lab_.server(), lab_.server_ipv4(kPort)};
  Headgated headgated_{lab_.server(), web_rule("per_client: 9")};
};

TEST_F(Verify, AgreesWhileConnectionsComeAndGo) {
  const auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 4);
  for (int i = 0; i < 3; ++i) {
    const auto more = hold(lab_.client(1), lab_.server_ipv4(kPort), 3);
    const CommandResult verified = headgated_.run_ctl({"verify"});
    EXPECT_EQ(verified.status, 0) << verified.output;
    EXPECT_NE(verified.output.find("7 connections of 2 clients"), std::string::npos)
        << verified.output;
  }
}

// A listing takes its time: what is counted before and after it differs in one direction then.
TEST_F(Verify, FindsNothingWhileConnectionsOnlyComeOrOnlyGo) {
  headgated_.reload(web_rule("per_client: 20000"));
  std::vector<UniqueFd> held;
  std::atomic<bool> stop{false};
  const auto expect_agreement = [&](const char* when) {
    for (int i = 0; i < 6; ++i) {
      const CommandResult verified = headgated_.run_ctl({"verify", "--repair"});
      EXPECT_EQ(verified.status, 0) << when << verified.output;
      EXPECT_EQ(verified.output.find("DRIFT"), std::string::npos) << when << verified.output;
    }
  };
  std::thread comes([&] {
    lab_.client(0).network().enter();
    while (!stop && held.size() < 8000) {
      ConnectResult next = connect_to(lab_.server_ipv4(kPort));
      if (next.connected()) held.push_back(std::move(next.socket));
    }
  });
  expect_agreement("while they come: ");
  stop = true;
  comes.join();
  EXPECT_GT(held.size(), 500U);
  stop = false;
  std::thread goes([&] {
    while (!stop && !held.empty()) {
      held.pop_back();
      std::this_thread::sleep_for(100us);
    }
  });
  expect_agreement("while they go: ");
  stop = true;
  goes.join();
  held.clear();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
}

TEST_F(Verify, FindsACounterThatIsTooHighAndRepairsIt) {
  const auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 4);
  falsify(headgated_, "clients", client_entry(headgated_, 4), 0, 5);
  EXPECT_TRUE(refused(lab_.client(0), lab_.server_ipv4(kPort))) << "9 of 9, it thinks";

  const CommandResult found = headgated_.run_ctl({"verify"});
  EXPECT_EQ(found.status, 1) << found.output;
  EXPECT_NE(found.output.find("10.0.1.2"), std::string::npos) << found.output;
  const CommandResult repaired = headgated_.run_ctl({"verify", "--repair"});
  EXPECT_EQ(repaired.status, 0) << repaired.output;
  EXPECT_EQ(headgated_.run_ctl({"verify"}).status, 0);
  EXPECT_EQ(headgated_.client_connections("web", "10.0.1.2"), 4U);
  EXPECT_TRUE(admitted(lab_.client(0), lab_.server_ipv4(kPort)));
}

TEST_F(Verify, FindsACounterThatIsTooLow) {
  auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 4);
  falsify(headgated_, "clients", client_entry(headgated_, 4), 0, -2);
  EXPECT_EQ(headgated_.run_ctl({"verify"}).status, 1);
  EXPECT_EQ(headgated_.run_ctl({"verify", "--repair"}).status, 0);
  EXPECT_EQ(headgated_.client_connections("web", "10.0.1.2"), 4U);
  held.clear();
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
}

// As if the end of a socket had been missed, or its beginning.
TEST_F(Verify, ForgetsEntriesOfSocketsThatAreGoneAndCountsSocketsThatAreNot) {
  auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 3);
  for (const nlohmann::json& entry : dump(headgated_, "connections")) {
    // The low byte of the cookie: an entry of another socket takes the place of this one's.
    if (entry.at("value").at(0) == "0x00" && entry.at("value").at(1) == "0x00") continue;
    falsify(headgated_, "connections", entry, 5, 1);
    break;
  }
  EXPECT_EQ(headgated_.run_ctl({"verify"}).status, 0) << "as many are counted as there are";
  close_socket(std::move(held.back()), CloseKind::kFin);
  held.clear();
  EXPECT_TRUE(eventually(3s, [&] { return headgated_.rule("web").connections == 1; }));
  const CommandResult found = headgated_.run_ctl({"verify", "--repair"});
  EXPECT_EQ(found.status, 0) << found.output;
  EXPECT_NE(found.output.find("total"), std::string::npos) << found.output;
  EXPECT_TRUE(counts(headgated_, "web", lab_.server(), kPort, 0));
  EXPECT_EQ(headgated_.rule("web").clients, 0U);
}

// The kernel counts it as accepted when its first data comes, and leaves it in SYN_RECV until then.
TEST(VerifyFastOpen, AConnectionThatItsClientHasNotAcknowledgedIsOpen) {
  const Lab lab;
  lab.server().network().set_sysctl("net/ipv4/tcp_fastopen", "515");  // server, without cookies
  lab.client(0).network().set_sysctl("net/ipv4/tcp_fastopen", "5");   // client, without cookies
  const Server server(lab.server(), lab.server_ipv4(kPort), {.fast_open_queue = 16});
  const Headgated headgated(lab.server(), web_rule("per_client: 9"));
  lose_answers(lab);
  const ConnectResult lost =
      lab.client(0).connect(lab.server_ipv4(kPort), {.timeout = 200ms, .fast_open_data = "hello"});
  ASSERT_EQ(lost.error, ETIMEDOUT);
  EXPECT_EQ(headgated.rule("web").connections, 1U);

  const CommandResult verified = headgated.run_ctl({"verify", "--repair"});
  EXPECT_EQ(verified.status, 0) << verified.output;
  EXPECT_EQ(verified.output.find("total"), std::string::npos) << verified.output;
  EXPECT_EQ(headgated.rule("web").connections, 1U);
}

// What found no room is not counted, which a metric tells; when there is room, it is.
TEST(VerifyFullTable, ConnectionsThatFoundNoRoomAreNoDriftAndAreCountedWhenThereIsSome) {
  const Lab lab;
  const Server server(lab.server(), lab.server_ipv4(kPort));
  const Headgated headgated(lab.server(),
                            "tables: { connections: 8 }\n" + web_rule("per_client: 99"));
  auto held = hold(lab.client(0), lab.server_ipv4(kPort), 14);
  EXPECT_EQ(headgated.rule("web").untracked, 6U);
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0);
  held.erase(held.begin(), held.begin() + 7);
  EXPECT_TRUE(eventually(3s, [&] { return headgated.rule("web").connections == 1; }));
  EXPECT_EQ(headgated.run_ctl({"verify"}).status, 0) << headgated.run_ctl({"verify"}).output;

  EXPECT_TRUE(eventually(
      75s, [&] { return headgated.rule("web").connections == 7; }, 500ms))
      << "the daemon looks each minute";
  EXPECT_EQ(headgated.log().find("count drift"), std::string::npos) << headgated.log();
  held.clear();
  EXPECT_TRUE(counts(headgated, "web", lab.server(), kPort, 0));
}

TEST_F(Verify, TheDaemonItselfLooksEachMinuteRepairsAndTells) {
  const auto held = hold(lab_.client(0), lab_.server_ipv4(kPort), 4);
  EXPECT_EQ(headgated_.metrics().at("headgate_count_drift{rule=\"web\"}"), 0);
  falsify(headgated_, "clients", client_entry(headgated_, 4), 0, 5);
  const auto is_repaired = [&] { return headgated_.client_connections("web", "10.0.1.2") == 4; };
  EXPECT_TRUE(eventually(75s, is_repaired, 500ms));
  EXPECT_EQ(headgated_.metrics().at("headgate_count_drift{rule=\"web\"}"), 5);
  const std::string log = headgated_.log();
  EXPECT_NE(log.find("error count drift: rule web, 10.0.1.2"), std::string::npos) << log;
  EXPECT_NE(log.find("9 counted, 4 open"), std::string::npos) << log;
  EXPECT_NE(log.find("the counters agree with the open sockets again"), std::string::npos) << log;
}

}  // namespace
}  // namespace headgate::lab
