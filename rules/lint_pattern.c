/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks on a pattern as a whole. What an event looks like on top is known: the envelope has eight members (and
 * version, and replay-name in a replay), their types never change, and detail alone is free. "Never" is said of events
 * as sources make them: an event with keys that repeat, or that have dots in them, can do what JSON otherwise cannot.
 */
#include "rules/lint_int.h"

enum member_kind { MEMBER_TEXT, MEMBER_TEXTS, MEMBER_OBJECT };

struct member {
    const char *name;
    enum member_kind kind;
};

static const struct member envelope[] = {
    {"version", MEMBER_TEXT},  {"id", MEMBER_TEXT},          {"detail-type", MEMBER_TEXT}, {"source", MEMBER_TEXT},
    {"account", MEMBER_TEXT},  {"time", MEMBER_TEXT},        {"region", MEMBER_TEXT},      {"resources", MEMBER_TEXTS},
    {"detail", MEMBER_OBJECT}, {"replay-name", MEMBER_TEXT},
};
#define ENVELOPE_COUNT (sizeof(envelope) / sizeof(envelope[0]))

static struct str top_of(struct str path)
{
    const char *dot = path.size ? memchr(path.ptr, '.', path.size) : NULL;
    return (struct str){path.ptr, dot ? (size_t)(dot - path.ptr) : path.size};
}

static const struct member *member_of(struct str path)
{
    for (size_t i = 0; i < ENVELOPE_COUNT; i++)
        if (str_is(top_of(path), envelope[i].name))
            return &envelope[i];
    return NULL;
}

/* ---- the envelope ---- */

static const char *near_member(struct str name)
{
    const char *names[ENVELOPE_COUNT];
    for (size_t i = 0; i < ENVELOPE_COUNT; i++)
        names[i] = envelope[i].name;
    return diag_near(name, names, ENVELOPE_COUNT);
}

void lint_unknown_member(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; i < l->leaf_count; i++) {
        const struct pattern_leaf *leaf = l->leaves[i];
        struct str top = top_of(leaf->path);
        if (member_of(leaf->path))
            continue;
        const char *near = near_member(top);
        lint_add(l, lint_pos(l, leaf->line, leaf->column),
                 near ? lint_text(l, "write '%s'", near)
                      : lint_text(l, "if it is a member of the detail, write detail: {%.*s: …}", STR_ARG(top)),
                 "events have no member '%.*s' beside their detail", STR_ARG(top));
    }
}

static const char *atom_type(const struct pattern_atom *atom)
{
    switch (atom->op) {
    case PATTERN_NUMBER:
    case PATTERN_RANGE: return "a number";
    case PATTERN_TRUE: return "true";
    case PATTERN_FALSE: return "false";
    case PATTERN_NULL: return "null";
    default: return NULL;
    }
}

/* Why no event has it: "is text, never a number". NULL: some may. */
static const char *why_impossible(struct lint *l, const struct pattern_leaf *leaf, const struct pattern_atom *atom)
{
    const struct member *m = member_of(leaf->path);
    bool on_top = m && str_is(leaf->path, m->name);
    if (!m || (m->kind == MEMBER_OBJECT && !on_top) || atom->op == PATTERN_ABSENT)
        return NULL;
    if (m->kind == MEMBER_OBJECT)
        return "is an object, never a value; name its members";
    const char *kind = m->kind == MEMBER_TEXT ? "is text" : "is a list of texts";
    if (!on_top)
        return lint_text(l, "%s and has no members", kind);
    return atom_type(atom) ? lint_text(l, "%s, never %s", kind, atom_type(atom)) : NULL;
}

/* The first alternative that no event has, if none of the field's is possible; NULL: some is. */
static const struct pattern_atom *all_impossible(struct lint *l, const struct pattern_leaf *leaf)
{
    for (uint32_t a = 0; a < leaf->atom_count; a++)
        if (!why_impossible(l, leaf, &leaf->atoms[a]))
            return NULL;
    return &leaf->atoms[0];
}

static const char *quote_number(struct lint *l, const struct pattern_atom *atom)
{
    return atom->op == PATTERN_NUMBER ? lint_text(l, "quote it: \"%.*s\"", STR_ARG(atom->text)) : NULL;
}

/* A field without any possible alternative is lint_never_matches()'s. */
void lint_impossible_value(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; i < l->leaf_count; i++) {
        const struct pattern_leaf *leaf = l->leaves[i];
        bool some_possible = !all_impossible(l, leaf);
        for (uint32_t a = 0; a < leaf->atom_count && some_possible; a++) {
            const struct pattern_atom *atom = &leaf->atoms[a];
            const char *why = why_impossible(l, leaf, atom);
            if (why)
                lint_add(l, lint_pos(l, atom->line, atom->column), quote_number(l, atom), "'%.*s' %s",
                         STR_ARG(top_of(leaf->path)), why);
        }
    }
}

/* ---- source ---- */

/* Does it hold the source to something an author chose? */
static bool pins(const struct pattern_atom *atom)
{
    switch (atom->op) {
    case PATTERN_STRING:
    case PATTERN_EQUALS_FOLD: return true;
    case PATTERN_PREFIX:
    case PATTERN_PREFIX_FOLD:
    case PATTERN_SUFFIX:
    case PATTERN_SUFFIX_FOLD:
    case PATTERN_REGEX: return atom->text.size;
    case PATTERN_WILDCARD: return !str_is(atom->text, "*");
    case PATTERN_NUMBER:
    case PATTERN_TRUE:
    case PATTERN_FALSE:
    case PATTERN_NULL:
    case PATTERN_RANGE:
    case PATTERN_CIDR:
    case PATTERN_EXISTS:
    case PATTERN_ABSENT:
    case PATTERN_ANYTHING_BUT: break;
    }
    return false;
}

static bool is_pinned(const struct pattern_conjunction *c)
{
    for (uint32_t i = 0; i < c->leaf_count; i++) {
        bool all = str_is(c->leaves[i]->path, "source");
        for (uint32_t a = 0; all && a < c->leaves[i]->atom_count; a++)
            all = pins(&c->leaves[i]->atoms[a]);
        if (all)
            return true;
    }
    return false;
}

static const struct pattern_leaf *first_in_detail(const struct pattern_conjunction *c)
{
    for (uint32_t i = 0; i < c->leaf_count; i++)
        if (path_is_below(c->leaves[i]->path, STR("detail")))
            return c->leaves[i];
    return NULL;
}

void lint_unpinned_source(struct lint *l, const struct rule *rule)
{
    for (uint32_t c = 0; l->pattern && !rule->is_archive && c < l->pattern->conjunction_count; c++) {
        if (is_pinned(&l->pattern->conjunctions[c]) || !first_in_detail(&l->pattern->conjunctions[c]))
            continue;
        lint_add(l, rule->pos, "name the sources, or at least source: [{prefix: aws.}] for those of AWS",
                 "rule '%.*s' looks into 'detail' and takes it from any source: whoever may put events on bus '%.*s' "
                 "can set it off",
                 STR_ARG(rule->name), STR_ARG(rule->bus));
        return;
    }
}

/* ---- contradictions ---- */

static const struct pattern_leaf *find_leaf(const struct pattern_conjunction *c, struct str path)
{
    uint32_t low = 0, high = c->leaf_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = pattern_path_cmp(path, c->leaves[middle]->path);
        if (order == 0)
            return c->leaves[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Some leaf of c above this one: a field of which this one asks a member. */
static const struct pattern_leaf *find_above(const struct pattern_conjunction *c, const struct pattern_leaf *leaf)
{
    for (size_t i = leaf->path.size; i-- > 0;) {
        const struct pattern_leaf *above =
            leaf->path.ptr[i] == '.' ? find_leaf(c, (struct str){leaf->path.ptr, i}) : NULL;
        if (above)
            return above;
    }
    return NULL;
}

struct never {
    struct diag_pos pos;
    const char *why, *suggestion; /* why NULL: some event may match */
};

/* Why no event can match this leaf beside the others of its conjunction. */
static struct never why_never(struct lint *l, const struct pattern_conjunction *c, const struct pattern_leaf *leaf)
{
    const struct pattern_atom *atom = all_impossible(l, leaf);
    if (atom)
        return (struct never){lint_pos(l, atom->line, atom->column),
                              lint_text(l, "'%.*s' %s", STR_ARG(top_of(leaf->path)), why_impossible(l, leaf, atom)),
                              quote_number(l, atom)};
    const struct pattern_leaf *above = leaf_has(leaf, PATTERN_ABSENT) ? NULL : find_above(c, leaf);
    if (above && !leaf_has(above, PATTERN_ABSENT))
        return (struct never){
            lint_pos(l, leaf->line, leaf->column),
            lint_text(l, "'%.*s' must be a value, and '%.*s' must be in it", STR_ARG(above->path), STR_ARG(leaf->path)),
            NULL};
    return (struct never){.why = NULL};
}

void lint_never_matches(struct lint *l, const struct rule *rule)
{
    struct never first = {.why = NULL};
    uint32_t count = l->pattern ? l->pattern->conjunction_count : 0, dead = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct pattern_conjunction *c = &l->pattern->conjunctions[i];
        struct never never = {.why = NULL};
        for (uint32_t k = 0; k < c->leaf_count && !never.why; k++)
            never = why_never(l, c, c->leaves[k]);
        first = first.why ? first : never;
        dead += never.why != NULL;
    }
    if (dead)
        lint_add(l, first.pos, first.suggestion, "no event can match %srule '%.*s': %s",
                 dead < count ? "a branch of $or in " : "", STR_ARG(rule->name), first.why);
}

void lint_absent_object(struct lint *l, const struct rule *rule)
{
    for (uint32_t i = 0; l->pattern && i < l->pattern->conjunction_count; i++) {
        const struct pattern_conjunction *c = &l->pattern->conjunctions[i];
        for (uint32_t k = 0; k < c->leaf_count; k++) {
            const struct pattern_leaf *leaf = c->leaves[k];
            const struct pattern_leaf *above = leaf_has(leaf, PATTERN_ABSENT) ? NULL : find_above(c, leaf);
            if (!above || !leaf_has(above, PATTERN_ABSENT))
                continue;
            lint_add(l, lint_pos(l, above->line, above->column), "put exists: false on a member that has a value",
                     "exists: false holds for every object, so it says nothing of '%.*s', in which '%.*s' must be",
                     STR_ARG(above->path), STR_ARG(leaf->path));
            return;
        }
    }
}

void lint_replaced_field(struct lint *l, const struct rule *rule)
{
    const struct pattern_leaf *leaf = l->pattern ? l->pattern->replaced : NULL;
    if (leaf)
        lint_add(l, lint_pos(l, leaf->line, leaf->column), "name the field once, in every branch or beside them",
                 "'%.*s' is there again in line %d, which replaces this: the two are not joined by 'and'",
                 STR_ARG(leaf->path), l->pattern->replacement->line);
}
