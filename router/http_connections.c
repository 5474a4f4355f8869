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
 *
 * libevent reads 4 KiB a system call, and asks beforehand how much there is. Where such a read came back full, the rest
 * of what waits is read here, in one call, into room for the whole body where its size is known: so a body of a
 * megabyte comes in few calls and lies in one piece when the handler asks for it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "router/http_int.h"
#include "router/tls.h"
#include "router/xalloc.h"

static void output_cb(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *one = context;
    if (info->n_added) {
        one->answered = true;
        one->expected = 0; /* what comes next has a head of its own */
    }
}

/* ---- large bodies ---- */

#define FULL_READ 4096u       /* libevent's EVBUFFER_MAX_READ */
#define ROOM      (64u << 10) /* where the size is not known */
#define ROOM_MAX  (4u << 20)  /* what a client says about its body is not worth more memory than this */

/* What the head at the front of the buffer says: bytes of head and body; 0: nothing that can be read at once. */
static size_t announced(struct evbuffer *input, size_t *body)
{
    static const char name[] = "\r\ncontent-length:";
    struct evbuffer_iovec front;
    char head[FULL_READ + 1];

    if (evbuffer_peek(input, FULL_READ, NULL, &front, 1) < 1)
        return 0;
    size_t size = front.iov_len < FULL_READ ? front.iov_len : FULL_READ;
    memcpy(head, front.iov_base, size);
    head[size] = '\0';
    const char *end = strstr(head, "\r\n\r\n"), *length = strcasestr(head, name);
    if (!end || !length || length > end)
        return 0;
    *body = strtoul(length + sizeof name - 1, NULL, 10);
    return (size_t)(end - head) + 4 + *body;
}

static size_t room_for(struct connection *one, struct evbuffer *input)
{
    size_t have = evbuffer_get_length(input), whole = one->expected;

    if (!whole)
        whole = announced(input, &one->expected);
    if (whole > have && whole - have <= ROOM_MAX)
        return whole - have;
    one->expected = 0;
    return ROOM;
}

/* evhttp has taken the head away between two calls, so what is left of the body is the better guess then. */
static void read_on(struct connection *one, struct evbuffer *input)
{
    struct evbuffer_iovec room;
    size_t want = room_for(one, input);

    if (evbuffer_reserve_space(input, (ev_ssize_t)want, &room, 1) != 1)
        return;
    if (room.iov_len > want)
        room.iov_len = want;
    ssize_t n = recv(bufferevent_getfd(one->stream), room.iov_base, room.iov_len, MSG_DONTWAIT);
    room.iov_len = n > 0 ? (size_t)n : 0; /* the end, or an error: libevent's next read meets it */
    evbuffer_commit_space(input, &room, 1);
    if (one->expected && evbuffer_get_length(input) >= one->expected)
        one->expected = 0;
}

static void input_cb(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *one = context;

    if (info->n_added != FULL_READ || one->reading_on)
        return;
    one->reading_on = true; /* what is added now calls back, too */
    read_on(one, input);
    one->reading_on = false;
}

struct connection *connections_open(struct connections *c, struct router *router, struct event_base *base,
                                    int64_t now_ms)
{
    struct bufferevent *secure = tls_accept(router, base);
    struct bufferevent *stream = secure ? secure : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (!stream)
        xfail("out of memory");
    bufferevent_incref(stream);
    struct connection *one = xalloc(sizeof *one);
    one->stream = stream;
    one->tls = secure != NULL;
    one->quiet_since_ms = now_ms;
    one->watch = evbuffer_add_cb(bufferevent_get_output(stream), output_cb, one);
    one->reads = secure ? NULL : evbuffer_add_cb(bufferevent_get_input(stream), input_cb, one);
    if (!one->watch || (!one->reads && !secure))
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
    if (one->reads)
        evbuffer_remove_cb_entry(bufferevent_get_input(one->stream), one->reads);
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
    if (!one->tls) /* who has not shaken hands cannot be told */
        (void)!send(bufferevent_getfd(one->stream), answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    cut(one);
}

static void cut_if_slow(struct connection *one, int64_t now_ms, const struct http_bounds *bounds)
{
    bool reading = bufferevent_get_enabled(one->stream) & EV_READ;
    bool greeting = one->tls && !tls_is_ready(one->stream);
    int64_t most_ms = (greeting ? bounds->handshake_seconds : bounds->request_seconds) * INT64_C(1000);

    if (one->answered || !reading)
        one->quiet_since_ms = now_ms;
    else if (now_ms - one->quiet_since_ms > most_ms)
        cut(one);
    one->answered = false;
}

void connections_sweep(struct connections *c, int64_t now_ms, const struct http_bounds *bounds)
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
            cut_if_slow(one, now_ms, bounds);
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
