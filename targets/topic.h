/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_TOPIC_H
#define TARGETS_TOPIC_H

/*
 * Topics: pushed to every subscription. A topic is never opened and keeps nothing; dispatch asks it for its
 * subscriptions while it matches, and makes one delivery of each.
 *
 * A topic whose name ends in ".fifo" is a FIFO topic: its subscriptions are queues, and what is published carries a
 * message group and a deduplication id.
 */

#include "targets/adapter.h"
#include "targets/policy.h"
#include "targets/uuid.h"

#define TOPIC_NAME_MAX 256

/* A device, known to a push gateway by its token. */
struct topic_endpoint {
    struct str id; /* UUID */
    struct str token, user_data;
    bool enabled;
    struct str platform, application; /* "GCM" and the application's name */
};

struct topic_subscription {
    const struct target_def *target;
    bool raw_message_delivery;            /* the input as it is; else SNS's envelope around it */
    struct str name;                      /* as written; empty: the target's ARN stands for it */
    const struct pattern *filter_policy;  /* NULL: every message passes */
    int filter_policy_scope;              /* enum topic_scope */
    const struct target_def *dead_letter; /* the redrive policy's queue; NULL: none */
    struct retry_policy retry_policy;
    bool retries;                          /* there is a retry_policy */
    struct str url;                        /* the target is an http target of the subscription's own; "": it is not */
    struct str made;                       /* the document of the API that made it; {NULL,0}: it is the files' */
    const struct topic_endpoint *endpoint; /* the target is a push gateway, and this is for whom; NULL: it is not */
    bool pending; /* its endpoint has not confirmed it: it gets nothing but what is meant for it alone */
};

enum topic_scope { TOPIC_SCOPE_BODY, TOPIC_SCOPE_ATTRIBUTES };
enum topic_signature { TOPIC_SIGNATURE_1, TOPIC_SIGNATURE_2, TOPIC_SIGNATURE_NONE, TOPIC_SIGNATURE_AUTO };

struct topic_options {
    struct option_list subscriptions; /* of struct topic_subscription */
    bool content_based_deduplication; /* FIFO: without an id, the SHA-256 of the message is the deduplication id */
    int deduplication_scope;          /* FIFO: enum queue_deduplication_scope */
    int signature_version;            /* enum topic_signature */
};

/* A subscription that stands by itself, in the section `subscriptions`. */
struct topic_subscription_entry {
    struct topic_subscription subscription; /* first; its name is the entry's key, its target may be the url's */
    struct str topic;
    struct str url;      /* "": there is a target, or … */
    struct str endpoint; /* … the ARN of a device's endpoint; "": none */
};

extern const struct adapter topic_adapter;
extern const struct option topic_subscription_options[]; /* fill a struct topic_subscription_entry */

bool topic_is_fifo(const struct target_def *topic); /* by its suffix */

/*
 * A platform application is a push gateway, an http target; each of its endpoints is a topic with one subscription,
 * named "endpoint/PLATFORM/APPLICATION/ID" so that its ARN is SNS's.
 */
struct topic_application {
    struct str platform, name, url;
    struct option_list endpoints; /* of struct topic_endpoint */
};
extern const struct option topic_application_options[]; /* fill a struct topic_application */
#define TOPIC_ENDPOINT "endpoint/"
/* Of such a topic; NULL: it is an ordinary one. */
const struct topic_endpoint *topic_endpoint(const struct target_def *topic);

/* The subscription's ARN: the topic's, a colon, and the name where that is a UUID, else one made of the name. */
void topic_write_subscription_arn(const struct target_def *topic, struct str name, struct buf *out);
/* Is this that ARN's last part? */
bool topic_is_subscription(struct str name, struct str uuid);

/* ---- messages (topic_message.c) ---- */

enum topic_message_type { TOPIC_NOTIFICATION, TOPIC_SUBSCRIPTION_CONFIRMATION, TOPIC_UNSUBSCRIBE_CONFIRMATION };
extern const char *const topic_message_types[]; /* "Notification", …, ended by NULL */

/* What SNS's envelope says. Of slices that are "" the envelope has no member. */
struct topic_message {
    enum topic_message_type type;
    struct str id; /* UUID */
    struct str text, subject;
    struct str attributes; /* JSON object: name → {"Type":"String","Value":"…"} */
    int64_t time_ms;
    struct str sequence;     /* FIFO: as text */
    struct str subscription; /* its ARN */
    struct str token;        /* of confirmations */
    struct str base_url;     /* where this router is: "http://127.0.0.1:4566" */
    struct str certificate;  /* the path there of who signed: "/SimpleNotificationService-….pem"; "": unsigned */
    enum topic_signature version;
    struct str signature; /* base64 */
};

/* The text that SNS signs: members of the envelope in the order of their names, each a line, and its value a line. */
void topic_write_signed(const struct target_def *topic, const struct topic_message *m, struct buf *out);
/* As queues and HTTP endpoints get it. */
void topic_write_envelope(const struct target_def *topic, const struct topic_message *m, struct buf *out);
/* As functions get it: {"Records":[…]} with one record. */
void topic_write_record(const struct target_def *topic, const struct topic_message *m, struct buf *out);
/* As push gateways get it: for one device. */
void topic_write_push(const struct target_def *topic, const struct topic_message *m, const struct topic_endpoint *e,
                      struct buf *out);
/* The id of a message that a rule makes: the same for every subscription and every retry, as SNS has it. False: out of
   memory. */
bool topic_message_id(const struct target_def *topic, const struct delivery *d, char out[UUID_SIZE + 1]);

#endif
