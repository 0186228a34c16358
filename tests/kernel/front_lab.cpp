// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/front_lab.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "daemon/kernel/cgroup.h"
#include "skeletons/front.skel.h"
#include "tests/lab/process.h"

namespace headgate::lab {
namespace {

constexpr std::uint32_t kInterface = 3;  // any number
constexpr std::size_t kLargestFrame = 3000;

#define LABEL(name, label, text) label,
constexpr const char* kVerdicts[] = {HG_FRONT_VERDICTS(LABEL)};
constexpr const char* kReasons[] = {"none", HG_REASONS(LABEL)};
#undef LABEL

std::shared_ptr<const policy::Policy> compiled(const config::Config& config) {
  return std::make_shared<const policy::Policy>(must(policy::compile(config, "front")));
}

void set_up(const NetworkNamespace& network) {
  for (const char* command : {"link set lo up", "addr add 10.0.0.1/32 dev lo",
                              "-6 addr add 2001:db8::1/128 dev lo nodad"}) {
    must_run({"sh", "-c", std::string("ip ") + command}, {.network = &network});
  }
}

// As tag_of() in bpf/account.h.
std::uint32_t tag_of(const hg_client_key& client) {
  std::uint32_t tag = std::uint32_t{client.rule} << 16 | client.incarnation << 8U | client.level;
  tag ^= client.netns * 0x85ebca6bU;
  for (const std::uint32_t word : client.address.word) {
    tag = (tag ^ word) * 0x9e3779b1U;
    tag ^= tag >> 15;
  }
  return tag;
}

}  // namespace

kernel::Limiter start_limiter(const NetworkNamespace& network, const PinDir& pins,
                              std::shared_ptr<const policy::Policy> policy,
                              const config::TableSizes& tables) {
  const auto netns = std::make_shared<const kernel::NetworkNamespace>(
      must(kernel::NetworkNamespace::open(network.path())));
  const auto cgroup = std::make_shared<const kernel::Cgroup>(must(kernel::open_cgroup("auto")));
  return must(kernel::Limiter::start(
      must(kernel::PinDirectory::open(pins.path())), {tables, 0, false, cgroup},
      {{network.path(), netns}}, [&policy](const policy::Numbers&) { return policy; },
      [](const policy::Policy&) { return std::vector<kernel::GroupCgroup>(); }));
}

config::Config web_config(const std::function<void(config::Rule&)>& change) {
  config::Config made;
  config::Rule rule;
  rule.name = "web";
  rule.listen.push_back(
      {std::nullopt, FrontLab::kFrontPort, FrontLab::kFrontPort, false, {}, {}, {}});
  change(rule);
  made.rules.push_back(std::move(rule));
  return made;
}

FrontLab::FrontLab(const config::Config& config)
    : network_("front"),
      policy_(compiled(config)),
      limiter_((set_up(network_), start_limiter(network_, pins_, policy_, config.tables))),
      cookie_(*limiter_.find_netns("")) {
  listener_ = network_.run([] {
    return listen_on({must(IpAddress::parse("::")), kFrontPort}, {.dual_stack = true});
  });
  hg_link link{1, {}, 0};
  std::copy(frames::kOurMac.begin(), frames::kOurMac.end(), link.mac);
  must(limiter_.set_links(kInterface, {{0, 0, link}, {100, 0, link}, {100, 200, link}}));
  must(limiter_.set_addresses(
      cookie_, {must(IpAddress::parse("10.0.0.1")), must(IpAddress::parse("2001:db8::1"))}));
  front_ = must(limiter_.open_front(cookie_, kInterface));
  must(kernel::load_front(*front_));
}

int front_fd(const kernel::FrontProgram& front) {
  return bpf_program__fd(front->progs.headgate_front);
}

void FrontLab::change(const config::Config& config) {
  if (!try_change(config)) throw std::runtime_error("that is no valid policy");
}

bool FrontLab::try_change(const config::Config& config) {
  auto made = policy::compile(config, "front", policy_->numbers);
  if (!made) return false;
  policy_ = std::make_shared<const policy::Policy>(*std::move(made));
  must(limiter_.change(policy_));
  return true;
}

void FrontLab::add_clients(const std::vector<IpAddress>& clients) {
  const int map = bpf_map__fd(front_->maps.clients);
  hg_client_key key{};
  key.rule = policy_->numbers.rules.at("web");
  key.level = HG_LEVEL_CLIENT;
  for (const IpAddress& client : clients) {
    std::memcpy(&key.address, client.bytes().data(), sizeof(key.address));
    const hg_client entry{std::uint64_t{tag_of(key)} << 32 | 1};
    if (bpf_map_update_elem(map, &key, &entry, BPF_NOEXIST) != 0) {
      throw std::runtime_error("cannot add a client");
    }
  }
}

void FrontLab::open_udp() {
  udp_socket_ = network_.run([] {
    UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress any = to_socket_address({must(IpAddress::parse("::")), kFrontPort});
    if (::bind(socket.get(), any.get(), any.length) != 0) throw std::runtime_error("bind UDP");
    return socket;
  });
}

void FrontLab::deny(const std::string& cidr, bool is_hard) {
  must(limiter_.deny({{must(Prefix::parse(cidr)), HG_FOR_GOOD, "", is_hard}}));
  limiter_.set_any_denied(true, is_hard);
}

Outcome run_front(const kernel::FrontProgram& front, std::uint32_t device,
                  const frames::Bytes& frame, int repeat, std::uint32_t* ns) {
  Outcome outcome;
  outcome.frame.resize(kLargestFrame);
  xdp_md context{};
  context.data_end = static_cast<std::uint32_t>(frame.size());
  context.ingress_ifindex = device;
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.data_out = outcome.frame.data();
  options.data_size_out = kLargestFrame;
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = repeat;
  if (bpf_prog_test_run_opts(front_fd(front), &options) != 0) {
    throw std::runtime_error("BPF_PROG_TEST_RUN: errno " + std::to_string(errno));
  }
  outcome.verdict = options.retval;
  outcome.frame.resize(options.data_size_out);
  if (ns != nullptr) *ns = options.duration;
  return outcome;
}

Outcome FrontLab::run_here(const frames::Bytes& frame, int repeat, std::uint32_t* ns) const {
  return run_front(front_, 1, frame, repeat, ns);
}

Outcome FrontLab::run(const frames::Bytes& frame) {
  if (is_inside_) return run_here(frame, 1, nullptr);
  return network_.run([&] { return run_here(frame, 1, nullptr); });
}

Repeated FrontLab::measure(const frames::Bytes& frame, int repeat) {
  return network_.run([&] { return measure_here(frame, repeat); });
}

Repeated FrontLab::measure_here(const frames::Bytes& frame, int repeat) const {
  std::uint32_t ns = 0;
  const Outcome outcome = run_here(frame, repeat, &ns);
  return {static_cast<double>(ns), outcome.verdict};
}

void FrontLab::inside(const std::function<void()>& work) {
  network_.run([&] {
    is_inside_ = true;
    work();
    is_inside_ = false;
  });
}

FrontCounts difference(const hg_front_stats& now, const hg_front_stats& before) {
  FrontCounts packets;
  for (std::size_t verdict = 0; verdict < HG_FRONT_VERDICT_END; ++verdict) {
    for (std::size_t reason = 0; reason < HG_REASON_END; ++reason) {
      const auto more = now.packets[verdict][reason] - before.packets[verdict][reason];
      if (more == 0) continue;
      packets[std::string(kVerdicts[verdict]) + " " + kReasons[reason]] = more;
    }
  }
  return packets;
}

FrontCounts FrontLab::counted() {
  const hg_front_stats now = must(limiter_.front_counts(kInterface));
  return difference(now, std::exchange(last_, now));
}

}  // namespace headgate::lab
