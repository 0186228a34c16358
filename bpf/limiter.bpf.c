// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection, hook by hook: admit its SYN, reserve a half-open slot, count it when
 * the handshake completes, release it when the socket dies. docs/ARCHITECTURE.md draws it.
 */
#include "account.h"
#include "connection.h"
#include "half_open.h"
#include "kernel_types.h"
#include "lookup_note.h"
#include "maps.h"
#include "policy.h"
#include "report.h"
#include "track.h"
#include "verdict.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 netns_cookie = 0; /* the namespace that is limited */

/*
 * Runs where the kernel looks for a listening socket: on a SYN, and on the ACK that carries a SYN
 * cookie. SK_DROP makes the kernel answer with its own RST.
 */
SEC("sk_lookup")
int admit(struct bpf_sk_lookup *ctx)
{
	if (ctx->protocol != IPPROTO_TCP) return SK_PASS;

	struct connection connection = connection_of_lookup(ctx);
	__u32 rule_id;
	const struct hg_rule *rule = find_rule(&connection, &rule_id);
	if (!rule) return SK_PASS;

	struct hg_client_key client = client_of(rule, rule_id, &connection.remote);
	enum hg_reason reason = judge(rule, rule_id, &client);
	if (reason == HG_ADMITTED) {
		note_lookup(&connection);
		return SK_PASS;
	}

	count_refused(rule_id, reason);
	send_event(HG_EVENT_REFUSED, reason, rule_id, &connection, 0);
	return SK_DROP;
}

/* The kernel has queued a half-open request. It does not tell when the request dies. */
static __always_inline void reserve(const struct connection *connection)
{
	__u32 rule_id;
	const struct hg_rule *rule = find_rule(connection, &rule_id);
	if (!rule) return;

	forget_lookup();

	struct hg_client_key client = client_of(rule, rule_id, &connection->remote);
	take_half_open(rule, rule_id, &client);
}

/*
 * The handshake is complete: the half-open slot becomes an established connection. Returns whether
 * the end of the socket has to be watched for.
 */
static __always_inline bool establish(__u64 cookie, const struct connection *connection)
{
	__u32 rule_id;
	const struct hg_rule *rule = find_rule(connection, &rule_id);
	if (!rule) return false;

	struct hg_client_key client = client_of(rule, rule_id, &connection->remote);
	if (!was_just_looked_up(connection)) give_back_half_open(rule, rule_id, &client);

	struct counted counted = count_connection(cookie, rule, rule_id, &client, true);
	if (!counted.has_client) {
		COUNT(rule_id, untracked);
		send_event(HG_EVENT_TABLE_FULL, HG_TABLE_FULL, rule_id, connection, cookie);
	}
	if (counted.excess == HG_ADMITTED) {
		COUNT(rule_id, admitted);
	} else {
		COUNT(rule_id, overshoot);
		send_event(HG_EVENT_OVERSHOOT, counted.excess, rule_id, connection, cookie);
	}
	return counted.is_tracked;
}

SEC("sockops")
int track(struct bpf_sock_ops *ops)
{
	/* ops->reply stays as it is: it belongs to other programs. */
	if (ops->op == BPF_SOCK_OPS_STATE_CB) {
		if (ops->args[1] == TCP_CLOSE) uncount_connection(bpf_get_socket_cookie(ops));
		return 1;
	}

	bool is_reserving = ops->op == BPF_SOCK_OPS_TIMEOUT_INIT && !ops->is_fullsock;

	if (!is_reserving && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) return 1;
	if (bpf_get_netns_cookie(ops) != netns_cookie) return 1;

	struct connection connection = connection_of_ops(ops);

	if (is_reserving) {
		reserve(&connection);
	} else if (establish(bpf_get_socket_cookie(ops), &connection)) {
		/* From now on the kernel calls this program at every change of the socket's state.
		 */
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	}
	return 1;
}

static __always_inline void on_death(const struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	if (cookie) uncount_connection(cookie); /* who has none was never counted */
}

/*
 * The safety net. A connection that is older than the hooks has no state callback, and another
 * sock_ops program may switch off that of a newer one: their end is seen here at the latest, when
 * the socket is destroyed.
 */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(release_destroyed, struct sock *sk)
{
	(void)ctx;
	on_death(sk);
	return 0;
}

/*
 * Sees the death of the older ones at once, also while their owner has not closed them yet. It runs
 * for every change of state of every TCP socket of the host, so it is attached only as long as
 * there are such connections.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(release_adopted, struct sock *sk, int old_state, int new_state)
{
	(void)ctx;
	(void)old_state;
	if (new_state == TCP_CLOSE) on_death(sk);
	return 0;
}
