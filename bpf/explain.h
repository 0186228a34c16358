/* SPDX-License-Identifier: GPL-2.0-only */
/* The judge's own view of one SYN, for people. */
#ifndef HEADGATE_BPF_EXPLAIN_H
#define HEADGATE_BPF_EXPLAIN_H

#include "policy.h"
#include "verdict.h"

/* With the bucket as the judge sees it. */
static __always_inline struct hg_level_state explained(struct hg_level_state state,
						       const struct hg_rate *rate, __u64 now)
{
	if (rate->interval_ns)
		state.bucket = hg_bucket_bounded(state.bucket, now, rate, possible_cpus);
	return state;
}

static __always_inline void explain_denial(struct hg_explanation *out, const struct hg_rule *rule,
					   struct visitor *visitor, const struct hg_address *remote)
{
	const struct hg_penalty *penalty = NULL;
	struct denial denial = {};

	out->denied_by = find_denial(visitor, remote, &denial);
	out->denied_until_ns = denial.until_ns;
	out->denied_bits = denial.bits;
	struct hg_client_key client = visitor->client;

	if (rule->penalty_after) penalty = bpf_map_lookup_elem(&penalties, &client);
	if (penalty) {
		out->penalty_until_ns = penalty->until_ns;
		out->penalty_times = penalty->times;
	}
}

/* The counts without regard to whether a limit needs them. */
static __always_inline void explain_counts(struct hg_explanation *out, const struct hg_rule *rule,
					   struct visitor *visitor)
{
	struct hg_level_state client = read_client(visitor, rule);
	struct hg_level_state network = {};

	client.connections = key_connections(&visitor->client);
	if (rule->flags & (HG_COUNT_NETWORKS | HG_HAS_RATES)) {
		network = read_network(visitor, rule);
		network.connections = key_connections(&visitor->network);
	}
	out->levels[0] = explained(client, &visitor->limits.client_rate, out->now_ns);
	out->levels[1] = explained(network, &visitor->limits.network_rate, out->now_ns);
	out->levels[2] = explained(read_total(visitor, rule), &rule->total_rate, out->now_ns);
}

static __always_inline void explain_visitor(struct hg_explanation *out, struct visitor *visitor,
					    const struct hg_address *remote)
{
	const struct hg_rule *rule = rule_of(visitor);

	if (!rule) return;
	out->rule = visitor->rule_id;
	out->exempt = visitor->exempt;
	out->override_bits = visitor->override_bits;
	out->limits = visitor->limits;
	out->client = visitor->client;
	out->network = network_of(&visitor->client.address, visitor->rule_id, visitor->netns,
				  network_bits_of(rule, remote));
	explain_counts(out, rule, visitor);
	explain_denial(out, rule, visitor, remote);
	out->reason = judge(visitor, remote);
}

#endif /* HEADGATE_BPF_EXPLAIN_H */
