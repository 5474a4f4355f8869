/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled matcher against the judge. The input is text: patterns, one a line, up to an empty line, then
 * events, one a line. All patterns are compiled together, and every pair of pattern and event must get the
 * judge's verdict, in either mode.
 */
#include "fuzz/fuzz.h"
#include "matcher/weir.h"
#include "tests/matcher/judge.h"

#define PATTERNS_MAX 12
#define EVENTS_MAX   8

static void require(bool good, const char *what, struct fuzz_text pattern, struct fuzz_text event)
{
    if (good)
        return;
    fprintf(stderr, "%s\n  pattern '%.*s'\n  event   '%.*s'\n", what, (int)pattern.size, pattern.at, (int)event.size,
            event.at);
    abort();
}

/* Reads the patterns up to the empty line; those that are valid get their index as number. */
static size_t read_patterns(struct fuzz_text *rest, struct fuzz_text *patterns, struct weir_builder *builder)
{
    struct fuzz_text line;
    struct weir_diag diag;
    size_t count = 0;

    while (fuzz_line(rest, &line) && line.size > 0) {
        bool valid = judge_pattern_valid(line.at, line.size);
        if (count == PATTERNS_MAX)
            continue;
        require(weir_builder_add(builder, (uint32_t)count, line.at, line.size, &diag) == valid,
                valid ? "a good pattern is refused" : "a bad pattern is taken", line, (struct fuzz_text){"", 0});
        if (valid)
            patterns[count++] = line;
    }
    return count;
}

static bool is_hit(const uint32_t *ids, long count, size_t id)
{
    for (long i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

static void check_event(struct weir_matcher *matcher, struct weir_scratch *scratch, const struct fuzz_text *patterns,
                        size_t pattern_count, struct fuzz_text event, enum weir_mode mode)
{
    struct weir_diag diag;
    const uint32_t *ids, *unsure;
    char *exact = fuzz_exact(event.at, event.size);
    long hits = weir_match(matcher, scratch, exact, event.size, mode, &ids, &diag);

    free(exact);
    if ((hits < 0 && diag.code == WEIR_E_LIMIT) || weir_match_given_up(scratch, &unsure) > 0)
        return;
    for (size_t i = 0; i < pattern_count; i++) {
        int verdict = judge_match(patterns[i].at, patterns[i].size, event.at, event.size);
        if (verdict == JUDGE_TOO_MUCH)
            continue;
        if (verdict == JUDGE_BAD_EVENT)
            require(hits < 0, "a bad event is taken", patterns[i], event);
        else
            require(hits >= 0 && is_hit(ids, hits, i) == (verdict == JUDGE_YES),
                    verdict == JUDGE_YES ? "the judge says yes" : "the judge says no", patterns[i], event);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_text rest = {(const char *)data, size}, patterns[PATTERNS_MAX], event;
    struct weir_builder *builder = weir_builder_create();
    weir_builder_allow_extensions(builder);
    size_t count = read_patterns(&rest, patterns, builder);
    struct weir_diag diag;
    struct weir_matcher *matcher = weir_builder_build(builder, &diag);
    struct weir_scratch *scratch;

    weir_builder_destroy(builder);
    if (matcher == NULL) {
        fprintf(stderr, "does not build: %s\n", diag.message);
        abort();
    }
    scratch = weir_scratch_create(matcher);
    for (int i = 0; i < EVENTS_MAX && fuzz_line(&rest, &event); i++) {
        check_event(matcher, scratch, patterns, count, event, WEIR_CHECKED);
        if (judge_event_valid(event.at, event.size))
            check_event(matcher, scratch, patterns, count, event, WEIR_TRUSTED);
    }
    weir_scratch_destroy(scratch);
    weir_matcher_unref(matcher);
    return 0;
}
