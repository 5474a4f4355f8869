/* SPDX-License-Identifier: Apache-2.0 */
/* order_by: one key's deliveries one at a time and in order, whatever fails, crashes or changes; others unhindered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

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

#define RULES(more)                                                                                                    \
    "targets: {far: {type: fake, circuit: {failures: 0}, retry_policy: {base: 10ms, cap: 20ms}}}\n"                    \
    "rules: {r: {pattern: {source: [test]}, targets: [{target: far, input_path: $.detail" more "}]}}\n"
#define ORDERED RULES(", order_by: $.detail.k")

static unsigned numbers[26];

static void send(char key)
{
    char detail[64];
    snprintf(detail, sizeof detail, "{\"k\":\"%c\",\"n\":%u}", key, numbers[key - 'a']++);
    fixture_send("default", detail);
}

static void send_each(const char *keys, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        for (const char *k = keys; *k; k++)
            send(*k);
}

static int set_up(void **state)
{
    memset(numbers, 0, sizeof numbers);
    return fixture_set_up(state);
}

/* Of what was sent, tries included: no number of a key stands before a lower one. Returns how many lines the key has;
 *last: its highest number, -1: none. */
static unsigned sent_in_order(char key, int *last)
{
    char start[16];
    unsigned count = 0;

    pthread_mutex_lock(&fake.lock);
    const char *text = buf_cstr(&fake.inputs);
    snprintf(start, sizeof start, "\"k\":\"%c\",\"n\":", key);
    *last = -1;
    for (const char *at = text; (at = strstr(at, start)); count++) {
        int n = atoi(at += strlen(start));
        if (n < *last)
            fail_msg("key %c: %d after %d", key, n, *last);
        *last = n;
    }
    pthread_mutex_unlock(&fake.lock);
    return count;
}

static void assert_sent_in_order(const char *keys, int last)
{
    int seen;

    for (const char *k = keys; *k; k++) {
        sent_in_order(*k, &seen);
        assert_int_equal(seen, last);
    }
}

static void one_keys_events_go_one_at_a_time(void **state)
{
    fake.held = true;
    fixture_start(ORDERED);
    send_each("ab", 3);
    fixture_wait(fake.sent == 2);
    fixture_dispatched();
    fixture_wait_number(FIXTURE_OWED, 6);
    assert_int_equal(fake.sent, 2);
    fake.held = false;
    fixture_wait(fake.settled == 6);
    assert_sent_in_order("ab", 2);
    assert_int_equal(fake.most_at_once, 2);
    fixture_wait_number(FIXTURE_OWED, 0);
}

static void events_without_a_value_there_are_one_key(void **state)
{
    fake.held = true;
    fixture_start(RULES(", order_by: $.detail.other"));
    send_each("ab", 2);
    fixture_wait(fake.sent == 1);
    fixture_wait_number(FIXTURE_OWED, 4);
    assert_int_equal(fake.sent, 1);
    fake.held = false;
    fixture_wait(fake.settled == 4);
}

static void a_stuck_key_blocks_only_itself(void **state)
{
    int last;

    fake_stick("\"k\":\"a\"");
    fixture_start(ORDERED);
    send_each("ab", 40);
    fixture_wait(fake.settled == 40);
    fixture_wait(sent_in_order('a', &last) > 3);
    send_each("ab", 40);
    fixture_wait(fake.settled == 80);
    fixture_wait_number(FIXTURE_OWED, 80);
    sent_in_order('a', &last);
    assert_int_equal(last, 0);
    assert_sent_in_order("b", 79);
    fake_stick("");
    fixture_wait(fake.settled == 160);
    assert_sent_in_order("ab", 79);
    fixture_wait_number(FIXTURE_OWED, 0);
    fixture_wait(series_get(metric(METRIC_DELIVERIES_OWED, "fake/far")) == 0);
}

static void when_the_first_is_dead_lettered_the_next_has_its_turn(void **state)
{
    fake_stick("\"n\":0");
    fixture_start(RULES(", order_by: $.detail.k, retry_policy: {maximum_retry_attempts: 2}"));
    send_each("ab", 30);
    fixture_wait(fake.settled == 58);
    assert_sent_in_order("ab", 29);
    assert_int_equal(fake.sent, 58 + 6);
    fixture_wait_number(FIXTURE_OWED, 0);
    assert_int_equal(fixture_messages("dead-letters").count, 2);
}

static void many_of_some_keys_through_failures(void **state)
{
    fake_set(FAKE_RETRY, 30);
    fixture_start(ORDERED);
    send_each("abcdefghijklmnopqrstuvwxyz", 100);
    fixture_wait(fake.settled == 2600);
    assert_sent_in_order("abcdefghijklmnopqrstuvwxyz", 99);
    assert_int_equal(fake.sent, 2630);
    fixture_wait_number(FIXTURE_OWED, 0);
}

static void die_with_backlog(void)
{
    fake_stick("\"k\":\"a\"");
    fixture_start(ORDERED);
    send_each("abc", 100);
    fixture_wait(fake.settled >= 150);
    fake.held = true;
    usleep(30000);
}

static void what_waited_behind_goes_on_in_order_after_a_crash(void **state)
{
    int last;

    fixture_crash(die_with_backlog);
    fixture_start(ORDERED);
    numbers[0] = numbers[1] = numbers[2] = 100;
    send_each("abc", 20);
    fixture_dispatched();
    fixture_wait_number(FIXTURE_OWED, 0);
    assert_sent_in_order("abc", 119);
    assert_int_equal(sent_in_order('a', &last), 120); /* none had settled, and each went once */
    assert_true(sent_in_order('b', &last) < 120);
}

static void the_order_stands_over_reloads(void **state)
{
    int last;

    fake_stick("\"k\":\"a\"");
    fixture_start(ORDERED);
    send_each("ab", 60);
    fixture_wait(fake.settled == 60);
    assert_true(fixture_reload(RULES(", order_by: $.detail.k, retry_policy: {maximum_retry_attempts: 99}")));
    send_each("ab", 20);
    fixture_wait(fake.settled == 80);
    assert_true(fixture_reload(RULES(""))); /* those that are there keep their order */
    fixture_wait_number("SELECT count(*) FROM deliveries WHERE order_key != 0", 80);
    sent_in_order('a', &last);
    assert_int_equal(last, 0);
    fake_stick("");
    fixture_wait(fake.settled == 160);
    assert_sent_in_order("ab", 79);
    fixture_wait_number(FIXTURE_OWED, 0);
}

static void an_entry_that_leads_to_a_queue_now_empties_its_keys(void **state)
{
    fake_stick("\"k\":\"a\"");
    fixture_start(ORDERED);
    send_each("a", 30);
    fixture_wait_number("SELECT max(attempts) > 1 FROM deliveries", 1);
    assert_true(fixture_reload("queues: {far: {}}\nrules: {r: {pattern: {source: [test]}, targets: [far]}}\n"));
    fixture_wait(fixture_messages("far").count == 30);
    fixture_wait_number(FIXTURE_OWED, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_keys_events_go_one_at_a_time),   TEST(events_without_a_value_there_are_one_key),
        TEST(a_stuck_key_blocks_only_itself),     TEST(when_the_first_is_dead_lettered_the_next_has_its_turn),
        TEST(many_of_some_keys_through_failures), TEST(what_waited_behind_goes_on_in_order_after_a_crash),
        TEST(the_order_stands_over_reloads),      TEST(an_entry_that_leads_to_a_queue_now_empties_its_keys),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
