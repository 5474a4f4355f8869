/* SPDX-License-Identifier: Apache-2.0 */
/* The gate, step by step; time is handed in. */
#include "router/dispatch_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct target_policy policy;
static struct gate gate;
static int64_t now, when;

static int set_up(void **state)
{
    policy = (struct target_policy){.concurrency = 3, .circuit = {4, 1000, 8000}};
    gate = (struct gate){0};
    now = 1000000;
    return 0;
}

static bool may_start(void)
{
    return gate_may_start(&gate, &policy, true, now, &when);
}

static bool start(void)
{
    assert_true(may_start());
    return gate_start(&gate, &policy, now);
}

static enum gate_change settle(enum verdict_kind kind, bool probe)
{
    struct verdict v;
    verdict_set(&v, kind, "X", "x");
    return gate_settle(&gate, &policy, &v, probe, now, 0);
}

static void break_it(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(settle(VERDICT_RETRY, false), GATE_SAME);
    assert_int_equal(settle(VERDICT_RETRY, false), GATE_OPENED);
}

static void so_many_at_once_and_no_more(void **state)
{
    assert_true(gate_may_start(&gate, &policy, true, now, &when));
    assert_false(gate_may_start(&gate, &policy, false, now, &when));
    assert_int_equal(when, GATE_UNASKED);
}

/* How many start until `end`, asked whenever the gate says. */
static int starts_until(int64_t end)
{
    int count = 0;

    while (now <= end) {
        if (may_start()) {
            assert_false(gate_start(&gate, &policy, now));
            count++;
        } else {
            assert_true(when > now);
            now = when;
        }
    }
    return count;
}

static void a_rate_holds_a_second_of_it_and_is_exact_in_the_long_run(void **state)
{
    policy.rate_limit = (struct option_rate){100, 1000};
    int64_t begin = now;
    assert_int_equal(starts_until(now), 100);
    now = begin;
    assert_in_range(starts_until(begin + 10000), 999, 1001);
    now += 3600000; /* idle: still no more than a second's worth */
    assert_int_equal(starts_until(now), 100);
}

static void a_slow_rate_is_even(void **state)
{
    policy.rate_limit = (struct option_rate){10, 60000};
    assert_int_equal(starts_until(now), 1);
    assert_int_equal(now, 1000000 + 6000);
    assert_int_equal(starts_until(1000000 + 60000), 10);
}

static void failures_in_a_row_open_the_circuit(void **state)
{
    break_it();
    assert_false(may_start());
    assert_int_equal(when, now + 1000);
    now += 999;
    assert_false(may_start());
    now += 1;
    assert_true(start()); /* the probe */
    assert_false(may_start());
    assert_int_equal(when, GATE_UNASKED);
    assert_int_equal(settle(VERDICT_SETTLED, true), GATE_CLOSED);
    assert_false(start());
    for (int i = 0; i < 3; i++)
        assert_int_equal(settle(VERDICT_RETRY, false), GATE_SAME);
    assert_int_equal(settle(VERDICT_SETTLED, false), GATE_SAME); /* counted anew */
    for (int i = 0; i < 3; i++)
        assert_int_equal(settle(VERDICT_RETRY, false), GATE_SAME);
}

static void pauses_grow_to_their_bound(void **state)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 8000, 8000};

    break_it();
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_false(may_start());
        assert_int_equal(when - now, pauses[i]);
        now = when;
        assert_true(start());
        now += 50;
        assert_int_equal(settle(VERDICT_RETRY, true), GATE_PROBED);
    }
    now += 8000;
    start();
    settle(VERDICT_SETTLED, true);
    break_it();
    assert_false(may_start());
    assert_int_equal(when - now, 1000); /* from the beginning */
}

static void pauses_are_spread_over_their_second_half(void **state)
{
    struct verdict v;
    int64_t least = INT64_MAX, most = 0;

    verdict_set(&v, VERDICT_RETRY, "X", "x");
    for (uint64_t random = 0; random < 5000; random += 7) {
        gate = (struct gate){0};
        for (int i = 0; i < 4; i++)
            gate_settle(&gate, &policy, &v, false, now, random);
        least = gate.probe_at - now < least ? gate.probe_at - now : least;
        most = gate.probe_at - now > most ? gate.probe_at - now : most;
    }
    assert_in_range(least, 500, 510);
    assert_in_range(most, 990, 1000);
}

static void only_faults_of_the_target_count(void **state)
{
    struct verdict v;

    for (int i = 0; i < 20; i++)
        assert_int_equal(settle(VERDICT_FAILED, false), GATE_SAME);
    verdict_set(&v, VERDICT_RETRY, "FUNCTION_ERROR", "this one alone");
    v.no_fault = true;
    v.retry_after_ms = 60000;
    for (int i = 0; i < 20; i++)
        assert_int_equal(gate_settle(&gate, &policy, &v, false, now, 0), GATE_SAME);
    assert_true(may_start()); /* nor does its wish hold the others back */
    break_it();
    now += 1000;
    assert_true(start());
    assert_int_equal(settle(VERDICT_FAILED, true), GATE_CLOSED); /* it answers */
}

static void most_of_many_open_it_too(void **state)
{
    for (int lot = 0; lot < 5; lot++) /* 6 of 8: less than 4 of 5 */
        for (int i = 0; i < 8; i++)
            assert_int_equal(settle(i == 0 || i == 4 ? VERDICT_SETTLED : VERDICT_RETRY, false), GATE_SAME);
    policy.circuit.failures = 8; /* 14 of 16 */
    for (int i = 0; i < 15; i++)
        assert_int_equal(settle(i == 0 || i == 7 ? VERDICT_SETTLED : VERDICT_RETRY, false), GATE_SAME);
    assert_int_equal(settle(VERDICT_RETRY, false), GATE_OPENED);
}

static void what_was_under_way_says_nothing_to_an_open_circuit(void **state)
{
    break_it();
    assert_int_equal(settle(VERDICT_SETTLED, false), GATE_SAME);
    assert_int_equal(settle(VERDICT_RETRY, false), GATE_SAME);
    assert_false(may_start());
    assert_int_equal(when, now + 1000);
    now += 1000;
    start();
    assert_int_equal(settle(VERDICT_SETTLED, false), GATE_SAME); /* not the probe */
    assert_false(may_start());
    assert_int_equal(settle(VERDICT_SETTLED, true), GATE_CLOSED);
}

static void retry_after_holds_all_of_it(void **state)
{
    struct verdict v;

    verdict_set(&v, VERDICT_RETRY, "THROTTLING", "answered 429");
    v.retry_after_ms = 30000;
    assert_int_equal(gate_settle(&gate, &policy, &v, false, now, 0), GATE_SAME);
    assert_false(may_start());
    assert_int_equal(when, now + 30000);
    assert_false(gate_may_fetch(&gate, &policy, 0, now, &when));
    v.retry_after_ms = 1000; /* a shorter wish does not undo the longer one */
    gate_settle(&gate, &policy, &v, false, now, 0);
    assert_false(may_start());
    assert_int_equal(when, now + 30000);
    now += 30000;
    assert_false(start());
}

static void an_open_circuit_fetches_only_a_probe(void **state)
{
    assert_true(gate_may_fetch(&gate, &policy, 900, now, &when));
    break_it();
    assert_false(gate_may_fetch(&gate, &policy, 0, now, &when));
    assert_int_equal(when, now + 1000);
    now += 1000;
    assert_true(gate_may_fetch(&gate, &policy, 0, now, &when));
    assert_false(gate_may_fetch(&gate, &policy, 1, now, &when));
    start();
    assert_false(gate_may_fetch(&gate, &policy, 0, now, &when));
    assert_int_equal(when, GATE_UNASKED);
}

static void paused_is_paused_whatever_else(void **state)
{
    gate.paused = true;
    assert_false(may_start());
    assert_int_equal(when, GATE_UNASKED);
    assert_false(gate_may_fetch(&gate, &policy, 0, now, &when));
    break_it(); /* what was under way comes back */
    gate_forget(&gate);
    assert_true(gate.paused);
    gate.paused = false;
    assert_false(start());
}

static void a_person_may_have_it_tried_now(void **state)
{
    break_it();
    gate.held_until = now + 100000;
    gate_nudge(&gate, now);
    assert_true(start());
}

static void without_a_circuit_nothing_opens(void **state)
{
    policy.circuit.failures = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(settle(VERDICT_RETRY, false), GATE_SAME);
    assert_false(start());
    policy.circuit.failures = 4;
    break_it();
    policy.circuit.failures = 0; /* a reload took it away */
    assert_false(start());
    assert_int_equal(settle(VERDICT_RETRY, false), GATE_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(so_many_at_once_and_no_more, set_up),
        cmocka_unit_test_setup(a_rate_holds_a_second_of_it_and_is_exact_in_the_long_run, set_up),
        cmocka_unit_test_setup(a_slow_rate_is_even, set_up),
        cmocka_unit_test_setup(failures_in_a_row_open_the_circuit, set_up),
        cmocka_unit_test_setup(pauses_grow_to_their_bound, set_up),
        cmocka_unit_test_setup(pauses_are_spread_over_their_second_half, set_up),
        cmocka_unit_test_setup(only_faults_of_the_target_count, set_up),
        cmocka_unit_test_setup(most_of_many_open_it_too, set_up),
        cmocka_unit_test_setup(what_was_under_way_says_nothing_to_an_open_circuit, set_up),
        cmocka_unit_test_setup(retry_after_holds_all_of_it, set_up),
        cmocka_unit_test_setup(an_open_circuit_fetches_only_a_probe, set_up),
        cmocka_unit_test_setup(paused_is_paused_whatever_else, set_up),
        cmocka_unit_test_setup(a_person_may_have_it_tried_now, set_up),
        cmocka_unit_test_setup(without_a_circuit_nothing_opens, set_up),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
