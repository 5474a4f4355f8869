/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes by the APIs one after the other, each waited for, as a script that makes rules does: how long one takes
 * beside so many rules in the file and so many that the APIs made before. Beside it stands an empty ledger job, the
 * commit that any durable answer costs.
 *
 * usage: resources_bench [CHANGES [RULES_OF_THE_FILE [RULES_MADE_BEFORE]]]      (300, 1000, 0)
 */
#include "tests/router/resources_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static void write_rules(int count)
{
    struct buf yaml = BUF_INIT;

    buf_text(&yaml, "queues: {orders: {}}\nrules:\n");
    for (int i = 0; i < count; i++)
        buf_printf(&yaml,
                   "  filed%d: {pattern: {source: [app.%d], detail-type: [Order Placed], detail: {state: [a, b, c], "
                   "total: [{numeric: ['>', %d]}]}}, targets: [orders]}\n",
                   i, i % 50, i);
    rig_config(buf_cstr(&yaml));
    buf_fini(&yaml);
}

static void prepare(struct change *c, char key[32], struct buf *document, int i)
{
    snprintf(key, 32, "made%d", i);
    buf_clear(document);
    buf_printf(
        document,
        "{\"name\":\"made%d\",\"bus\":\"default\",\"pattern\":\"{\\\"source\\\":[\\\"app.%d\\\"],\\\"detail\\\":{"
        "\\\"state\\\":[\\\"x%d\\\",\\\"b\\\"],\\\"total\\\":[{\\\"numeric\\\":[\\\">\\\",%d]}]}}\",\"targets\":[{"
        "\"id\":\"1\",\"target\":\"arn:aws:sqs:us-east-1:000000000000:orders\",\"x-aws\":{\"RoleArn\":\"r\"}}],"
        "\"x-aws\":{\"Tags\":[]}}",
        i, i % 50, i, i);
    *c = (struct change){.steps = {{"rules", key, buf_cstr(document)}}};
}

/* Many at once: they share rounds. */
static void make_before(int count)
{
    struct change *all = calloc((size_t)count + 1, sizeof *all);
    struct buf *documents = calloc((size_t)count + 1, sizeof *documents);
    char(*keys)[32] = calloc((size_t)count + 1, sizeof *keys);

    for (int i = 0; i < count; i++) {
        prepare(&all[i], keys[i], &documents[i], 1000000 + i);
        change_submit(&all[i]);
    }
    for (int i = 0; i < count; i++) {
        change_wait(&all[i].done);
        assert_int_equal(all[i].change.outcome, RESOURCES_DONE);
        buf_fini(&documents[i]);
    }
    free(all);
    free(documents);
    free(keys);
}

static int changes, filed, before;

static void bench(void **state)
{
    struct buf document = BUF_INIT;
    char key[32];
    struct change c;

    write_rules(filed);
    double at = now();
    rig_start();
    printf("start: %.1f ms\n", (now() - at) * 1e3);
    at = now();
    make_before(before);
    printf("%d made at once: %.1f ms\n", before, (now() - at) * 1e3);
    at = now();
    double processor = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < changes; i++) {
        prepare(&c, key, &document, i);
        change_submit(&c);
        change_wait(&c.done);
        assert_int_equal(c.change.outcome, RESOURCES_DONE);
    }
    printf("%d one by one: %.2f ms each, %.2f ms of processor time\n", changes, (now() - at) * 1e3 / changes,
           (read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor) * 1e3 / changes);
    buf_fini(&document);
}

int main(int count, char **arguments)
{
    changes = count > 1 ? atoi(arguments[1]) : 300;
    filed = count > 2 ? atoi(arguments[2]) : 1000;
    before = count > 3 ? atoi(arguments[3]) : 0;
    const struct CMUnitTest all[] = {cmocka_unit_test_setup_teardown(bench, rig_set_up, rig_tear_down)};
    return cmocka_run_group_tests_name("resources", all, NULL, NULL);
}
