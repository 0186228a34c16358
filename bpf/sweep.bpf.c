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

/* Is the connection counted exactly as the policy in force would count it? */
static __always_inline bool is_in_place(const struct hg_connection *entry,
					const struct visitor *visitor)
{
	const struct hg_address *counted = &entry->client, *wanted = &visitor->client.address;
	const struct hg_rule *rule = rule_of(visitor);
	__u32 network_bits =
	    rule && rule->flags & HG_COUNT_NETWORKS ? network_bits_of(rule, wanted) : HG_NO_NETWORK;

	return entry->rule == visitor->rule_id && counted->word[0] == wanted->word[0] &&
	       counted->word[1] == wanted->word[1] && counted->word[2] == wanted->word[2] &&
	       counted->word[3] == wanted->word[3] && entry->network_bits == network_bits;
}

static __always_inline void adopt(__u64 cookie, struct visitor *visitor, __u32 flags, __u32 opened)
{
	struct counted counted =
	    count_connection(cookie, visitor, false, HG_ADMITTED, flags, opened);

	if (!counted.is_complete) COUNT(visitor->rule_id, untracked);
}

/* Counts a connection that nobody has counted: it is older than the hooks, or than its rule. */
static __always_inline void adopt_new(struct tcp_sock *tcp, __u64 cookie, struct visitor *visitor)
{
	if (bpf_sk_storage_get(&reply_marks, tcp, NULL, 0)) return;
	adopt(cookie, visitor, HG_CONNECTION_ADOPTED, bpf_ktime_get_ns() >> HG_OPENED_SHIFT);
	COUNT(visitor->rule_id, adopted);
}

/* Counts a connection under what the policy in force says, in place of where it was counted. */
static __always_inline void rekey(__u64 cookie, struct visitor *visitor, bool has_rule)
{
	struct hg_connection removed;
	__u32 zero = 0;
	struct hg_query *answer = bpf_map_lookup_elem(&query, &zero);

	if (!uncount_connection(cookie, &removed)) return;
	if (answer) __sync_fetch_and_add(&answer->rekeyed, 1);
	if (has_rule)
		adopt(cookie, visitor,
		      removed.flags & (HG_CONNECTION_ADOPTED | HG_CONNECTION_OVERSHOOT),
		      removed.opened);
}

/*
 * Makes the counts what the policy in force says about the connections that are open: after the
 * start, and after a change of how clients or rules are told apart.
 */
SEC("iter/tcp")
int reconcile(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common || !is_open(common)) return 0;

	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp) return 0;

	struct sock *sk = &tcp->inet_conn.icsk_inet;
	struct connection connection = connection_of_sock(common);
	struct visitor visitor = {};
	__u64 cookie = bpf_get_socket_cookie(tcp);
	const struct hg_connection *entry = find_connection(cookie);
	bool has_rule = identify(&connection, &visitor);

	if (entry) {
		if (entry->flags & HG_CONNECTION_REPLY) return 0;
		if (!has_rule || !is_in_place(entry, &visitor)) rekey(cookie, &visitor, has_rule);
	} else if (has_rule && is_accepted(sk) && is_in_cgroup(sk)) {
		adopt_new(tcp, cookie, &visitor);
	}
	return 0;
}

static __always_inline bool is_asked_for(const struct hg_connection *entry,
					 const struct hg_address *remote)
{
	__u32 zero = 0;
	const struct hg_query *asked = bpf_map_lookup_elem(&query, &zero);

	if (!asked || (entry->flags & asked->flags) != asked->flags) return false;
	if (asked->rule != HG_NO_RULE && asked->rule != entry->rule) return false;
	if (asked->family && asked->family != (is_ipv4(remote) ? 4 : 6)) return false;
	for (int i = 0; i < 4; i++)
		if ((remote->word[i] & asked->mask.word[i]) != asked->client.word[i]) return false;
	return true;
}

/* Writes a struct hg_live for every counted connection that map `query` asks for. */
SEC("iter/tcp")
int find_connections(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common || !is_open(common)) return 0;

	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp) return 0;

	__u64 cookie = bpf_get_socket_cookie(tcp);
	struct connection connection = connection_of_sock(common);
	const struct hg_connection *entry = find_connection(cookie);
	if (!entry || entry->flags & HG_CONNECTION_REPLY) return 0;
	if (!is_asked_for(entry, &connection.remote)) return 0;

	struct hg_live live = {
	    .cookie = cookie,
	    .opened = entry->opened,
	    .interface = connection.interface,
	    .remote = connection.remote,
	    .local = connection.local,
	    .client = entry->client,
	    .remote_port = connection.remote_port,
	    .local_port = connection.local_port,
	    .rule = entry->rule,
	    .network_bits = entry->network_bits,
	    .flags = entry->flags,
	};
	bpf_seq_write(ctx->meta->seq, &live, sizeof(live));
	return 0;
}
