/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns as the judge reads them: the text becomes a JSON tree, and one walk over the tree in document
 * order puts each leaf into every rule there is so far; an $or makes, for each of its branches, a copy of
 * the rules before it, and goes on with all of them. A path that comes again replaces what stood there.
 *
 *     {"a": [1], "$or": [{"b": [2]}, {"a": [3]}]}      {a: 1}  ->  {a: 1, b: 2}, {a: 3}
 *
 * No reasons are given: a pattern means something or it does not.
 */
#include "tests/matcher/judge_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- the tests of a leaf ---- */

static struct judge_test *new_test(struct judge_memory *memory, enum judge_operator op, struct judge_text text)
{
    struct judge_test *test = judge_alloc(memory, sizeof *test);

    test->op = op;
    test->text = text;
    return test;
}

/* The only member of an object, or NULL. */
static const struct judge_node *only_member(const struct judge_node *node)
{
    return node->type == JUDGE_OBJECT && node->first != NULL && node->first->next == NULL ? node->first : NULL;
}

static struct judge_test *number_test(struct judge_memory *memory, const struct judge_node *node)
{
    struct judge_test *test = new_test(memory, JUDGE_IS_NUMBER, node->text);

    test->comparable = judge_number(memory, node->text, &test->number);
    return test;
}

static struct judge_test *string_test(struct judge_memory *memory, const struct judge_node *node)
{
    struct judge_test *test = new_test(memory, JUDGE_IS_STRING, node->text);

    test->address_size = judge_address(node->text, test->address);
    return test;
}

/* prefix and suffix: a string, or {"equals-ignore-case": string}. */
static struct judge_test *affix_test(struct judge_memory *memory, const struct judge_node *operand,
                                     enum judge_operator plain, enum judge_operator folded)
{
    const struct judge_node *inner = only_member(operand);

    if (operand->type == JUDGE_STRING)
        return new_test(memory, plain, operand->text);
    if (inner == NULL || !judge_text_says(inner->key, "equals-ignore-case") || inner->type != JUDGE_STRING)
        return NULL;
    return new_test(memory, folded, inner->text);
}

static struct judge_test *wildcard_test(struct judge_memory *memory, const struct judge_node *operand)
{
    if (operand->type != JUDGE_STRING || !judge_wildcard_valid(operand->text))
        return NULL;
    return new_test(memory, JUDGE_WILDCARD, operand->text);
}

static struct judge_test *cidr_test(struct judge_memory *memory, const struct judge_node *operand)
{
    struct judge_test *test = new_test(memory, JUDGE_CIDR, operand->text);
    const char *slash = operand->type == JUDGE_STRING ? memchr(operand->text.at, '/', operand->text.size) : NULL;
    size_t before;
    unsigned bits = 0;

    if (slash == NULL)
        return NULL;
    before = (size_t)(slash - operand->text.at);
    /* The mask is read as Java reads an int: a sign may stand before the digits, and minus nothing is nothing. */
    char sign = before + 1 < operand->text.size ? operand->text.at[before + 1] : '\0';
    size_t digits = before + 1 + (sign == '+' || sign == '-');
    if (digits >= operand->text.size)
        return NULL;
    for (size_t i = digits; i < operand->text.size; i++) {
        if (operand->text.at[i] < '0' || operand->text.at[i] > '9')
            return NULL;
        bits = bits * 10 + (unsigned)(operand->text.at[i] - '0');
        if (bits >= 128)
            return NULL;
    }
    test->address_size = judge_address((struct judge_text){operand->text.at, before}, test->address);
    test->address_bits = bits;
    if (sign == '-' && bits > 0)
        return NULL;
    return test->address_size != 0 && bits < 8 * test->address_size ? test : NULL;
}

/* One "op", n pair of numeric's operand, written into low or high; where it ends, or NULL. */
static const struct judge_node *read_bound(struct judge_memory *memory, const struct judge_node *at,
                                           struct judge_test *test)
{
    struct judge_bound bound = {.set = true};
    char first;

    if (at == NULL || at->type != JUDGE_STRING || at->next == NULL || at->next->type != JUDGE_NUMBER)
        return NULL;
    if (!judge_number(memory, at->next->text, &bound.at))
        return NULL;
    first = at->text.size > 0 ? at->text.at[0] : '\0';
    bound.open = judge_text_says(at->text, "<") || judge_text_says(at->text, ">");
    if (judge_text_says(at->text, "=")) {
        test->low = test->high = bound;
    } else if (!bound.open && !judge_text_says(at->text, "<=") && !judge_text_says(at->text, ">=")) {
        return NULL;
    } else if (first == '>') {
        test->low = bound;
    } else {
        test->high = bound;
    }
    return at->next;
}

static struct judge_test *range_test(struct judge_memory *memory, const struct judge_node *operand)
{
    struct judge_test *test = new_test(memory, JUDGE_RANGE, operand->text);
    const struct judge_node *last;
    struct judge_test second = {.op = JUDGE_RANGE};

    if (operand->type != JUDGE_ARRAY)
        return NULL;
    last = read_bound(memory, operand->first, test);
    if (last == NULL)
        return NULL;
    if (last->next == NULL)
        return test;
    if (test->high.set) /* only a lower bound may have another behind it */
        return NULL;
    last = read_bound(memory, last->next, &second);
    if (last == NULL || last->next != NULL || second.low.set || test->low.at >= second.high.at)
        return NULL;
    test->high = second.high;
    return test;
}

/* What stands under anything-but's inner op, one string of it. */
static struct judge_test *excluded_string(struct judge_memory *memory, struct judge_text name,
                                          const struct judge_node *node)
{
    bool prefix = judge_text_says(name, "prefix"), suffix = judge_text_says(name, "suffix");

    if (node->type != JUDGE_STRING)
        return NULL;
    if (prefix || suffix) {
        if (node->text.size == 0)
            return NULL;
        return new_test(memory, prefix ? JUDGE_PREFIX : JUDGE_SUFFIX, node->text);
    }
    if (judge_text_says(name, "equals-ignore-case"))
        return new_test(memory, JUDGE_EQUALS_FOLDED, node->text);
    return judge_text_says(name, "wildcard") ? wildcard_test(memory, node) : NULL;
}

/* A bare value of anything-but. Strings mean themselves here, never an address. */
static struct judge_test *excluded_value(struct judge_memory *memory, const struct judge_node *node)
{
    struct judge_test *test = NULL;

    if (node->type == JUDGE_STRING)
        return new_test(memory, JUDGE_IS_STRING, node->text);
    if (node->type == JUDGE_NUMBER)
        test = number_test(memory, node);
    return test != NULL && test->comparable ? test : NULL;
}

static struct judge_test *anything_but_test(struct judge_memory *memory, const struct judge_node *operand)
{
    struct judge_test *test = new_test(memory, JUDGE_ANYTHING_BUT, operand->text), *one;
    const struct judge_node *inner = only_member(operand), *list = inner != NULL ? inner : operand, *item;

    if (operand->type == JUDGE_OBJECT && inner == NULL)
        return NULL;
    item = list->type == JUDGE_ARRAY ? list->first : list;
    if (item == NULL)
        return NULL;
    for (; item != NULL; item = list->type == JUDGE_ARRAY ? item->next : NULL) {
        one = inner != NULL ? excluded_string(memory, inner->key, item) : excluded_value(memory, item);
        if (one == NULL || (test->excluded != NULL && test->excluded->op != one->op))
            return NULL;
        one->next = test->excluded;
        test->excluded = one;
    }
    return test;
}

static struct judge_test *operator_test(struct judge_memory *memory, const struct judge_node *node)
{
    const struct judge_node *operand = only_member(node);
    bool string = operand != NULL && operand->type == JUDGE_STRING;

    if (operand == NULL)
        return NULL;
    if (judge_text_says(operand->key, "exactly"))
        return string ? string_test(memory, operand) : NULL;
    if (judge_text_says(operand->key, "equals-ignore-case"))
        return string ? new_test(memory, JUDGE_EQUALS_FOLDED, operand->text) : NULL;
    if (judge_text_says(operand->key, "prefix"))
        return affix_test(memory, operand, JUDGE_PREFIX, JUDGE_PREFIX_FOLDED);
    if (judge_text_says(operand->key, "suffix"))
        return affix_test(memory, operand, JUDGE_SUFFIX, JUDGE_SUFFIX_FOLDED);
    if (judge_text_says(operand->key, "wildcard"))
        return wildcard_test(memory, operand);
    if (judge_text_says(operand->key, "regex"))
        return string && judge_regex_valid(operand->text) ? new_test(memory, JUDGE_REGEX, operand->text) : NULL;
    if (judge_text_says(operand->key, "numeric"))
        return range_test(memory, operand);
    if (judge_text_says(operand->key, "cidr"))
        return cidr_test(memory, operand);
    if (judge_text_says(operand->key, "anything-but"))
        return anything_but_test(memory, operand);
    if (judge_text_says(operand->key, "exists") && operand->type == JUDGE_TRUE)
        return new_test(memory, JUDGE_EXISTS, operand->text);
    if (judge_text_says(operand->key, "exists") && operand->type == JUDGE_FALSE)
        return new_test(memory, JUDGE_ABSENT, operand->text);
    return NULL;
}

static struct judge_test *leaf_test(struct judge_memory *memory, const struct judge_node *node)
{
    struct judge_test *test;

    switch (node->type) {
    case JUDGE_STRING: return string_test(memory, node);
    case JUDGE_NUMBER: return number_test(memory, node);
    case JUDGE_NULL:
    case JUDGE_TRUE:
    case JUDGE_FALSE:
        test = new_test(memory, JUDGE_IS_LITERAL, node->text);
        test->literal = node->type;
        return test;
    case JUDGE_OBJECT: return operator_test(memory, node);
    case JUDGE_ARRAY: return NULL;
    }
    abort();
}

/* The alternatives of a leaf; NULL where there are none or one is wrong. */
static struct judge_test *leaf_tests(struct judge_memory *memory, const struct judge_node *list)
{
    struct judge_test *first = NULL;

    for (const struct judge_node *item = list->first; item != NULL; item = item->next) {
        struct judge_test *test = leaf_test(memory, item);
        if (test == NULL)
            return NULL;
        test->next = first;
        first = test;
    }
    return first;
}

/* ---- rules ---- */

struct expanding {
    struct judge_memory *memory;
    struct judge_rule *rules;
};

static bool expand_object(struct expanding *e, const struct judge_node *object, const struct judge_text *path,
                          bool in_or);

static void put(struct judge_memory *memory, struct judge_rule *rule, struct judge_text path, struct judge_test *tests)
{
    struct judge_field **field = &rule->fields;

    while (*field != NULL && !judge_text_is((*field)->path, path))
        field = &(*field)->next;
    if (*field == NULL)
        *field = judge_alloc(memory, sizeof **field);
    (*field)->path = path;
    (*field)->tests = tests;
}

static struct judge_rule *copy_rules(struct judge_memory *memory, const struct judge_rule *rules)
{
    struct judge_rule *out = NULL, **tail = &out;

    for (; rules != NULL; rules = rules->next) {
        *tail = judge_alloc(memory, sizeof **tail);
        for (const struct judge_field *field = rules->fields; field != NULL; field = field->next)
            put(memory, *tail, field->path, field->tests);
        tail = &(*tail)->next;
    }
    return out;
}

static size_t count_rules(const struct judge_rule *rules)
{
    size_t count = 0;

    for (; rules != NULL; rules = rules->next)
        count++;
    return count;
}

static bool expand_or(struct expanding *e, const struct judge_node *list, const struct judge_text *path)
{
    struct judge_rule *before = e->rules, *all = NULL, **tail = &all;

    if (list->type != JUDGE_ARRAY || list->first == NULL || list->first->next == NULL)
        return false;
    for (const struct judge_node *branch = list->first; branch != NULL; branch = branch->next) {
        e->rules = copy_rules(e->memory, before);
        if (branch->type != JUDGE_OBJECT || !expand_object(e, branch, path, true))
            return false;
        *tail = e->rules;
        if (count_rules(all) > JUDGE_COMBINATIONS)
            return false;
        while (*tail != NULL)
            tail = &(*tail)->next;
    }
    e->rules = all;
    return true;
}

/* Names that may not be fields right inside an $or: Ruler keeps them for itself. */
static bool is_reserved(struct judge_text name)
{
    static const char *const names[] = {"exactly",
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
                                        "ip-address-not-in-range"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (judge_text_says(name, names[i]))
            return true;
    }
    return false;
}

static bool expand_member(struct expanding *e, const struct judge_node *member, const struct judge_text *prefix,
                          bool in_or)
{
    struct judge_text path;
    struct judge_test *tests;

    if (judge_text_says(member->key, "$or"))
        return expand_or(e, member, prefix);
    if (in_or && is_reserved(member->key))
        return false;
    path = judge_join(e->memory, prefix, member->key);
    if (member->type == JUDGE_OBJECT)
        return expand_object(e, member, &path, false);
    if (member->type != JUDGE_ARRAY)
        return false;
    tests = leaf_tests(e->memory, member);
    for (struct judge_rule *rule = e->rules; rule != NULL && tests != NULL; rule = rule->next)
        put(e->memory, rule, path, tests);
    return tests != NULL;
}

static bool expand_object(struct expanding *e, const struct judge_node *object, const struct judge_text *path,
                          bool in_or)
{
    for (const struct judge_node *member = object->first; member != NULL; member = member->next) {
        if (!expand_member(e, member, path, in_or))
            return false;
    }
    return object->first != NULL;
}

/* ---- the order of paths ---- */

/* The path's UTF-16 units. */
static uint16_t *units_of(struct judge_memory *memory, struct judge_text path, size_t *count)
{
    uint16_t *units = judge_alloc(memory, sizeof *units * (path.size + 1));

    *count = 0;
    for (size_t at = 0; at < path.size;) {
        uint32_t code = judge_code_point(path, &at);
        if (code >= 0x10000) {
            units[(*count)++] = (uint16_t)(0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + ((code - 0x10000) & 0x3FF);
        }
        units[(*count)++] = (uint16_t)code;
    }
    return units;
}

static bool is_before(struct judge_memory *memory, struct judge_text a, struct judge_text b)
{
    size_t a_count, b_count, i = 0;
    const uint16_t *a_units = units_of(memory, a, &a_count), *b_units = units_of(memory, b, &b_count);

    while (i < a_count && i < b_count && a_units[i] == b_units[i])
        i++;
    if (i == a_count || i == b_count)
        return a_count < b_count;
    return a_units[i] < b_units[i];
}

static void sort_fields(struct judge_memory *memory, struct judge_rule *rule)
{
    struct judge_field *sorted = NULL, *next;

    for (struct judge_field *field = rule->fields; field != NULL; field = next) {
        struct judge_field **place = &sorted;
        next = field->next;
        while (*place != NULL && is_before(memory, (*place)->path, field->path))
            place = &(*place)->next;
        field->next = *place;
        *place = field;
    }
    rule->fields = sorted;
}

struct judge_rule *judge_pattern(struct judge_memory *memory, const char *text, size_t size)
{
    const struct judge_node *tree = judge_json(memory, text, size);
    struct expanding e = {memory, judge_alloc(memory, sizeof *e.rules)};

    if (tree == NULL || tree->type != JUDGE_OBJECT || !expand_object(&e, tree, NULL, false))
        return NULL;
    for (struct judge_rule *rule = e.rules; rule != NULL; rule = rule->next)
        sort_fields(memory, rule);
    return e.rules;
}
