/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The complexity of a wildcard as AWS measures it: the largest number of states of the wildcard's automaton that one
 * input can keep alive. The automaton runs over the value in quotes and has a state behind every character and a
 * looping one in every star.
 *
 * Once alive, a star stays alive, so some input keeps all of them alive; what the last bytes then decide is how many
 * characters are matched at once: for each piece of text behind a star, every beginning of it that the input ends
 * with. The piece before the first star counts nothing any more. Take the longest such beginning; all others are
 * its suffixes. So: put the pieces into a trie, count at each node how many pieces pass, add the counts along the
 * suffix links (Aho and Corasick's), and the largest sum plus the stars is the answer, in time linear in the text
 * but for the search among a node's children.
 *
 *     *:*:*:*:*:event    5 stars + 5 pieces that begin with ':'    = 10
 *     *aaaaaaaa*         2 stars + the beginnings a, aa, … aaaaaaaa = 10
 */
#include "matcher/pattern.h"

#include <limits.h>
#include <stdlib.h>

struct node {
    uint32_t child, sibling; /* 0: none; the root is nobody's child */
    uint32_t suffix;         /* the longest proper suffix that is in the trie */
    uint32_t pieces;         /* that have this beginning */
    uint32_t alive;          /* pieces, summed along the suffix links */
    uint32_t next;           /* in breadth-first order */
    char c;
};

static uint32_t find_child(const struct node *nodes, uint32_t at, char c)
{
    uint32_t child = nodes[at].child;
    while (child && nodes[child].c != c)
        child = nodes[child].sibling;
    return child;
}

static uint32_t enter(struct node *nodes, uint32_t *count, uint32_t at, char c)
{
    uint32_t child = find_child(nodes, at, c);
    if (!child) {
        child = (*count)++;
        nodes[child] = (struct node){.c = c, .sibling = nodes[at].child};
        nodes[at].child = child;
    }
    nodes[child].pieces++;
    return child;
}

/* Puts the pieces into the trie and returns the number of stars. */
static unsigned build_trie(struct node *nodes, struct str wildcard)
{
    uint32_t count = 1, at = 0;
    unsigned stars = 0;
    nodes[0] = (struct node){0};
    for (size_t i = 0; i <= wildcard.size; i++) {
        char c = i < wildcard.size ? wildcard.ptr[i] : '"';
        if (i < wildcard.size && c == '*') {
            stars++;
            at = 0;
            continue;
        }
        if (c == '\\' && i + 1 < wildcard.size)
            c = wildcard.ptr[++i];
        if (stars)
            at = enter(nodes, &count, at, c);
    }
    return stars;
}

static uint32_t suffix_of(const struct node *nodes, uint32_t parent, char c)
{
    while (parent) {
        parent = nodes[parent].suffix;
        uint32_t found = find_child(nodes, parent, c);
        if (found)
            return found;
    }
    return 0;
}

static uint32_t most_alive(struct node *nodes)
{
    uint32_t most = 0, last = 0;
    for (uint32_t at = 0;; at = nodes[at].next) {
        for (uint32_t child = nodes[at].child; child; child = nodes[child].sibling) {
            nodes[child].suffix = suffix_of(nodes, at, nodes[child].c);
            nodes[child].alive = nodes[child].pieces + nodes[nodes[child].suffix].alive;
            most = nodes[child].alive > most ? nodes[child].alive : most;
            nodes[last].next = child;
            last = child;
        }
        if (at == last)
            return most;
    }
}

unsigned pattern_wildcard_complexity(struct str wildcard)
{
    if (!wildcard.size || !memchr(wildcard.ptr, '*', wildcard.size))
        return 1;
    if (wildcard.size > UINT32_MAX - 2)
        return UINT_MAX;
    struct node *nodes = malloc((wildcard.size + 2) * sizeof(*nodes));
    if (!nodes)
        return UINT_MAX;
    unsigned stars = build_trie(nodes, wildcard);
    unsigned complexity = stars ? stars + most_alive(nodes) : 1;
    free(nodes);
    return complexity;
}

/* ---- over the limit ---- */

static const struct pattern_atom *first_too_complex(const struct pattern_atom *atoms, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct pattern_atom *atom = &atoms[i];
        if (atom->op == PATTERN_WILDCARD && pattern_wildcard_complexity(atom->text) > LIMIT_AWS_COMPLEXITY)
            return atom;
        if (atom->op == PATTERN_ANYTHING_BUT && first_too_complex(atom->excluded, atom->excluded_count))
            return atom;
    }
    return NULL;
}

const struct pattern_atom *pattern_too_complex(const struct pattern *pattern)
{
    for (uint32_t i = 0; i < pattern->conjunction_count; i++) {
        const struct pattern_conjunction *conjunction = &pattern->conjunctions[i];
        for (uint32_t j = 0; j < conjunction->leaf_count; j++) {
            const struct pattern_leaf *leaf = conjunction->leaves[j];
            const struct pattern_atom *found = first_too_complex(leaf->atoms, leaf->atom_count);
            if (found)
                return found;
        }
    }
    return NULL;
}
