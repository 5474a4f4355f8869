/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_H
#define ROUTER_REPLAY_H

/*
 * Replays, as dispatch's other files and the ledger see them (requests: router/dispatch.h).
 */

#include "router/dispatch_int.h"

extern const struct store_schema replay_schema;

/* ---- dispatch thread ---- */
bool replays_hungry(const struct dispatch *d); /* is an event of any of them due? Then a turn keeps room for them */
/* Fills the present turn; busy: the journal has more, so that room is all they get. True: there is more to feed now. */
bool replays_feed(struct dispatch *d, bool busy);
void replays_resume(struct dispatch *d); /* goes on with those that replays_load() found */
void replays_apply(struct dispatch *d);  /* the rule set has changed */
void replays_stop(struct dispatch *d);   /* nobody waits for an answer any more */
void replays_close(struct dispatch *d);
void replay_committed(struct dispatch *d, struct replay_progress *p);
bool replay_reads(const struct dispatch *d, struct str archive); /* is a replay of it active? */

/* ---- ledger thread ---- */
bool replays_load(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag); /* start-up */
bool replay_write_progress(struct store *store, const struct replay_progress *p, struct weir_time now,
                           struct weir_diag *diag);
bool replay_expire(struct store *store, struct weir_time now, struct weir_diag *diag); /* old finished ones */

#endif
