/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CreateConnection, UpdateConnection, DeleteConnection, DeauthorizeConnection. What an update leaves out stays as it
 * is, secrets above all, which no client can read back. A connection may be deleted while API destinations name it:
 * they are INACTIVE then, and what is sent by them fails with NO_RESOURCE.
 *
 * Nobody is asked at creation whether the secrets are good: states say what Weir knows, so an OAuth connection is
 * AUTHORIZING in the answer that made it, as at AWS, and AUTHORIZED from then on.
 */
#include "router/api/events.h"
#include "router/api/events_connections.h"
#include "router/api/events_quota.h"
#include "router/clock.h"
#include "router/xalloc.h"

#define SECTION "connections"
#define KIND    "connection"

struct input {
    struct aws_change change;
    struct str name, description, type, parameters, kms;
    struct connection_says says; /* the request's */
    struct connection_says now;  /* of the answer, and so is arn */
    struct str arn;
};

static struct aws_regex key_regex = AWS_REGEX("^[a-zA-Z0-9_\\-/:]*$");
struct aws_regex events_connection_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");

#define SETTINGS(needed)                                                                                               \
    EVENTS_CONNECTION_NAME(struct input, name),                                                                        \
        AWS_MEMBER(struct input, "Description", AWS_STRING, description, .max = 512),                                  \
        AWS_MEMBER(struct input, "AuthorizationType", AWS_STRING, type, .required = (needed),                          \
                   .values = authorization_types),                                                                     \
        AWS_MEMBER(struct input, "KmsKeyIdentifier", AWS_STRING, kms, .max = 2048, .regex = &key_regex),               \
        AWS_MEMBER(struct input, "AuthParameters", AWS_STRUCTURE, parameters, .required = (needed))

static const struct aws_member create_members[] = {SETTINGS(true), {0}};
static const struct aws_member update_members[] = {SETTINGS(false), {0}};
static const struct aws_member name_members[] = {EVENTS_CONNECTION_NAME(struct input, name), {0}};

/* ---- reading ---- */

static void take_texts(struct aws_request *r, struct input *in)
{
    in->says.type = -1;
    for (int i = 0; in->type.ptr && authorization_types[i]; i++)
        if (str_is(in->type, authorization_types[i]))
            in->says.type = i;
    in->says.description = events_quoted(&r->arena, in->description);
    in->says.kms = events_quoted(&r->arena, in->kms);
}

static void start(struct aws_request *r, struct input *in, const struct aws_member *members, bool create)
{
    if (!aws_read(r, r->input, "", members, in))
        return;
    take_texts(r, in);
    if (events_connection_read(r, in->name, in->parameters, create, &in->says) && aws_valid(r))
        aws_change_start(&in->change);
}

/* ---- edits ---- */

/* For edits of what is there: its words, in `now`. False: refused. */
static bool take_present(struct input *in, struct resources *resources, const char *doing)
{
    switch (resources_owner(resources, SECTION, in->name)) {
    case RESOURCES_API: break;
    case RESOURCES_NOBODY: return events_refuse_absent(&in->change, KIND, doing, in->name);
    default: return events_refuse_declared(&in->change, KIND, in->name);
    }
    in->arn = events_connection_arn(&in->change.request->arena, resources_set(resources), in->name);
    events_connection_parse(resources_get(resources, SECTION, in->name), &in->now);
    return true;
}

static bool refuse_lack(struct input *in, const char *member)
{
    return aws_refuse(&in->change, 400, "ValidationException",
                      "Parameter AuthParameters is not valid. Reason: %s is required for authorization type %s.",
                      member, authorization_types[in->now.type]);
}

static void put(struct input *in, struct resources *resources, int64_t now_ms)
{
    in->now.changed_ms = now_ms;
    resources_put(resources, SECTION, in->name, events_connection_document(&in->change.request->arena, &in->now));
}

static bool edit_create(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;
    const struct ruleset *set = resources_set(resources);
    int64_t count = 1, now_ms = clock_wall_ms();
    const char *lack = events_connection_lacks(&in->says);

    if (resources_owner(resources, SECTION, in->name) != RESOURCES_NOBODY)
        return aws_refuse(c, 400, "ResourceAlreadyExistsException", "Connection '%.*s' already exists.",
                          STR_ARG(in->name));
    for (uint32_t i = 0; i < set->target_count; i++)
        count += set->targets[i]->adapter == &connection_adapter;
    if (events_quota_exceeded(set, NULL, EVENTS_QUOTA_CONNECTIONS, count))
        return aws_refuse(c, 400, "LimitExceededException", "%s", EVENTS_QUOTA_MESSAGE);
    in->now = in->says;
    in->now.created_ms = in->now.authorized_ms = now_ms;
    in->arn = events_connection_arn(&c->request->arena, set, in->name);
    if (lack)
        return refuse_lack(in, lack);
    put(in, resources, now_ms);
    return true;
}

static bool edit_update(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;
    int64_t now_ms = clock_wall_ms();

    if (!take_present(in, resources, "update"))
        return false;
    events_connection_overlay(&in->now, &in->says);
    const char *lack = events_connection_lacks(&in->now);
    if (in->parameters.ptr && in->now.deauthorized && !lack) {
        in->now.deauthorized = false;
    } else if (lack && (in->parameters.ptr || in->type.ptr) && !in->now.deauthorized) {
        return refuse_lack(in, lack);
    }
    if (in->parameters.ptr && !in->now.deauthorized)
        in->now.authorized_ms = now_ms;
    put(in, resources, now_ms);
    return true;
}

static bool edit_deauthorize(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;

    if (!take_present(in, resources, "deauthorize"))
        return false;
    struct connection_says left = {.type = in->now.type,
                                   .deauthorized = true,
                                   .description = in->now.description,
                                   .kms = in->now.kms,
                                   .created_ms = in->now.created_ms,
                                   .authorized_ms = in->now.authorized_ms};
    in->now = left;
    put(in, resources, clock_wall_ms());
    return true;
}

static bool edit_delete(struct aws_change *c, struct resources *resources)
{
    struct input *in = (struct input *)c;

    if (!take_present(in, resources, "delete"))
        return false;
    resources_delete(resources, SECTION, in->name);
    return true;
}

/* ---- answers ---- */

static void answer(struct aws_change *c, const char *state)
{
    struct input *in = (struct input *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "ConnectionArn", in->arn);
    json_write_member(&json, "ConnectionState", str_from(state));
    events_write_ms(&json, "CreationTime", in->now.created_ms);
    events_write_ms(&json, "LastModifiedTime", in->now.changed_ms);
    events_write_ms(&json, "LastAuthorizedTime", in->now.authorized_ms);
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static void answer_put(struct aws_change *c)
{
    const struct input *in = (const struct input *)c;

    answer(c, in->now.deauthorized                  ? "DEAUTHORIZED"
              : in->now.type == AUTHORIZATION_OAUTH ? "AUTHORIZING"
                                                    : "AUTHORIZED");
}

/* The time of the authorization is not in it. */
static void answer_create(struct aws_change *c)
{
    ((struct input *)c)->now.authorized_ms = 0;
    answer_put(c);
}

static void answer_deauthorize(struct aws_change *c)
{
    answer(c, "DEAUTHORIZING");
}

static void answer_delete(struct aws_change *c)
{
    answer(c, "DELETING");
}

/* ---- operations ---- */

void events_create_connection(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_create, answer_create), create_members, true);
}

void events_update_connection(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_update, answer_put), update_members, false);
}

void events_deauthorize_connection(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_deauthorize, answer_deauthorize), name_members, false);
}

void events_delete_connection(struct aws_request *r)
{
    start(r, aws_change_new(r, sizeof(struct input), edit_delete, answer_delete), name_members, false);
}
