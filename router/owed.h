/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_OWED_H
#define ROUTER_OWED_H

/*
 * The part of the ledger that remembers what is owed: one row a delivery that could not be settled before its turn was
 * committed, and the cursor of dispatch. All functions run on the ledger thread, inside a transaction.
 *
 * A row is either waiting (next_age: when it is due) or in hand (next_age OWED_IN_HAND: dispatch has it in memory).
 * owed_take() turns waiting rows into rows in hand; a retry makes them wait again; after a crash owed_release() makes
 * all of them wait. So no delivery is ever twice in memory, and which rows are due is one index.
 */

#include "targets/adapter.h"
#include "targets/store.h"

#define OWED_IN_HAND INT64_MAX

extern const struct store_schema owed_schema;
extern const struct store_schema pause_schema; /* dispatch_pause.c */

struct owed_row {
    int64_t id;        /* given by dispatch, ascending in the order of matching */
    struct str target; /* "type/name" of who is to get it */
    int64_t next_age;
    struct str origin, bus, rule, target_id, subscription; /* the key, see struct delivery … */
    uint64_t position;
    struct str rule_arn, target_arn; /* as they were when it was matched: for its dead letter, if they are gone */
    struct weir_time accepted;
    uint32_t attempts;
    struct str error_code, error_message; /* of the last attempt; "" */
    struct str event_id, event;
};

bool owed_insert(struct store *s, const struct owed_row *row, struct weir_diag *diag);
/* A row in hand failed and waits until next_age. target: its present one. */
bool owed_retry(struct store *s, int64_t id, struct str target, uint32_t attempts, int64_t next_age,
                struct str error_code, struct str error_message, struct weir_diag *diag);
bool owed_delete(struct store *s, int64_t id, struct weir_diag *diag);

#define OWED_TAKE_BYTES (4u << 20)
/* Takes at most `limit` rows of the target that are due at `age` in hand, soonest first, and none after their events
   have come to OWED_TAKE_BYTES; each is shown to `each` (slices
   valid during the call). *next_out: when the next waiting row is due; OWED_IN_HAND: none waits. */
bool owed_take(struct store *s, struct str target, int64_t age, unsigned limit,
               void (*each)(void *context, const struct owed_row *row), void *context, int64_t *next_out,
               struct weir_diag *diag);

/* The rows of a target grew by so many bytes of events: the sums are kept, since to add them up all would be read. */
bool owed_total_add(struct store *s, struct str target, int64_t bytes, struct weir_diag *diag);

/* ---- start-up ---- */
bool owed_release(struct store *s, struct weir_diag *diag);
struct owed_count {
    struct str target;
    int64_t rows, untried, next_age;
    int64_t bytes; /* of their events */
};
bool owed_count_each(struct store *s, void (*each)(void *context, const struct owed_count *c), void *context,
                     struct weir_diag *diag);

/* ---- the cursor ---- */
struct owed_cursor {
    uint64_t job;      /* number of dispatch's last committed job */
    uint64_t sequence; /* everything in the journal up to here is settled or has rows */
    int64_t last_id;   /* highest row id there is; read only */
};
bool owed_cursor_load(struct store *s, struct owed_cursor *out, struct weir_diag *diag);
/* Job number `job` moves it; false where job - 1 was not the last: nothing is committed before its predecessor. */
bool owed_cursor_move(struct store *s, uint64_t job, uint64_t sequence, struct weir_diag *diag);

#endif
