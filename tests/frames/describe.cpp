// SPDX-License-Identifier: Apache-2.0
#include "tests/frames/describe.h"

#include <cstdio>
#include <stdexcept>

namespace headgate::frames {
namespace {

class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {}

  std::uint32_t read(std::size_t size) {
    std::uint32_t value = 0;
    for (const std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }
  Bytes take(std::size_t size) {
    if (bytes_.size() - at_ < size) throw std::runtime_error("the frame ends too early");
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
    at_ += size;
    return {begin, begin + static_cast<std::ptrdiff_t>(size)};
  }
  std::size_t left() const { return bytes_.size() - at_; }

 private:
  const Bytes& bytes_;
  std::size_t at_ = 0;
};

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

// RFC 1071: the sum over what holds a right checksum is all ones.
bool sums_up(const Bytes& bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint64_t{bytes[i]} * 256 : bytes[i];
  }
  return sum % 0xffff == 0 && sum != 0;
}

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::string mac_text(const Bytes& mac) {
  char text[32];
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text;
}

std::string address_text(const Bytes& address) {
  IpAddress::Bytes bytes{};
  if (address.size() == 4) bytes[10] = bytes[11] = 0xff;
  std::copy(address.rbegin(), address.rend(), bytes.rbegin());
  return IpAddress(bytes).to_string();
}

struct Ip {
  Bytes source;
  Bytes destination;
  Bytes inside;
  std::string text;  // of what else it says
};

Ip read_ipv4(Reader& reader) {
  const std::size_t left = reader.left();
  const Bytes header = reader.take(20);
  Reader fields(header);
  require(fields.read(1) == 0x45, "the IPv4 header is not the shortest");
  require(fields.read(1) == 0, "the service is not 0");
  const std::size_t length = fields.read(2);
  require(length >= 20 && length <= left, "the IPv4 length is wrong");
  require(fields.read(2) == 0, "the IPv4 id is not 0");
  const std::uint32_t fragment = fields.read(2);
  require(fragment == 0x4000 || fragment == 0, "it is a fragment");
  Ip ip;
  ip.text = " ttl " + std::to_string(fields.read(1)) + (fragment != 0 ? " DF" : "");
  require(fields.read(1) == 6, "it is not TCP");
  require(sums_up(header), "the IPv4 checksum is wrong");
  fields.read(2);
  ip.source = fields.take(4);
  ip.destination = fields.take(4);
  ip.inside = reader.take(length - 20);
  return ip;
}

Ip read_ipv6(Reader& reader) {
  require(reader.read(4) == 0x60000000, "the version is not 6, or there is a class or label");
  const std::size_t length = reader.read(2);
  require(reader.read(1) == 6, "it is not TCP");
  Ip ip;
  ip.text = " ttl " + std::to_string(reader.read(1));
  ip.source = reader.take(16);
  ip.destination = reader.take(16);
  ip.inside = reader.take(length);
  return ip;
}

std::string describe_tcp(const Ip& ip) {
  Bytes summed = ip.source;
  append(summed, ip.destination);
  append(summed, {0, 6, static_cast<std::uint8_t>(ip.inside.size() >> 8),
                  static_cast<std::uint8_t>(ip.inside.size())});
  append(summed, ip.inside);
  require(sums_up(summed), "the TCP checksum is wrong");
  Reader tcp(ip.inside);
  std::string text = address_text(ip.source) + ":" + std::to_string(tcp.read(2));
  text += " > " + address_text(ip.destination) + ":" + std::to_string(tcp.read(2));
  const std::string sequence = " sequence " + std::to_string(tcp.read(4));
  const std::string acknowledgement = " acknowledgement " + std::to_string(tcp.read(4));
  const std::size_t header = tcp.read(1) / 16 * 4;
  require(header == 20 || header == 24, "the TCP header has more than an MSS");
  const std::uint32_t flags = tcp.read(1);
  const char* const names[] = {" FIN", " SYN", " RST", " PSH", " ACK", " URG", " ECE", " CWR"};
  for (int bit = 0; bit < 8; ++bit) {
    if (flags >> bit & 1) text += names[bit];
  }
  text += sequence + acknowledgement + " window " + std::to_string(tcp.read(2)) + ip.text;
  tcp.read(2);
  require(tcp.read(2) == 0, "there is an urgent pointer");
  if (header == 24) {
    require(tcp.read(2) == 0x0204, "the TCP option is not the MSS");
    text += " mss " + std::to_string(tcp.read(2));
  }
  return text + " data " + std::to_string(tcp.left());
}

std::string read_frame(const Bytes& frame) {
  Reader reader(frame);
  const std::string to = mac_text(reader.take(6));
  std::string text = mac_text(reader.take(6)) + " > " + to;
  std::uint32_t type = reader.read(2);
  while (type == 0x8100 || type == 0x88a8) {
    text +=
        std::string(type == 0x8100 ? " vlan " : " service vlan ") + std::to_string(reader.read(2));
    type = reader.read(2);
  }
  require(type == 0x0800 || type == 0x86dd, "it is not IP");
  return text + ": " + describe_tcp(type == 0x0800 ? read_ipv4(reader) : read_ipv6(reader));
}

}  // namespace

std::string describe(const Bytes& frame) {
  try {
    return read_frame(frame);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace headgate::frames
