/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema as text: JSON, and complete. Whether it agrees with the loader is asked from outside, with a validator:
 * tests/e2e/test_schema.py.
 */
#include "rules/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "matcher/json.h"
#include "matcher/pattern.h"
#include "rules/tables.h"

static struct buf made = BUF_INIT;

static int make(void **state)
{
    schema_write(&made);
    return made.failed;
}

static int drop(void **state)
{
    buf_fini(&made);
    return 0;
}

static void it_is_json(void **state)
{
    struct weir_diag diag;
    struct json_info info;
    if (!json_check(buf_view(&made), &info, &diag))
        fail_msg("%d:%d: %s", diag.line, diag.column, diag.message);
    assert_int_equal(info.type, JSON_OBJECT);
    assert_false(info.repeated_keys);
}

static struct str member(struct str object, const char *key)
{
    struct str value = json_member(object, key);
    if (!value.ptr)
        fail_msg("no member %s", key);
    return value;
}

static void every_row_of_the_top_level_is_there(void **state)
{
    struct str properties = member(buf_view(&made), "properties");
    struct option row;
    for (size_t i = 0; tables_root_row(i, &row); i++)
        member(member(properties, row.key), "description");
}

static void every_operator_is_there(void **state)
{
    struct str definitions = member(buf_view(&made), "definitions");
    struct str operators = member(member(definitions, "pattern-alternative"), "properties");
    for (size_t i = 0; i < pattern_operator_count; i++) {
        struct str operand = member(operators, pattern_operators[i].name);
        if (!json_member(operand, "type").ptr && !json_member(operand, "anyOf").ptr)
            fail_msg("%s: nothing is said about its operand", pattern_operators[i].name);
    }
}

static void every_adapter_is_there(void **state)
{
    struct str definitions = member(buf_view(&made), "definitions");
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        char name[80];
        snprintf(name, sizeof name, "target-%s", (*a)->type);
        assert_int_equal(json_member(definitions, name).ptr != NULL, (*a)->section == NULL);
    }
}

static void too_little_room_is_told(void **state)
{
    struct buf small;
    buf_init(&small, 1000);
    schema_write(&small);
    assert_true(small.failed);
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_json),
        cmocka_unit_test(every_row_of_the_top_level_is_there),
        cmocka_unit_test(every_operator_is_there),
        cmocka_unit_test(every_adapter_is_there),
        cmocka_unit_test(too_little_room_is_told),
    };
    return cmocka_run_group_tests_name("schema", tests, make, drop);
}
