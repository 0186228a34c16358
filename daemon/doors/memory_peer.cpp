// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/memory_peer.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/quota/service_rules.h"

namespace headgate::doors {
namespace {

namespace attach = quota::attach;

constexpr std::size_t kMostFds = 2;

// Of whoever called connect(); a process that the socket was handed to does not count.
UniqueFd process_of(int socket) {
#if !defined(SO_PEERPIDFD)
  constexpr int SO_PEERPIDFD = 77;  // Linux 6.5
#endif
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) return UniqueFd(pidfd);
  ucred peer{};
  size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) {
    return UniqueFd();
  }
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
}

// The items of a message; none if one of them is not whole.
template <typename Item>
std::optional<std::vector<Item>> items_of(std::string_view message) {
  std::vector<Item> items;
  const auto keep = [&](Item one) { items.push_back(std::move(one)); };
  if (!attach::read_each<Item>(message, keep)) return std::nullopt;
  return items;
}

}  // namespace

MemoryPeer::MemoryPeer(UniqueFd fd, quota::Engine& engine)
    : fd_(std::move(fd)), process_(process_of(fd_.get())), engine_(engine) {}

MemoryPeer::~MemoryPeer() {
  give_back();
}

// One message: the others shall not wait for long.
MemoryPeer::Said MemoryPeer::read() {
  std::array<char, attach::kMaxMessageBytes> room;
  const ssize_t got = recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Said::kSense : Said::kEnd;
  if (got == 0) return Said::kEnd;
  const auto size = static_cast<std::size_t>(got);
  return size <= room.size() && take({room.data(), size}) ? Said::kSense : Said::kNonsense;
}

void MemoryPeer::give_back() {
  if (account_) account_->return_leases(std::exchange(leases_, {}));
}

void MemoryPeer::end_process() {
  give_back();
  process_.reset();
  // Whoever else has the socket says no more.
  shutdown(fd_.get(), SHUT_RDWR);
}

// Not in both directions: then nobody would tell that the other side has closed its end.
void MemoryPeer::send_away() {
  is_leaving_ = true;
  is_behind_ = false;
  shutdown(fd_.get(), SHUT_WR);
}

bool MemoryPeer::take(std::string_view message) {
  const auto kind = attach::kind_of(message);
  if (!has_entered()) {
    if (kind != attach::Kind::kHello) return false;
    const auto hello = attach::read_one<attach::Hello>(message);
    return hello ? enter(*hello) : refuse(attach::Status::kBadHello);
  }
  switch (*kind) {
    case attach::Kind::kTallies:
      return note<attach::Tally>(message);
    case attach::Kind::kSamples:
      return note<attach::Sample>(message);
    case attach::Kind::kRefusals:
      return note<attach::Refusal>(message);
    case attach::Kind::kTimes:
      note_times(message);
      return true;
    case attach::Kind::kHello:
      return false;
    default:
      return true;  // of a library that is newer
  }
}

template <typename Item>
bool MemoryPeer::note(std::string_view message) {
  const auto items = items_of<Item>(message);
  if (items) engine_.note(domain_, *items);
  return items.has_value();
}

bool MemoryPeer::enter(const attach::Hello& hello) {
  if (hello.version != attach::kVersion) return refuse(attach::Status::kWrongVersion);
  if (hello.leases > attach::kMaxLeases) return refuse(attach::Status::kBadHello);
  const auto policy = engine_.policy();
  const auto found = policy->domains.find(hello.domain);
  if (found == policy->domains.end()) return refuse(attach::Status::kUnknownDomain);
  const quota::Domain& domain = found->second;
  const int rules = domain.service_rules->file();
  if (rules < 0) return false;  // it comes again
  account_ = domain.account;
  rules_ = domain.service_rules;
  domain_ = hello.domain;
  // Where none are left, rates still need none.
  if (hello.leases != 0) leases_ = account_->borrow_leases(hello.leases).value_or(leases_);
  const quota::TableView& table = account_->table();
  const attach::Welcome welcome{.sets = account_->sets(),
                                .max_keys = table.max_keys(),
                                .seed = table.seed(),
                                .leases = quota::Semaphore::kMostLeases,
                                .first_lease = leases_.first,
                                .lease_count = leases_.count};
  if (send(attach::message(attach::Kind::kWelcome, welcome), {account_->fd(), rules})) return true;
  // It knows of nothing.
  give_back();
  account_.reset();
  return false;
}

// The service learns why, and then that the connection has ended.
bool MemoryPeer::refuse(attach::Status status) {
  send(attach::message(attach::Kind::kWelcome, attach::Welcome{.status = status}), {});
  return false;
}

bool MemoryPeer::follow_rules() {
  is_behind_ = false;
  has_no_room_ = false;
  if (!has_entered() || is_leaving_) return true;
  const auto policy = engine_.policy();
  const auto found = policy->domains.find(domain_);
  if (found == policy->domains.end() || found->second.account != account_) return false;
  if (found->second.service_rules == rules_) return true;
  // That there is no file to be had, or that it does not read, ends nobody: it may be stopped, and
  // holds permits.
  const char kind = static_cast<char>(attach::Kind::kRules);
  const int rules = found->second.service_rules->file();
  is_behind_ = rules < 0 || !send({&kind, sizeof(kind)}, {rules});
  has_no_room_ = is_behind_ && rules >= 0 && errno == EAGAIN;
  if (!is_behind_) rules_ = found->second.service_rules;
  return true;
}

void MemoryPeer::note_times(std::string_view message) {
  std::vector<attach::Throttle> throttles;
  attach::read_each<attach::ServingTime>(message, [&](attach::ServingTime one) {
    quota::UsageReport report;
    if (!one.user.empty()) report.who.user = one.user;
    if (!one.client.empty()) report.who.client = one.client;
    report.time = one.used;
    const auto throttle = engine_.report(domain_, report);  // nonsense is not counted
    if (!throttle || throttle->time.count() == 0) return;
    throttles.push_back({std::move(one.user), std::move(one.client), throttle->time});
  });
  attach::write_each(attach::Kind::kThrottles, throttles,
                     [&](const std::string& answer) { send(answer, {}); });
}

// Never waits.
bool MemoryPeer::send(std::string_view message, std::initializer_list<int> fds) const {
  iovec part{const_cast<char*>(message.data()), message.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostFds)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fds.size() != 0) {
    const std::size_t bytes = fds.size() * sizeof(int);
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(rights), fds.begin(), bytes);
  }
  return sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}  // namespace headgate::doors
