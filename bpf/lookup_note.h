/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has sk_lookup decided about the packet that this program runs for?
 *
 * The hooks that queue a request or complete a handshake do not see it; but they run on the same
 * CPU, in the same softirq, right after the kernel looked for the listener of that very packet.
 *
 * It also tells whether a handshake that completes has reserved a half-open slot: one that
 * completes by SYN cookie, or begins by Fast Open, has not, and its listener has just been looked
 * up. (The ACK of a queued request finds the request, and no lookup happens.)
 *
 * The front line asks the kernel for the listener of a SYN that it has judged already. That runs
 * sk_lookup, too, which must not judge and count it again.
 */
#ifndef HEADGATE_BPF_LOOKUP_NOTE_H
#define HEADGATE_BPF_LOOKUP_NOTE_H

#include "connection.h"
#include "maps.h"

#define NOTE_LIFETIME_NS 10000000ULL /* two steps of the coarse clock */

static __always_inline __u32 ports_of(const struct connection *connection)
{
	return (__u32)connection->remote_port << 16 | connection->local_port;
}

static __always_inline struct lookup_note *find_lookup_note(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lookup_notes, &zero);
}

static __always_inline void note_lookup(const struct connection *connection,
					enum lookup_verdict verdict)
{
	struct lookup_note *note = find_lookup_note();

	if (!note) return;
	note->remote = connection->remote;
	note->ports = ports_of(connection);
	note->verdict = verdict;
	note->noted_ns = bpf_ktime_get_coarse_ns();
}

/* The note on this very connection, or null. */
static __always_inline struct lookup_note *just_looked_up(const struct connection *connection)
{
	struct lookup_note *note = find_lookup_note();
	const struct hg_address *remote = &connection->remote;

	if (!note || note->ports != ports_of(connection) ||
	    note->remote.word[0] != remote->word[0] || note->remote.word[1] != remote->word[1] ||
	    note->remote.word[2] != remote->word[2] || note->remote.word[3] != remote->word[3])
		return NULL;
	/* A note of an earlier packet of this connection, which nobody came to forget. */
	if (bpf_ktime_get_coarse_ns() - note->noted_ns > NOTE_LIFETIME_NS) return NULL;
	return note;
}

/* Around the question of the front line: is there a listener? 0 ends it. */
static __always_inline void set_asked(__u32 ports)
{
	struct lookup_note *note = find_lookup_note();

	if (note) note->asked = ports;
}

/* Does this look-up answer such a question? */
static __always_inline bool is_asked(const struct connection *connection)
{
	const struct lookup_note *note = find_lookup_note();

	return note && note->asked && note->asked == ports_of(connection);
}

static __always_inline void forget_lookup(struct lookup_note *note)
{
	note->ports = 0; /* no connection has port 0 */
}

#endif /* HEADGATE_BPF_LOOKUP_NOTE_H */
