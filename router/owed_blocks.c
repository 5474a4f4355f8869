/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of untried deliveries: owed_blocks says of each whose it is, whether it waits, and what has left it; the
 * packed deliveries stand beside it in owed_bodies, written once and deleted once.
 *
 * A turn packs what it has for a target, and that may be three deliveries. So that a trickle does not make millions of
 * blocks, small ones at the end of those that wait are put together once there are TAIL of them: a delivery moves from
 * blocks of less than 16 to one of less than 256 to a large one, and is packed three times at most; a target has less
 * than 2 * TAIL small ones. Only whole ones that wait are touched: dispatch knows nothing of what stands in them.
 *
 * Cost of a delivery that settles untroubled from a block: its share of one insert, one read and one delete, and of
 * one update of some hundred bytes a turn.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "router/owed_pack.h"

#define TAIL      16
#define DONE_SIZE ((OWED_BLOCK_COUNT + 7) / 8)

/* ---- one block ---- */

static bool insert_row(struct store *s, struct str target, const struct owed_pack *p, bool in_hand,
                       struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO owed_blocks (number, target, in_hand, age, last_id, count, bytes, "
                                    "left) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, p->first_id);
    store_bind(q, 2, target);
    sqlite3_bind_int64(q, 3, in_hand);
    sqlite3_bind_int64(q, 4, p->age);
    sqlite3_bind_int64(q, 5, p->last_id);
    sqlite3_bind_int64(q, 6, p->count);
    sqlite3_bind_int64(q, 7, (int64_t)p->bytes);
    return store_run(s, q, diag);
}

static bool insert(struct store *s, struct str target, struct owed_pack *p, bool in_hand, struct weir_diag *diag)
{
    struct str body;

    assert(p->count && p->count <= OWED_BLOCK_COUNT);
    if (!owed_pack_finish(p, &body, diag) || !insert_row(s, target, p, in_hand, diag))
        return false;
    sqlite3_stmt *q = store_prepare(s, "INSERT INTO owed_bodies (number, body) VALUES (?, ?)", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, p->first_id);
    sqlite3_bind_blob64(q, 2, body.ptr, body.size, SQLITE_STATIC);
    return store_run(s, q, diag);
}

static bool delete (struct store *s, int64_t number, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM owed_blocks WHERE number = ?", diag);
    sqlite3_stmt *r = q ? store_prepare(s, "DELETE FROM owed_bodies WHERE number = ?", diag) : NULL;
    if (!r)
        return false;
    sqlite3_bind_int64(q, 1, number);
    sqlite3_bind_int64(r, 1, number);
    return store_run(s, q, diag) && store_run(s, r, diag);
}

/* ---- bodies ---- */

static struct str column_bytes(sqlite3_stmt *q, int column)
{
    const char *bytes = sqlite3_column_blob(q, column);
    return (struct str){bytes, bytes ? (size_t)sqlite3_column_bytes(q, column) : 0};
}

struct showing {
    int64_t number;
    struct str done;
    void (*each)(void *context, const struct owed_row *row);
    void *context;
};

static bool has_left(struct str done, uint32_t index)
{
    return index / 8 < done.size && (done.ptr[index / 8] >> (index % 8) & 1);
}

static void show_left(void *context, const struct owed_row *row)
{
    struct showing *showing = context;
    struct owed_row shown = *row;

    if (has_left(showing->done, row->place.index))
        return;
    shown.place.block = showing->number;
    showing->each(showing->context, &shown);
}

/* Shows what has not left it. */
static bool read_body(struct store *s, int64_t number, void (*each)(void *context, const struct owed_row *row),
                      void *context, struct weir_diag *diag)
{
    bool row, ok = false;
    sqlite3_stmt *q =
        store_prepare(s, "SELECT done, body FROM owed_blocks JOIN owed_bodies USING (number) WHERE number = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, number);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        struct showing showing = {number, column_bytes(q, 0), each, context};
        ok = owed_unpack(column_bytes(q, 1), show_left, &showing, diag);
    } else {
        *diag = (struct weir_diag){.code = WEIR_E_IO, .message = "a block of owed deliveries is not there"};
    }
    sqlite3_reset(q);
    return ok;
}

/* ---- small ones put together ---- */

static unsigned tier(int64_t count, int64_t bytes)
{
    if (count < TAIL && bytes < OWED_BLOCK_BYTES / 16)
        return 0;
    return count < TAIL * TAIL && bytes < OWED_BLOCK_BYTES / 4 ? 1 : 2;
}

/* The numbers of the last blocks that wait, latest first, as far as they are whole and not above the tier. */
static bool find_tail(struct store *s, struct str target, unsigned most, int64_t *numbers, size_t *count_out,
                      struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT number, count, bytes, left FROM owed_blocks WHERE target = ? AND "
                                    "in_hand = 0 ORDER BY number DESC LIMIT ?",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, target);
    sqlite3_bind_int64(q, 2, TAIL);
    *count_out = 0;
    while (store_step(s, q, &row, diag)) {
        int64_t count = row ? sqlite3_column_int64(q, 1) : 0;
        if (!row || count != sqlite3_column_int64(q, 3) || tier(count, sqlite3_column_int64(q, 2)) > most) {
            sqlite3_reset(q);
            return true;
        }
        numbers[(*count_out)++] = sqlite3_column_int64(q, 0);
    }
    return false;
}

struct merging {
    struct store *store;
    struct str target;
    struct owed_pack *pack;
    bool ok;
    struct weir_diag *diag;
};

static void merge_one(void *context, const struct owed_row *row)
{
    struct merging *m = context;

    if (!m->ok)
        return;
    if (m->pack->count == OWED_BLOCK_COUNT || m->pack->bytes >= OWED_BLOCK_BYTES) {
        m->ok = insert(m->store, m->target, m->pack, false, m->diag);
        owed_pack_begin(m->pack);
    }
    owed_pack_add(m->pack, row);
}

/* The old ones go first, each before the new one that gets its number can be complete. */
static bool merge(struct merging *m, const int64_t *numbers, size_t count)
{
    owed_pack_begin(m->pack);
    for (size_t i = count; m->ok && i-- > 0;)
        if (!read_body(m->store, numbers[i], merge_one, m, m->diag) || !delete (m->store, numbers[i], m->diag))
            return false;
    return m->ok && insert(m->store, m->target, m->pack, false, m->diag);
}

/* Again while what came of it is one small block too many. */
static bool tidy(struct store *s, struct str target, struct owed_pack *pack, struct weir_diag *diag)
{
    int64_t numbers[TAIL];
    size_t count = TAIL;
    unsigned own;

    while (count == TAIL && (own = tier(pack->count, (int64_t)pack->bytes)) < 2) {
        struct merging m = {s, target, pack, true, diag};
        if (!find_tail(s, target, own, numbers, &count, diag) || (count == TAIL && !merge(&m, numbers, count)))
            return false;
    }
    return true;
}

bool owed_block_insert(struct store *s, struct str target, struct owed_pack *pack, bool in_hand, struct weir_diag *diag)
{
    return insert(s, target, pack, in_hand, diag) && (in_hand || tidy(s, target, pack, diag));
}

/* ---- taken and left ---- */

bool owed_block_peek(struct store *s, struct str target, struct owed_block *out, struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT number, age, left FROM owed_blocks WHERE target = ? AND in_hand = 0 "
                                    "ORDER BY number LIMIT 1",
                                    diag);
    *out = (struct owed_block){0};
    if (!q)
        return false;
    store_bind(q, 1, target);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = (struct owed_block){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2)};
    sqlite3_reset(q);
    return true;
}

bool owed_block_take(struct store *s, int64_t number, void (*each)(void *context, const struct owed_row *row),
                     void *context, struct weir_diag *diag)
{
    if (!read_body(s, number, each, context, diag))
        return false;
    sqlite3_stmt *q = store_prepare(s, "UPDATE owed_blocks SET in_hand = 1 WHERE number = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, number);
    return store_run(s, q, diag);
}

static bool read_done(struct store *s, int64_t number, int64_t *left_out, char done[DONE_SIZE], struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q = store_prepare(s, "SELECT left, done FROM owed_blocks WHERE number = ?", diag);

    memset(done, 0, DONE_SIZE);
    *left_out = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, number);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        struct str bits = column_bytes(q, 1);
        *left_out = sqlite3_column_int64(q, 0);
        if (bits.size)
            memcpy(done, bits.ptr, bits.size < DONE_SIZE ? bits.size : DONE_SIZE);
    }
    sqlite3_reset(q);
    return true;
}

static bool write_done(struct store *s, int64_t number, int64_t left, const char done[DONE_SIZE],
                       struct weir_diag *diag)
{
    if (left <= 0)
        return delete (s, number, diag);
    sqlite3_stmt *q = store_prepare(s, "UPDATE owed_blocks SET left = ?, done = ? WHERE number = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, left);
    sqlite3_bind_blob(q, 2, done, DONE_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, number);
    return store_run(s, q, diag);
}

static int by_place(const void *a, const void *b)
{
    const struct owed_place *p = a, *q = b;
    return p->block != q->block ? (p->block > q->block) - (p->block < q->block)
                                : (p->index > q->index) - (p->index < q->index);
}

bool owed_block_leave(struct store *s, struct owed_place *places, size_t count, struct weir_diag *diag)
{
    char done[DONE_SIZE];
    int64_t left;

    qsort(places, count, sizeof *places, by_place);
    for (size_t i = 0; i < count;) {
        int64_t number = places[i].block;
        if (!read_done(s, number, &left, done, diag))
            return false;
        for (; i < count && places[i].block == number; i++) {
            uint32_t index = places[i].index;
            assert(index < OWED_BLOCK_COUNT && !has_left((struct str){done, DONE_SIZE}, index));
            done[index / 8] = (char)(done[index / 8] | 1 << index % 8);
            left--;
        }
        if (!write_done(s, number, left, done, diag))
            return false;
    }
    return true;
}
