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

/* The loader's warnings are in diags, which the caller releases. */
static struct ruleset *load(const char *stem, struct diags *diags)
{
    char file[256];
    snprintf(file, sizeof file, "%s.yaml", stem);
    assert_true(diags_init(diags, 10));
    struct ruleset *set = ruleset_load(file, 1, diags);
    struct buf report = BUF_INIT;
    ruleset_report(diags, &report);
    if (!set)
        fail_msg("%s", buf_cstr(&report));
    buf_fini(&report);
    return set;
}

/* The whole texts, since cmocka cuts long ones short. */
static void assert_same(const char *file, struct buf *got, struct buf *wanted)
{
    if (str_eq(buf_view(got), buf_view(wanted)))
        return;
    fprintf(stderr, "---- %s ----\n%s", file, buf_cstr(got));
    fail_msg("%s is not what was found", file);
}

static void files_are_reported_as_expected(void **state)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        char file[256];
        struct diags diags;
        struct buf wanted = BUF_INIT, got = BUF_INIT;
        struct findings found = {0};
        struct ruleset *set = load(files[i], &diags);
        snprintf(file, sizeof file, "%s.expected", files[i]);
        report_source(file, &wanted);
        assert_true(lint_run(set, &diags, NULL, &found));
        lint_report(&found, &got);
        assert_same(file, &got, &wanted);
        findings_fini(&found);
        buf_fini(&got);
        buf_fini(&wanted);
        ruleset_unref(set);
        diags_fini(&diags);
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
            struct diags diags;
            struct ruleset *set = load(files[i], &diags);
            assert_true(lint_run(set, &diags, NULL, &found) && lint_run(set, &diags, off, &fewer));
            for (const struct finding *f = found.list; f; f = f->next)
                with += f->check == c;
            for (const struct finding *f = fewer.list; f; f = f->next)
                without += f->check == c;
            all += found.count - fewer.count;
            findings_fini(&found);
            findings_fini(&fewer);
            ruleset_unref(set);
            diags_fini(&diags);
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
    assert_true(lint_run(set, &diags, NULL, &found));
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
