/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the judge fit to judge? The examples that weir-pattern(7) and event-ruler's recorded answers give,
 * word for word, as rows of pattern, event and verdict. What the rows leave open, the differential test
 * finds out by disagreement.
 */
#include "tests/matcher/judge.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct row {
    const char *pattern, *event;
    int verdict;
};

static void run_rows(const struct row *rows, size_t count)
{
    int wrong = 0;

    for (size_t i = 0; i < count; i++) {
        int got = judge_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].event, strlen(rows[i].event));
        if (got != rows[i].verdict) {
            print_error("row %zu: %s\n  on %s\n  is %d, not %d\n", i, rows[i].pattern, rows[i].event, got,
                        rows[i].verdict);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define RUN(rows) run_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void structure_is_followed(void **state)
{
    static const struct row rows[] = {
        {"{\"a.b\":[\"x\"]}", "{\"a\":{\"b\":\"x\"}}", 1},
        {"{\"a.b\":[\"x\"]}", "{\"a\":{\"b\":[\"x\"]}}", 1},
        {"{\"a\":{\"b\":[\"x\"]}}", "{\"a.b\":\"x\"}", 1},
        {"{\"\":[1]}", "{\"\":1}", 1},
        {"{\"\\u00e9\":[1]}", "{\"\xC3\xA9\":1}", 1},
        {"{\"\\u00e9\":[1]}", "{\"e\xCC\x81\":1}", 0},
        {"{\"a\":[\"x\"],\"a\":[\"y\"]}", "{\"a\":\"x\"}", 0},
        {"{\"a\":[\"x\"],\"a\":{\"b\":[\"y\"]}}", "{\"a\":\"x\",\"a\":{\"b\":\"y\"}}", 1},
        {"{\"a\":[\"x\"],\"a\":{\"b\":[\"y\"]}}", "{\"a\":{\"b\":\"y\"}}", 0},
        {"{\"a\":{\"b\":[\"x\"]},\"a.b\":[\"y\"]}", "{\"a\":{\"b\":\"y\"}}", 1},
        {"{\"a\":[1]}", "{\"a\":2,\"a\":1}", 1},
        {"{\"a\":[1]} x", "{\"a\":1}", JUDGE_BAD_PATTERN},
        {"{\"a\":[1]}", "[1]", JUDGE_BAD_EVENT},
        {"{\"a\":[1]}", "{\"a\":1}}", JUDGE_BAD_EVENT},
        {"{\"a\":[1]}", "{\"a\":01}", JUDGE_BAD_EVENT},
        {"{\"a\":[1]}", "{\"a\":\"\xED\xA0\x80\"}", JUDGE_BAD_EVENT},
        {"{\"a\":[\"\\ud800\"]}", "{\"a\":\"\\uD800\"}", 1},
        {"{\"detail\":{\"x\":[1]}}", "{\"detail\":\"{\\\"x\\\":1}\"}", 0},
    };
    RUN(rows);
}

static void arrays_are_consistent(void **state)
{
#define PEOPLE "{\"e\":[{\"f\":\"Anna\",\"l\":\"Smith\"},{\"f\":\"Peter\",\"l\":\"Jones\"}]}"
    static const struct row rows[] = {
        {"{\"a\":[\"x\"]}", "{\"a\":[[\"x\"]]}", 1},
        {"{\"a\":[\"x\"]}", "{\"a\":[\"y\",[[\"z\"],[[\"x\"]]]]}", 1},
        {"{\"e\":{\"f\":[\"Anna\"],\"l\":[\"Jones\"]}}", PEOPLE, 0},
        {"{\"e\":{\"f\":[\"Anna\"],\"l\":[\"Smith\"]}}", PEOPLE, 1},
        {"{\"a\":{\"b\":[1],\"c\":[{\"exists\":false}]}}", "{\"a\":[{\"c\":1,\"b\":2},{\"b\":1}]}", 1},
        {"{\"a\":{\"c\":[1],\"b\":[{\"exists\":false}]}}", "{\"a\":[{\"b\":1,\"c\":2},{\"c\":1}]}", 0},
        {"{\"a\":{\"b\":[{\"exists\":false}]}}", "{\"a\":[{\"b\":1},{\"c\":1}]}", 0},
        {"{\"f\":[\"w\"],\"g\":[\"z\"]}", "{\"f\":[\"w\",\"x\"],\"g\":[\"y\",\"z\"]}", 1},
        /* U+FF5E sorts before U+1F600 as a code point, behind it as UTF-16 units. */
        {"{\"a\":{\"\\uff5e\":[{\"exists\":false}],\"\\ud83d\\ude00\":[1]}}",
         "{\"a\":[{\"\\uff5e\":1},{\"\\ud83d\\ude00\":1}]}", 1},
        {"{\"a\":{\"\\uff5e\":[1],\"\\ud83d\\ude00\":[{\"exists\":false}]}}",
         "{\"a\":[{\"\\uff5e\":1},{\"\\ud83d\\ude00\":1}]}", 0},
    };
    RUN(rows);
}

static void values_are_compared(void **state)
{
    static const struct row rows[] = {
        {"{\"a\":[\"300\"]}", "{\"a\":300}", 0},
        {"{\"a\":[\"\"]}", "{\"a\":\"\"}", 1},
        {"{\"a\":[\"\"]}", "{\"a\":null}", 0},
        {"{\"a\":[\"\"]}", "{}", 0},
        {"{\"a\":[null]}", "{\"a\":\"null\"}", 0},
        {"{\"a\":[null]}", "{\"a\":null}", 1},
        {"{\"a\":[true]}", "{\"a\":false}", 0},
        {"{\"a\":[300]}", "{\"a\":300.0}", 1},
        {"{\"a\":[300]}", "{\"a\":3.0e2}", 1},
        {"{\"a\":[0]}", "{\"a\":-0.0}", 1},
        {"{\"a\":[0.1]}", "{\"a\":0.10}", 1},
        {"{\"a\":[0.1]}", "{\"a\":0.10000000000000001}", 0},
        {"{\"a\":[9007199254740993]}", "{\"a\":9007199254740993}", 1},
        {"{\"a\":[9007199254740993]}", "{\"a\":9007199254740993.0}", 0},
        {"{\"a\":[9007199254740993]}", "{\"a\":9007199254740992}", 0},
        {"{\"a\":[{\"numeric\":[\">\",1]}]}", "{\"a\":12345678901234567}", 0},
        {"{\"a\":[{\"anything-but\":1}]}", "{\"a\":12345678901234567}", 1},
        {"{\"a\":[{\"anything-but\":9007199254740993}]}", "{}", JUDGE_BAD_PATTERN},
        {"{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"010.0.0.1\"}", 1},
        {"{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.01\"}", 1},
        {"{\"a\":[\"::1\"]}", "{\"a\":\"0:0:0:0:0:0:0:1\"}", 1},
        {"{\"a\":[{\"exactly\":\"::1\"}]}", "{\"a\":\"0:0:0:0:0:0:0:1\"}", 1},
        {"{\"a\":[{\"anything-but\":\"::1\"}]}", "{\"a\":\"0:0:0:0:0:0:0:1\"}", 1},
        {"{\"a\":[\"999.1.1.1\"]}", "{\"a\":\"0999.1.1.1\"}", 0},
        {"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":5}", 1},
        {"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":0}", 0},
        {"{\"a\":[{\"numeric\":[\"=\",5]}]}", "{\"a\":\"5\"}", 0},
        {"{\"a\":[{\"cidr\":\"10.0.0.5/24\"}]}", "{\"a\":\"10.0.0.255\"}", 1},
        {"{\"a\":[{\"cidr\":\"10.0.0.0/24\"}]}", "{\"a\":\"10.0.1.0\"}", 0},
        {"{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}", "{\"a\":\"::1\"}", 0},
        {"{\"a\":[{\"cidr\":\"2001:db8::/32\"}]}", "{\"a\":\"2001:db8::5\"}", 1},
    };
    RUN(rows);
}

static void strings_are_tested(void **state)
{
    static const struct row rows[] = {
        {"{\"a\":[{\"prefix\":\"\"}]}", "{\"a\":\"\"}", 1},
        {"{\"a\":[{\"prefix\":\"1\"}]}", "{\"a\":12}", 0},
        {"{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"AB\"}}]}", "{\"a\":\"abc\"}", 1},
        {"{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"BC\"}}]}", "{\"a\":\"abc\"}", 1},
        {"{\"a\":[{\"suffix\":\"bc\"}]}", "{\"a\":\"abc\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"K\"}]}", "{\"a\":\"k\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u212a\"}]}", "{\"a\":\"k\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u00c9\"}]}", "{\"a\":\"\\u00e9\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u00df\"}]}", "{\"a\":\"SS\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u00df\"}]}", "{\"a\":\"ss\"}", 0},
        {"{\"a\":[{\"equals-ignore-case\":\"STRASSE\"}]}", "{\"a\":\"stra\\u00dfe\"}", 0},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u03c3\"}]}", "{\"a\":\"\\u03c2\"}", 0},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u0130\"}]}", "{\"a\":\"i\\u0307\"}", 1},
        {"{\"a\":[{\"equals-ignore-case\":\"\\u1f88\"}]}", "{\"a\":\"\\u1f08\\u0399\"}", 1},
        {"{\"a\":[{\"wildcard\":\"\"}]}", "{\"a\":\"x\"}", 0},
        {"{\"a\":[{\"wildcard\":\"\"}]}", "{\"a\":\"\"}", 1},
        {"{\"a\":[{\"wildcard\":\"a*c\"}]}", "{\"a\":\"abcbc\"}", 1},
        {"{\"a\":[{\"wildcard\":\"a*c\"}]}", "{\"a\":\"abcb\"}", 0},
        {"{\"a\":[{\"wildcard\":\"a\\\\*c\"}]}", "{\"a\":\"a*c\"}", 1},
        {"{\"a\":[{\"wildcard\":\"a\\\\*c\"}]}", "{\"a\":\"abc\"}", 0},
        {"{\"a\":[{\"wildcard\":\"a**b\"}]}", "{}", JUDGE_BAD_PATTERN},
        {"{\"a\":[{\"wildcard\":\"a\\\\n\"}]}", "{}", JUDGE_BAD_PATTERN},
    };
    RUN(rows);
}

static void presence_is_judged(void **state)
{
    static const struct row rows[] = {
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":1}", 1},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":null}", 1},
        {"{\"a\":[{\"anything-but\":1}]}", "{\"a\":\"1\"}", 1},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{}", 0},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[]}", 0},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":{\"x\":1}}", 0},
        {"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[\"x\",\"y\"]}", 1},
        {"{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":[\"x\",\"y\"]}", 0},
        {"{\"a\":[{\"anything-but\":{\"prefix\":[\"x\"]}}]}", "{\"a\":\"xy\"}", 0},
        {"{\"a\":[{\"anything-but\":{\"suffix\":\"y\"}}]}", "{\"a\":\"xy\"}", 0},
        {"{\"a\":[{\"anything-but\":{\"equals-ignore-case\":\"XY\"}}]}", "{\"a\":\"xy\"}", 0},
        {"{\"a\":[{\"anything-but\":{\"wildcard\":\"*z\"}}]}", "{\"a\":\"xy\"}", 1},
        {"{\"a\":[{\"exists\":true}]}", "{\"a\":null}", 1},
        {"{\"a\":[{\"exists\":true}]}", "{\"a\":[]}", 0},
        {"{\"a\":[{\"exists\":true}]}", "{\"a\":{\"b\":1}}", 0},
        {"{\"a\":[{\"exists\":true}]}", "{\"a\":[[],1]}", 1},
        {"{\"a\":{\"b\":[{\"exists\":false}]}}", "{\"a\":1}", 1},
        {"{\"a\":{\"b\":[{\"exists\":false}]}}", "{}", 1},
        {"{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"x\"}", 1},
        {"{\"a\":[{\"exists\":false},\"x\"]}", "{}", 1},
        {"{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"y\"}", 0},
    };
    RUN(rows);
}

static void or_is_multiplied_out(void **state)
{
    static const struct row rows[] = {
        {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2}", 1},
        {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":1}", 0},
        {"{\"c\":[3],\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2}", 0},
        {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"$or\":[{\"c\":[1]},{\"d\":[2]}]}", "{\"a\":1,\"d\":2}", 1},
        {"{\"$or\":[{\"a\":[1]},{\"b\":[2]}],\"$or\":[{\"c\":[1]},{\"d\":[2]}]}", "{\"a\":1,\"b\":2}", 0},
        {"{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[2]}]}", "{\"a\":2}", 1},
        {"{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[2]}]}", "{\"a\":1}", 0},
        {"{\"$or\":[{\"a\":[2]},{\"b\":[2]}],\"a\":[1]}", "{\"a\":2}", 0},
        {"{\"$or\":[{\"a\":[2]},{\"b\":[2]}],\"a\":[1]}", "{\"a\":1}", 1},
        {"{\"x\":{\"$or\":[{\"a\":[1]},{\"$or\":[{\"b\":[2]},{\"c\":[3]}]}]}}", "{\"x\":{\"c\":3}}", 1},
        {"{\"$or\":[{\"prefix\":[1]},{\"b\":[2]}]}", "{}", JUDGE_BAD_PATTERN},
        {"{\"$or\":[{\"a\":{\"prefix\":[1]}},{\"b\":[2]}]}", "{\"a\":{\"prefix\":1}}", 1},
        {"{\"$or\":[{\"a\":[1]}]}", "{}", JUDGE_BAD_PATTERN},
        {"{\"$or\":[{\"a\":[1]},{}]}", "{}", JUDGE_BAD_PATTERN},
        {"{\"$or\":{\"a\":[1]}}", "{}", JUDGE_BAD_PATTERN},
        {"{\"prefix\":[1]}", "{\"prefix\":1}", 1},
    };
    RUN(rows);
}

static void what_means_nothing_is_refused(void **state)
{
    static const char *const leaves[] = {"1",
                                         "\"x\"",
                                         "null",
                                         "{}",
                                         "[]",
                                         "[[1]]",
                                         "[{}]",
                                         "[{\"foo\":1}]",
                                         "[{\"EXISTS\":true}]",
                                         "[{\"prefix\":\"a\",\"suffix\":\"b\"}]",
                                         "[{\"prefix\":1}]",
                                         "[{\"prefix\":[\"a\"]}]",
                                         "[{\"prefix\":{\"suffix\":\"a\"}}]",
                                         "[{\"prefix\":{}}]",
                                         "[{\"equals-ignore-case\":[\"a\"]}]",
                                         "[{\"exactly\":1}]",
                                         "[{\"cidr\":1}]",
                                         "[{\"cidr\":\"10.0.0.0\"}]",
                                         "[{\"cidr\":\"10.0.0.0/8/8\"}]",
                                         "[{\"cidr\":\"10.0.0.0/x\"}]",
                                         "[{\"cidr\":\"10.0.0.0/-1\"}]",
                                         "[{\"cidr\":\"10.0.0.0/32\"}]",
                                         "[{\"cidr\":\"::/128\"}]",
                                         "[{\"cidr\":\"300.0.0.0/8\"}]",
                                         "[{\"cidr\":\"::ffff:1.2.3.4/104\"}]",
                                         "[{\"numeric\":5}]",
                                         "[{\"numeric\":[]}]",
                                         "[{\"numeric\":[1,\">\"]}]",
                                         "[{\"numeric\":[\"!=\",3]}]",
                                         "[{\"numeric\":[\">\"]}]",
                                         "[{\"numeric\":[\">\",\"3\"]}]",
                                         "[{\"numeric\":[\"<\",5,\">\",0]}]",
                                         "[{\"numeric\":[\"=\",5,\"<\",6]}]",
                                         "[{\"numeric\":[\">\",1,\">\",3]}]",
                                         "[{\"numeric\":[\">\",1,\"=\",3]}]",
                                         "[{\"numeric\":[\">\",1,\"<\",3,\"<\",4]}]",
                                         "[{\"numeric\":[\">=\",5,\"<=\",5]}]",
                                         "[{\"numeric\":[\">\",9007199254740993]}]",
                                         "[{\"anything-but\":null}]",
                                         "[{\"anything-but\":[null]}]",
                                         "[{\"anything-but\":[]}]",
                                         "[{\"anything-but\":[1,\"x\"]}]",
                                         "[{\"anything-but\":{}}]",
                                         "[{\"anything-but\":{\"numeric\":[\">\",1]}}]",
                                         "[{\"anything-but\":{\"prefix\":\"\"}}]",
                                         "[{\"anything-but\":{\"suffix\":[]}}]",
                                         "[{\"anything-but\":{\"prefix\":{\"equals-ignore-case\":\"x\"}}}]",
                                         "[{\"anything-but\":{\"equals-ignore-case\":1}}]",
                                         "[{\"exists\":\"true\"}]"};

    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        char pattern[200];
        int size = snprintf(pattern, sizeof pattern, "{\"a\":%s}", leaves[i]);
        if (judge_pattern_valid(pattern, (size_t)size))
            fail_msg("taken: %s", pattern);
    }
    assert_false(judge_pattern_valid("{}", 2));
    assert_false(judge_pattern_valid("[]", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structure_is_followed),
        cmocka_unit_test(arrays_are_consistent),
        cmocka_unit_test(values_are_compared),
        cmocka_unit_test(strings_are_tested),
        cmocka_unit_test(presence_is_judged),
        cmocka_unit_test(or_is_multiplied_out),
        cmocka_unit_test(what_means_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
