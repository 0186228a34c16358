// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front line: sheds in XDP, before it costs a socket buffer, what the policy condemns. The
 * hooks at the socket layer stay the authority: with or without this program the verdicts are the
 * same, and it only looks. Under a flood it answers what is admitted, as the kernel would:
 * cookies.h. A SYN takes its tokens and its half-open slot where the kernel queues its request,
 * which it does once, and only if this program has let it pass.
 */
#include "admit.h"
#include "cookies.h"
#include "kernel_types.h"
#include "packet.h"
#include "policy.h"
#include "shed.h"
#include "verdict.h"

char LICENSE[] SEC("license") = "GPL";

/* Is it all there, and from one host to another? Else the kernel drops it, or knows better. */
CHECKED_ONCE int is_sound(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return false;

	bool is_whole = hg_is_whole(packet, ctx->data_end - ctx->data) ||
			hg_is_whole(packet, bpf_xdp_get_buff_len(ctx));

	return is_whole && hg_is_unicast(packet);
}

/* Besides enum xdp_action: it is admitted, and may be answered here. */
#define ANSWER_WITH_COOKIE 16

CHECKED_ONCE int judge_syn(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return XDP_PASS;

	struct moment moment = read_moment(); /* before the policy is looked at */
	struct connection connection = read_connection(packet);
	struct visitor visitor = {};
	enum hg_reason reason = HG_ADMITTED;

	if (!identify(&connection, &visitor)) return XDP_PASS;
	if (!visitor.exempt) reason = judge(&visitor, &connection.remote);
	if (reason != HG_ADMITTED) return shed(ctx, packet, &connection, &visitor, reason, &moment);
	if (packet->is_plain && is_flooded(&visitor) &&
	    find_served_how(ctx, packet, GOAL_SERVICE, visitor.rule_index, &moment) == SERVED)
		return ANSWER_WITH_COOKIE;
	return pass(reason);
}

/*
 * Nobody else sees QUIC: it takes the client's token here. Those of the network and of all are only
 * looked at: its address is not proven, and who forges addresses must not shut out others.
 */
CHECKED_ONCE int judge_initial(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return XDP_PASS;

	struct moment moment = read_moment();
	struct connection connection = read_connection(packet);
	struct visitor visitor = {};
	enum hg_reason reason = HG_ADMITTED;

	if (!identify(&connection, &visitor)) return XDP_PASS;
	/* A guest's, or one to be forwarded, must cost its client nothing here. */
	if (find_served_how(ctx, packet, GOAL_SERVICE, visitor.rule_index, &moment) == NOT_SERVED)
		return XDP_PASS;
	if (!visitor.exempt) reason = judge_quic(&visitor, &connection.remote);
	if (reason != HG_ADMITTED) return shed(ctx, packet, &connection, &visitor, reason, &moment);
	take_client(&visitor, false, false);
	return pass(reason);
}

/* A segment of a connection that is there, while some client is denied hard. */
CHECKED_ONCE int judge_segment(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!packet) return XDP_PASS;

	struct moment moment = read_moment();
	struct connection connection = read_connection(packet);
	struct visitor visitor = {};

	if (!identify(&connection, &visitor)) return XDP_PASS;
	return shed_hard(ctx, packet, &visitor, &moment);
}

static __always_inline bool is_any_denied_hard(void)
{
	const struct hg_control *now = find_control();

	return now && now->denied & HG_ANY_DENIED_HARD;
}

static __always_inline int judge_request(struct xdp_md *ctx, const struct hg_packet *packet)
{
	if (!is_sound(ctx, packet)) return XDP_PASS;
	if (packet->is_udp) return judge_initial(ctx, packet);

	int verdict = shed_condemned(ctx, packet);

	if (verdict != XDP_PASS) return verdict;
	verdict = judge_syn(ctx, packet);
	return verdict == ANSWER_WITH_COOKIE ? answer_with_cookie(ctx, packet) : verdict;
}

SEC("xdp.frags")
int headgate_front(struct xdp_md *ctx)
{
	struct hg_packet packet;

	switch (hg_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &packet)) {
	case HG_PACKET_SEGMENT:
		return is_any_denied_hard() ? judge_segment(ctx, &packet) : XDP_PASS;
	case HG_PACKET_SYN:
	case HG_PACKET_QUIC_INITIAL:
		return judge_request(ctx, &packet);
	default:
		return XDP_PASS;
	}
}
