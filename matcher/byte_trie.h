/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MATCHER_BYTE_TRIE_H
#define MATCHER_BYTE_TRIE_H

/*
 * Making byte tries (walking them: matcher_int.h). Texts are added first, each giving the node it ends at; then, once
 * the lists of all nodes are known, the tries are frozen into the compiled set.
 */

#include "matcher/intern.h"
#include "matcher/matcher_int.h"

enum byte_trie_kind { BYTE_TRIE_PREFIX, BYTE_TRIE_SUFFIX, BYTE_TRIE_FOLD, BYTE_TRIE_FOLD_BACK };

struct byte_trie_builder {
    struct intern nodes; /* key: parent's number (NONE: a root, then field and kind), then the edge's label */
    struct buf key;
};

/* The numbers are of the builder; frozen nodes have one more. False: out of memory. */
bool byte_trie_add(struct byte_trie_builder *b, uint32_t field, enum byte_trie_kind kind, struct str text,
                   uint32_t *root_out, uint32_t *end_out);
void byte_trie_builder_fini(struct byte_trie_builder *b);
/* Nodes without lists; the caller fills in `here` and `at_end`. */
bool byte_trie_freeze(const struct byte_trie_builder *b, struct arena *keep, struct arena *temp,
                      struct byte_tries *out);

#endif
