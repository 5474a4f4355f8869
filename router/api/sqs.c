/* SPDX-License-Identifier: Apache-2.0 */
/* SQS's operations by name, and how its errors travel: by the exception's name in JSON, by an older code in XML. */
#include "router/api/sqs.h"

#define OLD(exception, query_status)                                                                                   \
    {                                                                                                                  \
        .name = (exception), .code = "AWS.SimpleQueueService." exception, .status = (query_status)                     \
    }

static const struct aws_error errors[] = {
    {.name = "QueueDoesNotExist", .code = "AWS.SimpleQueueService.NonExistentQueue"},
    {.name = "QueueNameExists", .code = "QueueAlreadyExists"},
    OLD("BatchEntryIdsNotDistinct", 400),
    OLD("BatchRequestTooLong", 400),
    OLD("EmptyBatchRequest", 400),
    OLD("InvalidBatchEntryId", 400),
    OLD("MessageNotInflight", 400),
    OLD("PurgeQueueInProgress", 403),
    OLD("QueueDeletedRecently", 400),
    OLD("TooManyEntriesInBatchRequest", 400),
    OLD("UnsupportedOperation", 400),
    {.name = "OverLimit", .status = 403},
    {.name = "InvalidParameterValue", .type = "com.amazon.coral.service#InvalidParameterValueException"},
    {.name = "MissingParameter", .type = "com.amazon.coral.service#MissingRequiredParameterException"},
    {.name = "SerializationException",
     .type = "com.amazon.coral.service#SerializationException",
     .code = "MalformedInput"},
    {.name = "InvalidAction", .type = "com.amazon.coral.service#UnknownOperationException"},
    {.name = "ResourceNotFoundException", .code = "ResourceNotFoundException", .status = 404},
    {0},
};

static const struct aws_operation operations[] = {
    {"ChangeMessageVisibility", sqs_change_message_visibility, NULL},
    {"ChangeMessageVisibilityBatch", sqs_change_message_visibility_batch, NULL},
    {"DeleteMessage", sqs_delete_message, NULL},
    {"DeleteMessageBatch", sqs_delete_message_batch, NULL},
    {"ReceiveMessage", sqs_receive_message, NULL},
    {"SendMessage", sqs_send_message, NULL},
    {"SendMessageBatch", sqs_send_message_batch, NULL},
    {0},
};

const struct aws_service aws_sqs = {
    .title = "SQS",
    .prefix = "sqs",
    .target = "AmazonSQS",
    .content_type = "application/x-amz-json-1.0",
    .error_prefix = "com.amazonaws.sqs#",
    .version = "2012-11-05",
    .xmlns = "http://queue.amazonaws.com/doc/2012-11-05/",
    .wire = sqs_wire,
    .errors = errors,
    .unknown = "InvalidAction",
    .operations = operations,
};
