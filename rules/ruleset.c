/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with a loaded rule set: counting who holds it, and finding things in it by name. Names are asked for
 * by API calls and the command line; the hot path goes by index, so a search through the list will do.
 */
#include "rules/ruleset.h"

#include <assert.h>
#include <stdlib.h>

struct ruleset *ruleset_ref(struct ruleset *set)
{
    unsigned before = atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    assert(before > 0);
    return set;
}

void ruleset_unref(struct ruleset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->bus_count; i++)
        if (set->buses[i].matcher)
            weir_matcher_unref(set->buses[i].matcher);
    for (uint32_t i = 0; i < set->filter_count; i++)
        if (set->filters[i].body)
            weir_matcher_unref(set->filters[i].body);
    arena_fini(&set->keep);
    free(set);
}

const struct bus *ruleset_bus(const struct ruleset *set, struct str name_or_arn)
{
    for (uint32_t i = 0; i < set->bus_count; i++)
        if (str_eq(set->buses[i].name, name_or_arn) || str_eq(set->buses[i].arn, name_or_arn))
            return &set->buses[i];
    return NULL;
}

const struct rule *ruleset_rule(const struct ruleset *set, struct str bus, struct str name)
{
    for (uint32_t i = 0; i < set->rule_count; i++)
        if (str_eq(set->rules[i].name, name) && str_eq(set->rules[i].bus, bus))
            return &set->rules[i];
    return NULL;
}

const struct target_def *ruleset_target(const struct ruleset *set, const char *type, struct str name)
{
    for (uint32_t i = 0; i < set->target_count; i++)
        if (str_eq(set->targets[i]->name, name) && (!type || strcmp(set->targets[i]->adapter->type, type) == 0))
            return set->targets[i];
    return NULL;
}
