/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_H
#define ROUTER_API_SNS_H

/* The operations of SNS (the query protocol of 2010-03-31), and what they share. */

#include "router/api/aws.h"
#include "targets/topic.h"

#define SNS_NOT_FOUND     "NotFoundException"
#define SNS_INVALID       "InvalidParameterException"
#define SNS_INVALID_VALUE "InvalidParameterValueException"
#define SNS_DENIED        "AuthorizationErrorException"

/* What is wrong with a request, or with one entry of a batch. */
struct sns_fault {
    const char *code; /* as aws_fail() takes it */
    char message[400];
};
/* Fills it; always false. */
bool sns_fault(struct sns_fault *f, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Answers the request with it; a 404 where that is what it says. */
void sns_fail(struct aws_request *r, const struct sns_fault *f);

/* The name that a topic's ARN ends with. False: fault. member: "TopicArn". */
bool sns_topic_name(struct str arn, const char *member, struct str *out, struct sns_fault *fault);
/* The topic of the present rule set with this ARN; NULL: fault says why. member: "TopicArn". */
const struct target_def *sns_topic(struct aws_request *r, struct str arn, const char *member, struct sns_fault *fault);

/* "http://127.0.0.1:4566": the router as the request's client sees it; in the request's arena. */
struct str sns_base_url(struct aws_request *r);

bool sns_is_topic(const struct target_def *def); /* and not an endpoint */

/* Tags of a request, before they are set. */
bool sns_tags_check(struct aws_request *r, struct str tags, struct sns_fault *fault);

/* ---- operations ---- */

void sns_add_permission(struct aws_request *r);              /* sns_permission.c */
void sns_create_platform_application(struct aws_request *r); /* sns_application.c, and so on */
void sns_delete_platform_application(struct aws_request *r);
void sns_get_platform_application_attributes(struct aws_request *r);
void sns_set_platform_application_attributes(struct aws_request *r);
void sns_list_platform_applications(struct aws_request *r);
void sns_create_platform_endpoint(struct aws_request *r); /* sns_endpoint.c, and so on */
void sns_delete_endpoint(struct aws_request *r);
void sns_get_endpoint_attributes(struct aws_request *r);
void sns_set_endpoint_attributes(struct aws_request *r);
void sns_list_endpoints(struct aws_request *r);
void sns_confirm_subscription(struct aws_request *r);        /* sns_subscribe.c */
void sns_create_topic(struct aws_request *r);                /* sns_topic.c */
void sns_delete_topic(struct aws_request *r);                /* sns_topic.c */
void sns_get_subscription_attributes(struct aws_request *r); /* sns_subscription.c */
void sns_get_topic_attributes(struct aws_request *r);        /* sns_topic.c */
void sns_list_subscriptions(struct aws_request *r);          /* sns_subscription.c */
void sns_list_subscriptions_by_topic(struct aws_request *r); /* sns_subscription.c */
void sns_list_tags_for_resource(struct aws_request *r);      /* sns_tag.c */
void sns_list_topics(struct aws_request *r);                 /* sns_topic.c */
void sns_publish(struct aws_request *r);                     /* sns_publish.c */
void sns_publish_batch(struct aws_request *r);               /* sns_publish.c */
void sns_remove_permission(struct aws_request *r);           /* sns_permission.c */
void sns_set_subscription_attributes(struct aws_request *r); /* sns_subscription.c */
void sns_set_topic_attributes(struct aws_request *r);        /* sns_topic.c */
void sns_subscribe(struct aws_request *r);                   /* sns_subscribe.c */
void sns_tag_resource(struct aws_request *r);                /* sns_tag.c */
void sns_unsubscribe(struct aws_request *r);                 /* sns_subscribe.c */
void sns_untag_resource(struct aws_request *r);              /* sns_tag.c */

/* ---- messages (sns_message.c) ---- */

#define SNS_MESSAGE_BYTES_MAX (256 << 10)

struct sns_message { /* as Publish, or an entry of PublishBatch, has it */
    struct str text, subject, structure, group, deduplication;
    struct str attributes; /* the object of MessageAttributes; {NULL,0}: none */
};
/* Checks it against what SNS takes, for this topic. */
bool sns_message_check(const struct sns_message *m, const struct target_def *topic, struct sns_fault *fault);
size_t sns_message_bytes(const struct sns_message *m);
/* The attributes as envelopes show them, {"NAME":{"Type":"String","Value":"…"}}, and as filter policies look at them:
   texts, numbers and lists by name. */
bool sns_message_attributes(struct str attributes, struct buf *shown, struct buf *filterable, struct sns_fault *fault);

#endif
