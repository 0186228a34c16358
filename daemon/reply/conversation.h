// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/config/config.h"

namespace headgate::reply {

// What the server does after something happened: send, then go on as `next` says.
struct Step {
  enum class Next {
    kRead,    // the client has more to say
    kFinish,  // that was the answer: close so that the client can read it
    kClose,   // close without an answer
  };
  std::string send;
  Next next = Next::kRead;
};

// The server's side of a protocol, as far as saying no takes it. Bytes in, bytes out: it knows
// neither sockets nor timers. After a step that is not kRead nothing more is asked of it.
class Conversation {
 public:
  virtual ~Conversation() = default;

  // The connection is there; the client has said nothing yet.
  virtual Step opened() { return {}; }
  // The next bytes of the client, in pieces of any size, never empty.
  virtual Step received(std::string_view bytes) = 0;
  // The client began to speak kPatience ago and is not done.
  virtual Step patience_ended() { return {}; }
  // The client has sent all it will ever send.
  virtual Step input_ended() { return {.send = {}, .next = Step::Next::kClose}; }
};

// How long an answer that does not need the whole request waits for the rest of it. A millisecond
// short of what is promised, because epoll_wait rounds up to the next.
inline constexpr std::chrono::milliseconds kPatience{9};

// `retry_after` is asked at most once, for an answer that tells it, and no later than the
// conversation ends.
std::unique_ptr<Conversation> begin_conversation(const config::Reply& reply,
                                                 std::function<std::chrono::seconds()> retry_after);

}  // namespace headgate::reply
