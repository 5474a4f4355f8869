/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead-letter queues for the command line: what is in them by rule, target and error code, and redriving, which
 * dispatch does. Counting looks at messages page by page, one ledger job a page, so that a long queue holds nobody up;
 * past COUNT_MAX messages of a queue the rest is only known in number.
 */
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

#define PAGE       500
#define COUNT_MAX  100000
#define GROUPS_MAX 1000 /* of one queue: more kinds of trouble than anybody reads */

struct kind { /* messages alike */
    struct str rule, target, code;
    int64_t messages, oldest_ms;
};

struct kinds {
    struct kind *list;
    size_t count, capacity;
};

struct dlq_call {
    struct ledger_job job;
    struct http_request *request;
    const struct target_def **queues;
    size_t queue_count, at;
    struct buf answer;
    bool numbers; /* how many messages there are, but not of which kind */

    /* of the queue `at` */
    struct queue_counts counts;
    int64_t after, looked;
    struct arena arena;
    struct kinds kinds;

    /* of the page being looked at: a job may be run again */
    struct arena page_arena;
    struct kinds page;
    int64_t page_after, page_count;
};

/* ---- which queues ---- */

static void add_queue(struct dlq_call *c, const struct target_def *def)
{
    for (size_t i = 0; i < c->queue_count; i++)
        if (c->queues[i] == def)
            return;
    c->queues[c->queue_count++] = def;
}

static void find_queues(struct dlq_call *c, const struct ruleset *set)
{
    c->queues = xarray(set->target_count, sizeof *c->queues);
    add_queue(c, set->dead_letters);
    for (uint32_t i = 0; i < set->rule_count; i++)
        for (uint32_t k = 0; k < set->rules[i].target_count; k++)
            if (set->rules[i].targets[k].dead_letter)
                add_queue(c, set->rules[i].targets[k].dead_letter);
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct queue_options *o = set->targets[i]->options;
        const struct target_def *behind = set->targets[i]->adapter == &queue_adapter ? o->redrive_policy.target : NULL;
        if (behind)
            add_queue(c, behind);
    }
}

/* ---- counting ---- */

static void add_kind(struct kinds *kinds, struct arena *arena, const struct kind *one)
{
    for (size_t i = 0; i < kinds->count; i++) {
        struct kind *k = &kinds->list[i];
        if (!str_eq(k->rule, one->rule) || !str_eq(k->target, one->target) || !str_eq(k->code, one->code))
            continue;
        k->messages += one->messages;
        if (one->oldest_ms < k->oldest_ms)
            k->oldest_ms = one->oldest_ms;
        return;
    }
    if (kinds->count == GROUPS_MAX)
        return;
    if (kinds->count == kinds->capacity) {
        kinds->capacity = kinds->capacity ? 2 * kinds->capacity : 16;
        kinds->list = xrealloc(kinds->list, kinds->capacity * sizeof *kinds->list);
    }
    kinds->list[kinds->count++] = (struct kind){arena_str(arena, one->rule), arena_str(arena, one->target),
                                                arena_str(arena, one->code), one->messages, one->oldest_ms};
}

/* The Value of an attribute, what follows `cut` in it. */
static struct str attribute(struct arena *arena, struct str attributes, const char *name, char cut)
{
    struct str one = attributes.size ? json_member(attributes, name) : attributes;
    struct str value = one.size ? json_member(one, "Value") : one;
    struct str text = value.size && value.ptr[0] == '"' ? json_decode_in(arena, value) : STR("");
    const char *found = cut == '/' ? memchr(text.ptr, cut, text.size) : cut ? memrchr(text.ptr, cut, text.size) : NULL;

    return found ? (struct str){found + 1, text.size - (size_t)(found + 1 - text.ptr)} : text;
}

static void look_at(void *context, const struct queue_message *m)
{
    struct dlq_call *c = context;
    struct kind one = {attribute(&c->page_arena, m->attributes, "RULE_ARN", '/'),
                       attribute(&c->page_arena, m->attributes, "TARGET_ARN", ':'),
                       attribute(&c->page_arena, m->attributes, "ERROR_CODE", 0), 1, m->sent_wall_ms};

    add_kind(&c->page, &c->page_arena, &one);
    c->page_after = m->id;
    c->page_count++;
}

static bool list_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct dlq_call *c = (struct dlq_call *)job;
    struct str name = c->queues[c->at]->name;

    arena_fini(&c->page_arena);
    c->page.count = 0;
    c->page_count = 0;
    if (c->numbers)
        return queue_count(s, name, now, &c->counts, diag);
    return (c->after || queue_count(s, name, now, &c->counts, diag)) &&
           queue_peek(s, name, c->after, PAGE, look_at, c, diag);
}

/* ---- the answer ---- */

static void write_kind(struct buf *out, const struct kind *k)
{
    char oldest[21];

    time_format_rfc3339(k->oldest_ms, oldest);
    if (out->data[out->size - 1] == '}')
        buf_char(out, ',');
    buf_char(out, '{');
    json_write_member(out, "rule", k->rule);
    json_write_member(out, "target", k->target);
    json_write_member(out, "code", k->code);
    buf_printf(out, ",\"messages\":%lld", (long long)k->messages);
    json_write_member(out, "oldest", str_from(oldest));
    buf_char(out, '}');
}

static void write_queue(struct dlq_call *c)
{
    struct buf *out = &c->answer;
    const struct queue_counts *n = &c->counts;

    if (c->at)
        buf_char(out, ',');
    buf_char(out, '{');
    json_write_member(out, "queue", c->queues[c->at]->name);
    buf_printf(out, ",\"messages\":%lld,\"counted\":%lld,\"kinds\":[",
               (long long)n->visible + n->in_flight + n->delayed, (long long)c->looked);
    for (size_t i = 0; i < c->kinds.count; i++)
        write_kind(out, &c->kinds.list[i]);
    buf_text(out, "]}");
}

static void finish(struct dlq_call *c)
{
    arena_fini(&c->arena);
    arena_fini(&c->page_arena);
    buf_fini(&c->answer);
    free(c->kinds.list);
    free(c->page.list);
    free(c->queues);
    free(c);
}

/* True: there is a next queue. */
static bool next_queue(struct dlq_call *c)
{
    write_queue(c);
    c->kinds.count = 0;
    c->after = c->looked = 0;
    arena_fini(&c->arena);
    return ++c->at < c->queue_count;
}

static void listed_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct dlq_call *c = (struct dlq_call *)job;

    if (!ok) {
        http_reply_error(c->request, 503, "%s", diag->message);
        finish(c);
        return;
    }
    for (size_t i = 0; i < c->page.count; i++)
        add_kind(&c->kinds, &c->arena, &c->page.list[i]);
    c->after = c->page_after;
    c->looked += c->page_count;
    if ((c->page_count == PAGE && c->looked < COUNT_MAX) || next_queue(c)) {
        ledger_submit(http_router(c->request)->ledger, &c->job);
        return;
    }
    buf_text(&c->answer, "]}");
    xbuf(&c->answer);
    http_reply_json(c->request, 200, &c->answer);
    finish(c);
}

void v1_dlq(struct http_request *r)
{
    struct dlq_call *c = xalloc(sizeof *c);
    struct str kinds;

    c->request = r;
    c->numbers = http_query(r, "kinds", &kinds) && str_is(kinds, "0");
    c->job = (struct ledger_job){.run = list_step, .done = listed_cb, .reply = http_mailbox(r)};
    find_queues(c, http_set(r));
    buf_text(&c->answer, "{\"queues\":[");
    ledger_submit(http_router(r)->ledger, &c->job);
}

/* ---- redrive ---- */

struct redrive_request {
    struct redrive_call call;
    struct http_request *request;
    struct buf queue, rule, target;
};

static void redrive_free(struct redrive_request *q)
{
    buf_fini(&q->queue);
    buf_fini(&q->rule);
    buf_fini(&q->target);
    buf_fini(&q->call.json);
    free(q);
}

static void redriven_cb(struct redrive_call *call)
{
    struct redrive_request *q = (struct redrive_request *)call;

    http_reply_json(q->request, call->status, &call->json);
    redrive_free(q);
}

static bool read_request(struct redrive_request *q, struct str body)
{
    struct http_request *r = q->request;
    struct redrive_call *c = &q->call;
    int64_t limit;

    if (!v1_text(r, body, "rule", &q->rule, false) || !v1_text(r, body, "target", &q->target, false) ||
        !v1_int(r, body, "limit", INT32_MAX, 1, INT32_MAX, &limit) ||
        !v1_int(r, body, "after", 0, 0, INT64_MAX / 2, &c->after) ||
        !v1_int(r, body, "before_ms", 0, 0, INT64_MAX / 2, &c->before_ms))
        return false;
    xbuf(&q->rule);
    xbuf(&q->target);
    c->limit = (unsigned)limit;
    c->rule = buf_view(&q->rule);
    c->target = buf_view(&q->target);
    c->queue = buf_view(&q->queue);
    c->reply = http_mailbox(r);
    c->done = redriven_cb;
    return true;
}

void v1_dlq_redrive(struct http_request *r)
{
    static const struct str action = {"/redrive", 8};
    struct str rest = http_path_rest(r), body;
    bool ends = rest.size > action.size && memcmp(rest.ptr + rest.size - action.size, action.ptr, action.size) == 0;

    if (!ends) {
        http_reply_error(r, 404, "no such call: a dead-letter queue takes redrive");
        return;
    }
    struct redrive_request *q = xalloc(sizeof *q);
    q->request = r;
    buf_add(&q->queue, rest.ptr, rest.size - action.size);
    xbuf(&q->queue);
    if (v1_body(r, &body) && read_request(q, body))
        dispatch_redrive(http_router(r)->dispatch, &q->call);
    else
        redrive_free(q);
}
