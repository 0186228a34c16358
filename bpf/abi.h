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

/* Network namespaces have numbers 0 .. HG_MAX_NAMESPACES - 1; those that share counts share one. */
#define HG_MAX_NAMESPACES 256

/* Groups of processes (cgroups) that a rule covers: numbers 1 .. HG_MAX_GROUPS - 1. */
#define HG_MAX_GROUPS 256

/* Network interfaces that the front line is on: numbers 0 .. HG_MAX_INTERFACES - 1. */
#define HG_MAX_INTERFACES 64

/* "No limit" for limits of connections. A limit of 0 refuses everything. */
#define HG_NO_LIMIT 0xffffffffU

/* Why a connection was refused or closed: enum name, label (metrics, CLI, docs), explanation. */
#define HG_REASONS(X)                                                                              \
	X(HG_CLIENT_CONNECTIONS, "client_connections",                                             \
	  "the client holds as many connections as the rule allows one client")                    \
	X(HG_NETWORK_CONNECTIONS, "network_connections",                                           \
	  "the client's network holds as many connections as the rule allows one network")         \
	X(HG_TOTAL_CONNECTIONS, "total_connections",                                               \
	  "all clients together hold as many connections as the rule allows")                      \
	X(HG_CLIENT_RATE, "client_rate",                                                           \
	  "the client opens connections faster than the rule allows")                              \
	X(HG_NETWORK_RATE, "network_rate",                                                         \
	  "the client's network opens connections faster than the rule allows")                    \
	X(HG_TOTAL_RATE, "total_rate",                                                             \
	  "all clients together open connections faster than the rule allows")                     \
	X(HG_DENIED, "denied", "the client is on the deny list, or on a penalty")                  \
	X(HG_TABLE_FULL, "table_full", "a table is full and the rule says on_table_full: refuse")

enum hg_reason {
	HG_ADMITTED = 0,
#define HG_REASON_ENUM(name, label, text) name,
	HG_REASONS(HG_REASON_ENUM)
#undef HG_REASON_ENUM
	    HG_REASON_END
};
#define HG_REASON_SLOTS 8 /* in hg_rule_stats, a power of two: reason - 1 */

/* What a refused client gets. */
enum hg_action {
	HG_ACTION_RESET = 0,
	HG_ACTION_DROP = 1,
	HG_ACTION_REPLY = 2,
	HG_ACTION_NONE = 3, /* mode: monitor: it is let in */
	HG_ACTIONS = 4
};

/* 16 bytes in network byte order; IPv4 as ::ffff:a.b.c.d. */
struct hg_address {
	__u32 word[4];
};
HG_SIZE_IS(struct hg_address, 16);

/* --- policy: written by the daemon, read by the programs ------------------------------------ */

/* Map `namespaces`: by the namespace's cookie, those that are limited. */
struct hg_namespace {
	__u32 number; /* as in hg_client_key */
	__u32 place;  /* its own also where numbers are shared: see map `listeners` */
};
HG_SIZE_IS(struct hg_namespace, 8);

/*
 * A policy is written whole into one of several slots, then hg_control.slot names that slot. A
 * program reads the number once for each decision. A slot is written again only after every program
 * that may have read its number has ended (an RCU grace period): docs/adr/0004-generations.md.
 *
 * Map `control`, one entry.
 */
#define HG_POLICY_SLOTS 8
#define HG_ANY_DENIED 1U
#define HG_ANY_DENIED_HARD 2U /* one with HG_DENIED_HARD */
struct hg_control {
	__u32 slot;
	__u32 denied;           /* HG_ANY_...: what operators have denied */
	__u32 max_replies;      /* connections that are being answered at once */
	__u16 is_recount_due;   /* 1: counting connections anew has begun and not ended */
	__u16 syn_cookies;      /* 1: the front line answers with them under a flood */
	__u64 generation;       /* of the policy, for people: counts from 1 */
	__s64 wall_offset_ns;   /* CLOCK_REALTIME less CLOCK_BOOTTIME */
	__u64 recount_until_ns; /* CLOCK_MONOTONIC; until then counts are not judged by */
	__u64 netns_cookie;     /* of the first namespace: saves looking it up */
	struct hg_namespace netns;
	__u64 denials; /* changes whenever that has changed */
};
HG_SIZE_IS(struct hg_control, 64);

enum hg_count_half_open {
	HG_HALF_OPEN_NONE = 0,   /* limits count established connections only */
	HG_HALF_OPEN_CLIENT = 1, /* the per-client limit counts half-open ones too */
	HG_HALF_OPEN_ALL = 2,    /* every limit counts half-open ones too */
};

/* New connections, as a token bucket: see bucket.h. */
struct hg_rate {
	__u64 interval_ns;  /* in which one token comes; 0: no limit */
	__u64 tolerance_ns; /* (burst - 1) * interval_ns */
};
HG_SIZE_IS(struct hg_rate, 16);

/* The limits that an override may replace. */
struct hg_limits {
	__u32 per_client;  /* connections, or HG_NO_LIMIT */
	__u32 per_network; /* connections, or HG_NO_LIMIT */
	struct hg_rate client_rate;
	struct hg_rate network_rate;
};
HG_SIZE_IS(struct hg_limits, 40);

/* hg_rule.flags */
#define HG_REFUSE_ON_TABLE_FULL 1U
#define HG_MONITOR 2U         /* decide, count and report; refuse nothing */
#define HG_HAS_OVERRIDES 4U   /* `prefixes` has some of kind HG_PREFIX_OVERRIDE for this rule */
#define HG_HAS_EXEMPT 8U      /* `prefixes` has some of kind HG_PREFIX_EXEMPT */
#define HG_COUNT_NETWORKS 16U /* a limit of connections per network is somewhere in this rule */
#define HG_HAS_RATES 32U      /* a limit of new connections is somewhere in this rule */
#define HG_HAS_DENIED 64U     /* `prefixes` has some of kind HG_PREFIX_DENIED */
#define HG_HAS_GROUPS 128U    /* of rule HG_NO_RULE: some rule of this policy covers groups */

/* Map `rules`, indexed by slot * HG_MAX_RULES + rule id. */
struct hg_rule {
	struct hg_limits limits; /* of clients without an override */
	struct hg_rate total_rate;
	__u32 total; /* connections of all clients, less the reserve; or HG_NO_LIMIT */
	__u32 reply; /* HG_ACTION_REPLY: which one */
	__u64 handshake_timeout_ns;  /* length of a half-open window; never 0 */
	struct hg_address ipv4_mask; /* the client is the source address AND this mask */
	struct hg_address ipv6_mask;
	__u8 ipv4_network_bits; /* of the 128 bits of struct hg_address: 96 .. 128 */
	__u8 ipv6_network_bits;
	__u8 count_half_open; /* enum hg_count_half_open */
	__u8 action;          /* enum hg_action */
	__u32 flags;
	__u32 penalty_after; /* refusals; 0: no penalty */
	__u64 penalty_within_ns;
	__u64 penalty_first_ns;
	__u64 penalty_longest_ns;
	__u64 penalty_growth;
};
HG_SIZE_IS(struct hg_rule, 152);

/* Map `ports`, indexed by slot * 65536 + local port: what a bare port means. */
struct hg_port {
	__u16 rule;          /* for any local address not found in `prefixes`; HG_NO_RULE: none */
	__u16 has_addresses; /* 1: some HG_PREFIX_LISTEN entry names this port */
	__u16 udp_rule;      /* the same for UDP, that is, for QUIC */
	__u16 has_udp_addresses;
};
HG_SIZE_IS(struct hg_port, 8);

/*
 * What the processes of a group listen on. Map `listening`: which group; written when a socket
 * begins to listen. Map `groups`, indexed by slot * HG_MAX_GROUPS + group: the rule that covers it.
 */
struct hg_listening_key {
	__u64 netns_cookie;
	struct hg_address local; /* all zero: every address */
	__u16 port;
	__u16 padding[3];
};
HG_SIZE_IS(struct hg_listening_key, 32);

struct hg_listening {
	__u32 group;
	__u32 depth; /* of the group in the hierarchy: the deepest one wins */
};
HG_SIZE_IS(struct hg_listening, 8);
#define HG_LISTENING_MAX 65536

/*
 * Maps `prefixes` (LPM tries, one a slot), `denied` (LPM trie) and `denied_hosts` (hash).
 * prefix_bits counts from `selector` on: HG_PREFIX_FIXED_BITS plus the length of the prefix in its
 * own family.
 */
enum hg_prefix_kind {
	HG_PREFIX_LISTEN = 1,   /* local addresses; selector: local port */
	HG_PREFIX_OVERRIDE = 2, /* clients; selector: rule id */
	HG_PREFIX_EXEMPT = 3,   /* clients exempt from every rule; selector: 0 */
	HG_PREFIX_DENIED = 4,   /* clients; selector: 0 */
	HG_PREFIX_LISTEN_UDP = 5,
};

struct hg_prefix_key {
	__u32 prefix_bits;
	__u16 selector;
	__u8 kind;        /* enum hg_prefix_kind */
	__u8 family;      /* 4 or 6 */
	__u32 address[4]; /* network byte order; IPv4 in the first word, the rest zero */
};
#define HG_PREFIX_FIXED_BITS 32
HG_SIZE_IS(struct hg_prefix_key, 24);

struct hg_prefix {
	__u32 rule;              /* HG_PREFIX_LISTEN: its id */
	__u16 exempt;            /* HG_PREFIX_OVERRIDE: 1: counted, never refused */
	__u16 bits;              /* prefix_bits of this entry's key */
	struct hg_limits limits; /* HG_PREFIX_OVERRIDE */
	__u64 until_ns;          /* HG_PREFIX_DENIED: CLOCK_REALTIME, or HG_FOR_GOOD */
};
#define HG_FOR_GOOD 0xffffffffffffffffULL
HG_SIZE_IS(struct hg_prefix, 56);

/* Maps `denied` and `denied_hosts`: what operators have denied, outside the slots. */
struct hg_denied {
	__u64 until_ns;    /* CLOCK_BOOTTIME; HG_FOR_GOOD: no end */
	__u32 prefix_bits; /* of this entry's key */
	__u32 flags;       /* HG_DENIED_... */
};
#define HG_DENIED_HARD 1U /* packets of established connections, too */
HG_SIZE_IS(struct hg_denied, 16);

/*
 * Map `listeners` (sockmap), indexed by HG_LISTENERS * namespace's place + one of these: sockets
 * that refused connections are steered to, IPv4 then IPv6.
 */
#define HG_DROP_LISTENERS 0
#define HG_REPLY_LISTENERS 2 /* + 2 * hg_rule.reply */
#define HG_MAX_REPLIES 64    /* different ones */
#define HG_LISTENERS (HG_REPLY_LISTENERS + 2 * HG_MAX_REPLIES)

/* --- the front line: XDP ------------------------------------------------------------------------
 */

/*
 * Map `links`: whose frames reach this namespace by an interface that the front line is on. Frames
 * of any other VLAN, or to any other hardware address, are not ours to judge: they may belong to a
 * bridge, or to a VLAN device in another namespace.
 */
struct hg_link_key {
	__u32 interface; /* its number */
	__u16 vlan[2];   /* ids of the tags, the outer one first; 0: none */
};
HG_SIZE_IS(struct hg_link_key, 8);

struct hg_link {
	__u32 index; /* of the device that has the addresses: itself, its master, a VLAN device */
	__u8 mac[6]; /* of that device */
	__u16 flags; /* HG_LINK_... */
};
#define HG_LINK_HIDES_TAGS 1U /* VLAN tags may be stripped before XDP: nothing is answered */
#define HG_LINKS_MAX 4096
HG_SIZE_IS(struct hg_link, 12);

/*
 * Map `addresses`: those of a namespace's own. Where nothing is forwarded the kernel does not tell
 * a program which they are.
 */
struct hg_own_address {
	__u64 netns_cookie;
	struct hg_address address;
};
#define HG_OWN_ADDRESSES_MAX 16384
HG_SIZE_IS(struct hg_own_address, 24);

/*
 * Map `fronts`, by the number of an interface: which one that is. Kept for the next daemon, and for
 * who removes the front line.
 */
struct hg_front {
	__u64 netns_cookie; /* 0: the number is free */
	__u32 index;        /* of the interface in its namespace */
	__u32 padding;
};
HG_SIZE_IS(struct hg_front, 16);

/* What the front line does with a packet: enum name, label (metrics), explanation. */
#define HG_FRONT_VERDICTS(X)                                                                       \
	X(HG_FRONT_PASS, "pass", "left to the kernel's own hooks")                                 \
	X(HG_FRONT_DROP, "drop", "dropped without an answer")                                      \
	X(HG_FRONT_RESET, "reset", "answered with a reset")                                        \
	X(HG_FRONT_COOKIE, "cookie", "answered with a SYN cookie")

enum hg_front_verdict {
#define HG_FRONT_VERDICT_ENUM(name, label, text) name,
	HG_FRONT_VERDICTS(HG_FRONT_VERDICT_ENUM)
#undef HG_FRONT_VERDICT_ENUM
	    HG_FRONT_VERDICT_END
};

/*
 * Map `front_stats`, per CPU, indexed by the interface's number: packets that ask for a connection
 * to a rule, and others of a client that is denied hard. Reason 0 (HG_ADMITTED): within the limits.
 */
#define HG_FRONT_REASONS 16
struct hg_front_stats {
	__u64 packets[HG_FRONT_VERDICT_END][HG_FRONT_REASONS];
};
HG_SIZE_IS(struct hg_front_stats, 512);

/* --- kept for the daemon: no program looks at it ---------------------------------------------- */

/*
 * Map `state`, one entry: whose maps these are. Maps of the same layout are taken over by the next
 * daemon. HEADGATE_LAYOUT is made by the build of what abi.h, maps.h, bucket.h and window.h say; a
 * change of what the same bytes mean has to change the number here.
 */
#define HG_LAYOUT_VERSION 1
struct hg_state {
	__u8 layout[32]; /* of the maps: HEADGATE_LAYOUT of the build that made them */
	__u64 cgroup;    /* whose sockets are counted */
	__u32 last_rule; /* numbers given out last */
	__u32 last_group;
	__u32 shares_counts; /* 1: all namespaces have number 0 */
	__u32 padding;
};
HG_SIZE_IS(struct hg_state, 56);

/* Maps `rule_names` and `group_names`, by number: empty if it is nobody's. */
struct hg_rule_name {
	char text[64];
};
struct hg_group_name {
	char text[1024];
};

/* Map `deny_reasons`: why operators have denied it; the key is that of `denied`. */
struct hg_deny_reason {
	char text[208];
};

/* --- account: written by the programs, read by the daemon ------------------------------------ */

/*
 * Key of `clients`, `recent` and `penalties`: a client, or a network of them. `incarnation` is 0
 * but for one whose entry was being removed on one CPU while another one counted a new connection:
 * see account.h.
 */
enum hg_level {
	HG_LEVEL_CLIENT = 0,
	HG_LEVEL_NETWORK = 1,
	HG_LEVEL_TOTAL = 2, /* in no key of a map */
};

struct hg_client_key {
	__u16 rule;
	__u8 incarnation;
	__u8 level;                /* enum hg_level */
	__u32 netns;               /* its number */
	struct hg_address address; /* cut to the rule's client or network prefix */
};
#define HG_INCARNATIONS 4
HG_SIZE_IS(struct hg_client_key, 24);

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
	__u32 padding;
	struct hg_client_key client;
};
#define HG_PARKED_MAX 256
HG_SIZE_IS(struct hg_parked, 32);

/*
 * A count of the current and the previous window of time, in one word so that it changes by one
 * compare-and-swap: window number (24 bits, wraps), current (20 bits), previous (20 bits). Counts
 * saturate at HG_WINDOW_COUNT_MAX. See window.h.
 */
#define HG_WINDOW_COUNT_BITS 20
#define HG_WINDOW_COUNT_MAX ((1U << HG_WINDOW_COUNT_BITS) - 1)
#define HG_WINDOW_NUMBER_MASK 0xffffffU

/* Map `recent` (LRU): what is known of a client or network that was seen lately. */
struct hg_recent {
	__u64 half_open; /* windows of hg_rule.handshake_timeout_ns */
	__u64 opened;    /* new connections, windows of HG_OPENED_WINDOW_NS */
	__u64 bucket;    /* see bucket.h */
	__u64 refusals;  /* towards a penalty: see penalty.h */
	__u32 refused;   /* as long as the entry lives; wraps */
	__u32 monitored; /* half-open, let in beyond a limit because the rule is monitored */
};
#define HG_OPENED_WINDOW_NS 10000000000ULL
HG_SIZE_IS(struct hg_recent, 40);

/* Map `penalties` (LRU): clients that were refused too often. */
struct hg_penalty {
	__u64 until_ns;  /* CLOCK_MONOTONIC: denied until then */
	__u64 length_ns; /* of this penalty */
	__u32 times;     /* penalties that have followed each other, this one included */
	__u32 padding;
};
HG_SIZE_IS(struct hg_penalty, 24);

/*
 * Map `totals`, indexed by namespace number * HG_MAX_RULES + rule id: shared by all CPUs, exact.
 * One cache line each.
 */
struct hg_totals {
	__u32 connections; /* established */
	__u32 clients;     /* that hold them */
	__u32 networks;    /* that hold them, with a limit per network only */
	__u32 padding;
	__u64 half_open; /* windows; with HG_HALF_OPEN_ALL or hg_control.syn_cookies only */
	__u64 bucket;    /* with a total rate only */
	__u64 more_padding[4];
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
	__u32 replies;            /* connections with HG_CONNECTION_REPLY */
};
HG_SIZE_IS(struct hg_table_state, 32);

/* Map `stats`, per CPU, indexed by rule id: monotonic counters, summed by the daemon. */
struct hg_rule_stats {
	__u64 admitted;                             /* handshakes completed within the limits */
	__u64 refused[HG_ACTIONS][HG_REASON_SLOTS]; /* by action, and reason - 1 */
	__u64 overshoot; /* handshakes completed beyond a limit: to be closed */
	__u64 untracked; /* not counted, or not for its client: a table was full */
	__u64 adopted;   /* found already open */
	__u64 penalties; /* begun */
};
HG_SIZE_IS(struct hg_rule_stats, 296);

/*
 * Maps `connections` and `more_connections`: every counted connection, and what its end must undo:
 * exactly what was counted, whatever the policy says by then. See connections.h.
 */
struct hg_connection {
	__u64 cookie; /* of the socket; 0: the slot is free; HG_COOKIE_BUSY: it is changing */
	struct hg_address client; /* cut to the client prefix of its rule */
	union {
		struct {
			__u64 rule : 10;
			__u64 netns : 8;        /* its number */
			__u64 network_bits : 8; /* counted for the network of so many bits, too */
			__u64 flags : 8;        /* HG_CONNECTION_... */
			__u64 opened : 30; /* CLOCK_MONOTONIC in units of 2^HG_OPENED_SHIFT ns */
		};
		__u64 details;
	};
};
#define HG_COOKIE_BUSY 0xffffffffffffffffULL
#define HG_NO_NETWORK 255  /* hg_connection.network_bits: counted for none */
#define HG_OPENED_SHIFT 27 /* 0.13 s; wraps after 4.5 years */
#define HG_OPENED_MASK 0x3fffffffU
#define HG_CONNECTION_HAS_CLIENT 1U    /* counted in `clients`, not only in `totals` */
#define HG_CONNECTION_OVERSHOOT 2U     /* beyond a limit, to be destroyed by the daemon */
#define HG_CONNECTION_ADOPTED 4U       /* was open before a rule or the hooks covered it */
#define HG_CONNECTION_REPLY 8U         /* being answered by the daemon: counted in no rule */
#define HG_CLIENT_INCARNATION_SHIFT 4  /* two bits of flags: of the client's key, */
#define HG_NETWORK_INCARNATION_SHIFT 6 /* and of the network's */
HG_SIZE_IS(struct hg_connection, 32);
#define HG_CONNECTION_SLOTS_MAX 65536 /* of `connections`: 2 MiB */

/* --- events: ring buffer `events` ------------------------------------------------------------ */

enum hg_event_type {
	HG_EVENT_REFUSED = 1,
	HG_EVENT_OVERSHOOT = 2,  /* the daemon must destroy this socket */
	HG_EVENT_TABLE_FULL = 3, /* a connection was admitted that could not be counted */
	HG_EVENT_PENALTY = 4,    /* the client is denied from now on */
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
	__u16 action;    /* HG_EVENT_REFUSED: enum hg_action */
	__u32 interface; /* index, if the socket is bound to a device; else 0 */
	__u32 seconds;   /* HG_EVENT_PENALTY: its length */
	struct hg_address remote;
	struct hg_address local;
	__u64 netns_cookie;
};
HG_SIZE_IS(struct hg_event, 80);

/* Map `event_budget`, per CPU, one entry: how many events this CPU may still send, and losses. */
struct hg_event_budget {
	__u64 second; /* CLOCK_MONOTONIC seconds that `sent` belongs to */
	__u32 sent;
	__u32 suppressed; /* since the last event sent */
	__u64 suppressed_total;
	__u64 lost;    /* the ring buffer was full */
	__u64 jiffies; /* when the clock was read last */
};
#define HG_EVENTS_PER_SECOND 64 /* per CPU; overshoot events are not limited */
HG_SIZE_IS(struct hg_event_budget, 40);

/* --- questions of the daemon ----------------------------------------------------------------- */

/*
 * Map `sockets`, HG_SOCKETS entries, and `socket_count`: what inet_diag has told the daemon, a
 * batch at a time, and what the programs of sockets.h say about each.
 */
struct hg_socket {
	__u64 cookie;
	__u64 netns_cookie;
	struct hg_address remote;
	struct hg_address local;
	__u16 remote_port;
	__u16 local_port;
	__u32 interface;
	__u32 netns;   /* number of its namespace */
	__u32 is_ours; /* accepted, in the cgroup that is counted: to be counted if a rule covers it
			*/
	__u32 outcome; /* enum hg_socket_outcome, of `reconcile` */
	__u32 padding;
	struct hg_connection counted; /* of `look_up`: as it is counted; cookie 0: it is not */
	struct hg_connection wanted; /* of `look_up`: as the policy counts it; rule 0: not at all */
};
#define HG_SOCKETS 512
HG_SIZE_IS(struct hg_socket, 136);

/* Map `correction`, one entry: what program `correct` adds to a counter. */
struct hg_correction {
	struct hg_client_key key; /* level HG_LEVEL_TOTAL: the total of the rule */
	__s32 connections;
	__s32 clients; /* of the total: how many hold them */
	__s32 networks;
};
HG_SIZE_IS(struct hg_correction, 36);

enum hg_socket_outcome {
	HG_SOCKET_LEFT = 0,    /* as it was */
	HG_SOCKET_ADOPTED = 1, /* counted, which it was not before */
	HG_SOCKET_MOVED = 2,   /* counted elsewhere than before, or no longer */
};

/* What is known of one level of a rule: the client, the network, or all. */
struct hg_level_state {
	__u32 connections;
	__u32 half_open; /* as far as the limit counts them */
	__u64 bucket;    /* see bucket.h */
};

/* Map `explanation`, one entry: written by program `explain`, the judge's own view of one SYN. */
struct hg_explanation {
	__u64 netns_cookie; /* the question: a SYN that arrives there */
	__u32 netns;
	__u32 denied_bits; /* prefix_bits of the entry that denies */
	__u64 now_ns;      /* CLOCK_MONOTONIC */
	__u64 boot_now_ns; /* CLOCK_BOOTTIME */
	__u64 generation;
	__u32 slot;
	__u32 rule;          /* HG_NO_RULE: none, and nothing else is set */
	__u32 reason;        /* enum hg_reason: what the limits say, also for an exempt client */
	__u16 exempt;        /* 1: by an override, 2: by clients.exempt */
	__u16 override_bits; /* prefix_bits of the override that applies; 0: none */
	struct hg_limits limits;
	struct hg_client_key client;
	struct hg_client_key network;
	struct hg_level_state levels[3]; /* client, network, total */
	__u64 denied_until_ns;           /* 0: not denied */
	__u32 penalty_times;             /* 0: none is remembered */
	__u32 denied_by;                 /* 1: map `denied`, 2: the policy */
	__u64 penalty_until_ns;          /* may have passed */
};
HG_SIZE_IS(struct hg_explanation, 216);

#endif /* HEADGATE_BPF_ABI_H */
