/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is in an Ethernet frame: who asks for a connection to what? Compiled for the kernel and, for
 * its tests, for user space.
 *
 * Whatever is not exactly as its standard says is HG_PACKET_OTHER: it is not ours to judge, and the
 * kernel drops it. So is what the kernel alone can judge: fragments but the first, a source route
 * that is not at its end, more tags or extension headers than are ever seen.
 *
 * The frame begins two bytes before a multiple of four, as drivers have it (NET_IP_ALIGN): then all
 * of its headers are aligned.
 */
#ifndef HEADGATE_BPF_PACKET_H
#define HEADGATE_BPF_PACKET_H

#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "abi.h"

#define HG_INLINE static inline __attribute__((always_inline))

/* What the compiler knew of the value it knows no longer: it keeps the checks that come after. */
#define HG_OPAQUE(value) __asm__ volatile("" : "+r"(value))

enum hg_packet_kind {
	HG_PACKET_OTHER = 0,
	HG_PACKET_SYN = 1,          /* asks for a TCP connection */
	HG_PACKET_SEGMENT = 2,      /* any other TCP segment */
	HG_PACKET_QUIC_INITIAL = 3, /* asks for a QUIC connection, or belongs to one that begins */
};

/* Set by hg_parse(), unless the packet is HG_PACKET_OTHER. */
struct hg_packet {
	struct hg_address source;
	struct hg_address destination;
	__u16 source_port;
	__u16 destination_port;
	__u16 vlan[2];          /* ids of the tags, the outer one first; 0: none */
	__u32 ip_offset;        /* in the frame */
	__u32 transport_offset; /* in the frame */
	__u32 end;              /* of the IP packet in the frame: what follows is padding */
	__u32 sequence;         /* of TCP */
	__u32 payload;          /* bytes after the TCP header */
	__u8 is_ipv6;
	__u8 is_udp;
	__u8 padding;
	__u8 is_plain; /* neither a fragment nor authenticated: its answer follows from it alone */
};
HG_SIZE_IS(struct hg_packet, 64); /* without padding: all of it is set */

struct hg_ethernet {
	__u8 destination[6];
	__u8 source[6];
	__be16 type;
};
HG_SIZE_IS(struct hg_ethernet, 14);

#define HG_ETHERTYPE_IPV4 0x0800
#define HG_ETHERTYPE_IPV6 0x86dd
#define HG_ETHERTYPE_VLAN 0x8100 /* IEEE 802.1Q */
#define HG_ETHERTYPE_QINQ 0x88a8 /* IEEE 802.1ad */
#define HG_VLAN_TAGS 2
#define HG_VLAN_ID 0x0fff

struct hg_vlan {
	__be16 tag;
	__be16 type; /* of what follows */
};

struct hg_ipv4 { /* RFC 791 */
	__u8 version_and_words;
	__u8 service;
	__be16 length; /* of header and data */
	__be16 id;
	__be16 fragment;
	__u8 time_to_live;
	__u8 protocol;
	__u16 checksum;
	__be32 source;
	__be32 destination;
};
HG_SIZE_IS(struct hg_ipv4, 20);
#define HG_IPV4_DONT_FRAGMENT 0x4000
#define HG_IPV4_MORE_FRAGMENTS 0x2000
#define HG_IPV4_FRAGMENT_OFFSET 0x1fff

struct hg_ipv6 { /* RFC 8200 */
	__be32 version_and_flow;
	__be16 payload_length; /* of all that follows this header */
	__u8 next_header;
	__u8 hop_limit;
	struct hg_address source;
	struct hg_address destination;
};
HG_SIZE_IS(struct hg_ipv6, 40);

/* The beginning that extension headers have in common. */
struct hg_extension {
	__u8 next_header;
	__u8 length; /* in units of 8 bytes beyond the first 8; HG_NEXT_AUTHENTICATION: of 4 */
	__u8 type;   /* HG_NEXT_ROUTING */
	__u8 segments_left;
	__be32 word;
};
HG_SIZE_IS(struct hg_extension, 8);
#define HG_EXTENSIONS 6
#define HG_IPV6_FRAGMENT_OFFSET 0xfff8
#define HG_IPV6_MORE_FRAGMENTS 0x0001

enum hg_next_header { /* the protocols of IP */
		      HG_NEXT_HOP_BY_HOP = 0,
		      HG_NEXT_TCP = 6,
		      HG_NEXT_UDP = 17,
		      HG_NEXT_ROUTING = 43,
		      HG_NEXT_FRAGMENT = 44,
		      HG_NEXT_AUTHENTICATION = 51, /* RFC 4302 */
		      HG_NEXT_DESTINATION = 60,
};

struct hg_tcp { /* RFC 9293 */
	__be16 source;
	__be16 destination;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 words; /* of this header, in the upper half */
	__u8 flags;
	__be16 window;
	__u16 checksum;
	__be16 urgent;
};
HG_SIZE_IS(struct hg_tcp, 20);
#define HG_TCP_FIN 0x01
#define HG_TCP_SYN 0x02
#define HG_TCP_RST 0x04
#define HG_TCP_ACK 0x10

enum hg_tcp_option {
	HG_OPTION_END = 0,
	HG_OPTION_NOTHING = 1,
	HG_OPTION_MSS = 2,
	HG_OPTION_MD5 = 19,            /* RFC 2385 */
	HG_OPTION_AUTHENTICATION = 29, /* RFC 5925 */
};

struct hg_mss {
	__u8 kind; /* HG_OPTION_MSS */
	__u8 length;
	__be16 value;
};
HG_SIZE_IS(struct hg_mss, 4);

/* A TCP header with all of its options, copied out of the frame. */
#define HG_LARGEST_TCP 60
struct hg_whole_tcp {
	__u8 bytes[HG_LARGEST_TCP];
};

struct hg_udp { /* RFC 768 */
	__be16 source;
	__be16 destination;
	__be16 length; /* of header and data */
	__u16 checksum;
};
HG_SIZE_IS(struct hg_udp, 8);

struct hg_quic { /* a long header: RFC 8999 */
	__u8 first;
	__u8 version[4];
};
HG_SIZE_IS(struct hg_quic, 5);
#define HG_QUIC_V1 0x00000001U /* RFC 9000 */
#define HG_QUIC_V2 0x6b3343cfU /* RFC 9369 */
#define HG_QUIC_LONG_AND_FIXED 0xc0
#define HG_QUIC_TYPE 0x30
#define HG_QUIC_V1_INITIAL 0x00
#define HG_QUIC_V2_INITIAL 0x10
#define HG_QUIC_LEAST_INITIAL 1200 /* bytes; servers discard smaller datagrams */

/* Is all of a header of `size` bytes within the frame? */
#define HG_REACHES(header, size, frame_end)                                                        \
	((const char *)(header) + (size) <= (const char *)(frame_end))

HG_INLINE bool hg_is_mapped(const struct hg_address *address)
{
	return address->word[0] == 0 && address->word[1] == 0 &&
	       address->word[2] == bpf_htonl(0xffff);
}

/* Where a parser is in the frame. */
struct hg_cursor {
	const char *at;
	const char *frame;
	const char *frame_end;
	__u32 protocol; /* of what is there: an Ethernet type, then one of hg_next_header */
};

/* Returns false if there are more tags than HG_VLAN_TAGS. */
HG_INLINE bool hg_parse_tags(struct hg_cursor *cursor, struct hg_packet *packet)
{
#pragma GCC unroll 2
	for (int i = 0; i < HG_VLAN_TAGS; i++) {
		const struct hg_vlan *vlan = (const struct hg_vlan *)cursor->at;

		packet->vlan[i] = 0;
		if (cursor->protocol != HG_ETHERTYPE_VLAN && cursor->protocol != HG_ETHERTYPE_QINQ)
			continue;
		if (!HG_REACHES(vlan, sizeof(*vlan), cursor->frame_end)) return false;
		packet->vlan[i] = bpf_ntohs(vlan->tag) & HG_VLAN_ID;
		cursor->protocol = bpf_ntohs(vlan->type);
		cursor->at += sizeof(*vlan);
	}
	return true;
}

HG_INLINE bool hg_parse_ipv4(struct hg_cursor *cursor, struct hg_packet *packet)
{
	const struct hg_ipv4 *ip = (const struct hg_ipv4 *)cursor->at;

	if (!HG_REACHES(ip, sizeof(*ip), cursor->frame_end)) return false;

	__u32 header = (ip->version_and_words & 0xf) * 4;
	__u32 length = bpf_ntohs(ip->length);
	__u32 fragment = bpf_ntohs(ip->fragment);

	if (ip->version_and_words >> 4 != 4 || header < sizeof(*ip) || length < header)
		return false;
	if (fragment & HG_IPV4_FRAGMENT_OFFSET) return false;
	packet->is_plain = fragment & HG_IPV4_MORE_FRAGMENTS ? 0 : 1;
	packet->end = packet->ip_offset + length;
	packet->source = (struct hg_address){{0, 0, bpf_htonl(0xffff), ip->source}};
	packet->destination = (struct hg_address){{0, 0, bpf_htonl(0xffff), ip->destination}};
	cursor->protocol = ip->protocol;
	cursor->at += header;
	packet->transport_offset = packet->ip_offset + header;
	return true;
}

HG_INLINE bool hg_is_extension(__u32 next_header)
{
	return next_header == HG_NEXT_HOP_BY_HOP || next_header == HG_NEXT_ROUTING ||
	       next_header == HG_NEXT_FRAGMENT || next_header == HG_NEXT_AUTHENTICATION ||
	       next_header == HG_NEXT_DESTINATION;
}

/* Goes beyond one extension header. Returns false if what follows it is not ours to judge. */
HG_INLINE bool hg_skip_extension(struct hg_cursor *cursor, struct hg_packet *packet)
{
	const struct hg_extension *extension = (const struct hg_extension *)cursor->at;

	if (!HG_REACHES(extension, sizeof(*extension), cursor->frame_end)) return false;

	__u32 size = (extension->length + 1) * 8;

	if (cursor->protocol == HG_NEXT_FRAGMENT) {
		__u32 fragment = bpf_ntohs(((const __be16 *)extension)[1]);

		if (fragment & HG_IPV6_FRAGMENT_OFFSET) return false;
		if (fragment & HG_IPV6_MORE_FRAGMENTS) packet->is_plain = 0;
		size = sizeof(*extension);
	} else if (cursor->protocol == HG_NEXT_AUTHENTICATION) {
		packet->is_plain = 0;
		size = (extension->length + 2) * 4;
	} else if (cursor->protocol == HG_NEXT_ROUTING && extension->segments_left) {
		return false;
	}
	cursor->protocol = extension->next_header;
	cursor->at += size;
	packet->transport_offset += size;
	return true;
}

HG_INLINE bool hg_parse_ipv6(struct hg_cursor *cursor, struct hg_packet *packet)
{
	const struct hg_ipv6 *ip = (const struct hg_ipv6 *)cursor->at;

	if (!HG_REACHES(ip, sizeof(*ip), cursor->frame_end)) return false;
	if (bpf_ntohl(ip->version_and_flow) >> 28 != 6) return false;
	packet->source = ip->source;
	packet->destination = ip->destination;
	/* The policy would take them for IPv4. */
	if (hg_is_mapped(&packet->source) || hg_is_mapped(&packet->destination)) return false;
	packet->is_plain = 1;
	packet->end = packet->ip_offset + (__u32)sizeof(*ip) + bpf_ntohs(ip->payload_length);
	cursor->protocol = ip->next_header;
	cursor->at += sizeof(*ip);
	packet->transport_offset = packet->ip_offset + (__u32)sizeof(*ip);
#pragma GCC unroll 6
	for (int i = 0; i < HG_EXTENSIONS; i++) {
		if (!hg_is_extension(cursor->protocol)) return true;
		if (!hg_skip_extension(cursor, packet)) return false;
	}
	return true;
}

HG_INLINE enum hg_packet_kind hg_parse_tcp(const struct hg_cursor *cursor, struct hg_packet *packet)
{
	const struct hg_tcp *tcp = (const struct hg_tcp *)cursor->at;

	if (!HG_REACHES(tcp, sizeof(*tcp), cursor->frame_end)) return HG_PACKET_OTHER;

	__u32 header = (tcp->words >> 4) * 4;

	if (header < sizeof(*tcp) || packet->transport_offset + header > packet->end)
		return HG_PACKET_OTHER;
	packet->source_port = bpf_ntohs(tcp->source);
	packet->destination_port = bpf_ntohs(tcp->destination);
	packet->sequence = bpf_ntohl(tcp->sequence);
	packet->is_udp = 0;
	packet->payload = packet->end - packet->transport_offset - header;

	__u32 flags = tcp->flags & (HG_TCP_SYN | HG_TCP_ACK | HG_TCP_RST | HG_TCP_FIN);

	if (flags == HG_TCP_SYN) return HG_PACKET_SYN;
	/* A SYN with FIN or RST is nothing; one with ACK is an answer to a SYN of this host. */
	return flags & HG_TCP_SYN && flags != (HG_TCP_SYN | HG_TCP_ACK) ? HG_PACKET_OTHER
									: HG_PACKET_SEGMENT;
}

HG_INLINE bool hg_is_initial(const struct hg_quic *quic)
{
	__u32 version = (__u32)quic->version[0] << 24 | quic->version[1] << 16 |
			quic->version[2] << 8 | quic->version[3];
	__u32 type = quic->first & HG_QUIC_TYPE;

	if ((quic->first & HG_QUIC_LONG_AND_FIXED) != HG_QUIC_LONG_AND_FIXED) return false;
	return (version == HG_QUIC_V1 && type == HG_QUIC_V1_INITIAL) ||
	       (version == HG_QUIC_V2 && type == HG_QUIC_V2_INITIAL);
}

HG_INLINE enum hg_packet_kind hg_parse_udp(const struct hg_cursor *cursor, struct hg_packet *packet)
{
	const struct hg_udp *udp = (const struct hg_udp *)cursor->at;
	const struct hg_quic *quic = (const struct hg_quic *)(udp + 1);

	if (!packet->is_plain) return HG_PACKET_OTHER;
	if (!HG_REACHES(udp, sizeof(*udp) + sizeof(*quic), cursor->frame_end))
		return HG_PACKET_OTHER;

	__u32 length = bpf_ntohs(udp->length);

	if (length < sizeof(*udp) + HG_QUIC_LEAST_INITIAL ||
	    packet->transport_offset + length > packet->end || !hg_is_initial(quic))
		return HG_PACKET_OTHER;
	packet->source_port = bpf_ntohs(udp->source);
	packet->destination_port = bpf_ntohs(udp->destination);
	packet->sequence = 0;
	packet->is_udp = 1;
	packet->payload = length - (__u32)sizeof(*udp);
	return HG_PACKET_QUIC_INITIAL;
}

/*
 * `frame` to `frame_end` may be less than all of it, if all the headers are there. Whether the
 * frame is as long as its packet says is left to hg_is_whole().
 */
HG_INLINE enum hg_packet_kind hg_parse(const void *frame, const void *frame_end,
				       struct hg_packet *packet)
{
	const struct hg_ethernet *ethernet = (const struct hg_ethernet *)frame;
	struct hg_cursor cursor = {
	    .at = (const char *)(ethernet + 1),
	    .frame = (const char *)frame,
	    .frame_end = (const char *)frame_end,
	    .protocol = 0,
	};

	if (!HG_REACHES(ethernet, sizeof(*ethernet), frame_end)) return HG_PACKET_OTHER;
	packet->padding = 0;
	cursor.protocol = bpf_ntohs(ethernet->type);
	if (!hg_parse_tags(&cursor, packet)) return HG_PACKET_OTHER;
	packet->ip_offset = (__u32)(cursor.at - cursor.frame);
	packet->is_ipv6 = cursor.protocol == HG_ETHERTYPE_IPV6 ? 1 : 0;
	if (packet->is_ipv6) {
		if (!hg_parse_ipv6(&cursor, packet)) return HG_PACKET_OTHER;
	} else if (cursor.protocol == HG_ETHERTYPE_IPV4) {
		if (!hg_parse_ipv4(&cursor, packet)) return HG_PACKET_OTHER;
	} else {
		return HG_PACKET_OTHER;
	}
	if (cursor.protocol == HG_NEXT_TCP) return hg_parse_tcp(&cursor, packet);
	if (cursor.protocol == HG_NEXT_UDP) return hg_parse_udp(&cursor, packet);
	return HG_PACKET_OTHER;
}

/* Of the SYN's TCP header, with its options. */
HG_INLINE __u32 hg_tcp_bytes(const struct hg_packet *packet)
{
	return packet->end - packet->transport_offset - packet->payload;
}

/*
 * Does the segment carry a signature, which its answer would need, too? `bytes`: of the header, and
 * no more than HG_LARGEST_TCP.
 */
HG_INLINE bool hg_is_signed(const struct hg_whole_tcp *tcp, __u32 bytes)
{
	__u32 at = sizeof(struct hg_tcp), last = bytes - 1;

	for (int i = 0; i < HG_LARGEST_TCP - (int)sizeof(struct hg_tcp); i++) {
		if (at >= last) return false;
		HG_OPAQUE(at);
		if (at > HG_LARGEST_TCP - 2) return false; /* for the verifier of Linux 6.1 */

		__u8 kind = tcp->bytes[at], length = tcp->bytes[at + 1];

		if (kind == HG_OPTION_MD5 || kind == HG_OPTION_AUTHENTICATION) return true;
		if (kind == HG_OPTION_END) return false;
		if (kind == HG_OPTION_NOTHING)
			length = 1;
		else if (length < 2)
			return false;
		at += length;
	}
	return false;
}

/* Is all of the packet in the frame? */
HG_INLINE bool hg_is_whole(const struct hg_packet *packet, __u32 frame_bytes)
{
	return packet->end <= frame_bytes;
}

/* Can the packet have come from another host, and be meant for one? */
HG_INLINE bool hg_is_unicast(const struct hg_packet *packet)
{
	const __u32 *from = packet->source.word, *to = packet->destination.word;

	if (packet->is_ipv6) {
		bool is_low = from[0] == 0 && from[1] == 0 && from[2] == 0 &&
			      bpf_ntohl(from[3]) <= 1; /* :: and ::1 */

		if (is_low || bpf_ntohl(from[0]) >> 24 == 0xff || bpf_ntohl(to[0]) >> 24 == 0xff)
			return false;
	} else {
		__u32 network = bpf_ntohl(from[3]) >> 24;

		if (network == 0 || network == 127 || network >= 224) return false;
		if (bpf_ntohl(to[3]) >> 24 >= 224) return false;
	}
	return from[0] != to[0] || from[1] != to[1] || from[2] != to[2] || from[3] != to[3];
}

#endif /* HEADGATE_BPF_PACKET_H */
