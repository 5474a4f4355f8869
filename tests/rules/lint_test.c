/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks over the files of tests/rules/lint/: each report is compared letter for letter with the .expected file
 * beside it, clean.yaml has none to show, and every check finds something somewhere.
 */
#include "rules/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "tests/rules/lint/"

static const char *const files[] = {FOLDER "clean", FOLDER "leaves", FOLDER "patterns", FOLDER "set"};
#define FILE_COUNT (sizeof(files) / sizeof(files[0]))

static struct ruleset *load(const char *stem)
{
    char file[256];
    struct diags diags;
    struct buf report = BUF_INIT;
    snprintf(file, sizeof file, "%s.yaml", stem);
    assert_true(diags_init(&diags, 10));
    struct ruleset *set = ruleset_load(file, 1, &diags);
    ruleset_report(&diags, &report);
    assert_string_equal(buf_cstr(&report), "");
    buf_fini(&report);
    diags_fini(&diags);
    return set;
}

static void files_are_reported_as_expected(void **state)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        char file[256];
        struct buf wanted = BUF_INIT, got = BUF_INIT;
        struct findings found = {0};
        struct ruleset *set = load(files[i]);
        snprintf(file, sizeof file, "%s.expected", files[i]);
        report_source(file, &wanted);
        assert_true(lint_run(set, NULL, &found));
        lint_report(&found, &got);
        assert_string_equal(buf_cstr(&got), buf_cstr(&wanted));
        findings_fini(&found);
        buf_fini(&got);
        buf_fini(&wanted);
        ruleset_unref(set);
    }
}

/* What nobody can trigger is no check; and a check that is off finds nothing. */
static void every_check_finds_and_can_be_turned_off(void **state)
{
    for (const struct lint_check *c = lint_checks; c->id; c++) {
        const struct lint_check *off[] = {c, NULL};
        size_t with = 0, without = 0, all = 0;
        for (size_t i = 0; i < FILE_COUNT; i++) {
            struct findings found = {0}, fewer = {0};
            struct ruleset *set = load(files[i]);
            assert_true(lint_run(set, NULL, &found) && lint_run(set, off, &fewer));
            for (const struct finding *f = found.list; f; f = f->next)
                with += f->check == c;
            for (const struct finding *f = fewer.list; f; f = f->next)
                without += f->check == c;
            all += found.count - fewer.count;
            findings_fini(&found);
            findings_fini(&fewer);
            ruleset_unref(set);
        }
        if (!with || without || all != with)
            fail_msg("%s: %zu findings, %zu when it is off, %zu fewer in all", c->id, with, without, all);
    }
}

static void checks_have_names(void **state)
{
    for (const struct lint_check *c = lint_checks; c->id; c++) {
        assert_ptr_equal(lint_check_find(c->id), c);
        assert_int_equal(strspn(c->id, "abcdefghijklmnopqrstuvwxyz-"), strlen(c->id));
        assert_true(strlen(c->meaning) >= 10 && c->meaning[strlen(c->meaning) - 1] != '.');
        assert_true(!c->rule != !c->set);
    }
    assert_null(lint_check_find("no-such-check"));
}

static void nothing_is_found_in_nothing(void **state)
{
    struct diags diags;
    struct findings found = {0};
    assert_true(diags_init(&diags, 10));
    struct ruleset *set = ruleset_load(NULL, 1, &diags);
    assert_true(lint_run(set, NULL, &found));
    assert_int_equal(found.count, 0);
    assert_null(found.list);
    findings_fini(&found);
    ruleset_unref(set);
    diags_fini(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_reported_as_expected),
        cmocka_unit_test(every_check_finds_and_can_be_turned_off),
        cmocka_unit_test(checks_have_names),
        cmocka_unit_test(nothing_is_found_in_nothing),
    };
    return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
