/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator regex: which literals an expression needs, that values without them never reach PCRE2, that hostile
 * expressions and values stay within the steps they are given, and what is reported where they do not.
 */
#include "matcher/buf.h"
#include "matcher/json.h"
#include "matcher/pattern.h"
#include "matcher/regex.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- literals ---- */

static void literals_are_only_what_must_be_there(void **state)
{
    static const struct {
        const char *expression, *literals; /* joined by | */
    } rows[] = {
        {"abc", "abc"},
        {"^arn:aws:iam::\\d+:user/(adm|root)$", "arn:aws:iam::"},
        {"timeout|refused", "timeout|refused"},
        {"a|b|c|d|e|f|g|h", "a|b|c|d|e|f|g|h"},
        {"a|b|c|d|e|f|g|h|i", ""},
        {"abc|", ""},
        {"abc|d*", ""},
        {"(?:GET|POST) /api/v\\d+/", " /api/v"},
        {"abc*", "ab"},
        {"abc?d", "ab"},
        {"abc+d", "abc"},
        {"abc{0,3}defg", "defg"},
        {"abc{0}d{2}", "ab"},
        {"x{1,}?yy", "yy"},
        {"a{b}", ""},
        {"xyz\xC3\xA9?", "xyz"},
        {"\xC3\xA9+x", "\xC3\xA9"},
        {"1\\.2\\*", "1.2*"},
        {"a\\.*bc", "bc"},
        {"ab\\dcde", "cde"},
        {"ab\\x41", ""},
        {"ab\\p{L}", ""},
        {"ab[cd]efg", "efg"},
        {"ab[]cd]efg", "efg"},
        {"ab[^]cd]efg", "efg"},
        {"ab[\\]cd]efg", "efg"},
        {"ab[[:alpha:]]efg", ""},
        {"a(b(c)[)]\\))de", "de"},
        {"(abcdef)?gh", "gh"},
        {"(?=abcdef)gh", "gh"},
        {"(?!abcdef)gh", "gh"},
        {"(?<!abcdef)(?<n>x)gh", "gh"},
        {"(?i)abc", ""},
        {"(?i:abc)de", ""},
        {"abc(?x) d e", ""},
        {"a(?#comment)bc", ""},
        {"(a)(?(1)b|c)", ""},
        {"(*ANYCRLF)abc", ""},
        {"a(*ACCEPT)bc", ""},
        {"\\Qa.c\\E", ""},
        {"[\\E]abc]", ""},
        {"(a)\\1bcd", ""},
        {".*", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char pieces[100], got[100] = "";
        struct str out[REGEX_LITERALS_MAX];
        uint32_t count = regex_literals(str_from(rows[i].expression), pieces, out);
        for (uint32_t k = 0; k < count; k++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", k ? "|" : "", STR_ARG(out[k]));
        if (strcmp(got, rows[i].literals) != 0)
            fail_msg("%s: wanted '%s', got '%s'", rows[i].expression, rows[i].literals, got);
    }
}

/* ---- sets ---- */

struct set {
    struct weir_builder *b;
    struct weir_matcher *m;
    struct weir_scratch *s;
    struct buf event;
    const uint32_t *ids, *given_up;
    long given_up_count;
};

static void set_open(struct set *set)
{
    *set = (struct set){.b = weir_builder_create()};
    assert_non_null(set->b);
    weir_builder_allow_extensions(set->b);
}

static void add(struct set *set, uint32_t id, const char *pattern)
{
    struct weir_diag diag;
    if (!weir_builder_add(set->b, id, pattern, strlen(pattern), &diag))
        fail_msg("%s: %s", pattern, diag.message);
}

/* {"v": [{"regex": expression}]} */
static void add_regex(struct set *set, uint32_t id, const char *expression)
{
    struct buf pattern = BUF_INIT;
    buf_text(&pattern, "{\"v\": [{\"regex\": ");
    json_write_string(&pattern, str_from(expression));
    buf_text(&pattern, "}]}");
    add(set, id, buf_cstr(&pattern));
    buf_fini(&pattern);
}

static void build(struct set *set)
{
    struct weir_diag diag;
    set->m = weir_builder_build(set->b, &diag);
    assert_non_null(set->m);
    set->s = weir_scratch_create(set->m);
    assert_non_null(set->s);
}

static long match(struct set *set, struct str event)
{
    struct weir_diag diag;
    long count = weir_match(set->m, set->s, event.ptr, event.size, WEIR_CHECKED, &set->ids, &diag);
    set->given_up_count = weir_match_given_up(set->s, &set->given_up);
    return count;
}

static long match_value(struct set *set, struct str value)
{
    buf_clear(&set->event);
    buf_text(&set->event, "{\"v\": ");
    json_write_string(&set->event, value);
    buf_text(&set->event, "}");
    return match(set, buf_view(&set->event));
}

static void set_close(struct set *set)
{
    weir_scratch_destroy(set->s);
    weir_matcher_unref(set->m);
    weir_builder_destroy(set->b);
    buf_fini(&set->event);
}

static uint64_t calls(const struct set *set)
{
    return regex_runner_calls(set->s->regex_runner);
}

static void refused_without_extensions(void **state)
{
    static const char pattern[] = "{\"v\": [{\"regex\": \"x\"}]}";
    struct weir_diag diag = {0};
    struct weir_builder *b = weir_builder_create();
    assert_false(weir_builder_add(b, 1, pattern, sizeof(pattern) - 1, &diag));
    assert_string_equal(diag.message, "Unrecognized match type regex");
    assert_int_equal(diag.tail, WEIR_TAIL_ONCE);
    weir_builder_allow_extensions(b);
    assert_true(weir_builder_add(b, 1, pattern, sizeof(pattern) - 1, &diag));
    weir_builder_destroy(b);
}

/* One literal is looked for by itself; a hundred in one pass. */
static void check_prefilter(uint32_t count)
{
    struct set set;
    char text[64];
    set_open(&set);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "user=[a-z]+ code-%03u-\\d", i);
        add_regex(&set, i, text);
    }
    build(&set);
    assert_int_equal(match_value(&set, STR("user=bob code-0")), 0);
    assert_int_equal(match_value(&set, STR("cod-000-1")), 0);
    assert_int_equal(match_value(&set, STR("")), 0);
    assert_int_equal(calls(&set), 0);
    snprintf(text, sizeof(text), "user=bob code-%03u-1 code-%03u-2", count - 1, count - 1);
    assert_int_equal(match_value(&set, str_from(text)), 1);
    assert_int_equal(set.ids[0], count - 1);
    assert_int_equal(calls(&set), 1);
    snprintf(text, sizeof(text), " code-%03u-x", count - 1); /* has the literal, and does not match */
    assert_int_equal(match_value(&set, str_from(text)), 0);
    assert_int_equal(calls(&set), 2);
    set_close(&set);
}

static void values_without_the_literal_never_reach_pcre2(void **state)
{
    check_prefilter(1);
    check_prefilter(8);
    check_prefilter(100);
    check_prefilter(1000);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static struct str random_text(uint32_t *state, char *out, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        out[i] = "abc"[next_random(state) % 3];
    return (struct str){out, size};
}

/* Of many literals that are much alike, one pass finds those that memmem() finds. */
static void no_literal_is_missed(void **state)
{
    enum { COUNT = 200 };
    char texts[COUNT][12], value[400];
    uint32_t random = 1, hits = 0;
    struct set set;
    set_open(&set);
    for (uint32_t i = 0; i < COUNT; i++) {
        texts[i][random_text(&random, texts[i], 2 + i % 9).size] = '\0';
        add_regex(&set, i, texts[i]);
    }
    build(&set);
    for (uint32_t round = 0; round < 500; round++) {
        struct str text = random_text(&random, value, round % sizeof(value));
        long count = match_value(&set, text), at = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            bool there = text.size && memmem(text.ptr, text.size, texts[i], strlen(texts[i]));
            assert_int_equal(there, at < count && set.ids[at] == i);
            at += there;
            hits += there;
        }
        assert_int_equal(at, count);
    }
    assert_in_range(hits, 10000, 90000);
    set_close(&set);
}

static void what_is_true_is_not_looked_for_again(void **state)
{
    struct set set;
    set_open(&set);
    add_regex(&set, 1, "[a-z]\\d");
    build(&set);
    assert_int_equal(match(&set, STR("{\"v\": [\"x\", \"a1\", \"b2\", \"c3\"]}")), 1);
    assert_int_equal(calls(&set), 2);
    set_close(&set);
}

static void sizes_are_counted(void **state)
{
    struct set set;
    set_open(&set);
    add_regex(&set, 1, "[a-z]\\d");
    build(&set);
    assert_true(weir_matcher_bytes(set.m) > sizeof(struct weir_matcher) + set.m->keep.total + 100);
    set_close(&set);
}

/* ---- hostile expressions and values ---- */

static struct str repeated(struct buf *out, char c, size_t count, const char *end)
{
    buf_clear(out);
    for (size_t i = 0; i < count; i++)
        buf_char(out, c);
    buf_text(out, end);
    assert_false(out->failed);
    return buf_view(out);
}

/* Each takes from quadratic to exponential time if it may: here none may, and whose rule it is is told. */
static void check_explosion(const char *expression, struct str value)
{
    struct set set;
    set_open(&set);
    add_regex(&set, 1, "a+x!$");
    add_regex(&set, 9, expression);
    build(&set);
    for (int i = 0; i < 2; i++) { /* the second event has all its steps again */
        assert_int_equal(match_value(&set, value), 1);
        assert_int_equal(set.ids[0], 1);
        if (set.given_up_count != 1 || set.given_up[0] != 9)
            fail_msg("%s: %ld given up", expression, set.given_up_count);
    }
    assert_true(match_value(&set, STR("!")) <= 1);
    assert_int_equal(set.given_up_count, 0);
    set_close(&set);
}

static void explosions_are_given_up_and_reported(void **state)
{
    static const char *const expressions[] = {
        "(a+)+$",
        "(a|aa)+$",
        "(?:a|a)*$",
        "^(a?){500}a{500}$",
        "[ab]*(?>[ab]*)[cd]",
        "[ab]*[ab]*[ab]*x[cd]",
        "(?:[ab]+(c)?)*\\d",
        "(a*)\\1\\d",
        "(?:(?=(a+))a)*\\d",
        "[ab]{9000,}\\d|\\d",
        "(?:a\\X)*\\d",
        "(?<n>(?&n)?a)+\\d",
    };
    struct buf text = BUF_INIT;
    struct str value = repeated(&text, 'a', 200000, "x!");
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
        char interpreted[100];
        snprintf(interpreted, sizeof(interpreted), "(*NO_JIT)%s", expressions[i]);
        check_explosion(expressions[i], value);
        check_explosion(interpreted, value);
    }
    buf_fini(&text);
}

/* However many explode on however many values: an event has its steps, and then no expression runs. */
static void an_event_is_bounded_as_a_whole(void **state)
{
    struct set set;
    struct buf text = BUF_INIT;
    char expression[64];
    set_open(&set);
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(expression, sizeof(expression), "(*NO_JIT)(a+)+%u", i + 10);
        add_regex(&set, i, expression);
    }
    add(&set, 20000, "{\"v\": [{\"exists\": true}]}");
    add(&set, 20001, "{\"v\": [{\"regex\": \"(a+)+b\"}], \"w\": [1]}");
    add(&set, 20002, "{\"w\": [{\"regex\": \"(a+)+b\"}]}");
    build(&set);
    buf_text(&text, "{\"v\": [");
    for (int value = 0; value < 20; value++) {
        buf_text(&text, value ? ", \"" : "\"");
        for (uint32_t i = 0; i < 1000; i++)
            buf_printf(&text, "aaaaaaaaaaaaaaaaaaaaaaaaa %u %ub", i + 10, i + 5000);
        buf_char(&text, '"');
    }
    buf_text(&text, "]}");
    assert_int_equal(match(&set, buf_view(&text)), 1);
    assert_int_equal(set.ids[0], 20000);
    assert_int_equal(set.given_up_count, 10000); /* not those that w would have to do with */
    assert_in_range(calls(&set), 2, 200);
    assert_int_equal(match_value(&set, STR("aa10")), 2);
    assert_int_equal(set.given_up_count, 0);
    buf_fini(&text);
    set_close(&set);
}

/* Literals too short to be looked for together cost a search each: those are bounded with the rest. */
static void searches_are_bounded_too(void **state)
{
    struct set set;
    struct buf text = BUF_INIT;
    char expression[16];
    set_open(&set);
    for (uint32_t i = 0; i < 900; i++) {
        snprintf(expression, sizeof(expression), "%u[a-z]", i + 100);
        add_regex(&set, i, expression);
    }
    build(&set);
    assert_int_equal(match_value(&set, repeated(&text, '-', 100000, "")), 0);
    assert_int_equal(set.given_up_count, 0);
    assert_int_equal(match_value(&set, repeated(&text, '-', 1000000, "")), 0);
    assert_int_equal(set.given_up_count, 900);
    buf_clear(&text);
    buf_text(&text, "{\"v\": [\"-\"");
    for (int i = 0; i < 100000; i++)
        buf_text(&text, ",\"----\"");
    buf_text(&text, "]}");
    assert_int_equal(match(&set, buf_view(&text)), 0);
    assert_int_equal(set.given_up_count, 900);
    assert_int_equal(match_value(&set, STR("999x")), 1);
    buf_fini(&text);
    set_close(&set);
}

/* An expression that needs much memory, honestly: as machine code, and by the interpreter. */
static void deep_matches_have_room(void **state)
{
    struct set set;
    struct buf text = BUF_INIT;
    set_open(&set);
    add_regex(&set, 1, "^(?:a|b)*$");
    add_regex(&set, 2, "(*NO_JIT)^(?:a|b)*$");
    add_regex(&set, 3, "^(?:(a)|b)*$");
    add_regex(&set, 4, "(*NO_JIT)^(?:(a)|b)*$");
    build(&set);
    assert_int_equal(match_value(&set, repeated(&text, 'a', 5000, "")), 4);
    assert_int_equal(match_value(&set, repeated(&text, 'a', 1000000, "")) + set.given_up_count, 4);
    assert_int_equal(match_value(&set, repeated(&text, 'a', 5000, "c")), 0);
    assert_int_equal(set.given_up_count, 0);
    buf_fini(&text);
    set_close(&set);
}

/* The text of a value is what its escapes stand for; half a pair is no text. */
static void values_are_decoded(void **state)
{
    struct set set;
    set_open(&set);
    add_regex(&set, 1, "^.\xC3\xA9\n$");
    add_regex(&set, 2, "^.$");
    build(&set);
    assert_int_equal(match(&set, STR("{\"v\": \"\\ud83d\\ude00\\u00e9\\n\"}")), 1);
    assert_int_equal(match(&set, STR("{\"v\": \"\\ud83d\\ude00\"}")), 1);
    assert_int_equal(match(&set, STR("{\"v\": \"\\ud83d\"}")), 0);
    assert_int_equal(match(&set, STR("{\"v\": \"\\ud7ff\"}")), 1);
    assert_int_equal(match(&set, STR("{\"v\": [1, true, null, {}]}")), 0);
    set_close(&set);
}

/* ---- limits on the expression ---- */

static enum weir_code check(struct buf *text, const char *names)
{
    char message[256] = "";
    size_t at;
    assert_false(text->failed);
    enum weir_code code = regex_check(buf_view(text), message, sizeof(message), &at);
    if (!strstr(message, names))
        fail_msg("'%s' does not name %s", message, names);
    buf_clear(text);
    return code;
}

static void expressions_are_bounded(void **state)
{
    struct buf text = BUF_INIT;
    repeated(&text, 'a', LIMIT_REGEX_BYTES, "");
    assert_int_equal(check(&text, ""), WEIR_OK);
    repeated(&text, 'a', LIMIT_REGEX_BYTES, "a");
    assert_int_equal(check(&text, "LIMIT_REGEX_BYTES"), WEIR_E_LIMIT);
    repeated(&text, '(', 1000, "");
    assert_int_equal(check(&text, "too deeply nested"), WEIR_E_PATTERN);
    buf_text(&text, "(?:(?:a{1,300}){1,300}){1,300}");
    assert_int_equal(check(&text, "too large"), WEIR_E_PATTERN);
    buf_text(&text, "(?:ab|[c-e]x){400,500}");
    assert_int_equal(check(&text, "LIMIT_REGEX_CODE_BYTES"), WEIR_E_LIMIT);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_only_what_must_be_there),
        cmocka_unit_test(refused_without_extensions),
        cmocka_unit_test(values_without_the_literal_never_reach_pcre2),
        cmocka_unit_test(no_literal_is_missed),
        cmocka_unit_test(what_is_true_is_not_looked_for_again),
        cmocka_unit_test(sizes_are_counted),
        cmocka_unit_test(explosions_are_given_up_and_reported),
        cmocka_unit_test(an_event_is_bounded_as_a_whole),
        cmocka_unit_test(searches_are_bounded_too),
        cmocka_unit_test(deep_matches_have_room),
        cmocka_unit_test(values_are_decoded),
        cmocka_unit_test(expressions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
