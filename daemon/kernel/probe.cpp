// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe.h"

#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>

#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/limiter_kernel.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/socket_killer.h"

namespace headgate::kernel {
namespace {

constexpr int kOldestMajor = 5;
constexpr int kOldestMinor = 15;

Requirement make(std::string name, std::string meaning, const Result<std::string>& found,
                 std::string remedy) {
  Requirement requirement{std::move(name), found.has_value(), "", std::move(meaning), ""};
  requirement.found = found ? *found : found.error().to_string();
  if (!found) requirement.remedy = std::move(remedy);
  return requirement;
}

Result<std::string> probe_kernel_version() {
  utsname system{};
  uname(&system);
  int major = 0;
  int minor = 0;
  if (std::sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
      std::pair(major, minor) >= std::pair(kOldestMajor, kOldestMinor)) {
    return std::string(system.release);
  }
  return fail(ErrorCode::kUnsupported, std::string("Linux ") + system.release + " is too old");
}

Result<std::string> probe_btf() {
  const std::string path = "/sys/kernel/btf/vmlinux";
  if (access(path.c_str(), R_OK) == 0) return path;
  return fail(ErrorCode::kUnsupported, path + " is not there");
}

Result<std::string> probe_cgroup2() {
  Result<Cgroup> cgroup = open_cgroup("auto");
  if (!cgroup) return tl::unexpected(cgroup.error());
  return cgroup->path;
}

Result<std::string> probe_capabilities() {
  std::uint64_t effective = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("CapEff:", 0) == 0) effective = std::stoull(line.substr(7), nullptr, 16);
  }
  const auto has = [effective](int capability) { return (effective >> capability & 1U) != 0; };
  std::string missing;
  const std::pair<int, const char*> needed[] = {
      {CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}};
  for (const auto& [capability, name] : needed) {
    // CAP_SYS_ADMIN includes the first two.
    if (has(capability) || (capability != CAP_NET_ADMIN && has(CAP_SYS_ADMIN))) continue;
    missing += std::string(missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return std::string("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
  return fail(ErrorCode::kPermissionDenied, "missing: " + missing);
}

Result<std::string> loading_failure(int error_number) {
  const std::string said = take_libbpf_warnings();
  const std::size_t last_line = said.rfind('\n');
  const std::string detail = last_line == std::string::npos ? said : said.substr(last_line + 1);
  return fail(ErrorCode::kUnsupported, std::string("does not load: ") +
                                           std::strerror(error_number) +
                                           (detail.empty() ? "" : " (" + detail + ")"));
}

// Loads one program of an object and nothing else of it.
template <typename Skeleton>
Result<std::string> probe_program(Skeleton* (*open)(), int (*load)(Skeleton*), const char* name) {
  take_libbpf_warnings();
  const std::unique_ptr<Skeleton, SkeletonDestroyer> skeleton(open());
  if (!skeleton) return loading_failure(errno);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    bpf_program__set_autoload(program, std::strcmp(bpf_program__name(program), name) == 0);
  }
  if (load(skeleton.get()) != 0) return loading_failure(errno);
  return std::string("loads");
}

Result<std::string> probe_sock_destroy() {
  Result<NetworkNamespace> netns = NetworkNamespace::open("self");
  if (!netns) return tl::unexpected(netns.error());
  Result<SocketKiller> killer = SocketKiller::open(*netns);
  if (!killer) return tl::unexpected(killer.error());
  hg_event nobody{};
  nobody.local_port = 1;
  nobody.remote_port = 1;
  nobody.socket_cookie = 1;
  Result<bool> destroyed = killer->destroy(nobody);
  if (!destroyed) return tl::unexpected(destroyed.error());
  return std::string("answers");
}

}  // namespace

std::vector<Requirement> probe_requirements() {
  capture_libbpf_log();
  const std::string upgrade = "run a kernel that has it; Debian's 6.1 and later do";
  std::vector<Requirement> all;
  all.push_back(
      make("kernel", "Linux 5.15 or later", probe_kernel_version(), "install a newer kernel"));
  all.push_back(make("BTF", "kernel type information that fits the programs to this kernel",
                     probe_btf(), "run a kernel built with CONFIG_DEBUG_INFO_BTF"));
  all.push_back(make("cgroup2", "the group of processes whose sockets are counted", probe_cgroup2(),
                     "mount it: mount -t cgroup2 none /sys/fs/cgroup"));
  all.push_back(make("capabilities", "rights to load and attach the programs", probe_capabilities(),
                     "run as root"));
  all.push_back(make("sk_lookup", "admits or refuses a SYN",
                     probe_program(limiter_bpf__open, limiter_bpf__load, "admit"), upgrade));
  all.push_back(make("sock_ops", "counts a connection when its handshake completes",
                     probe_program(limiter_bpf__open, limiter_bpf__load, "track"), upgrade));
  all.push_back(make("tp_btf", "releases a connection when its socket dies",
                     probe_program(limiter_bpf__open, limiter_bpf__load, "release_destroyed"),
                     upgrade));
  all.push_back(make("test run", "counts open connections anew, and explains verdicts",
                     probe_program(limiter_bpf__open, limiter_bpf__load, "reconcile"), upgrade));
  all.push_back(make("SOCK_DESTROY", "closes a connection that slipped beyond a limit",
                     probe_sock_destroy(),
                     "run as root on a kernel built with CONFIG_INET_DIAG_DESTROY"));
  return all;
}

}  // namespace headgate::kernel
