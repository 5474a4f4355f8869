/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_LAYOUT_INT_H
#define MATCHER_LAYOUT_INT_H

/*
 * From the builder's tables to the compiled set, in passes (layout.c has them in order). What outlives the build is
 * allocated from m->keep, the rest from temp. Every function returns false when memory runs out.
 */

#include "matcher/builder_int.h"
#include "matcher/byte_trie.h"
#include "matcher/matcher_int.h"

struct layout {
    const struct weir_builder *b;
    struct weir_matcher *m;
    struct arena temp;
    struct buf pool;     /* u32: becomes m->pool */
    struct buf texts;    /* becomes m->texts */
    struct buf pairs;    /* struct layout_pair, being gathered */
    struct intern paths; /* trie nodes; key: parent, then the path's component */
    struct byte_trie_builder tries;
    uint32_t *field_nodes;   /* [fields]: trie node */
    bool *condition_used;    /* [conditions]: by a conjunction that has ids */
    uint32_t *test_slots;    /* [tests]: where in `lists` its list is */
    uint32_t *test_defaults; /* [tests]: number of the default; NONE: not one */
    uint32_t *lists;         /* [slots]: lists of tests, and behind them two a byte trie node */
};

struct layout_pair {
    uint32_t key, item;
};

void layout_add_pair(struct layout *l, uint32_t key, uint32_t item);
/* One list a key, of the pairs gathered since the last call; lists_out has room for key_count. */
bool layout_pack(struct layout *l, uint32_t key_count, uint32_t *lists_out);
/* Keeps a text longer than eight bytes; gives 0 for a shorter one. */
bool layout_add_text(struct layout *l, struct str text, uint32_t *offset_out);

bool layout_paths(struct layout *l); /* trie, and what of it is joined */
bool layout_tests(struct layout *l); /* each field's tests and their lists */

#endif
