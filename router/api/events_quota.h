/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_QUOTA_H
#define ROUTER_API_EVENTS_QUOTA_H

/*
 * EventBridge's quotas, as every account has them before it asks for more. They hold only where someone wrote
 * `strict: aws`, so that what works there works at AWS: those of a bus on that bus, those of the account where the
 * default event bus has it.
 *
 *     if (events_quota_exceeded(set, bus, EVENTS_QUOTA_RULES, rules_of(bus) + 1))
 *         events_quota_fail(r);                                    // LimitExceededException; the request is answered
 *
 * Counts are the caller's: how many there would be if the request were carried out. Any thread.
 */

#include "router/api/aws.h"
#include "rules/ruleset.h"

enum events_quota {
    EVENTS_QUOTA_BUSES,            /* of the account, the default one too */
    EVENTS_QUOTA_CONNECTIONS,      /* of the account */
    EVENTS_QUOTA_API_DESTINATIONS, /* of the account */
    EVENTS_QUOTA_RULES,            /* of a bus */
    EVENTS_QUOTA_WILDCARD_RULES,   /* of a bus: rules whose pattern has a wildcard in it */
    EVENTS_QUOTA_TARGETS,          /* of a rule */
    EVENTS_QUOTA_PATTERN_LENGTH,   /* characters of an event pattern, as aws_length() counts */
    EVENTS_QUOTA_PUT_BYTES,        /* of a PutEvents request, as it was before January 2026 */
    EVENTS_QUOTAS
};

#define EVENTS_QUOTA_MESSAGE "The requested resource exceeds the maximum number allowed."

/* bus NULL: a quota of the account, or a bus that does not exist. */
bool events_quota_exceeded(const struct ruleset *set, const struct bus *bus, enum events_quota quota, int64_t count);
void events_quota_fail(struct aws_request *r); /* answers; edits of resources refuse with the message */

#endif
