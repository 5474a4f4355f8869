/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ROUTER_RESOURCES_RIG_H
#define TESTS_ROUTER_RESOURCES_RIG_H

/*
 * A router without its HTTP server whose main thread is the test: rule set, ledger, journal, dispatch and the reloader,
 * in a temporary folder. Changes are submitted and waited for, as the APIs do.
 */

#include "router/cli/cli.h"
#include "router/mailbox.h"
#include "router/reload.h"
#include "router/resources.h"

struct resources_rig {
    char folder[64];
    char targets[80]; /* the folder of what targets keep in files */
    struct router router;
    struct router_options options;
    char config[96];
    struct event_base *base;
    struct mailbox *mailbox;
};
extern struct resources_rig rig;

int rig_set_up(void **state);      /* makes the folder and an empty configuration */
int rig_tear_down(void **state);   /* stops, removes the folder */
void rig_config(const char *yaml); /* "version: 1" and data are added */
/* Up to the ledger, and what the APIs made in it. */
enum reload_recovery rig_recover(struct weir_diag *diag);
void rig_start(void);
void rig_stop(void);

#define CHANGE_STEPS_MAX 4

struct change_step {
    const char *section, *key, *document; /* document NULL: deleted */
};

struct change {                     /* puts and deletes what it says; `unless` is there already: says no */
    struct resources_change change; /* first */
    struct change_step steps[CHANGE_STEPS_MAX];
    struct change_step unless;
    int runs;
    bool done;
};

void change_submit(struct change *c);
void change_wait(const bool *done); /* the main thread's loop, until it is answered */
struct change change_carry_out(const char *section, const char *key, const char *document);

#endif
