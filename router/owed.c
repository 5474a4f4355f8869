/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL of what is owed.
 *
 * A row holds the event itself, so that a segment of the journal may go as soon as the cursor has passed it: one dead
 * target pins no segments, and a retry needs no second reader. The price is one copy of the event for each delivery
 * that did not settle at once; those that did (nearly all) never come here.
 *
 * The one index (target, next_age) finds a target's due rows in order, ties by rowid: the order of matching. The
 * event stands last in the row, so that its overflow pages are touched only when it is read.
 *
 * Cost of a delivery that fails once and then settles: one insert, two updates, one delete, all by rowid.
 */
#include "router/owed.h"

#include <stdio.h>

static const char *const migrations[] = {
    "CREATE TABLE deliveries ("
    "  id INTEGER PRIMARY KEY,"
    "  target TEXT NOT NULL,"
    "  next_age INTEGER NOT NULL,"
    "  origin TEXT NOT NULL,"
    "  position INTEGER NOT NULL,"
    "  bus TEXT NOT NULL,"
    "  rule TEXT NOT NULL,"
    "  target_id TEXT NOT NULL,"
    "  subscription TEXT NOT NULL,"
    "  rule_arn TEXT NOT NULL,"
    "  target_arn TEXT NOT NULL,"
    "  accepted_wall INTEGER NOT NULL,"
    "  accepted_age INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL,"
    "  error_code TEXT NOT NULL,"
    "  error_message TEXT NOT NULL,"
    "  event_id TEXT NOT NULL,"
    "  event TEXT NOT NULL);"
    "CREATE INDEX deliveries_due ON deliveries (target, next_age);"
    "CREATE TABLE dispatch_cursor ("
    "  one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  job INTEGER NOT NULL,"
    "  sequence INTEGER NOT NULL);"
    "INSERT INTO dispatch_cursor (one, job, sequence) VALUES (1, 0, 0)",
    "CREATE TABLE owed_totals (target TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO owed_totals SELECT target, sum(length(CAST(event AS BLOB))) FROM deliveries GROUP BY target",
    NULL,
};
const struct store_schema owed_schema = {"owed", migrations};

bool owed_insert(struct store *s, const struct owed_row *row, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s,
                      "INSERT INTO deliveries (id, target, next_age, origin, position, bus, rule, "
                      "target_id, subscription, rule_arn, target_arn, accepted_wall, accepted_age, attempts, "
                      "error_code, error_message, event_id, event) "
                      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    store_bind(q, 2, row->target);
    sqlite3_bind_int64(q, 3, row->next_age);
    store_bind(q, 4, row->origin);
    sqlite3_bind_int64(q, 5, (int64_t)row->position);
    store_bind(q, 6, row->bus);
    store_bind(q, 7, row->rule);
    store_bind(q, 8, row->target_id);
    store_bind(q, 9, row->subscription);
    store_bind(q, 10, row->rule_arn);
    store_bind(q, 11, row->target_arn);
    sqlite3_bind_int64(q, 12, row->accepted.wall_ms);
    sqlite3_bind_int64(q, 13, row->accepted.age_ms);
    sqlite3_bind_int64(q, 14, row->attempts);
    store_bind(q, 15, row->error_code);
    store_bind(q, 16, row->error_message);
    store_bind(q, 17, row->event_id);
    store_bind(q, 18, row->event);
    return store_run(s, q, diag);
}

bool owed_retry(struct store *s, int64_t id, struct str target, uint32_t attempts, int64_t next_age,
                struct str error_code, struct str error_message, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "UPDATE deliveries SET target = ?, attempts = ?, next_age = ?, error_code = ?, "
                                    "error_message = ? WHERE id = ?",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, target);
    sqlite3_bind_int64(q, 2, attempts);
    sqlite3_bind_int64(q, 3, next_age);
    store_bind(q, 4, error_code);
    store_bind(q, 5, error_message);
    sqlite3_bind_int64(q, 6, id);
    return store_run(s, q, diag);
}

bool owed_delete(struct store *s, int64_t id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM deliveries WHERE id = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

bool owed_total_add(struct store *s, struct str target, int64_t bytes, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO owed_totals (target, bytes) VALUES (?1, ?2) "
                                    "ON CONFLICT (target) DO UPDATE SET bytes = bytes + ?2",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, target);
    sqlite3_bind_int64(q, 2, bytes);
    return store_run(s, q, diag);
}

/* ---- taking what is due ---- */

static bool take_in_hand(struct store *s, int64_t id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE deliveries SET next_age = 9223372036854775807 WHERE id = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

static struct owed_row read_row(sqlite3_stmt *q)
{
    return (struct owed_row){
        .id = sqlite3_column_int64(q, 0),
        .target = store_column(q, 1),
        .next_age = sqlite3_column_int64(q, 2),
        .origin = store_column(q, 3),
        .position = (uint64_t)sqlite3_column_int64(q, 4),
        .bus = store_column(q, 5),
        .rule = store_column(q, 6),
        .target_id = store_column(q, 7),
        .subscription = store_column(q, 8),
        .rule_arn = store_column(q, 9),
        .target_arn = store_column(q, 10),
        .accepted = {sqlite3_column_int64(q, 11), sqlite3_column_int64(q, 12)},
        .attempts = (uint32_t)sqlite3_column_int64(q, 13),
        .error_code = store_column(q, 14),
        .error_message = store_column(q, 15),
        .event_id = store_column(q, 16),
        .event = store_column(q, 17),
    };
}

static bool next_due(struct store *s, struct str target, int64_t *next_out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT min(next_age) FROM deliveries WHERE target = ?", diag);
    if (!q)
        return false;
    store_bind(q, 1, target);
    *next_out = OWED_IN_HAND;
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        *next_out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return step == SQLITE_ROW || store_error(s, "look for the next delivery", diag);
}

bool owed_take(struct store *s, struct str target, int64_t age, unsigned limit,
               void (*each)(void *context, const struct owed_row *row), void *context, int64_t *next_out,
               struct weir_diag *diag)
{
    int64_t ids[256]; /* the index must not change under the query that walks it: so in rounds */
    size_t count, bytes = 0;

    do {
        unsigned round = limit < 256 ? limit : 256;
        sqlite3_stmt *q = store_prepare(s,
                                        "SELECT id, target, next_age, origin, position, bus, rule, target_id, "
                                        "subscription, rule_arn, target_arn, accepted_wall, accepted_age, attempts, "
                                        "error_code, error_message, event_id, event FROM deliveries "
                                        "WHERE target = ? AND next_age <= ? ORDER BY next_age, id LIMIT ?",
                                        diag);
        if (!q)
            return false;
        store_bind(q, 1, target);
        sqlite3_bind_int64(q, 2, age);
        sqlite3_bind_int64(q, 3, round);
        int step = SQLITE_DONE;
        for (count = 0; bytes < OWED_TAKE_BYTES && (step = sqlite3_step(q)) == SQLITE_ROW; count++) {
            struct owed_row row = read_row(q);
            ids[count] = row.id;
            bytes += row.event.size;
            each(context, &row);
        }
        sqlite3_reset(q);
        if (step != SQLITE_DONE && step != SQLITE_ROW)
            return store_error(s, "read what is owed", diag);
        for (size_t i = 0; i < count; i++)
            if (!take_in_hand(s, ids[i], diag))
                return false;
        limit -= (unsigned)count;
    } while (count && limit && bytes < OWED_TAKE_BYTES);
    return next_due(s, target, next_out, diag);
}

/* ---- start-up ---- */

bool owed_release(struct store *s, struct weir_diag *diag)
{
    return store_exec(s,
                      "UPDATE deliveries SET next_age = accepted_age WHERE next_age = 9223372036854775807;"
                      "DELETE FROM owed_totals WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.target = "
                      "owed_totals.target)",
                      diag);
}

bool owed_count_each(struct store *s, void (*each)(void *context, const struct owed_count *c), void *context,
                     struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s,
                      "SELECT target, count(*), sum(attempts = 0), min(next_age), (SELECT bytes FROM owed_totals WHERE "
                      "owed_totals.target = deliveries.target) FROM deliveries GROUP BY target",
                      diag);
    int step;

    if (!q)
        return false;
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        struct owed_count c = {store_column(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2),
                               sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4)};
        each(context, &c);
    }
    sqlite3_reset(q);
    return step == SQLITE_DONE || store_error(s, "count what is owed", diag);
}

/* ---- the cursor ---- */

bool owed_cursor_load(struct store *s, struct owed_cursor *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s, "SELECT job, sequence, coalesce((SELECT max(id) FROM deliveries), 0) FROM dispatch_cursor", diag);
    if (!q)
        return false;
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW)
        *out = (struct owed_cursor){(uint64_t)sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1),
                                    sqlite3_column_int64(q, 2)};
    sqlite3_reset(q);
    return step == SQLITE_ROW || store_error(s, "read the dispatch cursor", diag);
}

bool owed_cursor_move(struct store *s, uint64_t job, uint64_t sequence, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE dispatch_cursor SET job = ?1, sequence = ?2 WHERE job = ?1 - 1", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, (int64_t)job);
    sqlite3_bind_int64(q, 2, (int64_t)sequence);
    if (!store_run(s, q, diag))
        return false;
    if (store_changes(s) == 1)
        return true;
    *diag = (struct weir_diag){.code = WEIR_E_IO};
    snprintf(diag->message, sizeof diag->message, "an earlier job of dispatch is not committed");
    return false;
}
