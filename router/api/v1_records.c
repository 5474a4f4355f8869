/* SPDX-License-Identifier: Apache-2.0 */
/* See v1_records.h. What makes envelopes of a record is its source, as when it is accepted. */
#include "router/api/v1_records.h"

#include <stdlib.h>

#include "router/sources/source.h"
#include "router/xalloc.h"

static const struct source *find_format(struct http_request *r)
{
    struct str name;
    const struct source *source = source_find(http_query(r, "format", &name) ? name : STR("events"));

    if (!source)
        http_reply_error(r, 400, "unknown format '%.*s'", name.size > 40 ? 40 : (int)name.size, name.ptr);
    return source;
}

static void add_events(struct replay_records *out, const struct source_events *events, size_t first)
{
    for (size_t i = first; i < events->count; i++) {
        if (out->count == out->capacity) {
            out->capacity = out->capacity ? 2 * out->capacity : 1024;
            out->list = xrealloc(out->list, out->capacity * sizeof *out->list);
        }
        out->list[out->count++] = (struct replay_record_event){events->list[i].offset, events->list[i].size,
                                                               (uint32_t)out->records, (uint32_t)(i - first)};
    }
}

static void answer_fault(struct http_request *r, uint64_t line, const struct diags *diags)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "message", str_from(diags->count ? diags->list[0].message : "cannot be read as an event"));
    json_write_key(&json, "line");
    json_write_int(&json, (int64_t)line);
    buf_char(&json, '}');
    xbuf(&json);
    http_reply_json(r, 400, &json);
    buf_fini(&json);
}

static bool parse_lines(struct source_context *c, const struct source *source, struct str body,
                        struct source_events *events, struct replay_records *out)
{
    for (const char *at = body.ptr, *end = at + body.size; at < end; out->records++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t first = events->count;
        stop = stop ? stop : end;
        if (!source->parse(c, (struct str){at, (size_t)(stop - at)}, NULL, events))
            return false;
        add_events(out, events, first);
        at = stop + 1;
    }
    return true;
}

static bool parse(struct http_request *r, const struct source *source, struct str body, struct replay_records *out)
{
    struct source_events events = {0};
    struct arena arena = ARENA_INIT;
    struct diags diags;

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    struct source_context context = {.set = http_set(r),
                                     .bus = STR("default"),
                                     .now = clock_now(&http_router(r)->clock),
                                     .arena = &arena,
                                     .diags = &diags,
                                     .unit = "line",
                                     .out = &out->bytes};
    bool ok = parse_lines(&context, source, body, &events, out);
    if (!ok && (diags.out_of_memory || arena.failed))
        xfail("out of memory");
    if (!ok)
        answer_fault(r, out->records + 1, &diags);
    free(events.list);
    diags_fini(&diags);
    arena_fini(&arena);
    return ok;
}

bool v1_records(struct http_request *r, struct str body, struct replay_records *out)
{
    const struct source *source = find_format(r);

    if (!source || !parse(r, source, body, out))
        return false;
    xbuf(&out->bytes);
    if (out->count <= REPLAY_RECORDS_MAX && out->records)
        return true;
    http_reply_error(r, out->records ? 413 : 400, "a request has 1..%d events", REPLAY_RECORDS_MAX);
    return false;
}

void v1_records_fini(struct replay_records *records)
{
    buf_fini(&records->bytes);
    free(records->list);
}
