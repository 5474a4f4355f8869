/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_CLOCK_H
#define ROUTER_CLOCK_H

/*
 * Two times (struct weir_time): the wall clock for names and stamps, and Weir's own age clock, by which retries,
 * visibility and retention run. Ages advance with the boot clock while running; over a restart they advance by what
 * the wall clock says passed since the last commit, if that is between 0 and a week (else: by 0, and reported).
 * A leap of the wall clock while running changes no age.
 */

#include "targets/adapter.h"

struct clock {
    int64_t age_base_ms, boot_base_ms;
    const _Atomic int64_t *by_hand; /* tests: stands in for the wall clock; NULL: the real one */
};

/* c: zeroed, but for by_hand. stored: the pair of the ledger's last commit, {0,0} on a first start. Returns false when
 * the leap was not believed.
 */
bool clock_start(struct clock *c, struct weir_time stored);
struct weir_time clock_now(const struct clock *c); /* any thread */
int64_t clock_wall_ms(void);

#endif
