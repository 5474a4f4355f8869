/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_POLICY_H
#define ROUTER_API_EVENTS_POLICY_H

/* What the resource policy of an event bus (PutPermission) says of somebody who wants to put an event there. */

#include "matcher/arena.h"

struct events_policy_question {
    struct str account, user_arn; /* who: arn:aws:iam::ACCOUNT:user/NAME */
    struct str action, resource;  /* events:PutEvents, and the ARN of the bus */
    struct str source;            /* of the event */
};

enum events_policy_answer { EVENTS_POLICY_SILENT, EVENTS_POLICY_ALLOWS, EVENTS_POLICY_DENIES };

/*
 * policy: a checked JSON object, or {NULL,0}. A statement that denies outweighs all that allow. Of conditions,
 * StringEquals and StringLike on aws:PrincipalAccount, aws:PrincipalArn and events:source are known; what is not known
 * (another condition, NotPrincipal, NotAction) never allows and always denies.
 */
enum events_policy_answer events_policy_ask(struct arena *a, struct str policy,
                                            const struct events_policy_question *question);

#endif
