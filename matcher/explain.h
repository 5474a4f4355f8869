/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_EXPLAIN_H
#define MATCHER_EXPLAIN_H

/*
 * Why a pattern matches an event, or does not: leaf by leaf what was wanted, what was there, and what came near.
 *
 *     struct explainer *x = explainer_create(pattern, &diag);      NULL: out of memory
 *     struct arena a = ARENA_INIT;
 *     struct explanation e;
 *     if (explainer_run(x, &a, event, &e, &diag))                  false: not an event, over a limit, out of memory
 *         explanation_write_text(&out, &e, EXPLAIN_BRANCHES);
 *     arena_fini(&a);
 *     explainer_destroy(x);
 *
 * Every verdict is the compiled matcher's: the explainer asks it about the whole pattern, about each combination of
 * $or, about each leaf alone, and about single values. Only the words are its own. So an explanation and weir_match()
 * never differ.
 *
 * An explainer belongs to one thread; the pattern must outlive it. An explanation lives in the arena and points into
 * the event's text and the pattern. The work is bounded (LIMIT_EXPLAIN_BYTES): past that there are no more values and
 * hints; verdicts stay right.
 */

#include "matcher/arena.h"
#include "matcher/pattern.h"

struct explainer;

/*
 * What came near. kind, a stable name: "case", "space", "type", "spelling", "wildcard", "prefix", "range", "number",
 * "cidr", "excluded", "present", "absent" (of values); "key", "elsewhere", "object", "empty", "scalar", "json" (of
 * paths); "envelope", "records", "limit" (of the event).
 */
struct explain_near {
    const char *kind;
    struct str text; /* one line for people */
};

struct explain_found {
    struct str value; /* as it stands in the event */
    struct str at;    /* where: the path, with the indices of array elements: detail.items[2].id */
};

#define EXPLAIN_FOUND 3 /* values shown of a leaf that has many */
#define EXPLAIN_NEAR  4 /* hints kept for a leaf */
#define EXPLAIN_NOTES 3

struct explain_leaf {
    const struct pattern_leaf *leaf;
    bool holds;           /* some value satisfies it, or it may be absent and is; with regard to no other leaf */
    bool looked;          /* false: past LIMIT_EXPLAIN_BYTES, so what is there was not asked */
    uint32_t value_count; /* values at its path */
    struct explain_found found[EXPLAIN_FOUND]; /* holds: the value that satisfies it; else the first there are */
    uint32_t found_count;                      /* 0: absent, if it was looked at */
    struct explain_near near[EXPLAIN_NEAR];
    uint32_t near_count;
};

/* One combination of the branches of $or; a pattern without $or has one. */
struct explain_branch {
    uint32_t number; /* from 1, in the order of the pattern */
    bool matches;
    const uint32_t *leaves; /* indices, in the order of the pattern */
    uint32_t leaf_count;
    uint32_t failing;  /* leaves that do not hold */
    struct str reason; /* all leaves hold and it does not match: why; else {NULL,0} */
};

struct explanation {
    bool matches;
    const struct explain_leaf *leaves; /* of all branches, in the order of the pattern */
    uint32_t leaf_count;
    const struct explain_branch *branches; /* closest first */
    uint32_t branch_count;
    struct explain_near notes[EXPLAIN_NOTES]; /* on the event as a whole */
    uint32_t note_count;
};

struct explainer *explainer_create(const struct pattern *pattern, struct weir_diag *diag);
void explainer_destroy(struct explainer *x);
bool explainer_run(struct explainer *x, struct arena *a, struct str event, struct explanation *out,
                   struct weir_diag *diag);

#define EXPLAIN_BRANCHES 3 /* combinations of $or that one usually wants to see */

/* Lines for a terminal, indented by two, without a verdict line. branches: how many at most; UINT32_MAX: all. */
void explanation_write_text(struct buf *out, const struct explanation *e, uint32_t branches);
/*
 * The members of a JSON object, without its braces: "matches", "leaves" [{"path", "wanted", "ok", "values", "found"
 * [{"value", "at"}], "near" [{"kind", "text"}]}], "branches" [{"branch", "matches", "failing", "leaves", "reason"}],
 * "notes" [{"kind", "text"}]. "found" is empty where the field is absent; a value of more than 1,024 bytes is given as
 * the string of its beginning, with "bytes".
 */
void explanation_write_json(struct buf *out, const struct explanation *e);

#endif
