/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_OAUTH_H
#define TARGETS_OAUTH_H

/*
 * An access token by OAuth's client credentials grant (RFC 6749, 4.4): asked for when it is needed, kept in memory
 * until shortly before it expires, or until somebody refuses it.
 *
 *     if (oauth_token(&a, now).ptr) …          there is one
 *     else if (!oauth_ask(&a)) …               out of memory
 *     …                                        ready() is called from the loop, with a verdict where there is none
 *
 * Dispatch thread only.
 */

#include "targets/connection.h"
#include "targets/http_client.h"

struct oauth {
    struct http_call call; /* first */
    /* The owner's, before the first question. */
    struct http_client *client;
    const struct connection_options *connection; /* in clear */
    struct host *host;
    int64_t timeout;                                               /* ms */
    void (*ready)(struct oauth *a, const struct verdict *failure); /* failure NULL: there is a token */

    /* private */
    uint64_t number;        /* of the present token: the owner may compare it */
    struct buf token;       /* empty: none */
    int64_t expires_age_ms; /* INT64_MAX: not known */
    bool asking;
    struct buf url, body, answer;
};

/* {NULL,0}: there is none that is good. */
struct str oauth_token(const struct oauth *a, struct weir_time now);
/* Nothing happens where one is being asked for. False: out of memory, and ready is not called. */
bool oauth_ask(struct oauth *a);
/* Somebody refused the token of that number. */
void oauth_forget(struct oauth *a, uint64_t number);
void oauth_fini(struct oauth *a); /* a zeroed one is fine */

#endif
