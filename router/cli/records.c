/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking files of events apart. Whole-file JSON is tried first: an array gives its elements, an object with an array
 * "Records" gives those, another object is one record. What is not one JSON text is taken for lines.
 */
#include "router/cli/records.h"

#include <stdlib.h>

#include "matcher/json.h"
#include "router/xalloc.h"

static void add(struct records *r, struct str text, int line)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 256;
        r->list = xrealloc(r->list, r->capacity * sizeof *r->list);
    }
    r->list[r->count++] = (struct record_span){text, line};
}

/* Not strchr: it would take a NUL for white space. */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str text)
{
    while (text.size && is_blank(*text.ptr))
        text = (struct str){text.ptr + 1, text.size - 1};
    while (text.size && is_blank(text.ptr[text.size - 1]))
        text.size--;
    return text;
}

static int lines_between(const char *from, const char *to)
{
    int lines = 0;
    while ((from = memchr(from, '\n', (size_t)(to - from)))) {
        lines++;
        from++;
    }
    return lines;
}

static void add_elements(struct records *r, struct str text, struct str array)
{
    struct json_reader reader;
    struct json_token t;
    const char *counted = text.ptr;
    int line = 1;

    json_reader_init(&reader, array);
    for (json_next(&reader, &t); json_next(&reader, &t) > JSON_ERROR && t.type != JSON_ARRAY_END;) {
        json_skip(&reader, &t);
        line += lines_between(counted, t.raw.ptr);
        counted = t.raw.ptr;
        add(r, t.raw, line);
    }
}

static void add_lines(struct records *r, struct str text)
{
    const char *at = text.ptr, *end = text.ptr + text.size;
    for (int line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        struct str one = trim((struct str){at, (size_t)(stop - at)});
        if (one.size)
            add(r, one, line);
        at = stop + 1;
    }
}

const struct source *records_guess(struct str text)
{
    return source_guess(text);
}

void records_split(struct str text, const char *format, struct records *out)
{
    struct str body = trim(text);
    bool whole = body.size && json_check(body, NULL, NULL);
    struct str array = {0};

    *out = (struct records){.source = strcmp(format, "auto") ? source_find(str_from(format)) : records_guess(body)};
    if (whole && json_type_of(body) == JSON_ARRAY)
        array = body;
    if (whole && json_type_of(body) == JSON_OBJECT && !str_is(str_from(out->source->name), "events")) {
        array = json_member(body, "Records");
        out->wrapped = array.ptr && json_type_of(array) == JSON_ARRAY;
        if (!out->wrapped)
            array = (struct str){0};
    }
    if (array.ptr)
        add_elements(out, text, array);
    else if (whole)
        add(out, body, 1 + lines_between(text.ptr, body.ptr));
    else
        add_lines(out, text);
}

void records_fini(struct records *r)
{
    free(r->list);
    *r = (struct records){0};
}
