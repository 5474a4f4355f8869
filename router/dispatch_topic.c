/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a topic's subscription is handed. The message is a rule's rendered input, or what was published; a raw
 * subscription gets its text (a queue also its attributes, as message attributes), the others SNS's envelope around
 * it, functions as the record that Lambda is invoked with. Endpoints of HTTP get SNS's headers.
 *
 * The signature is the same for all subscriptions of a message. What is published brings its own, made before dispatch
 * saw it; what a rule makes is signed here when it is handed over, and the last signature is kept, since the
 * subscriptions of one message come one after the other. One costs about 0.3 ms: `signature_version: none` is there for
 * topics with thousands of messages a second.
 */
#include <stdlib.h>

#include "router/log.h"
#include "router/publish.h"
#include "router/signer.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define HEADERS 7

extern const struct adapter function_adapter;

struct flight_message { /* behind a delivery's slices */
    struct arena arena;
    struct delivery_header headers[HEADERS + 1];
};

void flight_message_free(struct flight_message *m)
{
    if (!m)
        return;
    arena_fini(&m->arena);
    free(m);
}

static struct str keep(struct arena *a, struct buf *text)
{
    xbuf(text);
    struct str copy = arena_str(a, buf_view(text));
    if (!copy.ptr)
        xfail("out of memory");
    buf_fini(text);
    return copy;
}

/* SNS's word for how the subscription is delivered. */
static const char *protocol_of(const struct flight *f)
{
    const char *type = f->outlet->def->adapter->type;

    if (strcmp(type, "queue") == 0)
        return "sqs";
    return strcmp(type, "function") == 0 ? "lambda" : type;
}

/* ---- the message ---- */

static void take_published(struct flight *f, struct arena *a, struct topic_message *out)
{
    char sequence[QUEUE_SEQUENCE_DIGITS + 1];
    struct published p;

    publish_read(f->d.event, a, &p);
    *out = p.message;
    if (p.per_protocol) {
        struct str whole = publish_text_for(out->text, "default", a),
                   own = publish_text_for(out->text, protocol_of(f), a);
        if (!str_eq(whole, own))
            out->signature = STR(""); /* that one is of the default text */
        out->text = own;
    }
    if (topic_is_fifo(f->route->topic)) {
        queue_sequence_write(f->d.position, sequence);
        out->sequence = arena_str(a, str_from(sequence));
    }
    if (f->outlet->def->adapter != &queue_adapter || !queue_is_fifo(f->outlet->def->name))
        return;
    f->d.message_group = p.group.size ? p.group : f->route->topic->name;
    f->d.deduplication_id = p.deduplication.size ? p.deduplication : out->id;
}

static void take_ruled(struct dispatch *d, const struct flight *f, struct arena *a, struct topic_message *out)
{
    char id[UUID_SIZE + 1];

    if (!topic_message_id(f->route->topic, &f->d, id))
        xfail("out of memory");
    *out = (struct topic_message){.id = arena_str(a, str_from(id)), .text = f->d.input};
    if (d->options.signer)
        out->base_url = signer_url(d->options.signer, a);
}

/* ---- the signature ---- */

static void sign(struct dispatch *d, const struct target_def *topic, struct arena *a, struct topic_message *m)
{
    const struct topic_options *o = topic->options;
    char signature[SIGNER_SIGNATURE_SIZE + 1];
    struct buf text = BUF_INIT;

    if (m->signature.size || o->signature_version == TOPIC_SIGNATURE_NONE || !d->options.signer)
        return;
    topic_write_signed(topic, m, &text);
    xbuf(&text);
    m->version = (enum topic_signature)o->signature_version;
    if (signer_sign(d->options.signer, m->version, buf_view(&text), signature)) {
        m->signature = arena_str(a, str_from(signature));
        m->certificate = signer_certificate_path(d->options.signer);
    }
    buf_fini(&text);
}

/* ---- headers ---- */

static void add_header(struct flight_message *m, const char *name, struct str value)
{
    size_t n = 0;

    while (m->headers[n].name)
        n++;
    assert(n < HEADERS);
    m->headers[n] = (struct delivery_header){name, value};
}

static void write_headers(struct flight *f, struct flight_message *m, const struct topic_message *message)
{
    const struct route *route = f->route;

    memset(m->headers, 0, sizeof m->headers);
    if (!route->raw || route->published)
        add_header(m, "Content-Type", STR("text/plain; charset=UTF-8"));
    add_header(m, "User-Agent", STR("Amazon Simple Notification Service Agent"));
    add_header(m, "x-amz-sns-message-type", str_from(topic_message_types[message->type]));
    add_header(m, "x-amz-sns-message-id", message->id);
    add_header(m, "x-amz-sns-topic-arn", route->topic->arn);
    if (message->type == TOPIC_NOTIFICATION)
        add_header(m, "x-amz-sns-subscription-arn", message->subscription);
    if (route->raw && message->type == TOPIC_NOTIFICATION)
        add_header(m, "x-amz-sns-rawdelivery", STR("true"));
    f->d.headers = m->headers;
}

/* ---- all of it ---- */

static struct str subscription_arn(const struct flight *f, struct arena *a)
{
    struct buf arn = BUF_INIT;

    topic_write_subscription_arn(f->route->topic, f->route->subscription, &arn);
    return keep(a, &arn);
}

static void hand_raw(struct flight *f, const struct topic_message *m)
{
    f->d.attributes = m->attributes;
    if (m->text.ptr == f->input.data)
        return;
    if (!f->route->published) {
        f->d.input = m->text;
        return;
    }
    buf_clear(&f->input);
    buf_str(&f->input, m->text);
    xbuf(&f->input);
    f->d.input = buf_view(&f->input);
}

static void hand_wrapped(struct flight *f, const struct topic_message *m)
{
    struct buf out = BUF_INIT;

    if (f->outlet->def->adapter == &function_adapter)
        topic_write_record(f->route->topic, m, &out);
    else
        topic_write_envelope(f->route->topic, m, &out);
    xbuf(&out);
    buf_fini(&f->input);
    f->input = out;
    f->d.input = buf_view(&f->input);
}

bool flight_render_message(struct dispatch *d, struct flight *f, struct weir_diag *diag)
{
    struct flight_message *own = xalloc(sizeof *own);
    struct topic_message m;

    flight_message_free(f->message); /* of an attempt before */
    f->message = own;
    if (f->route->published)
        take_published(f, &own->arena, &m);
    else
        take_ruled(d, f, &own->arena, &m);
    if (!m.time_ms)
        m.time_ms = f->d.accepted.wall_ms; /* not now: a retry sends the same bytes */
    m.subscription = subscription_arn(f, &own->arena);
    write_headers(f, own, &m);
    if (own->arena.failed)
        xfail("out of memory");
    if (f->route->raw && m.type == TOPIC_NOTIFICATION) {
        hand_raw(f, &m);
    } else {
        sign(d, f->route->topic, &own->arena, &m);
        hand_wrapped(f, &m);
    }
    return true;
}
