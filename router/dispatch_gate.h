/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_GATE_H
#define ROUTER_DISPATCH_GATE_H

/*
 * May a delivery to this target start now, and if not, when? One gate an outlet; it knows no outlet, no thread and no
 * clock: ages are handed in.
 *
 *                 failures in a row, or most of many
 *     CLOSED ────────────────────────────────────────► OPEN ◄──────────────┐
 *       ▲    everything flows                           │ pause is over    │ fault: pause doubles
 *       │                                               ▼                  │
 *       └──────────────────────────────────────────── PROBING ─────────────┘
 *                  the target answered              one delivery is out
 *
 * (Closed and open as of an electric circuit: closed is good.) Beside the circuit there are a bound of deliveries at
 * once, a rate, the target's own wish (Retry-After), and a person's (paused). What may not start stays where it is and
 * loses nothing but time.
 *
 * Only faults of the target count: time-outs, refused connections, 5xx, 429. What it will not take (VERDICT_FAILED)
 * shows that it is there; from what failed in one delivery alone (verdict.no_fault) nothing is learnt.
 */

#include "targets/policy.h"

enum circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_PROBING };

struct gate {
    bool paused;        /* by a person: nothing starts until somebody resumes it */
    int64_t held_until; /* age: the target asked for this; 0: it did not */

    enum circuit circuit;
    uint32_t in_a_row;          /* faults since the last answer */
    uint32_t results, faults;   /* of the present lot of results, see gate_settle() */
    int64_t pause_ms, probe_at; /* OPEN: the present pause; the age at which it is over */

    int64_t free_at_us; /* rate: when the next delivery would start, were they evenly spread */
};

#define GATE_UNASKED INT64_MAX

/* room: there is, among those at once. False: not now; *when: the age at which to ask again (later than now), or
   GATE_UNASKED where only a delivery that comes back or a person can change it. */
bool gate_may_start(const struct gate *g, const struct target_policy *p, bool room, int64_t now, int64_t *when);
/* One is started. True: it is the probe, to be told to gate_settle(). */
bool gate_start(struct gate *g, const struct target_policy *p, int64_t now);
/* Is it worth to fetch deliveries that wait elsewhere? ready: how many could be started at once. when: as above. */
bool gate_may_fetch(const struct gate *g, const struct target_policy *p, size_t ready, int64_t now, int64_t *when);

enum gate_change { GATE_SAME, GATE_OPENED, GATE_PROBED /* in vain */, GATE_CLOSED };
/* What became of a delivery that was started. random: any number, spreads probes. */
enum gate_change gate_settle(struct gate *g, const struct target_policy *p, const struct verdict *v, bool probe,
                             int64_t now, uint64_t random);

/* A person wants it tried: what the target asked for is forgotten, an open circuit is probed now. */
void gate_nudge(struct gate *g, int64_t now);
/* Another target stands behind it, or its policy has no circuit any more: nothing is known of it. Stays paused. */
void gate_forget(struct gate *g);

#endif
