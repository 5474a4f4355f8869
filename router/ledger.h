/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_LEDGER_H
#define ROUTER_LEDGER_H

/*
 * The ledger thread: owns the store (targets/store.h) and with it SQLite. Everybody else sends it jobs. It takes all
 * that wait, runs them in one transaction (each in a savepoint, so that one that fails undoes only itself), commits
 * once, then tells them: group commit.
 *
 * Every commit also keeps the pair (wall, age) that the clock resumes from.
 */

#include "router/clock.h"
#include "router/mailbox.h"
#include "targets/store.h"

struct ledger;

struct ledger_job { /* embed it; must live until done */
    /* Ledger thread, inside a transaction. False (diag filled): this job's changes are undone. May be run again after a
       failed commit, so it must not rely on having run. */
    bool (*run)(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag);
    /* After the commit (ok) or when it was undone. On reply's thread, or on the ledger thread where reply is NULL. */
    void (*done)(struct ledger_job *job, bool ok, const struct weir_diag *diag);
    struct mailbox *reply;
    struct mail mail; /* private from here */
    struct ledger_job *next;
    bool ok;
    struct weir_diag diag;
};

/* Opens DATA/weir.db with all schemas of router and targets, reads the clock's pair, starts no thread yet. */
struct ledger *ledger_open(const char *path, struct clock *clock, struct weir_diag *diag);
/* For start-up, before ledger_start(): runs the job at once, in a transaction of its own. */
bool ledger_run_now(struct ledger *l, struct ledger_job *job, struct weir_diag *diag);
void ledger_start(struct ledger *l);
void ledger_submit(struct ledger *l, struct ledger_job *job); /* any thread; never fails */
void ledger_close(struct ledger *l);                          /* runs what waits, stops the thread, closes the store */

/* Any thread: the ledger gives some of its free pages back to the file system when it has a moment. */
void ledger_shrink(struct ledger *l);

struct ledger_stats {
    uint64_t commits, jobs, failures;
    uint64_t bytes, free_bytes; /* of its file, without the write-ahead log; as of the last second's commits */
};
void ledger_stats(const struct ledger *l, struct ledger_stats *out);

#endif
