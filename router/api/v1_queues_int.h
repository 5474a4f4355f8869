/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_V1_QUEUES_INT_H
#define ROUTER_API_V1_QUEUES_INT_H

/* Private to v1_queues.c, v1_receive.c and v1_moves.c: a call about one queue, which is one ledger job. */

#include "router/api/v1_int.h"
#include "router/queue_waiters.h"

struct queue_call {
    struct ledger_job job;
    struct http_request *request;
    const struct ruleset *set;
    const struct target_def *queue; /* NULL: it left the configuration */
    char *name;
    bool unknown;    /* neither configured nor holding messages */
    struct buf body; /* of the request: decoded text, or JSON that outlives it */
    struct buf answer;
    int64_t max, visibility_ms, delay_ms, after, count;
    const char *comma;
    struct buf group, deduplication_id; /* of a message that is sent */
    struct queue_waiter waiter;         /* of a receive that may wait: deadline_age_ms is set */
    struct queue_got got;
};

typedef bool queue_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag);

static inline struct queue_call *queue_call_of(struct ledger_job *job)
{
    return (struct queue_call *)job;
}

/* Answered by queue_call_answer() unless the job's done is set to something else. */
struct queue_call *queue_call_create(struct http_request *r, struct str name, queue_step *run);
void queue_call_finish(struct queue_call *c); /* where it was not submitted */
void queue_call_submit(struct queue_call *c);
void queue_call_answer(struct ledger_job *job, bool ok, const struct weir_diag *diag); /* and ends it */
/* Is there such a queue at all? Sets c->unknown. */
bool queue_call_check_known(struct queue_call *c, struct store *s, struct weir_diag *diag);
/* The queue's definition; that of a queue which left the configuration is the built-in queue's under its own name. */
struct target_def queue_call_definition(const struct queue_call *c);

/* A message into c->answer, of which there are c->count then. */
void queue_call_write(void *context, const struct queue_message *m);
void v1_receive(struct http_request *r, struct str name);
void v1_move(struct http_request *r, struct str name);
void v1_moves(struct http_request *r, struct str name);
void v1_cancel_move(struct http_request *r, struct str name);

#endif
