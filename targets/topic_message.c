/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNS's envelope in its two forms: for queues and HTTP endpoints, and as the record that a function is invoked with;
 * and the text of it that is signed. A verifier builds that text from the envelope's members by their names, so both
 * come from one struct here, and a signature made of the one fits the other.
 *
 * Nothing is made up: a message that nobody signed has no members of a signature, since made-up values would only
 * mislead a consumer that checks them.
 */
#include "targets/topic.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "matcher/json.h"
#include "targets/archive.h"

#define STAMP_SIZE 32

const char *const topic_message_types[] = {
    [TOPIC_NOTIFICATION] = "Notification",
    [TOPIC_SUBSCRIPTION_CONFIRMATION] = "SubscriptionConfirmation",
    [TOPIC_UNSUBSCRIBE_CONFIRMATION] = "UnsubscribeConfirmation",
    NULL,
};

static struct str type_of(const struct topic_message *m)
{
    return str_from(topic_message_types[m->type]);
}

static struct str stamp_of(const struct topic_message *m, char space[STAMP_SIZE])
{
    char time[21];

    time_format_rfc3339(m->time_ms, time);
    snprintf(space, STAMP_SIZE, "%.19s.%03dZ", time, (int)((m->time_ms % 1000 + 1000) % 1000));
    return str_from(space);
}

/* What a client does to confirm, or to leave: a GET of this. */
static void write_link(const struct target_def *topic, const struct topic_message *m, struct buf *out)
{
    buf_str(out, m->base_url);
    if (m->type == TOPIC_NOTIFICATION)
        buf_printf(out, "/?Action=Unsubscribe&SubscriptionArn=%.*s", STR_ARG(m->subscription));
    else
        buf_printf(out, "/?Action=ConfirmSubscription&TopicArn=%.*s&Token=%.*s", STR_ARG(topic->arn),
                   STR_ARG(m->token));
}

/* ---- the signed text ---- */

static void add_line(struct buf *out, const char *name, struct str value)
{
    buf_text(out, name);
    buf_char(out, '\n');
    buf_str(out, value);
    buf_char(out, '\n');
}

void topic_write_signed(const struct target_def *topic, const struct topic_message *m, struct buf *out)
{
    char stamp[STAMP_SIZE];

    add_line(out, "Message", m->text);
    add_line(out, "MessageId", m->id);
    if (m->type == TOPIC_NOTIFICATION && m->subject.size)
        add_line(out, "Subject", m->subject);
    if (m->type != TOPIC_NOTIFICATION) {
        buf_text(out, "SubscribeURL\n");
        write_link(topic, m, out);
        buf_char(out, '\n');
    }
    add_line(out, "Timestamp", stamp_of(m, stamp));
    if (m->type != TOPIC_NOTIFICATION)
        add_line(out, "Token", m->token);
    add_line(out, "TopicArn", topic->arn);
    add_line(out, "Type", type_of(m));
}

/* ---- the envelope ---- */

static void add_said(struct buf *out, const char *key, struct str value)
{
    if (value.size)
        json_write_member(out, key, value);
}

static void add_link(const struct target_def *topic, const struct topic_message *m, const char *key, struct buf *out)
{
    struct buf link = BUF_INIT;

    write_link(topic, m, &link);
    out->failed |= link.failed;
    json_write_member(out, key, buf_view(&link));
    buf_fini(&link);
}

/* The record for functions spells two keys its own way. */
static void add_signature(const struct topic_message *m, const char *url_key, struct buf *out)
{
    struct buf url = BUF_INIT;

    if (!m->signature.size)
        return;
    buf_str(&url, m->base_url);
    buf_str(&url, m->certificate);
    out->failed |= url.failed;
    json_write_member(out, "SignatureVersion", m->version == TOPIC_SIGNATURE_2 ? STR("2") : STR("1"));
    json_write_member(out, "Signature", m->signature);
    json_write_member(out, url_key, buf_view(&url));
    buf_fini(&url);
}

static void add_attributes(const struct topic_message *m, struct buf *out)
{
    if (!m->attributes.size)
        return;
    json_write_key(out, "MessageAttributes");
    buf_str(out, m->attributes);
}

void topic_write_envelope(const struct target_def *topic, const struct topic_message *m, struct buf *out)
{
    char stamp[STAMP_SIZE];

    buf_char(out, '{');
    json_write_member(out, "Type", type_of(m));
    json_write_member(out, "MessageId", m->id);
    add_said(out, "SequenceNumber", m->sequence);
    add_said(out, "Token", m->token);
    json_write_member(out, "TopicArn", topic->arn);
    add_said(out, "Subject", m->subject);
    json_write_member(out, "Message", m->text);
    if (m->type != TOPIC_NOTIFICATION)
        add_link(topic, m, "SubscribeURL", out);
    json_write_member(out, "Timestamp", stamp_of(m, stamp));
    add_signature(m, "SigningCertURL", out);
    if (m->type == TOPIC_NOTIFICATION && m->base_url.size)
        add_link(topic, m, "UnsubscribeURL", out);
    add_attributes(m, out);
    buf_char(out, '}');
}

void topic_write_record(const struct target_def *topic, const struct topic_message *m, struct buf *out)
{
    char stamp[STAMP_SIZE];

    buf_text(out, "{\"Records\":[{\"EventSource\":\"aws:sns\",\"EventVersion\":\"1.0\"");
    json_write_member(out, "EventSubscriptionArn", m->subscription);
    json_write_key(out, "Sns");
    buf_char(out, '{');
    json_write_member(out, "Type", type_of(m));
    json_write_member(out, "MessageId", m->id);
    json_write_member(out, "TopicArn", topic->arn);
    json_write_key(out, "Subject");
    if (m->subject.size)
        json_write_string(out, m->subject);
    else
        buf_text(out, "null");
    json_write_member(out, "Message", m->text);
    json_write_member(out, "Timestamp", stamp_of(m, stamp));
    add_signature(m, "SigningCertUrl", out);
    if (m->base_url.size)
        add_link(topic, m, "UnsubscribeUrl", out);
    json_write_key(out, "MessageAttributes");
    buf_str(out, m->attributes.size ? m->attributes : STR("{}"));
    buf_text(out, "}}]}");
}

void topic_write_push(const struct target_def *topic, const struct topic_message *m, const struct topic_endpoint *e,
                      struct buf *out)
{
    char stamp[STAMP_SIZE];

    buf_char(out, '{');
    json_write_member(out, "Platform", e->platform);
    json_write_member(out, "Application", e->application);
    json_write_member(out, "EndpointId", e->id);
    json_write_member(out, "Token", e->token);
    add_said(out, "CustomUserData", e->user_data);
    json_write_member(out, "MessageId", m->id);
    json_write_member(out, "TopicArn", topic->arn);
    add_said(out, "Subject", m->subject);
    json_write_member(out, "Message", m->text);
    json_write_member(out, "Timestamp", stamp_of(m, stamp));
    add_attributes(m, out);
    buf_char(out, '}');
}

/* ---- ids ---- */

static void digest_part(EVP_MD_CTX *ctx, struct str part)
{
    uint64_t size = part.size;

    EVP_DigestUpdate(ctx, &size, sizeof(size)); /* or "ab","c" and "a","bc" would be the same message */
    EVP_DigestUpdate(ctx, part.ptr, part.size);
}

bool topic_message_id(const struct target_def *topic, const struct delivery *d, char out[UUID_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

    if (ok) {
        const struct str parts[] = {topic->arn, d->origin, d->bus, d->rule, d->target_id, d->event_id};
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
