/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matcher's walk and the JSON reader must take exactly the same texts: small texts made of the grammar's own
 * tokens, good and broken, under a matcher that asks for some of their paths, under one that asks for none, and
 * unasked.
 */
#include "matcher/json.h"
#include "matcher/weir.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static uint32_t seed = 1;

static uint32_t random_below(uint32_t end)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * end >> 32);
}

/* Mostly what the grammar expects here, so that texts grow; sometimes any token. */
static void add_value(struct buf *out, int depth);

static void add_noise(struct buf *out)
{
    static const char *const tokens[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"a\"",
                                         "\"b\"",
                                         "1",
                                         "-",
                                         "01",
                                         "1.",
                                         "2e",
                                         "2E+7",
                                         "\"\\n\"",
                                         "\"\\x\"",
                                         "\"\\u0g00\"",
                                         "\x01",
                                         "\"\x1f\"",
                                         "\xC3",
                                         "\"\xC3\xA9\"",
                                         "\"\xED\xA0\x80\"",
                                         "tru",
                                         "nullx",
                                         " ",
                                         "\"",
                                         "\\",
                                         "\t\r\n",
                                         "\"\\u12",
                                         "\"\xF4\x90\x80\x80\"",
                                         "-0.5",
                                         "false"};
    buf_text(out, tokens[random_below(sizeof(tokens) / sizeof(tokens[0]))]);
}

static void add_members(struct buf *out, int depth, bool object)
{
    static const char *const keys[] = {"\"a\"",       "\"b\"", "\"a.b\"",
                                       "\"\\u0061\"", "\"\"",  "\"a longer key than eight\""};
    for (uint32_t i = 0, count = random_below(4); i < count; i++) {
        if (i)
            buf_text(out, random_below(3) ? "," : " , ");
        if (object) {
            buf_text(out, keys[random_below(6)]);
            buf_text(out, random_below(3) ? ":" : "\n:\t");
        }
        add_value(out, depth + 1);
    }
}

static void add_value(struct buf *out, int depth)
{
    static const char *const scalars[] = {"1",
                                          "-0",
                                          "1.5e-3",
                                          "\"x\"",
                                          "\"\\u00e9\\\"\"",
                                          "true",
                                          "false",
                                          "null",
                                          "\"a text \xE2\x82\xAC of more than eight bytes\"",
                                          "12345678901234567890"};
    uint32_t choice = random_below(depth > 6 ? 4 : 8);
    if (!random_below(24))
        add_noise(out);
    if (choice < 4) {
        buf_text(out, scalars[random_below(sizeof(scalars) / sizeof(scalars[0]))]);
        return;
    }
    buf_char(out, choice & 1 ? '{' : '[');
    add_members(out, depth, choice & 1);
    buf_char(out, choice & 1 ? '}' : ']');
}

static struct weir_matcher *build(const char *pattern)
{
    struct weir_diag diag;
    struct weir_builder *b = weir_builder_create();
    if (pattern)
        assert_true(weir_builder_add(b, 1, pattern, strlen(pattern), &diag));
    struct weir_matcher *m = weir_builder_build(b, &diag);
    weir_builder_destroy(b);
    assert_non_null(m);
    return m;
}

static void one_grammar(void **state)
{
    static const char *const patterns[] = {NULL, "{\"a\": [1], \"b\": [{\"exists\": true}]}",
                                           "{\"a\": {\"a\": [1], \"b\": {\"a\": [2]}}}"};
    struct weir_matcher *m[3];
    struct weir_scratch *s[3];
    struct buf text = BUF_INIT;
    unsigned good = 0, bad = 0;
    for (int i = 0; i < 3; i++) {
        m[i] = build(patterns[i]);
        s[i] = weir_scratch_create(m[i]);
    }
    for (int round = 0; round < 60000; round++) {
        buf_clear(&text);
        buf_char(&text, '{');
        add_members(&text, 0, true);
        buf_char(&text, '}');
        if (!random_below(8))
            text.size = random_below((uint32_t)text.size + 1);
        char *exact = malloc(text.size + !text.size);
        memcpy(exact, text.data, text.size);
        struct json_info info;
        bool valid = json_check((struct str){exact, text.size}, &info, NULL) && info.type == JSON_OBJECT;
        valid ? good++ : bad++;
        assert_int_equal(weir_event_check(exact, text.size, NULL), valid);
        for (int i = 0; i < 3; i++) {
            const uint32_t *ids;
            if ((weir_match(m[i], s[i], exact, text.size, WEIR_CHECKED, &ids, NULL) >= 0) != valid)
                fail_msg("pattern %d, valid %d: %.*s", i, valid, STR_ARG(buf_view(&text)));
            weir_match(m[i], s[i], exact, text.size, WEIR_TRUSTED, &ids, NULL); /* reads nothing behind it */
        }
        free(exact);
    }
    assert_true(good > 10000 && bad > 5000);
    for (int i = 0; i < 3; i++) {
        weir_scratch_destroy(s[i]);
        weir_matcher_unref(m[i]);
    }
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_grammar)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
