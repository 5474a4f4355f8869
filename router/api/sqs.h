/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SQS_H
#define ROUTER_API_SQS_H

/*
 * The operations of SQS (AmazonSQS.…, and the query protocol of 2012-11-05), and what they share. What concerns
 * messages is one ledger job a request, a batch included, answered when its commit is on disk; what concerns queues
 * themselves is a change of resources (aws_change.h).
 */

#include "router/api/aws.h"
#include "router/api/message_attributes.h"
#include "router/ledger.h"
#include "targets/queue.h"

#define SQS_BATCH_MAX        10
#define SQS_BATCH_BYTES_MAX  (1 << 20)
#define SQS_RECEIVE_MAX      10
#define SQS_WAIT_MAX_S       20
#define SQS_VISIBILITY_MAX_S (12 * 3600)
#define SQS_TRACE_HEADER     "AWS.TraceHeader"    /* the names under which a message keeps what is no attribute of */
#define SQS_GROUP            "AWS.MessageGroupId" /* the sender's: senders' names do not begin with AWS. */

extern const struct aws_wire sqs_wire[];

void sqs_create_queue(struct aws_request *r);
void sqs_delete_queue(struct aws_request *r);
void sqs_get_queue_attributes(struct aws_request *r);
void sqs_set_queue_attributes(struct aws_request *r);
void sqs_get_queue_url(struct aws_request *r);
void sqs_list_queues(struct aws_request *r);
void sqs_list_dead_letter_source_queues(struct aws_request *r);
void sqs_purge_queue(struct aws_request *r);
void sqs_tag_queue(struct aws_request *r);
void sqs_untag_queue(struct aws_request *r);
void sqs_list_queue_tags(struct aws_request *r);
void sqs_add_permission(struct aws_request *r);
void sqs_remove_permission(struct aws_request *r);
void sqs_start_message_move_task(struct aws_request *r);
void sqs_list_message_move_tasks(struct aws_request *r);
void sqs_cancel_message_move_task(struct aws_request *r);
void sqs_send_message(struct aws_request *r);
void sqs_send_message_batch(struct aws_request *r);
void sqs_receive_message(struct aws_request *r);
void sqs_delete_message(struct aws_request *r);
void sqs_delete_message_batch(struct aws_request *r);
void sqs_change_message_visibility(struct aws_request *r);
void sqs_change_message_visibility_batch(struct aws_request *r);

/* ---- queues ---- */

/* The queue of a QueueUrl, or where the request has none (url.ptr NULL), of its path. NULL: answered. */
const struct target_def *sqs_queue(struct aws_request *r, struct str url);
/* The definition of a queue by name; NULL: answered with QueueDoesNotExist. */
const struct target_def *sqs_queue_called(struct aws_request *r, struct str name);
/* Appends the queue's URL as a JSON string: of the host under which the client knows the router. */
void sqs_write_url(const struct aws_request *r, struct buf *json, struct str queue);

/* InvalidParameterValue in the words that most of SQS's have; always false. */
bool sqs_refuse_value(struct aws_request *r, struct str value, const char *parameter, const char *reason);
bool sqs_refuse_number(struct aws_request *r, int64_t value, const char *parameter, const char *reason);
/* Letters, digits, hyphens and underscores, 1 to max of them? Names, labels and ids of entries are that. */
bool sqs_is_word(struct str text, size_t max);
/* MissingParameter, unless there is a value. */
bool sqs_has(struct aws_request *r, struct str value, const char *parameter);

/* Zeroed memory of the request's arena; never NULL. */
void *sqs_alloc(struct aws_request *r, size_t count, size_t size);

/* ---- calls: one ledger job about one queue ---- */

struct sqs_call { /* first in a struct of the operation's own */
    struct ledger_job job;
    struct aws_request *request;
    const struct target_def *queue;
    void (*answer)(struct sqs_call *c); /* after the commit, on the request's thread */
};

/* size bytes, zeroed, in the request's arena. run must not use that arena: it is on another thread. */
void *sqs_call_new(struct aws_request *r, size_t size, const struct target_def *queue,
                   bool (*run)(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag),
                   void (*answer)(struct sqs_call *c));
void sqs_call_submit(struct sqs_call *c);
/* In a job's done of one's own, where it was undone. */
void sqs_call_fail(struct sqs_call *c, const struct weir_diag *diag);

/* ---- batches ---- */

struct sqs_batch {
    size_t count;
    struct sqs_batch_entry {
        struct str id, object;      /* decoded; the entry's text */
        struct message_fault fault; /* code NULL: none */
    } entries[SQS_BATCH_MAX];
};
/* False: the whole batch is refused, and the request answered. entry: its shape's name, for messages. */
bool sqs_batch_read(struct aws_request *r, struct str entries, const char *entry, struct sqs_batch *out);
/* Answers with all entries: `write` appends further members of one that succeeded; NULL: there are none. */
void sqs_batch_answer(struct aws_request *r, const struct sqs_batch *batch,
                      void (*write)(void *context, struct buf *json, size_t index), void *context);

#endif
