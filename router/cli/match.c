/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir match: grep for events. Prints the events that match a pattern; a line that is no JSON object is reported with
 * its place and the rest goes on. CloudTrail and S3 files are turned into events first, so that a pattern meets what a
 * rule would.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/cli/records.h"
#include "router/cli/verbs.h"
#include "router/clock.h"
#include "router/xalloc.h"
#include "rules/ruleset.h"

struct grep {
    struct cli *cli;
    struct weir_matcher *matcher;
    struct weir_scratch *scratch;
    struct ruleset *set; /* account and region for converted records; made when first needed */
    const char *format;
    bool invert, count;
    int64_t matched; /* events printed or counted, all files */
    bool faulty;     /* some event was no event */
};

/* ---- events ---- */

static void report(struct grep *g, const char *file, int line, const char *message)
{
    fflush(stdout); /* in order, where both go to one terminal */
    fprintf(stderr, "%s:%d: error: %s\n", file, line, message);
    g->faulty = true;
}

static void match_event(struct grep *g, const char *file, int line, struct str event, enum weir_mode mode)
{
    struct weir_diag diag;
    const uint32_t *ids;
    long hits = weir_match(g->matcher, g->scratch, event.ptr, event.size, mode, &ids, &diag);

    if (hits < 0) {
        report(g, file, line + (diag.line > 1 ? diag.line - 1 : 0), diag.message);
        return;
    }
    if (weir_match_given_up(g->scratch, &ids) > 0) {
        report(g, file, line, "a regex hit a limit: whether this event matches is unknown, see weir-pattern(7)");
        return;
    }
    if ((hits > 0) == g->invert)
        return;
    g->matched++;
    if (g->count)
        return;
    struct buf one = BUF_INIT;
    json_minify(&one, event);
    buf_char(&one, '\n');
    xbuf(&one);
    fwrite(one.data, 1, one.size, stdout);
    buf_fini(&one);
}

/* One record of a CloudTrail or S3 file: the envelopes made of it. */
static void match_record(struct grep *g, const char *file, const struct records *r, const struct record_span *span)
{
    struct arena arena = ARENA_INIT;
    struct buf out = BUF_INIT;
    struct source_events events = {0};
    struct diags diags;
    struct source_context context = {.set = g->set,
                                     .bus = STR("default"),
                                     .now = {.wall_ms = clock_wall_ms()},
                                     .arena = &arena,
                                     .diags = &diags,
                                     .out = &out};

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    if (!r->source->parse(&context, span->text, NULL, &events))
        report(g, file, span->line, diags.count ? diags.list[0].message : "cannot be read as an event");
    else
        for (size_t i = 0; i < events.count; i++)
            match_event(g, file, span->line, (struct str){out.data + events.list[i].offset, events.list[i].size},
                        events.list[i].flags & JOURNAL_REPEATED_KEYS ? WEIR_CHECKED : WEIR_TRUSTED);
    free(events.list);
    diags_fini(&diags);
    buf_fini(&out);
    arena_fini(&arena);
}

static bool need_settings(struct grep *g)
{
    struct diags diags;
    if (g->set)
        return true;
    if (!diags_init(&diags, 1))
        return false;
    g->set = ruleset_load(NULL, 0, &diags);
    diags_fini(&diags);
    return g->set != NULL;
}

static void match_text(struct grep *g, const char *file, struct str text)
{
    struct records records;

    records_split(text, g->format, &records);
    bool bare = str_is(str_from(records.source->name), "events");
    if (!bare && !need_settings(g))
        xfail("out of memory");
    for (size_t i = 0; i < records.count; i++) {
        if (bare)
            match_event(g, file, records.list[i].line, records.list[i].text, WEIR_CHECKED);
        else
            match_record(g, file, &records, &records.list[i]);
    }
    records_fini(&records);
}

/* A pipe is matched line by line as it comes, as long as its first line is an event of its own. */
static int match_stream(struct grep *g)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = getline(&line, &capacity, stdin);
    struct buf rest = BUF_INIT;
    struct records first;

    if (size > 0)
        buf_add(&rest, line, (size_t)size);
    records_split(buf_view(&rest), g->format, &first);
    bool lines = size > 0 && !first.wrapped && first.count == 1 && *first.list[0].text.ptr == '{' &&
                 json_check(first.list[0].text, NULL, NULL) && str_is(str_from(first.source->name), "events");
    records_fini(&first);
    for (int number = 1; lines && size > 0; number++) {
        struct str one = {line, (size_t)size};
        if (strspn(line, " \t\r\n") < one.size)
            match_event(g, "stdin", number, one, WEIR_CHECKED);
        if (!g->count)
            fflush(stdout);
        size = getline(&line, &capacity, stdin);
    }
    while (!lines && size > 0 && (size = getline(&line, &capacity, stdin)) > 0)
        buf_add(&rest, line, (size_t)size);
    int code = ferror(stdin) ? cli_fail(EXIT_IO, "cannot read stdin: %s", strerror(errno)) : EXIT_DONE;
    if (!lines && code == EXIT_DONE)
        code = input_unpack("stdin", &rest);
    if (!lines && code == EXIT_DONE)
        match_text(g, "stdin", buf_view(&rest));
    buf_fini(&rest);
    free(line);
    return code;
}

static int match_files(struct grep *g)
{
    int code = EXIT_DONE;

    if (g->cli->argument_count < 2)
        return match_stream(g);
    for (size_t i = 1; i < g->cli->argument_count; i++) {
        struct buf text;
        enum exit_code read = input_read(g->cli->arguments[i], &text);
        if (read == EXIT_DONE)
            match_text(g, g->cli->arguments[i], buf_view(&text));
        else
            code = read;
        buf_fini(&text);
    }
    return code;
}

static int match(struct cli *cli)
{
    struct grep g = {.cli = cli,
                     .invert = cli_has(cli, "--invert"),
                     .count = cli_has(cli, "--count"),
                     .format = cli_value(cli, "--format", "auto")};

    if (!cli->argument_count)
        return cli_usage(cli, "needs a pattern");
    if (strcmp(g.format, "auto") != 0 && !source_find(str_from(g.format)))
        return cli_usage(cli, "unknown format '%s'", g.format);
    struct buf pattern;
    int code = cli_pattern(cli->arguments[0], &pattern, &g.matcher);
    buf_fini(&pattern);
    g.scratch = g.matcher ? weir_scratch_create(g.matcher) : NULL;
    if (g.matcher && !g.scratch)
        code = cli_fail(EXIT_INTERNAL, "out of memory");
    if (code == EXIT_DONE) {
        code = match_files(&g);
        if (g.count && cli->json)
            printf("{\"count\":%" PRId64 "}\n", g.matched);
        else if (g.count)
            printf("%" PRId64 "\n", g.matched);
        if (code == EXIT_DONE)
            code = g.faulty ? EXIT_DATA : g.matched ? EXIT_DONE : EXIT_NO_MATCH;
    }
    weir_scratch_destroy(g.scratch);
    weir_matcher_unref(g.matcher);
    ruleset_unref(g.set);
    return code;
}

static const struct cli_option options[] = {
    {.name = "--invert", .letter = 'v', .meaning = "print events that do not match"},
    {.name = "--count", .letter = 'n', .meaning = "print only how many"},
    {.name = "--format",
     .value = "FORMAT",
     .choices = "auto events cloudtrail s3 cloudevents",
     .meaning = "auto, events, cloudtrail, s3 or cloudevents (auto: by content)"},
    {0},
};

const struct cli_verb verb_match = {
    .name = "match",
    .arguments = "[-v] [--count] PATTERN|@FILE [FILE…]",
    .summary = "grep for events: prints those that match a pattern",
    .description =
        "PATTERN is an event pattern in JSON (weir-pattern(7)); @FILE reads it from a file. Events come "
        "from files or stdin:\n"
        "NDJSON, a JSON array, CloudTrail log files, S3 notifications, CloudEvents; .gz and .zst are read as they "
        "are.\n"
        "Exit code 0: some event matched; 1: none; 65: some line was no event (the others were matched); "
        "78: bad pattern.",
    .no_url = true,
    .options = options,
    .run = match,
};
