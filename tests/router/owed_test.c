/* SPDX-License-Identifier: Apache-2.0 */
/* What is owed: rows in hand and rows that wait, the order of trying, and the cursor that only its next job moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "router/owed.h"

static char folder[64], path[96];
static struct store *store;
static struct weir_diag diag;

static const struct store_schema *const schemas[] = {&owed_schema, NULL};

static void open_store(void)
{
    store = store_open(path, schemas, &diag);
    if (!store)
        fail_msg("%s", diag.message);
    assert_true(store_begin(store, &diag));
}

static void close_store(void)
{
    assert_true(store_commit(store, &diag));
    store_close(store);
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/weir-owed-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/weir.db", folder);
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    close_store();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct str event_text = STR("{\"a\":1}");

static void insert(int64_t id, const char *target, int64_t next_age)
{
    struct owed_row row = {.id = id,
                           .target = str_from(target),
                           .next_age = next_age,
                           .origin = STR(""),
                           .position = (uint64_t)id * 10,
                           .bus = STR("default"),
                           .rule = STR("r"),
                           .target_id = STR("t"),
                           .subscription = STR(""),
                           .rule_arn = STR("arn:rule"),
                           .target_arn = STR("arn:target"),
                           .accepted = {1000, 5},
                           .error_code = STR(""),
                           .error_message = STR(""),
                           .event_id = STR("e"),
                           .event = event_text};
    assert_true(owed_insert(store, &row, &diag));
}

struct taken {
    int64_t ids[1000];
    size_t count;
    uint32_t attempts;
    char code[32];
};

static void note(void *context, const struct owed_row *row)
{
    struct taken *t = context;

    t->ids[t->count++] = row->id;
    t->attempts = row->attempts;
    snprintf(t->code, sizeof t->code, "%.*s", STR_ARG(row->error_code));
    assert_int_equal(row->position, row->id * 10);
    assert_true(str_eq(row->event, event_text) && str_is(row->rule, "r") && str_is(row->rule_arn, "arn:rule"));
    assert_int_equal(row->accepted.wall_ms, 1000);
}

static int64_t next;

static struct taken take(const char *target, int64_t age, unsigned limit)
{
    struct taken t = {0};
    assert_true(owed_take(store, str_from(target), age, limit, note, &t, &next, &diag));
    return t;
}

static void rows_are_taken_soonest_first_and_once(void **state)
{
    insert(1, "http/a", 20);
    insert(2, "http/a", 10);
    insert(3, "http/a", 20);
    insert(4, "http/a", 99);
    insert(5, "http/b", 0);

    struct taken t = take("http/a", 50, 2);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.ids[0], 2);
    assert_int_equal(t.ids[1], 1);
    assert_int_equal(next, 20);
    t = take("http/a", 50, 10);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.ids[0], 3);
    assert_int_equal(next, 99);
    assert_int_equal(take("http/a", 98, 10).count, 0);
    assert_int_equal(take("http/a", 99, 10).count, 1);
    assert_int_equal(next, OWED_IN_HAND);
    assert_int_equal(take("http/c", 99, 10).count, 0);
}

static void more_rows_than_a_round(void **state)
{
    for (int64_t i = 1; i <= 700; i++)
        insert(i, "http/a", 7);
    struct taken t = take("http/a", 7, 600);
    assert_int_equal(t.count, 600);
    for (int64_t i = 0; i < 600; i++)
        assert_int_equal(t.ids[i], i + 1);
    assert_int_equal(take("http/a", 7, 600).count, 100);
}

static void large_rows_come_few_at_a_time(void **state)
{
    struct str small = event_text;
    char *large = calloc(1, OWED_TAKE_BYTES / 2);

    event_text = (struct str){memset(large, 'x', OWED_TAKE_BYTES / 2), OWED_TAKE_BYTES / 2};
    for (int64_t i = 1; i <= 5; i++)
        insert(i, "http/a", 7);
    assert_int_equal(take("http/a", 7, 600).count, 2);
    assert_int_equal(next, 7);
    assert_int_equal(take("http/a", 7, 600).count, 2);
    assert_int_equal(take("http/a", 7, 600).count, 1);
    assert_int_equal(next, OWED_IN_HAND);
    event_text = small;
    free(large);
}

static void a_retry_waits_again_and_remembers_why(void **state)
{
    insert(1, "http/a", OWED_IN_HAND);
    assert_int_equal(take("http/a", 1000000, 10).count, 0);
    assert_true(owed_retry(store, 1, STR("http/b"), 3, 70, STR("TIMEOUT"), STR("no answer in 5 s"), &diag));
    assert_int_equal(take("http/a", 1000000, 10).count, 0);
    assert_int_equal(take("http/b", 69, 10).count, 0);
    struct taken t = take("http/b", 70, 10);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.attempts, 3);
    assert_string_equal(t.code, "TIMEOUT");
    assert_true(owed_delete(store, 1, &diag));
    assert_true(owed_release(store, &diag));
    assert_int_equal(take("http/b", 1000000, 10).count, 0);
}

static void count(void *context, const struct owed_count *c)
{
    struct owed_count *out = context;
    assert_true(str_is(c->target, "http/a"));
    *out = *c;
}

static void after_a_crash_what_was_in_hand_waits(void **state)
{
    struct owed_count c = {0};

    insert(1, "http/a", OWED_IN_HAND);
    insert(2, "http/a", 50);
    close_store();
    open_store();
    assert_true(owed_release(store, &diag));
    assert_true(owed_count_each(store, count, &c, &diag));
    assert_int_equal(c.rows, 2);
    assert_int_equal(c.untried, 2);
    assert_int_equal(c.next_age, 5);
    struct taken t = take("http/a", 60, 10);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.ids[0], 1);
}

static void the_cursor_is_moved_by_its_next_job_only(void **state)
{
    struct owed_cursor c;

    assert_true(owed_cursor_load(store, &c, &diag));
    assert_int_equal(c.job, 0);
    assert_int_equal(c.sequence, 0);
    assert_true(owed_cursor_move(store, 1, 100, &diag));
    assert_false(owed_cursor_move(store, 3, 300, &diag));
    assert_false(owed_cursor_move(store, 1, 50, &diag));
    assert_true(owed_cursor_move(store, 2, 200, &diag));
    insert(41, "http/a", 1);
    close_store();
    open_store();
    assert_true(owed_cursor_load(store, &c, &diag));
    assert_int_equal(c.job, 2);
    assert_int_equal(c.sequence, 200);
    assert_int_equal(c.last_id, 41);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_are_taken_soonest_first_and_once), TEST(more_rows_than_a_round),
        TEST(large_rows_come_few_at_a_time),         TEST(a_retry_waits_again_and_remembers_why),
        TEST(after_a_crash_what_was_in_hand_waits),  TEST(the_cursor_is_moved_by_its_next_job_only),
    };
    return cmocka_run_group_tests_name("owed", tests, NULL, NULL);
}
