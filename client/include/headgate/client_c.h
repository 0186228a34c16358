/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEADGATE_CLIENT_C_H
#define HEADGATE_CLIENT_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* headgate/client.h for C: that header has the words on what everything means. Strings are UTF-8,
 * end with 0, and are copied. Times are nanoseconds. Nothing here throws; handles that are NULL are
 * tolerated: they are refused as an error, or ignored by what frees. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct headgate_client headgate_client;
typedef struct headgate_key headgate_key;
typedef struct headgate_permit headgate_permit;

typedef struct headgate_entry {
  const char *key;
  const char *value;
} headgate_entry;

enum headgate_fail_policy { HEADGATE_FAIL_OPEN = 0, HEADGATE_FAIL_CLOSED = 1 };

/* Set `size` to sizeof(headgate_options), `domain`, and leave the rest 0 for the defaults. */
typedef struct headgate_options {
  size_t size;
  const char *domain;       /* not empty */
  const char *socket;       /* NULL: /run/headgate/quota-memory.sock */
  int fail_policy;          /* enum headgate_fail_policy */
  uint32_t max_permits;     /* 0: 1024 */
  int64_t patience_ms;      /* 0: 1000; negative: does not wait */
} headgate_options;

enum headgate_reason {
  HEADGATE_WITHIN_LIMIT = 0,
  HEADGATE_NO_RULE = 1,
  HEADGATE_UNLIMITED = 2,
  HEADGATE_NOT_ENFORCED = 3,
  HEADGATE_LIMIT_REACHED = 4,
  HEADGATE_LARGER_THAN_LIMIT = 5,
  HEADGATE_NO_PERMIT_LEFT = 6,
  HEADGATE_NOT_ATTACHED = 7,
  HEADGATE_INVALID = 8 /* of this interface alone: an argument makes no sense; it is refused */
};

typedef struct headgate_decision {
  bool is_admitted;
  int reason;             /* enum headgate_reason */
  uint32_t remaining;
  int64_t retry_after_ns; /* 0: it was admitted; negative: never */
} headgate_decision;

typedef struct headgate_status {
  bool is_attached;
  bool has_rules;
  uint64_t attached;
} headgate_status;

/* NULL: the options make no sense, or there is no thread or memory; `error`, if it is not NULL, gets
 * up to `error_size` bytes of why, with a 0 at the end. */
headgate_client *headgate_client_open(const headgate_options *options, char *error,
                                      size_t error_size);
/* All permits must have been given back before. */
void headgate_client_close(headgate_client *client);
headgate_status headgate_client_status(const headgate_client *client);

/* NULL: no entries, more than 32, or one without a key. One thread at a time uses a key. */
headgate_key *headgate_key_new(const headgate_client *client, const headgate_entry *entries,
                               size_t count);
void headgate_key_free(headgate_key *key);

/* Lock-free, no system call. `permit`, if it is not NULL, gets what has to be given back, or NULL if
 * the limit is not one of requests at once; without it, such a limit is only looked at. */
headgate_decision headgate_try_acquire(headgate_client *client, headgate_key *key, uint64_t cost,
                                       headgate_permit **permit);

/* Gives a permit back. `latency_ns` negative: for as long as it was held. */
void headgate_permit_end(headgate_permit *permit, int64_t latency_ns, bool has_failed);
/* The same of a request of which nobody knows how it went. */
void headgate_permit_drop(headgate_permit *permit);

/* Quotas of users and clients. */
void headgate_add_time(headgate_client *client, const char *user, const char *name,
                       int64_t used_ns);
int64_t headgate_throttle_ns(const headgate_client *client, const char *user, const char *name);

const char *headgate_reason_text(int reason);

#ifdef __cplusplus
}
#endif

#endif
