/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparable numbers. A literal is reduced to its significant digits and a power of ten,
 *
 *     -120.50e3  ->  - 1205 x 10^2
 *
 * and nearly every one ends there: at most 15 digits and a small power give the exact double in one multiplication
 * or division, and a double keeps 15 digits, so the shortest form is the literal. With 16 or 17 digits, or a somewhat
 * larger power, the quotient is only near; literal, double and the gap around it are then integers of 128 bits on one
 * scale, so the nearest double is found, and other decimals are seen to read as it or not, without rounding. Powers
 * beyond that go through strtod() and back; neither direction shows it a decimal point, so the locale has no say.
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
#define POWER_SCALED 27   /* 5^27 is the largest power of five in 64 bits; times 17 digits or a double: 120 bits */
#define POWER_MAX    5000 /* far past any double; exponents are cut to it */

struct decimal {
    uint64_t digits; /* without zeros at either end; 0 is zero */
    int count;
    int64_t power; /* value = digits x 10^power */
    bool negative;
    bool too_long;
};

/* zeros: seen since the last digit that was kept; they count only if another digit follows. */
static inline void add_digit(struct decimal *d, char digit, int64_t *zeros)
{
    if (digit == '0') {
        *zeros += d->count > 0;
        return;
    }
    if (d->count + *zeros >= DIGITS_MAX) {
        d->too_long = true;
        return;
    }
    for (; *zeros > 0; --*zeros, d->count++)
        d->digits *= 10;
    d->digits = d->digits * 10 + (uint64_t)(digit - '0');
    d->count++;
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

/* 5^power, power <= POWER_SCALED */
static const uint64_t fives[POWER_SCALED + 1] = {
    1u,
    5u,
    25u,
    125u,
    625u,
    3125u,
    15625u,
    78125u,
    390625u,
    1953125u,
    9765625u,
    48828125u,
    244140625u,
    1220703125u,
    6103515625u,
    30517578125u,
    152587890625u,
    762939453125u,
    3814697265625u,
    19073486328125u,
    95367431640625u,
    476837158203125u,
    2384185791015625u,
    11920928955078125u,
    59604644775390625u,
    298023223876953125u,
    1490116119384765625u,
    7450580596923828125u,
};

/* The literal as a double: right where digits and power are EXACT, else at most three doubles off. */
static double near_value(const struct decimal *d)
{
    double five = (double)fives[d->power < 0 ? -d->power : d->power];
    double value = d->power < 0 ? (double)d->digits / five : (double)d->digits * five;
    uint64_t bits = (uint64_t)(1023 + d->power) << 52;
    double two; /* 2^power: changes no digit */
    memcpy(&two, &bits, sizeof(two));
    return value * two;
}

/* ---- on one scale ---- */

/* Lengths are multiples of what makes a quarter of the doubles' gap, and one of the last digit, integers. */
struct scale {
    __int128 literal;      /* how far the literal lies above the double */
    __int128 digit;        /* what one in the literal's last digit comes to */
    __int128 above, below; /* how far from the double decimals still read as it … */
    bool even;             /* … and those just so far: ties go to even */
};

static struct scale scale_by(const struct decimal *d, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int power = (int)d->power, twos = (int)(bits >> 52) - 1075 - power; /* value = whole x 2^(twos + power) */
    __int128 digit = (__int128)(power > 0 ? fives[power] : 1) << (twos < 0 ? 2 - twos : 2);
    __int128 gap = (__int128)(power < 0 ? fives[-power] : 1) << (twos > 0 ? 2 + twos : 2);
    return (struct scale){.literal = digit * d->digits - gap * (fraction | (uint64_t)1 << 52),
                          .digit = digit,
                          .above = gap / 2,
                          .below = fraction ? gap / 2 : gap / 4, /* next to a power of two they lie closer */
                          .even = !(bits & 1)};
}

/* Does what lies so far above the double read as it? */
static bool reads(const struct scale *s, __int128 offset)
{
    return s->even ? offset >= -s->below && offset <= s->above : offset > -s->below && offset < s->above;
}

static double nearest_value(const struct decimal *d, struct scale *s)
{
    double value = near_value(d);
    for (*s = scale_by(d, value); !reads(s, s->literal); *s = scale_by(d, value)) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof(bits));
        bits = s->literal > 0 ? bits + 1 : bits - 1;
        memcpy(&value, &bits, sizeof(value));
    }
    return value;
}

/*
 * The double's shortest form is the literal if no decimal that is one digit shorter reads as it, the two around the
 * literal being the ones to try, and no other of the literal's own length that reads as it is nearer to it: the
 * literal's neighbour on the double's side would be. Of two as near, the even one is the form.
 */
static bool is_shortest(const struct scale *s, uint64_t digits)
{
    unsigned last = digits % 10;
    if (reads(s, s->literal - s->digit * last) || reads(s, s->literal + s->digit * (10 - last)))
        return false;
    __int128 twice = 2 * (s->literal < 0 ? -s->literal : s->literal);
    if (twice < s->digit || (twice == s->digit && last % 2 == 0))
        return true;
    return !reads(s, s->literal > 0 ? s->literal - s->digit : s->literal + s->digit);
}

/* ---- by way of text ---- */

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
    int size = print(value, d->count, text);
    char *e = memchr(text, 'e', (size_t)size);
    uint64_t digits = 0;
    if (strtod(text, NULL) != value)
        return true;
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9')
            digits = digits * 10 + (uint64_t)(*p - '0');
    if (digits != d->digits)
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

/* The slow way: any power. */
static bool parse_by_text(const struct decimal *d, double *value_out)
{
    char text[DIGITS_MAX + 16];
    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)d->digits, (int)d->power);
    double value = strtod(text, NULL);
    *value_out = value;
    return isfinite(value) && value != 0 && prints_as(value, d) && !has_shorter_form(value, d->count);
}

static bool parse_positive(const struct decimal *d, double *value_out)
{
    int64_t power = d->power < 0 ? -d->power : d->power;
    struct scale s;
    *value_out = 0;
    if (!d->count)
        return true;
    if (power > POWER_SCALED)
        return parse_by_text(d, value_out);
    if (d->count <= DIGITS_EXACT && power <= POWER_EXACT) {
        *value_out = near_value(d);
        return true;
    }
    *value_out = nearest_value(d, &s);
    return d->count <= DIGITS_EXACT || is_shortest(&s, d->digits);
}

bool number_parse(struct str literal, double *out)
{
    struct decimal d;
    double value;
    read_decimal(literal, &d);
    if (d.too_long || !parse_positive(&d, &value))
        return false;
    *out = d.negative && value != 0 ? -value : value;
    return true;
}
