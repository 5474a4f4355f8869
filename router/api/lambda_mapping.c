/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event source mappings, shown. One goes by its UUID: the key of its document where the API made it, and for one of the
 * files a number made of its name. Members of the API's own are shown as they were sent (lambda_mapping_change.c).
 */
#include <inttypes.h>
#include <openssl/evp.h>

#include "matcher/pattern_write.h"
#include "router/api/aws_page.h"
#include "router/api/lambda_mapping.h"
#include "router/router.h"
#include "router/xalloc.h"

/* ---- UUIDs ---- */

void lambda_mapping_uuid(const struct event_source_mapping *m, char out[UUID_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (m->made.ptr && m->name.size == UUID_SIZE) {
        memcpy(out, m->name.ptr, UUID_SIZE);
        out[UUID_SIZE] = '\0';
        return;
    }
    if (EVP_Digest(m->name.ptr, m->name.size, digest, NULL, EVP_sha256(), NULL) != 1)
        xfail("no SHA-256");
    uuid_from_digest(digest, out);
}

const struct event_source_mapping *lambda_mapping_find(const struct ruleset *set, struct str uuid)
{
    char own[UUID_SIZE + 1];

    for (uint32_t i = 0; i < set->mapping_count; i++) {
        lambda_mapping_uuid(&set->mappings[i], own);
        if (str_is(uuid, own))
            return &set->mappings[i];
    }
    return NULL;
}

/* ---- shown ---- */

static struct str kept(const struct event_source_mapping *m, const char *member)
{
    struct str aws = m->made.ptr ? json_member(m->made, "x-aws") : (struct str){NULL, 0};
    return aws.ptr ? json_member(aws, member) : (struct str){NULL, 0};
}

void lambda_mapping_write_raw(struct buf *out, const char *member, struct str value)
{
    if (!value.ptr)
        return;
    json_write_key(out, member);
    buf_str(out, value);
}

static void write_file_filters(struct buf *out, const struct event_source_mapping *m)
{
    struct buf pattern = BUF_INIT;

    json_write_key(out, "FilterCriteria");
    buf_text(out, "{\"Filters\":[");
    for (uint32_t i = 0; i < m->pattern_count; i++) {
        buf_clear(&pattern);
        pattern_write(&pattern, m->patterns[i]);
        xbuf(&pattern);
        buf_text(out, i ? ",{" : "{");
        json_write_member(out, "Pattern", buf_view(&pattern));
        buf_char(out, '}');
    }
    buf_text(out, "]}");
    buf_fini(&pattern);
}

static void write_file_parts(struct buf *out, const struct event_source_mapping *m)
{
    if (m->pattern_count)
        write_file_filters(out, m);
    if (m->partial)
        lambda_mapping_write_raw(out, "FunctionResponseTypes", STR("[\"ReportBatchItemFailures\"]"));
    if (m->concurrency) {
        json_write_key(out, "ScalingConfig");
        buf_printf(out, "{\"MaximumConcurrency\":%" PRId64 "}", m->concurrency);
    }
    json_write_member(out, "ManagedBy", STR("weir.yaml"));
}

static void write_ends(struct buf *out, const struct event_source_mapping *m)
{
    struct str source = kept(m, "EventSourceArn"), function = kept(m, "FunctionName");

    if (source.ptr)
        lambda_mapping_write_raw(out, "EventSourceArn", source);
    else if (m->queue)
        json_write_member(out, "EventSourceArn", m->queue->arn);
    if (function.ptr)
        lambda_mapping_write_raw(out, "FunctionArn", function);
    else if (m->function)
        json_write_member(out, "FunctionArn", m->function->arn);
}

void lambda_mapping_write(struct buf *out, const struct aws_request *r, const struct event_source_mapping *m,
                          const char *state)
{
    const struct ruleset *set = http_set(r->http);
    struct str modified = kept(m, "LastModified");
    char uuid[UUID_SIZE + 1];

    lambda_mapping_uuid(m, uuid);
    buf_char(out, '{');
    json_write_member(out, "UUID", str_from(uuid));
    json_write_key(out, "EventSourceMappingArn");
    buf_printf(out, "\"arn:aws:lambda:%.*s:%.*s:event-source-mapping:%s\"", STR_ARG(set->region), STR_ARG(set->account),
               uuid);
    write_ends(out, m);
    json_write_key(out, "BatchSize");
    json_write_int(out, m->batch_size);
    json_write_key(out, "MaximumBatchingWindowInSeconds");
    json_write_int(out, m->window_ms / 1000);
    json_write_key(out, "LastModified");
    if (modified.ptr)
        buf_str(out, modified);
    else
        json_write_int(out, http_router(r->http)->loaded_ms / 1000);
    json_write_member(out, "State", str_from(state ? state : m->enabled ? "Enabled" : "Disabled"));
    json_write_member(out, "StateTransitionReason", STR("USER_INITIATED"));
    if (!m->queue || !m->function)
        json_write_member(out, "LastProcessingResult", STR("PROBLEM: the queue or the function does not exist"));
    if (m->made.ptr) {
        lambda_mapping_write_raw(out, "FilterCriteria", kept(m, "FilterCriteria"));
        lambda_mapping_write_raw(out, "FunctionResponseTypes", kept(m, "FunctionResponseTypes"));
        lambda_mapping_write_raw(out, "ScalingConfig", kept(m, "ScalingConfig"));
    } else {
        write_file_parts(out, m);
    }
    buf_char(out, '}');
    xbuf(out);
}

void lambda_mapping_reply(struct aws_request *r, int status, const struct event_source_mapping *m)
{
    struct buf json = BUF_INIT;

    lambda_mapping_write(&json, r, m, NULL);
    aws_reply_raw(r, status, "application/json", buf_view(&json));
    buf_fini(&json);
}

void lambda_mapping_unknown(struct aws_request *r)
{
    aws_fail(r, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
}

void lambda_get_event_source_mapping(struct aws_request *r)
{
    const struct event_source_mapping *m = lambda_mapping_find(http_set(r->http), lambda_text(r, "UUID"));

    if (m)
        lambda_mapping_reply(r, 200, m);
    else
        lambda_mapping_unknown(r);
}

static bool is_asked_for(struct aws_request *r, const struct event_source_mapping *m)
{
    struct str source = lambda_text(r, "EventSourceArn"), function = lambda_name(lambda_text(r, "FunctionName"));

    return (!source.size || (m->queue && str_eq(m->queue->arn, source))) &&
           (!function.size || (m->function && str_eq(m->function->name, function)));
}

/* In the order of the rule set: the files', then the API's by key. */
void lambda_list_event_source_mappings(struct aws_request *r)
{
    const struct ruleset *set = http_set(r->http);
    struct buf json = BUF_INIT;
    struct str after;
    int64_t limit;
    uint32_t i = 0, shown = 0;

    if (!lambda_page(r, "ListEventSourceMappings", &limit, &after))
        return;
    for (bool found = !after.size; i < set->mapping_count && !found; i++)
        found = str_eq(set->mappings[i].name, after);
    buf_text(&json, "{\"EventSourceMappings\":[");
    for (; i < set->mapping_count && shown < limit; i++) {
        if (!is_asked_for(r, &set->mappings[i]))
            continue;
        buf_text(&json, shown++ ? "," : "");
        lambda_mapping_write(&json, r, &set->mappings[i], NULL);
    }
    buf_char(&json, ']');
    if (i < set->mapping_count) {
        json_write_key(&json, "NextMarker");
        aws_token_write(&json, "ListEventSourceMappings", set->mappings[i - 1].name);
    }
    buf_char(&json, '}');
    xbuf(&json);
    aws_reply(r, &json);
    buf_fini(&json);
}
