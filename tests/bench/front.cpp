// SPDX-License-Identifier: Apache-2.0
// What the front line costs a packet: BPF_PROG_TEST_RUN, in a namespace of its own.
//
//   bench_front [--rounds N] [--repeat N] [--json] XDP_FILTER_OBJECT
//
// XDP_FILTER_OBJECT: xdpfilt_alw_ip.o of Debian's libxdp1. What stands in one section is
// interleaved, and the medians are printed. "In turn": 20,000 clients one after the other, as the
// packets of a flood from many are; a client that comes again and again is remembered.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "flood.h"
#include "programs/packets.skel.h"
#include "tests/kernel/front_lab.h"
#include "tests/lab/process.h"
#include "tests/lab/raw_tcp.h"

namespace headgate::lab {
namespace {

using namespace frames;

constexpr std::uint32_t kClients = 20'000;
constexpr std::uint32_t kSizes[] = {1, 1000, 1'000'000};  // of the deny list, and of the account

struct Options {
  int rounds = 9;
  int repeat = 200'000;
  bool json = false;
  std::string xdp_filter;
};

struct ObjectDestroyer {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, ObjectDestroyer>;

struct SkeletonDestroyer {
  void operator()(packets_bpf* skeleton) const { packets_bpf__destroy(skeleton); }
};

Object load(const std::string& path) {
  Object object(bpf_object__open(path.c_str()));
  if (!object) throw std::runtime_error("cannot open " + path);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) bpf_map__set_pin_path(map, nullptr);
  if (bpf_object__load(object.get()) != 0) throw std::runtime_error("cannot load " + path);
  return object;
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
  const std::uint32_t mixed = i * 648053U % (1U << 20);  // odd: each comes once
  return numbered(static_cast<int>(mixed));
}

// Rows by section; each row has one figure for each round.
class Table {
 public:
  void begin(const std::string& section) { sections_.push_back({section, {}}); }
  void add(const std::string& name, const Repeated& run) {
    auto& rows = sections_.back().rows;
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
    if (row == rows.end()) row = rows.insert(rows.end(), {name, {}, 0});
    row->ns.push_back(run.ns);
    row->verdict = run.verdict;
  }
  void print() const {
    for (const Section& section : sections_) {
      std::cout << section.name << '\n';
      for (Row row : section.rows) {
        std::sort(row.ns.begin(), row.ns.end());
        std::printf("  %-36s %7.1f ns  (least %.1f)  verdict %u\n", row.name.c_str(),
                    row.ns[row.ns.size() / 2], row.ns.front(), row.verdict);
      }
    }
  }
  void print_json() const {
    nlohmann::json all = nlohmann::json::array();
    for (const Section& section : sections_) {
      for (const Row& row : section.rows) {
        all.push_back({{"section", section.name},
                       {"packet", row.name},
                       {"ns", row.ns},
                       {"verdict", row.verdict}});
      }
    }
    std::cout << all << std::endl;
  }

 private:
  struct Row {
    std::string name;
    std::vector<double> ns;
    std::uint32_t verdict = 0;
  };
  struct Section {
    std::string name;
    std::vector<Row> rows;
  };
  std::vector<Section> sections_;
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

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        programs_(packets_bpf__open_and_load()),
        filter_(load(options.xdp_filter)) {
    if (!programs_) throw std::runtime_error("cannot load the programs of this benchmark");
    deny_in_xdp_filter(filter_, kDenied);
  }

  const Table& run() {
    cookies();
    limits_and_denials();
    clients();
    return table_;
  }

 private:
  static constexpr char kDenied[] = "20.0.0.1";

  Repeated bare(const Bytes& frame, int repeat) const {
    return measure(bpf_program__fd(programs_->progs.bare), frame, repeat);
  }

  // What each section is compared with.
  void section(const std::string& name, const std::function<void()>& round) {
    table_.begin(name);
    for (int i = 0; i < options_.rounds; ++i) {
      table_.add("bare pass", bare(other_, options_.repeat));
      table_.add("xdp-filter, IP drop",
                 measure(bpf_program__fd(bpf_object__next_program(filter_.get(), nullptr)), denied_,
                         options_.repeat));
      round();
    }
  }

  void add(FrontLab& lab, const std::string& name, const Bytes& frame) {
    table_.add(name, lab.measure(frame, options_.repeat));
  }

  // Each of `frames` once, and the bare program on the same.
  void add_in_turn(FrontLab& lab, const std::string& name, const std::vector<Bytes>& frames) {
    lab.inside([&] {
      table_.add(name,
                 in_turn([&](const Bytes& frame) { return lab.measure_here(frame, 1); }, frames));
      table_.add("bare pass, in turn",
                 in_turn([&](const Bytes& frame) { return bare(frame, 1); }, frames));
    });
  }

  // A SYN that is answered is another frame afterwards: each is run once.
  void cookies() {
    FrontLab lab(
        web([](auto& rule) { rule.settings.handshake_timeout = std::chrono::minutes(5); }));
    const std::vector<Bytes> frames(kClients, other_);
    lab.limiter().set_syn_cookies(true);
    section("each run once", [&] { add_in_turn(lab, "SYN, admitted", frames); });
    forge_syns(lab, 100);
    section("each run once, the rule flooded",
            [&] { add_in_turn(lab, "SYN, admitted, no overflow", frames); });
    section("each run once, SYN cookies", [&] {
      lab.network().set_sysctl("net/ipv4/tcp_syncookies", "2");
      add_in_turn(lab, "SYN cookie, queue full", frames);
      lab.network().set_sysctl("net/ipv4/tcp_syncookies", "1");
      add_in_turn(lab, "SYN cookie, overflowed lately", frames);
    });
  }

  void limits_and_denials() {
    FrontLab lab(web());
    limits(lab);
    denials(lab);
  }

  void limits(FrontLab& lab) {
    section("no limits", [&] {
      add(lab, "established", established_);
      add(lab, "SYN, admitted", other_);
    });
    lab.change(web([](auto& rule) { rule.connections.per_client = 5; }));
    section("per_client", [&] {
      add(lab, "established", established_);
      add(lab, "SYN, admitted", other_);
    });
    lab.change(web([](auto& rule) { rule.connections.per_client = 0; }));
    section("over a limit", [&] { add(lab, "SYN, over a limit", other_); });
    lab.change(web());
  }

  void denials(FrontLab& lab) {
    lab.deny(kDenied);
    std::uint32_t there = 1;
    for (const std::uint32_t prefixes : kSizes) {
      std::vector<kernel::Denial> more;
      for (; there < prefixes; ++there) {
        more.push_back({must(Prefix::parse(scattered(there - 1))), HG_FOR_GOOD, ""});
      }
      must(lab.limiter().deny(more));
      const auto many = from_many(prefixes - 1);
      section(std::to_string(prefixes) + " denied", [&] {
        add(lab, "SYN, denied", denied_);
        add(lab, "SYN, admitted", other_);
        add(lab, "established", established_);
        if (!many.empty()) add_in_turn(lab, "SYN, denied, in turn", many);
      });
    }
    lab.deny(kDenied, true);
    section("1000000 denied, one of them hard",
            [&] { add(lab, "established, some denied hard", established_); });
  }

  void clients() {
    config::Config two = web([](auto& rule) { rule.connections.per_client = 2; });
    two.tables.clients = 1U << 20;
    FrontLab lab(two);
    std::uint32_t there = 0;
    for (const std::uint32_t clients : kSizes) {
      std::vector<IpAddress> more;
      for (; there < clients; ++there) more.push_back(address(scattered(there)));
      lab.add_clients(more);
      const auto many = from_many(clients);
      section(std::to_string(clients) + " clients", [&] {
        add(lab, "SYN, admitted, a new client", other_);
        add(lab, "established", established_);
        add_in_turn(lab, "SYN, admitted, connected clients in turn", many);
      });
    }
  }

  // SYNs from kClients of the first so many scattered addresses.
  static std::vector<Bytes> from_many(std::uint32_t addresses) {
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; addresses > 0 && i < kClients; ++i) {
      frames.push_back(
          packet(scattered(static_cast<std::uint32_t>(std::uint64_t{i} * addresses / kClients))));
    }
    return frames;
  }

  Options options_;
  std::unique_ptr<packets_bpf, SkeletonDestroyer> programs_;
  Object filter_;
  Table table_;
  Bytes denied_ = packet(kDenied);
  Bytes other_ = packet("10.9.9.9");
  Bytes established_ = packet("10.9.9.9", kAck);
};

}  // namespace
}  // namespace headgate::lab

int main(int argc, char** argv) {
  headgate::lab::Options options;
  CLI::App app{"What the front line costs a packet (scripts/bench packets)"};
  app.add_option("--rounds", options.rounds);
  app.add_option("--repeat", options.repeat, "runs of a frame in a round");
  app.add_flag("--json", options.json);
  app.add_option("xdp-filter", options.xdp_filter, "xdpfilt_alw_ip.o")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
    headgate::lab::Bench bench(options);
    const auto& table = bench.run();
    options.json ? table.print_json() : table.print();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_front: %s\n", error.what());
    return 1;
  }
  return 0;
}
