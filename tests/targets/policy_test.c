/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule and its target say of retries, and what a policy's table cannot say. */
#include "targets/api_destination.h"
#include "targets/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct target_policy target = {.retry_policy = {20, 3600000, 2000, 60000}};

static void assert_retries(struct retry_policy rule, const struct target_policy *of, struct retry_policy wanted)
{
    struct retry_policy p = policy_retries(&rule, of);
    assert_int_equal(p.maximum_retry_attempts, wanted.maximum_retry_attempts);
    assert_int_equal(p.maximum_event_age, wanted.maximum_event_age);
    assert_int_equal(p.base, wanted.base);
    assert_int_equal(p.cap, wanted.cap);
}

static void a_rule_is_heard_before_its_target_key_by_key(void **state)
{
    assert_retries(RETRY_POLICY_UNSAID, &target, target.retry_policy);
    assert_retries((struct retry_policy){0, RETRY_UNSAID, RETRY_UNSAID, RETRY_UNSAID}, &target,
                   (struct retry_policy){0, 3600000, 2000, 60000});
    assert_retries((struct retry_policy){RETRY_UNSAID, 60000, 10, 20}, &target,
                   (struct retry_policy){20, 60000, 10, 20});
    assert_retries(RETRY_POLICY_UNSAID, NULL, (struct retry_policy){185, 86400000, 1000, 480000});
}

static void bounds_of_both_fit_together(void **state)
{
    assert_retries((struct retry_policy){RETRY_UNSAID, RETRY_UNSAID, 90000, RETRY_UNSAID}, &target,
                   (struct retry_policy){20, 3600000, 90000, 90000});
    assert_retries((struct retry_policy){RETRY_UNSAID, RETRY_UNSAID, RETRY_UNSAID, 500}, &target,
                   (struct retry_policy){20, 3600000, 500, 500});
}

static bool passes(struct target_policy policy, const char *wanted)
{
    static const struct adapter adapter = {.type = "some"};
    struct target_def def = {.adapter = &adapter, .name = STR("t"), .policy = &policy};
    struct diags diags;

    assert_true(diags_init(&diags, 4));
    bool ok = policy_check(&def, &diags);
    if (!ok)
        assert_non_null(strstr(diags.list[0].message, wanted));
    diags_fini(&diags);
    return ok;
}

static void a_policy_that_contradicts_itself_is_refused(void **state)
{
    struct target_policy p = {.retry_policy = {185, 86400000, 1000, 480000}, .circuit = {10, 5000, 300000}};

    assert_true(passes(p, ""));
    p.retry_policy.cap = 999;
    assert_false(passes(p, "base is longer than cap"));
    p.retry_policy.cap = 1000;
    p.circuit.max_pause = 4999;
    assert_false(passes(p, "pause is longer than max_pause"));
}

static struct option_rate rate(int64_t per_second, struct option_rate written)
{
    struct {
        struct api_destination_options options;
        _Alignas(max_align_t) struct target_policy policy;
    } block = {.options.rate_per_second = per_second, .policy.rate_limit = written};
    struct target_def def = {.adapter = &api_destination_adapter, .options = &block};

    policy_bind(&def);
    assert_ptr_equal(def.policy, &block.policy);
    policy_finish(&def);
    return def.policy->rate_limit;
}

static void an_adapters_own_rate_counts_where_there_is_no_rate_limit(void **state)
{
    struct option_rate none = {0}, written = {5, 60000};

    assert_int_equal(rate(300, none).count, 300);
    assert_int_equal(rate(300, none).period_ms, 1000);
    assert_int_equal(rate(300, written).count, 5);
    assert_int_equal(rate(300, written).period_ms, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_is_heard_before_its_target_key_by_key),
        cmocka_unit_test(bounds_of_both_fit_together),
        cmocka_unit_test(a_policy_that_contradicts_itself_is_refused),
        cmocka_unit_test(an_adapters_own_rate_counts_where_there_is_no_rate_limit),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
