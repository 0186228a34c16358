// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "daemon/config/config.h"
#include "daemon/reply/conversation.h"

namespace headgate::reply {

// The answer of a kind that needs no request: kRedis, kMysql, kSmtp421 or kRaw.
std::string greeting(const config::Reply& reply);

// Says no before the client has said anything.
class GreetingConversation : public Conversation {
 public:
  explicit GreetingConversation(std::string text) : text_(std::move(text)) {}

  Step opened() override { return {.send = std::move(text_), .next = Step::Next::kFinish}; }
  Step received(std::string_view) override { return {}; }

 private:
  std::string text_;
};

}  // namespace headgate::reply
