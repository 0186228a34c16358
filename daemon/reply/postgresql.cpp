// SPDX-License-Identifier: Apache-2.0
#include "daemon/reply/postgresql.h"

#include <algorithm>

#include "daemon/reply/tls.h"

namespace headgate::reply {
namespace {

constexpr std::size_t kHeaderBytes = 8;            // the length, which counts itself, and the code
constexpr std::uint32_t kMaxPacketBytes = 10'000;  // MAX_STARTUP_PACKET_LENGTH of PostgreSQL
constexpr std::uint32_t kCancelRequest = 1234 << 16 | 5678;
constexpr std::uint32_t kSslRequest = 1234 << 16 | 5679;
constexpr std::uint32_t kGssEncRequest = 1234 << 16 | 5680;

// A client asks for each kind of encryption once; the rest is tolerance.
constexpr int kMaxEncryptionRequests = 4;

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// ErrorResponse: fields of a letter and a text, each text ended by a NUL, as the whole list is.
std::string too_many_clients() {
  using namespace std::string_literals;
  const std::string fields =
      "SFATAL\0"
      "VFATAL\0"
      "C53300\0"
      "Msorry, too many clients already\0"
      "\0"s;
  const auto length = static_cast<char>(4 + fields.size());
  return "E\0\0\0"s + length + fields;
}

}  // namespace

Step PostgresqlConversation::received(std::string_view bytes) {
  Step step;
  while (!bytes.empty() && step.next == Step::Next::kRead) {
    if (header_.empty() && bytes.front() == kTlsHandshake) {  // libpq's sslnegotiation=direct
      return {.send = std::string(kTlsAlert), .next = Step::Next::kFinish};
    }
    const bool in_header = header_.size() < kHeaderBytes;
    const std::string_view part =
        bytes.substr(0, in_header ? kHeaderBytes - header_.size() : left_);
    bytes.remove_prefix(part.size());
    if (in_header) {
      header_ += part;
      if (header_.size() < kHeaderBytes) break;
      begin_packet(step);
    } else {
      left_ -= part.size();
    }
    if (header_.size() == kHeaderBytes && left_ == 0 && step.next == Step::Next::kRead) {
      step.send += too_many_clients();
      step.next = Step::Next::kFinish;
    }
  }
  return step;
}

void PostgresqlConversation::begin_packet(Step& step) {
  const std::uint32_t length = big_endian(header_);
  const std::uint32_t code = big_endian(std::string_view(header_).substr(4));
  if (length < kHeaderBytes || length > kMaxPacketBytes || code == kCancelRequest) {
    step.next = Step::Next::kClose;  // as PostgreSQL does: these get no answer
  } else if (code == kSslRequest || code == kGssEncRequest) {
    if (length != kHeaderBytes || ++encryption_requests_ > kMaxEncryptionRequests) {
      step.next = Step::Next::kClose;
    } else {
      step.send += 'N';
      header_.clear();
    }
  } else {
    left_ = length - kHeaderBytes;  // whatever the version: every client understands the answer
  }
}

}  // namespace headgate::reply
