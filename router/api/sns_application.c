/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platform applications: push gateways that are registered by their URL. AWS's credential of a platform is where the
 * URL stands, so clients and tools that know no gateway can say it; as at AWS it is not shown again.
 */
#include "router/api/sns_application.h"

#include "router/xalloc.h"

#define SECTION "platform_applications"

static struct str or_else(struct str value, const char *otherwise)
{
    return value.size ? value : str_from(otherwise);
}

static void read_document(struct str document, struct arena *arena, struct sns_application *out)
{
    struct str aws = json_member(document, "x-aws");

    *out = (struct sns_application){.platform = sns_map_get(document, "platform", arena),
                                    .name = sns_map_get(document, "name", arena),
                                    .url = sns_map_get(document, "url", arena),
                                    .endpoints = or_else(json_member(document, "endpoints"), "[]")};
    out->attributes = or_else(aws.size ? json_member(aws, "attributes") : aws, "{}");
}

bool sns_application_put(struct aws_change *c, struct resources *resources, const struct sns_application *a)
{
    struct buf out = BUF_INIT;

    buf_char(&out, '{');
    json_write_member(&out, "platform", a->platform);
    json_write_member(&out, "name", a->name);
    json_write_member(&out, "url", a->url);
    buf_printf(&out, ",\"endpoints\":%.*s,\"x-aws\":{\"attributes\":%.*s}}", STR_ARG(a->endpoints),
               STR_ARG(a->attributes));
    resources_put(resources, SECTION, a->key, aws_keep(&c->request->arena, &out));
    return true;
}

bool sns_application_key(struct str arn, const char *member, const char *kind, struct arena *arena, struct str *key,
                         struct str *id, struct sns_fault *fault)
{
    struct str rest, parts[4] = {{NULL, 0}};
    struct buf text = BUF_INIT;
    size_t count = 0;

    if (!sns_topic_name(arn, member, &rest, fault))
        return false;
    for (size_t i = 0, first = 0; i <= rest.size && count < 4; i++)
        if (i == rest.size || rest.ptr[i] == '/') {
            parts[count++] = (struct str){rest.ptr + first, i - first};
            first = i + 1;
        }
    if (count != (id ? 4 : 3) || !str_is(parts[0], kind))
        return sns_fault(fault, SNS_INVALID, "Invalid parameter: %s Reason: it is no ARN of %s", member,
                         id ? "an endpoint" : "a platform application");
    buf_printf(&text, "%.*s.%.*s", STR_ARG(parts[1]), STR_ARG(parts[2]));
    *key = aws_keep(arena, &text);
    if (id)
        *id = parts[3];
    return true;
}

bool sns_application_edit(struct aws_change *c, struct resources *resources, struct str key,
                          struct sns_application *out)
{
    struct str document = resources_get(resources, SECTION, key);

    if (!document.ptr)
        return aws_refuse(c, 404, SNS_NOT_FOUND, "PlatformApplication does not exist");
    read_document(document, &c->request->arena, out);
    out->key = key;
    return true;
}

bool sns_application_find(struct aws_request *r, struct str key, struct sns_application *out)
{
    const struct target_def *gateway = ruleset_target(http_set(r->http), "http", key);

    if (!gateway || !gateway->made.ptr)
        return false;
    read_document(gateway->made, &r->arena, out);
    out->key = key;
    return out->platform.ptr != NULL;
}

struct str sns_application_arn(struct aws_request *r, const char *kind, const struct sns_application *a, struct str id)
{
    const struct ruleset *set = http_set(r->http);
    struct buf arn = BUF_INIT;

    buf_printf(&arn, "arn:aws:sns:%.*s:%.*s:%s/%.*s/%.*s%s%.*s", STR_ARG(set->region), STR_ARG(set->account), kind,
               STR_ARG(a->platform), STR_ARG(a->name), id.size ? "/" : "", STR_ARG(id));
    return aws_keep(&r->arena, &arn);
}

/* ---- operations ---- */

struct application_call {
    struct aws_change change;
    struct str arn, key, attributes;
    struct sns_application made;
};
static const struct aws_member members[] = {
    AWS_MEMBER(struct application_call, "PlatformApplicationArn", AWS_STRING, arn),
    AWS_MEMBER(struct application_call, "Name", AWS_STRING, made.name),
    AWS_MEMBER(struct application_call, "Platform", AWS_STRING, made.platform),
    AWS_MEMBER(struct application_call, "Attributes", AWS_STRUCTURE, attributes),
    {0},
};

/* The credential goes to the URL, the others to the attributes. */
static bool take_attributes(struct application_call *in, struct sns_application *to, struct sns_fault *fault)
{
    struct arena *a = &in->change.request->arena;
    struct str name, value;
    struct sns_map m;

    sns_map_start(&m, in->attributes, a);
    while (sns_map_next(&m, &name, &value)) {
        if (!str_is(name, "PlatformCredential"))
            to->attributes = sns_map_with(to->attributes, name, value, a);
        else if (str_starts(value, STR("http://")) || str_starts(value, STR("https://")))
            to->url = value;
        else
            return sns_fault(fault, SNS_INVALID,
                             "Invalid parameter: PlatformCredential Reason: it must be the URL of a push gateway, "
                             "http:// or https://");
    }
    return true;
}

static void reply_arn(struct aws_change *c)
{
    struct application_call *in = (struct application_call *)c;
    struct buf json = BUF_INIT;

    buf_char(&json, '{');
    json_write_member(&json, "PlatformApplicationArn", sns_application_arn(c->request, "app", &in->made, STR("")));
    buf_char(&json, '}');
    aws_reply(c->request, &json);
    buf_fini(&json);
}

static bool create_edit(struct aws_change *c, struct resources *resources)
{
    struct application_call *in = (struct application_call *)c;
    struct sns_application present;
    struct str document = resources_get(resources, SECTION, in->made.key);

    if (resources_owner(resources, SECTION, in->made.key) == RESOURCES_FILE)
        return aws_refuse(c, 403, SNS_DENIED, "The platform application is declared in weir.yaml");
    if (document.ptr) { /* as AWS has it: the attributes given last hold */
        read_document(document, &c->request->arena, &present);
        in->made.endpoints = present.endpoints;
    }
    return sns_application_put(c, resources, &in->made);
}

static bool is_name(struct str name, size_t most)
{
    bool ok = name.size && name.size <= most;

    for (size_t i = 0; ok && i < name.size; i++) {
        char c = name.ptr[i];
        ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
             c == '.';
    }
    return ok;
}

void sns_create_platform_application(struct aws_request *r)
{
    struct application_call *in = aws_change_new(r, sizeof *in, create_edit, reply_arn);
    struct buf key = BUF_INIT;
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", members, in) || !aws_valid(r))
        return;
    in->made.attributes = STR("{}");
    in->made.endpoints = STR("[]");
    bool ok = is_name(in->made.name, 256) || sns_fault(&fault, SNS_INVALID, "Invalid parameter: Name");
    ok = ok && (is_name(in->made.platform, 64) || sns_fault(&fault, SNS_INVALID, "Invalid parameter: Platform"));
    ok = ok && take_attributes(in, &in->made, &fault) &&
         (in->made.url.size || sns_fault(&fault, SNS_INVALID,
                                         "Invalid parameter: Attributes Reason: PlatformCredential is missing: the URL "
                                         "of a push gateway"));
    if (!ok) {
        sns_fail(r, &fault);
        return;
    }
    buf_printf(&key, "%.*s.%.*s", STR_ARG(in->made.platform), STR_ARG(in->made.name));
    in->made.key = aws_keep(&r->arena, &key);
    aws_change_start(&in->change);
}

/* False: the request is answered. */
static bool read_arn(struct aws_request *r, struct application_call *in)
{
    struct sns_fault fault;

    if (!aws_read(r, r->input, "", members, in) || !aws_valid(r))
        return false;
    if (sns_application_key(in->arn, "PlatformApplicationArn", "app", &r->arena, &in->key, NULL, &fault))
        return true;
    sns_fail(r, &fault);
    return false;
}

static bool delete_edit(struct aws_change *c, struct resources *resources)
{
    struct application_call *in = (struct application_call *)c;

    if (!resources_get(resources, SECTION, in->key).ptr)
        return false;
    resources_delete(resources, SECTION, in->key);
    return true;
}

void sns_delete_platform_application(struct aws_request *r)
{
    struct application_call *in = aws_change_new(r, sizeof *in, delete_edit, NULL);

    if (read_arn(r, in))
        aws_change_start(&in->change);
}

static bool set_edit(struct aws_change *c, struct resources *resources)
{
    struct application_call *in = (struct application_call *)c;
    struct sns_application present;
    struct sns_fault fault;

    if (!sns_application_edit(c, resources, in->key, &present))
        return false;
    if (!take_attributes(in, &present, &fault))
        return aws_refuse(c, 400, fault.code, "%s", fault.message);
    return sns_application_put(c, resources, &present);
}

void sns_set_platform_application_attributes(struct aws_request *r)
{
    struct application_call *in = aws_change_new(r, sizeof *in, set_edit, NULL);

    if (read_arn(r, in))
        aws_change_start(&in->change);
}

static struct str shown(struct aws_request *r, const struct sns_application *a)
{
    struct str enabled = sns_map_get(a->attributes, "Enabled", &r->arena);
    return enabled.ptr ? a->attributes : sns_map_with(a->attributes, STR("Enabled"), STR("true"), &r->arena);
}

void sns_get_platform_application_attributes(struct aws_request *r)
{
    struct application_call in = {.arn = {NULL, 0}};
    struct sns_application a;
    struct buf json = BUF_INIT;

    if (!read_arn(r, &in))
        return;
    if (!sns_application_find(r, in.key, &a)) {
        aws_fail(r, 404, SNS_NOT_FOUND, "PlatformApplication does not exist");
        return;
    }
    buf_printf(&json, "{\"Attributes\":%.*s}", STR_ARG(shown(r, &a)));
    aws_reply(r, &json);
    buf_fini(&json);
}

void sns_list_platform_applications(struct aws_request *r)
{
    const struct ruleset *set = http_set(r->http);
    struct sns_application a;
    struct buf json = BUF_INIT;
    bool more = false;

    buf_text(&json, "{\"PlatformApplications\":[");
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct target_def *def = set->targets[i];
        if (strcmp(def->adapter->type, "http") != 0 || !sns_application_find(r, def->name, &a))
            continue;
        buf_text(&json, more ? ",{" : "{");
        json_write_member(&json, "PlatformApplicationArn", sns_application_arn(r, "app", &a, STR("")));
        buf_printf(&json, ",\"Attributes\":%.*s}", STR_ARG(shown(r, &a)));
        more = true;
    }
    buf_text(&json, "]}");
    aws_reply(r, &json);
    buf_fini(&json);
}
