/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replays table. A replay's files are kept with the lengths they had when it was made: so it sees the same events
 * after a restart, whatever was archived since.
 */
#include "router/replay_int.h"

#define KEEP_DAYS 90 /* finished ones, as AWS does */

const char *const replay_state_names[] = {"STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED"};

static const char *const migrations[] = {
    "CREATE TABLE replays ("
    "  name TEXT PRIMARY KEY,"
    "  archive TEXT NOT NULL,"
    "  rules TEXT NOT NULL," /* JSON array of names; [] is all */
    "  from_ms INTEGER NOT NULL,"
    "  to_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  position INTEGER NOT NULL,"
    "  total INTEGER NOT NULL,"
    "  matched INTEGER NOT NULL,"
    "  deliveries INTEGER NOT NULL,"
    "  last_event_ms INTEGER,"
    "  started_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER,"
    "  reason TEXT NOT NULL);"
    "CREATE TABLE replay_files ("
    "  replay TEXT NOT NULL,"
    "  path TEXT NOT NULL,"
    "  bytes INTEGER NOT NULL);"
    "CREATE INDEX replay_files_replay ON replay_files (replay)",

    "ALTER TABLE replays ADD COLUMN by_arrival INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN target TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE replays ADD COLUMN pattern TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE replays ADD COLUMN rate REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN speed REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN event_limit INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN exact INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE replays ADD COLUMN at_time_ms INTEGER;" /* the key it has come to; NULL: none yet */
    "ALTER TABLE replays ADD COLUMN at_file INTEGER;"
    "ALTER TABLE replays ADD COLUMN at_offset INTEGER",

    "ALTER TABLE replays ADD COLUMN bus TEXT NOT NULL DEFAULT ''", /* of files; '' is of an archive */

    "ALTER TABLE replays ADD COLUMN about TEXT NOT NULL DEFAULT ''",
    NULL,
};
const struct store_schema replay_schema = {"replays", migrations};

bool replay_row_active(enum replay_state state)
{
    return state == REPLAY_STARTING || state == REPLAY_RUNNING || state == REPLAY_CANCELLING;
}

bool replay_insert(struct store *store, const struct replay_row *row, bool *taken_out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store,
                                    "INSERT OR IGNORE INTO replays (name, archive, rules, from_ms, to_ms, state, "
                                    "position, total, matched, deliveries, started_ms, reason, by_arrival, target, "
                                    "pattern, rate, speed, event_limit, bus, about) VALUES "
                                    "(?,?,?,?,?,?,0,0,0,0,?,'',?,?,?,?,?,?,?,?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, row->name);
    store_bind(q, 2, row->archive);
    store_bind(q, 3, row->rules);
    sqlite3_bind_int64(q, 4, row->window.from_ms);
    sqlite3_bind_int64(q, 5, row->window.to_ms);
    sqlite3_bind_int64(q, 6, row->state);
    sqlite3_bind_int64(q, 7, row->started_ms);
    sqlite3_bind_int(q, 8, row->window.by_arrival);
    store_bind(q, 9, row->target);
    store_bind(q, 10, row->pattern);
    sqlite3_bind_double(q, 11, row->pacing.rate);
    sqlite3_bind_double(q, 12, row->pacing.speed);
    sqlite3_bind_int64(q, 13, (int64_t)row->limit);
    store_bind(q, 14, row->bus);
    store_bind(q, 15, row->about);
    if (!store_run(store, q, diag))
        return false;
    *taken_out = store_changes(store) == 0;
    return true;
}

bool replay_insert_file(struct store *store, struct str replay, struct str path, int64_t bytes, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "INSERT INTO replay_files (replay, path, bytes) VALUES (?,?,?)", diag);
    if (!q)
        return false;
    store_bind(q, 1, replay);
    store_bind(q, 2, path);
    sqlite3_bind_int64(q, 3, bytes);
    return store_run(store, q, diag);
}

/* ---- reading ---- */

#define COLUMNS                                                                                                        \
    "SELECT name, archive, rules, target, pattern, reason, from_ms, to_ms, by_arrival, rate, speed, event_limit, "     \
    "state, paused, started_ms, ended_ms, position, filtered, total, exact, matched, deliveries, last_event_ms, "      \
    "at_time_ms, at_file, at_offset, bus, about FROM replays "

static struct replay_at read_at(sqlite3_stmt *q)
{
    bool no_event = sqlite3_column_type(q, 22) == SQLITE_NULL;
    return (struct replay_at){
        .position = (uint64_t)sqlite3_column_int64(q, 16),
        .filtered = (uint64_t)sqlite3_column_int64(q, 17),
        .total = (uint64_t)sqlite3_column_int64(q, 18),
        .exact = sqlite3_column_int(q, 19),
        .matched = (uint64_t)sqlite3_column_int64(q, 20),
        .deliveries = (uint64_t)sqlite3_column_int64(q, 21),
        .last_event_ms = no_event ? INT64_MIN : sqlite3_column_int64(q, 22),
        .begun = sqlite3_column_type(q, 23) != SQLITE_NULL,
        .key = {sqlite3_column_int64(q, 23), (uint64_t)sqlite3_column_int64(q, 25),
                (uint32_t)sqlite3_column_int64(q, 24)},
    };
}

static struct replay_row read_row(sqlite3_stmt *q)
{
    return (struct replay_row){
        .name = store_column(q, 0),
        .archive = store_column(q, 1),
        .rules = store_column(q, 2),
        .target = store_column(q, 3),
        .pattern = store_column(q, 4),
        .reason = store_column(q, 5),
        .window = {sqlite3_column_int64(q, 6), sqlite3_column_int64(q, 7), sqlite3_column_int(q, 8)},
        .pacing = {sqlite3_column_double(q, 9), sqlite3_column_double(q, 10)},
        .limit = (uint64_t)sqlite3_column_int64(q, 11),
        .state = (enum replay_state)sqlite3_column_int(q, 12),
        .paused = sqlite3_column_int(q, 13),
        .started_ms = sqlite3_column_int64(q, 14),
        .ended_ms = sqlite3_column_int64(q, 15),
        .at = read_at(q),
        .bus = store_column(q, 26),
        .about = store_column(q, 27),
    };
}

static bool each_row(struct store *store, sqlite3_stmt *q, void (*each)(void *context, const struct replay_row *row),
                     void *context, struct weir_diag *diag)
{
    int step;

    if (!q)
        return false;
    while ((step = sqlite3_step(q)) == SQLITE_ROW) {
        struct replay_row row = read_row(q);
        each(context, &row);
    }
    sqlite3_reset(q);
    return step == SQLITE_DONE || store_error(store, "read the replays", diag);
}

bool replay_each(struct store *store, struct str name, void (*each)(void *context, const struct replay_row *row),
                 void *context, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        store, COLUMNS "WHERE ?1 = '' OR name = ?1 ORDER BY started_ms DESC, rowid DESC LIMIT 1000", diag);
    if (q)
        store_bind(q, 1, name);
    return each_row(store, q, each, context, diag);
}

bool replay_each_active(struct store *store, void (*each)(void *context, const struct replay_row *row), void *context,
                        struct weir_diag *diag)
{
    return each_row(store, store_prepare(store, COLUMNS "WHERE state <= 2 ORDER BY rowid", diag), each, context, diag);
}

bool replay_each_file(struct store *store, struct str replay,
                      void (*each)(void *context, struct str path, int64_t bytes), void *context,
                      struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(store, "SELECT path, bytes FROM replay_files WHERE replay = ? ORDER BY rowid", diag);
    int step;

    if (!q)
        return false;
    store_bind(q, 1, replay);
    while ((step = sqlite3_step(q)) == SQLITE_ROW)
        each(context, store_column(q, 0), sqlite3_column_int64(q, 1));
    sqlite3_reset(q);
    return step == SQLITE_DONE || store_error(store, "read a replay's files", diag);
}

/* ---- progress ---- */

static bool forget_files(struct store *store, struct str replay, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "DELETE FROM replay_files WHERE replay = ?", diag);
    if (!q)
        return false;
    store_bind(q, 1, replay);
    return store_run(store, q, diag);
}

bool replay_write_progress(struct store *store, const struct replay_progress *p, struct weir_time now,
                           struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        store,
        "UPDATE replays SET state = ?, paused = ?, position = ?, filtered = ?, total = ?, exact = ?, matched = ?, "
        "deliveries = ?, last_event_ms = ?, at_time_ms = ?, at_file = ?, at_offset = ?, ended_ms = ?, reason = ? "
        "WHERE name = ?",
        diag);
    const struct replay_at *at = &p->at;
    bool over = !replay_row_active(p->state);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, p->state);
    sqlite3_bind_int(q, 2, p->paused);
    sqlite3_bind_int64(q, 3, (int64_t)at->position);
    sqlite3_bind_int64(q, 4, (int64_t)at->filtered);
    sqlite3_bind_int64(q, 5, (int64_t)at->total);
    sqlite3_bind_int(q, 6, at->exact);
    sqlite3_bind_int64(q, 7, (int64_t)at->matched);
    sqlite3_bind_int64(q, 8, (int64_t)at->deliveries);
    if (at->last_event_ms != INT64_MIN)
        sqlite3_bind_int64(q, 9, at->last_event_ms);
    if (at->begun) {
        sqlite3_bind_int64(q, 10, at->key.time_ms);
        sqlite3_bind_int64(q, 11, at->key.file);
        sqlite3_bind_int64(q, 12, (int64_t)at->key.offset);
    }
    if (over)
        sqlite3_bind_int64(q, 13, now.wall_ms);
    store_bind(q, 14, str_from(p->reason));
    store_bind(q, 15, p->name);
    return store_run(store, q, diag) && (!over || forget_files(store, p->name, diag));
}

bool replay_expire(struct store *store, struct weir_time now, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "DELETE FROM replays WHERE state > 2 AND ended_ms < ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, now.wall_ms - KEEP_DAYS * 86400 * INT64_C(1000));
    return store_run(store, q, diag);
}
