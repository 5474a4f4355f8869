/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations and sizes: a whole number and a unit, nothing between. Decimal fractions and sums (1.5h, 1h30m) are
 * left out: 90m says the same, and one spelling a value keeps files easy to search. A rate is a whole number, a slash
 * and one such unit.
 */
#include "rules/options.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, for writing. */
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit sizes[] = {{"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20},
                                    {"KiB", 1 << 10},          {"", 1},          {NULL, 0}};

static bool parse_value(struct str text, const struct unit *units, int64_t *out)
{
    int64_t value = 0;
    size_t at = 0;
    for (; at < text.size && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text.ptr[at] - '0', &value))
            return false;
    struct str unit = {text.ptr + at, text.size - at};
    for (; at > 0 && units->name; units++)
        if (str_is(unit, units->name))
            return !__builtin_mul_overflow(value, units->factor, out);
    return false;
}

static void write_value(struct buf *out, int64_t value, const struct unit *units)
{
    const struct unit *base = units;
    while (base[1].name)
        base++;
    while (value && value % units->factor)
        units++;
    if (!value && base->name[0])
        units = base - 1; /* 0s, not 0d */
    else if (!value)
        units = base;
    buf_printf(out, "%lld%s", (long long)(value / units->factor), units->name);
}

bool options_parse_duration(struct str text, int64_t *ms_out)
{
    return parse_value(text, durations, ms_out);
}

bool options_parse_size(struct str text, int64_t *bytes_out)
{
    return parse_value(text, sizes, bytes_out);
}

bool options_parse_rate(struct str text, struct option_rate *out)
{
    static const struct unit periods[] = {{"/s", 1000}, {"/m", 60000}, {"/h", 3600000}, {NULL, 0}};
    for (const struct unit *u = periods; u->name; u++) {
        const struct unit count[] = {{u->name, 1}, {NULL, 0}};
        if (parse_value(text, count, &out->count)) {
            out->period_ms = u->factor;
            return true;
        }
    }
    return false;
}

void options_write_duration(struct buf *out, int64_t ms)
{
    write_value(out, ms, durations);
}

void options_write_size(struct buf *out, int64_t bytes)
{
    write_value(out, bytes, sizes);
}
