/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replays table, and a replay as JSON. A replay's files are kept with the lengths they had when it was made: so it
 * sees the same events after a restart, whatever was archived since.
 */
#include <stdlib.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

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
                                    "position, total, matched, deliveries, started_ms, reason) "
                                    "VALUES (?,?,?,?,?,?,0,0,0,0,?,'')",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, row->name);
    store_bind(q, 2, row->archive);
    store_bind(q, 3, row->rules);
    sqlite3_bind_int64(q, 4, row->from_ms);
    sqlite3_bind_int64(q, 5, row->to_ms);
    sqlite3_bind_int64(q, 6, row->state);
    sqlite3_bind_int64(q, 7, row->started_ms);
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
    "SELECT name, archive, rules, from_ms, to_ms, state, position, total, matched, deliveries, last_event_ms, "        \
    "started_ms, ended_ms, reason FROM replays "

static struct replay_row read_row(sqlite3_stmt *q)
{
    bool no_event = sqlite3_column_type(q, 10) == SQLITE_NULL;
    return (struct replay_row){
        .name = store_column(q, 0),
        .archive = store_column(q, 1),
        .rules = store_column(q, 2),
        .from_ms = sqlite3_column_int64(q, 3),
        .to_ms = sqlite3_column_int64(q, 4),
        .state = (enum replay_state)sqlite3_column_int(q, 5),
        .position = (uint64_t)sqlite3_column_int64(q, 6),
        .total = (uint64_t)sqlite3_column_int64(q, 7),
        .matched = (uint64_t)sqlite3_column_int64(q, 8),
        .deliveries = (uint64_t)sqlite3_column_int64(q, 9),
        .last_event_ms = no_event ? INT64_MIN : sqlite3_column_int64(q, 10),
        .started_ms = sqlite3_column_int64(q, 11),
        .ended_ms = sqlite3_column_int64(q, 12),
        .reason = store_column(q, 13),
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
    sqlite3_stmt *q =
        store_prepare(store,
                      "UPDATE replays SET state = ?, position = ?, total = ?, matched = ?, deliveries = ?, "
                      "last_event_ms = ?, ended_ms = ?, reason = ? WHERE name = ?",
                      diag);
    bool over = !replay_row_active(p->state);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, p->state);
    sqlite3_bind_int64(q, 2, (int64_t)p->position);
    sqlite3_bind_int64(q, 3, (int64_t)p->total);
    sqlite3_bind_int64(q, 4, (int64_t)p->matched);
    sqlite3_bind_int64(q, 5, (int64_t)p->deliveries);
    if (p->last_event_ms != INT64_MIN)
        sqlite3_bind_int64(q, 6, p->last_event_ms);
    if (over)
        sqlite3_bind_int64(q, 7, now.wall_ms);
    store_bind(q, 8, str_from(p->reason));
    store_bind(q, 9, p->name);
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

/* ---- JSON ---- */

static void write_time(struct buf *out, const char *key, int64_t ms)
{
    char text[21];
    time_format_rfc3339(ms, text);
    json_write_member(out, key, str_from(text));
}

static void write_count(struct buf *out, const char *key, uint64_t value)
{
    json_write_key(out, key);
    json_write_int(out, (int64_t)value);
}

void replay_write_json(struct buf *out, const struct replay_row *row)
{
    buf_char(out, '{');
    json_write_member(out, "name", row->name);
    json_write_member(out, "archive", row->archive);
    write_time(out, "from", row->from_ms);
    write_time(out, "to", row->to_ms);
    json_write_key(out, "rules");
    buf_str(out, row->rules);
    json_write_member(out, "state", str_from(replay_state_names[row->state]));
    if (row->reason.size)
        json_write_member(out, "reason", row->reason);
    write_count(out, "events_total", row->total);
    write_count(out, "events_replayed", row->position);
    write_count(out, "events_matched", row->matched);
    write_count(out, "deliveries", row->deliveries);
    if (row->last_event_ms != INT64_MIN)
        write_time(out, "last_event_time", row->last_event_ms);
    write_time(out, "started", row->started_ms);
    if (row->ended_ms)
        write_time(out, "ended", row->ended_ms);
    buf_char(out, '}');
}
