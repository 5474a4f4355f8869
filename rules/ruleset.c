/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done with a loaded rule set: counting who holds it, and finding things in it by name. Names are asked for
 * by API calls, the command line and rows of the ledger. Rules and targets may be many and have tables; the rest is
 * walked.
 */
#include "rules/access.h"
#include "rules/load_int.h"

#include <assert.h>
#include <stdlib.h>

#include "matcher/hash.h"
#include "targets/bus.h"
#include "targets/missing.h"

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
    for (uint32_t i = 0; i < set->filter_count; i++) {
        if (set->filters[i].body)
            weir_matcher_unref(set->filters[i].body);
        if (set->filters[i].attributes)
            weir_matcher_unref(set->filters[i].attributes);
    }
    for (uint32_t i = 0; i < set->mapping_count; i++)
        if (set->mappings[i].filter)
            weir_matcher_unref(set->mappings[i].filter);
    documents_unref(set->documents);
    access_unref(set->access);
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

const struct event_source_mapping *ruleset_mapping(const struct ruleset *set, struct str name)
{
    for (uint32_t i = 0; i < set->mapping_count; i++)
        if (str_eq(set->mappings[i].name, name))
            return &set->mappings[i];
    return NULL;
}

static uint32_t slot_of(struct str scope, struct str name, uint32_t slot_count)
{
    uint64_t hash = hash_bytes(hash_bytes(0, scope.ptr, scope.size), name.ptr, name.size);
    return (uint32_t)(hash & (slot_count - 1));
}

static uint32_t *make_slots(struct ruleset *set, uint32_t count, uint32_t *slot_count)
{
    *slot_count = 16;
    while (*slot_count < 2 * count)
        *slot_count *= 2;
    return arena_array(&set->keep, *slot_count, sizeof(uint32_t));
}

static void take_slot(uint32_t *slots, uint32_t slot_count, struct str scope, struct str name, uint32_t index)
{
    uint32_t at = slot_of(scope, name, slot_count);
    while (slots[at])
        at = (at + 1) & (slot_count - 1);
    slots[at] = index + 1;
}

bool ruleset_index(struct ruleset *set)
{
    uint32_t *rules = make_slots(set, set->rule_count, &set->rule_slot_count);
    uint32_t *targets = make_slots(set, set->target_count, &set->target_slot_count);
    if (!rules || !targets)
        return false;
    for (uint32_t i = 0; i < set->rule_count; i++)
        take_slot(rules, set->rule_slot_count, set->rules[i].bus, set->rules[i].name, i);
    for (uint32_t i = 0; i < set->target_count; i++)
        take_slot(targets, set->target_slot_count, str_from(set->targets[i]->adapter->type), set->targets[i]->name, i);
    set->rule_slots = rules;
    set->target_slots = targets;
    return true;
}

const struct rule *ruleset_rule(const struct ruleset *set, struct str bus, struct str name)
{
    if (!set->rule_slots)
        return NULL;
    uint32_t mask = set->rule_slot_count - 1;
    for (uint32_t at = slot_of(bus, name, mask + 1); set->rule_slots[at]; at = (at + 1) & mask) {
        const struct rule *rule = &set->rules[set->rule_slots[at] - 1];
        if (str_eq(rule->name, name) && str_eq(rule->bus, bus))
            return rule;
    }
    return NULL;
}

static const struct target_def *any_target(const struct ruleset *set, struct str name)
{
    for (uint32_t i = 0; i < set->target_count; i++)
        if (str_eq(set->targets[i]->name, name))
            return set->targets[i];
    return NULL;
}

const struct target_def *ruleset_target(const struct ruleset *set, const char *type, struct str name)
{
    if (!type || !set->target_slots)
        return type ? NULL : any_target(set, name);
    uint32_t mask = set->target_slot_count - 1;
    for (uint32_t at = slot_of(str_from(type), name, mask + 1); set->target_slots[at]; at = (at + 1) & mask) {
        const struct target_def *def = set->targets[set->target_slots[at] - 1];
        if (str_eq(def->name, name) && strcmp(def->adapter->type, type) == 0)
            return def;
    }
    return NULL;
}

const struct source_def *ruleset_source(const struct ruleset *set, struct str name)
{
    for (uint32_t i = 0; i < set->source_count; i++)
        if (str_eq(set->sources[i].name, name))
            return &set->sources[i];
    return NULL;
}

void ruleset_count(const struct ruleset *set, uint32_t *rules, uint32_t *targets)
{
    *rules = *targets = 0;
    for (uint32_t i = 0; i < set->rule_count; i++)
        *rules += !set->rules[i].is_archive;
    for (uint32_t i = 0; i < set->target_count; i++)
        *targets += set->targets[i]->adapter != &bus_adapter && set->targets[i]->adapter != &missing_adapter &&
                    !set->targets[i]->adapter->no_target && !set->targets[i]->builtin;
}
