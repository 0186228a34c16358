// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection, hook by hook: admit its SYN, reserve a half-open slot, count it when
 * the handshake completes, release it when the socket dies. docs/ARCHITECTURE.md draws it.
 */
#include "account.h"
#include "admit.h"
#include "connection.h"
#include "explain.h"
#include "kernel_types.h"
#include "lookup_note.h"
#include "maps.h"
#include "policy.h"
#include "report.h"
#include "sockets.h"
#include "track.h"
#include "verdict.h"

char LICENSE[] SEC("license") = "GPL";

/* Of `admit`, which is loaded once for each namespace: a look-up does not tell where it happens. */
const volatile __u64 netns_cookie = 0;
const volatile struct hg_namespace netns = {};

/* Of `note_listening`, which is loaded once for each group. */
const volatile struct hg_listening listening_group = {};

/* Is the namespace of this socket one of those that are limited? */
static __always_inline bool find_namespace(struct bpf_sock_ops *ops, struct connection *connection)
{
	__u64 cookie = bpf_get_netns_cookie(ops);
	const struct hg_control *now = find_control();

	if (!now) return false;
	connection->netns_cookie = cookie;
	if (cookie == now->netns_cookie) {
		connection->netns = now->netns;
		barrier();
		/* It may have been exchanged meanwhile. */
		if (*(volatile const __u64 *)&now->netns_cookie == cookie) return true;
	}
	const struct hg_namespace *found = bpf_map_lookup_elem(&namespaces, &cookie);

	if (!found) return false;
	connection->netns = *found;
	return true;
}

/*
 * Runs where the kernel looks for a listening socket: on a SYN, and on the ACK that carries a SYN
 * cookie. SK_DROP makes the kernel answer with its own RST.
 */
SEC("sk_lookup")
int admit(struct bpf_sk_lookup *ctx)
{
	if (ctx->protocol != IPPROTO_TCP) return SK_PASS;

	struct connection connection = connection_of_lookup(ctx);
	struct visitor visitor = {};
	enum hg_reason reason = HG_ADMITTED;

	if (is_asked(&connection)) return SK_PASS;
	connection.netns_cookie = netns_cookie;
	connection.netns.number = netns.number;
	connection.netns.place = netns.place;
	if (!identify(&connection, &visitor)) return SK_PASS;
	if (!visitor.exempt) reason = judge(&visitor, &connection.remote);
	if (reason != HG_ADMITTED) return refuse(ctx, &visitor, reason, &connection);
	note_lookup(&connection, LOOKUP_ADMITTED);
	return SK_PASS;
}

/*
 * The verdict that `admit` would give, and why; changes nothing. Never attached: the daemon runs it
 * by BPF_PROG_TEST_RUN and reads the map.
 */
SEC("sk_lookup")
int explain(struct bpf_sk_lookup *ctx)
{
	struct connection connection = connection_of_lookup(ctx);
	struct visitor visitor = {};
	__u32 zero = 0;
	struct hg_explanation *out = bpf_map_lookup_elem(&explanation, &zero);
	const struct hg_control *now = find_control();

	if (!out || !now) return SK_PASS;
	connection.netns_cookie = out->netns_cookie;
	connection.netns.number = out->netns;
	__builtin_memset(out, 0, sizeof(*out));
	out->now_ns = bpf_ktime_get_ns();
	out->boot_now_ns = bpf_ktime_get_boot_ns();
	out->slot = now->slot;
	out->generation = now->generation;
	if (identify_in(out->slot, &connection, &visitor))
		explain_visitor(out, &visitor, &connection.remote);
	return SK_PASS;
}

/*
 * The daemon runs these by BPF_PROG_TEST_RUN, too: see sockets.h. They are of this type because
 * such programs may use every map.
 */
SEC("sk_lookup")
int reconcile(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	FOR_EACH_SOCKET(reconcile_socket);
	return SK_PASS;
}

SEC("sk_lookup")
int look_up(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	FOR_EACH_SOCKET(look_up_socket);
	return SK_PASS;
}

SEC("sk_lookup")
int forget(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	FOR_EACH_SOCKET(forget_socket);
	return SK_PASS;
}

SEC("sk_lookup")
int correct(struct bpf_sk_lookup *ctx)
{
	(void)ctx;
	correct_counter();
	return SK_PASS;
}

/* The kernel has queued a half-open request. It does not tell when the request dies. */
static __always_inline void reserve(const struct connection *connection)
{
	struct lookup_note *note = just_looked_up(connection);
	__u32 verdict = note ? note->verdict : LOOKUP_ADMITTED;
	struct visitor visitor = {};

	if (note) forget_lookup(note);
	if (verdict == LOOKUP_STEERED) return;
	if (!identify(connection, &visitor)) return;
	take_client(&visitor, true, verdict == LOOKUP_OVER_LIMIT);
	take_shared_half_open(&visitor);
}

/*
 * Takes the tokens that are left to take when a handshake completes. Returns the limit that the
 * connection has passed since its SYN was admitted. `verdict`: of its SYN, if that is known.
 */
static __always_inline enum hg_reason take_tokens(const struct visitor *visitor, bool is_known,
						  __u32 verdict)
{
	const struct hg_rule *rule = rule_of(visitor);

	if (!rule || !takes_tokens(visitor, rule, verdict == LOOKUP_OVER_LIMIT)) return HG_ADMITTED;
	if (!(rule->flags & HG_MONITOR)) return take_shared_tokens(visitor);
	if (is_known || !was_monitored(visitor)) take_shared_tokens(visitor);
	return HG_ADMITTED;
}

/*
 * The handshake is complete: the half-open slot becomes an established connection. Returns whether
 * the end of the socket has to be watched for.
 */
static __always_inline bool establish(__u64 cookie, const struct connection *connection)
{
	struct lookup_note *note = just_looked_up(connection);
	__u32 verdict = note ? note->verdict : LOOKUP_ADMITTED;
	struct visitor visitor = {};

	if (note) forget_lookup(note);
	if (!identify(connection, &visitor)) return false;
	if (note) {
		take_client(&visitor, false, verdict == LOOKUP_OVER_LIMIT);
	} else {
		give_back_half_open(&visitor);
	}
	__u32 opened = bpf_ktime_get_coarse_ns() >> HG_OPENED_SHIFT;
	enum hg_reason excess = take_tokens(&visitor, note, verdict);
	struct counted counted = count_connection(cookie, &visitor, true, excess, 0, opened);
	struct report report = {
	    .type = HG_EVENT_TABLE_FULL,
	    .reason = HG_TABLE_FULL,
	    .rule_id = visitor.rule_id,
	    .socket_cookie = cookie,
	};

	if (!counted.is_complete) {
		COUNT(visitor.rule_id, untracked);
		send_event(&report, connection);
	}
	if (counted.excess == HG_ADMITTED) {
		COUNT(visitor.rule_id, admitted);
	} else {
		report.type = HG_EVENT_OVERSHOOT;
		report.reason = counted.excess;
		COUNT(visitor.rule_id, overshoot);
		send_event(&report, connection);
	}
	return counted.is_tracked;
}

/* Was this connection accepted by one of the daemon's listeners for replies? */
static __always_inline bool is_reply(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	return sk && bpf_sk_storage_get(&reply_marks, sk, NULL, 0);
}

SEC("sockops")
int track(struct bpf_sock_ops *ops)
{
	struct hg_connection removed;

	/* ops->reply stays as it is: it belongs to other programs. */
	if (ops->op == BPF_SOCK_OPS_STATE_CB) {
		if (ops->args[1] == TCP_CLOSE)
			uncount_connection(bpf_get_socket_cookie(ops), &removed);
		return 1;
	}

	bool is_reserving = ops->op == BPF_SOCK_OPS_TIMEOUT_INIT && !ops->is_fullsock;

	if (!is_reserving && ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) return 1;

	struct connection connection = connection_of_ops(ops);

	if (!find_namespace(ops, &connection)) return 1;

	if (is_reserving) {
		reserve(&connection);
		return 1;
	}
	__u64 cookie = bpf_get_socket_cookie(ops);
	bool is_tracked = is_reply(ops) ? count_reply(cookie) : establish(cookie, &connection);

	/* From now on the kernel calls this program at every change of the socket's state. */
	if (is_tracked)
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	return 1;
}

/*
 * Attached to the cgroup of a group: what its sockets listen on belongs to the group. The daemon
 * removes what is listened on no more.
 */
SEC("sockops")
int note_listening(struct bpf_sock_ops *ops)
{
	struct hg_listening group = {listening_group.group, listening_group.depth};

	if (ops->op != BPF_SOCK_OPS_TCP_LISTEN_CB) return 1;

	struct connection connection = connection_of_ops(ops);

	if (!find_namespace(ops, &connection)) return 1;

	struct hg_listening_key key = {
	    .netns_cookie = connection.netns_cookie,
	    .local = connection.local,
	    .port = connection.local_port,
	};

	if (ops->family == AF_INET && key.local.word[3] == 0)
		__builtin_memset(&key.local, 0, sizeof(key.local));

	const struct hg_listening *known = bpf_map_lookup_elem(&listening, &key);

	if (!known || known->depth <= group.depth)
		bpf_map_update_elem(&listening, &key, &group, BPF_ANY);
	return 1;
}

static __always_inline void on_death(const struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	struct hg_connection removed;

	if (cookie) uncount_connection(cookie, &removed); /* who has none was never counted */
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
