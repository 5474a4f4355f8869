/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ignore-case tries rest on: of a character's two spellings neither begins nor ends with the other, so that at
 * one place of a value a symbol is spelled in one way at most (matcher/byte_trie.c).
 */
#include "matcher/fold.h"
#include "matcher/str.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static bool starts_or_ends(struct str whole, struct str part)
{
    return whole.size > part.size &&
           (str_starts(whole, part) || memcmp(whole.ptr + whole.size - part.size, part.ptr, part.size) == 0);
}

static void spellings_do_not_contain_each_other(void **state)
{
    unsigned cased = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        struct fold fold;
        fold_spellings(code, &fold);
        struct str upper = {(const char *)fold.upper, fold.upper_size},
                   lower = {(const char *)fold.lower, fold.lower_size};
        assert_true(upper.size > 0 && lower.size > 0);
        cased += !str_eq(upper, lower);
        if (starts_or_ends(upper, lower) || starts_or_ends(lower, upper))
            fail_msg("U+%04X", code);
    }
    assert_true(cased > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spellings_do_not_contain_each_other)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
