/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_UTF8_H
#define MATCHER_UTF8_H

/*
 * UTF-8, one character at a time. "Generalised" UTF-8 also has the three-byte forms of lone surrogates: what a
 * lone \uD800–\uDFFF escape of JSON decodes to.
 */

#include <stdint.h>

#include "matcher/str.h"

/*
 * Decodes the character at p, of which `size` bytes exist. Returns its size in bytes, 1–4; 0 where there is none
 * (size 0, a stray byte, a cut, overlong or too large form). Surrogates in three-byte form are taken.
 */
static inline unsigned utf8_decode(const char *p, size_t size, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)p;
    if (size == 0)
        return 0;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    unsigned more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : 1;
    if (s[0] < 0xC2 || s[0] > 0xF4 || size <= more)
        return 0;
    uint32_t value = s[0] & (0x3Fu >> more);
    for (unsigned i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (value < least[more] || value > 0x10FFFF)
        return 0;
    *code = value;
    return more + 1;
}

static inline bool utf8_is_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDFFF;
}

/* Is all of it UTF-8, without surrogates? Plain ASCII goes by eight bytes at a time. */
static inline bool utf8_is_text(struct str text)
{
    uint32_t code;
    uint64_t eight;

    for (size_t at = 0, n; at < text.size; at += n) {
        if (text.size - at >= sizeof eight) {
            memcpy(&eight, text.ptr + at, n = sizeof eight);
            if (!(eight & 0x8080808080808080u))
                continue;
        }
        if (!(n = utf8_decode(text.ptr + at, text.size - at, &code)) || utf8_is_surrogate(code))
            return false;
    }
    return true;
}

/* Writes a character (a surrogate in three-byte form) and returns its size, 1–4. */
static inline unsigned utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (unsigned i = more; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[more] | code);
    return more + 1;
}

#endif
