/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving from a queue, and messages as they are shown. A receive that finds nothing and may wait is entered in the
 * list of waiters while it runs (queue_waiters.h); it looks again when it is woken, and is answered with what it got,
 * or with no messages when its time, its client or the router ends.
 */
#include <stdlib.h>

#include "router/api/v1_queues_int.h"
#include "router/xalloc.h"

#define RECEIVE_STAYS_MAX 10         /* with visibility timeout 0: as many as SQS gives */
#define RECEIVE_BYTES     (8u << 20) /* bodies of an answer: what is left stays in the queue */
#define WAIT_MAX_MS       20000

/* ---- messages ---- */

static void write_attribute(struct buf *out, const struct json_token *key, struct str value)
{
    struct str text = json_type_of(value) == JSON_OBJECT ? json_member(value, "Value") : value;

    if (out->data[out->size - 1] != '{')
        buf_char(out, ',');
    buf_str(out, key->raw);
    buf_char(out, ':');
    buf_str(out, text.size ? text : STR("null"));
}

/* {"NAME":{"Type":…,"Value":"v"}} as {"NAME":"v"} */
static void write_attributes(struct buf *out, struct str attributes)
{
    struct json_reader reader;
    struct json_token key, value;

    json_write_key(out, "attributes");
    buf_char(out, '{');
    if (attributes.size && json_check(attributes, NULL, NULL) && json_type_of(attributes) == JSON_OBJECT) {
        json_reader_init(&reader, attributes);
        json_next(&reader, &key);
        while (json_next(&reader, &key) == JSON_KEY) {
            json_next(&reader, &value);
            json_skip(&reader, &value);
            write_attribute(out, &key, value.raw);
        }
    }
    buf_char(out, '}');
}

void queue_call_write(void *context, const struct queue_message *m)
{
    struct queue_call *c = context;
    char sent[21], sequence[QUEUE_SEQUENCE_DIGITS + 1];

    time_format_rfc3339(m->sent_wall_ms, sent);
    buf_text(&c->answer, c->comma);
    c->comma = ",";
    buf_char(&c->answer, '{');
    json_write_key(&c->answer, "id");
    json_write_int(&c->answer, m->id);
    json_write_member(&c->answer, "messageId", m->message_id);
    if (m->receipt_handle.size)
        json_write_member(&c->answer, "receiptHandle", m->receipt_handle);
    json_write_member(&c->answer, "body", m->body);
    write_attributes(&c->answer, m->attributes);
    json_write_key(&c->answer, "receiveCount");
    json_write_int(&c->answer, m->receive_count);
    json_write_member(&c->answer, "sent", str_from(sent));
    if (m->sequence) {
        queue_sequence_write(m->sequence, sequence);
        json_write_member(&c->answer, "sequenceNumber", str_from(sequence));
        json_write_member(&c->answer, "messageGroupId", m->group);
        json_write_member(&c->answer, "messageDeduplicationId", m->deduplication_id);
    }
    if (m->idempotency_key.size)
        json_write_member(&c->answer, "idempotencyKey", m->idempotency_key);
    if (m->came_from.size)
        json_write_member(&c->answer, "deadLetterQueueSource", m->came_from);
    buf_char(&c->answer, '}');
    c->count++;
}

/* ---- receiving ---- */

static struct queue_waiters *waiters_of(const struct queue_call *c)
{
    return http_router(c->request)->waiters;
}

static bool receive_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);
    struct queue_want want = {(unsigned)c->max, c->visibility_ms, RECEIVE_BYTES, queue_call_write, c};
    bool waits = c->waiter.deadline_age_ms > now.age_ms;

    buf_clear(&c->answer);
    c->count = 0;
    c->comma = "";
    c->got = (struct queue_got){.next_age_ms = INT64_MAX};
    if (!queue_call_check_known(c, s, diag))
        return false;
    struct target_def queue = queue_call_definition(c);
    buf_text(&c->answer, "{\"messages\":[");
    if (!queue_receive(s, &queue, &want, now, &c->got, diag))
        return false;
    buf_text(&c->answer, "]}");
    if (!c->unknown)
        queue_waiters_look(waiters_of(c), waits ? &c->waiter : NULL, queue.name, &c->got);
    return true;
}

static void received_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    if (!queue_waiter_rest(waiters_of(c), &c->waiter, ok, &c->got))
        queue_call_answer(job, ok, diag);
}

static void over_cb(struct queue_waiter *w)
{
    struct ledger_job *job = w->job;
    queue_call_answer(job, true, &job->diag);
}

static void gone_cb(void *context)
{
    struct queue_call *c = context;

    if (queue_waiter_cancel(waiters_of(c), &c->waiter))
        over_cb(&c->waiter);
}

void v1_receive(struct http_request *r, struct str name)
{
    struct str body;
    int64_t max, visibility, wait;

    if (!v1_body(r, &body) || !v1_int(r, body, "max", 10, 1, QUEUE_RECEIVE_MAX, &max) ||
        !v1_int(r, body, "visibility_timeout_ms", -1, 0, QUEUE_VISIBILITY_MAX_MS, &visibility) ||
        !v1_int(r, body, "wait_ms", 0, 0, WAIT_MAX_MS, &wait))
        return;
    struct queue_call *c = queue_call_create(r, name, receive_step);
    c->max = visibility == 0 && max > RECEIVE_STAYS_MAX ? RECEIVE_STAYS_MAX : max;
    c->visibility_ms = visibility;
    c->waiter.job = &c->job;
    c->waiter.over = over_cb;
    c->waiter.deadline_age_ms = clock_now(&http_router(r)->clock).age_ms + wait;
    c->job.done = received_cb;
    if (wait)
        http_on_close(r, gone_cb, c);
    queue_call_submit(c);
}
