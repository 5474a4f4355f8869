/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of topics: kept with the topic's document, so topics of weir.yaml have none and take none. */
#include "router/api/events_rules.h"
#include "router/api/sns_topic.h"

#define TAGS_MAX  50
#define KEY_MAX   128
#define VALUE_MAX 256

struct tagging {
    struct aws_change change;
    struct str arn, tags, keys, name;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct tagging, "ResourceArn", AWS_STRING, arn),
    AWS_MEMBER(struct tagging, "Tags", AWS_LIST, tags, .element = AWS_STRUCTURE, .shape = "Tag"),
    AWS_MEMBER(struct tagging, "TagKeys", AWS_LIST, keys, .element = AWS_STRING),
    {0},
};

bool sns_tags_check(struct aws_request *r, struct str tags, struct sns_fault *fault)
{
    struct aws_list list;
    struct str one;

    if (!tags.ptr)
        return true;
    for (aws_list_start(&list, tags); aws_list_next(&list, &one);) {
        struct str key = sns_map_get(one, "Key", &r->arena), value = sns_map_get(one, "Value", &r->arena);
        if (!key.size || aws_length(key) > KEY_MAX || !value.ptr || aws_length(value) > VALUE_MAX)
            return sns_fault(fault, SNS_INVALID,
                             "Invalid parameter: Tags Reason: a tag has a Key of 1 to %d characters and a Value of at "
                             "most %d",
                             KEY_MAX, VALUE_MAX);
        if (str_starts(key, STR("aws:")))
            return sns_fault(fault, SNS_INVALID, "Invalid parameter: Tags Reason: keys that begin with aws: are AWS's");
    }
    return true;
}

/* NULL: the request is answered. */
static const struct target_def *read(struct aws_request *r, struct tagging *t)
{
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", members, t) || !aws_valid(r))
        return NULL;
    const struct target_def *topic = sns_topic(r, t->arn, "ResourceArn", &fault);
    if (!topic && strcmp(fault.code, SNS_NOT_FOUND) == 0)
        sns_fault(&fault, "ResourceNotFoundException", "Resource does not exist");
    if (topic && !sns_tags_check(r, t->tags, &fault))
        topic = NULL;
    if (!topic)
        sns_fail(r, &fault);
    return topic;
}

static bool edit(struct aws_change *c, struct resources *resources)
{
    struct tagging *t = (struct tagging *)c;
    struct sns_topic_document document;
    size_t count;

    if (!sns_topic_edit(c, resources, t->name, &document))
        return false;
    document.tags = events_tags_merge(&c->request->arena, document.tags, t->tags, t->keys, &count);
    if (count > TAGS_MAX)
        return aws_refuse(c, 400, "TagLimitExceededException",
                          "Could not complete request: tag quota of per resource exceeded");
    if (!document.tags.ptr)
        document.tags = STR("[]");
    return sns_topic_put(c, resources, &document);
}

static void start(struct aws_request *r)
{
    struct tagging *t = aws_change_new(r, sizeof *t, edit, NULL);
    const struct target_def *topic = read(r, t);

    if (!topic)
        return;
    t->name = topic->name;
    aws_change_start(&t->change);
}

void sns_tag_resource(struct aws_request *r)
{
    start(r);
}

void sns_untag_resource(struct aws_request *r)
{
    start(r);
}

void sns_list_tags_for_resource(struct aws_request *r)
{
    struct tagging t = {.arn = {NULL, 0}};
    struct sns_topic_document document;
    struct buf json = BUF_INIT;
    const struct target_def *topic = read(r, &t);

    if (!topic)
        return;
    sns_topic_read(topic->made, &document);
    buf_printf(&json, "{\"Tags\":%.*s}", STR_ARG(document.tags));
    aws_reply(r, &json);
    buf_fini(&json);
}
