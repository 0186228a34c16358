// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/conversation.h"

#include <utility>

#include "daemon/reply/greeting.h"
#include "daemon/reply/http.h"
#include "daemon/reply/postgresql.h"

namespace headgate::reply {

std::unique_ptr<Conversation> begin_conversation(
    const config::Reply& reply, std::function<std::chrono::seconds()> retry_after) {
  switch (reply.kind) {
    case config::ReplyKind::kHttp429:
      return std::make_unique<HttpConversation>(std::move(retry_after));
    case config::ReplyKind::kPostgresql:
      return std::make_unique<PostgresqlConversation>();
    case config::ReplyKind::kRedis:
    case config::ReplyKind::kMysql:
    case config::ReplyKind::kSmtp421:
    case config::ReplyKind::kRaw:
      break;
  }
  return std::make_unique<GreetingConversation>(greeting(reply));
}

}  // namespace headgate::reply
