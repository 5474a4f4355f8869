/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topic: nothing but a list of subscriptions, which dispatch walks while it matches. What they are given is written
 * by topic_message.c.
 *
 * A subscription without a name of its own goes by its target's ARN: stable, and unique unless the same target is
 * subscribed twice, which is refused. Subscriptions that stand by themselves, in the section `subscriptions` of files
 * or made by the APIs, are hung on their topics by the loader before anything is checked.
 */
#include "targets/topic.h"

#include <openssl/evp.h>

#include "targets/missing.h"
#include "targets/queue.h"

static const char *const scopes[] = {"MessageBody", "MessageAttributes", NULL};
static const char *const deduplication_scopes[] = {"topic", "message_group", NULL};
static const char *const signatures[] = {"1", "2", "none", "auto", NULL};

static const struct option redrive_options[] = {
    {.key = "target",
     .type = OPTION_QUEUE,
     .offset = offsetof(struct topic_subscription, dead_letter),
     .required = true,
     .meaning = "the queue for messages that could not be delivered to the subscription"},
    {0},
};

#define FIELD(name) offsetof(struct topic_subscription, name)
/* What is said of a subscription wherever it stands. */
#define SUBSCRIPTION_ROWS                                                                                              \
    {.key = "raw_message_delivery",                                                                                    \
     .type = OPTION_BOOL,                                                                                              \
     .offset = FIELD(raw_message_delivery),                                                                            \
     .value = "false",                                                                                                 \
     .meaning = "hand over the message as it is, without SNS's envelope"},                                             \
        {.key = "filter_policy",                                                                                       \
         .type = OPTION_PATTERN,                                                                                       \
         .offset = FIELD(filter_policy),                                                                               \
         .meaning = "only messages that match this pattern are delivered to the subscription"},                        \
        {.key = "filter_policy_scope",                                                                                 \
         .type = OPTION_ENUM,                                                                                          \
         .offset = FIELD(filter_policy_scope),                                                                         \
         .value = "MessageBody",                                                                                       \
         .names = scopes,                                                                                              \
         .meaning = "what the policy looks at; what comes from rules has no message attributes"},                      \
        {.key = "redrive_policy",                                                                                      \
         .type = OPTION_OBJECT,                                                                                        \
         .members = redrive_options,                                                                                   \
         .meaning = "where messages go that cannot be delivered; without it, where the rule says, or dead-letters"},   \
    {                                                                                                                  \
        .key = "retry_policy", .type = OPTION_OBJECT, .offset = FIELD(retry_policy), .members = retry_defaults,        \
        .present_offset = FIELD(retries),                                                                              \
        .meaning = "how long a failing delivery is tried; without it, as the rule or the target says"                  \
    }
#define TARGET_MEANING "where the topic's messages go: any target but a topic, a bus or an archive"

static const struct option subscription_options[] = {
    {.key = "target",
     .type = OPTION_TARGET,
     .offset = FIELD(target),
     .required = true,
     .scalar = true,
     .meaning = TARGET_MEANING},
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = FIELD(name),
     .max = 256,
     .meaning = "the subscription's name, unique in its topic; without it, the target's ARN"},
    SUBSCRIPTION_ROWS,
    {0},
};

const struct option topic_subscription_options[] = {
    {.key = "topic",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_subscription_entry, topic),
     .required = true,
     .min = 1,
     .max = 512,
     .meaning = "the topic, by name or ARN"},
    {.key = "target",
     .type = OPTION_TARGET,
     .offset = FIELD(target),
     .group = "destination",
     .meaning = TARGET_MEANING},
    {.key = "url",
     .type = OPTION_URL,
     .offset = offsetof(struct topic_subscription_entry, url),
     .group = "destination",
     .meaning = "instead of a target: messages are posted there as SNS does"},
    {.key = "endpoint",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_subscription_entry, endpoint),
     .group = "destination",
     .max = 1024,
     .meaning = "instead of a target: the ARN of a platform application's endpoint"},
    {.key = "pending_confirmation",
     .type = OPTION_BOOL,
     .offset = FIELD(pending),
     .value = "false",
     .meaning = "the endpoint has not confirmed the subscription yet and gets no messages"},
    SUBSCRIPTION_ROWS,
    {0},
};

static const struct option endpoint_options[] = {
    {.key = "id",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_endpoint, id),
     .required = true,
     .min = 1,
     .max = 64,
     .meaning = "the last part of the endpoint's ARN"},
    {.key = "token",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_endpoint, token),
     .required = true,
     .min = 1,
     .max = 4096,
     .meaning = "by which the gateway knows the device"},
    {.key = "user_data",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_endpoint, user_data),
     .max = 2048,
     .meaning = "handed over with each message"},
    {.key = "enabled",
     .type = OPTION_BOOL,
     .offset = offsetof(struct topic_endpoint, enabled),
     .value = "true",
     .meaning = "false: messages for it are refused"},
    {0},
};

const struct option topic_application_options[] = {
    {.key = "platform",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_application, platform),
     .required = true,
     .min = 1,
     .max = 64,
     .meaning = "SNS's word for the platform: GCM, APNS, …"},
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_application, name),
     .required = true,
     .min = 1,
     .max = 256,
     .meaning = "the application's name"},
    {.key = "url",
     .type = OPTION_URL,
     .offset = offsetof(struct topic_application, url),
     .required = true,
     .meaning = "the push gateway: messages are posted there, one for each endpoint"},
    {.key = "endpoints",
     .type = OPTION_LIST,
     .offset = offsetof(struct topic_application, endpoints),
     .members = endpoint_options,
     .item_size = sizeof(struct topic_endpoint),
     .meaning = "the devices that may be sent to"},
    {0},
};

static const struct option options[] = {
    {.key = "subscriptions",
     .type = OPTION_LIST,
     .offset = offsetof(struct topic_options, subscriptions),
     .members = subscription_options,
     .item_size = sizeof(struct topic_subscription),
     .meaning = "the targets that get every message of the topic"},
    {.key = "signature_version",
     .type = OPTION_ENUM,
     .offset = offsetof(struct topic_options, signature_version),
     .value = "auto",
     .names = signatures,
     .meaning =
         "how envelopes are signed: 1 is SHA1withRSA, 2 SHA256withRSA; auto: as 1, and only what is sent by HTTP"},
    {.key = "content_based_deduplication",
     .type = OPTION_BOOL,
     .offset = offsetof(struct topic_options, content_based_deduplication),
     .value = "false",
     .meaning = "FIFO: a message without a deduplication id is known by the SHA-256 of its text"},
    {.key = "deduplication_scope",
     .type = OPTION_ENUM,
     .offset = offsetof(struct topic_options, deduplication_scope),
     .value = "topic",
     .names = deduplication_scopes,
     .meaning = "FIFO: whether a deduplication id counts in the whole topic, or in its message group"},
    {0},
};

const struct topic_endpoint *topic_endpoint(const struct target_def *topic)
{
    const struct topic_options *o = topic->options;
    const struct topic_subscription *s = o->subscriptions.items;

    return str_starts(topic->name, STR(TOPIC_ENDPOINT)) && o->subscriptions.count ? s->endpoint : NULL;
}

bool topic_is_fifo(const struct target_def *topic)
{
    return queue_is_fifo(topic->name);
}

/* Empty only for a reference that did not resolve, which the loader has reported. */
static struct str name_of(const struct topic_subscription *s)
{
    return s->name.size || !s->target ? s->name : s->target->arn;
}

static bool check_target(const struct target_def *topic, const struct topic_subscription *s, struct diags *diags)
{
    const struct adapter *adapter = s->target->adapter;

    /* A topic behind a topic could go in circles; an archive takes events in journal order and nothing else; a bus
       takes events, not messages. */
    if (adapter->open && !adapter->flush)
        return true;
    return diag_error(diags, topic->pos, "topic '%.*s' cannot have %s '%.*s' as a subscription", STR_ARG(topic->name),
                      adapter->type, STR_ARG(s->target->name));
}

/* SNS's order cannot be kept by who takes many at once, and a FIFO queue takes nothing without a group. */
static bool check_fifo(const struct target_def *topic, const struct topic_subscription *s, struct diags *diags)
{
    bool fifo = topic_is_fifo(topic);

    if (fifo && s->target->adapter != &queue_adapter && s->target->adapter != &missing_adapter)
        return diag_error(diags, topic->pos, "FIFO topic '%.*s' can have queues as subscriptions only, not %s '%.*s'",
                          STR_ARG(topic->name), s->target->adapter->type, STR_ARG(s->target->name));
    if (s->dead_letter && queue_is_fifo(s->dead_letter->name) != (fifo && queue_is_fifo(s->target->name)))
        return diag_error(diags, topic->pos, "the redrive target '%.*s' of subscription '%.*s' must be a %s queue",
                          STR_ARG(s->dead_letter->name), STR_ARG(name_of(s)), fifo ? "FIFO" : "standard");
    return true;
}

static bool check_name(const struct target_def *topic, const struct topic_subscription *all, size_t index,
                       struct diags *diags)
{
    for (size_t i = 0; i < index; i++)
        if (str_eq(name_of(&all[i]), name_of(&all[index])))
            return diag_error(diags, topic->pos,
                              "topic '%.*s' has two subscriptions named '%.*s'; give one of them a name",
                              STR_ARG(topic->name), STR_ARG(name_of(&all[index])));
    return true;
}

static bool check(const struct target_def *def, struct diags *diags)
{
    const struct topic_options *o = def->options;
    const struct topic_subscription *all = o->subscriptions.items;
    bool ok = true;

    for (size_t i = 0; i < o->subscriptions.count; i++)
        if (all[i].target)
            ok = check_target(def, &all[i], diags) && check_fifo(def, &all[i], diags) &&
                 check_name(def, all, i, diags) && ok;
    if (!topic_is_fifo(def) && (o->content_based_deduplication || o->deduplication_scope != QUEUE_SCOPE_QUEUE))
        ok = diag_error(diags, def->pos,
                        "topic '%.*s' is no FIFO topic (its name does not end in '.fifo'): it deduplicates nothing",
                        STR_ARG(def->name));
    return ok;
}

static size_t expand(const struct target_def *def, size_t index, struct expansion *out)
{
    const struct topic_options *o = def->options;
    const struct topic_subscription *s = o->subscriptions.items;

    if (index >= o->subscriptions.count)
        return 0;
    s += index;
    *out = (struct expansion){.target = s->target,
                              .name = name_of(s),
                              .raw = s->raw_message_delivery,
                              .filter = s->filter_policy,
                              .filter_attributes = s->filter_policy_scope == TOPIC_SCOPE_ATTRIBUTES,
                              .dead_letter = s->dead_letter,
                              .retry_policy = s->retries ? &s->retry_policy : NULL,
                              .endpoint = s->endpoint,
                              .pending = s->pending};
    return 1;
}

/* ---- ARNs of subscriptions ---- */

static bool is_uuid(struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return text.size == UUID_SIZE;
}

static void write_uuid(struct str name, char out[UUID_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};

    if (is_uuid(name)) {
        memcpy(out, name.ptr, UUID_SIZE);
        out[UUID_SIZE] = '\0';
        return;
    }
    EVP_Digest(name.ptr, name.size, digest, NULL, EVP_sha256(), NULL);
    uuid_from_digest(digest, out);
}

void topic_write_subscription_arn(const struct target_def *topic, struct str name, struct buf *out)
{
    char uuid[UUID_SIZE + 1];

    write_uuid(name, uuid);
    buf_printf(out, "%.*s:%s", STR_ARG(topic->arn), uuid);
}

bool topic_is_subscription(struct str name, struct str uuid)
{
    char own[UUID_SIZE + 1];

    write_uuid(name, own);
    return str_is(uuid, own);
}

const struct adapter topic_adapter = {
    .type = "topic",
    .section = "topics",
    .summary = "pushes every message to each of its subscriptions",
    .arn_format = "arn:aws:sns:{region}:{account}:{name}",
    .name_max = TOPIC_NAME_MAX,
    .options = options,
    .options_size = sizeof(struct topic_options),
    .check = check,
    .expand = expand,
};
