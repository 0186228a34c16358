// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "cases.h"
#include "daemon/config/difference.h"
#include "daemon/config/document.h"

namespace headgate::config {
namespace {

constexpr int kPrefixes = 50'000;

std::string address(int network, int i) {
  char text[sizeof("255.255.255.255")];
  std::snprintf(text, sizeof(text), "%d.%d.%d.%d", network, (i >> 16) & 255, (i >> 8) & 255,
                i & 255);
  return text;
}

std::string deny_list(int last) {
  std::string yaml = "clients:\n  deny:\n";
  for (int i = 0; i < kPrefixes; ++i) {
    yaml += "    - { cidr: " + address(11, i == kPrefixes - 1 ? last : i) +
            ", reason: scanner, until: 2030-01-01T00:00:00Z }\n";
  }
  return yaml;
}

std::string one_by_one(int last) {
  std::string yaml = "rules:\n  - name: web\n    listen: 443\n    overrides:\n";
  for (int i = 0; i < kPrefixes; ++i) {
    yaml += "      - { clients: [" + address(10, i == kPrefixes - 1 ? last : i) +
            "], connections: { per_client: 5 } }\n";
  }
  return yaml;
}

std::string one_list() {
  std::string yaml =
      "rules:\n  - name: web\n    listen: 443\n    overrides:\n      - exempt: true\n"
      "        clients: [";
  for (int i = 0; i < kPrefixes; ++i) yaml += (i > 0 ? ", " : "") + address(10, i);
  return yaml + "]\n";
}

TEST(Scale, TakesAHundredThousandPrefixes) {
  const Config many = parse_good(one_by_one(kPrefixes - 1) + deny_list(kPrefixes - 1));
  EXPECT_EQ(many.rules.at(0).overrides.size(), 50'000U);
  EXPECT_EQ(many.clients.deny.size(), 50'000U);
  const Config one = parse_good(one_list() + deny_list(kPrefixes - 1));
  EXPECT_EQ(one.rules.at(0).overrides.at(0).clients.size(), 50'000U);
  EXPECT_EQ(one.clients.deny.size(), 50'000U);
  EXPECT_EQ(difference(many, one).size(), 1U);
  EXPECT_TRUE(difference(many, many).empty());
}

TEST(Scale, FindsADuplicateAmongThem) {
  expect_messages({
      {one_by_one(0),
       "f:50004:21: duplicate prefix '10.0.0.0', first at line 5; each prefix once would be "
       "right"},
      {"rules: []\n" + deny_list(7),
       "f:50003:15: duplicate prefix '11.0.0.7', first at line 11; each prefix once would be "
       "right"},
  });
}

TEST(Scale, ASettingChangesOneValueOfMany) {
  const Config config =
      parse_good(one_by_one(kPrefixes - 1), {{"web", "connections.per_client", "200", {}}});
  EXPECT_EQ(config.rules.at(0).connections.per_client, 200U);
  EXPECT_EQ(config.rules.at(0).overrides.size(), 50'000U);
}

// Peak memory of a process that parses `yaml`, in MiB.
long peak_memory(const std::string& yaml) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = !parse(yaml, "f").has_value();
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  struct rusage usage {};
  if (child < 0 || ::wait4(child, &status, 0, &usage) != child || status != 0) return -1;
  return usage.ru_maxrss / 1024;
}

// The worst that is known: as many brackets or commas as are allowed, and keys to the end.
TEST(Scale, AHostileFileTakesAtMostSoMuchMemory) {
#ifdef __SANITIZE_ADDRESS__
  constexpr long kMost = 4 * 1536;  // its own bookkeeping
#else
  constexpr long kMost = 1536;
#endif
  const auto filled = [](std::string start, const std::string& unit, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) start += unit;
    while (start.size() + 3 <= kMaxFileBytes) start += "a: ";
    return start;
  };
  for (const std::string& yaml :
       {filled("", "[", kMaxBrackets), filled("{", "a,", kMaxBrackets - 1)}) {
    ASSERT_LE(yaml.size(), kMaxFileBytes);
    const long peak = peak_memory(yaml);
    EXPECT_GT(peak, 100);
    EXPECT_LT(peak, kMost);
  }
}

}  // namespace
}  // namespace headgate::config
