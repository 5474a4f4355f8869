/* SPDX-License-Identifier: Apache-2.0 */
/* SNS's operations by name, how its errors travel (by short codes), and its lists and maps in the query protocol. */
#include "router/api/sns.h"

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

static const struct aws_operation operations[] = {
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
    .operations = operations,
};
