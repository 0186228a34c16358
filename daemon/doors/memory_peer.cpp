// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/memory_peer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace headgate::doors {
namespace {

namespace attach = quota::attach;

constexpr int kMessagesInARow = 16;
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

// A file of these bytes that nobody can change.
UniqueFd sealed_file(const std::string& bytes) {
  UniqueFd file(memfd_create("headgate-quota-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return file;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) return UniqueFd();
    done += static_cast<std::size_t>(wrote);
  }
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return UniqueFd();
  return file;
}

}  // namespace

MemoryPeer::MemoryPeer(UniqueFd fd, quota::Engine& engine)
    : fd_(std::move(fd)), process_(process_of(fd_.get())), engine_(engine) {}

MemoryPeer::~MemoryPeer() {
  if (account_) account_->return_leases(leases_);
}

bool MemoryPeer::read() {
  std::array<char, attach::kMaxMessageBytes> room;
  for (int i = 0; i < kMessagesInARow; ++i) {
    const ssize_t got = recv(fd_.get(), room.data(), room.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0 || static_cast<std::size_t>(got) > room.size()) return false;
    if (!take({room.data(), static_cast<std::size_t>(got)})) return false;
  }
  return true;
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
      return attach::read_each<attach::Tally>(message, [&](const attach::Tally& one) {
        engine_.note_tally(domain_, one.identity, one.counts);
      });
    case attach::Kind::kSamples:
      return attach::read_each<attach::Sample>(message, [&](const attach::Sample& one) {
        engine_.note_sample(domain_, one.identity, one.key, one.sample);
      });
    case attach::Kind::kRefusals:
      return attach::read_each<attach::Refusal>(message, [&](const attach::Refusal& one) {
        engine_.note_refusal(domain_, one.identity, one.value);
      });
    case attach::Kind::kTimes:
      note_times(message);
      return true;
    case attach::Kind::kHello:
      return false;
    default:
      return true;  // of a library that is newer
  }
}

bool MemoryPeer::enter(const attach::Hello& hello) {
  if (hello.version != attach::kVersion) return refuse(attach::Status::kWrongVersion);
  if (hello.leases > attach::kMaxLeases) return refuse(attach::Status::kBadHello);
  const auto policy = engine_.policy();
  const auto found = policy->domains.find(hello.domain);
  if (found == policy->domains.end()) return refuse(attach::Status::kUnknownDomain);
  const quota::Domain& domain = found->second;
  const auto leases = domain.account->borrow_leases(hello.leases);
  if (!leases) return refuse(attach::Status::kNoLeases);
  domain_ = hello.domain;
  account_ = domain.account;
  leases_ = *leases;
  rules_ = domain.service_rules;
  const UniqueFd rules = sealed_file(rules_);
  const quota::TableView& table = account_->table();
  const attach::Welcome welcome{.sets = account_->sets(),
                                .max_keys = table.max_keys(),
                                .seed = table.seed(),
                                .leases = quota::Semaphore::kMostLeases,
                                .first_lease = leases_.first,
                                .lease_count = leases_.count};
  return rules &&
         send(attach::message(attach::Kind::kWelcome, welcome), {account_->fd(), rules.get()});
}

// The service learns why, and then that the connection has ended.
bool MemoryPeer::refuse(attach::Status status) {
  send(attach::message(attach::Kind::kWelcome, attach::Welcome{.status = status}), {});
  return false;
}

bool MemoryPeer::follow_rules() {
  if (!has_entered()) return true;
  const auto policy = engine_.policy();
  const auto found = policy->domains.find(domain_);
  if (found == policy->domains.end() || found->second.account != account_) return false;
  if (found->second.service_rules == rules_) return true;
  const UniqueFd rules = sealed_file(found->second.service_rules);
  // Who does not read, and so has no room for it, shall come again and have all at once.
  const char kind = static_cast<char>(attach::Kind::kRules);
  if (!rules || !send({&kind, sizeof(kind)}, {rules.get()})) return false;
  rules_ = found->second.service_rules;
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
