/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event source mappings at work: messages of a queue, in batches, for a function. One receive a mapping at a time; it
 * waits in the queue's line as a client's long poll does (queue_waiters.h), so an idle mapping costs nothing.
 *
 *      room at the function                    full, or the window is over          room
 *     ──────────────────────► receive ─► batch ─────────────────────────────► ready ─────► run ─► judged ─► deleted
 *                                ▲         │ not full yet                                           │
 *                                └─────────┘                                        those that failed come again when
 *                                                                                   their visibility timeout is over
 *
 * Nothing is kept here that the queue does not know: messages are in flight until they are deleted, so kill -9 only
 * makes them come again, and redrive policies, receive counts and the order of message groups are the queue's own.
 */
#include "router/dispatch_mapping.h"

#include <stdlib.h>

#include "router/log.h"
#include "router/mapping_event.h"
#include "router/queue_waiters.h"
#include "router/xalloc.h"

#define BATCH_BYTES (4u << 20) /* of bodies: as JSON they are to stay below Lambda's 6 MB */
#define POLL_MS     3600000
#define AGAIN_MS    1000 /* the ledger could not */

struct receive {           /* lives until it comes back, whatever became of its mapping */
    struct ledger_job job; /* first */
    struct queue_waiter waiter;
    struct mapping *mapping; /* NULL: nobody wants it any more */
    struct dispatch *dispatch;
    TAILQ_ENTRY(receive) link;
    struct ruleset *set; /* of the queue's definition: a reference */
    const struct target_def *queue;
    unsigned max;
    size_t bytes_max;
    struct mapped_batch got;
    struct queue_got result;
};

struct work_batch {        /* lives until its messages are deleted */
    struct direct_run run; /* first */
    struct ledger_job job;
    struct mapping *mapping; /* NULL: it is gone */
    struct dispatch *dispatch;
    TAILQ_ENTRY(work_batch) link, all;
    struct ruleset *set;
    struct str queue; /* its name */
    bool partial;
    struct mapped_batch messages;
    struct buf payload;
};
TAILQ_HEAD(work_queue, work_batch);

struct mapping {
    TAILQ_ENTRY(mapping) link;
    struct dispatch *dispatch;
    struct str name; /* owned */
    struct ruleset *set;
    const struct event_source_mapping *def; /* of that set */
    struct outlet *outlet;                  /* the function's; NULL: there is none */
    struct receive *receive;                /* under way; NULL: none */
    struct mapped_batch open;               /* being filled */
    bool due;                               /* its window is over */
    struct event *window;
    struct work_queue ready; /* no room at the function */
    uint32_t running;
    int64_t not_before; /* age: the ledger could not */
};

static void pump(struct mapping *m);

/* ---- the end of a batch ---- */

static void batch_free(struct work_batch *b)
{
    TAILQ_REMOVE(&b->dispatch->mapped_batches, b, all);
    mapped_batch_fini(&b->messages);
    buf_fini(&b->payload);
    buf_fini(&b->run.invocation.answer);
    ruleset_unref(b->set);
    free(b);
}

static struct work_batch *batch_of_job(struct ledger_job *job)
{
    return (struct work_batch *)((char *)job - offsetof(struct work_batch, job));
}

static bool delete_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct work_batch *b = batch_of_job(job);
    bool found;

    for (size_t i = 0; i < b->messages.count; i++) {
        const struct mapped_message *m = &b->messages.list[i];
        if (!m->failed && !queue_delete(s, b->queue, m->message.receipt_handle, now, &found, diag))
            return false;
    }
    return true;
}

static void delete_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct work_batch *b = batch_of_job(job);
    struct dispatch *d = b->dispatch;
    struct mapping *m = b->mapping;

    d->now = dispatch_now(d);
    d->loads--;
    if (!ok)
        log_error("messages of an event source mapping cannot be deleted: they will come again",
                  LOG_STR("queue", b->queue), LOG_TEXT("reason", diag->message));
    if (m)
        m->running--;
    batch_free(b);
    if (m)
        pump(m);
    dispatch_stopped(d);
    reload_try(d);
}

static void delete_messages(struct work_batch *b)
{
    b->job = (struct ledger_job){.run = delete_run, .done = delete_done, .reply = b->dispatch->mailbox};
    b->dispatch->loads++;
    ledger_submit(b->dispatch->options.ledger, &b->job);
}

static void fail_all(struct work_batch *b)
{
    for (size_t i = 0; i < b->messages.count; i++)
        b->messages.list[i].failed = !b->messages.list[i].unwanted;
}

static void run_done(struct direct_run *run)
{
    struct work_batch *b = (struct work_batch *)run;
    const struct verdict *v = &run->invocation.verdict;
    struct str name = b->mapping ? b->mapping->name : STR("");
    bool well = v->kind == VERDICT_SETTLED;

    if (!well) {
        log_warn("an event source mapping's run failed", LOG_STR("mapping", name), LOG_STR("queue", b->queue),
                 LOG_TEXT("code", v->code), LOG_TEXT("reason", v->message));
        fail_all(b);
    } else if (b->partial && !mapped_batch_judge(&b->messages, buf_view(&run->invocation.answer))) {
        log_warn("a function's batchItemFailures cannot be read, or name what is not in the batch: all of it failed",
                 LOG_STR("mapping", name), LOG_STR("queue", b->queue));
        fail_all(b);
        well = false;
    }
    if (b->mapping)
        series_add(metric_str(METRIC_MAPPING_RUNS, (struct str[]){name, well ? STR("succeeded") : STR("failed")}), 1);
    delete_messages(b);
}

static void run_dropped(struct direct_run *run) {}

/* ---- a batch on its way ---- */

static bool start(struct mapping *m, struct work_batch *b)
{
    struct invocation *i = &b->run.invocation;

    b->run.done = run_done;
    b->run.dropped = run_dropped;
    b->run.gated = true;
    i->payload = buf_view(&b->payload);
    i->wants_answer = b->partial;
    return outlet_may_start(m->outlet) && outlet_run(m->outlet, &b->run);
}

static void start_ready(struct mapping *m)
{
    struct work_batch *b;

    while (m->outlet && (b = TAILQ_FIRST(&m->ready)) && start(m, b))
        TAILQ_REMOVE(&m->ready, b, link);
}

static void send_open(struct mapping *m)
{
    struct dispatch *d = m->dispatch;
    struct work_batch *b = xalloc(sizeof *b);

    event_del(m->window);
    m->due = false;
    b->mapping = m;
    b->dispatch = d;
    b->set = ruleset_ref(m->set);
    b->queue = m->def->queue->name;
    b->partial = m->def->partial;
    b->messages = m->open;
    m->open = (struct mapped_batch){0};
    m->running++;
    TAILQ_INSERT_TAIL(&d->mapped_batches, b, all);
    if (!mapped_batch_filter(&b->messages, m->def->filter, b->set, b->queue)) {
        delete_messages(b);
        return;
    }
    mapped_batch_write(&b->payload, &b->messages, b->set, b->queue);
    if (!uuid_random(b->run.invocation.request_id))
        xfail("the kernel gives no random bytes");
    TAILQ_INSERT_TAIL(&m->ready, b, link);
    start_ready(m);
}

static bool is_full(const struct mapping *m)
{
    return m->open.count >= (size_t)m->def->batch_size || m->open.bytes >= BATCH_BYTES || m->due || !m->def->window_ms;
}

static void window_cb(evutil_socket_t fd, short what, void *context)
{
    struct mapping *m = context;

    m->due = true;
    m->dispatch->now = dispatch_now(m->dispatch);
    pump(m);
}

/* ---- receiving ---- */

static void take_message(void *context, const struct queue_message *message)
{
    mapped_batch_add(&((struct receive *)context)->got, message);
}

static bool receive_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct receive *r = (struct receive *)job;
    struct queue_want want = {r->max, -1, r->bytes_max, take_message, r};

    mapped_batch_fini(&r->got); /* of a run that was undone */
    r->result = (struct queue_got){.next_age_ms = INT64_MAX};
    if (!queue_receive(s, r->queue, &want, now, &r->result, diag))
        return false;
    queue_waiters_look(r->dispatch->waiters, &r->waiter, r->queue->name, &r->result);
    return true;
}

static void receive_free(struct receive *r)
{
    TAILQ_REMOVE(&r->dispatch->receives, r, link);
    mapped_batch_fini(&r->got);
    ruleset_unref(r->set);
    free(r);
}

static void append(struct mapping *m, struct mapped_batch *got)
{
    for (size_t i = 0; i < got->count; i++)
        mapped_batch_add(&m->open, &got->list[i].message);
}

/* It has left the line, with what it got. */
static void receive_over(struct receive *r, bool ok)
{
    struct mapping *m = r->mapping;
    struct dispatch *d = r->dispatch;

    d->now = dispatch_now(d);
    if (m) {
        m->receive = NULL;
        if (ok && r->got.count && !m->open.count && m->def->window_ms)
            event_add(m->window, &(struct timeval){m->def->window_ms / 1000, m->def->window_ms % 1000 * 1000});
        if (ok)
            append(m, &r->got);
        else
            m->not_before = d->now.age_ms + AGAIN_MS;
    }
    receive_free(r); /* what nobody wants any more comes again after its visibility timeout */
    if (m)
        pump(m);
}

static void receive_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct receive *r = (struct receive *)job;

    if (!ok)
        log_error("an event source mapping cannot receive, trying again", LOG_STR("queue", r->queue->name),
                  LOG_TEXT("reason", diag->message));
    if (!queue_waiter_rest(r->dispatch->waiters, &r->waiter, ok, &r->result))
        receive_over(r, ok);
}

static void waited_cb(struct queue_waiter *w)
{
    receive_over((struct receive *)w->job, true);
}

static void receive(struct mapping *m)
{
    struct dispatch *d = m->dispatch;
    struct receive *r = xalloc(sizeof *r);
    size_t left = (size_t)m->def->batch_size - m->open.count;

    r->mapping = m;
    r->dispatch = d;
    r->set = ruleset_ref(m->set);
    r->queue = m->def->queue;
    r->max = left < QUEUE_RECEIVE_MAX ? (unsigned)left : QUEUE_RECEIVE_MAX;
    r->bytes_max = BATCH_BYTES - m->open.bytes;
    r->job = (struct ledger_job){.run = receive_run, .done = receive_done, .reply = d->mailbox};
    r->waiter = (struct queue_waiter){.job = &r->job, .over = waited_cb, .deadline_age_ms = d->now.age_ms + POLL_MS};
    m->receive = r;
    TAILQ_INSERT_TAIL(&d->receives, r, link);
    ledger_submit(d->options.ledger, &r->job);
}

static bool may_receive(struct mapping *m)
{
    struct dispatch *d = m->dispatch;
    const struct event_source_mapping *def = m->def;

    if (m->receive || !m->outlet || !def->enabled || !def->queue || d->stopping || d->calls_end || d->reload ||
        !TAILQ_EMPTY(&m->ready) || (def->concurrency && m->running >= def->concurrency))
        return false;
    if (m->not_before > d->now.age_ms) {
        dispatch_due(d, m->not_before);
        return false;
    }
    return outlet_has_room(m->outlet);
}

static void pump(struct mapping *m)
{
    if (m->dispatch->stopping || m->dispatch->reload)
        return;
    start_ready(m);
    if (m->open.count && m->def->queue && is_full(m) && TAILQ_EMPTY(&m->ready))
        send_open(m);
    if (may_receive(m))
        receive(m);
}

void mappings_pump(struct outlet *o)
{
    struct mapping *m;

    TAILQ_FOREACH (m, &o->dispatch->mappings, link)
        if (m->outlet == o)
            pump(m);
}

/* ---- which there are ---- */

static struct mapping *find(struct dispatch *d, struct str name)
{
    struct mapping *m;

    TAILQ_FOREACH (m, &d->mappings, link)
        if (str_eq(m->name, name))
            return m;
    return NULL;
}

static struct mapping *make(struct dispatch *d, struct str name)
{
    struct mapping *m = xalloc(sizeof *m);

    m->dispatch = d;
    m->name = xstr(name);
    TAILQ_INIT(&m->ready);
    if (!(m->window = event_new(d->host.base, -1, 0, window_cb, m)))
        xfail("out of memory");
    TAILQ_INSERT_TAIL(&d->mappings, m, link);
    return m;
}

/* It waits for a queue, or with a number, that is not the present one. */
static void forget_receive(struct mapping *m)
{
    struct receive *r = m->receive;

    if (!r)
        return;
    m->receive = NULL;
    r->mapping = NULL;
    if (queue_waiter_cancel(m->dispatch->waiters, &r->waiter))
        receive_free(r);
}

static bool is_same(const struct event_source_mapping *a, const struct event_source_mapping *b)
{
    return a->enabled == b->enabled && a->batch_size == b->batch_size && a->window_ms == b->window_ms && a->queue &&
           b->queue && target_def_equal(a->queue, b->queue);
}

static void rebind(struct mapping *m, struct ruleset *set, const struct event_source_mapping *def)
{
    struct dispatch *d = m->dispatch;

    if (m->def && !is_same(m->def, def)) {
        forget_receive(m);
        event_del(m->window);
        mapped_batch_fini(&m->open); /* its messages come again */
    }
    ruleset_unref(m->set);
    m->set = ruleset_ref(set);
    m->def = def;
    m->outlet = def->function ? d->generation->outlets[def->function->index] : NULL;
    if (m->outlet)
        m->outlet->mapped = true;
}

static void destroy(struct mapping *m)
{
    struct work_batch *b;

    TAILQ_FOREACH (b, &m->dispatch->mapped_batches, all)
        if (b->mapping == m)
            b->mapping = NULL;
    while ((b = TAILQ_FIRST(&m->ready))) {
        TAILQ_REMOVE(&m->ready, b, link);
        batch_free(b);
    }
    TAILQ_REMOVE(&m->dispatch->mappings, m, link);
    event_free(m->window);
    mapped_batch_fini(&m->open);
    ruleset_unref(m->set);
    free((char *)m->name.ptr);
    free(m);
}

void mappings_apply(struct dispatch *d)
{
    struct ruleset *set = d->generation->set;
    struct mapping *m, *next;

    for (m = TAILQ_FIRST(&d->mappings); m; m = next) {
        next = TAILQ_NEXT(m, link);
        const struct event_source_mapping *def = ruleset_mapping(set, m->name);
        if (def)
            continue;
        forget_receive(m);
        destroy(m);
    }
    for (uint32_t i = 0; i < set->mapping_count; i++) {
        const struct event_source_mapping *def = &set->mappings[i];
        m = find(d, def->name);
        rebind(m ? m : make(d, def->name), set, def);
    }
    TAILQ_FOREACH (m, &d->mappings, link)
        pump(m);
}

void mappings_close(struct dispatch *d)
{
    struct mapping *m;
    struct receive *r;
    struct work_batch *b;

    while ((m = TAILQ_FIRST(&d->mappings)))
        destroy(m);
    while ((r = TAILQ_FIRST(&d->receives)))
        receive_free(r);
    while ((b = TAILQ_FIRST(&d->mapped_batches)))
        batch_free(b);
}
