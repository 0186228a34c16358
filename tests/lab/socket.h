// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/unique_fd.h"
#include "tests/lab/endpoint.h"

// TCP sockets in the namespace of the calling thread. Host (topology.h) has the same by host.
namespace headgate::lab {

struct ConnectOptions {
  std::optional<Endpoint> from = std::nullopt;  // none: what the kernel chooses
  std::chrono::milliseconds timeout = std::chrono::seconds(3);
  std::string fast_open_data =
      {};  // not empty: sent with the SYN when the server's cookie is known
};

struct ConnectResult {
  UniqueFd socket;                      // open only when connected
  int error = 0;                        // 0: connected; ECONNREFUSED, ETIMEDOUT, …
  std::chrono::nanoseconds duration{};  // from the SYN to the answer

  bool connected() const { return error == 0; }
};

ConnectResult connect_to(const Endpoint& to, const ConnectOptions& options = {});

struct ListenOptions {
  int backlog = 4096;
  bool dual_stack = false;  // "::" takes IPv4 connections too
  int fast_open_queue = 0;  // > 0: TCP Fast Open
  bool reuse_port = false;  // shares the address with others that do
};

UniqueFd listen_on(const Endpoint& at, const ListenOptions& options = {});

// The next connection, or nothing when none came in time.
UniqueFd accept_from(const UniqueFd& listener,
                     std::chrono::milliseconds timeout = std::chrono::seconds(3));

enum class CloseKind { kFin, kReset };
void close_socket(UniqueFd socket, CloseKind kind);

// Whether the peer has closed: true after a FIN or RST has come in, waiting at most `timeout`.
bool closed_by_peer(const UniqueFd& socket, std::chrono::milliseconds timeout);

}  // namespace headgate::lab
