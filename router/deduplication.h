/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DEDUPLICATION_H
#define ROUTER_DEDUPLICATION_H

/*
 * Publish deduplication, where a bus asks for it (`deduplication: 5m`): an event whose source and id came to the bus
 * within the window is not matched there again, only counted. Decided by dispatch in the order of the journal, so it is
 * exact however many clients send at once. Replayed events are never deduplicated, nor remembered.
 *
 * What was remembered is written by the turn that moves the cursor past the event, so after a crash the two agree.
 * The window begins with the first event and is not prolonged by its duplicates; it runs by the clock of ages.
 */

#include "router/dispatch_int.h"

extern const struct store_schema deduplication_schema;

struct deduplicator; /* of a bus */
struct noted_ids;    /* what a turn writes of one bus */

/* The present rule set is there, or another one: each of its buses gets its deduplicator, or none. */
void deduplication_apply(struct dispatch *d);
/* Ledger thread, at start-up: what is remembered. */
bool deduplication_load(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag);
void deduplication_close(struct dispatch *d);

/* Whether the event was there already; counted then, remembered otherwise. */
bool deduplicator_knows(struct dispatch *d, struct deduplicator *of, struct str event);

/* Of a turn. Writing: ledger thread. */
bool noted_ids_write(struct turn *t, struct store *store, struct weir_diag *diag);
void noted_ids_fini(struct turn *t);

/* Housekeeping: what has expired goes from memory; then, on the ledger thread, from the rows, some at a time. */
void deduplication_keep(struct dispatch *d);
bool deduplication_expire(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag);

#endif
