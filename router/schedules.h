/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SCHEDULES_H
#define ROUTER_SCHEDULES_H

/*
 * Rules that fire by the clock: dispatch's third input, beside the journal and replays. A firing makes AWS's event
 * ("Scheduled Event" from aws.events, its time the time it was due, its id made of rule and time) and goes to that
 * rule's targets only. When a rule fired last is committed with the deliveries of that firing, so over a crash no
 * firing is missed and none happens twice.
 *
 * What was due while the router was down is made up for at its start, in order, if it was due within the last hour, and
 * at most sixty times of a rule; what is older is skipped; both are said. rate() counts from when the rule, or its
 * present expression, was first seen, also over restarts and while it is disabled. A clock that is set back fires
 * nothing again: the rule waits until the clock has passed its last time. One that is set forward counts as down time.
 */

#include "router/dispatch_int.h"

/* ---- dispatch thread (schedules.c) ---- */
void schedules_apply(struct dispatch *d); /* the rule set is new, or has changed */
void schedules_feed(struct dispatch *d);  /* fires what is due, until the present turn is full */
void schedules_committed(struct dispatch *d, struct turn *t);
void schedules_close(struct dispatch *d);
void schedule_notes_fini(struct turn *t); /* a turn that goes without having been committed */

/* ---- ledger thread (schedules.c) ---- */
bool schedules_load(struct dispatch *d, struct store *store, struct weir_diag *diag); /* start-up */
bool schedules_write(struct turn *t, struct store *store, struct weir_diag *diag);

/* ---- ledger thread (schedule_store.c) ---- */
extern const struct store_schema schedule_schema;

struct schedule_row {
    struct str rule, expression;
    int64_t anchor_ms; /* rate() counts from here */
    int64_t last_ms;   /* nothing up to here fires any more */
    int64_t fired_ms;  /* due time of the last firing; 0: none yet */
    bool enabled;
};
bool schedule_write(struct store *store, const struct schedule_row *row, struct weir_diag *diag);
bool schedule_delete(struct store *store, struct str rule, struct weir_diag *diag);
/* Slices are valid during the call. */
bool schedule_each(struct store *store, void (*each)(void *context, const struct schedule_row *row), void *context,
                   struct weir_diag *diag);
/* Appends a JSON array with one {"rule","schedule","next"?,"last"?} a scheduled rule of the set. */
bool schedules_show(struct buf *out, const struct ruleset *set, struct store *store, struct weir_time now,
                    struct weir_diag *diag);

#endif
