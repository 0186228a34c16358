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
 * that it is given may be null as far as the verifier knows, and point to no pointers. A key that
 * it is given has to be copied before it is looked up: Linux 6.1 wants keys on the stack.
 */
#define CHECKED_ONCE __attribute__((noinline))

/*
 * A loop of TIMES turns at most. Its counter goes up at its head, so that no call falls through to
 * that head: Linux before 6.8 takes that for a loop without end.
 */
#define TRY(TIMES)                                                                                 \
	for (int _turn = 0; _turn < (TIMES) && ({                                                  \
				    _turn++;                                                       \
				    barrier_var(_turn);                                            \
				    true;                                                          \
			    });)

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

struct netns_ipv4 {
	__u8 sysctl_tcp_syncookies;
};

struct net {
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	possible_net_t skc_net;
	atomic64_t skc_cookie; /* 0: nobody has asked for it yet */
};

struct sock_reuseport {
	unsigned int synq_overflow_ts; /* jiffies */
};

struct sock {
	struct sock_common __sk_common;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	struct sock_reuseport *sk_reuseport_cb;
};

struct tcp_options_received {
	int ts_recent_stamp; /* of a listener: when its queue overflowed, jiffies */
};

struct tcp_sock {
	struct tcp_options_received rx_opt;
};

#pragma clang attribute pop

#endif /* HEADGATE_BPF_KERNEL_TYPES_H */
