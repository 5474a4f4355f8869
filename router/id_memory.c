/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of entries in the order of their ages, and a table of slots over it (open addressing, at most half full):
 *
 *     slots[hash] ──► ring[first … first + count)
 *
 * Entries leave only at the ring's front; the slots behind a freed one are shifted back, so there are no tombstones.
 * What has expired is taken out a few at a note, so that no event pays for many.
 */
#include "router/id_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "router/xalloc.h"

#define CAPACITY_MIN   64
#define EXPIRES_A_NOTE 4 /* more than one: so it catches up */

/* ---- slots ---- */

static size_t home(const struct id_memory *m, const struct id_digest *digest)
{
    uint64_t head;
    memcpy(&head, digest->bytes, sizeof head);
    head = (head ^ m->seed) * 0x9E3779B97F4A7C15u;
    return (head ^ head >> 32) & (m->slot_count - 1);
}

static struct id_entry *entry_of(const struct id_memory *m, size_t slot)
{
    return &m->ring[m->slots[slot] - 1];
}

/* The slot that holds it, or the free one where it would stand. */
static size_t find(const struct id_memory *m, const struct id_digest *digest)
{
    size_t slot = home(m, digest);

    while (m->slots[slot] && memcmp(entry_of(m, slot)->digest.bytes, digest->bytes, ID_DIGEST_BYTES) != 0)
        slot = (slot + 1) & (m->slot_count - 1);
    return slot;
}

/* Those behind it that would not be found over the gap move into it. */
static void free_slot(struct id_memory *m, size_t gap)
{
    size_t mask = m->slot_count - 1;

    for (size_t slot = (gap + 1) & mask; m->slots[slot]; slot = (slot + 1) & mask) {
        size_t from_home = (slot - home(m, &entry_of(m, slot)->digest)) & mask;
        if (from_home < ((slot - gap) & mask))
            continue;
        m->slots[gap] = m->slots[slot];
        gap = slot;
    }
    m->slots[gap] = 0;
}

/* ---- the ring ---- */

static void forget_oldest(struct id_memory *m)
{
    size_t slot = find(m, &m->ring[m->first].digest);

    assert(m->count && m->slots[slot] == m->first + 1);
    free_slot(m, slot);
    m->first = m->first + 1 == m->capacity ? 0 : m->first + 1;
    m->count--;
}

static void resize(struct id_memory *m, size_t capacity)
{
    struct id_memory old = *m;

    m->capacity = capacity;
    m->first = 0;
    m->ring = xarray(capacity, sizeof *m->ring);
    for (m->slot_count = 1; m->slot_count < 2 * capacity;)
        m->slot_count *= 2;
    m->slots = xarray(m->slot_count, sizeof *m->slots);
    for (size_t i = 0; i < old.count; i++) {
        m->ring[i] = old.ring[(old.first + i) % old.capacity];
        m->slots[find(m, &m->ring[i].digest)] = (uint32_t)i + 1;
    }
    free(old.ring);
    free(old.slots);
}

static void make_room(struct id_memory *m)
{
    if (m->count == m->max) {
        forget_oldest(m);
        m->forgotten++;
    }
    if (m->count < m->capacity)
        return;
    size_t wanted = m->capacity ? 2 * m->capacity : CAPACITY_MIN;
    resize(m, wanted < m->max ? wanted : m->max);
}

static bool has_expired(const struct id_memory *m, int64_t until)
{
    return m->count && m->ring[m->first].age <= until;
}

bool id_memory_note(struct id_memory *m, const struct id_digest *digest, int64_t age, int64_t until)
{
    for (int i = 0; i < EXPIRES_A_NOTE && has_expired(m, until); i++)
        forget_oldest(m);
    if (m->count) {
        size_t slot = find(m, digest);
        if (m->slots[slot] && entry_of(m, slot)->age > until)
            return true;
        while (m->slots[slot] && m->count) { /* it has expired, and what is older too */
            forget_oldest(m);
            slot = find(m, digest);
        }
    }
    make_room(m);
    size_t last = (m->first + m->count++) % m->capacity;
    m->ring[last] = (struct id_entry){*digest, age};
    m->slots[find(m, digest)] = (uint32_t)last + 1;
    return false;
}

void id_memory_expire(struct id_memory *m, int64_t until)
{
    while (has_expired(m, until))
        forget_oldest(m);
    if (!m->count)
        id_memory_fini(m);
}

int64_t id_memory_oldest(const struct id_memory *m)
{
    return m->count ? m->ring[m->first].age : INT64_MAX;
}

void id_memory_limit(struct id_memory *m, size_t max)
{
    assert(max >= 1 && max <= ID_MEMORY_MAX);
    m->max = max;
    for (; m->count > max; m->forgotten++)
        forget_oldest(m);
    if (m->capacity > max)
        resize(m, max);
}

void id_memory_fini(struct id_memory *m)
{
    free(m->ring);
    free(m->slots);
    m->ring = NULL;
    m->slots = NULL;
    m->capacity = m->slot_count = m->first = m->count = 0;
}
