/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_SUBSCRIPTION_H
#define ROUTER_API_SNS_SUBSCRIPTION_H

/* Subscriptions as SNS shows them, whoever made them. */

#include "router/api/aws_change.h"
#include "router/api/sns.h"
#include "router/api/sns_document.h"

struct sns_subscription {
    const struct target_def *topic;
    const struct topic_subscription *subscription;
    struct str arn;
    struct sns_subscription_document says; /* of weir.yaml's: what can be said of them in SNS's words */
};

void sns_subscription_show(struct aws_request *r, const struct target_def *topic, const struct topic_subscription *s,
                           struct sns_subscription *out);
/* The one with this ARN in the present rule set. False: fault, SNS_NOT_FOUND where there is none. */
bool sns_subscription_find(struct aws_request *r, struct str arn, struct sns_subscription *out,
                           struct sns_fault *fault);
/* For edits: the document of the one that was found, as it stands now. False: the file's, or gone meanwhile; refused.
 */
bool sns_subscription_edit(struct aws_change *c, struct resources *resources, const struct sns_subscription *found,
                           struct sns_subscription_document *out);
/* Always true. */
bool sns_subscription_put(struct aws_change *c, struct resources *resources, struct str uuid,
                          const struct sns_subscription_document *document);

#endif
