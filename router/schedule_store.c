/* SPDX-License-Identifier: Apache-2.0 */
/* The schedules table: one row a scheduled rule, and what people are shown of it. Ledger thread. */
#include "matcher/json.h"
#include "router/schedules.h"
#include "rules/schedule.h"
#include "targets/archive.h"

static const char *const migrations[] = {
    "CREATE TABLE schedules ("
    "  rule TEXT PRIMARY KEY," /* of the default bus */
    "  expression TEXT NOT NULL,"
    "  anchor_ms INTEGER NOT NULL,"
    "  last_ms INTEGER NOT NULL," /* nothing up to here fires any more */
    "  enabled INTEGER NOT NULL)",
    "ALTER TABLE schedules ADD COLUMN fired_ms INTEGER NOT NULL DEFAULT 0", /* due time of the last firing */
    NULL,
};
const struct store_schema schedule_schema = {"schedules", migrations};

bool schedule_delete(struct store *store, struct str rule, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store, "DELETE FROM schedules WHERE rule = ?", diag);
    if (!q)
        return false;
    store_bind(q, 1, rule);
    return store_run(store, q, diag);
}

bool schedule_write(struct store *store, const struct schedule_row *row, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store,
                                    "INSERT OR REPLACE INTO schedules (rule, expression, anchor_ms, last_ms, fired_ms, "
                                    "enabled) VALUES (?,?,?,?,?,?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, row->rule);
    store_bind(q, 2, row->expression);
    sqlite3_bind_int64(q, 3, row->anchor_ms);
    sqlite3_bind_int64(q, 4, row->last_ms);
    sqlite3_bind_int64(q, 5, row->fired_ms);
    sqlite3_bind_int(q, 6, row->enabled);
    return store_run(store, q, diag);
}

bool schedule_each(struct store *store, void (*each)(void *context, const struct schedule_row *row), void *context,
                   struct weir_diag *diag)
{
    bool more;
    sqlite3_stmt *q = store_prepare(
        store, "SELECT rule, expression, anchor_ms, last_ms, fired_ms, enabled FROM schedules ORDER BY rule", diag);
    if (!q)
        return false;
    while (store_step(store, q, &more, diag)) {
        if (!more)
            return true;
        struct schedule_row row = {
            .rule = store_column(q, 0),
            .expression = store_column(q, 1),
            .anchor_ms = sqlite3_column_int64(q, 2),
            .last_ms = sqlite3_column_int64(q, 3),
            .fired_ms = sqlite3_column_int64(q, 4),
            .enabled = sqlite3_column_int(q, 5),
        };
        each(context, &row);
    }
    return false;
}

/* ---- shown ---- */

struct showing {
    struct buf *out;
    const struct ruleset *set;
    int64_t now_ms;
};

static void write_time(struct buf *out, const char *key, int64_t ms)
{
    char time[21];

    time_format_rfc3339(ms, time);
    json_write_member(out, key, str_from(time));
}

static void show_row(void *context, const struct schedule_row *row)
{
    struct showing *s = context;
    const struct rule *rule = ruleset_rule(s->set, s->set->buses[0].name, row->rule);
    int64_t next;

    if (!rule || !rule->schedule)
        return;
    if (s->out->data[s->out->size - 1] == '}')
        buf_char(s->out, ',');
    buf_char(s->out, '{');
    json_write_member(s->out, "rule", row->rule);
    json_write_member(s->out, "schedule", schedule_text(rule->schedule));
    int64_t after = row->last_ms > s->now_ms ? row->last_ms : s->now_ms;
    if (rule->enabled && schedule_next(rule->schedule, row->anchor_ms, after, &next))
        write_time(s->out, "next", next);
    if (row->fired_ms)
        write_time(s->out, "last", row->fired_ms);
    buf_char(s->out, '}');
}

bool schedules_show(struct buf *out, const struct ruleset *set, struct store *store, struct weir_time now,
                    struct weir_diag *diag)
{
    struct showing s = {out, set, now.wall_ms};

    buf_char(out, '[');
    bool ok = schedule_each(store, show_row, &s, diag);
    buf_char(out, ']');
    return ok;
}
