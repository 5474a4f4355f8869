/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numeric: [op, number], or [lower op, number, upper op, number]. The literals are looked at when the whole array
 * was read, as AWS does: a number that cannot be compared is reported behind the closing bracket.
 */
#include "matcher/pattern_int.h"

#include <assert.h>

#include "matcher/number.h"

#define TOO_MANY "Too many elements in numeric expression"

struct bound {
    struct str op; /* "=" and the four inequalities */
    struct str literal;
};

static bool is_upper(struct str op)
{
    return str_is(op, "<") || str_is(op, "<=");
}
static bool is_lower(struct str op)
{
    return str_is(op, ">") || str_is(op, ">=");
}

static bool parse_first(struct parser *p, struct bound *first)
{
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "Invalid member in numeric match: %.*s", STR_ARG(parser_token_text(p)));
    first->op = parser_text(p);
    bool equals = str_is(first->op, "="), number = parser_next(p) == JSON_NUMBER;
    if (!equals && !is_upper(first->op) && !is_lower(first->op))
        return parser_fail(p, "Unrecognized numeric range operator: %.*s", STR_ARG(first->op));
    if (!number && equals)
        return parser_fail(p, "Value of equals must be numeric");
    if (!number)
        return parser_fail(p, "Value of %.*s must be numeric", STR_ARG(first->op));
    first->literal = parser_text(p);
    return true;
}

/* The present token is the first behind the lower bound. */
static bool parse_second(struct parser *p, struct bound *second)
{
    if (p->token.type != JSON_STRING)
        return parser_fail(p, "Bad value in numeric range: %.*s", STR_ARG(parser_token_text(p)));
    second->op = parser_text(p);
    if (!is_upper(second->op))
        return parser_fail(p, "Bad numeric range operator: %.*s", STR_ARG(second->op));
    if (parser_next(p) != JSON_NUMBER)
        return parser_fail(p, "Value of %.*s must be numeric", STR_ARG(second->op));
    second->literal = parser_text(p);
    return parser_next(p) == JSON_ARRAY_END || parser_fail(p, "Too many terms in numeric range expression");
}

static bool set_bound(struct parser *p, struct pattern_atom *atom, const struct bound *bound)
{
    double value;
    if (!number_parse(bound->literal, &value))
        return parser_fail(p, "Cannot compare number : %.*s", STR_ARG(bound->literal));
    bool equals = str_is(bound->op, "="), open = bound->op.size == 1 && !equals;
    if (equals || is_lower(bound->op)) {
        atom->has_low = true;
        atom->low_open = open;
        atom->low = value;
    }
    if (equals || is_upper(bound->op)) {
        atom->has_high = true;
        atom->high_open = open;
        atom->high = value;
    }
    return true;
}

bool operator_parse_numeric(struct parser *p, struct pattern_atom *atom)
{
    struct bound first, second;
    atom->op = PATTERN_RANGE;
    if (parser_next(p) != JSON_ARRAY)
        return parser_fail(p, "Value of numeric must be an array.");
    if (!parse_first(p, &first))
        return false;
    bool two = parser_next(p) != JSON_ARRAY_END;
    if (two && !is_lower(first.op))
        return parser_fail(p, TOO_MANY);
    if (two && !parse_second(p, &second))
        return false;
    if (!set_bound(p, atom, &first) || (two && !set_bound(p, atom, &second)))
        return false;
    if (two && atom->low >= atom->high)
        return parser_fail(p, "Bottom must be less than top");
    return operator_end(p, TOO_MANY);
}
