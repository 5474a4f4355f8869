/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of the API as documents (sqs_queue_int.h), and the way of a change to one: what is kept are the attributes as
 * they were set, and the keys of weir.yaml are written anew from them with every change.
 */
#include <stdlib.h>

#include "router/api/sqs_queue_int.h"
#include "router/router.h"
#include "router/xalloc.h"

static int64_t number_member(struct str object, const char *key)
{
    struct str raw = json_member(object, key);
    return raw.ptr ? strtoll(raw.ptr, NULL, 10) : 0; /* a number that we wrote: more text follows it */
}

void sqs_document_read(struct arena *a, struct str text, struct sqs_document *out)
{
    struct str aws = json_member(text, "x-aws"), values, tags;

    *out = (struct sqs_document){.tags = STR("{}")};
    if (!aws.ptr || json_type_of(aws) != JSON_OBJECT)
        return;
    out->created_s = number_member(aws, "CreatedTimestamp");
    out->modified_s = number_member(aws, "LastModifiedTimestamp");
    values = json_member(aws, "Attributes");
    if (values.ptr && json_type_of(values) == JSON_OBJECT)
        sqs_attributes_read_values(a, values, out->values);
    tags = json_member(aws, "Tags");
    if (tags.ptr && json_type_of(tags) == JSON_OBJECT)
        out->tags = tags;
}

struct str sqs_document_write(struct arena *a, const struct sqs_document *d, struct str queue)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    sqs_attributes_write_keys(&json, d->values, queue);
    json_write_key(&json, "x-aws");
    buf_printf(&json,
               "{\"CreatedTimestamp\":%lld,\"LastModifiedTimestamp\":%lld,\"Attributes\":", (long long)d->created_s,
               (long long)d->modified_s);
    sqs_attributes_write_values(&json, d->values);
    buf_printf(&json, ",\"Tags\":%.*s}}", STR_ARG(d->tags));
    return aws_keep(a, &json);
}

/* ---- changing one that is there ---- */

bool sqs_may_change(struct aws_change *c, const struct resources *resources, struct str name)
{
    const struct target_def *def;

    switch (resources_owner(resources, "queues", name)) {
    case RESOURCES_API: return true;
    case RESOURCES_BUILTIN:
        return aws_refuse(c, 400, "UnsupportedOperation", "The queue %.*s is built in, and stays as it is.",
                          STR_ARG(name));
    case RESOURCES_FILE:
        def = ruleset_target(resources_set(resources), queue_adapter.type, name);
        return aws_refuse(c, 400, "UnsupportedOperation",
                          "The queue %.*s is declared in %s, which is where it is changed (ManagedBy: weir.yaml).",
                          STR_ARG(name), def && def->pos.file ? def->pos.file : "weir.yaml");
    default: return aws_refuse(c, 400, "QueueDoesNotExist", "The specified queue does not exist.");
    }
}

static bool edit_cb(struct aws_change *change, struct resources *resources) /* main thread */
{
    struct sqs_change *c = (struct sqs_change *)change;
    struct arena *a = &change->request->arena;
    struct sqs_document d;

    if (!sqs_may_change(change, resources, c->name))
        return false;
    sqs_document_read(a, resources_get(resources, "queues", c->name), &d);
    if (!c->edit(c, &d, resources))
        return false;
    d.modified_s = clock_now(&http_router(change->request->http)->clock).wall_ms / 1000;
    resources_put(resources, "queues", c->name, sqs_document_write(a, &d, c->name));
    return true;
}

void *sqs_change_new(struct aws_request *r, size_t size, struct str name,
                     bool (*edit)(struct sqs_change *c, struct sqs_document *d, struct resources *resources))
{
    struct sqs_change *c = aws_change_new(r, size, edit_cb, NULL);

    c->name = name;
    c->edit = edit;
    return c;
}

void sqs_change_start(struct sqs_change *c)
{
    aws_change_start(&c->change);
}
