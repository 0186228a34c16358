/* SPDX-License-Identifier: GPL-2.0-only */
/* Which rule a connection belongs to, and who its client is under that rule. */
#ifndef HEADGATE_BPF_POLICY_H
#define HEADGATE_BPF_POLICY_H

#include "connection.h"
#include "maps.h"

/* The rule of the most specific `listen` entry for this local address and port. */
static __always_inline __u32 find_rule_id(const struct connection *connection)
{
	__u32 index = connection->local_port;
	const struct hg_port *port = bpf_map_lookup_elem(&ports, &index);

	if (!port) return HG_NO_RULE;
	if (port->has_addresses) {
		const struct hg_address *local = &connection->local;
		struct hg_listen_key key = {
		    .prefix_bits = HG_LISTEN_FIXED_BITS + 128,
		    .port = connection->local_port,
		    .family = 6,
		};
		if (is_ipv4(local)) {
			key.prefix_bits = HG_LISTEN_FIXED_BITS + 32;
			key.family = 4;
			key.address[0] = local->word[3];
		} else {
			READ_IPV6(*(struct hg_address *)key.address, local->word);
		}
		const __u32 *rule_id = bpf_map_lookup_elem(&listen, &key);
		if (rule_id) return *rule_id;
	}
	return port->rule;
}

/* null: the connection is none of our business. */
static __always_inline const struct hg_rule *find_rule(const struct connection *connection,
						       __u32 *rule_id)
{
	*rule_id = find_rule_id(connection);
	if (*rule_id == HG_NO_RULE) return NULL;
	return bpf_map_lookup_elem(&rules, rule_id);
}

static __always_inline struct hg_client_key client_of(const struct hg_rule *rule, __u32 rule_id,
						      const struct hg_address *remote)
{
	const struct hg_address *mask = is_ipv4(remote) ? &rule->ipv4_mask : &rule->ipv6_mask;
	struct hg_client_key client = {.rule = rule_id};

	client.address.word[0] = remote->word[0] & mask->word[0];
	client.address.word[1] = remote->word[1] & mask->word[1];
	client.address.word[2] = remote->word[2] & mask->word[2];
	client.address.word[3] = remote->word[3] & mask->word[3];
	return client;
}

#endif /* HEADGATE_BPF_POLICY_H */
