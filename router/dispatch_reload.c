/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another rule set in the place of the present one, while events flow. The set was built whole by whoever brings it;
 * here targets are opened for it, and one pointer is swapped:
 *
 *   quiet ──► open what is new or changed ──► recover it (ledger) ──► swap ──► go on
 *
 * Quiet means that nothing is read, started or fetched and that every turn is committed: some milliseconds, in which
 * the journal goes on taking events; before the swap it is quiet once more. So each event meets one rule set, and no
 * ledger job sees a target change under it. Deliveries that are with their targets are not waited for: a flight holds
 * the generation it was made from, a target that was replaced is closed when its last delivery has come back.
 *
 * Who keeps its target: local state (queue, archive) always, with the new options; the others where the definition
 * says the same. What is ready to be sent, and what waits in rows, goes on by the new rules: a delivery whose rule or
 * target is gone is dead-lettered.
 *
 * When anything fails, what was opened is closed again and the present set stays.
 */
#include <stdlib.h>

#include "router/deduplication.h"
#include "router/dispatch_mapping.h"
#include "router/log.h"
#include "router/replay.h"
#include "router/schedules.h"
#include "router/xalloc.h"

struct fresh { /* a target opened for the new set */
    struct outlet *outlet;
    struct target *target;
};

struct reload {
    struct ledger_job job; /* recovers */
    struct dispatch *dispatch;
    struct dispatch_reload *call; /* NULL: the first rule set */
    struct generation *generation;
    struct fresh *fresh;
    size_t fresh_count;
    bool begun, recovered;
};

/* ---- targets ---- */

static bool keeps_target(const struct outlet *o, const struct target_def *def)
{
    return o->target && (def->adapter->put || target_def_equal(o->target->def, def));
}

static bool open_fresh(struct reload *r, struct weir_diag *diag)
{
    struct dispatch *d = r->dispatch;
    const struct ruleset *set = r->generation->set;

    r->fresh = xarray(set->target_count, sizeof *r->fresh);
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct target_def *def = set->targets[i];
        struct outlet *o = r->generation->outlets[i];
        if (!def->adapter->open || keeps_target(o, def))
            continue;
        struct target *t = def->adapter->open(def, &d->host, d->options.data_dir, diag);
        if (!t)
            return false;
        r->fresh[r->fresh_count++] = (struct fresh){o, t};
    }
    return true;
}

static void close_target(struct target *t)
{
    if (t && t->ops->close)
        t->ops->close(t);
}

static void retire(struct outlet *o)
{
    struct dispatch *d = o->dispatch;

    if (o->target && o->in_flight) {
        struct retired *old = xalloc(sizeof *old);
        *old = (struct retired){.target = o->target, .set = o->set, .in_flight = o->in_flight};
        TAILQ_INSERT_TAIL(&d->retired, old, link);
    } else {
        close_target(o->target);
        ruleset_unref(o->set);
    }
    o->target = NULL;
    o->set = NULL;
    o->in_flight = 0;
}

static void close_retired(struct dispatch *d, struct retired *old)
{
    TAILQ_REMOVE(&d->retired, old, link);
    close_target(old->target);
    ruleset_unref(old->set);
    free(old);
}

static void close_settled_cb(evutil_socket_t fd, short what, void *context)
{
    struct dispatch *d = context;
    struct retired *old, *next;

    for (old = TAILQ_FIRST(&d->retired); old; old = next) {
        next = TAILQ_NEXT(old, link);
        if (!old->in_flight)
            close_retired(d, old);
    }
}

/* Not closed at once: it is the target itself that tells this, and it has more to do when it comes back. */
void retired_settled(struct dispatch *d, struct target *target)
{
    static const struct timeval at_once = {0, 0};
    struct retired *old;

    TAILQ_FOREACH (old, &d->retired, link)
        if (old->target == target)
            break;
    if (old && --old->in_flight == 0 && event_base_once(d->host.base, -1, EV_TIMEOUT, close_settled_cb, d, &at_once))
        xfail("cannot set a timer");
}

void retired_close(struct dispatch *d)
{
    struct retired *old;

    while ((old = TAILQ_FIRST(&d->retired)))
        close_retired(d, old);
}

/* ---- the swap ---- */

/* A target that stays gets its new definition, unless deliveries are with it: then it keeps the old set a while. */
static void rebind(struct outlet *o, const struct target_def *def, struct ruleset *set)
{
    o->def = def;
    if (!o->target || o->in_flight || o->set == set)
        return;
    ruleset_unref(o->set);
    o->set = ruleset_ref(set);
    o->target->def = def;
}

static void take_fresh(struct reload *r)
{
    for (size_t i = 0; i < r->fresh_count; i++) {
        struct fresh *f = &r->fresh[i];
        retire(f->outlet);
        outlet_replaced(f->outlet, f->target);
        f->outlet->target = f->target;
        f->outlet->set = ruleset_ref(r->generation->set);
        if (f->target->def->adapter->send && !f->outlet->seconds)
            f->outlet->seconds = metric(METRIC_DELIVERY_SECONDS, f->outlet->key.ptr);
    }
}

static void swap(struct reload *r)
{
    struct dispatch *d = r->dispatch;
    struct generation *g = r->generation, *old = d->generation;

    take_fresh(r);
    for (size_t i = 0; i < d->outlet_count; i++)
        d->outlets[i]->def = NULL;
    for (uint32_t i = 0; i < g->set->target_count; i++)
        rebind(g->outlets[i], g->set->targets[i], g->set);
    for (size_t i = 0; i < d->outlet_count; i++)
        if (!d->outlets[i]->def)
            retire(d->outlets[i]);
    d->generation = generation_ref(g);
    d->set = g->set;
    deduplication_apply(d);
    generation_unref(old);
}

static void finish(struct reload *r, bool ok)
{
    for (size_t i = 0; !ok && i < r->fresh_count; i++)
        close_target(r->fresh[i].target);
    generation_unref(r->generation);
    free(r->fresh);
    free(r);
}

bool generation_open(struct dispatch *d, struct ruleset *set, struct weir_diag *diag)
{
    struct reload *r = xalloc(sizeof *r);

    r->dispatch = d;
    r->generation = generation_create(d, set);
    bool ok = open_fresh(r, diag);
    if (ok)
        swap(r);
    finish(r, ok);
    return ok;
}

/* ---- while running ---- */

static void go_on(struct dispatch *d)
{
    d->now = dispatch_now(d);
    for (size_t i = 0; i < d->outlet_count; i++) {
        outlet_load_due(d->outlets[i]);
        outlet_pump(d->outlets[i]);
    }
    turn_schedule(d);
    turn_again(d);
}

static void end(struct reload *r, bool ok, const struct weir_diag *diag)
{
    struct dispatch *d = r->dispatch;
    struct dispatch_reload *call = r->call;

    call->ok = ok;
    if (!ok)
        call->diag = *diag;
    d->reload = NULL;
    finish(r, ok);
    call->done(call);
    go_on(d);
}

static void take(struct reload *r)
{
    struct dispatch *d = r->dispatch;

    swap(r);
    for (size_t i = 0; i < d->outlet_count; i++)
        outlet_reroute(d->outlets[i]);
    replays_apply(d);
    schedules_apply(d);
    house_apply(d);
    mappings_apply(d);
    end(r, true, NULL);
}

static bool recover_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct reload *r = (struct reload *)job;

    for (size_t i = 0; i < r->fresh_count; i++) {
        if (!dispatch_recover_target(r->fresh[i].target, store, diag))
            return false;
    }
    return true;
}

static void recover_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct reload *r = (struct reload *)job;

    r->dispatch->now = dispatch_now(r->dispatch);
    r->recovered = ok;
    if (ok)
        reload_try(r->dispatch); /* deliveries may have come back meanwhile: their turn is with the ledger */
    else
        end(r, false, diag);
}

static void begin(struct reload *r)
{
    struct dispatch *d = r->dispatch;
    struct weir_diag diag = {0};

    r->begun = true;
    r->generation = generation_create(d, r->call->set);
    if (!open_fresh(r, &diag)) {
        end(r, false, &diag);
        return;
    }
    for (size_t i = 0; i < r->fresh_count; i++)
        if (r->fresh[i].target->ops->recover) {
            r->job = (struct ledger_job){.run = recover_run, .done = recover_done, .reply = d->mailbox};
            ledger_submit(d->options.ledger, &r->job);
            return;
        }
    take(r);
}

static bool is_quiet(const struct dispatch *d)
{
    return turn_idle(d) && !d->loads && !house_busy(d) && !seal_busy(d);
}

void reload_try(struct dispatch *d)
{
    struct reload *r = d->reload;

    if (!r || d->stopping || !is_quiet(d))
        return;
    if (!r->begun)
        begin(r);
    else if (r->recovered)
        take(r);
}

static void reload_deliver(struct mail *m)
{
    struct dispatch_reload *call = (struct dispatch_reload *)((char *)m - offsetof(struct dispatch_reload, mail));
    struct dispatch *d = call->dispatch;

    assert(!d->reload);
    d->now = dispatch_now(d);
    d->reload = xalloc(sizeof *d->reload);
    d->reload->dispatch = d;
    d->reload->call = call;
    turn_schedule(d);
    reload_try(d);
}

void dispatch_reload(struct dispatch *d, struct dispatch_reload *call)
{
    call->dispatch = d;
    call->mail.deliver = reload_deliver;
    mailbox_post(d->mailbox, &call->mail);
}

void reload_drop(struct dispatch *d)
{
    if (d->reload)
        finish(d->reload, false);
    d->reload = NULL;
}
