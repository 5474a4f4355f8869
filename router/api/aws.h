/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_H
#define ROUTER_API_AWS_H

/*
 * The AWS protocols: a request names its service and operation in X-Amz-Target ("AWSEvents.PutEvents") and carries one
 * JSON object, or it is a form with Action= and Version= (the query protocol: SQS and SNS), or its path means the
 * operation (Lambda). An operation is written once, for JSON with the service model's member names: forms are turned
 * into that and answers into XML by the service's table (aws_wire.h). A service is one row (aws.c) and a table of
 * operations; an operation is one row of that table and one function, in a file of its own or with its kin:
 *
 *     struct input { struct str name; int64_t limit; };
 *     static const struct aws_member members[] = {
 *         AWS_MEMBER(struct input, "Name", AWS_STRING, name, .required = true, .max = 64, .regex = &name_regex),
 *         AWS_MEMBER(struct input, "Limit", AWS_INTEGER, limit, .min = 1, .max = 100),
 *         {0},
 *     };
 *
 *     void events_describe_rule(struct aws_request *r)
 *     {
 *         struct input in = {.limit = 100};
 *         if (!aws_read(r, r->input, "", members, &in) || !aws_valid(r))
 *             return;                                            // it is answered
 *         …
 *         aws_reply(r, &json);                                   // or aws_fail(r, 400, "ResourceNotFoundException", …)
 *     }
 *
 * An operation answers exactly once, at once or later on the same io thread; the answer frees the request and all that
 * its arena holds. Members that no row names are ignored, as AWS does; null stands for an absent member. The account
 * and region of a request's credential scope mean nothing: the configured ones hold.
 */

#include "matcher/arena.h"
#include "matcher/json.h"
#include "router/api/aws_wire.h"
#include "router/http.h"
#include "targets/uuid.h"

struct aws_request;

enum aws_protocol { AWS_JSON, AWS_QUERY, AWS_REST };

struct aws_operation {
    const char *name;
    void (*run)(struct aws_request *r); /* NULL: of the service model, but not served: differs says why */
    const char *differs; /* from AWS, on purpose: one short sentence for the table in README.md; NULL: nothing */
};

/* How an error travels where that is not by its own name. */
struct aws_error {
    const char *name; /* what aws_fail() is given: the exception's name in the service model */
    const char *type; /* JSON's __type; NULL: error_prefix and name */
    const char *code; /* the query protocol's Code; NULL: name */
    int status;       /* in the query protocol; 0: as aws_fail() is given */
};

struct aws_service {
    const char *title;                      /* "SQS" */
    const char *prefix;                     /* "sqs": of actions in policies, and in credential scopes */
    const char *target;                     /* what stands before the dot in X-Amz-Target; NULL: no such protocol */
    const char *content_type;               /* of JSON answers */
    const char *error_prefix;               /* of an error's __type */
    const char *version, *xmlns;            /* of the query protocol; NULL: none */
    const struct aws_wire *wire;            /* ended by member NULL; NULL: no query protocol */
    const struct aws_error *errors;         /* ended by name NULL; NULL: none */
    const char *unknown;                    /* the error of an operation that is not known or not served */
    const char *invalid;                    /* the error of what could be read, and stands nowhere in a rule set */
    const struct aws_operation *operations; /* every one of the service model, ended by name NULL */
};

extern const struct aws_service aws_events, aws_sqs, aws_sns, aws_lambda;
extern const struct aws_service *const aws_services[]; /* ended by NULL */

struct aws_request {
    struct http_request *http;
    const struct aws_service *service;
    const struct aws_operation *operation;
    enum aws_protocol protocol;
    struct str input;   /* the request: one JSON object, checked; lives until the answer */
    struct arena arena; /* goes with the answer */
    char id[UUID_SIZE + 1];
    struct buf form;   /* of the query protocol: input's text */
    struct buf faults; /* constraint errors found so far, joined by "; " */
    unsigned fault_count;
};

/*
 * For services whose paths mean operations: the request of this operation, once it may run. NULL: it is answered.
 * Then aws_take_json(), where the body is JSON; and aws_reply…() or aws_fail() as ever.
 */
struct aws_request *aws_begin(struct http_request *http, const struct aws_service *service, const char *operation);
/* A request that only waits to be failed; of EventBridge, until somebody says another service. */
struct aws_request *aws_create(struct http_request *http, enum aws_protocol protocol);
/* The body into r->input; an empty one is {}. False: it is no JSON object, and the request is answered. */
bool aws_take_json(struct aws_request *r);

/* ---- reading ---- */

/* What a member fills in, at its offset; one that is absent leaves it as it was. In the query protocol, which has only
   texts, numbers and booleans are read from them. */
enum aws_type {
    AWS_STRING,    /* struct str: decoded; in the request or in the arena */
    AWS_INTEGER,   /* int64_t */
    AWS_BOOLEAN,   /* bool */
    AWS_TIMESTAMP, /* int64_t: ms since 1970; the protocol has seconds, with or without a fraction */
    AWS_LIST,      /* struct str: the array's text, every element of type `element` */
    AWS_STRUCTURE  /* struct str: the object's text; maps too */
};

/* A pattern of AWS's service model, compiled at first use; the whole value must match. */
struct aws_regex {
    const char *text;
    const char *linear; /* matches the same, where matching text can take exponential time; NULL: text */
    _Atomic(void *) code;
};
#define AWS_REGEX(pattern)                                                                                             \
    {                                                                                                                  \
        .text = (pattern)                                                                                              \
    }

struct aws_member {
    const char *name;
    enum aws_type type;
    size_t offset;
    bool required;
    int64_t min, max;          /* characters, elements, or the integer itself; max 0: no bound at all */
    struct aws_regex *regex;   /* of strings */
    const char *const *values; /* of strings: an enumeration, ended by NULL */
    enum aws_type element;     /* of lists: AWS_STRING, AWS_LIST or AWS_STRUCTURE */
    bool hidden;               /* a secret: no message shows the value */
    const char *shape;         /* of lists of structures: the structure's name in messages */
};

/* A row: the structure filled in, the member's name and type, the field, and what else is to be said of it. */
#define AWS_MEMBER(structure, member, kind, field, ...)                                                                \
    {                                                                                                                  \
        .name = (member), .type = (kind), .offset = offsetof(structure, field), ##__VA_ARGS__                          \
    }

/*
 * Reads the members of an object by a table ended by name NULL. path: what stands before a member's name in messages:
 * "", or "entries.1.member.". A value of the wrong type is answered with SerializationException, and false comes back.
 * A value against a constraint is noted: aws_valid() answers for all of them.
 */
bool aws_read(struct aws_request *r, struct str object, const char *path, const struct aws_member *members, void *out);
/* Notes one more fault; value {NULL,0}: null; member as in the service model ("EventBusName"). */
void aws_fault(struct aws_request *r, const char *path, const char *member, struct str value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* False where a constraint was broken: answered with ValidationException. */
bool aws_valid(struct aws_request *r);

/* The elements of a list's text. */
struct aws_list {
    struct json_reader reader;
    unsigned index; /* of the present element, from 1, as AWS counts in its messages */
};
void aws_list_start(struct aws_list *list, struct str text);
bool aws_list_next(struct aws_list *list, struct str *element);

/* How AWS counts text: UTF-16 code units. */
size_t aws_length(struct str text);

/* ---- answering: each of these ends the request ---- */

/* json: the output, one JSON object; in the query protocol it goes out as XML. */
void aws_reply(struct aws_request *r, const struct buf *json);
/* {}: of operations that have no output. */
void aws_reply_empty(struct aws_request *r);
/* For AWS_REST: any status and body. */
void aws_reply_raw(struct aws_request *r, int status, const char *content_type, struct str body);
/* An error by its name in the service model; the service's table says how it travels. AWS's exceptions are 400 but for
   InternalException (500). 503 asks to come again. */
void aws_fail(struct aws_request *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The query protocol's Code of an error: entries of a batch that failed have it in both protocols. */
const char *aws_error_code(const struct aws_service *service, const char *name);

#endif
