/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case spellings, from compact range tables: a binary search each for upper and lower case, ASCII by arithmetic.
 * Root locale and no context: a sigma at a word's end is a sigma, a Turkish i is an i. Only patterns pay for this,
 * when they are compiled; values are compared with the spellings' bytes.
 */
#include "matcher/fold.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "matcher/fold_table.h"
#include "matcher/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t put(uint8_t *out, uint32_t code)
{
    return (uint8_t)utf8_encode(code, (char *)out);
}

/* The code point that `code` maps to one to one, itself where it has no such mapping. */
static uint32_t map_simple(const struct fold_range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count; /* the first range that ends at or behind code is in [low, high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == count || code < ranges[low].first || (code - ranges[low].first) % ranges[low].step)
        return code;
    return (uint32_t)((int32_t)code + ranges[low].delta);
}

static const char *find_special(const struct fold_special *specials, size_t count, uint32_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (specials[middle].code == code)
            return specials[middle].text;
        if (specials[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static uint8_t put_special(uint8_t *out, const char *text)
{
    size_t size = strlen(text);
    assert(size <= sizeof(((struct fold *)0)->upper));
    memcpy(out, text, size);
    return (uint8_t)size;
}

void fold_spellings(uint32_t code, struct fold *out)
{
    if (code < 0x80) {
        bool is_lower = code >= 'a' && code <= 'z', is_upper = code >= 'A' && code <= 'Z';
        out->upper_size = put(out->upper, is_lower ? code - 32 : code);
        out->lower_size = put(out->lower, is_upper ? code + 32 : code);
        return;
    }
    const char *upper = find_special(upper_specials, COUNT(upper_specials), code);
    const char *lower = find_special(lower_specials, COUNT(lower_specials), code);
    out->upper_size =
        upper ? put_special(out->upper, upper) : put(out->upper, map_simple(upper_ranges, COUNT(upper_ranges), code));
    out->lower_size =
        lower ? put_special(out->lower, lower) : put(out->lower, map_simple(lower_ranges, COUNT(lower_ranges), code));
}
