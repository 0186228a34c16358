// SPDX-License-Identifier: Apache-2.0
// Closing connections on purpose.
#include <thread>

#include "tests/kernel/support.h"
#include "tests/lab/server.h"

namespace headgate::lab {
namespace {

std::size_t count_closed(const std::vector<UniqueFd>& sockets) {
  std::size_t closed = 0;
  for (const UniqueFd& socket : sockets) closed += closed_by_peer(socket, 0ms) ? 1U : 0U;
  return closed;
}

class Evict : public testing::Test {
 protected:
  const Lab lab_;
  const Server web_{lab_.server(), {address("::"), kPort}, {.dual_stack = true}};
};

TEST_F(Evict, ClosesEveryConnectionOfThoseClientsAndNoOther) {
  const Headgated headgated(lab_.server(), web_rule("total: 100"));
  const auto first = hold(lab_.client(0), lab_.server_ipv4(kPort), 5);
  const auto first_ipv6 = hold(lab_.client(0), lab_.server_ipv6(kPort), 2);
  const auto second = hold(lab_.client(1), lab_.server_ipv4(kPort), 4);

  EXPECT_EQ(headgated.ctl({"evict", "10.0.1.0/24"}).at("closed"), 5);
  EXPECT_EQ(count_closed(first), 5U);
  EXPECT_EQ(count_closed(first_ipv6), 0U);
  EXPECT_EQ(count_closed(second), 0U);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 6));

  EXPECT_EQ(headgated.ctl({"evict", "2001:db8::/32", "--rule", "web"}).at("closed"), 2);
  EXPECT_EQ(count_closed(first_ipv6), 2U);
  EXPECT_NE(headgated.run_ctl({"evict", "10.0.0.0/8", "--rule", "no-such"}).status, 0);
  EXPECT_NE(headgated.run_ctl({"evict", "10.0.0.1/8"}).status, 0);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 4));
}

TEST_F(Evict, ExcessClosesTheNewestBeyondTheLimit) {
  const Headgated headgated(lab_.server(), web_rule("per_client: 10"));
  const auto older = hold(lab_.client(0), lab_.server_ipv4(kPort), 3);
  std::this_thread::sleep_for(400ms);  // ages are told apart at 0.13 s
  const auto newer = hold(lab_.client(0), lab_.server_ipv4(kPort), 4);
  const auto other = hold(lab_.client(1), lab_.server_ipv4(kPort), 2);
  EXPECT_EQ(headgated.ctl({"evict", "0.0.0.0/0", "--excess"}).at("closed"), 0);

  headgated.reload(web_rule("per_client: 3"));
  EXPECT_EQ(headgated.ctl({"evict", "0.0.0.0/0", "--excess"}).at("closed"), 4);
  EXPECT_EQ(count_closed(older), 0U);
  EXPECT_EQ(count_closed(newer), 4U);
  EXPECT_EQ(count_closed(other), 0U);
  EXPECT_TRUE(counts(headgated, "web", lab_.server(), kPort, 5));
}

}  // namespace
}  // namespace headgate::lab
