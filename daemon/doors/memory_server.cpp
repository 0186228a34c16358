// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/memory_server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <span>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/unique_fd.h"
#include "daemon/doors/memory_peer.h"

namespace headgate::doors {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 256;
constexpr std::size_t kEvents = 64;
constexpr std::chrono::seconds kHelloPatience{5};
constexpr std::chrono::milliseconds kNoFilesPause{50};
// How often it looks who has not said hello, and who has not got the newest rules.
constexpr std::chrono::milliseconds kTurn{1000};

// What an event is about: a connection's number, and which of its two file descriptors.
enum class Source : std::uint64_t { kListener = 0, kWake = 1, kPeer = 2, kProcess = 3 };
constexpr std::uint64_t make_tag(Source source, std::uint64_t number) {
  return number << 2 | static_cast<std::uint64_t>(source);
}

}  // namespace

struct MemoryServer::State {
  State(std::string at, quota::Engine& of) : path(std::move(at)), engine(of) {}
  ~State() {
    if (thread.joinable()) {
      is_ending = true;
      eventfd_write(wake.get(), 1);
      thread.join();
    }
    if (listener) unlink(path.c_str());
  }

  Result<void> open();
  void run();
  void watch(int fd, std::uint64_t tag, std::uint32_t events = EPOLLIN,
             int operation = EPOLL_CTL_ADD) const;
  void watch_peer(const MemoryPeer& peer, std::uint64_t number, std::uint32_t events) const;
  void take_back(const epoll_event& event);
  void handle(const epoll_event& event);
  void hear(std::uint64_t number, std::uint32_t events);
  void accept_some();
  void end_silent();
  void send_away(MemoryPeer& peer, std::uint64_t number) const;
  void follow(MemoryPeer& peer, std::uint64_t number) const;
  void follow_all();
  void follow_late();

  struct Peer {
    Peer(UniqueFd fd, quota::Engine& of) : peer(std::move(fd), of) {}
    MemoryPeer peer;
    Clock::time_point since = Clock::now();
  };

  const std::string path;
  quota::Engine& engine;
  UniqueFd listener;
  UniqueFd epoll;
  UniqueFd wake;
  std::atomic<bool> is_ending = false;
  std::atomic<bool> have_rules_changed = false;
  std::unordered_map<std::uint64_t, Peer> peers;  // by number
  std::uint64_t next_number = 0;
  std::thread thread;
};

Result<void> MemoryServer::State::open() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorCode::kInvalidArgument,
                "the path " + path + " is too long for a socket; see quotas.memory.socket");
  }
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto wrong = [&] {
    return fail_errno("cannot serve the memory of quotas on " + path, errno);
  };
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return wrong();
  }
  listener = std::move(fd);  // and with it the file
  constexpr mode_t kMode = 0660;
  epoll.reset(epoll_create1(EPOLL_CLOEXEC));
  wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (chmod(path.c_str(), kMode) != 0 || listen(listener.get(), kBacklog) != 0 || !epoll || !wake) {
    return wrong();
  }
  watch(listener.get(), make_tag(Source::kListener, 0));
  watch(wake.get(), make_tag(Source::kWake, 0));
  return {};
}

void MemoryServer::State::watch(int fd, std::uint64_t tag, std::uint32_t events,
                                int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  epoll_ctl(epoll.get(), operation, fd, &event);
}

void MemoryServer::State::watch_peer(const MemoryPeer& peer, std::uint64_t number,
                                     std::uint32_t events) const {
  watch(peer.fd(), make_tag(Source::kPeer, number), events, EPOLL_CTL_MOD);
}

void MemoryServer::State::run() {
  std::array<epoll_event, kEvents> events{};
  auto next_turn = Clock::now() + kTurn;
  while (!is_ending) {
    const int count =
        epoll_wait(epoll.get(), events.data(), kEvents, static_cast<int>(kTurn.count()));
    const std::span some(events.data(), static_cast<std::size_t>(std::max(count, 0)));
    // Who is gone comes first: others wait for what it held.
    for (const epoll_event& event : some) take_back(event);
    for (const epoll_event& event : some) handle(event);
    if (have_rules_changed.exchange(false)) follow_all();
    if (Clock::now() < next_turn) continue;
    next_turn = Clock::now() + kTurn;
    end_silent();
    follow_late();
  }
  for (auto& [number, one] : peers) one.peer.keep();
  peers.clear();
}

void MemoryServer::State::take_back(const epoll_event& event) {
  const std::uint64_t number = event.data.u64 >> 2;
  const auto source = static_cast<Source>(event.data.u64 & 3);
  const auto at = peers.find(number);
  if (source < Source::kPeer || at == peers.end()) return;
  MemoryPeer& peer = at->second.peer;
  const std::uint32_t gone = peer.is_leaving() ? EPOLLHUP | EPOLLRDHUP : EPOLLHUP;
  if (source == Source::kPeer && (event.events & gone) == 0) return;
  if (!peer.has_entered() || peer.is_leaving()) {
    peers.erase(at);
  } else if (source == Source::kProcess) {
    peer.end_process();
  } else {
    peer.give_back();
  }
}

void MemoryServer::State::handle(const epoll_event& event) {
  switch (static_cast<Source>(event.data.u64 & 3)) {
    case Source::kListener:
      accept_some();
      break;
    case Source::kWake: {
      eventfd_t unused = 0;
      eventfd_read(wake.get(), &unused);
      break;
    }
    case Source::kPeer:
      hear(event.data.u64 >> 2, event.events);
      break;
    case Source::kProcess:
      break;
  }
}

void MemoryServer::State::hear(std::uint64_t number, std::uint32_t events) {
  const auto at = peers.find(number);
  if (at == peers.end() || at->second.peer.is_leaving()) return;
  MemoryPeer& peer = at->second.peer;
  if ((events & EPOLLOUT) != 0) {
    watch_peer(peer, number, EPOLLIN);
    follow(peer, number);
  }
  if ((events & ~EPOLLOUT) == 0 || peer.is_leaving()) return;
  const MemoryPeer::Said said = peer.read();
  if (said == MemoryPeer::Said::kSense) return;
  if (said == MemoryPeer::Said::kEnd || !peer.has_entered()) {
    peers.erase(at);
  } else {
    send_away(peer, number);
  }
}

void MemoryServer::State::accept_some() {
  UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    // It would be told at once again.
    if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(kNoFilesPause);
    return;
  }
  if (peers.size() >= kMostServices) return;  // closed: it comes again later
  const std::uint64_t number = next_number++;
  const MemoryPeer& peer = peers.try_emplace(number, std::move(fd), engine).first->second.peer;
  watch(peer.fd(), make_tag(Source::kPeer, number));
  if (peer.process() >= 0) watch(peer.process(), make_tag(Source::kProcess, number));
}

// Who only connects takes no place for long.
void MemoryServer::State::end_silent() {
  const auto now = Clock::now();
  std::erase_if(peers, [&](const auto& one) {
    return !one.second.peer.has_entered() && now - one.second.since > kHelloPatience;
  });
}

// What it says now is not listened to: only that it goes.
void MemoryServer::State::send_away(MemoryPeer& peer, std::uint64_t number) const {
  peer.send_away();
  watch_peer(peer, number, EPOLLRDHUP);
}

void MemoryServer::State::follow(MemoryPeer& peer, std::uint64_t number) const {
  if (!peer.follow_rules()) return send_away(peer, number);
  if (peer.has_no_room()) watch_peer(peer, number, EPOLLIN | EPOLLOUT);
}

void MemoryServer::State::follow_all() {
  for (auto& [number, one] : peers) follow(one.peer, number);
}

void MemoryServer::State::follow_late() {
  for (auto& [number, one] : peers) {
    if (one.peer.is_behind()) follow(one.peer, number);
  }
}

MemoryServer::MemoryServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
MemoryServer::MemoryServer(MemoryServer&&) noexcept = default;
MemoryServer::~MemoryServer() = default;

Result<MemoryServer> MemoryServer::start(const std::string& path, quota::Engine& engine) {
  auto state = std::make_unique<State>(path, engine);
  if (auto opened = state->open(); !opened) return tl::unexpected(opened.error());
  state->thread = std::thread([&server = *state] { server.run(); });
  return MemoryServer(std::move(state));
}

void MemoryServer::follow_rules() {
  state_->have_rules_changed = true;
  eventfd_write(state_->wake.get(), 1);
}

}  // namespace headgate::doors
