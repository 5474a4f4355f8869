/* SPDX-License-Identifier: Apache-2.0 */
/* Another rule set while events flow: when it comes into force, and what meets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "router/metrics.h"
#include "targets/archive.h"
#include "targets/topic.h"
#include "tests/router/fixture.h"

/* A queue whose recovery waits until the test lets it go on. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool at_gate;

static bool recover_slowly(struct target *t, struct store *store, struct weir_diag *diag)
{
    atomic_store(&at_gate, true);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return true;
}

static struct target *open_gated(const struct target_def *def, struct host *host, const char *data_dir,
                                 struct weir_diag *diag);

static void close_gated(struct target *t)
{
    free(t);
}

static void put_gated(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                      struct verdict *v)
{
    verdict_set(v, VERDICT_SETTLED, "", "%s", "");
}

static const struct option no_options[] = {{0}};

static const struct adapter gated_adapter = {
    .type = "gated",
    .summary = "recovers when a test says so",
    .arn_format = "arn:weir:gated:{region}:{account}:{name}",
    .options = no_options,
    .options_size = 1,
    .open = open_gated,
    .close = close_gated,
    .recover = recover_slowly,
    .put = put_gated,
};

static struct target *open_gated(const struct target_def *def, struct host *host, const char *data_dir,
                                 struct weir_diag *diag)
{
    struct target *t = calloc(1, sizeof *t);
    *t = (struct target){.ops = &gated_adapter, .def = def, .host = host};
    return t;
}

/* Stands in for targets/table.c. */
const struct adapter *const target_adapters[] = {&queue_adapter, &topic_adapter, &archive_adapter,
                                                 &fake_adapter,  &gated_adapter, NULL};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}

#define RULES "rules: {r: {pattern: {source: [test]}, targets: [far]}}\n"

/* In milliseconds on the way, which are many: it is held while its turn is committed. */
static int64_t came_back(void)
{
    return metric_value(METRIC_DELIVERY_SECONDS, &STR("fake/far"));
}

/* What comes back while a new target recovers is committed before anything changes under it. */
static void what_comes_back_meanwhile_is_committed_first(void **state)
{
    int64_t before = came_back();

    fake_set(FAKE_FAIL, 0);
    fake.held = true;
    fixture_start("targets: {far: {type: fake}}\n" RULES);
    fixture_send("default", "{}");
    fixture_wait(fake.sent == 1);
    fixture_dispatched();

    pthread_mutex_lock(&gate);
    fixture_reload_begin("targets: {far: {type: fake}, slow: {type: gated}}\n" RULES);
    fixture_wait(atomic_load(&at_gate));
    fixture_hold_ledger(); /* behind the recovery, before the turn that ends the delivery */
    fake.held = false;
    fixture_wait(came_back() > before);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 10; i++) {
        fixture_nap();
        assert_false(fixture_reload_done());
    }
    fixture_release_ledger();
    assert_true(fixture_reload_end());
    assert_int_equal(fixture_messages("dead-letters").count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_comes_back_meanwhile_is_committed_first),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
