/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's working memory. What the set's size bounds comes from malloc, in one block; what only the event's size
 * bounds is reserved for the largest event in one mapping, of which a page costs memory when it is touched.
 */
#include "matcher/regex.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Two runs over the same rows: the first adds sizes up, the second hands out the places. */
struct carving {
    char *base; /* NULL: only adding up */
    size_t size;
};

static void carve(struct carving *c, void *pointer, size_t count, size_t size)
{
    void *place = c->base ? c->base + c->size : NULL;
    memcpy(pointer, &place, sizeof(place));
    c->size += (count * size + 63) & ~(size_t)63; /* own cache lines */
}

#define CARVE(c, member, count) carve((c), &(member), (count), sizeof(*(member)))

static void carve_for_set(struct weir_scratch *s, const struct weir_matcher *m, struct carving *c)
{
    size_t joined = m->joins ? m->condition_count : 0, members = m->joins ? m->members_max : 0;
    CARVE(c, s->fields, m->field_count);
    CARVE(c, s->condition_epoch, m->condition_count);
    CARVE(c, s->hung_hits, m->condition_count);
    CARVE(c, s->excluded_serial, m->default_count);
    CARVE(c, s->pending, m->default_count);
    CARVE(c, s->excluded, m->default_count);
    CARVE(c, s->rank_bits, m->id_count / 64 + 1);
    CARVE(c, s->rank_summary, m->id_count / 4096 + 1);
    CARVE(c, s->ids, m->id_count);
    CARVE(c, s->wildcard_bits, m->words_max);
    CARVE(c, s->fold_steps, m->tries.symbol_count);
    CARVE(c, s->regex_seen, m->regex_count);
    CARVE(c, s->given_up, m->regex_count ? m->condition_count : 0);
    CARVE(c, s->given_up_ids, m->regex_count ? m->id_count : 0);
    CARVE(c, s->logs, joined);
    CARVE(c, s->hit_serial, joined);
    CARVE(c, s->missed_serial, joined);
    CARVE(c, s->missed, joined);
    CARVE(c, s->order, members);
    CARVE(c, s->group, members);
    CARVE(c, s->choice, members);
    CARVE(c, s->trail_mark, members);
}

static void carve_for_event(struct weir_scratch *s, const struct weir_matcher *m, struct carving *c)
{
    /* a value and what parts it from the next take two bytes at least; so do an element and an array */
    size_t values = m->joins ? LIMIT_EVENT_BYTES / 2 + 2 : 0, hits = m->joins ? LIMIT_JOIN_HITS : 0;
    CARVE(c, s->decoded, LIMIT_EVENT_BYTES);
    CARVE(c, s->regex_heap, m->regex_count ? REGEX_HEAP_BYTES : 0);
    CARVE(c, s->elements, values);
    CARVE(c, s->value_log, values);
    CARVE(c, s->value_elements, values);
    CARVE(c, s->hit_log, hits);
    CARVE(c, s->hits, hits);
    CARVE(c, s->bound, values);
    CARVE(c, s->trail, values);
}

bool scratch_init(struct weir_scratch *s, struct weir_matcher *m)
{
    struct carving set = {NULL, 0}, event = {NULL, 0};
    *s = (struct weir_scratch){.m = m};
    carve_for_set(s, m, &set);
    carve_for_event(s, m, &event);
    s->pages_size = event.size;
    s->block = calloc(1, set.size);
    void *pages = mmap(NULL, event.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    s->pages = pages == MAP_FAILED ? NULL : pages;
    if (!s->block || !s->pages) {
        scratch_fini(s);
        return false;
    }
    set = (struct carving){s->block, 0};
    event = (struct carving){s->pages, 0};
    carve_for_set(s, m, &set);
    carve_for_event(s, m, &event);
    for (uint32_t i = 0; i < m->default_count; i++)
        s->pending[i] = i;
    if (m->regex_count && !(s->regex_runner = regex_runner_create(s->regex_heap))) {
        scratch_fini(s);
        return false;
    }
    return true;
}

void scratch_fini(struct weir_scratch *s)
{
    regex_runner_destroy(s->regex_runner);
    free(s->block);
    if (s->pages)
        munmap(s->pages, s->pages_size);
    s->block = s->pages = NULL;
    s->regex_runner = NULL;
}
