/* SPDX-License-Identifier: GPL-2.0-only */
/* Has every limit of the rule room for one connection more of this client? Takes nothing. */
#ifndef HEADGATE_BPF_VERDICT_H
#define HEADGATE_BPF_VERDICT_H

#include "account.h"
#include "denied.h"
#include "policy.h"
#include "recent.h"

/*
 * For how long a table is held to be full, if no removal says otherwise; then one connection finds
 * out anew.
 */
#define FULL_FOR_NS 1000000000ULL

static __always_inline bool is_recent(__u64 when)
{
	return when && bpf_ktime_get_ns() - when < FULL_FOR_NS;
}

/* Would one connection more, of a client that holds `held` of them, find no room in a table? */
static __always_inline bool is_table_full(__u32 held)
{
	const struct hg_table_state *table = find_table_state();

	if (!table) return false;
	return is_recent(table->connections_full_at) ||
	       (held == 0 && is_recent(table->clients_full_at));
}

static __always_inline void read_recent(const struct hg_rule *rule, struct hg_client_key *key,
					bool counts_half_open, struct hg_level_state *state)
{
	const struct hg_recent *entry = find_recent(key);

	if (!entry) return;
	if (counts_half_open) state->half_open = window_count(&entry->half_open, window_now(rule));
	state->bucket = read_word(&entry->bucket);
}

static __always_inline struct hg_level_state read_client(struct visitor *visitor,
							 const struct hg_rule *rule)
{
	bool counts_half_open = rule->count_half_open != HG_HALF_OPEN_NONE;
	struct hg_level_state state = {};

	if (visitor->limits.per_client != HG_NO_LIMIT || rule->flags & HG_REFUSE_ON_TABLE_FULL)
		state.connections = key_connections(&visitor->client);
	if ((counts_half_open && visitor->limits.per_client != HG_NO_LIMIT) ||
	    visitor->limits.client_rate.interval_ns)
		read_recent(rule, &visitor->client, counts_half_open, &state);
	return state;
}

static __always_inline struct hg_level_state read_network(struct visitor *visitor,
							  const struct hg_rule *rule)
{
	bool counts_half_open = rule->count_half_open == HG_HALF_OPEN_ALL;
	struct hg_level_state state = {};

	if (visitor->limits.per_network != HG_NO_LIMIT) {
		state.connections = key_connections(&visitor->network);
		if (counts_half_open) read_recent(rule, &visitor->network, true, &state);
	}
	if (visitor->limits.network_rate.interval_ns) {
		struct hg_client_key key = network_bucket_key(visitor, rule);
		const struct hg_recent *entry = find_recent(&key);

		state.bucket = entry ? read_word(&entry->bucket) : 0;
	}
	return state;
}

static __always_inline struct hg_level_state read_total(const struct visitor *visitor,
							const struct hg_rule *rule)
{
	const struct hg_totals *total = totals_of(visitor);
	struct hg_level_state state = {};

	if (!total) return state;
	state.connections = *(volatile const __u32 *)&total->connections;
	state.bucket = read_word(&total->bucket);
	if (rule->count_half_open == HG_HALF_OPEN_ALL)
		state.half_open = window_count(&total->half_open, window_now(rule));
	return state;
}

/*
 * While connections are being counted anew, a count may still hold some that are another rule's or
 * client's by now: nobody is refused by it.
 */
static __always_inline bool is_full(const struct hg_level_state *state, __u32 limit)
{
	if (limit == HG_NO_LIMIT || state->connections + state->half_open < limit) return false;
	return limit == 0 || !is_recounting();
}

static __always_inline bool is_too_fast(const struct hg_level_state *state,
					const struct hg_rate *rate, __u64 now)
{
	return rate->interval_ns && !has_token(&state->bucket, now, rate);
}

static __always_inline enum hg_reason judge_rates(const struct visitor *visitor,
						  const struct hg_rule *rule,
						  const struct hg_level_state *client,
						  const struct hg_level_state *network,
						  const struct hg_level_state *total)
{
	const struct hg_limits *limits = &visitor->limits;
	__u64 now = bpf_ktime_get_ns();

	if (is_too_fast(client, &limits->client_rate, now)) return HG_CLIENT_RATE;
	if (is_too_fast(network, &limits->network_rate, now)) return HG_NETWORK_RATE;
	if (is_too_fast(total, &rule->total_rate, now)) return HG_TOTAL_RATE;
	return HG_ADMITTED;
}

/* All levels together; returns enum hg_reason: what the limits say, also of an exempt client. */
CHECKED_ONCE int judge(struct visitor *visitor, const struct hg_address *remote)
{
	if (!visitor || !remote) return HG_ADMITTED;

	const struct hg_rule *rule = rule_of(visitor);
	if (!rule) return HG_ADMITTED;
	if (is_denied(visitor, rule, remote) || is_on_penalty(rule, &visitor->client))
		return HG_DENIED;

	const struct hg_limits *limits = &visitor->limits;
	struct hg_level_state client = read_client(visitor, rule);

	if (rule->flags & HG_REFUSE_ON_TABLE_FULL && is_table_full(client.connections))
		return HG_TABLE_FULL;
	if (is_full(&client, limits->per_client)) return HG_CLIENT_CONNECTIONS;
	if (!(rule->flags & (HG_COUNT_NETWORKS | HG_HAS_RATES)) && rule->total == HG_NO_LIMIT)
		return HG_ADMITTED;

	struct hg_level_state network = read_network(visitor, rule);
	struct hg_level_state total = read_total(visitor, rule);

	if (is_full(&network, limits->per_network)) return HG_NETWORK_CONNECTIONS;
	if (is_full(&total, rule->total)) return HG_TOTAL_CONNECTIONS;
	if (!(rule->flags & HG_HAS_RATES)) return HG_ADMITTED;
	return judge_rates(visitor, rule, &client, &network, &total);
}

/* The same for QUIC, whose connections nobody counts: denials and rates. */
CHECKED_ONCE int judge_quic(struct visitor *visitor, const struct hg_address *remote)
{
	if (!visitor || !remote) return HG_ADMITTED;

	const struct hg_rule *rule = rule_of(visitor);
	struct hg_level_state client = {};

	if (!rule) return HG_ADMITTED;
	if (is_denied(visitor, rule, remote) || is_on_penalty(rule, &visitor->client))
		return HG_DENIED;
	if (!(rule->flags & HG_HAS_RATES)) return HG_ADMITTED;
	if (visitor->limits.client_rate.interval_ns)
		read_recent(rule, &visitor->client, false, &client);

	struct hg_level_state network = read_network(visitor, rule);
	struct hg_level_state total = read_total(visitor, rule);

	return judge_rates(visitor, rule, &client, &network, &total);
}

#endif /* HEADGATE_BPF_VERDICT_H */
