/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PurgeQueue, once a minute a queue, as at AWS. When a queue was purged last is remembered by the ledger's thread as
 * long as the router runs, in the store's memory for it.
 */
#include <stdlib.h>

#include "router/api/sqs.h"
#include "router/router.h"
#include "router/xalloc.h"

#define PURGE_EVERY_MS 60000

struct purge {
    struct sqs_call call;
    bool noted; /* its commit may fail; then it runs again */
    bool too_soon;
    int64_t count;
};

struct purged {
    struct purged *next;
    int64_t age_ms;
    struct str name;
};
struct memory {
    struct purged *list; /* those of the last minute, latest first */
};

static void forget(struct purged **from)
{
    while (*from) {
        struct purged *gone = *from;
        *from = gone->next;
        free((void *)gone->name.ptr);
        free(gone);
    }
}

static bool flush(struct store *s, void *memory, struct weir_diag *diag)
{
    return true; /* nothing of it is written */
}

static void close_memory(void *memory)
{
    forget(&((struct memory *)memory)->list);
}

static const struct store_keeper keeper = {.size = sizeof(struct memory), .flush = flush, .close = close_memory};

/* Notes it; false: another purge of this queue was within the minute. */
static bool note(struct memory *m, struct purge *c, struct str name, int64_t now_ms)
{
    struct purged **at = &m->list;

    for (; *at && now_ms - (*at)->age_ms < PURGE_EVERY_MS; at = &(*at)->next)
        if (str_eq((*at)->name, name))
            return c->noted;
    forget(at);
    struct purged *one = xalloc(sizeof *one);
    *one = (struct purged){m->list, now_ms, xstr(name)};
    m->list = one;
    c->noted = true;
    return true;
}

static bool purge_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct purge *c = (struct purge *)job;
    struct str name = c->call.queue->name;
    struct memory *m = store_keep(s, &keeper, diag);

    if (!m)
        return false;
    c->too_soon = !note(m, c, name, now.age_ms);
    return c->too_soon || queue_purge(s, name, &c->count, diag);
}

static void answer(struct sqs_call *call)
{
    struct aws_request *r = call->request;

    if (((struct purge *)call)->too_soon) {
        aws_fail(r, 400, "PurgeQueueInProgress", "Only one PurgeQueue operation on %.*s is allowed every 60 seconds.",
                 STR_ARG(call->queue->name));
        return;
    }
    dispatch_chores(http_router(r->http)->dispatch); /* what is out of reach takes room */
    aws_reply_empty(r);
}

struct input {
    struct str url;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    {0},
};

void sqs_purge_queue(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};

    if (aws_read(r, r->input, "", members, &in) && (queue = sqs_queue(r, in.url))) {
        struct purge *c = sqs_call_new(r, sizeof *c, queue, purge_step, answer);
        sqs_call_submit(&c->call);
    }
}
