/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions as Lambda's API shows them. What there is no such thing of here (code size, revisions) has a value that
 * clients can read, made of what the function says; that it is weir.yaml's stands in ManagedBy.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "router/api/aws_page.h"
#include "router/api/lambda.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/policy.h"

#define ITEMS_MAX 50 /* of a page: AWS's */

static const struct function_options *options_of(const struct target_def *def)
{
    return def->options;
}

/* ---- one function ---- */

static void write_modified(struct buf *out, int64_t ms)
{
    char text[21];

    time_format_rfc3339(ms, text);
    json_write_key(out, "LastModified");
    buf_printf(out, "\"%.19s.000+0000\"", text);
}

static void write_environment(struct buf *out, const struct function_options *o)
{
    const struct option_header *rows = o->environment.items;

    if (!o->environment.count)
        return;
    json_write_key(out, "Environment");
    buf_text(out, "{\"Variables\":{");
    for (size_t i = 0; i < o->environment.count; i++) {
        json_write_string(out, rows[i].name);
        buf_char(out, ':');
        json_write_string(out, rows[i].secret ? STR("") : rows[i].value);
        buf_text(out, i + 1 < o->environment.count ? "," : "");
    }
    buf_text(out, "}}");
}

static const char *architecture(void)
{
    struct utsname u;
    return uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0 ? "arm64" : "x86_64";
}

/* A revision is a number for what it says: it changes when that does. */
static void write_revision(struct buf *out, const struct target_def *def)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char id[UUID_SIZE + 1];
    const struct function_options *o = options_of(def);
    const struct str *words = o->command.items;
    struct buf all = BUF_INIT;

    buf_printf(&all, "%.*s %" PRId64 " %" PRId64 " %.*s %d", STR_ARG(def->name), o->timeout, o->memory_size,
               STR_ARG(o->handler), o->runtime);
    for (size_t i = 0; i < o->command.count; i++)
        buf_printf(&all, " %.*s", STR_ARG(words[i]));
    xbuf(&all);
    if (EVP_Digest(all.data, all.size, digest, NULL, EVP_sha256(), NULL) != 1)
        xfail("no SHA-256");
    uuid_from_digest(digest, id);
    json_write_member(out, "RevisionId", str_from(id));
    buf_fini(&all);
}

static void write_numbers(struct buf *out, const struct function_options *o)
{
    json_write_key(out, "CodeSize");
    json_write_int(out, 0);
    json_write_key(out, "Timeout");
    json_write_int(out, (o->timeout + 999) / 1000);
    json_write_key(out, "MemorySize");
    json_write_int(out, o->memory_size);
    json_write_key(out, "EphemeralStorage");
    buf_text(out, "{\"Size\":512}");
}

static void write_configuration(struct buf *out, const struct aws_request *r, const struct target_def *def)
{
    const struct function_options *o = options_of(def);

    buf_char(out, '{');
    json_write_member(out, "FunctionName", def->name);
    json_write_member(out, "FunctionArn", def->arn);
    if (o->runtime == FUNCTION_PROVIDED)
        json_write_member(out, "Runtime", STR("provided.al2023"));
    json_write_key(out, "Role");
    buf_printf(out, "\"arn:aws:iam::%.*s:role/weir\"", STR_ARG(http_set(r->http)->account));
    json_write_member(out, "Handler", o->handler);
    json_write_member(out, "Description", o->description);
    json_write_member(out, "CodeSha256", STR(""));
    json_write_member(out, "Version", STR("$LATEST"));
    json_write_member(out, "State", STR("Active"));
    json_write_member(out, "LastUpdateStatus", STR("Successful"));
    json_write_member(out, "PackageType", STR("Zip"));
    json_write_member(out, "ManagedBy", STR("weir.yaml"));
    write_numbers(out, o);
    write_environment(out, o);
    write_modified(out, http_router(r->http)->loaded_ms);
    write_revision(out, def);
    buf_printf(out, ",\"TracingConfig\":{\"Mode\":\"PassThrough\"},\"Architectures\":[\"%s\"]", architecture());
    if (o->async.dead_letter) {
        json_write_key(out, "DeadLetterConfig");
        buf_printf(out, "{\"TargetArn\":\"%.*s\"}", STR_ARG(o->async.dead_letter->arn));
    }
    buf_char(out, '}');
}

static void write_concurrency(struct buf *out, const struct target_def *def)
{
    buf_printf(out, "{\"ReservedConcurrentExecutions\":%" PRId64 "}", def->policy->concurrency);
}

static void finish(struct aws_request *r, struct buf *json)
{
    xbuf(json);
    aws_reply(r, json);
    buf_fini(json);
}

void lambda_get_function_configuration(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    write_configuration(&json, r, def);
    finish(r, &json);
}

void lambda_get_function(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    buf_text(&json, "{\"Configuration\":");
    write_configuration(&json, r, def);
    buf_text(&json, ",\"Code\":{\"RepositoryType\":\"weir.yaml\"},\"Tags\":{},\"Concurrency\":");
    write_concurrency(&json, def);
    buf_char(&json, '}');
    finish(r, &json);
}

void lambda_get_function_concurrency(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    write_concurrency(&json, def);
    finish(r, &json);
}

/* ---- what cannot be changed from here ---- */

void lambda_create_function(struct aws_request *r)
{
    struct str name = lambda_name(lambda_text(r, "FunctionName"));

    if (ruleset_target(http_set(r->http), function_adapter.type, name))
        aws_fail(r, 409, "ResourceConflictException", "Function already exist: %.*s", STR_ARG(name));
    else
        aws_fail(
            r, 403, "AccessDeniedException",
            "Functions are declared in weir.yaml, under functions: a command, or a bootstrap with runtime: provided.");
}

void lambda_refuse_change(struct aws_request *r)
{
    struct str resource = lambda_text(r, "Resource");
    const struct target_def *def = resource.size ? lambda_find(r, resource) : lambda_named(r);

    if (def)
        aws_fail(r, 409, "ResourceConflictException", "Function %.*s is declared in weir.yaml, and is changed there.",
                 STR_ARG(def->name));
}

/* ---- lists ---- */

bool lambda_page(struct aws_request *r, const char *list, int64_t *limit, struct str *after)
{
    struct str marker = lambda_text(r, "Marker"), items = lambda_text(r, "MaxItems");
    char number[24] = "";

    snprintf(number, sizeof number, "%.*s", (int)(items.size < 20 ? items.size : 20), items.size ? items.ptr : "");
    *limit = items.size ? strtoll(number, NULL, 10) : ITEMS_MAX;
    *limit = *limit < 1 || *limit > ITEMS_MAX ? ITEMS_MAX : *limit;
    *after = STR("");
    if (!marker.size || aws_token_read(&r->arena, list, marker, after))
        return true;
    aws_fail(r, 400, "InvalidParameterValueException", "Invalid pagination token");
    return false;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(const struct target_def *const *)a)->name, (*(const struct target_def *const *)b)->name);
}

/* Sorted, in the arena. */
static const struct target_def **all_functions(struct aws_request *r, size_t *count)
{
    const struct ruleset *set = http_set(r->http);
    const struct target_def **list = arena_array(&r->arena, set->target_count + 1, sizeof *list);

    if (!list)
        xfail("out of memory");
    *count = 0;
    for (uint32_t i = 0; i < set->target_count; i++)
        if (set->targets[i]->adapter == &function_adapter)
            list[(*count)++] = set->targets[i];
    qsort(list, *count, sizeof *list, by_name);
    return list;
}

void lambda_list_functions(struct aws_request *r)
{
    size_t count, shown = 0;
    int64_t limit;
    struct str after;
    struct buf json = BUF_INIT;

    if (!lambda_page(r, "ListFunctions", &limit, &after))
        return;
    const struct target_def **list = all_functions(r, &count);
    buf_text(&json, "{\"Functions\":[");
    size_t i = 0;
    while (i < count && str_cmp(list[i]->name, after) <= 0)
        i++;
    for (; i < count && shown < (size_t)limit; i++, shown++) {
        buf_text(&json, shown ? "," : "");
        write_configuration(&json, r, list[i]);
    }
    buf_char(&json, ']');
    if (i < count) {
        json_write_key(&json, "NextMarker");
        aws_token_write(&json, "ListFunctions", list[i - 1]->name);
    }
    buf_char(&json, '}');
    finish(r, &json);
}

void lambda_list_versions_by_function(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    buf_text(&json, "{\"Versions\":[");
    write_configuration(&json, r, def);
    buf_text(&json, "]}");
    finish(r, &json);
}

void lambda_list_aliases(struct aws_request *r)
{
    struct buf json = BUF_INIT;

    if (!lambda_named(r))
        return;
    buf_text(&json, "{\"Aliases\":[]}");
    finish(r, &json);
}

void lambda_list_tags(struct aws_request *r)
{
    struct buf json = BUF_INIT;

    if (!lambda_find(r, lambda_text(r, "Resource")))
        return;
    buf_text(&json, "{\"Tags\":{}}");
    finish(r, &json);
}

void lambda_get_account_settings(struct aws_request *r)
{
    size_t count;
    struct buf json = BUF_INIT;
    int64_t concurrency = 0;
    const struct target_def **list = all_functions(r, &count);

    for (size_t i = 0; i < count; i++)
        concurrency += list[i]->policy->concurrency;
    buf_printf(&json,
               "{\"AccountLimit\":{\"TotalCodeSize\":0,\"CodeSizeUnzipped\":0,\"CodeSizeZipped\":0,"
               "\"ConcurrentExecutions\":%" PRId64 ",\"UnreservedConcurrentExecutions\":0},"
               "\"AccountUsage\":{\"TotalCodeSize\":0,\"FunctionCount\":%zu}}",
               concurrency, count);
    finish(r, &json);
}

/* ---- what is said of asynchronous runs ---- */

static void write_destination(struct buf *out, const char *key, const struct target_def *to)
{
    json_write_key(out, key);
    buf_char(out, '{');
    if (to)
        json_write_member(out, "Destination", to->arn);
    buf_char(out, '}');
}

static void write_event_config(struct buf *out, const struct aws_request *r, const struct target_def *def)
{
    const struct function_options *o = options_of(def);

    buf_char(out, '{');
    json_write_key(out, "LastModified");
    json_write_int(out, http_router(r->http)->loaded_ms / 1000);
    json_write_key(out, "FunctionArn");
    buf_printf(out, "\"%.*s:$LATEST\"", STR_ARG(def->arn));
    json_write_key(out, "MaximumRetryAttempts");
    json_write_int(out, o->async.maximum_retry_attempts);
    json_write_key(out, "MaximumEventAgeInSeconds");
    json_write_int(out, o->async.maximum_event_age / 1000);
    json_write_key(out, "DestinationConfig");
    buf_char(out, '{');
    write_destination(out, "OnSuccess", o->async.on_success);
    write_destination(out, "OnFailure", o->async.on_failure);
    buf_text(out, "}}");
}

void lambda_get_function_event_invoke_config(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    if (!options_of(def)->async_written) {
        aws_fail(r, 404, "ResourceNotFoundException", "The function %.*s:$LATEST doesn't have an EventInvokeConfig",
                 STR_ARG(def->arn));
        return;
    }
    write_event_config(&json, r, def);
    finish(r, &json);
}

void lambda_list_function_event_invoke_configs(struct aws_request *r)
{
    const struct target_def *def = lambda_named(r);
    struct buf json = BUF_INIT;

    if (!def)
        return;
    buf_text(&json, "{\"FunctionEventInvokeConfigs\":[");
    if (options_of(def)->async_written)
        write_event_config(&json, r, def);
    buf_text(&json, "]}");
    finish(r, &json);
}
