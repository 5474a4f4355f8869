/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order_by: deliveries of one key go to their target one at a time, in the order of matching; a stuck one holds up its
 * key only.
 *
 * In memory a key has a lane while it has deliveries there: one that is ready or with the target, and behind it a few
 * that wait (LANE_WAITING: a stuck key must not fill its target's window). When the first has ended, the next is ready.
 * When it is to be tried again, it goes to its row, and all that wait behind it with it.
 *
 * In the ledger they are rows, never blocks. Of a key only the first row may be due, all others wait OWED_BEHIND; every
 * transaction that ends or writes one sees to it (turn_advance()). In hand, they follow each other, as lanes do.
 *
 * The bridge between the two: a new delivery may only stay in memory if none of its key waits in a row. Lanes count
 * those rows. Not all can be counted, or memory would grow with the number of stuck keys: after a start, and past
 * LANES_MAX lanes, a row counts as of an unknown key, and while there are such rows all new deliveries take the way
 * through the ledger. Rows that come back are taken from their lane's count, or else from the unknown ones; so a lane
 * never counts more than there are, and once no row is unknown all counts are exact.
 *
 * A key is a hash: two that fall together only wait for each other.
 */
#include <stdlib.h>

#include "matcher/hash.h"
#include "router/dispatch_int.h"
#include "router/xalloc.h"
#include "rules/input.h"

#define LANE_WAITING (OWED_FOLLOWERS + 1)
#define LANES_MAX    10000
#define BUCKETS_MIN  64

struct lane {
    uint64_t key;
    struct lane *next;    /* in its bucket */
    struct flight *first; /* ready, or with the target; NULL: none is in memory */
    struct flight_queue waiting;
    uint32_t waiting_count;
    int64_t rows; /* that wait in the ledger, as far as they are known; first is not one of them */
};

struct order { /* an outlet's */
    struct lane **buckets;
    size_t bucket_count, lane_count;
    int64_t unknown; /* rows that wait, of unknown keys */
};

uint64_t route_order_key(const struct route *route, struct shared_event *e, struct buf *work)
{
    const struct rule *rule = route->rule;
    const struct input_variables none = {STR(""), STR(""), STR("")};
    struct weir_diag diag;

    buf_clear(work);
    bool found = input_render(route->entry->order_by, e->event, &none, work, &diag);
    uint64_t key = hash_bytes(0x6f72646572, work->data, found ? work->size : 0);
    key = hash_bytes(key, e->origin.ptr, e->origin.size); /* a replay is ordered within itself */
    key = hash_bytes(key, rule->bus.ptr, rule->bus.size);
    key = hash_bytes(key, rule->name.ptr, rule->name.size);
    key = hash_bytes(key, route->entry->id.ptr, route->entry->id.size);
    key &= INT64_MAX; /* as it stands in the ledger */
    return key ? key : 1;
}

/* ---- lanes ---- */

static struct lane **slot_of(const struct order *order, uint64_t key)
{
    struct lane **at = &order->buckets[key % order->bucket_count];

    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static void grow(struct order *order)
{
    struct order old = *order;

    order->bucket_count = old.bucket_count ? 4 * old.bucket_count : BUCKETS_MIN;
    order->buckets = xarray(order->bucket_count, sizeof(struct lane *));
    for (size_t i = 0; i < old.bucket_count; i++)
        for (struct lane *l = old.buckets[i], *next; l; l = next) {
            struct lane **at = &order->buckets[l->key % order->bucket_count];
            next = l->next;
            l->next = *at;
            *at = l;
        }
    free(old.buckets);
}

static struct lane *lane_find(const struct outlet *o, uint64_t key)
{
    return o->order ? *slot_of(o->order, key) : NULL;
}

static struct order *order_of(struct outlet *o)
{
    if (!o->order) {
        o->order = xalloc(sizeof *o->order);
        grow(o->order);
    }
    return o->order;
}

static struct lane *lane_make(struct outlet *o, uint64_t key)
{
    struct order *order = order_of(o);
    struct lane *l = lane_find(o, key);

    if (l)
        return l;
    if (order->lane_count >= order->bucket_count)
        grow(order);
    l = xalloc(sizeof *l);
    l->key = key;
    TAILQ_INIT(&l->waiting);
    *slot_of(order, key) = l;
    order->lane_count++;
    return l;
}

static void drop_empty(struct outlet *o, struct lane *l)
{
    if (l->first || l->waiting_count || l->rows)
        return;
    struct lane **at = slot_of(o->order, l->key);
    *at = l->next;
    o->order->lane_count--;
    free(l);
}

void order_close(struct outlet *o)
{
    struct order *order = o->order;

    for (size_t i = 0; order && i < order->bucket_count; i++)
        for (struct lane *l = order->buckets[i], *next; l; l = next) {
            struct flight *f;
            next = l->next;
            while ((f = TAILQ_FIRST(&l->waiting))) {
                TAILQ_REMOVE(&l->waiting, f, link);
                flight_free(f);
            }
            free(l);
        }
    if (order)
        free(order->buckets);
    free(order);
}

/* ---- rows that wait ---- */

void order_rows_found(struct outlet *o, int64_t rows)
{
    if (rows)
        order_of(o)->unknown = rows;
}

void order_row_waits(struct outlet *o, uint64_t key)
{
    struct order *order = order_of(o);
    struct lane *l = lane_find(o, key);

    if (!l && order->lane_count < LANES_MAX)
        l = lane_make(o, key);
    if (l)
        l->rows++;
    else
        order->unknown++;
}

void order_row_came(struct outlet *o, uint64_t key)
{
    struct lane *l = lane_find(o, key);

    if (!l || !l->rows) {
        assert(o->order && o->order->unknown > 0);
        o->order->unknown--;
        return;
    }
    l->rows--;
    drop_empty(o, l);
}

bool order_may_enter(const struct outlet *o, uint64_t key)
{
    const struct lane *l = lane_find(o, key);

    return !(o->order && o->order->unknown) && !(l && (l->rows || l->waiting_count >= LANE_WAITING));
}

/* ---- deliveries in memory ---- */

bool order_enter(struct flight *f)
{
    struct lane *l = lane_make(f->outlet, f->order_key);

    f->lane = l;
    if (!l->first) {
        l->first = f;
        return true;
    }
    TAILQ_INSERT_TAIL(&l->waiting, f, link);
    l->waiting_count++;
    return false;
}

static struct flight *take_next(struct lane *l)
{
    struct flight *f = TAILQ_FIRST(&l->waiting);

    if (f) {
        TAILQ_REMOVE(&l->waiting, f, link);
        l->waiting_count--;
    }
    return f;
}

void order_ended(struct flight *f)
{
    struct outlet *o = f->outlet;
    struct lane *l = f->lane;
    struct flight *next;

    assert(l->first == f);
    f->lane = NULL;
    if (f->result == RESULT_RETRIED) {
        l->first = NULL;
        l->rows++;
        while ((next = take_next(l))) {
            l->rows++;
            next->lane = NULL;
            outlet_shelve(next);
        }
    } else if ((l->first = next = take_next(l))) {
        TAILQ_INSERT_TAIL(&o->ready, next, link);
    }
    drop_empty(o, l);
}

static int by_id(const void *a, const void *b)
{
    const struct flight *f = *(struct flight *const *)a, *g = *(struct flight *const *)b;
    return (f->id > g->id) - (f->id < g->id);
}

void order_leave(struct outlet *o, struct flight_queue *ready)
{
    struct order *order = o->order;
    struct flight_list list = {0};
    struct flight *f;

    TAILQ_FOREACH (f, ready, link)
        if (f->lane) {
            f->lane->first = NULL;
            f->lane = NULL;
        }
    for (size_t i = 0; order && i < order->bucket_count; i++)
        for (struct lane *l = order->buckets[i], *next; l; l = next) {
            next = l->next;
            while ((f = take_next(l))) {
                f->lane = NULL;
                flights_add(&list, f);
            }
            drop_empty(o, l);
        }
    if (list.count)
        qsort(list.list, list.count, sizeof *list.list, by_id);
    for (size_t i = 0; i < list.count; i++)
        TAILQ_INSERT_TAIL(ready, list.list[i], link);
    flights_fini(&list);
}

/* ---- ledger thread ---- */

static bool advance(const struct flight_list *l, bool created, struct store *store, struct weir_time now,
                    struct weir_diag *diag)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct flight *f = l->list[i];
        if (f->order_key && (created ? f->spilled : f->has_row) &&
            !owed_advance(store, f->row_outlet->key, f->order_key, now.age_ms, diag))
            return false;
    }
    return true;
}

bool turn_advance(const struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    for (size_t i = 0; i < t->shelved.count; i++)
        if (!owed_shelve(store, t->shelved.list[i]->id, diag))
            return false;
    return advance(&t->created, true, store, now, diag) && advance(&t->puts, false, store, now, diag) &&
           advance(&t->ended, false, store, now, diag);
}
