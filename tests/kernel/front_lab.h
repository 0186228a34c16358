// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/kernel/limiter.h"
#include "daemon/policy/policy.h"
#include "tests/frames/frame.h"
#include "tests/lab/network_namespace.h"
#include "tests/lab/pin_dir.h"
#include "tests/lab/socket.h"

namespace headgate::lab {

template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// The limiter of one namespace, without a daemon.
kernel::Limiter start_limiter(const NetworkNamespace& network, const PinDir& pins,
                              std::shared_ptr<const policy::Policy> policy,
                              const config::TableSizes& tables = {});

// What becomes of a frame.
struct Outcome {
  std::uint32_t verdict = 0;  // XDP_PASS, …
  frames::Bytes frame;        // afterwards
};

// The program by BPF_PROG_TEST_RUN, in the namespace of the calling thread, as if the frame came in
// by the device of that index. `ns`, if not null: how long a run took.
Outcome run_front(const kernel::FrontProgram& front, std::uint32_t device,
                  const frames::Bytes& frame, int repeat = 1, std::uint32_t* ns = nullptr);
// Of the loaded program.
int front_fd(const kernel::FrontProgram& front);

// Packets by verdict and reason, as "drop denied".
using FrontCounts = std::map<std::string, std::uint64_t>;
FrontCounts difference(const hg_front_stats& now, const hg_front_stats& before);

struct Repeated {
  double ns = 0;  // a run, the mean
  std::uint32_t verdict = 0;
};

// A namespace with a listener on every address at kFrontPort, a limiter, and the front line's
// program for its loopback device, run by BPF_PROG_TEST_RUN. The device has 10.0.0.1 and
// 2001:db8::1, and VLANs 100 and 100.200; all are reached at frames::kOurMac.
class FrontLab {
 public:
  static constexpr std::uint16_t kFrontPort = 8000;

  explicit FrontLab(const config::Config& config);

  const NetworkNamespace& network() const { return network_; }
  kernel::Limiter& limiter() { return limiter_; }
  std::uint64_t netns_cookie() const { return cookie_; }
  const policy::Policy& policy() const { return *policy_; }

  void change(const config::Config& config);
  // False if it is no valid policy; then nothing has changed.
  bool try_change(const config::Config& config);
  void deny(const std::string& cidr, bool is_hard = false);
  // Has each of these clients, new ones, hold a connection of the rule, for all that is counted.
  void add_clients(const std::vector<IpAddress>& clients);
  // A UDP socket waits at kFrontPort, too.
  void open_udp();

  Outcome run(const frames::Bytes& frame);
  // `repeat` times, as fast as it can.
  Repeated measure(const frames::Bytes& frame, int repeat);
  // The same, to be called inside().
  Repeated measure_here(const frames::Bytes& frame, int repeat) const;
  // Runs `work` inside the namespace: much faster where run() is called often.
  void inside(const std::function<void()>& work);

  // Packets that were counted for the interface since the last call.
  FrontCounts counted();

 private:
  Outcome run_here(const frames::Bytes& frame, int repeat, std::uint32_t* ns) const;

  NetworkNamespace network_;
  PinDir pins_;
  std::shared_ptr<const policy::Policy> policy_;
  UniqueFd listener_;
  UniqueFd udp_socket_;
  kernel::Limiter limiter_;
  std::uint64_t cookie_ = 0;
  kernel::FrontProgram front_;
  hg_front_stats last_{};
  bool is_inside_ = false;
};

// One rule "web" that covers kFrontPort.
config::Config web_config(const std::function<void(config::Rule&)>& change = [](auto&) {});

}  // namespace headgate::lab
