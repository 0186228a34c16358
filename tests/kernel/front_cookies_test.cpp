// SPDX-License-Identifier: Apache-2.0
// The front line's SYN cookies: which SYNs it answers, frame by frame, and that the kernel believes
// the cookies, on a real device under a real flood.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "tests/frames/describe.h"
#include "tests/kernel/front_lab.h"
#include "tests/lab/error.h"
#include "tests/lab/process.h"
#include "tests/lab/raw_tcp.h"
#include "tests/lab/socket_diag.h"
#include "tests/lab/topology.h"
#include "tests/lab/wait.h"

namespace headgate::lab {
namespace {

using namespace frames;
using namespace std::chrono_literals;

constexpr std::uint32_t kInterface = 5;  // any number
constexpr std::uint16_t kWeb = FrontLab::kFrontPort;
constexpr int kBacklog = 128;
constexpr int kOverflow = kBacklog + 2;  // newer kernels let one more in than older ones
constexpr int kThreshold = 64;
const char* const kClient = "10.9.9.9";
const char* const kServer = "10.0.0.1";
const char* const kClient6 = "2001:db8::9";
const char* const kServer6 = "2001:db8::1";

Bytes syn(const TcpFields& fields = {}) {
  return ethernet(ipv4(kClient, kServer, tcp(fields)));
}
Bytes syn6(const TcpFields& fields = {}) {
  return ethernet(ipv6(kClient6, kServer6, tcp(fields)));
}

// Lets every packet pass: a veth device sends back what XDP answers only if its peer has XDP, too.
UniqueFd pass_all() {
  const bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  return UniqueFd(check(bpf_prog_load(BPF_PROG_TYPE_XDP, "pass_all", "GPL", program, 2, nullptr),
                        "load an XDP program"));
}

std::uint32_t index_of(const NetworkNamespace& network, const std::string& device) {
  return network.run([&] { return if_nametoindex(device.c_str()); });
}

// A program on a device, as long as this lives.
class Attached {
 public:
  Attached(const NetworkNamespace& network, const std::string& device, int program,
           std::uint32_t mode)
      : network_(network), index_(index_of(network, device)), mode_(mode) {
    const int error = network_.run(
        [&] { return bpf_xdp_attach(static_cast<int>(index_), program, mode_, nullptr); });
    if (error != 0) throw LabError("cannot attach XDP: errno " + std::to_string(-error));
  }
  ~Attached() {
    network_.run([&] { return bpf_xdp_detach(static_cast<int>(index_), mode_, nullptr); });
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  const NetworkNamespace& network_;
  std::uint32_t index_;
  std::uint32_t mode_;
};

// A server with a limiter and the front line's program for its device towards client 0, loaded but
// not attached. The device has frames::kOurMac; VLANs 100 and 100.200 reach it, too.
class FloodedServer {
 public:
  explicit FloodedServer(const config::Config& config = web_config(), int listeners = 1)
      : lab_({.clients = 1}),
        policy_(std::make_shared<const policy::Policy>(must(policy::compile(config, "cookies")))),
        limiter_(start_limiter(network(), pins_, policy_)),
        diag_(network()),
        attacker_(lab_.client(0)) {
    must_run({"ip", "link", "set", "c0", "address", "02:00:00:00:00:01"}, {.network = &network()});
    network().set_sysctl("net/ipv4/tcp_synack_retries", "0");  // a request lives for a second
    for (int i = 0; i < listeners; ++i) {
      listeners_.push_back(
          lab_.server().listen({must(IpAddress::parse("::")), kWeb},
                               {.backlog = kBacklog, .dual_stack = true, .reuse_port = true}));
    }
    device_ = index_of(network(), "c0");
    set_link_flags(0);
    front_ = must(limiter_.open_front(*limiter_.find_netns(""), kInterface));
    must(kernel::load_front(*front_));
    limiter_.set_syn_cookies(true);
  }

  const Lab& lab() const { return lab_; }
  const NetworkNamespace& network() const { return lab_.server().network(); }
  kernel::Limiter& limiter() { return limiter_; }
  int program() const { return front_fd(front_); }
  const UniqueFd& listener(std::size_t index) const { return listeners_.at(index); }

  void set_link_flags(std::uint16_t flags) {
    hg_link link{device_, {}, flags};
    std::copy(kOurMac.begin(), kOurMac.end(), link.mac);
    must(limiter_.set_links(kInterface, {{0, 0, link}, {100, 0, link}, {100, 200, link}}));
    must(limiter_.set_addresses(*limiter_.find_netns(""), {must(IpAddress::parse(kServer)),
                                                           must(IpAddress::parse(kServer6))}));
  }

  // Sends that many forged SYNs, from as many clients, by the kernel's own way.
  void forge(int count) {
    for (int i = 0; i < count; ++i, ++forged_) {
      attacker_.send_syn({address("198.18." + std::to_string(forged_ / 250 % 250) + "." +
                                  std::to_string(1 + forged_ % 250)),
                          static_cast<std::uint16_t>(1024 + forged_ % 60000)},
                         {address(kServer), kWeb});
    }
  }
  std::size_t half_open() const { return diag_.count({.local_port = kWeb, .states = kHalfOpen}); }
  std::size_t established() const { return diag_.count({.local_port = kWeb}); }

  std::string outcome(const Bytes& frame) {
    const Outcome done = network().run([&] { return run_front(front_, device_, frame); });
    if (done.verdict == XDP_PASS) return done.frame == frame ? "pass" : "pass, changed";
    if (done.verdict != XDP_TX) return "verdict " + std::to_string(done.verdict);
    return done.frame.size() == frame.size() ? describe(done.frame) : "another length";
  }
  FrontCounts counted() {
    const hg_front_stats now = must(limiter_.front_counts(kInterface));
    return difference(now, std::exchange(last_, now));
  }
  // One of the counters that the kernel keeps of TCP, as in "SyncookiesRecv".
  std::uint64_t kernel_counter(const std::string& name) const {
    return network().run([&] {
      std::ifstream file("/proc/thread-self/net/netstat");
      std::string names, values;
      while (std::getline(file, names) && std::getline(file, values)) {
        std::istringstream name_words(names), value_words(values);
        std::string name_word, value_word;
        while (name_words >> name_word && value_words >> value_word) {
          if (name_word == name) return std::stoull(value_word);
        }
      }
      throw LabError("the kernel counts no " + name);
    });
  }

 private:
  Lab lab_;
  PinDir pins_;
  std::shared_ptr<const policy::Policy> policy_;
  kernel::Limiter limiter_;
  SocketDiag diag_;
  RawClient attacker_;
  int forged_ = 0;
  std::vector<UniqueFd> listeners_;
  std::uint32_t device_ = 0;
  kernel::FrontProgram front_;
  hg_front_stats last_{};
};

const std::string kMacs = "02:00:00:00:00:01 > 02:00:00:00:00:02";

// A SYN-ACK's description without its cookie, which nobody can foretell.
std::string without_cookie(std::string text) {
  const std::string begin = " sequence ";
  const auto at = text.find(begin);
  if (at == std::string::npos) return text;
  const auto end = text.find(' ', at + begin.size());
  return text.erase(at, end - at);
}
std::string syn_ack4(const std::string& mss = " mss 1460", const std::string& vlan = "") {
  return kMacs + vlan +
         ": 10.0.0.1:8000 > 10.9.9.9:40000 SYN ACK acknowledgement 1001 window 14600 ttl 64 DF" +
         mss + " data 0";
}
std::string syn_ack6(const std::string& mss = " mss 1440", const std::string& vlan = "") {
  return kMacs + vlan +
         ": 2001:db8::1:8000 > 2001:db8::9:40000 SYN ACK acknowledgement 1001 window 14600 ttl "
         "64" +
         mss + " data 0";
}

// --- frame by frame -----------------------------------------------------------------------------

TEST(FrontCookies, AnswerOnlyWhenTheQueueHasOverflowed) {
  FloodedServer server;
  EXPECT_EQ(server.outcome(syn()), "pass") << "no flood";
  server.forge(kThreshold - 1);
  EXPECT_EQ(server.outcome(syn()), "pass") << "below the threshold";
  server.forge(1);
  EXPECT_EQ(server.outcome(syn()), "pass") << "the queue has room";
  server.forge(kOverflow - kThreshold);
  EXPECT_EQ(without_cookie(server.outcome(syn())), syn_ack4()) << "the queue is full";
  EXPECT_EQ(without_cookie(server.outcome(syn6())), syn_ack6());
  EXPECT_EQ(server.counted(), (FrontCounts{{"pass none", 3}, {"cookie none", 2}}));

  ASSERT_TRUE(eventually(5s, [&] { return server.half_open() == 0; }));
  EXPECT_EQ(without_cookie(server.outcome(syn())), syn_ack4()) << "it has overflowed lately";
  EXPECT_EQ(without_cookie(server.outcome(syn6())), syn_ack6());
  server.limiter().set_syn_cookies(false);
  EXPECT_EQ(server.outcome(syn()), "pass");
}

TEST(FrontCookies, NeverAnswerIfTheKernelHasNone) {
  FloodedServer server;
  server.forge(kOverflow);
  ASSERT_NE(server.outcome(syn()), "pass");
  server.network().set_sysctl("net/ipv4/tcp_syncookies", "0");
  EXPECT_EQ(server.outcome(syn()), "pass") << "the queue is full";
  ASSERT_TRUE(eventually(5s, [&] { return server.half_open() == 0; }));
  EXPECT_EQ(server.outcome(syn()), "pass") << "it has overflowed lately";
  EXPECT_EQ(server.outcome(syn6()), "pass");
  server.network().set_sysctl("net/ipv4/tcp_syncookies", "1");
  EXPECT_NE(server.outcome(syn()), "pass");
}

TEST(FrontCookies, NeverAnswerIfNothingCanBeAccepted) {
  FloodedServer server;
  server.forge(kOverflow);
  ASSERT_NE(server.outcome(syn()), "pass");
  ASSERT_TRUE(eventually(5s, [&] { return server.half_open() == 0; }));
  std::vector<UniqueFd> held;
  for (int i = 0; i < kBacklog; ++i) {
    held.push_back(server.lab().client(0).connect({address(kServer), kWeb}).socket);
  }
  EXPECT_NE(server.outcome(syn()), "pass") << "there is room for one";
  held.push_back(server.lab().client(0).connect({address(kServer), kWeb}).socket);
  ASSERT_EQ(server.established(), static_cast<std::size_t>(kBacklog) + 1);
  EXPECT_EQ(server.outcome(syn()), "pass");
}

TEST(FrontCookies, AnswerWhatTheyCan) {
  FloodedServer server;
  server.forge(kOverflow);
  const Packet four = ipv4(kClient, kServer, tcp());
  const Packet six = ipv6(kClient6, kServer6, tcp());
  struct Case {
    std::string name;
    Bytes frame;
    std::string outcome;
  };
  const std::vector<Case> cases = {
      {"a VLAN", ethernet(four, {{100}}), syn_ack4(" mss 1460", " vlan 100")},
      {"QinQ", ethernet(four, {{100, 0x88a8}, {200}}),
       syn_ack4(" mss 1460", " service vlan 100 vlan 200")},
      {"QinQ of IPv6", ethernet(six, {{100, 0x88a8}, {200}}),
       syn_ack6(" mss 1440", " service vlan 100 vlan 200")},
      {"no options", syn({.options = 0}), syn_ack4("")},
      {"no options, IPv6", syn6({.options = 0}), syn_ack6("")},
      {"padding", padded(syn({.options = 0}), 60), syn_ack4()},
      {"all the options that there can be", syn({.options = 40}), syn_ack4()},
      {"data", syn({.data = 100}), syn_ack4()},
      {"Fast Open", syn({.first_options = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8}, .data = 100}),
       syn_ack4()},
      {"IPv4 options", ethernet(ipv4(kClient, kServer, tcp(), {.options = 40})), syn_ack4()},
      {"extension headers", ethernet(ipv6(kClient6, kServer6, hop_by_hop(routing(tcp(), 0)))),
       syn_ack6()},
      {"MD5", syn({.first_options = {19, 18}}), "pass"},
      {"TCP-AO", syn6({.first_options = {29, 16}}), "pass"},
      {"a fragment", ethernet(ipv4(kClient, kServer, tcp(), {.fragment = 0x2000})), "pass"},
      {"authenticated", ethernet(ipv6(kClient6, kServer6, authentication(tcp()))), "pass"},
      {"another VLAN", ethernet(four, {{300}}), "pass"},
      {"a bridge's", ethernet(four, {}, {0x02, 0, 0, 0, 0, 0x77}), "pass"},
      {"a port without a rule", syn({.to = kWeb + 1}), "pass"},
      {"an ACK", syn({.flags = kAck}), "pass"},
  };
  // Twice: the second time what the first one has found is remembered.
  for (int time = 1; time <= 2; ++time) {
    for (const Case& one : cases) {
      EXPECT_EQ(without_cookie(server.outcome(one.frame)), one.outcome)
          << one.name << ", time " << time;
    }
  }
  must_run({"ip", "link", "set", "c0", "mtu", "1400"}, {.network = &server.network()});
  EXPECT_TRUE(eventually(
      5s, [&] { return without_cookie(server.outcome(syn())) == syn_ack4(" mss 1360"); }, 100ms));
  server.set_link_flags(HG_LINK_HIDES_TAGS);
  EXPECT_TRUE(eventually(
      5s, [&] { return server.outcome(syn()) == "pass"; }, 100ms));
}

// --- with the kernel ----------------------------------------------------------------------------

void send_all(const UniqueFd& socket, std::size_t bytes) {
  const std::string chunk(16384, 'x');
  while (bytes > 0) {
    const auto sent = ::send(socket.get(), chunk.data(), std::min(bytes, chunk.size()), 0);
    if (sent < 0) throw LabError("send: errno " + std::to_string(errno));
    bytes -= static_cast<std::size_t>(sent);
  }
}

// How many bytes come in before the peer closes, or nothing comes for five seconds.
std::size_t receive_all(const UniqueFd& socket, std::size_t bytes) {
  std::string chunk(65536, '\0');
  std::size_t received = 0;
  while (received < bytes) {
    pollfd wanted{socket.get(), POLLIN, 0};
    if (::poll(&wanted, 1, 5000) != 1) break;
    const auto got = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (got <= 0) break;
    received += static_cast<std::size_t>(got);
  }
  return received;
}

void make_blocking(const UniqueFd& socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  check(::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK), "fcntl");
}

// Does all of it arrive, both ways?
bool exchange(const UniqueFd& one, const UniqueFd& other, std::size_t bytes) {
  for (const auto& [from, to] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    make_blocking(*from);
    std::thread sender([from = from, bytes] { send_all(*from, bytes); });
    const std::size_t received = receive_all(*to, bytes);
    if (received != bytes) ::shutdown(from->get(), SHUT_RDWR);
    sender.join();
    if (received != bytes) return false;
  }
  return true;
}

// A flood, as long as this lives; each SYN is another client's.
class Flood {
 public:
  explicit Flood(const Lab& lab)
      : thread_([this, &lab] {
          for (int i = 0; !is_over_; ++i) {
            const std::string network = "198.18." + std::to_string(i % 250);
            flood_syns(lab.client(0), {address(kServer), kWeb}, address(network + ".1"), 250, 4000,
                       200ms);
          }
        }) {}
  ~Flood() {
    is_over_ = true;
    thread_.join();
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

 private:
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

struct Setting {
  std::string name;
  std::uint32_t mode;
  int listeners;
};
class FrontCookiesOnADevice : public testing::TestWithParam<Setting> {};

TEST_P(FrontCookiesOnADevice, LetClientsInDuringAFlood) {
  FloodedServer server(web_config(), GetParam().listeners);
  const UniqueFd others = pass_all();
  const Attached peer(server.lab().client(0).network(), "eth0", others.get(), GetParam().mode);
  const Attached front(server.network(), "c0", server.program(), GetParam().mode);
  const Flood flood(server.lab());

  ASSERT_TRUE(eventually(5s, [&] { return server.counted()["cookie none"] > 0; }));
  EXPECT_TRUE(eventually(10s, [&] { return server.half_open() == 0; })) << "no request sockets";
  EXPECT_TRUE(eventually(
      5s, [&] { return server.counted()["cookie none"] > 500; }, 500ms))
      << "still flooded";

  const std::uint64_t before = server.kernel_counter("SyncookiesRecv");
  constexpr int kClients = 10;
  for (int i = 0; i < kClients; ++i) {
    for (const char* to : {kServer, kServer6}) {
      const ConnectResult client = server.lab().client(0).connect({address(to), kWeb});
      ASSERT_TRUE(client.connected()) << to << ": error " << client.error;
      UniqueFd accepted;
      for (int j = 0; j < GetParam().listeners && !accepted; ++j) {
        accepted = accept_from(server.listener(static_cast<std::size_t>(j)), 50ms);
      }
      ASSERT_TRUE(accepted) << to;
      EXPECT_TRUE(exchange(client.socket, accepted, 256 * 1024)) << to;
    }
  }
  EXPECT_EQ(server.kernel_counter("SyncookiesRecv") - before, 2 * kClients);
  EXPECT_EQ(server.kernel_counter("SyncookiesFailed"), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, FrontCookiesOnADevice,
                         testing::Values(Setting{"Generic", XDP_FLAGS_SKB_MODE, 1},
                                         Setting{"Native", XDP_FLAGS_DRV_MODE, 1},
                                         Setting{"NativeWithFourListeners", XDP_FLAGS_DRV_MODE, 4}),
                         [](const auto& setting) { return setting.param.name; });

// That many connections, asked for at once.
std::vector<ConnectResult> connect_at_once(const FloodedServer& server, int count) {
  std::vector<std::thread> threads;
  std::vector<ConnectResult> results(static_cast<std::size_t>(count));
  for (ConnectResult& result : results) {
    threads.emplace_back([&server, &result] {
      result = server.lab().client(0).connect({address(kServer), kWeb});
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

TEST(FrontCookies, LimitsHoldExactly) {
  FloodedServer server(web_config([](config::Rule& rule) { rule.connections.per_client = 5; }));
  server.forge(kOverflow);
  const Attached front(server.network(), "c0", server.program(), XDP_FLAGS_SKB_MODE);
  const std::uint64_t before = server.kernel_counter("SyncookiesRecv");
  const auto results = connect_at_once(server, 20);
  std::this_thread::sleep_for(200ms);  // who is over the limit is reset when its ACK comes
  EXPECT_EQ(server.established(), 5U);
  EXPECT_GE(server.kernel_counter("SyncookiesRecv") - before, 5U);
  std::uint64_t counted = 0;
  for (const auto& [id, rule] : must(server.limiter().counts()).rules) counted += rule.connections;
  EXPECT_EQ(counted, 5U);
}

TEST(FrontCookies, AConnectionCostsExactlyOneToken) {
  FloodedServer server(web_config([](config::Rule& rule) {
    rule.new_connections.per_client = config::RateLimit{1, std::chrono::hours(1), 3};
    rule.new_connections.total = config::RateLimit{1, std::chrono::hours(1), 100};
  }));
  server.forge(kOverflow);
  const Attached front(server.network(), "c0", server.program(), XDP_FLAGS_SKB_MODE);
  const std::uint64_t before = server.kernel_counter("SyncookiesRecv");
  std::vector<ConnectResult> results;
  for (int i = 0; i < 5; ++i) {
    results.push_back(server.lab().client(0).connect({address(kServer), kWeb}));
    EXPECT_EQ(results.back().connected(), i < 3) << i;
  }
  EXPECT_EQ(server.kernel_counter("SyncookiesRecv") - before, 3U);
  EXPECT_EQ(server.counted(), (FrontCounts{{"cookie none", 3}, {"reset client_rate", 2}}));
}

}  // namespace
}  // namespace headgate::lab
