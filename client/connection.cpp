// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace headgate::client {
namespace {

namespace attach = quota::attach;

constexpr std::size_t kMostFds = 2;
constexpr int kPatienceMs = 1'000;

struct Message {
  std::string bytes;
  std::array<UniqueFd, kMostFds> fds;
};

enum class Received { kMessage, kNothing, kEnd };

Received receive(int socket, Message& message) {
  message.bytes.resize(attach::kMaxMessageBytes);
  iovec part{message.bytes.data(), message.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostFds)> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::kNothing : Received::kEnd;
  }
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count && i < kMostFds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(fd));
      message.fds[i].reset(fd);
    }
  }
  if (got == 0) return Received::kEnd;
  message.bytes.resize(static_cast<std::size_t>(got));
  return Received::kMessage;
}

// The daemon's rules; nobody can change the file any more.
std::unique_ptr<quota::ServicePolicy> read_policy(int fd) {
  struct stat file {};
  if (fstat(fd, &file) != 0 || file.st_size <= 0) return nullptr;
  std::string bytes(static_cast<std::size_t>(file.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got <= 0) return nullptr;
    done += static_cast<std::size_t>(got);
  }
  auto policy = quota::read_service_policy(bytes);
  if (!policy) return nullptr;
  return std::make_unique<quota::ServicePolicy>(*std::move(policy));
}

std::string words_for(attach::Status status) {
  switch (status) {
    case attach::Status::kWelcome:
      return "";
    case attach::Status::kWrongVersion:
      return "the daemon speaks another version of the protocol: update headgate, or this program";
    case attach::Status::kUnknownDomain:
      return "the daemon has no quota domain of this name; nothing is limited";
    case attach::Status::kBadHello:
      return "the daemon does not understand";
  }
  return "the daemon refuses";
}

}  // namespace

std::unique_ptr<Connection> Connection::open(const std::string& socket, const std::string& domain,
                                             std::uint32_t leases, Failure& failure, int wake) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    failure.why = "cannot connect to " + socket + ": " + std::strerror(errno);
    return nullptr;
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(fd)));
  if (!connection->enter(domain, leases, wake, failure)) return nullptr;
  return connection;
}

// Also where a child has the socket, too.
Connection::~Connection() {
  shutdown(fd_.get(), SHUT_RDWR);
}

bool Connection::enter(const std::string& domain, std::uint32_t leases, int wake,
                       Failure& failure) {
  failure.why = "the daemon does not answer";
  const attach::Hello hello{attach::kVersion, leases, domain};
  if (send(attach::message(attach::Kind::kHello, hello)) != Sent::kYes) return false;
  std::array<pollfd, 2> fds = {{{fd_.get(), POLLIN, 0}, {wake, POLLIN, 0}}};
  Message message;
  if (poll(fds.data(), fds.size(), kPatienceMs) < 1 || fds[0].revents == 0 ||
      receive(fd_.get(), message) != Received::kMessage) {
    return false;
  }
  if (attach::kind_of(message.bytes) != attach::Kind::kWelcome) return false;
  const auto welcome = attach::read_one<attach::Welcome>(message.bytes);
  if (!welcome) return false;
  failure.why = words_for(welcome->status);
  failure.has_no_such_domain = welcome->status == attach::Status::kUnknownDomain;
  if (welcome->status != attach::Status::kWelcome) return false;
  mapping_ = Mapping::map(message.fds[0].get(), *welcome);
  policy_ = read_policy(message.fds[1].get());
  if (!mapping_ || !policy_) failure.why = "what the daemon has sent cannot be used";
  return mapping_ && policy_;
}

bool Connection::read() {
  while (true) {
    Message message;
    const Received received = receive(fd_.get(), message);
    if (received != Received::kMessage) return received == Received::kNothing;
    switch (attach::kind_of(message.bytes).value_or(attach::Kind::kHello)) {
      case attach::Kind::kRules:
        policy_ = read_policy(message.fds[0].get());
        if (!policy_) return false;
        break;
      case attach::Kind::kThrottles:
        attach::read_each<attach::Throttle>(
            message.bytes, [&](attach::Throttle one) { throttles_.push_back(std::move(one)); });
        break;
      default:
        break;  // of a daemon that is newer
    }
  }
}

Connection::Sent Connection::send(std::string_view message) {
  const ssize_t sent =
      ::send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return Sent::kYes;
  const bool is_gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
  return is_gone ? Sent::kGone : Sent::kNoRoom;
}

}  // namespace headgate::client
