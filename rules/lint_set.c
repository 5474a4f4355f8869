/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks on rules beside each other and on what they name. Equal patterns are found by sorting a canonical text of
 * each; references by walking the adapters' own option tables, so a new adapter's are known without a word here.
 */
#include "rules/lint_int.h"

#include <stdlib.h>

#include "targets/bus.h"

/* ---- single rules ---- */

void lint_no_tests(struct lint *l, const struct rule *rule)
{
    if (!rule->is_archive && l->pattern && rule->test_count == 0)
        lint_add(l, rule->pos, "add an event that matches and one that nearly does; weir test runs them",
                 "rule '%.*s' has no tests", STR_ARG(rule->name));
}

void lint_no_targets(struct lint *l, const struct rule *rule)
{
    if (rule->enabled && rule->target_count == 0)
        lint_add(l, rule->pos, NULL, "rule '%.*s' has no targets: what it matches goes nowhere", STR_ARG(rule->name));
}

/* ---- the loader's warnings ---- */

void lint_loaded(struct lint *l)
{
    for (size_t i = 0; l->loaded && i < l->loaded->count; i++) {
        const struct weir_diag *d = &l->loaded->list[i];
        if (d->warning)
            lint_add(l, (struct diag_pos){l->loaded->files[i], d->line, d->column}, (const char *)NULL, "%s",
                     d->message);
    }
}

/* ---- equal patterns ---- */

static void write_atom(struct buf *out, const struct pattern_atom *a)
{
    buf_printf(out, "%d", (int)a->op);
    if (a->op == PATTERN_NUMBER && a->comparable)
        buf_printf(out, "=%.17g", a->number);
    else if (a->op == PATTERN_RANGE)
        buf_printf(out, "%c%.17g,%.17g%c", a->low_open ? '(' : '[', a->has_low ? a->low : -__builtin_inf(),
                   a->has_high ? a->high : __builtin_inf(), a->high_open ? ')' : ']');
    else
        buf_printf(out, ":%zu:%.*s", a->text.size, STR_ARG(a->text));
    for (uint32_t i = 0; i < a->excluded_count; i++) {
        buf_char(out, '!');
        write_atom(out, &a->excluded[i]);
    }
    buf_char(out, ';');
}

/* Equal for patterns that say the same in the same order of alternatives. */
static struct str pattern_key(struct arena *a, const struct pattern *p)
{
    struct buf key = BUF_INIT;
    for (uint32_t c = 0; c < p->conjunction_count; c++) {
        buf_char(&key, '|');
        for (uint32_t i = 0; i < p->conjunctions[c].leaf_count; i++) {
            const struct pattern_leaf *leaf = p->conjunctions[c].leaves[i];
            buf_printf(&key, "%zu:%.*s", leaf->path.size, STR_ARG(leaf->path));
            for (uint32_t k = 0; k < leaf->atom_count; k++)
                write_atom(&key, &leaf->atoms[k]);
        }
    }
    struct str kept = arena_str(a, buf_view(&key));
    a->failed |= key.failed;
    buf_fini(&key);
    return kept;
}

struct keyed {
    const struct rule *rule;
    struct str key;
};

static int keyed_cmp(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    int order = str_cmp(a->rule->bus, b->rule->bus);
    order = order ? order : str_cmp(a->key, b->key);
    return order ? order : (a->rule->index > b->rule->index) - (a->rule->index < b->rule->index);
}

/* The same targets, in whatever order? */
static bool same_targets(const struct rule *a, const struct rule *b)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < a->target_count; i++)
        for (uint32_t k = 0; k < b->target_count; k++)
            if (a->targets[i].target == b->targets[k].target) {
                found++;
                break;
            }
    return found == a->target_count && a->target_count == b->target_count;
}

static void compare_neighbours(struct lint *l, const struct keyed *all, size_t count, bool with_targets)
{
    size_t first = 0;
    for (size_t i = 1; i < count; i++) {
        if (!str_eq(all[i].rule->bus, all[first].rule->bus) || !str_eq(all[i].key, all[first].key)) {
            first = i;
            continue;
        }
        const struct rule *rule = all[i].rule, *earlier = all[first].rule;
        if (same_targets(rule, earlier) != with_targets)
            continue;
        if (with_targets)
            lint_add(l, rule->pos, "remove one of the two",
                     "rule '%.*s' repeats rule '%.*s' in %s:%d: what it matches is delivered twice",
                     STR_ARG(rule->name), STR_ARG(earlier->name), earlier->pos.file, earlier->pos.line);
        else
            lint_add(l, rule->pos, "put the targets of both into one rule",
                     "rule '%.*s' has the pattern of rule '%.*s' in %s:%d", STR_ARG(rule->name), STR_ARG(earlier->name),
                     earlier->pos.file, earlier->pos.line);
    }
}

static void compare_rules(struct lint *l, bool with_targets)
{
    struct arena temp = ARENA_INIT;
    struct keyed *all = arena_array(&temp, l->set->rule_count, sizeof(*all));
    size_t count = 0;
    for (uint32_t i = 0; all && i < l->set->rule_count; i++) {
        const struct rule *rule = &l->set->rules[i];
        if (rule->enabled && rule->pattern && !rule->is_archive)
            all[count++] = (struct keyed){rule, pattern_key(&temp, rule->pattern)};
    }
    if (temp.failed)
        l->out->arena.failed = true;
    else if (count) {
        qsort(all, count, sizeof(*all), keyed_cmp);
        compare_neighbours(l, all, count, with_targets);
    }
    arena_fini(&temp);
}

void lint_duplicates(struct lint *l)
{
    compare_rules(l, true);
}

void lint_same_pattern(struct lint *l)
{
    compare_rules(l, false);
}

/* ---- what nothing names ---- */

static void use(bool *used, const struct target_def *def)
{
    if (def)
        used[def->index] = true;
}

/* Every reference in the struct that a table filled. */
static void use_options(bool *used, const struct option *table, const char *options)
{
    for (const struct option *o = table; o && o->key; o++) {
        const char *field = options + o->offset;
        if (o->own)
            continue;
        if (o->type == OPTION_QUEUE || o->type == OPTION_TARGET || o->type == OPTION_CONNECTION)
            use(used, *(const struct target_def *const *)field);
        else if (o->type == OPTION_OBJECT)
            use_options(used, o->members, field);
        else if (o->type == OPTION_LIST) {
            const struct option_list *list = (const struct option_list *)field;
            for (size_t i = 0; i < list->count; i++)
                use_options(used, o->members, (const char *)list->items + i * o->item_size);
        }
    }
}

static void use_rule(bool *used, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->target_count; i++) {
        use(used, rule->targets[i].target);
        use(used, rule->targets[i].dead_letter);
    }
}

void lint_unused_target(struct lint *l)
{
    bool *used = calloc(l->set->target_count + 1, sizeof(*used));
    if (!used) {
        l->out->arena.failed = true;
        return;
    }
    for (uint32_t i = 0; i < l->set->rule_count; i++)
        use_rule(used, &l->set->rules[i]);
    for (uint32_t i = 0; i < l->set->target_count; i++)
        use_options(used, l->set->targets[i]->adapter->options, l->set->targets[i]->options);
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        const struct target_def *def = l->set->targets[i];
        if (used[i] || def->builtin || def->adapter == &bus_adapter || !def->pos.file)
            continue;
        if (def->adapter->no_target)
            lint_add(l, def->pos, "name it in an API destination, or remove it", "nothing here names %s '%.*s'",
                     def->adapter->type, STR_ARG(def->name));
        else
            lint_add(l, def->pos, "name it in a rule, or remove it if no client uses it directly",
                     "nothing here delivers to %s '%.*s'", def->adapter->type, STR_ARG(def->name));
    }
    free(used);
}

/* The first key with one; NULL: there is none. */
static const char *plain_secret(const struct option *table, const char *options)
{
    const char *found = NULL;
    for (const struct option *o = table; !found && o && o->key; o++) {
        const struct option_secret *secret = (const void *)(options + o->offset);
        if (o->type == OPTION_SECRET && secret->value.ptr && !secret->secret)
            found = o->key;
        else if (o->type == OPTION_OBJECT)
            found = plain_secret(o->members, options + o->offset);
    }
    return found;
}

void lint_plain_secret(struct lint *l)
{
    for (uint32_t i = 0; i < l->set->target_count; i++) {
        const struct target_def *def = l->set->targets[i];
        const char *key = plain_secret(def->adapter->options, def->options);
        if (key)
            lint_add(l, def->pos, lint_text(l, "write %s: {env: NAME}, and set the variable where weir runs", key),
                     "the %s of %s '%.*s' stands in the file", key, def->adapter->type, STR_ARG(def->name));
    }
}

void lint_unused_bus(struct lint *l)
{
    for (uint32_t b = 1; b < l->set->bus_count; b++) { /* 0 is default, which nobody declares */
        const struct bus *bus = &l->set->buses[b];
        bool used = false;
        for (uint32_t i = 0; i < l->set->rule_count && !used; i++)
            used = str_eq(l->set->rules[i].bus, bus->name);
        if (!used)
            lint_add(l, bus->pos, NULL, "no rule and no archive is on bus '%.*s': its events go nowhere",
                     STR_ARG(bus->name));
    }
}
