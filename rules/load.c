/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule set from its file: the steps in order, then the matchers, then all or nothing. Every step goes on behind
 * what is wrong, so one run shows all errors; only lack of memory ends it at once. Trees and tables live in a temp
 * arena that goes when the load ends; the set keeps what it shows.
 */
#include "rules/load_int.h"

#include <stdlib.h>

#include "matcher/compile.h"

/* ---- matchers ---- */

static bool report_build(struct load *l, const struct rule *rule, const struct weir_diag *diag)
{
    if (diag->code == WEIR_E_MEMORY)
        return load_out_of_memory(l);
    struct diag_pos pos = rule ? rule->pos : (struct diag_pos){.file = l->files ? l->files->name : NULL};
    return diag_error(l->diags, pos, "%s", diag->message);
}

static bool build_matcher(struct load *l, struct bus *bus)
{
    struct weir_diag diag = {.code = WEIR_OK};
    struct weir_builder *builder = weir_builder_create();
    bool ok = builder || load_out_of_memory(l);
    for (uint32_t i = 0; ok && i < l->set->rule_count; i++) {
        const struct rule *rule = &l->rules[i];
        if (rule->enabled && rule->pattern && rule->bus.ptr == bus->name.ptr &&
            !builder_add_pattern(builder, i, rule->pattern, &diag))
            ok = report_build(l, rule, &diag);
    }
    if (ok && !(bus->matcher = weir_builder_build(builder, &diag)))
        ok = report_build(l, NULL, &diag);
    weir_builder_destroy(builder);
    return ok;
}

static bool load_matchers(struct load *l)
{
    for (uint32_t i = 0; i < l->set->bus_count; i++)
        if (!build_matcher(l, &l->buses[i]))
            return false;
    return true;
}

/* ---- the load ---- */

static bool run_steps(struct load *l)
{
    return load_settings(l) && load_buses(l) && load_targets(l) && load_sources(l) && load_rules(l) &&
           diags_ok(l->diags) && load_matchers(l) && (ruleset_index(l->set) || load_out_of_memory(l)) &&
           load_filters(l) && load_parts(l);
}

static struct ruleset *set_create(const char *file, uint64_t generation)
{
    struct ruleset *set = calloc(1, sizeof(*set));
    if (!set)
        return NULL;
    atomic_init(&set->references, 1);
    set->generation = generation;
    set->file = arena_str(&set->keep, str_from(file));
    return set;
}

/* text.ptr NULL: file is to be read. file NULL: nothing is. *ok_out: it is a whole set. NULL: out of memory. */
static struct ruleset *load_set(const char *file, struct str text, uint64_t generation, struct diags *diags,
                                bool *ok_out)
{
    struct load l = {.set = set_create(file, generation), .diags = diags, .files_end = &l.files, .globs_end = &l.globs};
    if (!l.set) {
        diags->out_of_memory = true;
        return NULL;
    }
    l.names.arena = &l.temp;
    l.options = (struct options_reader){&l.set->keep, &l.temp, diags, &l.names};
    bool ok = !file || (text.ptr ? load_text(&l, file, text) : load_files(&l, file));
    ok = ok && run_steps(&l);
    ok = load_watch(&l) && ok;
    diags->out_of_memory |= l.set->keep.failed || l.temp.failed;
    arena_fini(&l.temp);
    *ok_out = ok && diags_ok(diags);
    if (!diags->out_of_memory)
        return l.set;
    ruleset_unref(l.set);
    return NULL;
}

static struct ruleset *whole_or_none(struct ruleset *set, bool ok)
{
    if (ok)
        return set;
    ruleset_unref(set);
    return NULL;
}

struct ruleset *ruleset_try(const char *file, uint64_t generation, struct diags *diags, bool *ok_out)
{
    *ok_out = false;
    return load_set(file, (struct str){NULL, 0}, generation, diags, ok_out);
}

struct ruleset *ruleset_load(const char *file, uint64_t generation, struct diags *diags)
{
    bool ok;
    struct ruleset *set = ruleset_try(file, generation, diags, &ok);
    return whole_or_none(set, ok);
}

struct ruleset *ruleset_load_text(const char *name, struct str text, uint64_t generation, struct diags *diags)
{
    bool ok = false;
    struct ruleset *set = load_set(name, text.ptr ? text : STR(""), generation, diags, &ok);
    return whole_or_none(set, ok);
}
