/* SPDX-License-Identifier: Apache-2.0 */
/*
 * equals-ignore-case as the judge knows it. Each UTF-16 unit of the pattern stands for two spellings, its
 * upper-case and its lower-case form; the text must be a string of such spellings. The simple mappings are
 * the C library's, those that give several characters (Unicode's SpecialCasing, the unconditional part)
 * are written out below.
 */
#include "tests/matcher/judge_int.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/* Upper-case forms of more than one character. The Greek letters with iota subscript follow a rule instead. */
static const struct {
    uint16_t from, to[3];
} long_upper[] = {
    {0x00DF, {'S', 'S'}},
    {0x0149, {0x02BC, 'N'}},
    {0x01F0, {'J', 0x030C}},
    {0x0390, {0x0399, 0x0308, 0x0301}},
    {0x03B0, {0x03A5, 0x0308, 0x0301}},
    {0x0587, {0x0535, 0x0552}},
    {0x1E96, {'H', 0x0331}},
    {0x1E97, {'T', 0x0308}},
    {0x1E98, {'W', 0x030A}},
    {0x1E99, {'Y', 0x030A}},
    {0x1E9A, {'A', 0x02BE}},
    {0x1F50, {0x03A5, 0x0313}},
    {0x1F52, {0x03A5, 0x0313, 0x0300}},
    {0x1F54, {0x03A5, 0x0313, 0x0301}},
    {0x1F56, {0x03A5, 0x0313, 0x0342}},
    {0x1FB2, {0x1FBA, 0x0399}},
    {0x1FB3, {0x0391, 0x0399}},
    {0x1FB4, {0x0386, 0x0399}},
    {0x1FB6, {0x0391, 0x0342}},
    {0x1FB7, {0x0391, 0x0342, 0x0399}},
    {0x1FBC, {0x0391, 0x0399}},
    {0x1FC2, {0x1FCA, 0x0399}},
    {0x1FC3, {0x0397, 0x0399}},
    {0x1FC4, {0x0389, 0x0399}},
    {0x1FC6, {0x0397, 0x0342}},
    {0x1FC7, {0x0397, 0x0342, 0x0399}},
    {0x1FCC, {0x0397, 0x0399}},
    {0x1FD2, {0x0399, 0x0308, 0x0300}},
    {0x1FD3, {0x0399, 0x0308, 0x0301}},
    {0x1FD6, {0x0399, 0x0342}},
    {0x1FD7, {0x0399, 0x0308, 0x0342}},
    {0x1FE2, {0x03A5, 0x0308, 0x0300}},
    {0x1FE3, {0x03A5, 0x0308, 0x0301}},
    {0x1FE4, {0x03A1, 0x0313}},
    {0x1FE6, {0x03A5, 0x0342}},
    {0x1FE7, {0x03A5, 0x0308, 0x0342}},
    {0x1FF2, {0x1FFA, 0x0399}},
    {0x1FF3, {0x03A9, 0x0399}},
    {0x1FF4, {0x038F, 0x0399}},
    {0x1FF6, {0x03A9, 0x0342}},
    {0x1FF7, {0x03A9, 0x0342, 0x0399}},
    {0x1FFC, {0x03A9, 0x0399}},
    {0xFB00, {'F', 'F'}},
    {0xFB01, {'F', 'I'}},
    {0xFB02, {'F', 'L'}},
    {0xFB03, {'F', 'F', 'I'}},
    {0xFB04, {'F', 'F', 'L'}},
    {0xFB05, {'S', 'T'}},
    {0xFB06, {'S', 'T'}},
    {0xFB13, {0x0544, 0x0546}},
    {0xFB14, {0x0544, 0x0535}},
    {0xFB15, {0x0544, 0x053B}},
    {0xFB16, {0x054E, 0x0546}},
    {0xFB17, {0x0544, 0x053D}},
};

struct spelling {
    char bytes[12];
    size_t size;
};

static void spell(struct spelling *out, const uint16_t *codes, size_t count)
{
    out->size = 0;
    for (size_t i = 0; i < count && codes[i] != 0; i++)
        out->size += judge_utf8(codes[i], out->bytes + out->size);
}

static locale_t unicode(void)
{
    static locale_t kept;

    if (kept == (locale_t)0)
        kept = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (kept == (locale_t)0)
        abort();
    return kept;
}

static void spell_upper(struct spelling *out, uint16_t code)
{
    uint16_t simple = (uint16_t)towupper_l(code, unicode());

    for (size_t i = 0; i < sizeof long_upper / sizeof long_upper[0]; i++) {
        if (long_upper[i].from == code) {
            spell(out, long_upper[i].to, 3);
            return;
        }
    }
    if (code >= 0x1F80 && code <= 0x1FAF) { /* 1F80..1F87 and 1F88..1F8F: 1F08..1F0F and an iota; and so on */
        static const uint16_t rows[] = {0x1F08, 0x1F28, 0x1F68};
        uint16_t codes[2] = {(uint16_t)(rows[(code - 0x1F80) / 16] + code % 8), 0x0399};
        spell(out, codes, 2);
        return;
    }
    spell(out, &simple, 1);
}

static void spell_lower(struct spelling *out, uint16_t code)
{
    static const uint16_t dotted_i[] = {'i', 0x0307};
    uint16_t simple = (uint16_t)towlower_l(code, unicode());

    if (code == 0x0130)
        spell(out, dotted_i, 2);
    else
        spell(out, &simple, 1);
}

/* NUL ends spellings, and surrogates, alone or in pairs, have no case in Java's view of one unit: as they are. */
static void spell_both(struct spelling out[2], uint32_t code)
{
    if (code == 0 || (code >= 0xD800 && code < 0xE000) || code >= 0x10000) {
        out[0].size = judge_utf8(code, out[0].bytes);
        out[1] = out[0];
        return;
    }
    spell_upper(&out[0], (uint16_t)code);
    spell_lower(&out[1], (uint16_t)code);
}

/* Does text, from `at` on, read as pattern from `p` on? Where only the head counts, more may follow. */
static bool reads_as(struct judge_text pattern, size_t p, struct judge_text text, size_t at, bool more)
{
    while (p < pattern.size) {
        struct spelling forms[2];
        bool fits[2];

        spell_both(forms, judge_code_point(pattern, &p));
        for (int i = 0; i < 2; i++)
            fits[i] = text.size - at >= forms[i].size && memcmp(text.at + at, forms[i].bytes, forms[i].size) == 0;
        if (!fits[0] && !fits[1])
            return false;
        if (fits[0] && fits[1] && forms[0].size != forms[1].size &&
            reads_as(pattern, p, text, at + forms[0].size, more))
            return true;
        at += fits[1] ? forms[1].size : forms[0].size;
    }
    return more || at == text.size;
}

bool judge_folded(struct judge_text pattern, struct judge_text text, enum judge_part part)
{
    if (part != JUDGE_TAIL)
        return reads_as(pattern, 0, text, 0, part == JUDGE_HEAD);
    for (size_t at = 0; at <= text.size; at++) {
        if (reads_as(pattern, 0, text, at, false))
            return true;
    }
    return false;
}
