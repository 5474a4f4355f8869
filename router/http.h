/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_HTTP_H
#define ROUTER_HTTP_H

/*
 * The HTTP server: libevent's evhttp on HTTP_THREADS loops that share one listening port, every limit set, and the
 * request forms that evhttp wrongly accepts refused before a handler sees them. Handlers stand in one table
 * (router/api/routes.c).
 *
 * A handler runs on an io thread and either answers at once with http_reply…(), or keeps the request and answers later
 * on the same thread (journal and ledger reply through the thread's mailbox). Exactly one answer a request.
 */

#include <stdint.h>

#include "matcher/buf.h"
#include "matcher/weir.h"
#include "router/mailbox.h"

#define HTTP_THREADS          2
#define HTTP_HEADER_BYTES_MAX (64 << 10)
#define HTTP_BODY_BYTES_MAX   (32 << 20)
#define HTTP_IDLE_SECONDS     60  /* no byte in either direction */
#define HTTP_REQUEST_SECONDS  300 /* from one answer to the next complete request: against clients that trickle */
#define HTTP_CONNECTIONS_MAX  10000

struct router;
struct ruleset;
struct auth;
struct event_base;
struct http_server;
struct http_request; /* one request; lives until it is answered */

struct http_route {
    const char *methods; /* "GET HEAD" */
    const char *path;    /* "/events", or with a trailing "/" + "*": everything below: "/events/" + "*"; # is a digit */
    const char *name;    /* metrics label */
    void (*handle)(struct http_request *r);
};
extern const struct http_route http_routes[]; /* api/routes.c, ended by path NULL */

/* Binds (port 0: any free), starts the threads. NULL: diag. */
struct http_server *http_start(struct router *router, const char *host, uint16_t port, struct weir_diag *diag);
uint16_t http_port(const struct http_server *s);
void http_stop_listening(struct http_server *s);
void http_stop(struct http_server *s); /* waits for requests under way (bounded), joins the threads */

/* ---- for handlers ---- */
struct router *http_router(struct http_request *r);
/* The rule set that was the present one when the request came; it stays until the answer. */
const struct ruleset *http_set(const struct http_request *r);
/* It is not needed until the answer: http_set() is then the one that is present when it is asked for. For requests that
   wait: each would keep a generation alive. */
void http_drop_set(struct http_request *r);
struct event_base *http_base(struct http_request *r); /* the loop of the request's thread, for timers */
struct mailbox *http_mailbox(struct http_request *r); /* of the request's own thread */
const char *http_method(const struct http_request *r);
const char *http_route_name(const struct http_request *r);
struct str http_path(const struct http_request *r);      /* decoded path */
struct str http_path_rest(const struct http_request *r); /* what a "*" route matched, decoded; "" */
bool http_query(const struct http_request *r, const char *name, struct str *out); /* decoded query parameter */
struct str http_query_text(const struct http_request *r);                /* all behind the '?', as it came; "" */
const char *http_header(const struct http_request *r, const char *name); /* NULL: none */
void http_each_header(const struct http_request *r, void (*each)(void *context, const char *name, const char *value),
                      void *context);
struct str http_path_text(const struct http_request *r);    /* as it stands in the request line, not decoded */
bool http_is_tls(const struct http_request *r);             /* did it come by HTTPS? */
const struct auth *http_auth(const struct http_request *r); /* who sent it: router/auth.h */
struct str http_body(const struct http_request *r);
void http_set_body(struct http_request *r, struct str body); /* what handlers get as the body; lives until the answer */
void http_drop_body(struct http_request *r); /* it is not needed until the answer: its memory serves the next one */

/* For handlers that keep a request for long: `gone` is called once, on the request's thread, when the client has ended
   its side of the connection before the answer. The request is still to be answered. */
void http_on_close(struct http_request *r, void (*gone)(void *context), void *context);

void http_reply(struct http_request *r, int status, const char *content_type, struct str body);
void http_reply_json(struct http_request *r, int status, const struct buf *json);
/* {"message": "…"}; 503 adds Retry-After: 1. */
void http_reply_error(struct http_request *r, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void http_add_header(struct http_request *r, const char *name, const char *value); /* before the reply */

#endif
