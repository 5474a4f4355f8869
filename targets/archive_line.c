/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the head of an archived event. Archives hold envelopes with their members in one order, texts first, so the
 * time and the place before "resources" are found by hopping from quote to quote: about 30 ns. A line that looks
 * otherwise (an archive is a file, people edit it) is read with the JSON reader.
 */
#include "targets/archive_line.h"

#include "matcher/json.h"
#include "targets/archive.h"

static bool read_time(struct str raw, struct line_clock *clock, int64_t *out)
{
    if (raw.size == clock->size && memcmp(raw.ptr, clock->text, raw.size) == 0) {
        *out = clock->ms;
        return true;
    }
    if (!time_parse_rfc3339(raw, out))
        return false;
    if (raw.size <= sizeof clock->text) {
        memcpy(clock->text, raw.ptr, raw.size);
        clock->size = raw.size;
        clock->ms = *out;
    }
    return true;
}

/* A string without escapes: *at stands on its first quote, and behind its last one afterwards. */
static bool plain_string(struct str line, size_t *at, struct str *out)
{
    const char *text = line.ptr + *at + 1;
    const char *end = *at < line.size && line.ptr[*at] == '"' ? memchr(text, '"', line.size - *at - 1) : NULL;

    if (!end || memchr(text, '\\', (size_t)(end - text)))
        return false;
    *out = (struct str){text, (size_t)(end - text)};
    *at += out->size + 2;
    return true;
}

static bool is_at(struct str line, size_t at, char c)
{
    return at < line.size && line.ptr[at] == c;
}

/* False: it does not look as expected, which says nothing about the line. */
static bool read_quickly(struct str line, struct line_clock *clock, struct archive_line *out)
{
    bool timed = false;
    struct str key, value;

    if (!is_at(line, 0, '{'))
        return false;
    for (size_t at = 1;; at++) {
        size_t start = at;
        if (!plain_string(line, &at, &key) || !is_at(line, at++, ':'))
            return false;
        if (str_is(key, "resources")) {
            out->name_at = (uint32_t)start;
            return timed;
        }
        if (!plain_string(line, &at, &value) || !is_at(line, at, ','))
            return false;
        if (str_is(key, "time") && !timed && !(timed = read_time(value, clock, &out->time_ms)))
            return false;
    }
}

static bool read_slowly(struct str line, struct line_clock *clock, struct archive_line *out)
{
    struct json_reader r;
    struct json_token t;
    struct str time = {0};
    size_t before = 0, detail = 0;

    if (!json_check(line, NULL, NULL) || json_type_of(line) != JSON_OBJECT)
        return false;
    json_reader_init(&r, line);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        size_t at = (size_t)(t.raw.ptr - line.ptr);
        bool timed = json_raw_is(t.raw, "time");
        if (!before && json_raw_is(t.raw, "resources"))
            before = at;
        else if (!detail && json_raw_is(t.raw, "detail"))
            detail = at;
        json_next(&r, &t);
        json_skip(&r, &t);
        if (timed && !time.size)
            time = t.raw;
    }
    /* Envelopes have both: an event from elsewhere may not. */
    size_t first = (size_t)((const char *)memchr(line.ptr, '{', line.size) - line.ptr) + 1;
    out->name_at = (uint32_t)(before ? before : detail ? detail : first);
    return time.size > 2 && time.ptr[0] == '"' &&
           read_time((struct str){time.ptr + 1, time.size - 2}, clock, &out->time_ms);
}

bool line_read(struct str line, struct line_clock *clock, struct archive_line *out)
{
    return line.size <= UINT32_MAX && (read_quickly(line, clock, out) || read_slowly(line, clock, out));
}

void line_name(struct buf *out, struct str line, uint32_t name_at, struct str name)
{
    struct str rest = {line.ptr + name_at, line.size - name_at};

    buf_add(out, line.ptr, name_at);
    buf_text(out, "\"replay-name\":");
    json_write_string(out, name);
    if (rest.size && rest.ptr[0] != '}')
        buf_char(out, ',');
    buf_str(out, rest);
}

void line_name_event(struct buf *out, struct str event, struct str name)
{
    struct archive_line line = {0};
    struct line_clock clock = {0};

    line_read(event, &clock, &line); /* false: the place is known all the same */
    line_name(out, event, line.name_at, name);
}

struct line_times line_times(struct str text, struct line_clock *clock)
{
    struct line_times times = {0, INT64_MAX, INT64_MIN};
    struct archive_line line;

    for (const char *at = text.ptr, *end = at + text.size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (line_read((struct str){at, (size_t)(stop - at)}, clock, &line)) {
            times.events++;
            times.min_ms = line.time_ms < times.min_ms ? line.time_ms : times.min_ms;
            times.max_ms = line.time_ms > times.max_ms ? line.time_ms : times.max_ms;
        }
        at = stop + 1;
    }
    return times;
}
