/* SPDX-License-Identifier: Apache-2.0 */
/* Message move tasks of a queue: started, listed, cancelled. The moving itself is dispatch's (dispatch_chores.c). */
#include "router/api/v1_queues_int.h"
#include "router/xalloc.h"

#define RATE_MAX 1000000

static void write_move(void *context, const struct queue_move *m)
{
    struct queue_call *c = context;
    struct buf *out = &c->answer;
    char started[21];

    time_format_rfc3339(m->started_wall_ms, started);
    buf_text(out, c->comma);
    c->comma = ",";
    buf_char(out, '{');
    json_write_member(out, "source", str_from(m->source));
    if (m->target[0])
        json_write_member(out, "target", str_from(m->target));
    json_write_member(out, "state", str_from(queue_move_state(m->state)));
    buf_printf(out, ",\"moved\":%lld,\"total\":%lld,\"rate\":%lld", (long long)m->moved, (long long)m->total,
               (long long)m->rate);
    json_write_member(out, "started", str_from(started));
    if (m->failure[0])
        json_write_member(out, "failure", str_from(m->failure));
    buf_char(out, '}');
}

static bool start_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);
    struct queue_move move;

    if (!queue_call_check_known(c, s, diag))
        return false;
    buf_clear(&c->answer);
    c->comma = "";
    if (c->unknown)
        return true;
    if (!queue_move_start(s, str_from(c->name), buf_view(&c->body), c->max, now, &move, diag))
        return false;
    write_move(c, &move);
    return true;
}

static void started_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    if (!ok && diag->code == WEIR_E_LIMIT) {
        http_reply_error(c->request, 409, "%s", diag->message);
        queue_call_finish(c);
        return;
    }
    if (ok)
        dispatch_chores(http_router(c->request)->dispatch);
    queue_call_answer(job, ok, diag);
}

void v1_move(struct http_request *r, struct str name)
{
    struct queue_call *c = queue_call_create(r, name, start_step);
    struct str object;

    c->job.done = started_cb;
    if (!v1_body(r, &object) || !v1_text(r, object, "target", &c->body, false) ||
        !v1_int(r, object, "rate", 0, 1, RATE_MAX, &c->max)) {
        queue_call_finish(c);
    } else if (c->body.size && !ruleset_target(c->set, "queue", buf_view(&c->body))) {
        http_reply_error(r, 404, "no queue is called '%.*s'", STR_ARG(buf_view(&c->body)));
        queue_call_finish(c);
    } else {
        queue_call_submit(c);
    }
}

static bool list_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);

    buf_clear(&c->answer);
    c->comma = "";
    buf_text(&c->answer, "{\"moves\":[");
    bool ok = queue_move_each(s, str_from(c->name), write_move, c, diag);
    buf_text(&c->answer, "]}");
    return ok;
}

void v1_moves(struct http_request *r, struct str name)
{
    queue_call_submit(queue_call_create(r, name, list_step));
}

static bool cancel_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct queue_call *c = queue_call_of(job);
    bool found;

    if (!queue_move_cancel(s, str_from(c->name), &found, diag))
        return false;
    buf_clear(&c->answer);
    buf_printf(&c->answer, "{\"cancelled\":%s}", found ? "true" : "false");
    return true;
}

void v1_cancel_move(struct http_request *r, struct str name)
{
    queue_call_submit(queue_call_create(r, name, cancel_step));
}
