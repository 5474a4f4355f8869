/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pattern, one event: the rows of match.cases, in both modes. A row is three lines: pattern, event, and yes, no
 * or bad. A pattern is also matched together with all the patterns of the file, where it must give the same answer.
 */
#include "matcher/buf.h"
#include "matcher/weir.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROWS_MAX 4096

struct row {
    struct str pattern, event, verdict;
    int line;
};

static struct buf text;
static struct row rows[ROWS_MAX];
static size_t row_count;

static void read_file(const char *path)
{
    char block[4096];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t size; (size = fread(block, 1, sizeof(block), file)) > 0;)
        buf_add(&text, block, size);
    fclose(file);
}

static int setup(void **state)
{
    int number = 0, part = 0;
    read_file("tests/matcher/match.cases");
    for (size_t at = 0; at < text.size;) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.size - at);
        struct str line = {start, end ? (size_t)(end - start) : text.size - at};
        at += line.size + 1;
        number++;
        bool between = part == 0 && (line.size == 0 || line.ptr[0] == '#');
        if (between)
            continue;
        assert_true(row_count < ROWS_MAX);
        struct str *parts[] = {&rows[row_count].pattern, &rows[row_count].event, &rows[row_count].verdict};
        *parts[part++] = line;
        if (part == 3) {
            rows[row_count++].line = number - 2;
            part = 0;
        }
    }
    assert_int_equal(part, 0);
    return 0;
}

static int teardown(void **state)
{
    buf_fini(&text);
    return 0;
}

static struct weir_matcher *build(size_t from, size_t to)
{
    struct weir_diag diag;
    struct weir_builder *b = weir_builder_create();
    weir_builder_allow_extensions(b);
    for (size_t i = from; i < to; i++)
        if (!weir_builder_add(b, (uint32_t)i, rows[i].pattern.ptr, rows[i].pattern.size, &diag))
            fail_msg("match.cases:%d: %s", rows[i].line, diag.message);
    struct weir_matcher *m = weir_builder_build(b, &diag);
    weir_builder_destroy(b);
    assert_non_null(m);
    return m;
}

/* "yes", "no" or "bad" for row `i`. The event is given without a byte to spare behind it. */
static const char *answer(struct weir_matcher *m, struct weir_scratch *s, size_t i, enum weir_mode mode)
{
    const uint32_t *ids;
    struct weir_diag diag;
    char *exact = malloc(rows[i].event.size + !rows[i].event.size);
    memcpy(exact, rows[i].event.ptr, rows[i].event.size);
    long count = weir_match(m, s, exact, rows[i].event.size, mode, &ids, &diag);
    free(exact);
    if (count < 0) {
        assert_int_equal(diag.code, WEIR_E_JSON);
        assert_true(diag.message[0] && diag.line == 1 && diag.column == (int)diag.offset + 1);
        return "bad";
    }
    for (long k = 0; k < count; k++)
        if (ids[k] == i)
            return "yes";
    return "no";
}

static void check_rows(size_t from, size_t to, enum weir_mode mode, int *wrong)
{
    struct weir_matcher *m = build(from, to);
    struct weir_scratch *s = weir_scratch_create(m);
    assert_non_null(s);
    for (size_t i = from; i < to; i++) {
        if (mode == WEIR_TRUSTED && str_is(rows[i].verdict, "bad"))
            continue;
        const char *got = answer(m, s, i, mode);
        if (!str_is(rows[i].verdict, got)) {
            print_error("match.cases:%d: %s\n", rows[i].line, got);
            ++*wrong;
        }
    }
    weir_scratch_destroy(s);
    weir_matcher_unref(m);
}

static void rows_alone(void **state)
{
    int wrong = 0;
    for (size_t i = 0; i < row_count; i++) {
        check_rows(i, i + 1, WEIR_CHECKED, &wrong);
        check_rows(i, i + 1, WEIR_TRUSTED, &wrong);
    }
    assert_int_equal(wrong, 0);
}

static void rows_together(void **state)
{
    int wrong = 0;
    check_rows(0, row_count, WEIR_CHECKED, &wrong);
    check_rows(0, row_count, WEIR_TRUSTED, &wrong);
    assert_int_equal(wrong, 0);
}

static void event_check_agrees(void **state)
{
    struct weir_diag diag;
    for (size_t i = 0; i < row_count; i++) {
        bool ok = weir_event_check(rows[i].event.ptr, rows[i].event.size, &diag);
        assert_int_equal(ok, !str_is(rows[i].verdict, "bad"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_alone),
        cmocka_unit_test(rows_together),
        cmocka_unit_test(event_check_agrees),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
