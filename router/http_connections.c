/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open connections of an io thread. evhttp counts none and bounds none, and tells nobody when it frees one that
 * never sent a request. So each connection's bufferevent is made here and kept by a second reference: once evhttp has
 * freed its connection, the bufferevent has no callbacks left, and the next sweep lets it go. That an answer was sent
 * shows in the output buffer; a connection that is reading, and got no answer for too long, is trickling and is cut.
 *
 * The socket is the bufferevent's (BEV_OPT_CLOSE_ON_FREE): evhttp only shuts its sending side, and it is closed here,
 * after libevent has forgotten it. Closed earlier, its number could be another connection's by then. It also means that
 * what a refused client was still sending is taken in for a while, so that it gets its answer and no reset.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "router/http_int.h"
#include "router/xalloc.h"

static void output_cb(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *one = context;
    if (info->n_added)
        one->answered = true;
}

struct connection *connections_open(struct connections *c, struct event_base *base, int64_t now_ms)
{
    struct bufferevent *stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (!stream)
        xfail("out of memory");
    bufferevent_incref(stream);
    struct connection *one = xalloc(sizeof *one);
    one->stream = stream;
    one->quiet_since_ms = now_ms;
    one->watch = evbuffer_add_cb(bufferevent_get_output(stream), output_cb, one);
    if (!one->watch)
        xfail("out of memory");
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? c->capacity * 2 : 64;
        c->list = xrealloc(c->list, c->capacity * sizeof *c->list);
    }
    c->list[c->count++] = one;
    return one;
}

static bool is_closed(const struct connection *one)
{
    bufferevent_event_cb on_event;
    bufferevent_getcb(one->stream, NULL, NULL, &on_event, NULL);
    return !on_event;
}

static void forget(struct connection *one)
{
    evbuffer_remove_cb_entry(bufferevent_get_output(one->stream), one->watch);
    bufferevent_decref(one->stream);
    free(one);
}

static void cut(struct connection *one)
{
    shutdown(bufferevent_getfd(one->stream), SHUT_RDWR); /* evhttp sees the end and frees it */
}

static void refuse(struct connection *one)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
                                 "Content-Length: 0\r\n\r\n";
    (void)!send(bufferevent_getfd(one->stream), answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    cut(one);
}

static void cut_if_slow(struct connection *one, int64_t now_ms, int64_t request_ms)
{
    bool reading = bufferevent_get_enabled(one->stream) & EV_READ;

    if (one->answered || !reading)
        one->quiet_since_ms = now_ms;
    else if (now_ms - one->quiet_since_ms > request_ms)
        cut(one);
    one->answered = false;
}

void connections_sweep(struct connections *c, int64_t now_ms, int64_t request_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct connection *one = c->list[i];
        if (is_closed(one)) {
            forget(one);
            continue;
        }
        if (one->unwanted)
            refuse(one);
        else
            cut_if_slow(one, now_ms, request_ms);
        c->list[kept++] = one;
    }
    c->count = kept;
    c->sweep_at = kept + kept / 4 + 1;
}

bool connections_flushed(const struct connections *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (!is_closed(c->list[i]) && evbuffer_get_length(bufferevent_get_output(c->list[i]->stream)))
            return false;
    return true;
}

void connections_fini(struct connections *c)
{
    for (size_t i = 0; i < c->count; i++)
        forget(c->list[i]);
    free(c->list);
    *c = (struct connections){0};
}
