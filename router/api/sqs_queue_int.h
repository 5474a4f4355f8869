/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SQS_QUEUE_INT_H
#define ROUTER_API_SQS_QUEUE_INT_H

/*
 * Queues themselves, private to sqs_*.c. A queue that the API made is a document of the section "queues"
 * (router/resources.h): what was said of it, as texts, under "x-aws", and the keys of weir.yaml that follow from that:
 *
 *     {"visibility_timeout":"45s", …, "x-aws":{"CreatedTimestamp":1700000000,"LastModifiedTimestamp":1700000000,
 *      "Attributes":{"VisibilityTimeout":"45"},"Tags":{"team":"a"}}}
 */

#include "router/api/aws_change.h"
#include "router/api/sqs.h"

/* An attribute of a queue is a row of sqs_attributes.c's table; this many of them. */
#define SQS_ATTRIBUTE_COUNT 21

struct sqs_document {
    struct str values[SQS_ATTRIBUTE_COUNT]; /* as they were set; ptr NULL: not set */
    struct str tags;                        /* a JSON object */
    int64_t created_s, modified_s;
};

/* ---- sqs_attributes.c ---- */

/* Attributes of a request into values, each checked by itself; creating: FifoQueue may be said too. NULL: fine; else
   the error's code, with its text in fault. */
bool sqs_attributes_read(struct arena *a, struct str map, struct str queue, bool creating, struct str *values,
                         struct message_fault *fault);
/* What is wrong with all of a queue's values together, or with those that are said now: the queues they name. */
bool sqs_attributes_check(const struct resources *resources, struct str queue, const struct str *values,
                          const struct str *said, struct message_fault *fault);
/* The first attribute that is said and is another in the queue as it stands; NULL: none. */
const char *sqs_attributes_differ(struct arena *a, const struct str *values, const struct sqs_document *document,
                                  const struct target_def *def);
/* Appends the attributes whose bit is set (1 << row), as a JSON object. counts: of the ledger. */
void sqs_attributes_write(struct buf *json, struct aws_request *r, const struct target_def *def, uint32_t wanted,
                          const struct queue_counts *counts);
/* AttributeNames as bits. False: answered. */
bool sqs_attributes_wanted(struct aws_request *r, struct str list, uint32_t *wanted_out);
struct str *sqs_attribute_policy(struct sqs_document *d);
struct str *sqs_attribute_redrive_allow_policy(struct sqs_document *d);
bool sqs_read_number(struct str text, int64_t min, int64_t max, int64_t *out); /* digits only */

/* ---- sqs_redrive.c ---- */

struct sqs_redrive {
    struct str arn; /* of the dead-letter queue */
    int64_t count;
};
bool sqs_redrive_read(struct arena *a, struct str text, struct sqs_redrive *out, struct message_fault *fault);
bool sqs_redrive_same(struct arena *a, struct str left, struct str right);
bool sqs_redrive_allow_check(struct str text, struct message_fault *fault);
/* The queue that a redrive policy ("": none) names must be there, of the same kind, and let this one name it. */
bool sqs_redrive_check(const struct resources *resources, struct str queue, struct str text,
                       struct message_fault *fault);

/* ---- sqs_document.c ---- */

void sqs_document_read(struct arena *a, struct str text, struct sqs_document *out);
/* In the arena. */
struct str sqs_document_write(struct arena *a, const struct sqs_document *d, struct str queue);
/* The keys of weir.yaml that follow from the values. */
void sqs_attributes_write_keys(struct buf *json, const struct str *values, struct str queue);
void sqs_attributes_write_values(struct buf *json, const struct str *values);
/* Reads a stored map of texts into values. */
void sqs_attributes_read_values(struct arena *a, struct str map, struct str *values);

/* ---- sqs_tag.c ---- */

bool sqs_check_tags(struct aws_request *r, struct str tags, struct str queue); /* of a request; false: answered */
struct str sqs_tags(struct arena *a, struct str tags);                         /* as a document has them */

/* ---- changing a queue ---- */

struct sqs_change { /* first in a struct of the operation's own */
    struct aws_change change;
    struct str name;
    /* Main thread: changes the document, or aws_refuse()s and gives false. */
    bool (*edit)(struct sqs_change *c, struct sqs_document *d, struct resources *resources);
};
/* For operations on a queue that is there: what the files declare is refused with UnsupportedOperation. */
void *sqs_change_new(struct aws_request *r, size_t size, struct str name,
                     bool (*edit)(struct sqs_change *c, struct sqs_document *d, struct resources *resources));
void sqs_change_start(struct sqs_change *c);
/* False, with aws_refuse(): the queue is the files', or built in, or there is none. */
bool sqs_may_change(struct aws_change *c, const struct resources *resources, struct str name);

#endif
