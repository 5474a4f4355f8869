/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory, at every place where it can happen: each allocation fails in turn, once and from then on. The call
 * must say WEIR_E_MEMORY, leak nothing, and work again when there is memory. Linked with malloc and friends wrapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <limits.h>
#include <cmocka.h>

#include "matcher/diag.h"
#include "matcher/pattern.h"

#include "tests/wrap_malloc.h"

static long left = -1; /* allocations until one fails; -1: none does */
static bool once;      /* only that one fails */
static bool failed;    /* one did */

static bool fails(void)
{
    if (left < 0)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    if (once)
        left = -1;
    failed = true;
    return true;
}

/* Runs call with every allocation failing in turn, until it gets through. Returns how many there were. */
static int fail_each(bool (*call)(void *), void *context)
{
    for (int nth = 0;; nth++) {
        for (int mode = 0; mode < 2; mode++) {
            left = nth;
            once = mode;
            failed = false;
            bool done = call(context);
            left = -1;
            assert_true(done || failed);
            if (!failed)
                return nth;
            assert_false(done);
        }
    }
}

static bool parse(void *context)
{
    struct arena a = ARENA_INIT;
    struct weir_diag diag = {0};
    const struct pattern *p = pattern_parse_json(&a, *(struct str *)context, &diag);
    if (!p)
        assert_int_equal(diag.code, WEIR_E_MEMORY);
    arena_fini(&a);
    return p != NULL;
}

static void test_parse(void **state)
{
    struct buf text = BUF_INIT;
    buf_text(&text,
             "{\"d\":{\"$or\":[{\"a\":[{\"anything-but\":[\"x\",\"y\",\"z\"]}]},{\"b\":[{\"numeric\":[\">\",1]}]},"
             "{\"c\":[{\"wildcard\":\"a*\"}]}]}");
    for (int i = 0; i < 300; i++)
        buf_printf(&text, ",\"a field with a rather long name, number %d\":[%d,\"text\",{\"prefix\":\"x\"}]", i, i);
    buf_char(&text, '}');
    struct str pattern = buf_view(&text);
    assert_true(fail_each(parse, &pattern) > 5);
    buf_fini(&text);
}

static bool check(void *context)
{
    struct json_info info;
    struct weir_diag diag = {0};
    bool ok = json_check(*(struct str *)context, &info, &diag);
    if (!ok)
        assert_int_equal(diag.code, WEIR_E_MEMORY);
    else
        assert_false(info.repeated_keys);
    return ok;
}

static void test_json_check(void **state)
{
    struct buf text = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%c\"%d\":{}", i ? ',' : '{', i);
    buf_char(&text, '}');
    struct str object = buf_view(&text), small = STR("{\"a\":{\"b\":[{\"c\":1}]},\"d\":null}");
    assert_true(fail_each(check, &object) > 0);
    assert_int_equal(fail_each(check, &small), 0); /* an ordinary event costs no heap call */
    buf_fini(&text);
}

static bool format(void *context)
{
    struct buf out = BUF_INIT;
    struct weir_diag diag = {.line = 1, .column = 200, .message = "something"};
    diag_format(&out, "file", &diag, *(struct str *)context);
    bool ok = !out.failed;
    buf_fini(&out);
    return ok;
}

static void test_diag_format(void **state)
{
    char line[1000];
    memset(line, 'x', sizeof(line));
    struct str source = {line, sizeof(line)};
    assert_true(fail_each(format, &source) > 0);
}

static void test_others(void **state)
{
    struct diags d;
    left = 0;
    assert_false(diags_init(&d, 8));
    left = -1;
    assert_false(diag_error(&d, (struct diag_pos){0}, "lost"));
    assert_false(diags_ok(&d));
    diags_fini(&d);

    left = 0;
    assert_int_equal(pattern_wildcard_complexity(STR("*a")), UINT_MAX);
    left = -1;
}

int main(void)
{
    allocation_refused = fails;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_json_check),
        cmocka_unit_test(test_diag_format),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
