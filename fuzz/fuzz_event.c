/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an event: weir_event_check() and checked matching take exactly what the judge's JSON reader
 * takes, nothing behind the last byte is read, and a fixed set of patterns gets the judge's verdicts in
 * both modes.
 */
#include "fuzz/fuzz.h"
#include "matcher/weir.h"
#include "tests/matcher/judge.h"

/* Each part of the matcher has some work with these; their paths are short, so that fuzzing finds them. */
static const char *const patterns[] = {
    "{\"a\":[1]}",
    "{\"a\":[\"\",\"x\",null,true]}",
    "{\"a\":{\"b\":[{\"exists\":true}]}}",
    "{\"a\":{\"b\":[{\"exists\":false}],\"c\":[{\"anything-but\":\"x\"}]}}",
    "{\"a\":{\"b\":[\"x\"],\"c\":[\"y\"]}}",
    "{\"b\":[{\"prefix\":\"x\"},{\"suffix\":{\"equals-ignore-case\":\"Y\"}},{\"wildcard\":\"*z*\"}]}",
    "{\"c\":[{\"numeric\":[\">\",0,\"<=\",1e3]},{\"cidr\":\"10.0.0.0/8\"},\"::1\"]}",
    "{\"$or\":[{\"\\u00e9\":[\"\\ud83d\\ude00\"]},{\"\":[\"\\u0000\"]}]}",
    "{\"d\":[{\"anything-but\":{\"wildcard\":[\"a*\",\"*b\"]}},9007199254740993]}",
};
#define PATTERN_COUNT (sizeof patterns / sizeof patterns[0])

static struct weir_matcher *matcher;
static struct weir_scratch *scratch;

static void fail(const char *what, const char *event, size_t size, const char *more)
{
    fprintf(stderr, "%s: %s\n  event '%.*s'\n", what, more, (int)size, event);
    abort();
}

static void set_up(void)
{
    struct weir_builder *builder = weir_builder_create();
    struct weir_diag diag;

    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (!weir_builder_add(builder, (uint32_t)i, patterns[i], strlen(patterns[i]), &diag))
            fail(patterns[i], "", 0, diag.message);
    }
    matcher = weir_builder_build(builder, &diag);
    weir_builder_destroy(builder);
    scratch = weir_scratch_create(matcher);
}

/* event: good, and on the heap in exactly its size. */
static void check_hits(const char *event, size_t size, enum weir_mode mode)
{
    struct weir_diag diag;
    const uint32_t *ids;
    long hits = weir_match(matcher, scratch, event, size, mode, &ids, &diag), seen = 0;

    if (hits < 0 && diag.code == WEIR_E_LIMIT)
        return;
    if (hits < 0)
        fail("a good event is refused", event, size, diag.message);
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        int verdict = judge_match(patterns[i], strlen(patterns[i]), event, size);
        bool hit = seen < hits && ids[seen] == i;
        seen += hit;
        if (verdict != JUDGE_TOO_MUCH && hit != (verdict == JUDGE_YES))
            fail(hit ? "the judge says no" : "the judge says yes", event, size, patterns[i]);
    }
    if (seen != hits)
        fail("numbers out of order", event, size, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fuzz_exact(data, size);
    bool valid = judge_event_valid(exact, size);
    struct weir_diag diag;
    const uint32_t *ids;

    if (matcher == NULL)
        set_up();
    if (weir_event_check(exact, size, &diag) != valid)
        fail(valid ? "a good event is refused" : "a bad event is taken", exact, size, valid ? diag.message : "");
    if (valid) {
        check_hits(exact, size, WEIR_CHECKED);
        check_hits(exact, size, WEIR_TRUSTED);
    } else {
        if (diag.offset > size || diag.message[0] == '\0')
            fail("refused at an impossible place", exact, size, diag.message);
        if (weir_match(matcher, scratch, exact, size, WEIR_CHECKED, &ids, &diag) != -1)
            fail("a bad event is matched", exact, size, "");
    }
    free(exact);
    return 0;
}
