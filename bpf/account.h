/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The account of established connections by client, and by network. (track.h adds the total of the
 * rule, and the entry of the connection itself, which says what its end must undo.)
 *
 * Entries are updated by compare-and-swap. An entry whose last connection has closed is parked, as
 * inserting and removing cost more than all the rest: it stays until another client that left
 * takes its place in `parked`. So at most HG_PARKED_MAX entries are empty, whatever the daemon
 * does.
 *
 * Two races have to be survived without losing a connection, and neither may wait for the other
 * CPU (which can be a softirq's victim on this very CPU):
 *
 * - Counting meets removal. The remover first turns the count into HG_DEAD, then deletes the key.
 *   Who finds HG_DEAD must not touch the entry; it counts under the next incarnation of the key
 *   instead. The connection's entry keeps the incarnation. A client's connections are the sum over
 * its incarnations, which is looked at only while table_state says that later ones exist.
 * - The kernel reuses the memory of a deleted entry at once, also while another CPU still holds a
 *   pointer to it. Every compare-and-swap therefore compares the key's tag along with the count.
 */
#ifndef HEADGATE_BPF_ACCOUNT_H
#define HEADGATE_BPF_ACCOUNT_H

#include <asm-generic/errno-base.h>

#include "connections.h"
#include "maps.h"

const volatile __u32 parked_mask = 0; /* places of `parked` less one; 0: park nothing */

#define ACCOUNT_RETRIES 64 /* each failure means that another CPU succeeded */

/* Any mix does: a wrong match also needs the same count in the same reused memory. */
static __always_inline __u32 tag_of(const struct hg_client_key *client)
{
	__u32 tag = ((__u32)client->rule << 16 | client->incarnation << 8 | client->level) ^
		    client->netns * 0x85ebca6bU;

	for (int i = 0; i < 4; i++) {
		tag = (tag ^ client->address.word[i]) * 0x9e3779b1U;
		tag ^= tag >> 15;
	}
	return tag;
}

static __always_inline __u64 client_state(__u32 tag, __u32 connections)
{
	return (__u64)tag << 32 | connections;
}

static __always_inline __u64 read_state(const struct hg_client *entry)
{
	return *(volatile const __u64 *)&entry->state;
}

/* The established connections of one incarnation; 0 if it has none or is being removed. */
static __always_inline __u32 incarnation_connections(const struct hg_client_key *client)
{
	const struct hg_client *entry = bpf_map_lookup_elem(&clients, client);

	if (!entry) return 0;
	__u64 state = read_state(entry);
	__u32 connections = (__u32)state;

	if (state >> 32 != tag_of(client) || connections == HG_DEAD) return 0;
	return connections;
}

/* The established connections of a client or network. `client` is of incarnation 0. */
CHECKED_ONCE __u32 key_connections(const struct hg_client_key *client)
{
	if (!client) return 0;

	struct hg_client_key key = *client;
	__u32 sum = incarnation_connections(&key);
	const struct hg_table_state *table = find_table_state();

	if (table && table->later_incarnations) {
		for (int i = 1; i < HG_INCARNATIONS; i++) {
			key.incarnation = i;
			sum += incarnation_connections(&key);
		}
	}
	return sum;
}

/* Removes the entry if it is empty. */
static __always_inline void bury(const struct hg_client_key *client)
{
	struct hg_client *entry = bpf_map_lookup_elem(&clients, client);
	struct hg_table_state *table = find_table_state();
	__u32 tag = tag_of(client);
	__u64 empty = client_state(tag, 0);

	if (!entry || !table) return;
	if (__sync_val_compare_and_swap(&entry->state, empty, client_state(tag, HG_DEAD)) != empty)
		return;
	if (bpf_map_delete_elem(&clients, client)) {
		/* The bucket is locked by what this softirq interrupted: as if it had not died. */
		__sync_val_compare_and_swap(&entry->state, client_state(tag, HG_DEAD), empty);
		return;
	}
	if (table->clients_full_at) table->clients_full_at = 0;
	if (client->incarnation > 0) __sync_fetch_and_add(&table->later_incarnations, -1);
}

static __always_inline bool is_same_client(const struct hg_client_key *a,
					   const struct hg_client_key *b)
{
	return a->address.word[3] == b->address.word[3] &&
	       a->address.word[2] == b->address.word[2] &&
	       a->address.word[1] == b->address.word[1] &&
	       a->address.word[0] == b->address.word[0] && a->rule == b->rule &&
	       a->netns == b->netns && a->incarnation == b->incarnation && a->level == b->level;
}

/*
 * Keeps an entry that has just become empty, and removes the one whose place it takes. An empty
 * entry is always in its place: who takes a place afterwards looks at what was there, and who finds
 * the place busy parks nothing.
 */
static __always_inline void park(const struct hg_client_key *client)
{
	__u32 index = tag_of(client) & parked_mask;
	struct hg_parked *place = bpf_map_lookup_elem(&parked, &index);

	if (client->incarnation > 0 || parked_mask == 0 || !place ||
	    __sync_val_compare_and_swap(&place->is_busy, 0, 1) != 0) {
		bury(client);
		return;
	}
	struct hg_client_key previous = place->client;

	place->client = *client;
	__sync_lock_test_and_set(&place->is_busy, 0);
	if (previous.rule != HG_NO_RULE && !is_same_client(&previous, client)) bury(&previous);
}

/* Returns 0 or a negative error: -EEXIST, -E2BIG if the table is full. */
static __always_inline int insert_client(const struct hg_client_key *client, __u32 tag)
{
	struct hg_client first = {.state = client_state(tag, 1)};
	/* An int: on Linux 6.1 the helper leaves the upper half of the result zero. */
	int error = bpf_map_update_elem(&clients, client, &first, BPF_NOEXIST);
	struct hg_table_state *table = find_table_state();

	if (!table) return error;
	if (error == -E2BIG) note_full(&table->clients_full_at);
	if (!error && client->incarnation > 0) __sync_fetch_and_add(&table->later_incarnations, 1);
	return error;
}

static __always_inline void add_to_clients(const struct hg_client_key *client, __u32 n)
{
	__u32 index = client->netns * HG_MAX_RULES + client->rule;
	struct hg_totals *total = bpf_map_lookup_elem(&totals, &index);

	if (!total) return;
	__sync_fetch_and_add(client->level == HG_LEVEL_CLIENT ? &total->clients : &total->networks,
			     n);
}

/*
 * Counts one connection more for the client (or network) and sets the incarnation that it was
 * counted under. Returns the connections of that incarnation, or 0 if it could not be counted
 * (table full).
 */
CHECKED_ONCE __u32 add_to_client(struct hg_client_key *client)
{
	if (!client) return 0;

	struct hg_client_key key = *client;

	TRY(ACCOUNT_RETRIES)
	{
		struct hg_client *entry = bpf_map_lookup_elem(&clients, &key);
		__u32 tag = tag_of(&key);

		if (!entry) {
			int error = insert_client(&key, tag);

			if (error == -EEXIST || error == -EBUSY) continue;
			if (error) return 0;
			client->incarnation = key.incarnation;
			add_to_clients(&key, 1);
			return 1;
		}
		__u64 old = read_state(entry);

		if (old >> 32 != tag) continue;
		if ((__u32)old == HG_DEAD) {
			key.incarnation = (key.incarnation + 1) % HG_INCARNATIONS;
			continue;
		}
		if (__sync_val_compare_and_swap(&entry->state, old, old + 1) != old) continue;
		client->incarnation = key.incarnation;
		if ((__u32)old == 0) add_to_clients(&key, 1);
		return (__u32)old + 1;
	}
	return 0;
}

/* For a connection that add_to_client() has counted: its entry is neither empty nor dead, unless
 * something has spoilt it. Then nothing is done, rather than more spoilt. */
CHECKED_ONCE int remove_from_client(const struct hg_client_key *client)
{
	if (!client) return 0;

	struct hg_client_key key = *client;
	struct hg_client *entry = bpf_map_lookup_elem(&clients, &key);
	__u32 tag = tag_of(&key);

	if (!entry) return 0;
	TRY(ACCOUNT_RETRIES)
	{
		__u64 old = read_state(entry);

		if (old >> 32 != tag || (__u32)old == 0 || (__u32)old == HG_DEAD) return 0;
		if (__sync_val_compare_and_swap(&entry->state, old, old - 1) != old) continue;
		if ((__u32)old == 1) {
			add_to_clients(&key, -1);
			park(&key);
		}
		return 0;
	}
	return 0;
}

#endif /* HEADGATE_BPF_ACCOUNT_H */
