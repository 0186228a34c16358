// SPDX-License-Identifier: Apache-2.0
#include "daemon/runtime/privileges.h"

#include <linux/capability.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <thread>

namespace headgate::runtime {
namespace {

static_assert(static_cast<int>(Capability::kSetPcap) == CAP_SETPCAP);
static_assert(static_cast<int>(Capability::kNetAdmin) == CAP_NET_ADMIN);
static_assert(static_cast<int>(Capability::kSysPtrace) == CAP_SYS_PTRACE);
static_assert(static_cast<int>(Capability::kSysAdmin) == CAP_SYS_ADMIN);
static_assert(static_cast<int>(Capability::kPerfmon) == CAP_PERFMON);
static_assert(static_cast<int>(Capability::kBpf) == CAP_BPF);

struct Free {
  void operator()(void* memory) const { cap_free(memory); }
};
using Sets = std::unique_ptr<std::remove_pointer_t<cap_t>, Free>;

Result<Sets> read_sets() {
  Sets sets(cap_get_proc());
  if (!sets) return fail_errno("cannot read the capabilities of this process", errno);
  return sets;
}

bool has(const Sets& sets, cap_flag_t which, cap_value_t capability) {
  cap_flag_value_t value = CAP_CLEAR;
  return cap_get_flag(sets.get(), capability, which, &value) == 0 && value == CAP_SET;
}

// A thread that has been joined is still listed for a moment.
constexpr auto kPatience = std::chrono::seconds(1);

Result<void> require_one_thread() {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  do {
    std::error_code error;
    const std::filesystem::directory_iterator threads("/proc/self/task", error);
    if (error) return fail_errno("cannot list the threads of this process", error.value());
    if (std::distance(begin(threads), end(threads)) == 1) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  } while (std::chrono::steady_clock::now() < give_up);
  return fail(ErrorCode::kInternal,
              "capabilities must be dropped before there are other threads, which would keep them");
}

Result<void> narrow_bounding_set(const std::vector<cap_value_t>& keep) {
  for (cap_value_t capability = 0; capability < cap_max_bits(); ++capability) {
    if (std::find(keep.begin(), keep.end(), capability) != keep.end()) continue;
    if (cap_get_bound(capability) != 1) continue;  // dropped already, or unknown to this kernel
    if (cap_drop_bound(capability) != 0) {
      return fail_errno("cannot narrow the bounding set of capabilities", errno);
    }
  }
  return {};
}

// Effective and permitted become `keep`; inheritable becomes empty.
Result<void> narrow_sets(const std::vector<cap_value_t>& keep) {
  const Sets sets(cap_init());
  const int count = static_cast<int>(keep.size());
  if (!sets ||
      (count > 0 && (cap_set_flag(sets.get(), CAP_PERMITTED, count, keep.data(), CAP_SET) ||
                     cap_set_flag(sets.get(), CAP_EFFECTIVE, count, keep.data(), CAP_SET)))) {
    return fail_errno("cannot choose the capabilities to keep", errno);
  }
  if (cap_set_proc(sets.get()) != 0) return fail_errno("cannot drop capabilities", errno);
  return {};
}

}  // namespace

Result<void> drop_capabilities_except(const std::vector<Capability>& keep) {
  if (Result<void> alone = require_one_thread(); !alone) return alone;
  const Result<Sets> held = read_sets();
  if (!held) return tl::unexpected(held.error());
  std::vector<cap_value_t> kept;
  for (const Capability capability : keep) {
    const auto number = static_cast<cap_value_t>(capability);
    if (has(*held, CAP_PERMITTED, number)) kept.push_back(number);
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("no_new_privs", errno);
  if (cap_reset_ambient() != 0) return fail_errno("cannot empty the ambient capabilities", errno);
  if (has(*held, CAP_EFFECTIVE, CAP_SETPCAP)) {
    if (Result<void> narrowed = narrow_bounding_set(kept); !narrowed) return narrowed;
  }
  return narrow_sets(kept);
}

Result<std::string> capabilities_in_effect() {
  const Result<Sets> sets = read_sets();
  if (!sets) return tl::unexpected(sets.error());
  std::string names;
  for (cap_value_t capability = 0; capability < cap_max_bits(); ++capability) {
    if (!has(*sets, CAP_EFFECTIVE, capability)) continue;
    const std::unique_ptr<char, Free> name(cap_to_name(capability));
    if (!name) return fail_errno("cannot name a capability", errno);
    names += (names.empty() ? "" : ", ") + std::string(name.get());
  }
  if (names.empty()) return std::string("none");
  std::transform(names.begin(), names.end(), names.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return names;
}

}  // namespace headgate::runtime
