// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/reply/conversation.h"
#include "daemon/reply/tls.h"

namespace headgate::reply {

// 429 to any request of HTTP/1, whole or not; to HTTP/2 GOAWAY; to TLS an alert, since a client
// that wants TLS could read nothing else. Keeps the first bytes of the head, not the head.
class HttpConversation : public Conversation {
 public:
  explicit HttpConversation(std::function<std::chrono::seconds()> retry_after);

  Step received(std::string_view bytes) override;
  Step patience_ended() override;
  Step input_ended() override;

 private:
  bool head_ends(std::string_view bytes);
  Step answer() const;

  std::function<std::chrono::seconds()> retry_after_;
  std::string start_;  // of the request line
  int line_ends_ = 0;  // one after the other at the end of the input so far
};

}  // namespace headgate::reply
