/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues for the command line. Each call is one ledger job, answered when its commit is on disk. Receiving is in
 * v1_receive.c, moving in v1_moves.c.
 */
#include <stdlib.h>

#include "router/api/v1_queues_int.h"
#include "router/space.h"
#include "router/xalloc.h"

#define PEEK_MAX 1000

void queue_call_finish(struct queue_call *c)
{
    buf_fini(&c->body);
    buf_fini(&c->answer);
    buf_fini(&c->group);
    buf_fini(&c->deduplication_id);
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

void queue_call_answer(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    if (c->unknown)
        reply_unknown(c);
    else if (!ok)
        http_reply_error(c->request, 503, "%s", diag->message);
    else {
        xbuf(&c->answer);
        http_reply_json(c->request, 200, &c->answer);
    }
    queue_call_finish(c);
}

struct queue_call *queue_call_create(struct http_request *r, struct str name, queue_step *run)
{
    struct queue_call *c = xalloc(sizeof *c);

    c->request = r;
    c->set = http_set(r);
    c->name = xtext(name);
    c->queue = name.size ? ruleset_target(c->set, "queue", str_from(c->name)) : NULL;
    c->job.run = run;
    c->job.done = queue_call_answer;
    c->job.reply = http_mailbox(r);
    return c;
}

void queue_call_submit(struct queue_call *c)
{
    ledger_submit(http_router(c->request)->ledger, &c->job);
}

static void same_name(void *context, struct str name)
{
    struct queue_call *c = context;
    if (str_is(name, c->name))
        c->unknown = false;
}

bool queue_call_check_known(struct queue_call *c, struct store *s, struct weir_diag *diag)
{
    c->unknown = !c->queue;
    return c->queue || queue_names(s, same_name, c, diag);
}

struct target_def queue_call_definition(const struct queue_call *c)
{
    struct target_def d = *(c->queue ? c->queue : c->set->dead_letters);
    d.name = str_from(c->name);
    return d;
}

/* ---- delete, send, purge, look ---- */

static bool delete_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);
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
    struct queue_call *c = queue_call_create(r, name, delete_step);
    buf_str(&c->body, body);
    queue_call_submit(c);
}

static struct queue_send message_of(const struct queue_call *c)
{
    return (struct queue_send){.body = buf_view(&c->body),
                               .delay_ms = c->delay_ms,
                               .group = buf_view(&c->group),
                               .deduplication_id = buf_view(&c->deduplication_id)};
}

static bool send_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);
    struct target_def queue = queue_call_definition(c);
    struct queue_send m = message_of(c);
    struct queue_sent sent;
    char sequence[QUEUE_SEQUENCE_DIGITS + 1];

    if (!queue_call_check_known(c, s, diag))
        return false;
    if (c->unknown)
        return true;
    if (!queue_put(s, &queue, &m, now, &sent, diag))
        return false;
    buf_clear(&c->answer);
    buf_char(&c->answer, '{');
    json_write_member(&c->answer, "messageId", str_from(sent.message_id));
    if (sent.sequence) {
        queue_sequence_write(sent.sequence, sequence);
        json_write_member(&c->answer, "sequenceNumber", str_from(sequence));
        buf_printf(&c->answer, ",\"duplicate\":%s", sent.duplicate ? "true" : "false");
    }
    buf_char(&c->answer, '}');
    return true;
}

/* Answers with 400 what the queue would not take. */
static bool check_message(struct queue_call *c)
{
    struct target_def queue = queue_call_definition(c);
    const struct queue_options *o = queue.options;
    struct queue_send m = message_of(c);
    const char *fault = queue_send_fault(&queue, &m);

    if (!fault && m.delay_ms >= 0 && queue_is_fifo(queue.name))
        fault = "a FIFO queue delays all its messages alike: none has a delay of its own";
    if (fault)
        http_reply_error(c->request, 400, "%s", fault);
    else if (m.body.size > (size_t)o->maximum_message_size)
        http_reply_error(c->request, 400, "the message has %zu bytes, maximum_message_size of queue '%s' is %lld",
                         m.body.size, c->name, (long long)o->maximum_message_size);
    else
        return true;
    return false;
}

static bool has_room(struct queue_call *c)
{
    struct space_refusal no;

    if (space_take(http_router(c->request)->space, 1, c->body.size, &no))
        return true;
    http_reply_error(c->request, 503, "%s", no.message);
    return false;
}

static void send_message(struct http_request *r, struct str name)
{
    struct queue_call *c = queue_call_create(r, name, send_step);
    struct str object;

    if (v1_body(r, &object) && v1_int(r, object, "delay_ms", -1, 0, QUEUE_DELAY_MAX_MS, &c->delay_ms) &&
        v1_text(r, object, "body", &c->body, true) && v1_text(r, object, "group", &c->group, false) &&
        v1_text(r, object, "deduplication_id", &c->deduplication_id, false) && check_message(c) && has_room(c))
        queue_call_submit(c);
    else
        queue_call_finish(c);
}

static bool purge_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    if (!queue_call_check_known(c, s, diag) || !queue_purge(s, str_from(c->name), &c->count, diag))
        return false;
    buf_clear(&c->answer);
    buf_printf(&c->answer, "{\"purged\":%lld}", (long long)c->count);
    return true;
}

static bool peek_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    c->comma = "";
    buf_clear(&c->answer);
    if (!queue_call_check_known(c, s, diag))
        return false;
    buf_text(&c->answer, "{\"messages\":[");
    if (!queue_peek(s, str_from(c->name), c->after, (unsigned)c->max, queue_call_write, c, diag))
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
    struct queue_call *c = queue_call_create(r, name, peek_step);
    int64_t limit = query_int(r, "limit", 100);

    c->after = query_int(r, "after", 0);
    c->max = limit < 1 ? 1 : limit > PEEK_MAX ? PEEK_MAX : limit;
    queue_call_submit(c);
}

static void purged_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    dispatch_chores(http_router(queue_call_of(job)->request)->dispatch); /* what is out of reach takes room */
    queue_call_answer(job, ok, diag);
}

static void purge(struct http_request *r, struct str name)
{
    struct queue_call *c = queue_call_create(r, name, purge_step);

    c->job.done = purged_cb;
    queue_call_submit(c);
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
    struct queue_call *c = queue_call_of(job);

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
    {"POST", "receive", v1_receive}, {"POST", "delete", delete_messages},
    {"POST", "send", send_message},  {"POST", "purge", purge},
    {"GET", "messages", peek},       {"POST", "move", v1_move},
    {"GET", "moves", v1_moves},      {"POST", "cancel-move", v1_cancel_move},
};

void v1_queues(struct http_request *r)
{
    struct str rest = http_path_rest(r);
    const char *slash = rest.size ? memrchr(rest.ptr, '/', rest.size) : NULL;

    if (!rest.size) {
        queue_call_submit(queue_call_create(r, (struct str){0}, list_step));
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
    http_reply_error(r, 404,
                     "no such call: queues take receive, delete, send, purge, messages, move, moves and cancel-move");
}
