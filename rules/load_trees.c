/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load walks over: the trees of the files, which were read before and are shared, and one more that is made
 * here of the documents of the APIs, as if they stood in a last file:
 *
 *     root ──► {queues: {orders: DOCUMENT, …}, rules: {audit/root: DOCUMENT, …}}
 */
#include "rules/load_int.h"

#include <assert.h>

static struct load_file **add(struct load *l, struct load_file **end, const struct load_file *one)
{
    *end = arena_new(&l->temp, struct load_file);
    if (!*end)
        return NULL;
    **end = *one;
    return &(*end)->next;
}

/* How many documents from this one on are of its section. */
static size_t run_of(const struct documents *d, size_t first)
{
    size_t end = first + 1;
    while (end < d->count && str_eq(d->list[end]->section, d->list[first]->section))
        end++;
    return end - first;
}

static bool add_section(struct load *l, struct node *root, struct node_pair *pairs, const struct documents *d,
                        size_t first, size_t count)
{
    struct node *name = arena_new(&l->temp, struct node), *section = arena_new(&l->temp, struct node);
    struct node_pair *entries = arena_array(&l->temp, count, sizeof(*entries));
    if (!name || !section || !entries)
        return false;
    *name = *d->list[first]->name;
    name->text = d->list[first]->section;
    *section =
        (struct node){.type = NODE_MAP, .pos = name->pos, .pairs = entries, .count = (uint32_t)count, .weight = 1};
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct node_pair){d->list[first + i]->name, d->list[first + i]->root};
    pairs[root->count++] = (struct node_pair){name, section};
    return true;
}

/* NULL: out of memory. */
static const struct node *tree_of(struct load *l, const struct documents *d)
{
    struct node *root = arena_new(&l->temp, struct node);
    size_t sections = 0;
    for (size_t i = 0; i < d->count; i += run_of(d, i))
        sections++;
    struct node_pair *pairs = arena_array(&l->temp, sections, sizeof(*pairs));
    if (!root || !pairs)
        return NULL;
    *root = (struct node){.type = NODE_MAP, .pos = {.column = DOCUMENT_COLUMN}, .pairs = pairs, .weight = 1};
    for (size_t i = 0, count; i < d->count; i += count) {
        count = run_of(d, i);
        if (!add_section(l, root, pairs, d, i, count))
            return NULL;
    }
    return root;
}

bool load_trees(struct load *l, const struct files *files)
{
    const struct documents *documents = l->set->documents;
    struct load_file **end = &l->files;
    for (const struct file_tree *f = files->first; end && f; f = f->next) {
        assert(f->root);
        end = add(l, end, &(struct load_file){.name = f->name, .root = f->root});
    }
    if (end && documents && documents->count) {
        const struct node *root = tree_of(l, documents);
        end = root ? add(l, end, &(struct load_file){.name = "(API)", .root = root, .made = true}) : NULL;
    }
    return end || load_out_of_memory(l);
}

struct str load_made(const struct node *entry)
{
    return entry && document_holds(entry->pos) ? entry->text : (struct str){NULL, 0};
}
