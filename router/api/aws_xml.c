/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON answers as the query protocol's XML, by the service's table (aws_wire.h): one walk, nothing allocated but for
 * strings that hold escapes. Members with null are left out. Nesting is bounded by the JSON reader's.
 */
#include "matcher/json.h"
#include "matcher/utf8.h"
#include "router/api/aws_wire.h"

struct writer {
    struct buf *out;
    struct json_reader reader;
    struct buf scratch;
    const struct aws_wire *wire;
    const char *operation;
};

/* ---- texts ---- */

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* XML 1.0's Char, less what is written otherwise. */
static bool is_plain(uint32_t code)
{
    return code >= ' ' && code != '<' && code != '>' && code != '&' && code != '"' && !utf8_is_surrogate(code) &&
           code != 0xFFFE && code != 0xFFFF;
}

static const char *written(uint32_t code)
{
    switch (code) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '"': return "&quot;";
    case '\t': return "\t";
    case '\n': return "\n";
    case '\r': return "&#xD;"; /* a parser would make a line feed of it */
    default: return replacement;
    }
}

void aws_xml_text(struct buf *out, struct str text)
{
    size_t from = 0, at = 0, n;
    uint32_t code = 0;

    for (; at < text.size; at += n) {
        n = utf8_decode(text.ptr + at, text.size - at, &code);
        if (n && is_plain(code))
            continue;
        buf_add(out, text.ptr + from, at - from);
        buf_text(out, n ? written(code) : replacement);
        n += !n;
        from = at + n;
    }
    buf_add(out, text.ptr + from, at - from);
}

static struct str decoded(struct writer *w, const struct json_token *t)
{
    struct str inner = {t->raw.ptr + 1, t->raw.size - 2};

    if (!memchr(inner.ptr, '\\', inner.size))
        return inner;
    buf_clear(&w->scratch);
    json_decode(&w->scratch, t->raw);
    w->out->failed |= w->scratch.failed;
    return buf_view(&w->scratch);
}

static void open_tag(struct writer *w, const char *name)
{
    buf_char(w->out, '<');
    buf_text(w->out, name);
    buf_char(w->out, '>');
}

static void close_tag(struct writer *w, const char *name)
{
    buf_text(w->out, "</");
    buf_text(w->out, name);
    buf_char(w->out, '>');
}

/* ---- values: each is given its first token and reads to its end ---- */

static void write_members(struct writer *w);

static void write_value(struct writer *w, const struct json_token *t)
{
    if (t->type == JSON_OBJECT)
        write_members(w);
    else if (t->type == JSON_STRING)
        aws_xml_text(w->out, decoded(w, t));
    else
        buf_str(w->out, t->raw);
}

static void write_elements(struct writer *w, const char *name)
{
    struct json_token t;

    while (json_next(&w->reader, &t) != JSON_ARRAY_END && t.type != JSON_ERROR) {
        open_tag(w, name);
        write_value(w, &t);
        close_tag(w, name);
    }
}

static void write_entries(struct writer *w, const struct aws_wire *row, const char *name)
{
    struct json_token t;

    while (json_next(&w->reader, &t) == JSON_KEY) {
        open_tag(w, name);
        open_tag(w, row->key);
        aws_xml_text(w->out, decoded(w, &t));
        close_tag(w, row->key);
        open_tag(w, row->value);
        json_next(&w->reader, &t);
        write_value(w, &t);
        close_tag(w, row->value);
        close_tag(w, name);
    }
}

static const struct aws_wire *find_row(const struct writer *w, struct str member, enum json_type type)
{
    for (const struct aws_wire *row = w->wire; row->member; row++)
        if ((!row->operation || strcmp(row->operation, w->operation) == 0) && str_is(member, row->member) &&
            type == (row->kind == AWS_WIRE_LIST ? JSON_ARRAY : JSON_OBJECT))
            return row;
    return NULL;
}

static void write_by_row(struct writer *w, const struct aws_wire *row)
{
    const char *wire = row->wire ? row->wire : row->member;

    if (row->entry)
        open_tag(w, wire);
    if (row->kind == AWS_WIRE_LIST)
        write_elements(w, row->entry ? row->entry : wire);
    else
        write_entries(w, row, row->entry ? row->entry : wire);
    if (row->entry)
        close_tag(w, wire);
}

static void write_member(struct writer *w, struct str member)
{
    struct json_token t;
    json_next(&w->reader, &t);
    const struct aws_wire *row = find_row(w, member, t.type);

    if (t.type == JSON_NULL)
        return;
    if (row) {
        write_by_row(w, row);
        return;
    }
    buf_printf(w->out, "<%.*s>", STR_ARG(member));
    if (t.type == JSON_ARRAY)
        write_elements(w, "member");
    else
        write_value(w, &t);
    buf_printf(w->out, "</%.*s>", STR_ARG(member));
}

/* Behind the opening brace. A member's name is the service model's: it needs no escapes. */
static void write_members(struct writer *w)
{
    struct json_token t;

    while (json_next(&w->reader, &t) == JSON_KEY)
        write_member(w, (struct str){t.raw.ptr + 1, t.raw.size - 2});
}

void aws_xml_write(struct buf *out, struct str object, const struct aws_wire *wire, const char *operation)
{
    struct writer w = {.out = out, .wire = wire, .operation = operation};
    struct json_token t;

    json_reader_init_trusted(&w.reader, object);
    if (json_next(&w.reader, &t) == JSON_OBJECT)
        write_members(&w);
    buf_fini(&w.scratch);
}
