// SPDX-License-Identifier: Apache-2.0
//
// Asks quotas in shared memory, as a service does by libheadgate-client, and says how long that
// takes. Part of scripts/bench quotas; prints JSON.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "headgate/client.h"

namespace {

using headgate::client::Admission;
using headgate::client::Client;
using headgate::client::Key;
using Clock = std::chrono::steady_clock;

constexpr int kMostProcesses = 2;
constexpr int kBatch = 64;  // decisions between two looks at the clock
constexpr std::size_t kKeys = 1'000'000;

struct Result {
  std::atomic<std::uint64_t> decisions;
  std::atomic<double> seconds;
  // Of one decision, as the mean of a batch.
  std::atomic<double> p50_ns;
  std::atomic<double> p99_ns;
  std::atomic<double> p999_ns;
  std::atomic<bool> has_failed;
};

// What the processes of one scenario share.
struct Shared {
  std::atomic<int> ready;
  Result results[kMostProcesses];
};

struct Options {
  std::string socket;
  std::string domain;
  double seconds = 2;
  std::string only;  // a scenario's name; empty: all of them
};

// Makes one decision; throws if it is not as it must be.
using Ask = std::function<void()>;
// What the process with this number asks.
using MakeAsk = std::function<Ask(Client& client, int process)>;

void must(bool is_so, const char* what) {
  if (!is_so) throw std::runtime_error(what);
}

double percentile(const std::vector<float>& sorted, double share) {
  return static_cast<double>(
      sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)]);
}

void measure(const Ask& ask, double seconds, Result& result) {
  std::vector<float> batches;
  batches.reserve(static_cast<std::size_t>(seconds * 2e6));
  const auto begin = Clock::now();
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  auto now = begin;
  std::uint64_t decisions = 0;
  while (now < end) {
    for (int i = 0; i < kBatch; ++i) ask();
    decisions += kBatch;
    const auto after = Clock::now();
    batches.push_back(std::chrono::duration<float, std::nano>(after - now).count() / kBatch);
    now = after;
  }
  std::sort(batches.begin(), batches.end());
  result.decisions = decisions;
  result.seconds = std::chrono::duration<double>(now - begin).count();
  result.p50_ns = percentile(batches, 0.5);
  result.p99_ns = percentile(batches, 0.99);
  result.p999_ns = percentile(batches, 0.999);
}

// In a process of its own; all begin at once.
void run_one(const Options& options, const MakeAsk& make, int process, int processes,
             Shared& shared) {
  try {
    Client client({.domain = options.domain,
                   .socket = options.socket,
                   .fail_policy = headgate::client::FailPolicy::kClosed,
                   .patience = std::chrono::seconds(10)});
    must(client.status().is_attached, "not attached");
    const Ask ask = make(client, process);
    Result warm_up{};
    measure(ask, options.seconds / 10, warm_up);
    ++shared.ready;
    while (shared.ready < processes) usleep(100);
    measure(ask, options.seconds, shared.results[process]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_quota_memory: %s\n", error.what());
    shared.results[process].has_failed = true;
    ++shared.ready;
  }
}

nlohmann::json run(const Options& options, const std::string& name, int processes,
                   const MakeAsk& make) {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "no memory");
  auto& shared = *new (memory) Shared{};
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    must(child >= 0, "cannot fork");
    if (child == 0) {
      run_one(options, make, i, processes, shared);
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  double per_second = 0;
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  for (int i = 0; i < processes; ++i) {
    const Result& result = shared.results[i];
    must(!result.has_failed && result.decisions != 0, "a process has failed");
    per_second += static_cast<double>(result.decisions.load()) / result.seconds;
    p50 = std::max(p50, result.p50_ns.load());
    p99 = std::max(p99, result.p99_ns.load());
    p999 = std::max(p999, result.p999_ns.load());
  }
  munmap(memory, sizeof(Shared));
  return {{"name", name},
          {"processes", processes},
          {"decisions_per_second", per_second},
          {"ns_per_decision", 1e9 * processes / per_second},
          {"p50_ns", p50},
          {"p99_ns", p99},
          {"p999_ns", p999}};
}

Ask ask_for_key(Client& client, const std::string& limit, const std::string& value, bool is_over) {
  return [&client, key = client.key({{limit, value}}), is_over]() mutable {
    const Admission admission = client.try_acquire(key);
    must(bool{admission} != is_over, "the decision is not the right one");
  };
}

nlohmann::json run_all(const Options& options) {
  nlohmann::json scenarios = nlohmann::json::array();
  const auto add = [&](const std::string& name, int processes, const MakeAsk& make) {
    if (!options.only.empty() && name != options.only) return;
    scenarios.push_back(run(options, name, processes, make));
  };
  add("hot key, 1 process", 1,
      [](Client& client, int) { return ask_for_key(client, "hot", "a", false); });
  add("hot key, refused, 1 process", 1, [](Client& client, int) {
    for (int i = 0; i < 1000; ++i) static_cast<void>(client.try_acquire({{"few", "a"}}));
    return ask_for_key(client, "few", "a", true);
  });
  add("hot key, looked up each time, 1 process", 1, [](Client& client, int) -> Ask {
    return [&client] { must(bool{client.try_acquire({{"hot", "a"}})}, "refused"); };
  });
  add("permit taken and given back, 1 process", 1,
      [](Client& client, int) { return ask_for_key(client, "permits", "a", false); });
  add("1 million keys, looked up each time, 1 process", 1, [](Client& client, int) -> Ask {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < kKeys; ++i) values.push_back(std::to_string(i));
    for (const std::string& value : values) static_cast<void>(client.try_acquire({{"hot", value}}));
    return [&client, values = std::move(values), random = std::minstd_rand(7)]() mutable {
      must(bool{client.try_acquire({{"hot", values[random() % kKeys]}})}, "refused");
    };
  });
  add("same key, 2 processes", 2,
      [](Client& client, int) { return ask_for_key(client, "hot", "a", false); });
  add("disjoint keys, 2 processes", 2, [](Client& client, int process) {
    return ask_for_key(client, "hot", "of process " + std::to_string(process), false);
  });
  return scenarios;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  CLI::App app("Asks quotas in shared memory, and says how long that takes (scripts/bench quotas)");
  app.add_option("--socket", options.socket, "of the daemon: quotas.memory.socket")->required();
  app.add_option("--domain", options.domain, "with the limits hot, few and permits")->required();
  app.add_option("--seconds", options.seconds, "of each scenario")->check(CLI::PositiveNumber);
  app.add_option("--only", options.only, "the scenario of this name");
  CLI11_PARSE(app, count, arguments);
  try {
    std::cout << nlohmann::json{{"scenarios", run_all(options)}}.dump(2) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench_quota_memory: " << error.what() << '\n';
    return 1;
  }
}
