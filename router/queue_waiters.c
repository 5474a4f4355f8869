/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting receives. A list a queue, in order of arrival, found by name; a heap over all times at which something ends
 * by itself: each waiter's deadline, and each queue's next message to become visible. The one timer stands at its root.
 *
 * No wake-up is lost. A receive enters its list while it runs, inside the transaction: what is committed later finds
 * it. One that is woken while its job is under way remembers it (`woken`) and looks again; one that leaves with a
 * wake-up it did not need, or that took all it could carry, wakes the next.
 */
#include "router/queue_waiters.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "router/xalloc.h"

#define BUCKETS 256

struct waiting { /* the waiters of a queue; there as long as there are any */
    struct waiting *next_queue;
    struct queue_waiter *first, *last;
    int64_t next_age_ms; /* when a message becomes visible by itself; INT64_MAX: none known */
    size_t place;        /* in the heap, from 1; 0: not in it */
    struct str name;
    char text[];
};

struct due { /* one of the two */
    struct queue_waiter *waiter;
    struct waiting *queue;
};

struct queue_waiters {
    pthread_mutex_t lock;
    struct ledger *ledger;
    const struct clock *clock;
    struct event *timer;
    int64_t armed_ms; /* the age that the timer is set to; INT64_MAX: to none */
    bool closed;
    struct waiting *buckets[BUCKETS];
    struct due *heap; /* [1] is the soonest */
    size_t heap_count, heap_capacity;
};

/* ---- the heap ---- */

static int64_t age_of(const struct due *d)
{
    return d->waiter ? d->waiter->deadline_age_ms : d->queue->next_age_ms;
}

static void set_place(struct queue_waiters *ws, size_t place, struct due d)
{
    ws->heap[place] = d;
    *(d.waiter ? &d.waiter->place : &d.queue->place) = place;
}

/* What stands at `place` goes up or down to where it belongs. */
static void settle(struct queue_waiters *ws, size_t place)
{
    struct due d = ws->heap[place];

    for (; place > 1 && age_of(&ws->heap[place / 2]) > age_of(&d); place /= 2)
        set_place(ws, place, ws->heap[place / 2]);
    for (size_t child; (child = place * 2) <= ws->heap_count; place = child) {
        if (child < ws->heap_count && age_of(&ws->heap[child + 1]) < age_of(&ws->heap[child]))
            child++;
        if (age_of(&ws->heap[child]) >= age_of(&d))
            break;
        set_place(ws, place, ws->heap[child]);
    }
    set_place(ws, place, d);
}

static void heap_add(struct queue_waiters *ws, struct due d)
{
    if (ws->heap_count + 1 >= ws->heap_capacity) {
        ws->heap_capacity = ws->heap_capacity ? ws->heap_capacity * 2 : 64;
        ws->heap = xrealloc(ws->heap, ws->heap_capacity * sizeof *ws->heap);
    }
    ws->heap[++ws->heap_count] = d;
    settle(ws, ws->heap_count);
}

static void heap_remove(struct queue_waiters *ws, size_t *place)
{
    size_t at = *place;

    if (!at)
        return;
    *place = 0;
    struct due last = ws->heap[ws->heap_count--];
    if (at > ws->heap_count)
        return;
    ws->heap[at] = last;
    settle(ws, at);
}

static void arm(struct queue_waiters *ws)
{
    int64_t soonest = ws->heap_count ? age_of(&ws->heap[1]) : INT64_MAX;

    if (soonest == ws->armed_ms)
        return;
    ws->armed_ms = soonest;
    if (soonest == INT64_MAX) {
        event_del(ws->timer);
        return;
    }
    int64_t wait = soonest - clock_now(ws->clock).age_ms;
    wait = wait < 0 ? 0 : wait > 60000 ? 60000 : wait; /* the boot clock runs while the machine sleeps, timers do not */
    struct timeval after = {wait / 1000, wait % 1000 * 1000 + 500};
    if (event_add(ws->timer, &after) != 0)
        xfail("cannot set a timer");
}

/* ---- the lists ---- */

static struct waiting **bucket_of(struct queue_waiters *ws, struct str name)
{
    uint32_t hash = 2166136261;

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.ptr[i]) * 16777619;
    return &ws->buckets[hash % BUCKETS];
}

static struct waiting *find(struct queue_waiters *ws, struct str name)
{
    struct waiting *q = *bucket_of(ws, name);

    while (q && !str_eq(q->name, name))
        q = q->next_queue;
    return q;
}

static struct waiting *need(struct queue_waiters *ws, struct str name)
{
    struct waiting *q = find(ws, name), **bucket = bucket_of(ws, name);

    if (q)
        return q;
    q = xalloc(sizeof *q + name.size);
    memcpy(q->text, name.ptr, name.size);
    q->name = (struct str){q->text, name.size};
    q->next_age_ms = INT64_MAX;
    q->next_queue = *bucket;
    return *bucket = q;
}

static void drop(struct queue_waiters *ws, struct waiting *q)
{
    struct waiting **link = bucket_of(ws, q->name);

    while (*link != q)
        link = &(*link)->next_queue;
    *link = q->next_queue;
    heap_remove(ws, &q->place);
    free(q);
}

static void expect(struct queue_waiters *ws, struct waiting *q, int64_t age_ms)
{
    heap_remove(ws, &q->place);
    q->next_age_ms = age_ms;
    if (age_ms != INT64_MAX)
        heap_add(ws, (struct due){.queue = q});
}

static void enter(struct queue_waiters *ws, struct queue_waiter *w, struct str name)
{
    struct waiting *q = need(ws, name);

    w->queue = q;
    w->next = NULL;
    w->prev = q->last;
    *(q->last ? &q->last->next : &q->first) = w;
    q->last = w;
    w->away = true;
    heap_add(ws, (struct due){.waiter = w});
}

/* The first `count` of the list look again. */
static void wake(struct queue_waiters *ws, struct waiting *q, unsigned count)
{
    for (struct queue_waiter *w = q->first; w && count; w = w->next, count--) {
        if (w->away) {
            w->woken = true;
            continue;
        }
        w->away = true;
        ledger_submit(ws->ledger, w->job);
    }
}

static void leave(struct queue_waiters *ws, struct queue_waiter *w, bool wake_next)
{
    struct waiting *q = w->queue;

    *(w->prev ? &w->prev->next : &q->first) = w->next;
    *(w->next ? &w->next->prev : &q->last) = w->prev;
    heap_remove(ws, &w->place);
    w->queue = NULL;
    if (!q->first)
        drop(ws, q);
    else if (wake_next)
        wake(ws, q, 1);
}

/* ---- what happens ---- */

static void over_mail(struct mail *m)
{
    struct queue_waiter *w = (struct queue_waiter *)((char *)m - offsetof(struct queue_waiter, mail));
    w->over(w);
}

/* Its time is over: now, or when its job comes back. */
static void end(struct queue_waiters *ws, struct queue_waiter *w)
{
    w->ended = true;
    heap_remove(ws, &w->place);
    if (w->away)
        return;
    leave(ws, w, false);
    w->mail.deliver = over_mail;
    mailbox_post(w->job->reply, &w->mail);
}

static void end_all(struct queue_waiters *ws, struct waiting *q)
{
    for (struct queue_waiter *w = q->first, *next; w; w = next) {
        next = w->next;
        end(ws, w);
    }
}

static void news_cb(void *context, const struct queue_news *news)
{
    struct queue_waiters *ws = context;

    pthread_mutex_lock(&ws->lock);
    struct waiting *q = find(ws, news->queue);
    if (q && news->next_age_ms < q->next_age_ms)
        expect(ws, q, news->next_age_ms);
    if (q)
        wake(ws, q, news->count);
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
}

static void timer_cb(evutil_socket_t fd, short what, void *context)
{
    struct queue_waiters *ws = context;
    int64_t now = clock_now(ws->clock).age_ms;

    pthread_mutex_lock(&ws->lock);
    while (ws->heap_count && age_of(&ws->heap[1]) <= now) {
        struct due d = ws->heap[1];
        if (d.waiter) {
            end(ws, d.waiter);
        } else {
            expect(ws, d.queue, INT64_MAX); /* whoever looks will tell the next one */
            wake(ws, d.queue, 1);
        }
    }
    ws->armed_ms = INT64_MAX;
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
}

void queue_waiters_look(struct queue_waiters *ws, struct queue_waiter *w, struct str queue, const struct queue_got *got)
{
    pthread_mutex_lock(&ws->lock);
    if (w && !w->queue && !got->count && !ws->closed)
        enter(ws, w, queue);
    struct waiting *q = find(ws, queue);
    if (q && !got->more && got->next_age_ms < q->next_age_ms)
        expect(ws, q, got->next_age_ms);
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
}

bool queue_waiter_rest(struct queue_waiters *ws, struct queue_waiter *w, bool ok, const struct queue_got *got)
{
    pthread_mutex_lock(&ws->lock);
    bool waits = ok && w->queue && !got->count && !w->ended && !ws->closed;
    if (waits && (w->woken || got->more)) {
        w->woken = false;
        ledger_submit(ws->ledger, w->job);
    } else if (waits) {
        w->away = false;
    } else if (w->queue) {
        leave(ws, w, w->woken || got->more || !ok);
    }
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
    return waits;
}

bool queue_waiter_cancel(struct queue_waiters *ws, struct queue_waiter *w)
{
    pthread_mutex_lock(&ws->lock);
    bool mine = w->queue && !w->away;
    w->ended = true;
    if (mine)
        leave(ws, w, false);
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
    return mine;
}

/* ---- life ---- */

struct watching {
    struct ledger_job job;
    struct queue_waiters *waiters;
};

static bool watch_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    return queue_watch(store, news_cb, ((struct watching *)job)->waiters, diag);
}

struct queue_waiters *queue_waiters_create(struct event_base *base, struct ledger *ledger, const struct clock *clock,
                                           struct weir_diag *diag)
{
    struct queue_waiters *ws = xalloc(sizeof *ws);
    struct watching watching = {.job.run = watch_run, .waiters = ws};

    pthread_mutex_init(&ws->lock, NULL);
    ws->ledger = ledger;
    ws->clock = clock;
    ws->armed_ms = INT64_MAX;
    if (!(ws->timer = evtimer_new(base, timer_cb, ws)))
        xfail("cannot make a timer");
    if (ledger_run_now(ledger, &watching.job, diag))
        return ws;
    queue_waiters_destroy(ws);
    return NULL;
}

void queue_waiters_close(struct queue_waiters *ws)
{
    if (!ws)
        return;
    pthread_mutex_lock(&ws->lock);
    ws->closed = true;
    for (int i = 0; i < BUCKETS; i++)
        for (struct waiting *q = ws->buckets[i], *next; q; q = next) {
            next = q->next_queue; /* the list goes with its last waiter */
            end_all(ws, q);
        }
    arm(ws);
    pthread_mutex_unlock(&ws->lock);
}

void queue_waiters_destroy(struct queue_waiters *ws)
{
    if (!ws)
        return;
    event_free(ws->timer);
    for (int i = 0; i < BUCKETS; i++)
        while (ws->buckets[i])
            drop(ws, ws->buckets[i]);
    pthread_mutex_destroy(&ws->lock);
    free(ws->heap);
    free(ws);
}
