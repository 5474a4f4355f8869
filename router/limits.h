/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_LIMITS_H
#define ROUTER_LIMITS_H

/*
 * The limits of the ways in, as `sources:` sets them: so many events a second on the long run (a token bucket), so many
 * requests at once. A request is let in while the bucket is not overdrawn and is charged for all its events then, so
 * one that is larger than the bucket passes too, and what comes behind it waits. Any thread; what is counted outlives a
 * reload, what is allowed is asked of the present rule set each time.
 */

#include "rules/ruleset.h"

struct limits_refusal {
    int64_t wait_s;     /* whole seconds, at least 1: Retry-After */
    const char *reason; /* "rate", "concurrency": for the metric */
    char message[160];
};

/* Lets a request of a route in. Where false nothing is to be given back; else limits_leave() when it is answered. */
bool limits_enter(const struct ruleset *set, const char *route, int64_t age_ms, struct limits_refusal *out);
void limits_charge(const struct ruleset *set, const char *route, int64_t age_ms, size_t events);
void limits_leave(const char *route);

#endif
