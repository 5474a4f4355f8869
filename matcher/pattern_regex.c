/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex, the first operator that AWS does not have. The expression is compiled here once, to say what is wrong with it
 * and where; the compiled set makes its own.
 */
#include "matcher/pattern_int.h"

#include "matcher/regex.h"
#include "matcher/utf8.h"

/* How many characters, and how many UTF-16 units, come before a byte of the text. */
static void count_before(struct str text, size_t at, int *characters, int *units)
{
    *characters = *units = 0;
    for (size_t i = 0; i < at && i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        *characters += (c & 0xC0) != 0x80;
        *units += ((c & 0xC0) != 0x80) + (c >= 0xF0);
    }
}

/* The diagnosis goes to the byte in the string where that is written as it is, quoted and without escapes; else to the
 * string. */
static void point_at(struct parser *p, struct str text, size_t at)
{
    int characters, size, before;
    count_before(text, text.size, &characters, &size);
    count_before(text, at, &characters, &before);
    bool as_it_is = p->token.read_column == p->token.stop_column + size + 1;
    p->diag->line = p->token.line;
    p->diag->column = as_it_is ? p->token.stop_column + before : p->token.column;
}

static bool fail_regex(struct parser *p, enum weir_code code, struct str text, const char *reason, size_t at)
{
    int before, units, last;
    if (code == WEIR_E_MEMORY)
        return parser_fail_memory(p);
    /* PCRE2 tells how far it had read: the fault is the next character, or the last one. */
    count_before(text, text.size, &last, &units);
    count_before(text, at, &before, &units);
    int character = before < last ? before + 1 : last;
    if (code == WEIR_E_LIMIT)
        parser_fail_limit(p, "bad regex: %s", reason);
    else if (last)
        parser_fail_bare(p, "bad regex: %s at character %d", reason, character);
    else
        parser_fail_bare(p, "bad regex: %s", reason);
    point_at(p, text, at < text.size ? at : text.size - (text.size > 0));
    return false;
}

bool operator_parse_regex(struct parser *p, struct pattern_atom *atom)
{
    char reason[256];
    size_t at;
    if (parser_next(p) != JSON_STRING)
        return parser_fail(p, "regex match pattern must be a string");
    atom->op = PATTERN_REGEX;
    atom->text = parser_text(p);
    enum weir_code code = regex_check(atom->text, reason, sizeof(reason), &at);
    if (code != WEIR_OK)
        return fail_regex(p, code, atom->text, reason, at);
    return operator_end(p, "Only one key allowed in match expression");
}

const struct pattern_atom *pattern_extension(const struct pattern *pattern)
{
    for (uint32_t i = 0; i < pattern->conjunction_count; i++)
        for (uint32_t k = 0; k < pattern->conjunctions[i].leaf_count; k++) {
            const struct pattern_leaf *leaf = pattern->conjunctions[i].leaves[k];
            for (uint32_t n = 0; n < leaf->atom_count; n++)
                if (leaf->atoms[n].op == PATTERN_REGEX)
                    return &leaf->atoms[n];
        }
    return NULL;
}
