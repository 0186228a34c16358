// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/namespace_finder.h"

#include <gtest/gtest.h>

namespace headgate::kernel {
namespace {

TEST(NamespaceFinder, FindsItsOwnByAnyName) {
  const FoundNamespaces look = find_namespaces({{"/proc/self/ns/net", "self"}, false, false});
  ASSERT_EQ(look.found.size(), 1U);
  EXPECT_EQ(look.found[0].name, "/proc/self/ns/net");
  EXPECT_GT(look.found[0].inode, 0U);
  EXPECT_TRUE(look.unknown.empty());
}

TEST(NamespaceFinder, WithAllItsOwnComesFirst) {
  const FoundNamespaces look = find_namespaces({{}, true, false});
  ASSERT_FALSE(look.found.empty());
  EXPECT_EQ(look.found[0].name, "self");
  EXPECT_EQ(look.found[0].origin, NamespaceOrigin::kOwn);
}

TEST(NamespaceFinder, WhatIsNotThereAndWhatIsNoNamespaceIsKnownNotToBe) {
  const FoundNamespaces look =
      find_namespaces({{"/nowhere", "/proc/self/status", "/proc/self/status/net"}, false, false});
  EXPECT_TRUE(look.found.empty());
  EXPECT_TRUE(look.unknown.empty());
  EXPECT_FALSE(look.error.has_value());
}

TEST(NamespaceFinder, WhatCannotBeLookedAtIsUnknown) {
  const std::string loop = "/proc/self/cwd/" + std::string(300, 'x');  // ENAMETOOLONG
  const FoundNamespaces look = find_namespaces({{loop, "self"}, false, false});
  EXPECT_EQ(look.found.size(), 1U);
  EXPECT_TRUE(look.is_unknown(loop));
  EXPECT_FALSE(look.is_unknown("self"));
  ASSERT_TRUE(look.error.has_value());
  EXPECT_NE(look.error->message.find(loop), std::string::npos);
}

TEST(NamespaceFinder, ADirectoryThatIsUnknownHasUnknownFiles) {
  FoundNamespaces look;
  look.unknown = {"/proc", "/run/netns/a"};
  EXPECT_TRUE(look.is_unknown("/proc/1/ns/net"));
  EXPECT_TRUE(look.is_unknown("/run/netns/a"));
  EXPECT_FALSE(look.is_unknown("/run/netns/ab"));
  EXPECT_FALSE(look.is_unknown("/run/netns"));
}

}  // namespace
}  // namespace headgate::kernel
