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

extern const struct adapter http_adapter;

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

static void id_of(const struct delivery *d, char out[UUID_SIZE + 1])
{
    assert_true(topic_message_id(&alerts, d, out));
    assert_int_equal(strlen(out), UUID_SIZE);
    assert_int_equal(out[14], '8');
}

static void ids_are_the_messages_own(void **state)
{
    char first[UUID_SIZE + 1], again[UUID_SIZE + 1];
    struct delivery d = {
        .position = 7, .bus = STR("default"), .rule = STR("r"), .target_id = STR("t"), .event_id = STR("e")};

    id_of(&d, first);
    d.attempts = 3;
    d.subscription = STR("another");
    id_of(&d, again);
    assert_string_equal(first, again);
    d.position = 8;
    id_of(&d, again);
    assert_string_not_equal(first, again);
    d.position = 7;
    d.rule = STR("rt");
    d.target_id = STR("");
    id_of(&d, again);
    assert_string_not_equal(first, again);
}

static const struct topic_message unsigned_message = {
    .id = {"00000000-0000-8000-8000-000000000001", 36},
    .text = {"{\"text\":\"say \\\"hi\\\"\"}", sizeof "{\"text\":\"say \\\"hi\\\"\"}" - 1},
    .time_ms = 1795233600042,
    .subscription = {"arn:s", 5},
};

static void assert_text(struct buf *out, const char *expected)
{
    assert_string_equal(buf_cstr(out), expected);
    buf_fini(out);
}

static void an_unsigned_envelope_claims_nothing(void **state)
{
    struct buf out = BUF_INIT;

    topic_write_envelope(&alerts, &unsigned_message, &out);
    assert_true(json_check(buf_view(&out), NULL, NULL));
    assert_text(&out, "{\"Type\":\"Notification\",\"MessageId\":\"00000000-0000-8000-8000-000000000001\","
                      "\"TopicArn\":\"arn:aws:sns:us-east-1:000000000000:alerts\","
                      "\"Message\":\"{\\\"text\\\":\\\"say \\\\\\\"hi\\\\\\\"\\\"}\","
                      "\"Timestamp\":\"2026-11-21T04:00:00.042Z\"}");
}

static struct topic_message whole_message(void)
{
    struct topic_message m = unsigned_message;

    m.text = STR("hello");
    m.subject = STR("s");
    m.attributes = STR("{\"k\":{\"Type\":\"String\",\"Value\":\"v\"}}");
    m.base_url = STR("http://h:1");
    m.certificate = STR("/c.pem");
    m.version = TOPIC_SIGNATURE_2;
    m.signature = STR("c2ln");
    return m;
}

static void envelopes_say_all_there_is(void **state)
{
    struct topic_message m = whole_message();
    struct buf out = BUF_INIT;

    topic_write_envelope(&alerts, &m, &out);
    assert_text(&out,
                "{\"Type\":\"Notification\",\"MessageId\":\"00000000-0000-8000-8000-000000000001\","
                "\"TopicArn\":\"arn:aws:sns:us-east-1:000000000000:alerts\",\"Subject\":\"s\",\"Message\":\"hello\","
                "\"Timestamp\":\"2026-11-21T04:00:00.042Z\",\"SignatureVersion\":\"2\",\"Signature\":\"c2ln\","
                "\"SigningCertURL\":\"http://h:1/c.pem\","
                "\"UnsubscribeURL\":\"http://h:1/?Action=Unsubscribe&SubscriptionArn=arn:s\","
                "\"MessageAttributes\":{\"k\":{\"Type\":\"String\",\"Value\":\"v\"}}}");
    topic_write_record(&alerts, &m, &out);
    assert_text(
        &out, "{\"Records\":[{\"EventSource\":\"aws:sns\",\"EventVersion\":\"1.0\",\"EventSubscriptionArn\":\"arn:s\","
              "\"Sns\":{\"Type\":\"Notification\",\"MessageId\":\"00000000-0000-8000-8000-000000000001\","
              "\"TopicArn\":\"arn:aws:sns:us-east-1:000000000000:alerts\",\"Subject\":\"s\",\"Message\":\"hello\","
              "\"Timestamp\":\"2026-11-21T04:00:00.042Z\",\"SignatureVersion\":\"2\",\"Signature\":\"c2ln\","
              "\"SigningCertUrl\":\"http://h:1/c.pem\","
              "\"UnsubscribeUrl\":\"http://h:1/?Action=Unsubscribe&SubscriptionArn=arn:s\","
              "\"MessageAttributes\":{\"k\":{\"Type\":\"String\",\"Value\":\"v\"}}}}]}");
}

static void the_signed_text_is_sorted_lines(void **state)
{
    struct topic_message m = whole_message();
    struct buf out = BUF_INIT;

    topic_write_signed(&alerts, &m, &out);
    assert_text(&out, "Message\nhello\nMessageId\n00000000-0000-8000-8000-000000000001\nSubject\ns\nTimestamp\n"
                      "2026-11-21T04:00:00.042Z\nTopicArn\narn:aws:sns:us-east-1:000000000000:alerts\nType\n"
                      "Notification\n");
    m.type = TOPIC_SUBSCRIPTION_CONFIRMATION;
    m.token = STR("t");
    topic_write_signed(&alerts, &m, &out);
    assert_text(&out,
                "Message\nhello\nMessageId\n00000000-0000-8000-8000-000000000001\nSubscribeURL\n"
                "http://h:1/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:000000000000:alerts&Token=t"
                "\nTimestamp\n2026-11-21T04:00:00.042Z\nToken\nt\nTopicArn\n"
                "arn:aws:sns:us-east-1:000000000000:alerts\nType\nSubscriptionConfirmation\n");
}

static void subscriptions_have_arns_of_their_own(void **state)
{
    struct buf out = BUF_INIT;
    struct str uuid = STR("0b3f8d2e-0000-4000-8000-0123456789ab");

    topic_write_subscription_arn(&alerts, uuid, &out);
    assert_text(&out, "arn:aws:sns:us-east-1:000000000000:alerts:0b3f8d2e-0000-4000-8000-0123456789ab");
    assert_true(topic_is_subscription(uuid, uuid));
    topic_write_subscription_arn(&alerts, STR("second"), &out);
    assert_int_equal(out.size, alerts.arn.size + 1 + UUID_SIZE);
    struct str made = {out.data + alerts.arn.size + 1, UUID_SIZE};
    assert_true(topic_is_subscription(STR("second"), made));
    assert_false(topic_is_subscription(STR("first"), made));
    buf_fini(&out);
}

static void fifo_topics_have_queues_only(void **state)
{
    static const struct target_def hook = {.adapter = &http_adapter, .name = {"hook", 4}, .arn = {"arn:hook", 8}};
    struct str name = alerts.name;

    options.content_based_deduplication = true;
    subscribe(&work, false, NULL);
    assert_string_equal(errors(), "topic 'alerts' is no FIFO topic (its name does not end in '.fifo'): it deduplicates "
                                  "nothing\n");
    alerts.name = STR("a.fifo");
    subscribe(&hook, false, NULL);
    assert_string_equal(errors(), "FIFO topic 'a.fifo' can have queues as subscriptions only, not http 'hook'\n");
    alerts.name = name;
    options.content_based_deduplication = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(expands_to_its_subscriptions, reset),
        cmocka_unit_test_setup(refuses_topics_archives_and_repeated_names, reset),
        cmocka_unit_test(ids_are_the_messages_own),
        cmocka_unit_test(an_unsigned_envelope_claims_nothing),
        cmocka_unit_test(envelopes_say_all_there_is),
        cmocka_unit_test(the_signed_text_is_sorted_lines),
        cmocka_unit_test(subscriptions_have_arns_of_their_own),
        cmocka_unit_test_setup(fifo_topics_have_queues_only, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
