// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace headgate {

enum class IpFamily : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

// An IPv4 or IPv6 address. Held as 16 bytes in network byte order; an IPv4 address is held in its
// IPv4-mapped form (::ffff:a.b.c.d), and a mapped IPv6 address *is* the IPv4 address.
class IpAddress {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  IpAddress() = default;  // "::"
  explicit IpAddress(const Bytes& network_order) : bytes_(network_order) {}

  // "192.0.2.1" or "2001:db8::1"; no brackets, no zone, no port.
  static Result<IpAddress> parse(std::string_view text);

  IpFamily family() const;
  const Bytes& bytes() const { return bytes_; }
  std::string to_string() const;  // as inet_ntop writes it; IPv4 without the mapped prefix

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Bytes bytes_{};
};

// The addresses that share their first `length` bits with `address`. The length counts in the
// address's own family: 0..32 for IPv4, 0..128 for IPv6. Invariant: bits after `length` are zero.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  // "10.0.0.0/8", "2001:db8::/32" or a bare address (its full length). Host bits set are an error.
  static Result<Prefix> parse(std::string_view text);
  // Cuts `address` to `length` bits of its own family.
  static Prefix of(const IpAddress& address, std::uint8_t length);
  std::string to_string() const;  // a full-length prefix prints as a bare address

  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

}  // namespace headgate

template <>
struct std::hash<headgate::Prefix> {
  std::size_t operator()(const headgate::Prefix& prefix) const noexcept;
};
