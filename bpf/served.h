/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Would the kernel hand this packet to a listener of this namespace? XDP sees what sk_lookup never
 * does: frames for a bridge or for another VLAN, packets to be forwarded, to a port that is
 * translated elsewhere, of connections that are there already. None of them may be dropped.
 *
 * Asking takes a few hundred nanoseconds. That a destination is served is therefore remembered,
 * by each CPU, for REMEMBERED_JIFFIES: that long may it be believed of one that has just gone.
 */
#ifndef HEADGATE_BPF_SERVED_H
#define HEADGATE_BPF_SERVED_H

#include "condemned.h"
#include "connection.h"
#include "lookup_note.h"
#include "maps.h"
#include "packet.h"

/* The program is loaded once for each interface: its number, and the namespace that it is in. */
const volatile __u32 interface_number = 0;
const volatile __u64 netns_cookie = 0;
const volatile struct hg_namespace netns = {};

/* A hardware address in one word. */
static __always_inline __u64 mac_of(const __u8 *bytes)
{
	const __u16 *words = (const __u16 *)bytes;

	return words[0] | (__u64)words[1] << 16 | (__u64)words[2] << 32;
}

/* That the frame was sent to; 0 if there is none. */
static __always_inline __u64 read_mac(struct xdp_md *ctx)
{
	const struct hg_ethernet *ethernet = (const void *)(long)ctx->data;

	if (!HG_REACHES(ethernet, sizeof(*ethernet), (long)ctx->data_end)) return 0;
	return mac_of(ethernet->destination);
}

/* Where the destination is remembered, if it is. */
static __always_inline struct served *find_place(const struct hg_packet *packet)
{
	__u32 mix =
	    (packet->destination.word[3] ^ packet->destination_port ^ packet->is_udp << 16) *
	    0x9e3779b1U;
	__u32 place = mix >> 24 & (SERVED_MAX - 1);

	return bpf_map_lookup_elem(&served, &place);
}

static __always_inline bool is_remembered(const struct served *known,
					  const struct hg_packet *packet, __u64 mac)
{
	const __u32 *a = known->local.word, *b = packet->destination.word;

	return a[3] == b[3] && a[2] == b[2] && a[1] == b[1] && a[0] == b[0] &&
	       known->port == packet->destination_port && known->vlan[0] == packet->vlan[0] &&
	       known->vlan[1] == packet->vlan[1] && known->interface == interface_number &&
	       known->is_udp == packet->is_udp && known->mac == mac &&
	       bpf_jiffies64() < known->until_jiffies;
}

static __always_inline void remember(struct served *known, const struct hg_packet *packet,
				     __u64 mac)
{
	known->local = packet->destination;
	known->port = packet->destination_port;
	known->vlan[0] = packet->vlan[0];
	known->vlan[1] = packet->vlan[1];
	known->mac = mac;
	known->interface = interface_number;
	known->is_udp = packet->is_udp;
	known->until_jiffies = bpf_jiffies64() + REMEMBERED_JIFFIES;
}

#define LOOPBACK_INDEX 1 /* in every network namespace */

/* Does the route end here? */
CHECKED_ONCE int is_local(struct xdp_md *ctx, const struct hg_packet *packet, __u32 device)
{
	if (!packet) return 0;

	struct bpf_fib_lookup route = {
	    .family = packet->is_ipv6 ? AF_INET6 : AF_INET,
	    .l4_protocol = IPPROTO_TCP,
	    .sport = bpf_htons(packet->source_port),
	    .dport = bpf_htons(packet->destination_port),
	    .ifindex = device,
	};

	if (packet->is_ipv6) {
		__builtin_memcpy(route.ipv6_src, &packet->source, sizeof(route.ipv6_src));
		__builtin_memcpy(route.ipv6_dst, &packet->destination, sizeof(route.ipv6_dst));
	} else {
		route.ipv4_src = packet->source.word[3];
		route.ipv4_dst = packet->destination.word[3];
	}
	int found = bpf_fib_lookup(ctx, &route, sizeof(route), 0);

	/* IPv6 forwards by what holds for all interfaces: the loopback one has that. */
	if (found == BPF_FIB_LKUP_RET_FWD_DISABLED) {
		route.ifindex = LOOPBACK_INDEX;
		found = bpf_fib_lookup(ctx, &route, sizeof(route), 0);
	}
	if (found != BPF_FIB_LKUP_RET_FWD_DISABLED) return found == BPF_FIB_LKUP_RET_NOT_FWDED;

	struct hg_own_address own = {netns_cookie, packet->destination};

	return bpf_map_lookup_elem(&addresses, &own) != NULL;
}

static __always_inline struct bpf_sock_tuple tuple_of(const struct hg_packet *packet)
{
	struct bpf_sock_tuple tuple = {};

	if (packet->is_ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, &packet->source, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &packet->destination, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(packet->source_port);
		tuple.ipv6.dport = bpf_htons(packet->destination_port);
	} else {
		tuple.ipv4.saddr = packet->source.word[3];
		tuple.ipv4.daddr = packet->destination.word[3];
		tuple.ipv4.sport = bpf_htons(packet->source_port);
		tuple.ipv4.dport = bpf_htons(packet->destination_port);
	}
	return tuple;
}

enum receiver { RECEIVER_NONE, RECEIVER_LISTENER, RECEIVER_CONNECTED };

/* The socket that the kernel would hand the packet to: enum receiver. */
CHECKED_ONCE int find_receiver(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return RECEIVER_NONE;

	struct bpf_sock_tuple tuple = tuple_of(packet);
	__u32 size = packet->is_ipv6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4);
	__u32 state;

	/* Twice: the verifier takes a socket of one look-up for another kind than one of the other.
	 */
	if (packet->is_udp) {
		struct bpf_sock *found =
		    bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);

		if (!found) return RECEIVER_NONE;
		state = found->state;
		bpf_sk_release(found);
		return state == TCP_ESTABLISHED ? RECEIVER_CONNECTED : RECEIVER_LISTENER;
	}
	struct bpf_sock *found = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);

	if (!found) return RECEIVER_NONE;
	state = found->state;
	bpf_sk_release(found);
	return state == TCP_LISTEN ? RECEIVER_LISTENER : RECEIVER_CONNECTED;
}

static __always_inline __u32 packet_ports(const struct hg_packet *packet)
{
	return (__u32)packet->source_port << 16 | packet->destination_port;
}

static __always_inline enum receiver ask_for_receiver(struct xdp_md *ctx,
						      const struct hg_packet *packet)
{
	set_asked(packet_ports(packet));

	enum receiver found = find_receiver(ctx, packet);

	set_asked(0);
	return found;
}

/* What the packet has to reach, for its sender to be refused. */
enum goal {
	GOAL_SERVICE,  /* a destination that is served: the state of the connection does not matter
			*/
	GOAL_LISTENER, /* the listener itself: no socket of this connection is there */
	GOAL_SOCKET,   /* any socket */
};

enum served_how {
	NOT_SERVED,
	SERVED,
	SERVED_UNANSWERED, /* an answer cannot be given: how it would have to be tagged is hidden */
};

static __always_inline bool reaches(struct xdp_md *ctx, const struct hg_packet *packet,
				    enum goal goal)
{
	enum receiver receiver = ask_for_receiver(ctx, packet);

	return receiver == RECEIVER_LISTENER ||
	       (receiver == RECEIVER_CONNECTED && goal == GOAL_SOCKET);
}

/* Returns enum served_how. `goal`: enum goal; `rule_index`: its rule at that moment. */
CHECKED_ONCE int find_served_how(struct xdp_md *ctx, const struct hg_packet *packet, int goal,
				 __u32 rule_index, const struct moment *moment)
{
	if (!packet || !moment) return NOT_SERVED;

	__u64 mac = read_mac(ctx);
	struct served *known = find_place(packet);

	if (!known) return NOT_SERVED;
	if (is_remembered(known, packet, mac)) {
		__u32 how = known->how;

		if (goal != GOAL_SERVICE && !reaches(ctx, packet, goal)) return NOT_SERVED;
		known->rule_index = rule_index;
		known->generation = moment->generation;
		return how;
	}
	struct hg_link_key key = {interface_number, {packet->vlan[0], packet->vlan[1]}};
	const struct hg_link *link = bpf_map_lookup_elem(&links, &key);

	if (!link || mac_of(link->mac) != mac) return NOT_SERVED;

	__u32 how = link->flags & HG_LINK_HIDES_TAGS ? SERVED_UNANSWERED : SERVED;

	if (!is_local(ctx, packet, link->index) || !reaches(ctx, packet, goal)) return NOT_SERVED;
	if (goal != GOAL_SOCKET) {
		__u32 mtu = 0;

		bpf_check_mtu(ctx, link->index, &mtu, 0, 0);
		known->mtu = mtu;
		known->how = how;
		known->rule_index = rule_index;
		known->generation = moment->generation;
		remember(known, packet, mac);
	}
	return how;
}

#endif /* HEADGATE_BPF_SERVED_H */
