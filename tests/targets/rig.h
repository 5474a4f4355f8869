/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TARGETS_RIG_H
#define TESTS_TARGETS_RIG_H

/*
 * What the tests of targets that send share: a host with a loop and one worker thread, one target with options as the
 * loader would fill them, and deliveries whose verdicts are kept. Failures abort.
 *
 *     rig_init(&r, &file_adapter);
 *     rig_text(&r, "path", "/tmp/x");
 *     rig_open(&r);
 *     rig_send(&r, STR("{}"));
 *     rig_wait(&r, 1);
 *     assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
 *     rig_fini(&r);
 */

#include <pthread.h>

#include "targets/adapter.h"

#define RIG_DELIVERIES 4096
#define RIG_WAIT_MS    20000

struct rig {
    struct host host; /* first */
    struct arena arena;
    struct target_def def;
    struct target *target; /* NULL unless open */
    char folder[64];       /* of its own; gone after rig_fini() */
    struct weir_time now;  /* what the host's clock says */

    struct delivery deliveries[RIG_DELIVERIES]; /* in order of rig_send(); rig_next() is the next one */
    struct verdict verdicts[RIG_DELIVERIES];    /* of deliveries[i] */
    size_t order[RIG_DELIVERIES];               /* indices into deliveries, as they were completed */
    size_t sent, completed;
    struct buf lines; /* what the target's processes wrote */

    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct work *waiting, *finished; /* under the lock */
    bool stopping, working;
    bool held; /* the worker takes nothing */
    int wake_fd;
    struct event *wake_event;
};

void rig_init(struct rig *r, const struct adapter *adapter); /* options have their defaults */
void rig_fini(struct rig *r);                                /* closes the target as a router that ends does */

/* Options by key, "async.maximum_retry_attempts" for a member. A text lives as long as the rig. */
void rig_int(struct rig *r, const char *key, int64_t value);
void rig_text(struct rig *r, const char *key, const char *value);
void rig_command(struct rig *r, const char *key, const char *const *words);           /* ended by NULL */
void rig_header(struct rig *r, const char *key, const char *name, const char *value); /* one more */
bool rig_check(struct rig *r, struct weir_diag *diag); /* the adapter's own check; diag: its first error */

void rig_open(struct rig *r);
void rig_close(struct rig *r);

struct delivery *rig_next(struct rig *r); /* the delivery that rig_send() will send, to be changed */
void rig_send(struct rig *r, struct str input);
void rig_wait(struct rig *r, size_t completed);                 /* turns the loop until so many are */
void rig_turn(struct rig *r, int ms);                           /* turns it for a while */
void rig_hold(struct rig *r, bool held);                        /* makes work wait */
const struct verdict *rig_run(struct rig *r, struct str input); /* sends one and waits for its verdict */

/* Below the rig's folder: the path, which lives as long as the rig. */
const char *rig_path(struct rig *r, const char *name);

int rig_descriptors(void); /* how many this process has open */
int64_t rig_clock_ms(void);

#endif
