/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of objects in explanations: which values of a branch that matches go together, and where every leaf holds and
 * the branch does not, which two of them meet in no element.
 *
 * The verdict was given (join.c); this only finds examples for it, among the values that were kept. So it may try
 * assignments as the rule is written, leaf after leaf in path order, with few leaves and within the bytes of the run:
 * when it finds none, the first value of each leaf is shown and the reason stays general.
 */
#include "matcher/explain_int.h"

#define PATH_SHOWN 200 /* bytes of a path in a reason */
#define CHOSEN_MAX 24  /* leaves with values in arrays that are tried together: the depth of the search */

static uint32_t depth_of(const struct explain_value *value)
{
    return value->place ? value->place->depth : 0;
}

/* The innermost array that both stand in, as the place of each in it; NULL: none. Elements further out are the same. */
static bool meet(const struct explain_place **a, const struct explain_place **b)
{
    while (*a && *b && (*a)->array != (*b)->array) {
        uint32_t a_depth = (*a)->depth, b_depth = (*b)->depth;
        if (a_depth >= b_depth)
            *a = (*a)->outer;
        if (b_depth >= a_depth)
            *b = (*b)->outer;
    }
    return *a && *b;
}

/* Two values go together unless they stand in different elements of one array. */
static bool agree(const struct explain_place *a, const struct explain_place *b)
{
    return !meet(&a, &b) || a->index == b->index;
}

struct choice {
    struct explain_run *run;
    uint32_t leaves[CHOSEN_MAX];                    /* in path order: that in which elements are bound */
    const struct explain_value *values[CHOSEN_MAX]; /* NULL: absent */
    uint32_t count;
};

static bool agrees_with(const struct choice *c, uint32_t before, const struct explain_value *value)
{
    for (uint32_t i = 0; i < before; i++)
        if (c->values[i] && !agree(c->values[i]->place, value->place))
            return false;
    return true;
}

static bool may_be_absent(const struct pattern_leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->atom_count; i++)
        if (leaf->atoms[i].op == PATTERN_ABSENT)
            return true;
    return false;
}

/* Absent: no value at its path agrees with what was chosen before. */
static bool is_absent(const struct choice *c, uint32_t at)
{
    const struct explain_values *field = &c->run->fields[c->run->x->leaf_paths[c->leaves[at]]];
    if (!may_be_absent(c->run->x->leaves[c->leaves[at]]) || field->kept < field->count ||
        !explain_spend(c->run, (uint64_t)field->kept * (at + 1)))
        return false;
    for (uint32_t i = 0; i < field->kept; i++)
        if (agrees_with(c, at, &field->list[i]))
            return false;
    return true;
}

static bool choose_from(struct choice *c, uint32_t at)
{
    if (at == c->count)
        return true;
    const struct explain_values *hits = &c->run->hits[c->leaves[at]];
    for (uint32_t i = 0; i < hits->kept && explain_spend(c->run, (uint64_t)(1 + depth_of(&hits->list[i])) * c->count);
         i++) {
        c->values[at] = &hits->list[i];
        if (agrees_with(c, at, c->values[at]) && choose_from(c, at + 1))
            return true;
    }
    c->values[at] = NULL;
    return is_absent(c, at) && choose_from(c, at + 1);
}

/* A leaf has to be chosen for where its values stand in arrays; the others go with anything. */
static bool needs_choice(const struct explain_run *r, uint32_t leaf)
{
    const struct explain_values *field = &r->fields[r->x->leaf_paths[leaf]];
    for (uint32_t i = 0; i < field->kept; i++)
        if (field->list[i].place)
            return true;
    return false;
}

bool explain_choose(struct explain_run *r, const struct explain_branch *branch)
{
    const struct pattern_conjunction *conjunction = &r->x->pattern->conjunctions[branch->number - 1];
    struct choice c = {.run = r};
    for (uint32_t i = 0; i < branch->leaf_count; i++)
        r->leaves[branch->leaves[i]].holds = true;
    /* The branch lists leaves as they stand in the pattern; elements are bound in path order. */
    for (uint32_t i = 0; i < conjunction->leaf_count; i++) {
        uint32_t leaf = explain_leaf_index(r->x, conjunction->leaves[i]);
        if (!needs_choice(r, leaf))
            continue;
        if (c.count == CHOSEN_MAX)
            return true;
        c.leaves[c.count++] = leaf;
    }
    if (!choose_from(&c, 0))
        return true;
    for (uint32_t i = 0; i < c.count; i++) {
        struct explain_leaf *leaf = &r->leaves[c.leaves[i]];
        if (!c.values[i]) {
            r->hits[c.leaves[i]].kept = 0; /* other values satisfy it, but not beside these */
            continue;
        }
        leaf->found[0] = (struct explain_found){c.values[i]->raw, explain_at(r, leaf->leaf->path, c.values[i]->place)};
        leaf->found_count = 1;
        if (!leaf->found[0].at.ptr)
            return false;
    }
    return true;
}

/* ---- why not ---- */

static bool ever_agree(struct explain_run *r, uint32_t a, uint32_t b)
{
    const struct explain_values *x = &r->hits[a], *y = &r->hits[b];
    if (x->kept < x->count || y->kept < y->count || !x->kept || !y->kept ||
        !explain_spend(r, (uint64_t)x->kept * y->kept * depth_of(x->list)))
        return true; /* not known */
    for (uint32_t i = 0; i < x->kept; i++)
        for (uint32_t k = 0; k < y->kept; k++)
            if (agree(x->list[i].place, y->list[k].place))
                return true;
    return false;
}

static bool say_pair(struct explain_run *r, uint32_t a, uint32_t b, struct buf *words)
{
    const struct explain_value *x = &r->hits[a].list[0], *y = &r->hits[b].list[0];
    const struct explain_place *in = x->place, *beside = y->place;
    struct str path = r->x->leaves[a]->path, array = {path.ptr, meet(&in, &beside) ? in->offset : 0};
    struct str first = explain_at(r, path, x->place), second = explain_at(r, r->x->leaves[b]->path, y->place);
    if (!first.ptr || !second.ptr)
        return false;
    buf_text(words, "each of these holds, but in different elements of an array: ");
    explain_write_plain(words, first, PATH_SHOWN);
    buf_text(words, " and ");
    explain_write_plain(words, second, PATH_SHOWN);
    buf_text(words, "; no one element of ");
    explain_write_plain(words, array, PATH_SHOWN);
    buf_text(words, " has both");
    return true;
}

static bool find_pair(struct explain_run *r, const struct explain_branch *branch, struct buf *words)
{
    uint32_t chosen[CHOSEN_MAX], count = 0;
    for (uint32_t i = 0; i < branch->leaf_count && count < CHOSEN_MAX; i++)
        if (needs_choice(r, branch->leaves[i]))
            chosen[count++] = branch->leaves[i];
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = i + 1; k < count; k++)
            if (!ever_agree(r, chosen[i], chosen[k]))
                return say_pair(r, chosen[i], chosen[k], words);
    buf_text(words, "each of these holds, but in different elements of an array; values that are wanted together "
                    "must stand in one element");
    return true;
}

bool explain_reason(struct explain_run *r, struct explain_branch *branch)
{
    struct buf words = BUF_INIT;
    if (find_pair(r, branch, &words) && !words.failed)
        branch->reason = arena_str(r->arena, buf_view(&words));
    buf_fini(&words);
    return branch->reason.ptr || explain_no_memory(r->diag);
}
