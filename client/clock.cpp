// SPDX-License-Identifier: Apache-2.0
#include "client/clock.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace headgate::client {
namespace {

constexpr std::uint64_t kFreshNs = 1'000'000;    // so long a comparison is believed
constexpr std::uint64_t kStaleNs = 100'000'000;  // two so far apart say nothing of the speed now
constexpr std::uint64_t kGapNs = 1'000;          // who was interrupted in between compared nothing

std::uint64_t read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}
std::uint64_t read_wall() {
  return read(CLOCK_REALTIME);
}
std::uint64_t read_steady() {
  return read(CLOCK_MONOTONIC);
}

// Of the counter, once it is known that it can be used.
std::atomic<std::uint64_t> nominal_ns_per_tick = 0;

#if defined(__x86_64__)

std::uint64_t read_counter() {
  return __rdtsc();
}

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

// The middle one of three: one of them may be interrupted.
std::uint64_t measure_speed() {
  std::array<std::uint64_t, 3> speeds{};
  for (std::uint64_t& speed : speeds) {
    const std::uint64_t counter = read_counter();
    const std::uint64_t steady = read_steady();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::uint64_t ticks = read_counter() - counter;
    const std::uint64_t ns = read_steady() - steady;
    if (ticks != 0 && ns < kStaleNs) speed = (ns << ComparedClock::kShift) / ticks;
  }
  std::sort(speeds.begin(), speeds.end());
  return speeds[1];
}

constinit thread_local ComparedClock clock_of_thread [[gnu::tls_model("initial-exec")]];

#endif

}  // namespace

quota::Moment ComparedClock::compare(const ClockSources& sources, std::uint64_t nominal) {
  const std::uint64_t steady = sources.steady_ns();
  const std::uint64_t counter = sources.counter();
  const quota::Moment moment{sources.wall_ns(), steady};
  if (sources.steady_ns() - steady >= kGapNs) return moment;
  const std::uint64_t passed = steady - moment_.steady_ns;
  const bool has_base = counter_ != 0 && counter > counter_ && passed < kStaleNs;
  if (has_base && fresh_ticks_ == 0 && passed < kFreshNs / 2) return moment;  // too soon to tell
  fresh_ticks_ = 0;
  if (has_base) {
    const std::uint64_t speed = (passed << kShift) / (counter - counter_);
    if (speed >= nominal - nominal / 100 && speed <= nominal + nominal / 100) {
      ns_per_tick_ = speed;
      fresh_ticks_ = (kFreshNs << kShift) / nominal;
    }
  }
  counter_ = counter;
  moment_ = moment;
  return moment;
}

void prepare_clock() {
#if defined(__x86_64__)
  static std::once_flag once;
  std::call_once(once, [] {
    if (is_counter_a_clock()) nominal_ns_per_tick = measure_speed();
  });
#endif
}

quota::Moment read_clock() {
#if defined(__x86_64__)
  const std::uint64_t nominal = nominal_ns_per_tick.load(std::memory_order_relaxed);
  if (nominal != 0) {
    return clock_of_thread.read({read_counter, read_wall, read_steady}, nominal);
  }
#endif
  return {read_wall(), read_steady()};
}

}  // namespace headgate::client
