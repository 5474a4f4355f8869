/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole-text check: RFC 8259 and UTF-8, in one pass from mark to mark (scan.h), so that strings, which are most of
 * a text, are only looked at 64 bytes at a time. On the way it notes what ingest wants to know: whether some object
 * repeats a key, how deep the text is, where the members of the outermost object lie, whether there is white space.
 *
 *     value ──> after ──','──> key ──':'──> value          one label a state; a level is a bracket that is open
 *
 * Only yes or no is found out here. What is wrong with a bad text, and where, says the JSON reader, which takes the
 * same texts (json_test and fuzz_event hold them together); bad texts are rare.
 *
 * Cost: about 0.3 ns a byte. json_keys.c may allocate, for objects with very many keys.
 */
#include <assert.h>

#include "matcher/json_keys.h"
#include "matcher/scan.h"
#include "matcher/utf8.h"

struct level {
    bool object;
    struct json_keys_level outer;
};

struct check {
    struct scan scan;
    int depth, deepest;
    struct json_keys *keys;   /* NULL: not asked for */
    struct json_parts *parts; /* NULL: not asked for */
    struct level levels[LIMIT_JSON_DEPTH];
};

/* ---- what stands at a mark ---- */

/* What may stand behind a number or word. */
static bool is_end(const struct scan *s, size_t at)
{
    if (at == s->size)
        return true;
    switch (s->text[at]) {
    case ',':
    case ']':
    case '}':
    case ' ':
    case '\t':
    case '\r':
    case '\n': return true;
    default: return false;
    }
}

static size_t digits_end(const struct scan *s, size_t at)
{
    while (at < s->size && s->text[at] >= '0' && s->text[at] <= '9')
        at++;
    return at;
}

/* The end of a number, 0 where there is none. */
static size_t number_end(const struct scan *s, size_t at)
{
    size_t start = at + (s->text[at] == '-'), end = digits_end(s, start);

    if (end == start || (s->text[start] == '0' && end > start + 1))
        return 0;
    if (end < s->size && s->text[end] == '.') {
        start = end + 1;
        end = digits_end(s, start);
        if (end == start)
            return 0;
    }
    if (end < s->size && (s->text[end] | 0x20) == 'e') {
        start = end + 1;
        start += start < s->size && (s->text[start] == '+' || s->text[start] == '-');
        end = digits_end(s, start);
        if (end == start)
            return 0;
    }
    return end;
}

#define WORD_END(s, at, word)                                                                                          \
    ((s)->size - (at) >= sizeof(word) - 1 && memcmp((s)->text + (at), word, sizeof(word) - 1) == 0                     \
         ? (at) + sizeof(word) - 1                                                                                     \
         : 0)

static size_t run_end(const struct scan *s, size_t at)
{
    size_t end;

    switch (s->text[at]) {
    case 't': end = WORD_END(s, at, "true"); break;
    case 'f': end = WORD_END(s, at, "false"); break;
    case 'n': end = WORD_END(s, at, "null"); break;
    case '-':
    case '0' ... '9': end = number_end(s, at); break;
    default: return 0;
    }
    return end && is_end(s, end) ? end : 0;
}

/* ---- the machine ---- */

/* The byte at the next mark, and *at; NUL at the text's end. */
static inline char take(struct check *c, size_t *at)
{
    *at = scan_next(&c->scan);
    return *at < c->scan.size ? c->scan.text[*at] : '\0';
}

static bool open_level(struct check *c, bool object)
{
    if (c->depth == LIMIT_JSON_DEPTH)
        return false;
    struct level *level = &c->levels[c->depth++];
    level->object = object;
    if (object && c->keys)
        level->outer = json_keys_open(c->keys);
    if (c->depth > c->deepest)
        c->deepest = c->depth;
    return true;
}

static void close_level(struct check *c)
{
    const struct level *level = &c->levels[--c->depth];
    if (level->object && c->keys)
        json_keys_close(c->keys, &level->outer);
}

/* A key's string lies in [at, end). */
static void note_key(struct check *c, size_t at, size_t end)
{
    struct str raw = {c->scan.text + at, end - at};
    struct json_parts *parts = c->parts;

    if (c->keys)
        json_keys_push(c->keys, raw, c->scan.text + c->scan.size, c->scan.slashes && memchr(raw.ptr, '\\', raw.size));
    if (c->depth > 1 || !parts)
        return;
    parts->more = parts->count == JSON_PARTS_MAX;
    if (!parts->more)
        parts->members[parts->count].key = raw;
}

/* The outermost object's latest member has its value in [at, end). */
static void note_value(struct check *c, size_t at, size_t end)
{
    struct json_parts *parts = c->parts;
    if (!parts->more)
        parts->members[parts->count++].value = (struct str){c->scan.text + at, end - at};
}

static bool read_text(struct check *c)
{
    size_t at, end, member = 0; /* member: where the value of the outermost object's latest member starts */
    char byte = take(c, &at);
value:
    if (byte == '"') {
        take(c, &end); /* the closing quote: within a string there are no other marks */
        if (end++ == c->scan.size)
            return false;
    } else if (byte == '{' || byte == '[') {
        char closing = byte + 2; /* in ASCII */
        if (!open_level(c, byte == '{'))
            return false;
        byte = take(c, &at);
        if (byte == closing)
            goto close;
        if (closing == '}')
            goto key;
        goto value;
    } else if (!byte || !(end = run_end(&c->scan, at))) {
        return false;
    }
after:
    if (!c->depth)
        return take(c, &at) == '\0' && at == c->scan.size;
    bool object = c->levels[c->depth - 1].object;
    if (object && c->depth == 1 && c->parts)
        note_value(c, member, end);
    byte = take(c, &at);
    if (byte == ',') {
        byte = take(c, &at);
        if (!object)
            goto value;
    key:
        if (byte != '"')
            return false;
        take(c, &end);
        if (end == c->scan.size || c->scan.bad) /* a key with a bad escape cannot be decoded */
            return false;
        note_key(c, at, end + 1);
        if (take(c, &at) != ':')
            return false;
        byte = take(c, &at);
        if (c->depth == 1)
            member = at;
        goto value;
    }
    if (byte != (object ? '}' : ']'))
        return false;
close:
    close_level(c);
    end = at + 1;
    goto after;
}

static bool is_text(struct check *c, struct str text)
{
    c->depth = c->deepest = 0;
    scan_start(&c->scan, text);
    return read_text(c) && !c->scan.bad && (!c->scan.high || utf8_is_text(text));
}

/* ---- what is asked for ---- */

static bool explain(struct str text, struct weir_diag *diag)
{
    struct json_reader r;
    struct json_token token;

    if (!diag)
        return false;
    json_reader_init(&r, text);
    while (json_next(&r, &token) != JSON_ERROR)
        assert(token.type != JSON_END); /* else the two would not take the same texts */
    json_diag(&r, diag);
    return false;
}

static enum json_type type_of(struct str text)
{
    while (strchr(" \t\r\n", text.ptr[0])) /* checked: there is a value */
        text = (struct str){text.ptr + 1, text.size - 1};
    return json_type_of(text);
}

static bool check(struct str text, struct json_info *info, struct json_parts *parts, struct weir_diag *diag)
{
    struct check c;
    struct json_keys keys;

    json_keys_init(&keys);
    c.keys = info ? &keys : NULL;
    c.parts = parts;
    bool ok = is_text(&c, text), failed = keys.failed && !keys.repeated;
    json_keys_fini(&keys);
    if (!ok)
        return explain(text, diag);
    if (failed && diag)
        *diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
    if (info)
        *info = (struct json_info){.repeated_keys = keys.repeated, .type = type_of(text), .depth = c.deepest};
    if (parts)
        parts->compact = !c.scan.spaces;
    return !failed;
}

bool json_check(struct str text, struct json_info *info, struct weir_diag *diag)
{
    return check(text, info, NULL, diag);
}

bool json_check_parts(struct str text, struct json_parts *parts, struct weir_diag *diag)
{
    parts->count = 0;
    parts->more = false;
    return check(text, &parts->info, parts, diag);
}
