/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publish and PublishBatch. A message is checked, made a document and signed here, on the io thread, so that a
 * signature's processor time is nobody else's; dispatch makes its deliveries (router/publish.h), and the answer
 * is sent when they are committed. Topics that hand over nothing but raw messages sign nothing.
 *
 * A batch is checked entry by entry: those that are wrong are named in the answer, the others are published together.
 */
#include "router/api/aws_change.h"
#include "router/api/sns.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "router/publish.h"
#include "router/router.h"
#include "router/signer.h"
#include "router/space.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define ID_MAX 80

struct publishing {
    struct publish_call call;
    struct aws_request *request;
    const struct target_def *topic;
    struct str base_url;
    bool batch;
    struct str ids[PUBLISH_MESSAGES_MAX]; /* of the entries that are published */
    struct buf failed;                    /* those that are not, as the answer has them */
};

/* ---- one message ---- */

static bool is_wrapped(const struct target_def *topic)
{
    struct expansion x;

    for (size_t i = 0; topic->adapter->expand(topic, i, &x) == 1; i++)
        if (!x.raw)
            return true;
    return false;
}

static void sign(struct publishing *p, struct topic_message *m)
{
    struct signer *signer = http_router(p->request->http)->signer;
    const struct topic_options *o = p->topic->options;
    char signature[SIGNER_SIGNATURE_SIZE + 1];
    struct buf text = BUF_INIT;

    if (o->signature_version > TOPIC_SIGNATURE_2 || !is_wrapped(p->topic))
        return; /* auto: dispatch signs what goes by HTTP */
    m->version = (enum topic_signature)o->signature_version;
    topic_write_signed(p->topic, m, &text);
    xbuf(&text);
    if (signer_sign(signer, m->version, buf_view(&text), signature)) {
        m->signature = arena_str(&p->request->arena, str_from(signature));
        m->certificate = signer_certificate_path(signer);
    }
    buf_fini(&text);
}

static struct str content_id(struct aws_request *r, struct str text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf hex = BUF_INIT;

    if (EVP_Digest(text.ptr, text.size, digest, &size, EVP_sha256(), NULL) != 1)
        xfail("cannot make a digest");
    for (unsigned i = 0; i < size; i++)
        buf_printf(&hex, "%02x", digest[i]);
    return aws_keep(&r->arena, &hex);
}

static struct str deduplication_key(struct publishing *p, struct str id, struct str group)
{
    const struct topic_options *o = p->topic->options;
    struct buf key = BUF_INIT;

    buf_str(&key, id);
    if (o->deduplication_scope == QUEUE_SCOPE_MESSAGE_GROUP)
        buf_printf(&key, " %.*s", STR_ARG(group));
    return aws_keep(&p->request->arena, &key);
}

static bool add(struct publishing *p, const struct sns_message *m, int64_t now_ms, struct sns_fault *fault)
{
    struct aws_request *r = p->request;
    struct publish_message *out = &p->call.messages[p->call.count];
    struct buf shown = BUF_INIT, filterable = BUF_INIT, document = BUF_INIT;
    bool json = m->structure.size > 0, fifo = topic_is_fifo(p->topic);

    bool ok =
        sns_message_check(m, p->topic, fault) && sns_message_attributes(m->attributes, &shown, &filterable, fault);
    struct str attributes = aws_keep(&r->arena, &shown);
    out->filterable = aws_keep(&r->arena, &filterable);
    if (!ok)
        return false;
    if (!uuid_random(out->id))
        xfail("the kernel gives no random bytes");
    struct topic_message said = {.id = str_from(out->id),
                                 .subject = m->subject,
                                 .text = json ? publish_text_for(m->text, "default", &r->arena) : m->text,
                                 .attributes = str_is(attributes, "{}") ? STR("") : attributes,
                                 .time_ms = now_ms,
                                 .base_url = p->base_url};
    struct str id = fifo && !m->deduplication.size ? content_id(r, m->text) : m->deduplication;
    sign(p, &said);
    out->text = said.text;
    if (json)
        said.text = m->text;
    publish_document(&document, &said, json, m->group, id);
    out->document = aws_keep(&r->arena, &document);
    out->deduplication = fifo ? deduplication_key(p, id, m->group) : STR("");
    p->call.count++;
    return true;
}

/* ---- the answer ---- */

static void write_sent(struct buf *json, const struct publishing *p, const struct publish_message *m)
{
    char sequence[QUEUE_SEQUENCE_DIGITS + 1];

    json_write_member(json, "MessageId", str_from(m->id));
    if (!topic_is_fifo(p->topic))
        return;
    queue_sequence_write(m->sequence, sequence);
    json_write_member(json, "SequenceNumber", str_from(sequence));
}

static void answer(struct publishing *p)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    if (!p->batch) {
        write_sent(&json, p, &p->call.messages[0]);
    } else {
        buf_text(&json, "\"Successful\":[");
        for (unsigned i = 0; i < p->call.count; i++) {
            buf_text(&json, i ? ",{" : "{");
            json_write_member(&json, "Id", p->ids[i]);
            write_sent(&json, p, &p->call.messages[i]);
            buf_char(&json, '}');
        }
        buf_printf(&json, "],\"Failed\":[%.*s]", STR_ARG(buf_view(&p->failed)));
    }
    buf_char(&json, '}');
    buf_fini(&p->failed);
    aws_reply(p->request, &json);
    buf_fini(&json);
}

static void done(struct publish_call *call)
{
    struct publishing *p = (struct publishing *)call;

    if (call->status == 200) {
        answer(p);
        return;
    }
    buf_fini(&p->failed);
    if (call->status == 404)
        aws_fail(p->request, 404, SNS_NOT_FOUND, "Topic does not exist");
    else
        aws_fail(p->request, 503, "ServiceUnavailable", "The router is stopping.");
}

static void submit(struct publishing *p)
{
    struct aws_request *r = p->request;
    struct router *router = http_router(r->http);
    struct space_refusal no;
    size_t bytes = 0;

    for (unsigned i = 0; i < p->call.count; i++)
        bytes += p->call.messages[i].document.size;
    if (!p->call.count) {
        answer(p);
    } else if (!space_take(router->space, p->call.count, bytes, &no)) {
        buf_fini(&p->failed);
        aws_fail(r, 503, "ServiceUnavailable", "%s", no.message);
    } else {
        p->call.topic = p->topic->name;
        p->call.reply = http_mailbox(r->http);
        p->call.done = done;
        dispatch_publish(router->dispatch, &p->call);
    }
}

/* ---- the operations ---- */

static struct publishing *begin(struct aws_request *r, const struct target_def *topic)
{
    struct publishing *p = arena_new(&r->arena, struct publishing);

    if (!p)
        xfail("out of memory");
    p->request = r;
    p->topic = topic;
    p->base_url = sns_base_url(r);
    return p;
}

struct publish_input {
    struct sns_message message;
    struct str topic, target, phone;
};

#define MESSAGE_MEMBERS(holder)                                                                                        \
    AWS_MEMBER(holder, "Message", AWS_STRING, message.text),                                                           \
        AWS_MEMBER(holder, "Subject", AWS_STRING, message.subject),                                                    \
        AWS_MEMBER(holder, "MessageStructure", AWS_STRING, message.structure),                                         \
        AWS_MEMBER(holder, "MessageAttributes", AWS_STRUCTURE, message.attributes),                                    \
        AWS_MEMBER(holder, "MessageGroupId", AWS_STRING, message.group),                                               \
        AWS_MEMBER(holder, "MessageDeduplicationId", AWS_STRING, message.deduplication)

static const struct aws_member publish_members[] = {
    MESSAGE_MEMBERS(struct publish_input),
    AWS_MEMBER(struct publish_input, "TopicArn", AWS_STRING, topic),
    AWS_MEMBER(struct publish_input, "TargetArn", AWS_STRING, target),
    AWS_MEMBER(struct publish_input, "PhoneNumber", AWS_STRING, phone),
    {0},
};

static const struct target_def *find_topic(struct aws_request *r, const struct publish_input *in,
                                           struct sns_fault *fault)
{
    if (in->phone.size) {
        sns_fault(fault, SNS_INVALID, "Invalid parameter: PhoneNumber Reason: no SMS can be sent from here");
        return NULL;
    }
    if (in->topic.size && in->target.size) {
        sns_fault(fault, SNS_INVALID, "Invalid parameter: TopicArn or TargetArn Reason: only one of them may be given");
        return NULL;
    }
    if (!in->topic.size && !in->target.size) {
        sns_fault(fault, SNS_INVALID,
                  "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter");
        return NULL;
    }
    const struct target_def *topic =
        sns_topic(r, in->topic.size ? in->topic : in->target, in->topic.size ? "TopicArn" : "TargetArn", fault);
    const struct topic_endpoint *endpoint = topic ? topic_endpoint(topic) : NULL;
    if (!endpoint || endpoint->enabled)
        return topic;
    sns_fault(fault, "EndpointDisabledException", "Endpoint is disabled");
    return NULL;
}

static int64_t now_ms(struct aws_request *r)
{
    return clock_now(&http_router(r->http)->clock).wall_ms;
}

void sns_publish(struct aws_request *r)
{
    struct publish_input in = {0};
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", publish_members, &in) || !aws_valid(r))
        return;
    const struct target_def *topic = find_topic(r, &in, &fault);
    struct publishing *p = topic ? begin(r, topic) : NULL;
    if (!p || !add(p, &in.message, now_ms(r), &fault))
        sns_fail(r, &fault);
    else
        submit(p);
}

struct batch_input {
    struct str topic, entries;
};
static const struct aws_member batch_members[] = {
    AWS_MEMBER(struct batch_input, "TopicArn", AWS_STRING, topic),
    AWS_MEMBER(struct batch_input, "PublishBatchRequestEntries", AWS_LIST, entries, .element = AWS_STRUCTURE,
               .shape = "PublishBatchRequestEntry"),
    {0},
};

struct entry {
    struct sns_message message;
    struct str id;
};
static const struct aws_member entry_members[] = {
    MESSAGE_MEMBERS(struct entry),
    AWS_MEMBER(struct entry, "Id", AWS_STRING, id),
    {0},
};

struct entries {
    struct entry list[PUBLISH_MESSAGES_MAX];
    unsigned count;
    size_t bytes;
};

static bool is_entry_id(struct str id)
{
    bool ok = id.size && id.size <= ID_MAX;

    for (size_t i = 0; ok && i < id.size; i++) {
        char c = id.ptr[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    return ok;
}

static bool check_ids(const struct entries *all, struct sns_fault *fault)
{
    for (unsigned i = 0; i < all->count; i++) {
        if (!is_entry_id(all->list[i].id))
            return sns_fault(fault, "InvalidBatchEntryIdException",
                             "The Id of a batch entry in the batch request doesn't abide by the specification.");
        for (unsigned k = 0; k < i; k++)
            if (str_eq(all->list[k].id, all->list[i].id))
                return sns_fault(fault, "BatchEntryIdsNotDistinctException",
                                 "Two or more batch entries in the request have the same Id.");
    }
    return true;
}

/* False: the request is answered. */
static bool read_entries(struct aws_request *r, struct str text, struct entries *out)
{
    struct sns_fault fault;
    struct aws_list list;
    struct str element;

    aws_list_start(&list, text.size ? text : STR("[]"));
    while (aws_list_next(&list, &element)) {
        if (out->count == PUBLISH_MESSAGES_MAX) {
            aws_fail(r, 400, "TooManyEntriesInBatchRequestException",
                     "The batch request contains more entries than permissible.");
            return false;
        }
        struct entry *e = &out->list[out->count++];
        *e = (struct entry){0};
        if (!aws_read(r, element, "publishBatchRequestEntries.", entry_members, e))
            return false;
        out->bytes += sns_message_bytes(&e->message);
    }
    if (!aws_valid(r))
        return false;
    bool ok =
        out->count || sns_fault(&fault, "EmptyBatchRequestException", "The batch request doesn't contain any entries.");
    ok = ok && check_ids(out, &fault);
    if (ok && out->bytes > SNS_MESSAGE_BYTES_MAX)
        ok = sns_fault(&fault, "BatchRequestTooLongException",
                       "The length of all the messages put together is more than the limit.");
    if (!ok)
        sns_fail(r, &fault);
    return ok;
}

static void add_failed(struct publishing *p, struct str id, const struct sns_fault *fault)
{
    struct buf *out = &p->failed;

    buf_text(out, out->size ? ",{" : "{");
    json_write_member(out, "Id", id);
    json_write_member(out, "Code", str_from(aws_error_code(p->request->service, fault->code)));
    json_write_member(out, "Message", str_from(fault->message));
    buf_text(out, ",\"SenderFault\":true}");
    xbuf(out);
}

void sns_publish_batch(struct aws_request *r)
{
    struct batch_input in = {0};
    struct entries all = {.count = 0};
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", batch_members, &in) || !aws_valid(r))
        return;
    const struct target_def *topic = sns_topic(r, in.topic, "TopicArn", &fault);
    if (!topic) {
        sns_fail(r, &fault);
        return;
    }
    if (!read_entries(r, in.entries, &all))
        return;
    struct publishing *p = begin(r, topic);
    p->batch = true;
    for (unsigned i = 0; i < all.count; i++) {
        p->ids[p->call.count < PUBLISH_MESSAGES_MAX ? p->call.count : 0] = all.list[i].id;
        if (!add(p, &all.list[i].message, now_ms(r), &fault))
            add_failed(p, all.list[i].id, &fault);
    }
    submit(p);
}
