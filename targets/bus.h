/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_BUS_H
#define TARGETS_BUS_H

/*
 * An event bus as a target: the event goes on to that bus's rules, with its id, account, region and time as they are.
 * Nothing is sent: dispatch matches it there in place. An event meets each bus once, however many rules forward it, so
 * rings of buses end by themselves; over how many buses in a row it may go is bounded by BUS_HOPS_MAX.
 */

#include "targets/adapter.h"

#define BUS_DEFAULT  "default"
#define BUS_HOPS_MAX 8

enum bus_strict { BUS_STRICT_NONE, BUS_STRICT_AWS };

struct bus_options {
    struct str description;
    int strict;                /* enum bus_strict */
    int64_t deduplication;     /* ms: an event of the same source and id is not matched again so long; 0: it is */
    int64_t deduplication_ids; /* how many are remembered at most */
};

extern const struct adapter bus_adapter;

#endif
