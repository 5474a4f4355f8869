/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interning: an open-addressed table of entry numbers over one buffer that holds all keys, each padded to eight
 * bytes so that keys made of integers can be read in place. Hashes are kept, so growing compares nothing.
 * Cost: about 20 bytes a key beside the key itself.
 */
#include "matcher/intern.h"

#include <stdlib.h>

#include "matcher/hash.h"

#define COUNT_MAX (1u << 30)
#define SLOTS_MIN 64u

void intern_fini(struct intern *t)
{
    buf_fini(&t->bytes);
    free(t->entries);
    free(t->slots);
    *t = (struct intern)INTERN_INIT;
}

static bool grow_slots(struct intern *t)
{
    uint32_t count = t->slots ? (t->slot_mask + 1) * 2 : SLOTS_MIN;
    uint32_t *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = t->entries[i].hash & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = i + 1;
    }
    free(t->slots);
    t->slots = slots;
    t->slot_mask = count - 1;
    return true;
}

static bool grow_entries(struct intern *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : SLOTS_MIN / 2;
    struct intern_entry *entries = realloc(t->entries, capacity * sizeof(*entries));
    if (!entries)
        return false;
    t->entries = entries;
    t->capacity = capacity;
    return true;
}

static bool append(struct intern *t, const void *key, size_t size, uint32_t hash)
{
    static const char zeros[8];
    size_t start = t->bytes.size, padding = -size & 7;
    if (t->count == COUNT_MAX || size > UINT32_MAX - 8 || start / 8 + size / 8 + 1 > UINT32_MAX)
        return false;
    if (!buf_reserve(&t->bytes, size + padding + 8)) { /* 8: the empty key has a place to stand, too */
        t->bytes.failed = false;
        return false;
    }
    buf_add(&t->bytes, key, size);
    buf_add(&t->bytes, zeros, padding);
    t->entries[t->count++] = (struct intern_entry){(uint32_t)(start / 8), (uint32_t)size, hash};
    return true;
}

bool intern_add(struct intern *t, const void *key, size_t size, uint32_t *number_out)
{
    if ((!t->slots || t->count > t->slot_mask / 4 * 3) && !grow_slots(t))
        return false;
    if (t->count == t->capacity && !grow_entries(t))
        return false;
    uint32_t hash = (uint32_t)hash_bytes(0, key, size);
    uint32_t at = hash & t->slot_mask;
    for (; t->slots[at]; at = (at + 1) & t->slot_mask) {
        uint32_t number = t->slots[at] - 1;
        if (t->entries[number].hash == hash && str_eq(intern_key(t, number), (struct str){key, size})) {
            *number_out = number;
            return true;
        }
    }
    if (!append(t, key, size, hash))
        return false;
    *number_out = t->count - 1;
    t->slots[at] = t->count;
    return true;
}
