/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a JSON string token means: decoding, comparing without decoding, and finding a member of an object. All of
 * it trusts its input: tokens and texts that the reader has passed.
 */
#include "matcher/json_int.h"

#include <assert.h>

#include "matcher/arena.h"
#include "matcher/plain.h"
#include "matcher/utf8.h"

static struct str inside(struct str raw)
{
    assert(raw.size >= 2 && raw.ptr[0] == '"' && raw.ptr[raw.size - 1] == '"');
    return (struct str){raw.ptr + 1, raw.size - 2};
}

static uint32_t hex4(const char *p)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    return value;
}

/* The character of one \uXXXX, or of the two of a pair. */
static unsigned take_code(const struct str *rest, char out[4], size_t *taken)
{
    uint32_t code = hex4(rest->ptr + 2);

    *taken = 6;
    if (code >= 0xD800 && code < 0xDC00 && rest->size >= 12 && rest->ptr[6] == '\\' && rest->ptr[7] == 'u') {
        uint32_t low = hex4(rest->ptr + 8);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            *taken = 12;
        }
    }
    return utf8_encode(code, out);
}

/* rest starts with a backslash: takes the escape (both halves of a pair) off it. Returns the decoded size. */
static unsigned take_escape(struct str *rest, char out[4])
{
    size_t taken = 2;
    unsigned size = 1;

    switch (rest->ptr[1]) {
    case 'b': out[0] = '\b'; break;
    case 'f': out[0] = '\f'; break;
    case 'n': out[0] = '\n'; break;
    case 'r': out[0] = '\r'; break;
    case 't': out[0] = '\t'; break;
    case 'u': size = take_code(rest, out, &taken); break;
    default: out[0] = rest->ptr[1];
    }
    *rest = (struct str){rest->ptr + taken, rest->size - taken};
    return size;
}

struct str json_text_piece(struct str *rest, char space[4])
{
    if (rest->size && rest->ptr[0] == '\\') {
        unsigned size = take_escape(rest, space);
        return (struct str){space, size};
    }
    const char *slash = rest->size ? memchr(rest->ptr, '\\', rest->size) : NULL;
    struct str plain = {rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->size};
    *rest = (struct str){rest->ptr + plain.size, rest->size - plain.size};
    return plain;
}

struct str json_text_start(struct str raw)
{
    return inside(raw);
}

void json_decode(struct buf *out, struct str raw)
{
    char space[4];
    for (struct str rest = inside(raw); rest.size;)
        buf_str(out, json_text_piece(&rest, space));
}

/* Copies up to the next backslash. A block is stored whole where `to` has room for as much as is left. */
static char *copy_plain(char *to, struct str *rest)
{
    const char *p = rest->ptr, *end = p + rest->size;

    for (; end - p >= PLAIN_STEP; p += PLAIN_STEP, to += PLAIN_STEP) {
        __typeof__(plain_slashes(p)) marks = plain_slashes(p);
        memcpy(to, p, PLAIN_STEP);
        if (marks) {
            p += plain_first(marks);
            to += plain_first(marks);
            break;
        }
    }
    while (p < end && *p != '\\')
        *to++ = *p++;
    *rest = (struct str){p, (size_t)(end - p)};
    return to;
}

struct str json_decode_in(struct arena *a, struct str raw)
{
    struct str rest = inside(raw);
    /* Escapes are never shorter than what they stand for, so the raw size is room enough. */
    char *text = arena_alloc(a, rest.size + 1), *to = text, space[4];

    if (!text)
        return (struct str){NULL, 0};
    while ((to = copy_plain(to, &rest), rest.size)) {
        unsigned size = take_escape(&rest, space);
        memcpy(to, space, size);
        to += size;
    }
    return (struct str){text, (size_t)(to - text)};
}

bool json_raw_is(struct str raw, const char *text)
{
    struct str wanted = str_from(text), rest = inside(raw);
    char space[4];
    while (rest.size) {
        struct str piece = json_text_piece(&rest, space);
        if (!str_starts(wanted, piece))
            return false;
        wanted = (struct str){wanted.ptr + piece.size, wanted.size - piece.size};
    }
    return wanted.size == 0;
}

struct str json_member(struct str object, const char *key)
{
    struct json_reader r;
    struct json_token t;
    json_reader_init_trusted(&r, object);
    if (json_next(&r, &t) != JSON_OBJECT)
        return (struct str){NULL, 0};
    while (json_next(&r, &t) == JSON_KEY) {
        bool wanted = json_raw_is(t.raw, key);
        json_next(&r, &t);
        if (!json_skip(&r, &t))
            break;
        if (wanted)
            return t.raw;
    }
    return (struct str){NULL, 0};
}

void json_members(struct str object, const char *const *keys, struct str *values)
{
    struct json_reader r;
    struct json_token t;
    size_t left = 0;
    for (; keys[left]; left++)
        values[left] = (struct str){NULL, 0};
    json_reader_init_trusted(&r, object);
    if (json_next(&r, &t) != JSON_OBJECT)
        return;
    while (left && json_next(&r, &t) == JSON_KEY) {
        struct str *value = NULL;
        for (size_t i = 0; keys[i] && !value; i++)
            if (!values[i].ptr && (t.escaped ? json_raw_is(t.raw, keys[i])
                                             : str_is((struct str){t.raw.ptr + 1, t.raw.size - 2}, keys[i])))
                value = &values[i];
        json_next(&r, &t);
        if (!json_skip(&r, &t))
            break;
        if (value) {
            *value = t.raw;
            left--;
        }
    }
}

enum json_type json_type_of(struct str value)
{
    switch (value.size ? value.ptr[0] : '\0') {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    case '-':
    case '0' ... '9': return JSON_NUMBER;
    default: return JSON_ERROR;
    }
}
