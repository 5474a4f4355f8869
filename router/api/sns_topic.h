/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_TOPIC_H
#define ROUTER_API_SNS_TOPIC_H

/* What operations on topics share: attributes, permissions, tags. */

#include "router/api/aws_change.h"
#include "router/api/sns.h"
#include "router/api/sns_document.h"

/* The topic that the input's TopicArn names; NULL: the request is answered. */
const struct target_def *sns_topic_of(struct aws_request *r);
struct str sns_topic_policy(const struct target_def *topic, struct str account, struct arena *arena);

/* For edits: what stands now. False: it is not there, or the file's; refused. */
bool sns_topic_edit(struct aws_change *c, struct resources *resources, struct str name, struct sns_topic_document *out);
/* Always true. */
bool sns_topic_put(struct aws_change *c, struct resources *resources, const struct sns_topic_document *document);

#endif
