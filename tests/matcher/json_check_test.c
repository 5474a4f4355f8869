/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole-text check goes from mark to mark, the JSON reader from byte to byte: both must take the same texts, on
 * every kind of machine that scan.c knows. Texts are made of the grammar's own tokens, good and broken, with strings
 * long enough for tokens to lie across the borders of blocks (64 bytes) and steps (1024).
 */
#include "matcher/json.h"
#include "matcher/scan.h"
#include "matcher/utf8.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t seed = 7;

static uint32_t random_below(uint32_t end)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * end >> 32);
}

#define PICK(list) list[random_below(sizeof(list) / sizeof(list[0]))]

static void add_broken(struct buf *out)
{
    static const char *const tokens[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "-",
        "01",
        "1.",
        "2e",
        "tru",
        "nulll",
        "+1",
        ".5",
        "1x",
        "1\"a\"",
        "\x01",
        "\x7f",
        "\xC3",
        "\xC3\xA9",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\\\"",
        "\"\\",
        "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"",
        "1 2",
        "-a",
        "1e+",
    };
    buf_text(out, PICK(tokens));
}

static void add_string(struct buf *out)
{
    static const char *const pieces[] = {"a",       "{[]}:,",         "\\\\",     "\\\"",
                                         "\\u00e9", "\\ud83d\\ude00", "\xC3\xA9", "\\n\\/\\b",
                                         " ",       "a longer text",  "\x7f",     "\xF0\x9F\x98\x80"};
    buf_char(out, '"');
    for (uint32_t count = random_below(30) ? random_below(6) : random_below(300); count; count--)
        buf_text(out, PICK(pieces));
    buf_char(out, '"');
}

static void add_key(struct buf *out)
{
    static const char *const keys[] = {
        "\"a\"", "\"b\"", "\"\\u0061\"", "\"\"", "\"a key over eight\"", "\"a key over nine!\""};
    if (random_below(3))
        add_string(out);
    else
        buf_text(out, PICK(keys));
}

static void add_value(struct buf *out, int depth)
{
    static const char *const scalars[] = {"0",    "-0",    "1.5e-3", "12345678901234567890",
                                          "true", "false", "null",   "-1E+2"};
    static const char *const spaces[] = {"",  "",   "",        "",
                                         " ", "\n", "\t\r\n ", "                                                "};
    uint32_t choice = random_below(depth > 5 ? 4 : 8);

    if (!random_below(60))
        add_broken(out);
    if (choice < 2)
        buf_text(out, PICK(scalars));
    else if (choice < 4)
        add_string(out);
    if (choice < 4)
        return;
    bool object = choice & 1;
    buf_text(out, object ? "{" : "[");
    for (uint32_t i = 0, count = random_below(6); i < count; i++) {
        buf_text(out, PICK(spaces));
        if (i)
            buf_char(out, ',');
        buf_text(out, PICK(spaces));
        if (object) {
            add_key(out);
            buf_char(out, ':');
        }
        add_value(out, depth + 1);
    }
    buf_text(out, PICK(spaces));
    buf_text(out, object ? "}" : "]");
}

struct expected {
    bool valid, compact;
    enum json_type type;
    int depth;
    size_t members;
    struct json_part parts[1000];
};

static void read_members(struct str text, struct expected *e)
{
    struct json_reader r;
    struct json_token t;

    json_reader_init(&r, text);
    json_next(&r, &t);
    while (json_next(&r, &t) == JSON_KEY) {
        struct json_part *part = &e->parts[e->members++];
        part->key = t.raw;
        json_next(&r, &t);
        json_skip(&r, &t);
        part->value = t.raw;
    }
}

static void read_text(struct str text, struct expected *e)
{
    struct json_reader r;
    struct json_token t;
    struct buf compact = BUF_INIT;

    *e = (struct expected){0};
    json_reader_init(&r, text);
    e->type = json_next(&r, &t);
    while (t.type > JSON_ERROR) {
        e->depth = r.depth > e->depth ? r.depth : e->depth;
        json_next(&r, &t);
    }
    e->valid = t.type == JSON_END;
    if (e->valid)
        json_minify(&compact, text);
    e->compact = compact.size == text.size;
    buf_fini(&compact);
    if (e->valid && e->type == JSON_OBJECT)
        read_members(text, e);
}

static void compare(struct str text, const struct expected *e)
{
    struct json_parts parts;
    struct weir_diag diag = {0};

    if (json_check(text, NULL, &diag) != e->valid || json_check_parts(text, &parts, NULL) != e->valid)
        fail_msg("level %d, valid %d: %.*s", scan_level, e->valid, STR_ARG(text));
    if (!e->valid) {
        assert_true(diag.message[0] && diag.offset <= text.size);
        return;
    }
    assert_int_equal(parts.info.type, e->type);
    assert_int_equal(parts.info.depth, e->depth);
    assert_int_equal(parts.compact, e->compact);
    assert_int_equal(parts.more, e->members > JSON_PARTS_MAX);
    assert_int_equal(parts.count, parts.more ? JSON_PARTS_MAX : e->members);
    for (size_t i = 0; i < parts.count; i++) {
        struct str value = parts.members[i].value, key = parts.members[i].key;
        assert_ptr_equal(scan_string(key.ptr + 1, text.ptr + text.size), key.ptr + key.size - 1);
        assert_null(scan_string(key.ptr + 1, key.ptr + key.size - 1));
        if (strchr("{[", value.ptr[0])) {
            assert_ptr_equal(scan_skip(value.ptr + 1, text.ptr + text.size), value.ptr + value.size);
            assert_null(scan_skip(value.ptr + 1, value.ptr + value.size - 1));
        }
        assert_true(str_eq(parts.members[i].key, e->parts[i].key));
        assert_ptr_equal(parts.members[i].value.ptr, e->parts[i].value.ptr);
        assert_int_equal(parts.members[i].value.size, e->parts[i].value.size);
    }
}

/* Told that a text was checked, the reader gives the same tokens, and skips to the same places. */
static void trusts(struct str text)
{
    struct json_reader a, b;
    struct json_token x, y;

    json_reader_init(&a, text);
    json_reader_init_trusted(&b, text);
    do {
        assert_int_equal(json_next(&a, &x), json_next(&b, &y));
        if (x.type == JSON_END)
            break;
        if (!random_below(4))
            assert_true(json_skip(&a, &x) && json_skip(&b, &y));
        assert_ptr_equal(x.raw.ptr, y.raw.ptr);
        assert_int_equal(x.raw.size, y.raw.size);
        assert_int_equal(x.escaped && x.type == JSON_STRING, y.escaped && y.type == JSON_STRING);
        assert_int_equal(a.depth, b.depth);
    } while (x.type > JSON_ERROR);
}

static void takes_what_the_reader_takes(void **state)
{
    static struct expected e;
    struct buf text = BUF_INIT;
    unsigned good = 0, bad = 0, split = 0;

    for (int round = 0; round < 30000; round++) {
        buf_clear(&text);
        add_value(&text, random_below(3) ? 0 : 4);
        if (!random_below(8))
            text.size = random_below((uint32_t)text.size + 1);
        if (text.size && !random_below(8))
            text.data[random_below((uint32_t)text.size)] = (char)random_below(256);
        char *exact = malloc(text.size + !text.size);
        memcpy(exact, text.data, text.size);
        struct str one = {exact, text.size};
        read_text(one, &e);
        for (scan_level = 1; scan_level <= (__builtin_cpu_supports("avx2") ? 3 : 2); scan_level++)
            compare(one, &e);
        scan_level = 0;
        if (e.valid)
            trusts(one);
        e.valid ? good++ : bad++;
        split += text.size > SCAN_STEP;
        free(exact);
    }
    scan_level = 0;
    buf_fini(&text);
    assert_true(good > 10000 && bad > 5000 && split > 1000);
}

/* Every byte behind a number, within a string, and behind a backslash. */
static void every_byte(void **state)
{
    static struct expected e;
    static const char *const frames[] = {"[1?]", "[\"?\"]", "[\"\\?\"]", "[\"\\u00?0\"]", "[?]", "[true?]", "?1"};

    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
        for (int byte = 0; byte < 256; byte++) {
            char text[16];
            size_t size = strlen(frames[i]);
            memcpy(text, frames[i], size);
            *(char *)memchr(text, '?', size) = (char)byte;
            read_text((struct str){text, size}, &e);
            for (scan_level = 1; scan_level <= (__builtin_cpu_supports("avx2") ? 3 : 2); scan_level++)
                compare((struct str){text, size}, &e);
        }
    scan_level = 0;
}

static void many_members(void **state)
{
    struct json_parts parts;
    struct buf text = BUF_INIT;

    for (int i = 0; i <= JSON_PARTS_MAX; i++)
        buf_printf(&text, "%s\"k%d\":%d", i ? "," : "{", i, i);
    buf_char(&text, '}');
    assert_true(json_check_parts(buf_view(&text), &parts, NULL));
    assert_true(parts.more && parts.compact && !parts.info.repeated_keys);
    buf_fini(&text);
    assert_true(json_check_parts(STR("[{\"a\":1}]"), &parts, NULL));
    assert_true(!parts.more && parts.count == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_reader_takes),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(many_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
