/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An http target posts each event to a URL (http_client.h does the talking). 2xx is done. 408, 429, 5xx and everything
 * that happens to connections is tried again, not before the Retry-After the server gave. The rest is the answer of
 * somebody who will not take this: a permanent failure. With `batch` a request carries many deliveries (batch.h), and a
 * 2xx answer may name those that failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "targets/batch.h"
#include "targets/fail.h"
#include "targets/http_client.h"
#include "targets/http_text.h"
#include "targets/policy.h"

enum method { METHOD_POST, METHOD_PUT, METHOD_PATCH };
static const char *const methods[] = {"POST", "PUT", "PATCH", NULL};
static const int again[] = {408, 429, 0};

struct http_options {
    struct str url;
    int method;
    int64_t timeout, connect_timeout; /* ms */
    struct option_list headers;       /* of struct option_header */
    struct batch_options batch;
};

struct http_target {
    struct target target;   /* first */
    struct batcher batcher; /* where the target has a batch */
    struct http_client client;
    TAILQ_HEAD(, transfer)
    transfers;
};

struct transfer {
    struct http_call call; /* first */
    TAILQ_ENTRY(transfer) link;
    struct http_target *http;
    struct delivery *delivery; /* or … */
    struct batch *batch;       /* … the other is NULL */
    struct buf body;           /* a batch's */
    struct buf whole_answer;   /* to a batch */
};

static const struct http_options *options_of(const struct http_target *h)
{
    return h->target.def->options;
}

/* ---- the end of a transfer ---- */

static void transfer_free(struct transfer *t)
{
    TAILQ_REMOVE(&t->http->transfers, t, link);
    http_call_fini(&t->call);
    buf_fini(&t->body);
    buf_fini(&t->whole_answer);
    free(t);
}

static void transfer_done(struct http_call *call)
{
    struct transfer *t = (struct transfer *)call;
    struct host *host = t->http->target.host;
    struct verdict v;

    http_call_judge(call, again, true, &v);
    if (!t->batch)
        host->complete(host, t->delivery, &v);
    else if (v.kind == VERDICT_SETTLED)
        batch_settle(t->batch, buf_view(&t->whole_answer), call->status == 207);
    else
        batch_complete(t->batch, &v);
    transfer_free(t);
}

/* ---- the start of a transfer ---- */

static bool is_configured(const struct http_options *o, const char *name)
{
    const struct option_header *own = o->headers.items;

    for (size_t i = 0; i < o->headers.count; i++)
        if (strcasecmp(own[i].name.ptr, name) == 0)
            return true;
    return false;
}

/* A header of ours; one of the same name in the configuration takes its place. */
static bool add_ours(struct transfer *t, const char *name, struct str value)
{
    return is_configured(options_of(t->http), name) || http_call_header(&t->call, name, value);
}

static bool add_headers_of_one(struct transfer *t)
{
    const struct delivery *d = t->delivery;
    char attempt[16];
    bool typed = false;

    snprintf(attempt, sizeof attempt, "%" PRIu32, d->attempts + 1);
    for (const struct delivery_header *h = d->headers; h && h->name; h++) {
        typed |= strcasecmp(h->name, "Content-Type") == 0;
        if (!add_ours(t, h->name, h->value))
            return false;
    }
    return (typed || add_ours(t, "Content-Type", STR("application/json"))) &&
           add_ours(t, "Weir-Event-Id", d->event_id) && add_ours(t, "Weir-Attempt", str_from(attempt)) &&
           add_ours(t, "Idempotency-Key", d->idempotency_key);
}

static bool add_headers_of_batch(struct transfer *t)
{
    char count[24];

    snprintf(count, sizeof count, "%zu", t->batch->count);
    return add_ours(t, "Content-Type", str_from(batch_content_type(t->batch))) &&
           add_ours(t, "Weir-Batch-Size", str_from(count));
}

static bool add_headers(struct transfer *t)
{
    const struct option_header *own = options_of(t->http)->headers.items;
    bool ok = t->batch ? add_headers_of_batch(t) : add_headers_of_one(t);

    for (size_t i = 0; ok && i < options_of(t->http)->headers.count; i++)
        ok = http_call_header(&t->call, own[i].name.ptr, own[i].value);
    return ok;
}

static bool set_up(struct transfer *t)
{
    const struct http_options *o = options_of(t->http);
    struct http_request_line line = {.url = o->url.ptr,
                                     .method = methods[o->method],
                                     .user_agent = "weir/" WEIR_VERSION,
                                     .timeout = o->timeout,
                                     .connect_timeout = o->connect_timeout};

    if (t->batch)
        batch_write(t->batch, &t->body);
    line.body = t->batch ? buf_view(&t->body) : t->delivery->input;
    return !t->body.failed && add_headers(t) && http_call_start(&t->http->client, &t->call, &line);
}

/* One of the two. False: out of memory. */
static bool start(struct http_target *h, struct delivery *d, struct batch *b)
{
    struct transfer *t = calloc(1, sizeof *t);

    if (!t)
        return false;
    *t = (struct transfer){.http = h, .delivery = d, .batch = b, .whole_answer.max = b ? batch_answer_bytes(b) : 0};
    t->call.done = transfer_done;
    t->call.whole_answer = b ? &t->whole_answer : NULL;
    http_call_init(&t->call);
    TAILQ_INSERT_TAIL(&h->transfers, t, link);
    if (set_up(t))
        return true;
    transfer_free(t);
    return false;
}

static void start_batch(void *context, struct batch *b)
{
    struct verdict v = {.retry_after_ms = -1};

    if (start(context, NULL, b))
        return;
    verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
    batch_complete(b, &v);
}

static void http_send(struct target *target, struct delivery *d)
{
    struct http_target *h = (struct http_target *)target;
    struct verdict v = {.retry_after_ms = -1};

    if (options_of(h)->batch.written) {
        batcher_add(&h->batcher, d);
    } else if (!start(h, d, NULL)) {
        verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
        target->host->complete(target->host, d, &v);
    }
}

static void http_flush_sends(struct target *target)
{
    struct http_target *h = (struct http_target *)target;

    if (options_of(h)->batch.written)
        batcher_flush(&h->batcher);
}

/* ---- life cycle ---- */

static void http_close(struct target *target)
{
    struct http_target *h = (struct http_target *)target;
    struct transfer *t;

    while ((t = TAILQ_FIRST(&h->transfers)))
        transfer_free(t);
    http_client_fini(&h->client);
    batcher_fini(&h->batcher);
    free(h);
}

static bool http_check(const struct target_def *def, struct diags *diags)
{
    const struct http_options *o = def->options;
    const struct option_header *own = o->headers.items;
    bool ok = true;

    for (size_t i = 0; i < o->headers.count; i++)
        if (http_is_framing(own[i].name.ptr))
            ok = diag_error(diags, def->pos, "header '%s' of target '%.*s' cannot be set", own[i].name.ptr,
                            STR_ARG(def->name));
    return ok;
}

static struct target *http_open(const struct target_def *def, struct host *host, const char *data_dir,
                                struct weir_diag *diag)
{
    const struct http_options *o = def->options;
    struct http_target *h = calloc(1, sizeof *h);

    if (!h) {
        fail_memory(diag);
        return NULL;
    }
    h->target = (struct target){.ops = def->adapter, .def = def, .host = host, .gathers = batch_gathers(&o->batch)};
    TAILQ_INIT(&h->transfers);
    bool ok = batcher_init(&h->batcher, host, &o->batch, (uint32_t)def->policy->concurrency, start_batch, h);
    if (!ok || !http_client_init(&h->client, host, (long)def->policy->concurrency)) {
        fail_memory(diag);
        http_close(&h->target);
        return NULL;
    }
    return &h->target;
}

BATCH_MEMBERS(batch_members, struct http_options);

static const struct option http_options[] = {
    {.key = "url",
     .type = OPTION_URL,
     .offset = offsetof(struct http_options, url),
     .required = true,
     .meaning = "where events are sent, http:// or https://; redirects are not followed"},
    {.key = "method",
     .type = OPTION_ENUM,
     .offset = offsetof(struct http_options, method),
     .value = "POST",
     .names = methods,
     .meaning = "the request's method"},
    {.key = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct http_options, timeout),
     .value = "5s",
     .min = 100,
     .max = 300000,
     .meaning = "from the start of a request to the end of its answer"},
    {.key = "connect_timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct http_options, connect_timeout),
     .value = "3s",
     .min = 10,
     .max = 300000,
     .meaning = "for the connection alone"},
    {.key = "headers",
     .type = OPTION_HEADERS,
     .offset = offsetof(struct http_options, headers),
     .meaning = "further headers; a value is a text or {env: NAME}"},
    BATCH_OPTION(batch_members, struct http_options),
    {0},
};

const struct adapter http_adapter = {
    .type = "http",
    .summary = "posts each event to a URL: 2xx is done; 408, 429, 5xx and connection errors are tried again",
    .arn_format = "arn:weir:http:{region}:{account}:{name}",
    .options = http_options,
    .options_size = sizeof(struct http_options),
    .concurrency = "16",
    .concurrency_max = 1000,
    .check = http_check,
    .open = http_open,
    .close = http_close,
    .send = http_send,
    .flush_sends = http_flush_sends,
};
