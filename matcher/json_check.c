/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole-text check, and whether any object repeats a key.
 *
 * Keys lie on one stack: an object's keys are pushed as they come, above those of the objects around it, and looked
 * at together when it closes. Small objects are compared pair by pair; larger ones are heap-sorted, so that no choice
 * of keys makes it slower than n log n. A key's size and first eight bytes settle nearly every comparison. The stack
 * starts in the caller's frame: ordinary events cost no heap call.
 */
#include "matcher/json_int.h"

#include <stdlib.h>

struct key {
    struct str raw;
    uint64_t head; /* first eight decoded bytes */
    uint32_t size; /* decoded, cut to 32 bits: equal keys have equal sizes all the same */
    bool escaped;
};

#define KEYS_LOCAL   128 /* live keys held without malloc: more than real events have at one time */
#define PAIRWISE_MAX 12

struct keys {
    struct key *list;
    size_t count, capacity;
    bool failed; /* out of memory */
    struct key local[KEYS_LOCAL];
};

static bool keys_grow(struct keys *keys)
{
    size_t bytes = keys->capacity * 2 * sizeof(struct key);
    struct key *list = realloc(keys->list == keys->local ? NULL : keys->list, bytes);
    if (!list)
        return false;
    if (keys->list == keys->local)
        memcpy(list, keys->local, sizeof(keys->local));
    keys->list = list;
    keys->capacity *= 2;
    return true;
}

static void keys_push(struct keys *keys, const struct json_token *token)
{
    if (keys->failed || (keys->count == keys->capacity && !keys_grow(keys))) {
        keys->failed = true;
        return;
    }
    struct key *key = &keys->list[keys->count++];
    *key = (struct key){.raw = token->raw, .escaped = token->escaped};
    char space[4];
    size_t size = 0;
    for (struct str rest = json_text_start(token->raw); rest.size;) {
        struct str piece = json_text_piece(&rest, space);
        if (size < sizeof(key->head)) {
            size_t room = sizeof(key->head) - size;
            memcpy((char *)&key->head + size, piece.ptr, piece.size < room ? piece.size : room);
        }
        size += piece.size;
    }
    key->size = (uint32_t)size;
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

static int compare(const struct key *a, const struct key *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    if (a->size <= sizeof(a->head))
        return 0;
    return a->escaped || b->escaped ? compare_decoded(a->raw, b->raw) : str_cmp(a->raw, b->raw);
}

static void sift_down(struct key *heap, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (compare(&heap[at], &heap[child]) >= 0)
            return;
        struct key swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

static void heap_sort(struct key *keys, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(keys, i, count);
    for (size_t end = count; end-- > 1;) {
        struct key swap = keys[0];
        keys[0] = keys[end];
        keys[end] = swap;
        sift_down(keys, 0, end);
    }
}

static bool has_repeats(struct key *keys, size_t count)
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

/* The token before which an object's keys start is not kept by the reader, so each level's start is kept here. */
struct check {
    struct keys keys;
    uint32_t starts[LIMIT_JSON_DEPTH + 1];
    bool repeated;
    int depth;
};

static void note_token(struct check *check, const struct json_reader *r, const struct json_token *token)
{
    struct keys *keys = &check->keys;
    if (token->type == JSON_OBJECT) {
        check->starts[r->depth] = (uint32_t)keys->count;
    } else if (token->type == JSON_KEY) {
        keys_push(keys, token);
    } else if (token->type == JSON_OBJECT_END) {
        size_t start = check->starts[r->depth + 1];
        check->repeated = has_repeats(keys->list + start, keys->count - start);
        keys->count = start;
    }
}

static bool read_all(struct json_reader *r, struct check *check, enum json_type *type)
{
    struct json_token token;
    *type = json_next(r, &token);
    for (; token.type != JSON_END; json_next(r, &token)) {
        if (token.type == JSON_ERROR)
            return false;
        if (check && r->depth > check->depth)
            check->depth = r->depth;
        if (check && !check->repeated)
            note_token(check, r, &token);
    }
    return true;
}

bool json_check(struct str text, struct json_info *info, struct weir_diag *diag)
{
    struct json_reader r;
    struct check check;
    enum json_type type;
    check.repeated = false;
    check.depth = 0;
    check.keys.list = check.keys.local;
    check.keys.count = 0;
    check.keys.capacity = KEYS_LOCAL;
    check.keys.failed = false;

    json_reader_init(&r, text);
    bool ok = read_all(&r, info ? &check : NULL, &type);
    if (check.keys.list != check.keys.local)
        free(check.keys.list);
    if (!ok && diag)
        json_diag(&r, diag);
    if (ok && info)
        *info = (struct json_info){.repeated_keys = check.repeated, .type = type, .depth = check.depth};
    if (ok && check.keys.failed && !check.repeated) {
        if (diag)
            *diag = (struct weir_diag){.code = WEIR_E_MEMORY, .message = "out of memory"};
        return false;
    }
    return ok;
}
