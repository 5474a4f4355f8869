/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: each allocation of a load fails in turn; each time the load says so (or, where the file is faulty anyway,
 * fails), leaks nothing and touches nothing that is not there. Linked with --wrap=malloc and its relatives.
 */
#include "rules/documents.h"
#include "rules/files.h"
#include "rules/ruleset.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/wrap_malloc.h"

static long allocations, fail_at; /* fail_at: the how many-th fails, from 1; 0: none */

static bool refused(void)
{
    return ++allocations == fail_at;
}

struct outcome {
    bool loaded, out_of_memory;
    long allocations;
    char message[LIMIT_DIAG_BYTES]; /* of the first diagnosis */
};

/* One load whose failing allocation is `at`; the report is written too. */
static struct outcome load_once(const char *file, long at)
{
    struct diags diags;
    struct outcome outcome;
    struct buf report = BUF_INIT;
    assert_true(diags_init(&diags, 100));
    allocations = 0;
    fail_at = at;
    struct ruleset *set = ruleset_load(file, 1, &diags);
    outcome = (struct outcome){set != NULL, diags.out_of_memory, allocations, ""};
    fail_at = 0;
    if (diags.count)
        snprintf(outcome.message, sizeof(outcome.message), "%s", diags.list[0].message);
    ruleset_report(&diags, &report);
    assert_true(set || report.size > 0);
    ruleset_unref(set);
    buf_fini(&report);
    diags_fini(&diags);
    return outcome;
}

/* What the APIs made, put in a list and built with a file whose trees were forgotten. */
static const char *const made[][3] = {
    {"queues", "made", "{\"delay\":\"5s\",\"redrive_policy\":{\"target\":\"gone\"},\"x-aws\":{\"a\":[1]}}"},
    {"rules", "audit/made",
     "{\"pattern\":\"{\\\"a\\\":[1]}\",\"targets\":[{\"id\":\"1\",\"target\":\"queue/"
     "made\"},{\"id\":\"2\",\"target\":\"a\"},"
     "{\"id\":\"3\",\"target\":\"b\"},{\"id\":\"4\",\"target\":\"c\",\"dead_letter\":\"d\"}]}"},
    {"topics", "made", "{\"x-aws\":{\"attributes\":{}}}"},
    {"platform_applications", "GCM.app",
     "{\"platform\":\"GCM\",\"name\":\"app\",\"url\":\"http://h/\",\"endpoints\":[{\"id\":\"1\",\"token\":\"t\"}]}"},
    {"subscriptions", "one", "{\"topic\":\"made\",\"url\":\"http://h/\",\"filter_policy\":\"{\\\"a\\\":[1]}\"}"},
    {"subscriptions", "two",
     "{\"topic\":\"made\",\"endpoint\":\"arn:aws:sns:us-east-1:000000000000:endpoint/GCM/app/1\"}"},
    {"subscriptions", "left", "{\"topic\":\"gone\",\"target\":\"queue/made\"}"},
    {"rules", "plain", "{\"pattern\":{\"a\":[{\"prefix\":\"x\"}]}}"},
};

static struct documents *make_documents(struct diags *diags)
{
    struct documents *list = documents_create(), *copy;
    for (size_t i = 0; list && i < sizeof(made) / sizeof(made[0]); i++) {
        struct weir_diag diag = {0};
        struct document *one = document_create(str_from(made[i][0]), str_from(made[i][1]), str_from(made[i][2]), &diag);
        if (one && documents_put(list, one))
            continue;
        assert_true(one || diag.code == WEIR_E_MEMORY);
        documents_unref(list);
        list = NULL;
    }
    copy = list ? documents_copy(list) : NULL;
    documents_unref(list);
    diags->out_of_memory |= !copy;
    return copy;
}

static struct outcome build_once(long at)
{
    static const char file[] = "version: 1\nbuses: {audit: {}}\nrules: {filed: {pattern: {a: [1]}}}\n";
    struct diags diags;
    assert_true(diags_init(&diags, 100));
    allocations = 0;
    fail_at = at;
    struct files *files = files_read_text("x.yaml", str_from(file), &diags);
    struct documents *documents = files ? make_documents(&diags) : NULL;
    struct ruleset *set = NULL;
    if (documents) {
        files_forget_trees(files);
        if (files_parse(files, &diags))
            set = ruleset_build(files, documents, 1, &diags);
    }
    struct outcome outcome = {set != NULL, diags.out_of_memory, allocations, ""};
    fail_at = 0;
    if (diags.count)
        snprintf(outcome.message, sizeof(outcome.message), "%s", diags.list[0].message);
    ruleset_unref(set);
    documents_unref(documents);
    files_unref(files);
    diags_fini(&diags);
    return outcome;
}

/* The check of an adapter has only an error to say it with. */
static bool says_memory(const struct outcome *outcome)
{
    return outcome->out_of_memory || strcmp(outcome->message, "out of memory") == 0;
}

static void load_all_ways(const char *file)
{
    long count = load_once(file, 0).allocations;
    assert_true(count > 20);
    for (long at = 1; at <= count; at++) {
        struct outcome outcome = load_once(file, at);
        /* A file name once interned is not interned again, so that the last ones may not be reached. */
        if (outcome.allocations < at)
            assert_true(outcome.loaded);
        else if (outcome.loaded || !says_memory(&outcome))
            fail_msg("allocation %ld of %ld: loaded %d, out of memory %d, '%s'", at, count, outcome.loaded,
                     outcome.out_of_memory, outcome.message);
    }
    assert_true(load_once(file, 0).loaded);
}

static void test_good(void **state)
{
    assert_int_equal(setenv("HOOK_TOKEN", "x", 1), 0);
    assert_int_equal(setenv("ACCESS_SECRET", "0123456789abcdef", 1), 0);
    load_all_ways("tests/rules/full.yaml");
    load_all_ways("tests/rules/access/weir.yaml");
}

static void test_bad(void **state)
{
    static const char *const files[] = {"tests/rules/bad/faults.yaml",     "tests/rules/bad/include.yaml",
                                        "tests/rules/bad/keys.yaml",       "tests/rules/bad/patterns.yaml",
                                        "tests/rules/bad/references.yaml", "tests/rules/bad/rules.yaml",
                                        "tests/rules/bad/values.yaml",     "tests/rules/bad/words.yaml"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        long count = load_once(files[i], 0).allocations;
        for (long at = 1; at <= count; at++)
            assert_false(load_once(files[i], at).loaded);
    }
}

static void test_made(void **state)
{
    struct outcome whole = build_once(0);
    if (!whole.loaded)
        fail_msg("%s", whole.message);
    for (long at = 1; at <= whole.allocations; at++) {
        struct outcome outcome = build_once(at);
        if (outcome.allocations >= at && (outcome.loaded || !says_memory(&outcome)))
            fail_msg("allocation %ld of %ld: loaded %d, out of memory %d, '%s'", at, whole.allocations, outcome.loaded,
                     outcome.out_of_memory, outcome.message);
    }
}

int main(void)
{
    allocation_refused = refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_made),
    };
    return cmocka_run_group_tests_name("load, out of memory", tests, NULL, NULL);
}
