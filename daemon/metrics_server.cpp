// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_server.h"

#include <sys/socket.h>

#include <chrono>
#include <exception>
#include <future>
#include <utility>

#include "common/tcp_address.h"
#include "common/unique_fd.h"

namespace headgate {
namespace {

constexpr std::size_t kThreads = 2;
constexpr std::chrono::milliseconds kBetweenKnocks{10};

tl::unexpected<Error> cannot_serve(const std::string& address, const std::string& why) {
  return fail(ErrorCode::kUnavailable, "cannot serve metrics on " + address + " (" + why +
                                           "); is the port taken? See metrics.listen");
}

// The server looks whether it is to end only when somebody comes, or every two seconds.
void knock(const std::string& address) {
  const auto to = TcpAddress::parse(address);
  if (!to) return;
  const UniqueFd socket(
      ::socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket) (void)connect(socket.get(), to->get(), to->length);
}

}  // namespace

Result<void> MetricsServer::probe(const std::string& address) {
  const auto at = TcpAddress::parse(address);
  if (!at) return cannot_serve(address, at.error().message);
  const auto socket = listen_on(*at, 1);
  if (!socket) return cannot_serve(address, socket.error().message);
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
