// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/endpoint.h"

#include <cstring>

#include "tests/lab/error.h"

namespace headgate::lab {

IpAddress address(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  if (!parsed) throw LabError(parsed.error().to_string());
  return *parsed;
}

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress result;
  const auto& bytes = endpoint.address.bytes();
  if (endpoint.address.family() == IpFamily::kIpv4) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(endpoint.port);
    std::memcpy(&ipv4.sin_addr, bytes.data() + 12, 4);
    std::memcpy(&result.storage, &ipv4, sizeof ipv4);
    result.length = sizeof ipv4;
  } else {
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(endpoint.port);
    std::memcpy(&ipv6.sin6_addr, bytes.data(), 16);
    std::memcpy(&result.storage, &ipv6, sizeof ipv6);
    result.length = sizeof ipv6;
  }
  return result;
}

}  // namespace headgate::lab
