/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations without memory: each allocation fails in turn, once and from then on. Making an explainer and running
 * it say WEIR_E_MEMORY, writing marks its buf; nothing leaks, and with memory it works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matcher/explain.h"

#include "tests/wrap_malloc.h"

static long left = -1; /* allocations until one fails; -1: none does */
static bool once;      /* only that one fails */
static bool failed;    /* one did */

static bool fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    left = once ? -1 : 0;
    failed = true;
    return true;
}

struct pair {
    const struct pattern *pattern;
    struct str event;
};

static bool explain(const struct pair *pair)
{
    struct arena a = ARENA_INIT;
    struct explanation e;
    struct weir_diag diag = {0};
    struct buf text = BUF_INIT, json = BUF_INIT;
    struct explainer *x = explainer_create(pair->pattern, &diag);
    bool done = x && explainer_run(x, &a, pair->event, &e, &diag);
    if (!done)
        assert_int_equal(diag.code, WEIR_E_MEMORY);
    if (done) {
        explanation_write_text(&text, &e, UINT32_MAX);
        explanation_write_json(&json, &e);
        done = !text.failed && !json.failed;
    }
    buf_fini(&text);
    buf_fini(&json);
    explainer_destroy(x);
    arena_fini(&a);
    return done;
}

static void fail_each(const struct pair *pair)
{
    for (int nth = 0;; nth++) {
        for (int mode = 0; mode < 2; mode++) {
            left = nth;
            once = mode;
            failed = false;
            bool done = explain(pair);
            left = -1;
            assert_true(done != failed);
            if (!failed) {
                assert_true(nth > 20);
                return;
            }
        }
    }
}

static void test_explain(void **state)
{
    static const char *const rows[][2] = {
        {"{\"a\":{\"b\":[{\"numeric\":[\">\",0.1]},\"Root\"]},\"$or\":[{\"detial\":{\"x\":[1]}},"
         "{\"c\":[{\"anything-but\":[\"x\",\"y\"]}]}],\"m\":[{\"exists\":true}]}",
         "{\"a\":[{\"b\":\"root\"},{\"b\":7}],\"detail\":{\"x\":1},\"\\u0064\":{\"m\":[]}}"},
        {"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1},{\"c\":2}]}"},
        {"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1},{\"b\":1,\"c\":2}]}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena keep = ARENA_INIT;
        struct weir_diag diag;
        struct pair pair = {pattern_parse_json(&keep, str_from(rows[i][0]), &diag), str_from(rows[i][1])};
        assert_non_null(pair.pattern);
        allocation_refused = fails;
        fail_each(&pair);
        allocation_refused = NULL;
        arena_fini(&keep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_explain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
