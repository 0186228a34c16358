// SPDX-License-Identifier: Apache-2.0
#include "daemon/doors/http_server.h"

#include <exception>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/tcp_address.h"
#include "daemon/doors/http_connections.h"
#include "daemon/doors/http_session.h"

namespace headgate::doors {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kSweep{500};
constexpr std::chrono::milliseconds kRecovery{100};  // when no connection can be accepted

}  // namespace

struct HttpServer::State {
  State(quota::Engine& the_engine, Latency& the_latency)
      : engine(the_engine), latency(the_latency) {}
  ~State() {
    loop.stop();
    if (thread.joinable()) thread.join();
  }

  void accept();
  void pause();
  void sweep();
  void run();

  quota::Engine& engine;
  Latency& latency;
  Guests guests{kMaxConnections};  // outlives the loop, which owns the sessions
  asio::io_context loop{1};
  tcp::acceptor acceptor{loop};
  asio::steady_timer pause_timer{loop};
  asio::steady_timer sweep_timer{loop};
  std::uint16_t port = 0;
  std::thread thread;
};

void HttpServer::State::accept() {
  acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
    // No file descriptor is left, for one; at once it would be the same again.
    if (error) return pause();
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    accept();
    std::make_shared<HttpSession>(std::move(socket), guests, engine, latency)->run();
  });
}

void HttpServer::State::pause() {
  pause_timer.expires_after(kRecovery);
  pause_timer.async_wait([this](boost::system::error_code) { accept(); });
}

void HttpServer::State::sweep() {
  sweep_timer.expires_after(kSweep);
  sweep_timer.async_wait([this](boost::system::error_code) {
    guests.end_the_late(std::chrono::steady_clock::now());
    sweep();
  });
}

void HttpServer::State::run() {
  for (;;) {
    try {
      loop.run();
      return;
    } catch (const std::exception&) {
      // No memory for one connection, which has ended with that. The others go on.
    }
  }
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

Result<HttpServer> HttpServer::start(const std::string& address, quota::Engine& engine,
                                     Latency& latency) {
  const auto at = TcpAddress::parse(address);
  if (!at) return fail(address, at.error());
  auto listener = listen_on(*at, kBacklog);
  if (!listener) {
    return fail("cannot serve quotas on " + address + "; see quotas.http.listen", listener.error());
  }
  auto state = std::make_unique<State>(engine, latency);
  state->port = TcpAddress::of(listener->get()).port();
  boost::system::error_code error;
  const auto family = at->storage.ss_family == AF_INET6 ? tcp::v6() : tcp::v4();
  state->acceptor.assign(family, listener->release(), error);
  if (error) return fail(ErrorCode::kInternal, "cannot serve quotas: " + error.message());
  state->accept();
  state->sweep();
  state->thread = std::thread([running = state.get()] { running->run(); });
  return HttpServer(std::move(state));
}

std::uint16_t HttpServer::port() const {
  return state_->port;
}

}  // namespace headgate::doors
