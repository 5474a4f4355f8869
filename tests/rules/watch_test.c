/* SPDX-License-Identifier: Apache-2.0 */
/* By what a change of the files is seen: after a load that went well, and after one that did not. */
#include "rules/files.h"
#include "rules/ruleset.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/weir-watch-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    return mkdtemp(folder) && mkdir(path_of("rules.d"), 0700) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

/* wanted: they make a rule set. */
static struct files *try(const char *name, bool wanted)
{
    struct diags diags;
    assert_true(diags_init(&diags, 10));
    struct files *files = files_read(path_of(name), &diags);
    assert_non_null(files);
    struct ruleset *set = ruleset_build(files, NULL, 1, &diags);
    assert_true(wanted == (set != NULL));
    ruleset_unref(set);
    diags_fini(&diags);
    return files;
}

static bool has_changed(const struct files *files)
{
    return files_now(files) != files->fingerprint;
}

static void test_files_and_globs(void **state)
{
    put("weir.yaml", "version: 1\ninclude: [rules.d/*.yaml]\n");
    struct files *files = try("weir.yaml", true);
    assert_false(has_changed(files));
    put("rules.d/a.yaml", "queues: {a: {}}\n");
    assert_true(has_changed(files));
    unlink(path_of("rules.d/a.yaml"));
    assert_false(has_changed(files));
    put("weir.yaml", "version: 1\n");
    assert_true(has_changed(files));
    files_unref(files);
}

static void test_a_name_that_reads_like_a_glob(void **state)
{
    put("weir[1].yaml", "version: 1\n");
    put("weir1.yaml", "");
    struct files *files = try("weir[1].yaml", true);
    put("weir1.yaml", "version: 1\n");
    assert_false(has_changed(files));
    put("weir[1].yaml", "version: 1\nx-a: 1\n");
    assert_true(has_changed(files));
    files_unref(files);
}

/* The file that is to be mended may be one that only the failed attempt knew. */
static void test_after_errors(void **state)
{
    put("weir.yaml", "version: 1\ninclude: [rules.d/*.yaml, more.yaml]\n");
    put("rules.d/a.yaml", "queues: [a]\n");
    struct files *files = try("weir.yaml", false);
    assert_false(has_changed(files));
    put("rules.d/a.yaml", "queues: {a: {}}\n");
    assert_true(has_changed(files));
    files_unref(files);

    files = try("weir.yaml", false);
    assert_false(has_changed(files));
    put("more.yaml", "queues: {b: {}}\n");
    assert_true(has_changed(files));
    files_unref(files);
    files_unref(try("weir.yaml", true));
}

static void test_a_file_that_is_not_there(void **state)
{
    struct files *files = try("weir.yaml", false);
    assert_false(has_changed(files));
    put("weir.yaml", "version: 1\n");
    assert_true(has_changed(files));
    files_unref(files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_and_globs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_name_that_reads_like_a_glob, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_not_there, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
