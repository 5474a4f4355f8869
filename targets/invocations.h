/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_INVOCATIONS_H
#define TARGETS_INVOCATIONS_H

/*
 * Asynchronous invocations as the ledger keeps them: taken once, run until they succeed or are given up. A row is
 * either waiting (next_age says since or from when it is due) or in hand (somebody has it in memory); after a crash
 * invocations_release() makes all wait again. So each is run at least once, and never twice at a time.
 *
 *     insert ─► waits ─► take ─► in hand ─► delete      it succeeded, or was given up: with its record, in one job
 *                 ▲                 └─► retry ─┐
 *                 └─────────────────────────────┘
 *
 * All functions run on the ledger thread, inside a transaction. False: diag says why.
 */

#include "targets/adapter.h"
#include "targets/store.h"

#define INVOCATION_IN_HAND INT64_MAX

extern const struct store_schema invocation_schema;

struct invocation_row {
    int64_t id;          /* out; ascends */
    struct str function; /* its name */
    struct str request_id;
    struct str payload;
    struct str client_context; /* "" or JSON */
    struct weir_time accepted; /* out */
    int64_t attempts;          /* runs that failed */
    int64_t throttles;         /* times that it could not be started, since the last run */
    int64_t hops;              /* how many functions' results led here, one to the next */
};

bool invocations_insert(struct store *s, const struct invocation_row *row, struct weir_time now,
                        struct weir_diag *diag);

#define INVOCATIONS_TAKE_BYTES (8u << 20)
/* Takes at most `limit` of the function that are due in hand, soonest first, and none after their payloads have come to
   INVOCATIONS_TAKE_BYTES. *next_out: when the next one that waits is due; INVOCATION_IN_HAND: none waits. */
bool invocations_take(struct store *s, struct str function, int64_t age, unsigned limit,
                      void (*each)(void *context, const struct invocation_row *row), void *context, int64_t *next_out,
                      struct weir_diag *diag);
/* One in hand waits until next_age. */
bool invocations_retry(struct store *s, int64_t id, int64_t attempts, int64_t throttles, int64_t next_age,
                       struct weir_diag *diag);
bool invocations_delete(struct store *s, int64_t id, struct weir_diag *diag);

/* At start-up: those in hand wait again; each function that has any is told. */
bool invocations_release(struct store *s, void (*each)(void *context, struct str function), void *context,
                         struct weir_diag *diag);
/* `each` is called after every commit that inserted any, on the committing thread, once for each function; it may be
   called once too often, never once too seldom. */
bool invocations_watch(struct store *s, void (*each)(void *context, struct str function), void *context,
                       struct weir_diag *diag);

#endif
