/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate as steps, see dispatch_gate.h. All of it is arithmetic on a few numbers.
 *
 * The rate is kept as one time: when the next delivery would start if they were spread evenly. It may be up to a second
 * ahead of the present, which is a bucket that holds a second's worth, without counting tokens.
 */
#include "router/dispatch_gate.h"

#include <assert.h>

#define BURST_US   1000000
#define RATE_MS    5 /* not asked again sooner: a quick rate is met in small lots, not by a wake-up a delivery */
#define LOT_FACTOR 2 /* results of a lot, in failures of the policy … */
#define LOT_SHARE  4 /* … and the share of faults, in fifths, that opens the circuit at its end */
#define LOT_SHARES 5

static bool has_circuit(const struct gate *g, const struct target_policy *p)
{
    return g->circuit != CIRCUIT_CLOSED && p->circuit.failures;
}

/* ---- rate ---- */

static int64_t interval_us(const struct option_rate *r)
{
    return r->period_ms * 1000 / r->count;
}

/* The age from which the next may start. */
static int64_t rate_from(const struct gate *g, const struct option_rate *r)
{
    int64_t interval = interval_us(r), ahead = interval < BURST_US ? BURST_US - interval : 0;
    return (g->free_at_us - ahead + 999) / 1000;
}

static void take_turn(struct gate *g, const struct option_rate *r, int64_t now)
{
    if (g->free_at_us < now * 1000)
        g->free_at_us = now * 1000;
    g->free_at_us += interval_us(r);
}

/* ---- asking ---- */

static bool not_before(int64_t at, int64_t now, int64_t *when)
{
    *when = at;
    return at <= now;
}

static bool circuit_lets(const struct gate *g, const struct target_policy *p, int64_t now, int64_t *when)
{
    if (!has_circuit(g, p))
        return true;
    return g->circuit == CIRCUIT_OPEN ? not_before(g->probe_at, now, when) : not_before(GATE_UNASKED, now, when);
}

bool gate_may_start(const struct gate *g, const struct target_policy *p, bool room, int64_t now, int64_t *when)
{
    if (g->paused || !room)
        return not_before(GATE_UNASKED, now, when);
    if (!circuit_lets(g, p, now, when) || !not_before(g->held_until, now, when))
        return false;
    if (!p->rate_limit.count || not_before(rate_from(g, &p->rate_limit), now, when))
        return true;
    if (*when < now + RATE_MS)
        *when = now + RATE_MS;
    return false;
}

bool gate_start(struct gate *g, const struct target_policy *p, int64_t now)
{
    if (p->rate_limit.count)
        take_turn(g, &p->rate_limit, now);
    if (!has_circuit(g, p))
        return false;
    assert(g->circuit == CIRCUIT_OPEN);
    g->circuit = CIRCUIT_PROBING;
    return true;
}

bool gate_may_fetch(const struct gate *g, const struct target_policy *p, size_t ready, int64_t now, int64_t *when)
{
    if (g->paused || (ready && has_circuit(g, p)))
        return not_before(GATE_UNASKED, now, when); /* what is ready asks for itself */
    return circuit_lets(g, p, now, when) && not_before(g->held_until, now, when);
}

/* ---- verdicts ---- */

static bool is_fault(const struct verdict *v)
{
    return v->kind == VERDICT_RETRY && !v->no_fault;
}

/* Between half the pause and all of it: routers that failed together do not come back together. */
static void open_for(struct gate *g, int64_t now, uint64_t random)
{
    int64_t half = g->pause_ms / 2;
    g->circuit = CIRCUIT_OPEN;
    g->probe_at = now + g->pause_ms - (int64_t)(random % (uint64_t)(half + 1));
}

static enum gate_change close_circuit(struct gate *g)
{
    bool was = g->circuit != CIRCUIT_CLOSED;
    g->circuit = CIRCUIT_CLOSED;
    g->in_a_row = g->results = g->faults = 0;
    return was ? GATE_CLOSED : GATE_SAME;
}

static enum gate_change probed(struct gate *g, const struct target_policy *p, bool fault, int64_t now, uint64_t random)
{
    if (!fault)
        return close_circuit(g);
    g->pause_ms = 2 * g->pause_ms < p->circuit.max_pause ? 2 * g->pause_ms : p->circuit.max_pause;
    open_for(g, now, random);
    return GATE_PROBED;
}

/* Closed: is it time to open? A lot of results that had too many faults does it too: a target that answers now and then
   never fails often enough in a row. */
static bool is_enough(struct gate *g, const struct target_policy *p, bool fault)
{
    int64_t lot = LOT_FACTOR * p->circuit.failures;

    g->in_a_row = fault ? g->in_a_row + 1 : 0;
    g->results++;
    g->faults += fault;
    bool enough = g->in_a_row >= p->circuit.failures ||
                  (g->results >= lot && (int64_t)g->faults * LOT_SHARES >= (int64_t)g->results * LOT_SHARE);
    if (g->results >= lot)
        g->results = g->faults = 0;
    return enough;
}

enum gate_change gate_settle(struct gate *g, const struct target_policy *p, const struct verdict *v, bool probe,
                             int64_t now, uint64_t random)
{
    bool fault = is_fault(v);

    if (fault && v->retry_after_ms > 0 && now + v->retry_after_ms > g->held_until)
        g->held_until = now + v->retry_after_ms;
    if (!p->circuit.failures)
        return close_circuit(g);
    if (probe && g->circuit == CIRCUIT_PROBING)
        return probed(g, p, fault, now, random);
    if (g->circuit != CIRCUIT_CLOSED || (v->kind == VERDICT_RETRY && !fault) || !is_enough(g, p, fault))
        return GATE_SAME; /* what was started before the circuit opened says nothing new */
    g->pause_ms = p->circuit.pause;
    open_for(g, now, random);
    return GATE_OPENED;
}

void gate_nudge(struct gate *g, int64_t now)
{
    g->held_until = 0;
    if (g->circuit == CIRCUIT_OPEN)
        g->probe_at = now;
}

void gate_forget(struct gate *g)
{
    *g = (struct gate){.paused = g->paused, .free_at_us = g->free_at_us};
}
