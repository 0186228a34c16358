// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/reply_server.h"

#include <signal.h>
#include <system_error>

#include <thread>
#include <utility>

#include <pthread.h>

#include "daemon/reply/server_loop.h"

namespace headgate::reply {

struct ReplyServer::State {
  std::unique_ptr<ServerLoop> loop;
  std::thread thread;

  ~State() {
    if (!thread.joinable()) return;
    loop->stop();
    thread.join();
  }
};

Result<ReplyServer> ReplyServer::start(std::uint32_t max_at_once, RetryAfter retry_after) {
  auto state = std::make_unique<State>();
  Result<std::unique_ptr<ServerLoop>> loop = ServerLoop::make(max_at_once, std::move(retry_after));
  if (!loop) return tl::unexpected(loop.error());
  state->loop = std::move(*loop);

  // Signals are for the threads that wait for them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<void> started;
  try {
    state->thread = std::thread([loop = state->loop.get()] { loop->run(); });
  } catch (const std::system_error& error) {
    started = fail(ErrorCode::kUnavailable, std::string("cannot start a thread: ") + error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return tl::unexpected(started.error());
  return ReplyServer(std::move(state));
}

ReplyServer::ReplyServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReplyServer::ReplyServer(ReplyServer&&) noexcept = default;
ReplyServer& ReplyServer::operator=(ReplyServer&&) noexcept = default;
ReplyServer::~ReplyServer() = default;

Result<void> ReplyServer::add(std::uint32_t slot, const config::Reply& reply, Listeners listeners) {
  return state_->loop->add(slot, reply, std::move(listeners));
}

void ReplyServer::remove(std::uint32_t slot) {
  state_->loop->remove(slot);
}

Counts ReplyServer::counts() const {
  return state_->loop->counts();
}

}  // namespace headgate::reply
