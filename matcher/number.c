/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparable numbers. A literal is reduced to its significant digits and a power of ten,
 *
 *     -120.50e3  ->  - 1205 x 10^2
 *
 * and nearly every one ends there: at most 15 digits and a small power give the exact double in one multiplication
 * or division, and a double keeps 15 digits, so the shortest form is the literal. The rest goes through strtod() and
 * back; neither direction shows it a decimal point, so the locale has no say.
 */
#include "matcher/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX   17   /* no double needs more, so a literal with more is not the shortest form of any */
#define DIGITS_EXACT 15   /* DBL_DIG: so many always survive the way to a double and back */
#define POWER_EXACT  22   /* 10^22 is the largest power of ten that is a double exactly */
#define POWER_MAX    5000 /* far past any double; exponents are cut to it */

struct decimal {
    char digits[DIGITS_MAX + 1]; /* without zeros at either end; "" is zero */
    int count;
    int64_t power; /* value = digits x 10^power */
    bool negative;
    bool too_long;
};

/* zeros: seen since the last digit that was kept; they count only if another digit follows. */
static void add_digit(struct decimal *d, char digit, int64_t *zeros)
{
    if (digit == '0') {
        *zeros += d->count > 0;
        return;
    }
    if (d->count + *zeros >= DIGITS_MAX) {
        d->too_long = true;
        return;
    }
    for (; *zeros > 0; --*zeros)
        d->digits[d->count++] = '0';
    d->digits[d->count++] = digit;
}

static int64_t read_exponent(const char *p, const char *end)
{
    bool negative = *p == '-';
    int64_t value = 0;
    for (p += *p == '-' || *p == '+'; p < end; p++)
        if (value < INT64_MAX / 100)
            value = value * 10 + (*p - '0');
    return negative ? -value : value;
}

static void read_decimal(struct str literal, struct decimal *d)
{
    const char *p = literal.ptr, *end = p + literal.size;
    int64_t zeros = 0, behind_point = 0;
    bool point = false;
    *d = (struct decimal){.negative = *p == '-'};
    for (p += d->negative; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        behind_point += point;
        add_digit(d, *p, &zeros);
    }
    d->power = zeros - behind_point + (p < end ? read_exponent(p + 1, end) : 0);
    if (d->power > POWER_MAX)
        d->power = POWER_MAX;
    if (d->power < -POWER_MAX)
        d->power = -POWER_MAX;
}

static double exact_value(const struct decimal *d)
{
    static const double powers[POWER_EXACT + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t integer = 0;
    for (int i = 0; i < d->count; i++)
        integer = integer * 10 + (d->digits[i] - '0');
    return d->power < 0 ? (double)integer / powers[-d->power] : (double)integer * powers[d->power];
}

/* The decimal with so many digits that is nearest to value. */
static int print(double value, int digits, char text[DIGITS_MAX + 16])
{
    return snprintf(text, DIGITS_MAX + 16, "%.*e", digits - 1, value);
}

/* The next decimal with as many digits, further from zero. All nines leave no number at all: there, the nearest is it.
 */
static void step_out(char *text)
{
    char *p = strchr(text, 'e') - 1;
    for (; p > text && (*p == '9' || *p == '.'); p--)
        if (*p == '9')
            *p = '0';
    *p += 1;
}

/*
 * Is the literal, which reads as value, also what value prints as with that many digits? Where the nearest such
 * decimal does not read back, the literal is the only one that does: next to a power of two, doubles lie closer
 * below than above, and 2^-24 is 5.960464477539063e-08 though ...062e-08 is as near.
 */
static bool prints_as(double value, const struct decimal *d)
{
    char text[DIGITS_MAX + 16];
    int size = print(value, d->count, text), count = 0;
    char *e = memchr(text, 'e', (size_t)size);
    if (strtod(text, NULL) != value)
        return true;
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9' && (count == d->count || *p != d->digits[count++]))
            return false;
    return read_exponent(e + 1, text + size) == d->power + d->count - 1;
}

/*
 * One digit less is all there is to try: a still shorter decimal that reads as value is, with zeros behind it, one of
 * these too, and then the nearest of them, or the next one out where that lies outside the doubles' gap, reads so as
 * well.
 */
static bool has_shorter_form(double value, int count)
{
    char text[DIGITS_MAX + 16];
    if (count < 2)
        return false;
    print(value, count - 1, text);
    if (strtod(text, NULL) == value)
        return true;
    step_out(text);
    return strtod(text, NULL) == value;
}

bool number_parse(struct str literal, double *out)
{
    struct decimal d;
    read_decimal(literal, &d);
    if (d.too_long)
        return false;
    double value;
    if (d.count == 0) {
        value = 0;
    } else if (d.count <= DIGITS_EXACT && d.power >= -POWER_EXACT && d.power <= POWER_EXACT) {
        value = exact_value(&d);
    } else {
        char text[DIGITS_MAX + 16];
        snprintf(text, sizeof(text), "%se%d", d.digits, (int)d.power);
        value = strtod(text, NULL);
        if (!isfinite(value) || value == 0 || !prints_as(value, &d) || has_shorter_form(value, d.count))
            return false;
    }
    *out = d.negative && value != 0 ? -value : value;
    return true;
}
