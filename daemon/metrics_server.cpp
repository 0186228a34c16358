// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_server.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <future>
#include <utility>

#include "common/unique_fd.h"

namespace headgate {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::chrono::milliseconds kBetweenKnocks{10};

tl::unexpected<Error> cannot_serve(const std::string& address, const std::string& why) {
  return fail(ErrorCode::kUnavailable, "cannot serve metrics on " + address + " (" + why +
                                           "); is the port taken? See metrics.listen");
}

struct AddressListDeleter {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

// Of "192.0.2.1:9469", "[::1]:9469"; null if it is none.
AddressList to_socket_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (colon == std::string::npos ||
      getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &list) != 0) {
    return nullptr;
  }
  return AddressList(list);
}

// The server looks whether it is to end only when somebody comes, or every two seconds.
void knock(const std::string& address) {
  const AddressList to = to_socket_address(address);
  if (!to) return;
  const UniqueFd socket(::socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket) (void)connect(socket.get(), to->ai_addr, to->ai_addrlen);
}

}  // namespace

Result<void> MetricsServer::probe(const std::string& address) {
  const AddressList at = to_socket_address(address);
  if (!at) return cannot_serve(address, "not an address and port");
  const UniqueFd socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      bind(socket.get(), at->ai_addr, at->ai_addrlen) != 0 || listen(socket.get(), 1) != 0) {
    return cannot_serve(address, std::strerror(errno));
  }
  return {};
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const std::string& address) {
  std::unique_ptr<MetricsServer> server(new MetricsServer(address));
  try {
    server->exposer_ = std::make_unique<prometheus::Exposer>(address, kThreads);
  } catch (const std::exception& error) {
    return cannot_serve(address, error.what());
  }
  return server;
}

MetricsServer::~MetricsServer() {
  if (!exposer_) return;
  const auto closed = std::async(std::launch::async, [this] { exposer_.reset(); });
  while (closed.wait_for(kBetweenKnocks) != std::future_status::ready) knock(address_);
}

void MetricsServer::add(const std::shared_ptr<prometheus::Collectable>& page) {
  exposer_->RegisterCollectable(page);  // which keeps no hold of it
  pages_.push_back(page);
}

}  // namespace headgate
