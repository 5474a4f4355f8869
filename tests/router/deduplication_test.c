/* SPDX-License-Identifier: Apache-2.0 */
/* Publish deduplication: in the journal's order, over restarts and crashes, within its window and bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "router/metrics.h"
#include "targets/archive.h"
#include "targets/bus.h"
#include "tests/router/fixture.h"

/* Stands in for targets/table.c. */
const struct adapter *const target_adapters[] = {&bus_adapter, &queue_adapter, &archive_adapter, NULL};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}

#define PATTERN "pattern: {source: [test]}"
#define ORDERS(options)                                                                                                \
    "buses: {orders: {" options "}, other: {}}\n"                                                                      \
    "queues: {inbox: {}, others: {}}\n"                                                                                \
    "rules:\n"                                                                                                         \
    "  r: {bus: orders, " PATTERN ", targets: [inbox]}\n"                                                              \
    "  o: {bus: other, " PATTERN ", targets: [others]}\n"                                                              \
    "  d: {" PATTERN ", targets: [bus/orders]}\n"
#define ROWS "SELECT count(*) FROM deduplication"

static int64_t duplicates(void)
{
    return series_get(metric(METRIC_EVENTS_DEDUPLICATED, "orders"));
}

/* Events e0 to e<count - 1>, whatever was sent before. */
static void publish(const char *bus, unsigned count)
{
    fixture.sent = 0;
    fixture_send_many(bus, count, 0, 1);
}

static size_t messages(const char *queue)
{
    return fixture_messages(queue).count;
}

static void a_duplicate_is_counted_and_not_matched(void **state)
{
    int64_t before = duplicates();

    fixture_start(ORDERS("deduplication: 5m"));
    publish("orders", 300);
    publish("orders", 400);
    publish("other", 300);
    publish("other", 300);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 400);
    assert_int_equal(messages("others"), 600);
    assert_int_equal(duplicates(), before + 300);
    assert_int_equal(series_get(metric(METRIC_DEDUPLICATION_IDS, "orders")), 400);
}

static void what_is_forwarded_counts_as_published(void **state)
{
    fixture_start(ORDERS("deduplication: 5m"));
    publish("default", 10);
    publish("orders", 15);
    publish("default", 20);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 20);
}

static void publish_and_die(void)
{
    fixture_start(ORDERS("deduplication: 5m"));
    publish("orders", 500);
    usleep(2000); /* dies somewhere in between */
}

static void it_is_exact_over_crashes_and_restarts(void **state)
{
    for (int i = 0; i < 4; i++)
        fixture_crash(publish_and_die);
    fixture_start(ORDERS("deduplication: 5m"));
    publish("orders", 510);
    fixture_dispatched();
    fixture_stop();
    fixture_start(ORDERS("deduplication: 5m"));
    publish("orders", 510);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 510);
}

static _Atomic int64_t wall;

/* Ages advance by the wall clock while nothing runs. */
static void restart_after(const char *yaml, int64_t ms)
{
    fixture_dispatched();
    fixture_stop();
    wall += ms;
    memset(&fixture.clock, 0, sizeof fixture.clock);
    fixture.clock.by_hand = &wall;
    fixture_start(yaml);
}

static void the_window_ends_and_its_rows_go(void **state)
{
    wall = 1700000000000;
    fixture.clock.by_hand = &wall;
    fixture_start(ORDERS("deduplication: 1h"));
    publish("orders", 10);
    restart_after(ORDERS("deduplication: 1h"), 3500000);
    publish("orders", 10);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 10);
    assert_int_equal(fixture_number(ROWS), 1);
    restart_after(ORDERS("deduplication: 1h"), 100001);
    fixture_wait_number(ROWS, 0);
    publish("orders", 10);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 20);
    restart_after(ORDERS("deduplication: 2m"), 120001); /* a shorter window holds for what is remembered too */
    publish("orders", 10);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 30);
}

static void rows_of_a_bus_that_stopped_go_after_a_day(void **state)
{
    wall = 1700000000000;
    fixture.clock.by_hand = &wall;
    fixture_start(ORDERS("deduplication: 1h"));
    publish("orders", 10);
    restart_after(ORDERS(""), 80000000);
    publish("orders", 10);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 20);
    assert_int_equal(fixture_number(ROWS), 1);
    restart_after(ORDERS(""), 6400001);
    fixture_wait_number(ROWS, 0);
}

static void past_the_bound_the_oldest_are_forgotten(void **state)
{
    struct series *forgotten = metric(METRIC_DEDUPLICATION_FORGOTTEN, "orders");
    int64_t before = series_get(forgotten);

    fixture_start(ORDERS("deduplication: 5m, deduplication_ids: 100"));
    publish("orders", 150); /* e50 to e149 stay */
    fixture_dispatched();
    assert_int_equal(series_get(forgotten), before + 50);
    fixture.sent = 50;
    fixture_send_many("orders", 100, 0, 1);
    publish("orders", 1);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 151);
}

static void replayed_events_are_no_duplicates(void **state)
{
    struct buf answer = BUF_INIT;
    struct replay_request again = {
        .name = STR("again"), .archive = STR("all"), .from_ms = INT64_MIN / 2, .to_ms = INT64_MAX / 2};

    fixture_start(ORDERS("deduplication: 5m") "archives: {all: {bus: orders}}\n");
    publish("orders", 10);
    fixture_dispatched();
    assert_int_equal(fixture_replay(REPLAY_START, &again, &answer), 201);
    fixture_wait_number("SELECT count(*) FROM replays WHERE state = 3", 1);
    assert_int_equal(messages("inbox"), 20);
    buf_fini(&answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_duplicate_is_counted_and_not_matched),    TEST(what_is_forwarded_counts_as_published),
        TEST(it_is_exact_over_crashes_and_restarts),     TEST(the_window_ends_and_its_rows_go),
        TEST(rows_of_a_bus_that_stopped_go_after_a_day), TEST(past_the_bound_the_oldest_are_forgotten),
        TEST(replayed_events_are_no_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
