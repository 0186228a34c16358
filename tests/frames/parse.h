// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <vector>

#include "bpf/answer.h"
#include "bpf/packet.h"
#include "tests/frames/shapes.h"

// The kernel program's parser, in user space.
namespace headgate::frames {

// A copy of the frame, two bytes before a multiple of four, that ends where its memory ends.
class Aligned {
 public:
  explicit Aligned(const Bytes& frame) : memory_(kShift + frame.size()) {
    if (!frame.empty()) std::memcpy(begin(), frame.data(), frame.size());
  }
  std::uint8_t* begin() { return memory_.data() + kShift; }
  std::uint8_t* end() { return memory_.data() + memory_.size(); }
  std::uint32_t size() const { return static_cast<std::uint32_t>(memory_.size() - kShift); }
  Bytes bytes() { return {begin(), end()}; }

 private:
  static constexpr std::size_t kShift = 2;
  Bytes memory_;
};

struct Parsed {
  Kind kind = Kind::kOther;
  hg_packet packet{};  // unless it is kOther
};

// As the front line sees it: a frame that is not whole, or not from one host to another, is no
// request.
inline Parsed parse(Aligned& frame) {
  Parsed parsed;
  switch (hg_parse(frame.begin(), frame.end(), &parsed.packet)) {
    case HG_PACKET_OTHER:
      return parsed;
    case HG_PACKET_SEGMENT:
      parsed.kind = Kind::kSegment;
      return parsed;
    case HG_PACKET_SYN:
      parsed.kind = Kind::kSyn;
      break;
    case HG_PACKET_QUIC_INITIAL:
      parsed.kind = Kind::kQuicInitial;
      break;
  }
  if (!hg_is_whole(&parsed.packet, frame.size()) || !hg_is_unicast(&parsed.packet)) {
    parsed.kind = Kind::kOther;
  }
  return parsed;
}

inline Parsed parse(const Bytes& frame) {
  Aligned aligned(frame);
  return parse(aligned);
}

// The frame as its reset; empty if none could be made.
inline Bytes reset_of(const Bytes& frame) {
  Aligned aligned(frame);
  const Parsed parsed = parse(aligned);
  if (!hg_turn_into_reset(aligned.begin(), aligned.end(), &parsed.packet)) return {};
  return aligned.bytes();
}

// The frame as a SYN-ACK with that cookie; empty if none could be made.
inline Bytes syn_ack_of(const Bytes& frame, std::uint32_t cookie, std::uint16_t mss) {
  Aligned aligned(frame);
  const Parsed parsed = parse(aligned);
  if (!hg_turn_into_syn_ack(aligned.begin(), aligned.end(), &parsed.packet, cookie, mss)) return {};
  return aligned.bytes();
}

// Does the SYN carry a signature?
inline bool is_signed(const Bytes& frame) {
  const Parsed parsed = parse(frame);
  hg_whole_tcp tcp{};
  const std::uint32_t bytes = hg_tcp_bytes(&parsed.packet);
  std::memcpy(tcp.bytes, frame.data() + parsed.packet.transport_offset, bytes);
  return hg_is_signed(&tcp, bytes);
}

}  // namespace headgate::frames
