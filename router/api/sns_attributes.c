/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of topics and subscriptions, as two tables. What only AWS could do with (keys of its key service,
 * roles for delivery logs, tracing) is kept and shown again, so that tools which set it find what they set.
 */
#include "router/api/sns_attributes.h"

#include "matcher/json.h"
#include "router/api/sns_document.h"

enum kind { TEXT, BOOLEAN, OBJECT, VERSION, SCOPE, POLICY_SCOPE };
enum { CREATE = 1, SET = 2, FIFO = 4 }; /* where it may stand; only of FIFO topics */

struct attribute {
    const char *name;
    enum kind kind;
    unsigned where;
};

static const struct attribute topic_attributes[] = {
    {"ApplicationFailureFeedbackRoleArn", TEXT, CREATE | SET},
    {"ApplicationSuccessFeedbackRoleArn", TEXT, CREATE | SET},
    {"ApplicationSuccessFeedbackSampleRate", TEXT, CREATE | SET},
    {"ContentBasedDeduplication", BOOLEAN, CREATE | SET | FIFO},
    {"DataProtectionPolicy", OBJECT, CREATE},
    {"DeliveryPolicy", OBJECT, CREATE | SET},
    {"DisplayName", TEXT, CREATE | SET},
    {"FifoThroughputScope", SCOPE, CREATE | SET | FIFO},
    {"FifoTopic", BOOLEAN, CREATE},
    {"FirehoseFailureFeedbackRoleArn", TEXT, CREATE | SET},
    {"FirehoseSuccessFeedbackRoleArn", TEXT, CREATE | SET},
    {"FirehoseSuccessFeedbackSampleRate", TEXT, CREATE | SET},
    {"HTTPFailureFeedbackRoleArn", TEXT, CREATE | SET},
    {"HTTPSuccessFeedbackRoleArn", TEXT, CREATE | SET},
    {"HTTPSuccessFeedbackSampleRate", TEXT, CREATE | SET},
    {"KmsMasterKeyId", TEXT, CREATE | SET},
    {"LambdaFailureFeedbackRoleArn", TEXT, CREATE | SET},
    {"LambdaSuccessFeedbackRoleArn", TEXT, CREATE | SET},
    {"LambdaSuccessFeedbackSampleRate", TEXT, CREATE | SET},
    {"Policy", OBJECT, CREATE | SET},
    {"SQSFailureFeedbackRoleArn", TEXT, CREATE | SET},
    {"SQSSuccessFeedbackRoleArn", TEXT, CREATE | SET},
    {"SQSSuccessFeedbackSampleRate", TEXT, CREATE | SET},
    {"SignatureVersion", VERSION, CREATE | SET},
    {"TracingConfig", TEXT, CREATE | SET},
    {0},
};

static const struct attribute subscription_attributes[] = {
    {"DeliveryPolicy", OBJECT, SET},
    {"FilterPolicy", TEXT, SET},
    {"FilterPolicyScope", POLICY_SCOPE, SET},
    {"RawMessageDelivery", BOOLEAN, SET},
    {"RedrivePolicy", OBJECT, SET},
    {"SubscriptionRoleArn", TEXT, SET},
    {0},
};

static const struct attribute *find(const struct attribute *all, struct str name)
{
    for (; all->name; all++)
        if (str_is(name, all->name))
            return all;
    return NULL;
}

static bool is_object(struct str text)
{
    struct json_info info;
    return json_check(text, &info, NULL) && info.type == JSON_OBJECT;
}

static bool fits(const struct attribute *a, struct str value)
{
    switch (a->kind) {
    case TEXT: return true;
    case BOOLEAN: return str_is(value, "true") || str_is(value, "false");
    case OBJECT: return !value.size || is_object(value);
    case VERSION: return str_is(value, "1") || str_is(value, "2");
    case SCOPE: return str_is(value, "Topic") || str_is(value, "MessageGroup");
    case POLICY_SCOPE: return str_is(value, "MessageAttributes") || str_is(value, "MessageBody");
    }
    return false;
}

/* ---- topics ---- */

bool sns_topic_attribute_check(struct str name, struct str value, bool fifo, bool create, struct sns_fault *fault)
{
    const struct attribute *a = find(topic_attributes, name);

    if (!a || !(a->where & (create ? CREATE : SET)) || (a->where & FIFO && !fifo))
        return create ? sns_fault(fault, SNS_INVALID, "Invalid parameter: Attributes Reason: Unknown attribute %.*s",
                                  STR_ARG(name))
                      : sns_fault(fault, SNS_INVALID, "Invalid parameter: AttributeName");
    return fits(a, value) ||
           sns_fault(fault, SNS_INVALID, "Invalid parameter: %s Reason: the value '%.*s' is not valid", a->name,
                     value.size > 100 ? 100 : (int)value.size, value.ptr);
}

bool sns_topic_attributes_check(struct str attributes, bool fifo, struct arena *arena, struct sns_fault *fault)
{
    struct str name, value;
    struct sns_map m;

    sns_map_start(&m, attributes, arena);
    while (sns_map_next(&m, &name, &value))
        if (!sns_topic_attribute_check(name, value, fifo, true, fault))
            return false;
    return true;
}

/* ---- subscriptions ---- */

bool sns_subscription_attribute_known(struct str name)
{
    return find(subscription_attributes, name) != NULL;
}

static bool check_redrive(struct str policy, struct sns_fault *fault)
{
    struct str target;

    if (!is_object(policy))
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: RedrivePolicy: failed to parse JSON.");
    target = json_member(policy, "deadLetterTargetArn");
    return (target.size > 13 && str_starts(target, STR("\"arn:aws:sqs:"))) ||
           sns_fault(fault, SNS_INVALID, "Invalid parameter: RedrivePolicy: deadLetterTargetArn is an invalid arn");
}

static bool check_value(struct str name, struct str value, struct str protocol, struct sns_fault *fault)
{
    const struct attribute *a = find(subscription_attributes, name);

    if (!a)
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: Attributes Reason: Unknown attribute: %.*s",
                         STR_ARG(name));
    if (str_is(name, "RedrivePolicy") && value.size)
        return check_redrive(value, fault);
    if (!fits(a, value))
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: %s: Invalid value [%.*s].", a->name,
                         value.size > 100 ? 100 : (int)value.size, value.ptr);
    if (str_is(name, "RawMessageDelivery") && str_is(value, "true") && !str_is(protocol, "sqs") &&
        !str_starts(protocol, STR("http")))
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: Delivery protocol [%.*s] does not support raw message delivery.",
                         STR_ARG(protocol));
    return true;
}

bool sns_subscription_attributes_check(struct str attributes, struct str protocol, struct arena *arena,
                                       struct sns_fault *fault)
{
    struct str name, value, scope = sns_map_get(attributes, "FilterPolicyScope", arena);
    struct str policy = sns_map_get(attributes, "FilterPolicy", arena);
    struct sns_map m;

    sns_map_start(&m, attributes, arena);
    while (sns_map_next(&m, &name, &value))
        if (!check_value(name, value, protocol, fault))
            return false;
    return !policy.size || sns_filter_policy_check(policy, !str_is(scope, "MessageBody"), fault);
}
