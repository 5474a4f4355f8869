/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shows archives: DescribeArchive and ListArchives, and an archive in its two forms. All they say comes from the
 * rule set but for how much is in one, which the ledger counts exactly: SizeBytes is the events' text, before packing.
 */
#include <stdlib.h>

#include "matcher/pattern_write.h"
#include "router/api/aws_page.h"
#include "router/api/events.h"
#include "router/api/events_archives.h"
#include "router/api/events_rules.h"
#include "router/ledger.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define DAY_MS    86400000
#define PAGE_SIZE 100

struct aws_regex events_archive_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");

/* ---- its two forms ---- */

static struct str archive_arn(struct arena *a, const struct ruleset *set, struct str name)
{
    struct buf arn = BUF_INIT;

    target_write_arn(&arn, archive_adapter.arn_format, set->region, set->account, name);
    return aws_keep(a, &arn);
}

static int64_t kept_number(struct str document, const char *member)
{
    struct str raw = events_kept(document, member);
    return raw.ptr ? strtoll(raw.ptr, NULL, 10) : 0; /* more of the document stands behind it */
}

void events_archive_read(struct arena *a, struct str document, struct archive_says *out)
{
    out->source = events_kept_text(a, document, "EventSourceArn");
    out->description = events_kept_text(a, document, "Description");
    out->pattern = events_kept_text(a, document, "EventPattern");
    out->retention_days = kept_number(document, "RetentionDays");
    out->created_ms = kept_number(document, "CreationTime");
}

void events_archive_show(struct arena *a, const struct ruleset *set, const struct target_def *def, int64_t started_ms,
                         struct archive_says *out)
{
    const struct archive_options *options = def->options;
    struct buf pattern = BUF_INIT;

    *out = (struct archive_says){.name = def->name};
    if (def->made.ptr) {
        events_archive_read(a, def->made, out);
        return;
    }
    out->source = events_bus_arn(a, set, options->bus);
    out->description = options->description.size ? options->description : (struct str){0};
    out->retention_days = (options->retention + DAY_MS - 1) / DAY_MS;
    out->created_ms = started_ms;
    if (!options->pattern)
        return;
    pattern_write(&pattern, options->pattern);
    out->pattern = aws_keep(a, &pattern);
}

static void write_kept(struct buf *json, const struct archive_says *says)
{
    json_write_key(json, "x-aws");
    buf_char(json, '{');
    json_write_member(json, "EventSourceArn", says->source);
    if (says->description.ptr)
        json_write_member(json, "Description", says->description);
    if (says->pattern.ptr)
        json_write_member(json, "EventPattern", says->pattern);
    json_write_key(json, "RetentionDays");
    json_write_int(json, says->retention_days);
    json_write_key(json, "CreationTime");
    json_write_int(json, says->created_ms);
    buf_char(json, '}');
}

struct str events_archive_document(struct arena *a, const struct archive_says *says, struct str bus,
                                   const struct pattern *pattern)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "bus", bus);
    if (says->description.ptr)
        json_write_member(&json, "description", says->description);
    if (pattern) {
        json_write_key(&json, "pattern");
        pattern_write(&json, pattern);
    }
    if (says->retention_days) {
        json_write_key(&json, "retention");
        buf_printf(&json, "\"%lldd\"", (long long)says->retention_days);
    }
    write_kept(&json, says);
    buf_char(&json, '}');
    return aws_keep(a, &json);
}

/* ---- answers ---- */

static void write_seconds(struct buf *json, const char *key, int64_t ms)
{
    json_write_key(json, key);
    buf_printf(json, "%lld.%03lld", (long long)ms / 1000, (long long)ms % 1000);
}

void events_archive_reply(struct aws_request *r, const struct archive_says *says)
{
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "ArchiveArn", archive_arn(&r->arena, http_set(r->http), says->name));
    json_write_member(&json, "State", STR("ENABLED"));
    write_seconds(&json, "CreationTime", says->created_ms);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

/* What lists show of it, into an open object. */
static void write_members(struct buf *json, const struct archive_says *says, const struct archive_totals *totals)
{
    json_write_member(json, "ArchiveName", says->name);
    json_write_member(json, "EventSourceArn", says->source);
    json_write_member(json, "State", STR("ENABLED"));
    json_write_key(json, "RetentionDays");
    json_write_int(json, says->retention_days);
    json_write_key(json, "SizeBytes");
    json_write_int(json, totals->bytes);
    json_write_key(json, "EventCount");
    json_write_int(json, totals->events);
    write_seconds(json, "CreationTime", says->created_ms);
}

/* ---- both operations ---- */

struct input {
    struct str name, prefix, source, state, token;
    int64_t limit;
};

struct show {
    struct ledger_job job;
    struct aws_request *request;
    struct input in;
    struct shown {
        struct archive_says says;
        struct archive_totals totals;
    } * list;
    size_t count;
    bool more; /* behind them */
};

static bool count_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct show *show = (struct show *)job;

    for (size_t i = 0; i < show->count; i++)
        if (!archive_count(s, show->list[i].says.name, &show->list[i].totals, diag))
            return false;
    return true;
}

static struct show *make(struct aws_request *r, void (*done)(struct ledger_job *job, bool ok, const struct weir_diag *))
{
    struct show *show = xgot(arena_new(&r->arena, struct show));

    show->request = r;
    show->in.limit = PAGE_SIZE;
    show->job = (struct ledger_job){.run = count_step, .done = done, .reply = http_mailbox(r->http)};
    return show;
}

static void add(struct show *show, const struct target_def *def)
{
    struct aws_request *r = show->request;

    events_archive_show(&r->arena, http_set(r->http), def, http_router(r->http)->started_wall_ms,
                        &show->list[show->count++].says);
}

static void make_room(struct show *show, size_t count)
{
    show->list = arena_array(&show->request->arena, count + 1, sizeof *show->list);
    if (!show->list)
        xfail("out of memory");
}

static bool failed(struct show *show, bool ok, const struct weir_diag *diag)
{
    if (!ok)
        aws_fail(show->request, 503, "ServiceUnavailable", "%s", diag->message);
    return !ok;
}

/* ---- DescribeArchive ---- */

static const struct aws_member name_members[] = {
    EVENTS_ARCHIVE_NAME(struct input, "ArchiveName", name, .required = true),
    {0},
};

static void described_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct show *show = (struct show *)job;
    const struct archive_says *says = &show->list[0].says;
    struct aws_request *r = show->request;
    struct buf json = BUF_INIT;

    if (failed(show, ok, diag))
        return;
    buf_char(&json, '{');
    json_write_member(&json, "ArchiveArn", archive_arn(&r->arena, http_set(r->http), says->name));
    write_members(&json, says, &show->list[0].totals);
    if (says->description.ptr)
        json_write_member(&json, "Description", says->description);
    if (says->pattern.ptr)
        json_write_member(&json, "EventPattern", says->pattern);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

void events_describe_archive(struct aws_request *r)
{
    struct show *show = make(r, described_cb);

    if (!aws_read(r, r->input, "", name_members, &show->in) || !aws_valid(r))
        return;
    const struct target_def *def = ruleset_target(http_set(r->http), archive_adapter.type, show->in.name);
    if (!def) {
        aws_fail(r, 400, "ResourceNotFoundException", "Archive %.*s does not exist.", STR_ARG(show->in.name));
        return;
    }
    make_room(show, 1);
    add(show, def);
    ledger_submit(http_router(r->http)->ledger, &show->job);
}

/* ---- ListArchives ---- */

static const char *const states[] = {"ENABLED",       "DISABLED",      "CREATING", "UPDATING",
                                     "CREATE_FAILED", "UPDATE_FAILED", NULL};

static const struct aws_member list_members[] = {
    EVENTS_ARCHIVE_NAME(struct input, "NamePrefix", prefix),
    AWS_MEMBER(struct input, "EventSourceArn", AWS_STRING, source, .min = 1, .max = 1600),
    AWS_MEMBER(struct input, "State", AWS_STRING, state, .values = states),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

static void listed_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct show *show = (struct show *)job;
    struct buf json = BUF_INIT;

    if (failed(show, ok, diag))
        return;
    buf_text(&json, "{\"Archives\":[");
    for (size_t i = 0; i < show->count; i++) {
        buf_text(&json, i ? ",{" : "{");
        write_members(&json, &show->list[i].says, &show->list[i].totals);
        buf_char(&json, '}');
    }
    buf_char(&json, ']');
    if (show->more) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, "ListArchives", show->list[show->count - 1].says.name);
    }
    buf_char(&json, '}');
    aws_reply(show->request, &json);
    buf_fini(&json);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct shown *)a)->says.name, ((const struct shown *)b)->says.name);
}

/* All archives are enabled. */
static bool is_wanted(const struct show *show, struct str after)
{
    const struct input *in = &show->in;
    const struct archive_says *says = &show->list[show->count - 1].says;

    return str_cmp(says->name, after) > 0 && str_starts(says->name, in->prefix) &&
           (!in->source.ptr || str_eq(in->source, says->source)) && (!in->state.ptr || str_is(in->state, "ENABLED"));
}

static void choose(struct show *show, const struct ruleset *set, struct str after)
{
    make_room(show, set->target_count);
    for (uint32_t i = 0; i < set->target_count; i++) {
        if (set->targets[i]->adapter != &archive_adapter)
            continue;
        add(show, set->targets[i]);
        show->count -= !is_wanted(show, after);
    }
    qsort(show->list, show->count, sizeof *show->list, by_name);
    show->more = show->count > (size_t)show->in.limit;
    if (show->more)
        show->count = (size_t)show->in.limit;
}

void events_list_archives(struct aws_request *r)
{
    struct show *show = make(r, listed_cb);
    const struct input *in = &show->in;
    struct str after = STR("");

    if (!aws_read(r, r->input, "", list_members, &show->in) || !aws_valid(r))
        return;
    if ((in->prefix.ptr != NULL) + (in->source.ptr != NULL) + (in->state.ptr != NULL) > 1) {
        aws_fail(r, 400, "ValidationException",
                 "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.");
        return;
    }
    if (!events_take_token(r, "ListArchives", in->token, &after))
        return;
    choose(show, http_set(r->http), after);
    ledger_submit(http_router(r->http)->ledger, &show->job);
}
