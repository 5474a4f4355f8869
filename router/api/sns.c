/* SPDX-License-Identifier: Apache-2.0 */
/* SNS's operations by name, how its errors travel (by short codes), and its lists and maps in the query protocol. */
#include "router/api/sns.h"

#include <stdio.h>

#include "router/api/aws_change.h"
#include "router/router.h"
#include "router/signer.h"

#define LIST(name)                                                                                                     \
    {                                                                                                                  \
        .member = (name), .kind = AWS_WIRE_LIST, .entry = "member"                                                     \
    }
#define MAP(name, key_name, value_name)                                                                                \
    {                                                                                                                  \
        .member = (name), .kind = AWS_WIRE_MAP, .entry = "entry", .key = (key_name), .value = (value_name)             \
    }

static const struct aws_wire wire[] = {
    {.member = "attributes", .operation = "GetSMSAttributes", .kind = AWS_WIRE_LIST, .entry = "member"},
    MAP("attributes", "key", "value"),
    MAP("Attributes", "key", "value"),
    MAP("MessageAttributes", "Name", "Value"),
    LIST("AWSAccountId"),
    LIST("ActionName"),
    LIST("Endpoints"),
    LIST("Failed"),
    LIST("NumberCapabilities"),
    LIST("PhoneNumbers"),
    LIST("PlatformApplications"),
    LIST("PublishBatchRequestEntries"),
    LIST("Subscriptions"),
    LIST("Successful"),
    LIST("TagKeys"),
    LIST("Tags"),
    LIST("Topics"),
    LIST("phoneNumbers"),
    {0},
};

#define ERROR(exception, short_code, query_status)                                                                     \
    {                                                                                                                  \
        .name = (exception), .code = (short_code), .status = (query_status)                                            \
    }

static const struct aws_error errors[] = {
    ERROR("AuthorizationErrorException", "AuthorizationError", 403),
    ERROR("BatchEntryIdsNotDistinctException", "BatchEntryIdsNotDistinct", 400),
    ERROR("BatchRequestTooLongException", "BatchRequestTooLong", 400),
    ERROR("ConcurrentAccessException", "ConcurrentAccess", 400),
    ERROR("EmptyBatchRequestException", "EmptyBatchRequest", 400),
    ERROR("EndpointDisabledException", "EndpointDisabled", 400),
    ERROR("FilterPolicyLimitExceededException", "FilterPolicyLimitExceeded", 403),
    ERROR("InternalErrorException", "InternalError", 500),
    ERROR("InvalidBatchEntryIdException", "InvalidBatchEntryId", 400),
    ERROR("InvalidParameterException", "InvalidParameter", 400),
    ERROR("InvalidParameterValueException", "ParameterValueInvalid", 400),
    ERROR("InvalidSecurityException", "InvalidSecurity", 403),
    ERROR("InvalidStateException", "InvalidState", 400),
    ERROR("KMSAccessDeniedException", "KMSAccessDenied", 400),
    ERROR("KMSDisabledException", "KMSDisabled", 400),
    ERROR("KMSInvalidStateException", "KMSInvalidState", 400),
    ERROR("KMSNotFoundException", "KMSNotFound", 400),
    ERROR("KMSOptInRequired", "KMSOptInRequired", 403),
    ERROR("KMSThrottlingException", "KMSThrottling", 400),
    ERROR("NotFoundException", "NotFound", 404),
    ERROR("OptedOutException", "OptedOut", 400),
    ERROR("PlatformApplicationDisabledException", "PlatformApplicationDisabled", 400),
    ERROR("ReplayLimitExceededException", "ReplayLimitExceeded", 403),
    ERROR("ResourceNotFoundException", "ResourceNotFound", 404),
    ERROR("StaleTagException", "StaleTag", 400),
    ERROR("SubscriptionLimitExceededException", "SubscriptionLimitExceeded", 403),
    ERROR("TagLimitExceededException", "TagLimitExceeded", 400),
    ERROR("TagPolicyException", "TagPolicy", 400),
    ERROR("ThrottledException", "Throttled", 429),
    ERROR("TooManyEntriesInBatchRequestException", "TooManyEntriesInBatchRequest", 400),
    ERROR("TopicLimitExceededException", "TopicLimitExceeded", 403),
    ERROR("UserErrorException", "UserError", 400),
    ERROR("ValidationException", "ValidationException", 400),
    {.name = "SerializationException", .code = "InvalidParameter"},
    {0},
};

#define NO_SMS      "No SMS can be sent from here."
#define NO_POLICIES "No data protection: messages are not looked into."
#define GATEWAY     "PlatformCredential is the URL of a push gateway, which gets each message as JSON by POST."

static const struct aws_operation operations[] = {
    {"AddPermission", sns_add_permission, "Policies are kept and shown; who may do what is said by allow lists."},
    {"CheckIfPhoneNumberIsOptedOut", NULL, NO_SMS},
    {"ConfirmSubscription", sns_confirm_subscription, "AuthenticateOnUnsubscribe is not looked at."},
    {"CreatePlatformApplication", sns_create_platform_application, GATEWAY},
    {"CreatePlatformEndpoint", sns_create_platform_endpoint, NULL},
    {"CreateSMSSandboxPhoneNumber", NULL, NO_SMS},
    {"CreateTopic", sns_create_topic, "Keys of KMS, delivery logs and tracing are kept and have no effect."},
    {"DeleteEndpoint", sns_delete_endpoint, NULL},
    {"DeletePlatformApplication", sns_delete_platform_application, NULL},
    {"DeleteSMSSandboxPhoneNumber", NULL, NO_SMS},
    {"DeleteTopic", sns_delete_topic, "Topics of weir.yaml are refused."},
    {"GetDataProtectionPolicy", NULL, NO_POLICIES},
    {"GetEndpointAttributes", sns_get_endpoint_attributes, NULL},
    {"GetPlatformApplicationAttributes", sns_get_platform_application_attributes, NULL},
    {"GetSMSAttributes", NULL, NO_SMS},
    {"GetSMSSandboxAccountStatus", NULL, NO_SMS},
    {"GetSubscriptionAttributes", sns_get_subscription_attributes, NULL},
    {"GetTopicAttributes", sns_get_topic_attributes, NULL},
    {"ListEndpointsByPlatformApplication", sns_list_endpoints, NULL},
    {"ListOriginationNumbers", NULL, NO_SMS},
    {"ListPhoneNumbersOptedOut", NULL, NO_SMS},
    {"ListPlatformApplications", sns_list_platform_applications, NULL},
    {"ListSMSSandboxPhoneNumbers", NULL, NO_SMS},
    {"ListSubscriptions", sns_list_subscriptions, NULL},
    {"ListSubscriptionsByTopic", sns_list_subscriptions_by_topic, NULL},
    {"ListTagsForResource", sns_list_tags_for_resource, NULL},
    {"ListTopics", sns_list_topics, NULL},
    {"OptInPhoneNumber", NULL, NO_SMS},
    {"Publish", sns_publish, "No SMS: PhoneNumber is refused."},
    {"PublishBatch", sns_publish_batch, NULL},
    {"PutDataProtectionPolicy", NULL, NO_POLICIES},
    {"RemovePermission", sns_remove_permission, NULL},
    {"SetEndpointAttributes", sns_set_endpoint_attributes, NULL},
    {"SetPlatformApplicationAttributes", sns_set_platform_application_attributes, NULL},
    {"SetSMSAttributes", NULL, NO_SMS},
    {"SetSubscriptionAttributes", sns_set_subscription_attributes, "Of weir.yaml's subscriptions: refused."},
    {"SetTopicAttributes", sns_set_topic_attributes, "Of weir.yaml's topics: refused."},
    {"Subscribe", sns_subscribe,
     "sqs, lambda, http, https and application; email, SMS and Firehose are refused. Endpoints of HTTP are tried again "
     "as their "
     "DeliveryPolicy says in numRetries, minDelayTarget and maxDelayTarget."},
    {"TagResource", sns_tag_resource, NULL},
    {"Unsubscribe", sns_unsubscribe, "Of weir.yaml's subscriptions: refused."},
    {"UntagResource", sns_untag_resource, NULL},
    {"VerifySMSSandboxPhoneNumber", NULL, NO_SMS},
    {0},
};

const struct aws_service aws_sns = {
    .title = "SNS",
    .prefix = "sns",
    .content_type = "application/x-amz-json-1.0",
    .error_prefix = "",
    .version = "2010-03-31",
    .xmlns = "http://sns.amazonaws.com/doc/2010-03-31/",
    .wire = wire,
    .errors = errors,
    .unknown = "InvalidAction",
    .invalid = SNS_INVALID,
    .operations = operations,
};

/* ---- what the operations share ---- */

bool sns_fault(struct sns_fault *f, const char *code, const char *format, ...)
{
    va_list args;

    f->code = code;
    va_start(args, format);
    vsnprintf(f->message, sizeof f->message, format, args);
    va_end(args);
    return false;
}

void sns_fail(struct aws_request *r, const struct sns_fault *f)
{
    bool missing = strcmp(f->code, SNS_NOT_FOUND) == 0 || strcmp(f->code, "ResourceNotFoundException") == 0;

    aws_fail(r, missing ? 404 : strcmp(f->code, SNS_DENIED) == 0 ? 403 : 400, f->code, "%s", f->message);
}

bool sns_topic_name(struct str arn, const char *member, struct str *out, struct sns_fault *fault)
{
    size_t colons = 0, at = 0;

    for (size_t i = 0; i < arn.size; i++)
        if (arn.ptr[i] == ':' && ++colons == 5)
            at = i + 1;
    if (colons != 5 || !str_starts(arn, STR("arn:")))
        return sns_fault(fault, SNS_INVALID,
                         "Invalid parameter: %s Reason: An ARN must have at least 6 elements, not %zu", member,
                         arn.size ? colons + 1 : 0);
    *out = (struct str){arn.ptr + at, arn.size - at};
    return true;
}

const struct target_def *sns_topic(struct aws_request *r, struct str arn, const char *member, struct sns_fault *fault)
{
    struct str name;

    if (!sns_topic_name(arn, member, &name, fault))
        return NULL;
    const struct target_def *topic = ruleset_target(http_set(r->http), topic_adapter.type, name);
    if (topic && str_eq(topic->arn, arn))
        return topic;
    sns_fault(fault, SNS_NOT_FOUND, "Topic does not exist");
    return NULL;
}

bool sns_is_topic(const struct target_def *def)
{
    return def->adapter == &topic_adapter && !topic_endpoint(def);
}

struct str sns_base_url(struct aws_request *r)
{
    const char *host = http_header(r->http, "Host");
    struct buf url = BUF_INIT;

    if (!host)
        return signer_url(http_router(r->http)->signer, &r->arena);
    buf_printf(&url, "http%s://%s", http_is_tls(r->http) ? "s" : "", host);
    return aws_keep(&r->arena, &url);
}
