/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_READ_ONLY_H
#define RULES_READ_ONLY_H

/*
 * Read-only management events: what CloudTrail records of calls that only look (Describe…, Get…, List…), three quarters
 * of a real log. At AWS only rules in state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS get them; here that holds on
 * buses with `strict: aws`, and everywhere else a rule gets what its pattern matches.
 */

#include "rules/ruleset.h"

/* Is this an event that, of its bus's rules, only those with all_management_events get? event: checked. Reads the event
   only where the bus has `strict: aws`: some hundred nanoseconds. */
bool read_only_is_held_back(const struct bus *bus, struct str event);

#endif
