// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"
#include "tests/frames/describe.h"
#include "tests/frames/parse.h"

// The parser and the answers of the front line. The input ends where its memory ends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::frames;
  using headgate::require;
  const Bytes frame(data, data + size);
  const Parsed parsed = parse(frame);
  if (parsed.kind == Kind::kOther) return 0;
  const hg_packet& packet = parsed.packet;
  require(packet.ip_offset < packet.transport_offset && packet.transport_offset < packet.end,
          "headers follow each other");
  if (parsed.kind == Kind::kSegment) return 0;
  require(packet.end <= size, "a request is in its frame");
  require(packet.payload < packet.end - packet.transport_offset, "data is behind its header");
  // What is behind the packet says nothing.
  require(parse(cut(frame, packet.end)).kind == parsed.kind, "padding changes nothing");
  if (parsed.kind != Kind::kSyn) return 0;
  const Bytes reset = reset_of(frame);
  require(reset.size() == frame.size(), "an answer is as long as its request");
  require(describe(reset).find(" RST ACK sequence 0 ") != std::string::npos, "a reset is right");
  require(parse(reset).kind != Kind::kSyn, "a reset asks for nothing");
  const std::uint32_t header = hg_tcp_bytes(&packet);
  require(header >= 20 && header <= HG_LARGEST_TCP, "a TCP header has a length");
  is_signed(frame);
  const Bytes syn_ack = syn_ack_of(frame, 77, 1460);
  require(syn_ack.size() == frame.size(), "an answer is as long as its request");
  require(describe(syn_ack).find(" SYN ACK sequence 77 ") != std::string::npos,
          "a SYN-ACK is right");
  return 0;
}
