/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir test: runs the tests that stand beside the rules (rule_tests.c runs one) and reports them as TAP 13, which
 * people can read and every test runner takes, or one JSON object a test.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/cli/rule_tests.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"

#define DIAGS_MAX    1000
#define UNTESTED_MAX 10 /* names in the closing comment */

struct chosen {
    const struct rule *rule;
    const struct rule_test *test;
};

struct session {
    struct cli *cli;
    const char *bus, *rule; /* NULL: all */
    struct ruleset *set;
    struct chosen *list; /* what is to be run, in the order of the file */
    size_t count, capacity;
    size_t passed, failed;
};

/* ---- which ---- */

static bool rule_is_meant(const struct session *s, const struct rule *rule)
{
    return !rule->is_archive && (!s->bus || str_is(rule->bus, s->bus)) && (!s->rule || str_is(rule->name, s->rule));
}

/* "RULE/TEST", the second way to name a test; "BUS/RULE: TEST" is the third, as the report prints it. */
static void write_name(struct buf *out, const struct rule *rule, const struct rule_test *test, bool with_bus)
{
    buf_clear(out);
    if (with_bus)
        buf_printf(out, "%.*s/", STR_ARG(rule->bus));
    buf_printf(out, "%.*s%s%.*s", STR_ARG(rule->name), with_bus ? ": " : "/", STR_ARG(test->name));
    xbuf(out);
}

static bool is_named(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0 || fnmatch(wanted, name, 0) == 0;
}

static bool test_is_named(const struct rule *rule, const struct rule_test *test, const char *wanted)
{
    struct buf name = BUF_INIT;
    bool named = is_named(test->name.ptr, wanted);
    for (int with_bus = 0; !named && with_bus < 2; with_bus++) {
        write_name(&name, rule, test, with_bus);
        named = is_named(buf_cstr(&name), wanted);
    }
    buf_fini(&name);
    return named;
}

static bool test_is_meant(const struct session *s, const struct chosen *one, size_t *uses)
{
    bool meant = !s->cli->argument_count;
    for (size_t i = 0; i < s->cli->argument_count; i++)
        if (test_is_named(one->rule, one->test, s->cli->arguments[i])) {
            uses[i]++;
            meant = true;
        }
    return meant;
}

static void choose(struct session *s, size_t *uses)
{
    for (uint32_t i = 0; i < s->set->rule_count; i++) {
        const struct rule *rule = &s->set->rules[i];
        for (uint32_t k = 0; rule_is_meant(s, rule) && k < rule->test_count; k++) {
            struct chosen one = {rule, &rule->tests[k]};
            if (!test_is_meant(s, &one, uses))
                continue;
            if (s->count == s->capacity)
                s->list = xrealloc(s->list, (s->capacity = s->capacity ? 2 * s->capacity : 64) * sizeof *s->list);
            s->list[s->count++] = one;
        }
    }
}

/* Candidates for near names; every text in them is some rule set's or bus's. */
static int unknown(const char *what, const char *given, const char *const *names, size_t count)
{
    const char *near = diag_near(str_from(given), names, count);
    return near ? cli_fail(EXIT_USAGE, "no %s is named '%s'; did you mean '%s'?", what, given, near)
                : cli_fail(EXIT_USAGE, "no %s is named '%s'", what, given);
}

static int check_bus(const struct session *s)
{
    const char **names = xarray(s->set->bus_count, sizeof *names);
    int code = EXIT_DONE;
    for (uint32_t i = 0; i < s->set->bus_count; i++)
        names[i] = s->set->buses[i].name.ptr;
    if (s->bus && !ruleset_bus(s->set, str_from(s->bus)))
        code = unknown("bus", s->bus, names, s->set->bus_count);
    free(names);
    return code;
}

static int check_rule(const struct session *s)
{
    const char **names = xarray(s->set->rule_count + 1, sizeof *names);
    size_t count = 0;
    bool found = !s->rule;
    for (uint32_t i = 0; i < s->set->rule_count; i++) {
        names[count++] = s->set->rules[i].name.ptr;
        found = found || rule_is_meant(s, &s->set->rules[i]);
    }
    int code = found ? EXIT_DONE : unknown("rule", s->rule, names, count);
    free(names);
    return code;
}

/* A name that names nothing: near ones are looked for among the tests of the chosen rules, by both ways of naming. */
static int unknown_test(const struct session *s, const char *given)
{
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    struct arena arena = ARENA_INIT;
    struct buf name = BUF_INIT;
    for (uint32_t i = 0; i < s->set->rule_count; i++) {
        const struct rule *rule = &s->set->rules[i];
        for (uint32_t k = 0; rule_is_meant(s, rule) && k < rule->test_count; k++) {
            if (count == capacity)
                names = xrealloc(names, (capacity = capacity ? 2 * capacity : 64) * sizeof *names);
            write_name(&name, rule, &rule->tests[k], false);
            names[count++] = rule->tests[k].name.ptr;
            if (!(names[count++] = arena_text(&arena, buf_view(&name))))
                xfail("out of memory");
        }
    }
    int code = unknown("test", given, names, count);
    buf_fini(&name);
    arena_fini(&arena);
    free(names);
    return code;
}

static int choose_tests(struct session *s)
{
    size_t *uses = xarray(s->cli->argument_count + 1, sizeof *uses);
    int code = check_bus(s);
    if (code == EXIT_DONE)
        code = check_rule(s);
    if (code == EXIT_DONE)
        choose(s, uses);
    for (size_t i = 0; code == EXIT_DONE && i < s->cli->argument_count; i++)
        if (!uses[i])
            code = unknown_test(s, s->cli->arguments[i]);
    free(uses);
    return code;
}

/* ---- reports ---- */

/* Words and file names that no YAML reader takes for anything but text. */
static bool is_plain(struct str text)
{
    bool is_word = true;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.ptr[i];
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        is_word = is_word && letter;
        if (!letter && c != '/' && (i == 0 || !(strchr(" ._-", c) || (c >= '0' && c <= '9'))))
            return false;
    }
    return text.size && (!is_word || str_is(text, "none"));
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* A scalar as YAML takes it on one line: bare, in single quotes, or, with controls in it, as JSON. */
static void write_scalar(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "  %s: ", key);
    if (is_plain(text)) {
        buf_str(out, text);
    } else if (is_printable(text)) {
        buf_char(out, '\'');
        for (size_t i = 0; i < text.size; i++)
            buf_printf(out, text.ptr[i] == '\'' ? "''" : "%c", text.ptr[i]);
        buf_char(out, '\'');
    } else {
        json_write_string(out, text);
    }
    buf_char(out, '\n');
}

static void write_lines(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "  %s: |\n", key);
    while (text.size) {
        const char *end = memchr(text.ptr, '\n', text.size);
        size_t size = end ? (size_t)(end - text.ptr) : text.size;
        buf_printf(out, "    %.*s\n", (int)size, text.ptr);
        text = (struct str){text.ptr + size + (end != NULL), text.size - size - (end != NULL)};
    }
}

/* # begins a directive in TAP, and a test is one line. */
static void write_description(struct buf *out, const struct chosen *one)
{
    struct buf name = BUF_INIT;
    write_name(&name, one->rule, one->test, true);
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '#' || name.data[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, (unsigned char)name.data[i] < ' ' ? ' ' : name.data[i]);
    }
    buf_fini(&name);
}

static void write_tap(struct buf *out, const struct session *s, const struct chosen *one, bool ok,
                      const struct rule_test_result *result)
{
    buf_printf(out, "%s %zu - ", ok ? "ok" : "not ok", s->passed + s->failed);
    write_description(out, one);
    buf_char(out, '\n');
    if (ok)
        return;
    buf_text(out, "  ---\n");
    write_scalar(out, "message", buf_view(&result->message));
    write_scalar(out, "file", str_from(one->test->pos.file));
    buf_printf(out, "  line: %d\n", one->test->pos.line);
    write_scalar(out, "wanted", buf_view(&result->wanted));
    write_scalar(out, "got", buf_view(&result->got));
    if (result->why.size)
        write_lines(out, "why", buf_view(&result->why));
    buf_text(out, "  ...\n");
}

static void write_json(struct buf *out, const struct chosen *one, bool ok, const struct rule_test_result *result)
{
    buf_char(out, '{');
    json_write_member(out, "bus", one->rule->bus);
    json_write_member(out, "rule", one->rule->name);
    json_write_member(out, "test", one->test->name);
    json_write_member(out, "file", str_from(one->test->pos.file));
    json_write_key(out, "line");
    json_write_int(out, one->test->pos.line);
    json_write_key(out, "ok");
    buf_text(out, ok ? "true" : "false");
    if (!ok) {
        json_write_member(out, "message", buf_view(&result->message));
        json_write_member(out, "wanted", buf_view(&result->wanted));
        json_write_member(out, "got", buf_view(&result->got));
        if (result->why.size)
            json_write_member(out, "why", buf_view(&result->why));
    }
    buf_text(out, "}\n");
}

static void print_summary(const struct session *s)
{
    size_t untested = 0;
    struct buf names = BUF_INIT;
    for (uint32_t i = 0; i < s->set->rule_count; i++) {
        const struct rule *rule = &s->set->rules[i];
        if (!rule_is_meant(s, rule) || rule->test_count)
            continue;
        if (untested++ < UNTESTED_MAX)
            buf_printf(&names, "%s%.*s", names.size ? ", " : "", STR_ARG(rule->name));
    }
    printf("# %zu passed, %zu failed\n", s->passed, s->failed);
    if (untested && !s->cli->argument_count)
        printf("# %zu rule%s no test: %s%s\n", untested, untested == 1 ? " has" : "s have", buf_cstr(&names),
               untested > UNTESTED_MAX ? ", …" : "");
    buf_fini(&names);
}

/* ---- the verb ---- */

static void run_one(struct session *s, struct rule_tests *tests, const struct chosen *one)
{
    struct rule_test_result result;
    struct buf out = BUF_INIT;
    bool ok = rule_tests_run(tests, one->rule, one->test, &result);
    s->passed += ok;
    s->failed += !ok;
    if (s->cli->json)
        write_json(&out, one, ok, &result);
    else
        write_tap(&out, s, one, ok, &result);
    xbuf(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_fini(&out);
    rule_test_result_fini(&result);
}

static int run_all(struct session *s)
{
    struct rule_tests tests;
    rule_tests_open(&tests, s->set);
    if (!s->cli->json)
        printf("TAP version 13\n1..%zu\n", s->count);
    for (size_t i = 0; i < s->count; i++)
        run_one(s, &tests, &s->list[i]);
    if (!s->cli->json)
        print_summary(s);
    rule_tests_close(&tests);
    return s->failed ? EXIT_NO_MATCH : EXIT_DONE;
}

static struct ruleset *load(const char *file)
{
    struct diags diags;
    struct buf report = BUF_INIT;
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    struct ruleset *set = ruleset_load(file, 1, &diags);
    ruleset_report(&diags, &report);
    fputs(buf_cstr(&report), stderr);
    buf_fini(&report);
    diags_fini(&diags);
    return set;
}

static int test(struct cli *cli)
{
    struct session s = {.cli = cli, .bus = cli_value(cli, "--bus", NULL), .rule = cli_value(cli, "--rule", NULL)};
    const char *file = cli_config(cli);
    if (!file)
        return cli_fail(EXIT_CONFIG, "no configuration: neither ./weir.yaml nor /etc/weir/weir.yaml is there");
    if (!(s.set = load(file)))
        return EXIT_CONFIG;
    int code = choose_tests(&s);
    if (code == EXIT_DONE)
        code = run_all(&s);
    free(s.list);
    ruleset_unref(s.set);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the configuration; default ./weir.yaml"},
    {.name = "--rule", .letter = 'r', .value = "RULE", .meaning = "only the tests of this rule"},
    {.name = "--bus", .letter = 'b', .value = "BUS", .meaning = "only the tests of this bus's rules"},
    {0},
};

const struct cli_verb verb_test = {
    .name = "test",
    .arguments = "[-c FILE] [--rule RULE] [--bus BUS] [NAME…]",
    .summary = "runs the tests that stand beside the rules",
    .description =
        "Each test's event takes the way that it would take in a router: its source's parser, the matcher of "
        "the rule's bus,\n"
        "the targets' input. NAME is the name of a test, or RULE/TEST; both may hold *, ? and […]. The "
        "report is TAP 13.\n"
        "Exit code 0: all passed; 1: some test failed; 64: a NAME names no test; 78: bad configuration.",
    .no_url = true,
    .options = options,
    .run = test,
};
