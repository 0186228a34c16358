/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map, once. Both objects (limiter, sweep) include this; the daemon makes the second one
 * share the maps of the first by name.
 */
#ifndef HEADGATE_BPF_MAPS_H
#define HEADGATE_BPF_MAPS_H

#include "abi.h"
#include "kernel_types.h"

/* --- policy ----------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32); /* local port */
	__type(value, struct hg_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct hg_listen_key);
	__type(value, __u32); /* rule id */
} listen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_RULES);
	__type(key, __u32); /* rule id */
	__type(value, struct hg_rule);
} rules SEC(".maps");

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

/* LRU: spoofed SYNs can only push out the half-open counts of others, for one window. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* set by the daemon: tables.half_open */
	__type(key, struct hg_client_key);
	__type(value, struct hg_half_open);
} half_open SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HG_MAX_RULES);
	__type(key, __u32); /* rule id */
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

struct connection_id {
	struct hg_address remote;
	__u32 ports;
};

/* The connection whose listener this CPU has looked up last: see lookup_note.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct connection_id);
} lookup_note SEC(".maps");

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

#endif /* HEADGATE_BPF_MAPS_H */
