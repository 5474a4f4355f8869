/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ROUTER_FIXTURE_H
#define TESTS_ROUTER_FIXTURE_H

/*
 * A router without its HTTP server in a temporary folder: real rule set, ledger, journal and dispatch. Targets of
 * `type: fake` answer as the test says. A test that uses it brings its own target table, see dispatch_test.c.
 */

#include <pthread.h>
#include <stdio.h>

#include "matcher/buf.h"
#include "router/dispatch.h"
#include "targets/queue.h"

struct fixture {
    char folder[64], data[96];
    struct ruleset *set;
    struct clock clock;
    struct ledger *ledger;
    struct journal *journal;
    struct dispatch *dispatch;
    unsigned sent; /* events, for ids */
};

extern struct fixture fixture;

int fixture_set_up(void **state);     /* makes the folder, resets the fakes */
int fixture_tear_down(void **state);  /* stops, removes the folder */
void fixture_start(const char *yaml); /* "version: 1" and data are added */
void fixture_stop(void);
/* Hands dispatch another configuration; returns when it has said whether it takes it: true: it is in force. */
bool fixture_reload(const char *yaml);
/* The same in two steps, to do something meanwhile. */
void fixture_reload_begin(const char *yaml);
bool fixture_reload_done(void);
bool fixture_reload_end(void);
/* Ledger jobs that are submitted from now on wait until it is released. */
void fixture_hold_ledger(void);
void fixture_release_ledger(void);
/* Runs phase() in a child process that then dies without stopping anything: a crash. */
void fixture_crash(void (*phase)(void));

/* {"version":"0","id":"e<n>",…,"source":"test","time":…,"resources":[],"detail":<detail>}; n counts from 0. */
void fixture_send(const char *bus, const char *detail);
void fixture_send_many(const char *bus, unsigned count, int64_t first_second, int step); /* detail {"n":i} */
void fixture_dispatched(void); /* waits until the cursor has reached the journal's end */

/* ---- looking ---- */
int64_t fixture_number(const char *sql); /* of the ledger */
#define FIXTURE_OWED                     /* how many deliveries are owed: in rows, and in blocks */                    \
    "SELECT count(*) + (SELECT coalesce(sum(left), 0) FROM owed_blocks) FROM deliveries"
/* Waits (10 s) until the statement gives this number. */
void fixture_wait_number(const char *sql, int64_t wanted);
#define fixture_wait(condition)                                                                                        \
    do {                                                                                                               \
        int waited_ = 0;                                                                                               \
        while (!(condition)) {                                                                                         \
            if (waited_++ > 2000)                                                                                      \
                fail_msg("waited in vain for %s", #condition);                                                         \
            fixture_nap();                                                                                             \
        }                                                                                                              \
    } while (0)
void fixture_nap(void); /* 5 ms */

struct message {
    char *body, *attributes;
};
struct messages {
    struct message *list;
    size_t count;
};
struct messages fixture_messages(const char *queue); /* oldest first; freed at the end of the test */
/* The Value of an attribute; "" : none. Valid until the next call. */
const char *fixture_attribute(const struct message *m, const char *name);

/* Carries a replay call out; json in *out (BUF_INIT, freed by the caller). Returns the status. */
int fixture_replay(int what, const struct replay_request *request, struct buf *out);

/* ---- fakes ---- */
extern const struct adapter fake_adapter;

enum fake_way { FAKE_SETTLE, FAKE_RETRY, FAKE_FAIL, FAKE_SILENT };
struct fake { /* what a test sets, it sets before fixture_start() or with fake_set() */
    pthread_mutex_t lock;
    enum fake_way way;
    int retries; /* FAKE_RETRY: so many, then it settles; -1: always */
    int64_t retry_after_ms;
    char stuck[32];   /* inputs that contain it are to be tried again; "": none */
    atomic_bool held; /* answers wait until it is false */
    /* what came */
    atomic_uint sent, settled;
    atomic_uint most_at_once, at_once;
    struct buf inputs; /* one a line */
    char key[256];     /* of the last */
    atomic_uint attempts;
    atomic_bool in_order; /* positions never went down */
    uint64_t last_position;
};
extern struct fake fake;
void fake_set(enum fake_way way, int retries);
void fake_stick(const char *part); /* fake.stuck, while it runs */

#endif
