/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateApiDestination, UpdateApiDestination, DeleteApiDestination, DescribeApiDestination, ListApiDestinations. A
 * destination is ACTIVE while its connection is there and authorized. Its document names the connection by name, so it
 * goes by another one that is made under the same name later, as its ARN is the same then, too.
 */
#include "router/api/events.h"
#include "router/api/events_connections.h"
#include "router/api/events_quota.h"
#include "router/api/events_rules.h"
#include "router/clock.h"
#include "router/xalloc.h"
#include "targets/api_destination.h"

#define SECTION "api_destinations"
#define KIND    "api-destination"

struct input {
    struct aws_change change;
    struct str name, description, connection_arn, endpoint, method;
    int64_t rate;
    struct str prefix, token;
    int64_t limit;
    struct str connection;          /* the name in connection_arn */
    struct str arn, connection_now; /* of the answer … */
    int64_t created_ms, changed_ms;
    bool active;
};

static struct aws_regex connection_arn_regex = AWS_REGEX(
    "^arn:aws([a-z]|\\-)*:events:([a-z]|\\d|\\-)*:([0-9]{12})?:connection\\/[\\.\\-_A-Za-z0-9]+\\/[\\-A-Za-z0-9]+$");
static struct aws_regex endpoint_regex =
    AWS_REGEX("^((%[0-9A-Fa-f]{2}|[-()_.!~*';/?:@\\x26=+$,A-Za-z0-9])+)([).!';/?:,])?$");

#define CONNECTION_ARN(needed)                                                                                         \
    AWS_MEMBER(struct input, "ConnectionArn", AWS_STRING, connection_arn, .required = (needed), .min = 1, .max = 1600, \
               .regex = &connection_arn_regex)
#define SETTINGS(needed)                                                                                               \
    EVENTS_CONNECTION_NAME(struct input, name),                                                                        \
        AWS_MEMBER(struct input, "Description", AWS_STRING, description, .max = 512), CONNECTION_ARN(needed),          \
        AWS_MEMBER(struct input, "InvocationEndpoint", AWS_STRING, endpoint, .required = (needed), .min = 1,           \
                   .max = 2048, .regex = &endpoint_regex),                                                             \
        AWS_MEMBER(struct input, "HttpMethod", AWS_STRING, method, .required = (needed),                               \
                   .values = api_destination_methods),                                                                 \
        AWS_MEMBER(struct input, "InvocationRateLimitPerSecond", AWS_INTEGER, rate, .min = 1, .max = OPTION_RATE_MAX)

static const struct aws_member create_members[] = {SETTINGS(true), {0}};
static const struct aws_member update_members[] = {SETTINGS(false), {0}};
static const struct aws_member name_members[] = {EVENTS_CONNECTION_NAME(struct input, name), {0}};
static const struct aws_member list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, prefix, .min = 1, .max = 64, .regex = &events_connection_regex),
    CONNECTION_ARN(false),
    EVENTS_PAGE(struct input, token, limit),
    {0},
};

/* ---- edits ---- */

/* "arn:…:connection/NAME/UUID" */
static struct str name_in(struct str arn)
{
    static const char part[] = ":connection/";
    const char *at = arn.ptr ? memmem(arn.ptr, arn.size, part, strlen(part)) : NULL;

    if (!at)
        return (struct str){NULL, 0};
    at += strlen(part);
    const char *end = memchr(at, '/', (size_t)(arn.ptr + arn.size - at));
    return (struct str){at, (size_t)(end - at)};
}

/* The connection that the request names must be there. */
static bool check_connection(struct input *in, struct resources *resources)
{
    struct arena *a = &in->change.request->arena;

    if (!in->connection_arn.ptr)
        return true;
    in->connection = name_in(in->connection_arn);
    if (resources_owner(resources, "connections", in->connection) == RESOURCES_NOBODY ||
        !str_eq(in->connection_arn, events_connection_arn(a, resources_set(resources), in->connection)))
        return events_refuse_absent(&in->change, "connection", "describe", in->connection);
    return true;
}

static bool is_active(struct resources *resources, struct str connection)
{
    struct str document = resources_get(resources, "connections", connection);

    if (document.ptr)
        return !str_is(json_member(document, "deauthorized"), "true");
    return resources_owner(resources, "connections", connection) == RESOURCES_FILE;
}

/* A member as the request has it, or else as it was. */
static void write_text(struct buf *json, const char *key, struct str text, struct str before)
{
    struct str raw = before.ptr ? json_member(before, key) : before;

    if (text.ptr) {
        json_write_member(json, key, text);
    } else if (raw.ptr) {
        json_write_key(json, key);
        buf_str(json, raw);
    }
}

/* before: the document as it was; {NULL,0}: there is none yet. */
static void put(struct input *in, struct resources *resources, struct str before)
{
    struct arena *a = &in->change.request->arena;
    struct str rate = before.ptr ? json_member(before, "invocation_rate_limit_per_second") : before;
    struct buf json = BUF_INIT;

    in->changed_ms = clock_wall_ms();
    in->created_ms = before.ptr ? events_kept_ms(before, "CreationTime") : in->changed_ms;
    buf_char(&json, '{');
    write_text(&json, "description", in->description, before);
    write_text(&json, "connection", in->connection, before);
    write_text(&json, "invocation_endpoint", in->endpoint, before);
    write_text(&json, "http_method", in->method, before);
    if (in->rate || rate.ptr) {
        json_write_key(&json, "invocation_rate_limit_per_second");
        if (in->rate)
            json_write_int(&json, in->rate);
        else
            buf_str(&json, rate);
    }
    json_write_key(&json, "x-aws");
    buf_printf(&json, "{\"CreationTime\":%lld,\"LastModifiedTime\":%lld}}", (long long)in->created_ms,
               (long long)in->changed_ms);
    struct str document = aws_keep(a, &json), connection = json_member(document, "connection");
    in->active = is_active(resources, json_decode_in(a, connection));
    resources_put(resources, SECTION, in->name, document);
}

static void take_arn(struct input *in, const struct ruleset *set)
{
    struct buf arn = BUF_INIT;

    target_write_arn(&arn, api_destination_adapter.arn_format, set->region, set->account, in->name);
    in->arn = aws_keep(&in->change.request->arena, &arn);
}

static bool edit_create(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;
    const struct ruleset *set = resources_set(resources);
    int64_t count = 1;

    if (resources_owner(resources, SECTION, in->name) != RESOURCES_NOBODY)
        return aws_refuse(c, 400, "ResourceAlreadyExistsException", "An api-destination '%.*s' already exists.",
                          STR_ARG(in->name));
    for (uint32_t i = 0; i < set->target_count; i++)
        count += set->targets[i]->adapter == &api_destination_adapter;
    if (events_quota_exceeded(set, NULL, EVENTS_QUOTA_API_DESTINATIONS, count))
        return aws_refuse(c, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    if (!check_connection(in, resources))
        return false;
    put(in, resources, (struct str){NULL, 0});
    take_arn(in, set);
    return true;
}

/* What is there and may be changed. False: refused. */
static bool check_present(struct input *in, struct resources *resources, const char *doing)
{
    switch (resources_owner(resources, SECTION, in->name)) {
    case RESOURCES_API: return true;
    case RESOURCES_NOBODY: return events_refuse_absent(&in->change, KIND, doing, in->name);
    default: return events_refuse_declared(&in->change, KIND, in->name);
    }
}

static bool edit_update(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;

    if (!check_present(in, resources, "update") || !check_connection(in, resources))
        return false;
    put(in, resources, resources_get(resources, SECTION, in->name));
    take_arn(in, resources_set(resources));
    return true;
}

static bool edit_delete(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;

    if (!check_present(in, resources, "delete"))
        return false;
    resources_delete(resources, SECTION, in->name);
    return true;
}

/* ---- operations that change ---- */

static void answer_put(struct aws_change *c)
{
    const struct input *in = (const struct input *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "ApiDestinationArn", in->arn);
    json_write_member(&json, "ApiDestinationState", str_from(in->active ? "ACTIVE" : "INACTIVE"));
    events_write_ms(&json, "CreationTime", in->created_ms);
    events_write_ms(&json, "LastModifiedTime", in->changed_ms);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static void start(struct aws_request *r, struct input *in, const struct aws_member *members)
{
    if (aws_read(r, r->input, "", members, in) && aws_valid(r) &&
        events_check_endpoint(r, "InvocationEndpoint", in->endpoint))
        aws_change_start(&in->change);
}

void events_create_api_destination(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_create, answer_put), create_members);
}

void events_update_api_destination(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_update, answer_put), update_members);
}

void events_delete_api_destination(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_delete, NULL), name_members);
}

/* ---- operations that look ---- */

/* The connection's ARN, of one that was deleted, too: then it is as its name in the document makes it. */
static struct str connection_arn(struct aws_request *r, const struct target_def *def)
{
    const struct api_destination_options *o = def->options;

    if (o->connection)
        return o->connection->arn;
    struct str raw = def->made.ptr ? json_member(def->made, "connection") : (struct str){NULL, 0};
    return raw.ptr ? events_connection_arn(&r->arena, http_set(r->http), json_decode_in(&r->arena, raw)) : STR("");
}

static void write_members(struct aws_request *r, struct buf *json, const struct target_def *def)
{
    const struct api_destination_options *o = def->options;
    char reason[256];
    bool active = strcmp(events_connection_state(r, o->connection, reason), "AUTHORIZED") == 0;

    json_write_member(json, "ApiDestinationArn", def->arn);
    json_write_member(json, "Name", def->name);
    json_write_member(json, "ApiDestinationState", str_from(active ? "ACTIVE" : "INACTIVE"));
    json_write_member(json, "ConnectionArn", connection_arn(r, def));
    json_write_member(json, "InvocationEndpoint", o->endpoint);
    json_write_member(json, "HttpMethod", str_from(api_destination_methods[o->method]));
    json_write_key(json, "InvocationRateLimitPerSecond");
    json_write_int(json, o->rate_per_second);
    events_write_ms(json, "CreationTime", events_kept_ms(def->made, "CreationTime"));
    events_write_ms(json, "LastModifiedTime", events_kept_ms(def->made, "LastModifiedTime"));
}

void events_describe_api_destination(struct aws_request *r)
{
    struct input in = {0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", name_members, &in) || !aws_valid(r))
        return;
    const struct target_def *def = ruleset_target(http_set(r->http), api_destination_adapter.type, in.name);
    if (!def) {
        events_fail_absent(r, KIND, in.name);
        return;
    }
    const struct api_destination_options *o = def->options;
    buf_char(&json, '{');
    write_members(r, &json, def);
    if (o->description.size)
        json_write_member(&json, "Description", o->description);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

static bool has_connection(struct aws_request *r, const struct definitions_page *page, const struct target_def *def)
{
    const struct input *in = page->context;
    return !in->connection_arn.ptr || str_eq(connection_arn(r, def), in->connection_arn);
}

void events_list_api_destinations(struct aws_request *r)
{
    struct input in = {.limit = 100};

    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r))
        return;
    events_list_definitions(r, &(struct definitions_page){.list = "ListApiDestinations",
                                                          .member = "ApiDestinations",
                                                          .adapter = &api_destination_adapter,
                                                          .prefix = in.prefix,
                                                          .token = in.token,
                                                          .limit = in.limit,
                                                          .shows = has_connection,
                                                          .write = write_members,
                                                          .context = &in});
}
