/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made-up patterns. A pattern walks along an event: it takes members of its objects, goes into elements of
 * its arrays, and where it comes to a scalar, asks for that scalar in one of the ways there are. Now and
 * then it asks for something else, takes another element for one member than for the next, names a key that
 * is not there, or puts an $or around things.
 */
#include "tests/matcher/generate.h"

#include <stdio.h>
#include <string.h>

const char *const generate_operator_names[GENERATE_OPERATORS] = {
    "string",
    "address",
    "number",
    "literal",
    "exactly",
    "prefix",
    "prefix/equals-ignore-case",
    "suffix",
    "suffix/equals-ignore-case",
    "equals-ignore-case",
    "wildcard",
    "regex",
    "numeric",
    "cidr",
    "exists: true",
    "exists: false",
    "anything-but string",
    "anything-but strings",
    "anything-but number",
    "anything-but numbers",
    "anything-but prefix",
    "anything-but prefixes",
    "anything-but suffix",
    "anything-but suffixes",
    "anything-but/equals-ignore-case",
    "anything-but/equals-ignore-case list",
    "anything-but wildcard",
    "anything-but wildcards",
    "$or",
};

static struct judge_text words(const char *text)
{
    return (struct judge_text){text, strlen(text)};
}

static struct judge_node *keyed(struct judge_text key, struct judge_node *node)
{
    node->key = key;
    return node;
}

/* {"name": operand} */
static struct judge_node *match_object(struct generator *g, const char *name, struct judge_node *operand)
{
    struct judge_node *object = generate_node(g, JUDGE_OBJECT);

    generate_append(object, keyed(words(name), operand));
    return object;
}

static struct judge_node *number_node(struct generator *g, struct judge_text text)
{
    struct judge_node *node = generate_node(g, JUDGE_NUMBER);

    node->text = text;
    return node;
}

/* ---- operands made from a string that they shall fit ---- */

/* Where the count-th character starts, or the end. */
static size_t character_at(struct judge_text text, size_t count)
{
    size_t at = 0;

    while (count-- > 0 && at < text.size)
        judge_code_point(text, &at);
    return at;
}

static struct judge_text head_of(struct generator *g, struct judge_text text)
{
    return (struct judge_text){text.at, character_at(text, generate_below(g, 8))};
}

static struct judge_text tail_of(struct generator *g, struct judge_text text)
{
    size_t skip = text.size == 0 ? 0 : character_at(text, generate_below(g, (uint32_t)text.size + 1));

    return (struct judge_text){text.at + skip, text.size - skip};
}

/* ASCII letters in the other case, here and there. */
static struct judge_text recased(struct generator *g, struct judge_text text)
{
    char *out = judge_alloc(g->memory, text.size + 1);

    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i], lower = (char)(c | 0x20);
        bool letter = (unsigned char)c < 0x80 && lower >= 'a' && lower <= 'z';
        out[i] = letter && generate_chance(g, 50) ? (char)(c ^ 0x20) : c;
    }
    return (struct judge_text){out, text.size};
}

/* The text with stars in place of some of it. */
static struct judge_text starred(struct generator *g, struct judge_text text)
{
    char *out = judge_alloc(g->memory, 3 * text.size + 2);
    size_t size = 0;
    bool star = false;
    uint32_t percent = 5 + generate_below(g, 40);

    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        judge_code_point(text, &at);
        if (!star && generate_chance(g, percent)) {
            out[size++] = '*';
            star = true;
            if (generate_chance(g, 30))
                at = start; /* the star stands for nothing */
            continue;
        }
        if (star && generate_chance(g, 40))
            continue; /* … and for one more */
        if (text.at[start] == '*' || text.at[start] == '\\')
            out[size++] = '\\';
        memcpy(out + size, text.at + start, at - start);
        size += at - start;
        star = false;
    }
    if (!star && generate_chance(g, 20))
        out[size++] = '*';
    return (struct judge_text){out, size};
}

static struct judge_text network_of(struct generator *g, struct judge_text text)
{
    static const char *const others[] = {"10.0.0.5/24",   "0.0.0.0/0", "::/0",       "192.168.0.0/16",
                                         "2001:db8::/32", "::1/127",   "10.0.0.0/31"};
    uint8_t address[16];
    unsigned size = judge_address(text, address);
    char *out;
    int printed;

    if (size == 0)
        return words(others[generate_below(g, sizeof others / sizeof others[0])]);
    out = judge_alloc(g->memory, text.size + 8);
    printed = snprintf(out, text.size + 8, "%.*s/%u", (int)text.size, text.at, (unsigned)generate_below(g, 8 * size));
    return (struct judge_text){out, (size_t)printed};
}

/* ---- one alternative ---- */

/* The string that an operand is made from: the scalar's own, or another. */
static struct judge_text string_for(struct generator *g, const struct judge_node *scalar, uint32_t percent_own)
{
    if (scalar != NULL && scalar->type == JUDGE_STRING && generate_chance(g, percent_own))
        return scalar->text;
    return generate_string(g);
}

static bool comparable(struct generator *g, struct judge_text number, double *out)
{
    return judge_number(g->memory, number, out);
}

static struct judge_text number_for(struct generator *g, const struct judge_node *scalar, uint32_t percent_own,
                                    bool must_compare)
{
    struct judge_text number;
    double value;

    do {
        if (scalar != NULL && scalar->type == JUDGE_NUMBER && generate_chance(g, percent_own))
            number = generate_respelled(g, scalar->text);
        else
            number = generate_number(g);
        percent_own = percent_own / 2; /* the own one may not be comparable at all */
    } while (must_compare && !comparable(g, number, &value));
    return number;
}

static struct judge_node *numeric(struct generator *g, const struct judge_node *scalar)
{
    static const char *const operators[] = {"=", "<", "<=", ">", ">="};
    struct judge_node *list = generate_node(g, JUDGE_ARRAY);
    uint32_t which = generate_below(g, 5);
    struct judge_text low = number_for(g, scalar, 60, true), high = number_for(g, scalar, 60, true);
    double low_value, high_value;

    generate_append(list, generate_string_node(g, words(operators[which])));
    comparable(g, low, &low_value);
    comparable(g, high, &high_value);
    generate_append(list, number_node(g, low));
    if (which >= 3 && low_value < high_value) {
        generate_append(list, generate_string_node(g, words(operators[1 + generate_below(g, 2)])));
        generate_append(list, number_node(g, high));
    }
    return match_object(g, "numeric", list);
}

/* The operand of one of anything-but's string forms. */
static struct judge_text excluded_text(struct generator *g, enum generate_operator op, const struct judge_node *scalar)
{
    struct judge_text text = string_for(g, scalar, 30);

    switch (op) {
    case GENERATE_BUT_PREFIX:
    case GENERATE_BUT_PREFIXES: text = head_of(g, text); return text.size > 0 ? text : words("a");
    case GENERATE_BUT_SUFFIX:
    case GENERATE_BUT_SUFFIXES: text = tail_of(g, text); return text.size > 0 ? text : words("b");
    case GENERATE_BUT_FOLD:
    case GENERATE_BUT_FOLDS: return recased(g, text);
    case GENERATE_BUT_WILDCARD:
    case GENERATE_BUT_WILDCARDS: return starred(g, text);
    default: return text;
    }
}

static struct judge_node *anything_but(struct generator *g, enum generate_operator op, const struct judge_node *scalar)
{
    static const char *const inner[] = {NULL,
                                        NULL,
                                        NULL,
                                        NULL,
                                        "prefix",
                                        "prefix",
                                        "suffix",
                                        "suffix",
                                        "equals-ignore-case",
                                        "equals-ignore-case",
                                        "wildcard",
                                        "wildcard"};
    const char *name = inner[op - GENERATE_BUT_STRING];
    bool list = (op - GENERATE_BUT_STRING) % 2 == 1;
    struct judge_node *operand = list ? generate_node(g, JUDGE_ARRAY) : NULL;

    for (uint32_t count = list ? 1 + generate_below(g, 3) : 1; count > 0; count--) {
        struct judge_node *one;
        if (op == GENERATE_BUT_NUMBER || op == GENERATE_BUT_NUMBERS)
            one = number_node(g, number_for(g, scalar, 40, true));
        else
            one = generate_string_node(g, excluded_text(g, op, scalar));
        if (list)
            generate_append(operand, one);
        else
            operand = one;
    }
    return match_object(g, "anything-but", name == NULL ? operand : match_object(g, name, operand));
}

static struct judge_node *plain_address(struct generator *g, const struct judge_node *scalar)
{
    static const char *const same[][3] = {{"10.0.0.1", "010.0.0.01", "10.00.000.1"},
                                          {"::1", "0:0:0:0:0:0:0:1", "0::0001"},
                                          {"2001:db8::5", "2001:DB8:0::0:5", "2001:0db8:0:0:0:0:0:5"}};
    const char *const *row = same[generate_below(g, 3)];

    for (size_t i = 0; scalar != NULL && scalar->type == JUDGE_STRING && i < 9; i++) {
        if (judge_text_says(scalar->text, same[i / 3][i % 3]))
            row = same[i / 3];
    }
    return generate_string_node(g, words(row[generate_below(g, 3)]));
}

/* An operator that can be true of the scalar, or any. */
static enum generate_operator fitting_operator(struct generator *g, const struct judge_node *scalar)
{
    uint8_t address[16];

    if (scalar == NULL || generate_chance(g, 12))
        return (enum generate_operator)generate_below(g, GENERATE_OR);
    if (generate_chance(g, 30))
        return (enum generate_operator)(GENERATE_EXISTS + generate_below(g, GENERATE_OR - GENERATE_EXISTS));
    if (scalar->type == JUDGE_NUMBER)
        return generate_chance(g, 50) ? GENERATE_NUMBER : GENERATE_NUMERIC;
    if (scalar->type != JUDGE_STRING)
        return GENERATE_LITERAL;
    if (judge_address(scalar->text, address) != 0 && generate_chance(g, 60))
        return generate_chance(g, 50) ? GENERATE_ADDRESS : GENERATE_CIDR;
    if (generate_chance(g, 15))
        return GENERATE_STRING;
    return (enum generate_operator)(GENERATE_EXACTLY + generate_below(g, GENERATE_REGEX - GENERATE_EXACTLY + 1));
}

static struct judge_node *string_operator(struct generator *g, const char *name, struct judge_text operand, bool folded)
{
    struct judge_node *node = generate_string_node(g, folded ? recased(g, operand) : operand);

    return match_object(g, name, folded ? match_object(g, "equals-ignore-case", node) : node);
}

static struct judge_node *alternative(struct generator *g, const struct judge_node *scalar)
{
    enum generate_operator op = fitting_operator(g, scalar);
    struct judge_text text = string_for(g, scalar, 90);
    struct judge_node *literal;

    if (op == GENERATE_REGEX && !g->extended)
        op = GENERATE_WILDCARD;
    g->operators |= 1u << op;
    switch (op) {
    case GENERATE_STRING: return generate_string_node(g, text);
    case GENERATE_ADDRESS: return plain_address(g, scalar);
    case GENERATE_NUMBER: return number_node(g, number_for(g, scalar, 90, false));
    case GENERATE_LITERAL:
        literal = generate_node(g, (enum judge_type)(JUDGE_NULL + generate_below(g, 3)));
        if (scalar != NULL && scalar->type <= JUDGE_TRUE && generate_chance(g, 80))
            literal->type = scalar->type;
        return literal;
    case GENERATE_EXACTLY: return string_operator(g, "exactly", text, false);
    case GENERATE_PREFIX: return string_operator(g, "prefix", head_of(g, text), false);
    case GENERATE_PREFIX_FOLD: return string_operator(g, "prefix", head_of(g, text), true);
    case GENERATE_SUFFIX: return string_operator(g, "suffix", tail_of(g, text), false);
    case GENERATE_SUFFIX_FOLD: return string_operator(g, "suffix", tail_of(g, text), true);
    case GENERATE_FOLD: return string_operator(g, "equals-ignore-case", recased(g, text), false);
    case GENERATE_WILDCARD: return string_operator(g, "wildcard", starred(g, text), false);
    case GENERATE_REGEX: return string_operator(g, "regex", generate_regex(g, text), false);
    case GENERATE_NUMERIC: return numeric(g, scalar);
    case GENERATE_CIDR: return string_operator(g, "cidr", network_of(g, text), false);
    case GENERATE_EXISTS: return match_object(g, "exists", generate_node(g, JUDGE_TRUE));
    case GENERATE_ABSENT: return match_object(g, "exists", generate_node(g, JUDGE_FALSE));
    default: return anything_but(g, op, scalar);
    }
}

/* ---- along the event ---- */

/* Into arrays, down to what is none; NULL where one is empty. */
static const struct judge_node *element_of(struct generator *g, const struct judge_node *node)
{
    while (node != NULL && node->type == JUDGE_ARRAY)
        node = generate_any_child(g, node);
    return node;
}

static struct judge_node *leaf(struct generator *g, const struct judge_node *value)
{
    struct judge_node *list = generate_node(g, JUDGE_ARRAY);
    uint32_t count = generate_chance(g, 70) ? 1 : 2 + generate_below(g, 2);

    for (; count > 0; count--) {
        const struct judge_node *scalar = element_of(g, value);
        if (scalar != NULL && scalar->type == JUDGE_OBJECT)
            scalar = NULL;
        generate_append(list, alternative(g, scalar));
    }
    return list;
}

static struct judge_node *pattern_object(struct generator *g, const struct judge_node *value, int depth);

/* {"a": {"b": …}} as {"a.b": …}, unless an $or is in the way. */
static bool put_dotted(struct generator *g, struct judge_node *out, struct judge_text key, struct judge_node *inner)
{
    struct judge_node *next;

    for (const struct judge_node *member = inner->first; member != NULL; member = member->next) {
        if (judge_text_says(member->key, "$or"))
            return false;
    }
    for (struct judge_node *member = inner->first; member != NULL; member = next) {
        next = member->next;
        generate_append(out, keyed(judge_join(g->memory, &key, member->key), member));
    }
    return true;
}

static void put_member(struct generator *g, struct judge_node *out, const struct judge_node *object, int depth)
{
    const struct judge_node *member = object != NULL ? generate_any_child(g, object) : NULL;
    struct judge_text key;
    const struct judge_node *below;
    struct judge_node *inner;

    if (generate_chance(g, 8))
        member = NULL;
    key = member != NULL ? member->key : generate_key(g);
    below = element_of(g, member);
    if (depth > 5 || !(below != NULL ? below->type == JUDGE_OBJECT && below->first != NULL : generate_chance(g, 10))) {
        generate_append(out, keyed(key, leaf(g, member)));
        return;
    }
    inner = pattern_object(g, member, depth + 1);
    if (!generate_chance(g, 15) || !put_dotted(g, out, key, inner))
        generate_append(out, keyed(key, inner));
}

static struct judge_node *or_list(struct generator *g, const struct judge_node *object, int depth)
{
    struct judge_node *list = generate_node(g, JUDGE_ARRAY);

    g->operators |= 1u << GENERATE_OR;
    for (uint32_t count = 2 + generate_below(g, 2); count > 0; count--)
        generate_append(list, pattern_object(g, object, depth + 2));
    return list;
}

/* value: an object, or an array with objects in it, or nothing to go by. */
static struct judge_node *pattern_object(struct generator *g, const struct judge_node *value, int depth)
{
    struct judge_node *out = generate_node(g, JUDGE_OBJECT);
    const struct judge_node *object = NULL;
    uint32_t dice = generate_below(g, 100), count = dice < 60 ? 1 : dice < 90 ? 2 : 3;

    for (uint32_t i = 0; i < count; i++) {
        if (object == NULL || generate_chance(g, 15))
            object = element_of(g, value);
        if (object != NULL && object->type != JUDGE_OBJECT)
            object = NULL;
        if (generate_chance(g, depth < 4 ? 7 : 2))
            generate_append(out, keyed(words("$or"), or_list(g, object, depth)));
        else
            put_member(g, out, object, depth);
    }
    return out;
}

/* "prefix" and its like may not be fields right inside $or. The elements of a leaf are operators, so no fields. */
static void rename_reserved(struct judge_node *node, bool in_or)
{
    for (struct judge_node *child = node->first; child != NULL; child = child->next) {
        bool is_or = node->type == JUDGE_OBJECT && judge_text_says(child->key, "$or");
        if (in_or && node->type == JUDGE_OBJECT && judge_text_says(child->key, "prefix"))
            child->key = words("prefixed");
        if (child->type == JUDGE_OBJECT || is_or)
            rename_reserved(child, is_or || (in_or && node->type == JUDGE_ARRAY));
    }
}

struct judge_node *generate_pattern(struct generator *g, const struct judge_node *event)
{
    struct judge_node *pattern;

    g->operators = 0;
    pattern = pattern_object(g, event, 0);
    rename_reserved(pattern, false);
    return pattern;
}

/* ---- damage ---- */

static size_t node_count(const struct judge_node *node)
{
    size_t count = 1;

    for (const struct judge_node *child = node->first; child != NULL; child = child->next)
        count += node_count(child);
    return count;
}

/* The node with so many before it, in document order. */
static struct judge_node *nth_node(struct judge_node *node, size_t *before)
{
    if ((*before)-- == 0)
        return node;
    for (struct judge_node *child = node->first; child != NULL; child = child->next) {
        struct judge_node *found = nth_node(child, before);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static struct judge_node *any_node(struct generator *g, struct judge_node *tree)
{
    size_t before = generate_below(g, (uint32_t)node_count(tree));

    return nth_node(tree, &before);
}

void generate_damage(struct generator *g, struct judge_node *pattern)
{
    static const char *const names[] = {
        "prefix", "suffix", "wildcard",           "numeric", "cidr", "exists", "anything-but", "exactly", "$or", "a",
        "",       "EXISTS", "equals-ignore-case", "regex"};
    static const char *const operands[] = {"a**b",     "a\\",     "\\n",    "",          "10.0.0.0/32", "10.0.0.0/8/",
                                           "10.0.0/8", "::/128",  "::1/-1", ">",         "<",           "=",
                                           "<=",       "\\\\\\*", "*\\**",  "1::2::3/8", "/8",          "10.0.0.0/",
                                           "(a",       "[a",      "a{2",    "\\C",       "(?C1)"};
    struct judge_node *node = any_node(g, pattern);

    switch (generate_below(g, 6)) {
    case 0:
        node->type = (enum judge_type)(JUDGE_NULL + generate_below(g, 3));
        node->first = NULL;
        return;
    case 1:
        node->type = generate_chance(g, 50) ? JUDGE_ARRAY : JUDGE_OBJECT;
        if (generate_chance(g, 50))
            node->first = NULL;
        return;
    case 2:
        node->type = JUDGE_STRING;
        node->text = generate_chance(g, 70) ? words(operands[generate_below(g, sizeof operands / sizeof operands[0])])
                                            : generate_string(g);
        node->first = NULL;
        return;
    case 3:
        node->type = JUDGE_NUMBER;
        node->text = generate_number(g);
        node->first = NULL;
        return;
    case 4: node->key = words(names[generate_below(g, sizeof names / sizeof names[0] - !g->extended)]); return;
    default:
        if (node->type == JUDGE_ARRAY || node->type == JUDGE_OBJECT)
            generate_append(node, generate_copy(g, any_node(g, pattern)));
        return;
    }
}
