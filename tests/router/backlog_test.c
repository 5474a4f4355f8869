/* SPDX-License-Identifier: Apache-2.0 */
/* The bound of what is owed to a target: exact in memory and in rows, over restarts and crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "router/metrics.h"
#include "tests/router/fixture.h"

/* Stands in for targets/table.c. */
const struct adapter *const target_adapters[] = {&queue_adapter, &fake_adapter, NULL};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}

/* Events e100 and up are of one size. */
#define FIRST 100
#define OWED  FIXTURE_OWED
#define TOTAL "SELECT coalesce(sum(bytes), 0) FROM owed_totals WHERE target = 'fake/far'"
#define ADDED "SELECT coalesce(sum(length(CAST(event AS BLOB))), 0) FROM deliveries"
#define RULE                                                                                                           \
    "rules: {r: {pattern: {source: [test]}, targets: [{target: far, retry_policy: {maximum_retry_attempts: 185}}]}}\n"

static char yaml[400];

static void start(int64_t max_bytes, const char *over)
{
    snprintf(yaml, sizeof yaml,
             "queues: {any: {}}\ntargets: {far: {type: fake, concurrency: 3, retry_policy: {base: 200ms, cap: 200ms}, "
             "circuit: {failures: 0}, backlog: {max_bytes: %lld, over: %s}}}\n" RULE,
             (long long)max_bytes, over);
    fixture_start(yaml);
    if (fixture.sent < FIRST)
        fixture.sent = FIRST;
}

static void publish(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fixture_send("default", "{}");
    fixture_dispatched();
}

static int64_t result(const char *name)
{
    return series_get(metric(METRIC_DELIVERIES, "default", "r", "fake/far", name));
}

static int64_t owed_bytes(void)
{
    return series_get(metric(METRIC_DELIVERIES_OWED_BYTES, "fake/far"));
}

static size_t dead_letters(void)
{
    return fixture_messages("dead-letters").count;
}

/* One event's size, by a queue that takes it. */
static int64_t event_size(void)
{
    fixture_start("queues: {any: {}}\nrules: {r: {pattern: {source: [test]}, targets: [any]}}\n");
    fixture.sent = FIRST;
    publish(1);
    int64_t size = (int64_t)strlen(fixture_messages("any").list[0].body);
    fixture_stop();
    return size;
}

static void what_passes_the_bound_is_a_dead_letter(void **state)
{
    int64_t size = event_size();
    char message[200];

    fake_set(FAKE_SILENT, 0);
    start(10 * size, "dead_letter");
    publish(15);
    assert_int_equal(owed_bytes(), 10 * size);
    struct messages got = fixture_messages("dead-letters");
    assert_int_equal(got.count, 5);
    assert_non_null(strstr(got.list[0].body, "\"id\":\"e111\""));
    assert_string_equal(fixture_attribute(&got.list[0], "ERROR_CODE"), "BACKLOG_FULL");
    snprintf(message, sizeof message, "%lld bytes of events wait for fake/far, and its backlog.max_bytes is %lld",
             (long long)(10 * size), (long long)(10 * size));
    assert_string_equal(fixture_attribute(&got.list[0], "ERROR_MESSAGE"), message);
    assert_string_equal(fixture_attribute(&got.list[0], "EXHAUSTED_RETRY_CONDITION"), "");
}

static void or_is_dropped_and_counted(void **state)
{
    int64_t size = event_size(), dropped = result("dropped");

    fake_set(FAKE_SILENT, 0);
    start(10 * size + size / 2, "drop");
    publish(15);
    fixture_wait(result("dropped") == dropped + 5);
    assert_int_equal(owed_bytes(), 10 * size);
    assert_int_equal(dead_letters(), 0);
}

static void without_a_bound_all_is_owed(void **state)
{
    int64_t size = event_size();

    fake_set(FAKE_SILENT, 0);
    start(0, "drop");
    publish(1500); /* more than the window */
    assert_int_equal(fixture.sent, FIRST + 1 + 1500);
    assert_true(owed_bytes() >= 1500 * size);
    fixture_wait_number(OWED, 1500);
    assert_int_equal(fixture_number(TOTAL), owed_bytes());
}

static int64_t size_seen;

static void fill_and_die(void)
{
    fake_set(FAKE_RETRY, -1);
    start(10 * size_seen, "dead_letter");
    publish(12);
}

/* In rows that come and go all the while. */
static void it_is_exact_over_restarts_and_crashes(void **state)
{
    size_seen = event_size();
    fixture_crash(fill_and_die);
    fixture_crash(fill_and_die); /* its events find the backlog as the first one left it */
    fake_set(FAKE_RETRY, -1);
    start(10 * size_seen, "dead_letter");
    assert_int_equal(owed_bytes(), 10 * size_seen);
    publish(3);
    fixture_wait(dead_letters() == 2 + 12 + 3);
    fixture_stop();
    fixture_start(yaml);
    assert_int_equal(owed_bytes(), 10 * size_seen);
    assert_int_equal(fixture_number(TOTAL), 10 * size_seen);
    fake_set(FAKE_SETTLE, 0);
    fixture_wait(owed_bytes() == 0);
    fixture_wait_number(OWED, 0);
    assert_int_equal(fixture_number(TOTAL), 0);
    publish(3);
    fixture_wait(fake.settled >= 13);
    assert_int_equal(dead_letters(), 2 + 12 + 3);
}

/* A row of a target that left goes to the dead letters, and its bytes with it. */
static void sums_follow_rows_to_where_they_go(void **state)
{
    fake_set(FAKE_RETRY, -1);
    start(0, "dead_letter");
    publish(5);
    fixture_wait_number("SELECT count(*) FROM deliveries WHERE attempts > 0", 5);
    assert_int_equal(fixture_number(TOTAL), fixture_number(ADDED));
    fixture_stop();
    fixture_start("queues: {any: {}}\nrules: {r: {pattern: {source: [test]}, targets: [{target: any, id: far}]}}\n");
    fixture_wait(fixture_messages("any").count == 5);
    assert_int_equal(fixture_number(TOTAL), 0);
    assert_int_equal(owed_bytes(), 0);
    assert_int_equal(fixture_number("SELECT coalesce(sum(bytes), 0) FROM owed_totals"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_passes_the_bound_is_a_dead_letter),
        TEST(or_is_dropped_and_counted),
        TEST(without_a_bound_all_is_owed),
        TEST(it_is_exact_over_restarts_and_crashes),
        TEST(sums_follow_rows_to_where_they_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
