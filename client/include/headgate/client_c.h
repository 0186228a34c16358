/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEADGATE_CLIENT_C_H
#define HEADGATE_CLIENT_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* headgate/client.h for C: that header has the words on what everything means, and which thread may
 * do what. Strings are UTF-8, end with 0, and are copied. Times are nanoseconds. Nothing here
 * throws. A handle or a string that is NULL, and a string that is not UTF-8, make no sense: what
 * makes or decides refuses them, all else ignores them. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct headgate_client headgate_client;
typedef struct headgate_key headgate_key;

/* A permit of a limit on requests at once, wherever the caller has room for it: on its stack, or in
 * what it keeps of a request. All 0, it holds none. It may be moved as bytes; only one of two
 * copies may be used then. One thread at a time. */
typedef struct headgate_permit {
  uint64_t opaque[16];
} headgate_permit;

typedef struct headgate_entry {
  const char* key;   /* not empty */
  const char* value; /* may be empty */
} headgate_entry;

enum headgate_fail_policy { HEADGATE_FAIL_OPEN = 0, HEADGATE_FAIL_CLOSED = 1 };

/* Set `size` to sizeof(headgate_options), `domain`, and leave the rest 0 for the defaults. Later
 * versions may add members at the end; programs need not be compiled anew for it. */
typedef struct headgate_options {
  size_t size;
  const char* domain;   /* not empty */
  const char* socket;   /* NULL: /run/headgate/quota-memory.sock */
  int fail_policy;      /* enum headgate_fail_policy */
  uint32_t max_permits; /* 0: 1024 */
  int64_t patience_ms;  /* 0: 1000; negative: does not wait */
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
  bool holds_permit; /* that is to be given back */
  int reason;        /* enum headgate_reason */
  uint32_t remaining;
  int64_t retry_after_ns; /* 0: it was admitted; negative: never */
} headgate_decision;

typedef struct headgate_status {
  bool is_attached;
  bool has_rules;
  uint64_t attached;
} headgate_status;

/* NULL: the options make no sense, or there is no thread or memory; `error`, if it is not NULL,
 * gets up to `error_size` bytes of why, with a 0 at the end. */
headgate_client* headgate_client_open(const headgate_options* options, char* error,
                                      size_t error_size);
/* All permits must have been given back before. */
void headgate_client_close(headgate_client* client);
headgate_status headgate_client_status(const headgate_client* client);
/* Why it is not attached, for people: up to `size` bytes with a 0 at the end. Empty: it is. */
void headgate_client_problem(const headgate_client* client, char* text, size_t size);

/* NULL: no entries, more than 32, one without a key, or there is no memory. */
headgate_key* headgate_key_new(const headgate_client* client, const headgate_entry* entries,
                               size_t count);
void headgate_key_free(headgate_key* key);

/* Lock-free, no system call. What `permit` was before is lost. NULL: what has to be given back is
 * given back at once. */
headgate_decision headgate_try_acquire(headgate_client* client, headgate_key* key, uint64_t cost,
                                       headgate_permit* permit);

/* Gives the permit back, if it holds one, and says how the request went. `latency_ns` negative: for
 * as long as it was held. */
void headgate_permit_end(headgate_permit* permit, int64_t latency_ns, bool has_failed);
/* Gives it back; nothing is learnt from the request. */
void headgate_permit_drop(headgate_permit* permit);

/* Quotas of users and clients. Either name may be NULL or empty, not both; what is negative counts
 * as 0. */
void headgate_add_time(headgate_client* client, const char* user, const char* name,
                       int64_t used_ns);
int64_t headgate_throttle_ns(const headgate_client* client, const char* user, const char* name);

/* "limit reached"; of a number that no reason has: "unknown". */
const char* headgate_reason_text(int reason);

#ifdef __cplusplus
}
#endif

#endif
