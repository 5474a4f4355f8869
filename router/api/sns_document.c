/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics and subscriptions as documents, see sns_document.h. The attributes were checked before (sns_attributes.c), so
 * what is made of them here for the loader is taken as it is.
 *
 * A delivery policy's healthyRetryPolicy becomes a retry policy: as many retries, from minDelayTarget on up to
 * maxDelayTarget. An HTTP endpoint without one is tried again three times, after up to 20 s, as at SNS.
 */
#include "router/api/sns_document.h"

#include <stdlib.h>

#include "matcher/json.h"
#include "router/resources.h"
#include "router/xalloc.h"

static struct str in_aws(struct str document, const char *key)
{
    struct str aws = document.size ? json_member(document, "x-aws") : document;
    return aws.size ? json_member(aws, key) : (struct str){NULL, 0};
}

static struct str or_else(struct str value, struct str otherwise)
{
    return value.size ? value : otherwise;
}

/* ---- topics ---- */

void sns_topic_read(struct str document, struct sns_topic_document *out)
{
    *out = (struct sns_topic_document){.attributes = or_else(in_aws(document, "attributes"), STR("{}")),
                                       .tags = or_else(in_aws(document, "tags"), STR("[]"))};
}

static bool says(struct str attributes, const char *key, const char *value)
{
    struct str text = json_member(attributes, key);
    return text.size && json_raw_is(text, value);
}

void sns_topic_write(struct buf *out, const struct sns_topic_document *t)
{
    buf_char(out, '{');
    json_write_member(out, "signature_version", says(t->attributes, "SignatureVersion", "2") ? STR("2") : STR("1"));
    if (says(t->attributes, "ContentBasedDeduplication", "true")) {
        json_write_key(out, "content_based_deduplication");
        buf_text(out, "true");
    }
    if (says(t->attributes, "FifoThroughputScope", "MessageGroup"))
        json_write_member(out, "deduplication_scope", STR("message_group"));
    json_write_key(out, "x-aws");
    buf_printf(out, "{\"attributes\":%.*s,\"tags\":%.*s}}", STR_ARG(t->attributes), STR_ARG(t->tags));
}

/* ---- subscriptions ---- */

void sns_subscription_read(struct str document, struct arena *arena, struct sns_subscription_document *out)
{
    struct str aws = document.size ? json_member(document, "x-aws") : document;
    struct str pending = document.size ? json_member(document, "pending_confirmation") : document;

    *out = (struct sns_subscription_document){
        .topic = sns_map_get(document, "topic", arena),
        .protocol = sns_map_get(aws, "protocol", arena),
        .endpoint = sns_map_get(aws, "endpoint", arena),
        .token = or_else(sns_map_get(aws, "token", arena), STR("")),
        .attributes = or_else(in_aws(document, "attributes"), STR("{}")),
        .pending = str_is(pending, "true"),
    };
    struct str deleted = in_aws(document, "deleted");
    out->deleted_ms = deleted.size ? strtoll(deleted.ptr, NULL, 10) : 0;
}

static int64_t number_in(struct str policy, const char *key, int64_t otherwise)
{
    struct str healthy = policy.size ? json_member(policy, "healthyRetryPolicy") : policy;
    struct str value =
        healthy.size && json_type_of(healthy) == JSON_OBJECT ? json_member(healthy, key) : (struct str){0};
    char text[24] = "";

    if (!value.size || json_type_of(value) != JSON_NUMBER || value.size >= sizeof text)
        return otherwise;
    memcpy(text, value.ptr, value.size);
    return strtoll(text, NULL, 10);
}

static int64_t bounded(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static void write_retries(struct buf *out, struct str policy)
{
    int64_t base = bounded(number_in(policy, "minDelayTarget", 20), 1, 3600);
    int64_t cap = bounded(number_in(policy, "maxDelayTarget", 20), base, 3600);

    json_write_key(out, "retry_policy");
    buf_printf(out, "{\"maximum_retry_attempts\":%lld,\"base\":\"%llds\",\"cap\":\"%llds\"}",
               (long long)bounded(number_in(policy, "numRetries", 3), 0, 100), (long long)base, (long long)cap);
}

static void write_redrive(struct buf *out, struct str policy)
{
    struct str target = json_member(policy, "deadLetterTargetArn");

    if (!target.size)
        return;
    json_write_key(out, "redrive_policy");
    buf_printf(out, "{\"target\":%.*s}", STR_ARG(target));
}

static void write_options(struct buf *out, const struct sns_subscription_document *s, struct arena *arena)
{
    struct str policy = sns_map_get(s->attributes, "FilterPolicy", arena);
    struct str redrive = sns_map_get(s->attributes, "RedrivePolicy", arena);
    bool http = str_starts(s->protocol, STR("http"));

    if (says(s->attributes, "RawMessageDelivery", "true")) {
        json_write_key(out, "raw_message_delivery");
        buf_text(out, "true");
    }
    if (policy.size && !str_is(policy, "{}")) {
        json_write_member(out, "filter_policy", policy);
        json_write_member(out, "filter_policy_scope",
                          or_else(sns_map_get(s->attributes, "FilterPolicyScope", arena), STR("MessageAttributes")));
    }
    if (redrive.size)
        write_redrive(out, redrive);
    if (http)
        write_retries(out, sns_map_get(s->attributes, "DeliveryPolicy", arena));
}

void sns_subscription_write(struct buf *out, const struct sns_subscription_document *s, struct arena *arena)
{
    bool http = str_starts(s->protocol, STR("http"));

    buf_char(out, '{');
    json_write_member(out, "topic", s->topic);
    json_write_member(out, http ? "url" : str_is(s->protocol, "application") ? "endpoint" : "target", s->endpoint);
    write_options(out, s, arena);
    if (s->pending) {
        json_write_key(out, "pending_confirmation");
        buf_text(out, "true");
    }
    json_write_key(out, "x-aws");
    buf_char(out, '{');
    json_write_member(out, "protocol", s->protocol);
    json_write_member(out, "endpoint", s->endpoint);
    if (s->token.size)
        json_write_member(out, "token", s->token);
    if (s->deleted_ms) {
        json_write_key(out, "deleted");
        json_write_int(out, s->deleted_ms);
    }
    json_write_key(out, "attributes");
    buf_printf(out, "%.*s}}", STR_ARG(s->attributes));
}

/* ---- many of them ---- */

struct choosing {
    struct arena *arena;
    bool (*is)(void *context, const struct sns_subscription_document *s);
    void *context;
    struct buf keys; /* of struct str: what is walked is not to change meanwhile */
};

static bool choose(void *context, struct str key, struct str text)
{
    struct choosing *c = context;
    struct sns_subscription_document document;

    sns_subscription_read(text, c->arena, &document);
    if (c->is(c->context, &document)) {
        struct str kept = arena_str(c->arena, key);
        buf_add(&c->keys, &kept, sizeof kept);
    }
    return true;
}

void sns_subscriptions_delete(struct resources *resources, struct arena *arena,
                              bool (*is)(void *context, const struct sns_subscription_document *s), void *context)
{
    struct choosing c = {.arena = arena, .is = is, .context = context};

    resources_each(resources, "subscriptions", STR(""), choose, &c);
    xbuf(&c.keys);
    for (size_t i = 0; i < c.keys.size; i += sizeof(struct str)) {
        struct str key;
        memcpy(&key, c.keys.data + i, sizeof key);
        resources_delete(resources, "subscriptions", key);
    }
    buf_fini(&c.keys);
}
