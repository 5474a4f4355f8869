/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source "events": envelopes as one would write them by hand. Only source, detail-type and detail are needed; what
 * is there must have the right type, and a member that is nearly named like a missing one is pointed out, since
 * "DetailType" and "detailType" are what people write first.
 */
#include <ctype.h>

#include "matcher/json.h"
#include "router/sources/envelope.h"

static const char *kind(enum json_type type)
{
    switch (type) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_NUMBER: return "a number";
    case JSON_NULL: return "null";
    default: return "a boolean";
    }
}

static struct str *member(struct envelope *e, int index)
{
    return (struct str *)((char *)e + envelope_members[index].offset);
}

static bool is_array_of_strings(struct str array)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init_trusted(&r, array);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_STRING)
        ;
    return t.type == JSON_ARRAY_END;
}

static bool check_member(struct source_context *c, const struct body_record *record, const char *name, struct str value)
{
    enum json_type type = json_type_of(value);

    if (strcmp(name, "detail") == 0)
        return type == JSON_OBJECT || body_error(c, record, "'detail' must be an object, not %s%s", kind(type),
                                                 type == JSON_STRING ? " (JSON inside a string stays a string)" : "");
    if (strcmp(name, "resources") == 0)
        return (type == JSON_ARRAY && is_array_of_strings(value)) ||
               body_error(c, record, "'resources' must be an array of strings");
    if (strcmp(name, "time") == 0)
        return envelope_is_time(value) ||
               body_error(c, record, "'time' must be RFC 3339 text such as \"2026-11-21T04:00:00Z\", not %.*s",
                          value.size > 80 ? 80 : (int)value.size, value.ptr);
    if (type != JSON_STRING)
        return body_error(c, record, "'%s' must be a string, not %s", name, kind(type));
    return value.size > 2 || body_error(c, record, "'%s' is empty", name);
}

/* The same name but for case, '-', '_' and ' '. */
static bool is_spelled_like(struct str word, const char *name)
{
    for (size_t i = 0; i < word.size; i++) {
        if (strchr("-_ ", word.ptr[i]))
            continue;
        while (*name == '-')
            name++;
        if (tolower((unsigned char)word.ptr[i]) != *name++)
            return false;
    }
    return *name == '\0';
}

static bool missing(struct source_context *c, const struct body_record *record, const char *name)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init_trusted(&r, record->text);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        struct str key = {t.raw.ptr + 1, t.raw.size - 2};
        if (envelope_member_find(t.raw) < 0 && (is_spelled_like(key, name) || diag_near(key, &name, 1)))
            return body_error(c, record, "unknown member '%.*s'; did you mean '%s'?", STR_ARG(key), name);
        json_next(&r, &t);
        json_skip(&r, &t);
    }
    return body_error(c, record, "missing '%s'", name);
}

static bool take_member(struct source_context *c, const struct body_record *record, struct str key, struct str value,
                        struct envelope *e)
{
    int index = envelope_member_find(key);

    if (index < 0) {
        e->others = record->text;
        return !json_raw_is(key, "replay-name") || body_error(c, record, "'replay-name' is set by replays only");
    }
    const char *name = envelope_members[index].name;
    if (member(e, index)->ptr)
        return body_error(c, record, "'%s' is there twice", name);
    if (!check_member(c, record, name, value))
        return false;
    *member(e, index) = value;
    return true;
}

static bool take_members(struct source_context *c, const struct body_record *record, struct envelope *e)
{
    const struct json_parts *parts = record->parts;
    struct json_reader r;
    struct json_token key, value;
    bool ok = true;

    for (size_t i = 0; ok && i < parts->count && !parts->more; i++)
        ok = take_member(c, record, parts->members[i].key, parts->members[i].value, e);
    if (!parts->more)
        return ok;
    json_reader_init_trusted(&r, record->text); /* so many members that the check did not keep them */
    json_next(&r, &key);
    while (ok && json_next(&r, &key) == JSON_KEY) {
        json_next(&r, &value);
        json_skip(&r, &value);
        ok = take_member(c, record, key.raw, value.raw, e);
    }
    return ok;
}

static bool add_event(struct source_context *c, const struct body_record *record, struct source_events *out)
{
    struct envelope e = {.compact = record->parts->compact};

    if (!take_members(c, record, &e))
        return false;
    if (!e.source.ptr)
        return missing(c, record, "source");
    if (!e.detail_type.ptr)
        return missing(c, record, "detail-type");
    if (!e.detail.ptr)
        return missing(c, record, "detail");
    return envelope_add(c, &e, record, out);
}

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    return body_each(c, body, NULL, add_event, out);
}

static bool recognise(struct str body)
{
    struct str first = body_first(body, NULL);
    return first.ptr && json_member(first, "detail-type").ptr;
}

extern const struct source source_events;
const struct source source_events = {
    .name = "events",
    .summary = "events as envelopes: NDJSON, a JSON array, or one object",
    .parse = parse,
    .recognise = recognise,
};
