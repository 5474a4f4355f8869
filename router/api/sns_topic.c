/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics: made, deleted, listed, and their attributes. What is shown comes from the rule set, so topics of weir.yaml
 * and of the APIs stand in one list; those of the file cannot be changed, but a CreateTopic that says what is there
 * already succeeds. A deleted topic takes its API-made subscriptions along.
 */
#include "router/api/sns_topic.h"

#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/events_rules.h"
#include "router/api/sns_attributes.h"
#include "router/api/sns_document.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define PAGE 100

/* ---- a topic's attributes ---- */

/* As they were set, whoever made it. */
static struct str attributes_of(const struct target_def *topic, struct arena *arena)
{
    const struct topic_options *o = topic->options;
    struct sns_topic_document document;
    struct str all;

    sns_topic_read(topic->made, &document);
    all = document.attributes;
    if (!topic->made.ptr && o->signature_version == TOPIC_SIGNATURE_2)
        all = sns_map_with(all, STR("SignatureVersion"), STR("2"), arena);
    if (!topic_is_fifo(topic))
        return all;
    all = sns_map_with(all, STR("FifoTopic"), STR("true"), arena);
    all = sns_map_with(all, STR("ContentBasedDeduplication"),
                       o->content_based_deduplication ? STR("true") : STR("false"), arena);
    return sns_map_with(all, STR("FifoThroughputScope"),
                        o->deduplication_scope == QUEUE_SCOPE_QUEUE ? STR("Topic") : STR("MessageGroup"), arena);
}

static struct str default_policy(const struct target_def *topic, struct str account, struct arena *arena)
{
    struct buf out = BUF_INIT;

    buf_printf(&out,
               "{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[{\"Sid\":\"__default_"
               "statement_ID\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":[\"SNS:"
               "GetTopicAttributes\",\"SNS:SetTopicAttributes\",\"SNS:AddPermission\",\"SNS:RemovePermission\",\"SNS:"
               "DeleteTopic\",\"SNS:Subscribe\",\"SNS:ListSubscriptionsByTopic\",\"SNS:Publish\"],\"Resource\":\"%.*s\""
               ",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":\"%.*s\"}}}]}",
               STR_ARG(topic->arn), STR_ARG(account));
    return aws_keep(arena, &out);
}

struct str sns_topic_policy(const struct target_def *topic, struct str account, struct arena *arena)
{
    struct str policy = sns_map_get(attributes_of(topic, arena), "Policy", arena);
    return policy.size ? policy : default_policy(topic, account, arena);
}

static struct str put_count(struct str all, const char *name, size_t count, struct arena *arena)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "%zu", count);
    return sns_map_with(all, str_from(name), aws_keep(arena, &text), arena);
}

static struct str put_default(struct str all, const char *name, struct str value, struct arena *arena)
{
    return sns_map_get(all, name, arena).ptr ? all : sns_map_with(all, str_from(name), value, arena);
}

static struct str shown_attributes(struct aws_request *r, const struct target_def *topic)
{
    struct arena *a = &r->arena;
    struct str account = http_set(r->http)->account, all = attributes_of(topic, a);
    const struct topic_options *o = topic->options;
    const struct topic_subscription *s = o->subscriptions.items;
    size_t pending = 0;

    for (size_t i = 0; i < o->subscriptions.count; i++)
        pending += s[i].pending;
    all = sns_map_with(all, STR("TopicArn"), topic->arn, a);
    all = sns_map_with(all, STR("Owner"), account, a);
    all = sns_map_with(all, STR("Policy"), sns_topic_policy(topic, account, a), a);
    all = put_default(all, "DisplayName", STR(""), a);
    all = put_count(all, "SubscriptionsConfirmed", o->subscriptions.count - pending, a);
    all = put_count(all, "SubscriptionsPending", pending, a);
    all = put_count(all, "SubscriptionsDeleted", 0, a);
    struct str delivery = sns_map_get(all, "DeliveryPolicy", a);
    return sns_map_with(
        all, STR("EffectiveDeliveryPolicy"),
        delivery.size ? delivery
                      : STR("{\"http\":{\"defaultHealthyRetryPolicy\":{\"minDelayTarget\":20,\"maxDelayTarget\":20,"
                            "\"numRetries\":3,\"numMaxDelayRetries\":0,\"numNoDelayRetries\":0,\"numMinDelayRetries\":"
                            "0,\"backoffFunction\":\"linear\"},\"disableSubscriptionOverrides\":false,"
                            "\"defaultRequestPolicy\":{\"headerContentType\":\"text/plain; charset=UTF-8\"}}}"),
        a);
}

void sns_get_topic_attributes(struct aws_request *r)
{
    struct buf json = BUF_INIT;
    const struct target_def *topic = sns_topic_of(r);

    if (!topic)
        return;
    buf_printf(&json, "{\"Attributes\":%.*s}", STR_ARG(shown_attributes(r, topic)));
    aws_reply(r, &json);
    buf_fini(&json);
}

/* ---- what an operation on one topic is given ---- */

struct of_topic {
    struct str arn;
};
static const struct aws_member of_topic_members[] = {
    AWS_MEMBER(struct of_topic, "TopicArn", AWS_STRING, arn),
    {0},
};

const struct target_def *sns_topic_of(struct aws_request *r)
{
    struct of_topic in = {{NULL, 0}};
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", of_topic_members, &in) || !aws_valid(r))
        return NULL;
    const struct target_def *topic = sns_topic(r, in.arn, "TopicArn", &fault);
    if (!topic)
        sns_fail(r, &fault);
    return topic;
}

bool sns_topic_edit(struct aws_change *c, struct resources *resources, struct str name, struct sns_topic_document *out)
{
    switch (resources_owner(resources, "topics", name)) {
    case RESOURCES_API: break;
    case RESOURCES_FILE:
        return aws_refuse(c, 403, SNS_DENIED, "Topic '%.*s' is declared in weir.yaml and changed only there",
                          STR_ARG(name));
    default: return aws_refuse(c, 404, SNS_NOT_FOUND, "Topic does not exist");
    }
    sns_topic_read(resources_get(resources, "topics", name), out);
    out->name = name;
    return true;
}

bool sns_topic_put(struct aws_change *c, struct resources *resources, const struct sns_topic_document *document)
{
    struct buf text = BUF_INIT;

    sns_topic_write(&text, document);
    resources_put(resources, "topics", document->name, aws_keep(&c->request->arena, &text));
    return true;
}

/* ---- CreateTopic ---- */

struct create {
    struct aws_change change;
    struct str name, attributes, tags;
};
static const struct aws_member create_members[] = {
    AWS_MEMBER(struct create, "Name", AWS_STRING, name),
    AWS_MEMBER(struct create, "Attributes", AWS_STRUCTURE, attributes),
    AWS_MEMBER(struct create, "Tags", AWS_LIST, tags, .element = AWS_STRUCTURE, .shape = "Tag"),
    {0},
};

static bool is_name(struct str name, bool fifo)
{
    struct str suffix = STR(".fifo");
    size_t stem = fifo && queue_is_fifo(name) ? name.size - suffix.size : name.size;
    bool ok = name.size && name.size <= TOPIC_NAME_MAX && fifo == queue_is_fifo(name);

    for (size_t i = 0; ok && i < stem; i++) {
        char c = name.ptr[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    return ok;
}

/* What is asked for and is not so. NULL: all of it is. */
static const char *find_difference(const struct create *in, struct str attributes, struct str tags, struct arena *arena)
{
    struct str name, value;
    struct sns_map m;
    size_t count;

    sns_map_start(&m, in->attributes, arena);
    while (sns_map_next(&m, &name, &value)) {
        struct str present = sns_map_get(attributes, name.ptr, arena);
        if (!str_eq(present.ptr ? present : STR(""), value) && !(str_is(value, "false") && !present.ptr) &&
            !(str_is(name, "SignatureVersion") && str_is(value, "1") && !present.ptr))
            return "attributes";
    }
    struct str merged = events_tags_merge(arena, tags, in->tags, (struct str){NULL, 0}, &count);
    return !in->tags.ptr || str_eq(merged.ptr ? merged : STR("[]"), tags) ? NULL : "tags";
}

static bool compare(struct create *in, const struct target_def *topic, struct str attributes, struct str tags)
{
    const char *difference = find_difference(in, attributes, tags, &in->change.request->arena);

    if (!topic || !difference)
        return false;
    return aws_refuse(&in->change, 400, SNS_INVALID,
                      "Invalid parameter: %s Reason: Topic already exists with different %s",
                      strcmp(difference, "tags") == 0 ? "Tags" : "Attributes", difference);
}

static bool create_edit(struct aws_change *c, struct resources *resources)
{
    struct create *in = (struct create *)c;
    struct arena *a = &c->request->arena;
    const struct target_def *topic = ruleset_target(resources_set(resources), topic_adapter.type, in->name);
    struct str document = resources_get(resources, "topics", in->name);
    struct sns_topic_document present, made = {in->name, in->attributes, in->tags};
    size_t count;

    if (document.ptr || topic) {
        sns_topic_read(document, &present);
        if (!document.ptr)
            present.attributes = attributes_of(topic, a);
        if (queue_is_fifo(in->name))
            present.attributes = sns_map_with(present.attributes, STR("FifoTopic"), STR("true"), a);
        return compare(in, topic, present.attributes, present.tags);
    }
    made.attributes = sns_map_with(made.attributes, STR("FifoTopic"), (struct str){NULL, 0}, a); /* the name says it */
    made.tags = events_tags_merge(a, (struct str){NULL, 0}, in->tags, (struct str){NULL, 0}, &count);
    if (!made.tags.ptr)
        made.tags = STR("[]");
    return sns_topic_put(c, resources, &made);
}

static void create_answer(struct aws_change *c)
{
    struct create *in = (struct create *)c;
    const struct ruleset *set = http_set(c->request->http);
    struct buf json = BUF_INIT;

    buf_printf(&json, "{\"TopicArn\":\"arn:aws:sns:%.*s:%.*s:%.*s\"}", STR_ARG(set->region), STR_ARG(set->account),
               STR_ARG(in->name));
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static bool check_create(struct aws_request *r, const struct create *in, struct sns_fault *fault)
{
    struct str said = sns_map_get(in->attributes, "FifoTopic", &r->arena);
    bool fifo = str_is(said, "true");

    if (!is_name(in->name, fifo))
        return fifo ? sns_fault(fault, SNS_INVALID,
                                "Invalid parameter: Fifo Topic names must end with .fifo and must be made up of only "
                                "uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be "
                                "between 1 and 256 characters long.")
                    : sns_fault(fault, SNS_INVALID, "Invalid parameter: Topic Name");
    return sns_topic_attributes_check(in->attributes, fifo, &r->arena, fault) && sns_tags_check(r, in->tags, fault);
}

void sns_create_topic(struct aws_request *r)
{
    struct create *in = aws_change_new(r, sizeof *in, create_edit, create_answer);
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", create_members, in) || !aws_valid(r))
        return;
    if (!in->attributes.ptr)
        in->attributes = STR("{}");
    if (check_create(r, in, &fault))
        aws_change_start(&in->change);
    else
        sns_fail(r, &fault);
}

/* ---- DeleteTopic ---- */

struct delete
{
    struct aws_change change;
    struct str arn, name;
};
static const struct aws_member delete_members[] = {
    AWS_MEMBER(struct delete, "TopicArn", AWS_STRING, arn),
    {0},
};

static bool is_of_topic(void *context, const struct sns_subscription_document *s)
{
    return str_eq(s->topic, ((struct delete *)context)->name);
}

static bool delete_edit(struct aws_change *c, struct resources *resources)
{
    struct delete *in = (struct delete *)c;

    if (resources_owner(resources, "topics", in->name) == RESOURCES_FILE)
        return aws_refuse(c, 403, SNS_DENIED, "Topic '%.*s' is declared in weir.yaml and deleted only there",
                          STR_ARG(in->name));
    if (!resources_get(resources, "topics", in->name).ptr)
        return false; /* as if it had been */
    sns_subscriptions_delete(resources, &c->request->arena, is_of_topic, in);
    resources_delete(resources, "topics", in->name);
    return true;
}

void sns_delete_topic(struct aws_request *r)
{
    struct delete *in = aws_change_new(r, sizeof *in, delete_edit, NULL);
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", delete_members, in) || !aws_valid(r))
        return;
    if (!sns_topic_name(in->arn, "TopicArn", &in->name, &fault)) {
        sns_fail(r, &fault);
        return;
    }
    aws_change_start(&in->change);
}

/* ---- SetTopicAttributes ---- */

struct set_attribute {
    struct aws_change change;
    struct str arn, name, value;
    const struct target_def *topic;
};
static const struct aws_member set_members[] = {
    AWS_MEMBER(struct set_attribute, "TopicArn", AWS_STRING, arn),
    AWS_MEMBER(struct set_attribute, "AttributeName", AWS_STRING, name),
    AWS_MEMBER(struct set_attribute, "AttributeValue", AWS_STRING, value),
    {0},
};

static bool set_edit(struct aws_change *c, struct resources *resources)
{
    struct set_attribute *in = (struct set_attribute *)c;
    struct sns_topic_document document;

    if (!sns_topic_edit(c, resources, in->topic->name, &document))
        return false;
    document.attributes = sns_map_with(document.attributes, in->name, in->value, &c->request->arena);
    return sns_topic_put(c, resources, &document);
}

void sns_set_topic_attributes(struct aws_request *r)
{
    struct set_attribute *in = aws_change_new(r, sizeof *in, set_edit, NULL);
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", set_members, in) || !aws_valid(r))
        return;
    if (!in->value.ptr)
        in->value = STR("");
    in->topic = sns_topic(r, in->arn, "TopicArn", &fault);
    if (in->topic && sns_topic_attribute_check(in->name, in->value, topic_is_fifo(in->topic), false, &fault))
        aws_change_start(&in->change);
    else
        sns_fail(r, &fault);
}

/* ---- ListTopics ---- */

struct list_input {
    struct str token;
};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct list_input, "NextToken", AWS_STRING, token),
    {0},
};

static int by_arn(const void *a, const void *b)
{
    const struct target_def *x = *(const struct target_def *const *)a, *y = *(const struct target_def *const *)b;
    return str_cmp(x->arn, y->arn);
}

static size_t collect(const struct ruleset *set, struct str after, const struct target_def **out)
{
    size_t count = 0;

    for (uint32_t i = 0; i < set->target_count; i++)
        if (sns_is_topic(set->targets[i]) && str_cmp(set->targets[i]->arn, after) > 0)
            out[count++] = set->targets[i];
    qsort(out, count, sizeof *out, by_arn);
    return count;
}

void sns_list_topics(struct aws_request *r)
{
    const struct ruleset *set = http_set(r->http);
    const struct target_def **topics = arena_array(&r->arena, set->target_count, sizeof *topics);
    struct list_input in = {{NULL, 0}};
    struct str after = STR("");
    struct buf json = BUF_INIT;

    if (!topics)
        xfail("out of memory");
    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r))
        return;
    if (in.token.size && !aws_token_read(&r->arena, "ListTopics", in.token, &after)) {
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: NextToken");
        return;
    }
    size_t count = collect(set, after, topics);
    buf_text(&json, "{\"Topics\":[");
    for (size_t i = 0; i < count && i < PAGE; i++) {
        buf_text(&json, i ? ",{" : "{");
        json_write_member(&json, "TopicArn", topics[i]->arn);
        buf_char(&json, '}');
    }
    buf_char(&json, ']');
    if (count > PAGE) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, "ListTopics", topics[PAGE - 1]->arn);
    }
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}
