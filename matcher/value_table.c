/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact values of all fields in one open-addressed table; key and value stand in the slot, so a lookup costs one
 * cache miss, two for texts past eight bytes. At most three quarters full. A CIDR range is an exact value too: an
 * address cut to n bits, looked up once for every n that some pattern of the field uses; that needs no tree.
 */
#include "matcher/hash.h"
#include "matcher/matcher_int.h"

static uint32_t field_kind(uint32_t field, enum value_kind kind)
{
    return field << 3 | kind;
}

uint32_t value_table_find(const struct value_table *t, uint32_t field, enum value_kind kind, const char *key,
                          size_t size)
{
    uint32_t wanted = field_kind(field, kind);
    uint64_t head = hash_head(key, size);
    uint32_t at = (uint32_t)hash_bytes(wanted, key, size) & t->mask;
    for (; t->slots[at].list; at = (at + 1) & t->mask) {
        const struct value_slot *slot = &t->slots[at];
        if (slot->head == head && slot->size == size && slot->field_kind == wanted &&
            (size <= 8 || memcmp(t->texts + slot->text + 8, key + 8, size - 8) == 0))
            return slot->list;
    }
    return 0;
}

bool value_table_init(struct value_table *t, struct arena *keep, size_t count)
{
    size_t places = 2;
    while (places * 3 / 4 < count + 1)
        places *= 2;
    t->mask = (uint32_t)(places - 1);
    t->slots = arena_array(keep, places, sizeof(*t->slots));
    return t->slots;
}

void value_table_add(struct value_table *t, uint32_t field, enum value_kind kind, struct str key, uint32_t text,
                     uint32_t list)
{
    uint32_t wanted = field_kind(field, kind);
    uint32_t at = (uint32_t)hash_bytes(wanted, key.ptr, key.size) & t->mask;
    while (t->slots[at].list)
        at = (at + 1) & t->mask;
    t->slots[at] = (struct value_slot){hash_head(key.ptr, key.size), (uint32_t)key.size, wanted, text, list};
}
