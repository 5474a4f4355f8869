/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReceiveMessage. The ledger copies what was received, and the request's thread makes the answer of it. A receive that
 * finds nothing and may wait lets go of its request's body and is entered in the list of waiters while it runs
 * (queue_waiters.h): it looks again when it is woken, and is answered with what it got, or with nothing when its time,
 * its client or the router ends.
 */
#include <stdio.h>

#include "router/api/sqs_attempt.h"
#include "router/queue_waiters.h"
#include "router/router.h"
#include "router/xalloc.h"

#define RECEIVE_BYTES (8u << 20) /* bodies of an answer: what is left stays in the queue */
#define UNSAID        INT64_MIN

/* What AttributeNames may ask for: attributes of messages, as bits, and those of queues, which it may name too. */
enum {
    SENDER_ID = 1 << 0,
    SENT_TIMESTAMP = 1 << 1,
    RECEIVE_COUNT = 1 << 2,
    FIRST_RECEIVE = 1 << 3,
    SEQUENCE_NUMBER = 1 << 4,
    DEDUPLICATION_ID = 1 << 5,
    GROUP_ID = 1 << 6,
    TRACE_HEADER = 1 << 7,
    DEAD_LETTER_SOURCE = 1 << 8,
    EVERY = (1 << 9) - 1
};
static const struct {
    const char *name;
    unsigned bits;
} attribute_names[] = {
    {"All", EVERY},
    {"SenderId", SENDER_ID},
    {"SentTimestamp", SENT_TIMESTAMP},
    {"ApproximateReceiveCount", RECEIVE_COUNT},
    {"ApproximateFirstReceiveTimestamp", FIRST_RECEIVE},
    {"SequenceNumber", SEQUENCE_NUMBER},
    {"MessageDeduplicationId", DEDUPLICATION_ID},
    {"MessageGroupId", GROUP_ID},
    {"AWSTraceHeader", TRACE_HEADER},
    {"DeadLetterQueueSourceArn", DEAD_LETTER_SOURCE},
};

struct input {
    struct str url, attribute_names, system_attribute_names, message_attribute_names, attempt;
    int64_t max, visibility_s, wait_s;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "AttributeNames", AWS_LIST, attribute_names, .element = AWS_STRING),
    AWS_MEMBER(struct input, "MessageSystemAttributeNames", AWS_LIST, system_attribute_names, .element = AWS_STRING),
    AWS_MEMBER(struct input, "MessageAttributeNames", AWS_LIST, message_attribute_names, .element = AWS_STRING),
    AWS_MEMBER(struct input, "MaxNumberOfMessages", AWS_INTEGER, max),
    AWS_MEMBER(struct input, "VisibilityTimeout", AWS_INTEGER, visibility_s),
    AWS_MEMBER(struct input, "WaitTimeSeconds", AWS_INTEGER, wait_s),
    AWS_MEMBER(struct input, "ReceiveRequestAttemptId", AWS_STRING, attempt),
    {0},
};

struct receive {
    struct sqs_call call;
    unsigned max, attributes; /* bits */
    int64_t visibility_ms;
    struct str *wanted; /* names of message attributes, "All", "prefix.*" */
    size_t wanted_count;
    struct str attempt; /* "": none */
    struct str queue;   /* its name: one that may wait holds no rule set */
    struct arena arena; /* of messages: filled by the ledger, anew at each look */
    struct queue_message *messages;
    size_t count;
    struct queue_waiter waiter;
    struct queue_got got;
};

/* ---- receiving ---- */

static struct queue_waiters *waiters_of(const struct receive *c)
{
    return http_router(c->call.request->http)->waiters;
}

static void keep_message(void *context, const struct queue_message *m)
{
    struct receive *c = context;
    struct queue_message *kept = &c->messages[c->count++];
    struct str *texts[] = {&kept->message_id,      &kept->receipt_handle, &kept->body,
                           &kept->attributes,      &kept->group,          &kept->deduplication_id,
                           &kept->idempotency_key, &kept->came_from};

    *kept = *m;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_str(&c->arena, *texts[i]);
}

/* The messages of the attempt that are still in flight. */
static bool give_again(struct receive *c, const struct target_def *queue, const struct sqs_attempt *attempt,
                       const struct queue_want *want, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    bool found;

    for (size_t i = 0; i < attempt->count && c->count < c->max; i++)
        if (!queue_receive_again(s, queue, str_from(attempt->handles[i]), want, now, &found, diag))
            return false;
    c->got.count = (unsigned)c->count;
    return true;
}

static bool receive(struct receive *c, const struct target_def *queue, struct store *s, struct weir_time now,
                    struct weir_diag *diag)
{
    struct queue_want want = {c->max, c->visibility_ms, RECEIVE_BYTES, keep_message, c};
    struct sqs_attempt *attempt = NULL;

    if (c->attempt.size && (!(attempt = sqs_attempt_need(s, queue->name, c->attempt, now, diag)) ||
                            !give_again(c, queue, attempt, &want, s, now, diag)))
        return false;
    if (c->count)
        return true;
    if (!queue_receive(s, queue, &want, now, &c->got, diag))
        return false;
    if (attempt)
        attempt->count = 0;
    for (size_t i = 0; attempt && i < c->count; i++)
        sqs_attempt_add(attempt, c->messages[i].receipt_handle);
    return true;
}

static bool receive_from(struct receive *c, const struct target_def *queue, struct store *s, struct weir_time now,
                         struct weir_diag *diag)
{
    bool waits = c->waiter.deadline_age_ms > now.age_ms;

    arena_fini(&c->arena);
    c->count = 0;
    c->got = (struct queue_got){.next_age_ms = INT64_MAX};
    if (!receive(c, queue, s, now, diag))
        return false;
    queue_waiters_look(waiters_of(c), waits ? &c->waiter : NULL, queue->name, &c->got);
    return true;
}

/* At each look the queue is what it is by then. One that was deleted meanwhile has no messages. */
static bool receive_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct receive *c = (struct receive *)job;
    if (c->call.queue)
        return receive_from(c, c->call.queue, s, now, diag);
    struct ruleset *set = router_set(http_router(c->call.request->http));
    const struct target_def *queue = ruleset_target(set, queue_adapter.type, c->queue);
    struct target_def gone = *set->dead_letters;
    gone.name = c->queue;
    bool ok = receive_from(c, queue ? queue : &gone, s, now, diag);
    ruleset_unref(set);
    return ok;
}

/* ---- messages as they are shown ---- */

static void write_text(struct buf *json, const struct receive *c, unsigned bit, const char *name, struct str value)
{
    if ((c->attributes & bit) && value.size)
        json_write_member(json, name, value);
}

static void write_number(struct buf *json, const struct receive *c, unsigned bit, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    write_text(json, c, bit, name, str_from(text));
}

/* Takes what is no attribute of the sender's out of them: its value, or "". */
static struct str take_kept(struct message_attributes *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_is(m->all[i].name, name)) {
            struct str value = m->all[i].value;
            memmove(&m->all[i], &m->all[i + 1], (m->count - i - 1) * sizeof *m->all);
            m->count--;
            return value;
        }
    return STR("");
}

static void write_system_attributes(struct buf *json, const struct receive *c, const struct queue_message *m,
                                    struct str trace, struct str group)
{
    const struct ruleset *set = http_set(c->call.request->http);
    char sequence[QUEUE_SEQUENCE_DIGITS + 1] = "";
    struct buf source = BUF_INIT;

    if (!c->attributes)
        return;
    if (m->sequence)
        queue_sequence_write(m->sequence, sequence);
    if (m->came_from.size)
        buf_printf(&source, "arn:aws:sqs:%.*s:%.*s:%.*s", STR_ARG(set->region), STR_ARG(set->account),
                   STR_ARG(m->came_from));
    json_write_key(json, "Attributes");
    buf_char(json, '{');
    write_text(json, c, SENDER_ID, "SenderId", set->account);
    write_number(json, c, SENT_TIMESTAMP, "SentTimestamp", m->sent_wall_ms);
    write_number(json, c, RECEIVE_COUNT, "ApproximateReceiveCount", m->receive_count);
    write_number(json, c, FIRST_RECEIVE, "ApproximateFirstReceiveTimestamp", m->first_received_wall_ms);
    write_text(json, c, SEQUENCE_NUMBER, "SequenceNumber", str_from(sequence));
    write_text(json, c, DEDUPLICATION_ID, "MessageDeduplicationId", m->deduplication_id);
    write_text(json, c, GROUP_ID, "MessageGroupId", m->group.size ? m->group : group);
    write_text(json, c, TRACE_HEADER, "AWSTraceHeader", trace);
    write_text(json, c, DEAD_LETTER_SOURCE, "DeadLetterQueueSourceArn", buf_view(&source));
    buf_char(json, '}');
    buf_fini(&source);
}

static bool is_wanted(const struct receive *c, struct str name)
{
    for (size_t i = 0; i < c->wanted_count; i++) {
        struct str w = c->wanted[i];
        bool open = w.size >= 2 && memcmp(w.ptr + w.size - 2, ".*", 2) == 0;
        if (str_is(w, "All") || str_eq(w, name) || (open && str_starts(name, (struct str){w.ptr, w.size - 2})))
            return true;
    }
    return false;
}

static void write_message_attributes(struct buf *json, const struct receive *c, struct message_attributes *m)
{
    char md5[MD5_DIGITS + 1];
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++)
        if (is_wanted(c, m->all[i].name))
            m->all[kept++] = m->all[i];
    m->count = kept;
    if (!kept)
        return;
    message_attributes_digest(m, md5);
    json_write_member(json, "MD5OfMessageAttributes", str_from(md5));
    json_write_key(json, "MessageAttributes");
    message_attributes_write(json, m);
}

static void write_message(struct buf *json, struct receive *c, const struct queue_message *m)
{
    struct message_attributes attributes;
    char md5[MD5_DIGITS + 1];

    message_attributes_load(&c->arena, m->attributes, &attributes);
    struct str trace = take_kept(&attributes, SQS_TRACE_HEADER), group = take_kept(&attributes, SQS_GROUP);
    md5_write(m->body, md5);
    buf_char(json, '{');
    json_write_member(json, "MessageId", m->message_id);
    json_write_member(json, "ReceiptHandle", m->receipt_handle);
    json_write_member(json, "MD5OfBody", str_from(md5));
    json_write_member(json, "Body", m->body);
    write_system_attributes(json, c, m, trace, group);
    write_message_attributes(json, c, &attributes);
    buf_char(json, '}');
}

static void answer(struct sqs_call *call)
{
    struct receive *c = (struct receive *)call;
    struct buf json = BUF_INIT;

    buf_text(&json, c->count ? "{\"Messages\":[" : "{");
    for (size_t i = 0; i < c->count; i++) {
        buf_text(&json, i ? "," : "");
        write_message(&json, c, &c->messages[i]);
    }
    buf_text(&json, c->count ? "]}" : "}");
    if (c->arena.failed)
        xfail("out of memory");
    arena_fini(&c->arena);
    aws_reply(call->request, &json);
    buf_fini(&json);
}

/* ---- ends ---- */

static void received_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct receive *c = (struct receive *)job;

    if (queue_waiter_rest(waiters_of(c), &c->waiter, ok, &c->got))
        return;
    if (ok) {
        answer(&c->call);
        return;
    }
    arena_fini(&c->arena);
    sqs_call_fail(&c->call, diag);
}

static void over_cb(struct queue_waiter *w)
{
    answer((struct sqs_call *)w->job);
}

static void gone_cb(void *context)
{
    struct receive *c = context;

    if (queue_waiter_cancel(waiters_of(c), &c->waiter))
        over_cb(&c->waiter);
}

/* ---- the request ---- */

/* Attributes of queues: AttributeNames is of one enumeration with them, and they mean nothing here. */
static bool is_queue_attribute(struct str name)
{
    static const char *const names[] = {"Policy",
                                        "VisibilityTimeout",
                                        "MaximumMessageSize",
                                        "MessageRetentionPeriod",
                                        "ApproximateNumberOfMessages",
                                        "ApproximateNumberOfMessagesNotVisible",
                                        "CreatedTimestamp",
                                        "LastModifiedTimestamp",
                                        "QueueArn",
                                        "ApproximateNumberOfMessagesDelayed",
                                        "DelaySeconds",
                                        "ReceiveMessageWaitTimeSeconds",
                                        "RedrivePolicy",
                                        "FifoQueue",
                                        "ContentBasedDeduplication",
                                        "KmsMasterKeyId",
                                        "KmsDataKeyReusePeriodSeconds",
                                        "DeduplicationScope",
                                        "FifoThroughputLimit",
                                        "RedriveAllowPolicy",
                                        "SqsManagedSseEnabled"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_is(name, names[i]))
            return true;
    return false;
}

static bool add_names(struct aws_request *r, struct str list, unsigned *bits)
{
    struct aws_list names;
    struct str raw;

    if (!list.ptr)
        return true;
    for (aws_list_start(&names, list); aws_list_next(&names, &raw);) {
        struct str name = json_decode_in(&r->arena, raw);
        size_t i = 0, count = sizeof attribute_names / sizeof attribute_names[0];
        while (i < count && !str_is(name, attribute_names[i].name))
            i++;
        if (i < count) {
            *bits |= attribute_names[i].bits;
        } else if (!is_queue_attribute(name)) {
            aws_fail(r, 400, "InvalidAttributeName", "Unknown Attribute %.*s.", STR_ARG(name));
            return false;
        }
    }
    return true;
}

static void take_wanted(struct aws_request *r, struct receive *c, struct str list)
{
    struct aws_list names;
    struct str raw;
    size_t count = 0;

    if (!list.ptr)
        return;
    for (aws_list_start(&names, list); aws_list_next(&names, &raw);)
        count++;
    c->wanted = sqs_alloc(r, count, sizeof *c->wanted);
    for (aws_list_start(&names, list); aws_list_next(&names, &raw);)
        c->wanted[c->wanted_count++] = json_decode_in(&r->arena, raw);
}

static bool check(struct aws_request *r, const struct input *in, const struct target_def *queue)
{
    if (in->max < 1 || in->max > SQS_RECEIVE_MAX)
        return sqs_refuse_number(r, in->max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.");
    if (in->wait_s != UNSAID && (in->wait_s < 0 || in->wait_s > SQS_WAIT_MAX_S))
        return sqs_refuse_number(r, in->wait_s, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.");
    if (in->visibility_s != UNSAID && (in->visibility_s < 0 || in->visibility_s > SQS_VISIBILITY_MAX_S))
        return sqs_refuse_number(r, in->visibility_s, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.");
    if (in->attempt.ptr && !queue_is_fifo(queue->name))
        return sqs_refuse_value(r, in->attempt, "ReceiveRequestAttemptId",
                                "The request includes a parameter that is not valid for this queue type.");
    if (in->attempt.ptr && !queue_is_id(in->attempt))
        return sqs_refuse_value(
            r, in->attempt, "ReceiveRequestAttemptId",
            "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to "
            "128 in length.");
    return true;
}

/* A receive that waits holds nothing it does not need: there may be thousands. */
static void let_go(struct aws_request *r, struct receive *c)
{
    c->queue = arena_str(&r->arena, c->call.queue->name);
    if (!c->queue.ptr)
        xfail("out of memory");
    c->call.queue = NULL;
    http_drop_set(r->http);
    r->input = STR("{}");
    http_drop_body(r->http);
    buf_fini(&r->form);
}

void sqs_receive_message(struct aws_request *r)
{
    struct input in = {.max = 1, .visibility_s = UNSAID, .wait_s = UNSAID};
    const struct target_def *queue;
    unsigned attributes = 0;

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)) || !check(r, &in, queue) ||
        !add_names(r, in.attribute_names, &attributes) || !add_names(r, in.system_attribute_names, &attributes))
        return;
    const struct queue_options *o = queue->options;
    int64_t wait_ms = in.wait_s == UNSAID ? o->receive_wait_time : in.wait_s * 1000;
    struct receive *c = sqs_call_new(r, sizeof *c, queue, receive_step, answer);
    c->messages = sqs_alloc(r, (size_t)in.max, sizeof *c->messages);
    c->max = (unsigned)in.max;
    c->attributes = attributes;
    c->visibility_ms = in.visibility_s == UNSAID ? -1 : in.visibility_s * 1000;
    c->attempt = arena_str(&r->arena, in.attempt);
    take_wanted(r, c, in.message_attribute_names);
    c->waiter.job = &c->call.job;
    c->waiter.over = over_cb;
    c->waiter.deadline_age_ms = clock_now(&http_router(r->http)->clock).age_ms + wait_ms;
    c->call.job.done = received_cb;
    if (wait_ms) {
        let_go(r, c);
        http_on_close(r->http, gone_cb, c);
    }
    sqs_call_submit(&c->call);
}
