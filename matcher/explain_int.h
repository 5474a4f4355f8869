/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_EXPLAIN_INT_H
#define MATCHER_EXPLAIN_INT_H

/*
 * Private to matcher/explain*.c. An explainer asks two compiled sets:
 *
 *     whole    the event: which combinations of $or match, which leaves hold alone
 *     values   one value, as {"7": value}, 7 the number of its path: which leaves it satisfies
 *
 * and one run over the event finds the values and the elements of arrays they stand in (explain_walk.c).
 */

#include "matcher/explain.h"

#define EXPLAIN_VALUES 1000 /* values of a path that are kept, and looked at for one that comes near */
#define EXPLAIN_HITS   32   /* of those that satisfy a leaf */

struct explain_set {
    struct weir_matcher *matcher;
    struct weir_scratch *scratch;
};

struct explainer {
    struct arena keep;
    const struct pattern *pattern;
    const struct pattern_leaf **leaves; /* each once, in the order of the pattern */
    uint32_t leaf_count;
    struct str *paths; /* each once, in byte order */
    uint32_t path_count;
    uint32_t *leaf_paths; /* the path of each leaf */
    struct explain_set whole, values;
    struct buf text; /* the event of one value that is being asked about */
};

/* The element of an array that a value stands in. */
struct explain_place {
    const struct explain_place *outer;
    uint32_t array, index;
    uint32_t depth; /* arrays around it, from 1: one array is always as deep */
    size_t offset;  /* in the path: where the array stands */
};

struct explain_value {
    struct str raw;
    const struct explain_place *place; /* NULL: in no array */
};

struct explain_values { /* the first of some values */
    struct explain_value *list;
    uint32_t kept, count;
};

/* One explanation being made. */
struct explain_run {
    struct explainer *x;
    struct arena *arena;
    struct str event;
    struct weir_diag *diag;
    uint64_t bytes;                /* left of LIMIT_EXPLAIN_BYTES */
    bool hurried;                  /* they did not suffice */
    struct explain_values *fields; /* by path: all values */
    struct explain_values *hits;   /* by leaf: those that satisfy it */
    struct explain_leaf *leaves;
};

/* ---- explain.c ---- */
bool explain_spend(struct explain_run *r, uint64_t bytes); /* false: not so many are left, and none is taken */
bool explain_no_memory(struct weir_diag *diag);            /* returns false */
uint32_t explain_leaf_index(const struct explainer *x, const struct pattern_leaf *leaf);
/* The leaves that the one value of the event in x->text satisfies; -1: diag. */
long explain_ask(struct explain_run *r, const uint32_t **leaves);
/* The path with "[index]" where the value goes through an array; {NULL,0}: out of memory. */
struct str explain_at(struct explain_run *r, struct str path, const struct explain_place *place);
/* Adds a hint, words formatted and made fit for a terminal, unless the list is full or has it. */
bool explain_hint(struct explain_run *r, struct explain_near *list, uint32_t *count, uint32_t max, const char *kind,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));

/* ---- explain_walk.c: fills fields and hits ---- */
bool explain_walk(struct explain_run *r);

/* ---- explain_join.c ---- */
/* A branch that matches: values of its leaves that go together, where they are found. */
bool explain_choose(struct explain_run *r, const struct explain_branch *branch);
/* A branch whose leaves all hold and that does not match: which two go together nowhere. */
bool explain_reason(struct explain_run *r, struct explain_branch *branch);

/* ---- explain_find.c: where the way to a path ends, if no value stands there ---- */
struct explain_search {
    struct str object_at;         /* an object stands there instead of a value; {NULL,0}: none does */
    struct str empty_at;          /* an array with nothing in it does */
    struct str deepest;           /* the object where the way ends that comes nearest, as JSON … */
    struct str rest;              /* … what of the path is missing in it … */
    struct str deepest_at;        /* … and where it is; "" the event itself */
    struct str scalar, scalar_at; /* a value in the middle of the way */
};

/* Both false: out of memory. Nothing is found where the run has no bytes left. */
bool explain_find(struct explain_run *r, struct str path, struct explain_search *out);
/* Where the event has a member of this name; {NULL,0}: nowhere. */
bool explain_find_key(struct explain_run *r, struct str name, struct str *at_out);

/* ---- explain_near.c: hints for a leaf that does not hold ---- */
bool explain_near_leaf(struct explain_run *r, struct explain_leaf *leaf, const struct explain_values *values);
bool explain_near_event(struct explain_run *r, struct explanation *e);

/* ---- explain_write.c ---- */
/* A text of the event or the pattern: nothing a terminal would act on, at most so many bytes. */
void explain_write_plain(struct buf *out, struct str text, size_t most);

#endif
