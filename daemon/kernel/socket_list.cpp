// SPDX-License-Identifier: Apache-2.0
#include "daemon/kernel/socket_list.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "daemon/kernel/diag_request.h"

namespace headgate::kernel {
namespace {

constexpr std::uint32_t state(int tcp_state) {
  return 1U << static_cast<unsigned>(tcp_state);
}
// A connection by Fast Open has data before it has left SYN_RECV; requests are in that state, too.
constexpr std::uint32_t kOpenStates =
    state(TCP_ESTABLISHED) | state(TCP_SYN_RECV) | state(TCP_FIN_WAIT1) | state(TCP_FIN_WAIT2) |
    state(TCP_CLOSE_WAIT) | state(TCP_LAST_ACK) | state(TCP_CLOSING);
// What is left of a closed connection is shown in state FIN_WAIT2 or TIME_WAIT, with this timer.
constexpr int kTimeWaitTimer = 3;
constexpr __u16 kCgroupAttribute = 21;  // INET_DIAG_CGROUP_ID, Linux 5.8

hg_address to_address(int family, const __be32 (&words)[4]) {
  hg_address address{};
  if (family == AF_INET) {
    address.word[2] = htonl(0xffffU);
    address.word[3] = words[0];
  } else {
    std::memcpy(&address, words, sizeof(address));
  }
  return address;
}

// The group that a socket belongs to; 0 if the kernel does not tell.
std::uint64_t group_of(const nlmsghdr* header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  auto left =
      static_cast<int>(header->nlmsg_len) - static_cast<int>(NLMSG_LENGTH(sizeof(*message)));
  const char* place = reinterpret_cast<const char*>(message + 1);
  while (left >= static_cast<int>(sizeof(nlattr))) {
    nlattr attribute{};
    std::memcpy(&attribute, place, sizeof(attribute));
    if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > left) break;
    if (attribute.nla_type == kCgroupAttribute &&
        attribute.nla_len >= NLA_HDRLEN + sizeof(std::uint64_t)) {
      std::uint64_t id = 0;
      std::memcpy(&id, place + NLA_HDRLEN, sizeof(id));
      return id;
    }
    const int step = NLA_ALIGN(attribute.nla_len);
    left -= step;
    place += step;
  }
  return 0;
}

// `counted.cookie` holds the group until mark_ours() has looked at it; `is_ours` is 0 if it cannot
// be.
hg_socket to_socket(const nlmsghdr* header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  hg_socket socket{};
  std::memcpy(&socket.cookie, message->id.idiag_cookie, sizeof(socket.cookie));
  socket.local = to_address(message->idiag_family, message->id.idiag_src);
  socket.remote = to_address(message->idiag_family, message->id.idiag_dst);
  socket.local_port = ntohs(message->id.idiag_sport);
  socket.remote_port = ntohs(message->id.idiag_dport);
  socket.interface = message->id.idiag_if;
  socket.is_ours = message->idiag_state == TCP_SYN_RECV ? 0 : 1;
  socket.counted.cookie = group_of(header);
  return socket;
}

}  // namespace

Result<SocketList> SocketList::open(const NetworkNamespace& netns, const Cgroup& cgroup) {
  SocketList list;
  const Result<void> inside = netns.run_inside([&list]() -> Result<void> {
    list.netlink_.reset(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!list.netlink_) return fail_errno("cannot open a sock_diag netlink socket", errno);
    return {};
  });
  if (!inside) return tl::unexpected(inside.error());
  // An answer that does not come must not stop a reload for good.
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  setsockopt(list.netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  list.cgroup_path_ = cgroup.path;
  struct stat parent {};
  struct stat self {};
  list.is_root_group_ = stat(cgroup.path.c_str(), &self) == 0 &&
                        stat((cgroup.path + "/..").c_str(), &parent) == 0 &&
                        parent.st_dev != self.st_dev;
  return list;
}

Result<void> SocketList::dump(int family, std::uint32_t states, std::vector<hg_socket>& found) {
  DiagRequest request = make_diag_request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, ++sequence_);
  request.query.sdiag_family = static_cast<__u8>(family);
  request.query.idiag_states = states;
  if (send(netlink_.get(), &request, sizeof(request), 0) != sizeof(request)) {
    return fail_errno("cannot ask for the open sockets", errno);
  }
  std::vector<char> buffer(256 * 1024);
  for (;;) {
    const ssize_t size = recv(netlink_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("cannot read the open sockets", errno);
    auto left = static_cast<unsigned>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_seq != sequence_) continue;  // of a listing that was given up
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        nlmsgerr answer{};
        std::memcpy(&answer, NLMSG_DATA(header), sizeof(answer));
        return fail_errno("cannot list the open sockets", -answer.error);
      }
      const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
      if (message->idiag_timer != kTimeWaitTimer) found.push_back(to_socket(header));
    }
  }
}

// Accepted, rather than connected to somewhere: its port has a listener. (The kernel gives no such
// port to sockets that connect. A server that has stopped listening is taken for one of those.)
Result<void> SocketList::mark_ours(std::vector<hg_socket>& sockets) {
  const auto listeners = list_listeners();
  if (!listeners) return tl::unexpected(listeners.error());
  std::set<std::uint16_t> listening;
  for (const hg_socket& listener : *listeners) listening.insert(listener.local_port);
  std::set<std::uint64_t> groups;
  if (!is_root_group_) groups = list_cgroups(cgroup_path_);
  for (hg_socket& socket : sockets) {
    const std::uint64_t group = socket.counted.cookie;
    socket.counted.cookie = 0;
    const bool is_accepted = listening.count(socket.local_port) > 0;
    const bool is_counted = is_root_group_ || groups.count(group) > 0;
    if (!is_accepted || !is_counted) socket.is_ours = 0;
  }
  return {};
}

Result<std::vector<hg_socket>> SocketList::list_listeners() {
  std::vector<hg_socket> listeners;
  for (const int family : {AF_INET, AF_INET6}) {
    if (auto listed = dump(family, state(TCP_LISTEN), listeners); !listed) {
      return tl::unexpected(listed.error());
    }
  }
  return listeners;
}

Result<std::vector<hg_socket>> SocketList::list() {
  std::vector<hg_socket> sockets;
  for (const int family : {AF_INET, AF_INET6}) {
    if (auto listed = dump(family, kOpenStates, sockets); !listed) {
      return tl::unexpected(listed.error());
    }
  }
  if (auto marked = mark_ours(sockets); !marked) return tl::unexpected(marked.error());
  return sockets;
}

Result<bool> SocketList::is_open(const hg_socket& socket) {
  DiagRequest request = make_diag_request(SOCK_DIAG_BY_FAMILY, 0, ++sequence_);
  ask_for(socket, socket.cookie, request);
  if (send(netlink_.get(), &request, sizeof(request), 0) != sizeof(request)) {
    return fail_errno("cannot ask for a socket", errno);
  }
  alignas(nlmsghdr) std::array<char, 8192> buffer{};
  const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
  for (;;) {
    const ssize_t size = recv(netlink_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("cannot read a socket", errno);
    if (size >= static_cast<ssize_t>(sizeof(*header)) && header->nlmsg_seq == sequence_) break;
  }
  if (header->nlmsg_type != NLMSG_ERROR) {
    const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(header));
    return message->idiag_timer != kTimeWaitTimer && message->idiag_state != TCP_CLOSE;
  }
  nlmsgerr answer{};
  std::memcpy(&answer, NLMSG_DATA(header), sizeof(answer));
  if (answer.error == -ENOENT || answer.error == -ESTALE) return false;
  return fail_errno("cannot ask for a socket", -answer.error);
}

}  // namespace headgate::kernel
