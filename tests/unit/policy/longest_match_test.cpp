// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "cases.h"

namespace headgate::policy {
namespace {

struct Entry {
  hg_prefix_kind kind;
  std::uint16_t selector;
  Prefix prefix;

  friend auto operator<=>(const Entry&, const Entry&) = default;
};

// Addresses that differ in few bits, so that many prefixes hold one another.
class Source {
 public:
  explicit Source(unsigned seed) : random_(seed) {}

  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }

  IpAddress address() {
    const bool is_ipv4 = below(2) == 0;
    IpAddress::Bytes bytes = IpAddress::parse(is_ipv4 ? "192.0.2.0" : "2001:db8::")->bytes();
    const unsigned first = is_ipv4 ? 96 : 0;
    for (int flips = 0; flips < 3; ++flips) {
      const unsigned bit = first + below(128 - first);
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (0x80U >> (bit % 8)));
    }
    return IpAddress(bytes);
  }

  Prefix prefix() {
    const IpAddress whole = address();
    const unsigned bits = whole.family() == IpFamily::kIpv4 ? 32 : 128;
    return Prefix::of(whole, static_cast<std::uint8_t>(below(bits + 1)));
  }

  Entry entry() {
    constexpr hg_prefix_kind kKinds[] = {HG_PREFIX_LISTEN, HG_PREFIX_OVERRIDE, HG_PREFIX_EXEMPT};
    return {kKinds[below(3)], static_cast<std::uint16_t>(below(3)), prefix()};
  }

 private:
  std::mt19937 random_;
};

const Entry* search_all(const std::set<Entry>& entries, const Entry& wanted) {
  const Entry* best = nullptr;
  for (const Entry& entry : entries) {
    if (entry.kind != wanted.kind || entry.selector != wanted.selector) continue;
    if (entry.prefix.address.family() != wanted.prefix.address.family()) continue;
    if (entry.prefix.length > wanted.prefix.length) continue;
    if (Prefix::of(wanted.prefix.address, entry.prefix.length) != entry.prefix) continue;
    if (best == nullptr || entry.prefix.length > best->prefix.length) best = &entry;
  }
  return best;
}

Policy policy_of(const std::set<Entry>& entries) {
  Policy policy;
  for (const Entry& entry : entries) {
    policy.prefixes.emplace_back(key_of(entry.prefix, entry.kind, entry.selector), hg_prefix{});
  }
  std::sort(policy.prefixes.begin(), policy.prefixes.end(),
            [](const PrefixEntry& a, const PrefixEntry& b) { return is_before(a.first, b.first); });
  return policy;
}

TEST(LongestMatch, FindsWhatASearchOfAllEntriesFinds) {
  constexpr unsigned kSeed = 4711;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Source source(kSeed);
  int found_some = 0;
  int found_none = 0;
  for (int round = 0; round < 200; ++round) {
    std::set<Entry> entries;
    const unsigned count = source.below(400);
    for (unsigned i = 0; i < count; ++i) entries.insert(source.entry());
    const Policy policy = policy_of(entries);
    for (int question = 0; question < 100; ++question) {
      Entry wanted = source.entry();
      if (source.below(2) == 0) wanted.prefix = *Prefix::parse(source.address().to_string());
      const Entry* expected = search_all(entries, wanted);
      const PrefixEntry* found = longest_match(policy, wanted.kind, wanted.selector, wanted.prefix);
      ASSERT_EQ(found != nullptr, expected != nullptr)
          << wanted.prefix.to_string() << " in round " << round;
      ++(expected != nullptr ? found_some : found_none);
      if (expected == nullptr) continue;
      const hg_prefix_key key = key_of(expected->prefix, expected->kind, expected->selector);
      ASSERT_EQ(std::memcmp(&found->first, &key, sizeof(key)), 0)
          << wanted.prefix.to_string() << " in round " << round;
    }
  }
  EXPECT_GT(found_some, 1000);
  EXPECT_GT(found_none, 1000);
}

TEST(LongestMatch, EveryAddressOfOneFamilyIsNotOneOfTheOther) {
  const Policy ipv4 = policy_of({{HG_PREFIX_EXEMPT, 0, *Prefix::parse("0.0.0.0/0")}});
  EXPECT_NE(longest_match(ipv4, HG_PREFIX_EXEMPT, 0, *Prefix::parse("192.0.2.1")), nullptr);
  EXPECT_EQ(longest_match(ipv4, HG_PREFIX_EXEMPT, 0, *Prefix::parse("2001:db8::1")), nullptr);
  const Policy ipv6 = policy_of({{HG_PREFIX_EXEMPT, 0, *Prefix::parse("::/0")}});
  EXPECT_EQ(longest_match(ipv6, HG_PREFIX_EXEMPT, 0, *Prefix::parse("192.0.2.1")), nullptr);
  EXPECT_NE(longest_match(ipv6, HG_PREFIX_EXEMPT, 0, *Prefix::parse("2001:db8::1")), nullptr);
}

}  // namespace
}  // namespace headgate::policy
