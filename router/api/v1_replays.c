/* SPDX-License-Identifier: Apache-2.0 */
/* Replays for the command line: the call is handed to dispatch, whose answer goes back as it is. */
#include <stdlib.h>

#include "router/api/v1_int.h"
#include "router/xalloc.h"

struct replays_call {
    struct replay_call call;
    struct http_request *request;
    struct arena arena; /* holds what the request names */
};

static void done_cb(struct replay_call *call)
{
    struct replays_call *c = (struct replays_call *)call;

    xbuf(&call->json);
    http_reply_json(c->request, call->status, &call->json);
    buf_fini(&call->json);
    arena_fini(&c->arena);
    free(c);
}

static struct replays_call *make_call(struct http_request *r, int what)
{
    struct replays_call *c = xalloc(sizeof *c);

    c->request = r;
    c->call.what = what;
    c->call.reply = http_mailbox(r);
    c->call.done = done_cb;
    return c;
}

static void abandon(struct replays_call *c)
{
    arena_fini(&c->arena);
    free(c);
}

static bool take_text(struct replays_call *c, struct str body, const char *key, bool required, struct str *out)
{
    struct buf text = BUF_INIT;
    bool ok = v1_text(c->request, body, key, &text, required);

    *out = arena_str(&c->arena, buf_view(&text));
    buf_fini(&text);
    return ok;
}

static bool take_time(struct replays_call *c, struct str body, const char *key, int64_t *out)
{
    struct str text;

    if (!take_text(c, body, key, true, &text))
        return false;
    if (time_parse_rfc3339(text, out))
        return true;
    http_reply_error(c->request, 400, "'%s' must be an RFC 3339 time like \"2026-11-21T04:00:00Z\"", key);
    return false;
}

static bool take_rules(struct replays_call *c, struct str body)
{
    struct str list = json_member(body, "rules");
    struct json_reader reader;
    struct json_token t;
    uint32_t count = 0, max = 1;

    if (!list.size)
        return true;
    for (size_t i = 0; i < list.size; i++)
        max += list.ptr[i] == ',';
    struct str *rules = arena_array(&c->arena, max, sizeof *rules);
    json_reader_init(&reader, list);
    if (rules && json_next(&reader, &t) == JSON_ARRAY)
        while (json_next(&reader, &t) == JSON_STRING)
            rules[count++] = json_decode_in(&c->arena, t.raw);
    c->call.request.rules = rules;
    c->call.request.rule_count = count;
    if (rules && t.type == JSON_ARRAY_END)
        return true;
    http_reply_error(c->request, 400, "'rules' must be an array of rule names");
    return false;
}

static void start(struct http_request *r)
{
    struct replays_call *c = make_call(r, REPLAY_START);
    struct replay_request *q = &c->call.request;
    struct str body;

    if (!v1_body(r, &body) || !take_text(c, body, "archive", true, &q->archive) ||
        !take_text(c, body, "name", false, &q->name) || !take_time(c, body, "from", &q->from_ms) ||
        !take_time(c, body, "to", &q->to_ms) || !take_rules(c, body)) {
        abandon(c);
        return;
    }
    q->dry_run = str_is(json_member(body, "dry_run"), "true");
    replay_submit(http_router(r)->dispatch, &c->call);
}

static void about_one(struct http_request *r, int what, struct str name)
{
    struct replays_call *c = make_call(r, what);

    c->call.request.name = arena_str(&c->arena, name);
    replay_submit(http_router(r)->dispatch, &c->call);
}

void v1_replays(struct http_request *r)
{
    struct str rest = http_path_rest(r), cancel = STR("/cancel");
    bool post = strcmp(http_method(r), "POST") == 0;
    bool ends = rest.size > cancel.size && memcmp(rest.ptr + rest.size - cancel.size, cancel.ptr, cancel.size) == 0;

    if (!rest.size && post)
        start(r);
    else if (!rest.size)
        about_one(r, REPLAY_LIST, (struct str){0});
    else if (ends && post)
        about_one(r, REPLAY_CANCEL, (struct str){rest.ptr, rest.size - cancel.size});
    else if (!ends && !post)
        about_one(r, REPLAY_SHOW, rest);
    else
        http_reply_error(r, 405, "a replay is shown with GET and cancelled with POST …/cancel");
}
