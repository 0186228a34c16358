/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has this connection reserved a half-open slot?
 *
 * A handshake that completes by SYN cookie, or begins by Fast Open, has reserved none. Both are
 * known by what happened just before on this CPU, in the same softirq: the kernel looked for the
 * listener of that very packet and queued no request. (The ACK of a queued request finds the
 * request, and no lookup happens.)
 */
#ifndef HEADGATE_BPF_LOOKUP_NOTE_H
#define HEADGATE_BPF_LOOKUP_NOTE_H

#include "connection.h"
#include "maps.h"

static __always_inline struct connection_id id_of(const struct connection *connection)
{
	struct connection_id id = {
	    .remote = connection->remote,
	    .ports = (__u32)connection->remote_port << 16 | connection->local_port,
	};

	return id;
}

static __always_inline void note_lookup(const struct connection *connection)
{
	__u32 zero = 0;
	struct connection_id *note = bpf_map_lookup_elem(&lookup_note, &zero);

	if (note) *note = id_of(connection);
}

static __always_inline void forget_lookup(void)
{
	__u32 zero = 0;
	struct connection_id *note = bpf_map_lookup_elem(&lookup_note, &zero);

	if (note) note->ports = 0; /* no connection has port 0 */
}

static __always_inline bool was_just_looked_up(const struct connection *connection)
{
	__u32 zero = 0;
	const struct connection_id *note = bpf_map_lookup_elem(&lookup_note, &zero);
	struct connection_id id = id_of(connection);

	return note && note->ports == id.ports && note->remote.word[0] == id.remote.word[0] &&
	       note->remote.word[1] == id.remote.word[1] &&
	       note->remote.word[2] == id.remote.word[2] &&
	       note->remote.word[3] == id.remote.word[3];
}

#endif /* HEADGATE_BPF_LOOKUP_NOTE_H */
