/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_SCHEDULE_H
#define RULES_SCHEDULE_H

/*
 * Schedule expressions, as EventBridge's rules have them, in UTC and with a grain of a minute:
 *
 *     rate(5 minutes)             every 5 minutes, counted from an anchor: when the rule was first seen
 *     rate(10 seconds)            an extension: AWS has minutes, hours and days
 *     cron(0 10 ? * MON-FRI *)    minutes hours day-of-month month day-of-week year
 *
 * Fields of cron: a value, * (any), lists with commas, ranges with - (also over the end: FRI-MON), steps with /. Months
 * are 1-12 or JAN-DEC, days of the week 1-7 or SUN-SAT. One of day-of-month and day-of-week must be ?, since only one
 * can decide. Day-of-month may instead be L (the last day), 15W (the weekday nearest to the 15th, in the same month) or
 * LW; day-of-week L (Saturday), 6L (the month's last Friday) or 3#2 (its second Tuesday): alone, not in a list. Years:
 * 1970-2199.
 */

#include "matcher/arena.h"
#include "matcher/weir.h"

struct schedule;

/* NULL: diag says which field and what it takes, column counted in the text; or out of memory. A schedule that can
   never fire is an error. */
const struct schedule *schedule_parse(struct arena *a, struct str text, struct weir_diag *diag);

/* The first time it fires after after_ms (both since 1970). False: it never does again. */
bool schedule_next(const struct schedule *s, int64_t anchor_ms, int64_t after_ms, int64_t *next_ms);

int64_t schedule_grain_ms(const struct schedule *s); /* it fires no more often than once in so many */
bool schedule_is_portable(const struct schedule *s); /* would AWS take it? Not with seconds */
struct str schedule_text(const struct schedule *s);  /* as written */

#endif
