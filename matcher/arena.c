/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: a chain of blocks, filled front to back, freed together. Blocks double from 4 KiB to 256 KiB; what is
 * larger than a block gets one of its own, put behind the newest so that the newest goes on being filled.
 * Blocks come from calloc and are never reused, so that zeroed memory costs nothing twice.
 */
#include "matcher/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)256 << 10) /* past this, doubling only wastes the tail */

struct arena_block {
    struct arena_block *older;
    size_t size; /* of data */
    alignas(max_align_t) unsigned char data[];
};

void arena_fini(struct arena *a)
{
    struct arena_block *block = a->blocks;
    while (block) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    *a = (struct arena)ARENA_INIT;
}

static struct arena_block *block_create(struct arena *a, size_t size)
{
    struct arena_block *block =
        size > SIZE_MAX - sizeof(struct arena_block) ? NULL : calloc(1, sizeof(struct arena_block) + size);
    if (!block) {
        a->failed = true;
        return NULL;
    }
    block->size = size;
    a->total += sizeof(struct arena_block) + size;
    return block;
}

static void *alloc_own_block(struct arena *a, size_t size)
{
    struct arena_block *block = block_create(a, size);
    if (!block)
        return NULL;
    if (a->blocks) {
        block->older = a->blocks->older;
        a->blocks->older = block;
    } else {
        a->blocks = block;
        a->used = size;
    }
    return block->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) {
        a->failed = true;
        return NULL;
    }
    size = size ? (size + align - 1) & ~(align - 1) : align;

    if (!a->blocks || size > a->blocks->size - a->used) {
        size_t next = a->blocks ? a->blocks->size * 2 : BLOCK_MIN;
        if (next > BLOCK_MAX)
            next = BLOCK_MAX;
        if (size > next / 4)
            return alloc_own_block(a, size);
        struct arena_block *block = block_create(a, next);
        if (!block)
            return NULL;
        block->older = a->blocks;
        a->blocks = block;
        a->used = 0;
    }
    void *memory = a->blocks->data + a->used;
    a->used += size;
    assert(a->used <= a->blocks->size);
    return memory;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        a->failed = true;
        return NULL;
    }
    return arena_alloc(a, count * size);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = s.size == SIZE_MAX ? NULL : arena_alloc(a, s.size + 1);
    if (!copy) {
        a->failed = true;
        return (struct str){NULL, 0};
    }
    if (s.size)
        memcpy(copy, s.ptr, s.size);
    return (struct str){copy, s.size};
}

char *arena_text(struct arena *a, struct str s)
{
    return (char *)arena_str(a, s).ptr;
}
