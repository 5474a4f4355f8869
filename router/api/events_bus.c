/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event buses: CreateEventBus, UpdateEventBus, DeleteEventBus, DescribeEventBus, ListEventBuses. Keys, dead-letter
 * queues and logging of a bus are kept and shown; nothing is encrypted by them and no log follows them.
 */
#include <stdlib.h>

#include "router/api/aws_page.h"
#include "router/api/events.h"
#include "router/api/events_buses.h"
#include "router/api/events_quota.h"
#include "router/clock.h"
#include "router/xalloc.h"
#include "targets/bus.h"

#define PAGE_BUSES_MAX 100 /* where the request names no limit, as the most it may name */

static struct aws_regex source_regex = AWS_REGEX("aws\\.partner(/[\\.\\-_A-Za-z0-9]+){2,}");
static struct aws_regex key_regex = AWS_REGEX("^[a-zA-Z0-9_\\-/:]*$");
static const char *const details[] = {"NONE", "FULL", NULL};
static const char *const levels[] = {"OFF", "ERROR", "INFO", "TRACE", NULL};

struct input {
    struct aws_change change;
    struct str name, source, tags;
    struct bus_says says;
    struct bus_says now; /* of the answer, and so is arn */
    struct str arn;
};

#define NAME_MEMBER(needed)                                                                                            \
    AWS_MEMBER(struct input, "Name", AWS_STRING, name, .required = (needed), .min = 1, .max = 256,                     \
               .regex = &events_bus_regex)
#define SETTINGS                                                                                                       \
    AWS_MEMBER(struct input, "Description", AWS_STRING, says.description, .max = 512),                                 \
        AWS_MEMBER(struct input, "KmsKeyIdentifier", AWS_STRING, says.kms, .max = 2048, .regex = &key_regex),          \
        AWS_MEMBER(struct input, "DeadLetterConfig", AWS_STRUCTURE, says.dead_letter),                                 \
        AWS_MEMBER(struct input, "LogConfig", AWS_STRUCTURE, says.log)

static const struct aws_member create_members[] = {
    NAME_MEMBER(true),
    AWS_MEMBER(struct input, "EventSourceName", AWS_STRING, source, .min = 1, .max = 256, .regex = &source_regex),
    SETTINGS,
    AWS_MEMBER(struct input, "Tags", AWS_LIST, tags, .element = AWS_STRUCTURE),
    {0},
};
static const struct aws_member update_members[] = {
    NAME_MEMBER(false),
    SETTINGS,
    {0},
};
static const struct aws_member delete_members[] = {
    NAME_MEMBER(true),
    {0},
};

struct settings {
    struct str arn, detail, level;
};
static const struct aws_member dead_letter_members[] = {
    AWS_MEMBER(struct settings, "Arn", AWS_STRING, arn, .min = 1, .max = 1600),
    {0},
};
static const struct aws_member log_members[] = {
    AWS_MEMBER(struct settings, "IncludeDetail", AWS_STRING, detail, .values = details),
    AWS_MEMBER(struct settings, "Level", AWS_STRING, level, .values = levels),
    {0},
};

static bool check_settings(struct aws_request *r, const struct bus_says *says)
{
    struct settings unused;

    return (!says->dead_letter.ptr ||
            aws_read(r, says->dead_letter, "deadLetterConfig.", dead_letter_members, &unused)) &&
           (!says->log.ptr || aws_read(r, says->log, "logConfig.", log_members, &unused));
}

/* ---- CreateEventBus ---- */

static bool edit_create(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;
    const struct ruleset *set = resources_set(resources);
    struct bus_says says = in->says;
    size_t count;

    if (events_bus_exists(resources, in->name))
        return aws_refuse(c, 400, "ResourceAlreadyExistsException", "Event bus %.*s already exists.",
                          STR_ARG(in->name));
    if (events_quota_exceeded(set, NULL, EVENTS_QUOTA_BUSES, (int64_t)set->bus_count + 1))
        return aws_refuse(c, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    in->arn = events_bus_arn(&c->request->arena, set, in->name);
    says.created_ms = clock_wall_ms();
    says.tags = events_tags_merge(&c->request->arena, (struct str){NULL, 0}, in->tags, (struct str){NULL, 0}, &count);
    events_bus_put(c, resources, in->name, &says);
    return true;
}

static void answer_create(struct aws_change *c)
{
    struct input *in = (struct input *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "EventBusArn", in->arn);
    events_bus_write(&json, &in->says);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

/* What a name may not be, beyond its form. */
static bool check_name(struct aws_request *r, const struct input *in)
{
    if (in->source.ptr)
        aws_fail(r, 400, "ResourceNotFoundException", "Event source %.*s does not exist.", STR_ARG(in->source));
    else if (str_starts(in->name, STR("aws.")))
        aws_fail(r, 400, "ValidationException", "EventBus name starting with 'aws.' is not valid.");
    else if (memchr(in->name.ptr, '/', in->name.size))
        aws_fail(r, 400, "ValidationException", "Event bus name must not contain '/'.");
    else
        return true;
    return false;
}

void events_create_event_bus(struct aws_request *r)
{
    struct input *in = aws_change_new(r, sizeof *in, edit_create, answer_create);

    if (aws_read(r, r->input, "", create_members, in) && check_settings(r, &in->says) &&
        events_tags_check(r, in->tags) && aws_valid(r) && check_name(r, in))
        aws_change_start(&in->change);
}

/* ---- UpdateEventBus ---- */

/* Members that are absent stay as they are, but for the key: without one, the bus has none. Where weir.yaml says
   something of the default bus, its description is weir.yaml's. */
static bool edit_update(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;
    struct bus_says says;

    if (!events_bus_edit(c, resources, in->name, &says))
        return false;
    if (in->says.description.ptr && resources_owner(resources, "buses", in->name) == RESOURCES_FILE)
        return events_refuse_managed_bus(c, in->name);
    in->arn = events_bus_arn(&c->request->arena, resources_set(resources), in->name);
    if (in->says.description.ptr)
        says.description = in->says.description;
    if (in->says.dead_letter.ptr)
        says.dead_letter = in->says.dead_letter;
    if (in->says.log.ptr)
        says.log = in->says.log;
    says.kms = in->says.kms;
    events_bus_put(c, resources, in->name, &says);
    in->now = says;
    return true;
}

static void answer_update(struct aws_change *c)
{
    struct input *in = (struct input *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "Arn", in->arn);
    json_write_member(&json, "Name", in->name);
    events_bus_write(&json, &in->now);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

void events_update_event_bus(struct aws_request *r)
{
    struct input *in = aws_change_new(r, sizeof *in, edit_update, answer_update);

    if (aws_read(r, r->input, "", update_members, in) && check_settings(r, &in->says) && aws_valid(r) &&
        events_take_bus(r, &in->name))
        aws_change_start(&in->change);
}

/* ---- DeleteEventBus ---- */

static bool found_cb(void *context, struct str key, struct str document)
{
    *(bool *)context = true;
    return false;
}

static bool is_on_bus(struct str document, struct str bus)
{
    struct str named = json_member(document, "bus");
    return named.ptr && json_type_of(named) == JSON_STRING && named.size == bus.size + 2 &&
           memcmp(named.ptr + 1, bus.ptr, bus.size) == 0;
}

struct search {
    struct str bus;
    bool found;
};

static bool archive_cb(void *context, struct str key, struct str document)
{
    struct search *search = context;

    search->found = is_on_bus(document, search->bus);
    return !search->found;
}

/* An archive has a rule on its bus, too. */
static bool has_rules(struct aws_change *c, const struct resources *resources, struct str bus)
{
    struct search search = {.bus = bus};
    struct buf prefix = BUF_INIT;

    buf_printf(&prefix, "%.*s/", STR_ARG(bus));
    resources_each(resources, "rules", aws_keep(&c->request->arena, &prefix), found_cb, &search.found);
    if (!search.found)
        resources_each(resources, "archives", STR(""), archive_cb, &search);
    return search.found;
}

static bool edit_delete(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;

    if (str_is(in->name, BUS_DEFAULT))
        return aws_refuse(c, 400, "ValidationException", "Cannot delete event bus default.");
    switch (resources_owner(resources, "buses", in->name)) {
    case RESOURCES_NOBODY: return false; /* deleted as well as can be */
    case RESOURCES_FILE:
    case RESOURCES_BUILTIN: return events_refuse_managed_bus(c, in->name);
    case RESOURCES_API: break;
    }
    if (has_rules(c, resources, in->name))
        return aws_refuse(c, 400, "ValidationException", "EventBus can't be deleted since it has rules.");
    resources_delete(resources, "buses", in->name);
    return true;
}

void events_delete_event_bus(struct aws_request *r)
{
    struct input *in = aws_change_new(r, sizeof *in, edit_delete, NULL);

    if (aws_read(r, r->input, "", delete_members, in) && aws_valid(r))
        aws_change_start(&in->change);
}

/* ---- DescribeEventBus, ListEventBuses ---- */

struct query {
    struct str name, prefix, token;
    int64_t limit;
};

static const struct aws_member describe_members[] = {
    EVENTS_BUS_NAME(struct query, "Name", name),
    {0},
};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct query, "NamePrefix", AWS_STRING, prefix, .min = 1, .max = 256, .regex = &events_bus_regex),
    EVENTS_PAGE(struct query, token, limit),
    {0},
};

static void write_time(struct buf *json, const char *member, int64_t ms)
{
    if (!ms)
        return;
    json_write_key(json, member);
    buf_printf(json, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

static void write_common(struct buf *json, const struct bus *bus, const struct bus_says *says)
{
    json_write_member(json, "Name", bus->name);
    json_write_member(json, "Arn", bus->arn);
    if (says->policy.ptr)
        json_write_member(json, "Policy", says->policy);
    write_time(json, "CreationTime", says->created_ms);
    write_time(json, "LastModifiedTime", says->changed_ms);
}

void events_describe_event_bus(struct aws_request *r)
{
    struct query in = {0};
    const struct bus *bus;
    struct bus_says says;
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", describe_members, &in) || !aws_valid(r) || !(bus = events_find_bus(r, in.name)))
        return;
    events_bus_show(&r->arena, bus, &says);
    buf_char(&json, '{');
    write_common(&json, bus, &says);
    events_bus_write(&json, &says);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp((*(const struct bus *const *)a)->name, (*(const struct bus *const *)b)->name);
}

static void write_buses(struct aws_request *r, struct buf *json, const struct bus *const *buses, uint32_t count)
{
    buf_text(json, "{\"EventBuses\":[");
    for (uint32_t i = 0; i < count; i++) {
        struct bus_says says;
        events_bus_show(&r->arena, buses[i], &says);
        buf_text(json, i ? ",{" : "{");
        write_common(json, buses[i], &says);
        if (says.description.size)
            json_write_member(json, "Description", says.description);
        buf_char(json, '}');
    }
    buf_char(json, ']');
}

void events_list_event_buses(struct aws_request *r)
{
    const struct ruleset *set = http_set(r->http);
    struct query in = {.limit = PAGE_BUSES_MAX};
    struct str after = {NULL, 0};
    struct buf json = BUF_INIT;
    uint32_t count = 0;

    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r) ||
        !events_take_token(r, "ListEventBuses", in.token, &after))
        return;
    const struct bus **buses = xarray(set->bus_count, sizeof *buses);
    for (uint32_t i = 0; i < set->bus_count; i++)
        if (str_starts(set->buses[i].name, in.prefix) && (!after.ptr || str_cmp(set->buses[i].name, after) > 0))
            buses[count++] = &set->buses[i];
    qsort(buses, count, sizeof *buses, compare_names);
    uint32_t shown = count > in.limit ? (uint32_t)in.limit : count;
    write_buses(r, &json, buses, shown);
    if (shown < count) {
        json_write_key(&json, "NextToken");
        aws_token_write(&json, "ListEventBuses", buses[shown - 1]->name);
    }
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
    free(buses);
}
