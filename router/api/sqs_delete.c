/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receipt handle is good for: DeleteMessage and ChangeMessageVisibility, one by one and in batches. A handle
 * that was superseded by a later receive, or whose message is gone, deletes nothing and is no error, as at AWS; its
 * visibility cannot be changed (MessageNotInflight). A text that never was a handle is ReceiptHandleIsInvalid.
 */
#include <ctype.h>

#include "router/api/sqs.h"

#define UNSAID INT64_MIN

struct input {
    struct str url, entries, handle;
    int64_t visibility_s;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "Entries", AWS_LIST, entries, .element = AWS_STRUCTURE),
    AWS_MEMBER(struct input, "ReceiptHandle", AWS_STRING, handle),
    AWS_MEMBER(struct input, "VisibilityTimeout", AWS_INTEGER, visibility_s),
    {0},
};

struct handles {
    struct sqs_call call;
    struct sqs_batch batch; /* of one entry where it is no batch */
    struct str handles[SQS_BATCH_MAX];
    int64_t visibility_ms[SQS_BATCH_MAX]; /* -1: delete */
};

/* As targets/queue_receive.c writes them: a number in hexadecimal digits, a dot, a UUID. */
static bool is_handle(struct str handle)
{
    const char *dot = handle.size ? memchr(handle.ptr, '.', handle.size) : NULL;

    if (!dot || dot == handle.ptr || handle.size - (size_t)(dot + 1 - handle.ptr) != UUID_SIZE)
        return false;
    for (const char *at = handle.ptr; at < dot; at++)
        if (!isxdigit((unsigned char)*at))
            return false;
    return true;
}

static bool take(struct handles *h, size_t index, const struct input *in, bool changes)
{
    struct message_fault *fault = &h->batch.entries[index].fault;

    if (!in->handle.size)
        return message_refuse(fault, "MissingParameter", "The request must contain the parameter ReceiptHandle.");
    if (!is_handle(in->handle))
        return message_refuse(fault, "ReceiptHandleIsInvalid",
                              "The input receipt handle \"%.*s\" is not a valid receipt handle.",
                              in->handle.size > 200 ? 200 : (int)in->handle.size, in->handle.ptr);
    if (changes && in->visibility_s == UNSAID)
        return message_refuse(fault, "MissingParameter", "The request must contain the parameter VisibilityTimeout.");
    if (changes && (in->visibility_s < 0 || in->visibility_s > SQS_VISIBILITY_MAX_S))
        return message_refuse(
            fault, "InvalidParameterValue",
            "Value %lld for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be "
            "an integer between 0 and 43200.",
            (long long)in->visibility_s);
    h->handles[index] = in->handle;
    h->visibility_ms[index] = changes ? in->visibility_s * 1000 : -1;
    return true;
}

static bool use(struct handles *h, size_t index, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct str queue = h->call.queue->name;
    bool found;

    if (h->visibility_ms[index] < 0)
        return queue_delete(s, queue, h->handles[index], now, &found, diag);
    if (!queue_change_visibility(s, queue, h->handles[index], h->visibility_ms[index], now, &found, diag))
        return false;
    if (!found)
        message_refuse(
            &h->batch.entries[index].fault, "MessageNotInflight",
            "The message referred to is not in flight: its visibility timeout has ended, or it was deleted or "
            "received again.");
    return true;
}

static bool step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct handles *h = (struct handles *)job;

    for (size_t i = 0; i < h->batch.count; i++) {
        struct message_fault *fault = &h->batch.entries[i].fault;
        if (fault->code && strcmp(fault->code, "MessageNotInflight") == 0)
            fault->code = NULL; /* of an earlier run of this job */
        if (!fault->code && !use(h, i, s, now, diag))
            return false;
    }
    return true;
}

static void answer_one(struct sqs_call *c)
{
    const struct message_fault *fault = &((struct handles *)c)->batch.entries[0].fault;

    if (fault->code)
        aws_fail(c->request, 400, fault->code, "%s", fault->message);
    else
        aws_reply_empty(c->request);
}

static void answer_batch(struct sqs_call *c)
{
    sqs_batch_answer(c->request, &((struct handles *)c)->batch, NULL, NULL);
}

static void run_one(struct aws_request *r, bool changes)
{
    struct input in = {.visibility_s = UNSAID};
    const struct target_def *queue;

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    struct handles *h = sqs_call_new(r, sizeof *h, queue, step, answer_one);
    h->batch.count = 1;
    if (take(h, 0, &in, changes))
        sqs_call_submit(&h->call);
    else
        answer_one(&h->call);
}

static void run_batch(struct aws_request *r, bool changes, const char *entry)
{
    struct input in = {0};
    const struct target_def *queue;

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    struct handles *h = sqs_call_new(r, sizeof *h, queue, step, answer_batch);
    if (!sqs_batch_read(r, in.entries, entry, &h->batch))
        return;
    for (size_t i = 0; i < h->batch.count; i++) {
        struct input one = {.visibility_s = UNSAID};
        if (!aws_read(r, h->batch.entries[i].object, "", members, &one))
            return;
        take(h, i, &one, changes);
    }
    sqs_call_submit(&h->call);
}

void sqs_delete_message(struct aws_request *r)
{
    run_one(r, false);
}

void sqs_delete_message_batch(struct aws_request *r)
{
    run_batch(r, false, "DeleteMessageBatchRequestEntry");
}

void sqs_change_message_visibility(struct aws_request *r)
{
    run_one(r, true);
}

void sqs_change_message_visibility_batch(struct aws_request *r)
{
    run_batch(r, true, "ChangeMessageVisibilityBatchRequestEntry");
}
