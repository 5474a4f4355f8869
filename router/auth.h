/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_AUTH_H
#define ROUTER_AUTH_H

/*
 * Who sent a request, and whether its route is for him. Asked of every request before its handler sees it, where the
 * rule set has `auth:`; without it everybody may everything, and only loopback addresses are listened on.
 *
 *     route               asks for
 *     aws, lambda         a signature of an access key (router/auth_sigv4.h)
 *     events, s3, …       a bearer token that is for this route
 *     root, healthz, …    nothing
 *     any other           a token that is for v1: what nobody has thought of is closed, not open
 *
 * What a holder may do then, by operation, event bus and source, his handler asks by auth_may_…(). Io threads only.
 */

#include "router/auth_sigv4.h"

struct http_request;
struct ruleset;

struct auth {                           /* of one request */
    const struct access_holder *holder; /* NULL: anybody; lives as long as the request */
    bool inherent;                      /* the route itself says where events come from */
    char service[16];                   /* of a signed one: "events" */
    struct buf body;                    /* what came in signed chunks, without them */
};

/* False: the request is answered: 401, 403, or as AWS would. */
bool auth_take(struct http_request *r, struct auth *auth);
void auth_fini(struct auth *auth);

/* ---- for handlers ---- */
const struct access_holder *auth_holder(const struct http_request *r); /* NULL: nobody is asked who he is */
bool auth_may_use_bus(const struct http_request *r, struct str bus);
/* source: decoded, or as a JSON string with its quotes. */
bool auth_may_send(const struct http_request *r, struct str source);

/*
 * May this rule set listen there? True: it is loopback, or the set has `auth:`. Else out has the error, for people.
 * A host that is a name is looked up.
 */
bool auth_check_listen(const struct ruleset *set, struct buf *out);

#endif
