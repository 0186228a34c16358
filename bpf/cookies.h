/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SYN cookies in XDP: while a rule is flooded with SYNs, the front line answers them in the
 * kernel's name, so that they cost no request sockets. The cookies are the kernel's own: it checks
 * them when they come back, and believes them as long as the listener's queue of requests has
 * overflowed in the last two minutes. docs/adr/0008-front-line.md.
 */
#ifndef HEADGATE_BPF_COOKIES_H
#define HEADGATE_BPF_COOKIES_H

#include "answer.h"
#include "maps.h"
#include "packet.h"
#include "policy.h"
#include "recent.h"
#include "served.h"
#include "shed.h"

/*
 * So many half-open connections of a rule, and its listeners are looked at for each SYN. It decides
 * about that cost and no more: whether SYNs are answered is for the listener's queue to say. Fewer
 * than the shortest queues of servers in earnest (128), more than a healthy one has.
 */
#define FLOODED_FROM_HALF_OPEN 64

/* For so long after an overflow, which leaves the client the rest of two minutes to come back. */
#define COOKIES_FOR_SECONDS 60

const volatile __u32 jiffies_per_second = 100;

/* Does the rule have so many half-open connections that a flood is likely? */
CHECKED_ONCE int is_flooded(const struct visitor *visitor)
{
	if (!visitor) return 0;

	const struct hg_control *now = find_control();

	if (!now || !now->syn_cookies) return 0;

	const struct hg_totals *total = totals_of(visitor);
	const struct hg_rule *rule = rule_of(visitor);

	if (!total || !rule) return 0;

	__u64 word = read_word(&total->half_open);
	struct hg_windows windows = hg_unpack_windows(word, word >> (2 * HG_WINDOW_COUNT_BITS));

	/* Spares the clock. */
	if (windows.current + windows.previous < FLOODED_FROM_HALF_OPEN) return 0;
	return window_count(&total->half_open, window_now(rule)) >= FLOODED_FROM_HALF_OPEN;
}

/* When the queue of requests of the listener, or of its group, has overflowed last. */
static __always_inline __u32 last_overflow(const struct tcp_sock *listener)
{
	const struct sock *sk = (const struct sock *)listener;

	if (BPF_CORE_READ_BITFIELD(&sk->__sk_common, skc_reuseport)) {
		const struct sock_reuseport *group = sk->sk_reuseport_cb;

		if (group) return group->synq_overflow_ts;
	}
	return listener->rx_opt.ts_recent_stamp;
}

/* Would the kernel take a connection from it that comes with a cookie? */
static __always_inline bool believes_cookies(const struct tcp_sock *listener)
{
	const struct sock *sk = (const struct sock *)listener;
	const struct net *net = sk->__sk_common.skc_net.net;
	__u32 age = (__u32)bpf_jiffies64() - last_overflow(listener);

	return net && net->ipv4.sysctl_tcp_syncookies &&
	       sk->sk_ack_backlog <= sk->sk_max_ack_backlog &&
	       age <= COOKIES_FOR_SECONDS * jiffies_per_second;
}

/* What the kernel makes a cookie of. */
struct request {
	union {
		struct hg_ipv4 ipv4;
		struct hg_ipv6 ipv6;
	};
	struct hg_whole_tcp tcp;
};

/* Returns the size of its TCP header; 0 if the SYN has to be left to the kernel. */
static __always_inline __u32 read_request(struct xdp_md *ctx, const struct hg_packet *packet,
					  struct request *request)
{
	__u32 bytes = hg_tcp_bytes(packet);

	if (bytes < sizeof(struct hg_tcp)) return 0;
	barrier_var(bytes); /* Linux 6.1 does not see both bounds in one comparison */
	if (bytes > HG_LARGEST_TCP) return 0;

	int error = bpf_xdp_load_bytes(ctx, packet->transport_offset, &request->tcp, bytes);

	if (error || hg_is_signed(&request->tcp, bytes)) return 0;
	if (packet->is_ipv6) {
		request->ipv6.version_and_flow = bpf_htonl(6U << 28);
		request->ipv6.source = packet->source;
		request->ipv6.destination = packet->destination;
	} else {
		request->ipv4.version_and_words = 0x45;
		request->ipv4.source = packet->source.word[3];
		request->ipv4.destination = packet->destination.word[3];
	}
	return bytes;
}

/*
 * The listener's cookie for the request; no more than 0: none. The first helper gives one when the
 * kernel would send one itself, and notes the overflow. It will not once the queue has room again,
 * as it soon has if no SYN reaches it; then the second does, and the queue stays empty.
 */
static __always_inline __s64 ask_for_cookie(struct bpf_sock *listener, struct request *request,
					    bool is_ipv6, __u32 bytes)
{
	__u32 ip_bytes = is_ipv6 ? sizeof(request->ipv6) : sizeof(request->ipv4);
	struct tcphdr *tcp = (struct tcphdr *)&request->tcp;
	__s64 cookie = bpf_tcp_gen_syncookie(listener, &request->ipv6, ip_bytes, tcp, bytes);

	if (cookie > 0) return cookie;

	const struct tcp_sock *state = bpf_skc_to_tcp_sock(listener);

	if (!state || !believes_cookies(state)) return 0;
	if (is_ipv6)
		return bpf_tcp_raw_gen_syncookie_ipv6((struct ipv6hdr *)&request->ipv6, tcp, bytes);
	return bpf_tcp_raw_gen_syncookie_ipv4((struct iphdr *)&request->ipv4, tcp, bytes);
}

/* In the lower half, under something that is not 0; no more than 0: none. */
CHECKED_ONCE __s64 make_cookie(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return 0;

	struct request request = {};
	__u32 bytes = read_request(ctx, packet, &request);

	if (!bytes) return 0;

	struct bpf_sock_tuple tuple = tuple_of(packet);
	__u32 size = packet->is_ipv6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4);
	__s64 cookie = 0;

	set_asked(packet_ports(packet));
	struct bpf_sock *found = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	set_asked(0);
	if (!found) return 0;
	if (found->state == TCP_LISTEN)
		cookie = ask_for_cookie(found, &request, packet->is_ipv6, bytes);
	bpf_sk_release(found);
	return cookie;
}

/* The largest segment that the device takes; 0 if that is not known. */
static __always_inline __u16 own_mss(const struct hg_packet *packet)
{
	const struct served *known = find_place(packet);
	__u32 headers = sizeof(struct hg_tcp);

	headers += packet->is_ipv6 ? sizeof(struct hg_ipv6) : sizeof(struct hg_ipv4);
	if (!known || known->mtu <= headers) return 0;
	return known->mtu - headers < 0xffff ? known->mtu - headers : 0xffff;
}

/* To a destination that was just found to be served. Returns the program's verdict. */
CHECKED_ONCE int answer_with_cookie(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return XDP_PASS;

	__s64 cookie = make_cookie(ctx, packet);

	if (cookie <= 0 ||
	    !hg_turn_into_syn_ack((void *)(long)ctx->data, (void *)(long)ctx->data_end, packet,
				  (__u32)cookie, own_mss(packet)))
		return pass(HG_ADMITTED);
	count_front(HG_FRONT_COOKIE, HG_ADMITTED);
	return XDP_TX;
}

#endif /* HEADGATE_BPF_COOKIES_H */
