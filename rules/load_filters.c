/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter policies: one compiled matcher a topic tells which of its subscriptions a message passes to. A policy on
 * message attributes is judged here for what rules hand to a topic: that has no attributes, so it is as if they were
 * {}; where nothing of it can ever pass, that is worth a warning.
 */
#include "matcher/compile.h"
#include "rules/load_int.h"

static uint32_t count_filtered(const struct target_def *def, uint32_t *total_out)
{
    struct expansion x;
    uint32_t filtered = 0, total = 0;
    if (!def->adapter->expand)
        return 0;
    for (; def->adapter->expand(def, total, &x) == 1; total++)
        filtered += x.filter != NULL;
    *total_out = total;
    return filtered;
}

/* One matcher of the topic's policies of that scope. */
static bool build(struct load *l, const struct target_def *def, bool attributes, struct weir_matcher **out)
{
    struct weir_diag diag = {.code = WEIR_OK};
    struct weir_builder *builder = weir_builder_create();
    struct expansion x;
    bool ok = builder != NULL;
    for (uint32_t i = 0; ok && def->adapter->expand(def, i, &x) == 1; i++)
        if (x.filter && x.filter_attributes == attributes)
            ok = builder_add_pattern(builder, i, x.filter, &diag);
    *out = ok ? weir_builder_build(builder, &diag) : NULL;
    weir_builder_destroy(builder);
    if (*out)
        return true;
    if (!builder || diag.code == WEIR_E_MEMORY)
        return load_out_of_memory(l);
    return diag_error(l->diags, def->pos, "the filter policies of topic '%.*s': %s", STR_ARG(def->name), diag.message);
}

static bool judge_attributes(struct load *l, struct weir_matcher *matcher, bool *passes)
{
    struct weir_diag diag;
    const uint32_t *ids;
    struct weir_scratch *scratch = weir_scratch_create(matcher);
    long count = scratch ? weir_match(matcher, scratch, "{}", 2, WEIR_CHECKED, &ids, &diag) : -1;
    for (long i = 0; i < count; i++)
        passes[ids[i]] = true;
    weir_scratch_destroy(scratch);
    return count >= 0 || load_out_of_memory(l);
}

static bool has_rule(const struct load *l, const struct target_def *def)
{
    for (uint32_t i = 0; i < l->set->rule_count; i++)
        for (uint32_t k = 0; k < l->rules[i].target_count; k++)
            if (l->rules[i].targets[k].target == def)
                return true;
    return false;
}

static bool warn_never(struct load *l, const struct target_def *def, const bool *passes)
{
    struct expansion x;
    if (!has_rule(l, def))
        return true;
    for (uint32_t i = 0; !def->made.ptr && def->adapter->expand(def, i, &x) == 1; i++)
        if (x.filter && x.filter_attributes && !passes[i])
            diag_warn(l->diags, def->pos,
                      "subscription '%.*s' of topic '%.*s' gets nothing from rules: its filter policy is on message "
                      "attributes, which events do not have; filter_policy_scope: MessageBody looks at the message",
                      STR_ARG(x.name), STR_ARG(def->name));
    return !l->diags->out_of_memory;
}

bool load_filters(struct load *l)
{
    struct topic_filter *filters = arena_array(&l->set->keep, l->set->target_count, sizeof(*filters));
    if (!filters)
        return load_out_of_memory(l);
    l->set->filters = filters;
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        const struct target_def *def = l->targets[i];
        uint32_t total = 0;
        if (!count_filtered(def, &total))
            continue;
        bool *passes = arena_array(&l->set->keep, total, sizeof(*passes));
        struct topic_filter *f = &filters[l->set->filter_count];
        if (!passes)
            return load_out_of_memory(l);
        f->topic = def;
        f->attributeless = passes;
        l->set->filter_count++; /* what is built of it goes with the set */
        if (!build(l, def, true, &f->attributes) || !judge_attributes(l, f->attributes, passes) ||
            !build(l, def, false, &f->body) || !warn_never(l, def, passes))
            return false;
    }
    return true;
}
