/* SPDX-License-Identifier: GPL-2.0-only */
/* What every refusal leaves behind, whichever hook refuses. */
#ifndef HEADGATE_BPF_REFUSAL_H
#define HEADGATE_BPF_REFUSAL_H

#include "connection.h"
#include "penalty.h"
#include "policy.h"
#include "report.h"

/* `action`: what the client gets. */
CHECKED_ONCE int report_refusal(const struct visitor *visitor, const struct connection *connection,
				int reason, int action)
{
	if (!visitor || !connection) return 0;

	__u32 rule_id = visitor->rule_id;
	struct report report = {
	    .type = HG_EVENT_REFUSED,
	    .reason = reason,
	    .action = action,
	    .rule_id = rule_id,
	};

	count_refused(rule_id, action, reason);
	send_event(&report, connection);

	__u32 penalty_seconds = note_refusal(visitor, reason);

	if (!penalty_seconds) return 0;
	struct report penalty = {
	    .type = HG_EVENT_PENALTY,
	    .reason = reason,
	    .rule_id = rule_id,
	    .seconds = penalty_seconds,
	};

	COUNT(rule_id, penalties);
	send_event(&penalty, connection);
	return 0;
}

#endif /* HEADGATE_BPF_REFUSAL_H */
