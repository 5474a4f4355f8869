/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists under one lock: work that waits and work that is finished. A finished piece goes to the finished list; the
 * one mail that stands for that list is posted when the list was empty, so a struct work needs no mail of its own.
 */
#include "router/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "router/xalloc.h"

struct list {
    struct work *first, **last;
};

struct workers {
    pthread_t threads[WORKERS];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list waiting, finished; /* under the lock */
    bool stopping;
    struct mailbox *reply;
    struct mail mail; /* posted while `finished` is not empty */
};

static void append(struct list *l, struct work *work)
{
    work->next = NULL;
    *l->last = work;
    l->last = &work->next;
}

static struct work *take_all(struct list *l)
{
    struct work *first = l->first;
    l->first = NULL;
    l->last = &l->first;
    return first;
}

static void deliver_finished(struct mail *m)
{
    struct workers *w = (struct workers *)((char *)m - offsetof(struct workers, mail));

    pthread_mutex_lock(&w->lock);
    struct work *work = take_all(&w->finished);
    pthread_mutex_unlock(&w->lock);
    while (work) {
        struct work *next = work->next; /* done() may free or resubmit it */
        work->done(work);
        work = next;
    }
}

static struct work *take_one(struct workers *w)
{
    struct work *work = NULL;

    pthread_mutex_lock(&w->lock);
    while (!w->waiting.first && !w->stopping)
        pthread_cond_wait(&w->wake, &w->lock);
    if (!w->stopping) {
        work = w->waiting.first;
        w->waiting.first = work->next;
        if (!w->waiting.first)
            w->waiting.last = &w->waiting.first;
    }
    pthread_mutex_unlock(&w->lock);
    return work;
}

static void *worker_main(void *context)
{
    struct workers *w = context;
    struct work *work;

    pthread_setname_np(pthread_self(), "weir-worker");
    while ((work = take_one(w))) {
        work->run(work);
        pthread_mutex_lock(&w->lock);
        bool was_empty = !w->finished.first;
        append(&w->finished, work);
        if (was_empty)
            mailbox_post(w->reply, &w->mail);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

struct workers *workers_start(struct mailbox *reply)
{
    struct workers *w = xalloc(sizeof *w);

    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->waiting.last = &w->waiting.first;
    w->finished.last = &w->finished.first;
    w->reply = reply;
    w->mail.deliver = deliver_finished;
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&w->threads[i], NULL, worker_main, w) != 0)
            xfail("cannot start the worker threads");
    return w;
}

void workers_submit(struct workers *w, struct work *work)
{
    pthread_mutex_lock(&w->lock);
    append(&w->waiting, work);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void workers_stop(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
