/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anything-but: one value or a list, plain (strings or numbers) or under one of four string operators. The kinds
 * differ only in what a member may be, so a member function each, and one walk.
 *
 * AWS words the place of a fault inside the list twice; the parser does so while in_list is set.
 */
#include "matcher/pattern_int.h"

#include "matcher/number.h"

#define TOO_MANY "Too many elements in numeric expression" /* AWS's wording here too */

static bool add_plain(struct parser *p, struct pattern_atom *member)
{
    if (p->token.type == JSON_STRING) {
        member->op = PATTERN_STRING;
        member->text = parser_text(p);
        return true;
    }
    if (p->token.type != JSON_NUMBER)
        return parser_fail(p, "Inside anything but list, start|null|boolean is not supported.");
    member->op = PATTERN_NUMBER;
    member->text = parser_text(p);
    member->comparable = number_parse(member->text, &member->number);
    if (member->comparable)
        return true;
    bool in_list = p->in_list;
    p->in_list = false; /* worded once in a list, without place outside */
    return in_list ? parser_fail(p, "Cannot compare number : %.*s", STR_ARG(member->text))
                   : parser_fail_bare(p, "Cannot compare number : %.*s", STR_ARG(member->text));
}

static bool add_affix(struct parser *p, struct pattern_atom *member)
{
    if (p->token.type != JSON_STRING)
        return parser_fail(p, "prefix/suffix match pattern must be a string");
    member->text = parser_text(p);
    return member->text.size || parser_fail(p, "Null prefix/suffix not allowed");
}

static bool add_equals_ignore_case(struct parser *p, struct pattern_atom *member)
{
    if (p->token.type != JSON_STRING)
        return parser_fail(p,
                           "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.");
    member->text = parser_text(p);
    return true;
}

static bool add_wildcard(struct parser *p, struct pattern_atom *member)
{
    if (p->token.type != JSON_STRING)
        return parser_fail(p, "wildcard match pattern must be a string");
    member->text = parser_text(p);
    return operator_check_wildcard(p, member->text);
}

struct kind {
    const char *name; /* NULL: plain */
    enum pattern_op op;
    bool (*add)(struct parser *p, struct pattern_atom *member);
};

static const struct kind plain = {NULL, PATTERN_STRING, add_plain};
static const struct kind kinds[] = {
    {"prefix", PATTERN_PREFIX, add_affix},
    {"suffix", PATTERN_SUFFIX, add_affix},
    {"equals-ignore-case", PATTERN_EQUALS_FOLD, add_equals_ignore_case},
    {"wildcard", PATTERN_WILDCARD, add_wildcard},
};

/* The present token is the inner object's brace. NULL: failed. */
static const struct kind *parse_kind(struct parser *p)
{
    if (parser_next(p) != JSON_KEY) {
        parser_fail(p, "Anything-But expression name not found");
        return NULL;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (str_is(p->token.text, kinds[i].name))
            return &kinds[i];
    parser_fail(p, "Unsupported anything-but pattern: %.*s", STR_ARG(p->token.text));
    return NULL;
}

static bool add_member(struct parser *p, const struct kind *kind, struct atoms *members)
{
    struct pattern_atom *member = atoms_add(p, members);
    if (!member)
        return false;
    member->op = kind->op;
    return kind->add(p, member);
}

static bool parse_list(struct parser *p, const struct kind *kind, struct atoms *members)
{
    uint32_t numbers = 0;
    p->in_list = true;
    while (parser_next(p) != JSON_ARRAY_END) {
        numbers += p->token.type == JSON_NUMBER;
        if (!add_member(p, kind, members))
            return false;
    }
    p->in_list = false;
    if (kind == &plain && (!members->count || (numbers && numbers < members->count)))
        return parser_fail(
            p, "Inside anything but list, either all values are number or string, mixed type is not supported");
    if (!members->count) /* event-ruler takes this and breaks when it matches */
        return parser_fail(p, "Empty arrays are not allowed");
    return true;
}

bool operator_parse_anything_but(struct parser *p, struct pattern_atom *atom)
{
    const struct kind *kind = &plain;
    struct atoms members = {0};
    atom->op = PATTERN_ANYTHING_BUT;
    if (parser_next(p) == JSON_OBJECT) {
        kind = parse_kind(p);
        if (!kind)
            return false;
        parser_next(p);
    }
    if (p->token.type != JSON_ARRAY && p->token.type != JSON_STRING && p->token.type != JSON_NUMBER)
        return parser_fail(p, "Value of anything-but must be an array or single string/number value.");
    if (!(p->token.type == JSON_ARRAY ? parse_list(p, kind, &members) : add_member(p, kind, &members)))
        return false;
    atom->excluded = members.list;
    atom->excluded_count = members.count;
    if (kind != &plain && !operator_end(p, TOO_MANY))
        return false;
    return operator_end(p, TOO_MANY);
}
