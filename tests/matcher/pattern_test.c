/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pattern parser. What it takes and what it says are data: pattern_ok.cases has patterns with the conjunctions
 * they become, pattern_errors.cases has patterns with AWS's reason, line, column and wording of the place, and
 * where it is about a bracket, where that stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matcher/pattern.h"
#include "matcher/pattern_write.h"
#include "tests/matcher/cases.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK_CASES     "tests/matcher/pattern_ok.cases"
#define ERROR_CASES  "tests/matcher/pattern_errors.cases"
#define REGEX_CASES  "tests/matcher/regex_errors.cases"

/* ---- the printed form of a parsed pattern ---- */

static void print_text(struct buf *out, const char *label, struct str text)
{
    buf_printf(out, "%s", label);
    json_write_string(out, text);
}

static void print_address(struct buf *out, const struct pattern_atom *atom)
{
    for (int i = 0; i < atom->address_size; i++)
        buf_printf(out, "%02x", atom->address[i]);
}

static void print_range(struct buf *out, const struct pattern_atom *atom)
{
    if (atom->has_low)
        buf_printf(out, "%c%g", atom->low_open ? '(' : '[', atom->low);
    else
        buf_text(out, "(");
    buf_text(out, "..");
    if (atom->has_high)
        buf_printf(out, "%g%c", atom->high, atom->high_open ? ')' : ']');
    else
        buf_text(out, ")");
}

static void print_atom(struct buf *out, const struct pattern_atom *atom)
{
    static const char *const labels[] = {
        [PATTERN_PREFIX] = "prefix ",       [PATTERN_PREFIX_FOLD] = "prefix~ ",
        [PATTERN_SUFFIX] = "suffix ",       [PATTERN_SUFFIX_FOLD] = "suffix~ ",
        [PATTERN_EQUALS_FOLD] = "equals~ ", [PATTERN_WILDCARD] = "wildcard ",
        [PATTERN_REGEX] = "regex ",         [PATTERN_STRING] = "",
    };
    switch (atom->op) {
    case PATTERN_NUMBER:
        if (atom->comparable)
            buf_printf(out, "%.17g", atom->number);
        else
            buf_printf(out, "literal %.*s", STR_ARG(atom->text));
        break;
    case PATTERN_TRUE: buf_text(out, "true"); break;
    case PATTERN_FALSE: buf_text(out, "false"); break;
    case PATTERN_NULL: buf_text(out, "null"); break;
    case PATTERN_RANGE: print_range(out, atom); break;
    case PATTERN_CIDR:
        buf_text(out, "cidr ");
        print_address(out, atom);
        buf_printf(out, "/%d", atom->address_bits);
        break;
    case PATTERN_EXISTS: buf_text(out, "exists"); break;
    case PATTERN_ABSENT: buf_text(out, "absent"); break;
    case PATTERN_ANYTHING_BUT:
        for (uint32_t i = 0; i < atom->excluded_count; i++) {
            buf_text(out, i ? ", " : "but(");
            print_atom(out, &atom->excluded[i]);
        }
        buf_text(out, ")");
        break;
    default:
        print_text(out, labels[atom->op], atom->text);
        if (atom->address_size) {
            buf_text(out, " = ");
            print_address(out, atom);
        }
    }
}

static void print_conjunction(struct buf *out, const struct pattern_conjunction *conjunction)
{
    for (uint32_t i = 0; i < conjunction->leaf_count; i++) {
        const struct pattern_leaf *leaf = conjunction->leaves[i];
        print_text(out, i ? "; " : "", leaf->path);
        buf_text(out, ": ");
        for (uint32_t j = 0; j < leaf->atom_count; j++) {
            buf_text(out, j ? " | " : "");
            print_atom(out, &leaf->atoms[j]);
        }
    }
}

/* ---- tests from data ---- */

static void test_patterns_taken(void **state)
{
    struct cases cases;
    struct buf pattern = BUF_INIT, line = BUF_INIT, printed = BUF_INIT;
    cases_open(&cases, OK_CASES);
    while (cases_next(&cases, &pattern)) {
        struct arena a = ARENA_INIT;
        struct weir_diag diag;
        const struct pattern *parsed = pattern_parse_json_in(&a, PATTERN_EXTENDED, buf_view(&pattern), &diag);
        if (!parsed)
            fail_msg("%s:%d: refused: %s", cases.name, cases.line, diag.message);
        for (uint32_t i = 0; i <= parsed->conjunction_count; i++) {
            cases_line(&cases, &line);
            buf_clear(&printed);
            if (i < parsed->conjunction_count)
                print_conjunction(&printed, &parsed->conjunctions[i]);
            if (strcmp(buf_cstr(&printed), buf_cstr(&line)) != 0)
                fail_msg("%s:%d:\n  wanted %s\n  got    %s", cases.name, cases.line, line.data, printed.data);
        }
        arena_fini(&a);
    }
    cases_close(&cases);
    buf_fini(&pattern);
    buf_fini(&line);
    buf_fini(&printed);
}

static void print_pattern(struct buf *out, const struct pattern *pattern)
{
    buf_clear(out);
    for (uint32_t i = 0; i < pattern->conjunction_count; i++) {
        print_conjunction(out, &pattern->conjunctions[i]);
        buf_char(out, '\n');
    }
}

/* What pattern_write() gives is parsed to the same again, and then gives the same text. */
static void check_written(const struct cases *cases, struct str text)
{
    struct arena a = ARENA_INIT;
    struct weir_diag diag = {0};
    struct buf before = BUF_INIT, after = BUF_INIT, written = BUF_INIT, again = BUF_INIT;
    const struct pattern *parsed = pattern_parse_json_in(&a, PATTERN_EXTENDED, text, &diag), *back;
    if (!parsed)
        fail_msg("%s:%d: refused: %s", cases->name, cases->line, diag.message);
    pattern_write(&written, parsed);
    assert_false(written.failed);
    back = pattern_parse_json_in(&a, PATTERN_EXTENDED, buf_view(&written), &diag);
    if (!back)
        fail_msg("%s:%d: written as %s: %s", cases->name, cases->line, buf_cstr(&written), diag.message);
    print_pattern(&before, parsed);
    print_pattern(&after, back);
    pattern_write(&again, back);
    if (!str_eq(buf_view(&before), buf_view(&after)) || !str_eq(buf_view(&written), buf_view(&again)))
        fail_msg("%s:%d: written as %s\nand then %s:\n%s%s", cases->name, cases->line, buf_cstr(&written),
                 buf_cstr(&again), buf_cstr(&before), buf_cstr(&after));
    buf_fini(&before);
    buf_fini(&after);
    buf_fini(&written);
    buf_fini(&again);
    arena_fini(&a);
}

static void test_patterns_written(void **state)
{
    static const char *const files[] = {OK_CASES, "tests/matcher/match.cases"};
    struct cases cases;
    struct buf pattern = BUF_INIT, line = BUF_INIT;
    for (size_t i = 0; i < COUNT(files); i++) {
        cases_open(&cases, files[i]);
        while (cases_next(&cases, &pattern)) {
            check_written(&cases, buf_view(&pattern));
            for (int skip = 0; i == 1 && skip < 2; skip++) /* the event, which may be an empty line, and the verdict */
                cases_line(&cases, &line);
            while (i == 0 && cases_line(&cases, &line) && line.size)
                ;
        }
        cases_close(&cases);
    }
    buf_fini(&pattern);
    buf_fini(&line);
}

static void test_patterns_written_as(void **state)
{
    static const struct {
        const char *pattern, *written;
    } cases[] = {
        {"{\"source\": [\"a\"], \"detail\": {\"s\": [\"x\"], \"n\": [1, 2.50]}}",
         "{\"detail\":{\"n\":[1,2.50],\"s\":[\"x\"]},\"source\":[\"a\"]}"},
        {"{\"detail\": {\"$or\": [{\"a\": [1]}, {\"b\": {\"c\": [2]}}]}, \"source\": [\"s\"]}",
         "{\"source\":[\"s\"],\"$or\":[{\"detail\":{\"a\":[1]}},{\"detail\":{\"b\":{\"c\":[2]}}}]}"},
        {"{\"a\": [1], \"a.b\": [2], \"a-\": [3]}", "{\"a\":[1],\"a.b\":[2],\"a-\":[3]}"},
        {"{\"a.b\": [1], \"a\": {\"c\": [2]}, \"a-\": [3]}", "{\"a\":{\"b\":[1],\"c\":[2]},\"a-\":[3]}"},
        {"{\"a\": {\"x\": [1]}, \"a\": {\"y\": [2], \"x\": [3]}}", "{\"a\":{\"x\":[3],\"y\":[2]}}"},
        {"{\"a\": [{\"numeric\": [\">\", 0.1, \"<=\", 1e3]}, {\"numeric\": [\"=\", 5]}]}",
         "{\"a\":[{\"numeric\":[\">\",0.1,\"<=\",1000]},{\"numeric\":[\"=\",5]}]}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena a = ARENA_INIT;
        struct weir_diag diag = {0};
        struct buf written = BUF_INIT;
        const struct pattern *parsed = pattern_parse_json(&a, str_from(cases[i].pattern), &diag);
        assert_non_null(parsed);
        pattern_write(&written, parsed);
        assert_string_equal(buf_cstr(&written), cases[i].written);
        buf_fini(&written);
        arena_fini(&a);
    }
}

/* How many of the file's cases come out otherwise. */
static int check_refused(const char *file, enum pattern_language language)
{
    static const char *const tails[] = {"none", "once", "twice"};
    struct cases cases;
    struct buf pattern = BUF_INIT, reason = BUF_INIT, place = BUF_INIT;
    int failures = 0;
    cases_open(&cases, file);
    while (cases_next(&cases, &pattern)) {
        struct arena a = ARENA_INIT;
        struct weir_diag diag = {0};
        char got[64];
        cases_line(&cases, &reason);
        cases_line(&cases, &place);
        bool taken = pattern_parse_json_in(&a, language, buf_view(&pattern), &diag) != NULL;
        int size = snprintf(got, sizeof(got), "%d:%d %s", diag.line, diag.column + diag.behind, tails[diag.tail]);
        if (diag.open_line)
            snprintf(got + size, sizeof(got) - (size_t)size, " opened %d:%d", diag.open_line, diag.open_column);
        if (taken || strcmp(diag.message, buf_cstr(&reason)) != 0 || strcmp(got, buf_cstr(&place)) != 0) {
            print_error("%s:%d: %s\n  wanted %s\n         %s\n  got    %s\n         %s\n", cases.name, cases.line,
                        buf_cstr(&pattern), reason.data, place.data, taken ? "(taken)" : diag.message, got);
            failures++;
        }
        arena_fini(&a);
    }
    cases_close(&cases);
    buf_fini(&pattern);
    buf_fini(&reason);
    buf_fini(&place);
    return failures;
}

static void test_patterns_refused(void **state)
{
    assert_int_equal(check_refused(ERROR_CASES, PATTERN_AWS), 0);
    assert_int_equal(check_refused(REGEX_CASES, PATTERN_EXTENDED), 0);
}

/* For people the place is the wrong character itself. */
static void test_people_see_the_wrong_character(void **state)
{
    static const struct {
        const char *pattern;
        int column, behind;
    } cases[] = {
        {"{\"a\": [\"x\" \"y\"]}", 12, 1}, {"{\"a\": [1}", 9, 1}, {"{\"a\": [\"\\q\"]}", 10, 1},
        {"{\"a\": [+1]}", 9, 1},           {"{\"a\": [1", 9, 0},  {"{\"a\": \"\\q\"}", 8, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena a = ARENA_INIT;
        struct weir_diag diag = {0};
        assert_null(pattern_parse_json(&a, str_from(cases[i].pattern), &diag));
        assert_int_equal(diag.column, cases[i].column);
        assert_int_equal(diag.behind, cases[i].behind);
        arena_fini(&a);
    }
}

/* ---- limits ---- */

static enum weir_code parse_code(struct buf *text, const char *names)
{
    struct arena a = ARENA_INIT;
    struct weir_diag diag = {0};
    assert_false(text->failed);
    const struct pattern *parsed = pattern_parse_json(&a, buf_view(text), &diag);
    if (!parsed && names && !strstr(diag.message, names))
        fail_msg("'%s' does not name %s", diag.message, names);
    enum weir_code code = parsed ? WEIR_OK : diag.code;
    arena_fini(&a);
    return code;
}

static void write_or(struct buf *out, int branches, const char *path)
{
    for (int i = 0; i < branches; i++)
        buf_printf(out, "%s{\"%s\":[%d]}", i ? "," : "\"$or\":[", path, i);
    buf_char(out, ']');
}

static void test_or_product_is_bounded(void **state)
{
    struct buf text = BUF_INIT;
    buf_text(&text, "{");
    write_or(&text, 10, "a");
    buf_char(&text, ',');
    write_or(&text, 100, "b");
    size_t thousand = text.size;
    buf_char(&text, '}');
    assert_int_equal(parse_code(&text, NULL), WEIR_OK);
    text.size = thousand;
    buf_char(&text, ',');
    write_or(&text, 2, "c");
    buf_char(&text, '}');
    assert_int_equal(parse_code(&text, "LIMIT_OR_COMBINATIONS"), WEIR_E_LIMIT);

    buf_clear(&text); /* 2^40 */
    for (int i = 0; i < 40; i++) {
        buf_char(&text, i ? ',' : '{');
        write_or(&text, 2, "x");
    }
    buf_char(&text, '}');
    assert_int_equal(parse_code(&text, "LIMIT_OR_COMBINATIONS"), WEIR_E_LIMIT);
    buf_fini(&text);
}

static void test_fields_times_or_are_bounded(void **state)
{
    struct buf text = BUF_INIT;
    for (int before = 0; before < 2; before++) {
        buf_clear(&text);
        buf_char(&text, '{');
        if (before) {
            write_or(&text, 1000, "a");
            buf_char(&text, ',');
        }
        for (int i = 0; i < 1000; i++)
            buf_printf(&text, "%s\"f%d\":[1]", i ? "," : "", i);
        if (!before) {
            buf_char(&text, ',');
            write_or(&text, 1000, "a");
        }
        buf_char(&text, '}');
        assert_int_equal(parse_code(&text, "LIMIT_PATTERN_LEAVES"), WEIR_E_LIMIT);
    }
    buf_fini(&text);
}

static void test_long_paths_are_bounded(void **state)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "{\"%0500000d\":{", 1);
    for (int i = 0; i < 40000; i++)
        buf_printf(&text, "%s\"%d\":[1]", i ? "," : "", i);
    buf_text(&text, "}}");
    assert_int_equal(parse_code(&text, "LIMIT_PATH_BYTES"), WEIR_E_LIMIT);
    buf_fini(&text);
}

static void test_nesting_is_bounded(void **state)
{
    struct buf text = BUF_INIT;
    for (int depth = LIMIT_JSON_DEPTH - 1; depth <= 100000; depth = depth < LIMIT_JSON_DEPTH ? depth + 1 : 100000 + 1) {
        buf_clear(&text);
        for (int i = 0; i < depth; i++)
            buf_text(&text, "{\"a\":");
        buf_text(&text, "[1]");
        for (int i = 0; i < depth; i++)
            buf_char(&text, '}');
        bool fits = depth < LIMIT_JSON_DEPTH; /* the leaf's array is a level */
        assert_int_equal(parse_code(&text, "LIMIT_JSON_DEPTH"), fits ? WEIR_OK : WEIR_E_LIMIT);
    }
    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_text(&text, "{\"$or\":[");
    assert_int_equal(parse_code(&text, "LIMIT_JSON_DEPTH"), WEIR_E_LIMIT);
    buf_fini(&text);
}

static void test_size_is_bounded(void **state)
{
    struct buf text = BUF_INIT;
    buf_text(&text, "{\"a\":[1]}");
    while (text.size < LIMIT_PATTERN_BYTES)
        buf_char(&text, ' ');
    assert_int_equal(parse_code(&text, NULL), WEIR_OK);
    buf_char(&text, ' ');
    assert_int_equal(parse_code(&text, "LIMIT_PATTERN_BYTES"), WEIR_E_LIMIT);
    buf_fini(&text);
}

static void test_codes(void **state)
{
    static const struct {
        const char *text;
        enum weir_code code;
    } cases[] = {
        {"", WEIR_E_PATTERN},
        {"[1]", WEIR_E_PATTERN},
        {"{\"a\":[1]}x", WEIR_E_PATTERN},
        {"{", WEIR_E_JSON},
        {"{\"a\":[\"\xFF\"]}", WEIR_E_JSON},
        {"{\"a\":[[1]]}", WEIR_E_PATTERN},
    };
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&text);
        buf_text(&text, cases[i].text);
        assert_int_equal(parse_code(&text, NULL), cases[i].code);
    }
    buf_fini(&text);
}

/* ---- what stands beside the parser ---- */

static void test_long_names_are_cut_between_characters(void **state)
{
    struct buf text = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct weir_diag diag;
    buf_text(&text, "{\"");
    for (int i = 0; i < 1000; i++)
        buf_text(&text, "\xE2\x82\xAC");
    buf_text(&text, "\":1}");
    assert_null(pattern_parse_json(&a, buf_view(&text), &diag));
    assert_true(strlen(diag.message) > 500);
    assert_int_equal((strlen(diag.message) - 1) % 3, 0);
    arena_fini(&a);
    buf_fini(&text);
}

static void test_leaves_are_shared_and_placed(void **state)
{
    struct arena a = ARENA_INIT;
    struct weir_diag diag;
    const struct pattern *p =
        pattern_parse_json(&a, STR("{\"\xC3\xA9\": [\"x\"],\n \"$or\": [{\"b\": [1]}, {\"c\":  [2, 3]}]}"), &diag);
    assert_int_equal(p->conjunction_count, 2);
    const struct pattern_leaf *shared = p->conjunctions[0].leaves[1], *c = p->conjunctions[1].leaves[0];
    assert_ptr_equal(shared, p->conjunctions[1].leaves[1]);
    assert_int_equal(shared->line, 1);
    assert_int_equal(shared->column, 2);
    assert_int_equal(shared->atoms[0].column, 8);
    assert_int_equal(c->line, 2);
    assert_int_equal(c->column, 23);
    assert_int_equal(c->atoms[1].line, 2);
    assert_int_equal(c->atoms[1].column, 33);
    arena_fini(&a);
}

static void test_wildcard_complexity(void **state)
{
    static const struct {
        const char *text;
        unsigned complexity;
    } cases[] = {
        {"", 1},
        {"abc", 1},
        {"a\\*b", 1},
        {"*", 2},
        {"*a", 2},
        {"a*", 2},
        {"*a*", 3},
        {"*a*b*c*", 5},
        {"arn:aws:events:us-east-1:*:event-bus/*", 3},
        {"*:*:*:*:*:event-bus/*", 11},
        {"*aaaaaaaa*", 10},
        {"*\\*\\**", 4},
        {"*abab*", 4},
        {"*a\\\\*", 3},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned got = pattern_wildcard_complexity(str_from(cases[i].text));
        if (got != cases[i].complexity)
            fail_msg("%s: %u", cases[i].text, got);
    }
}

static void test_wildcard_complexity_of_long_texts(void **state)
{
    struct buf text = BUF_INIT;
    buf_char(&text, '*');
    for (int i = 0; i < 1000000; i++)
        buf_char(&text, i % 1000 == 999 ? 'b' : 'a');
    assert_int_equal(pattern_wildcard_complexity(buf_view(&text)) > 900, 1);
    buf_fini(&text);
}

static void test_path_order_is_utf16(void **state)
{
    /* each before the next */
    static const char *const paths[] = {
        "",
        "a",
        "a.b",
        "ab",
        "b",
        "\xC3\xA9",
        "\xE2\x82\xAC",
        "\xED\x9F\xBF",
        "\xED\xA0\xBC",     /* lone D83C */
        "\xF0\x9F\x8E\x80", /* D83C DF80 */
        "\xF0\x9F\x98\x80", /* D83D DE00 */
        "\xF0\x9F\x98\x81", /* D83D DE01 */
        "\xED\xA1\x80",     /* lone D840 */
        "\xED\xB0\x80",     /* lone DC00 */
        "\xEE\x80\x80",
        "\xEF\xBF\xBD",
    };
    for (size_t i = 0; i < COUNT(paths); i++)
        for (size_t j = 0; j < COUNT(paths); j++) {
            int order = pattern_path_cmp(str_from(paths[i]), str_from(paths[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void test_operator_table(void **state)
{
    assert_int_equal(pattern_operator_count, 10);
    for (size_t i = 0; i < pattern_operator_count; i++)
        assert_true(pattern_operators[i].name[0] && pattern_operators[i].operand[0] && pattern_operators[i].meaning[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns_taken),
        cmocka_unit_test(test_patterns_written),
        cmocka_unit_test(test_patterns_written_as),
        cmocka_unit_test(test_patterns_refused),
        cmocka_unit_test(test_people_see_the_wrong_character),
        cmocka_unit_test(test_or_product_is_bounded),
        cmocka_unit_test(test_fields_times_or_are_bounded),
        cmocka_unit_test(test_long_paths_are_bounded),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_size_is_bounded),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_long_names_are_cut_between_characters),
        cmocka_unit_test(test_leaves_are_shared_and_placed),
        cmocka_unit_test(test_wildcard_complexity),
        cmocka_unit_test(test_wildcard_complexity_of_long_texts),
        cmocka_unit_test(test_path_order_is_utf16),
        cmocka_unit_test(test_operator_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
