/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PutEvents: up to ten entries, each of which succeeds or fails on its own; the good ones go to the journal as one
 * batch, and the answer waits until they are synced.
 *
 *     request -> constraints, total size (whole request) -> checks of each entry, in AWS's order -> envelope -> journal
 *
 * An entry for an event bus that does not exist succeeds and goes nowhere, as at AWS; it is counted and logged. Sources
 * that begin with "aws." are AWS's own and refused there; here only on a bus with `strict: aws`, since people want to
 * put events as S3 or CloudTrail would.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/api/aws_auth.h"
#include "router/api/events.h"
#include "router/api/events_quota.h"
#include "router/log.h"
#include "router/limits.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/space.h"
#include "router/sources/envelope.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define SOURCE  "aws" /* in metrics */
#define NO_TIME INT64_MIN

#define RESOURCE_LENGTH_MAX 2048

struct entry {
    int64_t time_ms;
    struct str source, detail_type, detail, bus_name, trace_header;
    struct str resources; /* a JSON array of strings */
};

struct result {
    char id[UUID_SIZE + 1];
    const char *error; /* ErrorCode, or NULL */
    const char *reason;
    const struct bus *bus; /* NULL: nothing was put */
};

struct put {
    struct aws_request *request;
    const struct ruleset *set;
    struct weir_time now;
    bool limited; /* let in by the limits: they are to be told when it is answered */
    struct entry entries[PUT_EVENTS_ENTRIES_MAX];
    struct result results[PUT_EVENTS_ENTRIES_MAX];
    unsigned count;
    struct buf out; /* envelopes */
    struct source_events events;
    struct journal_event list[PUT_EVENTS_ENTRIES_MAX];
    struct journal_batch batch;
    enum journal_result result;
    struct mail mail;
};

static struct aws_regex bus_regex =
    AWS_REGEX("(arn:aws[\\w-]*:events:[a-z]+-[a-z]+-[\\w-]+:[0-9]{12}:event-bus\\/)?[\\.\\-_A-Za-z0-9]+");
static struct aws_regex endpoint_regex = AWS_REGEX("^[A-Za-z0-9\\-]+[\\.][A-Za-z0-9\\-]+$");

struct input {
    struct str entries, endpoint;
};

static const struct aws_member input_members[] = {
    AWS_MEMBER(struct input, "Entries", AWS_LIST, entries, .required = true, .min = 1, .max = PUT_EVENTS_ENTRIES_MAX,
               .element = AWS_STRUCTURE, .shape = "PutEventsRequestEntry"),
    AWS_MEMBER(struct input, "EndpointId", AWS_STRING, endpoint, .min = 1, .max = 50, .regex = &endpoint_regex),
    {0},
};

static const struct aws_member entry_members[] = {
    AWS_MEMBER(struct entry, "Time", AWS_TIMESTAMP, time_ms),
    AWS_MEMBER(struct entry, "Source", AWS_STRING, source),
    AWS_MEMBER(struct entry, "Resources", AWS_LIST, resources, .element = AWS_STRING),
    AWS_MEMBER(struct entry, "DetailType", AWS_STRING, detail_type),
    AWS_MEMBER(struct entry, "Detail", AWS_STRING, detail),
    AWS_MEMBER(struct entry, "EventBusName", AWS_STRING, bus_name, .min = 1, .max = 1600, .regex = &bus_regex),
    AWS_MEMBER(struct entry, "TraceHeader", AWS_STRING, trace_header, .min = 1, .max = 500),
    {0},
};

static void release(struct put *put)
{
    if (put->limited)
        limits_leave(SOURCE);
    buf_fini(&put->out);
    free(put->events.list);
    free(put);
}

static void refused(const char *reason, int64_t count)
{
    series_add(metric(METRIC_EVENTS_REFUSED, SOURCE, reason), count);
}

/* ---- reading ---- */

static size_t resource_size(struct aws_request *r, struct str raw)
{
    return memchr(raw.ptr, '\\', raw.size) ? json_decode_in(&r->arena, raw).size : raw.size - 2;
}

/* The size of an entry, as AWS documents it: in bytes of UTF-8. */
static size_t entry_size(struct aws_request *r, const struct entry *e)
{
    size_t size = (e->time_ms == NO_TIME ? 0 : 14) + e->source.size + e->detail_type.size + e->detail.size;
    struct aws_list list;
    struct str one;

    if (e->resources.ptr)
        for (aws_list_start(&list, e->resources); aws_list_next(&list, &one);)
            size += resource_size(r, one);
    return size;
}

static const struct bus *bus_of(const struct put *put, const struct entry *e)
{
    return e->bus_name.ptr ? ruleset_bus(put->set, e->bus_name) : &put->set->buses[0];
}

/* All entries count together; one for a bus with `strict: aws` holds the whole request to its bound. */
static bool is_too_large(const struct put *put)
{
    size_t size = 0;
    bool over = false;

    for (unsigned i = 0; i < put->count; i++)
        size += entry_size(put->request, &put->entries[i]);
    for (unsigned i = 0; i < put->count; i++)
        over |= events_quota_exceeded(put->set, bus_of(put, &put->entries[i]), EVENTS_QUOTA_PUT_BYTES, (int64_t)size);
    return over || size > PUT_EVENTS_BYTES_MAX;
}

/* A list of texts as AWS shows it: [a, b]. False: each of them is short enough. */
static bool show_resources(struct aws_request *r, struct str resources, struct buf *out)
{
    struct aws_list list;
    struct str one;
    bool over = false;

    for (aws_list_start(&list, resources); aws_list_next(&list, &one);) {
        struct str text = json_decode_in(&r->arena, one);
        buf_printf(out, "%s%.*s", list.index == 1 ? "[" : ", ", STR_ARG(text));
        over |= aws_length(text) > RESOURCE_LENGTH_MAX;
    }
    buf_char(out, ']');
    xbuf(out);
    return over;
}

/* Of a list's elements AWS names the constraint, and not which one broke it. */
static void check_resources(struct aws_request *r, const char *path, const struct entry *e)
{
    struct buf shown = BUF_INIT;

    if (e->resources.size > RESOURCE_LENGTH_MAX && show_resources(r, e->resources, &shown))
        aws_fault(r, path, "Resources", buf_view(&shown),
                  "Member must satisfy constraint: [Member must have length less than or equal to %d]",
                  RESOURCE_LENGTH_MAX);
    buf_fini(&shown);
}

/* False: the request is answered. */
static bool read_entries(struct put *put)
{
    struct aws_request *r = put->request;
    struct input in = {0};
    struct aws_list list;
    struct str one;
    char path[40];

    if (!aws_read(r, r->input, "", input_members, &in) || !aws_valid(r))
        return false;
    for (aws_list_start(&list, in.entries); aws_list_next(&list, &one); put->count++) {
        struct entry *e = &put->entries[put->count];
        snprintf(path, sizeof path, "entries.%u.member.", list.index);
        e->time_ms = NO_TIME;
        if (!aws_read(r, one, path, entry_members, e))
            return false;
        check_resources(r, path, e);
    }
    if (!aws_valid(r))
        return false;
    if (!is_too_large(put))
        return true;
    aws_fail(r, 400, "ValidationException", "Total size of the entries in the request is over the limit.");
    return false;
}

/* ---- one entry ---- */

static bool fail_entry(struct result *result, const char *error, const char *reason)
{
    result->error = error;
    result->reason = reason;
    result->bus = NULL;
    refused("invalid", 1);
    return false;
}

/* What the check of a detail has found out. */
struct detail {
    bool repeated_keys, compact;
};

/* The detail is one level deep in its envelope, which must not be deeper than any event. */
static bool check_detail(struct str detail, struct detail *out)
{
    struct json_parts parts;
    struct weir_diag diag;

    if (!json_check_parts(detail, &parts, &diag)) {
        if (diag.code == WEIR_E_MEMORY)
            xfail("out of memory");
        return false;
    }
    *out = (struct detail){parts.info.repeated_keys, parts.compact};
    return parts.info.type == JSON_OBJECT && parts.info.depth < LIMIT_JSON_DEPTH;
}

static struct str trim(struct str json)
{
    while (json.size && strchr(" \t\r\n", json.ptr[0]))
        json = (struct str){json.ptr + 1, json.size - 1};
    while (json.size && strchr(" \t\r\n", json.ptr[json.size - 1]))
        json.size--;
    return json;
}

static void add_envelope(struct put *put, const struct entry *e, const char *id, const struct detail *detail)
{
    struct diags diags = {0}; /* what an envelope can be refused for was checked before */
    struct source_context context = {
        .set = put->set,
        .now = put->now,
        .arena = &put->request->arena,
        .diags = &diags,
        .out = &put->out,
    };
    struct body_record record = {.repeated_keys = detail->repeated_keys};
    char time[21];
    struct envelope envelope = {
        .id = envelope_quote(&context, str_from(id)),
        .source = envelope_quote(&context, e->source),
        .detail_type = envelope_quote(&context, e->detail_type),
        .resources = e->resources,
        .detail = trim(e->detail),
        .compact = detail->compact && !e->resources.ptr,
    };

    if (e->time_ms != NO_TIME) {
        time_format_rfc3339(e->time_ms, time);
        envelope.time = envelope_quote(&context, str_from(time));
    }
    if (put->request->arena.failed || !envelope_add(&context, &envelope, &record, &put->events))
        xfail("out of memory");
}

/* In the order in which AWS looks. */
static bool check_entry(const struct entry *e, struct result *result, struct detail *detail)
{
    if (!e->source.size)
        return fail_entry(result, "InvalidArgument",
                          "Parameter Source is not valid. Reason: Source is a required argument.");
    if (!e->detail_type.size)
        return fail_entry(result, "InvalidArgument",
                          "Parameter DetailType is not valid. Reason: DetailType is a required argument.");
    if (!e->detail.size)
        return fail_entry(result, "InvalidArgument",
                          "Parameter Detail is not valid. Reason: Detail is a required argument.");
    if (!check_detail(e->detail, detail))
        return fail_entry(result, "MalformedDetail", "Detail is malformed.");
    if (result->bus && result->bus->strict_aws && str_starts(e->source, STR("aws.")))
        return fail_entry(result, "NotAuthorizedForSourceException", "Not authorized for the source.");
    return true;
}

static void put_entry(struct put *put, const struct entry *e, struct result *result)
{
    struct detail detail = {0};
    const char *refusal, *reason;

    result->bus = bus_of(put, e);
    if (!check_entry(e, result, &detail))
        return;
    refusal = aws_refuse_entry(put->request, result->bus ? result->bus->name : e->bus_name, e->source, &reason);
    if (refusal) {
        fail_entry(result, refusal, reason);
        return;
    }
    if (!uuid_random(result->id))
        xfail("the kernel gives no random bytes");
    if (result->bus) {
        add_envelope(put, e, result->id, &detail);
        return;
    }
    log_warn("an event was put on an event bus that does not exist, and goes nowhere", LOG_STR("bus", e->bus_name));
    refused("unknown_bus", 1);
}

/* ---- answers ---- */

static void answer(struct put *put)
{
    struct buf json = BUF_INIT;
    int64_t failed = 0;

    for (unsigned i = 0; i < put->count; i++)
        failed += put->results[i].error != NULL;
    buf_char(&json, '{');
    json_write_key(&json, "FailedEntryCount");
    json_write_int(&json, failed);
    json_write_key(&json, "Entries");
    buf_char(&json, '[');
    for (unsigned i = 0; i < put->count; i++) {
        const struct result *one = &put->results[i];
        buf_text(&json, i ? ",{" : "{");
        if (one->error) {
            json_write_member(&json, "ErrorCode", str_from(one->error));
            json_write_member(&json, "ErrorMessage", str_from(one->reason));
        } else {
            json_write_member(&json, "EventId", str_from(one->id));
        }
        buf_char(&json, '}');
    }
    buf_text(&json, "]}");
    aws_reply(put->request, &json);
    buf_fini(&json);
    release(put);
}

static void answer_accepted(struct put *put)
{
    const struct bus *bus = NULL;
    int64_t count = 0;

    for (unsigned i = 0; i <= put->count; i++) { /* entries are mostly for one bus: its series is looked up once */
        const struct bus *next = i < put->count ? put->results[i].bus : NULL;
        if (next != bus && count) {
            series_add(metric_str(METRIC_EVENTS_ACCEPTED, (struct str[]){bus->name, str_from(SOURCE)}), count);
            count = 0;
        }
        bus = next;
        count += bus != NULL;
    }
    answer(put);
}

static void answer_unavailable(struct put *put, const char *reason, const char *message)
{
    refused(reason, put->batch.count);
    aws_fail(put->request, 503, "ServiceUnavailable", "%s", message);
    release(put);
}

/* ---- the journal ---- */

static void journaled_mail(struct mail *m)
{
    struct put *put = (struct put *)((char *)m - offsetof(struct put, mail));

    switch (put->result) {
    case JOURNAL_SYNCED: answer_accepted(put); break;
    case JOURNAL_NO_SPACE:
        answer_unavailable(put, "no_space", "no space left for the journal; nothing was taken");
        break;
    case JOURNAL_FAILED:
        answer_unavailable(put, "failed", "the journal has failed; the router must be restarted");
        break;
    }
}

static void journaled(struct journal_batch *b, enum journal_result result) /* journal thread */
{
    struct put *put = (struct put *)((char *)b - offsetof(struct put, batch));

    put->result = result;
    mailbox_post(http_mailbox(put->request->http), &put->mail);
}

static void submit(struct put *put)
{
    struct journal *journal = http_router(put->request->http)->journal;
    const struct source_span *span = put->events.list;
    struct space_refusal no;

    if (!space_take(http_router(put->request->http)->space, put->events.count, put->out.size, &no)) {
        put->batch.count = (uint32_t)put->events.count;
        answer_unavailable(put, no.reason, no.message);
        return;
    }
    for (unsigned i = 0; i < put->count; i++)
        if (put->results[i].bus) {
            put->list[put->batch.count++] = (struct journal_event){
                put->results[i].bus->name, {put->out.data + span->offset, span->size}, span->flags};
            span++;
        }
    assert(put->batch.count == put->events.count);
    put->batch.events = put->list;
    put->batch.done = journaled;
    put->mail.deliver = journaled_mail;
    if (journal_submit(journal, &put->batch))
        return;
    if (journal_failed(journal))
        answer_unavailable(put, "failed", "the journal has failed; the router must be restarted");
    else
        answer_unavailable(put, "full", "the journal is behind: too much waits to be written");
}

static bool let_in(struct put *put)
{
    struct limits_refusal no;

    put->limited = limits_enter(put->set, SOURCE, put->now.age_ms, &no);
    if (put->limited)
        return true;
    refused(no.reason, 1);
    aws_fail(put->request, 400, "ThrottlingException", "Rate exceeded");
    release(put);
    return false;
}

void events_put_events(struct aws_request *r)
{
    struct put *put = xalloc(sizeof *put);

    put->request = r;
    put->set = http_set(r->http);
    put->now = clock_now(&http_router(r->http)->clock);
    if (!let_in(put))
        return;
    if (!read_entries(put)) {
        refused("invalid", 1);
        release(put);
        return;
    }
    for (unsigned i = 0; i < put->count; i++)
        put_entry(put, &put->entries[i], &put->results[i]);
    limits_charge(put->set, SOURCE, put->now.age_ms, put->events.count);
    if (put->events.count)
        submit(put);
    else
        answer(put);
}
