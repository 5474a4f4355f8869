/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event source mappings made, changed and deleted by the API. One that is made is an entry of weir.yaml's section like
 * any other; under "x-aws" its document keeps the members as they were sent, of which an update changes some.
 *
 *     key UUID: {"event_source":ARN,"function":ARN,"batch_size":10,…,"x-aws":{"EventSourceArn":…,"BatchSize":10,…}}
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/api/aws_change.h"
#include "router/api/lambda_mapping.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "targets/function.h"
#include "targets/queue.h"

#define SECTION "event_source_mappings"

struct members {
    struct str function, source; /* ARNs, once they are checked */
    bool enabled;
    int64_t batch_size, window_s;
    struct str filters, types, scaling; /* as sent; {NULL,0}: none */
};

static struct aws_regex source_regex = AWS_REGEX("arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{"
                                                 "1})?:(\\d{12})?:(.*)");
static const struct aws_member rows[] = {
    AWS_MEMBER(struct members, "FunctionName", AWS_STRING, function, .min = 1, .max = 140),
    AWS_MEMBER(struct members, "EventSourceArn", AWS_STRING, source, .regex = &source_regex),
    AWS_MEMBER(struct members, "Enabled", AWS_BOOLEAN, enabled),
    AWS_MEMBER(struct members, "BatchSize", AWS_INTEGER, batch_size, .min = 1, .max = 10000),
    AWS_MEMBER(struct members, "MaximumBatchingWindowInSeconds", AWS_INTEGER, window_s, .min = 0, .max = 300),
    AWS_MEMBER(struct members, "FilterCriteria", AWS_STRUCTURE, filters),
    AWS_MEMBER(struct members, "FunctionResponseTypes", AWS_LIST, types, .element = AWS_STRING, .max = 1),
    AWS_MEMBER(struct members, "ScalingConfig", AWS_STRUCTURE, scaling),
    {0},
};

/* ---- checked ---- */

static bool check_filter(struct aws_request *r, struct str filter)
{
    struct str text = json_type_of(filter) == JSON_OBJECT ? json_member(filter, "Pattern") : (struct str){NULL, 0};
    struct weir_diag diag;

    if (text.ptr && json_type_of(text) == JSON_STRING) {
        struct str pattern = json_decode_in(&r->arena, text);
        if (pattern_parse_json(&r->arena, pattern, &diag))
            return true;
    }
    aws_fail(r, 400, "InvalidParameterValueException", "Invalid filter pattern definition.");
    return false;
}

static bool check_filters(struct aws_request *r, struct str criteria)
{
    struct str list = criteria.ptr ? json_member(criteria, "Filters") : (struct str){NULL, 0}, filter;
    struct aws_list filters;

    if (!list.ptr || json_type_of(list) != JSON_ARRAY)
        return true;
    aws_list_start(&filters, list);
    while (aws_list_next(&filters, &filter))
        if (!check_filter(r, filter))
            return false;
    return true;
}

static bool check_types(struct aws_request *r, struct str types)
{
    struct aws_list list;
    struct str one;

    if (!types.ptr)
        return true;
    aws_list_start(&list, types);
    while (aws_list_next(&list, &one))
        if (!str_is(one, "\"ReportBatchItemFailures\""))
            aws_fault(
                r, "", "FunctionResponseTypes", types,
                "Member must satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures]]");
    return aws_valid(r);
}

static int64_t concurrency_of(const struct members *m)
{
    struct str number = m->scaling.ptr ? json_member(m->scaling, "MaximumConcurrency") : (struct str){NULL, 0};
    char digits[12];

    snprintf(digits, sizeof digits, "%.*s", (int)(number.size < 11 ? number.size : 11), number.size ? number.ptr : "");
    return strtol(digits, NULL, 10);
}

/* What the members say together, in AWS's words. */
static const char *fault_of(const struct members *m, bool fifo)
{
    int64_t concurrency = concurrency_of(m);

    if (fifo && m->window_s)
        return "Batching window is not supported for FIFO queues.";
    if (fifo && m->batch_size > 10)
        return "BatchSize must be less than or equal to 10 for FIFO queues.";
    if (m->batch_size > 10 && !m->window_s)
        return "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    if (concurrency && (concurrency < 2 || concurrency > 1000))
        return "MaximumConcurrency must be between 2 and 1000.";
    return NULL;
}

static bool check(struct aws_request *r, const struct members *m)
{
    const char *fault = fault_of(m, queue_is_fifo(m->source));

    if (!check_filters(r, m->filters) || !check_types(r, m->types))
        return false;
    if (fault)
        aws_fail(r, 400, "InvalidParameterValueException", "%s", fault);
    return !fault;
}

static const struct target_def *queue_of(const struct ruleset *set, struct str arn)
{
    for (uint32_t i = 0; i < set->target_count; i++)
        if (set->targets[i]->adapter == &queue_adapter && str_eq(set->targets[i]->arn, arn))
            return set->targets[i];
    return NULL;
}

/* ---- the document ---- */

static void write_filters(struct buf *out, struct arena *arena, struct str criteria)
{
    struct str list = json_member(criteria, "Filters"), filter;
    struct aws_list filters;
    const char *comma = "";

    if (!list.ptr || json_type_of(list) != JSON_ARRAY)
        return;
    json_write_key(out, "filter_criteria");
    buf_text(out, "{\"filters\":[");
    aws_list_start(&filters, list);
    while (aws_list_next(&filters, &filter)) {
        buf_printf(out, "%s{\"pattern\":", comma);
        buf_str(out, json_decode_in(arena, json_member(filter, "Pattern")));
        buf_char(out, '}');
        comma = ",";
    }
    buf_text(out, "]}");
}

static void write_aws(struct buf *out, const struct members *m, int64_t wall_ms)
{
    json_write_key(out, "x-aws");
    buf_char(out, '{');
    json_write_member(out, "EventSourceArn", m->source);
    json_write_member(out, "FunctionName", m->function);
    json_write_key(out, "BatchSize");
    json_write_int(out, m->batch_size);
    json_write_key(out, "MaximumBatchingWindowInSeconds");
    json_write_int(out, m->window_s);
    json_write_key(out, "Enabled");
    buf_text(out, m->enabled ? "true" : "false");
    lambda_mapping_write_raw(out, "FilterCriteria", m->filters);
    lambda_mapping_write_raw(out, "FunctionResponseTypes", m->types);
    lambda_mapping_write_raw(out, "ScalingConfig", m->scaling);
    json_write_key(out, "LastModified");
    json_write_int(out, wall_ms / 1000);
    buf_char(out, '}');
}

static void write_document(struct buf *out, struct arena *arena, const struct members *m, int64_t wall_ms)
{
    buf_char(out, '{');
    json_write_member(out, "event_source", m->source);
    json_write_member(out, "function", m->function);
    json_write_key(out, "batch_size");
    json_write_int(out, m->batch_size);
    buf_printf(out, ",\"maximum_batching_window\":\"%" PRId64 "s\",\"enabled\":%s", m->window_s,
               m->enabled ? "true" : "false");
    lambda_mapping_write_raw(out, "function_response_types", m->types);
    if (concurrency_of(m))
        buf_printf(out, ",\"scaling_config\":{\"maximum_concurrency\":%" PRId64 "}", concurrency_of(m));
    if (m->filters.ptr)
        write_filters(out, arena, m->filters);
    write_aws(out, m, wall_ms);
    buf_char(out, '}');
    xbuf(out);
}

/* ---- changes ---- */

struct change {
    struct aws_change change; /* first */
    struct members members;   /* of a new one */
    struct str uuid;
    struct str shown; /* of one that is deleted */
};

static void put(struct change *c, struct resources *resources, const struct members *m)
{
    struct aws_request *r = c->change.request;
    struct buf document = BUF_INIT;

    write_document(&document, &r->arena, m, clock_now(&http_router(r->http)->clock).wall_ms);
    resources_put(resources, SECTION, c->uuid, buf_view(&document));
    buf_fini(&document);
}

static void answer(struct aws_change *change)
{
    struct change *c = (struct change *)change;
    struct aws_request *r = change->request;
    struct ruleset *set = router_set(http_router(r->http)); /* the present one: it has the mapping */
    const struct event_source_mapping *m = lambda_mapping_find(set, c->uuid);

    if (m)
        lambda_mapping_reply(r, 202, m);
    else
        lambda_mapping_unknown(r); /* somebody has deleted it since */
    ruleset_unref(set);
}

struct twin {
    const struct members *wanted;
    struct str uuid; /* out */
};

static bool is_twin(void *context, struct str key, struct str document)
{
    struct twin *t = context;
    struct buf source = BUF_INIT, function = BUF_INIT;

    json_decode(&source, json_member(document, "event_source"));
    json_decode(&function, json_member(document, "function"));
    if (str_eq(buf_view(&source), t->wanted->source) && str_eq(buf_view(&function), t->wanted->function))
        t->uuid = key;
    buf_fini(&source);
    buf_fini(&function);
    return !t->uuid.ptr;
}

/* Of the API's, or of the files'. */
static struct str find_twin(struct change *c, struct resources *resources)
{
    const struct ruleset *set = resources_set(resources);
    struct twin twin = {.wanted = &c->members};
    char uuid[UUID_SIZE + 1];

    resources_each(resources, SECTION, STR(""), is_twin, &twin);
    for (uint32_t i = 0; !twin.uuid.ptr && i < set->mapping_count; i++) {
        const struct event_source_mapping *m = &set->mappings[i];
        if (m->made.ptr || !m->queue || !m->function || !str_eq(m->queue->arn, c->members.source) ||
            !str_eq(m->function->arn, c->members.function))
            continue;
        lambda_mapping_uuid(m, uuid);
        twin.uuid = arena_str(&c->change.request->arena, str_from(uuid));
    }
    return twin.uuid;
}

static bool create_edit(struct aws_change *change, struct resources *resources)
{
    struct change *c = (struct change *)change;
    struct str twin = find_twin(c, resources);

    if (twin.ptr)
        return aws_refuse(change, 409, "ResourceConflictException",
                          "An event source mapping with SQS arn (\" %.*s \") and function (\" %.*s \") already exists. "
                          "Please update or delete the existing mapping with UUID %.*s",
                          STR_ARG(c->members.source), STR_ARG(lambda_name(c->members.function)), STR_ARG(twin));
    put(c, resources, &c->members);
    return true;
}

/* Messages that come again while they are still being worked on would be worked on twice. */
static bool check_visibility(struct aws_request *r, const struct target_def *queue, const struct target_def *function)
{
    int64_t visible_ms = ((const struct queue_options *)queue->options)->visibility_timeout;
    int64_t timeout_ms = ((const struct function_options *)function->options)->timeout;

    if (visible_ms >= timeout_ms)
        return true;
    aws_fail(r, 400, "InvalidParameterValueException",
             "Queue visibility timeout: %" PRId64 " seconds is less than Function timeout: %" PRId64 " seconds",
             visible_ms / 1000, (timeout_ms + 999) / 1000);
    return false;
}

/* The ends as ARNs of what is there. */
static bool resolve(struct aws_request *r, struct members *m)
{
    const struct target_def *function = lambda_find(r, m->function);

    if (!function)
        return false;
    m->function = function->arn;
    const struct target_def *queue = queue_of(http_set(r->http), m->source);
    if (queue)
        return check_visibility(r, queue, function);
    aws_fail(r, 400, "InvalidParameterValueException",
             "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error "
             "Message: The specified queue does not exist for this wsdl version.");
    return false;
}

void lambda_create_event_source_mapping(struct aws_request *r)
{
    struct change *c = aws_change_new(r, sizeof *c, create_edit, answer);
    char uuid[UUID_SIZE + 1];

    c->members = (struct members){.enabled = true, .batch_size = 10};
    if (!aws_read(r, r->input, "", rows, &c->members))
        return;
    if (!c->members.function.ptr)
        aws_fault(r, "", "FunctionName", (struct str){NULL, 0}, "Member must not be null");
    if (!aws_valid(r))
        return;
    if (!c->members.source.ptr) {
        aws_fail(r, 400, "InvalidParameterValueException",
                 "Unrecognized event source, must be kinesis, dynamodb stream, sqs "
                 "or kafka. Unsupported source arn : null");
        return;
    }
    if (!resolve(r, &c->members) || !check(r, &c->members))
        return;
    if (!uuid_random(uuid))
        xfail("the kernel gives no random bytes");
    c->uuid = arena_str(&r->arena, str_from(uuid));
    aws_change_start(&c->change);
}

/* The document of one that may be changed; {NULL,0}: refused. */
static struct str changeable(struct change *c, struct resources *resources)
{
    struct str document = resources_get(resources, SECTION, c->uuid);

    if (document.ptr)
        return document;
    if (lambda_mapping_find(resources_set(resources), c->uuid))
        aws_refuse(&c->change, 409, "ResourceConflictException",
                   "The event source mapping is declared in weir.yaml, and is changed there.");
    else
        aws_refuse(&c->change, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
    return document;
}

static bool update_edit(struct aws_change *change, struct resources *resources)
{
    struct change *c = (struct change *)change;
    struct aws_request *r = change->request;
    struct str document = changeable(c, resources), function = c->members.function;
    struct members m = {0};

    if (!document.ptr)
        return false;
    aws_read(r, json_member(document, "x-aws"), "", rows, &m); /* our own words: they can be read */
    aws_read(r, r->input, "", rows, &m);
    if (function.ptr)
        m.function = function;
    const char *fault = fault_of(&m, queue_is_fifo(m.source));
    if (fault)
        return aws_refuse(change, 400, "InvalidParameterValueException", "%s", fault);
    put(c, resources, &m);
    return true;
}

void lambda_update_event_source_mapping(struct aws_request *r)
{
    struct change *c = aws_change_new(r, sizeof *c, update_edit, answer);

    c->members = (struct members){.batch_size = 1};
    c->uuid = lambda_text(r, "UUID");
    if (!aws_read(r, r->input, "", rows, &c->members) || !aws_valid(r) || !check_filters(r, c->members.filters) ||
        !check_types(r, c->members.types))
        return;
    if (c->members.function.ptr) {
        const struct event_source_mapping *present = lambda_mapping_find(http_set(r->http), c->uuid);
        const struct target_def *function = lambda_find(r, c->members.function);
        if (!function || (present && present->queue && !check_visibility(r, present->queue, function)))
            return;
        c->members.function = function->arn;
    }
    aws_change_start(&c->change);
}

static bool delete_edit(struct aws_change *change, struct resources *resources)
{
    struct change *c = (struct change *)change;

    if (!changeable(c, resources).ptr)
        return false;
    resources_delete(resources, SECTION, c->uuid);
    return true;
}

static void deleted(struct aws_change *change)
{
    struct change *c = (struct change *)change;

    if (c->shown.size)
        aws_reply_raw(change->request, 202, "application/json", c->shown);
    else
        lambda_mapping_unknown(change->request);
}

void lambda_delete_event_source_mapping(struct aws_request *r)
{
    struct change *c = aws_change_new(r, sizeof *c, delete_edit, deleted);

    c->uuid = lambda_text(r, "UUID");
    const struct event_source_mapping *m = lambda_mapping_find(http_set(r->http), c->uuid);
    if (m) {
        struct buf json = BUF_INIT;
        lambda_mapping_write(&json, r, m, "Deleting");
        c->shown = aws_keep(&r->arena, &json);
    }
    aws_change_start(&c->change);
}
