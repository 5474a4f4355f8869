/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_RELOAD_INT_H
#define ROUTER_RELOAD_INT_H

/*
 * The one way by which another rule set comes into force, whoever asked for it:
 *
 *     files changed:   read, build ─────────────────────────► hand to dispatch ─► take
 *     APIs' changes:   edit, build ─► write rows (ledger) ──► hand to dispatch ─► take, answer
 *                                                                   └─ refused ─► write the old rows back, answer
 *
 * One at a time; what comes meanwhile waits. The main thread waits in poll(), so ledger and dispatch answer through an
 * eventfd, and so does whoever submits a change.
 */

#include <pthread.h>

#include "router/reload.h"
#include "router/resources.h"
#include "rules/documents.h"
#include "rules/files.h"

struct offer { /* what is to come into force, and what it was built from; a reference each */
    struct ruleset *set;
    struct files *files;
    struct documents *documents;
};

enum reload_step { RELOAD_IDLE, RELOAD_WRITING, RELOAD_HANDING, RELOAD_TAKING_BACK };

struct reloader {
    struct router *router;
    const struct router_options *options;
    int fd;
    enum reload_step step;
    atomic_bool answered; /* the ledger or dispatch has */

    struct offer present; /* set NULL: router->set is it */
    struct offer offer;   /* under way */
    struct dispatch_reload call;

    /* the files */
    bool requested;
    struct files *refused;  /* the last attempt, where it failed; NULL: it did not */
    uint64_t seen;          /* fingerprint at the last look */
    struct ssl_ctx_st *tls; /* read with the offer; NULL: none, or what is there stays */

    /* what the APIs made */
    struct documents *written;       /* what the ledger's rows say … */
    struct documents *being_written; /* … and what they will */
    struct ledger_job job;
    pthread_mutex_t lock;
    struct resources_change *first, **last; /* waiting, under the lock, as is … */
    bool stopping;
    struct resources_change *round; /* under way: those that wait for the set to be in force */
};

/* ---- reload_build.c ---- */

/* Errors go to diags; NULL: there are any. */
struct ruleset *reload_build(struct reloader *r, struct files *files, struct documents *documents, struct diags *diags);
/* Reads the files and builds what is then r->offer. False: r->refused has the files, error the first error. */
bool reload_read(struct reloader *r, struct buf *error);

/* ---- reload.c ---- */

void reload_wake(struct reloader *r);                       /* any thread */
void reload_note(struct router *router, const char *error); /* of the last reload; NULL: it was taken */
void reload_rest(struct reloader *r);                       /* nothing is built from the present files soon */
void offer_drop(struct offer *o);

/* ---- resources_round.c ---- */

/* Carries out what waits, up to a bound. True: r->offer is to be written and handed over, and r->round waits for it. */
bool round_begin(struct reloader *r);
bool round_waits(struct reloader *r); /* is there more? */
void round_answer(struct reloader *r, enum resources_outcome outcome, const char *message);
void round_refuse_waiting(struct reloader *r); /* the router stops */

/* ---- what an edit works on (resources.c) ---- */

struct resources {
    const struct ruleset *set;
    struct documents *next; /* nobody shares it yet */
    struct resources_undo { /* one NULL: it was not there, or is not any more */
        struct document *before, *after;
    } * log;
    size_t count, capacity;
    int64_t grown;   /* bytes that came in addition since it was set to 0 */
    char fault[512]; /* the first of resources_put() */
};

void resources_open(struct resources *r, const struct ruleset *set, const struct documents *present);
void resources_undo(struct resources *r, size_t mark); /* back to when r->count was mark */
void resources_close(struct resources *r);

/* ---- the table `resource` (resources_store.c) ---- */

/* All rows; NULL: diag. */
struct documents *resources_load(struct store *store, struct weir_diag *diag);
/* Ledger thread: changes the rows from one list to another. */
bool resources_write(struct store *store, const struct documents *from, const struct documents *to,
                     struct weir_diag *diag);

#endif
