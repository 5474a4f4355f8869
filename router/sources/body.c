/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a body apart into records. An object that is not closed on its first line is one object over many lines;
 * everything else that starts with '{' is NDJSON. Records are checked here, once, as whole texts, and taken apart on
 * the way.
 *
 * Cost: NDJSON is read once for the check; what stands in an array or a wrapper, twice (as a whole, and each for
 * repeated keys).
 */
#include "router/sources/body.h"

#include <stdio.h>

bool body_error(struct source_context *c, const struct body_record *record, const char *format, ...)
{
    char message[LIMIT_DIAG_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return diag_error(c->diags, (struct diag_pos){.line = record->number}, "%s", message);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str s)
{
    while (s.size && is_space(s.ptr[0]))
        s = (struct str){s.ptr + 1, s.size - 1};
    while (s.size && is_space(s.ptr[s.size - 1]))
        s.size--;
    return s;
}

/* Cuts the first line off *rest. */
static struct str take_line(struct str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->ptr) : rest->size;
    struct str line = {rest->ptr, size};

    if (end)
        size++;
    *rest = (struct str){rest->ptr + size, rest->size - size};
    return line;
}

static const char *type_name(enum json_type type)
{
    switch (type) {
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_NUMBER: return "a number";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

/* A record to be checked, with room for its members. */
struct checked {
    struct body_record record;
    struct json_parts parts;
};

static bool check_record(struct source_context *c, struct str text, int number, struct checked *out)
{
    struct weir_diag diag;

    out->record = (struct body_record){.text = text, .parts = &out->parts, .number = number};
    if (!json_check_parts(text, &out->parts, &diag)) {
        diag.line = number;
        return diag_add(c->diags, NULL, &diag);
    }
    if (out->parts.info.type != JSON_OBJECT)
        return body_error(c, &out->record, "a JSON object is wanted here, not %s", type_name(out->parts.info.type));
    out->record.repeated_keys = out->parts.info.repeated_keys;
    return true;
}

static bool each_element(struct source_context *c, struct str array, body_record_function *each,
                         struct source_events *out)
{
    struct json_reader r;
    struct json_token t;
    struct checked one;

    json_reader_init_trusted(&r, array);
    json_next(&r, &t);
    for (int number = 1; json_next(&r, &t) != JSON_ARRAY_END; number++)
        if (!json_skip(&r, &t) || !check_record(c, t.raw, number, &one) || !each(c, &one.record, out))
            return false;
    return true;
}

/* A record, or a wrapper around some: their number is the wrapper's where it is one of many. */
static bool open_record(struct source_context *c, struct body_record *record, const char *wrapper, bool is_only,
                        body_record_function *each, struct source_events *out)
{
    struct str records = wrapper ? json_member(record->text, wrapper) : (struct str){0};

    if (!records.ptr)
        return each(c, record, out);
    if (json_type_of(records) != JSON_ARRAY)
        return body_error(c, record, "'%s' must be an array", wrapper);
    if (is_only) {
        c->unit = "record";
        return each_element(c, records, each, out);
    }
    struct json_reader r;
    struct json_token t;
    struct checked inner;
    json_reader_init_trusted(&r, records);
    json_next(&r, &t);
    while (json_next(&r, &t) != JSON_ARRAY_END)
        if (!json_skip(&r, &t) || !check_record(c, t.raw, record->number, &inner) || !each(c, &inner.record, out))
            return false;
    return true;
}

static bool each_line(struct source_context *c, struct str body, const char *wrapper, body_record_function *each,
                      struct source_events *out)
{
    struct checked one;

    for (int number = 1; body.size; number++) {
        struct str line = trim(take_line(&body));
        if (line.size &&
            (!check_record(c, line, number, &one) || !open_record(c, &one.record, wrapper, false, each, out)))
            return false;
    }
    return true;
}

/* One object over many lines: a fault in it is named by the body's line. */
static bool whole_body(struct source_context *c, struct str body, struct str text, const char *wrapper,
                       body_record_function *each, struct source_events *out)
{
    struct checked one;
    struct weir_diag diag;

    if (!json_check_parts(text, &one.parts, &diag)) {
        for (const char *p = body.ptr; p < text.ptr; p++)
            diag.line += *p == '\n';
        return diag_add(c->diags, NULL, &diag);
    }
    one.record = (struct body_record){
        .text = text, .parts = &one.parts, .repeated_keys = one.parts.info.repeated_keys, .number = 1};
    return open_record(c, &one.record, wrapper, true, each, out);
}

/* Whether the object that starts here goes on past its line's end. */
static bool is_open_at_line_end(struct str text)
{
    struct str rest = text, line = trim(take_line(&rest));
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, line);
    while (json_next(&r, &t) > JSON_ERROR)
        ;
    return t.type == JSON_ERROR && r.offset >= line.size && trim(rest).size;
}

bool body_each(struct source_context *c, struct str body, const char *wrapper, body_record_function *each,
               struct source_events *out)
{
    if (str_starts(body, STR("\xef\xbb\xbf"))) /* a byte order mark is no part of the text */
        body = (struct str){body.ptr + 3, body.size - 3};
    struct str text = trim(body);
    struct weir_diag diag;

    c->unit = "line";
    if (!text.size)
        return true;
    if (text.ptr[0] == '[') {
        if (!json_check(text, NULL, &diag))
            return diag_add(c->diags, NULL, &diag);
        c->unit = wrapper ? "record" : "event";
        return each_element(c, text, each, out);
    }
    if (text.ptr[0] == '{' && (!memchr(text.ptr, '\n', text.size) || is_open_at_line_end(text)))
        return whole_body(c, body, text, wrapper, each, out);
    return each_line(c, body, wrapper, each, out);
}

struct str body_first(struct str body, const char *wrapper)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, body);
    if (json_next(&r, &t) == JSON_ARRAY) {
        if (json_next(&r, &t) == JSON_OBJECT && json_skip(&r, &t))
            return t.raw;
        return (struct str){0};
    }
    if (t.type != JSON_OBJECT)
        return (struct str){0};
    struct json_token key, first = t;
    while (json_next(&r, &key) == JSON_KEY) {
        json_next(&r, &t);
        if (wrapper && t.type == JSON_ARRAY && json_raw_is(key.raw, wrapper))
            return json_next(&r, &t) == JSON_OBJECT && json_skip(&r, &t) ? t.raw : (struct str){0};
        if (!json_skip(&r, &t))
            return (struct str){0};
    }
    size_t size = (size_t)(r.text + r.offset - first.raw.ptr);
    return key.type == JSON_OBJECT_END ? (struct str){first.raw.ptr, size} : (struct str){0};
}
