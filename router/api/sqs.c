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

#define KEPT    "Policies are kept and shown; who may do what is said by allow lists."
#define MANAGED "A queue that weir.yaml declares is changed there: UnsupportedOperation."
#define FAIR                                                                                                           \
    "MessageGroupId on a standard queue is kept and shown, and changes no order; the size limit is the queue's own."

static const struct aws_operation operations[] = {
    {"AddPermission", sqs_add_permission, KEPT},
    {"CancelMessageMoveTask", sqs_cancel_message_move_task, NULL},
    {"ChangeMessageVisibility", sqs_change_message_visibility, NULL},
    {"ChangeMessageVisibilityBatch", sqs_change_message_visibility_batch, NULL},
    {"CreateQueue", sqs_create_queue,
     "A name may be used again at once after DeleteQueue; encryption attributes are kept and shown, nothing is "
     "encrypted."},
    {"DeleteMessage", sqs_delete_message, NULL},
    {"DeleteMessageBatch", sqs_delete_message_batch, NULL},
    {"DeleteQueue", sqs_delete_queue, MANAGED},
    {"GetQueueAttributes", sqs_get_queue_attributes, "Numbers of messages are exact."},
    {"GetQueueUrl", sqs_get_queue_url, NULL},
    {"ListDeadLetterSourceQueues", sqs_list_dead_letter_source_queues, NULL},
    {"ListMessageMoveTasks", sqs_list_message_move_tasks, NULL},
    {"ListQueueTags", sqs_list_queue_tags, NULL},
    {"ListQueues", sqs_list_queues, NULL},
    {"PurgeQueue", sqs_purge_queue, NULL},
    {"ReceiveMessage", sqs_receive_message,
     "A ReceiveRequestAttemptId is remembered as long as the router runs; messages in flight are not bounded; SenderId "
     "is the account."},
    {"RemovePermission", sqs_remove_permission, KEPT},
    {"SendMessage", sqs_send_message, FAIR},
    {"SendMessageBatch", sqs_send_message_batch, FAIR},
    {"SetQueueAttributes", sqs_set_queue_attributes, MANAGED},
    {"StartMessageMoveTask", sqs_start_message_move_task, "Any queue may be the source, not only dead-letter queues."},
    {"TagQueue", sqs_tag_queue, MANAGED},
    {"UntagQueue", sqs_untag_queue, MANAGED},
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
    .invalid = "InvalidAttributeValue",
    .operations = operations,
};
