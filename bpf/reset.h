/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Turns the frame of a SYN into that of its reset, in place: RFC 9293, 3.10.7.1. Compiled for the
 * kernel and, for its tests, for user space.
 *
 * The frame keeps its length, and its VLAN tags. What is left of the SYN behind the reset is
 * padding to its receiver, as that of any short frame. (Newer kernels do not let a program that may
 * change the length of a frame into the dispatcher of an older libxdp.)
 */
#ifndef HEADGATE_BPF_RESET_H
#define HEADGATE_BPF_RESET_H

#include "packet.h"

#define HG_RESET_TIME_TO_LIVE 64
#define HG_LARGEST_IP_OFFSET (sizeof(struct hg_ethernet) + HG_VLAN_TAGS * sizeof(struct hg_vlan))

/* The sum of RFC 1071 over words of 16 bits, in the order that they are sent in. */
HG_INLINE __u32 hg_sum_address(const struct hg_address *address)
{
	__u32 sum = 0;

#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		sum += (address->word[i] & 0xffff) + (address->word[i] >> 16);
	return sum;
}

HG_INLINE __u32 hg_sum_word(__be32 word)
{
	return (word & 0xffff) + (word >> 16);
}

HG_INLINE __u16 hg_finish_sum(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

HG_INLINE void hg_swap_hardware_addresses(struct hg_ethernet *ethernet)
{
#pragma GCC unroll 6
	for (int i = 0; i < 6; i++) {
		__u8 byte = ethernet->destination[i];

		ethernet->destination[i] = ethernet->source[i];
		ethernet->source[i] = byte;
	}
}

/* From the destination of the SYN to its source. */
HG_INLINE void hg_write_ipv4(struct hg_ipv4 *ip, const struct hg_packet *syn)
{
	*ip = (struct hg_ipv4){
	    .version_and_words = 0x45,
	    .service = 0,
	    .length = bpf_htons(sizeof(struct hg_ipv4) + sizeof(struct hg_tcp)),
	    .id = 0, /* RFC 6864: it is not fragmented */
	    .fragment = bpf_htons(HG_IPV4_DONT_FRAGMENT),
	    .time_to_live = HG_RESET_TIME_TO_LIVE,
	    .protocol = HG_NEXT_TCP,
	    .checksum = 0,
	    .source = syn->destination.word[3],
	    .destination = syn->source.word[3],
	};
	__u32 sum = bpf_htons(0x4500);

	sum += bpf_htons(sizeof(struct hg_ipv4) + sizeof(struct hg_tcp));
	sum += bpf_htons(HG_IPV4_DONT_FRAGMENT);
	sum += bpf_htons(HG_RESET_TIME_TO_LIVE << 8 | HG_NEXT_TCP);
	sum += hg_sum_word(syn->source.word[3]) + hg_sum_word(syn->destination.word[3]);
	ip->checksum = hg_finish_sum(sum);
}

HG_INLINE void hg_write_ipv6(struct hg_ipv6 *ip, const struct hg_packet *syn)
{
	ip->version_and_flow = bpf_htonl(6U << 28);
	ip->payload_length = bpf_htons(sizeof(struct hg_tcp));
	ip->next_header = HG_NEXT_TCP;
	ip->hop_limit = HG_RESET_TIME_TO_LIVE;
	ip->source = syn->destination;
	ip->destination = syn->source;
}

HG_INLINE void hg_write_tcp_reset(struct hg_tcp *tcp, const struct hg_packet *syn)
{
	struct hg_address source = syn->source, destination = syn->destination;
	__be32 acknowledgement = bpf_htonl(syn->sequence + 1 + syn->payload);
	__be16 from = bpf_htons(syn->destination_port), to = bpf_htons(syn->source_port);

	if (!syn->is_ipv6) source.word[2] = destination.word[2] = 0; /* ::ffff: is not sent */

	__u32 sum = hg_sum_address(&source) + hg_sum_address(&destination);

	sum += bpf_htons(HG_NEXT_TCP) + bpf_htons(sizeof(struct hg_tcp));
	sum += from + to + hg_sum_word(acknowledgement);
	sum += bpf_htons(0x5000 | HG_TCP_RST | HG_TCP_ACK);
	*tcp = (struct hg_tcp){
	    .source = from,
	    .destination = to,
	    .sequence = 0,
	    .acknowledgement = acknowledgement,
	    .words = 0x50,
	    .flags = HG_TCP_RST | HG_TCP_ACK,
	    .window = 0,
	    .checksum = hg_finish_sum(sum),
	    .urgent = 0,
	};
}

/* Returns false, and changes nothing, if the frame is too short for it: then it was no SYN's. */
HG_INLINE bool hg_turn_into_reset(void *frame, void *frame_end, const struct hg_packet *syn)
{
	__u32 ip_offset = syn->ip_offset;

	if (ip_offset > HG_LARGEST_IP_OFFSET) return false;

	char *ip = (char *)frame + ip_offset;
	__u32 ip_size = syn->is_ipv6 ? sizeof(struct hg_ipv6) : sizeof(struct hg_ipv4);
	char *tcp = ip + ip_size;

	if (!HG_REACHES(frame, sizeof(struct hg_ethernet), frame_end) ||
	    !HG_REACHES(tcp, sizeof(struct hg_tcp), frame_end))
		return false;
	hg_swap_hardware_addresses((struct hg_ethernet *)frame);
	if (syn->is_ipv6)
		hg_write_ipv6((struct hg_ipv6 *)ip, syn);
	else
		hg_write_ipv4((struct hg_ipv4 *)ip, syn);
	hg_write_tcp_reset((struct hg_tcp *)tcp, syn);
	return true;
}

#endif /* HEADGATE_BPF_RESET_H */
