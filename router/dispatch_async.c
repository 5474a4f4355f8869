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
 * happen twice and none is lost. A record for a bus goes through the journal, and the row goes when that is synced.
 *
 * What hangs on an outlet is made with the first news of its function, and stays: a function that left the
 * configuration fails what is left of its invocations.
 */
#include "router/dispatch_async.h"

#include <stdlib.h>

#include "router/invocation_record.h"
#include "router/log.h"
#include "router/publish.h"
#include "router/signer.h"
#include "router/xalloc.h"
#include "targets/bus.h"
#include "targets/invocations.h"
#include "targets/queue.h"

#define WINDOW_BYTES  (8u << 20)
#define AGAIN_MS      1000 /* the ledger could not */
#define THROTTLED_MS  1000
#define THROTTLED_MAX 300000
#define HOPS_MAX      16
#define RECORD_MAX    (LIMIT_EVENT_BYTES - (64 << 10)) /* room for what an event or a message has around it */

TAILQ_HEAD(item_queue, item);

struct async { /* of one function */
    struct item_queue ready;
    uint32_t memory; /* items */
    size_t bytes;    /* of their payloads */
    bool loading, news;
    int64_t next_due;
};

struct item {              /* an invocation in memory */
    struct direct_run run; /* first */
    TAILQ_ENTRY(item) link;
    TAILQ_ENTRY(item) all;
    struct outlet *outlet;
    struct invocation_row row;
    bool ran;
    char *bytes; /* behind row */

    /* what becomes of it */
    struct ledger_job job;
    struct journal_batch batch;
    struct journal_event event;
    struct mail mail;
    enum journal_result journaled;
    struct publishing *publishing; /* NULL: to no topic */
    struct ruleset *set;           /* that these live in: a reference */
    const char *condition;         /* NULL: it waits until next_age */
    int64_t next_age;
    const struct target_def *record_to, *letter_to; /* NULL: nobody */
    struct buf record, envelope;
};

struct publishing {
    struct publish_call call; /* first */
    struct item *item;
};

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

static void clear_end(struct item *t)
{
    ruleset_unref(t->set);
    t->set = NULL;
    free(t->publishing);
    t->publishing = NULL;
    buf_fini(&t->record);
    buf_fini(&t->envelope);
}

static void item_free(struct item *t)
{
    clear_end(t);
    buf_fini(&t->run.invocation.answer);
    free(t->bytes);
    free(t);
}

/* Takes it out of memory; its row stands as it was committed. */
static void forget(struct item *t)
{
    struct async *a = t->outlet->async;

    a->memory--;
    a->bytes -= t->row.payload.size;
    TAILQ_REMOVE(&t->outlet->dispatch->async_items, t, all);
    item_free(t);
}

/* ---- the end of one, or of one try ---- */

static struct item *item_of_job(struct ledger_job *job)
{
    return (struct item *)((char *)job - offsetof(struct item, job));
}

static bool put_letter(struct item *t, struct store *s, const struct target_def *queue, struct weir_time now,
                       struct weir_diag *diag)
{
    struct buf attributes = BUF_INIT;

    record_write_attributes(&attributes, t->outlet->def ? t->outlet->def->arn : t->outlet->key, &t->run.invocation,
                            t->row.request_id, t->condition);
    struct queue_send m = {.body = t->row.payload, .attributes = buf_view(&attributes), .delay_ms = -1};
    bool ok = queue_put(s, queue, &m, now, NULL, diag);
    buf_fini(&attributes);
    return ok;
}

/* To a bus or a topic it went before. */
static bool put_record(struct item *t, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    char id[UUID_SIZE + 1];

    if (t->record_to->adapter == &queue_adapter) {
        struct queue_send m = {.body = buf_view(&t->record), .attributes = STR(""), .delay_ms = -1};
        return queue_put(s, t->record_to, &m, now, NULL, diag);
    }
    if (t->record_to->adapter != &function_adapter)
        return true;
    struct invocation_row row = {.function = t->record_to->name,
                                 .request_id = {id, UUID_SIZE},
                                 .payload = buf_view(&t->record),
                                 .hops = t->row.hops + 1};
    if (!uuid_random(id))
        xfail("the kernel gives no random bytes");
    return invocations_insert(s, &row, now, diag);
}

static bool end_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct item *t = item_of_job(job);

    if (!t->condition)
        return invocations_retry(s, t->row.id, t->row.attempts, t->row.throttles, t->next_age, diag);
    return invocations_delete(s, t->row.id, diag) && (!t->record_to || put_record(t, s, now, diag)) &&
           (!t->letter_to || put_letter(t, s, t->letter_to, now, diag));
}

static void end_done(struct ledger_job *job, bool ok, const struct weir_diag *diag);

static void submit_end(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;

    t->job = (struct ledger_job){.run = end_run, .done = end_done, .reply = d->mailbox};
    ledger_submit(d->options.ledger, &t->job);
}

static void again_cb(evutil_socket_t fd, short what, void *context)
{
    submit_end(context);
}

static void end_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    static const struct timeval pause = {AGAIN_MS / 1000, 0};
    struct item *t = item_of_job(job);
    struct outlet *o = t->outlet;
    struct dispatch *d = o->dispatch;

    d->now = dispatch_now(d);
    if (!ok) {
        log_error("the end of an asynchronous invocation cannot be committed, trying again", LOG_STR("target", o->key),
                  LOG_TEXT("reason", diag->message));
        if (event_base_once(d->host.base, -1, EV_TIMEOUT, again_cb, t, &pause) != 0)
            xfail("cannot set a timer");
        return;
    }
    d->loads--;
    if (!t->condition && t->next_age < o->async->next_due)
        o->async->next_due = t->next_age;
    forget(t);
    outlet_pump(o);
    dispatch_stopped(d);
    reload_try(d);
}

/* ---- a record for a bus: the journal first ---- */

/* It could not be handed on: all of it again, later. */
static void put_back(struct item *t, const char *message)
{
    log_error(message, LOG_STR("target", t->outlet->key), LOG_STR("destination", t->record_to->name));
    t->condition = NULL;
    t->next_age = dispatch_now(t->outlet->dispatch).age_ms + AGAIN_MS;
    submit_end(t);
}

static void journaled_mail(struct mail *m)
{
    struct item *t = (struct item *)((char *)m - offsetof(struct item, mail));
    if (t->journaled == JOURNAL_SYNCED) {
        series_add(metric_str(METRIC_EVENTS_ACCEPTED, (struct str[]){t->record_to->name, STR("lambda")}), 1);
        submit_end(t);
        return;
    }
    put_back(t, "the record of an asynchronous invocation cannot be put on its bus, trying again");
}

static void journaled(struct journal_batch *b, enum journal_result result) /* journal thread */
{
    struct item *t = (struct item *)((char *)b - offsetof(struct item, batch));

    t->journaled = result;
    mailbox_post(t->outlet->dispatch->mailbox, &t->mail);
}

static void put_on_bus(struct item *t, const char *status)
{
    struct dispatch *d = t->outlet->dispatch;

    record_write_event(&t->envelope, t->set, t->record_to, t->outlet->def ? t->outlet->def->arn : STR(""), status,
                       buf_view(&t->record), d->now.wall_ms);
    t->event = (struct journal_event){t->record_to->name, buf_view(&t->envelope), JOURNAL_REPEATED_KEYS};
    t->batch = (struct journal_batch){.events = &t->event, .count = 1, .done = journaled};
    t->mail.deliver = journaled_mail;
    if (journal_submit(d->journal, &t->batch))
        return;
    t->journaled = JOURNAL_FAILED;
    mailbox_post(d->mailbox, &t->mail);
}

/* ---- a record for a topic: its deliveries first ---- */

static void published(struct publish_call *call)
{
    struct item *t = ((struct publishing *)call)->item;

    if (call->status == 200)
        submit_end(t);
    else
        put_back(t, "the record of an asynchronous invocation cannot be published, trying again");
}

static void publish(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;
    struct arena arena = ARENA_INIT;
    struct publishing *p = t->publishing = xalloc(sizeof *p);
    struct publish_message *m = &p->call.messages[0];

    if (!uuid_random(m->id))
        xfail("the kernel gives no random bytes");
    struct topic_message said = {.id = str_from(m->id), .text = buf_view(&t->record), .time_ms = d->now.wall_ms};
    if (d->options.signer)
        said.base_url = signer_url(d->options.signer, &arena);
    publish_document(&t->envelope, &said, false, STR(""), STR(""));
    arena_fini(&arena);
    m->subscription = STR("");
    m->document = buf_view(&t->envelope);
    m->text = buf_view(&t->record);
    m->filterable = STR("{}");
    m->deduplication = STR("");
    p->item = t;
    p->call.topic = t->record_to->name;
    p->call.count = 1;
    p->call.reply = d->mailbox;
    p->call.done = published;
    dispatch_publish(d, &p->call);
}

/* ---- judging ---- */

static void begin_end(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;

    d->loads++; /* a reload waits for it, and so does the end */
    t->set = ruleset_ref(d->generation->set);
}

static const struct function_options *options_of(const struct outlet *o)
{
    return o->def ? o->def->options : NULL; /* NULL: it left the configuration */
}

/* One that nobody could take becomes a dead letter of its event. */
static void write_record(struct item *t)
{
    struct outlet *o = t->outlet;

    record_write(&t->record, o->def->arn, t->condition, &t->row, t->ran ? &t->run.invocation : NULL,
                 o->dispatch->now.wall_ms);
    if (t->record.size <= RECORD_MAX && t->row.hops < HOPS_MAX)
        return;
    if (t->record.size > RECORD_MAX)
        verdict_set(&t->run.invocation.verdict, VERDICT_FAILED, "RECORD_TOO_LARGE",
                    "the record of its result has more than %d bytes", RECORD_MAX);
    else
        verdict_set(&t->run.invocation.verdict, VERDICT_FAILED, "TOO_MANY_HOPS",
                    "it is the result of more than %d functions in a row", HOPS_MAX);
    t->record_to = NULL;
    t->letter_to = t->set->dead_letters;
}

static void end_for_good(struct item *t, const char *condition)
{
    struct outlet *o = t->outlet;
    const struct function_options *options = options_of(o);
    bool well = strcmp(condition, "Success") == 0;

    begin_end(t);
    t->condition = condition;
    t->record_to = options ? (well ? options->async.on_success : options->async.on_failure) : NULL;
    t->letter_to = well                                    ? NULL
                   : options && options->async.dead_letter ? options->async.dead_letter
                   : t->record_to                          ? NULL
                                                           : t->set->dead_letters;
    series_add(metric(METRIC_ASYNC_INVOCATIONS, o->key.ptr, well ? "succeeded" : "failed"), 1);
    if (!well)
        log_warn("an asynchronous invocation is given up", LOG_STR("target", o->key),
                 LOG_STR("request", t->row.request_id), LOG_TEXT("condition", condition),
                 LOG_TEXT("code", t->run.invocation.verdict.code),
                 LOG_TEXT("reason", t->run.invocation.verdict.message));
    if (t->record_to)
        write_record(t);
    if (t->record_to && t->record_to->adapter == &bus_adapter)
        put_on_bus(t, well ? "Success" : "Failure");
    else if (t->record_to && t->record_to->adapter == &topic_adapter)
        publish(t);
    else
        submit_end(t);
}

static void wait_until(struct item *t, int64_t delay_ms)
{
    struct outlet *o = t->outlet;

    begin_end(t);
    t->condition = NULL;
    t->next_age = o->dispatch->now.age_ms + delay_ms;
    series_add(metric(METRIC_ASYNC_INVOCATIONS, o->key.ptr, "retried"), 1);
    submit_end(t);
}

static bool is_too_old(const struct item *t, int64_t more_ms)
{
    const struct function_options *o = options_of(t->outlet);
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
        end_for_good(t, "EventAgeExceeded");
    else
        wait_until(t, delay < THROTTLED_MAX ? delay : THROTTLED_MAX);
}

static void failed(struct item *t)
{
    const struct function_options *o = options_of(t->outlet);
    int64_t delay = o ? o->async.retry_interval * (t->row.attempts ? 2 : 1) : 0;

    t->ran = true;
    t->row.throttles = 0;
    t->row.attempts++;
    log_info("an asynchronous invocation failed", LOG_STR("target", t->outlet->key),
             LOG_STR("request", t->row.request_id), LOG_INT("attempts", t->row.attempts),
             LOG_TEXT("code", t->run.invocation.verdict.code), LOG_TEXT("reason", t->run.invocation.verdict.message));
    if (!o || t->row.attempts > o->async.maximum_retry_attempts)
        end_for_good(t, "RetriesExhausted");
    else if (is_too_old(t, delay))
        end_for_good(t, "EventAgeExceeded");
    else
        wait_until(t, delay);
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
        end_for_good(t, "Success");
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
    const struct function_options *o = options_of(t->outlet);

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
    end_for_good(t, o->target ? "EventAgeExceeded" : "RetriesExhausted");
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
        load->next = d->now.age_ms + AGAIN_MS;
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
