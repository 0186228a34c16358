// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/greeting.h"

#include <cstdint>

namespace headgate::reply {
namespace {

// ERR_Packet in place of the initial handshake. It has no SQL state: before the handshake the
// client has not said that it understands one, so servers send none and clients show HY000.
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
std::string mysql_error(std::uint16_t code, std::string_view message) {
  constexpr char kErrPacket = '\xff';
  std::string payload{kErrPacket, static_cast<char>(code & 0xff), static_cast<char>(code >> 8)};
  payload += message;
  // The length in three bytes, the lowest first (the upper two are 0 here), and sequence number 0.
  return std::string{static_cast<char>(payload.size()), '\0', '\0', '\0'} + payload;
}

}  // namespace

std::string greeting(const config::Reply& reply) {
  switch (reply.kind) {
    case config::ReplyKind::kRedis:
      return "-ERR max number of clients reached\r\n";
    case config::ReplyKind::kMysql:
      return mysql_error(1040, "Too many connections");
    case config::ReplyKind::kSmtp421:
      // RFC 5321 section 3.8: 421 may come at any time. RFC 3463: X.3.2, not accepting now.
      return "421 4.3.2 Too many connections, try again later\r\n";
    case config::ReplyKind::kRaw:
      return reply.raw;
    case config::ReplyKind::kHttp429:
    case config::ReplyKind::kPostgresql:
      break;
  }
  return {};  // these two answer a request
}

}  // namespace headgate::reply
