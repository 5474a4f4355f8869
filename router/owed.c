/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL of what is owed.
 *
 * Rows: the one index (target, next_age) finds a target's due rows in order, ties by rowid: the order of matching. The
 * event stands last in the row, so that its overflow pages are touched only when it is read. Blocks: owed_blocks.c.
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
    /* done: of which deliveries have left it one bit each; NULL: none has. The body stands apart: the rest changes. */
    "CREATE TABLE owed_blocks ("
    "  number INTEGER PRIMARY KEY,"
    "  target TEXT NOT NULL,"
    "  in_hand INTEGER NOT NULL,"
    "  age INTEGER NOT NULL,"
    "  last_id INTEGER NOT NULL,"
    "  count INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  left INTEGER NOT NULL,"
    "  done BLOB);"
    "CREATE INDEX owed_blocks_waiting ON owed_blocks (target, in_hand, number);"
    "CREATE TABLE owed_bodies ("
    "  number INTEGER PRIMARY KEY,"
    "  body BLOB NOT NULL)",
    "ALTER TABLE deliveries ADD COLUMN order_key INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX deliveries_order ON deliveries (target, order_key, id) WHERE order_key != 0",
    NULL,
};
const struct store_schema owed_schema = {"owed", migrations};

bool owed_insert(struct store *s, const struct owed_row *row, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s,
                      "INSERT INTO deliveries (id, target, next_age, origin, position, bus, rule, "
                      "target_id, subscription, rule_arn, target_arn, accepted_wall, accepted_age, attempts, "
                      "error_code, error_message, event_id, event, order_key) "
                      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
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
    sqlite3_bind_int64(q, 19, (int64_t)row->order_key);
    return store_run(s, q, diag);
}

bool owed_retry(struct store *s, int64_t id, struct str target, uint32_t attempts, int64_t next_age,
                struct str error_code, struct str error_message, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "UPDATE deliveries SET order_key = iif(target = ?1, order_key, 0), target = ?1, "
                                    "attempts = ?2, next_age = ?3, error_code = ?4, error_message = ?5 WHERE id = ?6",
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
        .order_key = (uint64_t)sqlite3_column_int64(q, 18),
    };
}

static bool next_due(struct store *s, struct str target, int64_t *next_out, struct weir_diag *diag)
{
    struct owed_block block;
    sqlite3_stmt *q = store_prepare(
        s, "SELECT min(next_age) FROM deliveries WHERE target = ? AND next_age < 9223372036854775806", diag);
    if (!q)
        return false;
    store_bind(q, 1, target);
    *next_out = OWED_IN_HAND;
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        *next_out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    if (step != SQLITE_ROW)
        return store_error(s, "look for the next delivery", diag);
    if (!owed_block_peek(s, target, &block, diag))
        return false;
    if (block.number && block.age < *next_out)
        *next_out = block.age;
    return true;
}

struct taking {
    struct store *store;
    struct str target;
    int64_t age;
    unsigned limit, taken;
    size_t bytes;
    void (*each)(void *context, const struct owed_row *row);
    void *context;
};

static void show(void *context, const struct owed_row *row)
{
    struct taking *t = context;

    t->taken++;
    t->bytes += row->event.size;
    t->each(t->context, row);
}

static bool has_enough(const struct taking *t)
{
    return t->taken >= t->limit || t->bytes >= OWED_TAKE_BYTES;
}

#define COLUMNS                                                                                                        \
    "id, target, next_age, origin, position, bus, rule, target_id, subscription, rule_arn, target_arn, "               \
    "accepted_wall, accepted_age, attempts, error_code, error_message, event_id, event, order_key"
#define ROUND 256

struct round { /* an index must not change under the query that walks it: so what was read is noted first */
    int64_t ids[ROUND];
    uint64_t keys[ROUND]; /* whose followers come too; 0: none do */
    size_t count;
};

/* Shows at most `most` rows and takes them in hand. */
static bool take_round(struct taking *t, sqlite3_stmt *q, size_t most, struct round *round, struct weir_diag *diag)
{
    int step = SQLITE_DONE;

    for (round->count = 0; round->count < most && (step = sqlite3_step(q)) == SQLITE_ROW; round->count++) {
        struct owed_row row = read_row(q);
        round->ids[round->count] = row.id;
        round->keys[round->count] = row.attempts ? 0 : row.order_key;
        show(t, &row);
        if (has_enough(t)) {
            round->count++;
            break;
        }
    }
    sqlite3_reset(q);
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        return store_error(t->store, "read what is owed", diag);
    for (size_t i = 0; i < round->count; i++)
        if (!take_in_hand(t->store, round->ids[i], diag))
            return false;
    return true;
}

static bool take_followers(struct taking *t, int64_t id, uint64_t key, struct weir_diag *diag)
{
    struct round round;
    sqlite3_stmt *q = store_prepare(t->store,
                                    "SELECT " COLUMNS " FROM deliveries WHERE target = ? AND order_key = ? AND "
                                    "order_key != 0 AND id > ? AND next_age = 9223372036854775806 ORDER BY id",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, t->target);
    sqlite3_bind_int64(q, 2, (int64_t)key);
    sqlite3_bind_int64(q, 3, id);
    return take_round(t, q, OWED_FOLLOWERS, &round, diag);
}

static bool take_due(struct taking *t, int64_t age, bool *more_out, struct weir_diag *diag)
{
    struct round round;
    sqlite3_stmt *q = store_prepare(t->store,
                                    "SELECT " COLUMNS " FROM deliveries WHERE target = ? AND next_age <= ? "
                                    "ORDER BY next_age, id LIMIT ?",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, t->target);
    sqlite3_bind_int64(q, 2, age);
    sqlite3_bind_int64(q, 3, ROUND);
    if (!take_round(t, q, ROUND, &round, diag))
        return false;
    for (size_t i = 0; i < round.count; i++)
        if (round.keys[i] && !has_enough(t) && !take_followers(t, round.ids[i], round.keys[i], diag))
            return false;
    *more_out = round.count > 0;
    return true;
}

static bool take_rows(struct taking *t, int64_t age, struct weir_diag *diag)
{
    for (bool more = true; more && !has_enough(t);)
        if (!take_due(t, age, &more, diag))
            return false;
    return true;
}

/* What is due longest first: rows up to the age of the first block, that block, rows up to the age of the next one … */
static bool take(struct taking *t, struct weir_diag *diag)
{
    struct owed_block block = {.number = 1};

    while (block.number && !has_enough(t)) {
        if (!owed_block_peek(t->store, t->target, &block, diag) ||
            !take_rows(t, block.number && block.age < t->age ? block.age : t->age, diag))
            return false;
        if (!block.number || has_enough(t) || (t->taken && block.left > t->limit - t->taken))
            break;
        if (!owed_block_take(t->store, block.number, show, t, diag))
            return false;
    }
    return true;
}

bool owed_take(struct store *s, struct str target, int64_t age, unsigned limit,
               void (*each)(void *context, const struct owed_row *row), void *context, int64_t *next_out,
               struct weir_diag *diag)
{
    struct taking t = {s, target, age, limit, .each = each, .context = context};
    return take(&t, diag) && next_due(s, target, next_out, diag);
}

/* ---- order ---- */

bool owed_advance(struct store *s, struct str target, uint64_t order_key, int64_t age, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "UPDATE deliveries SET next_age = ?1 WHERE id = (SELECT min(id) FROM deliveries "
                                    "WHERE target = ?2 AND order_key = ?3 AND order_key != 0) "
                                    "AND next_age = 9223372036854775806",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, age);
    store_bind(q, 2, target);
    sqlite3_bind_int64(q, 3, (int64_t)order_key);
    return store_run(s, q, diag);
}

bool owed_shelve(struct store *s, int64_t id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE deliveries SET next_age = 9223372036854775806 WHERE id = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

/* ---- start-up ---- */

bool owed_release(struct store *s, struct weir_diag *diag)
{
    return store_exec(s,
                      "UPDATE deliveries SET next_age = iif(order_key = 0 OR id = (SELECT min(id) FROM deliveries AS d "
                      "WHERE d.target = deliveries.target AND d.order_key = deliveries.order_key AND d.order_key != 0),"
                      " accepted_age, 9223372036854775806) WHERE next_age = 9223372036854775807;"
                      "UPDATE owed_blocks SET in_hand = 0 WHERE in_hand = 1;"
                      "DELETE FROM owed_totals WHERE target NOT IN (SELECT target FROM deliveries UNION SELECT target "
                      "FROM owed_blocks)",
                      diag);
}

bool owed_count_each(struct store *s, void (*each)(void *context, const struct owed_count *c), void *context,
                     struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s,
        "SELECT target, sum(number), sum(untried) - (SELECT count(*) FROM deliveries AS d WHERE d.target = owed.target "
        "AND order_key != 0 AND attempts = 0), min(next_age), (SELECT count(*) FROM deliveries AS d WHERE d.target = "
        "owed.target AND order_key != 0), (SELECT bytes FROM owed_totals WHERE owed_totals.target = owed.target) FROM ("
        "SELECT target, count(*) AS number, sum(attempts = 0) AS untried, min(next_age) AS next_age FROM deliveries "
        "GROUP BY target UNION ALL "
        "SELECT target, sum(left), sum(left), min(age) FROM owed_blocks GROUP BY target) AS owed GROUP BY target",
        diag);
    int step;

    if (!q)
        return false;
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        struct owed_count c = {.target = store_column(q, 0),
                               .rows = sqlite3_column_int64(q, 1),
                               .untried = sqlite3_column_int64(q, 2),
                               .next_age = sqlite3_column_int64(q, 3),
                               .ordered = sqlite3_column_int64(q, 4),
                               .bytes = sqlite3_column_int64(q, 5)};
        each(context, &c);
    }
    sqlite3_reset(q);
    return step == SQLITE_DONE || store_error(s, "count what is owed", diag);
}

/* ---- the cursor ---- */

bool owed_cursor_load(struct store *s, struct owed_cursor *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT job, sequence, max(coalesce((SELECT max(id) FROM deliveries), 0), "
                                    "coalesce((SELECT max(last_id) FROM owed_blocks), 0)) FROM dispatch_cursor",
                                    diag);
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
