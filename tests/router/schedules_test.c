/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that fire by the clock, with a clock that is set by hand: each due time once, over restarts, crashes and leaps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/metrics.h"
#include "router/schedules.h"
#include "targets/archive.h"
#include "targets/topic.h"
#include "targets/uuid.h"
#include "tests/router/fixture.h"

/* Stands in for targets/table.c. */
const struct adapter *const target_adapters[] = {&queue_adapter, &topic_adapter, &archive_adapter, &fake_adapter, NULL};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}

#define START INT64_C(1767571200) /* 2026-01-05T00:00:00Z, a Monday */
#define RULE(schedule)                                                                                                 \
    "queues: {ticks: {}, others: {}}\n"                                                                                \
    "rules: {r: {schedule: \"" schedule "\", targets: [ticks]}, all: {pattern: {source: [aws.events]}, targets: "      \
    "[others]}}\n"
#define ROWS "SELECT count(*) FROM schedules"

static _Atomic int64_t wall;

static int set_up(void **state)
{
    int result = fixture_set_up(state);
    wall = START * 1000;
    fixture.clock.by_hand = &wall;
    return result;
}

/* Tells a running dispatch that the clock shows this many seconds after START. */
static void clock_shows(int64_t seconds)
{
    wall = (START + seconds) * 1000;
    dispatch_wake(fixture.dispatch, 0);
}

/* All that is due by the clock has been put where it goes: dispatch has read an event since. */
static void settled(void)
{
    fixture_send("nowhere", "{}");
    fixture_dispatched();
}

static void start(const char *yaml, int64_t seconds)
{
    wall = (START + seconds) * 1000;
    fixture_start(yaml);
    settled(); /* new rules have their anchors */
}

/* Seconds after START. */
static int64_t time_of(const struct message *m)
{
    int64_t ms;
    struct str text = json_member(str_from(m->body), "time");
    assert_true(text.size > 2 && time_parse_rfc3339((struct str){text.ptr + 1, text.size - 2}, &ms));
    return ms / 1000 - START;
}

/* The queue has firings of first, first + step … last, each once and in order. */
static void check_times(int64_t first, int64_t step, int64_t last)
{
    settled();
    struct messages got = fixture_messages("ticks");
    for (size_t i = 0; i < got.count; i++)
        if (time_of(&got.list[i]) != first + (int64_t)i * step)
            fail_msg("firing %zu is of %lld, not %lld", i, (long long)time_of(&got.list[i]),
                     (long long)(first + (int64_t)i * step));
    assert_int_equal(got.count, last < first ? 0 : (last - first) / step + 1);
}

static int64_t counted(enum metric family)
{
    return metric_value(family, (struct str[]){STR("r")});
}

/* ---- firing ---- */

static void a_rate_counts_from_when_its_rule_was_first_seen(void **state)
{
    start(RULE("rate(5 minutes)"), 17);
    clock_shows(17 + 299);
    check_times(317, 300, 0);
    clock_shows(17 + 300);
    check_times(317, 300, 317);
    clock_shows(17 + 601);
    check_times(317, 300, 617);
    fixture_stop();
    start(RULE("rate(5 minutes)"), 17 + 899);
    check_times(317, 300, 617);
    clock_shows(17 + 900);
    check_times(317, 300, 917);
    assert_int_equal(fixture_messages("others").count, 0);
}

static void cron_fires_at_its_minutes(void **state)
{
    start(RULE("cron(0/15 0-1 ? * MON *)"), 0); /* what is due as it is first seen does not fire */
    clock_shows(1800 + 1);
    check_times(900, 900, 1800);
    clock_shows(4500);
    check_times(900, 900, 4500);
    clock_shows(7200 + 1);
    check_times(900, 900, 6300); /* 01:45 is the last */
}

static char *event_of_a_firing(void)
{
    start(RULE("rate(1 hour)"), 0);
    clock_shows(3600);
    settled();
    struct messages got = fixture_messages("ticks");
    assert_int_equal(got.count, 1);
    return strdup(got.list[0].body);
}

static void the_event_is_that_of_eventbridge_and_its_id_is_made_of_rule_and_time(void **state)
{
    char *event = event_of_a_firing(), expected[400];
    const char *id = strstr(event, "\"id\":\"");
    snprintf(expected, sizeof expected,
             "{\"version\":\"0\",\"id\":\"%.*s\",\"detail-type\":\"Scheduled Event\",\"source\":\"aws.events\","
             "\"account\":\"000000000000\",\"time\":\"2026-01-05T01:00:00Z\",\"region\":\"us-east-1\","
             "\"resources\":[\"arn:aws:events:us-east-1:000000000000:rule/r\"],\"detail\":{}}",
             UUID_SIZE, id + 6);
    assert_string_equal(event, expected);
    assert_int_equal(fixture_tear_down(NULL), 0);
    assert_int_equal(set_up(NULL), 0);
    char *again = event_of_a_firing();
    assert_string_equal(event, again);
    free(event);
    free(again);
}

static void a_rule_may_have_both(void **state)
{
    start("queues: {ticks: {}}\nrules: {r: {schedule: rate(1 minute), pattern: {source: [test]}, targets: [ticks]}}\n",
          0);
    clock_shows(60);
    fixture_send("default", "{}");
    fixture_dispatched();
    struct messages got = fixture_messages("ticks");
    assert_int_equal(got.count, 2);
    assert_non_null(strstr(got.list[0].body, "\"source\":\"aws.events\""));
    assert_non_null(strstr(got.list[1].body, "\"source\":\"test\""));
}

/* More than a turn takes. */
static void many_rules_fire_at_once(void **state)
{
    struct buf yaml = BUF_INIT;
    buf_text(&yaml, "queues: {ticks: {}}\nrules:\n");
    for (int i = 0; i < 2500; i++)
        buf_printf(&yaml, "  r%d: {schedule: rate(1 minute), targets: [ticks]}\n", i);
    start(buf_cstr(&yaml), 0);
    clock_shows(60);
    settled();
    fixture_wait_number("SELECT count(*) FROM schedules WHERE fired_ms = last_ms", 2500);
    assert_int_equal(fixture_messages("ticks").count, 2500);
    assert_int_equal(fixture_number("SELECT count(DISTINCT fired_ms) FROM schedules"), 1);
    buf_fini(&yaml);
}

/* ---- down time, leaps, crashes ---- */

static void an_hour_of_down_time_is_made_up_for_and_the_rest_skipped(void **state)
{
    int64_t fired = counted(METRIC_SCHEDULES_FIRED), skipped = counted(METRIC_SCHEDULES_SKIPPED);
    start(RULE("rate(1 minute)"), 0);
    fixture_stop();
    start(RULE("rate(1 minute)"), 3 * 3600);
    check_times(2 * 3600 + 60, 60, 3 * 3600);
    assert_int_equal(counted(METRIC_SCHEDULES_FIRED) - fired, 60);
    assert_int_equal(counted(METRIC_SCHEDULES_SKIPPED) - skipped, 120);
}

static void a_long_time_is_skipped_without_counting_it_out(void **state)
{
    int64_t skipped = counted(METRIC_SCHEDULES_SKIPPED), years = INT64_C(20) * 365 * 86400;
    start(RULE("cron(* * * * ? *)"), 0);
    fixture_stop();
    start(RULE("cron(* * * * ? *)"), years + 30);
    check_times(years - 3540, 60, years);
    assert_int_equal(counted(METRIC_SCHEDULES_SKIPPED) - skipped, 1000);
}

static void a_clock_that_leaps_fires_nothing_twice(void **state)
{
    start(RULE("rate(1 minute)"), 0);
    clock_shows(150);
    check_times(60, 60, 120);
    clock_shows(-86400);
    check_times(60, 60, 120);
    fixture_stop();
    start(RULE("rate(1 minute)"), -3600);
    clock_shows(179);
    check_times(60, 60, 120);
    clock_shows(180);
    check_times(60, 60, 180);
    clock_shows(3600);
    check_times(60, 60, 3600);
    clock_shows(86400); /* like down time */
    settled();
    struct messages got = fixture_messages("ticks");
    assert_int_equal(got.count, 120);
    assert_int_equal(time_of(&got.list[60]), 86400 - 3540);
    assert_int_equal(time_of(&got.list[119]), 86400);
}

static int64_t crash_at;

static void run_a_while(void)
{
    fixture_start(RULE("rate(1 minute)"));
    clock_shows(crash_at * 180);
    usleep((useconds_t)(crash_at * 400)); /* from before the firings are made to after they are committed */
}

static void crashes_neither_lose_nor_double_a_firing(void **state)
{
    start(RULE("rate(1 minute)"), 0);
    fixture_stop();
    for (crash_at = 1; crash_at <= 20; crash_at++)
        fixture_crash(run_a_while);
    start(RULE("rate(1 minute)"), 20 * 180 + 1);
    check_times(60, 60, 20 * 180);
}

static void owe_some(void)
{
    fake_set(FAKE_SILENT, 0);
    start("targets: {far: {type: fake}}\nrules: {r: {schedule: rate(1 minute), targets: [far]}}\n", 0);
    clock_shows(300);
    fixture_wait_number("SELECT count(*) FROM deliveries WHERE origin = 'schedule'", 5);
}

static void what_a_firing_owes_survives_a_crash(void **state)
{
    fixture_crash(owe_some);
    start("targets: {far: {type: fake}}\nrules: {r: {schedule: rate(1 minute), targets: [far]}}\n", 301);
    fixture_wait(fake.settled == 5);
    fixture_wait_number("SELECT count(*) FROM deliveries", 0);
    assert_int_equal(fake.sent, 5);
    assert_true(fake.in_order);
}

static int64_t dispatch_cpu_ms(void)
{
    clockid_t clock;
    struct timespec spent;

    assert_int_equal(pthread_getcpuclockid(fixture.dispatch->thread, &clock), 0);
    clock_gettime(clock, &spent);
    return (int64_t)spent.tv_sec * 1000 + spent.tv_nsec / 1000000;
}

/* The ledger stands still (a full disk, say) and no turn has room for the firing: that is waited for, not asked for. */
static void a_firing_that_finds_no_room_waits_at_rest(void **state)
{
    start(RULE("rate(1 minute)"), 0);
    fixture_hold_ledger();
    for (int i = 0; i <= DISPATCH_JOBS; i++)
        fixture_send_many("default", DISPATCH_EVENTS, 0, 1);
    clock_shows(60);
    fixture_nap();
    int64_t before = dispatch_cpu_ms();
    for (int i = 0; i < 100; i++)
        fixture_nap();
    int64_t spent = dispatch_cpu_ms() - before;
    fixture_release_ledger();
    assert_true(spent < 100);
    fixture_dispatched();
    check_times(60, 60, 60);
}

/* ---- changes ---- */

#define TEN RULE("rate(10 minutes)")
#define TEN_DISABLED                                                                                                   \
    "queues: {ticks: {}}\nrules: {r: {state: disabled, schedule: rate(10 minutes), targets: [ticks]}}\n"

static void a_disabled_rule_keeps_its_anchor_and_makes_up_for_nothing(void **state)
{
    start(TEN, 0);
    fixture_stop();
    start(TEN_DISABLED, 300);
    clock_shows(1500);
    check_times(0, 1, -1);
    fixture_stop();
    start(TEN, 1980);
    check_times(0, 1, -1);
    clock_shows(2400);
    check_times(2400, 600, 2400);
}

static void a_changed_expression_starts_anew(void **state)
{
    start(TEN, 0);
    fixture_stop();
    start(RULE("rate(2 minutes)"), 2010);
    clock_shows(2129);
    check_times(0, 1, -1);
    clock_shows(2250);
    check_times(2130, 120, 2250);
}

static void a_rule_that_went_leaves_nothing_behind(void **state)
{
    start(TEN, 0);
    fixture_wait_number(ROWS, 1);
    fixture_stop();
    start("queues: {ticks: {}}\nrules: {r: {pattern: {source: [none]}, targets: [ticks]}}\n", 300);
    fixture_wait_number(ROWS, 0);
    fixture_stop();
    start(TEN, 900);
    clock_shows(1500);
    check_times(1500, 600, 1500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rate_counts_from_when_its_rule_was_first_seen),
        TEST(cron_fires_at_its_minutes),
        TEST(the_event_is_that_of_eventbridge_and_its_id_is_made_of_rule_and_time),
        TEST(a_rule_may_have_both),
        TEST(many_rules_fire_at_once),
        TEST(an_hour_of_down_time_is_made_up_for_and_the_rest_skipped),
        TEST(a_long_time_is_skipped_without_counting_it_out),
        TEST(a_clock_that_leaps_fires_nothing_twice),
        TEST(crashes_neither_lose_nor_double_a_firing),
        TEST(what_a_firing_owes_survives_a_crash),
        TEST(a_firing_that_finds_no_room_waits_at_rest),
        TEST(a_disabled_rule_keeps_its_anchor_and_makes_up_for_nothing),
        TEST(a_changed_expression_starts_anew),
        TEST(a_rule_that_went_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("schedules", tests, NULL, NULL);
}
