/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a turn made and its targets did not settle in time goes to the ledger: deliveries that did not fit into their
 * target's window as blocks that wait, those in the window as a block in hand. Where a target has only a few in its
 * window, rows are cheaper: one insert and one delete each. Those with an order_key are rows always.
 *
 * Blocks are cut on the dispatch thread, since a delivery in memory must know its place; they are packed by the
 * ledger thread. Sorting by target keeps the order of matching within each.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/owed_pack.h"
#include "router/xalloc.h"

#define FEW 16 /* a block costs as much as some rows */

struct flight_group { /* of t->created: of one target, and all in its window, or none */
    size_t first;
    uint32_t count;
};

static int by_group(const void *a, const void *b)
{
    const struct flight *f = *(struct flight *const *)a, *g = *(struct flight *const *)b;

    if (f->outlet != g->outlet)
        return f->outlet < g->outlet ? -1 : 1;
    if (f->spilled != g->spilled)
        return f->spilled ? 1 : -1;
    if (!f->order_key != !g->order_key)
        return f->order_key ? 1 : -1;
    return (f->id > g->id) - (f->id < g->id);
}

static bool is_block(const struct flight *first, uint32_t count)
{
    return !first->order_key && (first->spilled || count >= FEW);
}

static uint32_t measure(struct flight *const *list, size_t most)
{
    size_t bytes = 0;
    uint32_t n = 0;

    while (n < most && n < OWED_BLOCK_COUNT && bytes < OWED_BLOCK_BYTES && list[n]->outlet == list[0]->outlet &&
           list[n]->spilled == list[0]->spilled && !list[n]->order_key == !list[0]->order_key) {
        if (!n || list[n]->event != list[n - 1]->event)
            bytes += list[n]->event->event.size;
        n++;
    }
    return n;
}

static void add_group(struct turn *t, struct flight_group group)
{
    if (t->group_count % 8 == 0)
        t->groups = xrealloc(t->groups, (t->group_count + 8) * sizeof *t->groups);
    t->groups[t->group_count++] = group;
}

void turn_group(struct turn *t)
{
    struct flight **list = t->created.list;
    uint32_t count;

    if (t->created.count)
        qsort(list, t->created.count, sizeof *list, by_group);
    for (size_t i = 0; i < t->created.count; i += count) {
        count = measure(list + i, t->created.count - i);
        add_group(t, (struct flight_group){i, count});
        for (uint32_t k = 0; is_block(list[i], count) && k < count; k++)
            list[i + k]->place = (struct owed_place){list[i]->id, k};
    }
}

/* ---- ledger thread ---- */

static bool write_rows(struct flight *const *list, uint32_t count, struct store *store, struct weir_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        struct owed_row row = flight_row(list[i], list[i]->spilled ? OWED_BEHIND : OWED_IN_HAND);
        if (!owed_insert(store, &row, diag))
            return false;
    }
    return true;
}

static bool write_block(struct dispatch *d, struct flight *const *list, uint32_t count, struct store *store,
                        struct weir_diag *diag)
{
    if (!d->pack)
        d->pack = owed_pack_create();
    owed_pack_begin(d->pack);
    for (uint32_t i = 0; i < count; i++) {
        struct owed_row row = flight_row(list[i], 0);
        if (!list[i]->missed)
            owed_pack_add(d->pack, &row);
    }
    return !d->pack->count || owed_block_insert(store, list[0]->outlet->key, d->pack, !list[0]->spilled, diag);
}

static bool write_group(struct turn *t, const struct flight_group *g, struct store *store, struct weir_time now,
                        struct weir_diag *diag)
{
    struct flight *const *list = t->created.list + g->first;

    for (uint32_t i = 0; i < g->count; i++) {
        if (!redrive_take(list[i], store, now, diag))
            return false;
        if (!list[i]->missed)
            backlog_row_inserted(t, list[i]);
    }
    return is_block(list[0], g->count) ? write_block(t->dispatch, list, g->count, store, diag)
                                       : write_rows(list, g->count, store, diag);
}

bool turn_write_created(struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    for (size_t i = 0; i < t->group_count; i++)
        if (!write_group(t, &t->groups[i], store, now, diag))
            return false;
    return true;
}

static size_t add_places(const struct flight_list *l, struct owed_place *places)
{
    size_t count = 0;

    for (size_t i = 0; i < l->count; i++)
        if (l->list[i]->place.block)
            places[count++] = l->list[i]->place;
    return count;
}

bool turn_leave_blocks(const struct turn *t, struct store *store, struct weir_diag *diag)
{
    struct owed_place *places = xarray(t->puts.count + t->ended.count + 1, sizeof *places);
    size_t count = add_places(&t->puts, places);

    count += add_places(&t->ended, places + count);
    bool ok = owed_block_leave(store, places, count, diag);
    free(places);
    return ok;
}
