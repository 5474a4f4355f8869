/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous invocations in the ledger: in order, in hand, again, over crashes, and the news of them. */
#include "targets/invocations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

static const struct store_schema *const schemas[] = {&invocation_schema, NULL};
static struct sandbox f;
static char shown[256], told[256];
static int64_t first_id, next_age;

static int setup(void **state)
{
    sandbox_init(&f);
    sandbox_open(&f, schemas);
    shown[0] = told[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    sandbox_fini(&f);
    return 0;
}

static void put(const char *function, const char *payload, int64_t age)
{
    struct invocation_row row = {.function = str_from(function),
                                 .payload = str_from(payload),
                                 .request_id = STR("00000000-0000-0000-0000-000000000000")};
    sandbox_begin(&f);
    assert_true(invocations_insert(f.store, &row, (struct weir_time){1000, age}, &f.diag));
    sandbox_commit(&f);
}

static void show(void *context, const struct invocation_row *row)
{
    size_t size = strlen(shown);

    if (!size)
        first_id = row->id;
    snprintf(shown + size, sizeof shown - size, "%.*s/%d/%d ", STR_ARG(row->payload), (int)row->attempts,
             (int)row->throttles);
}

static const char *take(const char *function, int64_t age, unsigned limit)
{
    shown[0] = '\0';
    sandbox_begin(&f);
    assert_true(invocations_take(f.store, str_from(function), age, limit, show, NULL, &next_age, &f.diag));
    sandbox_commit(&f);
    return shown;
}

static void tell(void *context, struct str function)
{
    size_t size = strlen(told);
    snprintf(told + size, sizeof told - size, "%.*s ", STR_ARG(function));
}

static void they_are_taken_in_order_and_once(void **state)
{
    put("a", "1", 10);
    put("b", "other", 10);
    put("a", "2", 20);
    put("a", "3", 30);
    assert_string_equal(take("a", 25, 1), "1/0/0 ");
    assert_int_equal(next_age, 20);
    assert_string_equal(take("a", 25, 9), "2/0/0 ");
    assert_int_equal(next_age, 30);
    assert_string_equal(take("a", 29, 9), "");
    assert_string_equal(take("a", 30, 9), "3/0/0 ");
    assert_int_equal(next_age, INVOCATION_IN_HAND);
    assert_string_equal(take("nobody", 99, 9), "");
}

static void one_waits_again_or_goes(void **state)
{
    put("a", "1", 10);
    take("a", 10, 9);
    sandbox_begin(&f);
    assert_true(invocations_retry(f.store, first_id, 2, 1, 500, &f.diag));
    sandbox_commit(&f);
    assert_string_equal(take("a", 499, 9), "");
    assert_int_equal(next_age, 500);
    assert_string_equal(take("a", 500, 9), "1/2/1 ");
    sandbox_begin(&f);
    assert_true(invocations_delete(f.store, first_id, &f.diag));
    sandbox_commit(&f);
    assert_int_equal(sandbox_ask(&f, "SELECT count(*) FROM invocation"), 0);
}

static void what_was_in_hand_comes_again_after_a_crash(void **state)
{
    put("a", "1", 10);
    put("b", "2", 10);
    take("a", 10, 9);
    sandbox_close(&f);
    sandbox_open(&f, schemas);
    sandbox_begin(&f);
    assert_true(invocations_release(f.store, tell, NULL, &f.diag));
    sandbox_commit(&f);
    assert_string_equal(told, "a b ");
    assert_string_equal(take("a", 11, 9), "1/0/0 ");
}

static void payloads_bound_what_is_taken_at_once(void **state)
{
    static char large[INVOCATIONS_TAKE_BYTES + 1];

    memset(large, 'x', sizeof large - 1);
    put("a", large, 10);
    put("a", "2", 10);
    take("a", 10, 9);
    assert_int_equal(sandbox_ask(&f, "SELECT count(*) FROM invocation WHERE next_age = 10"), 1);
    assert_string_equal(take("a", 10, 9), "2/0/0 ");
}

static void news_come_after_the_commit(void **state)
{
    struct invocation_row row = {.function = STR("c"), .request_id = STR("x"), .payload = STR("1")};

    assert_true(invocations_watch(f.store, tell, NULL, &f.diag));
    put("a", "1", 10);
    put("a", "2", 10);
    assert_string_equal(told, "a a ");
    sandbox_begin(&f);
    assert_true(invocations_insert(f.store, &row, (struct weir_time){0}, &f.diag));
    assert_string_equal(told, "a a ");
    sandbox_commit(&f);
    assert_string_equal(told, "a a c ");
}

static void due_ones_are_found_by_the_index(void **state)
{
    char plan[512];

    sandbox_plan(&f, "SELECT id FROM invocation WHERE function = ? AND next_age <= ? ORDER BY next_age, id LIMIT ?",
                 plan, sizeof plan);
    assert_non_null(strstr(plan, "USING COVERING INDEX invocation_due"));
    assert_null(strstr(plan, "TEMP B-TREE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(they_are_taken_in_order_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(one_waits_again_or_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_in_hand_comes_again_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(payloads_bound_what_is_taken_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(news_come_after_the_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(due_ones_are_found_by_the_index, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
