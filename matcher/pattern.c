/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structure of a pattern: objects, fields and $or, multiplied out into conjunctions.
 *
 * The parser walks the pattern once and carries the conjunctions made so far as drafts. A field is written into all
 * of them; $or replaces each by one draft a branch. So a later field overrides an earlier one of the same path in
 * document order, inside $or or not, as AWS's compiler does:
 *
 *     {"a": [1], "$or": [{"b": [2]}, {"a": [3]}], "c": [4]}      drafts, newest field first
 *                                                                c4 b2 a1      c4 a3 a1
 *
 * A draft is a list linked backwards, so drafts share what they have in common and branching copies one pointer.
 * At the end each draft becomes an array sorted by path in which the newest of equal paths stays. All paths are
 * ranked once, so that sorting a conjunction compares integers.
 *
 * Bounds: LIMIT_OR_COMBINATIONS drafts, LIMIT_PATTERN_LEAVES fields over all of them, LIMIT_PATH_BYTES of paths.
 */
#include "matcher/pattern_int.h"

#include <assert.h>
#include <stdlib.h>

#include "matcher/utf8.h"

struct draft_field {
    const struct draft_field *older;
    uint32_t leaf; /* index in parser.leaves */
};

struct draft {
    const struct draft_field *newest;
    uint32_t count;
};

struct drafts {
    struct draft *list;
    uint32_t count, capacity;
};

/* ---- drafts ---- */

static bool drafts_reserve(struct parser *p, struct drafts *drafts, uint32_t count)
{
    if (count <= drafts->capacity)
        return true;
    uint32_t capacity = drafts->capacity * 2 > count ? drafts->capacity * 2 : count;
    struct draft *list = arena_array(p->arena, capacity, sizeof(*list));
    if (!list)
        return parser_fail_memory(p);
    if (drafts->count)
        memcpy(list, drafts->list, drafts->count * sizeof(*list));
    drafts->list = list;
    drafts->capacity = capacity;
    return true;
}

static bool drafts_append(struct parser *p, struct drafts *drafts, const struct drafts *more)
{
    if (drafts->count + more->count > LIMIT_OR_COMBINATIONS)
        return parser_fail_limit(p, "more than %d combinations of $or (LIMIT_OR_COMBINATIONS)", LIMIT_OR_COMBINATIONS);
    if (!drafts_reserve(p, drafts, drafts->count + more->count))
        return false;
    memcpy(drafts->list + drafts->count, more->list, more->count * sizeof(*more->list));
    drafts->count += more->count;
    return true;
}

static bool fail_leaves(struct parser *p)
{
    return parser_fail_limit(p, "more than %u fields in all combinations of $or (LIMIT_PATTERN_LEAVES)",
                             LIMIT_PATTERN_LEAVES);
}

static bool drafts_write(struct parser *p, struct drafts *drafts, uint32_t leaf)
{
    p->uses += drafts->count;
    if (p->uses > LIMIT_PATTERN_LEAVES)
        return fail_leaves(p);
    struct draft_field *fields = arena_array(p->arena, drafts->count, sizeof(*fields));
    if (!fields)
        return parser_fail_memory(p);
    for (uint32_t i = 0; i < drafts->count; i++) {
        fields[i] = (struct draft_field){drafts->list[i].newest, leaf};
        drafts->list[i].newest = &fields[i];
        drafts->list[i].count++;
    }
    return true;
}

/* ---- the walk ---- */

static bool parse_alternatives(struct parser *p, struct atoms *atoms)
{
    while (parser_next(p) != JSON_ARRAY_END) {
        enum json_type type = p->token.type;
        bool is_value = type == JSON_OBJECT || type == JSON_STRING || type == JSON_NUMBER || type == JSON_TRUE ||
                        type == JSON_FALSE || type == JSON_NULL;
        if (!is_value)
            return parser_fail(p, "Match value must be String, number, true, false, or null");
        struct pattern_atom *atom = atoms_add(p, atoms);
        if (!atom)
            return false;
        switch (type) {
        case JSON_OBJECT:
            if (!operator_parse(p, atom))
                return false;
            break;
        case JSON_STRING: atom_set_string(atom, parser_text(p)); break;
        case JSON_NUMBER: atom_set_number(atom, parser_text(p)); break;
        case JSON_TRUE: atom->op = PATTERN_TRUE; break;
        case JSON_FALSE: atom->op = PATTERN_FALSE; break;
        default: atom->op = PATTERN_NULL; break;
        }
    }
    return atoms->count || parser_fail(p, "Empty arrays are not allowed");
}

static bool keep_leaf(struct parser *p, const struct pattern_leaf *leaf)
{
    if (p->leaf_count == p->leaf_capacity) {
        uint32_t capacity = p->leaf_capacity ? p->leaf_capacity * 2 : 16;
        const struct pattern_leaf **leaves = arena_array(p->arena, capacity, sizeof(*leaves));
        if (!leaves)
            return parser_fail_memory(p);
        if (p->leaf_count)
            memcpy(leaves, p->leaves, p->leaf_count * sizeof(*leaves));
        p->leaves = leaves;
        p->leaf_capacity = capacity;
    }
    p->leaves[p->leaf_count++] = leaf;
    return true;
}

/* The present token is the bracket; key is where the field's name stood. */
static bool parse_leaf(struct parser *p, const struct pattern_token *key, struct drafts *drafts)
{
    struct atoms atoms = {0};
    if (!parse_alternatives(p, &atoms))
        return false;
    p->path_bytes += p->path.size;
    if (p->path_bytes > LIMIT_PATH_BYTES)
        return parser_fail_limit(p, "all paths together are longer than %u bytes (LIMIT_PATH_BYTES)", LIMIT_PATH_BYTES);
    struct pattern_leaf *leaf = arena_new(p->arena, struct pattern_leaf);
    if (!leaf)
        return parser_fail_memory(p);
    leaf->path = arena_str(p->arena, buf_view(&p->path));
    if (!leaf->path.ptr)
        return parser_fail_memory(p);
    leaf->atoms = atoms.list;
    leaf->atom_count = atoms.count;
    leaf->line = key->line;
    leaf->column = key->column;
    return keep_leaf(p, leaf) && drafts_write(p, drafts, p->leaf_count - 1);
}

static bool parse_object(struct parser *p, struct drafts *drafts, bool in_or);

static bool parse_or(struct parser *p, struct drafts *drafts)
{
    struct drafts all = {0};
    int branches = 0;
    if (parser_next(p) != JSON_ARRAY)
        return parser_fail(p, "It must be an Array followed with $or.");
    for (; parser_next(p) != JSON_ARRAY_END; branches++) {
        struct drafts branch = {0};
        if (p->token.type != JSON_OBJECT)
            return parser_fail(p, "Only JSON object is allowed in array of $or relationship.");
        if (!drafts_append(p, &branch, drafts) || !parse_object(p, &branch, true) || !drafts_append(p, &all, &branch))
            return false;
    }
    if (branches < 2)
        return parser_fail(p, "There must have at least 2 Objects in $or relationship.");
    *drafts = all;
    return true;
}

static bool is_reserved_in_or(struct str name)
{
    static const char *const reserved[] = {
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    };
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (str_is(name, reserved[i]))
            return true;
    return false;
}

/* The present token is a key. */
static bool parse_field(struct parser *p, struct drafts *drafts)
{
    struct pattern_token key = p->token;
    size_t outer = p->path.size;
    if (p->depth > 1)
        buf_char(&p->path, '.');
    buf_str(&p->path, key.text);
    if (p->path.failed)
        return parser_fail_memory(p);
    bool ok;
    switch (parser_next(p)) {
    case JSON_OBJECT: ok = parse_object(p, drafts, false); break;
    case JSON_ARRAY: ok = parse_leaf(p, &key, drafts); break;
    default: ok = parser_fail(p, "\"%.*s\" must be an object or an array", STR_ARG(key.text)); break;
    }
    p->path.size = outer;
    return ok;
}

/* The present token is the brace. in_or: it is a branch of $or, which stands at its parent's path. */
static bool parse_object(struct parser *p, struct drafts *drafts, bool in_or)
{
    bool empty = true;
    if (p->depth + p->or_depth >= LIMIT_JSON_DEPTH)
        return parser_fail_limit(p, "nested deeper than %d levels (LIMIT_JSON_DEPTH)", LIMIT_JSON_DEPTH);
    p->depth += !in_or;
    p->or_depth += in_or;
    for (; parser_next(p) != JSON_OBJECT_END; empty = false) {
        if (p->token.type != JSON_KEY)
            return parser_fail(p, "Filter is not an object");
        if (str_is(p->token.text, "$or")) {
            if (!parse_or(p, drafts))
                return false;
            continue;
        }
        if (in_or && is_reserved_in_or(p->token.text))
            return parser_fail(p, "%.*s is Ruler reserved fieldName which cannot be used inside $or.",
                               STR_ARG(p->token.text));
        if (!parse_field(p, drafts))
            return false;
    }
    p->depth -= !in_or;
    p->or_depth -= in_or;
    return !empty || parser_fail(p, "Empty objects are not allowed");
}

/* ---- paths in order ---- */

/* One UTF-16 code unit off the front of a text; low: the second half of a pair that is still to come. */
static int take_unit(struct str *rest, uint32_t *low)
{
    uint32_t code = *low;
    if (code) {
        *low = 0;
        return (int)code;
    }
    unsigned size = utf8_decode(rest->ptr, rest->size, &code);
    if (!size)
        return -1;
    *rest = (struct str){rest->ptr + size, rest->size - size};
    if (code < 0x10000)
        return (int)code;
    *low = 0xDC00 + ((code - 0x10000) & 0x3FF);
    return (int)(0xD800 + ((code - 0x10000) >> 10));
}

int pattern_path_cmp(struct str a, struct str b)
{
    size_t shared = a.size < b.size ? a.size : b.size, same = 0;
    while (same < shared && a.ptr[same] == b.ptr[same])
        same++;
    if (same == shared)
        return (a.size > b.size) - (a.size < b.size);
    while (same && ((unsigned char)a.ptr[same] & 0xC0) == 0x80)
        same--;
    a = (struct str){a.ptr + same, a.size - same};
    b = (struct str){b.ptr + same, b.size - same};
    uint32_t a_low = 0, b_low = 0;
    for (;;) {
        int x = take_unit(&a, &a_low), y = take_unit(&b, &b_low);
        if (x != y || x < 0)
            return (x > y) - (x < y);
    }
}

struct ranked {
    struct str path;
    uint32_t leaf;
};

static int compare_ranked(const void *a, const void *b)
{
    return pattern_path_cmp(((const struct ranked *)a)->path, ((const struct ranked *)b)->path);
}

/* ranks[leaf]: the place of its path among all paths; equal paths have equal ranks. NULL: out of memory. */
static uint32_t *rank_leaves(struct parser *p)
{
    struct ranked *order = arena_array(p->arena, p->leaf_count, sizeof(*order));
    uint32_t *ranks = arena_array(p->arena, p->leaf_count, sizeof(*ranks));
    if (!order || !ranks) {
        parser_fail_memory(p);
        return NULL;
    }
    for (uint32_t i = 0; i < p->leaf_count; i++)
        order[i] = (struct ranked){p->leaves[i]->path, i};
    qsort(order, p->leaf_count, sizeof(*order), compare_ranked);
    for (uint32_t i = 0, rank = 0; i < p->leaf_count; i++) {
        rank += i && !str_eq(order[i].path, order[i - 1].path);
        ranks[order[i].leaf] = rank;
    }
    return ranks;
}

/* ---- drafts into conjunctions ---- */

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* keys: room for every field of the draft; rank above leaf index, so that the newest of equal paths comes last. */
static bool finish_draft(struct parser *p, const struct draft *draft, const uint32_t *ranks, uint64_t *keys,
                         struct pattern *pattern, struct pattern_conjunction *out)
{
    uint32_t count = 0;
    for (const struct draft_field *f = draft->newest; f; f = f->older)
        keys[count++] = (uint64_t)ranks[f->leaf] << 32 | f->leaf;
    assert(count == draft->count);
    qsort(keys, count, sizeof(*keys), compare_keys);

    const struct pattern_leaf **leaves = arena_array(p->arena, count, sizeof(*leaves));
    if (!leaves)
        return parser_fail_memory(p);
    out->leaves = leaves;
    for (uint32_t i = 0; i < count; i++) {
        const struct pattern_leaf *leaf = p->leaves[(uint32_t)keys[i]];
        if (i + 1 == count || keys[i] >> 32 != keys[i + 1] >> 32)
            leaves[out->leaf_count++] = leaf;
        else if (!pattern->replaced) {
            pattern->replaced = leaf;
            pattern->replacement = p->leaves[(uint32_t)keys[i + 1]];
        }
    }
    return true;
}

static const struct pattern *finish(struct parser *p, const struct drafts *drafts)
{
    size_t total = 0, largest = 0;
    for (uint32_t i = 0; i < drafts->count; i++) {
        total += drafts->list[i].count;
        largest = drafts->list[i].count > largest ? drafts->list[i].count : largest;
    }
    if (total > LIMIT_PATTERN_LEAVES) {
        fail_leaves(p);
        return NULL;
    }
    struct pattern *pattern = arena_new(p->arena, struct pattern);
    struct pattern_conjunction *conjunctions = arena_array(p->arena, drafts->count, sizeof(*conjunctions));
    uint64_t *keys = arena_array(p->arena, largest, sizeof(*keys));
    const uint32_t *ranks = rank_leaves(p);
    if (!pattern || !conjunctions || !keys || !ranks) {
        parser_fail_memory(p);
        return NULL;
    }
    for (uint32_t i = 0; i < drafts->count; i++)
        if (!finish_draft(p, &drafts->list[i], ranks, keys, pattern, &conjunctions[i]))
            return NULL;
    pattern->conjunctions = conjunctions;
    pattern->conjunction_count = drafts->count;
    return pattern;
}

static bool parse_all(struct parser *p, struct drafts *drafts)
{
    struct draft empty = {0};
    const struct drafts one = {&empty, 1, 1};
    if (parser_next(p) != JSON_OBJECT)
        return parser_fail(p, "Filter is not an object");
    return drafts_append(p, drafts, &one) && parse_object(p, drafts, false) &&
           (parser_next(p) == JSON_END || parser_fail(p, "more text after the pattern"));
}

const struct pattern *pattern_parse(struct arena *a, struct pattern_source *source, struct weir_diag *diag)
{
    struct parser p = {.arena = a, .source = source, .diag = diag};
    struct drafts drafts = {0};
    const struct pattern *pattern = parse_all(&p, &drafts) ? finish(&p, &drafts) : NULL;
    assert(!pattern == p.failed);
    buf_fini(&p.path);
    return pattern;
}
