/* SPDX-License-Identifier: GPL-2.0-only */
/* What the front line does with a packet that the judge has refused. */
#ifndef HEADGATE_BPF_SHED_H
#define HEADGATE_BPF_SHED_H

#include "answer.h"
#include "condemned.h"
#include "connection.h"
#include "denied.h"
#include "maps.h"
#include "packet.h"
#include "policy.h"
#include "refusal.h"
#include "served.h"

/* For each CPU. Beyond it refused clients get no answer. */
#define RESETS_PER_SECOND 10000

static __always_inline struct connection read_connection(const struct hg_packet *packet)
{
	struct connection connection = {
	    .remote = packet->source,
	    .local = packet->destination,
	    .remote_port = packet->source_port,
	    .local_port = packet->destination_port,
	    .netns_cookie = netns_cookie,
	    .netns.number = netns.number,
	    .netns.place = netns.place,
	    .is_udp = packet->is_udp,
	};

	return connection;
}

/* Not atomic: on one CPU no XDP program interrupts another. */
static __always_inline void count_front(enum hg_front_verdict verdict, enum hg_reason reason)
{
	__u32 number = interface_number;
	struct hg_front_stats *front = bpf_map_lookup_elem(&front_stats, &number);
	__u32 column = reason;

	barrier_var(column);
	if (front) front->packets[verdict][column & (HG_FRONT_REASONS - 1)]++;
}

static __always_inline int pass(enum hg_reason reason)
{
	count_front(HG_FRONT_PASS, reason);
	return XDP_PASS;
}

static __always_inline int end_with(enum hg_action action, enum hg_reason reason)
{
	bool is_answered = action == HG_ACTION_RESET;

	count_front(is_answered ? HG_FRONT_RESET : HG_FRONT_DROP, reason);
	return is_answered ? XDP_TX : XDP_DROP;
}

/* May this CPU send one more reset in this second? */
static __always_inline bool may_reset(void)
{
	__u32 zero = 0;
	struct reset_budget *budget = bpf_map_lookup_elem(&reset_budget, &zero);
	__u64 second = bpf_ktime_get_coarse_ns() / NS_PER_SECOND;

	if (!budget) return false;
	if (budget->second != second) {
		budget->second = second;
		budget->sent = 0;
	}
	return budget->sent++ < RESETS_PER_SECOND;
}

/* Can the front line do what the rule says, or must it be left to the kernel? */
static __always_inline bool can_do(enum hg_action action, const struct hg_packet *packet, int how)
{
	if (how == NOT_SERVED) return false;
	return action == HG_ACTION_DROP ||
	       (action == HG_ACTION_RESET && packet->is_plain && how != SERVED_UNANSWERED);
}

CHECKED_ONCE int answer_with_reset(struct xdp_md *ctx, const struct hg_packet *packet)
{
	return packet &&
	       hg_turn_into_reset((void *)(long)ctx->data, (void *)(long)ctx->data_end, packet);
}

/* Returns what the client gets. */
static __always_inline enum hg_action
do_to_packet(struct xdp_md *ctx, const struct hg_packet *packet, enum hg_action action)
{
	if (action == HG_ACTION_RESET && may_reset() && answer_with_reset(ctx, packet))
		return HG_ACTION_RESET;
	return HG_ACTION_DROP;
}

/*
 * Only what the kernel's hooks would refuse just so is shed here: all else is left to them, and
 * counted there.
 */
static __always_inline int shed(struct xdp_md *ctx, const struct hg_packet *packet,
				const struct connection *connection, const struct visitor *visitor,
				enum hg_reason reason, const struct moment *moment)
{
	const struct hg_rule *rule = rule_of(visitor);
	enum hg_action action = HG_ACTION_DROP;

	if (!rule) return XDP_PASS;
	if (!packet->is_udp) action = rule->action;
	if (rule->flags & HG_MONITOR || action == HG_ACTION_REPLY) {
		/* No hook of the kernel sees QUIC. */
		if (packet->is_udp) report_refusal(visitor, connection, reason, HG_ACTION_NONE);
		return pass(reason);
	}
	/* Who is denied is so in any state of the connection. */
	int how = find_served_how(ctx, packet, reason == HG_DENIED ? GOAL_SERVICE : GOAL_LISTENER,
				  visitor->rule_index, moment);

	if (!can_do(action, packet, how)) return pass(reason);
	action = do_to_packet(ctx, packet, action);
	report_refusal(visitor, connection, reason, action);
	if (visitor->denied_until_ns) condemn(&packet->source, moment, visitor->denied_until_ns);
	return end_with(action, reason);
}

/* An established connection's packet: drops it if its client is denied hard. */
static __always_inline int shed_hard(struct xdp_md *ctx, const struct hg_packet *packet,
				     const struct visitor *visitor, const struct moment *moment)
{
	const struct hg_rule *rule = rule_of(visitor);
	struct denial denial = {};

	if (visitor->exempt || !rule || rule->flags & HG_MONITOR) return XDP_PASS;
	find_denial(visitor, &packet->source, &denial);
	if (!(denial.flags & HG_DENIED_HARD)) return XDP_PASS;
	if (find_served_how(ctx, packet, GOAL_SOCKET, visitor->rule_index, moment) == NOT_SERVED)
		return XDP_PASS;
	return end_with(HG_ACTION_DROP, HG_DENIED);
}

/* What is remembered of the destination, if it is served under a rule that knows no exceptions. */
static __always_inline const struct served *
find_strict(struct xdp_md *ctx, const struct hg_packet *packet, const struct hg_control *now)
{
	const struct served *known = find_place(packet);

	if (!known || !is_remembered(known, packet, read_mac(ctx))) return NULL;
	return known->generation == now->generation ? known : NULL;
}

/*
 * The short way, for those of whom all is remembered: a denied client's SYN to a destination that
 * is served under a rule without exceptions. Returns XDP_PASS for all others.
 */
CHECKED_ONCE int shed_condemned(struct xdp_md *ctx, const struct hg_packet *packet)
{
	const struct hg_control *now = find_control();

	if (!packet || !now || !is_condemned(&packet->source, now)) return XDP_PASS;

	const struct served *known = find_strict(ctx, packet, now);

	if (!known) return XDP_PASS;

	__u32 index = known->rule_index;
	const struct hg_rule *rule = bpf_map_lookup_elem(&rules, &index);

	if (!rule || rule->flags & (HG_MONITOR | HG_HAS_OVERRIDES | HG_HAS_EXEMPT) ||
	    !can_do(rule->action, packet, known->how))
		return XDP_PASS;

	enum hg_action action = do_to_packet(ctx, packet, rule->action);
	struct hg_event_budget *budget = find_budget(HG_EVENT_REFUSED);
	__u32 rule_id = index % HG_MAX_RULES;

	count_refused(rule_id, action, HG_DENIED);
	if (budget) {
		struct connection connection = read_connection(packet);
		struct report report = {
		    .type = HG_EVENT_REFUSED,
		    .reason = HG_DENIED,
		    .action = action,
		    .rule_id = rule_id,
		};

		send_event_within(budget, &report, &connection);
	}
	return end_with(action, HG_DENIED);
}

#endif /* HEADGATE_BPF_SHED_H */
