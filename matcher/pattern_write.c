/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From conjunctions of flat paths back to an object of objects:
 *
 *     "detail.n": 1; "detail.s": "x"; "source": "a"   ->   {"detail":{"n":[1],"s":["x"]},"source":["a"]}
 *
 * A level of the object is a range of leaves, sorted key by key, and how many bytes of their paths are written already;
 * leaves with the same next key go one level down together. Paths that are another's beginning ("a" and "a.b", which
 * only a dotted key can say) keep their dots, since one key cannot hold both.
 *
 * The parser shares a leaf among the conjunctions it was multiplied into, so what all have in common is known by
 * address.
 */
#include "matcher/pattern_write.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- atoms ---- */

/* As few digits as say this number, but no power of ten for a round one; whatever the locale's decimal point is. */
static void write_number(struct buf *out, double number)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    for (const char *p = text; *p; p++)
        buf_char(out, strchr("+-0123456789e", *p) ? *p : '.');
}

static void write_bound(struct buf *out, const char *op, double bound)
{
    buf_printf(out, "\"%s\",", op);
    write_number(out, bound);
}

static void write_range(struct buf *out, const struct pattern_atom *a)
{
    buf_text(out, "{\"numeric\":[");
    if (a->has_low && a->has_high && a->low == a->high) {
        write_bound(out, "=", a->low);
    } else {
        if (a->has_low)
            write_bound(out, a->low_open ? ">" : ">=", a->low);
        if (a->has_low && a->has_high)
            buf_char(out, ',');
        if (a->has_high)
            write_bound(out, a->high_open ? "<" : "<=", a->high);
    }
    buf_text(out, "]}");
}

static void write_operator(struct buf *out, const char *name, struct str text, bool fold)
{
    buf_printf(out, "{\"%s\":%s", name, fold ? "{\"equals-ignore-case\":" : "");
    json_write_string(out, text);
    buf_text(out, fold ? "}}" : "}");
}

static const char *excluded_operator(enum pattern_op op)
{
    switch (op) {
    case PATTERN_PREFIX: return "prefix";
    case PATTERN_SUFFIX: return "suffix";
    case PATTERN_EQUALS_FOLD: return "equals-ignore-case";
    case PATTERN_WILDCARD: return "wildcard";
    default: return NULL; /* a plain value */
    }
}

/* {"anything-but": ["x", "y"]} or {"anything-but": {"prefix": ["x", "y"]}}; one alone stands without brackets. */
static void write_excluded(struct buf *out, const struct pattern_atom *a)
{
    const char *name = a->excluded_count ? excluded_operator(a->excluded[0].op) : NULL;
    bool list = a->excluded_count != 1;

    buf_text(out, "{\"anything-but\":");
    if (name)
        buf_printf(out, "{\"%s\":", name);
    if (list)
        buf_char(out, '[');
    for (uint32_t i = 0; i < a->excluded_count; i++) {
        if (i)
            buf_char(out, ',');
        if (a->excluded[i].op == PATTERN_NUMBER)
            buf_str(out, a->excluded[i].text);
        else
            json_write_string(out, a->excluded[i].text);
    }
    buf_printf(out, "%s%s}", list ? "]" : "", name ? "}" : "");
}

static void write_atom(struct buf *out, const struct pattern_atom *a)
{
    switch (a->op) {
    case PATTERN_STRING: json_write_string(out, a->text); break;
    case PATTERN_NUMBER: buf_str(out, a->text); break;
    case PATTERN_TRUE: buf_text(out, "true"); break;
    case PATTERN_FALSE: buf_text(out, "false"); break;
    case PATTERN_NULL: buf_text(out, "null"); break;
    case PATTERN_PREFIX: write_operator(out, "prefix", a->text, false); break;
    case PATTERN_PREFIX_FOLD: write_operator(out, "prefix", a->text, true); break;
    case PATTERN_SUFFIX: write_operator(out, "suffix", a->text, false); break;
    case PATTERN_SUFFIX_FOLD: write_operator(out, "suffix", a->text, true); break;
    case PATTERN_EQUALS_FOLD: write_operator(out, "equals-ignore-case", a->text, false); break;
    case PATTERN_WILDCARD: write_operator(out, "wildcard", a->text, false); break;
    case PATTERN_REGEX: write_operator(out, "regex", a->text, false); break;
    case PATTERN_CIDR: write_operator(out, "cidr", a->text, false); break;
    case PATTERN_RANGE: write_range(out, a); break;
    case PATTERN_EXISTS: buf_text(out, "{\"exists\":true}"); break;
    case PATTERN_ABSENT: buf_text(out, "{\"exists\":false}"); break;
    case PATTERN_ANYTHING_BUT: write_excluded(out, a); break;
    }
}

void pattern_write_atoms(struct buf *out, const struct pattern_leaf *leaf)
{
    buf_char(out, '[');
    for (uint32_t i = 0; i < leaf->atom_count; i++) {
        if (i)
            buf_char(out, ',');
        write_atom(out, &leaf->atoms[i]);
    }
    buf_char(out, ']');
}

/* ---- objects ---- */

static bool has_leaf(const struct pattern_conjunction *c, const struct pattern_leaf *leaf)
{
    uint32_t low = 0, high = c->leaf_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = pattern_path_cmp(c->leaves[middle]->path, leaf->path);
        if (order == 0)
            return c->leaves[middle] == leaf;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool is_shared(const struct pattern *pattern, const struct pattern_leaf *leaf)
{
    for (uint32_t i = 0; i < pattern->conjunction_count; i++)
        if (!has_leaf(&pattern->conjunctions[i], leaf))
            return false;
    return true;
}

static struct str rest_of(const struct pattern_leaf *leaf, size_t done)
{
    return (struct str){leaf->path.ptr + done, leaf->path.size - done};
}

static struct str first_key(struct str rest)
{
    const char *dot = rest.size ? memchr(rest.ptr, '.', rest.size) : NULL;
    return (struct str){rest.ptr, dot ? (size_t)(dot - rest.ptr) : rest.size};
}

/* Key by key, so that leaves with the same keys in front stand together, one that ends there first. */
static int compare_keys(const void *a, const void *b)
{
    struct str left = (*(const struct pattern_leaf *const *)a)->path;
    struct str right = (*(const struct pattern_leaf *const *)b)->path;
    for (;;) {
        struct str left_key = first_key(left), right_key = first_key(right);
        int order = str_cmp(left_key, right_key);
        bool left_ends = left_key.size == left.size, right_ends = right_key.size == right.size;
        if (order || left_ends || right_ends)
            return order ? order : right_ends - left_ends;
        left = (struct str){left_key.ptr + left_key.size + 1, left.size - left_key.size - 1};
        right = (struct str){right_key.ptr + right_key.size + 1, right.size - right_key.size - 1};
    }
}

static void write_key(struct buf *out, struct str key, bool comma)
{
    if (comma)
        buf_char(out, ',');
    json_write_string(out, key);
    buf_char(out, ':');
}

/* The members of the object for leaves that have the first `done` bytes of their paths in common. */
static void write_level(struct buf *out, const struct pattern_leaf *const *leaves, uint32_t count, size_t done)
{
    for (uint32_t i = 0, next; i < count; i = next) {
        struct str rest = rest_of(leaves[i], done), key = first_key(rest);
        for (next = i + 1; next < count && str_eq(first_key(rest_of(leaves[next], done)), key);)
            next++;
        if (rest.size == key.size) { /* a path ends here: those that go on keep their dots */
            for (uint32_t j = i; j < next; j++) {
                write_key(out, rest_of(leaves[j], done), j > 0);
                pattern_write_atoms(out, leaves[j]);
            }
        } else {
            write_key(out, key, i > 0);
            buf_char(out, '{');
            write_level(out, leaves + i, next - i, done + key.size + 1);
            buf_char(out, '}');
        }
    }
}

static void write_members(struct buf *out, const struct pattern_leaf **leaves, uint32_t count)
{
    qsort(leaves, count, sizeof(*leaves), compare_keys);
    write_level(out, leaves, count, 0);
}

static void write_branches(struct buf *out, const struct pattern *pattern, const struct pattern_conjunction *shared,
                           const struct pattern_leaf **leaves)
{
    for (uint32_t i = 0; i < pattern->conjunction_count; i++) {
        const struct pattern_conjunction *c = &pattern->conjunctions[i];
        uint32_t count = 0;
        for (uint32_t j = 0; j < c->leaf_count; j++)
            if (!has_leaf(shared, c->leaves[j]))
                leaves[count++] = c->leaves[j];
        buf_text(out, i ? ",{" : "[{");
        write_members(out, leaves, count);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

/* The leaves that all conjunctions have; none where a branch would have none of its own left. */
static uint32_t find_shared(const struct pattern *pattern, const struct pattern_leaf **shared)
{
    const struct pattern_conjunction *first = &pattern->conjunctions[0];
    uint32_t count = 0;
    for (uint32_t i = 0; i < first->leaf_count; i++)
        if (is_shared(pattern, first->leaves[i]))
            shared[count++] = first->leaves[i];
    for (uint32_t i = 0; pattern->conjunction_count > 1 && i < pattern->conjunction_count; i++)
        if (pattern->conjunctions[i].leaf_count == count)
            return 0;
    return count;
}

void pattern_write(struct buf *out, const struct pattern *pattern)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < pattern->conjunction_count; i++)
        if (pattern->conjunctions[i].leaf_count > most)
            most = pattern->conjunctions[i].leaf_count;
    const struct pattern_leaf **memory = calloc(2 * (size_t)most + 1, sizeof(*memory));
    if (!memory) {
        out->failed = true;
        return;
    }
    struct pattern_conjunction shared = {memory, find_shared(pattern, memory)};
    const struct pattern_leaf **leaves = memory + most;
    memcpy(leaves, memory, shared.leaf_count * sizeof(*memory)); /* in another order than has_leaf() wants */
    buf_char(out, '{');
    write_members(out, leaves, shared.leaf_count);
    if (pattern->conjunction_count > 1) {
        write_key(out, STR("$or"), shared.leaf_count > 0);
        write_branches(out, pattern, &shared, leaves);
    }
    buf_char(out, '}');
    free(memory);
}
