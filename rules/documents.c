/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of the APIs, parsed. Lists are sorted arrays of pointers: looked up by halving, changed by moving what is
 * behind, copied whole for the next rule set. At 10,000 documents that is some 100 µs, next to nothing beside the
 * building of a set.
 */
#include "rules/documents.h"

#include <assert.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "rules/yaml_int.h"

/* ---- one ---- */

/* Reads the text into nodes that all stand at the document's place. */
static bool parse(struct document *d, struct diag_pos pos, struct weir_diag *diag)
{
    struct node text = {.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .pos = pos, .text = d->text};
    struct node *name = arena_new(&d->arena, struct node), *root = arena_new(&d->arena, struct node);
    struct diags diags;
    if (!name || !root || !diags_init(&diags, 1)) {
        *diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
        return false;
    }
    const struct node *read = node_read_json(&d->arena, &text, &diags);
    if (diags.count)
        *diag = diags.list[0];
    else if (!read || diags.out_of_memory)
        *diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
    bool ok = read && diags_ok(&diags);
    if (ok && read->type != NODE_MAP) {
        *diag = (struct weir_diag){.code = WEIR_E_JSON, .message = "a document must be a JSON object"};
        ok = false;
    }
    diags_fini(&diags);
    if (!ok)
        return false;
    *root = *read;
    root->text = d->text;
    *name = (struct node){.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .pos = pos, .text = d->key, .weight = 1};
    d->name = name;
    d->root = root;
    return true;
}

static const char *place_of(struct document *d)
{
    struct buf place = BUF_INIT;
    buf_printf(&place, "(API) %.*s/%.*s", STR_ARG(d->section), STR_ARG(d->key));
    const char *text = place.failed ? NULL : arena_text(&d->arena, buf_view(&place));
    buf_fini(&place);
    return text;
}

struct document *document_create(struct str section, struct str key, struct str text, struct weir_diag *diag)
{
    struct document *d = calloc(1, sizeof(*d));
    *diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
    if (!d)
        return NULL;
    atomic_init(&d->references, 1);
    d->section = arena_str(&d->arena, section);
    d->key = arena_str(&d->arena, key);
    d->text = arena_str(&d->arena, text);
    const char *place = place_of(d);
    if (d->section.ptr && d->key.ptr && d->text.ptr && place &&
        parse(d, (struct diag_pos){.file = place, .column = DOCUMENT_COLUMN}, diag))
        return d;
    document_unref(d);
    return NULL;
}

struct document *document_ref(struct document *d)
{
    unsigned before = atomic_fetch_add_explicit(&d->references, 1, memory_order_relaxed);
    assert(before > 0);
    return d;
}

void document_unref(struct document *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&d->arena);
    free(d);
}

/* ---- lists ---- */

static bool make_room(struct documents *d, size_t count)
{
    size_t capacity = d->capacity ? d->capacity : 16;
    if (count <= d->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    struct document **list = realloc(d->list, capacity * sizeof(struct document *));
    if (!list)
        return false;
    d->list = list;
    d->capacity = capacity;
    return true;
}

struct documents *documents_create(void)
{
    struct documents *d = calloc(1, sizeof(*d));
    if (d)
        atomic_init(&d->references, 1);
    return d;
}

struct documents *documents_copy(const struct documents *from)
{
    struct documents *d = documents_create();
    if (!d || !make_room(d, from->count + 1)) {
        documents_unref(d);
        return NULL;
    }
    for (; d->count < from->count; d->count++)
        d->list[d->count] = document_ref(from->list[d->count]);
    return d;
}

struct documents *documents_ref(struct documents *d)
{
    unsigned before = atomic_fetch_add_explicit(&d->references, 1, memory_order_relaxed);
    assert(before > 0);
    return d;
}

void documents_unref(struct documents *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < d->count; i++)
        document_unref(d->list[i]);
    free(d->list);
    free(d);
}

size_t documents_at(const struct documents *d, struct str section, struct str key, bool *found_out)
{
    size_t low = 0, high = d->count;
    *found_out = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(d->list[middle]->section, section);
        order = order ? order : str_cmp(d->list[middle]->key, key);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *found_out |= order == 0;
    }
    return low;
}

struct document *documents_find(const struct documents *d, struct str section, struct str key)
{
    bool found;
    size_t at = documents_at(d, section, key, &found);
    return found ? d->list[at] : NULL;
}

bool documents_put(struct documents *d, struct document *one)
{
    bool found;
    size_t at = documents_at(d, one->section, one->key, &found);
    if (found) {
        document_unref(d->list[at]);
        d->list[at] = one;
        return true;
    }
    if (!make_room(d, d->count + 1)) {
        document_unref(one);
        return false;
    }
    memmove(d->list + at + 1, d->list + at, (d->count - at) * sizeof(struct document *));
    d->list[at] = one;
    d->count++;
    return true;
}

void documents_remove(struct documents *d, struct str section, struct str key)
{
    bool found;
    size_t at = documents_at(d, section, key, &found);
    if (!found)
        return;
    document_unref(d->list[at]);
    d->count--;
    memmove(d->list + at, d->list + at + 1, (d->count - at) * sizeof(struct document *));
}
