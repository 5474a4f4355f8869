/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files: the sample of the manual, what it becomes, and every file of tests/rules/bad/, whose report is compared
 * letter for letter with the .expected file beside it.
 */
#include "rules/ruleset.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rules/input.h"
#include "targets/archive.h"
#include "targets/queue.h"

#define DIAGS_MAX 100

static void assert_str(struct str s, const char *text)
{
    if (!str_is(s, text))
        fail_msg("'%.*s' is not '%s'", STR_ARG(s), text);
}

/* Fails with the whole report where the load does. */
static struct ruleset *load(const char *file, const char *text)
{
    struct diags diags;
    struct buf report = BUF_INIT;
    assert_true(diags_init(&diags, DIAGS_MAX));
    struct ruleset *set = text ? ruleset_load_text("x.yaml", str_from(text), 1, &diags) : ruleset_load(file, 1, &diags);
    ruleset_report(&diags, &report);
    if (!set)
        fail_msg("%s", buf_cstr(&report));
    assert_string_equal(buf_cstr(&report), "");
    buf_fini(&report);
    diags_fini(&diags);
    return set;
}

static bool ends_with(struct str s, const char *tail)
{
    size_t size = strlen(tail);
    return s.size >= size && memcmp(s.ptr + s.size - size, tail, size) == 0;
}

/* ---- the sample ---- */

static void check_settings(const struct ruleset *set)
{
    assert_str(set->file, "tests/rules/full.yaml");
    assert_str(set->listen_host, "127.0.0.1");
    assert_int_equal(set->listen_port, 4566);
    assert_true(set->data.ptr[0] == '/' && ends_with(set->data, "/tests/rules/weir-data"));
    assert_str(set->account, "000000000000");
    assert_str(set->region, "us-east-1");
    assert_int_equal(set->bus_count, 2);
    assert_str(set->buses[0].name, "default");
    assert_str(set->buses[1].arn, "arn:aws:events:us-east-1:000000000000:event-bus/audit");
    assert_ptr_equal(ruleset_bus(set, STR("audit")), &set->buses[1]);
    assert_ptr_equal(ruleset_bus(set, set->buses[1].arn), &set->buses[1]);
    assert_null(ruleset_bus(set, STR("none")));
}

static void check_targets(const struct ruleset *set)
{
    const struct target_def *queue = ruleset_target(set, "queue", STR("alert-queue"));
    const struct queue_options *options = queue->options;
    assert_int_equal(set->target_count, 9); /* with the two buses */
    for (uint32_t i = 0; i < set->target_count; i++)
        assert_int_equal(set->targets[i]->index, i);
    assert_ptr_equal(set->targets[0], set->dead_letters);
    assert_true(set->dead_letters->builtin);
    assert_str(queue->arn, "arn:aws:sqs:us-east-1:000000000000:alert-queue");
    assert_int_equal(options->visibility_timeout, 30000);
    assert_ptr_equal(options->redrive_policy.target, ruleset_target(set, "queue", STR("parked")));
    assert_int_equal(options->redrive_policy.max_receive_count, 5);
    assert_string_equal(ruleset_target(set, NULL, STR("oncall"))->adapter->type, "http");
    assert_null(ruleset_target(set, "topic", STR("oncall")));
}

static void check_rule(const struct ruleset *set)
{
    const struct rule *rule = ruleset_rule(set, STR("audit"), STR("root-login"));
    const struct rule_target *first = &rule->targets[0], *second = &rule->targets[1];
    assert_true(rule->enabled);
    assert_str(rule->arn, "arn:aws:events:us-east-1:000000000000:rule/audit/root-login");
    assert_int_equal(rule->target_count, 2);
    assert_str(first->id, "alerts");
    assert_ptr_equal(first->target, ruleset_target(set, "topic", STR("alerts")));
    assert_ptr_equal(first->dead_letter, set->dead_letters);
    assert_int_equal(first->retry_policy.maximum_retry_attempts, RETRY_UNSAID);
    assert_int_equal(first->retry_policy.maximum_event_age, RETRY_UNSAID);
    assert_null(first->input);
    assert_str(second->id, "t2");
    assert_str(second->dead_letter->name, "parked");
    assert_non_null(second->input);
    assert_int_equal(rule->test_count, 1);
    assert_str(rule->tests[0].name, "root is seen");
    assert_str(rule->tests[0].format, "cloudtrail");
    assert_str(rule->tests[0].event, "{\"eventSource\":\"iam.amazonaws.com\",\"userIdentity\":{\"type\":\"Root\"}}");
    assert_true(rule->tests[0].match);
}

static void check_archive(const struct ruleset *set)
{
    const struct rule *rule = ruleset_rule(set, STR("audit"), STR("Events-Archive-audit-all"));
    const struct archive_options *options = rule->targets[0].target->options;
    assert_true(rule->is_archive);
    assert_int_equal(rule->target_count, 1);
    assert_str(rule->targets[0].target->name, "audit-all");
    assert_str(options->bus, "audit");
    assert_int_equal(options->retention, INT64_C(30) * 86400000);
}

static void check_matches(const struct ruleset *set, const char *bus, const char *event, long wanted)
{
    struct weir_matcher *matcher = ruleset_bus(set, str_from(bus))->matcher;
    struct weir_scratch *scratch = weir_scratch_create(matcher);
    struct weir_diag diag;
    const uint32_t *ids;
    assert_int_equal(weir_match(matcher, scratch, event, strlen(event), WEIR_CHECKED, &ids, &diag), wanted);
    for (long i = 0; i < wanted; i++)
        assert_str(set->rules[ids[i]].bus, bus);
    weir_scratch_destroy(scratch);
}

static void test_full(void **state)
{
    assert_int_equal(setenv("HOOK_TOKEN", "Bearer x", 1), 0);
    struct ruleset *set = load("tests/rules/full.yaml", NULL);
    check_settings(set);
    check_targets(set);
    check_rule(set);
    check_archive(set);
    check_matches(set, "audit", "{\"source\":\"s\",\"detail\":{\"userIdentity\":{\"type\":\"Root\"}}}", 2);
    check_matches(set, "audit", "{\"source\":\"s\",\"detail\":{}}", 1);
    check_matches(set, "default", "{\"source\":\"s\",\"detail\":{\"userIdentity\":{\"type\":\"Root\"}}}", 0);
    ruleset_ref(set);
    ruleset_unref(set);
    ruleset_unref(set);
}

/* ---- small files ---- */

static void test_nothing(void **state)
{
    struct diags diags;
    assert_true(diags_init(&diags, DIAGS_MAX));
    struct ruleset *set = ruleset_load(NULL, 9, &diags);
    assert_non_null(set);
    assert_int_equal(set->generation, 9);
    assert_str(set->file, "");
    assert_int_equal(set->bus_count, 1);
    assert_int_equal(set->target_count, 2); /* dead-letters and the default bus */
    assert_int_equal(set->rule_count, 0);
    assert_true(ends_with(set->data, "/weir-data"));
    check_matches(set, "default", "{\"source\":\"s\"}", 0);
    ruleset_unref(set);
    diags_fini(&diags);
}

static void test_rules(void **state)
{
    struct ruleset *set = load(
        NULL,
        "version: 1\n"
        "listen: '[::1]:0'\n"
        "account: '123456789012'\n"
        "region: eu-west-1\n"
        "allowed_hosts: [router.local, weir]\n"
        "x-base: &base {source: [app]}\n"
        "buses: {default: {}, other: }\n"
        "queues:\n"
        "  dead-letters: {visibility_timeout: 5m}\n"
        "  same:\n"
        "topics: {same: {subscriptions: [queue/same]}}\n"
        "rules:\n"
        "  a: {pattern: *base, state: disabled}\n"
        "  b: {name: renamed, pattern: {<<: *base, detail-type: [x]}, targets: [queue/same, topic/same]}\n"
        "  c: {bus: other, pattern: '{\"source\": [{\"prefix\": \"a\"}]}'}\n"
        "  d:\n"
        "    bus: arn:aws:events:eu-west-1:123456789012:event-bus/other\n"
        "    pattern: {source: [app]}\n"
        "    targets:\n"
        "      - {target: arn:aws:sqs:eu-west-1:123456789012:same, dead_letter: drop, input: {n: 1.0, t: [\"x\"]}}\n"
        "      - {target: queue/same, id: p, input_path: $.detail, dead_letter: queue/same}\n");
    assert_str(set->listen_host, "::1");
    assert_int_equal(set->listen_port, 0);
    assert_int_equal(set->allowed_host_count, 2);
    assert_str(set->allowed_hosts[1], "weir");
    assert_int_equal(((const struct queue_options *)set->dead_letters->options)->visibility_timeout, 300000);
    assert_true(set->dead_letters->builtin);

    assert_false(ruleset_rule(set, STR("default"), STR("a"))->enabled);
    assert_null(ruleset_rule(set, STR("default"), STR("b")));
    const struct rule *renamed = ruleset_rule(set, STR("default"), STR("renamed"));
    assert_str(renamed->arn, "arn:aws:events:eu-west-1:123456789012:rule/renamed");
    assert_str(renamed->targets[1].id, "topic/same");
    assert_str(renamed->pattern->conjunctions[0].leaves[0]->atoms[0].text, "x"); /* outlives what it was read from */
    const struct rule *d = ruleset_rule(set, STR("other"), STR("d"));
    assert_true(d->targets[0].drop);
    assert_null(d->targets[0].dead_letter);
    assert_str(d->targets[1].dead_letter->name, "same");
    check_matches(set, "default", "{\"source\":\"app\",\"detail-type\":\"x\"}", 1);
    check_matches(set, "other", "{\"source\":\"app\"}", 2);

    struct buf out = BUF_INIT;
    struct weir_diag diag;
    struct input_variables variables = {0};
    assert_true(input_render(d->targets[0].input, STR("{}"), &variables, &out, &diag));
    assert_string_equal(buf_cstr(&out), "{\"n\":1.0,\"t\":[\"x\"]}");
    buf_fini(&out);
    ruleset_unref(set);
}

static void test_tests(void **state)
{
    struct ruleset *set = load(NULL, "version: 1\n"
                                     "queues: {q: , p: }\n"
                                     "rules:\n"
                                     "  one:\n"
                                     "    pattern: {source: [app]}\n"
                                     "    targets: [q]\n"
                                     "    tests:\n"
                                     "      - {name: a, event: {source: app}}\n"
                                     "      - {name: b, format: s3, event: '@dir/b.json', match: false}\n"
                                     "      - {name: c, event: '{\"n\": 1.0}', input: {p: 1}}\n"
                                     "      - {name: d, event: {}, input: {q: text}}\n"
                                     "  two:\n"
                                     "    pattern: {source: [app]}\n"
                                     "    targets: [q, p]\n"
                                     "    tests:\n"
                                     "      - {name: e, event: {}, input: {p: [1, a], q: }}\n");
    const struct rule *one = ruleset_rule(set, STR("default"), STR("one"));
    const struct rule_test *a = &one->tests[0], *b = a + 1, *c = a + 2, *d = a + 3;
    assert_int_equal(one->test_count, 4);
    assert_str(a->event, "{\"source\":\"app\"}");
    assert_true(a->match && !a->event_file.ptr && a->input_count == 0);
    assert_true(!b->match && !b->event.ptr && b->event_file.ptr[0] == '/' && ends_with(b->event_file, "/dir/b.json"));
    assert_str(b->format, "s3");
    assert_int_equal(b->pos.line, 9);
    assert_str(c->event, "{\"n\":1.0}");
    assert_str(c->inputs[0].expected, "{\"p\":1}"); /* p is no id of this rule's only target: the input itself */
    assert_false(c->inputs[0].is_text);
    assert_str(d->inputs[0].expected, "text");
    assert_true(d->inputs[0].is_text);
    assert_ptr_equal(d->inputs[0].target, &one->targets[0]);

    const struct rule *two = ruleset_rule(set, STR("default"), STR("two"));
    assert_int_equal(two->tests[0].input_count, 2);
    assert_ptr_equal(two->tests[0].inputs[0].target, &two->targets[1]);
    assert_str(two->tests[0].inputs[0].expected, "[1,\"a\"]");
    assert_str(two->tests[0].inputs[1].expected, "null");
    ruleset_unref(set);
}

static void test_include(void **state)
{
    struct ruleset *set = load("tests/rules/include.yaml", NULL);
    assert_int_equal(set->rule_count, 3);
    assert_str(set->rules[0].name, "first");
    assert_str(set->rules[1].name, "in-a");
    assert_str(set->rules[2].name, "in-b");
    assert_string_equal(set->rules[2].pos.file, "tests/rules/include.d/nested/b.yaml");
    assert_str(ruleset_target(set, "queue", STR("far"))->name, "far");
    const struct target_def *function = ruleset_target(set, "function", STR("run"));
    assert_non_null(function);
    ruleset_unref(set);
}

/* ---- what is wrong ---- */

static void read_whole(const char *path, struct buf *out)
{
    char chunk[4096];
    size_t got;
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("cannot open %s", path);
    while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_add(out, chunk, got);
    fclose(f);
}

static bool check_bad(const char *path)
{
    struct diags diags;
    struct buf report = BUF_INIT, wanted = BUF_INIT;
    char expected[512];
    snprintf(expected, sizeof(expected), "%.*s.expected", (int)(strlen(path) - strlen(".yaml")), path);
    assert_true(diags_init(&diags, DIAGS_MAX));
    assert_null(ruleset_load(path, 1, &diags));
    ruleset_report(&diags, &report);
    read_whole(expected, &wanted);
    bool same = str_eq(buf_view(&report), buf_view(&wanted));
    if (!same)
        print_error("---- %s ----\n%s---- wanted ----\n%s", path, buf_cstr(&report), buf_cstr(&wanted));
    diags_fini(&diags);
    buf_fini(&report);
    buf_fini(&wanted);
    return same;
}

static void test_bad(void **state)
{
    glob_t found;
    bool ok = true;
    assert_int_equal(glob("tests/rules/bad/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        ok &= check_bad(found.gl_pathv[i]);
    globfree(&found);
    assert_true(ok);
}

static void assert_report(const char *file, const char *text, size_t max, const char *wanted)
{
    struct diags diags;
    struct buf report = BUF_INIT;
    assert_true(diags_init(&diags, max));
    if (text)
        assert_null(ruleset_load_text(file, str_from(text), 1, &diags));
    else
        assert_null(ruleset_load(file, 1, &diags));
    ruleset_report(&diags, &report);
    assert_string_equal(buf_cstr(&report), wanted);
    diags_fini(&diags);
    buf_fini(&report);
}

static void test_reports(void **state)
{
    assert_report("tests/rules/none.yaml", NULL, 10,
                  "tests/rules/none.yaml: error: cannot open 'tests/rules/none.yaml': No such file or directory\n");
    assert_report("tests/rules", NULL, 10, "tests/rules: error: 'tests/rules' is not a regular file\n");
    assert_report("x.yaml", "version: 1\ninclude: [a.yaml]\n", 10,
                  "x.yaml:2:10: error: 'include' needs a file to be relative to; this text has none\n");
    assert_report("x.yaml", "version: 1\nqueuess: 1\nb: 1\nc: 1\n", 1,
                  "x.yaml:2:1: error: unknown key 'queuess' in the configuration; did you mean 'queues'?\n"
                  "3 errors, the last 2 not shown\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),    cmocka_unit_test(test_nothing), cmocka_unit_test(test_rules),
        cmocka_unit_test(test_tests),   cmocka_unit_test(test_include), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_reports),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
