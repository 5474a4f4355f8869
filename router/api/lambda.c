/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lambda's operations by name and by path, and how a request becomes their input: what stands in the path and behind
 * the question mark, and the members of the body, as one JSON object with the service model's names. So an operation
 * reads all of it by one table, as those of the other services do. Invoke's body is the payload and stays outside.
 */
#include "router/api/lambda.h"

#include <stdio.h>

#include "router/api/api.h"
#include "router/router.h"
#include "router/xalloc.h"

#define DECLARED    "Functions are declared in weir.yaml, and changed there: ResourceConflictException."
#define KEPT        "Statements are kept and shown; who may do what is said by allow lists."
#define MAPPINGS    "The source is a queue; filters are event patterns in AWS's language."
#define DURABLE     "Durable executions need the service's own store of steps."
#define LAYERS      "A function's folder holds all of its code: there are no layers."
#define VERSIONS    "A function has one version, $LATEST."
#define SIGNING     "Code is what the administrator put there: it is not signed."
#define CAPACITY    "Functions run on the router's own machine."
#define PROVISIONED "Processes are started on demand and kept warm (idle_timeout)."
#define URLS        "Functions are invoked by Invoke, rules and queues."
#define RECURSION   "What goes in a circle ends after 16 functions, always."
#define RUNTIMES    "The runtime is the bootstrap itself."
#define STREAMS     "Answers are given whole: use Invoke."

static const struct aws_operation operations[] = {
    {"AddLayerVersionPermission", NULL, LAYERS},
    {"AddPermission", lambda_add_permission, KEPT},
    {"CheckpointDurableExecution", NULL, DURABLE},
    {"CreateAlias", NULL, VERSIONS},
    {"CreateCapacityProvider", NULL, CAPACITY},
    {"CreateCodeSigningConfig", NULL, SIGNING},
    {"CreateEventSourceMapping", lambda_create_event_source_mapping, MAPPINGS},
    {"CreateFunction", lambda_create_function,
     "Functions are declared in weir.yaml: who may call the API does not thereby run programs of their own."},
    {"CreateFunctionUrlConfig", NULL, URLS},
    {"DeleteAlias", NULL, VERSIONS},
    {"DeleteCapacityProvider", NULL, CAPACITY},
    {"DeleteCodeSigningConfig", NULL, SIGNING},
    {"DeleteEventSourceMapping", lambda_delete_event_source_mapping, NULL},
    {"DeleteFunction", lambda_refuse_change, DECLARED},
    {"DeleteFunctionCodeSigningConfig", NULL, SIGNING},
    {"DeleteFunctionConcurrency", lambda_refuse_change, DECLARED},
    {"DeleteFunctionEventInvokeConfig", lambda_refuse_change, DECLARED},
    {"DeleteFunctionUrlConfig", NULL, URLS},
    {"DeleteLayerVersion", NULL, LAYERS},
    {"DeleteProvisionedConcurrencyConfig", NULL, PROVISIONED},
    {"GetAccountSettings", lambda_get_account_settings, NULL},
    {"GetAlias", NULL, VERSIONS},
    {"GetCapacityProvider", NULL, CAPACITY},
    {"GetCodeSigningConfig", NULL, SIGNING},
    {"GetDurableExecution", NULL, DURABLE},
    {"GetDurableExecutionHistory", NULL, DURABLE},
    {"GetDurableExecutionState", NULL, DURABLE},
    {"GetEventSourceMapping", lambda_get_event_source_mapping, NULL},
    {"GetFunction", lambda_get_function, NULL},
    {"GetFunctionCodeSigningConfig", NULL, SIGNING},
    {"GetFunctionConcurrency", lambda_get_function_concurrency, NULL},
    {"GetFunctionConfiguration", lambda_get_function_configuration, NULL},
    {"GetFunctionEventInvokeConfig", lambda_get_function_event_invoke_config, NULL},
    {"GetFunctionRecursionConfig", NULL, RECURSION},
    {"GetFunctionScalingConfig", NULL, CAPACITY},
    {"GetFunctionUrlConfig", NULL, URLS},
    {"GetLayerVersion", NULL, LAYERS},
    {"GetLayerVersionByArn", NULL, LAYERS},
    {"GetLayerVersionPolicy", NULL, LAYERS},
    {"GetPolicy", lambda_get_policy, KEPT},
    {"GetProvisionedConcurrencyConfig", NULL, PROVISIONED},
    {"GetRuntimeManagementConfig", NULL, RUNTIMES},
    {"Invoke", lambda_invoke, "A command's answer is what it wrote; REPORT in the log names no memory."},
    {"InvokeAsync", lambda_invoke_async, NULL},
    {"InvokeWithResponseStream", NULL, STREAMS},
    {"ListAliases", lambda_list_aliases, NULL},
    {"ListCapacityProviders", NULL, CAPACITY},
    {"ListCodeSigningConfigs", NULL, SIGNING},
    {"ListDurableExecutionsByFunction", NULL, DURABLE},
    {"ListEventSourceMappings", lambda_list_event_source_mappings, NULL},
    {"ListFunctionEventInvokeConfigs", lambda_list_function_event_invoke_configs, NULL},
    {"ListFunctionUrlConfigs", NULL, URLS},
    {"ListFunctionVersionsByCapacityProvider", NULL, CAPACITY},
    {"ListFunctions", lambda_list_functions, NULL},
    {"ListFunctionsByCodeSigningConfig", NULL, SIGNING},
    {"ListLayerVersions", NULL, LAYERS},
    {"ListLayers", NULL, LAYERS},
    {"ListProvisionedConcurrencyConfigs", NULL, PROVISIONED},
    {"ListTags", lambda_list_tags, NULL},
    {"ListVersionsByFunction", lambda_list_versions_by_function, NULL},
    {"PublishLayerVersion", NULL, LAYERS},
    {"PublishVersion", NULL, VERSIONS},
    {"PutFunctionCodeSigningConfig", NULL, SIGNING},
    {"PutFunctionConcurrency", lambda_refuse_change, DECLARED},
    {"PutFunctionEventInvokeConfig", lambda_refuse_change, DECLARED},
    {"PutFunctionRecursionConfig", NULL, RECURSION},
    {"PutFunctionScalingConfig", NULL, CAPACITY},
    {"PutProvisionedConcurrencyConfig", NULL, PROVISIONED},
    {"PutRuntimeManagementConfig", NULL, RUNTIMES},
    {"RemoveLayerVersionPermission", NULL, LAYERS},
    {"RemovePermission", lambda_remove_permission, KEPT},
    {"SendDurableExecutionCallbackFailure", NULL, DURABLE},
    {"SendDurableExecutionCallbackHeartbeat", NULL, DURABLE},
    {"SendDurableExecutionCallbackSuccess", NULL, DURABLE},
    {"StopDurableExecution", NULL, DURABLE},
    {"TagResource", lambda_refuse_change, DECLARED},
    {"UntagResource", lambda_refuse_change, DECLARED},
    {"UpdateAlias", NULL, VERSIONS},
    {"UpdateCapacityProvider", NULL, CAPACITY},
    {"UpdateCodeSigningConfig", NULL, SIGNING},
    {"UpdateEventSourceMapping", lambda_update_event_source_mapping, MAPPINGS},
    {"UpdateFunctionCode", lambda_refuse_change, DECLARED},
    {"UpdateFunctionConfiguration", lambda_refuse_change, DECLARED},
    {"UpdateFunctionEventInvokeConfig", lambda_refuse_change, DECLARED},
    {"UpdateFunctionUrlConfig", NULL, URLS},
    {0},
};

const struct aws_service aws_lambda = {.title = "Lambda",
                                       .prefix = "lambda",
                                       .content_type = "application/json",
                                       .error_prefix = "",
                                       .unknown = "UnknownOperationException",
                                       .invalid = "InvalidParameterValueException",
                                       .operations = operations};

static const struct route {
    const char *method, *path; /* a segment {Name} is any, and becomes that member */
    const char *operation;
} routes[] = {
    {"POST", "/2015-03-31/functions/{FunctionName}/policy", "AddPermission"},
    {"POST", "/2015-03-31/event-source-mappings", "CreateEventSourceMapping"},
    {"POST", "/2015-03-31/functions", "CreateFunction"},
    {"DELETE", "/2015-03-31/event-source-mappings/{UUID}", "DeleteEventSourceMapping"},
    {"DELETE", "/2015-03-31/functions/{FunctionName}", "DeleteFunction"},
    {"DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", "DeleteFunctionConcurrency"},
    {"DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config", "DeleteFunctionEventInvokeConfig"},
    {"GET", "/2016-08-19/account-settings", "GetAccountSettings"},
    {"GET", "/2015-03-31/event-source-mappings/{UUID}", "GetEventSourceMapping"},
    {"GET", "/2015-03-31/functions/{FunctionName}", "GetFunction"},
    {"GET", "/2019-09-30/functions/{FunctionName}/concurrency", "GetFunctionConcurrency"},
    {"GET", "/2015-03-31/functions/{FunctionName}/configuration", "GetFunctionConfiguration"},
    {"GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config", "GetFunctionEventInvokeConfig"},
    {"GET", "/2015-03-31/functions/{FunctionName}/policy", "GetPolicy"},
    {"POST", "/2015-03-31/functions/{FunctionName}/invocations", "Invoke"},
    {"POST", "/2014-11-13/functions/{FunctionName}/invoke-async", "InvokeAsync"},
    {"GET", "/2015-03-31/functions/{FunctionName}/aliases", "ListAliases"},
    {"GET", "/2015-03-31/event-source-mappings", "ListEventSourceMappings"},
    {"GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", "ListFunctionEventInvokeConfigs"},
    {"GET", "/2015-03-31/functions", "ListFunctions"},
    {"GET", "/2017-03-31/tags/{Resource}", "ListTags"},
    {"GET", "/2015-03-31/functions/{FunctionName}/versions", "ListVersionsByFunction"},
    {"PUT", "/2017-10-31/functions/{FunctionName}/concurrency", "PutFunctionConcurrency"},
    {"PUT", "/2019-09-25/functions/{FunctionName}/event-invoke-config", "PutFunctionEventInvokeConfig"},
    {"DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", "RemovePermission"},
    {"POST", "/2017-03-31/tags/{Resource}", "TagResource"},
    {"DELETE", "/2017-03-31/tags/{Resource}", "UntagResource"},
    {"PUT", "/2015-03-31/event-source-mappings/{UUID}", "UpdateEventSourceMapping"},
    {"PUT", "/2015-03-31/functions/{FunctionName}/code", "UpdateFunctionCode"},
    {"PUT", "/2015-03-31/functions/{FunctionName}/configuration", "UpdateFunctionConfiguration"},
    {"POST", "/2019-09-25/functions/{FunctionName}/event-invoke-config", "UpdateFunctionEventInvokeConfig"},
    /* not served, and said so */
    {"POST", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", "AddLayerVersionPermission"},
    {"POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint", "CheckpointDurableExecution"},
    {"POST", "/2015-03-31/functions/{FunctionName}/aliases", "CreateAlias"},
    {"POST", "/2025-11-30/capacity-providers", "CreateCapacityProvider"},
    {"POST", "/2020-04-22/code-signing-configs", "CreateCodeSigningConfig"},
    {"POST", "/2021-10-31/functions/{FunctionName}/url", "CreateFunctionUrlConfig"},
    {"DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", "DeleteAlias"},
    {"DELETE", "/2025-11-30/capacity-providers/{CapacityProviderName}", "DeleteCapacityProvider"},
    {"DELETE", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", "DeleteCodeSigningConfig"},
    {"DELETE", "/2020-06-30/functions/{FunctionName}/code-signing-config", "DeleteFunctionCodeSigningConfig"},
    {"DELETE", "/2021-10-31/functions/{FunctionName}/url", "DeleteFunctionUrlConfig"},
    {"DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", "DeleteLayerVersion"},
    {"DELETE", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"},
    {"GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", "GetAlias"},
    {"GET", "/2025-11-30/capacity-providers/{CapacityProviderName}", "GetCapacityProvider"},
    {"GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", "GetCodeSigningConfig"},
    {"GET", "/2025-12-01/durable-executions/{DurableExecutionArn}", "GetDurableExecution"},
    {"GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/history", "GetDurableExecutionHistory"},
    {"GET", "/2025-12-01/durable-executions/{DurableExecutionArn}/state", "GetDurableExecutionState"},
    {"GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", "GetFunctionCodeSigningConfig"},
    {"GET", "/2024-08-31/functions/{FunctionName}/recursion-config", "GetFunctionRecursionConfig"},
    {"GET", "/2025-11-30/functions/{FunctionName}/function-scaling-config", "GetFunctionScalingConfig"},
    {"GET", "/2021-10-31/functions/{FunctionName}/url", "GetFunctionUrlConfig"},
    {"GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", "GetLayerVersion"},
    {"GET", "/2018-10-31/layers", "GetLayerVersionByArn"},
    {"GET", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", "GetLayerVersionPolicy"},
    {"GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", "GetProvisionedConcurrencyConfig"},
    {"GET", "/2021-07-20/functions/{FunctionName}/runtime-management-config", "GetRuntimeManagementConfig"},
    {"POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", "InvokeWithResponseStream"},
    {"GET", "/2025-11-30/capacity-providers", "ListCapacityProviders"},
    {"GET", "/2020-04-22/code-signing-configs", "ListCodeSigningConfigs"},
    {"GET", "/2025-12-01/functions/{FunctionName}/durable-executions", "ListDurableExecutionsByFunction"},
    {"GET", "/2021-10-31/functions/{FunctionName}/urls", "ListFunctionUrlConfigs"},
    {"GET", "/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions",
     "ListFunctionVersionsByCapacityProvider"},
    {"GET", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions", "ListFunctionsByCodeSigningConfig"},
    {"GET", "/2018-10-31/layers/{LayerName}/versions", "ListLayerVersions"},
    {"GET", "/2018-10-31/layers", "ListLayers"},
    {"GET", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", "ListProvisionedConcurrencyConfigs"},
    {"POST", "/2018-10-31/layers/{LayerName}/versions", "PublishLayerVersion"},
    {"POST", "/2015-03-31/functions/{FunctionName}/versions", "PublishVersion"},
    {"PUT", "/2020-06-30/functions/{FunctionName}/code-signing-config", "PutFunctionCodeSigningConfig"},
    {"PUT", "/2024-08-31/functions/{FunctionName}/recursion-config", "PutFunctionRecursionConfig"},
    {"PUT", "/2025-11-30/functions/{FunctionName}/function-scaling-config", "PutFunctionScalingConfig"},
    {"PUT", "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", "PutProvisionedConcurrencyConfig"},
    {"PUT", "/2021-07-20/functions/{FunctionName}/runtime-management-config", "PutRuntimeManagementConfig"},
    {"DELETE", "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}",
     "RemoveLayerVersionPermission"},
    {"POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail", "SendDurableExecutionCallbackFailure"},
    {"POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat", "SendDurableExecutionCallbackHeartbeat"},
    {"POST", "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed", "SendDurableExecutionCallbackSuccess"},
    {"POST", "/2025-12-01/durable-executions/{DurableExecutionArn}/stop", "StopDurableExecution"},
    {"PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", "UpdateAlias"},
    {"PUT", "/2025-11-30/capacity-providers/{CapacityProviderName}", "UpdateCapacityProvider"},
    {"PUT", "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", "UpdateCodeSigningConfig"},
    {"PUT", "/2021-10-31/functions/{FunctionName}/url", "UpdateFunctionUrlConfig"},
};

/* ---- which operation ---- */

static struct str next_segment(struct str *path)
{
    const char *slash = path->size > 1 ? memchr(path->ptr + 1, '/', path->size - 1) : NULL;
    size_t size = slash ? (size_t)(slash - path->ptr) : path->size;
    struct str segment = {path->ptr + (size > 0), size - (size > 0)};

    *path = (struct str){path->ptr + size, path->size - size};
    return segment;
}

/* Walks both; members goes to `out`, where that is not NULL. */
static bool match(const char *pattern, struct str path, struct buf *out)
{
    struct str rest = str_from(pattern);

    while (rest.size && path.size) {
        struct str want = next_segment(&rest), have = next_segment(&path);
        bool any = want.size > 2 && want.ptr[0] == '{';
        if (any ? !have.size : !str_eq(want, have))
            return false;
        if (any && out) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)want.size - 2, want.ptr + 1);
            json_write_member(out, name, have);
        }
    }
    return !rest.size && (!path.size || str_is(path, "/"));
}

static const struct route *find_route(const struct http_request *http)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (strcmp(routes[i].method, http_method(http)) == 0 && match(routes[i].path, http_path(http), NULL))
            return &routes[i];
    return NULL;
}

/* ---- its input ---- */

static void add_query(struct aws_request *r)
{
    static const char *const names[] = {"Qualifier",    "Marker",         "MaxItems",   "FunctionVersion",
                                        "FunctionName", "EventSourceArn", "RevisionId", NULL};
    struct str value;

    for (const char *const *name = names; *name; name++)
        if (http_query(r->http, *name, &value))
            json_write_member(&r->form, *name, value);
}

static bool add_body(struct aws_request *r)
{
    if (!aws_take_json(r))
        return false;
    struct str body = r->input;
    while (strchr(" \t\r\n", body.ptr[0]))
        body = (struct str){body.ptr + 1, body.size - 1};
    while (strchr(" \t\r\n", body.ptr[body.size - 1]))
        body.size--;
    struct str inside = {body.ptr + 1, body.size - 2};
    while (inside.size && strchr(" \t\r\n", inside.ptr[0]))
        inside = (struct str){inside.ptr + 1, inside.size - 1};
    if (inside.size && r->form.size > 1)
        buf_char(&r->form, ',');
    buf_str(&r->form, inside);
    return true;
}

static bool takes_json(const char *operation)
{
    return strncmp(operation, "Invoke", 6) != 0;
}

void lambda_request(struct http_request *http)
{
    const struct route *route = find_route(http);
    struct aws_request *r;

    if (!route) {
        r = aws_create(http, AWS_REST);
        r->service = &aws_lambda;
        aws_fail(r, 404, aws_lambda.unknown, "Lambda has no operation with this method and path.");
        return;
    }
    if (!(r = aws_begin(http, &aws_lambda, route->operation)))
        return;
    buf_char(&r->form, '{');
    match(route->path, http_path(http), &r->form);
    add_query(r);
    if (takes_json(route->operation) && !add_body(r))
        return;
    buf_char(&r->form, '}');
    xbuf(&r->form);
    r->input = buf_view(&r->form);
    r->operation->run(r);
}

/* ---- what is named ---- */

/* The part behind the last "function:", and its qualifier. */
static struct str split(struct str text, struct str *qualifier)
{
    static const char mark[] = "function:";
    struct str name = text;

    for (size_t i = 0; i + sizeof mark - 1 <= text.size; i++)
        if (memcmp(text.ptr + i, mark, sizeof mark - 1) == 0)
            name = (struct str){text.ptr + i + sizeof mark - 1, text.size - i - (sizeof mark - 1)};
    const char *colon = name.size ? memchr(name.ptr, ':', name.size) : NULL;
    *qualifier = STR("");
    if (!colon)
        return name;
    *qualifier = (struct str){colon + 1, name.size - (size_t)(colon + 1 - name.ptr)};
    return (struct str){name.ptr, (size_t)(colon - name.ptr)};
}

struct str lambda_name(struct str text)
{
    struct str qualifier;
    return split(text, &qualifier);
}

static void fail_unknown(struct aws_request *r, struct str name, struct str qualifier)
{
    const struct ruleset *set = http_set(r->http);

    aws_fail(r, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:%.*s:%.*s:function:%.*s%s%.*s",
             STR_ARG(set->region), STR_ARG(set->account), STR_ARG(name), qualifier.size ? ":" : "", STR_ARG(qualifier));
}

void lambda_fail_unknown(struct aws_request *r, struct str name)
{
    fail_unknown(r, name, STR(""));
}

const struct target_def *lambda_find(struct aws_request *r, struct str text)
{
    struct str qualifier, asked = lambda_text(r, "Qualifier"), name = split(text, &qualifier);
    const struct target_def *def = ruleset_target(http_set(r->http), function_adapter.type, name);

    if (!qualifier.size)
        qualifier = asked;
    bool ours = !str_starts(text, STR("arn:")) || (def && str_starts(text, def->arn));
    if (def && ours && (!qualifier.size || str_is(qualifier, "$LATEST")))
        return def;
    fail_unknown(r, name, qualifier);
    return NULL;
}

const struct target_def *lambda_named(struct aws_request *r)
{
    return lambda_find(r, lambda_text(r, "FunctionName"));
}

struct str lambda_text(struct aws_request *r, const char *member)
{
    struct str raw = json_member(r->input, member);

    return raw.ptr && json_type_of(raw) == JSON_STRING ? json_decode_in(&r->arena, raw) : STR("");
}
