// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks the TCP sockets of the namespace that the iterator was created in. The kernel holds the
 * socket's lock while a program looks at it, so no hook of limiter.bpf.c runs on it meanwhile.
 */
#include "account.h"
#include "connection.h"
#include "kernel_types.h"
#include "maps.h"
#include "policy.h"
#include "report.h"
#include "track.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_CGROUP_DEPTH 64

const volatile __u64 cgroup_id = 0; /* the group that is counted, with all below it */

/* Past the handshake and not yet closed. TIME_WAIT is another kind of socket and does not count. */
static __always_inline bool is_open(const struct sock_common *sk)
{
	switch (sk->skc_state) {
	case TCP_ESTABLISHED:
	case TCP_SYN_RECV: /* a full socket in this state: TCP Fast Open */
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return true;
	default:
		return false;
	}
}

/*
 * Did this host accept the connection? A child inherits the backlog of the listen() call of its
 * listener; a socket that connected by itself has none.
 */
static __always_inline bool is_accepted(const struct sock *sk)
{
	return sk->sk_max_ack_backlog > 0;
}

static __always_inline __u64 ancestor_id(const struct cgroup *cgroup, int level)
{
	if (bpf_core_field_exists(cgroup->ancestors)) {
		struct cgroup *ancestor = NULL;

		bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]);
		return ancestor ? BPF_CORE_READ(ancestor, kn, id) : 0;
	}
	const struct cgroup___before_6_1 *old = (const void *)cgroup;
	__u64 id = 0;

	bpf_core_read(&id, sizeof(id), &old->ancestor_ids[level]);
	return id;
}

static __always_inline bool is_in_cgroup(const struct sock *sk)
{
	const struct cgroup *cgroup = sk->sk_cgrp_data.cgroup;

	if (!cgroup) return false;
	int depth = BPF_CORE_READ(cgroup, level);

	for (int level = 0; level <= depth && level < MAX_CGROUP_DEPTH; level++)
		if (ancestor_id(cgroup, level) == cgroup_id) return true;
	return false;
}

/* Counts a connection that is older than the hooks. */
SEC("iter/tcp")
int adopt(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common || !is_open(common)) return 0;

	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp) return 0;
	struct sock *sk = &tcp->inet_conn.icsk_inet;
	if (!is_accepted(sk) || !is_in_cgroup(sk)) return 0;

	struct connection connection = connection_of_sock(common);
	__u32 rule_id;
	const struct hg_rule *rule = find_rule(&connection, &rule_id);
	if (!rule) return 0;

	__u64 cookie = bpf_get_socket_cookie(tcp);
	if (find_connection(cookie)) return 0;

	struct hg_client_key client = client_of(rule, rule_id, &connection.remote);
	struct counted counted = count_connection(cookie, rule, rule_id, &client, false);
	if (counted.is_tracked) COUNT(rule_id, adopted);
	if (!counted.has_client) COUNT(rule_id, untracked);
	return 0;
}

/* Writes an order for every connection beyond a limit whose event was lost. */
SEC("iter/tcp")
int find_overshoot(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common || !is_open(common)) return 0;

	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp) return 0;

	__u64 cookie = bpf_get_socket_cookie(tcp);
	const struct hg_connection *entry = find_connection(cookie);
	if (!entry || !(entry->flags & HG_CONNECTION_OVERSHOOT)) return 0;

	struct connection connection = connection_of_sock(common);
	struct hg_event event = {
	    .time_ns = bpf_ktime_get_ns(),
	    .socket_cookie = cookie,
	    .type = HG_EVENT_OVERSHOOT,
	    .reason = HG_ADMITTED, /* no longer known */
	    .rule = entry->client.rule,
	    .remote_port = connection.remote_port,
	    .local_port = connection.local_port,
	    .interface = connection.interface,
	    .remote = connection.remote,
	    .local = connection.local,
	};
	bpf_seq_write(ctx->meta->seq, &event, sizeof(event));
	return 0;
}
