/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates at work: an outlet's gate (dispatch_gate.h) is asked before each start and each fetch, told of each answer, and
 * what changes by that is logged once, counted, and shown. Where the gate names a time, dispatch's one timer is set.
 *
 * For `weir status`, which asks on another thread, each outlet whose gate ever did anything has a view of it behind a
 * lock; it is written at changes only, never for a delivery that goes well.
 */
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/archive.h"

struct gate_view {
    struct str key; /* of its outlet, which lives as long as dispatch */
    bool paused;
    enum circuit circuit;
    int64_t paused_ms, opened_ms, probe_ms, held_ms; /* wall clock */
    char error[320];
};

/* ---- views ---- */

static struct gate_view *view_of(struct outlet *o)
{
    struct dispatch *d = o->dispatch;

    if (!o->view) {
        o->view = xalloc(sizeof *o->view);
        o->view->key = o->key;
        d->views = xrealloc(d->views, (d->view_count + 1) * sizeof(struct gate_view *));
        d->views[d->view_count++] = o->view;
    }
    return o->view;
}

static int64_t wall_of(const struct dispatch *d, int64_t age)
{
    return d->now.wall_ms + (age - d->now.age_ms);
}

/* v: what brought the change about; NULL: no verdict did. */
static void update_view(struct outlet *o, const struct verdict *v)
{
    struct dispatch *d = o->dispatch;
    const struct gate *g = &o->gate;

    pthread_mutex_lock(&d->views_lock);
    struct gate_view *view = view_of(o);
    if (g->circuit != CIRCUIT_CLOSED && view->circuit == CIRCUIT_CLOSED)
        view->opened_ms = d->now.wall_ms;
    if (g->paused)
        view->paused_ms = o->paused_ms;
    view->paused = g->paused;
    view->circuit = g->circuit;
    view->probe_ms = wall_of(d, g->probe_at);
    view->held_ms = wall_of(d, g->held_until);
    if (v)
        snprintf(view->error, sizeof view->error, "%s: %s", v->code, v->message);
    pthread_mutex_unlock(&d->views_lock);
}

static void publish(struct outlet *o, const struct verdict *v)
{
    const struct gate *g = &o->gate;

    if (o->view || g->paused || g->held_until || g->circuit != CIRCUIT_CLOSED)
        update_view(o, v);
    series_set(metric(METRIC_CIRCUIT_OPEN, o->key.ptr), g->circuit != CIRCUIT_CLOSED);
    series_set(metric(METRIC_TARGET_PAUSED, o->key.ptr), g->paused);
}

static void write_time(struct buf *out, const char *key, int64_t ms)
{
    char text[21];
    time_format_rfc3339(ms, text);
    json_write_member(out, key, str_from(text));
}

static void write_view(struct buf *out, const struct gate_view *v, int64_t now_ms)
{
    static const char *const names[] = {"closed", "open", "probing"};

    if (v->paused)
        write_time(out, "paused", v->paused_ms);
    if (v->held_ms > now_ms)
        write_time(out, "held_until", v->held_ms);
    if (v->circuit == CIRCUIT_CLOSED)
        return;
    json_write_member(out, "circuit", str_from(names[v->circuit]));
    write_time(out, "open_since", v->opened_ms);
    write_time(out, "next_probe", v->probe_ms);
    json_write_member(out, "last_error", str_from(v->error));
}

void dispatch_show_gate(struct dispatch *d, struct str target, struct buf *out)
{
    pthread_mutex_lock(&d->views_lock);
    for (size_t i = 0; i < d->view_count; i++)
        if (str_eq(d->views[i]->key, target))
            write_view(out, d->views[i], clock_wall_ms());
    pthread_mutex_unlock(&d->views_lock);
}

void views_fini(struct dispatch *d)
{
    for (size_t i = 0; i < d->view_count; i++)
        free(d->views[i]);
    free(d->views);
    pthread_mutex_destroy(&d->views_lock);
}

/* ---- asking ---- */

static const struct target_policy *policy_of(const struct outlet *o)
{
    return o->def && o->target ? o->def->policy : NULL; /* NULL: nobody is there, or local state */
}

static bool ask_again(struct outlet *o, int64_t when)
{
    if (when != GATE_UNASKED)
        dispatch_due(o->dispatch, when);
    return false;
}

/* One that gathers is handed what makes so many batches. */
static bool has_room(const struct outlet *o, const struct target_policy *p)
{
    return o->in_flight < p->concurrency * (o->target->gathers ? o->target->gathers : 1);
}

bool outlet_may_start(struct outlet *o)
{
    const struct target_policy *p = policy_of(o);
    int64_t when;

    return !p || gate_may_start(&o->gate, p, has_room(o, p), o->dispatch->now.age_ms, &when) || ask_again(o, when);
}

bool outlet_may_fetch(struct outlet *o)
{
    const struct target_policy *p = policy_of(o);
    int64_t when;

    return !p || gate_may_fetch(&o->gate, p, !TAILQ_EMPTY(&o->ready), o->dispatch->now.age_ms, &when) ||
           ask_again(o, when);
}

void outlet_started(struct flight *f)
{
    struct outlet *o = f->outlet;
    f->probe = gate_start(&o->gate, policy_of(o), o->dispatch->now.age_ms);
}

/* ---- telling ---- */

static void opened(struct outlet *o, const struct verdict *v)
{
    series_add(metric(METRIC_CIRCUIT_OPENED, o->key.ptr), 1);
    log_warn("circuit opened: nothing is sent to the target but probes", LOG_STR("target", o->key),
             LOG_INT("next_probe_ms", o->gate.probe_at - o->dispatch->now.age_ms), LOG_TEXT("code", v->code),
             LOG_TEXT("reason", v->message));
    publish(o, v);
}

static void closed(struct outlet *o)
{
    int64_t since = o->view ? o->view->opened_ms : o->dispatch->now.wall_ms;
    log_info("circuit closed: the target answers again", LOG_STR("target", o->key),
             LOG_INT("open_s", (o->dispatch->now.wall_ms - since) / 1000));
    publish(o, NULL);
}

static void tell(struct outlet *o, const struct verdict *v, bool probe)
{
    struct dispatch *d = o->dispatch;
    const struct target_policy *p = policy_of(o);
    int64_t held_until = o->gate.held_until;

    if (!p)
        return;
    switch (gate_settle(&o->gate, p, v, probe, d->now.age_ms, dispatch_random(d))) {
    case GATE_OPENED: opened(o, v); break;
    case GATE_PROBED: publish(o, v); break;
    case GATE_CLOSED:
        closed(o);
        outlet_load_due(o);
        break;
    case GATE_SAME:
        if (o->gate.held_until != held_until)
            publish(o, v);
    }
}

void outlet_answered(struct flight *f)
{
    struct verdict v = f->verdict;
    bool probe = f->probe;

    f->probe = false;
    if (f->order_key && f->d.attempts && f->outlet->gate.circuit == CIRCUIT_CLOSED)
        v.no_fault = true; /* that one key is stuck must not keep the others waiting: first tries tell of the target */
    tell(f->outlet, &v, probe);
}

bool outlet_run_started(struct outlet *o)
{
    return gate_start(&o->gate, policy_of(o), o->dispatch->now.age_ms);
}

void outlet_run_answered(struct outlet *o, const struct verdict *v, bool probe)
{
    struct verdict own = *v;

    own.no_fault = !probe; /* of what failed in one run alone nothing is learnt */
    tell(o, &own, probe);
}

void outlet_replaced(struct outlet *o, const struct target *t)
{
    gate_forget(&o->gate);
    if (t->ops->send)
        publish(o, NULL); /* gauges are there from the beginning */
}

void outlet_pause(struct outlet *o, bool paused, int64_t since_ms)
{
    bool was = o->gate.paused;

    o->gate.paused = paused;
    o->paused_ms = since_ms;
    if (!paused)
        gate_nudge(&o->gate, o->dispatch->now.age_ms);
    if (was != paused)
        log_info(paused ? "target paused: its deliveries wait" : "target resumed", LOG_STR("target", o->key));
    publish(o, NULL);
    if (paused)
        return;
    outlet_load_due(o);
    outlet_pump(o);
}
