// SPDX-License-Identifier: Apache-2.0
#include "common/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace headgate {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

unsigned family_bits(IpFamily family) {
  return family == IpFamily::kIpv4 ? 32 : 128;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);  // inet_pton wants a terminated string; an embedded NUL ends it
  Bytes bytes{};
  if (copy.size() == std::strlen(copy.c_str())) {
    if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return IpAddress(bytes);
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
    if (inet_pton(AF_INET, copy.c_str(), bytes.data() + kMappedPrefix.size()) == 1) {
      return IpAddress(bytes);
    }
  }
  return fail(ErrorCode::kInvalidArgument, "'" + copy + "' is not an IPv4 or IPv6 address");
}

IpFamily IpAddress::family() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin()) ? IpFamily::kIpv4
                                                                                : IpFamily::kIpv6;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool ipv4 = family() == IpFamily::kIpv4;
  inet_ntop(ipv4 ? AF_INET : AF_INET6, bytes_.data() + (ipv4 ? kMappedPrefix.size() : 0),
            text.data(), text.size());
  return text.data();
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return tl::unexpected(address.error());
  const unsigned bits = family_bits(address->family());
  unsigned length = bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    const bool padded = digits.size() > 1 && digits.front() == '0';
    if (error != std::errc() || end != digits.data() + digits.size() || length > bits || padded) {
      return fail(ErrorCode::kInvalidArgument, "'" + std::string(text) +
                                                   "' has a bad length; 0 to " +
                                                   std::to_string(bits) + " would be right");
    }
  }
  const Prefix prefix = of(*address, static_cast<std::uint8_t>(length));
  if (prefix.address != *address) {
    return fail(ErrorCode::kInvalidArgument, "'" + std::string(text) +
                                                 "' has bits set after its length; " +
                                                 prefix.to_string() + " would be right");
  }
  return prefix;
}

Prefix Prefix::of(const IpAddress& address, std::uint8_t length) {
  const unsigned skipped = address.family() == IpFamily::kIpv4 ? kMappedBits : 0;
  IpAddress::Bytes bytes = address.bytes();
  for (unsigned bit = skipped + length; bit < 128; ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  return Prefix{IpAddress(bytes), length};
}

std::string Prefix::to_string() const {
  const std::string text = address.to_string();
  return length == family_bits(address.family()) ? text : text + "/" + std::to_string(length);
}

}  // namespace headgate

std::size_t std::hash<headgate::Prefix>::operator()(const headgate::Prefix& prefix) const noexcept {
  const auto& bytes = prefix.address.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::hash<std::string_view>{}(text)*131 + prefix.length;
}
