/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map, once.
 */
#ifndef HEADGATE_BPF_MAPS_H
#define HEADGATE_BPF_MAPS_H

#include "abi.h"
#include "kernel_types.h"

/* --- policy ----------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_POLICY_SLOTS * 65536);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_POLICY_SLOTS *HG_MAX_RULES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_rule);
} rules SEC(".maps");

struct prefix_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1); /* each that the daemon makes has a size of its own */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct hg_prefix_key));
	__uint(value_size, sizeof(struct hg_prefix));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, HG_POLICY_SLOTS + 1); /* no program looks at the last */
	__type(key, __u32);
	__array(values, struct prefix_trie);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_POLICY_SLOTS *HG_MAX_GROUPS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64); /* rule id */
} groups SEC(".maps");

/* Below here: outside the slots. */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_MAX_NAMESPACES);
	__type(key, __u64); /* cookie */
	__type(value, struct hg_namespace);
} namespaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_LISTENING_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_listening_key);
	__type(value, struct hg_listening);
} listening SEC(".maps");

/*
 * What operators have denied changes at once, and is kept when the policy changes. Networks are in
 * a trie, single addresses in a hash: in a trie of a million each is some twenty steps away.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576); /* set by the daemon: tables.denied */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_prefix_key);
	__type(value, struct hg_denied);
} denied_hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576); /* set by the daemon: tables.denied */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_prefix_key);
	__type(value, struct hg_denied);
} denied SEC(".maps");

/* A socket leaves it when the daemon closes it or dies: then refusals are resets again. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, HG_LISTENERS); /* times tables.namespaces, set by the daemon */
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* On the listeners for replies. The kernel gives every connection they accept a copy. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u32);
} reply_marks SEC(".maps");

/* --- account ---------------------------------------------------------------------------------- */

/*
 * A plain hash, never LRU: eviction would forget live sockets. An entry exists only while a
 * handshake that was completed is still open, so it cannot be filled by spoofing.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144); /* set by the daemon: tables.clients */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_client_key);
	__type(value, struct hg_client);
} clients SEC(".maps");

/* Indexed by the low bits of the key's tag: see account.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_PARKED_MAX);
	__type(key, __u32);
	__type(value, struct hg_parked);
} parked SEC(".maps");

/* LRU: spoofed SYNs can only push out what is known of others, for as long as they last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* set by the daemon: tables.recent */
	__type(key, struct hg_client_key);
	__type(value, struct hg_recent);
} recent SEC(".maps");

/* A map of its own, so that a flood of other clients does not end a penalty. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* set by the daemon: tables.penalties */
	__type(key, struct hg_client_key);
	__type(value, struct hg_penalty);
} penalties SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_RULES); /* times tables.namespaces, set by the daemon */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); /* namespace number * HG_MAX_RULES + rule id */
	__type(value, struct hg_totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_table_state);
} table_state SEC(".maps");

/* Indexed by the low bits of the socket's cookie: see connections.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_CONNECTION_SLOTS_MAX); /* set by the daemon: a power of two */
	__type(key, __u32);
	__type(value, struct hg_connection);
} connections SEC(".maps");

/* By socket cookie, for connections whose slot is taken. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576); /* set by the daemon: tables.connections */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct hg_connection);
} more_connections SEC(".maps");

/* What sk_lookup has decided about a packet. */
enum lookup_verdict {
	LOOKUP_ADMITTED = 0,
	LOOKUP_OVER_LIMIT = 1, /* let in all the same: mode: monitor */
	LOOKUP_STEERED = 2,    /* to a listener of the daemon */
};

struct lookup_note {
	struct hg_address remote;
	__u32 ports;
	__u32 verdict;  /* enum lookup_verdict */
	__u64 noted_ns; /* CLOCK_MONOTONIC, coarse */
	__u32 asked;    /* ports of the connection that the front line asks about; else 0 */
	__u32 padding;
};

/* The connection whose listener this CPU has looked up last: see lookup_note.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lookup_note);
} lookup_notes SEC(".maps");

/* --- the front line --------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_LINKS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_link_key);
	__type(value, struct hg_link);
} links SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HG_OWN_ADDRESSES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_own_address);
	__type(value, __u32); /* 1 */
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_MAX_INTERFACES);
	__type(key, __u32); /* interface number */
	__type(value, struct hg_front_stats);
} front_stats SEC(".maps");

struct { /* kept for the next daemon */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_INTERFACES);
	__type(key, __u32); /* interface number */
	__type(value, struct hg_front);
} fronts SEC(".maps");

/* A destination that SYNs have lately been found to be served at: see served.h. */
struct served {
	struct hg_address local;
	__u16 port;
	__u16 vlan[2];
	__u16 is_udp;
	__u32 interface; /* its number */
	__u32 how;       /* enum served_how */
	__u32 rule_index;
	__u32 mtu;        /* of the device that has the address */
	__u64 mac;        /* that frames are sent to */
	__u64 generation; /* of the policy in which that is its rule */
	__u64 until_jiffies;
};
#define SERVED_MAX 256

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVED_MAX);
	__type(key, __u32);
	__type(value, struct served);
} served SEC(".maps");

/* A client that was found to be denied: see condemned.h. */
struct condemned {
	struct hg_address client;
	__u64 generation;
	__u64 denials;
	__u64 until_jiffies;
};
#define CONDEMNED_MAX 4096

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CONDEMNED_MAX);
	__type(key, __u32);
	__type(value, struct condemned);
} condemned SEC(".maps");

/* How many resets this CPU has sent in this second. */
struct reset_budget {
	__u64 second;
	__u64 sent;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reset_budget);
} reset_budget SEC(".maps");

/* --- report ----------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HG_MAX_RULES);
	__type(key, __u32); /* rule id */
	__type(value, struct hg_rule_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_event_budget);
} event_budget SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} events SEC(".maps");

/* --- questions of the daemon ------------------------------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_SOCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_socket);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} socket_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_explanation);
} explanation SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hg_correction);
} correction SEC(".maps");

/* --- kept for the daemon ---------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_state);
} state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_RULES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_rule_name);
} rule_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_GROUPS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct hg_group_name);
} group_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576); /* set by the daemon: tables.denied */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_prefix_key);
	__type(value, struct hg_deny_reason);
} deny_reasons SEC(".maps");

#endif /* HEADGATE_BPF_MAPS_H */
