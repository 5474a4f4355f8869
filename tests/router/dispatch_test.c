/* SPDX-License-Identifier: Apache-2.0 */
/* From the journal to the targets: every event accounted for, once, over restarts, crashes, failures and floods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "router/metrics.h"
#include "targets/archive.h"
#include "targets/topic.h"
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

#define PATTERN "pattern: {source: [test]}"
#define OWED    FIXTURE_OWED

static int64_t delivered(const char *target, const char *result)
{
    return series_get(metric(METRIC_DELIVERIES, "default", "r", target, result));
}

static size_t messages(const char *queue)
{
    return fixture_messages(queue).count;
}

/* ---- queues ---- */

#define INBOX "queues: {inbox: {}}\nrules: {r: {" PATTERN ", targets: [inbox]}}\n"

static void an_event_is_in_its_queue_once_and_in_order(void **state)
{
    fixture_start(INBOX);
    fixture_send_many("default", 2500, 0, 1);
    fixture_send("default", "{\"last\":true}");
    fixture_dispatched();
    struct messages got = fixture_messages("inbox");
    assert_int_equal(got.count, 2501);
    for (unsigned i = 0; i < 2500; i++) {
        char part[32];
        snprintf(part, sizeof part, "\"detail\":{\"n\":%u}", i);
        assert_non_null(strstr(got.list[i].body, part));
    }
    assert_int_equal(fixture_number(OWED), 0);
}

static void send_500(void)
{
    fixture_start(INBOX);
    fixture_send_many("default", 500, 0, 1);
    usleep(2000); /* dies somewhere in between */
}

static void once_over_crashes_and_restarts(void **state)
{
    for (int i = 0; i < 4; i++)
        fixture_crash(send_500);
    fixture_start(INBOX);
    fixture_send_many("default", 10, 0, 1);
    fixture_dispatched();
    fixture_stop();
    fixture_start(INBOX);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 2010);
}

static void what_matches_nothing_or_has_no_bus_moves_the_cursor(void **state)
{
    struct series *unknown = metric(METRIC_EVENTS_MATCHED, "", "unknown_bus");
    int64_t before = series_get(unknown);

    fixture_start("queues: {inbox: {}}\nrules: {r: {pattern: {source: [other]}, targets: [inbox]}}\n");
    fixture_send("default", "{}");
    fixture_send("nowhere", "{}");
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 0);
    assert_int_equal(series_get(unknown), before + 1);
}

static void a_regex_that_hits_a_limit_is_no_match_and_counted(void **state)
{
    struct series *limits = metric(METRIC_REGEX_LIMITS, "default", "hard");
    char detail[4096] = "{\"text\":\"", *end = detail + strlen(detail);

    memset(end, 'a', 3000);
    snprintf(end + 3000, 100, "!\"}");
    fixture_start("queues: {inbox: {}}\n"
                  "rules:\n"
                  "  easy: {pattern: {detail: {text: [{regex: 'a!$'}]}}, targets: [inbox]}\n"
                  "  hard: {pattern: {detail: {text: [{regex: '(a+)+$'}]}}, targets: [inbox]}\n"
                  "  other: {pattern: {source: [other], detail: {text: [{regex: '(a+)+$'}]}}, targets: [inbox]}\n");
    fixture_send("default", detail);
    fixture_send("default", "{\"text\":\"aaa\"}");
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 2); /* easy the first, hard the second */
    assert_int_equal(series_get(limits), 1);
    assert_int_equal(series_get(metric(METRIC_REGEX_LIMITS, "default", "other")), 0);
}

static void an_input_is_rendered_and_one_that_cannot_be_is_a_dead_letter(void **state)
{
    fixture_start("queues: {inbox: {}}\n"
                  "rules: {r: {" PATTERN ", targets: [{target: inbox, input_path: $.detail.who}]}}\n");
    fixture_send("default", "{\"who\":{\"name\":\"x\"}}");
    fixture_send("default", "{}");
    fixture_dispatched();
    struct messages got = fixture_messages("inbox");
    assert_int_equal(got.count, 1);
    assert_string_equal(got.list[0].body, "{\"name\":\"x\"}");
    got = fixture_messages("dead-letters");
    assert_int_equal(got.count, 1);
    assert_non_null(strstr(got.list[0].body, "\"id\":\"e1\""));
    assert_string_equal(fixture_attribute(&got.list[0], "ERROR_CODE"), "INVALID_INPUT");
    assert_string_equal(fixture_attribute(&got.list[0], "EXHAUSTED_RETRY_CONDITION"), "");
}

/* ---- send adapters ---- */

#define FAKE(policy) "targets: {far: {type: fake}}\nrules: {r: {" PATTERN ", targets: [{target: far" policy "}]}}\n"

static void a_quick_target_leaves_no_rows(void **state)
{
    fixture_start("targets: {far: {type: fake, concurrency: 3}}\nrules: {r: {" PATTERN ", targets: [far]}}\n");
    fixture_send_many("default", 50, 0, 1);
    fixture_dispatched();
    fixture_wait(fake.settled == 50);
    assert_int_equal(fake.most_at_once, 3);
    assert_true(fake.in_order);
    assert_string_equal(fake.key, "e49/r/far");
    fixture_wait_number(OWED, 0);
}

static void a_failure_is_tried_again_until_it_settles(void **state)
{
    int64_t retried = delivered("fake/far", "retried"), done = delivered("fake/far", "delivered");

    fake_set(FAKE_RETRY, 2);
    fixture_start(FAKE(""));
    fixture_send("default", "{}");
    fixture_wait(fake.settled == 1);
    assert_int_equal(fake.sent, 3);
    assert_int_equal(fake.attempts, 2);
    fixture_wait_number(OWED, 0);
    fixture_wait(delivered("fake/far", "delivered") == done + 1);
    assert_int_equal(delivered("fake/far", "retried"), retried + 2);
    assert_int_equal(messages("dead-letters"), 0);
}

static void retry_after_is_waited_for(void **state)
{
    fake_set(FAKE_RETRY, 1);
    fake.retry_after_ms = 1500;
    fixture_start(FAKE(""));
    fixture_send("default", "{}");
    fixture_wait_number("SELECT attempts FROM deliveries", 1);
    usleep(1000000);
    assert_int_equal(fake.sent, 1);
    fixture_wait(fake.settled == 1);
}

static void exhausted_attempts_become_a_dead_letter(void **state)
{
    fake_set(FAKE_RETRY, -1);
    fixture_start("queues: {parked: {}}\n" FAKE(
        ", dead_letter: parked, input: '{\"x\":1}', retry_policy: {maximum_retry_attempts: 2}"));
    fixture_send("default", "{\"a\":1}");
    fixture_wait_number(OWED, 1);
    fixture_wait_number(OWED, 0);
    struct messages got = fixture_messages("parked");
    assert_int_equal(got.count, 1);
    const struct message *m = &got.list[0];
    assert_non_null(strstr(m->body, "\"detail\":{\"a\":1}")); /* the event, not the input */
    assert_string_equal(fixture_attribute(m, "RULE_ARN"), "arn:aws:events:us-east-1:000000000000:rule/r");
    assert_string_equal(fixture_attribute(m, "TARGET_ARN"), "arn:weir:fake:us-east-1:000000000000:far");
    assert_string_equal(fixture_attribute(m, "ERROR_CODE"), "TIMEOUT");
    assert_string_equal(fixture_attribute(m, "ERROR_MESSAGE"), "no answer from the fake");
    assert_string_equal(fixture_attribute(m, "EXHAUSTED_RETRY_CONDITION"), "MaximumRetryAttempts");
    assert_string_equal(fixture_attribute(m, "RETRY_ATTEMPTS"), "2");
    assert_non_null(strstr(m->attributes, "\"RETRY_ATTEMPTS\":{\"Type\":\"Number\""));
    assert_int_equal(fake.sent, 3);
}

static void what_will_never_work_is_a_dead_letter_at_once(void **state)
{
    fake_set(FAKE_FAIL, 0);
    fixture_start(FAKE(""));
    fixture_send("default", "{}");
    fixture_dispatched();
    fixture_wait(messages("dead-letters") == 1);
    struct messages got = fixture_messages("dead-letters");
    assert_string_equal(fixture_attribute(&got.list[0], "ERROR_CODE"), "NO_PERMISSIONS");
    assert_string_equal(fixture_attribute(&got.list[0], "EXHAUSTED_RETRY_CONDITION"), "");
    assert_string_equal(fixture_attribute(&got.list[0], "RETRY_ATTEMPTS"), "0");
    assert_int_equal(fake.sent, 1);
}

static void a_drop_is_counted(void **state)
{
    int64_t dropped = delivered("fake/far", "dropped");

    fake_set(FAKE_FAIL, 0);
    fixture_start(FAKE(", dead_letter: drop"));
    fixture_send("default", "{}");
    fixture_wait(delivered("fake/far", "dropped") == dropped + 1);
    assert_int_equal(messages("dead-letters"), 0);
    assert_int_equal(fixture_number(OWED), 0);
}

/* ---- floods ---- */

static void a_silent_target_costs_disk_not_memory(void **state)
{
    fake_set(FAKE_SILENT, 0);
    fixture_start(FAKE(""));
    fixture_send_many("default", 3000, 0, 1);
    fixture_dispatched();
    fixture_wait_number(OWED, 3000);
    assert_int_equal(fixture_number("SELECT count(*) FROM deliveries"), 0);
    assert_int_equal(fixture_number("SELECT sum(left) FROM owed_blocks WHERE NOT in_hand"), 2000);
    assert_in_range(fixture_number("SELECT count(*) FROM owed_blocks"), 3, 40);
    assert_int_equal(fake.sent, 4);
    fixture_stop();

    fake_set(FAKE_SETTLE, 0);
    fake.last_position = 0;
    fixture_start(FAKE(""));
    assert_int_equal(series_get(metric(METRIC_DELIVERIES_OWED, "fake/far")), 3000);
    fixture_wait(fake.settled == 3000);
    assert_true(fake.in_order);
    fixture_wait_number(OWED, 0);
    fixture_wait(series_get(metric(METRIC_DELIVERIES_OWED, "fake/far")) == 0);
}

/* The window is one of bytes too: a thousand large events would be gigabytes. */
static void large_events_leave_memory_early(void **state)
{
    const unsigned count = 40;
    char *detail = malloc((1 << 20) + 64);

    strcpy(detail, "{\"pad\":\"");
    memset(detail + 8, 'x', 1 << 20);
    strcpy(detail + 8 + (1 << 20), "\"}");
    fake_set(FAKE_SILENT, 0);
    fixture_start(FAKE(""));
    for (unsigned i = 0; i < count; i++)
        fixture_send("default", detail);
    fixture_dispatched();
    fixture_wait_number(OWED, count);
    assert_int_equal(fixture_number("SELECT sum(left) FROM owed_blocks WHERE NOT in_hand"), count - 16);
    fixture_stop();

    fake_set(FAKE_SETTLE, 0);
    fake.last_position = 0;
    fixture_start(FAKE(""));
    fixture_wait(fake.settled == count);
    assert_true(fake.in_order);
    fixture_wait_number(OWED, 0);
    free(detail);
}

static void what_overflowed_is_fetched_back_in_order(void **state)
{
    fixture_start("targets: {far: {type: fake, concurrency: 1}}\nrules: {r: {" PATTERN ", targets: [far]}}\n");
    for (int i = 0; i < 5; i++)
        fixture_send_many("default", 1000, 0, 1);
    fixture_wait(fake.settled == 5000);
    assert_true(fake.in_order);
    fixture_wait_number(OWED, 0);
}

static void a_dead_target_does_not_delay_its_neighbour(void **state)
{
    fake_set(FAKE_SILENT, 0);
    fixture_start("queues: {inbox: {}}\ntargets: {far: {type: fake}}\nrules: {r: {" PATTERN
                  ", targets: [far, inbox]}}\n");
    fixture_send_many("default", 2000, 0, 1);
    fixture_dispatched();
    assert_int_equal(messages("inbox"), 2000);
    assert_int_equal(fixture_number(OWED), 2000);
}

static void owe_40(void)
{
    fake_set(FAKE_SILENT, 0);
    fixture_start(FAKE(""));
    fixture_send_many("default", 40, 0, 1);
    fixture_dispatched();
    fixture_wait_number(OWED, 40);
}

static void what_is_owed_survives_a_crash(void **state)
{
    fixture_crash(owe_40);
    fixture_start(FAKE(""));
    fixture_wait(fake.settled == 40);
    assert_int_equal(fake.sent, 40);
    fixture_wait_number(OWED, 0);
}

static void what_is_owed_to_a_target_that_went_is_a_dead_letter(void **state)
{
    fixture_crash(owe_40);
    fixture_start(INBOX);
    fixture_wait_number(OWED, 0);
    struct messages got = fixture_messages("dead-letters");
    assert_int_equal(got.count, 40);
    assert_string_equal(fixture_attribute(&got.list[0], "ERROR_CODE"), "NO_RESOURCE");
    assert_string_equal(fixture_attribute(&got.list[0], "RULE_ARN"), "arn:aws:events:us-east-1:000000000000:rule/r");
    assert_string_equal(fixture_attribute(&got.list[0], "TARGET_ARN"), "arn:weir:fake:us-east-1:000000000000:far");
    assert_non_null(strstr(got.list[39].body, "\"detail\":{\"n\":39}"));
}

static void a_target_entry_that_leads_elsewhere_now_is_followed(void **state)
{
    fixture_crash(owe_40);
    fixture_start("queues: {far: {}}\nrules: {r: {" PATTERN ", targets: [far]}}\n");
    fixture_wait_number(OWED, 0);
    assert_int_equal(messages("far"), 40);
    assert_int_equal(messages("dead-letters"), 0);
}

static void owe_3000(void)
{
    fake_set(FAKE_SILENT, 0);
    fixture_start(FAKE(""));
    fixture_send_many("default", 3000, 0, 1);
    fixture_dispatched();
    fixture_wait_number(OWED, 3000);
}

/* How many it has settled is left in the folder. */
static void settle_some(void)
{
    char path[96];
    unsigned settled;

    fixture_start(FAKE(""));
    fixture_wait(fake.settled > 1300);
    fake.held = true;
    do {
        settled = fake.settled;
        usleep(20000);
    } while (settled != fake.settled);
    fixture_wait_number(OWED, 3000 - settled);
    snprintf(path, sizeof path, "%s/settled", fixture.folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "%u", settled);
    fclose(f);
}

static void what_left_its_block_before_a_crash_is_not_sent_again(void **state)
{
    char path[96];
    unsigned settled;

    fixture_crash(owe_3000);
    fixture_crash(settle_some);
    snprintf(path, sizeof path, "%s/settled", fixture.folder);
    FILE *f = fopen(path, "r");
    assert_int_equal(fscanf(f, "%u", &settled), 1);
    fclose(f);
    assert_in_range(settled, 1301, 2999);
    fixture_start(FAKE(""));
    fixture_wait_number(OWED, 0);
    assert_int_equal(fake.sent, 3000 - settled);
    assert_true(fake.in_order);
    assert_int_equal(fixture_number("SELECT count(*) FROM owed_bodies"), 0);
}

static void a_failure_takes_a_delivery_out_of_its_block(void **state)
{
    fixture_crash(owe_40);
    fake_set(FAKE_RETRY, 30);
    fixture_start("targets: {far: {type: fake, circuit: {failures: 0}, retry_policy: {base: 10ms, cap: 10ms}}}\n"
                  "rules: {r: {" PATTERN ", targets: [far]}}\n");
    fixture_wait(fake.settled == 40);
    assert_int_equal(fake.sent, 70);
    fixture_wait_number(OWED, 0);
    fixture_wait(series_get(metric(METRIC_DELIVERIES_OWED, "fake/far")) == 0);
}

static void what_waits_in_blocks_meets_the_rules_of_a_reload(void **state)
{
    owe_3000();
    fake.held = true;
    assert_true(fixture_reload("queues: {far: {}}\nrules: {r: {" PATTERN ", targets: [far]}}\n"));
    fixture_wait(messages("far") == 2996); /* the others are with the fake */
    fixture_wait_number(OWED, 4);
    assert_int_equal(series_get(metric(METRIC_DELIVERIES_OWED, "queue/far")), 0);
    assert_int_equal(messages("dead-letters"), 0);
}

/* ---- topics ---- */

static void a_topic_pushes_to_all_its_subscriptions(void **state)
{
    fixture_start("queues: {raw: {}, wrapped: {}}\ntargets: {far: {type: fake}}\n"
                  "topics: {news: {subscriptions: [{target: raw, raw_message_delivery: true}, wrapped, far]}}\n"
                  "rules: {r: {" PATTERN ", targets: [{target: news, id: to, input_path: $.detail}]}}\n");
    fixture_send("default", "{\"a\":1}");
    fixture_dispatched();
    fixture_wait(fake.settled == 1);
    struct messages got = fixture_messages("raw");
    assert_int_equal(got.count, 1);
    assert_string_equal(got.list[0].body, "{\"a\":1}");
    got = fixture_messages("wrapped");
    assert_int_equal(got.count, 1);
    assert_non_null(strstr(got.list[0].body, "\"Type\":\"Notification\""));
    assert_non_null(strstr(got.list[0].body, "{\\\"a\\\":1}"));
    assert_true(strncmp(fake.key, "e0/r/to/", 8) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_in_its_queue_once_and_in_order),
        TEST(once_over_crashes_and_restarts),
        TEST(what_matches_nothing_or_has_no_bus_moves_the_cursor),
        TEST(a_regex_that_hits_a_limit_is_no_match_and_counted),
        TEST(an_input_is_rendered_and_one_that_cannot_be_is_a_dead_letter),
        TEST(a_quick_target_leaves_no_rows),
        TEST(a_failure_is_tried_again_until_it_settles),
        TEST(retry_after_is_waited_for),
        TEST(exhausted_attempts_become_a_dead_letter),
        TEST(what_will_never_work_is_a_dead_letter_at_once),
        TEST(a_drop_is_counted),
        TEST(a_silent_target_costs_disk_not_memory),
        TEST(large_events_leave_memory_early),
        TEST(what_overflowed_is_fetched_back_in_order),
        TEST(a_dead_target_does_not_delay_its_neighbour),
        TEST(what_is_owed_survives_a_crash),
        TEST(what_is_owed_to_a_target_that_went_is_a_dead_letter),
        TEST(a_target_entry_that_leads_elsewhere_now_is_followed),
        TEST(what_left_its_block_before_a_crash_is_not_sent_again),
        TEST(a_failure_takes_a_delivery_out_of_its_block),
        TEST(what_waits_in_blocks_meets_the_rules_of_a_reload),
        TEST(a_topic_pushes_to_all_its_subscriptions),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
