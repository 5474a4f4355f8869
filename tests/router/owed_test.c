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
#include "router/owed_pack.h"

static char folder[64], path[96];
static struct store *store;
static struct owed_pack *pack;
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
    pack = owed_pack_create();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    close_store();
    owed_pack_destroy(pack);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct str event_text = STR("{\"a\":1}");

static struct owed_row row_of(int64_t id, const char *target, int64_t next_age)
{
    return (struct owed_row){.id = id,
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
}

static void insert(int64_t id, const char *target, int64_t next_age)
{
    struct owed_row row = row_of(id, target, next_age);
    assert_true(owed_insert(store, &row, &diag));
}

/* Deliveries first … last as one block; it is due at `age`. */
static void insert_block(int64_t first, int64_t last, const char *target, int64_t age, bool in_hand)
{
    owed_pack_begin(pack);
    for (int64_t id = first; id <= last; id++) {
        struct owed_row row = row_of(id, target, 0);
        row.accepted.age_ms = age;
        owed_pack_add(pack, &row);
    }
    assert_int_equal(pack->count, last - first + 1);
    assert_true(owed_block_insert(store, str_from(target), pack, in_hand, &diag));
}

struct taken {
    int64_t ids[3000];
    struct owed_place places[3000];
    size_t events; /* different ones, as far as deliveries of one follow each other */
    const char *event;
    size_t count;
    uint32_t attempts;
    char code[32];
};

static void note(void *context, const struct owed_row *row)
{
    struct taken *t = context;

    t->places[t->count] = row->place;
    t->ids[t->count++] = row->id;
    t->events += t->event != row->event.ptr;
    t->event = row->event.ptr;
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

/* ---- blocks ---- */

static int64_t number(const char *sql)
{
    sqlite3_stmt *q;

    assert_int_equal(sqlite3_prepare_v2(store_handle(store), sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void assert_ids(const struct taken *t, int64_t first, size_t count)
{
    assert_int_equal(t->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(t->ids[i], first + (int64_t)i);
}

static void a_block_comes_back_whole_and_once(void **state)
{
    insert_block(1, 1000, "http/a", 5, false);
    insert_block(1001, 1700, "http/a", 6, false);
    insert_block(1701, 1720, "http/b", 4, false);

    struct taken t = take("http/a", 50, 500);
    assert_ids(&t, 1, 1000);
    assert_int_equal(t.places[999].block, 1);
    assert_int_equal(t.places[999].index, 999);
    assert_int_equal(next, 6);
    t = take("http/a", 50, 500);
    assert_ids(&t, 1001, 700);
    assert_int_equal(next, OWED_IN_HAND);
    assert_int_equal(take("http/a", 50, 500).count, 0);
    t = take("http/b", 50, 500);
    assert_ids(&t, 1701, 20);
}

static void different(void *context, const struct owed_row *r)
{
    struct taken *t = context;
    char name[8];

    t->count++;
    t->events += t->event != r->event.ptr;
    t->event = r->event.ptr;
    snprintf(name, sizeof name, "t%d", (int)(t->count % 40));
    assert_int_equal(r->id, t->count);
    assert_int_equal(r->position, (t->count + 99) / 100);
    assert_true(str_is(r->target_id, name) && str_eq(r->event, event_text));
}

static void an_event_with_many_deliveries_is_packed_once(void **state)
{
    struct owed_row row = row_of(0, "http/a", 0);
    char names[40][8];

    owed_pack_begin(pack);
    for (row.id = 1; row.id <= 400; row.id++) {
        snprintf(names[row.id % 40], sizeof names[0], "t%d", (int)(row.id % 40)); /* more than it looks back for */
        row.target_id = str_from(names[row.id % 40]);
        row.position = (uint64_t)(row.id + 99) / 100;
        owed_pack_add(pack, &row);
    }
    struct str body;
    struct taken t = {0};
    assert_true(owed_pack_finish(pack, &body, &diag));
    assert_in_range(body.size, 1, 2500);
    assert_true(owed_unpack(body, different, &t, &diag));
    assert_int_equal(t.count, 400);
    assert_int_equal(t.events, 4);
}

static void after_a_crash_only_what_had_not_left_its_block_comes(void **state)
{
    struct owed_place gone[] = {{1, 19}, {1, 0}, {21, 3}, {1, 8}};

    insert_block(1, 20, "http/a", 5, true);
    insert_block(21, 24, "http/a", 5, false);
    assert_int_equal(take("http/a", 50, 500).count, 4);
    assert_true(owed_block_leave(store, gone, 4, &diag));
    assert_int_equal(take("http/a", 50, 500).count, 0);
    close_store();
    open_store();
    assert_true(owed_release(store, &diag));
    struct owed_count c = {0};
    assert_true(owed_count_each(store, count, &c, &diag));
    assert_int_equal(c.rows, 20);
    assert_int_equal(c.untried, 20);
    assert_int_equal(c.next_age, 5);
    struct taken t = take("http/a", 50, 500);
    assert_int_equal(t.count, 20);
    assert_int_equal(t.ids[0], 2);
    assert_int_equal(t.ids[8], 11);
    assert_int_equal(t.ids[16], 19);
    assert_int_equal(t.ids[17], 21);
    assert_int_equal(t.ids[19], 23);

    assert_true(owed_block_leave(store, t.places, t.count, &diag));
    assert_int_equal(number("SELECT count(*) FROM owed_blocks"), 0);
    assert_int_equal(number("SELECT count(*) FROM owed_bodies"), 0);
}

static void small_blocks_are_put_together(void **state)
{
    for (int64_t id = 1; id <= 1500; id++)
        insert_block(id, id, "http/a", 5, false);
    insert_block(1501, 1510, "http/b", 5, false);
    assert_in_range(number("SELECT count(*) FROM owed_blocks"), 3, 40);
    assert_int_equal(number("SELECT count(*) FROM owed_bodies"), number("SELECT count(*) FROM owed_blocks"));
    assert_int_equal(number("SELECT sum(left) FROM owed_blocks WHERE target = 'http/a'"), 1500);
    struct taken t = take("http/a", 50, 2000);
    assert_ids(&t, 1, 1500);
    for (int64_t id = 2001; id <= 2015; id++) /* those in hand are left alone */
        insert_block(id, id, "http/a", 5, false);
    assert_int_equal(take("http/a", 50, 2000).count, 15);
    assert_true(owed_block_leave(store, t.places, t.count, &diag));
    insert_block(2016, 2016, "http/a", 5, false);
    t = take("http/a", 50, 2000);
    assert_ids(&t, 2016, 1);
}

static void what_is_due_longest_comes_first(void **state)
{
    insert_block(1, 10, "http/a", 20, false);
    insert_block(11, 20, "http/a", 40, false);
    insert(30, "http/a", 10);
    insert(31, "http/a", 30);
    insert(32, "http/a", 50);

    struct taken t = take("http/a", 45, 500);
    assert_int_equal(t.count, 22);
    assert_int_equal(t.ids[0], 30);
    assert_int_equal(t.ids[1], 1);
    assert_int_equal(t.ids[11], 31);
    assert_int_equal(t.ids[12], 11);
    assert_int_equal(next, 50);
}

static void a_damaged_block_is_said_and_not_half_read(void **state)
{
    struct taken t = {0};

    insert_block(1, 100, "http/a", 5, false);
    assert_true(
        store_exec(store, "UPDATE owed_bodies SET body = substr(body, 1, 30) || x'00' || substr(body, 32)", &diag));
    assert_false(owed_take(store, STR("http/a"), 50, 500, note, &t, &next, &diag));
    assert_non_null(strstr(diag.message, "unpack"));
    assert_int_equal(t.count, 0);
    assert_int_equal(number("SELECT in_hand FROM owed_blocks"), 0);
}

static void the_highest_id_may_stand_in_a_block(void **state)
{
    struct owed_cursor c;

    insert(7, "http/a", 1);
    insert_block(8, 58, "http/a", 5, true);
    assert_true(owed_cursor_load(store, &c, &diag));
    assert_int_equal(c.last_id, 58);
}

/* ---- order ---- */

static void insert_ordered(int64_t id, uint64_t key, int64_t next_age)
{
    struct owed_row row = row_of(id, "http/a", next_age);
    row.order_key = key;
    assert_true(owed_insert(store, &row, &diag));
}

static void advance(uint64_t key)
{
    assert_true(owed_advance(store, STR("http/a"), key, 50, &diag));
}

static void only_the_first_of_a_key_is_due_and_brings_those_behind_it(void **state)
{
    for (int64_t id = 1; id <= 40; id++)
        insert_ordered(id, 7 + (uint64_t)id % 2, OWED_BEHIND);
    assert_int_equal(take("http/a", 1000, 100).count, 0);
    assert_int_equal(next, OWED_IN_HAND);
    advance(8);
    struct taken t = take("http/a", 1000, 100);
    assert_int_equal(t.count, 1 + OWED_FOLLOWERS);
    for (int64_t i = 0; i < 1 + OWED_FOLLOWERS; i++)
        assert_int_equal(t.ids[i], 1 + 2 * i);
    assert_true(owed_delete(store, 1, &diag));
    advance(8); /* behind those in hand */
    assert_int_equal(take("http/a", 1000, 100).count, 0);
    advance(7);
    assert_int_equal(take("http/a", 1000, 3).count, 3);
}

static void a_first_one_that_failed_comes_alone(void **state)
{
    insert_ordered(1, 7, OWED_IN_HAND);
    insert_ordered(2, 7, OWED_IN_HAND);
    insert_ordered(3, 7, OWED_BEHIND);
    assert_true(owed_retry(store, 1, STR("http/a"), 1, 70, STR("TIMEOUT"), STR(""), &diag));
    assert_true(owed_shelve(store, 2, &diag));
    advance(7);
    assert_int_equal(take("http/a", 60, 10).count, 0);
    assert_int_equal(next, 70);
    assert_int_equal(take("http/a", 70, 10).count, 1);
    assert_true(owed_retry(store, 1, STR("http/b"), 2, 90, STR("TIMEOUT"), STR(""), &diag)); /* it leads elsewhere */
    advance(7);
    struct taken t = take("http/a", 1000, 10);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.ids[0], 2);
    assert_int_equal(number("SELECT order_key FROM deliveries WHERE id = 1"), 0);
}

static void after_a_crash_keys_are_in_order(void **state)
{
    struct owed_count c = {0};

    insert_ordered(1, 7, OWED_IN_HAND);
    insert_ordered(2, 7, OWED_IN_HAND);
    insert_ordered(3, 7, OWED_BEHIND);
    insert_ordered(4, 8, 500);
    insert(5, "http/a", OWED_IN_HAND);
    close_store();
    open_store();
    assert_true(owed_release(store, &diag));
    assert_true(owed_count_each(store, count, &c, &diag));
    assert_int_equal(c.rows, 5);
    assert_int_equal(c.ordered, 4);
    assert_int_equal(c.untried, 1);
    struct taken t = take("http/a", 60, 10);
    assert_int_equal(t.count, 4);
    assert_int_equal(t.ids[0], 1);
    assert_int_equal(t.ids[1], 5);
    assert_int_equal(t.ids[2], 2);
    assert_int_equal(t.ids[3], 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_are_taken_soonest_first_and_once),
        TEST(more_rows_than_a_round),
        TEST(large_rows_come_few_at_a_time),
        TEST(a_retry_waits_again_and_remembers_why),
        TEST(after_a_crash_what_was_in_hand_waits),
        TEST(the_cursor_is_moved_by_its_next_job_only),
        TEST(a_block_comes_back_whole_and_once),
        TEST(an_event_with_many_deliveries_is_packed_once),
        TEST(after_a_crash_only_what_had_not_left_its_block_comes),
        TEST(small_blocks_are_put_together),
        TEST(what_is_due_longest_comes_first),
        TEST(a_damaged_block_is_said_and_not_half_read),
        TEST(only_the_first_of_a_key_is_due_and_brings_those_behind_it),
        TEST(a_first_one_that_failed_comes_alone),
        TEST(after_a_crash_keys_are_in_order),
        TEST(the_highest_id_may_stand_in_a_block),
    };
    return cmocka_run_group_tests_name("owed", tests, NULL, NULL);
}
