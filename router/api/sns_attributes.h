/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_SNS_ATTRIBUTES_H
#define ROUTER_API_SNS_ATTRIBUTES_H

/* Which attributes topics and subscriptions may have, and what their values may be, in SNS's words. */

#include "router/api/sns.h"

/* One attribute of a topic to be set: its value is checked. name is a member of CreateTopic's Attributes where create.
 */
bool sns_topic_attribute_check(struct str name, struct str value, bool fifo, bool create, struct sns_fault *fault);
/* All attributes of CreateTopic. */
bool sns_topic_attributes_check(struct str attributes, bool fifo, struct arena *arena, struct sns_fault *fault);

/* All attributes of a subscription as they would be. */
bool sns_subscription_attributes_check(struct str attributes, struct str protocol, struct arena *arena,
                                       struct sns_fault *fault);
bool sns_subscription_attribute_known(struct str name);

/* A filter policy, in its scope. */
bool sns_filter_policy_check(struct str policy, bool attributes, struct sns_fault *fault);

#endif
