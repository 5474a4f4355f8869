/* SPDX-License-Identifier: Apache-2.0 */
/* Topics: expansion, subscription names, what may not be subscribed, and the envelope. */
#include "targets/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "matcher/json.h"
#include "targets/archive.h"
#include "targets/queue.h"

static const struct target_def work = {
    .adapter = &queue_adapter, .name = {"work", 4}, .arn = {"arn:aws:sqs:us-east-1:000000000000:work", 39}};
static const struct target_def kept = {.adapter = &archive_adapter, .name = {"kept", 4}, .arn = {"arn:kept", 8}};

static struct topic_subscription subscriptions[3];
static struct topic_options options = {.subscriptions = {.items = subscriptions}};
static struct target_def alerts = {.adapter = &topic_adapter,
                                   .name = {"alerts", 6},
                                   .arn = {"arn:aws:sns:us-east-1:000000000000:alerts", 41},
                                   .options = &options};

static int reset(void **state)
{
    memset(subscriptions, 0, sizeof(subscriptions));
    options.subscriptions.count = 0;
    return 0;
}

static void subscribe(const struct target_def *target, bool raw, const char *name)
{
    subscriptions[options.subscriptions.count++] =
        (struct topic_subscription){.target = target, .raw_message_delivery = raw, .name = str_from(name)};
}

/* The errors that check() finds, one a line; "" for none. */
static const char *errors(void)
{
    static char text[1024];
    struct diags diags;

    text[0] = '\0';
    assert_true(diags_init(&diags, 8));
    bool ok = topic_adapter.check(&alerts, &diags);
    assert_int_equal(ok, diags.count == 0);
    for (size_t i = 0; i < diags.count; i++) {
        strcat(text, diags.list[i].message);
        strcat(text, "\n");
    }
    diags_fini(&diags);
    return text;
}

static void expands_to_its_subscriptions(void **state)
{
    struct expansion e;

    assert_int_equal(topic_adapter.expand(&alerts, 0, &e), 0);
    subscribe(&work, false, NULL);
    subscribe(&work, true, "second");
    assert_string_equal(errors(), "");
    assert_int_equal(topic_adapter.expand(&alerts, 0, &e), 1);
    assert_ptr_equal(e.target, &work);
    assert_true(str_eq(e.name, work.arn));
    assert_false(e.raw);
    assert_int_equal(topic_adapter.expand(&alerts, 1, &e), 1);
    assert_true(str_is(e.name, "second"));
    assert_true(e.raw);
    assert_int_equal(topic_adapter.expand(&alerts, 2, &e), 0);
}

static void refuses_topics_archives_and_repeated_names(void **state)
{
    subscribe(&alerts, false, NULL);
    subscribe(&kept, false, NULL);
    assert_string_equal(errors(), "topic 'alerts' cannot have topic 'alerts' as a subscription\n"
                                  "topic 'alerts' cannot have archive 'kept' as a subscription\n");
    reset(NULL);
    subscribe(NULL, false, NULL); /* did not resolve */
    subscribe(&work, false, NULL);
    subscribe(&work, true, NULL);
    assert_string_equal(errors(),
                        "topic 'alerts' has two subscriptions named 'arn:aws:sqs:us-east-1:000000000000:work'; "
                        "give one of them a name\n");
}

static void wrap(const struct delivery *d, struct buf *out)
{
    buf_clear(out);
    assert_true(topic_adapter.wrap(&alerts, d, (struct weir_time){0}, out));
    assert_true(json_check(buf_view(out), NULL, NULL));
}

static void envelope_is_sns_and_stable(void **state)
{
    struct buf first = BUF_INIT, again = BUF_INIT;
    struct delivery d = {
        .position = 7,
        .bus = STR("default"),
        .rule = STR("r"),
        .target_id = STR("t"),
        .event_id = STR("e"),
        .input = STR("{\"text\":\"say \\\"hi\\\"\"}"),
        .accepted = {.wall_ms = 1795233600042},
    };

    wrap(&d, &first);
    struct str id = json_member(buf_view(&first), "MessageId");
    assert_int_equal(id.size, 38);
    assert_int_equal(id.ptr[15], '8');
    assert_memory_equal(first.data, "{\"Type\":\"Notification\",\"MessageId\":\"", 36);
    assert_true(str_is((struct str){first.data + 36 + 36, first.size - 72},
                       "\",\"TopicArn\":\"arn:aws:sns:us-east-1:000000000000:alerts\","
                       "\"Message\":\"{\\\"text\\\":\\\"say \\\\\\\"hi\\\\\\\"\\\"}\","
                       "\"Timestamp\":\"2026-11-21T04:00:00.042Z\"}"));

    d.attempts = 3;
    d.subscription = STR("another");
    wrap(&d, &again);
    assert_true(str_eq(buf_view(&first), buf_view(&again)));
    d.position = 8;
    wrap(&d, &again);
    assert_false(str_eq(id, json_member(buf_view(&again), "MessageId")));
    d.position = 7;
    d.rule = STR("rt");
    d.target_id = STR("");
    wrap(&d, &again);
    assert_false(str_eq(id, json_member(buf_view(&again), "MessageId")));
    buf_fini(&first);
    buf_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(expands_to_its_subscriptions, reset),
        cmocka_unit_test_setup(refuses_topics_archives_and_repeated_names, reset),
        cmocka_unit_test_setup(envelope_is_sns_and_stable, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
