/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_REPLAYS_H
#define ROUTER_API_EVENTS_REPLAYS_H

/* A replay in AWS's members. `replay` is its JSON as dispatch shows it (router/dispatch.h); all write into an open
   object and leave out what is not known. */

#include "router/api/aws.h"
#include "rules/ruleset.h"

/* What lists show of it: ReplayName, EventSourceArn, State, StateReason and the times. */
void events_replay_write_members(struct buf *out, const struct ruleset *set, struct arena *a, struct str replay);
/* EventSourceArn alone; a replay of files has none. */
void events_replay_write_source(struct buf *out, const struct ruleset *set, struct arena *a, struct str replay);
/* Destination, of a replay without "x-aws": the bus of its archive, and its rules (a JSON array of names) there. */
void events_replay_write_destination(struct buf *out, const struct ruleset *set, struct arena *a, struct str archive,
                                     struct str rules);
/* "arn:aws:events:REGION:ACCOUNT:KIND/NAME" */
void events_replay_write_arn(struct buf *out, const char *key, const struct ruleset *set, const char *kind,
                             struct str name);
void events_replay_write_time(struct buf *out, const char *key, struct str rfc3339); /* as seconds since 1970 */
void events_replay_copy(struct buf *out, const char *key,
                        struct str value); /* JSON, as it is; nothing where it is empty */

/* A text of a JSON object, decoded into the arena; {NULL,0}: none. */
struct str events_replay_text(struct arena *a, struct str object, const char *key);

#endif
