/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topic: nothing but a list of subscriptions, which dispatch walks while it matches, and SNS's envelope for those
 * that do not ask for raw delivery.
 *
 * A subscription without a name of its own goes by its target's ARN: stable, and unique unless the same target is
 * subscribed twice, which is refused.
 *
 * The envelope has what identifies and carries the message. SNS's signature members (SignatureVersion, Signature,
 * SigningCertURL) and UnsubscribeURL are absent: nobody here could sign as Amazon, and made-up values would only
 * mislead a consumer that checks them. EventBridge sets no Subject, so there is none.
 */
#include "targets/topic.h"

#include "matcher/json.h"
#include "targets/archive.h"
#include "targets/uuid.h"

#include <openssl/evp.h>
#include <stdio.h>

static const char *const scopes[] = {"MessageBody", "MessageAttributes", NULL};

static const struct option subscription_options[] = {
    {.key = "target",
     .type = OPTION_TARGET,
     .offset = offsetof(struct topic_subscription, target),
     .required = true,
     .scalar = true,
     .meaning = "where the topic's messages go: any target but a topic, a bus or an archive"},
    {.key = "raw_message_delivery",
     .type = OPTION_BOOL,
     .offset = offsetof(struct topic_subscription, raw_message_delivery),
     .value = "false",
     .meaning = "hand over the message as it is, without SNS's envelope (which is not signed here)"},
    {.key = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct topic_subscription, name),
     .max = 256,
     .meaning = "the subscription's name, unique in its topic; without it, the target's ARN"},
    {.key = "filter_policy",
     .type = OPTION_PATTERN,
     .offset = offsetof(struct topic_subscription, filter_policy),
     .meaning = "only messages that match this pattern are delivered to the subscription"},
    {.key = "filter_policy_scope",
     .type = OPTION_ENUM,
     .offset = offsetof(struct topic_subscription, filter_policy_scope),
     .value = "MessageBody",
     .names = scopes,
     .meaning = "what the policy looks at; what comes from rules has no message attributes"},
    {0},
};

static const struct option options[] = {
    {.key = "subscriptions",
     .type = OPTION_LIST,
     .offset = offsetof(struct topic_options, subscriptions),
     .members = subscription_options,
     .item_size = sizeof(struct topic_subscription),
     .meaning = "the targets that get every message of the topic"},
    {0},
};

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
            ok = check_target(def, &all[i], diags) && check_name(def, all, i, diags) && ok;
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
                              .filter_attributes = s->filter_policy_scope == TOPIC_SCOPE_ATTRIBUTES};
    return 1;
}

/* ---- the envelope ---- */

static void digest_part(EVP_MD_CTX *ctx, struct str part)
{
    uint64_t size = part.size;

    EVP_DigestUpdate(ctx, &size, sizeof(size)); /* or "ab","c" and "a","bc" would be the same message */
    EVP_DigestUpdate(ctx, part.ptr, part.size);
}

/* The same for every subscription and every retry of one message, as SNS has it. */
static bool message_id(const struct target_def *def, const struct delivery *d, char out[UUID_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

    if (ok) {
        const struct str parts[] = {def->arn, d->origin, d->bus, d->rule, d->target_id, d->event_id};
        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
            digest_part(ctx, parts[i]);
        EVP_DigestUpdate(ctx, &d->position, sizeof(d->position));
        ok = EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    }
    EVP_MD_CTX_free(ctx);
    if (ok)
        uuid_from_digest(digest, out);
    return ok;
}

static bool wrap(const struct target_def *def, const struct delivery *d, struct weir_time now, struct buf *out)
{
    char id[UUID_SIZE + 1], time[21], stamp[32];
    int64_t ms = d->accepted.wall_ms; /* not now: a retry sends the same bytes */

    if (!message_id(def, d, id))
        return false;
    time_format_rfc3339(ms, time);
    snprintf(stamp, sizeof(stamp), "%.19s.%03dZ", time, (int)((ms % 1000 + 1000) % 1000));
    buf_char(out, '{');
    json_write_member(out, "Type", STR("Notification"));
    json_write_member(out, "MessageId", str_from(id));
    json_write_member(out, "TopicArn", def->arn);
    json_write_member(out, "Message", d->input);
    json_write_member(out, "Timestamp", str_from(stamp));
    buf_char(out, '}');
    return !out->failed;
}

const struct adapter topic_adapter = {
    .type = "topic",
    .section = "topics",
    .summary = "pushes every message to each of its subscriptions",
    .arn_format = "arn:aws:sns:{region}:{account}:{name}",
    .name_max = 256,
    .options = options,
    .options_size = sizeof(struct topic_options),
    .check = check,
    .expand = expand,
    .wrap = wrap,
};
