/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_HTTP_INT_H
#define ROUTER_HTTP_INT_H

/* Private to http*.c: the io threads, their connections, and how a request is taken and answered. */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>

#include "router/http.h"

#define HTTP_STOP_SECONDS 30 /* http_stop() waits so long for requests under way (a long poll takes 20 s) */

/* Bounds of a server to be started; tests shorten them before http_start(). */
struct http_bounds {
    int idle_seconds, request_seconds, handshake_seconds;
    size_t connections_max;
};
extern struct http_bounds http_bounds;

/* ---- http_connections.c: the open connections of a thread ---- */

struct connection {
    struct bufferevent *stream; /* a reference of our own: evhttp gives no word when it frees a connection */
    struct evbuffer_cb_entry *watch, *reads;
    size_t expected;        /* bytes of the body that is coming in; 0: none that is known */
    int64_t quiet_since_ms; /* of the last answer, or of accept */
    bool answered;          /* since the last sweep */
    bool reading_on;        /* within input_cb() */
    bool unwanted;          /* one too many: to be cut */
    bool tls;
};

struct connections {
    struct connection **list;
    size_t count, capacity;
    size_t sweep_at; /* with so many, closed ones are looked for: a fixed share of accepts pays for it */
};

/* Of this router, since it may speak TLS. */
struct connection *connections_open(struct connections *c, struct router *router, struct event_base *base,
                                    int64_t now_ms);
/* Forgets closed ones; cuts unwanted ones and those that took too long over one request, or to shake hands. */
void connections_sweep(struct connections *c, int64_t now_ms, const struct http_bounds *bounds);
bool connections_flushed(const struct connections *c); /* no answer waits to be sent */
void connections_fini(struct connections *c);

/* ---- http.c: threads ---- */

struct http_thread {
    struct http_server *server;
    pthread_t id;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener;
    struct mailbox *mailbox;
    struct event *tick; /* each second; while stopping more often */
    struct connections connections;
    size_t counted;     /* connections, as last told to the metric */
    size_t under_way;   /* requests that a handler has and has not answered */
    bool paused;        /* not accepting: too many connections, or no descriptors */
    bool closing;       /* not accepting any more */
    int64_t stop_at_ms; /* 0: not stopping */
    struct {
        struct mail mail;
    } close_call, stop_call;
};

struct http_server {
    struct router *router;
    uint16_t port;
    bool tls; /* as it started; the certificate may change */
    struct http_thread threads[HTTP_THREADS];
};

/* ---- http_request.c ---- */

void http_request_cb(struct evhttp_request *ev, void *thread); /* evhttp's callback for every request */

#endif
