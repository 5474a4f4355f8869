/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir bench: how fast the matcher is on one's own rules and events, on one core. All patterns are one compiled set,
 * however many buses the rules are on. A first pass over the events, not timed, finds what is no event, counts matches
 * and warms the caches; then passes are timed until they have lasted long enough to mean something.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "matcher/compile.h"
#include "matcher/json.h"
#include "router/cli/records.h"
#include "router/cli/verbs.h"
#include "router/xalloc.h"
#include "rules/ruleset.h"

#define SECONDS_MIN 0.5 /* of timed passes: a clock tick and a hiccup are nothing beside it */
#define DIAGS_MAX   1000

struct event {
    struct str text;
    enum weir_mode mode;
};

struct bench {
    const char *mode;
    struct weir_matcher *matcher;
    struct weir_scratch *scratch;
    uint32_t rules;
    double compile_s;
    struct event *events;
    size_t count, bytes;
    uint64_t matches, given_up; /* of one pass; events that a regex gave up on */
    double pass_s;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- patterns ---- */

/* Blank lines are no patterns. All faulty ones are reported. */
static bool add_lines(struct bench *b, struct weir_builder *builder, const char *file, struct str all)
{
    struct weir_diag diag;
    struct buf report = BUF_INIT;
    int number = 0;

    weir_builder_allow_extensions(builder);
    for (struct str rest = all; rest.size;) {
        const char *end = memchr(rest.ptr, '\n', rest.size);
        struct str line = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.size};
        size_t cut = line.size + (end != NULL);
        rest = (struct str){rest.ptr + cut, rest.size - cut};
        number++;
        while (line.size && strchr(" \t\r", line.ptr[line.size - 1]))
            line.size--;
        if (!line.size || weir_builder_add(builder, b->rules, line.ptr, line.size, &diag)) {
            b->rules += line.size > 0;
            continue;
        }
        diag.line = number;
        diag_format(&report, file, &diag, all);
    }
    bool ok = !report.size;
    fputs(buf_cstr(&report), stderr);
    buf_fini(&report);
    return ok;
}

static int add_patterns(struct bench *b, struct weir_builder *builder, const char *file)
{
    struct buf text;
    int code = input_read(file, &text);

    double began = seconds();
    if (code == EXIT_DONE && !add_lines(b, builder, file, buf_view(&text)))
        code = EXIT_CONFIG;
    b->compile_s = seconds() - began;
    buf_fini(&text);
    return code;
}

static bool add_set(struct bench *b, struct weir_builder *builder, const struct ruleset *set)
{
    struct weir_diag diag;

    for (uint32_t i = 0; i < set->rule_count; i++) {
        const struct rule *rule = &set->rules[i];
        if (!rule->enabled || !rule->pattern)
            continue;
        if (!builder_add_pattern(builder, i, rule->pattern, &diag))
            return false;
        b->rules++;
    }
    return true;
}

static int add_rules(struct bench *b, struct weir_builder *builder, const char *file)
{
    struct diags diags;
    struct buf report = BUF_INIT;

    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    struct ruleset *set = ruleset_load(file, 1, &diags);
    ruleset_report(&diags, &report);
    fputs(buf_cstr(&report), stderr);
    double began = seconds();
    if (set && !add_set(b, builder, set))
        xfail("out of memory"); /* every bus's rules were compiled as the file was loaded: nothing else is left */
    b->compile_s = seconds() - began;
    int code = set ? EXIT_DONE : EXIT_CONFIG;
    ruleset_unref(set);
    buf_fini(&report);
    diags_fini(&diags);
    return code;
}

static int compile(struct bench *b, const char *patterns, const char *rules)
{
    struct weir_diag diag;
    struct weir_builder *builder = weir_builder_create();

    if (!builder)
        xfail("out of memory");
    int code = patterns ? add_patterns(b, builder, patterns) : add_rules(b, builder, rules);
    if (code == EXIT_DONE && !b->rules)
        code = cli_fail(EXIT_CONFIG, "'%s' has no pattern", patterns ? patterns : rules);
    if (code == EXIT_DONE) {
        double began = seconds();
        b->matcher = weir_builder_build(builder, &diag);
        b->compile_s += seconds() - began;
        if (!b->matcher)
            code = cli_fail(diag.code == WEIR_E_MEMORY ? EXIT_INTERNAL : EXIT_CONFIG, "%s", diag.message);
        else if (!(b->scratch = weir_scratch_create(b->matcher)))
            xfail("out of memory");
    }
    weir_builder_destroy(builder);
    return code;
}

/* ---- events ---- */

/* Every event is checked here, so that trusted mode may trust; one that repeats keys is read whole all the same. */
static int take_events(struct bench *b, const char *file, struct str text)
{
    struct records records;
    struct weir_diag diag;
    bool faulty = false;

    records_split(text, "events", &records);
    b->events = xarray(records.count + 1, sizeof *b->events);
    for (size_t i = 0; i < records.count; i++) {
        const struct record_span *record = &records.list[i];
        struct json_info info;
        if (!weir_event_check(record->text.ptr, record->text.size, &diag)) {
            fprintf(stderr, "%s:%d: error: %s\n", file, record->line + (diag.line > 1 ? diag.line - 1 : 0),
                    diag.message);
            faulty = true;
            continue;
        }
        if (!json_check(record->text, &info, NULL))
            xfail("out of memory");
        bool trusted = strcmp(b->mode, "trusted") == 0 && !info.repeated_keys;
        b->events[b->count++] = (struct event){record->text, trusted ? WEIR_TRUSTED : WEIR_CHECKED};
        b->bytes += record->text.size;
    }
    records_fini(&records);
    if (faulty)
        return EXIT_DATA;
    return b->count ? EXIT_DONE : cli_fail(EXIT_DATA, "'%s' has no event", file);
}

static void count_matches(struct bench *b)
{
    const uint32_t *ids;

    for (size_t i = 0; i < b->count; i++) {
        const struct event *e = &b->events[i];
        long hits = weir_match(b->matcher, b->scratch, e->text.ptr, e->text.size, e->mode, &ids, NULL);
        b->matches += hits > 0 ? (uint64_t)hits : 0;
        b->given_up += weir_match_given_up(b->scratch, &ids) > 0;
    }
}

static void measure(struct bench *b)
{
    const uint32_t *ids;
    unsigned passes = 0;
    double began = seconds(), passed = 0;

    for (; passed < SECONDS_MIN; passed = seconds() - began, passes++)
        for (size_t i = 0; i < b->count; i++) {
            const struct event *e = &b->events[i];
            weir_match(b->matcher, b->scratch, e->text.ptr, e->text.size, e->mode, &ids, NULL);
        }
    b->pass_s = passed / passes;
}

/* ---- figures ---- */

static void print_json(const struct bench *b)
{
    printf("{\"mode\":\"%s\",\"events\":%zu,\"bytes\":%zu,\"matches\":%" PRIu64 ",\"events_per_s\":%.0f,"
           "\"bytes_per_s\":%.0f,\"ns_per_event\":%.1f,\"compile_s\":%.6f,\"bytes_per_rule\":%.1f}\n",
           b->mode, b->count, b->bytes, b->matches, (double)b->count / b->pass_s, (double)b->bytes / b->pass_s,
           b->pass_s * 1e9 / (double)b->count, b->compile_s, (double)weir_matcher_bytes(b->matcher) / b->rules);
}

static void print_text(const struct bench *b)
{
    printf("%zu event%s of %.0f bytes on average, %" PRIu32 " rule%s: %" PRIu64 " match%s\n", b->count,
           b->count == 1 ? "" : "s", (double)b->bytes / (double)b->count, b->rules, b->rules == 1 ? "" : "s",
           b->matches, b->matches == 1 ? "" : "es");
    printf("%s: %.0f events/s, %.1f MB/s, %.0f ns an event\n", b->mode, (double)b->count / b->pass_s,
           (double)b->bytes / b->pass_s / 1e6, b->pass_s * 1e9 / (double)b->count);
    printf("compiled in %.1f ms, %.0f bytes a rule\n", b->compile_s * 1e3,
           (double)weir_matcher_bytes(b->matcher) / b->rules);
}

static int bench(struct cli *cli)
{
    const char *patterns = cli_value(cli, "--patterns", NULL), *rules = cli_value(cli, "--rules", NULL);
    const char *file = cli_value(cli, "--events", NULL);
    struct bench b = {.mode = cli_value(cli, "--mode", "checked")};
    struct buf text = BUF_INIT;

    if (cli->argument_count)
        return cli_usage(cli, "takes no arguments");
    if (!file || !patterns == !rules)
        return cli_usage(cli, "needs --events, and one of --patterns and --rules");
    if (strcmp(b.mode, "checked") != 0 && strcmp(b.mode, "trusted") != 0)
        return cli_usage(cli, "unknown mode '%s': checked or trusted", b.mode);
    int code = compile(&b, patterns, rules);
    if (code == EXIT_DONE)
        code = input_read(file, &text);
    if (code == EXIT_DONE)
        code = take_events(&b, file, buf_view(&text));
    if (code == EXIT_DONE) {
        count_matches(&b);
        measure(&b);
        (cli->json ? print_json : print_text)(&b);
        if (b.given_up)
            fprintf(stderr, "weir: a regex hit a limit on %" PRIu64 " events, see weir-pattern(7)\n", b.given_up);
    }
    free(b.events);
    buf_fini(&text);
    weir_scratch_destroy(b.scratch);
    weir_matcher_unref(b.matcher);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--events", .value = "FILE", .meaning = "the events: NDJSON, or a JSON array; .gz and .zst as they are"},
    {.name = "--patterns", .value = "FILE", .meaning = "event patterns, one a line"},
    {.name = "--rules", .value = "FILE", .meaning = "a weir.yaml: its enabled rules' patterns, of all buses"},
    {.name = "--mode",
     .value = "MODE",
     .choices = "checked trusted",
     .meaning = "checked: events are checked while they are matched; trusted: as the router matches what it has "
                "accepted (default: checked)"},
    {0},
};

const struct cli_verb verb_bench = {
    .name = "bench",
    .arguments = "--events FILE (--patterns FILE | --rules FILE) [--mode checked|trusted]",
    .summary = "measures the matcher on one's own rules and events",
    .description = "One core matches the events over and over for half a second, or once if that takes longer. Events "
                   "and matches are\n"
                   "counted once. A figure is worth something beside another of the same machine and minute.\n"
                   "Exit code 0: measured; 65: some line was no event; 78: a bad pattern or configuration.",
    .no_url = true,
    .options = options,
    .run = bench,
};
