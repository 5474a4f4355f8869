/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_HTTP_GUARD_H
#define ROUTER_HTTP_GUARD_H

/*
 * Which requests are refused before any handler sees them: forms that two HTTP parsers could read differently, and
 * requests that a web page, rather than a client of ours, may have sent. Pure.
 */

#include <event2/keyvalq_struct.h>
#include <stdint.h>

#include "matcher/str.h"

struct http_head { /* a request as evhttp has parsed it */
    int major, minor;
    bool may_have_body; /* evhttp reads a body for this method */
    const char *target; /* as in the request line */
    const struct evkeyvalq *headers;
};

struct http_guard {
    struct str listen_host;
    const struct str *allowed_hosts;
    uint32_t allowed_host_count;
};

struct http_refusal {
    int status; /* 400, 403, 501 */
    char message[240];
};

/* False: refused, and the connection must be closed, since what follows on it cannot be trusted. */
bool http_guard_check(const struct http_guard *g, const struct http_head *head, struct http_refusal *refusal);

#endif
