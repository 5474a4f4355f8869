/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message move tasks: from a queue to another, or each message back to the queue it came from. The moving itself is
 * dispatch's. A task is known to clients by a handle, base64 of its number and its source, as at AWS.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/api/sqs.h"
#include "router/router.h"
#include "router/xalloc.h"

#define RATE_MAX    500
#define RESULTS_MAX 10
#define HANDLE_MAX  512
#define UNSAID      INT64_MIN

struct input {
    struct str source, destination, handle;
    int64_t rate, max;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "SourceArn", AWS_STRING, source),
    AWS_MEMBER(struct input, "DestinationArn", AWS_STRING, destination),
    AWS_MEMBER(struct input, "TaskHandle", AWS_STRING, handle),
    AWS_MEMBER(struct input, "MaxNumberOfMessagesPerSecond", AWS_INTEGER, rate),
    AWS_MEMBER(struct input, "MaxResults", AWS_INTEGER, max),
    {0},
};

struct task {
    struct sqs_call call;
    const struct target_def *destination; /* NULL: where each came from */
    int64_t rate, id;
    struct queue_move moves[RESULTS_MAX]; /* latest first */
    size_t count, max;
    enum { FINE, UNKNOWN, OVER, BUSY } fault;
};

/* ---- handles ---- */

static void write_handle(struct buf *json, int64_t id, struct str source)
{
    char text[HANDLE_MAX];
    unsigned char handle[HANDLE_MAX * 4 / 3 + 5];
    int size =
        snprintf(text, sizeof text, "{\"taskId\":\"%lld\",\"sourceArn\":\"%.*s\"}", (long long)id, STR_ARG(source));

    EVP_EncodeBlock(handle, (unsigned char *)text, size < HANDLE_MAX ? size : HANDLE_MAX - 1);
    json_write_member(json, "TaskHandle", str_from((char *)handle));
}

static bool read_handle(struct aws_request *r, struct str handle, int64_t *id_out, struct str *source_out)
{
    static const char *const keys[] = {"taskId", "sourceArn", NULL};
    char *text = arena_alloc(&r->arena, handle.size / 4 * 3 + 1);
    int size = text && handle.size % 4 == 0 && handle.size < HANDLE_MAX * 2
                   ? EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)handle.ptr, (int)handle.size)
                   : 0;
    struct str object = {text, size > 0 ? (size_t)size : 0}, values[2];

    while (object.size && !text[object.size - 1])
        object.size--; /* the filling */
    if (!object.size || text[0] != '{' || !json_check(object, NULL, NULL))
        return false;
    json_members(object, keys, values);
    if (!values[0].ptr || !values[1].ptr || json_type_of(values[0]) != JSON_STRING ||
        json_type_of(values[1]) != JSON_STRING)
        return false;
    *id_out = strtoll(values[0].ptr + 1, NULL, 10);
    *source_out = json_decode_in(&r->arena, values[1]);
    return true;
}

static const struct target_def *queue_of_arn(struct aws_request *r, struct str arn, const char *parameter)
{
    const struct ruleset *set = http_set(r->http);

    for (uint32_t i = 0; i < set->target_count; i++)
        if (set->targets[i]->adapter == &queue_adapter && str_eq(set->targets[i]->arn, arn))
            return set->targets[i];
    aws_fail(r, 404, "ResourceNotFoundException", "The resource that you specified for the %s parameter doesn't exist.",
             parameter);
    return NULL;
}

/* ---- starting ---- */

static bool start_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct task *c = (struct task *)job;
    struct str to = c->destination ? c->destination->name : STR("");

    c->fault = FINE;
    c->count = 1;
    if (queue_move_start(s, c->call.queue->name, to, c->rate, now, &c->moves[0], diag))
        return true;
    c->fault = diag->code == WEIR_E_LIMIT ? BUSY : FINE;
    return false;
}

static void started_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct task *c = (struct task *)job;
    struct aws_request *r = c->call.request;
    struct buf json = BUF_INIT;

    if (!ok && c->fault == BUSY) {
        aws_fail(r, 400, "UnsupportedOperation", "%s", diag->message);
    } else if (!ok) {
        sqs_call_fail(&c->call, diag);
    } else {
        dispatch_chores(http_router(r->http)->dispatch);
        buf_char(&json, '{');
        write_handle(&json, c->moves[0].id, c->call.queue->arn);
        buf_char(&json, '}');
        aws_reply(r, &json);
        buf_fini(&json);
    }
}

void sqs_start_message_move_task(struct aws_request *r)
{
    struct input in = {.rate = UNSAID};
    const struct target_def *source, *destination = NULL;

    if (!aws_read(r, r->input, "", members, &in) || !sqs_has(r, in.source, "SourceArn"))
        return;
    if (in.rate != UNSAID && (in.rate < 1 || in.rate > RATE_MAX)) {
        sqs_refuse_number(r, in.rate, "MaxNumberOfMessagesPerSecond", "Must be an integer from 1 to 500.");
        return;
    }
    if (!(source = queue_of_arn(r, in.source, "SourceArn")) ||
        (in.destination.size && !(destination = queue_of_arn(r, in.destination, "DestinationArn"))))
        return;
    struct task *c = sqs_call_new(r, sizeof *c, source, start_step, NULL);
    c->destination = destination;
    c->rate = in.rate == UNSAID ? 0 : in.rate;
    c->call.job.done = started_cb;
    sqs_call_submit(&c->call);
}

/* ---- looking ---- */

static void keep_move(void *context, const struct queue_move *m)
{
    struct task *c = context;

    if (c->count < c->max)
        c->moves[c->count++] = *m;
}

static bool list_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct task *c = (struct task *)job;

    c->count = 0;
    return queue_move_each(s, c->call.queue->name, keep_move, c, diag);
}

static void write_number(struct buf *json, const char *key, int64_t value)
{
    json_write_key(json, key);
    json_write_int(json, value);
}

static void write_move(struct buf *json, const struct task *c, const struct queue_move *m)
{
    const struct ruleset *set = http_set(c->call.request->http);
    const struct target_def *to = m->target[0] ? ruleset_target(set, queue_adapter.type, str_from(m->target)) : NULL;

    buf_char(json, '{');
    if (m->state == QUEUE_MOVE_RUNNING)
        write_handle(json, m->id, c->call.queue->arn);
    json_write_member(json, "Status", str_from(queue_move_state(m->state)));
    json_write_member(json, "SourceArn", c->call.queue->arn);
    if (to)
        json_write_member(json, "DestinationArn", to->arn);
    if (m->rate)
        write_number(json, "MaxNumberOfMessagesPerSecond", m->rate);
    write_number(json, "ApproximateNumberOfMessagesMoved", m->moved);
    write_number(json, "ApproximateNumberOfMessagesToMove", m->total);
    if (m->failure[0])
        json_write_member(json, "FailureReason", str_from(m->failure));
    write_number(json, "StartedTimestamp", m->started_wall_ms);
    buf_char(json, '}');
}

static void answer_list(struct sqs_call *call)
{
    const struct task *c = (struct task *)call;
    struct buf json = BUF_INIT;

    buf_text(&json, "{\"Results\":[");
    for (size_t i = 0; i < c->count; i++) {
        buf_text(&json, i ? "," : "");
        write_move(&json, c, &c->moves[i]);
    }
    buf_text(&json, "]}");
    aws_reply(call->request, &json);
    buf_fini(&json);
}

void sqs_list_message_move_tasks(struct aws_request *r)
{
    struct input in = {.max = 1};
    const struct target_def *source;

    if (!aws_read(r, r->input, "", members, &in) || !sqs_has(r, in.source, "SourceArn"))
        return;
    if (in.max < 1 || in.max > RESULTS_MAX) {
        sqs_refuse_number(r, in.max, "MaxResults", "Must be an integer from 1 to 10.");
        return;
    }
    if (!(source = queue_of_arn(r, in.source, "SourceArn")))
        return;
    struct task *c = sqs_call_new(r, sizeof *c, source, list_step, answer_list);
    c->max = (size_t)in.max;
    sqs_call_submit(&c->call);
}

/* ---- cancelling ---- */

static bool cancel_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct task *c = (struct task *)job;
    bool found = false;

    c->count = 0;
    c->fault = UNKNOWN;
    if (!queue_move_each(s, c->call.queue->name, keep_move, c, diag))
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (c->moves[i].id == c->id) {
            c->moves[0] = c->moves[i];
            c->fault = c->moves[i].state == QUEUE_MOVE_RUNNING ? FINE : OVER;
            break;
        }
    return c->fault != FINE || queue_move_cancel(s, c->call.queue->name, &found, diag);
}

static void answer_cancelled(struct sqs_call *call)
{
    const struct task *c = (struct task *)call;
    struct buf json = BUF_INIT;

    if (c->fault == UNKNOWN) {
        aws_fail(call->request, 404, "ResourceNotFoundException", "Task does not exist.");
        return;
    }
    if (c->fault == OVER) {
        aws_fail(call->request, 400, "UnsupportedOperation", "Only active tasks can be cancelled.");
        return;
    }
    buf_char(&json, '{');
    write_number(&json, "ApproximateNumberOfMessagesMoved", c->moves[0].moved);
    buf_char(&json, '}');
    aws_reply(call->request, &json);
    buf_fini(&json);
}

void sqs_cancel_message_move_task(struct aws_request *r)
{
    struct input in = {0};
    const struct target_def *source;
    struct str arn;
    int64_t id;

    if (!aws_read(r, r->input, "", members, &in) || !sqs_has(r, in.handle, "TaskHandle"))
        return;
    if (!read_handle(r, in.handle, &id, &arn)) {
        sqs_refuse_value(r, in.handle, "TaskHandle", "It is no task handle.");
        return;
    }
    if (!(source = queue_of_arn(r, arn, "TaskHandle")))
        return;
    struct task *c = sqs_call_new(r, sizeof *c, source, cancel_step, answer_cancelled);
    c->id = id;
    c->max = RESULTS_MAX;
    sqs_call_submit(&c->call);
}
