/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_TOPIC_H
#define TARGETS_TOPIC_H

/*
 * Topics: pushed to every subscription. A topic is never opened and keeps nothing; dispatch asks it for its
 * subscriptions while it matches, and makes one delivery of each.
 */

#include "targets/adapter.h"

struct topic_subscription {
    const struct target_def *target;
    bool raw_message_delivery;           /* the input as it is; else SNS's envelope around it */
    struct str name;                     /* as written; empty: the target's ARN stands for it */
    const struct pattern *filter_policy; /* NULL: every message passes */
    int filter_policy_scope;             /* enum topic_scope */
};

enum topic_scope { TOPIC_SCOPE_BODY, TOPIC_SCOPE_ATTRIBUTES };

struct topic_options {
    struct option_list subscriptions; /* of struct topic_subscription */
};

extern const struct adapter topic_adapter;

#endif
