/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP on the dispatch loop, see http_client.h. A client is one multi of libcurl with its sockets and its timer; calls
 * are easy handles in it. Lack of memory is the one failure that ends more than one call: a multi that ran out of it
 * keeps sockets half noted, on which it later divides by zero (7.88), so it is dropped, all its calls end, and the next
 * call makes another one.
 *
 * Judging an answer is left to the adapter, with the part that all of them share at the end of this file.
 */
#include "targets/http_client.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define RETRY_AFTER_MAX_MS 86400000

struct http_socket { /* one of the multi's */
    TAILQ_ENTRY(http_socket) link;
    struct event *event;
};

/* ---- the end of a call ---- */

/* Out of the multi; the call keeps its results. */
static void detach(struct http_call *call)
{
    if (call->client)
        TAILQ_REMOVE(&call->client->calls, call, link);
    if (call->curl) {
        if (call->client)
            curl_multi_remove_handle(call->client->multi, call->curl);
        curl_easy_cleanup(call->curl);
    }
    call->curl = NULL;
    call->client = NULL;
}

/* libcurl understands seconds and dates, but not "never again". */
static void read_retry_after(struct http_call *call)
{
    struct curl_header *header;
    curl_off_t after = 0;

    if (curl_easy_header(call->curl, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    call->has_retry_after = true;
    if (strtol(header->value, NULL, 10) < 0)
        call->retry_after_ms = -1;
    else if (curl_easy_getinfo(call->curl, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
        call->retry_after_ms = after > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (int64_t)after * 1000;
    else
        call->has_retry_after = false;
}

static void finish(struct http_call *call, CURLcode result)
{
    long status = 0;

    if (result == CURLE_OK) {
        curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
        call->failure = HTTP_ANSWERED;
        call->status = (int)status;
        read_retry_after(call);
    } else {
        call->failure = result == CURLE_OPERATION_TIMEDOUT ? HTTP_TIMED_OUT : HTTP_BROKEN;
        if (!*call->message)
            snprintf(call->message, sizeof call->message, "%s", curl_easy_strerror(result));
    }
    detach(call);
    call->done(call);
}

static void reap_finished(struct http_client *c)
{
    CURLMsg *message;
    int left;

    while (c->multi && (message = curl_multi_info_read(c->multi, &left))) {
        struct http_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, message->data.result); /* message is gone with it */
    }
}

/* ---- libcurl on libevent ---- */

/* This one and socket_cb must not fail: to libcurl that is the end of the multi and of all that is in it. */
static int timer_cb(CURLM *multi, long ms, void *context)
{
    struct http_client *c = context;
    struct timeval after = {ms / 1000, ms % 1000 * 1000};

    if (ms < 0)
        event_del(c->timer);
    else if (event_add(c->timer, &after) != 0)
        event_active(c->timer, EV_TIMEOUT, 0); /* no memory to wait with: look at once, and be asked again */
    return 0;
}

static void unwatch(struct http_client *c, struct http_socket *s)
{
    event_free(s->event);
    TAILQ_REMOVE(&c->sockets, s, link);
    free(s);
}

/* All that is in it goes to `ended`, in order. */
static void drop_multi(struct http_client *c, struct http_calls *ended)
{
    struct http_call *call;
    struct http_socket *s;

    TAILQ_INIT(ended);
    while ((call = TAILQ_FIRST(&c->calls))) {
        detach(call);
        TAILQ_INSERT_TAIL(ended, call, link);
    }
    if (c->multi)
        curl_multi_cleanup(c->multi); /* may still call socket_cb and timer_cb */
    c->multi = NULL;
    while ((s = TAILQ_FIRST(&c->sockets)))
        unwatch(c, s);
    if (c->timer)
        event_del(c->timer);
}

/* What is in flight is tried later, with another multi. */
static void give_up(struct http_client *c)
{
    struct http_calls ended;
    struct http_call *call;

    drop_multi(c, &ended);
    while ((call = TAILQ_FIRST(&ended))) {
        TAILQ_REMOVE(&ended, call, link);
        call->failure = HTTP_OUT_OF_MEMORY;
        call->done(call);
    }
}

static void drive(struct http_client *c, curl_socket_t fd, int flags)
{
    int running;
    CURLMcode result = curl_multi_socket_action(c->multi, fd, flags, &running);

    reap_finished(c);
    if (result != CURLM_OK)
        give_up(c);
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
    struct http_client *c = context;
    struct http_socket *s = socket_context;
    short events = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    if (s) { /* libevent has no change of an event: made anew */
        unwatch(c, s);
        curl_multi_assign(c->multi, fd, NULL);
    }
    if (what == CURL_POLL_REMOVE)
        return 0;
    s = calloc(1, sizeof *s);
    if (!s || !(s->event = event_new(c->host->base, fd, events, ready_cb, c))) {
        free(s);
        return 0; /* out of memory, so the call hears nothing, times out and is tried again */
    }
    TAILQ_INSERT_TAIL(&c->sockets, s, link);
    event_add(s->event, NULL);
    curl_multi_assign(c->multi, fd, s);
    return 0;
}

static bool make_multi(struct http_client *c)
{
    c->multi = curl_multi_init();
    if (!c->multi)
        return false;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, c->connections);
    return true;
}

bool http_client_init(struct http_client *c, struct host *host, long connections)
{
    *c = (struct http_client){.host = host, .connections = connections};
    TAILQ_INIT(&c->calls);
    TAILQ_INIT(&c->sockets);
    c->timer = event_new(host->base, -1, 0, due_cb, c);
    return c->timer && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && make_multi(c);
}

void http_client_fini(struct http_client *c)
{
    struct http_calls forgotten;

    if (!c->host)
        return;
    drop_multi(c, &forgotten);
    if (c->timer)
        event_free(c->timer);
}

/* ---- the start of a call ---- */

void http_call_init(struct http_call *call)
{
    *call = (struct http_call){.done = call->done, .whole_answer = call->whole_answer};
}

/* The beginning of the answer, as one line of plain characters; the rest is read and dropped. */
static size_t answer_cb(char *bytes, size_t size, size_t count, void *context)
{
    struct http_call *call = context;

    for (size_t i = 0; i < size * count && call->answer_size < HTTP_ANSWER_BYTES; i++)
        call->answer[call->answer_size++] = bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : ' ';
    if (call->whole_answer)
        buf_add(call->whole_answer, bytes, size * count);
    return size * count;
}

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

bool http_call_header(struct http_call *call, const char *name, struct str value)
{
    struct buf line = BUF_INIT;

    buf_printf(&line, value.size ? "%s: " : "%s;", name); /* ';': a header without a value */
    add_value(&line, value);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(call->headers, buf_cstr(&line));
    buf_fini(&line);
    if (more)
        call->headers = more;
    return more != NULL;
}

static void set_body(CURL *curl, const struct http_request_line *line)
{
    if (line->bodiless && strcasecmp(line->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (!line->bodiless) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)line->body.size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, line->body.size ? line->body.ptr : "");
    }
}

static bool set_up(struct http_call *call, const struct http_request_line *line)
{
    CURL *c = call->curl = curl_easy_init();

    /* Without a value it is left out: no waiting for a 100. */
    if (!c || !curl_slist_append(call->headers, "Expect:"))
        return false;
    curl_easy_setopt(c, CURLOPT_PRIVATE, call);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, call->message);
    if (curl_easy_setopt(c, CURLOPT_URL, line->url) != CURLE_OK ||
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK)
        return false;
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, line->user_agent);
    set_body(c, line);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, line->method);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)line->timeout);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)line->connect_timeout);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, answer_cb);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, call);
    return true;
}

bool http_call_start(struct http_client *c, struct http_call *call, const struct http_request_line *line)
{
    if ((c->multi || make_multi(c)) && set_up(call, line) && curl_multi_add_handle(c->multi, call->curl) == CURLM_OK) {
        call->client = c;
        TAILQ_INSERT_TAIL(&c->calls, call, link);
        return true;
    }
    detach(call);
    return false;
}

void http_call_fini(struct http_call *call)
{
    detach(call);
    curl_slist_free_all(call->headers);
    call->headers = NULL;
}

/* ---- what adapters share in judging ---- */

static bool is_again(int status, const int *again)
{
    for (; *again; again++)
        if (status == *again)
            return true;
    return status / 100 == 5;
}

static void judge_status(const struct http_call *call, const int *again, bool show_answer, struct verdict *v)
{
    int status = call->status;
    const char *answer = show_answer ? call->answer : "", *colon = *answer ? ": " : "";
    char code[32];

    snprintf(code, sizeof code, "HTTP_%d", status);
    if (status / 100 == 2) {
        verdict_set(v, VERDICT_SETTLED, "", "%s", "");
    } else if (is_again(status, again)) {
        verdict_set(v, VERDICT_RETRY, status == 429 ? "THROTTLING" : code, "answered %d%s%s", status, colon, answer);
        if (call->has_retry_after)
            v->retry_after_ms = call->retry_after_ms;
    } else if (status / 100 == 3) {
        verdict_set(v, VERDICT_FAILED, code, "answered %d; redirects are not followed", status);
    } else {
        verdict_set(v, VERDICT_FAILED, code, "answered %d%s%s", status, colon, answer);
    }
}

void http_call_judge(const struct http_call *call, const int *again, bool show_answer, struct verdict *v)
{
    *v = (struct verdict){.retry_after_ms = -1};
    switch (call->failure) {
    case HTTP_ANSWERED: judge_status(call, again, show_answer, v); break;
    case HTTP_TIMED_OUT: verdict_set(v, VERDICT_RETRY, "TIMEOUT", "%s", call->message); break;
    case HTTP_BROKEN: verdict_set(v, VERDICT_RETRY, "CONNECTION_ERROR", "%s", call->message); break;
    case HTTP_OUT_OF_MEMORY: verdict_set(v, VERDICT_RETRY, "THROTTLING", "out of memory"); break;
    }
}
