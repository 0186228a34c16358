/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own structs, cut down to the fields that headgate reads. CO-RE relocates every
 * access by name against the running kernel's BTF, so one object serves all kernels and the build
 * needs no vmlinux.h. What is UAPI comes from <linux/bpf.h>.
 */
#ifndef HEADGATE_BPF_KERNEL_TYPES_H
#define HEADGATE_BPF_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/*
 * A function that the verifier checks once, on its own, and not again for every state that each
 * caller may be in. Without these the larger programs exceed what it is willing to check. Pointers
 * that it is given may be null as far as the verifier knows, and point to no pointers.
 */
#define CHECKED_ONCE __attribute__((noinline))

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NEW_SYN_RECV,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie; /* 0: nobody has asked for it yet */
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
	int level;
	struct cgroup *ancestors[]; /* Linux >= 6.1 */
};

struct cgroup___before_6_1 {
	int level;
	__u64 ancestor_ids[];
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	__u32 sk_max_ack_backlog;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_connection_sock {
	struct sock icsk_inet; /* begins with the sock */
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__tcp {
	__bpf_md_ptr(struct bpf_iter_meta *, meta);
	__bpf_md_ptr(struct sock_common *, sk_common);
};

#pragma clang attribute pop

#endif /* HEADGATE_BPF_KERNEL_TYPES_H */
