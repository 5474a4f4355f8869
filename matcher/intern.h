/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_INTERN_H
#define MATCHER_INTERN_H

/*
 * Equal byte strings get equal numbers: 0, 1, 2 … in the order they first came. The compiler's one tool: paths,
 * tests, conditions, conjunctions and the edges of every trie are keys, so whatever is written twice exists once.
 *
 *     struct intern names = INTERN_INIT;
 *     uint32_t number;
 *     if (!intern_add(&names, "a", 1, &number)) …out of memory…
 *     struct str key = intern_key(&names, number);   (until the next intern_add; 8-byte aligned)
 *     intern_fini(&names);
 */

#include <stdint.h>

#include "matcher/buf.h"

struct intern_entry {
    uint32_t offset; /* in bytes, in units of 8 */
    uint32_t size;
    uint32_t hash;
};

struct intern {
    struct buf bytes;
    struct intern_entry *entries;
    uint32_t count;
    uint32_t capacity; /* of entries */
    uint32_t *slots;   /* entry + 1; 0: free */
    uint32_t slot_mask;
};

#define INTERN_INIT                                                                                                    \
    {                                                                                                                  \
        0                                                                                                              \
    }

void intern_fini(struct intern *t);
/* False: out of memory, or past 2^30 keys or 2^35 bytes; the table is as it was. */
bool intern_add(struct intern *t, const void *key, size_t size, uint32_t *number_out);

static inline struct str intern_key(const struct intern *t, uint32_t number)
{
    const struct intern_entry *e = &t->entries[number];
    return (struct str){t->bytes.data + (size_t)e->offset * 8, e->size};
}

#endif
