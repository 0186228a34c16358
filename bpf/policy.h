/* SPDX-License-Identifier: GPL-2.0-only */
/* What the policy says about one connection: its rule, its client, and what that client may have.
 */
#ifndef HEADGATE_BPF_POLICY_H
#define HEADGATE_BPF_POLICY_H

#include "connection.h"
#include "maps.h"

/* Who connects, under which rule. Everything in it is of one slot: of one policy. */
struct visitor {
	__u32 rule_index; /* in map `rules` */
	__u32 rule_id;
	__u32 netns;  /* its number */
	__u16 exempt; /* 1: by an override, 2: by clients.exempt */
	__u16 override_bits;
	__u64 denied_until_ns;   /* CLOCK_BOOTTIME; 0: the judge found no deny list that has it */
	struct hg_limits limits; /* the rule's, or an override's */
	struct hg_client_key client;
	struct hg_client_key network; /* set if the rule has HG_COUNT_NETWORKS or HG_HAS_RATES */
};

static __always_inline const struct hg_control *find_control(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

/* For a bounded time, so that a daemon that dies meanwhile leaves the limits in force. */
static __always_inline bool is_recounting(void)
{
	const struct hg_control *now = find_control();

	if (!now) return false;
	__u64 until = *(volatile const __u64 *)&now->recount_until_ns;

	return until && bpf_ktime_get_ns() < until;
}

static __always_inline struct hg_prefix_key prefix_key(const struct hg_address *address,
						       enum hg_prefix_kind kind, __u32 selector)
{
	struct hg_prefix_key key = {
	    .prefix_bits = HG_PREFIX_FIXED_BITS + 128,
	    .selector = selector,
	    .kind = kind,
	    .family = 6,
	};

	if (is_ipv4(address)) {
		key.prefix_bits = HG_PREFIX_FIXED_BITS + 32;
		key.family = 4;
		key.address[0] = address->word[3];
	} else {
		READ_IPV6(*(struct hg_address *)key.address, address->word);
	}
	return key;
}

static __always_inline const struct hg_prefix *
find_prefix(__u32 slot, const struct hg_address *address, enum hg_prefix_kind kind, __u32 selector)
{
	void *trie = bpf_map_lookup_elem(&prefixes, &slot);
	struct hg_prefix_key key = prefix_key(address, kind, selector);

	if (!trie) return NULL;
	return bpf_map_lookup_elem(trie, &key);
}

/* The rule of the group of processes that listens there. An entry with a port goes before it. */
static __always_inline __u32 find_group_rule(__u32 slot, const struct connection *connection)
{
	__u32 index = slot * HG_MAX_RULES + HG_NO_RULE;
	const struct hg_rule *any = bpf_map_lookup_elem(&rules, &index);

	if (!any || !(any->flags & HG_HAS_GROUPS)) return HG_NO_RULE;

	struct hg_listening_key key = {
	    .netns_cookie = connection->netns_cookie,
	    .local = connection->local,
	    .port = connection->local_port,
	};
	const struct hg_listening *found = bpf_map_lookup_elem(&listening, &key);

	if (!found) {
		__builtin_memset(&key.local, 0, sizeof(key.local));
		found = bpf_map_lookup_elem(&listening, &key);
	}
	if (!found) return HG_NO_RULE;
	index = slot * HG_MAX_GROUPS + (found->group & (HG_MAX_GROUPS - 1));

	const __u64 *rule = bpf_map_lookup_elem(&groups, &index);

	return rule ? *rule : HG_NO_RULE;
}

/* The rule of the most specific `listen` entry for this local address and port. */
CHECKED_ONCE __u32 find_rule_id(__u32 slot, const struct connection *connection)
{
	if (!connection) return HG_NO_RULE;

	__u32 index = slot * 65536 + connection->local_port;
	const struct hg_port *port = bpf_map_lookup_elem(&ports, &index);

	if (!port) return HG_NO_RULE;

	bool is_udp = connection->is_udp;

	if (is_udp ? port->has_udp_addresses : port->has_addresses) {
		const struct hg_prefix *prefix = find_prefix(
		    slot, &connection->local, is_udp ? HG_PREFIX_LISTEN_UDP : HG_PREFIX_LISTEN,
		    connection->local_port);

		if (prefix) return prefix->rule;
	}
	if (is_udp) return port->udp_rule;
	if (port->rule != HG_NO_RULE) return port->rule;
	return find_group_rule(slot, connection);
}

/* `bits` counts in the 128 bits of the address. */
static __always_inline struct hg_address cut_address(const struct hg_address *address, __u32 bits)
{
	struct hg_address cut = {};

	for (int i = 0; i < 4; i++) {
		__u32 word_bits = bits > 32U * i ? bits - 32U * i : 0;
		__u32 mask = word_bits >= 32  ? 0xffffffffU
			     : word_bits == 0 ? 0
					      : ~(0xffffffffU >> word_bits);

		cut.word[i] = address->word[i] & bpf_htonl(mask);
	}
	return cut;
}

static __always_inline struct hg_client_key client_of(const struct hg_rule *rule, __u32 rule_id,
						      __u32 netns, const struct hg_address *remote)
{
	const struct hg_address *mask = is_ipv4(remote) ? &rule->ipv4_mask : &rule->ipv6_mask;
	struct hg_client_key client = {.rule = rule_id, .level = HG_LEVEL_CLIENT, .netns = netns};

	client.address.word[0] = remote->word[0] & mask->word[0];
	client.address.word[1] = remote->word[1] & mask->word[1];
	client.address.word[2] = remote->word[2] & mask->word[2];
	client.address.word[3] = remote->word[3] & mask->word[3];
	return client;
}

static __always_inline __u32 network_bits_of(const struct hg_rule *rule,
					     const struct hg_address *address)
{
	return is_ipv4(address) ? rule->ipv4_network_bits : rule->ipv6_network_bits;
}

/* The network is no wider than the client: its address is found from the client's, cut as it is. */
static __always_inline struct hg_client_key network_of(const struct hg_address *client,
						       __u32 rule_id, __u32 netns, __u32 bits)
{
	struct hg_client_key network = {
	    .rule = rule_id,
	    .level = HG_LEVEL_NETWORK,
	    .netns = netns,
	    .address = cut_address(client, bits),
	};

	return network;
}

static __always_inline const struct hg_rule *rule_of(const struct visitor *visitor)
{
	__u32 index = visitor->rule_index;

	return bpf_map_lookup_elem(&rules, &index);
}

/* Where the total of the rule is, in the namespace. */
static __always_inline struct hg_totals *find_totals(__u32 rule_id, __u32 netns)
{
	__u32 index = netns * HG_MAX_RULES + rule_id;

	return bpf_map_lookup_elem(&totals, &index);
}

static __always_inline struct hg_totals *totals_of(const struct visitor *visitor)
{
	return find_totals(visitor->rule_id, visitor->netns);
}

static __always_inline void find_override(struct visitor *visitor, __u32 slot,
					  const struct hg_address *remote)
{
	const struct hg_prefix *override =
	    find_prefix(slot, remote, HG_PREFIX_OVERRIDE, visitor->rule_id);

	if (!override) return;
	visitor->limits = override->limits;
	visitor->override_bits = override->bits;
	visitor->exempt = override->exempt;
}

/*
 * Where the token bucket of the network is. Clients whose override has a rate of its own share one
 * that no other rate is taken from: a word cannot be two buckets.
 */
static __always_inline struct hg_client_key network_bucket_key(const struct visitor *visitor,
							       const struct hg_rule *rule)
{
	const struct hg_rate *usual = &rule->limits.network_rate;
	const struct hg_rate *rate = &visitor->limits.network_rate;
	struct hg_client_key key = visitor->network;

	if (rate->interval_ns != usual->interval_ns || rate->tolerance_ns != usual->tolerance_ns)
		key.incarnation = visitor->override_bits;
	return key;
}

/* Returns 0 when the connection is none of our business. */
CHECKED_ONCE int identify_in(__u32 slot, const struct connection *connection,
			     struct visitor *visitor)
{
	if (!connection || !visitor) return 0;

	__u32 rule_id = find_rule_id(slot, connection);
	if (rule_id == HG_NO_RULE) return 0;

	visitor->rule_id = rule_id;
	visitor->netns = connection->netns.number;
	visitor->rule_index = slot * HG_MAX_RULES + rule_id;
	visitor->exempt = 0;
	visitor->denied_until_ns = 0;
	visitor->override_bits = 0;

	const struct hg_rule *rule = rule_of(visitor);
	if (!rule) return 0;

	struct hg_address remote = connection->remote;

	visitor->limits = rule->limits;
	visitor->client = client_of(rule, rule_id, visitor->netns, &remote);
	if (rule->flags & (HG_COUNT_NETWORKS | HG_HAS_RATES))
		visitor->network = network_of(&visitor->client.address, rule_id, visitor->netns,
					      network_bits_of(rule, &remote));
	if (rule->flags & HG_HAS_OVERRIDES) find_override(visitor, slot, &remote);
	if (rule->flags & HG_HAS_EXEMPT && find_prefix(slot, &remote, HG_PREFIX_EXEMPT, 0))
		visitor->exempt = 2;
	return 1;
}

/* As the policy in force says: its slot is read once, so nothing here is of two policies. */
static __always_inline bool identify(const struct connection *connection, struct visitor *visitor)
{
	const struct hg_control *now = find_control();

	if (!now) return false;
	return identify_in(*(volatile const __u32 *)&now->slot, connection, visitor);
}

#endif /* HEADGATE_BPF_POLICY_H */
