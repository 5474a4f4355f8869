/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader and writer. Texts that must be taken and texts that must be refused are tables; a refused text
 * names the byte where the fault is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matcher/arena.h"
#include "matcher/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_takes_valid_texts(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " \t\r\n0 ",
        "-0",
        "-0.0e+10",
        "1E-2",
        "1e400",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
        "\"\x7f\"",
        "true",
        "false",
        "null",
        "[[],{},[{}],\"\"]",
        "{\"\":{\"\":[]}}",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "\"\xEF\xBF\xBF\xF4\x8F\xBF\xBF\"",
        "\"12345678\\n12345678\"",
        "{\"a\" : 1 ,\n\"a\" : [ 2 , 3 ] }",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weir_diag diag = {0};
        if (!json_check(str_from(texts[i]), NULL, &diag))
            fail_msg("%s: %s at %zu", texts[i], diag.message, diag.offset);
    }
}

static void test_refuses_invalid_texts(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *why;
    } cases[] = {
        {"", 0, "no value in the text"},
        {"  ", 2, "no value in the text"},
        {"\xEF\xBB\xBF{}", 0, "expected a value"},
        {"{", 1, "text ends within an object"},
        {"[", 1, "text ends where a value was expected"},
        {"[1", 2, "text ends within an array"},
        {"[1,]", 3, "expected a value"},
        {"[1 2]", 3, "expected ',' or ']'"},
        {"[1}", 2, "expected ',' or ']'"},
        {"{\"a\":1]", 6, "expected ',' or '}'"},
        {"{\"a\":1,}", 7, "expected a key in double quotes"},
        {"{a:1}", 1, "expected a key in double quotes"},
        {"{\"a\"1}", 4, "expected ':' after a key"},
        {"{\"a\"", 4, "expected ':' after a key"},
        {"{\"a\":}", 5, "expected a value"},
        {"{\"a\":", 5, "text ends where a value was expected"},
        {"1 1", 2, "more text after the value"},
        {"{}}", 2, "more text after the value"},
        {"01", 1, "leading zero in a number"},
        {"-", 1, "expected a digit after '-'"},
        {"-01", 2, "leading zero in a number"},
        {"1.", 2, "expected a digit after '.'"},
        {".5", 0, "expected a value"},
        {"1e", 2, "expected a digit in the exponent"},
        {"1e+", 3, "expected a digit in the exponent"},
        {"+1", 0, "expected a value"},
        {"0x10", 1, "more text after the value"},
        {"tru", 0, "expected a value"},
        {"nulll", 4, "more text after the value"},
        {"NaN", 0, "expected a value"},
        {"'a'", 0, "expected a value"},
        {"\"a", 2, "text ends within a string"},
        {"\"a\\", 3, "text ends within a string"},
        {"\"\\u12", 5, "text ends within a string"},
        {"\"\\u12g4\"", 5, "\\u needs four hexadecimal digits"},
        {"\"\\x\"", 2, "unknown escape in a string"},
        {"\"a\nb\"", 2, "unescaped control character in a string"},
        {"\"12345678\x1f\"", 9, "unescaped control character in a string"},
        {"\"\x80\"", 1, "invalid UTF-8"},
        {"\"\xC0\xAF\"", 1, "invalid UTF-8"},
        {"\"\xC3\"", 1, "invalid UTF-8"},
        {"\"\xE0\x80\xAF\"", 1, "invalid UTF-8"},
        {"\"\xED\xA0\x80\"", 1, "invalid UTF-8"},
        {"\"\xF4\x90\x80\x80\"", 1, "invalid UTF-8"},
        {"\"\xF8\x88\x80\x80\x80\"", 1, "invalid UTF-8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weir_diag diag = {0};
        assert_false(json_check(str_from(cases[i].text), NULL, &diag));
        assert_int_equal(diag.code, WEIR_E_JSON);
        if (strcmp(diag.message, cases[i].why) != 0 || diag.offset != cases[i].offset)
            fail_msg("%s: %s at %zu", cases[i].text, diag.message, diag.offset);
    }
}

static void test_nul_bytes_are_refused(void **state)
{
    assert_false(json_check((struct str){"\"a\0b\"", 5}, NULL, NULL));
    assert_false(json_check((struct str){"{}\0", 3}, NULL, NULL));
    assert_false(json_check((struct str){"\"\\\0\"", 4}, NULL, NULL));
}

static struct str nested(struct buf *out, int depth)
{
    buf_clear(out);
    for (int i = 0; i < depth; i++)
        buf_text(out, i % 2 ? "[" : "{\"k\":");
    buf_text(out, "1");
    for (int i = depth; i-- > 0;)
        buf_text(out, i % 2 ? "]" : "}");
    return buf_view(out);
}

static void test_depth_limit(void **state)
{
    struct buf text = BUF_INIT;
    struct weir_diag diag;
    assert_true(json_check(nested(&text, LIMIT_JSON_DEPTH), NULL, &diag));
    assert_false(json_check(nested(&text, LIMIT_JSON_DEPTH + 1), NULL, &diag));
    assert_int_equal(diag.code, WEIR_E_LIMIT);
    assert_non_null(strstr(diag.message, "LIMIT_JSON_DEPTH"));
    buf_fini(&text);
}

static void test_positions_count_characters(void **state)
{
    struct weir_diag diag;
    assert_false(json_check(STR("{\"a\":\n  \"\xC3\xA9\xC3\xA9\" x}"), NULL, &diag));
    assert_int_equal(diag.line, 2);
    assert_int_equal(diag.column, 8);
}

static void test_tokens_and_skip(void **state)
{
    struct json_reader r;
    struct json_token t;
    json_reader_init(&r, STR("{\"a\": [1, {\"b\": \"\\n\"}] , \"c\" :2.50}"));
    assert_int_equal(json_next(&r, &t), JSON_OBJECT);
    assert_int_equal(json_next(&r, &t), JSON_KEY);
    assert_true(json_raw_is(t.raw, "a"));
    assert_int_equal(json_next(&r, &t), JSON_ARRAY);
    assert_true(json_skip(&r, &t));
    assert_true(str_is(t.raw, "[1, {\"b\": \"\\n\"}]"));
    assert_int_equal(t.type, JSON_ARRAY);
    assert_int_equal(json_next(&r, &t), JSON_KEY);
    assert_int_equal(json_next(&r, &t), JSON_NUMBER);
    assert_true(json_skip(&r, &t));
    assert_true(str_is(t.raw, "2.50"));
    assert_int_equal(json_next(&r, &t), JSON_OBJECT_END);
    assert_int_equal(json_next(&r, &t), JSON_END);
    assert_int_equal(json_next(&r, &t), JSON_END);
}

static void test_error_is_sticky(void **state)
{
    struct json_reader r;
    struct json_token t;
    json_reader_init(&r, STR("[1 1]"));
    json_next(&r, &t);
    json_next(&r, &t);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(json_next(&r, &t), JSON_ERROR);
        assert_int_equal(r.offset, 3);
    }
}

static void test_decoding(void **state)
{
    static const struct {
        const char *raw, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u00e9\\u20AC!\"", "a\xC3\xA9\xE2\x82\xAC!"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80"},
        {"\"\\ud83d\\n\"", "\xED\xA0\xBD\n"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xED\xA0\xBD\xF0\x9F\x98\x80"},
        {"\"\\ude00x\"", "\xED\xB8\x80x"},
    };
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str raw = str_from(cases[i].raw);
        struct buf out = BUF_INIT;
        json_decode(&out, raw);
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_fini(&out);
        assert_true(str_is(json_decode_in(&a, raw), cases[i].text));
        assert_true(json_raw_is(raw, cases[i].text));
        assert_false(json_raw_is(raw, "something else"));
    }
    assert_false(json_raw_is(STR("\"ab\""), "a"));
    assert_false(json_raw_is(STR("\"a\""), "ab"));
    arena_fini(&a);
}

static bool repeats(struct str text)
{
    struct json_info info;
    struct weir_diag diag;
    assert_true(json_check(text, &info, &diag));
    return info.repeated_keys;
}

static void test_repeated_keys(void **state)
{
    assert_false(repeats(STR("{}")));
    assert_false(repeats(STR("{\"a\":1,\"b\":{\"a\":2},\"c\":[{\"a\":1},{\"a\":1}]}")));
    assert_true(repeats(STR("{\"a\":1,\"b\":{},\"a\":2}")));
    assert_true(repeats(STR("{\"x\":{\"a\":1,\"\\u0061\":2}}")));
    assert_true(repeats(STR("[{\"\\n23456789\":1,\"\\u000a23456789\":2}]")));
    assert_false(repeats(STR("{\"123456789\":1,\"123456780\":2,\"12345678\":3}")));
    assert_true(repeats(STR("{\"\":1,\"\":2}")));
}

static void test_repeated_keys_in_large_objects(void **state)
{
    enum { KEYS = 100000 };
    struct buf text = BUF_INIT;
    for (int twist = 0; twist < 2; twist++) {
        buf_clear(&text);
        buf_char(&text, '{');
        for (int i = 0; i < KEYS; i++)
            buf_printf(&text, "\"a common beginning %d\":{\"inner\":0},", i);
        buf_text(&text, twist ? "\"\\u0061 common beginning 77\":0}" : "\"last\":0}");
        assert_int_equal(repeats(buf_view(&text)), twist);
    }
    buf_fini(&text);
}

static void test_info_names_the_type(void **state)
{
    struct json_info info;
    assert_true(json_check(STR(" [1]"), &info, NULL));
    assert_int_equal(info.type, JSON_ARRAY);
    assert_true(json_check(STR("null"), &info, NULL));
    assert_int_equal(info.type, JSON_NULL);
    assert_int_equal(json_type_of(STR("-1")), JSON_NUMBER);
    assert_int_equal(json_type_of(STR("{}")), JSON_OBJECT);
}

static void test_info_tells_the_depth(void **state)
{
    struct json_info info;
    assert_true(json_check(STR("1"), &info, NULL));
    assert_int_equal(info.depth, 0);
    assert_true(json_check(STR("{\"a\":1,\"a\":[[], {\"b\":[{}]}],\"c\":{}}"), &info, NULL));
    assert_int_equal(info.depth, 5);
}

static void test_member(void **state)
{
    struct str object = STR("{\"a\":{\"b\":1},\"b\":[2, 3],\"\\u0063\":\"x\",\"b\":4}");
    assert_true(str_is(json_member(object, "b"), "[2, 3]"));
    assert_true(str_is(json_member(object, "c"), "\"x\""));
    assert_null(json_member(object, "d").ptr);
    assert_null(json_member(STR("[1]"), "a").ptr);
}

static void test_writer(void **state)
{
    struct buf out = BUF_INIT;
    buf_char(&out, '{');
    json_write_member(&out, "a", STR("q\" b\\ n\n c\x01 d\x7f \xC3\xA9 \xF0\x9F\x98\x80"));
    json_write_key(&out, "n");
    json_write_int(&out, INT64_MIN);
    json_write_member(&out, "bad", STR("x\xFFy\xC3"));
    json_write_member(&out, "lone", STR("\xED\xA0\xBD"));
    buf_char(&out, '}');
    assert_string_equal(buf_cstr(&out), "{\"a\":\"q\\\" b\\\\ n\\n c\\u0001 d\x7f \xC3\xA9 \xF0\x9F\x98\x80\","
                                        "\"n\":-9223372036854775808,\"bad\":\"x\xEF\xBF\xBDy\xEF\xBF\xBD\","
                                        "\"lone\":\"\\ud83d\"}");
    buf_fini(&out);
}

static void test_minify_keeps_spellings(void **state)
{
    struct buf out = BUF_INIT;
    json_minify(&out, STR(" {\n \"a b\" : [ 1.50 , \"\\u0061 \\\" \" ] ,\t\"a b\":1E5 } \n"));
    assert_string_equal(buf_cstr(&out), "{\"a b\":[1.50,\"\\u0061 \\\" \"],\"a b\":1E5}");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_valid_texts),
        cmocka_unit_test(test_refuses_invalid_texts),
        cmocka_unit_test(test_nul_bytes_are_refused),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_positions_count_characters),
        cmocka_unit_test(test_tokens_and_skip),
        cmocka_unit_test(test_error_is_sticky),
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_repeated_keys),
        cmocka_unit_test(test_repeated_keys_in_large_objects),
        cmocka_unit_test(test_info_names_the_type),
        cmocka_unit_test(test_info_tells_the_depth),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_minify_keeps_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
