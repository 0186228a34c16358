/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs tell the daemon: counters that are never rate-limited, and events that are. */
#ifndef HEADGATE_BPF_REPORT_H
#define HEADGATE_BPF_REPORT_H

#include "connection.h"
#include "maps.h"

#define NS_PER_SECOND 1000000000ULL

/* Atomic although per CPU: a softirq may interrupt a program that runs in process context. */
#define COUNT(rule_id, counter)                                                                    \
	do {                                                                                       \
		struct hg_rule_stats *_stats = bpf_map_lookup_elem(&stats, &(rule_id));            \
		if (_stats) __sync_fetch_and_add(&_stats->counter, 1);                             \
	} while (0)

static __always_inline void count_refused(__u32 rule_id, enum hg_action action,
					  enum hg_reason reason)
{
	struct hg_rule_stats *rule_stats = bpf_map_lookup_elem(&stats, &rule_id);
	__u32 row = action & (HG_ACTIONS - 1), column = (reason - 1) & (HG_REASON_SLOTS - 1);

	if (rule_stats) __sync_fetch_and_add(&rule_stats->refused[row][column], 1);
}

/*
 * May this CPU send one more event in this second? The clock is read once a jiffy: that costs more
 * than all the rest.
 */
static __always_inline bool may_send(struct hg_event_budget *budget)
{
	__u64 jiffies = bpf_jiffies64();

	if (budget->jiffies != jiffies) {
		__u64 second = bpf_ktime_get_coarse_ns() / NS_PER_SECOND;

		budget->jiffies = jiffies;
		if (budget->second != second) {
			budget->second = second;
			budget->sent = 0;
		}
	}
	if (budget->sent >= HG_EVENTS_PER_SECOND) {
		budget->suppressed++;
		budget->suppressed_total++;
		return false;
	}
	budget->sent++;
	return true;
}

/* What an event says beyond the connection that it is about. */
struct report {
	enum hg_event_type type;
	enum hg_reason reason;
	enum hg_action action;
	__u32 rule_id;
	__u32 seconds;
	__u64 socket_cookie;
};

/* The budget of this CPU, or null if it is used up. */
static __always_inline struct hg_event_budget *find_budget(enum hg_event_type type)
{
	__u32 zero = 0;
	struct hg_event_budget *budget = bpf_map_lookup_elem(&event_budget, &zero);

	/* Overshoot events are orders to the daemon and pass the rate limit. */
	if (!budget || (type != HG_EVENT_OVERSHOOT && !may_send(budget))) return NULL;
	return budget;
}

static __always_inline void send_event_within(struct hg_event_budget *budget,
					      const struct report *report,
					      const struct connection *connection)
{
	struct hg_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&budget->lost, 1);
		return;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->socket_cookie = report->socket_cookie;
	event->suppressed = budget->suppressed;
	event->type = report->type;
	event->reason = report->reason;
	event->rule = report->rule_id;
	event->remote_port = connection->remote_port;
	event->local_port = connection->local_port;
	event->action = report->action;
	event->interface = connection->interface;
	event->seconds = report->seconds;
	event->remote = connection->remote;
	event->local = connection->local;
	event->netns_cookie = connection->netns_cookie;
	budget->suppressed = 0;
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void send_event(const struct report *report,
				       const struct connection *connection)
{
	struct hg_event_budget *budget = find_budget(report->type);

	if (budget) send_event_within(budget, report, connection);
}

#endif /* HEADGATE_BPF_REPORT_H */
