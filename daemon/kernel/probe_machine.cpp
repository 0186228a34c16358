// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe_machine.h"

#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "daemon/kernel/cgroup.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/socket_killer.h"

namespace headgate::kernel {
namespace {

constexpr std::pair kOldest(5, 15);
constexpr const char* kUsualBpffs = "/sys/fs/bpf";

std::optional<std::string> read_text(const std::string& path) {
  const std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool has(std::uint64_t capabilities, int capability) {
  return (capabilities >> capability & 1U) != 0;
}

std::uint64_t effective_capabilities() {
  return parse_effective_capabilities(read_text("/proc/self/status").value_or("")).value_or(0);
}

bool knows_filesystem(const std::string& type) {
  const std::string filesystems = read_text("/proc/filesystems").value_or("");
  return ("\n" + filesystems).find("\t" + type + "\n") != std::string::npos;
}

}  // namespace

std::optional<std::pair<int, int>> parse_kernel_version(const std::string& release) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(release.c_str(), "%d.%d", &major, &minor) != 2) return std::nullopt;
  return std::pair(major, minor);
}

std::string parse_lockdown(const std::string& text) {
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']', begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return "";
  return text.substr(begin + 1, end - begin - 1);
}

std::optional<std::uint64_t> parse_effective_capabilities(const std::string& status) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    unsigned long long effective = 0;
    if (std::sscanf(line.c_str(), "CapEff: %llx", &effective) == 1) return effective;
  }
  return std::nullopt;
}

std::string missing_capabilities(std::uint64_t effective) {
  std::string missing;
  const std::pair<int, const char*> needed[] = {
      {CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}};
  for (const auto& [capability, name] : needed) {
    // CAP_SYS_ADMIN includes the first two.
    if (has(effective, capability) ||
        (capability != CAP_NET_ADMIN && has(effective, CAP_SYS_ADMIN))) {
      continue;
    }
    missing += std::string(missing.empty() ? "" : ", ") + name;
  }
  return missing;
}

Result<std::string> judge_bpffs(const std::vector<Mount>& mounts, const std::string& pin_dir,
                                bool can_mount) {
  const Mount* mount = find_mount(mounts, pin_dir);
  if (mount != nullptr && mount->type == "bpf") {
    if (!mount->is_read_only) return "mounted at " + mount->point + ", writable";
    return fail(ErrorCode::kUnavailable, mount->point + " is mounted read-only");
  }
  const std::string usual = kUsualBpffs;
  const bool is_usual = pin_dir == usual || pin_dir.rfind(usual + "/", 0) == 0;
  const std::string place = is_usual ? usual : pin_dir;
  if (can_mount) return "not mounted at " + place + "; headgated mounts it when it starts";
  return fail(ErrorCode::kPermissionDenied,
              "not mounted at " + place + ", and only CAP_SYS_ADMIN may mount it");
}

Result<std::string> probe_kernel_version() {
  utsname system{};
  uname(&system);
  const std::string release = system.release;
  const auto version = parse_kernel_version(release);
  if (version && *version >= kOldest) return release;
  return fail(ErrorCode::kUnsupported, "Linux " + release + " is too old");
}

Result<std::string> probe_btf() {
  const std::string path = "/sys/kernel/btf/vmlinux";
  if (access(path.c_str(), R_OK) == 0) return path;
  if (errno != ENOENT) return fail_errno("cannot read " + path, errno);
  return fail(ErrorCode::kUnsupported, path + " is not there");
}

Result<std::string> probe_cgroup2() {
  Result<Cgroup> cgroup = open_cgroup("auto");
  if (!cgroup) return tl::unexpected(cgroup.error());
  return cgroup->path;
}

Result<std::string> probe_bpffs(const std::string& pin_dir) {
  if (!knows_filesystem("bpf")) {
    return fail(ErrorCode::kUnsupported, "the kernel has no bpf file system");
  }
  return judge_bpffs(parse_mountinfo(read_mountinfo()), pin_dir,
                     has(effective_capabilities(), CAP_SYS_ADMIN));
}

Result<std::string> probe_capabilities() {
  const std::string missing = missing_capabilities(effective_capabilities());
  if (missing.empty()) return std::string("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
  return fail(ErrorCode::kPermissionDenied, "missing: " + missing);
}

Result<std::string> probe_namespaces() {
  if (has(effective_capabilities(), CAP_SYS_ADMIN)) return std::string("CAP_SYS_ADMIN");
  return fail(ErrorCode::kPermissionDenied, "missing: CAP_SYS_ADMIN");
}

Result<std::string> probe_lockdown() {
  const std::string path = "/sys/kernel/security/lockdown";
  const auto text = read_text(path);
  if (!text) return "not shown: " + path + " is not there (no lockdown, or no securityfs)";
  const std::string mode = parse_lockdown(*text);
  if (mode == "confidentiality") return fail(ErrorCode::kUnsupported, "mode " + mode);
  return mode.empty() ? path + " names no mode" : "mode " + mode;
}

Result<std::string> probe_inet_diag_destroy() {
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

}  // namespace headgate::kernel
