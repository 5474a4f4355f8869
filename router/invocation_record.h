/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_INVOCATION_RECORD_H
#define ROUTER_INVOCATION_RECORD_H

/* What AWS says of an asynchronous invocation that has ended: to a destination, to a bus, and beside a dead letter. */

#include "rules/ruleset.h"
#include "targets/function.h"
#include "targets/invocations.h"

/* The record for a destination; condition: Success, RetriesExhausted or EventAgeExceeded. i NULL: it never ran. */
void record_write(struct buf *out, struct str function_arn, const char *condition, const struct invocation_row *row,
                  const struct invocation *i, int64_t wall_ms);
/* The same as an event for a bus; status: Success or Failure. */
void record_write_event(struct buf *out, const struct ruleset *set, const struct target_def *bus,
                        struct str function_arn, const char *status, struct str record, int64_t wall_ms);
/* Message attributes of a dead letter: Lambda's, and those that every dead letter of Weir has. */
void record_write_attributes(struct buf *out, struct str target, const struct invocation *i, struct str request_id,
                             const char *condition);

#endif
