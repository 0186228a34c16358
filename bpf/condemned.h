/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients that a deny list was found to deny a moment ago: a flood comes from the same addresses
 * again and again, and in a trie of a million prefixes each of them is some twenty steps away.
 *
 * What is remembered holds for the policy and the deny list that it was found in, and for
 * REMEMBERED_JIFFIES, so that an entry that ends is never believed for longer than it lasts.
 */
#ifndef HEADGATE_BPF_CONDEMNED_H
#define HEADGATE_BPF_CONDEMNED_H

#include "maps.h"
#include "packet.h"
#include "policy.h"

/* A quarter of a second to 2.5 s: the kernel counts 100 to 1000 in a second. */
#define REMEMBERED_JIFFIES 250
#define REMEMBERED_AT_MOST_NS 2500000000ULL

static __always_inline struct condemned *find_condemned(const struct hg_address *client)
{
	__u32 mix = client->word[0] ^ client->word[1] ^ client->word[2] ^ client->word[3];
	__u32 place = mix * 0x9e3779b1U >> 20 & (CONDEMNED_MAX - 1);

	return bpf_map_lookup_elem(&condemned, &place);
}

static __always_inline bool is_condemned(const struct hg_address *client,
					 const struct hg_control *now)
{
	const struct condemned *known = find_condemned(client);

	return known && known->client.word[3] == client->word[3] &&
	       known->client.word[2] == client->word[2] &&
	       known->client.word[1] == client->word[1] &&
	       known->client.word[0] == client->word[0] && known->denials == now->denials &&
	       known->generation == now->generation && bpf_jiffies64() < known->until_jiffies;
}

/*
 * What the control said before anything was looked up: what changes meanwhile makes the entry void,
 * never the other way round.
 */
struct moment {
	__u64 generation;
	__u64 denials;
};

static __always_inline struct moment read_moment(void)
{
	const struct hg_control *now = find_control();
	struct moment moment = {};

	if (!now) return moment;
	moment.generation = *(volatile const __u64 *)&now->generation;
	moment.denials = *(volatile const __u64 *)&now->denials;
	return moment;
}

/* `until_ns`: CLOCK_BOOTTIME, of the denial. */
static __always_inline void condemn(const struct hg_address *client, const struct moment *moment,
				    __u64 until_ns)
{
	struct condemned *known = find_condemned(client);

	if (!known) return;
	if (until_ns != HG_FOR_GOOD && until_ns < bpf_ktime_get_boot_ns() + REMEMBERED_AT_MOST_NS)
		return;
	known->client = *client;
	known->generation = moment->generation;
	known->denials = moment->denials;
	known->until_jiffies = bpf_jiffies64() + REMEMBERED_JIFFIES;
}

#endif /* HEADGATE_BPF_CONDEMNED_H */
