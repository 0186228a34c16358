/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of counted connections, by socket cookie.
 *
 * The kernel numbers cookies in sequence, so the low bits of a cookie are a slot number that is
 * nearly always free, next to the slots used just before, and reached without a hash, a lock or an
 * allocation. A connection whose slot is taken (by one that is older by a whole round of the slots)
 * goes into a hash beside it. docs/adr/0003-connection-table.md has the figures.
 *
 * An entry belongs to whoever turns its cookie into HG_COOKIE_BUSY, so that it is added and removed
 * exactly once also by those who do not hold the socket's lock (sockets.h). An entry that somebody
 * else is changing is not there.
 */
#ifndef HEADGATE_BPF_CONNECTIONS_H
#define HEADGATE_BPF_CONNECTIONS_H

#include "abi.h"
#include "maps.h"

const volatile __u32 connection_slot_mask = 0; /* slots of `connections` less one */

static __always_inline struct hg_table_state *find_table_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&table_state, &zero);
}

/* Remembers that a table had no room just now: see is_table_full(). */
static __always_inline void note_full(__u64 *when)
{
	*when = bpf_ktime_get_ns();
}

static __always_inline struct hg_connection *slot_of(__u64 cookie)
{
	__u32 index = cookie & connection_slot_mask;

	return bpf_map_lookup_elem(&connections, &index);
}

/* Copies the entry of this socket. Returns false if it has none. */
static __always_inline bool find_connection(__u64 cookie, struct hg_connection *found)
{
	const struct hg_connection *entry = slot_of(cookie);
	const struct hg_table_state *table = find_table_state();

	if (!entry || entry->cookie != cookie) {
		if (!table || table->more_connections == 0) return false;
		entry = bpf_map_lookup_elem(&more_connections, &cookie);
		if (!entry) return false;
	}
	*found = *entry;
	return found->cookie == cookie && *(volatile const __u64 *)&entry->cookie == cookie;
}

/* Returns whether there was room. A socket that has an entry must not be added again. */
static __always_inline bool add_connection(const struct hg_connection *connection)
{
	struct hg_connection *slot = slot_of(connection->cookie);
	struct hg_table_state *table = find_table_state();

	if (!slot || !table) return false;
	/* Before the entry is there: its removal counts down. */
	if (connection->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, 1);
	if (slot->cookie == 0 &&
	    __sync_val_compare_and_swap(&slot->cookie, 0, HG_COOKIE_BUSY) == 0) {
		slot->client = connection->client;
		slot->details = connection->details;
		__sync_lock_test_and_set(&slot->cookie, connection->cookie);
		return true;
	}
	if (!bpf_map_update_elem(&more_connections, &connection->cookie, connection, BPF_NOEXIST)) {
		__sync_fetch_and_add(&table->more_connections, 1);
		return true;
	}
	note_full(&table->connections_full_at);
	if (connection->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, -1);
	return false;
}

/* Makes the entry the caller's own. */
static __always_inline bool claim(struct hg_connection *entry, __u64 cookie)
{
	return entry->cookie == cookie &&
	       __sync_val_compare_and_swap(&entry->cookie, cookie, HG_COOKIE_BUSY) == cookie;
}

/*
 * Removes the entry of this socket and copies it to `removed`. Returns true to one caller only,
 * false to any that comes later and to those whose socket never had an entry.
 */
static __always_inline bool remove_connection(__u64 cookie, struct hg_connection *removed)
{
	struct hg_connection *slot = slot_of(cookie);
	struct hg_table_state *table = find_table_state();

	if (!slot || !table) return false;
	if (claim(slot, cookie)) {
		*removed = *slot;
		__sync_lock_test_and_set(&slot->cookie, 0);
	} else {
		if (table->more_connections == 0) return false;
		struct hg_connection *entry = bpf_map_lookup_elem(&more_connections, &cookie);

		if (!entry || !claim(entry, cookie)) return false;
		*removed = *entry;
		bpf_map_delete_elem(&more_connections, &cookie);
		__sync_fetch_and_add(&table->more_connections, -1);
	}
	removed->cookie = cookie;
	if (removed->flags & HG_CONNECTION_ADOPTED) __sync_fetch_and_add(&table->adopted, -1);
	if (table->connections_full_at) table->connections_full_at = 0;
	return true;
}

#endif /* HEADGATE_BPF_CONNECTIONS_H */
