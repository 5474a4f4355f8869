/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing envelopes, and taking bodies apart into records: what all sources share. Every record is checked here, once,
 * grammar, UTF-8 and depth; behind the journal events are trusted.
 */
#include "router/sources/envelope.h"

#include <stdio.h>

#include "router/xalloc.h"
#include "rules/ruleset.h"
#include "targets/archive.h"
#include "targets/uuid.h"

/* ---- writing ---- */

static void write_member(struct buf *out, const char *key, struct str value)
{
    json_write_key(out, key);
    json_minify(out, value);
}

static void write_text(struct buf *out, const char *key, struct str value, struct str otherwise)
{
    if (value.size)
        write_member(out, key, value);
    else
        json_write_member(out, key, otherwise);
}

static void add_span(struct source_events *events, size_t offset, size_t size, uint32_t flags)
{
    if (events->count == events->capacity) {
        events->capacity = events->capacity ? events->capacity * 2 : 64;
        events->list = xrealloc(events->list, events->capacity * sizeof *events->list);
    }
    events->list[events->count++] = (struct source_span){offset, size, flags};
}

void envelope_write(struct source_context *c, const struct envelope *e, uint32_t flags, struct source_events *out)
{
    size_t offset = c->out->size;
    char id[UUID_TEXT_BYTES + 1], now[21];

    if (!e->id.size)
        uuid_make(id);
    time_format_rfc3339(c->now.wall_ms, now);
    buf_char(c->out, '{');
    write_text(c->out, "version", e->version, STR("0"));
    write_text(c->out, "id", e->id, str_from(id));
    write_member(c->out, "detail-type", e->detail_type);
    write_member(c->out, "source", e->source);
    write_text(c->out, "account", e->account, c->set->account);
    write_text(c->out, "time", e->time, str_from(now));
    write_text(c->out, "region", e->region, c->set->region);
    write_member(c->out, "resources", e->resources.size ? e->resources : STR("[]"));
    for (size_t i = 0; i < e->extra_count; i++) {
        buf_char(c->out, ',');
        buf_str(c->out, e->extras[i].key);
        buf_char(c->out, ':');
        json_minify(c->out, e->extras[i].value);
    }
    write_member(c->out, "detail", e->detail);
    buf_char(c->out, '}');
    xbuf(c->out);
    add_span(out, offset, c->out->size - offset, flags);
}

struct str envelope_text(struct source_context *c, struct str text)
{
    struct buf quoted = BUF_INIT;
    json_write_string(&quoted, text);
    xbuf(&quoted);
    struct str kept = arena_str(c->arena, buf_view(&quoted));
    buf_fini(&quoted);
    if (!kept.ptr)
        xfail("out of memory");
    return kept;
}

/* ---- records ---- */

bool source_fault(struct source_context *c, const char *unit, int number, const char *format, ...)
{
    struct buf text = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    diag_error(c->diags, (struct diag_pos){.line = number, .column = 1}, "%s %d: %s", unit, number, buf_cstr(&text));
    buf_fini(&text);
    return false;
}

static struct str trim(struct str text)
{
    while (text.size && strchr(" \t\r\n", *text.ptr) && *text.ptr)
        text = (struct str){text.ptr + 1, text.size - 1};
    while (text.size && strchr(" \t\r\n", text.ptr[text.size - 1]) && text.ptr[text.size - 1])
        text.size--;
    return text;
}

bool source_records_open(struct source_context *c, struct source_records *r, struct str body)
{
    struct json_token token;
    struct weir_diag diag;

    *r = (struct source_records){.body = trim(body)};
    if (!r->body.size)
        return true;
    if (!json_check(r->body, NULL, &diag)) {
        r->lines = memchr(r->body.ptr, '\n', r->body.size) != NULL && *r->body.ptr == '{';
        if (!r->lines)
            return source_fault(c, "line", diag.line, "column %d: %s", diag.column, diag.message);
        return true;
    }
    if (json_type_of(r->body) == JSON_OBJECT) {
        struct str records = json_member(r->body, "Records");
        if (records.ptr && json_type_of(records) != JSON_ARRAY)
            return source_fault(c, "line", 1, "'Records' must be an array");
        if (records.ptr)
            r->body = records;
    }
    r->array = json_type_of(r->body) == JSON_ARRAY;
    if (r->array) {
        json_reader_init(&r->reader, r->body);
        json_next(&r->reader, &token);
    }
    return true;
}

/* The next piece of text that is a record, unchecked. */
static bool next_text(struct source_records *r, struct str *out)
{
    struct json_token token;

    if (r->array) {
        if (json_next(&r->reader, &token) == JSON_ARRAY_END || token.type <= JSON_ERROR ||
            !json_skip(&r->reader, &token))
            return false;
        *out = token.raw;
        return true;
    }
    do {
        const char *end = r->lines && r->body.size ? memchr(r->body.ptr, '\n', r->body.size) : NULL;
        size_t size = end ? (size_t)(end - r->body.ptr) : r->body.size;
        if (!r->body.size)
            return false;
        *out = trim((struct str){r->body.ptr, size});
        size += end ? 1 : 0;
        r->body = (struct str){r->body.ptr + size, r->body.size - size};
        r->number += r->lines && !out->size; /* blank lines count as lines */
    } while (!out->size);
    return true;
}

bool source_records_next(struct source_context *c, struct source_records *r, struct str *record, uint32_t *flags)
{
    struct json_info info;
    struct weir_diag diag;
    const char *unit = r->lines ? "line" : "record";

    if (!next_text(r, record))
        return false;
    r->number++;
    if (!json_check(*record, &info, &diag))
        r->failed = !source_fault(c, unit, r->number, "column %d: %s", diag.column, diag.message);
    else if (info.type != JSON_OBJECT)
        r->failed = !source_fault(c, unit, r->number, "must be a JSON object");
    *flags = info.repeated_keys ? JOURNAL_REPEATED_KEYS : 0;
    return !r->failed;
}

struct str source_first_record(struct str body)
{
    struct source_records r = {.body = trim(body)};
    struct str first = {0};
    struct json_token token;
    struct json_reader reader;

    if (!r.body.size)
        return first;
    if (json_check(r.body, NULL, NULL)) {
        struct str records = json_type_of(r.body) == JSON_OBJECT ? json_member(r.body, "Records") : r.body;
        if (!records.size || json_type_of(records) != JSON_ARRAY)
            return json_type_of(r.body) == JSON_OBJECT ? r.body : first;
        json_reader_init(&reader, records);
        json_next(&reader, &token);
        if (json_next(&reader, &token) > JSON_ERROR && token.type != JSON_ARRAY_END && json_skip(&reader, &token))
            first = token.raw;
        return first;
    }
    r.lines = true;
    return next_text(&r, &first) && json_check(first, NULL, NULL) ? first : (struct str){0};
}
