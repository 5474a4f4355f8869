/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations: what the compiled matcher says of a pattern, taken apart. The pattern's conjunctions and its leaves are
 * compiled as patterns of their own under numbers of their own, so one match of the event gives the verdict, which
 * combinations of $or hold, and which leaves hold alone:
 *
 *     ids 0 … conjunctions - 1               a conjunction matches
 *     ids conjunctions … + leaves - 1        a leaf holds, with regard to no other
 *
 * A leaf that several conjunctions share is one leaf here. Branches are then put in order, those that match first, then
 * by how many leaves fail; hints are made in that order, as long as there are bytes to spend.
 *
 * Cost: compiling is linear in the pattern. A run matches the event once, walks it once, and spends at most
 * LIMIT_EXPLAIN_BYTES on single values and hints.
 */
#include "matcher/explain_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "matcher/compile.h"

#define ASK_BYTES 32 /* what asking about a value costs beside its own bytes, in bytes read */

bool explain_no_memory(struct weir_diag *diag)
{
    *diag = (struct weir_diag){.code = WEIR_E_MEMORY};
    snprintf(diag->message, sizeof(diag->message), "out of memory");
    return false;
}

bool explain_spend(struct explain_run *r, uint64_t bytes)
{
    if (bytes > r->bytes) {
        r->hurried = true;
        return false;
    }
    r->bytes -= bytes;
    return true;
}

/* ---- the pattern's leaves and paths, each once ---- */

/* Two leaves never start at one place. */
static int compare_leaves(const void *a, const void *b)
{
    const struct pattern_leaf *x = *(const struct pattern_leaf *const *)a, *y = *(const struct pattern_leaf *const *)b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x > y) - (x < y);
}

static int compare_paths(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool gather_leaves(struct explainer *x)
{
    const struct pattern *p = x->pattern;
    size_t total = 0;
    for (uint32_t i = 0; i < p->conjunction_count; i++)
        total += p->conjunctions[i].leaf_count;
    x->leaves = arena_array(&x->keep, total, sizeof(*x->leaves));
    if (!x->leaves)
        return false;
    total = 0;
    for (uint32_t i = 0; i < p->conjunction_count; i++)
        for (uint32_t k = 0; k < p->conjunctions[i].leaf_count; k++)
            x->leaves[total++] = p->conjunctions[i].leaves[k];
    qsort(x->leaves, total, sizeof(*x->leaves), compare_leaves);
    for (size_t i = 0; i < total; i++)
        if (!x->leaf_count || x->leaves[x->leaf_count - 1] != x->leaves[i])
            x->leaves[x->leaf_count++] = x->leaves[i];
    return true;
}

static bool gather_paths(struct explainer *x)
{
    x->paths = arena_array(&x->keep, x->leaf_count, sizeof(*x->paths));
    x->leaf_paths = arena_array(&x->keep, x->leaf_count, sizeof(*x->leaf_paths));
    if (!x->paths || !x->leaf_paths)
        return false;
    for (uint32_t i = 0; i < x->leaf_count; i++)
        x->paths[i] = x->leaves[i]->path;
    qsort(x->paths, x->leaf_count, sizeof(*x->paths), compare_paths);
    for (uint32_t i = 0; i < x->leaf_count; i++)
        if (!x->path_count || !str_eq(x->paths[x->path_count - 1], x->paths[i]))
            x->paths[x->path_count++] = x->paths[i];
    for (uint32_t i = 0; i < x->leaf_count; i++) {
        struct str *path = bsearch(&x->leaves[i]->path, x->paths, x->path_count, sizeof(*path), compare_paths);
        x->leaf_paths[i] = (uint32_t)(path - x->paths);
    }
    return true;
}

uint32_t explain_leaf_index(const struct explainer *x, const struct pattern_leaf *leaf)
{
    const struct pattern_leaf **found = bsearch(&leaf, x->leaves, x->leaf_count, sizeof(*x->leaves), compare_leaves);
    return (uint32_t)(found - x->leaves);
}

/* ---- the compiled sets ---- */

/* A pattern of one leaf. */
static bool add_test(struct weir_builder *b, uint32_t id, struct str path, const struct pattern_atom *atoms,
                     uint32_t count, struct weir_diag *diag)
{
    const struct pattern_leaf leaf = {.path = path, .atoms = atoms, .atom_count = count};
    const struct pattern_leaf *const leaves[] = {&leaf};
    const struct pattern_conjunction conjunction = {leaves, 1};
    return builder_add_pattern(b, id, &(struct pattern){.conjunctions = &conjunction, .conjunction_count = 1}, diag);
}

static bool set_init(struct explain_set *set, struct weir_builder *b, struct weir_diag *diag)
{
    set->matcher = weir_builder_build(b, diag);
    if (!set->matcher)
        return false;
    set->scratch = weir_scratch_create(set->matcher);
    return set->scratch || explain_no_memory(diag);
}

static bool add_whole(struct explainer *x, struct weir_builder *b, struct weir_diag *diag)
{
    const struct pattern *p = x->pattern;
    for (uint32_t i = 0; i < p->conjunction_count; i++)
        if (!builder_add_pattern(b, i, &(struct pattern){.conjunctions = &p->conjunctions[i], .conjunction_count = 1},
                                 diag))
            return false;
    for (uint32_t i = 0; i < x->leaf_count; i++) {
        const struct pattern_leaf *leaf = x->leaves[i];
        if (!add_test(b, p->conjunction_count + i, leaf->path, leaf->atoms, leaf->atom_count, diag))
            return false;
    }
    return true;
}

/* Without exists:false, which no value satisfies. */
static bool add_value_test(struct explainer *x, struct weir_builder *b, uint32_t index, struct weir_diag *diag)
{
    const struct pattern_leaf *leaf = x->leaves[index];
    struct pattern_atom *atoms = arena_array(&x->keep, leaf->atom_count, sizeof(*atoms));
    uint32_t count = 0;
    char name[16];
    if (!atoms)
        return explain_no_memory(diag);
    for (uint32_t i = 0; i < leaf->atom_count; i++)
        if (leaf->atoms[i].op != PATTERN_ABSENT)
            atoms[count++] = leaf->atoms[i];
    snprintf(name, sizeof(name), "%u", (unsigned)x->leaf_paths[index]);
    return !count || add_test(b, index, str_from(name), atoms, count, diag);
}

static bool add_values(struct explainer *x, struct weir_builder *b, struct weir_diag *diag)
{
    for (uint32_t i = 0; i < x->leaf_count; i++)
        if (!add_value_test(x, b, i, diag))
            return false;
    return true;
}

static bool compile(struct explainer *x, struct explain_set *set,
                    bool (*add)(struct explainer *x, struct weir_builder *b, struct weir_diag *diag),
                    struct weir_diag *diag)
{
    struct weir_builder *b = weir_builder_create();
    bool done = b ? add(x, b, diag) && set_init(set, b, diag) : explain_no_memory(diag);
    weir_builder_destroy(b);
    return done;
}

struct explainer *explainer_create(const struct pattern *pattern, struct weir_diag *diag)
{
    struct explainer *x = calloc(1, sizeof(*x));
    if (!x) {
        explain_no_memory(diag);
        return NULL;
    }
    x->pattern = pattern;
    bool done = (gather_leaves(x) && gather_paths(x)) || explain_no_memory(diag);
    done = done && compile(x, &x->whole, add_whole, diag) && compile(x, &x->values, add_values, diag);
    if (done)
        return x;
    explainer_destroy(x);
    return NULL;
}

static void set_fini(struct explain_set *set)
{
    weir_scratch_destroy(set->scratch);
    weir_matcher_unref(set->matcher);
}

void explainer_destroy(struct explainer *x)
{
    if (!x)
        return;
    set_fini(&x->whole);
    set_fini(&x->values);
    buf_fini(&x->text);
    arena_fini(&x->keep);
    free(x);
}

/* ---- asking ---- */

long explain_ask(struct explain_run *r, const uint32_t **leaves)
{
    const struct explain_set *set = &r->x->values;
    struct str text = buf_view(&r->x->text);
    if (r->x->text.failed) {
        explain_no_memory(r->diag);
        return -1;
    }
    /* The event of one value is longer than what it came from only next to the limit. */
    if (text.size > LIMIT_EVENT_BYTES || !explain_spend(r, ASK_BYTES + text.size))
        return 0;
    long count = weir_match(set->matcher, set->scratch, text.ptr, text.size, WEIR_CHECKED, leaves, r->diag);
    if (count > 0 && !explain_spend(r, (uint64_t)count))
        r->bytes = 0;
    return count;
}

bool explain_hint(struct explain_run *r, struct explain_near *list, uint32_t *count, uint32_t max, const char *kind,
                  const char *format, ...)
{
    struct buf words = BUF_INIT, plain = BUF_INIT;
    struct str text = {NULL, 0};
    va_list args;

    if (*count == max)
        return true;
    va_start(args, format);
    buf_vprintf(&words, format, args);
    va_end(args);
    explain_write_plain(&plain, buf_view(&words), SIZE_MAX);
    if (!words.failed && !plain.failed)
        text = arena_str(r->arena, buf_view(&plain));
    buf_fini(&words);
    buf_fini(&plain);
    for (uint32_t i = 0; i < *count && text.ptr; i++)
        if (str_eq(list[i].text, text))
            return true;
    if (text.ptr)
        list[(*count)++] = (struct explain_near){kind, text};
    return text.ptr || explain_no_memory(r->diag);
}

struct str explain_at(struct explain_run *r, struct str path, const struct explain_place *place)
{
    struct str text = {NULL, 0};
    struct buf out = BUF_INIT;
    uint32_t depth = 0;
    for (const struct explain_place *p = place; p; p = p->outer)
        depth++;
    const struct explain_place **chain = arena_array(r->arena, depth, sizeof(*chain));
    for (uint32_t i = depth; chain && place; place = place->outer)
        chain[--i] = place;
    size_t from = 0;
    for (uint32_t i = 0; chain && i < depth; i++) {
        buf_add(&out, path.ptr + from, chain[i]->offset - from);
        buf_printf(&out, "[%u]", (unsigned)chain[i]->index);
        from = chain[i]->offset;
    }
    buf_add(&out, path.ptr + from, path.size - from);
    if (chain && !out.failed)
        text = arena_str(r->arena, buf_view(&out));
    buf_fini(&out);
    if (!text.ptr)
        explain_no_memory(r->diag);
    return text;
}

/* ---- verdicts ---- */

static bool allocate(struct explain_run *r, struct explanation *out, struct explain_branch **branches)
{
    struct explainer *x = r->x;
    uint32_t count = x->pattern->conjunction_count;
    r->leaves = arena_array(r->arena, x->leaf_count, sizeof(*r->leaves));
    r->fields = arena_array(r->arena, x->path_count, sizeof(*r->fields));
    r->hits = arena_array(r->arena, x->leaf_count, sizeof(*r->hits));
    *branches = arena_array(r->arena, count, sizeof(**branches));
    if (!r->leaves || !r->fields || !r->hits || !*branches)
        return explain_no_memory(r->diag);
    for (uint32_t i = 0; i < x->leaf_count; i++)
        r->leaves[i].leaf = x->leaves[i];
    for (uint32_t i = 0; i < count; i++)
        (*branches)[i].number = i + 1;
    *out = (struct explanation){
        .leaves = r->leaves, .leaf_count = x->leaf_count, .branches = *branches, .branch_count = count};
    return true;
}

static bool decide(struct explain_run *r, struct explanation *out, struct explain_branch *branches)
{
    const uint32_t *ids;
    long count =
        weir_match(r->x->whole.matcher, r->x->whole.scratch, r->event.ptr, r->event.size, WEIR_CHECKED, &ids, r->diag);
    for (long i = 0; i < count; i++) {
        if (ids[i] < out->branch_count)
            branches[ids[i]].matches = out->matches = true;
        else
            r->leaves[ids[i] - out->branch_count].holds = true;
    }
    if (count < 0)
        return false;
    return out->matches || !weir_match_given_up(r->x->whole.scratch, &ids) ||
           explain_hint(r, out->notes, &out->note_count, EXPLAIN_NOTES, "limit",
                        "a regex was given up for want of work allowed, which counts as no match");
}

static int compare_indices(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool list_leaves(struct explain_run *r, struct explain_branch *branch)
{
    const struct pattern_conjunction *c = &r->x->pattern->conjunctions[branch->number - 1];
    uint32_t *list = arena_array(r->arena, c->leaf_count, sizeof(*list));
    if (!list)
        return explain_no_memory(r->diag);
    for (uint32_t i = 0; i < c->leaf_count; i++) {
        list[i] = explain_leaf_index(r->x, c->leaves[i]);
        branch->failing += !branch->matches && !r->leaves[list[i]].holds;
    }
    qsort(list, c->leaf_count, sizeof(*list), compare_indices);
    branch->leaves = list;
    branch->leaf_count = c->leaf_count;
    return true;
}

static int compare_branches(const void *a, const void *b)
{
    const struct explain_branch *x = a, *y = b;
    if (x->matches != y->matches)
        return x->matches ? -1 : 1;
    if (x->failing != y->failing)
        return x->failing < y->failing ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* ---- what was found ---- */

static bool show_value(struct explain_run *r, struct explain_leaf *leaf, const struct explain_value *value)
{
    struct str at = explain_at(r, leaf->leaf->path, value->place);
    leaf->found[leaf->found_count++] = (struct explain_found){value->raw, at};
    return at.ptr;
}

/* The value that satisfies it, or the first there are. A leaf that was chosen a value for has it already. */
static bool show_leaf(struct explain_run *r, uint32_t index)
{
    struct explain_leaf *leaf = &r->leaves[index];
    const struct explain_values *field = &r->fields[r->x->leaf_paths[index]], *hits = &r->hits[index];
    leaf->value_count = field->count;
    leaf->looked = leaf->found_count || hits->kept || !leaf->holds || !field->count || !r->hurried;
    if (leaf->found_count)
        return true;
    if (hits->kept)
        return show_value(r, leaf, &hits->list[0]);
    for (uint32_t i = 0; i < field->kept && i < EXPLAIN_FOUND && !leaf->holds; i++)
        if (!show_value(r, leaf, &field->list[i]))
            return false;
    return true;
}

static bool hint_leaf(struct explain_run *r, uint32_t index)
{
    struct explain_leaf *leaf = &r->leaves[index];
    if (leaf->holds || leaf->near_count)
        return true;
    return explain_near_leaf(r, leaf, &r->fields[r->x->leaf_paths[index]]);
}

static bool describe(struct explain_run *r, struct explanation *out, struct explain_branch *branches)
{
    if (out->matches && !explain_choose(r, &branches[0]))
        return false;
    for (uint32_t i = 0; i < out->leaf_count; i++)
        if (!show_leaf(r, i))
            return false;
    for (uint32_t i = 0; i < out->branch_count; i++) {
        if (!branches[i].matches && !branches[i].failing && !explain_reason(r, &branches[i]))
            return false;
        for (uint32_t k = 0; k < branches[i].leaf_count; k++)
            if (!hint_leaf(r, branches[i].leaves[k]))
                return false;
    }
    return out->matches || explain_near_event(r, out);
}

bool explainer_run(struct explainer *x, struct arena *a, struct str event, struct explanation *out,
                   struct weir_diag *diag)
{
    struct weir_diag unread = {0};
    struct explain_run r = {
        .x = x, .arena = a, .event = event, .diag = diag ? diag : &unread, .bytes = LIMIT_EXPLAIN_BYTES};
    struct explain_branch *branches;
    buf_clear(&x->text);
    if (!allocate(&r, out, &branches) || !decide(&r, out, branches) || !explain_walk(&r))
        return false;
    for (uint32_t i = 0; i < out->branch_count; i++)
        if (!list_leaves(&r, &branches[i]))
            return false;
    qsort(branches, out->branch_count, sizeof(*branches), compare_branches);
    return describe(&r, out, branches);
}
