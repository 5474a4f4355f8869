/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a pattern: taken exactly where the judge takes them, and where they are refused, with a
 * reason and a place that make sense. What is taken is matched with a few events, too.
 */
#include "fuzz/fuzz.h"
#include "matcher/weir.h"
#include "tests/matcher/judge.h"

static const char *const events[] = {
    "{}",
    "{\"a\":1,\"b\":[\"x\",null,true],\"\":{\"a\":\"10.0.0.1\"}}",
    "{\"a\":[{\"b\":\"aws.s3\",\"c\":1e2},{\"b\":\"\",\"c\":-0.5}],\"detail\":{\"k\":[[\"STRASSE\"],\"::1\"]}}",
};

static void fail(const char *what, struct fuzz_text pattern, const char *more)
{
    fprintf(stderr, "%s: %s\n  pattern '%.*s'\n", what, more, (int)pattern.size, pattern.at);
    abort();
}

static void check_diag(const struct weir_diag *diag, struct fuzz_text pattern)
{
    if (diag->code == WEIR_OK || diag->message[0] == '\0' || memchr(diag->message, '\0', sizeof diag->message) == NULL)
        fail("refused without a reason", pattern, "");
    if (diag->line < 0 || diag->column < 0 || diag->offset > pattern.size)
        fail("refused at an impossible place", pattern, diag->message);
}

static void check_matches(struct weir_builder *builder, struct fuzz_text pattern)
{
    struct weir_diag diag;
    struct weir_matcher *matcher = weir_builder_build(builder, &diag);
    struct weir_scratch *scratch;
    const uint32_t *ids;

    if (matcher == NULL)
        fail("taken, but does not build", pattern, diag.message);
    scratch = weir_scratch_create(matcher);
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        int verdict = judge_match(pattern.at, pattern.size, events[i], strlen(events[i]));
        long hits = weir_match(matcher, scratch, events[i], strlen(events[i]), WEIR_CHECKED, &ids, &diag);
        if (verdict != JUDGE_TOO_MUCH && hits != verdict && weir_match_given_up(scratch, &ids) == 0)
            fail(verdict == JUDGE_YES ? "the judge says yes" : "the judge says no", pattern, events[i]);
    }
    weir_scratch_destroy(scratch);
    weir_matcher_unref(matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_builder *builder = weir_builder_create();
    struct weir_diag diag;
    char *exact = fuzz_exact(data, size);
    struct fuzz_text pattern = {exact, size};
    bool valid = judge_pattern_valid(exact, size);

    weir_builder_allow_extensions(builder);
    if (weir_builder_add(builder, 1, exact, size, &diag) != valid)
        fail(valid ? "a good pattern is refused" : "a bad pattern is taken", pattern, valid ? diag.message : "");
    if (valid)
        check_matches(builder, pattern);
    else
        check_diag(&diag, pattern);
    weir_builder_destroy(builder);
    free(exact);
    return 0;
}
