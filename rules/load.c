/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule set from its file: the steps in order, then the matchers, then all or nothing. Every step goes on behind
 * what is wrong, so one run shows all errors; only lack of memory ends it at once. Tables live in a temp arena that
 * goes when the load ends; the set keeps what it shows, and nothing of the files' trees.
 */
#include "rules/load_int.h"

#include <stdlib.h>

#include "matcher/compile.h"

/* ---- matchers ---- */

static bool report_build(struct load *l, const struct rule *rule, const struct weir_diag *diag)
{
    if (diag->code == WEIR_E_MEMORY)
        return load_out_of_memory(l);
    struct diag_pos pos = rule ? rule->pos : (struct diag_pos){.file = l->files->name};
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
    return load_settings(l) && load_buses(l) && load_targets(l) && load_sources(l) && load_mappings(l) &&
           load_rules(l) && diags_ok(l->diags) && load_matchers(l) &&
           (ruleset_index(l->set) || load_out_of_memory(l)) && load_filters(l) && load_parts(l);
}

static struct ruleset *set_create(const struct files *files, struct documents *documents, uint64_t generation)
{
    struct ruleset *set = calloc(1, sizeof(*set));
    if (!set)
        return NULL;
    atomic_init(&set->references, 1);
    set->generation = generation;
    set->file = arena_str(&set->keep, str_from(files->name));
    set->documents = documents ? documents_ref(documents) : NULL;
    return set;
}

static const struct target_def *dangling_cb(void *context, struct str text)
{
    return load_missing(context, text);
}

struct ruleset *ruleset_build(const struct files *files, struct documents *documents, uint64_t generation,
                              struct diags *diags)
{
    struct load l = {.set = set_create(files, documents, generation), .diags = diags, .sources = files};
    if (!l.set) {
        diags->out_of_memory = true;
        return NULL;
    }
    l.names = (struct references){.arena = &l.temp, .dangling = dangling_cb, .context = &l};
    l.options = (struct options_reader){&l.set->keep, &l.temp, diags, &l.names};
    bool ok = load_trees(&l, files) && run_steps(&l);
    diags->out_of_memory |= l.set->keep.failed || l.temp.failed;
    arena_fini(&l.temp);
    if (ok && diags_ok(diags))
        return l.set;
    ruleset_unref(l.set);
    return NULL;
}

/* Takes the reference to files. */
static struct ruleset *build_once(struct files *files, uint64_t generation, struct diags *diags)
{
    struct ruleset *set = files ? ruleset_build(files, NULL, generation, diags) : NULL;
    files_unref(files);
    return set;
}

struct ruleset *ruleset_load(const char *file, uint64_t generation, struct diags *diags)
{
    return build_once(files_read(file, diags), generation, diags);
}

struct ruleset *ruleset_load_text(const char *name, struct str text, uint64_t generation, struct diags *diags)
{
    return build_once(files_read_text(name, text, diags), generation, diags);
}
