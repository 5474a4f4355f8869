/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table: a row an asynchronous invocation, with its payload. What a transaction inserts is noted in memory by
 * function, and told after the commit; what was undone is told with the next one: once too often.
 */
#include "targets/invocations.h"

#include <stdlib.h>

#include "targets/fail.h"

static const char *const migrations[] = {
    "CREATE TABLE invocation (id INTEGER PRIMARY KEY AUTOINCREMENT, function TEXT NOT NULL, next_age INTEGER NOT NULL,"
    " request_id TEXT NOT NULL, accepted_wall INTEGER NOT NULL, accepted_age INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, throttles INTEGER NOT NULL, hops INTEGER NOT NULL, client_context TEXT NOT NULL,"
    " payload TEXT NOT NULL);"
    "CREATE INDEX invocation_due ON invocation (function, next_age, id)",
    NULL,
};
const struct store_schema invocation_schema = {"invocation", migrations};

/* ---- news ---- */

struct note { /* a function that was given some */
    struct note *next;
    struct str function;
    char text[];
};

struct memory {
    struct note *notes;
    void (*watch)(void *context, struct str function);
    void *context;
};

static void drop_notes(struct memory *m)
{
    for (struct note *n; (n = m->notes);) {
        m->notes = n->next;
        free(n);
    }
}

static bool flush(struct store *s, void *memory, struct weir_diag *diag)
{
    return true;
}

static void committed(struct store *s, void *memory)
{
    struct memory *m = memory;

    for (const struct note *n = m->notes; n && m->watch; n = n->next)
        m->watch(m->context, n->function);
    drop_notes(m);
}

static void close_memory(void *memory)
{
    drop_notes(memory);
}

static const struct store_keeper keeper = {sizeof(struct memory), flush, committed, close_memory};

static struct note *find(struct memory *m, struct str function)
{
    struct note *n = m->notes;

    while (n && !str_eq(n->function, function))
        n = n->next;
    return n;
}

static bool note(struct store *s, struct str function, struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);
    struct note *n = m ? find(m, function) : NULL;

    if (!m)
        return false;
    if (!n) {
        n = calloc(1, sizeof *n + function.size);
        if (!n)
            return fail_memory(diag);
        memcpy(n->text, function.ptr, function.size);
        n->function = (struct str){n->text, function.size};
        n->next = m->notes;
        m->notes = n;
    }
    return true;
}

bool invocations_watch(struct store *s, void (*each)(void *context, struct str function), void *context,
                       struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);

    if (m) {
        m->watch = each;
        m->context = context;
    }
    return m != NULL;
}

/* ---- rows ---- */

bool invocations_insert(struct store *s, const struct invocation_row *row, struct weir_time now, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO invocation (function, next_age, request_id, accepted_wall,"
                                    " accepted_age, attempts, throttles, hops, client_context, payload)"
                                    " VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?)",
                                    diag);
    if (!q || !note(s, row->function, diag))
        return false;
    store_bind(q, 1, row->function);
    sqlite3_bind_int64(q, 2, now.age_ms);
    store_bind(q, 3, row->request_id);
    sqlite3_bind_int64(q, 4, now.wall_ms);
    sqlite3_bind_int64(q, 5, now.age_ms);
    sqlite3_bind_int64(q, 6, row->hops);
    store_bind(q, 7, row->client_context.ptr ? row->client_context : STR(""));
    store_bind(q, 8, row->payload.ptr ? row->payload : STR(""));
    return store_run(s, q, diag);
}

static void read_row(sqlite3_stmt *q, struct str function, struct invocation_row *row)
{
    *row = (struct invocation_row){.id = sqlite3_column_int64(q, 0), .function = function};
    row->request_id = store_column(q, 1);
    row->accepted = (struct weir_time){sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3)};
    row->attempts = sqlite3_column_int64(q, 4);
    row->throttles = sqlite3_column_int64(q, 5);
    row->hops = sqlite3_column_int64(q, 6);
    row->client_context = store_column(q, 7);
    row->payload = store_column(q, 8);
}

static bool show_due(struct store *s, struct str function, int64_t age, unsigned limit,
                     void (*each)(void *context, const struct invocation_row *row), void *context, int64_t *ids,
                     unsigned *count, struct weir_diag *diag)
{
    struct invocation_row row;
    size_t bytes = 0;
    bool found;
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT id, request_id, accepted_wall, accepted_age, attempts, throttles, hops,"
                                    " client_context, payload FROM invocation WHERE function = ? AND next_age <= ?"
                                    " ORDER BY next_age, id LIMIT ?",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, function);
    sqlite3_bind_int64(q, 2, age);
    sqlite3_bind_int64(q, 3, limit);
    while (bytes < INVOCATIONS_TAKE_BYTES) {
        if (!store_step(s, q, &found, diag))
            return false;
        if (!found)
            return true;
        read_row(q, function, &row);
        bytes += row.payload.size;
        ids[(*count)++] = row.id;
        each(context, &row);
    }
    sqlite3_reset(q);
    return true;
}

static bool set_next(struct store *s, int64_t id, int64_t age, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE invocation SET next_age = ? WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, age);
    sqlite3_bind_int64(q, 2, id);
    return store_run(s, q, diag);
}

static bool read_next(struct store *s, struct str function, int64_t *next_out, struct weir_diag *diag)
{
    bool found;
    sqlite3_stmt *q =
        store_prepare(s, "SELECT next_age FROM invocation WHERE function = ? ORDER BY next_age LIMIT 1", diag);

    if (!q)
        return false;
    store_bind(q, 1, function);
    if (!store_step(s, q, &found, diag))
        return false;
    *next_out = found ? sqlite3_column_int64(q, 0) : INVOCATION_IN_HAND;
    sqlite3_reset(q);
    return true;
}

bool invocations_take(struct store *s, struct str function, int64_t age, unsigned limit,
                      void (*each)(void *context, const struct invocation_row *row), void *context, int64_t *next_out,
                      struct weir_diag *diag)
{
    int64_t *ids = calloc(limit + 1, sizeof *ids);
    unsigned count = 0;
    bool ok = ids ? show_due(s, function, age, limit, each, context, ids, &count, diag) : fail_memory(diag);

    for (unsigned i = 0; ok && i < count; i++)
        ok = set_next(s, ids[i], INVOCATION_IN_HAND, diag);
    free(ids);
    return ok && read_next(s, function, next_out, diag);
}

bool invocations_retry(struct store *s, int64_t id, int64_t attempts, int64_t throttles, int64_t next_age,
                       struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s, "UPDATE invocation SET attempts = ?, throttles = ?, next_age = ? WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, attempts);
    sqlite3_bind_int64(q, 2, throttles);
    sqlite3_bind_int64(q, 3, next_age);
    sqlite3_bind_int64(q, 4, id);
    return store_run(s, q, diag);
}

bool invocations_delete(struct store *s, int64_t id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM invocation WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

bool invocations_release(struct store *s, void (*each)(void *context, struct str function), void *context,
                         struct weir_diag *diag)
{
    bool found;
    sqlite3_stmt *q = store_prepare(s, "UPDATE invocation SET next_age = 0 WHERE next_age = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, INVOCATION_IN_HAND);
    if (!store_run(s, q, diag) || !(q = store_prepare(s, "SELECT DISTINCT function FROM invocation", diag)))
        return false;
    while (store_step(s, q, &found, diag)) {
        if (!found)
            return true;
        each(context, store_column(q, 0));
    }
    return false;
}
