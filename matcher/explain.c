/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations, see explain.h. Two compiled sets give all verdicts: one has a pattern for each combination of $or, the
 * other one for each leaf; the rest is reading the event again for what people want to see. Cost: a compile for each
 * explainer; a pass over the event for each leaf and explanation.
 */
#include "matcher/explain_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "matcher/compile.h"

/* ---- making one ---- */

static int leaf_cmp(const void *a, const void *b)
{
    const struct pattern_leaf *x = *(const struct pattern_leaf *const *)a, *y = *(const struct pattern_leaf *const *)b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x > y) - (x < y);
}

/* Leaves are shared by combinations: each is kept once. */
static bool gather_leaves(struct explainer *x, const struct pattern *p)
{
    size_t total = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->conjunction_count; i++)
        total += p->conjunctions[i].leaf_count;
    x->leaves = arena_array(&x->keep, total + 1, sizeof(*x->leaves));
    if (!x->leaves)
        return false;
    total = 0;
    for (uint32_t i = 0; i < p->conjunction_count; i++)
        for (uint32_t k = 0; k < p->conjunctions[i].leaf_count; k++)
            x->leaves[total++] = p->conjunctions[i].leaves[k];
    if (total)
        qsort(x->leaves, total, sizeof(*x->leaves), leaf_cmp);
    for (size_t i = 0; i < total; i++)
        if (!kept || x->leaves[kept - 1] != x->leaves[i])
            x->leaves[kept++] = x->leaves[i];
    x->leaf_count = kept;
    return true;
}

static uint32_t index_of(const struct explainer *x, const struct pattern_leaf *leaf)
{
    const struct pattern_leaf **found = bsearch(&leaf, x->leaves, x->leaf_count, sizeof(*x->leaves), leaf_cmp);
    return (uint32_t)(found - x->leaves);
}

static int index_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool gather_branches(struct explainer *x, const struct pattern *p)
{
    x->branch_count = p->conjunction_count;
    x->branch_leaves = arena_array(&x->keep, x->branch_count + 1, sizeof(*x->branch_leaves));
    x->branch_counts = arena_array(&x->keep, x->branch_count + 1, sizeof(*x->branch_counts));
    if (!x->branch_leaves || !x->branch_counts)
        return false;
    for (uint32_t i = 0; i < p->conjunction_count; i++) {
        const struct pattern_conjunction *c = &p->conjunctions[i];
        uint32_t *list = arena_array(&x->keep, c->leaf_count + 1, sizeof(*list));
        if (!list)
            return false;
        for (uint32_t k = 0; k < c->leaf_count; k++)
            list[k] = index_of(x, c->leaves[k]);
        qsort(list, c->leaf_count, sizeof(*list), index_cmp);
        x->branch_leaves[i] = list;
        x->branch_counts[i] = c->leaf_count;
    }
    return true;
}

static bool compile(struct weir_builder *b, struct weir_matcher **matcher, struct weir_scratch **scratch,
                    struct weir_diag *diag)
{
    *matcher = weir_builder_build(b, diag);
    *scratch = *matcher ? weir_scratch_create(*matcher) : NULL;
    return *scratch;
}

static bool compile_sets(struct explainer *x, const struct pattern *p, struct weir_diag *diag)
{
    struct weir_builder *whole = weir_builder_create(), *alone = weir_builder_create();
    bool ok = whole && alone;

    for (uint32_t i = 0; ok && i < p->conjunction_count; i++) {
        struct pattern one = {.conjunctions = &p->conjunctions[i], .conjunction_count = 1};
        ok = builder_add_pattern(whole, i, &one, diag);
    }
    for (uint32_t i = 0; ok && i < x->leaf_count; i++) {
        struct pattern_conjunction conjunction = {&x->leaves[i], 1};
        struct pattern one = {.conjunctions = &conjunction, .conjunction_count = 1};
        ok = builder_add_pattern(alone, i, &one, diag);
    }
    ok = ok && compile(whole, &x->whole, &x->whole_scratch, diag) && compile(alone, &x->alone, &x->alone_scratch, diag);
    weir_builder_destroy(whole);
    weir_builder_destroy(alone);
    return ok;
}

static bool no_memory(struct weir_diag *diag)
{
    *diag = (struct weir_diag){.code = WEIR_E_MEMORY};
    snprintf(diag->message, sizeof(diag->message), "out of memory");
    return false;
}

struct explainer *explainer_create(const struct pattern *pattern, struct weir_diag *diag)
{
    struct explainer *x = calloc(1, sizeof(*x));

    *diag = (struct weir_diag){.code = WEIR_OK};
    if (x && gather_leaves(x, pattern) && gather_branches(x, pattern) && compile_sets(x, pattern, diag))
        return x;
    if (diag->code == WEIR_OK)
        no_memory(diag);
    explainer_destroy(x);
    return NULL;
}

void explainer_destroy(struct explainer *x)
{
    if (!x)
        return;
    weir_scratch_destroy(x->whole_scratch);
    weir_scratch_destroy(x->alone_scratch);
    if (x->whole)
        weir_matcher_unref(x->whole);
    if (x->alone)
        weir_matcher_unref(x->alone);
    arena_fini(&x->keep);
    free(x);
}

/* ---- verdicts ---- */

bool explain_satisfies(struct explain_run *r, uint32_t leaf, struct str value)
{
    struct buf text = BUF_INIT;
    const uint32_t *ids;
    struct weir_diag diag;
    bool found = false;

    /* A path is what its keys are joined to, so one key can stand for all of them. */
    buf_char(&text, '{');
    json_write_string(&text, r->x->leaves[leaf]->path);
    buf_char(&text, ':');
    buf_str(&text, value);
    buf_char(&text, '}');
    long count =
        text.failed ? 0 : weir_match(r->x->alone, r->x->alone_scratch, text.data, text.size, WEIR_CHECKED, &ids, &diag);
    for (long i = 0; i < count; i++)
        found |= ids[i] == leaf;
    buf_fini(&text);
    return found;
}

static bool ask_leaves(struct explain_run *r, struct explain_leaf *leaves)
{
    const uint32_t *ids;
    long count = weir_match(r->x->alone, r->x->alone_scratch, r->event.ptr, r->event.size, WEIR_CHECKED, &ids, r->diag);
    for (uint32_t i = 0; i < r->x->leaf_count; i++)
        leaves[i].leaf = r->x->leaves[i];
    for (long i = 0; i < count; i++)
        leaves[ids[i]].holds = true;
    return count >= 0;
}

/* exists: false can fail alone and hold with others: it is asked of the array element that they stand in. */
static bool fill_branch(struct explain_run *r, struct explain_leaf *leaves, struct explain_branch *b, uint32_t number)
{
    b->number = number + 1;
    b->leaves = r->x->branch_leaves[number];
    b->leaf_count = r->x->branch_counts[number];
    for (uint32_t i = 0; b->matches && i < b->leaf_count; i++)
        leaves[b->leaves[i]].holds = true;
    for (uint32_t i = 0; i < b->leaf_count; i++)
        b->failing += !leaves[b->leaves[i]].holds;
    if (!b->failing && !b->matches)
        b->reason = arena_str(r->arena, STR("each of these holds, but in different elements of an array; values that "
                                            "are wanted together must stand in one element"));
    return b->failing || b->matches || b->reason.ptr;
}

static int branch_cmp(const void *a, const void *b)
{
    const struct explain_branch *x = a, *y = b;
    if (x->matches != y->matches)
        return x->matches ? -1 : 1;
    if (x->failing != y->failing)
        return x->failing < y->failing ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static bool ask_branches(struct explain_run *r, struct explanation *e, struct explain_leaf *leaves,
                         struct explain_branch *branches)
{
    const uint32_t *ids;
    long count = weir_match(r->x->whole, r->x->whole_scratch, r->event.ptr, r->event.size, WEIR_CHECKED, &ids, r->diag);
    if (count < 0)
        return false;
    e->matches = count > 0;
    for (long i = 0; i < count; i++)
        branches[ids[i]].matches = true;
    for (uint32_t i = 0; i < r->x->branch_count; i++)
        if (!fill_branch(r, leaves, &branches[i], i))
            return no_memory(r->diag);
    qsort(branches, r->x->branch_count, sizeof(*branches), branch_cmp);
    return true;
}

/* ---- the words ---- */

bool explain_hint(struct explain_run *r, struct explain_near *list, uint32_t *count, uint32_t max, const char *kind,
                  const char *format, ...)
{
    struct buf words = BUF_INIT;
    va_list args;

    if (*count == max)
        return true;
    va_start(args, format);
    buf_vprintf(&words, format, args);
    va_end(args);
    struct str text = words.failed ? (struct str){NULL, 0} : arena_str(r->arena, buf_view(&words));
    buf_fini(&words);
    for (uint32_t i = 0; i < *count && text.ptr; i++)
        if (str_eq(list[i].text, text))
            return true;
    if (text.ptr)
        list[(*count)++] = (struct explain_near){kind, text};
    return text.ptr;
}

static bool fill_leaf(struct explain_run *r, struct explain_leaf *leaf, uint32_t index)
{
    struct explain_search s = {.run = r, .leaf = leaf, .index = index, .prefer = leaf->holds};

    if (!explain_find(&s))
        return false;
    return leaf->holds || explain_near_leaf(r, leaf, &s);
}

bool explainer_run(struct explainer *x, struct arena *a, struct str event, struct explanation *out,
                   struct weir_diag *diag)
{
    struct explain_run r = {.x = x, .arena = a, .event = event, .diag = diag, .bytes = LIMIT_EXPLAIN_BYTES};
    struct explain_leaf *leaves = arena_array(a, x->leaf_count + 1, sizeof(*leaves));
    struct explain_branch *branches = arena_array(a, x->branch_count + 1, sizeof(*branches));

    *diag = (struct weir_diag){.code = WEIR_OK};
    if (!leaves || !branches)
        return no_memory(diag);
    *out = (struct explanation){
        .leaves = leaves, .leaf_count = x->leaf_count, .branches = branches, .branch_count = x->branch_count};
    if (!ask_leaves(&r, leaves) || !ask_branches(&r, out, leaves, branches))
        return false;
    for (uint32_t i = 0; i < x->leaf_count; i++)
        if (!fill_leaf(&r, &leaves[i], i))
            return no_memory(diag);
    return explain_near_event(&r, out) || no_memory(diag);
}
