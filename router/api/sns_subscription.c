/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions shown: one by its ARN, all, or those of a topic, and their attributes. A subscription of weir.yaml is
 * told in SNS's words as far as there are some: a queue is "sqs" with its ARN, a URL "http" or "https".
 */
#include "router/api/sns_subscription.h"

#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/sns_topic.h"
#include "router/api/sns_attributes.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define PAGE 100

/* ---- one subscription ---- */

static struct str protocol_of(const struct topic_subscription *s)
{
    const char *type = s->target->adapter->type;

    if (s->endpoint)
        return STR("application");
    if (s->url.ptr)
        return str_starts(s->url, STR("https:")) ? STR("https") : STR("http");
    return strcmp(type, "queue") == 0 ? STR("sqs") : strcmp(type, "function") == 0 ? STR("lambda") : str_from(type);
}

/* Of one that no document tells of. */
static struct str attributes_of(const struct topic_subscription *s, struct arena *a)
{
    struct str all = STR("{}");
    struct buf redrive = BUF_INIT;

    if (s->raw_message_delivery)
        all = sns_map_with(all, STR("RawMessageDelivery"), STR("true"), a);
    if (s->filter_policy)
        all =
            sns_map_with(all, STR("FilterPolicyScope"),
                         s->filter_policy_scope == TOPIC_SCOPE_BODY ? STR("MessageBody") : STR("MessageAttributes"), a);
    if (!s->dead_letter)
        return all;
    buf_char(&redrive, '{');
    json_write_member(&redrive, "deadLetterTargetArn", s->dead_letter->arn);
    buf_char(&redrive, '}');
    return sns_map_with(all, STR("RedrivePolicy"), aws_keep(a, &redrive), a);
}

void sns_subscription_show(struct aws_request *r, const struct target_def *topic, const struct topic_subscription *s,
                           struct sns_subscription *out)
{
    struct buf arn = BUF_INIT;

    topic_write_subscription_arn(topic, s->name.size ? s->name : s->target->arn, &arn);
    *out = (struct sns_subscription){.topic = topic, .subscription = s, .arn = aws_keep(&r->arena, &arn)};
    if (s->made.ptr)
        sns_subscription_read(s->made, &r->arena, &out->says);
    else
        out->says = (struct sns_subscription_document){.topic = topic->name,
                                                       .protocol = protocol_of(s),
                                                       .endpoint = s->url.ptr ? s->url : s->target->arn,
                                                       .attributes = attributes_of(s, &r->arena),
                                                       .pending = s->pending};
}

bool sns_subscription_find(struct aws_request *r, struct str arn, struct sns_subscription *out, struct sns_fault *fault)
{
    const char *colon = arn.size ? memrchr(arn.ptr, ':', arn.size) : NULL;
    struct str topic_arn = {arn.ptr, colon ? (size_t)(colon - arn.ptr) : 0};
    struct str uuid = colon ? (struct str){colon + 1, arn.size - topic_arn.size - 1} : STR("");
    const struct target_def *topic = sns_topic(r, topic_arn, "SubscriptionArn", fault);

    if (!topic && strcmp(fault->code, SNS_NOT_FOUND) != 0)
        return false;
    const struct topic_options *o = topic ? topic->options : NULL;
    const struct topic_subscription *s = topic ? o->subscriptions.items : NULL;
    for (size_t i = 0; topic && i < o->subscriptions.count; i++)
        if (topic_is_subscription(s[i].name.size ? s[i].name : s[i].target->arn, uuid)) {
            sns_subscription_show(r, topic, &s[i], out);
            if (!out->says.deleted_ms)
                return true;
        }
    return sns_fault(fault, SNS_NOT_FOUND, "Subscription does not exist");
}

bool sns_subscription_edit(struct aws_change *c, struct resources *resources, const struct sns_subscription *found,
                           struct sns_subscription_document *out)
{
    struct str document = resources_get(resources, "subscriptions", found->subscription->name);

    if (!found->subscription->made.ptr)
        return aws_refuse(c, 403, SNS_DENIED, "The subscription is declared in weir.yaml and changed only there");
    if (!document.ptr)
        return aws_refuse(c, 404, SNS_NOT_FOUND, "Subscription does not exist");
    sns_subscription_read(document, &c->request->arena, out);
    return true;
}

bool sns_subscription_put(struct aws_change *c, struct resources *resources, struct str uuid,
                          const struct sns_subscription_document *document)
{
    struct buf text = BUF_INIT;

    sns_subscription_write(&text, document, &c->request->arena);
    resources_put(resources, "subscriptions", uuid, aws_keep(&c->request->arena, &text));
    return true;
}

/* ---- attributes ---- */

struct of_subscription {
    struct str arn;
};
static const struct aws_member of_subscription_members[] = {
    AWS_MEMBER(struct of_subscription, "SubscriptionArn", AWS_STRING, arn),
    {0},
};

static struct str shown_attributes(struct aws_request *r, const struct sns_subscription *s)
{
    struct arena *a = &r->arena;
    struct str account = http_set(r->http)->account, all = s->says.attributes;
    struct buf principal = BUF_INIT;

    buf_printf(&principal, "arn:aws:iam::%.*s:root", STR_ARG(account));
    all = sns_map_with(all, STR("SubscriptionArn"), s->arn, a);
    all = sns_map_with(all, STR("TopicArn"), s->topic->arn, a);
    all = sns_map_with(all, STR("Owner"), account, a);
    all = sns_map_with(all, STR("Protocol"), s->says.protocol, a);
    all = sns_map_with(all, STR("Endpoint"), s->says.endpoint, a);
    all = sns_map_with(all, STR("SubscriptionPrincipal"), aws_keep(a, &principal), a);
    all = sns_map_with(all, STR("PendingConfirmation"), s->says.pending ? STR("true") : STR("false"), a);
    all = sns_map_with(all, STR("ConfirmationWasAuthenticated"), s->says.token.size ? STR("false") : STR("true"), a);
    if (!sns_map_get(all, "RawMessageDelivery", a).ptr)
        all = sns_map_with(all, STR("RawMessageDelivery"), STR("false"), a);
    if (sns_map_get(all, "FilterPolicy", a).size && !sns_map_get(all, "FilterPolicyScope", a).ptr)
        all = sns_map_with(all, STR("FilterPolicyScope"), STR("MessageAttributes"), a);
    return all;
}

void sns_get_subscription_attributes(struct aws_request *r)
{
    struct of_subscription in = {{NULL, 0}};
    struct sns_subscription s;
    struct sns_fault fault;
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", of_subscription_members, &in) || !aws_valid(r))
        return;
    if (!sns_subscription_find(r, in.arn, &s, &fault)) {
        sns_fail(r, &fault);
        return;
    }
    buf_printf(&json, "{\"Attributes\":%.*s}", STR_ARG(shown_attributes(r, &s)));
    aws_reply(r, &json);
    buf_fini(&json);
}

struct set_attribute {
    struct aws_change change;
    struct str arn, name, value;
    struct sns_subscription found;
};
static const struct aws_member set_members[] = {
    AWS_MEMBER(struct set_attribute, "SubscriptionArn", AWS_STRING, arn),
    AWS_MEMBER(struct set_attribute, "AttributeName", AWS_STRING, name),
    AWS_MEMBER(struct set_attribute, "AttributeValue", AWS_STRING, value),
    {0},
};

static bool set_edit(struct aws_change *c, struct resources *resources)
{
    struct set_attribute *in = (struct set_attribute *)c;
    struct arena *a = &c->request->arena;
    struct sns_subscription_document document;
    struct sns_fault fault;
    bool clear = !in->value.size;

    if (!sns_subscription_edit(c, resources, &in->found, &document))
        return false;
    document.attributes = sns_map_with(document.attributes, in->name, clear ? (struct str){NULL, 0} : in->value, a);
    if (!sns_subscription_attributes_check(document.attributes, document.protocol, a, &fault))
        return aws_refuse(c, 400, fault.code, "%s", fault.message);
    return sns_subscription_put(c, resources, in->found.subscription->name, &document);
}

void sns_set_subscription_attributes(struct aws_request *r)
{
    struct set_attribute *in = aws_change_new(r, sizeof *in, set_edit, NULL);
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", set_members, in) || !aws_valid(r))
        return;
    bool ok = sns_subscription_find(r, in->arn, &in->found, &fault);
    if (ok && !sns_subscription_attribute_known(in->name))
        ok = sns_fault(&fault, SNS_INVALID, "Invalid parameter: AttributeName");
    if (ok)
        aws_change_start(&in->change);
    else
        sns_fail(r, &fault);
}

/* ---- lists ---- */

struct listing {
    struct str token;
    const struct target_def *topic; /* NULL: all */
    const char *name;
    struct sns_subscription *list;
    size_t count;
};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct listing, "NextToken", AWS_STRING, token),
    {0},
};

static size_t count_of(const struct target_def *topic)
{
    return ((const struct topic_options *)topic->options)->subscriptions.count;
}

static void collect_topic(struct aws_request *r, struct listing *l, const struct target_def *topic, struct str after)
{
    const struct topic_subscription *s = ((const struct topic_options *)topic->options)->subscriptions.items;

    for (size_t i = 0; i < count_of(topic); i++) {
        sns_subscription_show(r, topic, &s[i], &l->list[l->count]);
        l->count += !l->list[l->count].says.deleted_ms && str_cmp(l->list[l->count].arn, after) > 0;
    }
}

static int by_arn(const void *a, const void *b)
{
    return str_cmp(((const struct sns_subscription *)a)->arn, ((const struct sns_subscription *)b)->arn);
}

static void collect(struct aws_request *r, struct listing *l, struct str after)
{
    const struct ruleset *set = http_set(r->http);
    size_t most = 0;

    for (uint32_t i = 0; i < set->target_count; i++)
        most += sns_is_topic(set->targets[i]) ? count_of(set->targets[i]) : 0;
    l->list = arena_array(&r->arena, most + 1, sizeof *l->list);
    if (!l->list)
        xfail("out of memory");
    for (uint32_t i = 0; i < set->target_count; i++)
        if (sns_is_topic(set->targets[i]) && (!l->topic || l->topic == set->targets[i]))
            collect_topic(r, l, set->targets[i], after);
    qsort(l->list, l->count, sizeof *l->list, by_arn);
}

static void write_subscription(struct buf *json, const struct sns_subscription *s, struct str account)
{
    buf_char(json, '{');
    json_write_member(json, "SubscriptionArn", s->says.pending ? STR("PendingConfirmation") : s->arn);
    json_write_member(json, "Owner", account);
    json_write_member(json, "Protocol", s->says.protocol);
    json_write_member(json, "Endpoint", s->says.endpoint);
    json_write_member(json, "TopicArn", s->topic->arn);
    buf_char(json, '}');
}

static void list(struct aws_request *r, struct listing *l)
{
    struct str after = STR("");
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", list_members, l) || !aws_valid(r))
        return;
    if (l->token.size && !aws_token_read(&r->arena, l->name, l->token, &after)) {
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: NextToken");
        return;
    }
    collect(r, l, after);
    buf_text(&json, "{\"Subscriptions\":[");
    for (size_t i = 0; i < l->count && i < PAGE; i++) {
        buf_text(&json, i ? "," : "");
        write_subscription(&json, &l->list[i], http_set(r->http)->account);
    }
    buf_char(&json, ']');
    if (l->count > PAGE) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, l->name, l->list[PAGE - 1].arn);
    }
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

void sns_list_subscriptions(struct aws_request *r)
{
    struct listing l = {.name = "ListSubscriptions"};
    list(r, &l);
}

void sns_list_subscriptions_by_topic(struct aws_request *r)
{
    struct listing l = {.name = "ListSubscriptionsByTopic", .topic = sns_topic_of(r)};
    if (l.topic)
        list(r, &l);
}
