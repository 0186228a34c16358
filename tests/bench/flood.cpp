// SPDX-License-Identifier: Apache-2.0
//
// The flood of `scripts/bench packets`: SYNs as fast as the kernel can, from a device of the
// namespace that this runs in. They are made by an XDP program and sent as XDP frames
// (BPF_F_TEST_XDP_LIVE_FRAMES), so a veth at the other end meets them as a driver meets what its
// network card has received: before there is a socket buffer. What comes back is swallowed.
//
// The receiver works in a thread of its own (threaded NAPI), on another processor: so its time is
// told from the sender's, and from what other processes take meanwhile.
#include "flood.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sched.h>
#include <system_error>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "programs/packets.skel.h"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int kBatch = 64;        // as NAPI's
constexpr int kRepeat = 400'000;  // the kernel sleeps for some 20 ms before and after

struct Options {
  std::string device = "eth0";
  std::string target;
  std::string target_mac;
  std::uint16_t port = 8000;
  std::string first_source;
  double seconds = 0.5;
  int cpu = 0;
  int receiver = 0;
};

struct SkeletonDestroyer {
  void operator()(packets_bpf* skeleton) const { packets_bpf__destroy(skeleton); }
};
struct LinkDestroyer {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Skeleton = std::unique_ptr<packets_bpf, SkeletonDestroyer>;
using Link = std::unique_ptr<bpf_link, LinkDestroyer>;

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::uint32_t address_of(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) {
    throw std::runtime_error("'" + text + "' is not an IPv4 address");
  }
  return address.s_addr;
}

void copy_mac(unsigned char* to, const std::string& text) {
  const ether_addr* const mac = ether_aton(text.c_str());
  if (mac == nullptr) throw std::runtime_error("'" + text + "' is not an Ethernet address");
  std::memcpy(to, mac->ether_addr_octet, ETH_ALEN);
}

// Of 16-bit words, for checksums: not folded.
std::uint32_t sum_of(const void* data, std::size_t size) {
  const auto* const bytes = static_cast<const std::uint8_t*>(data);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  return sum;
}

flood_settings settings_of(const Options& options) {
  flood_settings made{};
  flood_frame& frame = made.frame;
  copy_mac(frame.ethernet.h_dest, options.target_mac);
  frame.ethernet.h_source[0] = 0x02;
  frame.ethernet.h_proto = htons(ETH_P_IP);
  frame.ip.version = 4;
  frame.ip.ihl = sizeof(frame.ip) / 4;
  frame.ip.tot_len = htons(sizeof(frame.ip) + sizeof(frame.tcp));
  frame.ip.ttl = 64;
  frame.ip.protocol = IPPROTO_TCP;
  frame.ip.daddr = address_of(options.target);
  frame.tcp.dest = htons(options.port);
  frame.tcp.seq = htonl(1);
  frame.tcp.doff = sizeof(frame.tcp) / 4;
  frame.tcp.syn = 1;
  frame.tcp.window = htons(64240);
  made.first_source = ntohl(address_of(options.first_source));
  made.ip_sum = sum_of(&frame.ip, sizeof(frame.ip));
  made.tcp_sum = sum_of(&frame.tcp, sizeof(frame.tcp)) + sum_of(&frame.ip.daddr, 4) + IPPROTO_TCP +
                 sizeof(frame.tcp);
  made.device = if_nametoindex(options.device.c_str());
  if (made.device == 0) throw_errno("device " + options.device);
  return made;
}

Skeleton load(const Options& options) {
  Skeleton skeleton(packets_bpf__open());
  if (!skeleton) throw_errno("cannot open the programs");
  if (packets_bpf__load(skeleton.get()) != 0) throw_errno("cannot load the programs");
  skeleton->bss->settings = settings_of(options);
  return skeleton;
}

void pin_to_cpu(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) throw_errno("cannot run on that CPU");
}

// --- whose time it was ---------------------------------------------------------------------------

// Nanoseconds that a thread of the kernel has run.
std::uint64_t ran(int thread) {
  std::uint64_t nanoseconds = 0;
  std::ifstream("/proc/" + std::to_string(thread) + "/schedstat") >> nanoseconds;
  return nanoseconds;
}

// Until it has done all that there was to do: /proc is exact then.
std::uint64_t ran_to_the_end(int thread) {
  std::uint64_t before = 0;
  for (auto now = ran(thread); now != before; now = ran(thread)) {
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return before;
}

void send_some(int program) {
  std::array<std::uint8_t, sizeof(flood_frame)> frame{};
  bpf_test_run_opts run{};
  run.sz = sizeof(run);
  run.data_in = frame.data();
  run.data_size_in = frame.size();
  run.repeat = kRepeat;
  run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  run.batch_size = kBatch;
  if (bpf_prog_test_run_opts(program, &run) != 0) throw_errno("BPF_PROG_TEST_RUN, live frames");
}

void flood(const Options& options) {
  pin_to_cpu(options.cpu);
  const Skeleton skeleton = load(options);
  const auto device = static_cast<int>(skeleton->bss->settings.device);
  const Link swallow(bpf_program__attach_xdp(skeleton->progs.swallow, device));
  if (!swallow) throw_errno("cannot attach to " + options.device);
  const int program = bpf_program__fd(skeleton->progs.flood);
  send_some(program);  // caches, and pages of its own
  std::cout << nlohmann::json{{"ready", true}} << std::endl;

  for (std::string line; std::getline(std::cin, line);) {
    skeleton->data->sources = static_cast<std::uint32_t>(std::stoul(line));
    const std::uint32_t sent = skeleton->bss->sent;
    const std::uint32_t answers = skeleton->bss->answers;
    const std::uint64_t received = ran_to_the_end(options.receiver);
    const auto start = Clock::now();
    while (Clock::now() - start < Seconds(options.seconds)) send_some(program);
    const Seconds sending = Clock::now() - start;
    const std::uint64_t receiver_ran = ran_to_the_end(options.receiver) - received;
    std::cout << nlohmann::json{{"sent", skeleton->bss->sent - sent},
                                {"answers", skeleton->bss->answers - answers},
                                {"seconds", sending.count()},
                                {"receiver_seconds", static_cast<double>(receiver_ran) / 1e9}}
              << std::endl;
  }
}

// Drops all that arrives, until stdin ends.
void drop_all(const Options& options) {
  Options any = options;
  any.target = any.first_source = "0.0.0.0";
  any.target_mac = "00:00:00:00:00:00";
  const Skeleton skeleton = load(any);
  const Link link(bpf_program__attach_xdp(skeleton->progs.drop,
                                          static_cast<int>(skeleton->bss->settings.device)));
  if (!link) throw_errno("cannot attach to " + options.device);
  std::cout << nlohmann::json{{"ready", true}} << std::endl;
  std::array<char, 64> ignored{};
  while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) continue;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Load for the packet benchmark (scripts/bench packets)"};
  app.require_subcommand(1);
  app.add_option("--device", options.device);
  auto* send = app.add_subcommand(
      "send", "SYNs, for some seconds after each line on stdin: from so many sources");
  send->add_option("--target", options.target, "the server's address")->required();
  send->add_option("--target-mac", options.target_mac)->required();
  send->add_option("--port", options.port);
  send->add_option("--first-source", options.first_source)->required();
  send->add_option("--seconds", options.seconds);
  send->add_option("--cpu", options.cpu);
  send->add_option("--receiver", options.receiver, "pid of its thread")->required();
  auto* drop = app.add_subcommand("drop", "drop all that arrives, by XDP");
  CLI11_PARSE(app, argc, argv);
  try {
    if (*send) flood(options);
    if (*drop) drop_all(options);
  } catch (const std::exception& problem) {
    std::cerr << "bench_flood: " << problem.what() << '\n';
    return 1;
  }
  return 0;
}
