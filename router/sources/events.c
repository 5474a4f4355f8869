/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom events: NDJSON, a JSON array, or one object over many lines. Each is an envelope, whole or in part; what is
 * missing is filled in (source.h), what must be there is asked for by name.
 */
#include "router/sources/envelope.h"
#include "targets/archive.h"

struct member {
    const char *key;
    size_t offset; /* of its struct str in struct envelope */
    enum json_type type;
    const char *must; /* what it must be, for the message */
};

static const struct member members[] = {
    {"version", offsetof(struct envelope, version), JSON_STRING, "a string"},
    {"id", offsetof(struct envelope, id), JSON_STRING, "a string"},
    {"detail-type", offsetof(struct envelope, detail_type), JSON_STRING, "a string"},
    {"source", offsetof(struct envelope, source), JSON_STRING, "a string"},
    {"account", offsetof(struct envelope, account), JSON_STRING, "a string (quote the number)"},
    {"time", offsetof(struct envelope, time), JSON_STRING, "a string like \"2026-11-21T04:00:00Z\""},
    {"region", offsetof(struct envelope, region), JSON_STRING, "a string"},
    {"resources", offsetof(struct envelope, resources), JSON_ARRAY, "an array of strings"},
    {"detail", offsetof(struct envelope, detail), JSON_OBJECT, "an object"},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

struct reading {
    struct source_context *context;
    const char *unit; /* "line" or "record" */
    int number;
};

#define FAULT(reading, ...) source_fault((reading)->context, (reading)->unit, (reading)->number, __VA_ARGS__)

static struct str *slot(struct envelope *e, const struct member *m)
{
    return (struct str *)((char *)e + m->offset);
}

static bool all_strings(struct str array)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, array);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_STRING)
        continue;
    return t.type == JSON_ARRAY_END;
}

static bool check_value(struct reading *r, const struct member *m, struct str value)
{
    int64_t ms;

    if (json_type_of(value) != m->type || (m->type == JSON_ARRAY && !all_strings(value)))
        return FAULT(r, "'%s' must be %s", m->key, m->must);
    if (m->type == JSON_STRING && value.size == 2 &&
        (str_is(str_from(m->key), "source") || str_is(str_from(m->key), "detail-type")))
        return FAULT(r, "'%s' must not be empty", m->key);
    struct str inside = {value.ptr + 1, value.size - 2};
    if (strcmp(m->key, "time") == 0 && !time_parse_rfc3339(inside, &ms))
        return FAULT(r, "'time' must be an RFC 3339 time like \"2026-11-21T04:00:00Z\", got %.*s", STR_ARG(value));
    return true;
}

static bool take_extra(struct reading *r, struct envelope *e, struct str key, struct str value)
{
    if (json_raw_is(key, "replay-name"))
        return FAULT(r, "'replay-name' is set by replays only");
    if (e->extra_count == ENVELOPE_EXTRAS_MAX)
        return FAULT(r, "more than %d members besides the envelope's own; put them into 'detail'", ENVELOPE_EXTRAS_MAX);
    e->extras[e->extra_count].key = key;
    e->extras[e->extra_count++].value = value;
    return true;
}

static bool take_member(struct reading *r, struct envelope *e, struct str key, struct str value)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!json_raw_is(key, members[i].key))
            continue;
        if (slot(e, &members[i])->size)
            return FAULT(r, "'%s' stands there twice", members[i].key);
        *slot(e, &members[i]) = value;
        return check_value(r, &members[i], value);
    }
    return take_extra(r, e, key, value);
}

/* Is this key what somebody writes for `wanted`: other case, '_' or nothing for '-', or within two edits? */
static bool resembles(struct str key, const char *wanted)
{
    char folded[64];
    size_t n = 0;

    for (size_t i = 1; i + 1 < key.size && n + 1 < sizeof folded; i++)
        if (key.ptr[i] != '_' && key.ptr[i] != '-')
            folded[n++] = key.ptr[i] >= 'A' && key.ptr[i] <= 'Z' ? (char)(key.ptr[i] + 32) : key.ptr[i];
    folded[n] = '\0';
    const char *bare = strcmp(wanted, "detail-type") == 0 ? "detailtype" : wanted;
    return diag_near((struct str){folded, n}, &bare, 1) != NULL || strcmp(folded, bare) == 0;
}

static bool require(struct reading *r, const struct envelope *e, const char *key, struct str value)
{
    if (value.size)
        return true;
    for (size_t i = 0; i < e->extra_count; i++)
        if (resembles(e->extras[i].key, key))
            return FAULT(r, "'%s' is missing; did you mean it by %.*s?", key, STR_ARG(e->extras[i].key));
    return FAULT(r, "'%s' is missing", key);
}

static bool read_envelope(struct reading *r, struct str record, struct envelope *e)
{
    struct json_reader reader;
    struct json_token key, value;

    json_reader_init(&reader, record);
    json_next(&reader, &key);
    while (json_next(&reader, &key) == JSON_KEY) {
        json_next(&reader, &value);
        json_skip(&reader, &value);
        if (!take_member(r, e, key.raw, value.raw))
            return false;
    }
    return require(r, e, "source", e->source) && require(r, e, "detail-type", e->detail_type) &&
           require(r, e, "detail", e->detail);
}

static bool parse(struct source_context *c, struct str body, const char *content_type, struct source_events *out)
{
    struct source_records records;
    struct str record;
    uint32_t flags;

    if (!source_records_open(c, &records, body))
        return false;
    while (source_records_next(c, &records, &record, &flags)) {
        struct envelope e = {0};
        struct reading r = {c, records.lines ? "line" : "record", records.number};
        if (!read_envelope(&r, record, &e))
            return false;
        envelope_write(c, &e, flags, out);
    }
    return !records.failed;
}

const struct source events_source = {
    .name = "events",
    .summary = "custom events: NDJSON, a JSON array or one JSON object",
    .parse = parse,
};
