/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_DOCUMENT_H
#define ROUTER_API_SNS_DOCUMENT_H

/*
 * Topics and subscriptions as resources (router/resources.h): the attributes as clients sent them are what counts, and
 * stand under "x-aws"; the keys of weir.yaml beside them are made of them, for the loader.
 *
 *     topics/NAME           {"signature_version":"1","x-aws":{"attributes":{"DisplayName":"…"},"tags":[…]}}
 *     subscriptions/UUID    {"topic":"NAME","target":"arn:…","raw_message_delivery":true,
 *                            "x-aws":{"protocol":"sqs","endpoint":"arn:…","attributes":{…}}}
 */

#include "router/api/sns.h"

struct sns_topic_document {
    struct str name;
    struct str attributes; /* JSON object of texts; "{}" */
    struct str tags;       /* JSON array of Tag structures; "[]" */
};
void sns_topic_read(struct str document, struct sns_topic_document *out);
void sns_topic_write(struct buf *out, const struct sns_topic_document *t);

struct sns_subscription_document {
    struct str topic; /* name */
    struct str protocol, endpoint;
    struct str attributes; /* JSON object of texts; "{}" */
    struct str token;      /* the endpoint confirms with it; "": it need not */
    bool pending;
    int64_t deleted_ms; /* wall clock: since then nobody is shown it; 0: it was not unsubscribed */
};
/* Texts go into the arena. */
void sns_subscription_read(struct str document, struct arena *arena, struct sns_subscription_document *out);
void sns_subscription_write(struct buf *out, const struct sns_subscription_document *s, struct arena *arena);

struct resources;
/* For edits: deletes all subscriptions that are of the kind. */
void sns_subscriptions_delete(struct resources *resources, struct arena *arena,
                              bool (*is)(void *context, const struct sns_subscription_document *s), void *context);

/* ---- objects of texts ---- */

struct sns_map { /* its members, in turn */
    struct json_reader reader;
    struct arena *arena;
};
void sns_map_start(struct sns_map *m, struct str object, struct arena *arena);
bool sns_map_next(struct sns_map *m, struct str *key, struct str *value); /* decoded; what is no text is "" */
/* A member's text; {NULL,0}: there is none. */
struct str sns_map_get(struct str object, const char *key, struct arena *arena);
/* The object with the member so; value {NULL,0}: without it. */
struct str sns_map_with(struct str object, struct str key, struct str value, struct arena *arena);
/* Do they say the same? The order does not count. */
bool sns_map_equal(struct str a, struct str b, struct arena *arena);

#endif
