/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_EXPLAIN_INT_H
#define MATCHER_EXPLAIN_INT_H

/* Private to matcher/explain*.c. */

#include "matcher/explain.h"

struct explainer {
    struct arena keep;
    const struct pattern_leaf **leaves; /* each once, in the order of the pattern */
    uint32_t leaf_count;
    const uint32_t **branch_leaves; /* by conjunction: indices, ascending */
    uint32_t *branch_counts;
    uint32_t branch_count;
    struct weir_matcher *whole, *alone; /* report conjunctions; leaves that hold with regard to no other */
    struct weir_scratch *whole_scratch, *alone_scratch;
};

/* One explanation being made. */
struct explain_run {
    struct explainer *x;
    struct arena *arena;
    struct str event;
    struct weir_diag *diag;
    uint64_t bytes; /* left of LIMIT_EXPLAIN_BYTES */
};

/* What stands at a path, and where the way to it ends if nothing does (explain_find.c). */
struct explain_search {
    struct explain_run *run;
    struct explain_leaf *leaf; /* its values are filled in */
    bool prefer;               /* only values that satisfy the leaf are wanted */
    uint32_t index;            /* of the leaf */

    struct str object_at;         /* an object stands there instead of a value; {NULL,0}: none does */
    struct str deepest;           /* the object where the way ends that comes nearest, as JSON … */
    struct str rest;              /* … what of the path is missing in it … */
    struct str deepest_at;        /* … and where it is; "" the event itself */
    struct str scalar, scalar_at; /* a value in the middle of the way */
};

/* False: out of memory. Nothing is found where the run has no bytes left. */
bool explain_find(struct explain_search *s);
/* Where the event has a member of this name; {NULL,0}: nowhere. */
struct str explain_find_key(struct explain_run *r, struct str name);
/* Does this value alone satisfy the leaf? */
bool explain_satisfies(struct explain_run *r, uint32_t leaf, struct str value);

/* Adds a hint, words formatted, unless the list is full. */
bool explain_hint(struct explain_run *r, struct explain_near *list, uint32_t *count, uint32_t max, const char *kind,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));
#define EXPLAIN_VALUES 1000 /* values of a leaf that are looked at for one that comes near */
/* explain_near.c: hints for a leaf that does not hold: of a value that is there, and where none is. */
bool explain_near_value(struct explain_run *r, struct explain_leaf *leaf, struct str value);
bool explain_near_leaf(struct explain_run *r, struct explain_leaf *leaf, const struct explain_search *s);
bool explain_near_event(struct explain_run *r, struct explanation *e);

/* explain_write.c */
void explain_write_atom(struct buf *out, const struct pattern_atom *atom); /* as in a pattern, compact */

#endif
