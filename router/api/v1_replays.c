/* SPDX-License-Identifier: Apache-2.0 */
/* Replays for the command line: the call is handed to dispatch, whose answer goes back as it is. */
#include <stdlib.h>

#include "router/api/v1_records.h"
#include "router/xalloc.h"

#define NUMBER_MIN 0.001 /* of rate and speed */
#define NUMBER_MAX 1e9

struct replays_call {
    struct replay_call call;
    struct http_request *request;
    struct arena arena; /* holds what the request names */
    struct replay_records records;
};

static void abandon(struct replays_call *c)
{
    v1_records_fini(&c->records);
    arena_fini(&c->arena);
    free(c);
}

static void done_cb(struct replay_call *call)
{
    struct replays_call *c = (struct replays_call *)call;

    xbuf(&call->json);
    http_reply_json(c->request, call->status, &call->json);
    buf_fini(&call->json);
    abandon(c);
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

static bool take_text(struct replays_call *c, struct str body, const char *key, bool required, struct str *out)
{
    struct buf text = BUF_INIT;
    bool ok = v1_text(c->request, body, key, &text, required);

    *out = arena_str(&c->arena, buf_view(&text));
    buf_fini(&text);
    return ok;
}

/* Of files it may be left out: then `otherwise`. */
static bool take_time(struct replays_call *c, struct str body, const char *key, int64_t otherwise, int64_t *out)
{
    struct str text;

    if (!take_text(c, body, key, !c->call.request.files, &text))
        return false;
    *out = otherwise;
    if (!text.size || time_parse_rfc3339(text, out))
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

/* A number above 0; 0: it is not there. */
static bool take_number(struct replays_call *c, struct str body, const char *key, double *out)
{
    struct str value = json_member(body, key);
    char text[40] = "", *end = text;

    if (!value.size)
        return true;
    if (value.size < sizeof text) {
        memcpy(text, value.ptr, value.size);
        *out = strtod(text, &end);
    }
    if (end > text && !*end && *out >= NUMBER_MIN && *out <= NUMBER_MAX)
        return true;
    http_reply_error(c->request, 400, "'%s' must be a number, %g..%g", key, NUMBER_MIN, NUMBER_MAX);
    return false;
}

static bool take_order(struct replays_call *c, struct str body)
{
    struct str by;

    if (!take_text(c, body, "by", false, &by))
        return false;
    c->call.request.by_arrival = str_is(by, "arrival");
    if (!by.size || c->call.request.by_arrival || str_is(by, "event"))
        return true;
    http_reply_error(c->request, 400, "'by' must be \"event\" or \"arrival\"");
    return false;
}

static bool take_pattern(struct replays_call *c, struct str body)
{
    struct str value = json_member(body, "pattern");

    c->call.request.pattern = value;
    if (!value.size || json_type_of(value) == JSON_OBJECT)
        return true;
    http_reply_error(c->request, 400, "'pattern' must be an event pattern, a JSON object");
    return false;
}

static bool take_what(struct replays_call *c, struct str body)
{
    struct replay_request *q = &c->call.request;
    int64_t limit = 0;
    bool ok = take_text(c, body, "name", false, &q->name) && take_order(c, body) && take_rules(c, body) &&
              take_text(c, body, "target", false, &q->target) && take_pattern(c, body) &&
              take_number(c, body, "rate", &q->rate) && take_number(c, body, "speed", &q->speed) &&
              v1_int(c->request, body, "limit", 0, 1, INT64_MAX, &limit);

    q->limit = (uint64_t)limit;
    q->dry_run = str_is(json_member(body, "dry_run"), "true");
    return ok;
}

/* The whole request, as START has it. */
static bool take_request(struct replays_call *c, struct str body)
{
    struct replay_request *q = &c->call.request;

    q->files = str_is(json_member(body, "files"), "true");
    return take_text(c, body, q->files ? "bus" : "archive", !q->files, q->files ? &q->bus : &q->archive) &&
           take_time(c, body, "from", REPLAY_TIME_FIRST, &q->from_ms) &&
           take_time(c, body, "to", REPLAY_TIME_LAST, &q->to_ms) && take_what(c, body);
}

static void start(struct http_request *r)
{
    struct replays_call *c = make_call(r, REPLAY_START);
    struct str body;

    if (!v1_body(r, &body) || !take_request(c, body)) {
        abandon(c);
        return;
    }
    if (c->call.request.files && c->call.request.dry_run) {
        http_reply_error(r, 400, "a dry run of files is asked for at /_weir/v1/dry-runs");
        abandon(c);
        return;
    }
    replay_submit(http_router(r)->dispatch, &c->call);
}

/* ---- records of files ---- */

static bool take_first(struct replays_call *c)
{
    struct str text;
    char digits[24] = "", *end = digits;

    if (http_query(c->request, "first", &text) && text.size < sizeof digits) {
        memcpy(digits, text.ptr, text.size);
        c->records.first = strtoull(digits, &end, 10);
    }
    if (end > digits && !*end)
        return true;
    http_reply_error(c->request, 400, "'first' must be the number of a record, from 0");
    return false;
}

static void feed(struct http_request *r, struct str name)
{
    struct replays_call *c = make_call(r, REPLAY_FEED);

    if (!take_first(c) || !v1_records(r, http_body(r), &c->records)) {
        abandon(c);
        return;
    }
    c->call.request.name = arena_str(&c->arena, name);
    c->call.request.records = &c->records;
    replay_submit(http_router(r)->dispatch, &c->call);
}

/* The first line is the request, the others are the records. */
void v1_dry_runs(struct http_request *r)
{
    struct replays_call *c = make_call(r, REPLAY_START);
    struct str body = http_body(r);
    const char *end = body.size ? memchr(body.ptr, '\n', body.size) : NULL;
    size_t first = end ? (size_t)(end - body.ptr) : body.size;
    struct str request = {body.ptr, first};

    if (!json_check(request, NULL, NULL) || json_type_of(request) != JSON_OBJECT)
        http_reply_error(r, 400, "the first line must be a JSON object");
    else if (take_request(c, request) &&
             v1_records(r, (struct str){body.ptr + first + 1, body.size - first - 1}, &c->records)) {
        c->call.request.records = &c->records;
        c->call.request.files = c->call.request.dry_run = true;
        replay_submit(http_router(r)->dispatch, &c->call);
        return;
    }
    abandon(c);
}

static void about_one(struct http_request *r, int what, struct str name)
{
    struct replays_call *c = make_call(r, what);

    c->call.request.name = arena_str(&c->arena, name);
    replay_submit(http_router(r)->dispatch, &c->call);
}

/* What is done to one: the last part of its path. */
static const struct {
    struct str path;
    int what;
} changes[] = {
    {{"/cancel", 7}, REPLAY_CANCEL}, {{"/pause", 6}, REPLAY_PAUSE},  {{"/resume", 7}, REPLAY_RESUME},
    {{"/finish", 7}, REPLAY_FINISH}, {{"/records", 8}, REPLAY_FEED},
};

void v1_replays(struct http_request *r)
{
    struct str rest = http_path_rest(r);
    bool post = strcmp(http_method(r), "POST") == 0;

    if (!rest.size && post)
        start(r);
    else if (!rest.size)
        about_one(r, REPLAY_LIST, (struct str){0});
    else if (!post)
        about_one(r, REPLAY_SHOW, rest);
    for (size_t i = 0; rest.size && post && i < sizeof changes / sizeof changes[0]; i++) {
        struct str path = changes[i].path;
        if (rest.size > path.size && memcmp(rest.ptr + rest.size - path.size, path.ptr, path.size) == 0) {
            struct str name = {rest.ptr, rest.size - path.size};
            if (changes[i].what == REPLAY_FEED)
                feed(r, name);
            else
                about_one(r, changes[i].what, name);
            return;
        }
    }
    if (rest.size && post)
        http_reply_error(
            r, 405,
            "a replay is shown with GET, and changed with POST …/pause, …/resume, …/cancel, …/records, …/finish");
}
