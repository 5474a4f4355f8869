/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscribe, ConfirmSubscription and Unsubscribe.
 *
 * An HTTP endpoint has to confirm: its subscription is made pending, with a token, and a SubscriptionConfirmation that
 * has the token goes out as any message does, signed, tried again and never lost (router/publish.h, to this
 * subscription alone). Whoever sends the token back by ConfirmSubscription, or by a GET of the SubscribeURL, makes it
 * confirmed.
 *
 * One that is unsubscribed gets an UnsubscribeConfirmation, whose SubscribeURL takes that back: for so long it stays as
 * a document that nobody is shown, and goes with the first Unsubscribe three days later.
 */
#include "router/api/sns_subscription.h"

#include "router/api/sns_attributes.h"
#include "router/publish.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/queue.h"

#define TOKEN_SIZE (3 * UUID_SIZE)
#define KEPT_MS    (INT64_C(3) * 24 * 3600 * 1000)

struct subscribing {
    struct aws_change change;
    struct str topic_arn, protocol, endpoint, attributes, subscription_arn, token_given;
    bool return_arn;
    const struct target_def *topic;
    struct sns_subscription found;
    char fresh[UUID_SIZE + 1], token[TOKEN_SIZE + 1];
    int64_t now_ms;

    /* what the edit found or made */
    struct str uuid;
    struct sns_subscription_document document;
    bool exists, confirms;

    struct publish_call call;
};

static void make_token(char out[TOKEN_SIZE + 1])
{
    size_t size = 0;
    char uuid[UUID_SIZE + 1];

    for (int part = 0; part < 3; part++) {
        if (!uuid_random(uuid))
            xfail("the kernel gives no random bytes");
        for (const char *at = uuid; *at; at++)
            if (*at != '-')
                out[size++] = *at;
    }
    out[size] = '\0';
}

static struct subscribing *begin(struct aws_request *r, const struct aws_member *members,
                                 bool (*edit)(struct aws_change *c, struct resources *resources),
                                 void (*answer)(struct aws_change *c))
{
    struct subscribing *in = aws_change_new(r, sizeof *in, edit, answer);

    if (!aws_read(r, r->input, "", members, in) || !aws_valid(r))
        return NULL;
    if (!in->attributes.ptr)
        in->attributes = STR("{}");
    in->now_ms = clock_now(&http_router(r->http)->clock).wall_ms;
    make_token(in->token);
    if (!uuid_random(in->fresh))
        xfail("the kernel gives no random bytes");
    return in;
}

/* ---- answers ---- */

static struct str arn_of(const struct subscribing *in)
{
    struct buf arn = BUF_INIT;

    topic_write_subscription_arn(in->topic, in->uuid, &arn);
    return aws_keep(&in->change.request->arena, &arn);
}

static void reply(struct subscribing *in, struct str arn)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "SubscriptionArn", arn);
    buf_char(&json, '}');
    aws_reply(in->change.request, &json);
    buf_fini(&json);
}

/* ---- messages to one endpoint ---- */

static void write_text(struct buf *out, const struct subscribing *in, enum topic_message_type type)
{
    if (type == TOPIC_SUBSCRIPTION_CONFIRMATION)
        buf_printf(out,
                   "You have chosen to subscribe to the topic %.*s.\nTo confirm the subscription, visit the "
                   "SubscribeURL included in this message.",
                   STR_ARG(in->topic->arn));
    else
        buf_printf(out,
                   "You have chosen to deactivate subscription %.*s.\nTo cancel this operation and restore the "
                   "subscription, visit the SubscribeURL included in this message.",
                   STR_ARG(arn_of(in)));
}

static void send_to_endpoint(struct subscribing *in, enum topic_message_type type,
                             void (*done)(struct publish_call *call))
{
    struct aws_request *r = in->change.request;
    struct router *router = http_router(r->http);
    struct publish_message *m = &in->call.messages[0];
    struct buf text = BUF_INIT, document = BUF_INIT;

    if (!uuid_random(m->id))
        xfail("the kernel gives no random bytes");
    write_text(&text, in, type);
    struct topic_message said = {.type = type,
                                 .id = str_from(m->id),
                                 .text = aws_keep(&r->arena, &text),
                                 .time_ms = in->now_ms,
                                 .token = in->document.token,
                                 .base_url = sns_base_url(r)};
    publish_document(&document, &said, false, STR(""), STR(""));
    m->document = aws_keep(&r->arena, &document);
    m->subscription = in->uuid;
    m->text = m->filterable = m->deduplication = STR("");
    in->call.count = 1;
    in->call.topic = in->topic->name;
    in->call.reply = http_mailbox(r->http);
    in->call.done = done;
    dispatch_publish(router->dispatch, &in->call);
}

static struct subscribing *of_call(struct publish_call *call)
{
    return (struct subscribing *)((char *)call - offsetof(struct subscribing, call));
}

/* ---- Subscribe ---- */

static const struct aws_member subscribe_members[] = {
    AWS_MEMBER(struct subscribing, "TopicArn", AWS_STRING, topic_arn),
    AWS_MEMBER(struct subscribing, "Protocol", AWS_STRING, protocol),
    AWS_MEMBER(struct subscribing, "Endpoint", AWS_STRING, endpoint),
    AWS_MEMBER(struct subscribing, "Attributes", AWS_STRUCTURE, attributes),
    AWS_MEMBER(struct subscribing, "ReturnSubscriptionArn", AWS_BOOLEAN, return_arn),
    {0},
};

static bool check_queue(const struct subscribing *in, struct sns_fault *fault)
{
    bool fifo = queue_is_fifo(in->endpoint);

    if (!str_starts(in->endpoint, STR("arn:aws:sqs:")))
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: SQS endpoint ARN");
    return !fifo || topic_is_fifo(in->topic) ||
           sns_fault(fault, SNS_INVALID,
                     "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to "
                     "standard SNS topics");
}

static bool check_url(const struct subscribing *in, struct sns_fault *fault)
{
    struct str rest = {in->endpoint.ptr + in->protocol.size, in->endpoint.size - in->protocol.size};

    return (str_starts(in->endpoint, in->protocol) && str_starts(rest, STR("://")) && rest.size > 3) ||
           sns_fault(fault, SNS_INVALID, "Invalid parameter: Endpoint must match the specified protocol");
}

static bool check_endpoint(const struct subscribing *in, struct sns_fault *fault)
{
    static const char *const absent[] = {"email", "email-json", "sms", "firehose", NULL};

    if (str_is(in->protocol, "sqs"))
        return check_queue(in, fault);
    for (size_t i = 0; absent[i]; i++)
        if (str_is(in->protocol, absent[i]))
            return sns_fault(fault, SNS_INVALID, "Invalid parameter: Protocol Reason: %s is not served here",
                             absent[i]);
    bool http = str_is(in->protocol, "http") || str_is(in->protocol, "https");
    bool application = str_is(in->protocol, "application");
    if (!http && !application && !str_is(in->protocol, "lambda"))
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: Amazon SNS does not support this protocol string: %.*s",
                         STR_ARG(in->protocol));
    if (topic_is_fifo(in->topic))
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: Invalid parameter: Endpoint Reason: Please use FIFO SQS queue");
    if (http)
        return check_url(in, fault);
    if (application)
        return (str_starts(in->endpoint, STR("arn:aws:sns:")) &&
                memmem(in->endpoint.ptr, in->endpoint.size, ":" TOPIC_ENDPOINT, strlen(":" TOPIC_ENDPOINT))) ||
               sns_fault(fault, SNS_INVALID, "Invalid parameter: Application endpoint arn invalid:%.*s",
                         STR_ARG(in->endpoint));
    return str_starts(in->endpoint, STR("arn:aws:lambda:")) ||
           sns_fault(fault, SNS_INVALID, "Invalid parameter: Lambda endpoint ARN");
}

static bool is_same(const struct subscribing *in, const struct sns_subscription_document *d)
{
    return str_eq(d->topic, in->topic->name) && str_eq(d->protocol, in->protocol) && str_eq(d->endpoint, in->endpoint);
}

static bool find_same(void *context, struct str key, struct str text)
{
    struct subscribing *in = context;
    struct arena *a = &in->change.request->arena;
    struct sns_subscription_document d;

    sns_subscription_read(text, a, &d);
    if (!is_same(in, &d))
        return true;
    in->exists = true;
    in->uuid = arena_str(a, key);
    in->document = d;
    return false;
}

/* One that weir.yaml declares. */
static void find_declared(struct subscribing *in, const struct target_def *topic)
{
    const struct topic_options *o = topic->options;
    const struct topic_subscription *s = o->subscriptions.items;
    struct sns_subscription shown;

    for (size_t i = 0; i < o->subscriptions.count && !in->exists; i++) {
        if (s[i].made.ptr)
            continue;
        sns_subscription_show(in->change.request, topic, &s[i], &shown);
        in->exists = is_same(in, &shown.says);
        in->document = shown.says;
        in->uuid = s[i].name.size ? s[i].name : s[i].target->arn;
    }
}

/* An http target of the same name would stand in its way; with a random UUID there is none. */
static bool subscribe_edit(struct aws_change *c, struct resources *resources)
{
    struct subscribing *in = (struct subscribing *)c;
    struct arena *a = &c->request->arena;
    const struct target_def *topic = ruleset_target(resources_set(resources), topic_adapter.type, in->topic->name);

    in->exists = in->confirms = false;
    if (resources_owner(resources, "topics", in->topic->name) == RESOURCES_NOBODY)
        return aws_refuse(c, 404, SNS_NOT_FOUND, "Topic does not exist");
    resources_each(resources, "subscriptions", STR(""), find_same, in);
    if (!in->exists && topic)
        find_declared(in, topic);
    if (in->exists && !in->document.deleted_ms) {
        in->confirms = in->document.pending;
        if (!str_is(in->attributes, "{}") && !sns_map_equal(in->attributes, in->document.attributes, a))
            return aws_refuse(c, 400, SNS_INVALID,
                              "Invalid parameter: Attributes Reason: Subscription already exists with different "
                              "attributes");
        return false;
    }
    bool http = str_starts(in->protocol, STR("http"));
    if (!in->exists)
        in->uuid = str_from(in->fresh);
    in->confirms = http;
    in->document = (struct sns_subscription_document){.topic = in->topic->name,
                                                      .protocol = in->protocol,
                                                      .endpoint = in->endpoint,
                                                      .attributes = in->attributes,
                                                      .token = http ? str_from(in->token) : STR(""),
                                                      .pending = http};
    return sns_subscription_put(c, resources, in->uuid, &in->document);
}

static void subscribe_reply(struct subscribing *in)
{
    reply(in, in->confirms && !in->return_arn ? STR("pending confirmation") : arn_of(in));
}

static void confirmation_sent(struct publish_call *call)
{
    subscribe_reply(of_call(call)); /* where the router stops it is not sent, and can be asked for again */
}

static void subscribe_answer(struct aws_change *c)
{
    struct subscribing *in = (struct subscribing *)c;

    if (in->confirms)
        send_to_endpoint(in, TOPIC_SUBSCRIPTION_CONFIRMATION, confirmation_sent);
    else
        subscribe_reply(in);
}

void sns_subscribe(struct aws_request *r)
{
    struct subscribing *in = begin(r, subscribe_members, subscribe_edit, subscribe_answer);
    struct sns_fault fault;

    if (!in)
        return;
    in->topic = sns_topic(r, in->topic_arn, "TopicArn", &fault);
    if (in->topic && check_endpoint(in, &fault) &&
        sns_subscription_attributes_check(in->attributes, in->protocol, &r->arena, &fault))
        aws_change_start(&in->change);
    else
        sns_fail(r, &fault);
}

/* ---- ConfirmSubscription ---- */

static const struct aws_member confirm_members[] = {
    AWS_MEMBER(struct subscribing, "TopicArn", AWS_STRING, topic_arn),
    AWS_MEMBER(struct subscribing, "Token", AWS_STRING, token_given),
    {0},
};

static bool find_token(void *context, struct str key, struct str text)
{
    struct subscribing *in = context;
    struct arena *a = &in->change.request->arena;
    struct sns_subscription_document d;

    sns_subscription_read(text, a, &d);
    if (!d.token.size || !str_eq(d.token, in->token_given) || !str_eq(d.topic, in->topic->name))
        return true;
    in->exists = true;
    in->uuid = arena_str(a, key);
    in->document = d;
    return false;
}

static bool confirm_edit(struct aws_change *c, struct resources *resources)
{
    struct subscribing *in = (struct subscribing *)c;

    in->exists = false;
    resources_each(resources, "subscriptions", STR(""), find_token, in);
    if (!in->exists)
        return aws_refuse(c, 400, SNS_INVALID, "Invalid parameter: Token");
    if (!in->document.pending)
        return false;
    in->document.pending = false;
    in->document.deleted_ms = 0;
    return sns_subscription_put(c, resources, in->uuid, &in->document);
}

static void confirm_answer(struct aws_change *c)
{
    struct subscribing *in = (struct subscribing *)c;
    reply(in, arn_of(in));
}

void sns_confirm_subscription(struct aws_request *r)
{
    struct subscribing *in = begin(r, confirm_members, confirm_edit, confirm_answer);
    struct sns_fault fault;

    if (!in)
        return;
    in->topic = sns_topic(r, in->topic_arn, "TopicArn", &fault);
    if (in->topic)
        aws_change_start(&in->change);
    else
        sns_fail(r, &fault);
}

/* ---- Unsubscribe ---- */

static const struct aws_member unsubscribe_members[] = {
    AWS_MEMBER(struct subscribing, "SubscriptionArn", AWS_STRING, subscription_arn),
    {0},
};

static bool is_long_gone(void *context, const struct sns_subscription_document *s)
{
    return s->deleted_ms && s->deleted_ms < ((struct subscribing *)context)->now_ms - KEPT_MS;
}

static bool unsubscribe_edit(struct aws_change *c, struct resources *resources)
{
    struct subscribing *in = (struct subscribing *)c;

    in->confirms = false;
    if (in->found.subscription->made.ptr && !resources_get(resources, "subscriptions", in->uuid).ptr)
        return false; /* it is gone meanwhile */
    if (!sns_subscription_edit(c, resources, &in->found, &in->document))
        return false;
    sns_subscriptions_delete(resources, &c->request->arena, is_long_gone, in);
    in->confirms = str_starts(in->document.protocol, STR("http")) && !in->document.pending;
    if (!in->confirms) {
        resources_delete(resources, "subscriptions", in->uuid);
        return true;
    }
    in->document.token = str_from(in->token);
    in->document.pending = true;
    in->document.deleted_ms = in->now_ms;
    return sns_subscription_put(c, resources, in->uuid, &in->document);
}

static void farewell_sent(struct publish_call *call)
{
    aws_reply_empty(of_call(call)->change.request);
}

static void unsubscribe_answer(struct aws_change *c)
{
    struct subscribing *in = (struct subscribing *)c;

    if (in->confirms)
        send_to_endpoint(in, TOPIC_UNSUBSCRIBE_CONFIRMATION, farewell_sent);
    else
        aws_reply_empty(c->request);
}

void sns_unsubscribe(struct aws_request *r)
{
    struct subscribing *in = begin(r, unsubscribe_members, unsubscribe_edit, unsubscribe_answer);
    struct sns_fault fault;

    if (!in)
        return;
    if (sns_subscription_find(r, in->subscription_arn, &in->found, &fault)) {
        in->topic = in->found.topic;
        in->uuid = in->found.subscription->name;
        aws_change_start(&in->change);
    } else if (strcmp(fault.code, SNS_NOT_FOUND) == 0) {
        aws_reply_empty(r); /* as if it had been */
    } else {
        sns_fail(r, &fault);
    }
}
