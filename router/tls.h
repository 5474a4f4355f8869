/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_TLS_H
#define ROUTER_TLS_H

/*
 * TLS of the HTTP server: certificate and key as OpenSSL's context, made at the start and anew at each reload. Open
 * connections keep the context they began with, so a renewed certificate drops none of them.
 */

#include "matcher/buf.h"

struct ruleset;
struct router;
struct event_base;
struct bufferevent;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX: free it by tls_free() */

#define TLS_HANDSHAKE_SECONDS 10

/* What `tls:` names; *out NULL: nothing. False: why is in error, as a diagnosis of weir.yaml would be. */
bool tls_load(const struct ruleset *set, struct ssl_ctx_st **out, struct buf *error);
void tls_free(struct ssl_ctx_st *tls); /* NULL: nothing */

/* Any thread: the end of a connection to come that speaks TLS, as router->tls has it; NULL: it speaks none. */
struct bufferevent *tls_accept(struct router *router, struct event_base *base);
/* Of such an end: has the client shaken hands? */
bool tls_is_ready(struct bufferevent *stream);

#endif
