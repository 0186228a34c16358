// SPDX-License-Identifier: Apache-2.0
// The deny book against a plain model, under random changes.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "deny_kernel.h"

namespace headgate::manage {
namespace {

using std::chrono::seconds;

// Ends in ns of CLOCK_BOOTTIME, by range: of the operators and of the configuration.
struct Model {
  std::map<Prefix, std::uint64_t> operators;
  std::map<Prefix, std::uint64_t> configured;

  std::map<Prefix, std::uint64_t> in_force(std::uint64_t now_ns) const {
    std::map<Prefix, std::uint64_t> ends;
    for (const auto* claims : {&operators, &configured}) {
      for (const auto& [cidr, end] : *claims) {
        if (end > now_ns) ends[cidr] = std::max(ends[cidr], end);
      }
    }
    return ends;
  }
};

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {}

  void step() {
    switch (below(6)) {
      case 0:
      case 1:
        return add();
      case 2:
        return remove();
      case 3:
        return configure();
      case 4:
        return kernel_.follow(book_.expire(clock_.now()));
      default:
        return clock_.pass(seconds(below(20)));
    }
  }

  void check() {
    const Clocks now = clock_.now();
    const auto expected = model_.in_force(now.boot_ns);
    std::map<Prefix, std::uint64_t> in_kernel = kernel_.denied();
    std::erase_if(in_kernel, [&](const auto& entry) { return entry.second <= now.boot_ns; });
    EXPECT_EQ(in_kernel, expected);
    std::set<Prefix> listed;
    for (const DenyListed& line : book_.list(now)) listed.insert(line.entry.cidr);
    std::set<Prefix> denied;
    for (const auto& [cidr, end] : expected) denied.insert(cidr);
    EXPECT_EQ(listed, denied);
  }

 private:
  unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }
  Prefix cidr() {
    return *Prefix::parse("10.0.0." + std::to_string(below(12)) + (below(4) == 0 ? "/32" : ""));
  }
  // None: for good.
  std::optional<seconds> length() {
    if (below(8) == 0) return std::nullopt;
    return seconds(1 + below(60));
  }
  std::uint64_t end_after(std::optional<seconds> length) const {
    if (!length) return HG_FOR_GOOD;
    const std::chrono::nanoseconds left = *length;
    return clock_.now().boot_ns + static_cast<std::uint64_t>(left.count());
  }

  void add() {
    const Model before = model_;
    std::vector<DenyEntry> entries;
    for (unsigned left = below(6); left > 0; --left) {
      const auto how_long = length();
      DenyEntry entry{cidr(), "", std::nullopt};
      if (how_long) entry.until = clock_.now().wall + *how_long;
      model_.operators[entry.cidr] = end_after(how_long);
      entries.push_back(entry);
    }
    DenyReport report;
    const auto orders = book_.add(entries, clock_.now(), report);
    EXPECT_EQ(report.added + report.replaced, entries.size());
    kernel_.follow(orders);
    if (below(3) > 0) return;
    kernel_.follow(book_.undo(orders, clock_.now()));
    model_ = before;
  }

  void remove() {
    std::vector<Prefix> cidrs;
    for (unsigned left = below(4); left > 0; --left) cidrs.push_back(cidr());
    const Clocks now = clock_.now();
    // A claim of an operator that has ended may still be known, or may not: what is said of it is
    // left open.
    kernel_.follow(book_.expire(now));
    std::erase_if(cidrs, [&](const Prefix& cidr) {
      const auto claim = model_.operators.find(cidr);
      return claim != model_.operators.end() && claim->second <= now.boot_ns &&
             model_.configured.count(cidr) != 0;
    });
    const bool is_refused = std::any_of(cidrs.begin(), cidrs.end(), [&](const Prefix& cidr) {
      const auto configured = model_.configured.find(cidr);
      return configured != model_.configured.end() && configured->second > now.boot_ns &&
             model_.operators.count(cidr) == 0;
    });
    DenyReport report;
    const auto orders = book_.remove(cidrs, clock_.now(), report);
    EXPECT_EQ(orders.has_value(), !is_refused);
    if (!orders) return;
    EXPECT_EQ(report.removed + report.unknown, cidrs.size());
    kernel_.follow(*orders);
    for (const Prefix& cidr : cidrs) model_.operators.erase(cidr);
  }

  void configure() {
    std::map<Prefix, config::Deny> file;
    for (unsigned left = below(6); left > 0; --left) {
      const Prefix range = cidr();
      if (file_.count(range) != 0 && below(2) == 0) {
        file[range] = file_[range];  // as it was
        continue;
      }
      config::Deny entry{range, "", std::nullopt, {}};
      if (const auto how_long = length()) {
        entry.until = std::chrono::floor<seconds>(clock_.now().wall + *how_long);
      }
      file[range] = entry;
    }
    file_ = file;
    model_.configured.clear();
    std::vector<config::Deny> entries;
    for (const auto& [range, entry] : file_) {
      entries.push_back(entry);
      model_.configured[range] = clock_.now().to_boot_ns(
          entry.until ? std::optional<std::chrono::system_clock::time_point>(*entry.until)
                      : std::nullopt);
    }
    kernel_.follow(book_.set_configured(entries, clock_.now()));
  }

  std::mt19937 random_;
  FakeClock clock_;
  FakeDenyKernel kernel_;
  DenyBook book_;
  Model model_;
  std::map<Prefix, config::Deny> file_;
};

TEST(DenyBook, DeniesWhatAPlainModelDeniesWhateverIsDone) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    for (int step = 0; step < 300; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      walk.step();
      walk.check();
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace headgate::manage
