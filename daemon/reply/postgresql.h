// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/reply/conversation.h"

namespace headgate::reply {

// "sorry, too many clients already" to a startup packet, as PostgreSQL says it, also when the
// client asks for encryption first. Keeps the first eight bytes of a packet, not the packet.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
class PostgresqlConversation : public Conversation {
 public:
  Step received(std::string_view bytes) override;

 private:
  // With the packet whose length and code are in header_.
  void begin_packet(Step& step);

  std::string header_;
  std::size_t left_ = 0;  // bytes of the startup packet still to come
  int encryption_requests_ = 0;
};

}  // namespace headgate::reply
