/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting events: one handler for every source. Body to envelopes, envelopes to the journal as one batch, all or
 * nothing; the answer waits until the journal has synced them, so 200 means that they are on disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#include "matcher/json.h"
#include "router/api/api.h"
#include "router/auth.h"
#include "router/limits.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/space.h"
#include "router/sources/source.h"
#include "router/xalloc.h"

#define INFLATE_STEP (64u << 10)

struct ingest {
    struct http_request *request;
    const struct source *source;
    const char *limited;       /* the route whose limits let it in; NULL: none did yet */
    const struct ruleset *set; /* the request's: bus lives in it */
    const struct bus *bus;
    struct buf body; /* unpacked, where it came packed */
    struct buf out;
    struct source_events events;
    struct journal_event *list;
    struct journal_batch batch;
    enum journal_result result;
    struct mail mail;
};

static void release(struct ingest *in)
{
    if (in->limited)
        limits_leave(in->limited);
    buf_fini(&in->body);
    buf_fini(&in->out);
    free(in->events.list);
    free(in->list);
    free(in);
}

/* Counts a refusal by its reason; whoever calls it answers. */
static void refused(const struct ingest *in, const char *reason)
{
    series_add(metric(METRIC_EVENTS_REFUSED, in->source->name, reason), 1);
}

/* ---- the bus ---- */

static bool find_bus(struct ingest *in)
{
    const struct ruleset *set = in->set;
    struct str name = http_path_rest(in->request);

    in->bus = name.size ? ruleset_bus(set, name) : &set->buses[0];
    if (!auth_may_use_bus(in->request, in->bus ? in->bus->name : name)) {
        refused(in, "forbidden");
        http_reply_error(in->request, 403, "token '%.*s' may not use event bus '%.*s'",
                         STR_ARG(auth_holder(in->request)->id), name.size > 200 ? 200 : (int)name.size, name.ptr);
        return false;
    }
    if (in->bus)
        return true;
    const char **names = xarray(set->bus_count, sizeof *names);
    for (uint32_t i = 0; i < set->bus_count; i++)
        names[i] = xtext(set->buses[i].name);
    const char *near = diag_near(name, names, set->bus_count);
    refused(in, "unknown_bus");
    http_reply_error(in->request, 404, "no event bus '%.*s'%s%s%s", name.size > 200 ? 200 : (int)name.size, name.ptr,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    for (uint32_t i = 0; i < set->bus_count; i++)
        free((char *)names[i]);
    free(names);
    return false;
}

/* ---- limits ---- */

static bool let_in(struct ingest *in)
{
    const char *route = http_route_name(in->request);
    struct limits_refusal no;
    char wait[24];

    if (limits_enter(in->set, route, clock_now(&http_router(in->request)->clock).age_ms, &no)) {
        in->limited = route;
        return true;
    }
    refused(in, no.reason);
    snprintf(wait, sizeof wait, "%lld", (long long)no.wait_s);
    http_add_header(in->request, "Retry-After", wait);
    http_reply_error(in->request, 429, "%s", no.message);
    return false;
}

/* ---- gzip ---- */

enum unpacked { UNPACKED, UNPACK_BAD, UNPACK_TOO_LARGE };

static enum unpacked gunzip(struct str packed, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)packed.ptr, .avail_in = (uInt)packed.size};
    int code = Z_OK;

    if (inflateInit2(&z, 15 + 16) != Z_OK)
        xfail("out of memory");
    while (code == Z_OK && out->size <= HTTP_BODY_BYTES_MAX) {
        if (!buf_reserve(out, INFLATE_STEP))
            xfail("out of memory");
        z.next_out = (Bytef *)out->data + out->size;
        z.avail_out = INFLATE_STEP;
        code = inflate(&z, Z_NO_FLUSH);
        out->size += INFLATE_STEP - z.avail_out;
        if (code == Z_STREAM_END && z.avail_in > 0)
            code = inflateReset(&z); /* members one behind the other are one body */
    }
    inflateEnd(&z);
    if (out->size > HTTP_BODY_BYTES_MAX)
        return UNPACK_TOO_LARGE;
    return code == Z_STREAM_END ? UNPACKED : UNPACK_BAD;
}

static bool take_body(struct ingest *in, struct str *body)
{
    const char *encoding = http_header(in->request, "Content-Encoding");

    *body = http_body(in->request);
    if (!encoding || strcasecmp(encoding, "identity") == 0)
        return true;
    if (strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "x-gzip") != 0) {
        refused(in, "bad_encoding");
        http_reply_error(in->request, 415, "Content-Encoding '%.100s' is not taken; gzip is", encoding);
        return false;
    }
    switch (gunzip(*body, &in->body)) {
    case UNPACKED: *body = buf_view(&in->body); return true;
    case UNPACK_BAD:
        refused(in, "bad_encoding");
        http_reply_error(in->request, 400, "the body is not gzip, damaged, or cut short");
        return false;
    case UNPACK_TOO_LARGE:
        refused(in, "too_large");
        http_reply_error(in->request, 413, "the body unpacks to more than %d bytes (HTTP_BODY_BYTES_MAX)",
                         HTTP_BODY_BYTES_MAX);
    }
    return false;
}

/* ---- parsing ---- */

/* {"message":"line 3: missing 'source'","line":3} */
static void answer_fault(struct ingest *in, const struct diags *diags, const char *unit, bool forbidden)
{
    const struct weir_diag *fault = diags->count ? &diags->list[0] : NULL;
    struct buf message = BUF_INIT, json = BUF_INIT;

    refused(in, forbidden ? "forbidden" : "invalid");
    if (fault && fault->line)
        buf_printf(&message, "%s %d: ", unit, fault->line);
    if (fault && fault->column && strcmp(unit, "line") == 0)
        buf_printf(&message, "column %d: ", fault->column);
    buf_text(&message, fault ? fault->message : "cannot be read as events");
    buf_char(&json, '{');
    json_write_member(&json, "message", buf_view(&message));
    if (fault && fault->line) {
        json_write_key(&json, "line");
        json_write_int(&json, fault->line);
    }
    buf_char(&json, '}');
    http_reply_json(in->request, forbidden ? 403 : 400, &json);
    buf_fini(&json);
    buf_fini(&message);
}

static const char *header_of(void *request, const char *name)
{
    return http_header(request, name);
}

static void each_header_of(void *request, void (*each)(void *context, const char *name, const char *value),
                           void *context)
{
    http_each_header(request, each, context);
}

static bool may_send(void *request, struct str source)
{
    return auth_may_send(request, source);
}

static bool parse(struct ingest *in, struct str body)
{
    const char *content_type = http_header(in->request, "Content-Type");
    struct router *router = http_router(in->request);
    struct arena arena = ARENA_INIT;
    struct diags diags;

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    struct source_context context = {
        .set = in->set,
        .bus = in->bus->name,
        .now = clock_now(&router->clock),
        .arena = &arena,
        .diags = &diags,
        .out = &in->out,
        .unit = "line",
        .request = in->request,
        .may_send = http_set(in->request)->access ? may_send : NULL,
        .header = header_of,
        .each_header = each_header_of,
    };
    in->source = source_for(&context, http_route_name(in->request), content_type);
    bool ok = in->source->parse(&context, body, content_type, &in->events);
    if (!ok && (diags.out_of_memory || arena.failed))
        xfail("out of memory");
    if (!ok)
        answer_fault(in, &diags, context.unit, context.forbidden);
    else
        limits_charge(in->set, http_route_name(in->request), context.now.age_ms, in->events.count);
    diags_fini(&diags);
    arena_fini(&arena);
    return ok;
}

/* ---- the journal ---- */

static void answer_accepted(struct ingest *in)
{
    struct buf json = BUF_INIT;
    struct str labels[] = {in->bus->name, str_from(in->source->name)};

    series_add(metric_str(METRIC_EVENTS_ACCEPTED, labels), (int64_t)in->events.count);
    buf_printf(&json, "{\"accepted\":%zu}", in->events.count);
    http_reply_json(in->request, 200, &json);
    buf_fini(&json);
    release(in);
}

static void answer_unavailable(struct ingest *in, const char *reason, const char *message)
{
    refused(in, reason);
    http_reply_error(in->request, 503, "%s", message);
    release(in);
}

static void journaled_mail(struct mail *m)
{
    struct ingest *in = (struct ingest *)((char *)m - offsetof(struct ingest, mail));

    switch (in->result) {
    case JOURNAL_SYNCED: answer_accepted(in); break;
    case JOURNAL_NO_SPACE:
        answer_unavailable(in, "no_space", "no space left for the journal; nothing was taken");
        break;
    case JOURNAL_FAILED:
        answer_unavailable(in, "failed", "the journal has failed; the router must be restarted");
        break;
    }
}

static void journaled(struct journal_batch *b, enum journal_result result) /* journal thread */
{
    struct ingest *in = (struct ingest *)((char *)b - offsetof(struct ingest, batch));

    in->result = result;
    mailbox_post(http_mailbox(in->request), &in->mail);
}

static void submit(struct ingest *in)
{
    struct journal *journal = http_router(in->request)->journal;
    struct space_refusal no;

    if (!space_take(http_router(in->request)->space, in->events.count, in->out.size, &no)) {
        answer_unavailable(in, no.reason, no.message);
        return;
    }
    in->list = xarray(in->events.count, sizeof *in->list);
    for (size_t i = 0; i < in->events.count; i++) {
        const struct source_span *span = &in->events.list[i];
        in->list[i] = (struct journal_event){in->bus->name, {in->out.data + span->offset, span->size}, span->flags};
    }
    in->batch = (struct journal_batch){.events = in->list, .count = (uint32_t)in->events.count, .done = journaled};
    in->mail.deliver = journaled_mail;
    buf_fini(&in->body);
    http_drop_body(in->request);
    if (journal_submit(journal, &in->batch))
        return;
    if (journal_failed(journal))
        answer_unavailable(in, "failed", "the journal has failed; the router must be restarted");
    else
        answer_unavailable(in, "full", "the journal is behind: too much waits to be written");
}

void ingest_events(struct http_request *r)
{
    struct router *router = http_router(r);
    struct ingest *in = xalloc(sizeof *in);
    struct str body;

    in->request = r;
    in->set = http_set(r);
    in->source = source_find(str_from(http_route_name(r)));
    if (!router->ready || router->draining)
        answer_unavailable(in, "draining", router->draining ? "the router is stopping" : "the router is starting");
    else if (!find_bus(in) || !let_in(in) || !take_body(in, &body) || !parse(in, body))
        release(in);
    else if (in->events.count == 0)
        answer_accepted(in);
    else
        submit(in);
}
