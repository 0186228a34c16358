// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <thread>

#include "tests/kernel/support.h"

namespace headgate::lab {

// What a client sees that goes on connecting while a flood runs.
struct Bystander {
  std::uint64_t attempts = 0;
  std::uint64_t connected = 0;
};

// Moves the calling thread into the client's namespace.
inline Bystander keep_connecting(const Host& client, const Endpoint& to,
                                 const std::atomic<bool>& stop) {
  Bystander seen;
  client.network().enter();
  while (!stop) {
    ++seen.attempts;
    // Long enough for one repeated SYN: a lost packet is the network's, not a refusal.
    ConnectResult result = connect_to(to, {.timeout = 3s});
    if (result.connected()) {
      ++seen.connected;
      close_socket(std::move(result.socket), CloseKind::kReset);
    }
    std::this_thread::sleep_for(5ms);
  }
  return seen;
}

}  // namespace headgate::lab
