/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether any object of a text repeats a key.
 *
 * Keys lie on one stack: an object's keys are pushed as they come, above those of the objects around it. Each sets one
 * of 64 bits of its object, by a hash of its first bytes and its size; where no bit was set twice, no key was there
 * twice, and that is nearly always all. Else the object's keys are looked at together when it closes: few are compared
 * pair by pair; more are heap-sorted, so that no choice of keys makes it slower than n log n. A key's size and first
 * eight bytes settle nearly every comparison. The stack starts in the caller's frame: ordinary events cost no heap
 * call.
 */
#include "matcher/json_keys.h"

#include <stdlib.h>

#include "matcher/hash.h"

#define PAIRWISE_MAX 12

static bool keys_grow(struct json_keys *keys)
{
    size_t bytes = keys->capacity * 2 * sizeof(struct json_key);
    struct json_key *list = realloc(keys->list == keys->local ? NULL : keys->list, bytes);
    if (!list)
        return false;
    if (keys->list == keys->local)
        memcpy(list, keys->local, sizeof(keys->local));
    keys->list = list;
    keys->capacity *= 2;
    return true;
}

/* An escaped key's decoded size and first bytes. */
static void measure(struct json_key *key)
{
    char space[4];
    size_t size = 0;

    key->head = 0;
    for (struct str rest = json_text_start(key->raw); rest.size;) {
        struct str piece = json_text_piece(&rest, space);
        if (size < sizeof(key->head)) {
            size_t room = sizeof(key->head) - size;
            memcpy((char *)&key->head + size, piece.ptr, piece.size < room ? piece.size : room);
        }
        size += piece.size;
    }
    key->size = (uint32_t)size;
}

void json_keys_push(struct json_keys *keys, struct str raw, const char *end, bool escaped)
{
    if (keys->failed || (keys->count == keys->capacity && !keys_grow(keys))) {
        keys->failed = true;
        return;
    }
    struct json_key *key = &keys->list[keys->count++];
    *key = (struct json_key){.raw = raw,
                             .head = hash_head_within(raw.ptr + 1, raw.size - 2, end),
                             .size = (uint32_t)raw.size - 2,
                             .escaped = escaped};
    if (escaped)
        measure(key);
    uint64_t bit = (uint64_t)1 << (hash_mix(key->head, key->size) & 63);
    keys->repeats |= (keys->seen & bit) != 0;
    keys->seen |= bit;
}

/* Decoded texts compared piece by piece; any order will do that puts equal texts side by side. */
static int compare_decoded(struct str a_raw, struct str b_raw)
{
    struct str a_rest = json_text_start(a_raw), b_rest = json_text_start(b_raw), a = {0}, b = {0};
    char a_space[4], b_space[4];
    for (;;) {
        if (!a.size && a_rest.size)
            a = json_text_piece(&a_rest, a_space);
        if (!b.size && b_rest.size)
            b = json_text_piece(&b_rest, b_space);
        if (!a.size || !b.size)
            return (a.size != 0) - (b.size != 0);
        size_t shared = a.size < b.size ? a.size : b.size;
        int order = memcmp(a.ptr, b.ptr, shared);
        if (order)
            return order;
        a = (struct str){a.ptr + shared, a.size - shared};
        b = (struct str){b.ptr + shared, b.size - shared};
    }
}

static int compare(const struct json_key *a, const struct json_key *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    if (a->size <= sizeof(a->head))
        return 0;
    return a->escaped || b->escaped ? compare_decoded(a->raw, b->raw) : str_cmp(a->raw, b->raw);
}

static void sift_down(struct json_key *heap, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (compare(&heap[at], &heap[child]) >= 0)
            return;
        struct json_key swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

static void heap_sort(struct json_key *keys, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(keys, i, count);
    for (size_t end = count; end-- > 1;) {
        struct json_key swap = keys[0];
        keys[0] = keys[end];
        keys[end] = swap;
        sift_down(keys, 0, end);
    }
}

static bool has_repeats(struct json_key *keys, size_t count)
{
    if (count <= PAIRWISE_MAX) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (compare(&keys[i], &keys[j]) == 0)
                    return true;
        return false;
    }
    heap_sort(keys, count);
    for (size_t i = 1; i < count; i++)
        if (compare(&keys[i - 1], &keys[i]) == 0)
            return true;
    return false;
}

void json_keys_init(struct json_keys *keys)
{
    keys->list = keys->local;
    keys->count = 0;
    keys->capacity = JSON_KEYS_LOCAL;
    keys->seen = 0;
    keys->repeats = keys->failed = keys->repeated = false;
}

void json_keys_fini(struct json_keys *keys)
{
    if (keys->list != keys->local)
        free(keys->list);
}

struct json_keys_level json_keys_open(struct json_keys *keys)
{
    struct json_keys_level outer = {keys->seen, (uint32_t)keys->count, keys->repeats};

    keys->seen = 0;
    keys->repeats = false;
    return outer;
}

void json_keys_close(struct json_keys *keys, const struct json_keys_level *outer)
{
    if (keys->repeats && !keys->repeated)
        keys->repeated = has_repeats(keys->list + outer->count, keys->count - outer->count);
    keys->count = outer->count;
    keys->seen = outer->seen;
    keys->repeats = outer->repeats;
}
