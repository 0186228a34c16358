// SPDX-License-Identifier: Apache-2.0
// What the front line costs a packet: BPF_PROG_TEST_RUN, in a namespace of its own.
//
//   bench_front BARE_OBJECT [XDP_FILTER_OBJECT]
//
// BARE_OBJECT: a program that only passes. XDP_FILTER_OBJECT: xdpfilt_alw_ip.o of Debian's
// libxdp1. Everything is interleaved, the medians are printed. "In turn": 20,000 clients one after
// the other, as the packets of a flood from many are; a client that comes again and again is
// remembered.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>

#include "tests/kernel/front_lab.h"
#include "tests/lab/process.h"
#include "tests/lab/raw_tcp.h"

namespace headgate::lab {
namespace {

using namespace frames;

constexpr int kRounds = 9;
constexpr int kRepeat = 200'000;
constexpr int kClients = 20'000;

struct ObjectDestroyer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, ObjectDestroyer>;

Object load(const char* path) {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  Object object(bpf_object__open(path));
  if (!object) throw std::runtime_error(std::string("cannot open ") + path);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) bpf_map__set_pin_path(map, nullptr);
  if (bpf_object__load(object.get()) != 0)
    throw std::runtime_error(std::string("cannot load ") + path);
  return object;
}

int program_of(const Object& object) {
  return bpf_program__fd(bpf_object__next_program(object.get(), nullptr));
}

Repeated measure(int program, const Bytes& frame, int repeat) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.repeat = repeat;
  if (bpf_prog_test_run_opts(program, &options) != 0) throw std::runtime_error("test run");
  return {static_cast<double>(options.duration), options.retval};
}

// What `ip link set xdp-filter` would deny: this IPv4 source.
void deny_in_xdp_filter(const Object& object, const std::string& client) {
  constexpr std::uint64_t kDenySource = 1;
  bpf_map* const map = bpf_object__find_map_by_name(object.get(), "filter_ipv4");
  const IpAddress address = must(IpAddress::parse(client));
  std::vector<std::uint64_t> flags(static_cast<std::size_t>(libbpf_num_possible_cpus()),
                                   kDenySource);
  if (map == nullptr || bpf_map_update_elem(bpf_map__fd(map), address.bytes().data() + 12,
                                            flags.data(), BPF_ANY) != 0) {
    throw std::runtime_error("xdp-filter's map is not as it was");
  }
}

std::string numbered(int i) {
  return "20." + std::to_string(i / 65536 % 256) + "." + std::to_string(i / 256 % 256) + "." +
         std::to_string(i % 256);
}

Bytes packet(const std::string& from, std::uint8_t flags = kSyn) {
  return ethernet(ipv4(from, "10.0.0.1", tcp({.flags = flags})));
}

// The i-th of 2^20 addresses that are far apart for who searches by prefix.
std::string scattered(std::uint32_t i) {
  const std::uint32_t mixed = i * 2654435761U >> 12;
  return numbered(static_cast<int>(mixed));
}

class Table {
 public:
  void add(const std::string& name, const Repeated& run) {
    auto& row = rows_[name];
    if (row.empty()) order_.push_back(name);
    row.push_back(run.ns);
    verdicts_[name] = run.verdict;
  }
  void print() {
    for (const std::string& name : order_) {
      auto& row = rows_[name];
      std::sort(row.begin(), row.end());
      std::printf("%-44s %7.1f ns  (least %.1f)  verdict %u\n", name.c_str(), row[row.size() / 2],
                  row.front(), verdicts_[name]);
    }
  }

 private:
  std::map<std::string, std::vector<double>> rows_;
  std::map<std::string, std::uint32_t> verdicts_;
  std::vector<std::string> order_;
};

config::Config web(const std::function<void(config::Rule&)>& change = [](auto&) {}) {
  return web_config([&change](config::Rule& rule) {
    rule.settings.on_limit = config::OnLimit::kDrop;
    change(rule);
  });
}

Repeated in_turn(const std::function<Repeated(const Bytes&)>& run,
                 const std::vector<Bytes>& frames) {
  double sum = 0;
  std::uint32_t verdict = 0;
  for (const Bytes& frame : frames) {
    const Repeated one = run(frame);
    sum += one.ns;
    verdict = one.verdict;
  }
  return {sum / static_cast<double>(frames.size()), verdict};
}

// Half-open connections of the rule, from clients that will never answer.
void forge_syns(const FrontLab& lab, int count) {
  must_run({"ip", "route", "add", "198.18.0.0/15", "dev", "lo"}, {.network = &lab.network()});
  lab.network().run([&] {
    const UniqueFd sender(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    const Endpoint to{address("10.0.0.1"), FrontLab::kFrontPort};
    const SocketAddress destination = to_socket_address({to.address, 0});
    for (int i = 0; i < count; ++i) {
      const auto port = static_cast<std::uint16_t>(1024 + i);
      const auto packet = to_packet({{address("198.18.0.1"), port}, to, 0, 0, {.syn = true}});
      if (::sendto(sender.get(), packet.data(), packet.size(), 0, destination.get(),
                   destination.length) < 0) {
        throw std::runtime_error("cannot forge a SYN");
      }
    }
  });
}

// A SYN that is answered is another frame afterwards: each is run once, as is the bare program.
void measure_cookies(Table& table, const Object& bare) {
  FrontLab lab(web([](auto& rule) { rule.settings.handshake_timeout = std::chrono::minutes(5); }));
  const std::vector<Bytes> frames(kClients, packet("10.9.9.9"));
  const auto add = [&](const std::string& name) {
    lab.inside([&] {
      table.add(name,
                in_turn([&](const Bytes& frame) { return lab.measure_here(frame, 1); }, frames));
    });
  };
  lab.limiter().set_syn_cookies(true);
  for (int round = 0; round < kRounds; ++round) {
    table.add(
        "bare, once each",
        in_turn([&](const Bytes& frame) { return measure(program_of(bare), frame, 1); }, frames));
    add("SYN, admitted, once each");
  }
  forge_syns(lab, 100);
  for (int round = 0; round < kRounds; ++round) add("SYN, flooded, no overflow, once each");
  for (int round = 0; round < kRounds; ++round) {
    lab.network().set_sysctl("net/ipv4/tcp_syncookies", "2");
    add("SYN cookie, queue full, once each");
    lab.network().set_sysctl("net/ipv4/tcp_syncookies", "1");
    add("SYN cookie, overflowed lately, once each");
  }
}

int run(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_front BARE_OBJECT [XDP_FILTER_OBJECT]\n");
    return 2;
  }
  const Object bare = load(argv[1]);
  const Object filter = argc > 2 ? load(argv[2]) : nullptr;
  Table table;
  measure_cookies(table, bare);
  FrontLab lab(web());
  const Bytes denied = packet("20.0.0.1");
  const Bytes other = packet("10.9.9.9");
  if (filter) deny_in_xdp_filter(filter, "20.0.0.1");

  const auto common = [&](const std::string& with) {
    table.add("bare", measure(program_of(bare), other, kRepeat));
    if (filter) table.add("xdp-filter, IP drop", measure(program_of(filter), denied, kRepeat));
    table.add("established" + with, lab.measure(packet("10.9.9.9", kAck), kRepeat));
    table.add("SYN, admitted" + with, lab.measure(other, kRepeat));
  };
  for (int round = 0; round < kRounds; ++round) common("");
  lab.change(web([](auto& rule) { rule.connections.per_client = 5; }));
  for (int round = 0; round < kRounds; ++round) common(", per_client");
  lab.change(web([](auto& rule) { rule.connections.per_client = 0; }));
  for (int round = 0; round < kRounds; ++round) {
    table.add("SYN, over a limit", lab.measure(other, kRepeat));
  }
  lab.change(web());
  lab.deny("20.0.0.1");
  std::uint32_t there = 0;
  for (const std::uint32_t prefixes : {1U, 1000U, 1'000'000U}) {
    std::vector<kernel::Denial> more;
    for (; there < prefixes - 1; ++there) {
      more.push_back({must(Prefix::parse(scattered(there))), HG_FOR_GOOD, ""});
    }
    must(lab.limiter().deny(more));
    const std::string with = ", " + std::to_string(prefixes) + " denied";
    std::vector<Bytes> many;
    for (std::uint32_t i = 0; prefixes > 1 && i < kClients; ++i) {
      many.push_back(packet(
          scattered(static_cast<std::uint32_t>(std::uint64_t{i} * (prefixes - 1) / kClients))));
    }
    for (int round = 0; round < kRounds; ++round) {
      table.add("SYN, denied" + with, lab.measure(denied, kRepeat));
      table.add("SYN, admitted" + with, lab.measure(other, kRepeat));
      if (many.empty() || round >= 3) continue;
      lab.inside([&] {
        table.add("SYN, denied in turn" + with,
                  in_turn([&](const Bytes& frame) { return lab.measure_here(frame, 1); }, many));
        table.add(
            "bare, in turn" + with,
            in_turn([&](const Bytes& frame) { return measure(program_of(bare), frame, 1); }, many));
      });
    }
  }
  lab.deny("20.0.0.1", true);
  for (int round = 0; round < kRounds; ++round) {
    table.add("established, 1,000,000 denied, some hard",
              lab.measure(packet("10.9.9.9", kAck), kRepeat));
  }
  table.print();
  return 0;
}

}  // namespace
}  // namespace headgate::lab

int main(int argc, char** argv) {
  try {
    return headgate::lab::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_front: %s\n", error.what());
    return 1;
  }
}
