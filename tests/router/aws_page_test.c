/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of pages: what comes back is the key that went in, and nothing but our own tokens is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "router/api/aws_page.h"

static struct str written(struct arena *a, const char *list, struct str key)
{
    struct buf json = BUF_INIT;

    aws_token_write(&json, list, key);
    assert_true(json.size >= 2 && json.data[0] == '"' && json.data[json.size - 1] == '"');
    struct str token = arena_str(a, (struct str){json.data + 1, json.size - 2});
    buf_fini(&json);
    return token;
}

static void test_comes_back(void **state)
{
    const struct str keys[] = {STR(""), STR("a"), STR("orders.eu"), STR("\xc3\xa9\0\xff/x")};
    struct arena a = ARENA_INIT;
    struct str key;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_true(aws_token_read(&a, "ListRules", written(&a, "ListRules", keys[i]), &key));
        assert_true(str_eq(key, keys[i]));
    }
    arena_fini(&a);
}

static void test_refused(void **state)
{
    struct arena a = ARENA_INIT;
    struct str token = written(&a, "ListRules", STR("orders")), key;
    const struct str others[] = {
        STR(""),
        STR("1"),
        STR("orders"),
        STR("0123456789abcdef"),
        STR("0123456789abcdef6"),
        STR("0123456789abcdefgg"),
        {token.ptr, token.size - 2},
        {token.ptr, token.size - 1},
        {token.ptr + 2, token.size - 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(aws_token_read(&a, "ListRules", others[i], &key));
    assert_false(aws_token_read(&a, "ListEventBuses", token, &key));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_comes_back), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
