/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SCHEDULES_H
#define ROUTER_SCHEDULES_H

/*
 * Rules that fire by the clock: dispatch's third input, beside the journal and replays. A firing makes AWS's event
 * ("Scheduled Event" from aws.events, its time the time it was due, its id made of rule and time) and goes to that
 * rule's targets only. When a rule fired last is committed with the deliveries of that firing, so over a crash no
 * firing is missed and none happens twice.
 *
 * What was due while the router was down is made up for at its start, in order, if it was due within the last hour;
 * what is older is skipped, and said. rate() counts from when the rule, or its present expression, was first seen, also
 * over restarts. A clock that is set back fires nothing again; one that is set forward counts as down time.
 *
 * Dispatch thread, but for what the ledger thread runs.
 */

#include "router/dispatch_int.h"

extern const struct store_schema schedule_schema;

bool schedules_load(struct dispatch *d, struct store *store, struct weir_diag *diag); /* start-up, ledger thread */
void schedules_apply(struct dispatch *d); /* the rule set is new, or has changed */
bool schedules_feed(struct dispatch *d);  /* into the present turn; true: there is more to feed now */
bool schedules_write(struct turn *t, struct store *store, struct weir_diag *diag); /* ledger thread */
void schedules_committed(struct dispatch *d, struct turn *t);
void schedules_close(struct dispatch *d);
void schedule_notes_fini(struct turn *t); /* a turn that goes without having been committed */

#endif
