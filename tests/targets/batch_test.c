/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: when they go, what their bodies are, and what becomes of their deliveries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "targets/batch.h"
#include "tests/targets/rig.h"

/* ---- a target that only gathers ---- */

struct options {
    struct batch_options batch;
};

struct gatherer {
    struct target target; /* first */
    struct batcher batcher;
};

static struct rig r;
static struct batch *gone[64]; /* as they went */
static size_t gone_count;

static void keep_batch(void *context, struct batch *b)
{
    gone[gone_count++] = b;
}

static struct target *gather_open(const struct target_def *def, struct host *host, const char *data_dir,
                                  struct weir_diag *diag)
{
    const struct options *o = def->options;
    struct gatherer *g = calloc(1, sizeof *g);

    g->target = (struct target){.ops = def->adapter, .def = def, .host = host};
    assert_true(batcher_init(&g->batcher, host, &o->batch, 2, keep_batch, g));
    return &g->target;
}

static void gather_close(struct target *t)
{
    batcher_fini(&((struct gatherer *)t)->batcher);
    free(t);
}

static void gather_send(struct target *t, struct delivery *d)
{
    batcher_add(&((struct gatherer *)t)->batcher, d);
}

BATCH_MEMBERS(members, struct options);
static const struct option rows[] = {BATCH_OPTION(members, struct options), {0}};
static const struct adapter gatherer = {
    .type = "gatherer",
    .options = rows,
    .options_size = sizeof(struct options),
    .open = gather_open,
    .close = gather_close,
    .send = gather_send,
};

/* max_wait: longer than any test, unless it says otherwise. */
static void start(int64_t max_events, int64_t max_bytes, int64_t max_wait)
{
    gone_count = 0;
    rig_init(&r, &gatherer);
    rig_int(&r, "batch.max_events", max_events);
    rig_int(&r, "batch.max_bytes", max_bytes);
    rig_int(&r, "batch.max_wait", max_wait ? max_wait : 300000);
}

static int teardown(void **state)
{
    rig_fini(&r);
    return 0;
}

static struct batcher *batcher(void)
{
    return &((struct gatherer *)r.target)->batcher;
}

static void send_many(size_t count, const char *input)
{
    static char keys[RIG_DELIVERIES][8];

    for (size_t i = 0; i < count; i++) {
        snprintf(keys[r.sent], sizeof keys[0], "k%zu", r.sent);
        rig_next(&r)->idempotency_key = str_from(keys[r.sent]);
        rig_send(&r, str_from(input));
    }
}

static void settle(size_t i)
{
    batch_settle(gone[i], STR(""), false);
    rig_turn(&r, 1);
}

/* ---- when they go ---- */

static void full_by_count(void **state)
{
    start(3, 1 << 20, 0);
    rig_open(&r);
    send_many(2, "{}");
    assert_int_equal(gone_count, 0);
    send_many(1, "{}");
    assert_int_equal(gone_count, 1);
    assert_int_equal(gone[0]->count, 3);
    settle(0);
    assert_int_equal(r.completed, 3);
}

static void full_by_bytes(void **state)
{
    start(100, 10, 0);
    rig_open(&r);
    send_many(3, "1234");
    assert_int_equal(gone_count, 1); /* the third did not fit any more */
    assert_int_equal(gone[0]->count, 2);
    send_many(1, "more than ten");
    assert_int_equal(gone_count, 2);
    assert_int_equal(gone[1]->count, 1);
    settle(0);
    assert_int_equal(gone_count, 3); /* alone, since it is larger than a batch may be */
    assert_int_equal(gone[2]->bytes, 13);
}

static void due_by_time(void **state)
{
    start(100, 1 << 20, 1);
    rig_open(&r);
    send_many(2, "{}");
    while (!gone_count)
        rig_turn(&r, 1);
    assert_int_equal(gone[0]->count, 2);
}

static void flushed(void **state)
{
    start(100, 1 << 20, 0);
    rig_open(&r);
    batcher_flush(batcher());
    assert_int_equal(gone_count, 0);
    send_many(1, "{}");
    batcher_flush(batcher());
    assert_int_equal(gone_count, 1);
}

static void at_the_limit_full_ones_wait_and_due_ones_fill(void **state)
{
    start(2, 1 << 20, 0);
    rig_open(&r);
    send_many(7, "{}");
    assert_int_equal(gone_count, 2);
    batcher_flush(batcher());
    assert_int_equal(gone_count, 2);
    settle(0);
    assert_int_equal(gone_count, 3);
    assert_int_equal(gone[2]->count, 2);
    send_many(1, "{}"); /* joins the one that is due */
    settle(1);
    assert_int_equal(gone_count, 4);
    assert_int_equal(gone[3]->count, 2);
    settle(2);
    settle(3);
    assert_int_equal(r.completed, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(r.order[i], i);
}

/* ---- bodies ---- */

static void body(const char *expected)
{
    struct buf out = BUF_INIT;

    batch_write(gone[0], &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_fini(&out);
}

static void send_kinds(void)
{
    rig_open(&r);
    send_many(1, "{ \"a\":\n 1 }"); /* of a template */
    send_many(1, "not \"JSON\"");
    struct delivery *d = rig_next(&r);
    d->event = STR("{\"id\":\"x\"}");
    d->idempotency_key = STR("k\"2");
    rig_send(&r, d->event);
}

static void a_body_is_an_array(void **state)
{
    start(3, 1 << 20, 0);
    send_kinds();
    body("[{\"a\":1},\"not \\\"JSON\\\"\",{\"id\":\"x\"}]");
    assert_string_equal(batch_content_type(gone[0]), "application/json");
}

static void or_lines(void **state)
{
    start(3, 1 << 20, 0);
    rig_int(&r, "batch.format", BATCH_NDJSON);
    send_kinds();
    body("{\"a\":1}\n\"not \\\"JSON\\\"\"\n{\"id\":\"x\"}\n");
    assert_string_equal(batch_content_type(gone[0]), "application/x-ndjson");
}

static void with_keys_where_asked(void **state)
{
    start(3, 1 << 20, 0);
    rig_int(&r, "batch.format", BATCH_NDJSON);
    rig_int(&r, "batch.envelope", 1);
    send_kinds();
    body("{\"itemIdentifier\":\"k0\",\"input\":{\"a\":1}}\n"
         "{\"itemIdentifier\":\"k1\",\"input\":\"not \\\"JSON\\\"\"}\n"
         "{\"itemIdentifier\":\"k\\\"2\",\"input\":{\"id\":\"x\"}}\n");
}

/* ---- ends ---- */

/* Three deliveries, k0 to k2; said: what becomes of them, '+' settled, '-' to be tried again. */
static void answers(const char *answer, bool partial, const char *said, const char *code)
{
    start(3, 1 << 20, 0);
    rig_open(&r);
    send_many(3, "{}");
    batch_settle(gone[0], str_from(answer), partial);
    assert_int_equal(r.completed, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct verdict *v = &r.verdicts[i];
        if (v->kind != (said[i] == '+' ? VERDICT_SETTLED : VERDICT_RETRY) || (said[i] == '-' && strcmp(v->code, code)))
            fail_msg("%s: k%zu: %s", answer, i, v->code);
    }
    rig_fini(&r);
}

static void what_answers_say(void **state)
{
    answers("", false, "+++", "");
    answers("ok", false, "+++", "");
    answers("{\"batchItemFailures\":[]}", false, "+++", "");
    answers("{\"batchItemFailures\":null}", true, "+++", "");
    answers(" {\"x\":[1],\n\"batchItemFailures\": [ {\"itemIdentifier\" : \"k1\", \"why\":[{}]} ] }\n", true, "+-+",
            "BATCH_ITEM_FAILURE");
    answers("{\"batchItemFailures\":[{\"itemIdentifier\":\"k2\"},{\"itemIdentifier\":\"\\u006b0\"},"
            "{\"itemIdentifier\":\"k2\"}]}",
            false, "-+-", "BATCH_ITEM_FAILURE");
    answers("ok", true, "---", "BATCH_ANSWER");
    answers("", true, "---", "BATCH_ANSWER");
    answers("[]", true, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":[{\"itemIdentifier\":\"k9\"}]}", false, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", false, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", false, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":[\"k1\"]}", false, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":{}}", false, "---", "BATCH_ANSWER");
    answers("{\"batchItemFailures\":[{\"itemIdent", false, "---", "BATCH_ANSWER"); /* cut short */
}

static void the_same_event_twice_fails_twice(void **state)
{
    start(3, 1 << 20, 0);
    rig_open(&r);
    send_many(1, "1");
    rig_send(&r, STR("2"));
    rig_send(&r, STR("3"));
    batch_settle(gone[0], STR("{\"batchItemFailures\":[{\"itemIdentifier\":\"event-1/a-rule/Id1\"}]}"), false);
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    assert_int_equal(r.verdicts[1].kind, VERDICT_RETRY);
    assert_int_equal(r.verdicts[2].kind, VERDICT_RETRY);
    rig_fini(&r);
}

/* Halves until they stand alone; a failure that may pass is everybody's. */
static void a_failure_for_good_is_narrowed_down(void **state)
{
    struct verdict failed, retry;

    verdict_set(&failed, VERDICT_FAILED, "HTTP_400", "no");
    verdict_set(&retry, VERDICT_RETRY, "HTTP_503", "later");
    retry.retry_after_ms = 7;
    start(3, 1 << 20, 0);
    rig_open(&r);
    send_many(3, "{}");
    batch_complete(gone[0], &failed);
    assert_int_equal(r.completed, 0);
    rig_turn(&r, 1);
    assert_int_equal(gone_count, 3);
    assert_int_equal(gone[1]->count, 1);
    assert_int_equal(gone[2]->count, 2);
    batch_complete(gone[1], &failed);
    assert_int_equal(r.verdicts[0].kind, VERDICT_FAILED);
    batch_complete(gone[2], &retry);
    assert_int_equal(r.completed, 3);
    assert_int_equal(r.verdicts[2].kind, VERDICT_RETRY);
    assert_int_equal(r.verdicts[2].retry_after_ms, 7);
}

static void what_is_left_at_the_end_is_not_completed(void **state)
{
    start(2, 1 << 20, 0);
    rig_open(&r);
    send_many(7, "{}"); /* two away, one waiting, one open */
    rig_fini(&r);
    assert_int_equal(r.completed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(full_by_count, teardown),
        cmocka_unit_test_teardown(full_by_bytes, teardown),
        cmocka_unit_test_teardown(due_by_time, teardown),
        cmocka_unit_test_teardown(flushed, teardown),
        cmocka_unit_test_teardown(at_the_limit_full_ones_wait_and_due_ones_fill, teardown),
        cmocka_unit_test_teardown(a_body_is_an_array, teardown),
        cmocka_unit_test_teardown(or_lines, teardown),
        cmocka_unit_test_teardown(with_keys_where_asked, teardown),
        cmocka_unit_test(what_answers_say),
        cmocka_unit_test(the_same_event_twice_fails_twice),
        cmocka_unit_test_teardown(a_failure_for_good_is_narrowed_down, teardown),
        cmocka_unit_test(what_is_left_at_the_end_is_not_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
