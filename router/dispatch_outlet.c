/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outlets: deliveries to send adapters. Where one delivery can be:
 *
 *                     ┌──────────────── row, waits ◄──────────────┐ retried
 *           window    │ due                                       │
 *            full     ▼                                           │
 *   match ──────► ready (in order) ──► sent ──► completed ──► judged ──► delivered, dead-lettered, dropped
 *
 * ready, sent and completed are memory: at most a window of deliveries and of bytes a target. What does not fit is
 * written to blocks untried and fetched back in order; while such blocks wait, new deliveries line up behind them. A
 * failed delivery waits in its row, so a dead target holds disk, not memory. Rows and blocks are fetched when half the
 * window is free; a block comes whole, so that memory holds one and a half windows at most.
 *
 * Verdicts come from inside a target's callbacks, so they are queued and judged from the loop.
 */
#include <stdlib.h>

#include "router/dispatch_async.h"
#include "router/dispatch_mapping.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define LOAD_ROWS     500 /* a ledger job: bounds how long it holds the ledger thread */
#define LOAD_AGAIN_MS 1000

/* ---- life ---- */

static struct outlet *make(struct dispatch *d, struct str key)
{
    struct outlet *o = xalloc(sizeof *o);

    o->dispatch = d;
    o->key = xstr(key);
    o->next_due = OWED_IN_HAND;
    o->owed = metric(METRIC_DELIVERIES_OWED, o->key.ptr);
    o->owed_size = metric(METRIC_DELIVERIES_OWED_BYTES, o->key.ptr);
    backlog_set(o, 0, 0);
    TAILQ_INIT(&o->ready);
    TAILQ_INIT(&o->sent);
    d->outlets = xrealloc(d->outlets, (d->outlet_count + 1) * sizeof(struct outlet *));
    d->outlets[d->outlet_count++] = o;
    return o;
}

struct outlet *outlet_find(struct dispatch *d, struct str key)
{
    for (size_t i = 0; i < d->outlet_count; i++)
        if (str_eq(d->outlets[i]->key, key))
            return d->outlets[i];
    return make(d, key);
}

struct outlet *outlet_of(struct dispatch *d, const struct target_def *def)
{
    buf_clear(&d->work);
    buf_printf(&d->work, "%s/%.*s", def->adapter->type, STR_ARG(def->name));
    xbuf(&d->work);
    return outlet_find(d, buf_view(&d->work));
}

static void free_queue(struct flight_queue *q)
{
    struct flight *f;

    while ((f = TAILQ_FIRST(q))) {
        TAILQ_REMOVE(q, f, link);
        flight_free(f);
    }
}

void outlet_close(struct outlet *o)
{
    if (o->target && o->target->ops->close)
        o->target->ops->close(o->target);
    ruleset_unref(o->set);
    free_queue(&o->ready);
    order_close(o);
    free_queue(&o->sent); /* the target has let go of them */
    free((char *)o->key.ptr);
    free(o->async);
    free(o);
}

/* ---- ends ---- */

void outlet_end(struct flight *f, enum result result)
{
    struct turn *t = f->outlet->dispatch->turn;

    f->result = result;
    f->ended = true;
    flights_add(&t->ended, f);
    if (f->open) {
        f->open = false;
        t->open--;
    }
    if (f->lane)
        order_ended(f);
}

static void log_failure(const char *message, const struct flight *f)
{
    log_warn(message, LOG_STR("bus", f->d.bus), LOG_STR("rule", f->d.rule), LOG_STR("target", f->outlet->key),
             LOG_STR("event", f->d.event_id), LOG_INT("attempts", f->attempts), LOG_TEXT("code", f->verdict.code),
             LOG_TEXT("reason", f->verdict.message));
}

void outlet_give_up(struct flight *f, const char *code, const char *message, const char *exhausted)
{
    if (code)
        verdict_set(&f->verdict, VERDICT_FAILED, code, "%s", message);
    f->exhausted = exhausted;
    enum result result = letter_result(f);
    log_failure(result == RESULT_DROPPED ? "delivery failed for good and is dropped, as configured"
                                         : "delivery failed for good and is dead-lettered",
                f);
    outlet_end(f, result);
}

/* ---- verdicts ---- */

uint64_t dispatch_random(struct dispatch *d) /* xorshift */
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random;
}

/* Full jitter: anything up to the exponential bound. */
static int64_t backoff_ms(struct dispatch *d, const struct retry_policy *p, uint32_t attempts)
{
    int64_t bound = p->base;
    for (uint32_t i = 1; i < attempts && bound < p->cap; i++)
        bound *= 2;
    if (bound > p->cap)
        bound = p->cap;
    return 1 + (int64_t)(dispatch_random(d) % (uint64_t)bound);
}

static int64_t age_left(const struct flight *f, struct weir_time now)
{
    return f->route->retries.maximum_event_age - (now.age_ms - f->d.accepted.age_ms);
}

static void retry(struct dispatch *d, struct flight *f, struct weir_time now)
{
    int64_t left = age_left(f, now);

    if (f->attempts > f->route->retries.maximum_retry_attempts) {
        outlet_give_up(f, NULL, NULL, "MaximumRetryAttempts");
        return;
    }
    if (left <= 0) {
        outlet_give_up(f, NULL, NULL, "MaximumEventAgeInSeconds");
        return;
    }
    f->delay_ms = backoff_ms(d, &f->route->retries, f->attempts);
    if (f->verdict.retry_after_ms > f->delay_ms)
        f->delay_ms = f->verdict.retry_after_ms;
    if (f->delay_ms > left)
        f->delay_ms = left; /* then it is found too old and given up */
    log_failure("delivery failed, trying again", f);
    outlet_end(f, RESULT_RETRIED);
}

static void judge(struct dispatch *d, struct flight *f, struct weir_time now)
{
    f->attempts = f->d.attempts + 1;
    switch (f->verdict.kind) {
    case VERDICT_SETTLED: outlet_end(f, RESULT_DELIVERED); break;
    case VERDICT_RETRY: retry(d, f, now); break;
    case VERDICT_FAILED: outlet_give_up(f, NULL, NULL, NULL); break;
    }
}

void outlet_complete(struct host *host, struct delivery *delivery, const struct verdict *v)
{
    struct dispatch *d = (struct dispatch *)host;
    struct flight *f = (struct flight *)delivery;

    f->verdict = *v;
    TAILQ_REMOVE(&f->outlet->sent, f, link);
    TAILQ_INSERT_TAIL(&d->completed, f, link);
    dispatch_timer(d->settle_event, 0);
}

/* ---- sending ---- */

static void start(struct dispatch *d, struct flight *f)
{
    struct outlet *o = f->outlet;
    struct weir_diag diag;

    TAILQ_REMOVE(&o->ready, f, link);
    if (!f->route || !o->target) {
        outlet_give_up(f, "NO_RESOURCE", "the rule or its target is not configured any more", NULL);
        return;
    }
    if (age_left(f, d->now) <= 0) {
        bool tried = f->attempts > 0; /* then its last error stands */
        outlet_give_up(f, tried ? NULL : "THROTTLING", "the target was too slow for it to get its turn in time",
                       "MaximumEventAgeInSeconds");
        return;
    }
    if (!flight_render(d, f, d->now, &diag)) {
        outlet_give_up(f, "INVALID_INPUT", diag.message, NULL);
        return;
    }
    TAILQ_INSERT_TAIL(&o->sent, f, link);
    f->started_age = d->now.age_ms;
    o->in_flight++;
    d->in_flight++;
    outlet_started(f);
    o->target->ops->send(o->target, &f->d);
}

void outlet_pump(struct outlet *o)
{
    struct dispatch *d = o->dispatch;
    struct flight *f;

    while (!d->stopping && !d->reload && (f = TAILQ_FIRST(&o->ready)) && outlet_may_start(o))
        start(d, f);
    if (o->async)
        async_pump(o);
    if (o->mapped)
        mappings_pump(o);
}

void outlet_settle(struct dispatch *d)
{
    struct flight *f;

    d->now = dispatch_now(d);
    for (int budget = DISPATCH_EVENTS; budget && (f = TAILQ_FIRST(&d->completed)); budget--) {
        struct outlet *o = f->outlet;
        TAILQ_REMOVE(&d->completed, f, link);
        d->in_flight--;
        if (f->d.target == o->target) {
            o->in_flight--;
            outlet_answered(f);
        } else {
            retired_settled(d, f->d.target);
        }
        series_observe_ms(o->seconds, d->now.age_ms - f->started_age);
        judge(d, f, d->now);
        outlet_pump(o);
    }
    if (!TAILQ_EMPTY(&d->completed))
        dispatch_timer(d->settle_event, 0);
    turn_schedule(d);
}

/* A target that hands over many at once is to find them here, and the next ones too. */
static uint32_t window(const struct outlet *o)
{
    uint32_t wanted = o->target ? 2 * o->target->gathers : 0;
    return wanted > DISPATCH_WINDOW ? wanted : DISPATCH_WINDOW;
}

static void enter(struct outlet *o, struct flight *f)
{
    bool ordered = f->order_key && (!f->has_row || f->row_outlet == o);

    f->counted = true;
    o->memory++;
    o->bytes += f->event->event.size;
    if (!ordered || order_enter(f))
        TAILQ_INSERT_TAIL(&o->ready, f, link);
}

static void spill(struct outlet *o, struct flight *f)
{
    f->spilled = true;
    if (f->order_key)
        order_row_waits(o, f->order_key);
    else
        o->spilled++;
}

void outlet_offer(struct outlet *o, struct flight *f)
{
    struct turn *t = o->dispatch->turn;

    flights_add(&t->created, f);
    if (o->spilled > 0 || o->memory >= window(o) || o->bytes >= DISPATCH_WINDOW_BYTES ||
        (f->order_key && !order_may_enter(o, f->order_key))) {
        spill(o, f);
        return;
    }
    f->open = true;
    t->open++;
    enter(o, f);
    outlet_pump(o);
}

static void leave(struct flight *f)
{
    if (!f->counted)
        return;
    f->counted = false;
    f->outlet->memory--;
    f->outlet->bytes -= f->event->event.size;
}

void outlet_shelve(struct flight *f)
{
    struct turn *t = f->outlet->dispatch->turn;

    leave(f);
    if (f->has_row) {
        flights_add(&t->shelved, f);
        return;
    }
    f->spilled = true; /* of the present turn */
    f->open = false;
    t->open--;
}

void outlet_forget(struct flight *f)
{
    struct outlet *o = f->outlet;

    leave(f);
    flight_free(f);
    outlet_load_due(o);
}

/* ---- fetching rows that are due ---- */

struct load {
    struct ledger_job job;
    struct outlet *outlet;
    unsigned limit;
    struct flight_list flights;
    const char *event; /* of the last row shown, where it stood */
    int64_t next;
};

static void free_flights(struct flight_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        flight_free(l->list[i]);
    flights_fini(l);
}

static void load_one(void *context, const struct owed_row *row)
{
    struct load *load = context;
    struct flight_list *l = &load->flights;
    struct flight *last = l->count ? l->list[l->count - 1] : NULL;
    bool same = last && row->place.block && last->place.block == row->place.block && load->event == row->event.ptr;

    load->event = row->event.ptr;
    flights_add(l, flight_from_row(load->outlet->dispatch, load->outlet, row, same ? last->event : NULL));
}

static bool load_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct load *load = (struct load *)job;
    free_flights(&load->flights); /* of a run that was undone */
    return owed_take(store, load->outlet->key, now.age_ms, load->limit, load_one, load, &load->next, diag);
}

/* A row came back. Its route may by now lead to another target than the one it was written for. */
static void load_arrived(struct dispatch *d, struct flight *f, struct outlet *from)
{
    struct weir_diag diag;

    backlog_move(f, from);
    if (!f->d.target || f->d.target->ops->send)
        enter(f->outlet, f);
    else if (flight_render(d, f, d->now, &diag))
        flights_add(&d->turn->puts, f);
    else
        outlet_give_up(f, "INVALID_INPUT", diag.message, NULL);
}

static void load_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct load *load = (struct load *)job;
    struct outlet *o = load->outlet;
    struct dispatch *d = o->dispatch;

    d->now = dispatch_now(d);
    d->loads--;
    o->loading = false;
    if (!ok) {
        log_error("cannot fetch deliveries that are due", LOG_STR("target", o->key), LOG_TEXT("reason", diag->message));
        free_flights(&load->flights);
        o->next_due = d->now.age_ms + LOAD_AGAIN_MS;
    } else {
        o->next_due = load->next;
    }
    for (size_t i = 0; i < load->flights.count; i++) {
        struct flight *f = load->flights.list[i];
        o->rows--;
        if (f->order_key)
            order_row_came(o, f->order_key);
        else
            o->spilled -= f->attempts == 0 && o->spilled > 0;
        load_arrived(d, f, o);
    }
    for (size_t i = 0; i < load->flights.count; i++)
        outlet_pump(load->flights.list[i]->outlet);
    flights_fini(&load->flights);
    free(load);
    outlet_load_due(o);
    turn_schedule(d);
    reload_try(d);
}

/* All of it has rows by now: a reload waits until every turn is committed. */
void outlet_reroute(struct outlet *o)
{
    struct dispatch *d = o->dispatch;
    struct flight_queue ready = TAILQ_HEAD_INITIALIZER(ready);
    struct flight *f;

    TAILQ_CONCAT(&ready, &o->ready, link);
    order_leave(o, &ready);
    while ((f = TAILQ_FIRST(&ready))) {
        TAILQ_REMOVE(&ready, f, link);
        leave(f);
        struct route *route =
            f->route ? route_find(d->generation, f->d.bus, f->d.rule, f->d.target_id, f->d.subscription) : NULL;
        if (route && route->outlet->target && route->outlet->def->adapter != &archive_adapter)
            flight_route(f, d->generation, route);
        else
            flight_strand(f);
        load_arrived(d, f, o);
    }
}

void outlet_load_due(struct outlet *o)
{
    struct dispatch *d = o->dispatch;

    if (o->loading || !o->rows || d->stopping || d->reload || o->memory > window(o) / 2 ||
        o->bytes > DISPATCH_WINDOW_BYTES / 2)
        return;
    if (o->next_due > d->now.age_ms) {
        dispatch_due(d, o->next_due);
        return;
    }
    if (!outlet_may_fetch(o))
        return;
    struct load *load = xalloc(sizeof *load);
    unsigned room = window(o) - o->memory;
    load->job.run = load_run;
    load->job.done = load_done;
    load->job.reply = d->mailbox;
    load->outlet = o;
    load->limit = room < LOAD_ROWS ? room : LOAD_ROWS;
    o->loading = true;
    d->loads++;
    ledger_submit(d->options.ledger, &load->job);
}

void outlet_rows_came(struct outlet *o, int64_t count, int64_t next_due)
{
    o->rows += count;
    if (next_due < o->next_due)
        o->next_due = next_due;
    outlet_load_due(o);
}

void outlet_tick(struct dispatch *d)
{
    d->now = dispatch_now(d);
    for (size_t i = 0; i < d->outlet_count; i++) {
        outlet_load_due(d->outlets[i]);
        outlet_pump(d->outlets[i]);
    }
}
