/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Turns the frame of a SYN into that of its answer, in place: a reset (RFC 9293, 3.10.7.1) or a
 * SYN-ACK with a SYN cookie. Compiled for the kernel and, for its tests, for user space.
 *
 * The frame keeps its length, and its VLAN tags. What is left of the SYN behind the answer is
 * padding to its receiver, as that of any short frame. (Newer kernels do not let a program that may
 * change the length of a frame into the dispatcher of an older libxdp.)
 */
#ifndef HEADGATE_BPF_ANSWER_H
#define HEADGATE_BPF_ANSWER_H

#include "packet.h"

#define HG_ANSWER_TIME_TO_LIVE 64
/* As much as a client may send before it hears of a larger window (RFC 6928). */
#define HG_SYN_ACK_WINDOW 14600
#define HG_LARGEST_IP_OFFSET (sizeof(struct hg_ethernet) + HG_VLAN_TAGS * sizeof(struct hg_vlan))

/* What an answer says; addresses and ports are those of the SYN, turned round. */
struct hg_answer {
	__u32 sequence;
	__u32 acknowledgement;
	__u16 flags; /* HG_TCP_... */
	__u16 window;
	__u16 mss; /* 0: not told */
};

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
HG_INLINE void hg_write_ipv4(struct hg_ipv4 *ip, const struct hg_packet *syn, __u16 tcp_bytes)
{
	__be16 length = bpf_htons((__u16)(sizeof(struct hg_ipv4) + tcp_bytes));

	*ip = (struct hg_ipv4){
	    .version_and_words = 0x45,
	    .service = 0,
	    .length = length,
	    .id = 0, /* RFC 6864: it is not fragmented */
	    .fragment = bpf_htons(HG_IPV4_DONT_FRAGMENT),
	    .time_to_live = HG_ANSWER_TIME_TO_LIVE,
	    .protocol = HG_NEXT_TCP,
	    .checksum = 0,
	    .source = syn->destination.word[3],
	    .destination = syn->source.word[3],
	};
	__u32 sum = bpf_htons(0x4500) + length;

	sum += bpf_htons(HG_IPV4_DONT_FRAGMENT);
	sum += bpf_htons(HG_ANSWER_TIME_TO_LIVE << 8 | HG_NEXT_TCP);
	sum += hg_sum_word(syn->source.word[3]) + hg_sum_word(syn->destination.word[3]);
	ip->checksum = hg_finish_sum(sum);
}

HG_INLINE void hg_write_ipv6(struct hg_ipv6 *ip, const struct hg_packet *syn, __u16 tcp_bytes)
{
	ip->version_and_flow = bpf_htonl(6U << 28);
	ip->payload_length = bpf_htons(tcp_bytes);
	ip->next_header = HG_NEXT_TCP;
	ip->hop_limit = HG_ANSWER_TIME_TO_LIVE;
	ip->source = syn->destination;
	ip->destination = syn->source;
}

HG_INLINE void hg_write_tcp(struct hg_tcp *tcp, const struct hg_packet *syn,
			    const struct hg_answer *answer, __u16 tcp_bytes)
{
	struct hg_address source = syn->source, destination = syn->destination;
	__be32 sequence = bpf_htonl(answer->sequence);
	__be32 acknowledgement = bpf_htonl(answer->acknowledgement);
	__be16 from = bpf_htons(syn->destination_port), to = bpf_htons(syn->source_port);
	__be16 words_and_flags = bpf_htons((__u16)(tcp_bytes << 10 | answer->flags));
	__be16 window = bpf_htons(answer->window);

	if (!syn->is_ipv6) source.word[2] = destination.word[2] = 0; /* ::ffff: is not sent */

	__u32 sum = hg_sum_address(&source) + hg_sum_address(&destination);

	sum += bpf_htons(HG_NEXT_TCP) + bpf_htons(tcp_bytes);
	sum += from + to + hg_sum_word(sequence) + hg_sum_word(acknowledgement);
	sum += words_and_flags + window;
	if (tcp_bytes > sizeof(struct hg_tcp)) {
		struct hg_mss *option = (struct hg_mss *)(tcp + 1);

		*option = (struct hg_mss){HG_OPTION_MSS, sizeof(*option), bpf_htons(answer->mss)};
		sum += bpf_htons(HG_OPTION_MSS << 8 | sizeof(*option)) + option->value;
	}
	*tcp = (struct hg_tcp){
	    .source = from,
	    .destination = to,
	    .sequence = sequence,
	    .acknowledgement = acknowledgement,
	    .words = (__u8)(tcp_bytes << 2),
	    .flags = (__u8)answer->flags,
	    .window = window,
	    .checksum = hg_finish_sum(sum),
	    .urgent = 0,
	};
}

/*
 * Returns false, and changes nothing, if the frame is too short for it: then it was no SYN's. The
 * MSS is told if there is room for it.
 */
HG_INLINE bool hg_turn_into_answer(void *frame, void *frame_end, const struct hg_packet *syn,
				   const struct hg_answer *answer)
{
	__u32 ip_offset = syn->ip_offset;

	if (ip_offset > HG_LARGEST_IP_OFFSET) return false;

	char *ip = (char *)frame + ip_offset;
	__u32 ip_size = syn->is_ipv6 ? sizeof(struct hg_ipv6) : sizeof(struct hg_ipv4);
	char *tcp = ip + ip_size;
	__u16 tcp_bytes = sizeof(struct hg_tcp);

	if (!HG_REACHES(frame, sizeof(struct hg_ethernet), frame_end) ||
	    !HG_REACHES(tcp, sizeof(struct hg_tcp), frame_end))
		return false;
	if (answer->mss &&
	    HG_REACHES(tcp, sizeof(struct hg_tcp) + sizeof(struct hg_mss), frame_end))
		tcp_bytes = sizeof(struct hg_tcp) + sizeof(struct hg_mss);
	hg_swap_hardware_addresses((struct hg_ethernet *)frame);
	if (syn->is_ipv6)
		hg_write_ipv6((struct hg_ipv6 *)ip, syn, tcp_bytes);
	else
		hg_write_ipv4((struct hg_ipv4 *)ip, syn, tcp_bytes);
	hg_write_tcp((struct hg_tcp *)tcp, syn, answer, tcp_bytes);
	return true;
}

HG_INLINE bool hg_turn_into_reset(void *frame, void *frame_end, const struct hg_packet *syn)
{
	struct hg_answer reset = {
	    .sequence = 0,
	    .acknowledgement = syn->sequence + 1 + syn->payload,
	    .flags = HG_TCP_RST | HG_TCP_ACK,
	    .window = 0,
	    .mss = 0,
	};

	return hg_turn_into_answer(frame, frame_end, syn, &reset);
}

/*
 * Data of the SYN is not acknowledged: nobody keeps it. No other option is offered: timestamps
 * carry what the kernel has put into its own cookies, and without them it knows of no window scale
 * and no SACK.
 */
HG_INLINE bool hg_turn_into_syn_ack(void *frame, void *frame_end, const struct hg_packet *syn,
				    __u32 cookie, __u16 mss)
{
	struct hg_answer syn_ack = {
	    .sequence = cookie,
	    .acknowledgement = syn->sequence + 1,
	    .flags = HG_TCP_SYN | HG_TCP_ACK,
	    .window = HG_SYN_ACK_WINDOW,
	    .mss = mss,
	};

	return hg_turn_into_answer(frame, frame_end, syn, &syn_ack);
}

#endif /* HEADGATE_BPF_ANSWER_H */
