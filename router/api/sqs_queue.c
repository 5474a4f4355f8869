/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues: made, deleted, emptied, and their attributes. What the files declare is shown, and equal creates of it
 * succeed. DeleteQueue first takes the queue away, then its messages; what receives or sends meanwhile finds no queue.
 */
#include <stdio.h>

#include "router/api/sqs_queue_int.h"
#include "router/router.h"
#include "router/xalloc.h"

struct input {
    struct str url, name, owner, attributes, tags, attribute_names;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct input, "QueueUrl", AWS_STRING, url),
    AWS_MEMBER(struct input, "QueueName", AWS_STRING, name),
    AWS_MEMBER(struct input, "QueueOwnerAWSAccountId", AWS_STRING, owner),
    AWS_MEMBER(struct input, "Attributes", AWS_STRUCTURE, attributes),
    AWS_MEMBER(struct input, "AttributeNames", AWS_LIST, attribute_names, .element = AWS_STRING),
    AWS_MEMBER(struct input, "tags", AWS_STRUCTURE, tags),
    {0},
};

static void reply_url(struct aws_request *r, struct str queue)
{
    struct buf json = BUF_INIT;

    buf_text(&json, "{\"QueueUrl\":");
    sqs_write_url(r, &json, queue);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

/* ---- CreateQueue ---- */

struct create {
    struct aws_change change;
    struct str name, tags;
    struct str values[SQS_ATTRIBUTE_COUNT];
};

static bool is_name(struct str name)
{
    size_t suffix = queue_is_fifo(name) ? strlen(".fifo") : 0;
    return sqs_is_word((struct str){name.ptr, name.size - suffix}, QUEUE_NAME_MAX - suffix);
}

static bool check_name(struct aws_request *r, const struct input *in)
{
    static const char standard[] =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    struct str raw = in->attributes.ptr ? json_member(in->attributes, "FifoQueue") : (struct str){0};
    bool fifo = raw.ptr && json_type_of(raw) == JSON_STRING && json_raw_is(raw, "true");

    if (!sqs_has(r, in->name, "QueueName"))
        return false;
    if (!is_name(in->name) || (!fifo && queue_is_fifo(in->name))) {
        aws_fail(r, 400, "InvalidParameterValue", "%s", standard);
        return false;
    }
    if (fifo && !queue_is_fifo(in->name)) {
        aws_fail(r, 400, "InvalidParameterValue",
                 "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end "
                 "with .fifo suffix and be 1 to 80 in length.");
        return false;
    }
    return true;
}

/* There is one of this name: equal creates succeed. */
static bool match(struct create *c, const struct sqs_document *document, const struct target_def *def)
{
    const char *other = sqs_attributes_differ(&c->change.request->arena, c->values, document, def);

    return other &&
           aws_refuse(&c->change, 400, "QueueNameExists",
                      "A queue already exists with the same name and a different value for attribute %s", other);
}

static bool create_edit(struct aws_change *change, struct resources *resources) /* main thread */
{
    struct create *c = (struct create *)change;
    struct aws_request *r = change->request;
    struct sqs_document d;
    struct message_fault fault;

    switch (resources_owner(resources, "queues", c->name)) {
    case RESOURCES_NOBODY: break;
    case RESOURCES_API:
        sqs_document_read(&r->arena, resources_get(resources, "queues", c->name), &d);
        return match(c, &d, NULL);
    default: return match(c, NULL, ruleset_target(resources_set(resources), queue_adapter.type, c->name));
    }
    if (!sqs_attributes_check(resources, c->name, c->values, c->values, &fault))
        return aws_refuse(change, 400, fault.code, "%s", fault.message);
    int64_t now_s = clock_now(&http_router(r->http)->clock).wall_ms / 1000;
    d = (struct sqs_document){.tags = c->tags, .created_s = now_s, .modified_s = now_s};
    memcpy(d.values, c->values, sizeof d.values);
    resources_put(resources, "queues", c->name, sqs_document_write(&r->arena, &d, c->name));
    return true;
}

static void create_answer(struct aws_change *change)
{
    reply_url(change->request, ((struct create *)change)->name);
}

void sqs_create_queue(struct aws_request *r)
{
    struct create *c = aws_change_new(r, sizeof *c, create_edit, create_answer);
    struct message_fault fault;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !check_name(r, &in) || !sqs_check_tags(r, in.tags, in.name))
        return;
    c->name = in.name;
    c->tags = sqs_tags(&r->arena, in.tags);
    if (sqs_attributes_read(&r->arena, in.attributes, in.name, true, c->values, &fault))
        aws_change_start(&c->change);
    else
        aws_fail(r, 400, fault.code, "%s", fault.message);
}

/* ---- GetQueueUrl ---- */

void sqs_get_queue_url(struct aws_request *r)
{
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !sqs_has(r, in.name, "QueueName"))
        return;
    if (in.owner.size && !str_eq(in.owner, http_set(r->http)->account))
        aws_fail(r, 400, "QueueDoesNotExist", "The specified queue does not exist.");
    else if (sqs_queue_called(r, in.name))
        reply_url(r, in.name);
}

/* ---- attributes ---- */

struct attributes {
    struct sqs_call call;
    uint32_t wanted;
    struct queue_counts counts;
};

static bool count_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct attributes *c = (struct attributes *)job;
    return queue_count(s, c->call.queue->name, now, &c->counts, diag);
}

static void answer_attributes(struct sqs_call *call)
{
    struct attributes *c = (struct attributes *)call;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    if (c->wanted) {
        json_write_key(&json, "Attributes");
        sqs_attributes_write(&json, call->request, call->queue, c->wanted, &c->counts);
    }
    buf_char(&json, '}');
    aws_reply(call->request, &json);
    buf_fini(&json);
}

void sqs_get_queue_attributes(struct aws_request *r)
{
    const struct target_def *queue;
    struct input in = {0};
    uint32_t wanted;

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)) ||
        !sqs_attributes_wanted(r, in.attribute_names, &wanted))
        return;
    struct attributes *c = sqs_call_new(r, sizeof *c, queue, count_step, answer_attributes);
    c->wanted = wanted;
    sqs_call_submit(&c->call);
}

struct set {
    struct sqs_change change;
    struct str values[SQS_ATTRIBUTE_COUNT];
};

static bool set_edit(struct sqs_change *change, struct sqs_document *d, struct resources *resources) /* main thread */
{
    struct set *c = (struct set *)change;
    struct message_fault fault;

    for (size_t i = 0; i < SQS_ATTRIBUTE_COUNT; i++)
        if (c->values[i].ptr)
            d->values[i] = c->values[i].size ? c->values[i] : (struct str){0};
    return sqs_attributes_check(resources, change->name, d->values, c->values, &fault) ||
           aws_refuse(&change->change, 400, fault.code, "%s", fault.message);
}

void sqs_set_queue_attributes(struct aws_request *r)
{
    const struct target_def *queue;
    struct message_fault fault;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    if (!in.attributes.ptr) {
        sqs_has(r, STR(""), "Attributes");
        return;
    }
    struct set *c = sqs_change_new(r, sizeof *c, queue->name, set_edit);
    if (sqs_attributes_read(&r->arena, in.attributes, queue->name, false, c->values, &fault))
        sqs_change_start(&c->change);
    else
        aws_fail(r, 400, fault.code, "%s", fault.message);
}

/* ---- DeleteQueue ---- */

struct deletion {
    struct aws_change change;
    struct sqs_call *purge; /* follows it */
};

static bool delete_edit(struct aws_change *change, struct resources *resources) /* main thread */
{
    struct deletion *c = (struct deletion *)change;

    if (!sqs_may_change(change, resources, c->purge->queue->name))
        return false;
    resources_delete(resources, "queues", c->purge->queue->name);
    return true;
}

/* Where somebody has made a queue of this name meanwhile, its first messages may be there: then none is touched. */
static bool delete_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct str name = ((struct sqs_call *)job)->queue->name;
    int64_t count;
    bool found;

    if (!resources_stored(s, "queues", name, &found, diag))
        return false;
    return found || (queue_move_cancel(s, name, &found, diag) && queue_purge(s, name, &count, diag));
}

static void deleted(struct sqs_call *c)
{
    dispatch_chores(http_router(c->request->http)->dispatch); /* what is out of reach takes room */
    aws_reply_empty(c->request);
}

static void delete_messages(struct aws_change *change)
{
    sqs_call_submit(((struct deletion *)change)->purge);
}

void sqs_delete_queue(struct aws_request *r)
{
    struct deletion *c = aws_change_new(r, sizeof *c, delete_edit, delete_messages);
    const struct target_def *queue;
    struct input in = {0};

    if (!aws_read(r, r->input, "", members, &in) || !(queue = sqs_queue(r, in.url)))
        return;
    c->purge = sqs_call_new(r, sizeof *c->purge, queue, delete_step, deleted);
    aws_change_start(&c->change);
}
