/* SPDX-License-Identifier: Apache-2.0 */
/* Case spellings: one value of every kind of mapping that Unicode has, written down by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "matcher/fold.h"

static void test_spot_values(void **state)
{
    static const struct {
        uint32_t code;
        const char *upper, *lower;
    } cases[] = {
        /* ASCII */
        {'a', "A", "a"},
        {'Z', "Z", "z"},
        {'@', "@", "@"},
        {'[', "[", "["},
        {'`', "`", "`"},
        {'{', "{", "{"},
        {'1', "1", "1"},
        /* one to one: Latin-1, alternating pairs, pairs the other way round */
        {0xE9, "É", "é"},
        {0xC9, "É", "é"},
        {0xD7, "×", "×"},
        {0xF7, "÷", "÷"},
        {0x100, "Ā", "ā"},
        {0x101, "Ā", "ā"},
        {0x139, "Ĺ", "ĺ"},
        {0x13A, "Ĺ", "ĺ"},
        {0x17F, "S", "ſ"},
        {0xFF, "Ÿ", "ÿ"},
        {0xB5, "Μ", "µ"},
        {0x131, "I", "ı"},
        /* title case digraphs have three forms */
        {0x1C4, "Ǆ", "ǆ"},
        {0x1C5, "Ǆ", "ǆ"},
        {0x1C6, "Ǆ", "ǆ"},
        /* Greek: sigma has no context, final sigma is its own character */
        {0x3A3, "Σ", "σ"},
        {0x3C3, "Σ", "σ"},
        {0x3C2, "Σ", "ς"},
        {0x3B1, "Α", "α"},
        {0x37F, "Ϳ", "ϳ"},
        {0x3F4, "ϴ", "θ"},
        {0x345, "Ι", "\xCD\x85"},
        /* Cyrillic, Armenian, Georgian, Cherokee, Glagolitic, Coptic, full width, Roman numerals, circled letters */
        {0x416, "Ж", "ж"},
        {0x450, "Ѐ", "ѐ"},
        {0x531, "Ա", "ա"},
        {0x10D0, "Ა", "ა"},
        {0x10A0, "Ⴀ", "ⴀ"},
        {0x13A0, "Ꭰ", "ꭰ"},
        {0xAB70, "Ꭰ", "ꭰ"},
        {0x2C00, "Ⰰ", "ⰰ"},
        {0x2C81, "Ⲁ", "ⲁ"},
        {0xFF21, "Ａ", "ａ"},
        {0x2160, "Ⅰ", "ⅰ"},
        {0x24B6, "Ⓐ", "ⓐ"},
        {0xA64A, "Ꙋ", "ꙋ"},
        {0x1C88, "Ꙋ", "\xE1\xB2\x88"},
        /* compatibility letters that lower to plain ones */
        {0x212A, "\xE2\x84\xAA", "k"},
        {0x212B, "\xE2\x84\xAB", "å"},
        {0x2126, "\xE2\x84\xA6", "ω"},
        {0x1E9E, "ẞ", "ß"},
        /* one to many */
        {0xDF, "SS", "ß"},
        {0x130, "İ", "i\xCC\x87"},
        {0x149, "ʼN", "ŉ"},
        {0x1F0, "J\xCC\x8C", "ǰ"},
        {0x390, "Ι\xCC\x88\xCC\x81", "ΐ"},
        {0x3B0, "Υ\xCC\x88\xCC\x81", "ΰ"},
        {0x587, "ԵՒ", "և"},
        {0x1E96, "H\xCC\xB1", "ẖ"},
        {0x1E9A, "Aʾ", "ẚ"},
        {0x1F50, "Υ\xCC\x93", "ὐ"},
        {0x1F80, "ἈΙ", "ᾀ"},
        {0x1F88, "ἈΙ", "ᾀ"},
        {0x1FB3, "ΑΙ", "ᾳ"},
        {0x1FBC, "ΑΙ", "ᾳ"},
        {0x1FB7, "Α\xCD\x82Ι", "ᾷ"},
        {0xFB00, "FF", "ﬀ"},
        {0xFB03, "FFI", "ﬃ"},
        {0xFB13, "ՄՆ", "ﬓ"},
        /* no case */
        {0x4E2D, "中", "中"},
        {0x20AC, "€", "€"},
        {0xFFFD, "\xEF\xBF\xBD", "\xEF\xBF\xBD"},
        {0x1F600, "😀", "😀"},
        /* has case in Unicode, but lies outside the BMP: a pair of code units, each without case */
        {0x10400, "\xF0\x90\x90\x80", "\xF0\x90\x90\x80"},
        {0x1E922, "\xF0\x9E\xA4\xA2", "\xF0\x9E\xA4\xA2"},
        /* lone surrogates */
        {0xD800, "\xED\xA0\x80", "\xED\xA0\x80"},
        {0xDFFF, "\xED\xBF\xBF", "\xED\xBF\xBF"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fold f;
        fold_spellings(cases[i].code, &f);
        if (f.upper_size != strlen(cases[i].upper) || memcmp(f.upper, cases[i].upper, f.upper_size) != 0)
            fail_msg("U+%04X: upper is not %s", (unsigned)cases[i].code, cases[i].upper);
        if (f.lower_size != strlen(cases[i].lower) || memcmp(f.lower, cases[i].lower, f.lower_size) != 0)
            fail_msg("U+%04X: lower is not %s", (unsigned)cases[i].code, cases[i].lower);
    }
}

/* Sums over every code unit, so that a slip in the table shows. */
static void test_whole_table_checksum(void **state)
{
    uint32_t changed = 0, many = 0, hash = 2166136261u;
    for (uint32_t code = 0; code < 0x10000; code++) {
        struct fold f;
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        fold_spellings(code, &f);
        changed += f.upper_size != f.lower_size || memcmp(f.upper, f.lower, f.upper_size) != 0;
        many += f.upper_size > 3 || f.lower_size > 3;
        for (int i = 0; i < f.upper_size; i++)
            hash = (hash ^ f.upper[i]) * 16777619u;
        for (int i = 0; i < f.lower_size; i++)
            hash = (hash ^ f.lower[i]) * 16777619u;
    }
    assert_int_equal(changed, 2407);
    assert_int_equal(many, 87);
    assert_int_equal(hash, 4265519403u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spot_values),
        cmocka_unit_test(test_whole_table_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
