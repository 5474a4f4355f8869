/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators of event patterns: one table, and the parse functions of the simple ones (numeric and anything-but
 * have files of their own, and so has regex). A new operator is a row and a function.
 *
 * Every function is entered with the operator's name as the present token and reads up to the match object's closing
 * brace. Which token is current when a check fails decides the column that AWS names, so the order of reading and
 * checking is AWS's.
 */
#include "matcher/pattern_int.h"

#include "matcher/address.h"

#define ONE_KEY "Only one key allowed in match expression"

bool operator_end(struct parser *p, const char *else_reason)
{
    return parser_next(p) == JSON_OBJECT_END || parser_fail(p, "%s", else_reason);
}

/* ---- strings ---- */

static bool parse_exactly(struct parser *p, struct pattern_atom *atom)
{
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "exact match pattern must be a string");
    atom_set_string(atom, parser_text(p));
    return operator_end(p, ONE_KEY);
}

static bool parse_equals_ignore_case(struct parser *p, struct pattern_atom *atom)
{
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "equals-ignore-case match pattern must be a string");
    atom->op = PATTERN_EQUALS_FOLD;
    atom->text = parser_text(p);
    return operator_end(p, ONE_KEY);
}

struct affix {
    const char *name, *title;
    enum pattern_op op, fold_op;
};

static bool parse_affix(struct parser *p, struct pattern_atom *atom, const struct affix *affix)
{
    if (parser_next(p) == JSON_OBJECT) {
        if (parser_next(p) != JSON_KEY)
            return parser_fail(p, "%s expression name not found", affix->title);
        if (!str_is(p->token.text, "equals-ignore-case"))
            return parser_fail(p, "Unsupported %s pattern: %.*s", affix->name, STR_ARG(p->token.text));
        if (!parse_equals_ignore_case(p, atom))
            return false;
        atom->op = affix->fold_op;
    } else {
        if (p->token.type != JSON_STRING)
            return parser_fail(p, "%s match pattern must be a string", affix->name);
        atom->op = affix->op;
        atom->text = parser_text(p);
    }
    return operator_end(p, ONE_KEY);
}

static bool parse_prefix(struct parser *p, struct pattern_atom *atom)
{
    static const struct affix prefix = {"prefix", "Prefix", PATTERN_PREFIX, PATTERN_PREFIX_FOLD};
    return parse_affix(p, atom, &prefix);
}

static bool parse_suffix(struct parser *p, struct pattern_atom *atom)
{
    static const struct affix suffix = {"suffix", "Suffix", PATTERN_SUFFIX, PATTERN_SUFFIX_FOLD};
    return parse_affix(p, atom, &suffix);
}

/* AWS counts bytes of the value with its opening quote, from 0. */
bool operator_check_wildcard(struct parser *p, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        char next = i + 1 < text.size ? text.ptr[i + 1] : '"';
        if (text.ptr[i] == '*' && next == '*')
            return parser_fail(p, "Consecutive wildcard characters at pos %zu", i + 1);
        if (text.ptr[i] != '\\')
            continue;
        if (next != '*' && next != '\\')
            return parser_fail(p, "Invalid escape character at pos %zu", i + 1);
        i++;
    }
    return true;
}

static bool parse_wildcard(struct parser *p, struct pattern_atom *atom)
{
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "wildcard match pattern must be a string");
    atom->op = PATTERN_WILDCARD;
    atom->text = parser_text(p);
    return operator_check_wildcard(p, atom->text) && operator_end(p, ONE_KEY);
}

/* ---- presence ---- */

static bool parse_exists(struct parser *p, struct pattern_atom *atom)
{
    parser_next(p);
    if (p->token.type != JSON_TRUE && p->token.type != JSON_FALSE)
        return parser_fail(p, "exists match pattern must be either true or false.");
    atom->op = p->token.type == JSON_TRUE ? PATTERN_EXISTS : PATTERN_ABSENT;
    return operator_end(p, ONE_KEY);
}

/* ---- addresses ---- */

/* As Java reads an int: a sign may stand before the digits, zeros may lead, 32 bits must do. */
static bool parse_mask_bits(struct str text, long *bits)
{
    size_t i = text.size && (text.ptr[0] == '+' || text.ptr[0] == '-');
    long value = 0;
    if (i == text.size)
        return false;
    for (; i < text.size; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
        if (value > INT32_MAX)
            return false;
    }
    *bits = text.ptr[0] == '-' ? -value : value;
    return true;
}

/* Is it written like an address, even if it is none? AWS words the two faults differently. */
static bool looks_like_address(struct str text)
{
    static const char v4[] = "0123456789.", v6[] = "0123456789abcdefABCDEF:";
    size_t dots = 0, colons = 0;
    char before = '.';
    bool all_v4 = true, all_v6 = true;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i];
        all_v4 = all_v4 && c && strchr(v4, c) && (c != '.' || before != '.');
        all_v6 = all_v6 && c && strchr(v6, c);
        dots += c == '.';
        colons += c == ':';
        before = c;
    }
    return (all_v4 && dots == 3 && before != '.') || (all_v6 && colons);
}

static bool parse_cidr_text(struct parser *p, struct pattern_atom *atom, struct str text)
{
    const char *slash = text.size ? memchr(text.ptr, '/', text.size) : NULL;
    const char *end = slash ? text.ptr + text.size : NULL; /* of a faulty string there is no text */
    if (!slash || slash + 1 == end || memchr(slash + 1, '/', (size_t)(end - slash - 1)))
        return parser_fail_bare(p, "Malformed CIDR, one '/' required");
    struct str address = {text.ptr, (size_t)(slash - text.ptr)}, mask = {slash + 1, (size_t)(end - slash - 1)};
    long bits;
    if (!parse_mask_bits(mask, &bits))
        return parser_fail_bare(p, "Malformed CIDR, mask bits must be an integer");
    if (bits < 0)
        return parser_fail_bare(p, "Malformed CIDR, mask bits must not be negative");
    unsigned size = address_parse(address, atom->address);
    if (!size)
        return parser_fail_bare(p, "%s IP address: %.*s", looks_like_address(address) ? "Invalid" : "Nonstandard",
                                STR_ARG(address));
    if (bits >= (long)size * 8)
        return parser_fail_bare(p, "IPv%d mask bits must be < %u", size == 4 ? 4 : 6, size * 8);
    atom->address_size = (uint8_t)size;
    atom->address_bits = (uint8_t)bits;
    return true;
}

static bool parse_cidr(struct parser *p, struct pattern_atom *atom)
{
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "prefix match pattern must be a string"); /* AWS's own slip */
    atom->op = PATTERN_CIDR;
    atom->text = parser_text(p);
    return parse_cidr_text(p, atom, atom->text) && operator_end(p, ONE_KEY);
}

/* ---- the table ---- */

/* name, parse function, kind of operand, operand in words, meaning */
#define OPERATORS(ROW)                                                                                                 \
    ROW("exactly", parse_exactly, OPERAND_TEXT, "string", "the value is this string")                                  \
    ROW("prefix", parse_prefix, OPERAND_AFFIX, "string, or {\"equals-ignore-case\": string}",                          \
        "the value starts with it")                                                                                    \
    ROW("suffix", parse_suffix, OPERAND_AFFIX, "string, or {\"equals-ignore-case\": string}",                          \
        "the value ends with it")                                                                                      \
    ROW("equals-ignore-case", parse_equals_ignore_case, OPERAND_TEXT, "string",                                        \
        "the value is this string but for case")                                                                       \
    ROW("wildcard", parse_wildcard, OPERAND_TEXT, "string; * is any run of characters, \\* and \\\\ are themselves",   \
        "the whole value has this form")                                                                               \
    ROW("anything-but", operator_parse_anything_but, OPERAND_ANYTHING_BUT,                                             \
        "string, number, list of either, or {\"prefix\"|\"suffix\"|\"equals-ignore-case\"|\"wildcard\": string or "    \
        "list}",                                                                                                       \
        "there is a value, and it is none of these")                                                                   \
    ROW("numeric", operator_parse_numeric, OPERAND_NUMERIC, "[op, number] or [> or >=, number, < or <=, number]",      \
        "the value is a number in this range")                                                                         \
    ROW("exists", parse_exists, OPERAND_FLAG, "true or false", "there is, or is not, a value")                         \
    ROW("cidr", parse_cidr, OPERAND_CIDR, "address/bits", "the value is an IP address in this block")

/* AWS refuses these. */
#define EXTENSIONS(ROW)                                                                                                \
    ROW("regex", operator_parse_regex, OPERAND_TEXT, "regular expression (PCRE2)",                                     \
        "the expression matches somewhere in the value; AWS does not have this operator")

#define INFO_ROW(name, parse, kind, operand, meaning)      {name, kind, operand, meaning, PATTERN_AWS},
#define EXTENSION_ROW(name, parse, kind, operand, meaning) {name, kind, operand, meaning, PATTERN_EXTENDED},
#define PARSE_ROW(name, parse, kind, operand, meaning)     parse,

const struct pattern_operator pattern_operators[] = {OPERATORS(INFO_ROW) EXTENSIONS(EXTENSION_ROW)};
static bool (*const parse_functions[])(struct parser *,
                                       struct pattern_atom *) = {OPERATORS(PARSE_ROW) EXTENSIONS(PARSE_ROW)};
const size_t pattern_operator_count = sizeof(pattern_operators) / sizeof(pattern_operators[0]);

bool operator_parse(struct parser *p, struct pattern_atom *atom)
{
    if (parser_next(p) != JSON_KEY)
        return parser_fail(p, "Match expression name not found");
    for (size_t i = 0; i < pattern_operator_count; i++)
        if (str_is(p->token.text, pattern_operators[i].name) && pattern_operators[i].language <= p->source->language)
            return parse_functions[i](p, atom);
    return parser_fail(p, "Unrecognized match type %.*s", STR_ARG(p->token.text));
}
