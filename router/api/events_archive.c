/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes archives: CreateArchive, UpdateArchive, DeleteArchive. Deleting takes the files too, as AWS does, and
 * goes in steps, since the rule set and the ledger cannot change at once (targets/archive_delete.c):
 *
 *     mark it ──► it leaves the rule set ──► its files go to the trash ──► they are unlinked ──► answer
 *        └──────► where that cannot be, the mark goes again
 *
 * An archive of weir.yaml is shown and never changed; UpdateArchive with what it already says succeeds.
 */
#include "matcher/pattern_write.h"
#include "router/api/events.h"
#include "router/api/events_archives.h"
#include "router/api/events_quota.h"
#include "router/api/events_rules.h"
#include "router/ledger.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"

#define RETENTION_DAYS_MAX 36525 /* what weir.yaml's `retention` takes: a century */

static struct aws_regex source_regex = AWS_REGEX("^arn:aws([a-z]|\\-)*:events:([a-z]|\\d|\\-)*:([0-9]{12})?:.+\\/.+$");

struct change {
    struct aws_change change;
    struct archive_says says;
    const struct pattern *parsed; /* of says.pattern; NULL: none */
    struct str bus;               /* of says.source */
    struct archive_says result;   /* for the answer */
};

#define NOT_SAID    (-1)
#define DESCRIPTION AWS_MEMBER(struct change, "Description", AWS_STRING, says.description, .max = 512)
#define PATTERN     AWS_MEMBER(struct change, "EventPattern", AWS_STRING, says.pattern, .max = EVENT_PATTERN_LENGTH_MAX)
#define RETENTION                                                                                                      \
    AWS_MEMBER(struct change, "RetentionDays", AWS_INTEGER, says.retention_days, .min = 0, .max = RETENTION_DAYS_MAX)

static bool fail_missing(struct aws_change *c, struct str name)
{
    return aws_refuse(c, 400, "ResourceNotFoundException", "Archive %.*s does not exist.", STR_ARG(name));
}

static bool fail_managed(struct aws_change *c, struct str name)
{
    return aws_refuse(c, 400, "ManagedRuleException",
                      "Archive %.*s is managed. It is declared in weir.yaml, and is changed there.", STR_ARG(name));
}

static void answer(struct aws_change *c)
{
    events_archive_reply(c->request, &((struct change *)c)->result);
}

/* An empty text is the same as none. */
static bool parse_pattern(struct aws_request *r, struct change *c)
{
    if (!c->says.pattern.size)
        return true;
    const struct pattern *pattern = events_parse_pattern(r, c->says.pattern);
    if (pattern) /* else the request is answered, and c is gone with it */
        c->parsed = pattern;
    return pattern;
}

static void put(struct change *c, struct resources *resources, const struct archive_says *says)
{
    resources_put(resources, ARCHIVE_SECTION, says->name,
                  events_archive_document(&c->change.request->arena, says, c->bus, c->parsed));
    c->result = *says;
}

/* ---- CreateArchive ---- */

static const struct aws_member create_members[] = {
    EVENTS_ARCHIVE_NAME(struct change, "ArchiveName", says.name, .required = true),
    AWS_MEMBER(struct change, "EventSourceArn", AWS_STRING, says.source, .required = true, .min = 1, .max = 1600,
               .regex = &source_regex),
    DESCRIPTION,
    PATTERN,
    RETENTION,
    {0},
};

static bool exceeds_quota(const struct change *c, struct resources *resources)
{
    const struct ruleset *set = resources_set(resources);
    return events_quota_exceeded(set, ruleset_bus(set, c->bus), EVENTS_QUOTA_PATTERN_LENGTH,
                                 (int64_t)aws_length(c->says.pattern));
}

static bool edit_create(struct aws_change *change, struct resources *resources)
{
    struct change *c = (struct change *)change;

    if (resources_owner(resources, ARCHIVE_SECTION, c->says.name) != RESOURCES_NOBODY)
        return aws_refuse(change, 400, "ResourceAlreadyExistsException", "Archive %.*s already exists.",
                          STR_ARG(c->says.name));
    if (!events_bus_exists(resources, c->bus))
        return events_refuse_bus(change, c->bus);
    if (exceeds_quota(c, resources))
        return aws_refuse(change, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    put(c, resources, &c->says);
    return true;
}

static void drop_empty(struct str *text)
{
    if (!text->size)
        *text = (struct str){0};
}

void events_create_archive(struct aws_request *r)
{
    struct change *c = aws_change_new(r, sizeof *c, edit_create, answer);

    if (!aws_read(r, r->input, "", create_members, c) || !aws_valid(r))
        return;
    c->bus = c->says.source;
    if (!events_take_bus(r, &c->bus) || !parse_pattern(r, c))
        return;
    drop_empty(&c->says.pattern);
    drop_empty(&c->says.description);
    c->says.created_ms = clock_now(&http_router(r->http)->clock).wall_ms;
    aws_change_start(&c->change);
}

/* ---- UpdateArchive ---- */

static const struct aws_member update_members[] = {
    EVENTS_ARCHIVE_NAME(struct change, "ArchiveName", says.name, .required = true),
    DESCRIPTION,
    PATTERN,
    RETENTION,
    {0},
};

/* What is said beside what is already there. */
static bool is_same(struct change *c, const struct archive_says *present)
{
    struct buf text = BUF_INIT;

    if (c->parsed)
        pattern_write(&text, c->parsed);
    struct str pattern = aws_keep(&c->change.request->arena, &text);
    return (!c->says.pattern.ptr || str_eq(pattern, present->pattern)) &&
           (!c->says.description.ptr || str_eq(c->says.description, present->description)) &&
           (c->says.retention_days == NOT_SAID || c->says.retention_days == present->retention_days);
}

static bool edit_managed(struct change *c, struct resources *resources)
{
    const struct ruleset *set = resources_set(resources);
    const struct target_def *def = ruleset_target(set, archive_adapter.type, c->says.name);

    if (!def)
        return fail_missing(&c->change, c->says.name);
    events_archive_show(&c->change.request->arena, set, def, http_router(c->change.request->http)->started_wall_ms,
                        &c->result);
    return !is_same(c, &c->result) && fail_managed(&c->change, c->says.name);
}

/* The bus and the pattern that the document has, where the request has none. */
static void take_rest(struct change *c, struct archive_says *says)
{
    struct weir_diag diag;
    const char *slash = memchr(says->source.ptr, '/', says->source.size);

    c->bus = (struct str){slash + 1, (size_t)(says->source.ptr + says->source.size - slash - 1)};
    if (c->says.pattern.ptr)
        says->pattern = c->says.pattern;
    else if (says->pattern.ptr && !(c->parsed = pattern_parse_json(&c->change.request->arena, says->pattern, &diag)))
        xfail("an event pattern that was taken cannot be read");
    if (c->says.description.ptr)
        says->description = c->says.description;
    if (c->says.retention_days != NOT_SAID)
        says->retention_days = c->says.retention_days;
    drop_empty(&says->pattern);
    drop_empty(&says->description);
}

static bool edit_update(struct aws_change *change, struct resources *resources)
{
    struct change *c = (struct change *)change;
    struct str document = resources_get(resources, ARCHIVE_SECTION, c->says.name);
    struct archive_says says = {.name = c->says.name};

    if (!document.ptr)
        return edit_managed(c, resources);
    events_archive_read(&change->request->arena, document, &says);
    take_rest(c, &says);
    if (exceeds_quota(c, resources))
        return aws_refuse(change, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    put(c, resources, &says);
    return true;
}

void events_update_archive(struct aws_request *r)
{
    struct change *c = aws_change_new(r, sizeof *c, edit_update, answer);

    c->says.retention_days = NOT_SAID;
    if (!aws_read(r, r->input, "", update_members, c) || !aws_valid(r))
        return;
    if (!c->says.pattern.ptr && !c->says.description.ptr && c->says.retention_days == NOT_SAID)
        aws_fail(r, 400, "ValidationException",
                 "At least one of EventPattern, RetentionDays or Description must be provided.");
    else if (parse_pattern(r, c))
        aws_change_start(&c->change);
}

/* ---- DeleteArchive ---- */

struct deletion {
    struct resources_change change;
    struct ledger_job job;
    struct aws_request *request;
    struct str name;
    enum { MARK, UNMARK, DISCARD, BURY } step;
    bool missing; /* it was gone when it was its turn */
};

static const struct aws_member delete_members[] = {
    EVENTS_ARCHIVE_NAME(struct deletion, "ArchiveName", name, .required = true),
    {0},
};

static struct deletion *deletion_of(struct resources_change *change)
{
    return (struct deletion *)((char *)change - offsetof(struct deletion, change));
}

static bool run_step(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct deletion *d = (struct deletion *)((char *)job - offsetof(struct deletion, job));

    switch (d->step) {
    case MARK:
    case UNMARK: return archive_doom(s, d->name, d->step == MARK, diag);
    case DISCARD: return archive_discard(s, d->name, diag);
    case BURY: return archive_bury(s, http_router(d->request->http)->data, d->name, diag);
    }
    return true;
}

static void take_step(struct deletion *d, int step)
{
    d->step = step;
    ledger_submit(http_router(d->request->http)->ledger, &d->job);
}

static bool edit_delete(struct resources_change *change, struct resources *resources) /* main thread */
{
    struct deletion *d = deletion_of(change);

    d->missing = !resources_get(resources, ARCHIVE_SECTION, d->name).ptr;
    if (!d->missing)
        resources_delete(resources, ARCHIVE_SECTION, d->name);
    return !d->missing;
}

/* Where another request deleted it meanwhile, the mark is that one's. */
static void left_cb(struct resources_change *change)
{
    struct deletion *d = deletion_of(change);

    if (d->missing)
        aws_fail(d->request, 400, "ResourceNotFoundException", "Archive %.*s does not exist.", STR_ARG(d->name));
    else
        take_step(d, change->outcome == RESOURCES_DONE ? DISCARD : UNMARK);
}

/* Once it has left the rule set it is deleted, whatever comes: a start does what could not be done now. */
static void stepped_cb(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct deletion *d = (struct deletion *)((char *)job - offsetof(struct deletion, job));

    if (d->step == MARK && !ok)
        aws_fail(d->request, 503, "ServiceUnavailable", "%s", diag->message);
    else if (d->step == MARK)
        resources_submit(http_router(d->request->http), &d->change);
    else if (d->step == UNMARK)
        aws_fail(d->request, 503, "ServiceUnavailable", "%s", d->change.message);
    else if (d->step == DISCARD && ok)
        take_step(d, BURY);
    else {
        series_set(metric_str(METRIC_ARCHIVE_EVENTS, &d->name), 0);
        series_set(metric_str(METRIC_ARCHIVE_BYTES, &d->name), 0);
        aws_reply_empty(d->request);
    }
}

void events_delete_archive(struct aws_request *r)
{
    struct deletion *d = xgot(arena_new(&r->arena, struct deletion));

    d->request = r;
    d->change = (struct resources_change){.edit = edit_delete, .done = left_cb, .reply = http_mailbox(r->http)};
    d->job = (struct ledger_job){.run = run_step, .done = stepped_cb, .reply = http_mailbox(r->http)};
    if (!aws_read(r, r->input, "", delete_members, d) || !aws_valid(r))
        return;
    const struct target_def *def = ruleset_target(http_set(r->http), archive_adapter.type, d->name);
    if (!def)
        aws_fail(r, 400, "ResourceNotFoundException", "Archive %.*s does not exist.", STR_ARG(d->name));
    else if (!def->made.ptr)
        aws_fail(r, 400, "ManagedRuleException",
                 "Archive %.*s is managed. It is declared in weir.yaml, and is changed there.", STR_ARG(d->name));
    else
        take_step(d, MARK);
}
