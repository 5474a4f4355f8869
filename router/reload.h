/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_RELOAD_H
#define ROUTER_RELOAD_H

/*
 * Taking a changed configuration while running: on SIGHUP, and with --watch when its files have changed. The new rule
 * set is built whole beside the present one, handed to dispatch, and then shown to requests; an error anywhere leaves
 * everything as it is, and says where in the log, in `weir status` and in the metrics.
 *
 * What only a start can change stays as it was, with a warning: listen and data.
 *
 * Main thread only, but for the reports, which any thread may read.
 */

#include "router/router.h"

struct reloader;

/* Reads a configuration for the first time; NULL: every error is on stderr. */
struct ruleset *reload_first(const char *file);

struct reloader *reloader_create(struct router *router, const struct router_options *options);
void reloader_destroy(struct reloader *r); /* after dispatch has stopped */
int reloader_fd(const struct reloader *r); /* readable: call reloader_done() */
void reloader_request(struct reloader *r);
void reloader_done(struct reloader *r);
void reloader_watch(struct reloader *r); /* about twice a second: reloads what has been unchanged since the last look */

/* How the last reloads went; error is the caller's to free. */
struct reload_report {
    int64_t loaded_ms; /* when the present set came to be in force; wall */
    int64_t failed_ms; /* when a later reload failed; 0: none did */
    char *error;       /* why: "weir.yaml:3:5: error: …"; NULL: none */
};
struct reload_report router_reload_report(struct router *router);

#endif
