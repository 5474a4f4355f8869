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
