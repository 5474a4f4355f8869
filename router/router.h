/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

/*
 * The running router: what `weir run` starts and stops, and what its HTTP handlers reach everything through.
 *
 * Start: lock the data folder, open ledger, add what the APIs made to the rules, open dispatch (targets recover), open
 * journal (recovers), start ledger, dispatch and io threads, print where it listens. Stop (SIGTERM, SIGINT): stop
 * listening, let the journal answer what it took, let dispatch drain, close. A second signal ends at once: nothing
 * answered is lost.
 */

#include <pthread.h>

#include "router/clock.h"
#include "router/dispatch.h"
#include "router/journal.h"
#include "router/ledger.h"
#include "rules/ruleset.h"

struct http_server; /* router/http.h */
struct space;
struct taps;
struct queue_waiters;
struct reloader;
struct signer;

struct router {
    const char *data;         /* the data folder */
    struct ruleset *set;      /* the present one: take it by router_set() */
    pthread_mutex_t set_lock; /* of set and of how it came: reload.h */
    int64_t loaded_ms, reload_failed_ms;
    char *reload_error;
    struct clock clock;
    struct ledger *ledger;
    struct journal *journal;
    struct dispatch *dispatch;
    struct http_server *http;
    struct taps *taps;             /* router/tap.h */
    struct queue_waiters *waiters; /* router/queue_waiters.h */
    struct space *space;           /* router/space.h */
    struct ssl_ctx_st *tls;        /* router/tls.h; under set_lock; NULL: plain HTTP, for good */
    struct reloader *reloader;     /* router/reload.h */
    struct signer *signer;         /* router/signer.h */
    int64_t started_wall_ms;
    atomic_bool ready; /* rules loaded, stores open, listening */
    atomic_bool draining;
};

/* The present rule set, with a reference for the caller. Any thread. */
struct ruleset *router_set(struct router *router);

struct router_options {
    const char *config; /* NULL: none, start empty */
    const char *listen; /* NULL: as configured; "HOST:PORT" */
    const char *data;   /* NULL: as configured */
    int64_t drain_ms;
    bool watch; /* reload when files of the configuration change */
};

/* Runs until a signal. The exit code: 0, 69 (port or data folder taken), 70, 74, 78. */
int router_run(const struct router_options *options);

#endif
