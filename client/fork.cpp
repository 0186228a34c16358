// SPDX-License-Identifier: Apache-2.0
#include "client/fork.h"

#include <atomic>
#include <mutex>
#include <set>

#include <pthread.h>

#include "client/core.h"
#include "client/rcu.h"

namespace headgate::client {
namespace {

// Never destroyed: a process may fork while it ends.
struct Forks {
  std::mutex mutex;
  std::set<Core*> cores;
};
Forks& forks() {
  static auto* const all = new Forks;
  return *all;
}

// Written where there is one thread only.
std::atomic<std::uint64_t> fork_count = 0;

void before() {
  forks().mutex.lock();
  urcu_bp_before_fork();
}

void after_in_parent() {
  urcu_bp_after_fork_parent();
  forks().mutex.unlock();
}

void after_in_child() {
  urcu_bp_after_fork_child();
  fork_count.fetch_add(1, std::memory_order_relaxed);
  for (Core* const core : forks().cores) core->forget_after_fork();
  forks().mutex.unlock();
}

}  // namespace

std::uint64_t forks_until_now() {
  return fork_count.load(std::memory_order_relaxed);
}

void add_to_forks(Core& core) {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(before, after_in_parent, after_in_child); });
  const std::lock_guard lock(forks().mutex);
  forks().cores.insert(&core);
}

void remove_from_forks(Core& core) {
  const std::lock_guard lock(forks().mutex);
  forks().cores.erase(&core);
}

}  // namespace headgate::client
