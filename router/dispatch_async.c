/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous invocations at work. They come by the Invoke operation, as deliveries of rules to functions with
 * `async`, and as results of other functions; each is a row of the ledger (targets/invocations.h) before anybody is
 * told that it was taken. From there:
 *
 *            news, due             room                         it succeeded, or is given up:
 *     row ─────────────► ready ───────────► run ─────► judged ─► record, dead letter, row deleted: one ledger job
 *      ▲                                                  │
 *      └──── a minute, then two; could not start: 1 s … 5 min
 *
 * Rows in memory are in hand; kill -9 at any moment leaves the row, and start-up makes it wait again, so a run may
 * happen twice and none is lost. How one ends is dispatch_async_end.c's.
 *
 * What hangs on an outlet is made with the first news of its function, and stays: a function that left the
 * configuration fails what is left of its invocations.
 */
#include <stdlib.h>

#include "router/dispatch_async_int.h"
#include "router/log.h"
#include "router/xalloc.h"

#define WINDOW_BYTES  (8u << 20)
#define THROTTLED_MS  1000
#define THROTTLED_MAX 300000

/* ---- life ---- */

static struct async *async_of(struct outlet *o)
{
    if (!o->async) {
        o->async = xalloc(sizeof *o->async);
        o->async->next_due = INVOCATION_IN_HAND;
        TAILQ_INIT(&o->async->ready);
    }
    return o->async;
}

static struct outlet *outlet_of_name(struct dispatch *d, struct str function)
{
    struct buf key = BUF_INIT;

    buf_printf(&key, "%s/%.*s", function_adapter.type, STR_ARG(function));
    xbuf(&key);
    struct outlet *o = outlet_find(d, buf_view(&key));
    buf_fini(&key);
    return o;
}

static struct item *item_create(struct outlet *o, const struct invocation_row *row)
{
    struct item *t = xalloc(sizeof *t);
    char *at = t->bytes = xalloc(row->request_id.size + row->client_context.size + row->payload.size + 3);

    t->row = *row;
    struct str *texts[] = {&t->row.request_id, &t->row.client_context, &t->row.payload};
    for (size_t i = 0; i < 3; i++) {
        memcpy(at, texts[i]->ptr ? texts[i]->ptr : "", texts[i]->size);
        texts[i]->ptr = at;
        at += texts[i]->size + 1;
    }
    t->row.function = STR(""); /* it is the outlet's */
    t->outlet = o;
    return t;
}

static void item_free(struct item *t)
{
    async_clear_end(t);
    buf_fini(&t->run.invocation.answer);
    free(t->bytes);
    free(t);
}

void async_forget(struct item *t)
{
    struct async *a = t->outlet->async;

    a->memory--;
    a->bytes -= t->row.payload.size;
    TAILQ_REMOVE(&t->outlet->dispatch->async_items, t, all);
    item_free(t);
}

/* ---- judging ---- */

const struct function_options *async_options(const struct outlet *o)
{
    return o->def ? o->def->options : NULL; /* NULL: it left the configuration */
}

static bool is_too_old(const struct item *t, int64_t more_ms)
{
    const struct function_options *o = async_options(t->outlet);
    return o && t->outlet->dispatch->now.age_ms + more_ms - t->row.accepted.age_ms > o->async.maximum_event_age;
}

/* It could not be started: that is no fault of the event. */
static void throttled(struct item *t)
{
    int64_t delay = THROTTLED_MS;

    for (int64_t i = 0; i < t->row.throttles && delay < THROTTLED_MAX; i++)
        delay *= 2;
    t->row.throttles++;
    if (is_too_old(t, 0))
        async_end(t, "EventAgeExceeded");
    else
        async_wait(t, delay < THROTTLED_MAX ? delay : THROTTLED_MAX);
}

static void failed(struct item *t)
{
    const struct function_options *o = async_options(t->outlet);
    int64_t delay = o ? o->async.retry_interval * (t->row.attempts ? 2 : 1) : 0;

    t->ran = true;
    t->row.throttles = 0;
    t->row.attempts++;
    log_info("an asynchronous invocation failed", LOG_STR("target", t->outlet->key),
             LOG_STR("request", t->row.request_id), LOG_INT("attempts", t->row.attempts),
             LOG_TEXT("code", t->run.invocation.verdict.code), LOG_TEXT("reason", t->run.invocation.verdict.message));
    if (!o || t->row.attempts > o->async.maximum_retry_attempts)
        async_end(t, "RetriesExhausted");
    else if (is_too_old(t, delay))
        async_end(t, "EventAgeExceeded");
    else
        async_wait(t, delay);
}

static void done(struct direct_run *run)
{
    struct item *t = (struct item *)run;
    const struct verdict *v = &run->invocation.verdict;

    if (t->outlet->dispatch->drained)
        return; /* too late to be written: its row stands, and it is run again */
    if (v->kind == VERDICT_SETTLED) {
        t->ran = true;
        t->row.attempts++;
        async_end(t, "Success");
    } else if (str_is(STR("THROTTLING"), v->code)) {
        throttled(t);
    } else {
        failed(t);
    }
}

static void dropped(struct direct_run *run) {}

/* ---- starting ---- */

static bool start(struct item *t)
{
    struct invocation *i = &t->run.invocation;
    const struct function_options *o = async_options(t->outlet);

    i->payload = t->row.payload;
    i->client_context = t->row.client_context;
    i->attempts = (uint32_t)t->row.attempts;
    i->wants_answer = o->async.on_success || o->async.on_failure;
    memcpy(i->request_id, t->row.request_id.ptr,
           t->row.request_id.size < UUID_SIZE ? t->row.request_id.size : UUID_SIZE);
    t->run.done = done;
    t->run.dropped = dropped;
    t->run.gated = true;
    return outlet_run(t->outlet, &t->run);
}

/* False: it stays where it is. */
static bool take_up(struct item *t)
{
    struct outlet *o = t->outlet;

    if (o->target && !is_too_old(t, 0) && (!outlet_may_start(o) || !start(t)))
        return false;
    TAILQ_REMOVE(&o->async->ready, t, link);
    if (o->target && !is_too_old(t, 0))
        return true;
    verdict_set(&t->run.invocation.verdict, VERDICT_FAILED, o->target ? "TIMEOUT" : "NO_RESOURCE", "%s",
                o->target ? "it did not get its turn in time" : "the function is not configured any more");
    async_end(t, o->target ? "EventAgeExceeded" : "RetriesExhausted");
    return true;
}

/* ---- fetching ---- */

struct load {
    struct ledger_job job;
    struct outlet *outlet;
    int64_t age;
    unsigned limit;
    struct item_queue items;
    int64_t next;
};

static void drop_items(struct item_queue *q)
{
    struct item *t;

    while ((t = TAILQ_FIRST(q))) {
        TAILQ_REMOVE(q, t, link);
        item_free(t);
    }
}

static void load_one(void *context, const struct invocation_row *row)
{
    struct load *load = context;
    struct item *t = item_create(load->outlet, row);

    TAILQ_INSERT_TAIL(&load->items, t, link);
}

static bool load_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct load *load = (struct load *)job;
    const char *name = strchr(load->outlet->key.ptr, '/') + 1;

    drop_items(&load->items); /* of a run that was undone */
    return invocations_take(s, str_from(name), load->age, load->limit, load_one, load, &load->next, diag);
}

static void load_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct load *load = (struct load *)job;
    struct outlet *o = load->outlet;
    struct async *a = o->async;
    struct dispatch *d = o->dispatch;
    struct item *t;

    d->now = dispatch_now(d);
    d->loads--;
    a->loading = false;
    if (!ok) {
        log_error("cannot fetch asynchronous invocations", LOG_STR("target", o->key),
                  LOG_TEXT("reason", diag->message));
        drop_items(&load->items);
        load->next = d->now.age_ms + ASYNC_AGAIN_MS;
    }
    if (load->next < a->next_due)
        a->next_due = load->next;
    while ((t = TAILQ_FIRST(&load->items))) {
        TAILQ_REMOVE(&load->items, t, link);
        TAILQ_INSERT_TAIL(&a->ready, t, link);
        TAILQ_INSERT_TAIL(&d->async_items, t, all);
        a->memory++;
        a->bytes += t->row.payload.size;
    }
    free(load);
    outlet_pump(o);
    dispatch_stopped(d);
    reload_try(d);
}

static void fetch(struct outlet *o)
{
    struct async *a = o->async;
    struct dispatch *d = o->dispatch;
    uint32_t window = 2 * (o->target ? (uint32_t)o->def->policy->concurrency : 8);

    if (a->loading || a->memory > window / 2 || a->bytes > WINDOW_BYTES / 2)
        return;
    int64_t age = o->target ? d->now.age_ms : INVOCATION_IN_HAND - 1; /* nobody comes back: all of it has failed */
    if (!a->news && a->next_due > age) {
        if (a->next_due != INVOCATION_IN_HAND)
            dispatch_due(d, a->next_due);
        return;
    }
    struct load *load = xalloc(sizeof *load);
    load->job = (struct ledger_job){.run = load_run, .done = load_done, .reply = d->mailbox};
    load->outlet = o;
    load->age = age;
    load->limit = window - a->memory;
    TAILQ_INIT(&load->items);
    a->news = false;
    a->next_due = INVOCATION_IN_HAND;
    a->loading = true;
    d->loads++;
    ledger_submit(d->options.ledger, &load->job);
}

void async_pump(struct outlet *o)
{
    struct dispatch *d = o->dispatch;
    struct item *t;

    if (d->stopping || d->reload)
        return;
    while ((t = TAILQ_FIRST(&o->async->ready)) && take_up(t))
        continue;
    fetch(o);
}

/* ---- news ---- */

struct news {
    struct mail mail;
    struct dispatch *dispatch;
    struct str function;
    char text[];
};

static void take_news(struct dispatch *d, struct str function)
{
    struct outlet *o = outlet_of_name(d, function);

    async_of(o)->news = true;
    outlet_pump(o);
}

static void news_deliver(struct mail *m)
{
    struct news *n = (struct news *)m;

    n->dispatch->now = dispatch_now(n->dispatch);
    take_news(n->dispatch, n->function);
    free(n);
}

static void news_cb(void *context, struct str function) /* ledger thread */
{
    struct dispatch *d = context;
    struct news *n = xalloc(sizeof *n + function.size);

    memcpy(n->text, function.ptr, function.size);
    n->function = (struct str){n->text, function.size};
    n->dispatch = d;
    n->mail.deliver = news_deliver;
    mailbox_post(d->mailbox, &n->mail);
}

static void found_cb(void *context, struct str function)
{
    struct outlet *o = outlet_of_name(context, function);

    async_of(o)->news = true;
    if (!o->def)
        log_warn("asynchronous invocations are left of a function that is not configured any more: they fail",
                 LOG_STR("target", o->key));
}

bool async_load(struct dispatch *d, struct store *s, struct weir_diag *diag)
{
    return invocations_watch(s, news_cb, d, diag) && invocations_release(s, found_cb, d, diag);
}

void async_close(struct dispatch *d)
{
    struct item *t;

    while ((t = TAILQ_FIRST(&d->async_items))) {
        TAILQ_REMOVE(&d->async_items, t, all);
        item_free(t);
    }
}
