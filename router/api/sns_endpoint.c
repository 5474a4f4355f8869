/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of platform applications: devices by their token. They stand in their application's document, so each
 * operation rewrites that; thousands of devices are fine on one's own machine, millions are not what this is for.
 */
#include "router/api/sns_application.h"
#include "router/xalloc.h"

struct endpoint_call {
    struct aws_change change;
    struct str arn, application_arn, key, id, attributes;
    struct str token, user_data;
    char fresh[UUID_SIZE + 1];
    struct sns_application application;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct endpoint_call, "EndpointArn", AWS_STRING, arn),
    AWS_MEMBER(struct endpoint_call, "PlatformApplicationArn", AWS_STRING, application_arn),
    AWS_MEMBER(struct endpoint_call, "Token", AWS_STRING, token),
    AWS_MEMBER(struct endpoint_call, "CustomUserData", AWS_STRING, user_data),
    AWS_MEMBER(struct endpoint_call, "Attributes", AWS_STRUCTURE, attributes),
    {0},
};

struct endpoint {
    struct str id, token, user_data;
    bool enabled;
};

static void read_one(struct str text, struct arena *a, struct endpoint *out)
{
    struct str data = sns_map_get(text, "user_data", a);

    *out = (struct endpoint){.id = sns_map_get(text, "id", a),
                             .token = sns_map_get(text, "token", a),
                             .user_data = data.ptr ? data : STR(""),
                             .enabled = !str_is(json_member(text, "enabled"), "false")};
}

static bool find(struct str list_text, struct arena *a, struct str id, struct str token, struct endpoint *out)
{
    struct aws_list list;
    struct str one;

    for (aws_list_start(&list, list_text); aws_list_next(&list, &one);) {
        read_one(one, a, out);
        if (id.ptr ? str_eq(out->id, id) : str_eq(out->token, token))
            return true;
    }
    return false;
}

static void write_one(struct buf *out, const struct endpoint *e)
{
    buf_text(out, out->size > 1 ? ",{" : "{");
    json_write_member(out, "id", e->id);
    json_write_member(out, "token", e->token);
    if (e->user_data.size)
        json_write_member(out, "user_data", e->user_data);
    json_write_key(out, "enabled");
    buf_text(out, e->enabled ? "true}" : "false}");
}

/* The list with this one in the place of the one with its id, or at its end; instead NULL: without that one. */
static struct str with(struct str list_text, struct arena *a, struct str id, const struct endpoint *instead)
{
    struct buf out = BUF_INIT;
    struct endpoint e;
    struct aws_list list;
    struct str one;
    bool found = false;

    buf_char(&out, '[');
    for (aws_list_start(&list, list_text); aws_list_next(&list, &one);) {
        read_one(one, a, &e);
        bool same = str_eq(e.id, id);
        found |= same;
        if (!same)
            write_one(&out, &e);
        else if (instead)
            write_one(&out, instead);
    }
    if (instead && !found)
        write_one(&out, instead);
    buf_char(&out, ']');
    return aws_keep(a, &out);
}

static bool take_attributes(struct str attributes, struct arena *a, struct endpoint *e, struct sns_fault *fault)
{
    struct str name, value;
    struct sns_map m;

    sns_map_start(&m, attributes, a);
    while (sns_map_next(&m, &name, &value))
        if (str_is(name, "Enabled") && (str_is(value, "true") || str_is(value, "false")))
            e->enabled = str_is(value, "true");
        else if (str_is(name, "Token") && value.size)
            e->token = value;
        else if (str_is(name, "CustomUserData") && value.size <= 2048)
            e->user_data = value;
        else
            return sns_fault(fault, SNS_INVALID, "Invalid parameter: Attributes Reason: Invalid attribute %.*s",
                             STR_ARG(name));
    return true;
}

/* ---- operations ---- */

/* False: the request is answered. */
static bool read_call(struct aws_request *r, struct endpoint_call *in, bool of_endpoint)
{
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", members, in) || !aws_valid(r))
        return false;
    bool ok = of_endpoint
                  ? sns_application_key(in->arn, "EndpointArn", "endpoint", &r->arena, &in->key, &in->id, &fault)
                  : sns_application_key(in->application_arn, "PlatformApplicationArn", "app", &r->arena, &in->key, NULL,
                                        &fault);
    if (!ok)
        sns_fail(r, &fault);
    return ok;
}

static void reply_arn(struct aws_change *c)
{
    struct endpoint_call *in = (struct endpoint_call *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "EndpointArn", sns_application_arn(c->request, "endpoint", &in->application, in->id));
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static bool is_equal(const struct endpoint *a, const struct endpoint *b)
{
    return str_eq(a->token, b->token) && str_eq(a->user_data, b->user_data) && a->enabled == b->enabled;
}

static bool create_edit(struct aws_change *c, struct resources *resources)
{
    struct endpoint_call *in = (struct endpoint_call *)c;
    struct arena *a = &c->request->arena;
    struct endpoint present, e = {str_from(in->fresh), in->token, in->user_data, true};
    struct sns_fault fault;

    if (!sns_application_edit(c, resources, in->key, &in->application))
        return false;
    if (!take_attributes(in->attributes, a, &e, &fault))
        return aws_refuse(c, 400, fault.code, "%s", fault.message);
    if (find(in->application.endpoints, a, (struct str){NULL, 0}, e.token, &present)) {
        in->id = present.id;
        return !is_equal(&present, &e) &&
               aws_refuse(c, 400, SNS_INVALID,
                          "Invalid parameter: Token Reason: Endpoint %.*s already exists with the same Token, but "
                          "different attributes.",
                          STR_ARG(sns_application_arn(c->request, "endpoint", &in->application, present.id)));
    }
    in->id = e.id;
    in->application.endpoints = with(in->application.endpoints, a, e.id, &e);
    return sns_application_put(c, resources, &in->application);
}

void sns_create_platform_endpoint(struct aws_request *r)
{
    struct endpoint_call *in = aws_change_new(r, sizeof *in, create_edit, reply_arn);

    if (!read_call(r, in, false))
        return;
    if (!in->token.size) {
        aws_fail(r, 400, SNS_INVALID, "Invalid parameter: Token");
        return;
    }
    if (!in->user_data.ptr)
        in->user_data = STR("");
    if (!uuid_random(in->fresh))
        xfail("the kernel gives no random bytes");
    aws_change_start(&in->change);
}

static bool delete_edit(struct aws_change *c, struct resources *resources)
{
    struct endpoint_call *in = (struct endpoint_call *)c;

    if (!resources_get(resources, "platform_applications", in->key).ptr)
        return false;
    if (!sns_application_edit(c, resources, in->key, &in->application))
        return false;
    in->application.endpoints = with(in->application.endpoints, &c->request->arena, in->id, NULL);
    return sns_application_put(c, resources, &in->application);
}

void sns_delete_endpoint(struct aws_request *r)
{
    struct endpoint_call *in = aws_change_new(r, sizeof *in, delete_edit, NULL);

    if (read_call(r, in, true))
        aws_change_start(&in->change);
}

static bool set_edit(struct aws_change *c, struct resources *resources)
{
    struct endpoint_call *in = (struct endpoint_call *)c;
    struct arena *a = &c->request->arena;
    struct endpoint e;
    struct sns_fault fault;

    if (!sns_application_edit(c, resources, in->key, &in->application))
        return false;
    if (!find(in->application.endpoints, a, in->id, STR(""), &e))
        return aws_refuse(c, 404, SNS_NOT_FOUND, "Endpoint does not exist");
    if (!take_attributes(in->attributes, a, &e, &fault))
        return aws_refuse(c, 400, fault.code, "%s", fault.message);
    in->application.endpoints = with(in->application.endpoints, a, in->id, &e);
    return sns_application_put(c, resources, &in->application);
}

void sns_set_endpoint_attributes(struct aws_request *r)
{
    struct endpoint_call *in = aws_change_new(r, sizeof *in, set_edit, NULL);

    if (read_call(r, in, true))
        aws_change_start(&in->change);
}

/* ---- shown ---- */

static void write_attributes(struct buf *json, const struct endpoint *e)
{
    json_write_key(json, "Attributes");
    buf_char(json, '{');
    json_write_member(json, "Enabled", e->enabled ? STR("true") : STR("false"));
    json_write_member(json, "Token", e->token);
    if (e->user_data.size)
        json_write_member(json, "CustomUserData", e->user_data);
    buf_char(json, '}');
}

void sns_get_endpoint_attributes(struct aws_request *r)
{
    struct endpoint_call in = {.arn = {NULL, 0}};
    struct endpoint e;
    struct buf json = BUF_INIT;

    if (!read_call(r, &in, true))
        return;
    if (!sns_application_find(r, in.key, &in.application) ||
        !find(in.application.endpoints, &r->arena, in.id, STR(""), &e)) {
        aws_fail(r, 404, SNS_NOT_FOUND, "Endpoint does not exist");
        return;
    }
    buf_char(&json, '{');
    write_attributes(&json, &e);
    buf_char(&json, '}');
    aws_reply(r, &json);
    buf_fini(&json);
}

void sns_list_endpoints(struct aws_request *r)
{
    struct endpoint_call in = {.arn = {NULL, 0}};
    struct buf json = BUF_INIT;
    struct endpoint e;
    struct aws_list list;
    struct str one;

    if (!read_call(r, &in, false))
        return;
    if (!sns_application_find(r, in.key, &in.application)) {
        aws_fail(r, 404, SNS_NOT_FOUND, "PlatformApplication does not exist");
        return;
    }
    buf_text(&json, "{\"Endpoints\":[");
    for (aws_list_start(&list, in.application.endpoints); aws_list_next(&list, &one);) {
        read_one(one, &r->arena, &e);
        buf_text(&json, list.index > 1 ? ",{" : "{");
        json_write_member(&json, "EndpointArn", sns_application_arn(r, "endpoint", &in.application, e.id));
        write_attributes(&json, &e);
        buf_char(&json, '}');
    }
    buf_text(&json, "]}");
    aws_reply(r, &json);
    buf_fini(&json);
}
