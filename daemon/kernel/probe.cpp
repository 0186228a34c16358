// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/probe.h"

#include <utility>

#include "daemon/kernel/libbpf_log.h"
#include "daemon/kernel/probe_features.h"
#include "daemon/kernel/probe_machine.h"
#include "daemon/kernel/probe_programs.h"

namespace headgate::kernel {
namespace {

constexpr auto kRequired = Requirement::Level::kRequired;
constexpr auto kOptional = Requirement::Level::kOptional;

constexpr const char* kNewerKernel =
    "run a kernel that headgate is tested on (Debian's 6.1 or later); there it is a bug to report";

class Findings {
 public:
  // `is_privileged`: a "no" is the kernel's, not one to this process.
  explicit Findings(bool is_privileged) : is_privileged_(is_privileged) {}

  void add(Requirement::Level level, std::string name, std::string meaning,
           const Result<std::string>& found, std::string remedy) {
    Requirement requirement{std::move(name), level, found.has_value(), "", std::move(meaning), ""};
    requirement.found = found ? *found : found.error().to_string();
    if (!found) {
      const bool may_not_ask =
          !is_privileged_ && found.error().code == ErrorCode::kPermissionDenied;
      requirement.remedy = may_not_ask ? "run as root" : std::move(remedy);
    }
    all_.push_back(std::move(requirement));
  }
  std::vector<Requirement> take() { return std::move(all_); }

 private:
  bool is_privileged_;
  std::vector<Requirement> all_;
};

// Confidentiality forbids programs to read kernel memory through helpers. Whether that is in the
// way, the program that reads most of it tells.
Result<std::string> probe_lockdown_effect() {
  auto mode = probe_lockdown();
  if (mode) return mode;
  const auto loaded = probe_program("release_destroyed");
  if (loaded) return mode.error().message + "; the programs load all the same";
  return fail(mode.error().message, loaded.error());
}

void add_machine(Findings& findings, const std::string& pin_dir) {
  findings.add(kRequired, "kernel", "Linux 5.15 or later", probe_kernel_version(),
               "install a newer kernel");
  findings.add(kRequired, "BTF", "kernel type information that fits the programs to this kernel",
               probe_btf(), "run a kernel built with CONFIG_DEBUG_INFO_BTF");
  findings.add(kRequired, "cgroup2", "the group of processes whose sockets are counted",
               probe_cgroup2(), "mount it: mount -t cgroup2 none /sys/fs/cgroup");
  findings.add(kRequired, "bpffs",
               "keeps the limits in force when the daemon is gone (" + pin_dir + ")",
               probe_bpffs(pin_dir), "make it writable: mount -o remount,rw /sys/fs/bpf");
  findings.add(kRequired, "capabilities", "rights to load and attach the programs",
               probe_capabilities(), "run as root");
  findings.add(kOptional, "namespaces",
               "right to enter other network namespaces (key netns) and to mount a bpffs",
               probe_namespaces(), "run as root");
  findings.add(kRequired, "lockdown", "a mode that lets programs see what they count",
               probe_lockdown_effect(),
               "boot with lockdown=integrity, which secure boot is content with");
  findings.add(kRequired, "memlock",
               "memory for the tables; RLIMIT_MEMLOCK counts before Linux 5.11", probe_memlock(),
               "run as root with ulimit -l unlimited (LimitMEMLOCK=infinity)");
}

void add_programs(Findings& findings) {
  findings.add(kRequired, "sk_lookup", "admits or refuses a SYN", probe_program("admit"),
               kNewerKernel);
  findings.add(kRequired, "sock_ops", "counts a connection when its handshake completes",
               probe_program("track"), kNewerKernel);
  findings.add(kRequired, "tp_btf", "releases a connection when its socket dies",
               probe_program("release_destroyed"), kNewerKernel);
  findings.add(kRequired, "test run", "counts open connections anew, and explains verdicts",
               probe_program("reconcile"), kNewerKernel);
  findings.add(kRequired, "inet_diag_destroy",
               "SOCK_DESTROY closes a connection that slipped beyond a limit, and evicts",
               probe_inet_diag_destroy(),
               "run as root on a kernel built with CONFIG_INET_DIAG_DESTROY");
}

void add_optional(Findings& findings) {
  findings.add(kOptional, "iter",
               "iterates over TCP sockets (iter/tcp); headgate does without, because kernels with "
               "CVE-2026-74714 lose connections by it, and lists sockets by inet_diag",
               probe_tcp_iterator(), "nothing to do");
  findings.add(kOptional, "sock_destroy",
               "bpf_sock_destroy closes a socket from a program; headgate uses SOCK_DESTROY",
               probe_sock_destroy(), "nothing to do; Linux 6.5 and later have it");
  findings.add(
      kOptional, "XDP",
      "sheds what is refused before it costs a socket buffer, where 'xdp' names interfaces",
      probe_xdp(), "nothing to do; the limits hold without it");
  findings.add(kOptional, "XDP dispatcher",
               "lets several XDP programs share an interface (libxdp, freplace)",
               probe_xdp_dispatcher(),
               "nothing to do; the front line is alone on an interface, or not there");
}

}  // namespace

std::vector<Requirement> probe_requirements(const std::string& pin_dir) {
  capture_libbpf_log();
  Findings findings(probe_capabilities() && probe_namespaces());
  add_machine(findings, pin_dir);
  add_programs(findings);
  add_optional(findings);
  return findings.take();
}

}  // namespace headgate::kernel
