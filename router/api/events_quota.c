/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of EventBridge's quotas. Weir itself needs none of these numbers, its bounds are in matcher/limits.h and
 * those that every request has are in the service model: a rule with six targets is no more work than two with three.
 * AWS says the same words about all of them but the size of PutEvents, which has words of its own.
 */
#include "router/api/events_quota.h"

static const struct {
    int64_t most;
    bool of_account;
} quotas[EVENTS_QUOTAS] = {
    [EVENTS_QUOTA_BUSES] = {100, true},
    [EVENTS_QUOTA_CONNECTIONS] = {3000, true},
    [EVENTS_QUOTA_API_DESTINATIONS] = {3000, true},
    [EVENTS_QUOTA_RULES] = {300, false},
    [EVENTS_QUOTA_WILDCARD_RULES] = {30, false},
    [EVENTS_QUOTA_TARGETS] = {5, false},
    [EVENTS_QUOTA_PATTERN_LENGTH] = {2048, false},
    [EVENTS_QUOTA_PUT_BYTES] = {256 << 10, false},
};

bool events_quota_exceeded(const struct ruleset *set, const struct bus *bus, enum events_quota quota, int64_t count)
{
    if (quotas[quota].of_account)
        bus = &set->buses[0];
    return bus && bus->strict_aws && count > quotas[quota].most;
}

void events_quota_fail(struct aws_request *r)
{
    aws_fail(r, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
}
