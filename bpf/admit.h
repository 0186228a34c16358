/* SPDX-License-Identifier: GPL-2.0-only */
/* What a refused connection gets, and what an admitted one takes. */
#ifndef HEADGATE_BPF_ADMIT_H
#define HEADGATE_BPF_ADMIT_H

#include "connection.h"
#include "connections.h"
#include "lookup_note.h"
#include "policy.h"
#include "recent.h"
#include "refusal.h"

/* The place in `listeners` that the rule's refused clients are sent to; HG_LISTENERS: none. */
static __always_inline __u32 find_listener(const struct hg_rule *rule, __u32 family)
{
	__u32 is_ipv6 = family == AF_INET6;

	if (rule->action == HG_ACTION_DROP) return HG_DROP_LISTENERS + is_ipv6;
	if (rule->action != HG_ACTION_REPLY) return HG_LISTENERS;

	const struct hg_table_state *table = find_table_state();
	const struct hg_control *now = find_control();

	if (!table || !now || table->replies >= now->max_replies) return HG_LISTENERS;
	return HG_REPLY_LISTENERS + 2 * rule->reply + is_ipv6;
}

/* Hands the packet to the daemon's socket. Returns what the client gets: if in doubt, a reset. */
static __always_inline enum hg_action steer(struct bpf_sk_lookup *ctx, const struct hg_rule *rule,
					    __u32 place)
{
	__u32 index = find_listener(rule, ctx->family);

	if (index >= HG_LISTENERS) return HG_ACTION_RESET;
	index += place * HG_LISTENERS;

	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &index);

	if (!listener) return HG_ACTION_RESET; /* the daemon is gone */

	long error = bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_REPLACE);

	bpf_sk_release(listener);
	return error ? HG_ACTION_RESET : rule->action;
}

/* Does what the rule says to a connection beyond a limit. Returns the program's verdict. */
static __always_inline int refuse(struct bpf_sk_lookup *ctx, const struct visitor *visitor,
				  enum hg_reason reason, const struct connection *connection)
{
	const struct hg_rule *rule = rule_of(visitor);
	enum hg_action action = HG_ACTION_NONE;

	if (!rule) return SK_PASS;
	if (!(rule->flags & HG_MONITOR)) action = steer(ctx, rule, connection->netns.place);
	report_refusal(visitor, connection, reason, action);
	if (action == HG_ACTION_RESET) return SK_DROP;
	note_lookup(connection, action == HG_ACTION_NONE ? LOOKUP_OVER_LIMIT : LOOKUP_STEERED);
	return SK_PASS;
}

/* The tokens are taken from the network and from all when the client's address is proven. */
static __always_inline bool takes_tokens(const struct visitor *visitor, const struct hg_rule *rule,
					 int is_over_limit)
{
	return rule->flags & HG_HAS_RATES && !visitor->exempt && !is_over_limit;
}

/*
 * The kernel has queued a request: the client takes a half-open slot and one of its own tokens. An
 * exempt client takes no token, and neither does one that is only let in because the rule is
 * monitored (`is_over_limit`).
 */
CHECKED_ONCE int take_client(const struct visitor *visitor, int is_half_open, int is_over_limit)
{
	if (!visitor) return 0;

	const struct hg_rule *rule = rule_of(visitor);
	struct hg_recent *entry = touch_recent(&visitor->client);
	const struct hg_rate *rate = &visitor->limits.client_rate;
	__u64 now = bpf_ktime_get_coarse_ns();

	if (!entry || !rule) return 0;
	window_add(&entry->opened, hg_window_number(now, HG_OPENED_WINDOW_NS));
	if (is_half_open)
		window_add(&entry->half_open,
			   hg_window_number(now, rule->handshake_timeout_ns ?: 1));
	if (is_half_open && is_over_limit) __sync_fetch_and_add(&entry->monitored, 1);
	if (rate->interval_ns && takes_tokens(visitor, rule, is_over_limit))
		take_token(&entry->bucket, bpf_ktime_get_ns(), rate);
	return 0;
}

/*
 * Of a connection of a monitored rule that completes its handshake: was it beyond a limit when it
 * began? Which of the client's half-open connections it is is not known; that it is one of them
 * will do.
 */
CHECKED_ONCE int was_monitored(const struct visitor *visitor)
{
	if (!visitor) return 0;

	struct hg_recent *entry = find_recent(&visitor->client);

	for (int i = 0; entry && i < RECENT_RETRIES; i++) {
		__u32 old = *(volatile __u32 *)&entry->monitored;

		if (old == 0) return 0;
		if (__sync_val_compare_and_swap(&entry->monitored, old, old - 1) == old) return 1;
	}
	return 0;
}

/* The front line wants to know, too, how many are half-open. */
static __always_inline bool counts_all_half_open(const struct hg_rule *rule)
{
	const struct hg_control *now = find_control();

	return rule->count_half_open == HG_HALF_OPEN_ALL || (now && now->syn_cookies);
}

/* The half-open slots of the network and of all, where something counts those. */
CHECKED_ONCE int take_shared_half_open(const struct visitor *visitor)
{
	if (!visitor) return 0;

	const struct hg_rule *rule = rule_of(visitor);

	if (!rule || !counts_all_half_open(rule)) return 0;
	if (rule->count_half_open == HG_HALF_OPEN_ALL && rule->flags & HG_COUNT_NETWORKS) {
		struct hg_recent *entry = touch_recent(&visitor->network);

		if (entry) window_add(&entry->half_open, window_now(rule));
	}
	struct hg_totals *total = totals_of(visitor);

	if (total) window_add(&total->half_open, window_now(rule));
	return 0;
}

/*
 * The handshake is complete: takes a token from the network's bucket and one from that of all, both
 * or neither. Returns the enum hg_reason of the bucket that has none left: between the SYN and now
 * others have taken them.
 */
CHECKED_ONCE int take_shared_tokens(const struct visitor *visitor)
{
	if (!visitor) return HG_ADMITTED;

	const struct hg_rule *rule = rule_of(visitor);
	const struct hg_rate *network_rate = &visitor->limits.network_rate;
	struct hg_recent *network = NULL;
	struct hg_totals *total = NULL;

	if (!rule) return HG_ADMITTED;

	__u64 now = bpf_ktime_get_ns();

	if (network_rate->interval_ns) {
		struct hg_client_key key = network_bucket_key(visitor, rule);

		network = touch_recent(&key);
		if (network && !has_token(&network->bucket, now, network_rate))
			return HG_NETWORK_RATE;
	}
	if (rule->total_rate.interval_ns) {
		total = totals_of(visitor);
		if (total && !has_token(&total->bucket, now, &rule->total_rate))
			return HG_TOTAL_RATE;
	}
	if (network) take_token(&network->bucket, now, network_rate);
	if (total) take_token(&total->bucket, now, &rule->total_rate);
	return HG_ADMITTED;
}

CHECKED_ONCE int give_back_half_open(const struct visitor *visitor)
{
	if (!visitor) return 0;

	const struct hg_rule *rule = rule_of(visitor);
	if (!rule) return 0;

	__u32 now = window_now(rule);
	struct hg_recent *client = find_recent(&visitor->client);

	if (client) window_remove(&client->half_open, now);
	if (!counts_all_half_open(rule)) return 0;
	if (rule->count_half_open == HG_HALF_OPEN_ALL && rule->flags & HG_COUNT_NETWORKS) {
		struct hg_recent *network = find_recent(&visitor->network);

		if (network) window_remove(&network->half_open, now);
	}
	struct hg_totals *total = totals_of(visitor);

	if (total) window_remove(&total->half_open, now);
	return 0;
}

#endif /* HEADGATE_BPF_ADMIT_H */
