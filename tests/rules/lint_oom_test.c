/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: each allocation of a lint, of its report and of the schema fails in turn; each time the one that wanted it
 * says so or goes without, and nothing leaks. Linked with --wrap=malloc and its relatives.
 */
#include "rules/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/manual.h"
#include "rules/schema.h"
#include "tests/wrap_malloc.h"

static long allocations, fail_at; /* fail_at: the how many-th fails, from 1; 0: none */

static bool refused(void)
{
    return ++allocations == fail_at;
}

/* False: out of memory, and that was said. */
typedef bool work_fn(const struct ruleset *set);

static bool lint(const struct ruleset *set)
{
    struct findings found = {0};
    bool ok = lint_run(set, NULL, NULL, &found);
    findings_fini(&found);
    return ok;
}

static bool schema(const struct ruleset *set)
{
    struct buf out = BUF_INIT;
    schema_write(&out);
    bool ok = !out.failed;
    buf_fini(&out);
    return ok;
}

static bool manual(const struct ruleset *set)
{
    struct buf out = BUF_INIT;
    struct table t;
    for (size_t i = 0; tables_at(i, &t); i++)
        manual_write_options(&out, &t);
    manual_write_operators(&out);
    manual_write_checks(&out);
    bool ok = !out.failed;
    buf_fini(&out);
    return ok;
}

static long run(work_fn *work, const struct ruleset *set, long at, bool wanted)
{
    allocations = 0;
    fail_at = at;
    bool ok = work(set);
    fail_at = 0;
    if (ok != wanted)
        fail_msg("allocation %ld of %ld: %s", at, allocations, ok ? "nobody missed it" : "out of memory");
    return allocations;
}

static void every_allocation_is_missed(void **state)
{
    static work_fn *const works[] = {lint, schema, manual};
    static const char *const files[] = {"tests/rules/lint/leaves.yaml", "tests/rules/lint/patterns.yaml",
                                        "tests/rules/lint/set.yaml"};
    for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
        struct diags diags;
        assert_true(diags_init(&diags, 10));
        struct ruleset *set = ruleset_load(files[f], 1, &diags);
        assert_non_null(set);
        for (size_t w = 0; w < sizeof(works) / sizeof(works[0]); w++) {
            long count = run(works[w], set, 0, true);
            assert_true(count > 0);
            for (long at = 1; at <= count; at++)
                run(works[w], set, at, false);
        }
        ruleset_unref(set);
        diags_fini(&diags);
    }
}

int main(void)
{
    allocation_refused = refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_is_missed),
    };
    return cmocka_run_group_tests_name("lint, out of memory", tests, NULL, NULL);
}
