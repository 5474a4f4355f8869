/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled matcher against the judge, on made-up pairs of pattern and event. A round is one family of
 * events (now and then several), a score of patterns made after it, all compiled together, and every pair:
 *
 *     together   the set's answer for each event must be exactly the patterns that the judge says match
 *     alone      some patterns also compiled by themselves
 *     rewritten  the event with white space, escapes and another order of members: the same answer
 *     trusted    the same answer as checked
 *     damaged    a pattern is refused exactly where the judge refuses it
 *
 * WEIR_DIFF_PAIRS says how many pairs (default 120,000, and half as many about arrays), WEIR_DIFF_SEED where the random
 * numbers start. A difference is made small before it is shown.
 */
#include "matcher/weir.h"
#include "tests/matcher/generate.h"
#include "tests/matcher/judge.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FAMILY_PATTERNS 20
#define FAMILY_EVENTS   4
#define FAMILIES_MAX    10
#define PATTERNS_MAX    (FAMILIES_MAX * FAMILY_PATTERNS)
#define EVENTS_MAX      (FAMILIES_MAX * FAMILY_EVENTS)
#define MANY_EVERY      64 /* rounds: then one with many families, whose patterns share what they can */

struct set {
    struct weir_matcher *matcher;
    struct weir_scratch *scratch;
};

struct counts {
    unsigned long pairs, yes, refused, rounds, abstained;
    unsigned long operators[GENERATE_OPERATORS][2];
};

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoul(text, NULL, 0) : otherwise;
}

/* ---- the matcher under test ---- */

static struct weir_builder *new_builder(void)
{
    struct weir_builder *builder = weir_builder_create();

    assert_non_null(builder);
    weir_builder_allow_extensions(builder);
    return builder;
}

static bool weir_takes(struct judge_text pattern)
{
    struct weir_diag diag;
    struct weir_builder *builder = new_builder();
    bool taken = weir_builder_add(builder, 1, pattern.at, pattern.size, &diag);

    weir_builder_destroy(builder);
    return taken;
}

/* Patterns whose text is NULL are left out; the others get their index as number. */
static struct set set_open(const struct judge_text *patterns, size_t count)
{
    struct weir_diag diag;
    struct weir_builder *builder = new_builder();
    struct set set;

    for (size_t i = 0; i < count; i++) {
        if (patterns[i].at != NULL && !weir_builder_add(builder, (uint32_t)i, patterns[i].at, patterns[i].size, &diag))
            fail_msg("refused the second time: %.*s: %s", (int)patterns[i].size, patterns[i].at, diag.message);
    }
    set.matcher = weir_builder_build(builder, &diag);
    weir_builder_destroy(builder);
    if (set.matcher == NULL)
        fail_msg("does not build: %s", diag.message);
    set.scratch = weir_scratch_create(set.matcher);
    assert_non_null(set.scratch);
    return set;
}

static void set_close(struct set set)
{
    weir_scratch_destroy(set.scratch);
    weir_matcher_unref(set.matcher);
}

enum answer {
    ANSWERED,
    REFUSED,
    ABSTAINED /* the matcher's own limit on work */
};

/*
 * Says of each number whether it matches. The event goes into memory of exactly its size, so that a
 * sanitizer sees a byte read behind it.
 */
static enum answer set_match(struct set set, struct judge_text event, enum weir_mode mode, bool hits[PATTERNS_MAX])
{
    struct weir_diag diag;
    const uint32_t *ids, *ids_given_up;
    char *exact = malloc(event.size);
    long count;

    memcpy(exact, event.at, event.size);
    count = weir_match(set.matcher, set.scratch, exact, event.size, mode, &ids, &diag);
    free(exact);
    memset(hits, 0, PATTERNS_MAX * sizeof hits[0]);
    if (count < 0)
        return diag.code == WEIR_E_LIMIT ? ABSTAINED : REFUSED;
    if (weir_match_given_up(set.scratch, &ids_given_up) > 0)
        return ABSTAINED;
    for (long i = 0; i < count; i++) {
        assert_true(ids[i] < PATTERNS_MAX);
        assert_true(i == 0 || ids[i - 1] < ids[i]);
        hits[ids[i]] = true;
    }
    return ANSWERED;
}

/* ---- a difference, made small and shown ---- */

struct difference {
    struct generator *g;
    struct judge_node *patterns[PATTERNS_MAX]; /* NULL: not needed */
    size_t which;
    struct judge_node *event;
    enum weir_mode mode;
};

/* Is it still there? Texts are written plainly. */
static bool still_differs(const struct difference *d)
{
    struct judge_text texts[PATTERNS_MAX] = {{NULL, 0}}, event = generate_text(d->g, d->event, 0);
    bool hits[PATTERNS_MAX];
    enum answer answer;
    struct set set;
    int wanted;

    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        if (d->patterns[i] == NULL)
            continue;
        texts[i] = generate_text(d->g, d->patterns[i], 0);
        if (!judge_pattern_valid(texts[i].at, texts[i].size) || !weir_takes(texts[i]))
            return false;
    }
    wanted = judge_match(texts[d->which].at, texts[d->which].size, event.at, event.size);
    set = set_open(texts, PATTERNS_MAX);
    answer = set_match(set, event, d->mode, hits);
    set_close(set);
    return wanted >= 0 && (answer == REFUSED || (answer == ANSWERED && hits[d->which] != (wanted == JUDGE_YES)));
}

/* Takes out, one after another, what is not needed for the difference. True: something went. */
static bool prune(struct difference *d, struct judge_node *node)
{
    bool any = false;

    for (struct judge_node **link = &node->first; *link != NULL;) {
        struct judge_node *child = *link;
        *link = child->next;
        if (still_differs(d)) {
            any = true;
            continue;
        }
        *link = child;
        any = prune(d, child) || any;
        link = &child->next;
    }
    return any;
}

static void shrink(struct difference *d)
{
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        struct judge_node *kept = d->patterns[i];
        if (i == d->which || kept == NULL)
            continue;
        d->patterns[i] = NULL;
        if (!still_differs(d))
            d->patterns[i] = kept;
    }
    while (prune(d, d->patterns[d->which]) || prune(d, d->event))
        ;
}

static void show(const char *label, struct judge_text text)
{
    print_error("  %s '%.*s'\n", label, (int)text.size, text.at);
}

static void report(struct generator *g, const struct judge_text *patterns, size_t count, size_t which,
                   struct judge_text event, enum weir_mode mode, unsigned long seed)
{
    struct difference d = {.g = g, .which = which, .mode = mode};

    print_error("difference in WEIR_DIFF_SEED=%lu, %s mode: the judge says %d\n", seed,
                mode == WEIR_CHECKED ? "checked" : "trusted",
                judge_match(patterns[which].at, patterns[which].size, event.at, event.size));
    show("pattern", patterns[which]);
    show("event  ", event);
    for (size_t i = 0; i < count; i++)
        d.patterns[i] = patterns[i].at != NULL ? judge_json(g->memory, patterns[i].at, patterns[i].size) : NULL;
    d.event = judge_json(g->memory, event.at, event.size);
    if (!still_differs(&d)) {
        print_error("  (gone when written plainly)\n");
        return;
    }
    shrink(&d);
    print_error("made small:\n");
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        if (d.patterns[i] != NULL)
            show(i == which ? "pattern" : "beside ", generate_text(g, d.patterns[i], 0));
    }
    show("event  ", generate_text(g, d.event, 0));
}

/* ---- a round ---- */

struct round {
    struct generator g;
    struct counts *counts;
    unsigned long seed;
    size_t pattern_count, event_count;
    struct judge_text patterns[PATTERNS_MAX]; /* {NULL, 0} where damaged beyond meaning */
    uint32_t operators[PATTERNS_MAX];
    struct judge_node *events[EVENTS_MAX];
    struct judge_text event_texts[EVENTS_MAX];
    struct set set;
};

static void add_event(struct round *r, struct judge_node *event)
{
    struct judge_text text = generate_text(&r->g, event, GENERATE_SPACED);
    struct weir_diag diag;

    assert_true(judge_event_valid(text.at, text.size));
    if (!weir_event_check(text.at, text.size, &diag))
        fail_msg("a good event is refused: %.*s: %s", (int)text.size, text.at, diag.message);
    r->events[r->event_count] = event;
    r->event_texts[r->event_count++] = text;
}

static void add_pattern(struct round *r, struct judge_node *tree)
{
    bool damaged = generate_chance(&r->g, 15), valid;
    unsigned style = generate_chance(&r->g, 30) ? GENERATE_SPACED | GENERATE_ESCAPED : 0;
    struct judge_text text;

    if (damaged)
        generate_damage(&r->g, tree);
    text = generate_text(&r->g, tree, style);
    valid = judge_pattern_valid(text.at, text.size);
    if (valid != weir_takes(text)) {
        fail_msg("WEIR_DIFF_SEED=%lu: the judge %s, weir_builder_add() does not: '%.*s'", r->seed,
                 valid ? "takes this" : "refuses this", (int)text.size, text.at);
    }
    if (!valid && !damaged)
        fail_msg("generated a bad pattern: %.*s", (int)text.size, text.at);
    if (!valid) {
        r->counts->refused++;
        text = (struct judge_text){NULL, 0};
    }
    r->operators[r->pattern_count] = damaged ? 0 : r->g.operators;
    r->patterns[r->pattern_count++] = text;
}

static void add_family(struct round *r)
{
    struct judge_node *event = generate_event(&r->g);

    add_event(r, event);
    for (int i = 1; i < FAMILY_EVENTS; i++)
        add_event(r, generate_event_like(&r->g, event));
    for (int i = 0; i < FAMILY_PATTERNS; i++)
        add_pattern(r, generate_pattern(&r->g, event));
}

static void add_array_family(struct round *r)
{
    r->g.operators = 0;
    for (int i = 0; i < FAMILY_EVENTS; i++)
        add_event(r, generate_array_event(&r->g));
    for (int i = 0; i < FAMILY_PATTERNS; i++)
        add_pattern(r, generate_array_pattern(&r->g));
}

static void count_pair(struct round *r, size_t pattern, bool yes)
{
    r->counts->pairs++;
    r->counts->yes += yes;
    for (unsigned op = 0; op < GENERATE_OPERATORS; op++)
        r->counts->operators[op][yes] += r->operators[pattern] >> op & 1;
}

/* Only pairs within a family are counted: the others are compared too, but seldom match. */
static void ask_judge(struct round *r, size_t event, int verdicts[PATTERNS_MAX])
{
    struct judge_text text = r->event_texts[event];

    for (size_t i = 0; i < r->pattern_count; i++) {
        if (r->patterns[i].at == NULL)
            continue;
        verdicts[i] = judge_match(r->patterns[i].at, r->patterns[i].size, text.at, text.size);
        assert_true(verdicts[i] >= 0 || verdicts[i] == JUDGE_TOO_MUCH);
        if (verdicts[i] == JUDGE_TOO_MUCH)
            r->counts->abstained++;
        else if (i / FAMILY_PATTERNS == event / FAMILY_EVENTS)
            count_pair(r, i, verdicts[i] == JUDGE_YES);
    }
}

static void compare(struct round *r, struct judge_text event, enum weir_mode mode, const int verdicts[PATTERNS_MAX])
{
    bool hits[PATTERNS_MAX];
    enum answer answer = set_match(r->set, event, mode, hits);

    if (answer == ABSTAINED) {
        r->counts->abstained++;
        return;
    }
    for (size_t i = 0; i < r->pattern_count; i++) {
        if (r->patterns[i].at == NULL || verdicts[i] == JUDGE_TOO_MUCH)
            continue;
        if (answer == REFUSED || hits[i] != (verdicts[i] == JUDGE_YES)) {
            report(&r->g, r->patterns, r->pattern_count, i, event, mode, r->seed);
            fail_msg("the compiled matcher and the judge differ");
        }
    }
}

static void compare_alone(struct round *r, size_t pattern, size_t event, bool wanted)
{
    enum weir_mode mode = generate_chance(&r->g, 50) ? WEIR_CHECKED : WEIR_TRUSTED;
    struct set set = set_open(&r->patterns[pattern], 1);
    bool hits[PATTERNS_MAX];
    enum answer answer = set_match(set, r->event_texts[event], mode, hits);

    set_close(set);
    if (answer == ABSTAINED || (answer == ANSWERED && hits[0] == wanted))
        return;
    report(&r->g, &r->patterns[pattern], 1, 0, r->event_texts[event], mode, r->seed);
    fail_msg("the compiled matcher and the judge differ");
}

static void compare_event(struct round *r, size_t event)
{
    int verdicts[PATTERNS_MAX];
    struct judge_text rewritten =
        generate_text(&r->g, r->events[event], GENERATE_SPACED | GENERATE_ESCAPED | GENERATE_SHUFFLED);

    ask_judge(r, event, verdicts);
    compare(r, r->event_texts[event], WEIR_CHECKED, verdicts);
    compare(r, r->event_texts[event], WEIR_TRUSTED, verdicts);
    compare(r, rewritten, generate_chance(&r->g, 50) ? WEIR_CHECKED : WEIR_TRUSTED, verdicts);
    for (size_t i = 0; i < r->pattern_count; i++) {
        bool own = i / FAMILY_PATTERNS == event / FAMILY_EVENTS;
        if (r->patterns[i].at != NULL && verdicts[i] != JUDGE_TOO_MUCH && own && generate_chance(&r->g, 15))
            compare_alone(r, i, event, verdicts[i] == JUDGE_YES);
    }
}

static void run_round(struct counts *counts, unsigned long seed, void (*add)(struct round *r))
{
    struct judge_memory memory = {NULL};
    /* Seeds of neighbouring rounds must not give neighbouring numbers. */
    struct round r = {.g = {.memory = &memory, .state = (seed + 1) * 0x9E3779B97F4A7C15u, .extended = true},
                      .counts = counts,
                      .seed = seed};

    for (int families = seed % MANY_EVERY == 0 ? FAMILIES_MAX : 1; families > 0; families--)
        add(&r);
    r.set = set_open(r.patterns, r.pattern_count);
    for (size_t event = 0; event < r.event_count; event++)
        compare_event(&r, event);
    set_close(r.set);
    judge_release(&memory);
    counts->rounds++;
}

/* Runs rounds until so many pairs were compared; between the two percentages of them must have matched. */
static void run_rounds(struct counts *counts, unsigned long pairs, void (*add)(struct round *r), int low, int high)
{
    unsigned long seed = setting("WEIR_DIFF_SEED", 1);

    while (counts->pairs < pairs)
        run_round(counts, seed++, add);
    print_message("%lu pairs in %lu rounds, %lu match, %lu patterns refused, %lu too much work\n", counts->pairs,
                  counts->rounds, counts->yes, counts->refused, counts->abstained);
    if (pairs < 1000)
        return;
    assert_in_range(counts->yes * 100 / counts->pairs, low, high);
    assert_true(counts->abstained <= counts->pairs / 1000);
}

static void compiled_and_slow_agree(void **state)
{
    static struct counts counts;
    unsigned long pairs = setting("WEIR_DIFF_PAIRS", 120000), least = pairs / 1500;

    run_rounds(&counts, pairs, add_family, 35, 65);
    for (unsigned op = 0; op < GENERATE_OPERATORS; op++) {
        unsigned long no = counts.operators[op][0], yes = counts.operators[op][1];
        if (setting("WEIR_DIFF_VERBOSE", 0) != 0)
            print_message("  %-40s %8lu yes %8lu no\n", generate_operator_names[op], yes, no);
        if (no < least || yes < least)
            fail_msg("'%s' is met too seldom: %lu yes, %lu no", generate_operator_names[op], yes, no);
    }
}

static void array_elements_are_joined_alike(void **state)
{
    static struct counts counts;

    run_rounds(&counts, setting("WEIR_DIFF_PAIRS", 120000) / 2, add_array_family, 20, 80);
}

/* {"$or": …} of that many branches, twice or three times in one object: their product. */
static struct judge_text or_product(char *out, size_t room, const unsigned *branches, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        size += (size_t)snprintf(out + size, room - size, "%s\"$or\":[", i == 0 ? "{" : ",");
        for (unsigned b = 0; b < branches[i]; b++)
            size += (size_t)snprintf(out + size, room - size, "%s{\"k%zu\":[%u]}", b == 0 ? "" : ",", i, b);
        size += (size_t)snprintf(out + size, room - size, "]");
    }
    size += (size_t)snprintf(out + size, room - size, "}");
    return (struct judge_text){out, size};
}

static void combinations_are_bounded_alike(void **state)
{
    static const unsigned products[][3] = {{10, 10, 10}, {10, 10, 11}, {25, 40, 0}, {7, 11, 13}, {2, 2, 251}};
    static char room[65536];

    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        struct judge_text pattern = or_product(room, sizeof room, products[i], products[i][2] == 0 ? 2 : 3);
        assert_int_equal(judge_pattern_valid(pattern.at, pattern.size), weir_takes(pattern));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combinations_are_bounded_alike),
        cmocka_unit_test(compiled_and_slow_agree),
        cmocka_unit_test(array_elements_are_joined_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
