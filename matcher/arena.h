/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_ARENA_H
#define MATCHER_ARENA_H

/*
 * Memory that is freed all at once: a rule-set generation has one, a load has another. Not thread-safe
 * while it grows; once nothing is allocated from it any more, any thread may read what it holds.
 *
 *     struct arena keep = ARENA_INIT;
 *     struct rule *r = arena_new(&keep, struct rule);   (zeroed; NULL when out of memory)
 *     arena_fini(&keep);
 */

#include <stdalign.h>

#include "matcher/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes used in the newest block */
    size_t total;               /* bytes obtained from malloc, all blocks */
    bool failed;                /* an allocation failed since init */
};

#define ARENA_INIT                                                                                                     \
    {                                                                                                                  \
        0                                                                                                              \
    }

void arena_fini(struct arena *a);

/* Zeroed memory, aligned for any type; NULL (and a->failed) when there is none. size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size); /* overflow-checked count * size */
struct str arena_str(struct arena *a, struct str s); /* a copy, NUL-terminated behind its size; {NULL,0} on failure */
char *arena_text(struct arena *a, struct str s);     /* the same as char * */

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
