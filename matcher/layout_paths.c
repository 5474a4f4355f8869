/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trie of keys. A flat path is cut at every dot, and so is an event's key while walking: {"a.b": 1} and
 * {"a": {"b": 1}} meet at one node. A node's children lie side by side, small families in a row, large ones hashed.
 *
 * Then, which arrays must be told apart: those at a node at or below which one conjunction asks for two fields. All
 * other arrays are run through as if they were not there.
 */
#include "matcher/hash.h"
#include "matcher/layout_int.h"

#define ROW_MAX 8 /* children compared one by one */

static bool child_node(struct layout *l, uint32_t *node, struct str component)
{
    struct buf *key = &l->tries.key; /* free at this time */
    buf_clear(key);
    buf_add(key, node, sizeof(*node));
    buf_str(key, component);
    return !key->failed && intern_add(&l->paths, key->data, key->size, node);
}

static bool add_path(struct layout *l, uint32_t field)
{
    struct str path = intern_key(&l->b->fields, field);
    uint32_t node = 0;
    for (;;) {
        const char *dot = path.size ? memchr(path.ptr, '.', path.size) : NULL;
        size_t size = dot ? (size_t)(dot - path.ptr) : path.size;
        if (!child_node(l, &node, (struct str){path.ptr, size}))
            return false;
        if (!dot)
            break;
        path.ptr += size + 1;
        path.size -= size + 1;
    }
    l->field_nodes[field] = node;
    return true;
}

static struct str component_of(const struct layout *l, uint32_t node, uint32_t *parent_out)
{
    struct str key = intern_key(&l->paths, node);
    memcpy(parent_out, key.ptr, sizeof(*parent_out));
    return (struct str){key.ptr + sizeof(*parent_out), key.size - sizeof(*parent_out)};
}

static uint32_t parent_of(const struct layout *l, uint32_t node)
{
    uint32_t parent;
    component_of(l, node, &parent);
    return parent;
}

static bool place_edges(struct layout *l)
{
    struct weir_matcher *m = l->m;
    uint32_t edges = 0;
    for (uint32_t i = 1; i < l->paths.count; i++)
        m->trie[parent_of(l, i)].edge_count++;
    for (uint32_t i = 0; i < l->paths.count; i++) {
        struct trie_node *node = &m->trie[i];
        node->field = NONE;
        node->edges = edges;
        uint32_t places = node->edge_count;
        if (places > ROW_MAX) {
            for (places = 2 * ROW_MAX; places < node->edge_count * 3 / 2;)
                places *= 2;
            node->edge_mask = places - 1;
        }
        edges += places;
    }
    m->edges = arena_array(&m->keep, edges, sizeof(*m->edges));
    return m->edges;
}

static bool fill_edge(struct layout *l, uint32_t child, uint32_t *filled)
{
    struct weir_matcher *m = l->m;
    uint32_t parent;
    struct str component = component_of(l, child, &parent);
    struct trie_edge edge = {hash_head(component.ptr, component.size), (uint32_t)component.size, 0, child};
    if (!layout_add_text(l, component, &edge.text))
        return false;
    struct trie_node *node = &m->trie[parent];
    struct trie_edge *edges = m->edges + node->edges;
    uint32_t at = filled[parent]++;
    if (node->edge_mask)
        for (at = (uint32_t)hash_mix(edge.head, edge.size) & node->edge_mask; edges[at].child;)
            at = (at + 1) & node->edge_mask;
    edges[at] = edge;
    node->deep |= m->trie[child].edge_count > 0;
    return true;
}

static bool build_trie(struct layout *l)
{
    struct weir_matcher *m = l->m;
    uint32_t root = NONE;
    l->field_nodes = arena_array(&l->temp, m->field_count, sizeof(*l->field_nodes));
    if (!l->field_nodes || !intern_add(&l->paths, &root, sizeof(root), &root))
        return false;
    for (uint32_t i = 0; i < m->field_count; i++)
        if (!add_path(l, i))
            return false;
    m->trie = arena_array(&m->keep, l->paths.count, sizeof(*m->trie));
    uint32_t *filled = arena_array(&l->temp, l->paths.count, sizeof(*filled));
    if (!m->trie || !filled || !place_edges(l))
        return false;
    for (uint32_t i = 1; i < l->paths.count; i++)
        if (!fill_edge(l, i, filled))
            return false;
    for (uint32_t i = 0; i < m->field_count; i++)
        m->trie[l->field_nodes[i]].field = i;
    return true;
}

/* Marks the nodes, but for the root, that two members of the conjunction stand at or below. */
static void mark_join(struct layout *l, uint32_t number, uint32_t *stamps)
{
    struct weir_matcher *m = l->m;
    struct conjunction *conjunction = &m->conjunctions[number];
    const uint32_t *members = m->members + conjunction->first;
    for (uint32_t i = 0; i < conjunction->count; i++) {
        uint32_t node = l->field_nodes[m->conditions[members[i]].field];
        for (; node; node = parent_of(l, node)) {
            if (stamps[node] == number + 1)
                m->trie[node].join = conjunction->join = true;
            stamps[node] = number + 1;
        }
    }
    for (uint32_t i = 0; conjunction->join && i < conjunction->count; i++) {
        m->conditions[members[i]].tracked = true;
        m->fields[m->conditions[members[i]].field].tracked = true;
        m->joins = true;
    }
}

bool layout_paths(struct layout *l)
{
    if (!build_trie(l))
        return false;
    uint32_t *stamps = arena_array(&l->temp, l->paths.count, sizeof(*stamps));
    if (!stamps)
        return false;
    for (uint32_t i = 0; i < l->m->conjunction_count; i++)
        if (l->m->conjunctions[i].count > 1)
            mark_join(l, i, stamps);
    return true;
}
