/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a topic's subscription is handed. The message is a rule's rendered input, or what was published; a raw
 * subscription gets its text (a queue also its attributes, as message attributes), the others SNS's envelope around
 * it, functions as the record that Lambda is invoked with. Endpoints of HTTP get SNS's headers.
 *
 * The signature is the same for all subscriptions of a message, and costs about 0.3 ms of processor time. What is
 * published brings its own, made before dispatch saw it. What a rule makes for a queue is rendered with a blank, and
 * workers fill in the blanks of a turn before its job goes to the ledger (sign_puts()), while dispatch goes on. What it
 * makes for a target that is sent to is signed when it is handed over. Subscriptions of one message come one after the
 * other, so the last signature is kept.
 */
#include <stdlib.h>

#include "router/log.h"
#include "router/publish.h"
#include "router/signer.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define HEADERS 7

extern const struct adapter function_adapter, http_adapter;

struct flight_message { /* behind a delivery's slices */
    struct arena arena;
    struct str to_sign; /* what belongs into the blank of the input; "": there is none */
    enum topic_signature version;
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

    if (f->route->endpoint)
        return f->route->endpoint->platform.ptr;
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

/* Who reads a queue trusts it; who is called by HTTP may ask for more. */
static bool wants_signature(const struct flight *f)
{
    int version = ((const struct topic_options *)f->route->topic->options)->signature_version;
    const struct adapter *to = f->outlet->def->adapter;
    return version == TOPIC_SIGNATURE_AUTO ? to == &http_adapter : version != TOPIC_SIGNATURE_NONE;
}

static void sign(struct dispatch *d, struct flight *f, struct topic_message *m)
{
    const struct topic_options *o = f->route->topic->options;
    struct flight_message *own = f->message;
    char signature[SIGNER_SIGNATURE_SIZE + 1];
    struct buf text = BUF_INIT;

    if (m->signature.size || !wants_signature(f) || !d->options.signer)
        return;
    m->certificate = signer_certificate_path(d->options.signer);
    if (!m->certificate.size)
        return;
    topic_write_signed(f->route->topic, m, &text);
    m->version = own->version = o->signature_version == TOPIC_SIGNATURE_2 ? TOPIC_SIGNATURE_2 : TOPIC_SIGNATURE_1;
    struct str to_sign = keep(&own->arena, &text);
    if (f->d.target && f->d.target->ops->put) {
        memset(signature, ' ', SIGNER_SIGNATURE_SIZE);
        signature[SIGNER_SIGNATURE_SIZE] = '\0';
        own->to_sign = to_sign;
    } else if (!signer_sign(d->options.signer, m->version, to_sign, signature)) {
        return;
    }
    m->signature = arena_str(&own->arena, str_from(signature));
}

/* ---- the blanks of a turn ---- */

#define SIGN_PARTS WORKERS

struct sign_part {
    struct work work;
    struct turn *turn;
    size_t first, end; /* of its puts */
};

static void fill_in(struct flight *f, const char *signature)
{
    static const char before[] = "\"Signature\":\""; /* within a text the quotes would be escaped */
    char *at = memmem(f->input.data, f->input.size, before, sizeof before - 1);

    assert(at && (size_t)(f->input.data + f->input.size - at) > sizeof before - 1 + SIGNER_SIGNATURE_SIZE);
    memcpy(at + sizeof before - 1, signature, SIGNER_SIGNATURE_SIZE);
    f->message->to_sign = STR("");
}

/* A worker. */
static void part_run(struct work *work)
{
    struct sign_part *part = (struct sign_part *)work;
    struct turn *t = part->turn;
    char signature[SIGNER_SIGNATURE_SIZE + 1];
    struct str last = STR("");

    for (size_t i = part->first; i < part->end; i++) {
        struct flight *f = t->puts.list[i];
        struct flight_message *m = f->message;
        if (!m || !m->to_sign.size)
            continue;
        if (!str_eq(m->to_sign, last) && !signer_sign(t->dispatch->options.signer, m->version, m->to_sign, signature))
            xfail("cannot sign");
        last = m->to_sign;
        fill_in(f, signature);
    }
}

static void part_done(struct work *work)
{
    struct turn *t = ((struct sign_part *)work)->turn;

    if (--t->signing)
        return;
    free(t->sign_parts);
    t->sign_parts = NULL;
    turn_signed(t->dispatch);
}

void sign_puts(struct turn *t)
{
    size_t count = 0, share;

    for (size_t i = 0; i < t->puts.count; i++)
        count += t->puts.list[i]->message && t->puts.list[i]->message->to_sign.size;
    if (!count)
        return;
    t->signing = count < SIGN_PARTS ? 1 : SIGN_PARTS;
    t->sign_parts = xarray(t->signing, sizeof *t->sign_parts);
    share = (t->puts.count + t->signing - 1) / t->signing;
    for (unsigned i = 0; i < t->signing; i++) {
        struct sign_part *part = &t->sign_parts[i];
        size_t first = i * share, end = first + share;
        *part = (struct sign_part){.work = {.run = part_run, .done = part_done},
                                   .turn = t,
                                   .first = first < t->puts.count ? first : t->puts.count,
                                   .end = end < t->puts.count ? end : t->puts.count};
        workers_submit(t->dispatch->workers, &part->work);
    }
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
    f->d.headers = m->headers;
    if (route->endpoint)
        return; /* a gateway is no endpoint of SNS's own protocol */
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

    if (f->route->endpoint)
        topic_write_push(f->route->topic, m, f->route->endpoint, &out);
    else if (f->outlet->def->adapter == &function_adapter)
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
        if (!f->route->endpoint)
            sign(d, f, &m);
        hand_wrapped(f, &m);
    }
    return true;
}
