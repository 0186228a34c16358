/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one header that crosses the border between the kernel programs (BPF C) and the daemon
 * (C++20): every key, value, event and reason that a map or the ring buffer carries.
 *
 * Addresses are in network byte order; ports and everything else are in host byte order.
 */
#ifndef HEADGATE_BPF_ABI_H
#define HEADGATE_BPF_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define HG_SIZE_IS(type, bytes) static_assert(sizeof(type) == (bytes), #type " crosses the border")
#else
#define HG_SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " crosses the border")
#endif

/* Rule ids are 1 .. HG_MAX_RULES - 1; 0 means "no rule". */
#define HG_MAX_RULES 1024
#define HG_NO_RULE 0

/* "No limit" for hg_rule limits. A limit of 0 refuses everything. */
#define HG_NO_LIMIT 0xffffffffU

/* Why a connection was refused or closed: enum name, label (metrics, CLI, docs), explanation. */
#define HG_REASONS(X)                                                                              \
	X(HG_CLIENT_CONNECTIONS, "client_connections",                                             \
	  "the client holds as many connections as the rule allows one client")                    \
	X(HG_TOTAL_CONNECTIONS, "total_connections",                                               \
	  "all clients together hold as many connections as the rule allows")                      \
	X(HG_TABLE_FULL, "table_full", "a table is full and the rule says on_table_full: refuse")

enum hg_reason {
	HG_ADMITTED = 0,
#define HG_REASON_ENUM(name, label, text) name,
	HG_REASONS(HG_REASON_ENUM)
#undef HG_REASON_ENUM
	    HG_REASON_END
};
#define HG_REASON_SLOTS 8 /* room in hg_rule_stats, a power of two: see hg_rule_stats */

/* 16 bytes in network byte order; IPv4 as ::ffff:a.b.c.d. */
struct hg_address {
	__u32 word[4];
};
HG_SIZE_IS(struct hg_address, 16);

/* --- policy: written by the daemon, read by the programs ------------------------------------ */

enum hg_count_half_open {
	HG_HALF_OPEN_NONE = 0,   /* limits count established connections only */
	HG_HALF_OPEN_CLIENT = 1, /* the per-client limit counts half-open ones too */
	HG_HALF_OPEN_ALL = 2,    /* every limit counts half-open ones too */
};

#define HG_REFUSE_ON_TABLE_FULL 1U /* hg_rule.flags */

struct hg_rule {
	__u32 per_client;            /* connections, or HG_NO_LIMIT */
	__u32 total;                 /* connections, or HG_NO_LIMIT */
	__u64 handshake_timeout_ns;  /* length of a half-open window; never 0 */
	struct hg_address ipv4_mask; /* the client is the source address AND this mask */
	struct hg_address ipv6_mask;
	__u32 count_half_open; /* enum hg_count_half_open */
	__u32 flags;
};
HG_SIZE_IS(struct hg_rule, 56);

/* Map `ports`, indexed by local port: what a bare port means, and whether to ask map `listen`. */
struct hg_port {
	__u16 rule;          /* for any local address not found in `listen`; HG_NO_RULE: none */
	__u16 has_addresses; /* 1: some entry of `listen` names this port */
};
HG_SIZE_IS(struct hg_port, 4);

/*
 * Map `listen` (LPM trie): port, then family, then address. prefix_bits counts from `port` on:
 * HG_LISTEN_FIXED_BITS plus the length of the address prefix in its own family.
 */
struct hg_listen_key {
	__u32 prefix_bits;
	__u16 port;
	__u16 family;     /* 4 or 6 */
	__u32 address[4]; /* network byte order; IPv4 in the first word, the rest zero */
};
#define HG_LISTEN_FIXED_BITS 32
HG_SIZE_IS(struct hg_listen_key, 24);

/* --- account: written by the programs, read by the daemon ------------------------------------ */

/*
 * Key of `clients` and `half_open`. `incarnation` is 0 but for a client whose entry was being
 * removed on one CPU while another one counted a new connection: see account.h.
 */
struct hg_client_key {
	__u16 rule;
	__u16 incarnation;
	struct hg_address address; /* cut to the rule's client prefix */
};
#define HG_INCARNATIONS 4
HG_SIZE_IS(struct hg_client_key, 20);

/*
 * Value of `clients`, one word so that it changes by one compare-and-swap: the tag of its key in
 * the upper half, established connections in the lower; 0 while the entry is parked, HG_DEAD while
 * it is being removed. The tag tells an entry whose memory the kernel has already given to another
 * key.
 */
struct hg_client {
	__u64 state;
};
#define HG_DEAD 0xffffffffU
HG_SIZE_IS(struct hg_client, 8);

/* Map `parked`: clients that have just left, whose entries are kept in case they return. */
struct hg_parked {
	__u32 is_busy; /* 1 while a CPU exchanges the client */
	struct hg_client_key client;
};
#define HG_PARKED_MAX 256
HG_SIZE_IS(struct hg_parked, 24);

/*
 * Half-open connections of the current and the previous window, in one word so that it changes
 * by one compare-and-swap: window number (24 bits, wraps), current (20 bits), previous (20 bits).
 * Counts saturate at HG_WINDOW_COUNT_MAX.
 */
struct hg_half_open {
	__u64 windows;
};
#define HG_WINDOW_COUNT_BITS 20
#define HG_WINDOW_COUNT_MAX ((1U << HG_WINDOW_COUNT_BITS) - 1)
#define HG_WINDOW_NUMBER_MASK 0xffffffU
HG_SIZE_IS(struct hg_half_open, 8);

/* Map `totals`, indexed by rule id: shared by all CPUs, exact. One cache line each. */
struct hg_totals {
	__u32 connections;             /* established */
	__u32 clients;                 /* entries of `clients` that are not parked */
	struct hg_half_open half_open; /* with HG_HALF_OPEN_ALL only */
	__u64 padding[6];
};
HG_SIZE_IS(struct hg_totals, 64);

/*
 * Map `table_state` (one entry): what no single rule owns. Nearly always only read, so that the
 * CPUs do not fight for it.
 */
struct hg_table_state {
	__u64 connections_full_at; /* when an insertion found no room; CLOCK_MONOTONIC, ns */
	__u64 clients_full_at;
	__u32 later_incarnations; /* entries of `clients` with incarnation > 0 */
	__u32 more_connections;   /* entries of `more_connections` */
	__u32 adopted;            /* connections with HG_CONNECTION_ADOPTED */
	__u32 padding;
};
HG_SIZE_IS(struct hg_table_state, 32);

/* Map `stats`, per CPU, indexed by rule id: monotonic counters, summed by the daemon. */
struct hg_rule_stats {
	__u64 admitted;                 /* handshakes completed within the limits */
	__u64 refused[HG_REASON_SLOTS]; /* by enum hg_reason */
	__u64 overshoot;                /* handshakes completed beyond a limit: to be closed */
	__u64 untracked;                /* not counted, or not for its client: a table was full */
	__u64 adopted;                  /* found already open by the iterator */
};
HG_SIZE_IS(struct hg_rule_stats, 96);

/*
 * Maps `connections` and `more_connections`: every counted connection, and what its end must undo:
 * exactly what was counted, whatever the policy says by then. See connections.h.
 */
struct hg_connection {
	__u64 cookie; /* of the socket; 0: the slot is free */
	struct hg_client_key client;
	__u32 flags; /* HG_CONNECTION_… */
};
#define HG_CONNECTION_HAS_CLIENT 1U /* counted in `clients`, not only in `totals` */
#define HG_CONNECTION_ADOPTED 4U    /* was open before the hooks were attached */
#define HG_CONNECTION_OVERSHOOT 2U  /* beyond a limit, to be destroyed by the daemon */
HG_SIZE_IS(struct hg_connection, 32);
#define HG_CONNECTION_SLOTS_MAX 65536 /* of `connections`: 2 MiB */

/* --- events: ring buffer `events` ------------------------------------------------------------ */

enum hg_event_type {
	HG_EVENT_REFUSED = 1,
	HG_EVENT_OVERSHOOT = 2,  /* the daemon must destroy this socket */
	HG_EVENT_TABLE_FULL = 3, /* a connection was admitted that could not be counted */
};

struct hg_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 socket_cookie;
	__u32 suppressed; /* events of this CPU not sent since the one before */
	__u16 type;       /* enum hg_event_type */
	__u16 reason;     /* enum hg_reason */
	__u16 rule;
	__u16 remote_port;
	__u16 local_port;
	__u16 padding;
	__u32 interface; /* index, if the socket is bound to a device; else 0 */
	__u32 padding_too;
	struct hg_address remote;
	struct hg_address local;
};
HG_SIZE_IS(struct hg_event, 72);

/* Map `event_budget`, per CPU, one entry: how many events this CPU may still send, and losses. */
struct hg_event_budget {
	__u64 second; /* CLOCK_MONOTONIC seconds that `sent` belongs to */
	__u32 sent;
	__u32 suppressed; /* since the last event sent */
	__u64 suppressed_total;
	__u64 lost; /* the ring buffer was full */
};
#define HG_EVENTS_PER_SECOND 64 /* per CPU; overshoot events are not limited */
HG_SIZE_IS(struct hg_event_budget, 32);

#endif /* HEADGATE_BPF_ABI_H */
