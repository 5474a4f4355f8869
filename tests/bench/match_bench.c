/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the matcher is, on one core.
 *
 *     match_bench --events FILE --patterns FILE [--mode checked|trusted] [--counts]
 *
 * Events and patterns one a line; prints one JSON line. --counts adds how many events each pattern matched. Without
 * arguments it makes a small workload of its own, times both modes beside a plain search for newlines through the same
 * bytes, and holds the counts against the judge. Figures of shared machines are noise; the ratio to the newline search
 * is not.
 */
#include "matcher/buf.h"
#include "matcher/json.h"
#include "matcher/weir.h"
#include "tests/matcher/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct set {
    struct weir_matcher *m;
    struct weir_scratch *s;
    size_t patterns;
    double compile_s;
};

struct run {
    size_t events;
    unsigned long long matches;
    double seconds;
    unsigned long *counts; /* by pattern, or NULL */
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

__attribute__((noreturn)) static void die(const char *what, const char *why)
{
    fprintf(stderr, "match_bench: %s: %s\n", what, why);
    exit(1);
}

static void read_file(struct buf *out, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path, "cannot be opened");
    static char block[1 << 16];
    for (size_t size; (size = fread(block, 1, sizeof(block), file)) > 0;)
        buf_add(out, block, size);
    fclose(file);
}

/* Cuts the first line off text. */
static bool next_line(struct str *text, struct str *line)
{
    if (!text->size)
        return false;
    const char *end = memchr(text->ptr, '\n', text->size);
    *line = (struct str){text->ptr, end ? (size_t)(end - text->ptr) : text->size};
    size_t cut = line->size + (end != NULL);
    text->ptr += cut;
    text->size -= cut;
    return true;
}

static struct set compile(struct str patterns)
{
    struct set set = {0};
    struct weir_diag diag;
    struct str line;
    double start = seconds();
    struct weir_builder *b = weir_builder_create();
    weir_builder_allow_extensions(b);
    while (next_line(&patterns, &line))
        if (!weir_builder_add(b, (uint32_t)set.patterns++, line.ptr, line.size, &diag))
            die("pattern", diag.message);
    set.m = weir_builder_build(b, &diag);
    set.compile_s = seconds() - start;
    weir_builder_destroy(b);
    set.s = set.m ? weir_scratch_create(set.m) : NULL;
    if (!set.s)
        die("matcher", "out of memory");
    return set;
}

static struct run run_events(const struct set *set, struct str events, enum weir_mode mode, unsigned long *counts)
{
    struct run run = {.counts = counts};
    struct weir_diag diag;
    struct str line;
    const uint32_t *ids;
    double start = seconds();
    while (next_line(&events, &line)) {
        long n = weir_match(set->m, set->s, line.ptr, line.size, mode, &ids, &diag);
        if (n < 0)
            die("event", diag.message);
        run.events++;
        run.matches += (unsigned long long)n;
        for (long i = 0; counts && i < n; i++)
            counts[ids[i]]++;
    }
    run.seconds = seconds() - start;
    return run;
}

static void print_run(const struct set *set, const struct run *run, size_t bytes, enum weir_mode mode)
{
    printf("{\"mode\":\"%s\",\"events\":%zu,\"bytes\":%zu,\"matches\":%llu,\"events_per_s\":%.0f,\"bytes_per_s\":%.0f,"
           "\"ns_per_event\":%.1f,\"compile_s\":%.6f,\"bytes_per_rule\":%.1f",
           mode == WEIR_CHECKED ? "checked" : "trusted", run->events, bytes, run->matches,
           (double)run->events / run->seconds, (double)bytes / run->seconds,
           run->seconds * 1e9 / (double)(run->events + !run->events), set->compile_s,
           (double)weir_matcher_bytes(set->m) / (double)(set->patterns + !set->patterns));
    for (size_t i = 0; run->counts && i < set->patterns; i++)
        printf("%s%lu%s", i ? "," : ",\"counts\":[", run->counts[i], i + 1 == set->patterns ? "]" : "");
    printf("}\n");
}

static void set_close(struct set *set)
{
    weir_scratch_destroy(set->s);
    weir_matcher_unref(set->m);
}

/* ---- the small workload ---- */

static void make_workload(struct buf *events, struct buf *patterns)
{
    static const char *const states[] = {"pending", "running", "stopped", "terminated"};
    for (unsigned i = 0; i < 20000; i++) {
        buf_printf(events,
                   "{\"id\":\"%08x\",\"source\":\"aws.ec2\",\"account\":\"%012u\",\"detail-type\":\"EC2 state\",",
                   i * 2654435761u, i % 7);
        buf_printf(events, "\"time\":\"2026-01-01T00:00:%02uZ\",\"region\":\"eu-west-%u\",\"resources\":[],", i % 60,
                   i % 3);
        buf_printf(events, "\"detail\":{\"instance-id\":\"i-%05u\",\"state\":\"%s\",\"cpu\":%u.%u,\"tags\":[", i % 1000,
                   states[i % 4], i % 100, i % 10);
        for (unsigned k = 0; k < 6; k++)
            buf_printf(events, "%s{\"key\":\"k%u\",\"value\":\"v%u\"}", k ? "," : "", k, (i + k) % 5);
        buf_printf(events, "],\"unasked\":{\"a\":[1,2,3,{\"b\":\"c\"}],\"text\":\"\xC3\xA9t\xC3\xA9 \\\"%u\\\"\"}}}\n",
                   i);
    }
    for (unsigned i = 0; i < 500; i++)
        buf_printf(patterns, "{\"detail\":{\"instance-id\":[\"i-%05u\"],\"state\":[\"%s\"]}}\n", i * 2, states[i % 4]);
    buf_text(patterns, "{\"source\":[{\"prefix\":\"aws.\"}],\"detail\":{\"cpu\":[{\"numeric\":[\">\",90]}]}}\n"
                       "{\"region\":[{\"suffix\":\"-2\"}],\"detail\":{\"state\":[{\"anything-but\":\"running\"}]}}\n"
                       "{\"detail\":{\"instance-id\":[{\"wildcard\":\"i-*9*1\"}],\"missing\":[{\"exists\":false}]}}\n"
                       "{\"detail\":{\"tags\":{\"key\":[\"k1\"],\"value\":[\"v1\"]}}}\n"
                       "{\"detail\":{\"tags\":{\"key\":[\"k1\"],\"value\":[{\"anything-but\":\"v1\"}]}}}\n"
                       "{\"detail-type\":[{\"equals-ignore-case\":\"ec2 STATE\"}],\"account\":[\"000000000003\"]}\n");
}

static double newline_seconds(struct str text)
{
    struct str line;
    size_t lines = 0;
    double start = seconds();
    for (int i = 0; i < 10; i++)
        for (struct str rest = text; next_line(&rest, &line);)
            lines++;
    return lines ? (seconds() - start) / 10 : 0;
}

static void check_with_judge(const struct set *set, struct str patterns, struct str events)
{
    struct str pattern, event;
    unsigned long judged = 0, matched = 0;
    for (struct str rest = patterns; next_line(&rest, &pattern);) {
        struct str some = {events.ptr, events.size / 400};
        while (next_line(&some, &event))
            judged += some.size && judge_match(pattern.ptr, pattern.size, event.ptr, event.size) == JUDGE_YES;
    }
    for (struct str some = {events.ptr, events.size / 400}; next_line(&some, &event);) {
        const uint32_t *ids;
        long n = some.size ? weir_match(set->m, set->s, event.ptr, event.size, WEIR_CHECKED, &ids, NULL) : 0;
        matched += (unsigned long)(n > 0 ? n : 0);
    }
    if (judged != matched)
        die("judge", "counts differ");
    fprintf(stderr, "judge agrees on %lu matches\n", judged);
}

/* ---- regexes: so many on one text that has the literal of none, of the one that matches, or of all ---- */

static const struct {
    const char *name, *tail;
    unsigned events;
    bool match;
} regex_rows[] = {
    {"of none", "verdict %u code", 20000, false},
    {"of one", "status %u code", 20000, true},
    {"of all", "agent Mozilla/5.0 .*status %u\\\\b", 1000, true},
};
#define REGEX_ROWS (sizeof(regex_rows) / sizeof(regex_rows[0]))

static void make_regexes(struct buf *events, struct buf *patterns, unsigned count, size_t row)
{
    for (unsigned i = 0; i < regex_rows[row].events; i++) {
        buf_printf(events, "{\"m\":\"2026-01-01T00:00:00Z host-%u GET /api/v2/users?id=%u agent Mozilla/5.0 ", i % 9,
                   i);
        buf_printf(events, "(X11) status %u code\"}\n", i % count);
    }
    for (unsigned i = 0; i < count; i++) {
        buf_text(patterns, "{\"m\":[{\"regex\":\"GET /[^ ?]+\\\\?id=\\\\d+ .*");
        buf_printf(patterns, regex_rows[row].tail, i);
        buf_text(patterns, "\"}]}\n");
    }
}

static void run_regexes(unsigned count, size_t row)
{
    struct buf events = BUF_INIT, patterns = BUF_INIT;
    make_regexes(&events, &patterns, count, row);
    struct set set = compile(buf_view(&patterns));
    struct run run = run_events(&set, buf_view(&events), WEIR_TRUSTED, NULL);
    printf("{\"regexes\":%u,\"literals_there\":\"%s\",\"events\":%zu,\"matches\":%llu,\"events_per_s\":%.0f,"
           "\"bytes_per_rule\":%.0f,\"compile_s\":%.4f}\n",
           count, regex_rows[row].name, run.events, run.matches, (double)run.events / run.seconds,
           (double)weir_matcher_bytes(set.m) / count, set.compile_s);
    if (run.matches != (regex_rows[row].match ? run.events : 0))
        die("regexes", "counts differ");
    set_close(&set);
    buf_fini(&events);
    buf_fini(&patterns);
}

static void run_all_regexes(void)
{
    static const unsigned counts[] = {1, 100, 1000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (size_t row = 0; row < REGEX_ROWS; row++)
            run_regexes(counts[i], row);
}

static int run_own(void)
{
    struct buf events = BUF_INIT, patterns = BUF_INIT;
    make_workload(&events, &patterns);
    struct set set = compile(buf_view(&patterns));
    double newlines = newline_seconds(buf_view(&events));
    for (int mode = WEIR_CHECKED; mode <= WEIR_TRUSTED; mode++) {
        run_events(&set, buf_view(&events), (enum weir_mode)mode, NULL); /* warms up */
        struct run run = run_events(&set, buf_view(&events), (enum weir_mode)mode, NULL);
        print_run(&set, &run, events.size, (enum weir_mode)mode);
        fprintf(stderr, "%.1f times the newline search\n", run.seconds / newlines);
    }
    check_with_judge(&set, buf_view(&patterns), buf_view(&events));
    run_all_regexes();
    set_close(&set);
    buf_fini(&events);
    buf_fini(&patterns);
    return 0;
}

static int run_files(const char *events_path, const char *patterns_path, enum weir_mode mode, bool counted)
{
    struct buf events = BUF_INIT, patterns = BUF_INIT;
    read_file(&events, events_path);
    read_file(&patterns, patterns_path);
    struct set set = compile(buf_view(&patterns));
    unsigned long *counts = counted ? calloc(set.patterns + 1, sizeof(*counts)) : NULL;
    struct run run = run_events(&set, buf_view(&events), mode, counts);
    print_run(&set, &run, events.size, mode);
    free(counts);
    set_close(&set);
    buf_fini(&events);
    buf_fini(&patterns);
    return 0;
}

int main(int argc, char **argv)
{
    const char *events = NULL, *patterns = NULL;
    enum weir_mode mode = WEIR_CHECKED;
    bool counted = false;
    for (int i = 1; i < argc; i++) {
        struct str option = str_from(argv[i]);
        if (str_is(option, "--counts"))
            counted = true;
        else if (str_is(option, "--events") && i + 1 < argc)
            events = argv[++i];
        else if (str_is(option, "--patterns") && i + 1 < argc)
            patterns = argv[++i];
        else if (str_is(option, "--mode") && i + 1 < argc)
            mode = str_is(str_from(argv[++i]), "trusted") ? WEIR_TRUSTED : WEIR_CHECKED;
        else
            die(argv[i], "usage: match_bench [--events FILE --patterns FILE [--mode checked|trusted] [--counts]]");
    }
    if (argc == 1)
        return run_own();
    if (!events || !patterns)
        die("usage", "--events and --patterns go together");
    return run_files(events, patterns, mode, counted);
}
