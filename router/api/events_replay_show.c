/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replay in AWS's members, made of what dispatch says of it (router/dispatch.h: JSON with its own names and RFC 3339
 * times) and of its "x-aws", which is what the request of StartReplay said. A replay that another client started has
 * none: its source and destination are made up from its archive and rules as they are now.
 */
#include "router/api/events_replays.h"

#include "router/xalloc.h"
#include "targets/archive.h"

void events_replay_write_arn(struct buf *out, const char *key, const struct ruleset *set, const char *kind,
                             struct str name)
{
    struct buf arn = BUF_INIT;

    buf_printf(&arn, "arn:aws:events:%.*s:%.*s:%s/%.*s", STR_ARG(set->region), STR_ARG(set->account), kind,
               STR_ARG(name));
    xbuf(&arn);
    json_write_member(out, key, buf_view(&arn));
    buf_fini(&arn);
}

struct str events_replay_text(struct arena *a, struct str object, const char *key)
{
    struct str raw = json_member(object, key);
    return raw.size ? json_decode_in(a, raw) : (struct str){0};
}

void events_replay_copy(struct buf *out, const char *key, struct str value)
{
    if (!value.size)
        return;
    json_write_key(out, key);
    buf_str(out, value);
}

void events_replay_write_time(struct buf *out, const char *key, struct str rfc3339)
{
    int64_t ms;

    if (!rfc3339.size || !time_parse_rfc3339(rfc3339, &ms))
        return;
    json_write_key(out, key);
    json_write_int(out, ms / 1000);
}

/* Of a replay that another client started: the bus of its archive, and its rules there. */
void events_replay_write_destination(struct buf *out, const struct ruleset *set, struct arena *a, struct str archive,
                                     struct str rules)
{
    const struct target_def *def = ruleset_target(set, archive_adapter.type, archive);
    const struct bus *bus = def ? ruleset_bus(set, ((const struct archive_options *)def->options)->bus) : NULL;
    struct aws_list list;
    struct str one;

    if (!bus)
        return;
    json_write_key(out, "Destination");
    buf_char(out, '{');
    json_write_member(out, "Arn", bus->arn);
    json_write_key(out, "FilterArns");
    buf_char(out, '[');
    for (aws_list_start(&list, rules); aws_list_next(&list, &one);) {
        const struct rule *rule = ruleset_rule(set, bus->name, json_decode_in(a, one));
        if (rule && out->data[out->size - 1] == '"')
            buf_char(out, ',');
        if (rule)
            json_write_string(out, rule->arn);
    }
    buf_text(out, "]}");
}

void events_replay_write_source(struct buf *out, const struct ruleset *set, struct arena *a, struct str replay)
{
    struct str archive = events_replay_text(a, replay, "archive"), about = json_member(replay, "x-aws");

    if (about.size)
        events_replay_copy(out, "EventSourceArn", json_member(about, "EventSourceArn"));
    else if (archive.size)
        events_replay_write_arn(out, "EventSourceArn", set, "archive", archive);
}

/* What lists show of it. */
void events_replay_write_members(struct buf *out, const struct ruleset *set, struct arena *a, struct str replay)
{
    events_replay_copy(out, "ReplayName", json_member(replay, "name"));
    events_replay_write_source(out, set, a, replay);
    events_replay_copy(out, "State", json_member(replay, "state"));
    if (str_is(json_member(replay, "paused"), "true"))
        json_write_member(out, "StateReason", STR("The replay is paused."));
    else
        events_replay_copy(out, "StateReason", json_member(replay, "reason"));
    events_replay_write_time(out, "EventStartTime", events_replay_text(a, replay, "from"));
    events_replay_write_time(out, "EventEndTime", events_replay_text(a, replay, "to"));
    events_replay_write_time(out, "EventLastReplayedTime", events_replay_text(a, replay, "last_event_time"));
    events_replay_write_time(out, "ReplayStartTime", events_replay_text(a, replay, "started"));
    events_replay_write_time(out, "ReplayEndTime", events_replay_text(a, replay, "ended"));
}
