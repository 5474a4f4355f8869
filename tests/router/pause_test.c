/* SPDX-License-Identifier: Apache-2.0 */
/* Gates in dispatch: what waits behind one that is shut stays where it is, ages, and goes on in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>

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

#define FAR(options)                                                                                                   \
    "targets: {far: {type: fake, " options "}}\nrules: {r: {pattern: {source: [test]}, targets: [far]}}\n"
#define SHUT FAR("concurrency: 1, retry_policy: {base: 10ms}, circuit: {failures: 5, pause: 1h, max_pause: 1h}")
#define QUICK                                                                                                          \
    FAR("concurrency: 1, retry_policy: {base: 10ms, cap: 20ms}, circuit: {failures: 5, pause: 10ms, max_pause: 20ms}")
#define BRIEF                                                                                                          \
    FAR("concurrency: 1, retry_policy: {maximum_event_age: 60s}, circuit: {failures: 1, pause: 1h, max_pause: 1h}")

static _Atomic int64_t wall;

static int set_up(void **state)
{
    int code = fixture_set_up(state);
    wall = 1700000000000;
    fixture.clock.by_hand = &wall;
    return code;
}

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

struct calling {
    struct pause_call call;
    bool finished;
    int status;
};

static void call_done(struct pause_call *call)
{
    ((struct calling *)call)->finished = true;
}

static int call(bool pause, const char *name)
{
    struct event_base *base = event_base_new();
    struct mailbox *mailbox = mailbox_create(base);
    struct calling c = {.call = {.pause = pause, .name = str_from(name), .reply = mailbox, .done = call_done}};

    dispatch_pause(fixture.dispatch, &c.call);
    while (!c.finished)
        event_base_loop(base, EVLOOP_ONCE);
    buf_fini(&c.call.json);
    mailbox_destroy(mailbox);
    event_base_free(base);
    return c.call.status;
}

static int64_t owed(void)
{
    return metric_value(METRIC_DELIVERIES_OWED, (struct str[]){STR("fake/far")});
}

static void paused_it_keeps_everything_in_order(void **state)
{
    fixture_start(SHUT);
    assert_int_equal(call(true, "far"), 200);
    fixture_send_many("default", 2500, 0, 1); /* more than a window */
    fixture_dispatched();
    assert_int_equal(owed(), 2500);
    restart_after(SHUT, 1000);
    assert_int_equal(owed(), 2500);
    assert_int_equal(fake.sent, 0);
    assert_int_equal(call(false, "fake/far"), 200);
    fixture_wait(fake.settled == 2500);
    assert_true(fake.in_order);
    fixture_wait(owed() == 0);
}

static void what_is_too_old_when_it_is_resumed_is_a_dead_letter(void **state)
{
    fixture_start(BRIEF);
    assert_int_equal(call(true, "far"), 200);
    fixture_send_many("default", 3, 0, 1);
    fixture_dispatched();
    restart_after(BRIEF, 61000);
    assert_int_equal(fixture_messages("dead-letters").count, 0);
    assert_int_equal(call(false, "far"), 200);
    fixture_wait(owed() == 0);
    struct messages got = fixture_messages("dead-letters");
    assert_int_equal(got.count, 3);
    assert_string_equal(fixture_attribute(&got.list[0], "EXHAUSTED_RETRY_CONDITION"), "MaximumEventAgeInSeconds");
    assert_string_equal(fixture_attribute(&got.list[0], "RETRY_ATTEMPTS"), "0");
    assert_int_equal(fake.sent, 0);
}

static void an_open_circuit_tries_nothing_and_touches_no_rows(void **state)
{
    fake_set(FAKE_RETRY, -1);
    fixture_start(SHUT);
    fixture_send_many("default", 3000, 0, 1);
    fixture_dispatched();
    fixture_wait(owed() == 3000);
    fixture_wait(metric_value(METRIC_CIRCUIT_OPEN, (struct str[]){STR("fake/far")}) == 1);
    fixture_dispatched();
    assert_int_equal(fake.sent, 5);
    fixture_wait(fixture_number("SELECT coalesce(sum(attempts), 0) FROM deliveries") == 5); /* in a turn of their own */
    fake_set(FAKE_SETTLE, 0);
    assert_int_equal(call(false, "far"), 200); /* tries it at once */
    fixture_wait(fake.settled == 3000);
    fixture_wait(owed() == 0);
    assert_int_equal(fake.sent, 3005);
}

static void probes_find_out_that_it_is_well_again(void **state)
{
    fake_set(FAKE_RETRY, 20);
    fixture_start(QUICK);
    fixture_send_many("default", 2000, 0, 1);
    fixture_wait(fake.settled == 2000);
    fixture_wait(owed() == 0);
    assert_int_equal(fake.sent, 2020);
}

static void what_grew_too_old_behind_an_open_circuit_goes_with_the_next_probe(void **state)
{
    fake_set(FAKE_RETRY, -1);
    fixture_start(BRIEF);
    fixture_send_many("default", 3, 0, 1);
    fixture_wait(metric_value(METRIC_CIRCUIT_OPEN, (struct str[]){STR("fake/far")}) == 1);
    restart_after(BRIEF, 61000); /* what was tried and what was not are both too old: none is tried */
    fixture_wait(owed() == 0);
    struct messages got = fixture_messages("dead-letters");
    assert_int_equal(got.count, 3);
    assert_int_equal(fake.sent, 1);
}

static void who_cannot_be_paused(void **state)
{
    fixture_start("queues: {inbox: {}}\n" FAR("concurrency: 1"));
    assert_int_equal(call(true, "inbox"), 409);
    assert_int_equal(call(true, "nobody"), 404);
    assert_int_equal(call(false, "far"), 200); /* was not paused: no harm */
    assert_int_equal(fixture_number("SELECT count(*) FROM paused_targets"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paused_it_keeps_everything_in_order, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_old_when_it_is_resumed_is_a_dead_letter, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_open_circuit_tries_nothing_and_touches_no_rows, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(probes_find_out_that_it_is_well_again, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(what_grew_too_old_behind_an_open_circuit_goes_with_the_next_probe, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(who_cannot_be_paused, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
