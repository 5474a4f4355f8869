/* SPDX-License-Identifier: Apache-2.0 */
/* Which JSON texts mean the same, and how the one spelling looks. */
#include "router/cli/canonical.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void what_means_the_same_is_spelled_the_same(void **state)
{
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"{\"b\": [1, {\"d\": null, \"c\": true}], \"a\": \"x\"}", "{\"a\":\"x\",\"b\":[1,{\"c\":true,\"d\":null}]}"},
        {"{}", "{}"},
        {"[ ]", "[]"},
        {"\"\\u00e9\\/\\n\"", "\"é/\\n\""},
        {"{\"\\u0061\": 1, \"B\": 2}", "{\"B\":2,\"a\":1}"},
        {"[1.50, 15e-1, 1E2, -0.0, 0.1]", "[1.5,1.5,100,0,0.1]"},
        {"{\"a\": 2, \"a\": 1}", "{\"a\":2,\"a\":1}"},
        {"1e400", "1e400"}, /* no double: stays as it is */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF_INIT;
        canonical_write(&out, str_from(cases[i].text));
        assert_string_equal(buf_cstr(&out), cases[i].canonical);
        buf_fini(&out);
        assert_true(canonical_equal(str_from(cases[i].text), str_from(cases[i].canonical)));
    }
}

static void what_differs_stays_different(void **state)
{
    static const char *const pairs[][2] = {
        {"1", "\"1\""},
        {"[1,2]", "[2,1]"},
        {"{\"a\":null}", "{}"},
        {"0.1234567890123456", "0.1234567890123457"},
        {"9007199254740992", "9007199254740993"},
        {"\"a\"", "\"A\""},
        {"{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}"},
        {"false", "null"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_false(canonical_equal(str_from(pairs[i][0]), str_from(pairs[i][1])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_the_same_is_spelled_the_same),
        cmocka_unit_test(what_differs_stays_different),
    };
    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
