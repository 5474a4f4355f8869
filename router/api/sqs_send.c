/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SendMessage and SendMessageBatch. A message is read and checked on the request's thread, put on its queue by the
 * ledger, and answered when that is committed; a batch is one job. Message attributes are kept beside the body in the
 * queue's own form (message_attributes.h); the trace header, and the group of a message on a standard queue (where it
 * changes no order), stand there under names that no attribute can have.
 */
#include <stdio.h>

#include "router/api/sqs.h"
#include "router/router.h"
#include "router/space.h"
#include "router/xalloc.h"

#define DELAY_MAX_S 900
#define UNSAID      INT64_MIN

struct message_input {
    struct str body, attributes, system_attributes, group, deduplication_id;
    int64_t delay_s;
};

static const struct aws_member message_members[] = {
    AWS_MEMBER(struct message_input, "MessageBody", AWS_STRING, body),
    AWS_MEMBER(struct message_input, "MessageAttributes", AWS_STRUCTURE, attributes),
    AWS_MEMBER(struct message_input, "MessageSystemAttributes", AWS_STRUCTURE, system_attributes),
    AWS_MEMBER(struct message_input, "MessageGroupId", AWS_STRING, group),
    AWS_MEMBER(struct message_input, "MessageDeduplicationId", AWS_STRING, deduplication_id),
    AWS_MEMBER(struct message_input, "DelaySeconds", AWS_INTEGER, delay_s),
    {0},
};

struct message {
    struct queue_send send;
    struct message_attributes attributes, system_attributes;
    size_t bytes;
    struct queue_sent sent;
};

struct send {
    struct sqs_call call;
    struct sqs_batch batch; /* of one entry where it is no batch */
    struct message messages[SQS_BATCH_MAX];
};

/* ---- checks ---- */

static bool check_body(struct str body, struct message_fault *fault)
{
    if (!body.size)
        return message_refuse(fault, "MissingParameter", "The request must contain the parameter MessageBody.");
    if (!message_is_content(body))
        return message_refuse(fault, "InvalidMessageContents", "Invalid characters found. " MESSAGE_CONTENT);
    return true;
}

static bool refuse_value(struct message_fault *fault, struct str value, const char *parameter, const char *reason)
{
    return message_refuse(fault, "InvalidParameterValue", "Value %.*s for parameter %s is invalid. Reason: %s",
                          value.size > 200 ? 200 : (int)value.size, value.ptr, parameter, reason);
}

static bool check_ids(const struct target_def *queue, const struct message_input *in, struct message_fault *fault)
{
    static const char form[] = "can only include alphanumeric and punctuation characters. 1 to 128 in length.";
    const struct queue_options *o = queue->options;
    char reason[128];

    snprintf(reason, sizeof reason, "MessageGroupId %s", form);
    if (in->group.ptr && !queue_is_id(in->group))
        return refuse_value(fault, in->group, "MessageGroupId", reason);
    if (!queue_is_fifo(queue->name))
        return !in->deduplication_id.ptr ||
               refuse_value(fault, in->deduplication_id, "MessageDeduplicationId",
                            "The request includes a parameter that is not valid for this queue type.");
    snprintf(reason, sizeof reason, "MessageDeduplicationId %s", form);
    if (!in->group.size)
        return message_refuse(fault, "MissingParameter", "The request must contain the parameter MessageGroupId.");
    if (in->deduplication_id.ptr && !queue_is_id(in->deduplication_id))
        return refuse_value(fault, in->deduplication_id, "MessageDeduplicationId", reason);
    if (!in->deduplication_id.ptr && !o->content_based_deduplication)
        return message_refuse(fault, "InvalidParameterValue",
                              "The queue should either have ContentBasedDeduplication enabled or "
                              "MessageDeduplicationId provided explicitly");
    return true;
}

static bool check_delay(const struct target_def *queue, int64_t delay_s, struct message_fault *fault)
{
    char text[24];

    if (delay_s == UNSAID)
        return true;
    snprintf(text, sizeof text, "%lld", (long long)delay_s);
    if (delay_s < 0 || delay_s > DELAY_MAX_S)
        return refuse_value(fault, str_from(text), "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.");
    if (delay_s && queue_is_fifo(queue->name))
        return refuse_value(fault, str_from(text), "DelaySeconds",
                            "The request include parameter that is not valid for this queue type");
    return true;
}

static bool check_system_attributes(const struct message_attributes *m, struct message_fault *fault)
{
    for (size_t i = 0; i < m->count; i++)
        if (!str_is(m->all[i].name, "AWSTraceHeader") || !str_is(m->all[i].type, "String"))
            return message_refuse(fault, "InvalidParameterValue",
                                  "Message system attribute '%.*s' is invalid: only AWSTraceHeader of type String can "
                                  "be sent.",
                                  STR_ARG(m->all[i].name));
    return true;
}

static bool check_size(const struct target_def *queue, const struct message *m, struct message_fault *fault)
{
    const struct queue_options *o = queue->options;

    return m->bytes <= (size_t)o->maximum_message_size ||
           message_refuse(fault, "InvalidParameterValue",
                          "One or more parameters are invalid. Reason: Message must be shorter than %lld bytes.",
                          (long long)o->maximum_message_size);
}

/* ---- taking ---- */

static void keep_text(struct buf *out, const char *name, struct str value)
{
    if (!value.size)
        return;
    json_write_key(out, name);
    buf_text(out, "{\"Type\":\"String\"");
    json_write_member(out, "Value", value);
    buf_char(out, '}');
}

/* What is kept beside the body, in the arena; "" where there is nothing. */
static struct str kept(struct aws_request *r, const struct message *m, struct str group)
{
    struct buf json = BUF_INIT;

    if (!m->attributes.count && !m->system_attributes.count && !group.size)
        return STR("");
    message_attributes_store(&json, &m->attributes);
    json.size--; /* its closing brace */
    if (m->system_attributes.count)
        keep_text(&json, SQS_TRACE_HEADER, m->system_attributes.all[0].text);
    keep_text(&json, SQS_GROUP, group);
    buf_char(&json, '}');
    xbuf(&json);
    struct str text = arena_str(&r->arena, buf_view(&json));
    buf_fini(&json);
    return text;
}

static bool take_message(struct aws_request *r, const struct target_def *queue, const struct message_input *in,
                         struct message *m, struct message_fault *fault)
{
    bool fifo = queue_is_fifo(queue->name);

    if (!check_body(in->body, fault) || !check_delay(queue, in->delay_s, fault) || !check_ids(queue, in, fault) ||
        !message_attributes_read(&r->arena, in->attributes, &m->attributes, fault) ||
        !message_attributes_read(&r->arena, in->system_attributes, &m->system_attributes, fault) ||
        !check_system_attributes(&m->system_attributes, fault))
        return false;
    m->bytes = in->body.size + m->attributes.bytes;
    m->send = (struct queue_send){
        .body = in->body,
        .attributes = kept(r, m, fifo ? STR("") : in->group),
        .delay_ms = in->delay_s == UNSAID ? -1 : in->delay_s * 1000,
        .group = fifo ? in->group : STR(""),
        .deduplication_id = in->deduplication_id,
    };
    return check_size(queue, m, fault);
}

static bool has_room(struct aws_request *r, size_t count, size_t bytes)
{
    struct space_refusal no;

    if (space_take(http_router(r->http)->space, count, bytes, &no))
        return true;
    aws_fail(r, 503, "ServiceUnavailable", "%s", no.message);
    return false;
}

/* ---- sending ---- */

static bool send_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct send *send = (struct send *)job;

    for (size_t i = 0; i < send->batch.count; i++) {
        struct message *m = &send->messages[i];
        if (!send->batch.entries[i].fault.code && !queue_put(s, send->call.queue, &m->send, now, &m->sent, diag))
            return false;
    }
    return true;
}

static void write_sent(void *context, struct buf *json, size_t index)
{
    const struct message *m = &((struct send *)context)->messages[index];
    char md5[MD5_DIGITS + 1], sequence[QUEUE_SEQUENCE_DIGITS + 1];

    json_write_member(json, "MessageId", str_from(m->sent.message_id));
    md5_write(m->send.body, md5);
    json_write_member(json, "MD5OfMessageBody", str_from(md5));
    if (m->attributes.count) {
        message_attributes_digest(&m->attributes, md5);
        json_write_member(json, "MD5OfMessageAttributes", str_from(md5));
    }
    if (m->system_attributes.count) {
        message_attributes_digest(&m->system_attributes, md5);
        json_write_member(json, "MD5OfMessageSystemAttributes", str_from(md5));
    }
    if (m->sent.sequence) {
        queue_sequence_write(m->sent.sequence, sequence);
        json_write_member(json, "SequenceNumber", str_from(sequence));
    }
}

static void answer_one(struct sqs_call *c)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    write_sent(c, &json, 0);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static void answer_batch(struct sqs_call *c)
{
    sqs_batch_answer(c->request, &((struct send *)c)->batch, write_sent, c);
}

struct queue_input {
    struct str url, entries;
};
static const struct aws_member queue_members[] = {
    AWS_MEMBER(struct queue_input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct queue_input, "Entries", AWS_LIST, entries, .element = AWS_STRUCTURE),
    {0},
};

void sqs_send_message(struct aws_request *r)
{
    struct queue_input where = {0};
    struct message_input in = {.delay_s = UNSAID};
    const struct target_def *queue;

    if (!aws_read(r, r->input, "", queue_members, &where) || !aws_read(r, r->input, "", message_members, &in) ||
        !(queue = sqs_queue(r, where.url)))
        return;
    struct send *send = sqs_call_new(r, sizeof *send, queue, send_step, answer_one);
    struct message_fault *fault = &send->batch.entries[0].fault;
    send->batch.count = 1;
    if (!take_message(r, queue, &in, &send->messages[0], fault))
        aws_fail(r, 400, fault->code, "%s", fault->message);
    else if (has_room(r, 1, send->messages[0].bytes))
        sqs_call_submit(&send->call);
}

/* The entries' messages; what is wrong with one is its own fault. False: the request is answered. */
static bool take_entries(struct aws_request *r, struct send *send)
{
    size_t bytes = 0, count = 0;

    for (size_t i = 0; i < send->batch.count; i++) {
        struct sqs_batch_entry *e = &send->batch.entries[i];
        struct message_input in = {.delay_s = UNSAID};
        if (!aws_read(r, e->object, "", message_members, &in))
            return false;
        count += take_message(r, send->call.queue, &in, &send->messages[i], &e->fault);
        bytes += in.body.size + send->messages[i].attributes.bytes;
    }
    if (bytes > SQS_BATCH_BYTES_MAX)
        aws_fail(r, 400, "BatchRequestTooLong",
                 "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.", SQS_BATCH_BYTES_MAX, bytes);
    return bytes <= SQS_BATCH_BYTES_MAX && has_room(r, count, bytes);
}

void sqs_send_message_batch(struct aws_request *r)
{
    struct queue_input in = {0};
    const struct target_def *queue;

    if (!aws_read(r, r->input, "", queue_members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    struct send *send = sqs_call_new(r, sizeof *send, queue, send_step, answer_batch);
    if (sqs_batch_read(r, in.entries, "SendMessageBatchRequestEntry", &send->batch) && take_entries(r, send))
        sqs_call_submit(&send->call);
}
