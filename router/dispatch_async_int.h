/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_DISPATCH_ASYNC_INT_H
#define ROUTER_DISPATCH_ASYNC_INT_H

/* Private to dispatch_async*.c: asynchronous invocations in memory, and what becomes of them. */

#include "router/dispatch_async.h"
#include "targets/invocations.h"

#define ASYNC_AGAIN_MS 1000 /* the ledger could not */

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

/* ---- dispatch_async_end.c: what is begun here ends in async_forget() ---- */
/* It succeeded ("Success"), or is given up: its record and its dead letter are handed on, its row goes. */
void async_end(struct item *t, const char *condition);
void async_wait(struct item *t, int64_t delay_ms); /* its row waits so long */
void async_clear_end(struct item *t);

/* ---- dispatch_async.c ---- */
const struct function_options *async_options(const struct outlet *o); /* NULL: it left the configuration */
void async_forget(struct item *t);                                    /* its row stands as it was committed */

#endif
