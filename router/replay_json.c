/* SPDX-License-Identifier: Apache-2.0 */
/* A replay as JSON: what the HTTP API answers and the command line shows. What was not asked for is not there. */
#include "matcher/json.h"
#include "router/replay_int.h"
#include "targets/archive.h"

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

static void write_number(struct buf *out, const char *key, double value)
{
    json_write_key(out, key);
    buf_printf(out, "%.15g", value);
}

static void write_bool(struct buf *out, const char *key, bool value)
{
    json_write_key(out, key);
    buf_text(out, value ? "true" : "false");
}

static void write_request(struct buf *out, const struct replay_row *row)
{
    json_write_member(out, "name", row->name);
    if (row->bus.size) {
        write_bool(out, "files", true);
        json_write_member(out, "bus", row->bus);
        write_count(out, "records_read", stream_records_read(&row->at));
    } else {
        json_write_member(out, "archive", row->archive);
    }
    if (row->window.from_ms != REPLAY_TIME_FIRST)
        write_time(out, "from", row->window.from_ms);
    if (row->window.to_ms != REPLAY_TIME_LAST)
        write_time(out, "to", row->window.to_ms);
    json_write_member(out, "by", row->window.by_arrival ? STR("arrival") : STR("event"));
    json_write_key(out, "rules");
    buf_str(out, row->rules);
    if (row->target.size)
        json_write_member(out, "target", row->target);
    if (row->pattern.size) {
        json_write_key(out, "pattern");
        buf_str(out, row->pattern);
    }
    if (row->pacing.rate > 0)
        write_number(out, "rate", row->pacing.rate);
    if (row->pacing.speed > 0)
        write_number(out, "speed", row->pacing.speed);
    if (row->limit)
        write_count(out, "limit", row->limit);
}

void replay_write_json(struct buf *out, const struct replay_row *row, struct str waiting_for)
{
    const struct replay_at *at = &row->at;

    buf_char(out, '{');
    write_request(out, row);
    json_write_member(out, "state", str_from(replay_state_names[row->state]));
    write_bool(out, "paused", row->paused);
    write_bool(out, "waiting", waiting_for.size > 0);
    if (waiting_for.size)
        json_write_member(out, "waiting_for", waiting_for);
    if (row->reason.size)
        json_write_member(out, "reason", row->reason);
    write_count(out, "events_total", at->total);
    write_bool(out, "events_total_exact", at->exact);
    write_count(out, "events_replayed", at->position);
    write_count(out, "events_filtered", at->filtered);
    write_count(out, "events_matched", at->matched);
    write_count(out, "deliveries", at->deliveries);
    if (at->last_event_ms != INT64_MIN)
        write_time(out, "last_event_time", at->last_event_ms);
    write_time(out, "started", row->started_ms);
    if (row->ended_ms)
        write_time(out, "ended", row->ended_ms);
    if (row->about.size) {
        json_write_key(out, "x-aws");
        buf_str(out, row->about);
    }
    buf_char(out, '}');
}
