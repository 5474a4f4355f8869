/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much is owed to a target, in deliveries and in bytes of events, and its bound (backlog: of the target's policy).
 *
 * In memory an outlet's sum counts every delivery from its match until what ended it is committed, wherever it is
 * meanwhile: ready, with the target, in a row. In the ledger a table keeps the sum of the rows of each target, written
 * by the turn that writes or deletes them, so that a start knows it without reading what is owed.
 *
 * A delivery that would pass the bound is dead-lettered or dropped when it is matched, as configured; retries and what
 * comes over from a target that left the file are let in. It is said once when a backlog gets full, and again only
 * after it went down by a tenth.
 */
#include <stdio.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "rules/options.h"

#define CROWDED 10000 /* deliveries owed: replays wait until some of them are made */

static int64_t size_of(const struct flight *f)
{
    return (int64_t)f->event->event.size;
}

static void count(struct outlet *o, int64_t deliveries, int64_t bytes)
{
    o->owed_bytes += bytes;
    series_add(o->owed, deliveries);
    series_add(o->owed_size, bytes);
}

static int64_t bound_of(const struct outlet *o)
{
    return o->def && o->def->policy ? o->def->policy->backlog.max_bytes : 0;
}

void backlog_owe(struct flight *f)
{
    count(f->outlet, 1, size_of(f));
}

void backlog_end(struct flight *f)
{
    struct outlet *o = f->outlet;

    count(o, -1, f->refused ? 0 : -size_of(f));
    if (o->backlog_full && o->owed_bytes < bound_of(o) - bound_of(o) / 10)
        o->backlog_full = false;
}

void backlog_move(struct flight *f, struct outlet *from)
{
    if (f->outlet == from)
        return;
    count(from, -1, -size_of(f));
    count(f->outlet, 1, size_of(f));
}

void backlog_set(struct outlet *o, int64_t deliveries, int64_t bytes)
{
    o->owed_bytes = bytes;
    series_set(o->owed, deliveries);
    series_set(o->owed_size, bytes);
}

/* ---- the bound ---- */

bool backlog_is_full(const struct outlet *o, size_t event_bytes)
{
    int64_t bound = bound_of(o);
    return bound && o->owed_bytes + (int64_t)event_bytes > bound;
}

bool backlog_is_crowded(const struct outlet *o)
{
    int64_t bound = bound_of(o);
    return series_get(o->owed) > CROWDED || (bound && o->owed_bytes > bound / 2);
}

void backlog_refuse(struct flight *f)
{
    struct outlet *o = f->outlet;
    bool drop = o->def->policy->backlog.over == BACKLOG_DROP;
    struct buf bound = BUF_INIT;

    count(o, 0, -size_of(f)); /* it is not owed: the next one may be smaller and fit */
    f->refused = true;
    options_write_size(&bound, bound_of(o));
    verdict_set(&f->verdict, VERDICT_FAILED, "BACKLOG_FULL",
                "%lld bytes of events wait for %.*s, and its backlog.max_bytes is %s", (long long)o->owed_bytes,
                STR_ARG(o->key), buf_cstr(&bound));
    if (!o->backlog_full)
        log_warn(drop ? "a target's backlog is full: what comes is dropped, as configured"
                      : "a target's backlog is full: what comes is dead-lettered",
                 LOG_STR("target", o->key), LOG_INT("bytes", o->owed_bytes), LOG_INT("max_bytes", bound_of(o)));
    o->backlog_full = true;
    outlet_end(f, drop ? RESULT_DROPPED : letter_result(f));
    buf_fini(&bound);
}

/* ---- the sums of rows: ledger thread ---- */

/* A run that is undone and tried again begins anew: hence the stamp, not a flag. */
void backlog_begin(struct turn *t)
{
    t->tally_stamp = ++t->dispatch->tally_stamp;
    t->tallied = NULL;
}

static void tally(struct turn *t, struct outlet *o, int64_t bytes)
{
    if (o->tally_stamp != t->tally_stamp) {
        o->tally_stamp = t->tally_stamp;
        o->tally = 0;
        o->next_tallied = t->tallied;
        t->tallied = o;
    }
    o->tally += bytes;
}

void backlog_row_inserted(struct turn *t, const struct flight *f)
{
    tally(t, f->outlet, size_of(f));
}

void backlog_row_kept(struct turn *t, const struct flight *f)
{
    if (f->row_outlet == f->outlet)
        return;
    tally(t, f->row_outlet, -size_of(f));
    tally(t, f->outlet, size_of(f));
}

void backlog_row_deleted(struct turn *t, const struct flight *f)
{
    tally(t, f->row_outlet, -size_of(f));
}

bool backlog_write(const struct turn *t, struct store *store, struct weir_diag *diag)
{
    for (const struct outlet *o = t->tallied; o; o = o->next_tallied)
        if (o->tally && !owed_total_add(store, o->key, o->tally, diag))
            return false;
    return true;
}
