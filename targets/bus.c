/* SPDX-License-Identifier: Apache-2.0 */
/* The event bus: nothing but its options. The rule set has its rules, dispatch follows it. */
#include "targets/bus.h"

static const char *const strict_names[] = {"none", "aws", NULL};

static const struct option options[] = {
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = offsetof(struct bus_options, description),
     .max = 512,
     .meaning = "what the bus is for, for people"},
    {.key = "strict",
     .type = OPTION_ENUM,
     .offset = offsetof(struct bus_options, strict),
     .value = "none",
     .names = strict_names,
     .meaning = "aws: the rules of this bus keep to AWS's limits and have no operator that AWS does not have"},
    {.key = "deduplication",
     .type = OPTION_DURATION,
     .offset = offsetof(struct bus_options, deduplication),
     .value = "0s",
     .min = 0,
     .max = 86400000,
     .meaning =
         "an event whose source and id came to the bus within this time is not matched again; 0s: every event is "
         "matched"},
    {.key = "deduplication_ids",
     .type = OPTION_INT,
     .offset = offsetof(struct bus_options, deduplication_ids),
     .value = "1000000",
     .min = 1,
     .max = 100000000,
     .meaning = "at most so many ids are remembered, in up to 40 bytes of memory each; past that the oldest are "
                "forgotten before their time"},
    {0},
};

const struct adapter bus_adapter = {
    .type = "bus",
    .section = "buses",
    .summary = "is an event bus: what events go in by, and what rules belong to",
    .arn_format = "arn:aws:events:{region}:{account}:event-bus/{name}",
    .name_max = 256,
    .options = options,
    .options_size = sizeof(struct bus_options),
};
