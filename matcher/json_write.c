/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer: appends to a buf, which keeps the failure. It keeps no state of its own: whether a comma is due
 * is read off the last byte written.
 */
#include "matcher/json.h"

#include "matcher/plain.h"
#include "matcher/utf8.h"

static void write_escaped(struct buf *out, uint32_t code)
{
    static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *value = code && code < 0x80 ? strchr(values, (int)code) : NULL;
    if (value) {
        char escape[2] = {'\\', names[value - values]};
        buf_add(out, escape, sizeof(escape));
    } else {
        buf_printf(out, "\\u%04x", (unsigned)code);
    }
}

void json_write_string(struct buf *out, struct str text)
{
    buf_char(out, '"');
    size_t start = 0, at = 0; /* start: of the run that can be copied as it is */
    while (at < text.size) {
        at = (size_t)(plain_end(text.ptr + at, text.ptr + text.size) - text.ptr);
        if (at == text.size)
            break;
        uint32_t code;
        unsigned size = utf8_decode(text.ptr + at, text.size - at, &code);
        if (size > 1 && !utf8_is_surrogate(code)) {
            at += size;
            continue;
        }
        buf_add(out, text.ptr + start, at - start);
        if (size)
            write_escaped(out, code);
        else
            buf_text(out, "\xEF\xBF\xBD");
        at += size ? size : 1;
        start = at;
    }
    buf_add(out, text.ptr + start, at - start);
    buf_char(out, '"');
}

void json_write_int(struct buf *out, int64_t value)
{
    buf_printf(out, "%lld", (long long)value);
}

void json_write_key(struct buf *out, const char *key)
{
    if (out->size && !strchr("{[,\n", out->data[out->size - 1]))
        buf_char(out, ',');
    json_write_string(out, str_from(key));
    buf_char(out, ':');
}

void json_write_member(struct buf *out, const char *key, struct str text)
{
    json_write_key(out, key);
    json_write_string(out, text);
}

/* at: of a string's opening quote. Returns the offset behind the closing one. */
static size_t string_end(struct str json, size_t at)
{
    const char *end = json.ptr + json.size, *p = json.ptr + at + 1;
    while ((p = plain_end(p, end)) < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    return p < end ? (size_t)(p - json.ptr) + 1 : json.size;
}

void json_minify(struct buf *out, struct str json)
{
    size_t start = 0, at = 0; /* start: of what is not copied yet */
    while (at < json.size) {
        char c = json.ptr[at];
        if (c == '"') {
            at = string_end(json, at);
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            buf_add(out, json.ptr + start, at - start);
            start = ++at;
        } else {
            at++;
        }
    }
    buf_add(out, json.ptr + start, at - start);
}
