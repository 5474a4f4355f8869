/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global endpoints: event buses of two regions behind one name that Route 53 moves. One machine is one region, so there
 * are none, and none can be made; see events_partner.c. PutEvents checks an EndpointId and puts on the bus it is given.
 */
#include "router/api/events.h"

struct input {
    struct str name, description, routing, replication, buses, role, region, token;
    int64_t limit;
};

static struct aws_regex name_regex = AWS_REGEX("[\\.\\-_A-Za-z0-9]+");
static struct aws_regex region_regex = AWS_REGEX("^[\\-a-z0-9]+$");
static struct aws_regex role_regex = AWS_REGEX("^arn:aws[a-z-]*:iam::\\d{12}:role\\/[\\w+=,.@/-]+$");

#define NAME                                                                                                           \
    AWS_MEMBER(struct input, "Name", AWS_STRING, name, .required = true, .min = 1, .max = 64, .regex = &name_regex)
#define HOME_REGION                                                                                                    \
    AWS_MEMBER(struct input, "HomeRegion", AWS_STRING, region, .min = 9, .max = 20, .regex = &region_regex)
#define WHAT_IT_IS(needed)                                                                                             \
    AWS_MEMBER(struct input, "Description", AWS_STRING, description, .max = 512),                                      \
        AWS_MEMBER(struct input, "RoutingConfig", AWS_STRUCTURE, routing, .required = (needed)),                       \
        AWS_MEMBER(struct input, "ReplicationConfig", AWS_STRUCTURE, replication),                                     \
        AWS_MEMBER(struct input, "EventBuses", AWS_LIST, buses, .required = (needed), .min = 2, .max = 2,              \
                   .element = AWS_STRUCTURE, .shape = "EndpointEventBus"),                                             \
        AWS_MEMBER(struct input, "RoleArn", AWS_STRING, role, .min = 1, .max = 256, .regex = &role_regex)

static const struct aws_member create_members[] = {NAME, WHAT_IT_IS(true), {0}};
static const struct aws_member update_members[] = {NAME, WHAT_IT_IS(false), {0}};
static const struct aws_member delete_members[] = {NAME, {0}};
static const struct aws_member describe_members[] = {NAME, HOME_REGION, {0}};

static const struct aws_member list_members[] = {
    AWS_MEMBER(struct input, "NamePrefix", AWS_STRING, name, .min = 1, .max = 64, .regex = &name_regex),
    HOME_REGION,
    AWS_MEMBER(struct input, "NextToken", AWS_STRING, token, .min = 1, .max = 2048),
    AWS_MEMBER(struct input, "MaxResults", AWS_INTEGER, limit, .min = 1, .max = 100),
    {0},
};

static void find_none(struct aws_request *r, const struct aws_member *members)
{
    struct input in = {0};

    if (aws_read(r, r->input, "", members, &in) && aws_valid(r))
        aws_fail(r, 400, "ResourceNotFoundException", "Endpoint %.*s does not exist.", STR_ARG(in.name));
}

void events_create_endpoint(struct aws_request *r)
{
    struct input in = {0};

    if (aws_read(r, r->input, "", create_members, &in) && aws_valid(r))
        events_fail_disabled(r);
}

void events_update_endpoint(struct aws_request *r)
{
    find_none(r, update_members);
}

void events_delete_endpoint(struct aws_request *r)
{
    find_none(r, delete_members);
}

void events_describe_endpoint(struct aws_request *r)
{
    find_none(r, describe_members);
}

void events_list_endpoints(struct aws_request *r)
{
    struct input in = {0};
    struct buf json = BUF_INIT;

    if (!aws_read(r, r->input, "", list_members, &in) || !aws_valid(r))
        return;
    buf_text(&json, "{\"Endpoints\":[]}");
    aws_reply(r, &json);
    buf_fini(&json);
}
