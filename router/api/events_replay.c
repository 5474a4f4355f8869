/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StartReplay, DescribeReplay, ListReplays and CancelReplay: what dispatch knows of replays (router/dispatch.h), in
 * AWS's members. A replay that was started here keeps what its request said of source and destination as its "x-aws";
 * of one that `weir replay` started they are made up from its archive and rules, so that each side sees the other's.
 *
 * A request is checked by the rule set of its moment, in AWS's order, and then handed over; what dispatch refuses
 * (a name that is taken, too many at once) comes back by its status. Replays of files have no archive and no source.
 */
#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/events.h"
#include "router/api/events_quota.h"
#include "router/api/events_replays.h"
#include "router/api/events_rules.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define PAGE_SIZE 100

struct input {
    struct str name, prefix, description, source, destination, state, token;
    int64_t from_ms, to_ms, limit;
    struct str bus_arn, filters; /* of the destination */
};

struct call {
    struct replay_call call;
    struct aws_request *request;
    struct input in;
    struct str after; /* LIST: the name before the page */
    struct buf about;
};

static struct aws_regex name_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");
static const char *const states[] = {"STARTING", "RUNNING", "CANCELLING", "COMPLETED", "CANCELLED", "FAILED", NULL};

#define REPLAY_NAME(member, field, ...)                                                                                \
    AWS_MEMBER(struct input, member, AWS_STRING, field, .min = 1, .max = 64, .regex = &name_regex, ##__VA_ARGS__)
#define ARN(member, field, ...)                                                                                        \
    AWS_MEMBER(struct input, member, AWS_STRING, field, .min = 1, .max = 1600, ##__VA_ARGS__)

static const struct aws_member start_members[] = {
    REPLAY_NAME("ReplayName", name, .required = true),
    AWS_MEMBER(struct input, "Description", AWS_STRING, description, .max = 512),
    ARN("EventSourceArn", source, .required = true),
    AWS_MEMBER(struct input, "EventStartTime", AWS_TIMESTAMP, from_ms, .required = true),
    AWS_MEMBER(struct input, "EventEndTime", AWS_TIMESTAMP, to_ms, .required = true),
    AWS_MEMBER(struct input, "Destination", AWS_STRUCTURE, destination, .required = true),
    {0},
};

static const struct aws_member destination_members[] = {
    ARN("Arn", bus_arn, .required = true),
    AWS_MEMBER(struct input, "FilterArns", AWS_LIST, filters, .element = AWS_STRING),
    {0},
};

static const struct aws_member name_members[] = {REPLAY_NAME("ReplayName", name, .required = true), {0}};

static const struct aws_member list_members[] = {
    REPLAY_NAME("NamePrefix", prefix),
    AWS_MEMBER(struct input, "State", AWS_STRING, state, .values = states),
    ARN("EventSourceArn", source),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

/* ---- calls ---- */

static struct call *make_call(struct aws_request *r, int what, void (*done)(struct replay_call *call))
{
    struct call *c = xgot(arena_new(&r->arena, struct call));

    c->request = r;
    c->in.limit = PAGE_SIZE;
    c->call.what = what;
    c->call.reply = http_mailbox(r->http);
    c->call.done = done;
    return c;
}

static void submit(struct call *c)
{
    c->call.request.name = c->in.name;
    replay_submit(http_router(c->request->http)->dispatch, &c->call);
}

/* Ends the call: the answer is `json`, or an error of AWS's by what dispatch said. */
static void finish(struct call *c, const struct buf *json)
{
    struct aws_request *r = c->request;
    struct buf said = c->call.json;
    struct str text = json_member(buf_view(&said), "message");
    struct str message = c->call.status >= 300 && text.size ? json_decode_in(&r->arena, text) : STR("");

    buf_fini(&c->about);
    switch (c->call.status) {
    case 200:
    case 201: aws_reply(r, json); break;
    case 404: aws_fail(r, 400, "ResourceNotFoundException", "%.*s", STR_ARG(message)); break;
    case 409:
        if (c->call.what == REPLAY_START)
            aws_fail(r, 400, "ResourceAlreadyExistsException", "%.*s", STR_ARG(message));
        else
            aws_fail(r, 400, "IllegalStatusException", "Replay %.*s is not in a valid state for this operation.",
                     STR_ARG(c->in.name));
        break;
    case 429: events_quota_fail(r); break;
    case 503: aws_fail(r, 503, "ServiceUnavailable", "%.*s", STR_ARG(message)); break;
    default: aws_fail(r, 400, "ValidationException", "%.*s", STR_ARG(message)); break;
    }
    buf_fini(&said);
}

/* ---- StartReplay ---- */

static bool refuse(struct call *c, const char *parameter, const char *reason, struct str name, const char *rest)
{
    aws_fail(c->request, 400, "ValidationException", "Parameter %s is not valid. Reason: %s%.*s%s", parameter, reason,
             STR_ARG(name), rest);
    return false;
}

/* What stands behind "arn:…:KIND/"; {NULL,0}: it is no such ARN. */
static struct str name_in(struct str arn, const char *kind)
{
    const char *at = str_starts(arn, STR("arn:")) ? memmem(arn.ptr, arn.size, kind, strlen(kind)) : NULL;

    if (!at)
        return (struct str){0};
    at += strlen(kind);
    return (struct str){at, (size_t)(arn.ptr + arn.size - at)};
}

/* The names of the rules that FilterArns names. */
static bool take_filters(struct call *c, const struct ruleset *set, const struct bus *bus)
{
    struct aws_request *r = c->request;
    struct str one, *rules;
    struct aws_list list;
    uint32_t count = 0;

    if (!c->in.filters.ptr)
        return true;
    for (aws_list_start(&list, c->in.filters); aws_list_next(&list, &one);)
        count++;
    c->call.request.rules = rules = arena_array(&r->arena, count + 1, sizeof *rules);
    if (!rules)
        xfail("out of memory");
    for (aws_list_start(&list, c->in.filters); aws_list_next(&list, &one);) {
        struct str arn = json_decode_in(&r->arena, one), name = name_in(arn, ":rule/");
        const char *slash = name.size ? memrchr(name.ptr, '/', name.size) : NULL;
        if (slash)
            name = (struct str){slash + 1, (size_t)(name.ptr + name.size - slash - 1)};
        const struct rule *rule = ruleset_rule(set, bus->name, name);
        if (!rule || !str_eq(rule->arn, arn))
            return refuse(c, "Destination.FilterArns", "Rule ", arn, " does not exist on the event bus.");
        rules[c->call.request.rule_count++] = rule->name;
    }
    return true;
}

static const struct bus *find_bus(struct call *c, const struct ruleset *set)
{
    struct str name = name_in(c->in.bus_arn, ":event-bus/");
    const struct bus *bus = name.ptr ? ruleset_bus(set, c->in.bus_arn) : NULL;

    if (!name.ptr)
        refuse(c, "Destination.Arn", "Must contain an event bus ARN.", STR(""), "");
    else if (!bus)
        aws_fail(c->request, 400, "ResourceNotFoundException", "Event bus %.*s does not exist.", STR_ARG(name));
    return bus;
}

/* In AWS's order. False: answered. */
static bool check(struct call *c, const struct ruleset *set)
{
    struct str name = name_in(c->in.source, ":archive/");
    const struct bus *bus = find_bus(c, set);

    if (!bus) /* answered: c is gone */
        return false;
    if (!name.ptr)
        return refuse(c, "EventSourceArn", "Must contain an archive ARN.", STR(""), "");
    const struct target_def *def = ruleset_target(set, archive_adapter.type, name);
    if (!def || !str_eq(def->arn, c->in.source))
        return refuse(c, "EventSourceArn", "Archive ", name, " does not exist.");
    if (!str_eq(((const struct archive_options *)def->options)->bus, bus->name))
        return refuse(c, "Destination.Arn", "Cross event bus replay is not permitted.", STR(""), "");
    if (c->in.from_ms >= c->in.to_ms)
        return refuse(c, "EventEndTime", "EventStartTime must be before EventEndTime.", STR(""), "");
    c->call.request.archive = def->name;
    return take_filters(c, set, bus);
}

static void write_about(struct call *c)
{
    struct buf *out = &c->about;

    buf_char(out, '{');
    if (c->in.description.ptr)
        json_write_member(out, "Description", c->in.description);
    json_write_member(out, "EventSourceArn", c->in.source);
    json_write_key(out, "Destination");
    json_minify(out, c->in.destination);
    buf_char(out, '}');
    xbuf(out);
}

static void started_cb(struct replay_call *call)
{
    struct call *c = (struct call *)call;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    events_replay_write_arn(&json, "ReplayArn", http_set(c->request->http), "replay", c->in.name);
    json_write_member(&json, "State", STR("STARTING"));
    if (call->status == 201)
        events_replay_write_time(&json, "ReplayStartTime",
                                 events_replay_text(&c->request->arena, buf_view(&call->json), "started"));
    buf_char(&json, '}');
    finish(c, &json);
    buf_fini(&json);
}

void events_start_replay(struct aws_request *r)
{
    struct call *c = make_call(r, REPLAY_START, started_cb);

    if (!aws_read(r, r->input, "", start_members, &c->in))
        return;
    if (c->in.destination.ptr && !aws_read(r, c->in.destination, "destination.", destination_members, &c->in))
        return;
    if (!aws_valid(r) || !check(c, http_set(r->http)))
        return;
    write_about(c);
    c->call.request.about = buf_view(&c->about);
    c->call.request.from_ms = c->in.from_ms;
    c->call.request.to_ms = c->in.to_ms;
    submit(c);
}

/* ---- DescribeReplay, CancelReplay ---- */

static void described_cb(struct replay_call *call)
{
    struct call *c = (struct call *)call;
    const struct ruleset *set = http_set(c->request->http);
    struct arena *a = &c->request->arena;
    struct str replay = buf_view(&call->json), about = json_member(replay, "x-aws");
    struct buf json = BUF_INIT;

    if (call->status == 200) {
        buf_char(&json, '{');
        events_replay_write_arn(&json, "ReplayArn", set, "replay", c->in.name);
        events_replay_write_members(&json, set, a, replay);
        if (about.size) {
            events_replay_copy(&json, "Description", json_member(about, "Description"));
            events_replay_copy(&json, "Destination", json_member(about, "Destination"));
        } else {
            events_replay_write_destination(&json, set, a, events_replay_text(a, replay, "archive"),
                                            json_member(replay, "rules"));
        }
        buf_char(&json, '}');
    }
    finish(c, &json);
    buf_fini(&json);
}

/* What dispatch cancels is cancelled at once; who asks again is told so. */
static void cancelled_cb(struct replay_call *call)
{
    struct call *c = (struct call *)call;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    events_replay_write_arn(&json, "ReplayArn", http_set(c->request->http), "replay", c->in.name);
    json_write_member(&json, "State", STR("CANCELLING"));
    buf_char(&json, '}');
    finish(c, &json);
    buf_fini(&json);
}

static void about_one(struct aws_request *r, int what, void (*done)(struct replay_call *call))
{
    struct call *c = make_call(r, what, done);

    if (aws_read(r, r->input, "", name_members, &c->in) && aws_valid(r))
        submit(c);
}

void events_describe_replay(struct aws_request *r)
{
    about_one(r, REPLAY_SHOW, described_cb);
}

void events_cancel_replay(struct aws_request *r)
{
    about_one(r, REPLAY_CANCEL, cancelled_cb);
}

/* ---- ListReplays ---- */

struct listed {
    struct str name, replay;
};

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static bool is_wanted(const struct call *c, const struct listed *one)
{
    const struct input *in = &c->in;
    struct buf source = BUF_INIT;
    bool wanted = str_cmp(one->name, c->after) > 0 && str_starts(one->name, in->prefix);

    if (in->state.ptr)
        wanted &= str_eq(events_replay_text(&c->request->arena, one->replay, "state"), in->state);
    if (wanted && in->source.ptr) {
        buf_char(&source, '{');
        events_replay_write_source(&source, http_set(c->request->http), &c->request->arena, one->replay);
        buf_char(&source, '}');
        xbuf(&source);
        wanted = str_eq(events_replay_text(&c->request->arena, buf_view(&source), "EventSourceArn"), in->source);
    }
    buf_fini(&source);
    return wanted;
}

/* Those that are wanted, in order of their names. */
static size_t choose(const struct call *c, struct str replays, struct listed **out)
{
    struct arena *a = &c->request->arena;
    struct aws_list list;
    struct str one;
    size_t count = 0, all = 0;

    for (aws_list_start(&list, replays); aws_list_next(&list, &one);)
        all++;
    *out = xarray(all + 1, sizeof **out);
    for (aws_list_start(&list, replays); aws_list_next(&list, &one);) {
        (*out)[count] = (struct listed){events_replay_text(a, one, "name"), one};
        count += is_wanted(c, &(*out)[count]);
    }
    qsort(*out, count, sizeof **out, by_name);
    return count;
}

static void write_page(const struct call *c, struct buf *json, const struct listed *list, size_t count)
{
    size_t shown = count < (size_t)c->in.limit ? count : (size_t)c->in.limit;

    buf_text(json, "{\"Replays\":[");
    for (size_t i = 0; i < shown; i++) {
        buf_text(json, i ? ",{" : "{");
        events_replay_write_members(json, http_set(c->request->http), &c->request->arena, list[i].replay);
        buf_char(json, '}');
    }
    buf_char(json, ']');
    if (shown < count) {
        json_write_key(json, "NextToken");
        aws_token_write(json, "ListReplays", list[shown - 1].name);
    }
    buf_char(json, '}');
}

static void listed_cb(struct replay_call *call)
{
    struct call *c = (struct call *)call;
    struct buf json = BUF_INIT;
    struct listed *list = NULL;

    if (call->status == 200) {
        size_t count = choose(c, json_member(buf_view(&call->json), "replays"), &list);
        write_page(c, &json, list, count);
    }
    finish(c, &json);
    free(list);
    buf_fini(&json);
}

void events_list_replays(struct aws_request *r)
{
    struct call *c = make_call(r, REPLAY_LIST, listed_cb);

    if (!aws_read(r, r->input, "", list_members, &c->in) || !aws_valid(r))
        return;
    if ((c->in.prefix.ptr != NULL) + (c->in.state.ptr != NULL) + (c->in.source.ptr != NULL) > 1)
        aws_fail(r, 400, "ValidationException",
                 "At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.");
    else if (events_take_token(r, "ListReplays", c->in.token, &c->after))
        submit(c);
}
