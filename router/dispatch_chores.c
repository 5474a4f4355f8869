/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chores of queues: messages past their retention, what purging left, and message move tasks. Each is done by pieces, a
 * ledger job at a time; while there is more, the next piece follows after a pause as long as this one took. So a purge
 * of ten million messages, or a long expiry, takes at most half of the ledger's time, and everybody else's calls come
 * in between.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define PIECE        1000 /* messages: a few milliseconds */
#define MOVE_PIECE   500  /* of each task */
#define MOVE_WAIT_MS 50   /* a task that waits for its rate */

struct chores {
    struct ledger_job job;
    struct dispatch *dispatch;
    struct event *timer;
    struct generation *generation; /* a reference while a job is under way; else NULL */
    uint32_t at;                   /* the queue to begin with: none is forgotten for another's sake */
    int64_t began_ms;
    int64_t expired, cleared;
    unsigned moving; /* tasks that go on */
};

/* As many queues as it takes to delete a piece. */
static bool expire(struct chores *c, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    const struct ruleset *set = c->generation->set;

    for (uint32_t i = 0; i < set->target_count && c->expired < PIECE; i++, c->at++) {
        const struct target_def *def = set->targets[c->at % set->target_count];
        int64_t count = 0;
        if (def->adapter != &queue_adapter)
            continue;
        if (!queue_expire(store, def, now, (unsigned)(PIECE - c->expired), &count, diag))
            return false;
        c->expired += count;
    }
    return true;
}

static bool is_queue(void *context, struct str name)
{
    return ruleset_target(context, "queue", name) != NULL;
}

static bool chores_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct chores *c = (struct chores *)job;
    struct queue_move_host host = {is_queue, c->generation->set};

    c->expired = c->cleared = 0;
    c->began_ms = now.age_ms;
    return expire(c, store, now, diag) && queue_clear(store, now, PIECE, &c->cleared, diag) &&
           queue_move_step(store, &host, now, MOVE_PIECE, &c->moving, diag);
}

static void chores_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct chores *c = (struct chores *)job;
    int64_t took = dispatch_now(c->dispatch).age_ms - c->began_ms;
    bool more = c->expired >= PIECE || c->cleared >= PIECE;

    generation_unref(c->generation);
    c->generation = NULL;
    if (!ok)
        log_warn("clearing queues failed, trying again", LOG_TEXT("reason", diag->message));
    else if (c->expired)
        log_debug("messages past their retention are gone", LOG_INT("messages", c->expired));
    if (ok && (more || c->moving))
        dispatch_timer(c->timer, !more && took < MOVE_WAIT_MS ? MOVE_WAIT_MS : took + 1);
}

static void chores_cb(evutil_socket_t fd, short what, void *context)
{
    struct chores *c = context;

    if (c->generation || c->dispatch->stopping)
        return;
    c->generation = generation_ref(c->dispatch->generation);
    ledger_submit(c->dispatch->options.ledger, &c->job);
}

void chores_tick(struct dispatch *d)
{
    if (!event_pending(d->chores->timer, EV_TIMEOUT, NULL))
        chores_cb(-1, 0, d->chores);
}

void dispatch_chores(struct dispatch *d)
{
    dispatch_timer(d->chores->timer, 0);
}

void chores_start(struct dispatch *d)
{
    struct chores *c = d->chores = xalloc(sizeof *c);

    c->dispatch = d;
    c->job.run = chores_run;
    c->job.done = chores_done;
    c->job.reply = d->mailbox;
    if (!(c->timer = evtimer_new(d->host.base, chores_cb, c)))
        xfail("cannot make a timer");
}

void chores_stop(struct dispatch *d)
{
    if (!d->chores)
        return;
    event_free(d->chores->timer);
    generation_unref(d->chores->generation);
    free(d->chores);
}
