/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_MESSAGE_ATTRIBUTES_H
#define ROUTER_API_MESSAGE_ATTRIBUTES_H

/*
 * Message attributes, as SQS and SNS take them, as a queue keeps them beside its messages, and as SQS hands them out:
 *
 *     {"n": {"DataType": "String", "StringValue": "v"}, "b": {"DataType": "Binary", "BinaryValue": "AQI="}}
 *     {"n": {"Type": "String", "Value": "v"}, "b": {"Type": "Binary", "Value": "AQI="}}          struct queue_send
 *
 * All slices are in the arena or in the text that was read.
 */

#include "matcher/arena.h"
#include "matcher/buf.h"

#define MESSAGE_ATTRIBUTES_MAX 10
#define MD5_DIGITS             32

struct message_attribute {
    struct str name, type; /* "String", "Number.int" */
    struct str text;       /* StringValue, or BinaryValue as it came, in base64 */
    struct str value;      /* its bytes */
    bool is_binary;
};

struct message_attributes {
    struct message_attribute *all;
    size_t count;
    size_t bytes; /* names, types and values: what counts for the size of a message */
};

/* What is wrong with a message: an error's name in the service model of SQS, and AWS's text. */
struct message_fault {
    const char *code;
    char message[512];
};
bool message_refuse(struct message_fault *fault, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* always false */

/* May a message have this text? XML can write it. */
bool message_is_content(struct str text);
#define MESSAGE_CONTENT                                                                                                \
    "Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

/* Of a request; map "": none. False: fault says why, code InvalidParameterValue. Out of memory: arena->failed. */
bool message_attributes_read(struct arena *a, struct str map, struct message_attributes *out,
                             struct message_fault *fault);
/* Of a queue's message. What is no attribute of that form is left out. */
void message_attributes_load(struct arena *a, struct str stored, struct message_attributes *out);

/* Each appends a JSON object: as a queue keeps them, and as SQS hands them out. */
void message_attributes_store(struct buf *out, const struct message_attributes *m);
void message_attributes_write(struct buf *out, const struct message_attributes *m);

/* MD5 in hexadecimal digits and a NUL: of a text, and of attributes (in the order of their names, each of name, type
   and value with its size before it). */
void md5_write(struct str text, char out[MD5_DIGITS + 1]);
void message_attributes_digest(const struct message_attributes *m, char out[MD5_DIGITS + 1]);

#endif
