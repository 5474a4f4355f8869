/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An http target posts each event to a URL. libcurl's multi interface runs on the dispatch loop: it says which sockets
 * and which time-out it waits for, libevent tells it when they are due, and it keeps connections open between requests.
 *
 *   send ─► easy handle into the multi ─► socket_cb, timer_cb register ─► ready_cb, due_cb drive ─► verdicts
 *
 * 2xx is done. 408, 429, 5xx and everything that happens to connections is tried again, not before the Retry-After the
 * server gave. The rest is the answer of somebody who will not take this: a permanent failure; redirects too, since
 * following one would hand the headers (secrets among them) to whoever it names. Proxies of the environment are not
 * used. With `batch` a request carries many deliveries (batch.h), and a 2xx answer may name those that failed.
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>

#include "targets/batch.h"
#include "targets/fail.h"
#include "targets/policy.h"

#define ANSWER_BYTES       160 /* of an answer's body, for the message */
#define RETRY_AFTER_MAX_MS 86400000

enum method { METHOD_POST, METHOD_PUT, METHOD_PATCH };
static const char *const methods[] = {"POST", "PUT", "PATCH", NULL};

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
    CURLM *multi;           /* NULL: it ran out of memory and was dropped */
    struct event *timer;
    TAILQ_HEAD(, transfer)
    transfers;
    TAILQ_HEAD(, watched)
    sockets;
};

struct transfer {
    TAILQ_ENTRY(transfer) link;
    struct http_target *http;
    struct delivery *delivery; /* or … */
    struct batch *batch;       /* … the other is NULL */
    struct buf body;           /* a batch's */
    struct buf whole_answer;   /* to a batch */
    CURL *curl;
    struct curl_slist *headers;
    char answer[ANSWER_BYTES + 1];
    size_t answer_size;
    char error[CURL_ERROR_SIZE]; /* libcurl's words; "" when it has none */
};

struct watched { /* a socket of the multi's */
    TAILQ_ENTRY(watched) link;
    struct event *event;
};

static const struct http_options *options_of(const struct http_target *h)
{
    return h->target.def->options;
}

/* ---- the end of a transfer ---- */

static void transfer_free(struct transfer *t)
{
    TAILQ_REMOVE(&t->http->transfers, t, link);
    if (t->curl) {
        curl_multi_remove_handle(t->http->multi, t->curl);
        curl_easy_cleanup(t->curl);
    }
    curl_slist_free_all(t->headers);
    buf_fini(&t->body);
    buf_fini(&t->whole_answer);
    free(t);
}

static void judge_status(const struct transfer *t, long status, struct verdict *v)
{
    char code[32];
    curl_off_t after = 0;
    const char *colon = t->answer_size ? ": " : "";

    snprintf(code, sizeof code, "HTTP_%ld", status);
    if (status / 100 == 2) {
        verdict_set(v, VERDICT_SETTLED, "", "%s", "");
    } else if (status == 408 || status == 429 || status / 100 == 5) {
        verdict_set(v, VERDICT_RETRY, status == 429 ? "THROTTLING" : code, "answered %ld%s%s", status, colon,
                    t->answer);
        if (curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
            v->retry_after_ms = after > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int64_t)after * 1000;
    } else if (status / 100 == 3) {
        verdict_set(v, VERDICT_FAILED, code, "answered %ld; redirects are not followed", status);
    } else {
        verdict_set(v, VERDICT_FAILED, code, "answered %ld%s%s", status, colon, t->answer);
    }
}

static void judge(const struct transfer *t, CURLcode result, struct verdict *v)
{
    long status = 0;

    v->retry_after_ms = -1;
    if (result == CURLE_OK) {
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        judge_status(t, status, v);
    } else {
        verdict_set(v, VERDICT_RETRY, result == CURLE_OPERATION_TIMEDOUT ? "TIMEOUT" : "CONNECTION_ERROR", "%s",
                    *t->error ? t->error : curl_easy_strerror(result));
    }
}

static void complete(struct transfer *t, const struct verdict *v)
{
    struct host *host = t->http->target.host;
    long status = 0;

    if (!t->batch) {
        host->complete(host, t->delivery, v);
    } else if (v->kind == VERDICT_SETTLED) {
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
        batch_settle(t->batch, buf_view(&t->whole_answer), status == 207);
    } else {
        batch_complete(t->batch, v);
    }
}

static void reap_finished(struct http_target *h)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(h->multi, &left))) {
        struct transfer *t = NULL;
        struct verdict v = {0};
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        judge(t, message->data.result, &v);
        complete(t, &v);
        transfer_free(t); /* message is gone with it */
    }
}

/* ---- libcurl on libevent ---- */

/* This one and socket_cb must not fail: to libcurl that is the end of the multi and of all that is in it. */
static int timer_cb(CURLM *multi, long ms, void *context)
{
    struct http_target *h = context;
    struct timeval after = {ms / 1000, ms % 1000 * 1000};

    if (ms < 0)
        event_del(h->timer);
    else if (event_add(h->timer, &after) != 0)
        event_active(h->timer, EV_TIMEOUT, 0); /* no memory to wait with: look at once, and be asked again */
    return 0;
}

static void unwatch(struct http_target *h, struct watched *w)
{
    event_free(w->event);
    TAILQ_REMOVE(&h->sockets, w, link);
    free(w);
}

/* With all that is in it. */
static void drop_multi(struct http_target *h)
{
    struct transfer *t;
    struct watched *w;

    while ((t = TAILQ_FIRST(&h->transfers)))
        transfer_free(t);
    if (h->multi)
        curl_multi_cleanup(h->multi); /* may still call socket_cb and timer_cb */
    h->multi = NULL;
    while ((w = TAILQ_FIRST(&h->sockets)))
        unwatch(h, w);
    if (h->timer)
        event_del(h->timer);
}

/* A multi that ran out of memory keeps sockets half noted, on which it later divides by zero (7.88): what is in flight
 * is tried later, with another one. */
static void give_up(struct http_target *h)
{
    struct transfer *t;
    struct verdict v = {.retry_after_ms = -1};

    verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
    for (t = TAILQ_FIRST(&h->transfers); t; t = TAILQ_NEXT(t, link))
        complete(t, &v);
    drop_multi(h);
}

static void drive(struct http_target *h, curl_socket_t fd, int flags)
{
    int running;
    CURLMcode result = curl_multi_socket_action(h->multi, fd, flags, &running);

    reap_finished(h);
    if (result != CURLM_OK)
        give_up(h);
}

static void ready_cb(evutil_socket_t fd, short what, void *context)
{
    drive(context, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void due_cb(evutil_socket_t fd, short what, void *context)
{
    drive(context, CURL_SOCKET_TIMEOUT, 0);
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct http_target *h = context;
    struct watched *w = socket_context;
    short events = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    if (w) { /* libevent has no change of an event: made anew */
        unwatch(h, w);
        curl_multi_assign(h->multi, fd, NULL);
    }
    if (what == CURL_POLL_REMOVE)
        return 0;
    w = calloc(1, sizeof *w);
    if (!w || !(w->event = event_new(h->target.host->base, fd, events, ready_cb, h))) {
        free(w);
        return 0; /* out of memory, so the transfer hears nothing, times out and is tried again */
    }
    TAILQ_INSERT_TAIL(&h->sockets, w, link);
    event_add(w->event, NULL);
    curl_multi_assign(h->multi, fd, w);
    return 0;
}

static bool make_multi(struct http_target *h)
{
    h->multi = curl_multi_init();
    if (!h->multi)
        return false;
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->target.def->policy->concurrency);
    return true;
}

/* ---- the start of a transfer ---- */

/* The beginning of the answer, as one line of plain characters; the rest is read and dropped. */
static size_t answer_cb(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;

    for (size_t i = 0; i < size * count && t->answer_size < ANSWER_BYTES; i++)
        t->answer[t->answer_size++] = bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : ' ';
    if (t->batch)
        buf_add(&t->whole_answer, bytes, size * count);
    return size * count;
}

/* Values come from events too: what could end the line or begin another header is percent-encoded. */
static void add_value(struct buf *line, struct str value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            buf_printf(line, "%%%02X", c);
        else
            buf_char(line, (char)c);
    }
}

static bool add_header(struct transfer *t, const char *name, struct str value)
{
    struct buf line = BUF_INIT;

    buf_printf(&line, value.size ? "%s: " : "%s;", name); /* ';': a header without a value */
    add_value(&line, value);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(t->headers, buf_cstr(&line));
    buf_fini(&line);
    if (more)
        t->headers = more;
    return more != NULL;
}

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
    return is_configured(options_of(t->http), name) || add_header(t, name, value);
}

static bool add_headers_of_one(struct transfer *t)
{
    const struct delivery *d = t->delivery;
    char attempt[16];

    snprintf(attempt, sizeof attempt, "%" PRIu32, d->attempts + 1);
    return add_ours(t, "Content-Type", STR("application/json")) && add_ours(t, "Weir-Event-Id", d->event_id) &&
           add_ours(t, "Weir-Attempt", str_from(attempt)) && add_ours(t, "Idempotency-Key", d->idempotency_key);
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
        ok = add_header(t, own[i].name.ptr, own[i].value);
    return ok && curl_slist_append(t->headers, "Expect:"); /* without a value it is left out: no waiting for a 100 */
}

static bool write_body(struct transfer *t, struct str *out)
{
    if (t->batch)
        batch_write(t->batch, &t->body);
    *out = t->batch ? buf_view(&t->body) : t->delivery->input;
    return !t->body.failed;
}

static bool set_up(struct transfer *t)
{
    const struct http_options *o = options_of(t->http);
    CURL *c = t->curl = curl_easy_init();
    struct str body;

    if (!c || !add_headers(t) || !write_body(t, &body))
        return false;
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
    if (curl_easy_setopt(c, CURLOPT_URL, o->url.ptr) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
        return false;
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.size ? body.ptr : "");
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, methods[o->method]);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)o->timeout);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, answer_cb);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    return curl_multi_add_handle(t->http->multi, c) == CURLM_OK;
}

/* One of the two. False: out of memory. */
static bool start(struct http_target *h, struct delivery *d, struct batch *b)
{
    struct transfer *t = h->multi || make_multi(h) ? calloc(1, sizeof *t) : NULL;

    if (!t)
        return false;
    *t = (struct transfer){.http = h, .delivery = d, .batch = b, .whole_answer.max = b ? batch_answer_bytes(b) : 0};
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

    drop_multi(h);
    batcher_fini(&h->batcher);
    if (h->timer)
        event_free(h->timer);
    free(h);
}

/* Names of what only libcurl can say rightly: they part one request from the next. */
static bool http_check(const struct target_def *def, struct diags *diags)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding"};
    bool ok = true;

    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (is_configured(def->options, framing[i]))
            ok = diag_error(diags, def->pos, "header '%s' of target '%.*s' cannot be set", framing[i],
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
    TAILQ_INIT(&h->sockets);
    h->timer = event_new(host->base, -1, 0, due_cb, h);
    bool ok =
        h->timer && batcher_init(&h->batcher, host, &o->batch, (uint32_t)def->policy->concurrency, start_batch, h);
    if (!ok || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !make_multi(h)) {
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
