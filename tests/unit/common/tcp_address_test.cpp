// SPDX-License-Identifier: Apache-2.0
#include "common/tcp_address.h"

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(TcpAddress, Parses) {
  const auto v4 = TcpAddress::parse("192.0.2.1:9469");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->storage.ss_family, AF_INET);
  EXPECT_EQ(v4->port(), 9469);
  const auto v6 = TcpAddress::parse("[::1]:80");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->storage.ss_family, AF_INET6);
  EXPECT_EQ(v6->port(), 80);
}

TEST(TcpAddress, RefusesWhatIsNone) {
  for (const char* text : {"", ":", "80", "192.0.2.1", "localhost:80", "192.0.2.1:http", "::1"}) {
    EXPECT_FALSE(TcpAddress::parse(text)) << text;
  }
}

TEST(TcpAddress, KnowsLoopback) {
  EXPECT_TRUE(TcpAddress::parse("127.1.2.3:1")->is_loopback());
  EXPECT_TRUE(TcpAddress::parse("[::1]:1")->is_loopback());
  EXPECT_FALSE(TcpAddress::parse("0.0.0.0:1")->is_loopback());
  EXPECT_FALSE(TcpAddress::parse("[::]:1")->is_loopback());
  EXPECT_FALSE(TcpAddress::parse("128.0.0.1:1")->is_loopback());
}

TEST(ListenOn, OnlyOneAtATime) {
  const auto address = TcpAddress::parse("127.0.0.1:0");
  auto first = listen_on(*address, 1);
  ASSERT_TRUE(first) << first.error().to_string();
  const TcpAddress bound = TcpAddress::of(first->get());
  EXPECT_NE(bound.port(), 0);
  const auto second = listen_on(bound, 1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  first->reset();
  EXPECT_TRUE(listen_on(bound, 1));
}

}  // namespace
}  // namespace headgate
