// SPDX-License-Identifier: Apache-2.0
#include "client/clock.h"

#include <ctime>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace headgate::client {
namespace {

std::uint64_t read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

quota::Moment read_both() {
  return {read(CLOCK_REALTIME), read(CLOCK_MONOTONIC)};
}

#if defined(__x86_64__)

constexpr std::uint64_t kFreshNs = 1'000'000;    // so long a comparison is believed
constexpr std::uint64_t kStaleNs = 100'000'000;  // two so far apart say nothing of the speed now
constexpr std::uint64_t kGapNs = 1'000;          // who was interrupted in between compared nothing
constexpr unsigned kShift = 32;

// The counter runs at one speed, also while the processor sleeps, and the kernel itself trusts it
// to be the same on all processors.
bool is_counter_a_clock() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kPowerLeaf = 0x8000'0007;
  constexpr unsigned kInvariant = 1U << 8U;
  if (__get_cpuid(kPowerLeaf, &eax, &ebx, &ecx, &edx) == 0 || (edx & kInvariant) == 0) return false;
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  return file >> source && source == "tsc";
}

// What one thread knows: the counter and the clocks at one moment, and how fast the counter is.
struct Comparison {
  std::uint64_t counter = 0;
  quota::Moment moment;
  std::uint64_t ns_per_tick = 0;  // in 2^-32
  std::uint64_t fresh_ticks = 0;  // 0: the speed is not known
};

constinit thread_local Comparison last [[gnu::tls_model("initial-exec")]];

// The clocks as they are, compared with the counter anew.
quota::Moment compare() {
  const std::uint64_t steady = read(CLOCK_MONOTONIC);
  const std::uint64_t counter = __rdtsc();
  const quota::Moment moment{read(CLOCK_REALTIME), steady};
  const std::uint64_t gap = read(CLOCK_MONOTONIC) - steady;
  const std::uint64_t passed = steady - last.moment.steady_ns;
  const bool is_comparable = last.counter != 0 && counter > last.counter &&
                             passed >= kFreshNs / 2 && passed < kStaleNs && gap < kGapNs;
  if (is_comparable) {
    last.ns_per_tick = (passed << kShift) / (counter - last.counter);
    last.fresh_ticks = last.ns_per_tick != 0 ? (kFreshNs << kShift) / last.ns_per_tick : 0;
  }
  // Without a good look at both at once, the next one is compared from here, or not at all.
  if (gap >= kGapNs || (!is_comparable && passed >= kStaleNs)) last.fresh_ticks = 0;
  if (is_comparable || last.counter == 0 || passed >= kStaleNs || gap >= kGapNs) {
    last.counter = gap < kGapNs ? counter : 0;
    last.moment = moment;
  }
  return moment;
}

quota::Moment read_by_counter() {
  const std::uint64_t ticks = __rdtsc() - last.counter;
  if (ticks >= last.fresh_ticks) return compare();
  const std::uint64_t ns = ticks * last.ns_per_tick >> kShift;
  return {last.moment.wall_ns + ns, last.moment.steady_ns + ns};
}

#endif

}  // namespace

quota::Moment read_clock() {
#if defined(__x86_64__)
  static const bool has_counter = is_counter_a_clock();
  if (has_counter) return read_by_counter();
#endif
  return read_both();
}

}  // namespace headgate::client
