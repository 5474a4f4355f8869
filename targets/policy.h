/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_POLICY_H
#define TARGETS_POLICY_H

/*
 * What may be said of every target that deliveries are sent to (adapters with `send`), beside its adapter's own
 * options: how many at once, how fast, how failures are met, how much may wait. Adapters do not look at it; dispatch
 * does. It stands behind the adapter's options in the same block, so that a definition is filled by one walk over
 * both tables:
 *
 *     def->options ──► [ adapter->options_size bytes, rounded up ][ struct target_policy ] ◄── def->policy
 */

#include "targets/adapter.h"

/* How a failed delivery is tried again: after a random time up to base, twice base, four times base … up to cap. */
struct retry_policy {
    int64_t maximum_retry_attempts; /* 0..185 */
    int64_t maximum_event_age;      /* ms, 60 s..24 h */
    int64_t base, cap;              /* ms */
};
/* In a rule's entry: the target's own policy stands. */
#define RETRY_UNSAID        (-1)
#define RETRY_POLICY_UNSAID ((struct retry_policy){RETRY_UNSAID, RETRY_UNSAID, RETRY_UNSAID, RETRY_UNSAID})
extern const struct option retry_defaults[]; /* with default values: a target's, and where nothing else is said */
extern const struct option retry_options[];  /* without: a rule's */

enum backlog_over { BACKLOG_DEAD_LETTER, BACKLOG_DROP };

struct target_policy {
    int64_t concurrency;           /* deliveries in flight at once */
    struct option_rate rate_limit; /* count 0: none */
    struct retry_policy retry_policy;
    struct {
        int64_t failures;         /* in a row; 0: never opens */
        int64_t pause, max_pause; /* ms until the first probe, and at most */
    } circuit;
    struct {
        int64_t max_bytes; /* 0: no bound of its own */
        int over;          /* enum backlog_over: what becomes of a delivery that is too much */
    } backlog;
};

extern const struct option policy_options[];

/* Where the policy stands in the block of a definition's options, and the size of that block. */
size_t policy_offset(const struct adapter *adapter);
size_t policy_block_size(const struct adapter *adapter);
/* The index-th row of all that a target of this adapter may say: the adapter's own, then the policy's where it sends.
   False: no more. */
bool policy_row(const struct adapter *adapter, size_t index, struct option *out);
/* Points def->policy into def->options. */
void policy_bind(struct target_def *def);
/* Once def's options are read: what its adapter calls its rate is the policy's, where that has none. */
void policy_finish(struct target_def *def);
/* What the table cannot say. Adds to diags and returns false. */
bool policy_check(const struct target_def *def, struct diags *diags);

/* What a rule says of retries, on top of what its target says; target NULL: it has none of its own. */
struct retry_policy policy_retries(const struct retry_policy *rule, const struct target_policy *target);

#endif
