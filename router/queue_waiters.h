/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_QUEUE_WAITERS_H
#define ROUTER_QUEUE_WAITERS_H

/*
 * Long polls: receives that found nothing and wait, a list a queue in order of arrival. Nothing is asked meanwhile: a
 * commit that makes messages of the queue visible wakes as many as there are messages, and one timer for all of them
 * wakes the first when a time-out or a delay ends, and those whose time is over. To wake one is to submit its ledger
 * job again; one that again finds nothing keeps its place.
 *
 *     run    (ledger thread)  receives; queue_waiters_look() tells what came of it, and enters one that shall wait
 *     done   (its thread)     queue_waiter_rest(): true: it waits; else it has left the list and is to be answered
 *     over   (its thread)     its time is over, or the router stops: it has left the list and is to be answered
 *
 * All functions may be called by any thread. The bound is the server's: a waiting receive holds a connection.
 */

#include <event2/event.h>

#include "router/ledger.h"
#include "targets/queue.h"

struct queue_waiters;

struct queue_waiter { /* embed it, zeroed */
    struct ledger_job *job;
    void (*over)(struct queue_waiter *w); /* on the thread of job->reply */
    int64_t deadline_age_ms;
    struct waiting *queue; /* private from here; NULL: in no list */
    struct queue_waiter *next, *prev;
    size_t place; /* in the heap, from 1 */
    bool away;    /* its job is under way */
    bool woken;   /* meanwhile there was news */
    bool ended;   /* meanwhile its time ended */
    struct mail mail;
};

/* base: the loop for the one timer, of a thread that outlives all waiters. Watches the ledger's queues; before
   ledger_start(). NULL: diag. */
struct queue_waiters *queue_waiters_create(struct event_base *base, struct ledger *ledger, const struct clock *clock,
                                           struct weir_diag *diag);
void queue_waiters_close(struct queue_waiters *ws); /* all are over, and none can wait any more */
void queue_waiters_destroy(struct queue_waiters *ws);

/* In the job's run: what a receive on this queue gave. w NULL: it does not wait. */
void queue_waiters_look(struct queue_waiters *ws, struct queue_waiter *w, struct str queue,
                        const struct queue_got *got);
/* In the job's done. ok: the look was committed. */
bool queue_waiter_rest(struct queue_waiters *ws, struct queue_waiter *w, bool ok, const struct queue_got *got);
/* Its client is gone. True: it has left the list and is to be answered; false: done or over comes. */
bool queue_waiter_cancel(struct queue_waiters *ws, struct queue_waiter *w);

#endif
