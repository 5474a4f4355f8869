/* SPDX-License-Identifier: Apache-2.0 */
/* The lists and maps of SQS in the query protocol: all flattened, each under a name of its own. */
#include "router/api/sqs.h"

#define LIST(in_json, in_form, only)                                                                                   \
    {                                                                                                                  \
        .member = (in_json), .wire = (in_form), .operation = (only), .kind = AWS_WIRE_LIST                             \
    }
#define MAP(in_json, in_form, only, key_name)                                                                          \
    {                                                                                                                  \
        .member = (in_json), .wire = (in_form), .operation = (only), .kind = AWS_WIRE_MAP, .key = (key_name),          \
        .value = "Value"                                                                                               \
    }

const struct aws_wire sqs_wire[] = {
    LIST("Entries", "SendMessageBatchRequestEntry", "SendMessageBatch"),
    LIST("Entries", "DeleteMessageBatchRequestEntry", "DeleteMessageBatch"),
    LIST("Entries", "ChangeMessageVisibilityBatchRequestEntry", "ChangeMessageVisibilityBatch"),
    LIST("Successful", "SendMessageBatchResultEntry", "SendMessageBatch"),
    LIST("Successful", "DeleteMessageBatchResultEntry", "DeleteMessageBatch"),
    LIST("Successful", "ChangeMessageVisibilityBatchResultEntry", "ChangeMessageVisibilityBatch"),
    LIST("Failed", "BatchResultErrorEntry", NULL),
    MAP("tags", "Tag", "CreateQueue", "Key"),
    MAP("Tags", "Tag", NULL, "Key"),
    LIST("TagKeys", "TagKey", NULL),
    MAP("Attributes", "Attribute", NULL, "Name"),
    MAP("MessageAttributes", "MessageAttribute", NULL, "Name"),
    MAP("MessageSystemAttributes", "MessageSystemAttribute", NULL, "Name"),
    LIST("AttributeNames", "AttributeName", NULL),
    LIST("MessageSystemAttributeNames", "MessageSystemAttributeName", NULL),
    LIST("MessageAttributeNames", "MessageAttributeName", NULL),
    LIST("StringListValues", "StringListValue", NULL),
    LIST("BinaryListValues", "BinaryListValue", NULL),
    LIST("Messages", "Message", NULL),
    {.member = "QueueUrls", .wire = "QueueUrl", .kind = AWS_WIRE_LIST, .is_output = true},
    {.member = "queueUrls", .wire = "QueueUrl", .kind = AWS_WIRE_LIST, .is_output = true},
    LIST("AWSAccountIds", "AWSAccountId", NULL),
    LIST("Actions", "ActionName", NULL),
    LIST("Results", "ListMessageMoveTasksResultEntry", NULL),
    {0},
};
