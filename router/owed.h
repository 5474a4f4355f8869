/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_OWED_H
#define ROUTER_OWED_H

/*
 * The part of the ledger that remembers what is owed: every delivery that could not be settled before its turn was
 * committed, and the cursor of dispatch. All functions run on the ledger thread, inside a transaction.
 *
 * A delivery stands in one of two places:
 *   row     one that was tried, with what it failed of; and untried ones where there were only a few in a turn;
 *   block   up to OWED_BLOCK_COUNT untried ones of one target as one compressed row, each event in it once. A
 *           delivery leaves its block when it settles or gets a row of its own, at its first failure; the block goes
 *           with the last one. What has left is a bit map beside the block, so the block itself is written once.
 * Both hold the events themselves, not positions in the journal: its segments go as soon as the cursor has passed
 * them, and nothing that is owed pins one, however dead its target is. Both are either waiting or in hand (dispatch
 * has them in memory; of a row next_age is then OWED_IN_HAND). owed_take() takes what waits in hand, what is due
 * longest first; a retry makes a row wait again; after a crash owed_release() makes all of them wait, and of a block
 * in hand only what had not left it comes again. So no delivery is ever twice in memory.
 *
 * What stands in blocks costs no memory at all, and on disk the compressed event: ten million deliveries are ten
 * thousand blocks. How many there are is kept in columns, and never counted by reading blocks.
 */

#include "targets/adapter.h"
#include "targets/store.h"

#define OWED_IN_HAND   INT64_MAX
#define OWED_BEHIND    (INT64_MAX - 1) /* waits for another one of its key */
#define OWED_FOLLOWERS 15

#define OWED_BLOCK_COUNT 1000       /* deliveries of a block, at most … */
#define OWED_BLOCK_BYTES (1u << 20) /* … and it takes no more when its events come to so much */

extern const struct store_schema owed_schema;
extern const struct store_schema pause_schema; /* dispatch_pause.c */

struct owed_place { /* where in a block a delivery stands; block 0: in none */
    int64_t block;
    uint32_t index;
};

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
    uint64_t order_key;      /* see "order"; 0: none */
    struct owed_place place; /* out */
};

bool owed_insert(struct store *s, const struct owed_row *row, struct weir_diag *diag);
/* A row in hand failed and waits until next_age. target: its present one; another one than before: it loses its key. */
bool owed_retry(struct store *s, int64_t id, struct str target, uint32_t attempts, int64_t next_age,
                struct str error_code, struct str error_message, struct weir_diag *diag);
bool owed_delete(struct store *s, int64_t id, struct weir_diag *diag);

#define OWED_TAKE_BYTES (4u << 20)
/* Takes at most `limit` deliveries of the target that are due at `age` in hand, soonest first, and none after their
   events have come to OWED_TAKE_BYTES; but blocks are taken whole, and the first one however many it has. Each is shown
   to `each` (slices valid during the call; in a block, deliveries of one event have the same event.ptr).
   *next_out: when the next one that waits is due; OWED_IN_HAND: none waits. */
bool owed_take(struct store *s, struct str target, int64_t age, unsigned limit,
               void (*each)(void *context, const struct owed_row *row), void *context, int64_t *next_out,
               struct weir_diag *diag);

/* The rows of a target grew by so many bytes of events: the sums are kept, since to add them up all would be read. */
bool owed_total_add(struct store *s, struct str target, int64_t bytes, struct weir_diag *diag);
/* ---- order ---- */
/*
 * Rows of one target with the same order_key: only the first of them, by id, may be due or in hand; or it and those
 * that follow it are in hand together. The others wait at OWED_BEHIND. owed_take() brings up to OWED_FOLLOWERS with a
 * first one that was not tried yet.
 */
/* Makes the first one due at `age`, if it waits behind nobody any more. After each change, in its transaction. */
bool owed_advance(struct store *s, struct str target, uint64_t order_key, int64_t age, struct weir_diag *diag);
bool owed_shelve(struct store *s, int64_t id, struct weir_diag *diag); /* one in hand waits behind again */

/* ---- blocks (owed_blocks.c) ---- */
struct owed_pack;
/* Writes what was packed as a block; its number is the first id. Small ones that wait at the target's end are put
   together from time to time, so that many small turns do not make many blocks. */
bool owed_block_insert(struct store *s, struct str target, struct owed_pack *pack, bool in_hand,
                       struct weir_diag *diag);
/* These left their blocks. Sorts the places. */
bool owed_block_leave(struct store *s, struct owed_place *places, size_t count, struct weir_diag *diag);
/* For owed_take(): the target's first block that waits; its number 0: none does. */
struct owed_block {
    int64_t number, age; /* age: since when it is due */
    int64_t left;        /* deliveries */
};
bool owed_block_peek(struct store *s, struct str target, struct owed_block *out, struct weir_diag *diag);
bool owed_block_take(struct store *s, int64_t number, void (*each)(void *context, const struct owed_row *row),
                     void *context, struct weir_diag *diag);

/* ---- start-up ---- */
bool owed_release(struct store *s, struct weir_diag *diag);
struct owed_count {
    struct str target;
    int64_t rows, untried, next_age;
    int64_t ordered; /* of the rows: with a key; not among untried */
    int64_t bytes;   /* of their events */
};
bool owed_count_each(struct store *s, void (*each)(void *context, const struct owed_count *c), void *context,
                     struct weir_diag *diag);

/* Since which age of the clock the oldest one of each target is owed (owed_oldest.c); for people. */
bool owed_oldest_each(struct store *s, void (*each)(void *context, struct str target, int64_t age), void *context,
                      struct weir_diag *diag);

/* ---- the cursor ---- */
struct owed_cursor {
    uint64_t job;      /* number of dispatch's last committed job */
    uint64_t sequence; /* everything in the journal up to here is settled or has rows */
    int64_t last_id;   /* highest id of a delivery there is; read only */
};
bool owed_cursor_load(struct store *s, struct owed_cursor *out, struct weir_diag *diag);
/* Job number `job` moves it; false where job - 1 was not the last: nothing is committed before its predecessor. */
bool owed_cursor_move(struct store *s, uint64_t job, uint64_t sequence, struct weir_diag *diag);

#endif
