/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues for the command line. Each call is one ledger job, answered when its commit is on disk. A receive that waits
 * asks again every WAIT_STEP_MS on its thread's loop until a message comes or its time is over.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

#define RECEIVE_MAX       1000
#define RECEIVE_STAYS_MAX 10         /* with visibility timeout 0: as many as SQS gives */
#define RECEIVE_BYTES     (8u << 20) /* an answer's size: what is left stays in the queue */
#define PEEK_MAX          1000
#define WAIT_MAX_MS       20000
#define WAIT_STEP_MS      100
#define WAITERS_MAX       1000 /* receives that wait at one time, each a ledger job a step; one more is answered at once */

struct queue_call {
    struct ledger_job job;
    struct http_request *request;
    const struct ruleset *set;
    const struct target_def *queue; /* NULL: it left the configuration */
    char *name;
    bool unknown;    /* neither configured nor holding messages */
    struct buf body; /* of the request: decoded text, or JSON that outlives it */
    struct buf answer;
    int64_t max, visibility_ms, delay_ms, after, count, deadline_ms;
    const char *comma;
};

typedef bool queue_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag);

static struct queue_call *call_of(struct ledger_job *job)
{
    return (struct queue_call *)job;
}

static void finish(struct queue_call *c)
{
    buf_fini(&c->body);
    buf_fini(&c->answer);
    free(c->name);
    free(c);
}

static void reply_unknown(struct queue_call *c)
{
    const char *names[256];
    size_t count = 0;

    for (uint32_t i = 0; i < c->set->target_count && count < 256; i++)
        if (c->set->targets[i]->adapter == &queue_adapter)
            names[count++] = c->set->targets[i]->name.ptr;
    const char *near = diag_near(str_from(c->name), names, count);
    http_reply_error(c->request, 404, "no queue is called '%s'%s%s%s", c->name, near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
}

static void answer_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);

    if (c->unknown)
        reply_unknown(c);
    else if (!ok)
        http_reply_error(c->request, 503, "%s", diag->message);
    else {
        xbuf(&c->answer);
        http_reply_json(c->request, 200, &c->answer);
    }
    finish(c);
}

static struct queue_call *make_call(struct http_request *r, struct str name, queue_step *run)
{
    struct queue_call *c = xalloc(sizeof *c);

    c->request = r;
    c->set = http_set(r);
    c->name = xtext(name);
    c->queue = name.size ? ruleset_target(c->set, "queue", str_from(c->name)) : NULL;
    c->job.run = run;
    c->job.done = answer_cb;
    c->job.reply = http_mailbox(r);
    return c;
}

static void submit(struct queue_call *c)
{
    ledger_submit(http_router(c->request)->ledger, &c->job);
}

static void same_name(void *context, struct str name)
{
    struct queue_call *c = context;
    if (str_is(name, c->name))
        c->unknown = false;
}

/* Is there such a queue at all? Sets c->unknown. */
static bool check_known(struct queue_call *c, struct store *s, struct weir_diag *diag)
{
    c->unknown = !c->queue;
    return c->queue || queue_names(s, same_name, c, diag);
}

/* ---- receive ---- */

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

static void write_message(void *context, const struct queue_message *m)
{
    struct queue_call *c = context;
    char sent[21];

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
    buf_char(&c->answer, '}');
    c->count++;
}

/* A queue that left the configuration is received from with the built-in queue's settings under its own name. */
static struct target_def definition(const struct queue_call *c)
{
    struct target_def d = *(c->queue ? c->queue : c->set->dead_letters);
    d.name = str_from(c->name);
    return d;
}

static bool receive_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);
    int64_t before;

    buf_clear(&c->answer);
    c->count = 0;
    c->comma = "";
    if (!check_known(c, s, diag))
        return false;
    struct target_def queue = definition(c);
    buf_text(&c->answer, "{\"messages\":[");
    /* One at a time, so that a large answer ends between messages; but what is visible again at once would come again.
     */
    bool stays = c->visibility_ms == 0;
    unsigned step = stays ? (unsigned)(c->max < RECEIVE_STAYS_MAX ? c->max : RECEIVE_STAYS_MAX) : 1;
    struct queue_want want = {step, c->visibility_ms, 0, write_message, c};
    do {
        before = c->count;
        if (!queue_receive(s, &queue, &want, now, NULL, diag))
            return false;
    } while (!stays && c->count > before && c->count < c->max && c->answer.size < RECEIVE_BYTES);
    buf_text(&c->answer, "]}");
    return true;
}

static atomic_int waiters;

static void again_cb(evutil_socket_t fd, short what, void *context)
{
    atomic_fetch_sub(&waiters, 1);
    submit(context);
}

/* Asks again after a step. False: too many wait already, or there is no memory. */
static bool wait_a_step(struct queue_call *c)
{
    struct timeval step = {0, WAIT_STEP_MS * 1000};

    if (atomic_fetch_add(&waiters, 1) < WAITERS_MAX &&
        event_base_once(http_base(c->request), -1, EV_TIMEOUT, again_cb, c, &step) == 0)
        return true;
    atomic_fetch_sub(&waiters, 1);
    return false;
}

static void received_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);

    bool wait = ok && !c->unknown && !c->count && clock_now(&http_router(c->request)->clock).age_ms < c->deadline_ms &&
                !atomic_load(&http_router(c->request)->draining);
    if (!wait || !wait_a_step(c))
        answer_cb(job, ok, diag);
}

static void receive(struct http_request *r, struct str name)
{
    struct str body;
    int64_t max, visibility, wait;

    if (!v1_body(r, &body) || !v1_int(r, body, "max", 10, 1, RECEIVE_MAX, &max) ||
        !v1_int(r, body, "visibility_timeout_ms", -1, 0, 43200000, &visibility) ||
        !v1_int(r, body, "wait_ms", 0, 0, WAIT_MAX_MS, &wait))
        return;
    struct queue_call *c = make_call(r, name, receive_step);
    c->max = max;
    c->visibility_ms = visibility;
    c->deadline_ms = clock_now(&http_router(r)->clock).age_ms + wait;
    c->job.done = received_cb;
    submit(c);
}

/* ---- delete, send, purge, look ---- */

static bool delete_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);
    struct buf unknown = BUF_INIT, handle = BUF_INIT;
    struct json_reader reader;
    struct json_token t;
    bool ok = true, found;

    c->unknown = false;
    c->count = 0;
    json_reader_init(&reader, json_member(buf_view(&c->body), "receiptHandles"));
    json_next(&reader, &t);
    while (ok && json_next(&reader, &t) == JSON_STRING) {
        buf_clear(&handle);
        json_decode(&handle, t.raw);
        ok = queue_delete(s, str_from(c->name), buf_view(&handle), now, &found, diag);
        c->count += found;
        if (ok && !found)
            buf_printf(&unknown, "%s%.*s", unknown.size ? "," : "", STR_ARG(t.raw));
    }
    buf_clear(&c->answer);
    buf_printf(&c->answer, "{\"deleted\":%lld,\"unknown\":[%.*s]}", (long long)c->count, STR_ARG(buf_view(&unknown)));
    buf_fini(&unknown);
    buf_fini(&handle);
    return ok;
}

static void delete_messages(struct http_request *r, struct str name)
{
    struct str body, handles;

    if (!v1_body(r, &body))
        return;
    handles = json_member(body, "receiptHandles");
    if (!handles.size || json_type_of(handles) != JSON_ARRAY) {
        http_reply_error(r, 400, "'receiptHandles' must be an array of strings");
        return;
    }
    struct queue_call *c = make_call(r, name, delete_step);
    buf_str(&c->body, body);
    submit(c);
}

static bool send_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);
    struct queue_sent sent;

    if (!check_known(c, s, diag))
        return false;
    if (c->unknown)
        return true;
    struct target_def queue = definition(c);
    struct queue_send m = {.body = buf_view(&c->body), .delay_ms = c->delay_ms};
    if (!queue_put(s, &queue, &m, now, &sent, diag))
        return false;
    buf_clear(&c->answer);
    buf_char(&c->answer, '{');
    json_write_member(&c->answer, "messageId", str_from(sent.message_id));
    buf_char(&c->answer, '}');
    return true;
}

static void send_message(struct http_request *r, struct str name)
{
    struct str object;
    struct buf body = BUF_INIT;
    int64_t delay;

    if (!v1_body(r, &object) || !v1_int(r, object, "delay_ms", 0, 0, 900000, &delay) ||
        !v1_text(r, object, "body", &body, true)) {
        buf_fini(&body);
        return;
    }
    struct queue_call *c = make_call(r, name, send_step);
    c->body = body;
    c->delay_ms = delay;
    submit(c);
}

static bool purge_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);

    if (!check_known(c, s, diag) || !queue_purge(s, str_from(c->name), &c->count, diag))
        return false;
    buf_clear(&c->answer);
    buf_printf(&c->answer, "{\"purged\":%lld}", (long long)c->count);
    return true;
}

static bool peek_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);

    c->comma = "";
    buf_clear(&c->answer);
    if (!check_known(c, s, diag))
        return false;
    buf_text(&c->answer, "{\"messages\":[");
    if (!queue_peek(s, str_from(c->name), c->after, (unsigned)c->max, write_message, c, diag))
        return false;
    buf_text(&c->answer, "]}");
    return true;
}

static int64_t query_int(struct http_request *r, const char *name, int64_t otherwise)
{
    struct str text;
    int64_t n = 0;

    if (!http_query(r, name, &text) || !text.size)
        return otherwise;
    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > INT64_MAX / 100)
            return otherwise;
        n = n * 10 + (text.ptr[i] - '0');
    }
    return n;
}

static void peek(struct http_request *r, struct str name)
{
    struct queue_call *c = make_call(r, name, peek_step);
    int64_t limit = query_int(r, "limit", 100);

    c->after = query_int(r, "after", 0);
    c->max = limit < 1 ? 1 : limit > PEEK_MAX ? PEEK_MAX : limit;
    submit(c);
}

static void purge(struct http_request *r, struct str name)
{
    submit(make_call(r, name, purge_step));
}

/* ---- list ---- */

struct listing {
    struct buf *out;
    const struct ruleset *set;
    struct store *store;
    struct weir_time now;
    struct weir_diag *diag;
    bool ok;
};

static void write_queue(struct listing *l, struct str name, bool configured)
{
    struct queue_counts n;

    l->ok = l->ok && queue_count(l->store, name, l->now, &n, l->diag);
    if (!l->ok)
        return;
    if (l->out->data[l->out->size - 1] == '}')
        buf_char(l->out, ',');
    buf_char(l->out, '{');
    json_write_member(l->out, "name", name);
    buf_printf(
        l->out,
        ",\"visible\":%lld,\"in_flight\":%lld,\"delayed\":%lld,\"bytes\":%lld,\"oldest_age_s\":%lld,\"configured\":%s}",
        (long long)n.visible, (long long)n.in_flight, (long long)n.delayed, (long long)n.bytes,
        (long long)n.oldest_age_ms / 1000, configured ? "true" : "false");
}

static void write_left_over(void *context, struct str name)
{
    struct listing *l = context;
    if (!ruleset_target(l->set, "queue", name)) {
        struct str copy = xstr(name); /* the counts' statement may move it */
        write_queue(l, copy, false);
        free((void *)copy.ptr);
    }
}

bool v1_write_queues(struct buf *out, const struct ruleset *set, struct store *s, struct weir_time now,
                     struct weir_diag *diag)
{
    struct listing l = {out, set, s, now, diag, true};

    buf_char(out, '[');
    for (uint32_t i = 0; i < set->target_count; i++)
        if (set->targets[i]->adapter == &queue_adapter)
            write_queue(&l, set->targets[i]->name, true);
    bool ok = queue_names(s, write_left_over, &l, diag);
    buf_char(out, ']');
    return ok && l.ok;
}

static bool list_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = call_of(job);

    buf_clear(&c->answer);
    buf_text(&c->answer, "{\"queues\":");
    bool ok = v1_write_queues(&c->answer, c->set, s, now, diag);
    buf_char(&c->answer, '}');
    return ok;
}

/* ---- which call ---- */

static const struct action {
    const char *method, *name;
    void (*run)(struct http_request *r, struct str queue);
} actions[] = {
    {"POST", "receive", receive}, {"POST", "delete", delete_messages}, {"POST", "send", send_message},
    {"POST", "purge", purge},     {"GET", "messages", peek},
};

void v1_queues(struct http_request *r)
{
    struct str rest = http_path_rest(r);
    const char *slash = rest.size ? memrchr(rest.ptr, '/', rest.size) : NULL;

    if (!rest.size) {
        submit(make_call(r, (struct str){0}, list_step));
        return;
    }
    for (size_t i = 0; slash && i < sizeof actions / sizeof actions[0]; i++) {
        struct str what = {slash + 1, (size_t)(rest.ptr + rest.size - slash - 1)};
        if (!str_is(what, actions[i].name))
            continue;
        if (strcmp(http_method(r), actions[i].method) == 0)
            actions[i].run(r, (struct str){rest.ptr, (size_t)(slash - rest.ptr)});
        else
            http_reply_error(r, 405, "%s takes %s", actions[i].name, actions[i].method);
        return;
    }
    http_reply_error(r, 404, "no such call: queues take receive, delete, send, purge and messages");
}
