/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the judge knows of single values: numbers as decimal digit strings, addresses, wildcards. Each is
 * the definition written down, with no thought for speed.
 */
#include "tests/matcher/judge_int.h"

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

/* digits * 10^exponent; digits have no zero at either end; none: zero, which has neither sign nor exponent. */
struct decimal {
    bool negative;
    struct judge_text digits;
    long long exponent;
};

static struct decimal decimal_of(struct judge_memory *memory, struct judge_text literal)
{
    char *digits = judge_alloc(memory, literal.size + 1);
    struct decimal out = {.negative = literal.at[0] == '-'};
    bool fraction = false;
    size_t count = 0, i, start = 0;

    for (i = out.negative ? 1 : 0; i < literal.size; i++) {
        char c = literal.at[i];
        if (c == '.') {
            fraction = true;
        } else if (c == 'e' || c == 'E') {
            break;
        } else {
            digits[count++] = c;
            out.exponent -= fraction;
        }
    }
    if (i < literal.size) {
        /* strtoll saturates, and no text is long enough to bring such an exponent back. */
        char *tail = judge_alloc(memory, literal.size - i);
        memcpy(tail, literal.at + i + 1, literal.size - i - 1);
        long long written = strtoll(tail, NULL, 10);
        long long bound = 1000000000000;
        out.exponent += written > bound ? bound : written < -bound ? -bound : written;
    }
    for (; count > 0 && digits[count - 1] == '0'; count--)
        out.exponent++;
    while (start < count && digits[start] == '0')
        start++;
    out.digits = (struct judge_text){digits + start, count - start};
    if (out.digits.size == 0)
        out = (struct decimal){.negative = false};
    return out;
}

static bool decimal_same(struct decimal a, struct decimal b)
{
    return a.negative == b.negative && a.exponent == b.exponent && judge_text_is(a.digits, b.digits);
}

/*
 * The decimal of so many digits behind the first that strtod takes for value, if there is one. It is one of
 * value's two neighbours among such decimals: most often the nearer, but below a power of two doubles lie
 * closer than above, and 5.9604644775390625e-08 is reached from its farther neighbour ...063e-08.
 */
static bool decimal_with(double value, int precision, char out[40])
{
    static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD};

    for (int i = 0; i < 3; i++) {
        fesetround(directions[i]);
        snprintf(out, 40, "%.*e", precision, value);
        fesetround(FE_TONEAREST);
        if (strtod(out, NULL) == value)
            return true;
    }
    return false;
}

bool judge_number(struct judge_memory *memory, struct judge_text literal, double *out)
{
    char *copy = judge_alloc(memory, literal.size + 1);
    char shortest[40];
    double value;
    int precision = 0;

    memcpy(copy, literal.at, literal.size);
    value = strtod(copy, NULL);
    if (!isfinite(value))
        return false;
    while (!decimal_with(value, precision, shortest))
        precision++; /* 17 digits always do */
    *out = value == 0 ? 0 : value;
    return decimal_same(decimal_of(memory, literal),
                        decimal_of(memory, (struct judge_text){shortest, strlen(shortest)}));
}

/* ---- addresses ---- */

/*
 * Four decimal numbers up to 255 with full stops between them. Leading zeros mean nothing, but Java reads no
 * more than 15 characters.
 */
static bool address_v4(struct judge_text text, uint8_t out[16])
{
    unsigned part = 0, value = 0, digits = 0;

    if (text.size > 15)
        return false;
    for (size_t i = 0; i <= text.size; i++) {
        char c = i < text.size ? text.at[i] : '.';
        if (c == '.') {
            if (digits == 0 || part == 4)
                return false;
            out[part++] = (uint8_t)value;
            value = digits = 0;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (unsigned)(c - '0');
            digits++;
            if (value > 255)
                return false;
        } else {
            return false;
        }
    }
    return part == 4;
}

/* Groups of one to four hexadecimal digits between colons, from *at up to "::" or the end; -1: not so. */
static int read_groups(struct judge_text text, size_t *at, uint16_t *groups)
{
    int count = 0;

    if (*at == text.size)
        return 0;
    for (;;) {
        unsigned value = 0, digits = 0;
        for (; *at < text.size && text.at[*at] != ':'; (*at)++, digits++) {
            char c = text.at[*at], digit[2] = {c, '\0'};
            if (strchr("0123456789abcdefABCDEF", c) == NULL || c == '\0')
                return -1;
            value = value << 4 | (unsigned)strtoul(digit, NULL, 16);
        }
        if (digits < 1 || digits > 4 || count == 8)
            return -1;
        groups[count++] = (uint16_t)value;
        if (*at == text.size)
            return count;
        if (*at + 1 < text.size && text.at[*at + 1] == ':')
            return count;
        (*at)++; /* a single colon: another group must follow */
    }
}

/* Eight groups, or fewer with one "::" in place of at least one group of zeros. */
static bool address_v6(struct judge_text text, uint8_t out[16])
{
    uint16_t head[8], tail[8], all[8] = {0};
    int head_count = 0, tail_count = 0;
    bool gap = false;
    size_t at = 0;

    if (text.size < 2)
        return false;
    if (memcmp(text.at, "::", 2) != 0)
        head_count = read_groups(text, &at, head);
    if (head_count < 0)
        return false;
    if (at < text.size) {
        struct judge_text rest = text;
        size_t behind = at + 2;
        gap = true;
        tail_count = read_groups(rest, &behind, tail);
        if (tail_count < 0 || behind != text.size)
            return false;
    }
    if (gap ? head_count + tail_count > 7 : head_count != 8)
        return false;
    memcpy(all, head, sizeof all[0] * (size_t)head_count);
    memcpy(all + 8 - tail_count, tail, sizeof all[0] * (size_t)tail_count);
    for (int i = 0; i < 8; i++) {
        out[2 * i] = (uint8_t)(all[i] >> 8);
        out[2 * i + 1] = (uint8_t)all[i];
    }
    return true;
}

unsigned judge_address(struct judge_text text, uint8_t out[16])
{
    if (address_v4(text, out))
        return 4;
    return address_v6(text, out) ? 16 : 0;
}

bool judge_address_in(const uint8_t *address, const uint8_t *network, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        unsigned mask = 0x80u >> i % 8;
        if ((address[i / 8] & mask) != (network[i / 8] & mask))
            return false;
    }
    return true;
}

/* ---- wildcards ---- */

bool judge_wildcard_valid(struct judge_text pattern)
{
    for (size_t i = 0; i < pattern.size; i++) {
        char next = i + 1 < pattern.size ? pattern.at[i + 1] : '\0';
        if (pattern.at[i] == '*' && next == '*')
            return false;
        if (pattern.at[i] == '\\') {
            if (next != '*' && next != '\\')
                return false;
            i++;
        }
    }
    return true;
}

/* Byte by byte of the pattern, all places in the text at once: a recursion would take forever on many stars. */
bool judge_wildcard(struct judge_text pattern, struct judge_text text)
{
    /* reach[i]: the pattern so far matches the text's first i bytes. */
    bool *reach = calloc(text.size + 1, 1), answer;

    if (reach == NULL)
        abort();
    reach[0] = true;
    for (size_t p = 0; p < pattern.size; p++) {
        if (pattern.at[p] == '*') {
            for (size_t i = 1; i <= text.size; i++)
                reach[i] = reach[i] || reach[i - 1];
        } else {
            if (pattern.at[p] == '\\')
                p++;
            for (size_t i = text.size; i > 0; i--)
                reach[i] = reach[i - 1] && text.at[i - 1] == pattern.at[p];
            reach[0] = false;
        }
    }
    answer = reach[text.size];
    free(reach);
    return answer;
}
