// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/ip.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/config/config.h"

namespace headgate::reply {

// The sockets that connections for one reply arrive on. The kernel steers connections to them from
// any address and port: what they are bound to (a port of the loopback address) does not matter.
struct Listeners {
  UniqueFd ipv4;
  UniqueFd ipv6;  // invalid on a host without IPv6
};

// Opens them in the network namespace of the calling thread. Works before its loopback interface is
// up. Errors: kUnavailable, kInternal.
Result<Listeners> open_listeners();

// A connection that was refused: who asks, and what was asked for.
struct Refused {
  IpAddress client;
  IpAddress server;
  std::uint16_t port = 0;          // of the server
  std::uint64_t netns_cookie = 0;  // where it came in
};

// How long until that client may try again; less than a second is told as one. Called on the
// server's thread, for http-429 only: must not block, throw or call the server.
using RetryAfter = std::function<std::chrono::seconds(const Refused&)>;

// Every connection that arrived is in exactly one of them.
struct Counts {
  std::uint32_t open = 0;       // connections now
  std::uint64_t answered = 0;   // ended; the reply was sent whole
  std::uint64_t abandoned = 0;  // ended without a reply: the client asked nothing in time, or left
  std::uint64_t reset = 0;      // reset at once: over max_at_once, or no file descriptor was left
};

// Says no in the protocol's own words. One thread serves every connection; none waits for another.
// docs/configuration.md says what each kind answers. The deadlines: an answer that waits for
// a request goes out within 10 ms after the request is readable; a connection lasts 1 s at most and
// is reset then. A connection costs one file descriptor and some hundred bytes.
//
// Thread-safe.
class ReplyServer {
 public:
  // Errors: kUnavailable, kInternal.
  static Result<ReplyServer> start(std::uint32_t max_at_once, RetryAfter retry_after);
  ReplyServer(ReplyServer&&) noexcept;
  ReplyServer& operator=(ReplyServer&&) noexcept;
  ~ReplyServer();  // resets what is still open

  // From now on, connections to `listeners` are answered with `reply`. `slot` names the pair; it
  // must not be in use.
  Result<void> add(std::uint32_t slot, const config::Reply& reply, Listeners listeners);
  // Closes the listeners of `slot`, soon after the call; connections under way are still answered.
  // Steer nothing more to them first. The slot may be used again at once; one that is not in use is
  // left alone.
  void remove(std::uint32_t slot);

  Counts counts() const;

 private:
  struct State;
  explicit ReplyServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headgate::reply
