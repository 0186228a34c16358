/* SPDX-License-Identifier: GPL-2.0-only */
/* A connection as seen from the server, the same whichever hook sees it. */
#ifndef HEADGATE_BPF_CONNECTION_H
#define HEADGATE_BPF_CONNECTION_H

#include "abi.h"
#include "kernel_types.h"

struct connection {
	struct hg_address remote;
	struct hg_address local;
	__u16 remote_port;
	__u16 local_port;
	__u32 interface; /* that the socket is bound to, or 0; not known to sk_lookup */
	__u64 netns_cookie;
	struct hg_namespace netns;
	__u32 is_udp; /* QUIC */
};

#define MAPPED_WORD bpf_htonl(0x0000ffff)

static __always_inline bool is_ipv4(const struct hg_address *address)
{
	return address->word[0] == 0 && address->word[1] == 0 && address->word[2] == MAPPED_WORD;
}

static __always_inline struct hg_address from_ipv4(__be32 ipv4)
{
	/* Keeps the compiler from merging this read of a context with one of the IPv6 branch. */
	barrier_var(ipv4);

	struct hg_address address = {.word = {0, 0, MAPPED_WORD, ipv4}};

	return address;
}

/* Spelled out: the verifier wants every read of a context at a constant offset. */
#define READ_IPV6(address, field)                                                                  \
	do {                                                                                       \
		(address).word[0] = field[0];                                                      \
		(address).word[1] = field[1];                                                      \
		(address).word[2] = field[2];                                                      \
		(address).word[3] = field[3];                                                      \
	} while (0)

static __always_inline struct connection connection_of_lookup(const struct bpf_sk_lookup *ctx)
{
	struct connection connection = {
	    .remote_port = bpf_ntohs(ctx->remote_port),
	    .local_port = ctx->local_port,
	};

	if (ctx->family == AF_INET) {
		connection.remote = from_ipv4(ctx->remote_ip4);
		connection.local = from_ipv4(ctx->local_ip4);
	} else {
		READ_IPV6(connection.remote, ctx->remote_ip6);
		READ_IPV6(connection.local, ctx->local_ip6);
	}
	return connection;
}

static __always_inline struct connection connection_of_ops(const struct bpf_sock_ops *ops)
{
	struct connection connection = {
	    .remote_port = bpf_ntohl(ops->remote_port),
	    .local_port = ops->local_port,
	};
	const struct bpf_sock *sk = ops->sk;

	if (sk) connection.interface = sk->bound_dev_if;

	if (ops->family == AF_INET) {
		connection.remote = from_ipv4(ops->remote_ip4);
		connection.local = from_ipv4(ops->local_ip4);
	} else {
		READ_IPV6(connection.remote, ops->remote_ip6);
		READ_IPV6(connection.local, ops->local_ip6);
	}
	return connection;
}

#endif /* HEADGATE_BPF_CONNECTION_H */
