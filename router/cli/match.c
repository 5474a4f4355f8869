/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir match: grep for events. Prints the events that match a pattern; a line that is no JSON object is reported with
 * its place and the rest goes on. CloudTrail and S3 files are turned into events first, so that a pattern meets what a
 * rule would. The first line decides: files of lines are matched as they are read, whatever their size; a document is
 * read whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

static void report(struct grep *g, const char *file, long line, const char *message)
{
    fflush(stdout); /* in order, where both go to one terminal */
    fprintf(stderr, "%s:%ld: error: %s\n", file, line, message);
    g->faulty = true;
}

static void match_event(struct grep *g, const char *file, long line, struct str event, enum weir_mode mode)
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
static void match_record(struct grep *g, const char *file, long line, const struct source *source, struct str text)
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
    if (!source->parse(&context, text, NULL, &events))
        report(g, file, line, diags.count ? diags.list[0].message : "cannot be read as an event");
    else
        for (size_t i = 0; i < events.count; i++)
            match_event(g, file, line, (struct str){out.data + events.list[i].offset, events.list[i].size},
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

static bool are_events(const struct source *source)
{
    return str_is(str_from(source->name), "events");
}

static void match_one(struct grep *g, const char *file, long line, const struct source *source, struct str text)
{
    if (are_events(source))
        match_event(g, file, line, text, WEIR_CHECKED);
    else if (need_settings(g))
        match_record(g, file, line, source, text);
    else
        xfail("out of memory");
}

/* ---- files ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Reads on until the first line that is not blank is whole. */
static enum exit_code read_first_line(struct input_file *in, struct buf *text, struct str *line)
{
    size_t start = 0, searched = 0;
    enum exit_code code;

    while ((code = input_more(in, text)) == EXIT_DONE) {
        while (start < text->size && is_blank(text->data[start]))
            start++;
        searched = searched < start ? start : searched;
        const char *end = text->size > searched ? memchr(text->data + searched, '\n', text->size - searched) : NULL;
        searched = text->size;
        if (end || in->ended) {
            size_t stop = end ? (size_t)(end - text->data) : text->size;
            *line = text->size ? (struct str){text->data + start, stop - start} : (struct str){0};
            break;
        }
    }
    return code;
}

/* What the lines of the file are; NULL: it is one document. A first line that is an object of its own is one of many
   (or all there is), and so is one that is faulty before its end; one that only goes on behind its end is not. */
static const struct source *source_of_lines(const struct grep *g, struct str first)
{
    struct weir_diag diag;
    struct records records;

    records_split(first, g->format, &records);
    const struct source *source = records.source;
    bool lines = json_check(first, NULL, &diag) ? *first.ptr == '{' && !records.wrapped : diag.offset < first.size;
    records_fini(&records);
    return lines || !first.size ? source : NULL;
}

static struct str trim(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    while (at < end && is_blank(end[-1]))
        end--;
    return (struct str){at, (size_t)(end - at)};
}

/* Matches the lines that are whole and takes them off the front; *searched bytes are known to hold no end of one. */
static void match_whole_lines(struct grep *g, const struct input_file *in, const struct source *source,
                              struct buf *text, size_t *searched, long *line)
{
    size_t at = 0, from = *searched;

    while (at < text->size) {
        const char *end = memchr(text->data + from, '\n', text->size - from);
        if (!end && !in->ended)
            break;
        size_t stop = end ? (size_t)(end - text->data) : text->size;
        struct str one = trim(text->data + at, text->data + stop);
        ++*line;
        if (one.size)
            match_one(g, in->name, *line, source, one);
        at = from = end ? stop + 1 : stop;
    }
    if (at)
        memmove(text->data, text->data + at, text->size -= at);
    *searched = text->size;
}

/* In bounded memory, and of a pipe what it holds as soon as it holds it. */
static enum exit_code match_lines(struct grep *g, struct input_file *in, const struct source *source, struct buf *text)
{
    enum exit_code code = EXIT_DONE;
    size_t searched = 0;
    long line = 0;

    for (;;) {
        match_whole_lines(g, in, source, text, &searched, &line);
        if (in->ended || code != EXIT_DONE)
            return code;
        if (in->fd == STDIN_FILENO && !g->count)
            fflush(stdout);
        code = input_more(in, text);
    }
}

static enum exit_code match_document(struct grep *g, struct input_file *in, struct buf *text)
{
    enum exit_code code = EXIT_DONE;
    struct records records;

    while (!in->ended && code == EXIT_DONE)
        code = input_more(in, text);
    if (code != EXIT_DONE)
        return code;
    records_split(buf_view(text), g->format, &records);
    for (size_t i = 0; i < records.count; i++)
        match_one(g, in->name, records.list[i].line, records.source, records.list[i].text);
    records_fini(&records);
    return code;
}

static enum exit_code match_file(struct grep *g, const char *path)
{
    struct input_file in;
    struct buf text;
    struct str first;
    enum exit_code code = input_open(&in, path);

    buf_init(&text, INPUT_BYTES_MAX);
    if (code == EXIT_DONE)
        code = read_first_line(&in, &text, &first);
    if (code == EXIT_DONE) {
        const struct source *source = source_of_lines(g, first);
        code = source ? match_lines(g, &in, source, &text) : match_document(g, &in, &text);
    }
    input_close(&in);
    buf_fini(&text);
    return code;
}

static int match_files(struct grep *g)
{
    int code = EXIT_DONE;

    if (g->cli->argument_count < 2)
        return match_file(g, "-");
    for (size_t i = 1; i < g->cli->argument_count; i++) {
        enum exit_code read = match_file(g, g->cli->arguments[i]);
        if (read != EXIT_DONE)
            code = read;
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
    .description = "PATTERN is an event pattern in JSON (weir-pattern(7)); @FILE reads it from a file. Events come "
                   "from files or stdin:\n"
                   "NDJSON of any size; a JSON array, CloudTrail log files, S3 notifications, CloudEvents of up to 2 "
                   "GiB; .gz and\n"
                   ".zst are read as they are.\n"
                   "Exit code 0: some event matched; 1: none; 65: some line was no event (the others were matched); "
                   "78: bad pattern.",
    .no_url = true,
    .options = options,
    .run = match,
};
