/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the configuration as one: what every row must keep to (adapters' rows: tests/targets/table_test.c as
 * well), their order, and how values are put into words.
 */
#include "rules/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_rows(const char *table, const struct option *rows);

static void check_row(const char *table, const struct option *rows, const struct option *o)
{
    size_t size = o->meaning ? strlen(o->meaning) : 0;
    if (size < 10 || size > 200 || o->meaning[size - 1] == '.' || strchr(o->meaning, '\n'))
        fail_msg("%s.%s: it has no meaning of one sentence", table, o->key);
    if (!o->own && o->type >= OPTION_VALUE)
        fail_msg("%s.%s: only its owner can read such a shape", table, o->key);
    if (o->required && o->value)
        fail_msg("%s.%s: what is required has no default", table, o->key);
    for (const struct option *other = rows; other < o; other++)
        if (strcmp(other->key, o->key) == 0)
            fail_msg("%s.%s is there twice", table, o->key);
    if (o->members)
        check_rows(o->key, o->members);
}

static void check_rows(const char *table, const struct option *rows)
{
    for (const struct option *o = rows; o->key; o++)
        check_row(table, rows, o);
}

static void rows_are_sound(void **state)
{
    struct table t;
    for (size_t i = 0; tables_at(i, &t); i++)
        check_rows(t.name, t.options ? t.options : root_options);
}

static void the_top_level_has_every_section_once(void **state)
{
    struct buf keys = BUF_INIT;
    struct option row;
    size_t rows = 0, fixed = 0, sections = 0;
    for (; tables_root_row(rows, &row); rows++)
        buf_printf(&keys, "%s ", row.key);
    while (root_options[fixed].key)
        fixed++;
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        char word[80];
        snprintf(word, sizeof word, " %s ", (*a)->section ? (*a)->section : "rules");
        assert_non_null(strstr(buf_cstr(&keys), word));
        sections += (*a)->section != NULL;
    }
    assert_int_equal(rows, fixed + sections);
    assert_int_equal(strncmp(buf_cstr(&keys), "version listen ", 15), 0);
    assert_non_null(strstr(buf_cstr(&keys), " subscriptions targets event_source_mappings rules "));
    assert_false(tables_root_row(rows + 1, &row));
    buf_fini(&keys);
}

static void tables_have_names(void **state)
{
    struct table t;
    assert_true(tables_find("rule-target", &t));
    assert_ptr_equal(t.options, rule_target_options);
    assert_true(tables_find("archive", &t));
    assert_string_equal(t.adapter->section, "archives");
    assert_false(tables_find("archives", &t));
}

static void assert_words(const struct option *o, const char *type, const char *bounds)
{
    struct buf out = BUF_INIT;
    tables_write_type(&out, o);
    assert_string_equal(buf_cstr(&out), type);
    buf_clear(&out);
    tables_write_bounds(&out, o);
    assert_string_equal(buf_cstr(&out), bounds);
    buf_fini(&out);
}

static void values_are_put_into_words(void **state)
{
    static const char *const names[] = {"POST", "PUT", NULL};
    assert_words(&(struct option){.type = OPTION_ENUM, .names = names}, "POST|PUT", "");
    assert_words(&(struct option){.type = OPTION_DURATION, .max = 43200000}, "duration", "0s..12h");
    assert_words(&(struct option){.type = OPTION_SIZE, .min = 1024, .max = INT64_MAX}, "size", "at least 1KiB");
    assert_words(&(struct option){.type = OPTION_TEXT, .max = 256}, "text", "at most 256 characters");
    assert_words(&(struct option){.type = OPTION_TEXT, .min = 1, .max = 64}, "text", "1..64 characters");
    assert_words(&(struct option){.type = OPTION_INT, .min = 1, .max = 1}, "integer", "1");
    assert_words(&(struct option){.type = OPTION_LIST, .max = 5}, "list", "at most 5 entries");
    assert_words(&(struct option){.type = OPTION_BOOL}, "true|false", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(the_top_level_has_every_section_once),
        cmocka_unit_test(tables_have_names),
        cmocka_unit_test(values_are_put_into_words),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
