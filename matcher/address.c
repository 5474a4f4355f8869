/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP literals. Own code because inet_pton() refuses leading zeros in IPv4 and takes IPv4 inside IPv6, and event
 * patterns want the opposite of both.
 */
#include "matcher/address.h"

#define V4_SIZE_MAX 15 /* bytes of text: 255.255.255.255 */
#define V6_GROUPS   8
#define NO_GAP      (V6_GROUPS + 1)

static unsigned parse_v4(struct str text, uint8_t out[16])
{
    if (text.size > V4_SIZE_MAX)
        return 0;
    unsigned octets = 0, value = 0;
    bool digits = false;
    for (size_t i = 0; i <= text.size; i++) {
        char c = i < text.size ? text.ptr[i] : '.';
        if (c == '.') {
            if (!digits || octets == 4)
                return 0;
            out[octets++] = (uint8_t)value;
            value = 0;
            digits = false;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (unsigned)(c - '0');
            digits = true;
            if (value > 255)
                return 0;
        } else {
            return 0;
        }
    }
    return octets == 4 ? 4 : 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one to four hexadecimal digits off the front of *text. */
static bool take_group(struct str *text, uint8_t out[2])
{
    unsigned value = 0;
    size_t size = 0;
    while (size < text->size && size < 4 && hex_digit(text->ptr[size]) >= 0)
        value = value << 4 | (unsigned)hex_digit(text->ptr[size++]);
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    *text = (struct str){text->ptr + size, text->size - size};
    return size > 0;
}

static bool take(struct str *text, const char *what)
{
    struct str wanted = str_from(what);
    if (!str_starts(*text, wanted))
        return false;
    *text = (struct str){text->ptr + wanted.size, text->size - wanted.size};
    return true;
}

static unsigned parse_v6(struct str text, uint8_t out[16])
{
    unsigned groups = 0, gap = NO_GAP; /* gap: groups before the "::" */
    if (take(&text, "::"))
        gap = 0;
    while (text.size) {
        if (groups == V6_GROUPS || !take_group(&text, out + 2 * groups))
            return 0;
        groups++;
        if (gap == NO_GAP && take(&text, "::"))
            gap = groups;
        else if (text.size && (!take(&text, ":") || !text.size))
            return 0;
    }
    if (gap == NO_GAP)
        return groups == V6_GROUPS ? 16 : 0;
    if (groups == V6_GROUPS) /* "::" stands for one group at least */
        return 0;
    unsigned behind = groups - gap;
    memmove(out + 16 - 2 * behind, out + 2 * gap, 2 * behind);
    memset(out + 2 * gap, 0, 2 * (V6_GROUPS - groups));
    return 16;
}

unsigned address_parse(struct str text, uint8_t out[16])
{
    if (text.size < 2)
        return 0;
    return memchr(text.ptr, ':', text.size) ? parse_v6(text, out) : parse_v4(text, out);
}
