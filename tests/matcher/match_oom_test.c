/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: each allocation of adding, building and making a scratch fails in turn, and each time the call says so, leaks
 * nothing and leaves what was there usable; and matching allocates nothing at all. Linked with --wrap=malloc and its
 * relatives.
 */
#include "matcher/weir.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/wrap_malloc.h"

static long allocations, fail_at; /* fail_at: the how many-th fails, from 1; 0: none */

static bool refused(void)
{
    return ++allocations == fail_at;
}

static const char *const patterns[] = {
    "{\"a\": [\"x\", \"a text of more than eight bytes\", 1, 1e400, true, null, \"10.0.0.1\"]}",
    "{\"a\": [{\"prefix\": \"x\"}, {\"suffix\": {\"equals-ignore-case\": \"stra\\u00dfe\"}}, {\"wildcard\": "
    "\"a*b*c\"}]}",
    "{\"d\": {\"e\": [{\"anything-but\": [\"x\", \"y\"]}], \"f\": [{\"numeric\": [\">\", 0, \"<\", 9]}]}}",
    "{\"d\": {\"e\": [{\"exists\": false}], \"f\": [{\"cidr\": \"10.0.0.0/8\"}, {\"exists\": true}]}}",
    "{\"c\": [{\"regex\": \"^.$\"}, {\"regex\": \"(*NO_JIT)(?:.|x)*y\"}]}",
    "{\"$or\": [{\"b\": [1]}, {\"c\": [{\"equals-ignore-case\": \"k\"}]}]}",
};
#define PATTERN_COUNT (sizeof(patterns) / sizeof(patterns[0]))

static const char event[] = "{\"a\": \"straSS\\u0045\", \"c\": \"\\u212a\", \"d\": [{\"e\": \"z\", \"f\": 3}, {\"e\": "
                            "\"x\", \"f\": [\"10.2.3.4\"]}],"
                            " \"d\": {\"f\": 1}, \"b\": 1.0}";

static void check_match(struct weir_matcher *m, struct weir_scratch *s)
{
    const uint32_t *ids;
    struct weir_diag diag;
    long before = allocations;
    for (int mode = WEIR_CHECKED; mode <= WEIR_TRUSTED; mode++)
        assert_int_equal(weir_match(m, s, event, sizeof(event) - 1, (enum weir_mode)mode, &ids, &diag), 4);
    assert_int_equal(weir_match(m, s, event, sizeof(event) - 2, WEIR_CHECKED, &ids, &diag), -1);
    assert_true(weir_event_check(event, sizeof(event) - 1, &diag));
    assert_int_equal(allocations, before);
}

/* All of it with one allocation failing; false: none was left to fail. */
static int run_once(long at)
{
    struct weir_diag diag = {.code = WEIR_OK};
    struct weir_matcher *m = NULL;
    struct weir_scratch *s = NULL;
    allocations = 0;
    fail_at = at;
    struct weir_builder *b = weir_builder_create();
    if (!b)
        b = weir_builder_create();
    weir_builder_allow_extensions(b);
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (weir_builder_add(b, (uint32_t)i, patterns[i], strlen(patterns[i]), &diag))
            continue;
        assert_int_equal(diag.code, WEIR_E_MEMORY);
        assert_true(weir_builder_add(b, (uint32_t)i, patterns[i], strlen(patterns[i]), &diag));
    }
    if (!(m = weir_builder_build(b, &diag))) {
        assert_int_equal(diag.code, WEIR_E_MEMORY);
        m = weir_builder_build(b, &diag);
    }
    weir_builder_destroy(b);
    assert_non_null(m);
    if (!(s = weir_scratch_create(m)))
        s = weir_scratch_create(m);
    assert_non_null(s);
    check_match(m, s);
    weir_scratch_destroy(s);
    weir_matcher_unref(m);
    return allocations >= at;
}

static void each_allocation_may_fail(void **state)
{
    long at = 1;
    while (run_once(at))
        at++;
    assert_true(at > 50);
}

static void matching_allocates_nothing(void **state)
{
    assert_false(run_once(1l << 30));
}

int main(void)
{
    allocation_refused = refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(matching_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
