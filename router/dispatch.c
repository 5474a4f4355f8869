/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch's life: opened before anything runs (targets recover, the cursor is read), started with the journal, stopped
 * in two steps, closed when the ledger is.
 *
 * To stop: nothing more is read or sent; what is with a target may settle for drain_ms; then the last turn is
 * committed, and the loop ends when the ledger has answered. What has not settled has rows, and goes on after the next
 * start. A ledger that does not answer is given up on after STOP_EXTRA_MS: nothing is lost by that, only done again.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "router/archive_delete.h"
#include "router/deduplication.h"
#include "router/dispatch_async.h"
#include "router/dispatch_mapping.h"
#include "router/log.h"
#include "router/owed_pack.h"
#include "router/publish.h"
#include "router/replay.h"
#include "router/schedules.h"
#include "router/trail.h"
#include "router/xalloc.h"

#define STOP_EXTRA_MS 5000

const char *const result_names[RESULT_COUNT] = {
    [RESULT_DELIVERED] = "delivered",
    [RESULT_RETRIED] = "retried",
    [RESULT_DEAD_LETTERED] = "dead_lettered",
    [RESULT_DROPPED] = "dropped",
};

/* ---- lent to targets ---- */

static void host_work(struct host *host, struct work *work)
{
    workers_submit(((struct dispatch *)host)->workers, work);
}

static struct weir_time host_now(struct host *host)
{
    return dispatch_now((struct dispatch *)host);
}

static void host_log(struct host *host, int level, const struct delivery *d)
{
    const struct log_field fields[] = {
        LOG_STR("bus", d->bus),
        LOG_STR("rule", d->rule),
        LOG_STR("target", d->target->def->name),
        LOG_STR("input", d->input),
    };
    log_each((enum log_level)level, "event", fields, sizeof fields / sizeof fields[0]);
}

static void host_log_line(struct host *host, const struct target *t, struct str request_id, struct str line)
{
    const struct log_field fields[] = {LOG_STR(t->def->adapter->type, t->def->name), LOG_STR("line", line),
                                       LOG_STR("request", request_id)};

    log_each(LEVEL_INFO, "output", fields, request_id.size ? 3 : 2);
}

/* ---- timers and events ---- */

void dispatch_timer(struct event *timer, int64_t ms)
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};
    if (event_add(timer, &wait) != 0)
        xfail("cannot set a timer");
}

void dispatch_due(struct dispatch *d, int64_t age)
{
    if (age >= d->due_at)
        return;
    d->due_at = age;
    dispatch_timer(d->due_timer, age > d->now.age_ms ? age - d->now.age_ms : 0);
}

static void due_cb(evutil_socket_t fd, short what, void *context)
{
    struct dispatch *d = context;
    d->due_at = OWED_IN_HAND;
    if (d->reader_broken) {
        d->reader_broken = false;
        turn_again(d);
    }
    outlet_tick(d);
}

static void turn_cb(evutil_socket_t fd, short what, void *context)
{
    turn_read(context);
}
static void settle_cb(evutil_socket_t fd, short what, void *context)
{
    outlet_settle(context);
    dispatch_stopped(context);
}
static void hold_cb(evutil_socket_t fd, short what, void *context)
{
    turn_hold_over(context);
}
static void job_cb(evutil_socket_t fd, short what, void *context)
{
    turn_resubmit(context);
}

static void stop_cb(evutil_socket_t fd, short what, void *context)
{
    struct dispatch *d = context;

    if (d->drained) {
        log_error("the ledger does not answer: ending without it");
        event_base_loopbreak(d->host.base);
        return;
    }
    if (d->in_flight)
        log_warn("ending with deliveries under way: they will be made again", LOG_INT("deliveries", d->in_flight));
    d->drained = true;
    dispatch_timer(d->stop_timer, STOP_EXTRA_MS);
    turn_schedule(d);
    dispatch_stopped(d);
}

static struct event *make_event(struct dispatch *d, event_callback_fn call)
{
    struct event *e = event_new(d->host.base, -1, 0, call, d);
    if (!e)
        xfail("out of memory");
    return e;
}

static void make_events(struct dispatch *d)
{
    d->turn_event = make_event(d, turn_cb);
    d->settle_event = make_event(d, settle_cb);
    d->hold_timer = make_event(d, hold_cb);
    d->job_timer = make_event(d, job_cb);
    d->due_timer = make_event(d, due_cb);
    d->stop_timer = make_event(d, stop_cb);
    d->schedule_timer = make_event(d, turn_cb);
    d->replay_timer = make_event(d, turn_cb);
}

/* ---- opening ---- */

struct opening { /* a job that is run at once */
    struct ledger_job job;
    struct dispatch *dispatch;
};

static void count_owed(void *context, const struct owed_count *c)
{
    struct outlet *o = outlet_find(context, c->target);

    if (!o->def)
        log_warn("deliveries are owed to a target that is not configured any more: they become dead letters",
                 LOG_STR("target", c->target), LOG_INT("deliveries", c->rows));
    o->rows = c->rows;
    o->spilled = c->untried;
    o->next_due = c->next_age;
    order_rows_found(o, c->ordered);
    backlog_set(o, c->rows, c->bytes);
}

bool dispatch_recover_target(struct target *t, struct store *store, struct weir_diag *diag)
{
    diag->message[0] = '\0';
    if (!t->ops->recover)
        return true;
    if (!t->ops->recover(t, store, diag))
        return false;
    if (diag->message[0])
        log_error("a target has lost something", LOG_STR("target", t->def->name), LOG_TEXT("what", diag->message));
    return true;
}

static bool recover_targets(struct dispatch *d, struct store *store, struct weir_diag *diag)
{
    for (size_t i = 0; i < d->outlet_count; i++) {
        struct target *t = d->outlets[i]->target;
        if (t && !dispatch_recover_target(t, store, diag))
            return false;
    }
    return true;
}

static bool open_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct dispatch *d = ((struct opening *)job)->dispatch;
    struct owed_cursor cursor = {0};

    if (!recover_targets(d, store, diag) || !owed_cursor_load(store, &cursor, diag) || !owed_release(store, diag) ||
        !owed_count_each(store, count_owed, d, diag) || !replays_load(d, store, now, diag) ||
        !schedules_load(d, store, diag) || !deduplication_load(d, store, now, diag) || !pauses_load(d, store, diag) ||
        !publish_load(d, store, diag) || !async_load(d, store, diag))
        return false;
    d->job_number = cursor.job;
    d->next_id = cursor.last_id + 1;
    d->submitted = cursor.sequence;
    atomic_store(&d->cursor, cursor.sequence);
    return true;
}

static void wake_deliver(struct mail *m)
{
    struct dispatch *d = (struct dispatch *)((char *)m - offsetof(struct dispatch, wake_mail));
    atomic_store(&d->wake_posted, false);
    turn_again(d);
}

static void stop_deliver(struct mail *m)
{
    struct dispatch *d = (struct dispatch *)((char *)m - offsetof(struct dispatch, stop_mail));
    d->stopping = true;
    for (size_t i = 0; i < d->outlet_count; i++) {
        struct target *t = d->outlets[i]->target;
        if (t && t->ops->flush_sends)
            t->ops->flush_sends(t);
    }
    replays_stop(d);
    publish_stop(d);
    dispatch_timer(d->stop_timer, d->drain_ms);
    dispatch_stopped(d);
}

static struct dispatch *make(const struct dispatch_options *options)
{
    struct dispatch *d = xalloc(sizeof *d);

    d->options = *options;
    d->host.base = event_base_new();
    if (!d->host.base)
        xfail("cannot make an event loop");
    d->host.complete = outlet_complete;
    d->host.work = host_work;
    d->host.now = host_now;
    d->host.log = host_log;
    d->host.log_line = host_log_line;
    d->mailbox = mailbox_create(d->host.base);
    d->workers = workers_start(d->mailbox);
    d->wake_mail.deliver = wake_deliver;
    d->stop_mail.deliver = stop_deliver;
    atomic_init(&d->hold, UINT64_MAX);
    d->due_at = OWED_IN_HAND;
    d->now = dispatch_now(d);
    TAILQ_INIT(&d->completed);
    TAILQ_INIT(&d->retired);
    TAILQ_INIT(&d->replays);
    TAILQ_INIT(&d->dry_runs);
    TAILQ_INIT(&d->schedules);
    TAILQ_INIT(&d->calls);
    TAILQ_INIT(&d->async_items);
    TAILQ_INIT(&d->mappings);
    TAILQ_INIT(&d->receives);
    TAILQ_INIT(&d->mapped_batches);
    STAILQ_INIT(&d->jobs);
    STAILQ_INIT(&d->publishing);
    pthread_mutex_init(&d->views_lock, NULL);
    if (getrandom(&d->random, sizeof d->random, 0) != sizeof d->random || !d->random)
        d->random = (uint64_t)d->now.wall_ms | 1;
    make_events(d);
    return d;
}

struct dispatch *dispatch_open(const struct dispatch_options *options, struct weir_diag *diag)
{
    struct dispatch *d = make(options);
    struct opening opening = {.job = {.run = open_run}, .dispatch = d};

    if (!generation_open(d, options->set, diag) || !ledger_run_now(options->ledger, &opening.job, diag) ||
        !archive_deletions_finish(options->ledger, options->data_dir, diag)) {
        dispatch_close(d);
        return NULL;
    }
    d->turn = turn_create(d);
    d->trail = trail_open(options->data_dir);
    return d;
}

/* ---- running ---- */

struct event_base *dispatch_loop(const struct dispatch *d)
{
    return d->host.base;
}

void dispatch_take_waiters(struct dispatch *d, struct queue_waiters *waiters)
{
    d->waiters = waiters;
}

uint64_t dispatch_cursor(const struct dispatch *d)
{
    return atomic_load(&d->cursor);
}

void dispatch_hold(struct dispatch *d, uint64_t sequence)
{
    atomic_store(&d->hold, sequence);
}

void dispatch_rest(struct dispatch *d, bool rest)
{
    atomic_store(&d->resting, rest);
    dispatch_wake(d, 0);
}

static void *dispatch_main(void *context)
{
    struct dispatch *d = context;

    pthread_setname_np(pthread_self(), "weir-dispatch");
    seal_start(d);
    chores_start(d);
    house_start(d);
    outlet_tick(d);
    replays_resume(d);
    schedules_apply(d);
    mappings_apply(d);
    turn_again(d);
    event_base_loop(d->host.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

void dispatch_start(struct dispatch *d, struct journal *journal)
{
    d->journal = journal;
    d->reader = journal_reader_open(journal, dispatch_cursor(d) + 1);
    if (pthread_create(&d->thread, NULL, dispatch_main, d) != 0)
        xfail("cannot start the dispatch thread");
    d->started = true;
}

void dispatch_wake(struct dispatch *d, uint64_t synced)
{
    if (!atomic_exchange(&d->wake_posted, true))
        mailbox_post(d->mailbox, &d->wake_mail);
}

/* ---- ending ---- */

void dispatch_stopped(struct dispatch *d)
{
    if (!d->stopping)
        return;
    if (!d->drained && !d->in_flight && !d->loads) {
        d->drained = true;
        dispatch_timer(d->stop_timer, STOP_EXTRA_MS);
        turn_schedule(d);
    }
    if (d->drained && turn_idle(d))
        event_base_loopbreak(d->host.base);
}

void dispatch_stop(struct dispatch *d, int64_t drain_ms)
{
    if (!d->started)
        return;
    d->drain_ms = drain_ms > 0 ? drain_ms : 1;
    mailbox_post(d->mailbox, &d->stop_mail);
    pthread_join(d->thread, NULL);
    d->started = false;
    atomic_store(&d->ending, true);
    workers_stop(d->workers);
    d->workers = NULL;
    journal_reader_close(d->reader);
    d->reader = NULL;
}

static void free_events(struct dispatch *d)
{
    struct event *all[] = {d->schedule_timer, d->replay_timer, d->turn_event, d->settle_event,
                           d->hold_timer,     d->job_timer,    d->due_timer,  d->stop_timer};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        event_free(all[i]);
}

static void close_flights(struct dispatch *d)
{
    struct flight *f;

    while ((f = TAILQ_FIRST(&d->completed))) {
        TAILQ_REMOVE(&d->completed, f, link);
        flight_free(f);
    }
    retired_close(d);
    for (size_t i = 0; i < d->outlet_count; i++)
        outlet_close(d->outlets[i]);
    free(d->outlets);
}

void dispatch_close(struct dispatch *d)
{
    struct turn *t;

    if (!d)
        return;
    workers_stop(d->workers);
    while ((t = STAILQ_FIRST(&d->jobs))) {
        STAILQ_REMOVE_HEAD(&d->jobs, link);
        turn_free(t);
    }
    turn_free(d->turn);
    close_flights(d);
    mappings_close(d);
    async_close(d);
    replays_close(d);
    schedules_close(d);
    deduplication_close(d);
    reload_drop(d);
    house_stop(d);
    chores_stop(d);
    seal_stop(d);
    free_events(d);
    mailbox_destroy(d->mailbox);
    event_base_free(d->host.base);
    generation_unref(d->generation);
    views_fini(d);
    buf_fini(&d->work);
    owed_pack_destroy(d->pack);
    free(d->tapped_rules);
    trail_close(d->trail);
    free(d);
}
