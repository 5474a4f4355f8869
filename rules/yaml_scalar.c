/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a bare word of YAML is. YAML 1.1, YAML 1.2 and JSON disagree on some forty spellings (the Norway problem:
 * `no`; account ids that lose their leading zero; 1_000), and an event pattern is exact about types, so a word
 * that is read in two ways makes a rule that silently never matches. Weir takes JSON's spellings and refuses the
 * others with a message that says what to write.
 */
#include "rules/yaml.h"

#define ACCOUNT_DIGITS 12

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct str s, size_t at, bool underscores)
{
    while (at < s.size && (is_digit(s.ptr[at]) || (underscores && s.ptr[at] == '_')))
        at++;
    return at;
}

/* An exponent at `at`, if there is one: where it ends; `at` where there is none. */
static size_t skip_exponent(struct str s, size_t at)
{
    if (at >= s.size || (s.ptr[at] != 'e' && s.ptr[at] != 'E'))
        return at;
    size_t sign = at + 1 < s.size && (s.ptr[at + 1] == '+' || s.ptr[at + 1] == '-');
    size_t end = skip_digits(s, at + 1 + sign, false);
    return end == at + 1 + sign ? at : end;
}

/* RFC 8259's number, nothing more. */
static bool is_json_number(struct str s)
{
    size_t at = s.size && s.ptr[0] == '-';
    size_t whole = skip_digits(s, at, false);
    if (whole == at || (s.ptr[at] == '0' && whole > at + 1))
        return false;
    if (whole < s.size && s.ptr[whole] == '.') {
        size_t fraction = skip_digits(s, whole + 1, false);
        if (fraction == whole + 1)
            return false;
        whole = fraction;
    }
    return skip_exponent(s, whole) == s.size;
}

/* What YAML readers take for a decimal number: digits and underscores, with a point somewhere, or an exponent. */
static bool is_yaml_number(struct str s)
{
    size_t at = s.size && (s.ptr[0] == '-' || s.ptr[0] == '+');
    size_t whole = at < s.size && is_digit(s.ptr[at]) ? skip_digits(s, at, true) : at;
    size_t end = whole;
    if (whole < s.size && s.ptr[whole] == '.') {
        end = skip_digits(s, whole + 1, true);
        if (whole == at && end == whole + 1)
            return false;
    }
    return end > at && skip_exponent(s, end) == s.size;
}

static bool is_based_number(struct str s, char base, const char *digits)
{
    size_t at = s.size && (s.ptr[0] == '-' || s.ptr[0] == '+');
    if (s.size < at + 3 || s.ptr[at] != '0' || s.ptr[at + 1] != base)
        return false;
    for (at += 2; at < s.size; at++)
        if (!s.ptr[at] || !strchr(digits, s.ptr[at]))
            return false;
    return true;
}

/* `word` in one of YAML's three spellings of a lower-case `name`: name, Name, NAME. */
static bool is_spelling(struct str word, const char *name)
{
    if (word.size != strlen(name))
        return false;
    bool lower = true, upper = true;
    size_t initial = strcspn(name, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < word.size; i++) {
        bool same = word.ptr[i] == name[i], capital = word.ptr[i] == name[i] - ('a' - 'A') && name[i] >= 'a';
        if (!same && !capital)
            return false;
        lower &= same || i == initial;
        upper &= capital || name[i] < 'a';
    }
    return lower || upper;
}

static bool is_one_of(struct str word, const char *const *names)
{
    for (; *names; names++)
        if (is_spelling(word, *names))
            return true;
    return false;
}

static enum node_type word_fault(struct buf *why, struct str word, const char *reason)
{
    buf_printf(why, "bare '%.*s' %s, or quote it: \"%.*s\"", STR_ARG(word), reason, STR_ARG(word));
    return NODE_FAULT;
}

static enum node_type account_fault(struct buf *why, struct str word)
{
    buf_printf(why, "bare '%.*s' looks like an account id, which events carry as text; quote it: \"%.*s\"",
               STR_ARG(word), STR_ARG(word));
    if (word.ptr[0] != '0')
        buf_printf(why, " (the number is written %.*s.0)", STR_ARG(word));
    return NODE_FAULT;
}

/* Numbers to some YAML reader, but not to JSON. */
static enum node_type number_fault(struct buf *why, struct str word)
{
    if (memchr(word.ptr, '_', word.size))
        return word_fault(why, word, "has an underscore, which JSON's numbers do not; write the digits alone");
    if (word.ptr[0] == '+')
        return word_fault(why, word, "has a plus sign, which JSON's numbers do not; write it without");
    size_t at = word.ptr[0] == '-';
    if (word.ptr[at] == '0' && word.size > at + 1 && is_digit(word.ptr[at + 1]))
        return word_fault(why, word, "has a leading zero, and would lose it as a number; write it without");
    return word_fault(why, word, "lacks a digit beside its point; write one there");
}

enum node_type yaml_scalar_type(struct str word, struct buf *why)
{
    static const char *const truths[] = {"yes", "on", "y", "true", NULL};
    static const char *const lies[] = {"no", "off", "n", "false", NULL};
    static const char *const no_numbers[] = {".inf", "-.inf", "+.inf", ".nan", NULL};

    if (word.size == 0 || str_is(word, "null"))
        return NODE_NULL;
    if (str_is(word, "true"))
        return NODE_TRUE;
    if (str_is(word, "false"))
        return NODE_FALSE;
    if (is_one_of(word, truths))
        return word_fault(why, word, "is true to some YAML readers and text to others; write true");
    if (is_one_of(word, lies))
        return word_fault(why, word, "is false to some YAML readers and text to others; write false");
    if (str_is(word, "~") || is_spelling(word, "null"))
        return word_fault(why, word, "is null to YAML; write null");
    if (is_one_of(word, no_numbers))
        return word_fault(why, word, "is a number to YAML, and JSON has none such; write a finite number");
    if (word.size == ACCOUNT_DIGITS && skip_digits(word, 0, false) == word.size)
        return account_fault(why, word);
    if (is_json_number(word))
        return NODE_NUMBER;
    if (is_based_number(word, 'x', "0123456789abcdefABCDEF_"))
        return word_fault(why, word, "is a hexadecimal number to YAML, and JSON has none; write it in decimal");
    if (is_based_number(word, 'o', "01234567_"))
        return word_fault(why, word, "is an octal number to YAML, and JSON has none; write it in decimal");
    if (is_based_number(word, 'b', "01_"))
        return word_fault(why, word, "is a binary number to YAML, and JSON has none; write it in decimal");
    return is_yaml_number(word) ? number_fault(why, word) : NODE_TEXT;
}
