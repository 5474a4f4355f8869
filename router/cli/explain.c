/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir explain: why an event matches a rule, or does not. Rules are those of the configuration, nearest first; events
 * are read as weir send would read them, so CloudTrail and S3 files meet the patterns as their events.
 */
#include <stdio.h>
#include <stdlib.h>

#include "matcher/explain.h"
#include "matcher/json.h"
#include "router/cli/records.h"
#include "router/cli/verbs.h"
#include "router/clock.h"
#include "router/xalloc.h"
#include "rules/read_only.h"
#include "rules/ruleset.h"

#define DIAGS_MAX 1000
#define NEAREST   3 /* rules that do not match, shown in full without --all */

struct subject {             /* a pattern that is explained */
    const struct rule *rule; /* NULL: given on the command line */
    const struct pattern *pattern;
    struct explainer *explainer;
    struct explanation explanation; /* of the present event */
    struct arena arena;
    bool explained;
    bool held_back; /* the rule does not get it though it matches: rules/read_only.h */
};

struct explain {
    struct cli *cli;
    struct ruleset *set;
    struct arena keep;
    struct subject *subjects;
    size_t subject_count;
    bool faulty;
    int64_t events;
};

/* ---- what is explained ---- */

static void write_name(struct buf *out, const struct rule *rule)
{
    if (!rule)
        buf_text(out, "the pattern");
    else if (str_is(rule->bus, "default"))
        buf_printf(out, "rule %.*s", STR_ARG(rule->name));
    else
        buf_printf(out, "rule %.*s/%.*s", STR_ARG(rule->bus), STR_ARG(rule->name));
}

/* NAME or BUS/NAME, on the bus of --bus. */
static bool is_asked_for(const struct explain *x, const struct rule *rule)
{
    const char *name = cli_value(x->cli, "--rule", NULL), *bus = cli_value(x->cli, "--bus", NULL);
    const char *slash = name ? strchr(name, '/') : NULL;

    if (rule->is_archive || (bus && !str_is(rule->bus, bus)))
        return false;
    if (!name)
        return true;
    if (slash && str_is(rule->name, slash + 1) && str_eq(rule->bus, (struct str){name, (size_t)(slash - name)}))
        return true;
    return str_is(rule->name, name);
}

static int unknown_rule(const struct explain *x)
{
    const char *name = cli_value(x->cli, "--rule", NULL), *bus = cli_value(x->cli, "--bus", NULL);
    const char **names = xarray(x->set->rule_count + 1, sizeof *names);
    size_t count = 0;

    if (!name) {
        free(names);
        return bus ? cli_usage(x->cli, "there is no rule on bus '%s'", bus)
                   : cli_fail(EXIT_CONFIG, "there is no rule to explain; -p takes a pattern");
    }
    for (uint32_t i = 0; i < x->set->rule_count; i++)
        if (!x->set->rules[i].is_archive)
            names[count++] = x->set->rules[i].name.ptr;
    const char *slash = strchr(name, '/'), *near = diag_near(str_from(slash ? slash + 1 : name), names, count);
    int code = cli_usage(x->cli, "no rule '%s'%s%s%s%s%s", name, bus ? " on bus " : "", bus ? bus : "",
                         near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
    return code;
}

static bool add_subject(struct explain *x, const struct rule *rule, const struct pattern *pattern)
{
    struct weir_diag diag;

    x->subjects = xrealloc(x->subjects, (x->subject_count + 1) * sizeof *x->subjects);
    struct subject *s = &x->subjects[x->subject_count++];
    *s = (struct subject){.rule = rule, .pattern = pattern};
    s->explainer = explainer_create(pattern, &diag);
    if (!s->explainer)
        cli_fail(EXIT_INTERNAL, "%s", diag.message);
    return s->explainer;
}

static int load_rules(struct explain *x)
{
    const char *file = cli_config(x->cli);
    struct diags diags;
    struct buf report = BUF_INIT;
    bool only_schedules = false;

    if (!file)
        return cli_fail(EXIT_CONFIG, "no configuration: neither ./weir.yaml nor /etc/weir/weir.yaml is there; "
                                     "-c names one, -p takes a pattern");
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    x->set = ruleset_load(file, 1, &diags);
    ruleset_report(&diags, &report);
    if (!x->set)
        fputs(buf_cstr(&report), stderr);
    buf_fini(&report);
    diags_fini(&diags);
    if (!x->set)
        return EXIT_CONFIG;
    for (uint32_t i = 0; i < x->set->rule_count; i++) {
        const struct rule *rule = &x->set->rules[i];
        if (!is_asked_for(x, rule))
            continue;
        if (!rule->pattern)
            only_schedules = true;
        else if (!add_subject(x, rule, rule->pattern))
            return EXIT_INTERNAL;
    }
    if (!x->subject_count && only_schedules)
        return cli_fail(EXIT_USAGE, "it has a schedule and no pattern: no event matches it");
    return x->subject_count ? EXIT_DONE : unknown_rule(x);
}

static int load_pattern(struct explain *x, const char *argument)
{
    struct buf text = BUF_INIT;
    struct weir_diag diag = {0};
    struct diags diags;
    enum exit_code code = EXIT_DONE;

    if (*argument == '@')
        code = input_read(argument + 1, &text);
    else
        buf_text(&text, argument);
    struct str kept = arena_str(&x->keep, buf_view(&text));
    buf_fini(&text);
    if (code != EXIT_DONE)
        return code;
    const struct pattern *pattern = pattern_parse_json_in(&x->keep, PATTERN_EXTENDED, kept, &diag);
    if (!pattern) {
        diag_format(&text, *argument == '@' ? argument + 1 : "pattern", &diag, kept);
        fputs(buf_cstr(&text), stderr);
        buf_fini(&text);
        return EXIT_CONFIG;
    }
    if (!diags_init(&diags, 1))
        xfail("out of memory");
    x->set = ruleset_load(NULL, 1, &diags); /* account and region of events that have none */
    diags_fini(&diags);
    return x->set && add_subject(x, NULL, pattern) ? EXIT_DONE : EXIT_INTERNAL;
}

/* ---- one event ---- */

static uint32_t failing(const struct subject *s)
{
    return s->explanation.branch_count ? s->explanation.branches[0].failing : 0;
}

/* What matches first, then by how much is missing, then in the order of the file. */
static int subject_cmp(const void *a, const void *b)
{
    const struct subject *x = *(const struct subject *const *)a, *y = *(const struct subject *const *)b;
    if (x->explanation.matches != y->explanation.matches)
        return x->explanation.matches ? -1 : 1;
    if (failing(x) != failing(y))
        return failing(x) < failing(y) ? -1 : 1;
    return x < y ? -1 : 1;
}

static void print_json(const struct explain *x, const struct subject *s)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_key(&out, "event");
    json_write_int(&out, x->events);
    if (s->rule) {
        json_write_member(&out, "bus", s->rule->bus);
        json_write_member(&out, "rule", s->rule->name);
        json_write_member(&out, "state", s->rule->enabled ? STR("enabled") : STR("disabled"));
        json_write_key(&out, "held_back");
        buf_text(&out, s->held_back ? "true" : "false");
    }
    explanation_write_json(&out, &s->explanation);
    buf_text(&out, "}\n");
    xbuf(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_fini(&out);
}

static void print_text(const struct subject *s)
{
    struct buf out = BUF_INIT;

    write_name(&out, s->rule);
    buf_text(&out, s->explanation.matches ? ": matches" : ": does not match");
    if (s->rule && !s->rule->enabled)
        buf_text(&out, ", and is disabled");
    if (s->held_back)
        buf_text(&out, ", and does not get read-only management events (strict: aws)");
    buf_char(&out, '\n');
    explanation_write_text(&out, &s->explanation, EXPLAIN_BRANCHES);
    xbuf(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_fini(&out);
}

static void print_event(struct explain *x, struct subject **order)
{
    bool all = cli_has(x->cli, "--all") || x->cli->json;
    size_t shown = 0, misses = 0;

    for (size_t i = 0; i < x->subject_count; i++) {
        misses += !order[i]->explanation.matches;
        if (!all && misses > NEAREST)
            continue;
        if (x->cli->json) {
            print_json(x, order[i]);
            continue;
        }
        if (shown++)
            putchar('\n');
        print_text(order[i]);
    }
    if (!all && misses > NEAREST)
        printf("\n%zu more rules do not match and are further off; --all shows them\n", misses - NEAREST);
}

static void report(struct explain *x, const char *file, int line, const char *message)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: error: %s\n", strcmp(file, "-") ? file : "stdin", line, message);
    x->faulty = true;
}

static void print_title(const struct explain *x, const char *file, int line, struct str event)
{
    struct buf id = BUF_INIT;
    struct str raw = json_member(event, "id");

    if (x->cli->json)
        return;
    if (json_type_of(raw) == JSON_STRING)
        json_decode(&id, raw);
    printf("%s%s:%d%s%s\n", x->events > 1 ? "\n" : "", strcmp(file, "-") ? file : "stdin", line,
           id.size ? ", event " : "", buf_cstr(&id));
    buf_fini(&id);
}

static void explain_event(struct explain *x, const char *file, int line, struct str event, bool many)
{
    struct subject **order = xarray(x->subject_count, sizeof *order);
    struct weir_diag diag;
    bool ok = weir_event_check(event.ptr, event.size, &diag);

    x->events++;
    for (size_t i = 0; ok && i < x->subject_count; i++) {
        struct subject *s = order[i] = &x->subjects[i];
        ok = explainer_run(s->explainer, &s->arena, event, &s->explanation, &diag);
        s->held_back = ok && s->explanation.matches && s->rule && !s->rule->all_management_events &&
                       read_only_is_held_back(ruleset_bus(x->set, s->rule->bus), event);
    }
    if (ok) {
        if (many)
            print_title(x, file, line, event);
        qsort(order, x->subject_count, sizeof *order, subject_cmp);
        print_event(x, order);
    } else {
        report(x, file, line + (diag.line > 1 ? diag.line - 1 : 0), diag.message);
    }
    for (size_t i = 0; i < x->subject_count; i++)
        arena_fini(&x->subjects[i].arena);
    free(order);
}

/* A record of another dialect becomes its event first. */
static void explain_record(struct explain *x, const char *file, const struct source *source,
                           const struct record_span *span, bool many)
{
    struct arena arena = ARENA_INIT;
    struct buf out = BUF_INIT;
    struct source_events events = {0};
    struct diags diags;
    struct source_context context = {.set = x->set,
                                     .bus = STR("default"),
                                     .now = {.wall_ms = clock_wall_ms()},
                                     .arena = &arena,
                                     .diags = &diags,
                                     .out = &out};

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    if (!source->parse(&context, span->text, NULL, &events))
        report(x, file, span->line, diags.count ? diags.list[0].message : "cannot be read as an event");
    for (size_t i = 0; i < events.count; i++)
        explain_event(x, file, span->line, (struct str){out.data + events.list[i].offset, events.list[i].size}, many);
    free(events.list);
    diags_fini(&diags);
    buf_fini(&out);
    arena_fini(&arena);
}

static int explain_file(struct explain *x, const char *file)
{
    struct buf text;
    struct records records;
    enum exit_code code = input_read(file, &text);

    if (code != EXIT_DONE) {
        buf_fini(&text);
        return code;
    }
    records_split(buf_view(&text), cli_value(x->cli, "--format", "auto"), &records);
    bool bare = str_is(str_from(records.source->name), "events"), many = records.count > 1;
    for (size_t i = 0; i < records.count; i++)
        if (bare)
            explain_event(x, file, records.list[i].line, records.list[i].text, many);
        else
            explain_record(x, file, records.source, &records.list[i], many);
    if (!records.count)
        report(x, file, 1, "there is no event in it");
    records_fini(&records);
    buf_fini(&text);
    return EXIT_DONE;
}

static int explain(struct cli *cli)
{
    struct explain x = {.cli = cli};
    const char *pattern = cli_value(cli, "--pattern", NULL), *format = cli_value(cli, "--format", "auto");

    if (cli->argument_count > 1)
        return cli_usage(cli, "takes one file");
    if (pattern && (cli_has(cli, "--rule") || cli_has(cli, "--bus")))
        return cli_usage(cli, "--pattern stands for itself; --rule and --bus choose rules of a configuration");
    if (strcmp(format, "auto") != 0 && !source_find(str_from(format)))
        return cli_usage(cli, "unknown format '%s'", format);
    int code = pattern ? load_pattern(&x, pattern) : load_rules(&x);
    if (code == EXIT_DONE)
        code = explain_file(&x, cli->argument_count ? cli->arguments[0] : "-");
    for (size_t i = 0; i < x.subject_count; i++)
        explainer_destroy(x.subjects[i].explainer);
    free(x.subjects);
    ruleset_unref(x.set);
    arena_fini(&x.keep);
    return code == EXIT_DONE && x.faulty ? EXIT_DATA : code;
}

static const struct cli_option options[] = {
    {.name = "--config", .letter = 'c', .value = "FILE", .meaning = "the configuration; default ./weir.yaml"},
    {.name = "--rule", .letter = 'r', .value = "RULE", .meaning = "only this rule: NAME or BUS/NAME"},
    {.name = "--bus", .letter = 'b', .value = "BUS", .meaning = "only rules of this bus"},
    {.name = "--pattern",
     .letter = 'p',
     .value = "PATTERN",
     .meaning = "a pattern instead of rules; @FILE reads it from a file"},
    {.name = "--format",
     .value = "FORMAT",
     .choices = "auto events cloudtrail s3 cloudevents",
     .meaning = "auto, events, cloudtrail, s3 or cloudevents (auto: by content)"},
    {.name = "--all", .meaning = "every rule in full, however far off"},
    {0},
};

const struct cli_verb verb_explain = {
    .name = "explain",
    .arguments = "[-r RULE | -p PATTERN] [FILE]",
    .summary = "why an event matches a rule, or does not",
    .description =
        "Reads events from FILE or stdin and says of each rule, field by field, what the pattern wants, what "
        "the event has and\n"
        "what comes near. Rules that match come first, then those that miss by least.\n"
        "With --json, one object a rule and event: event (its number), bus, rule, state, matches, leaves "
        "[path, wanted, ok,\n"
        "values, found, near], branches (combinations of $or), notes.\n"
        "Exit code 0: it was said, matching or not; 65: something was no event; 78: the configuration or "
        "the pattern is bad.",
    .no_url = true,
    .options = options,
    .run = explain,
};
