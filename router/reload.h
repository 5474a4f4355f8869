/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_RELOAD_H
#define ROUTER_RELOAD_H

/*
 * Taking a changed configuration while running: on SIGHUP, and with --watch when its files have changed. The new rule
 * set is built whole beside the present one, handed to dispatch, and then shown to requests; an error anywhere leaves
 * everything as it is, and says where in the log, in `weir status` and in the metrics. What the APIs made goes into
 * every set, and their changes (router/resources.h) come into force by the same way, one after the other.
 *
 * What only a start can change stays as it was, with a warning: listen and data.
 *
 * Main thread only, but for the reports, which any thread may read.
 */

#include "router/router.h"

struct reloader;

struct reloader *reloader_create(struct router *router, const struct router_options *options);
/* The start, in two steps: router->set of the files alone, which says where the data folder is … False: every error is
   on stderr. */
bool reloader_first(struct reloader *r);
/* … and once the ledger is open, of the files and what the APIs made. UNFIT: they do not go together, every error is
   on stderr. UNREADABLE: diag says why. */
enum reload_recovery { RELOAD_RECOVERED, RELOAD_UNFIT, RELOAD_UNREADABLE };
enum reload_recovery reloader_recover(struct reloader *r, struct weir_diag *diag);
/* Waits for what is under way; no more changes are taken from now on. While ledger and dispatch still run. */
void reloader_stop(struct reloader *r);
void reloader_destroy(struct reloader *r); /* after dispatch has stopped */
int reloader_fd(const struct reloader *r); /* readable: call reloader_done() */
void reloader_request(struct reloader *r);
void reloader_done(struct reloader *r);
void reloader_watch(struct reloader *r); /* about twice a second: reloads what has been unchanged since the last look */

/* How the last reloads went; error is the caller's to free. */
struct reload_report {
    int64_t loaded_ms; /* when the files in force came to be so; wall */
    int64_t failed_ms; /* when a later reload failed; 0: none did */
    char *error;       /* why: "weir.yaml:3:5: error: …"; NULL: none */
};
struct reload_report router_reload_report(struct router *router);

#endif
