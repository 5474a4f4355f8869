/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger thread. Jobs wait in a locked list; the thread takes all of them, begins one transaction, runs each job in
 * a savepoint, writes the clock's pair, commits once, and sends the answers. While it commits, the next jobs gather:
 * the batch grows with load, a lone job pays one sync.
 *
 * A job that fails undoes only itself. A commit that fails (disk full) fails every job of the batch; their senders
 * decide what to do: an API call answers 503, dispatch tries again.
 */
#include "router/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "router/api/lambda.h"
#include "router/deduplication.h"
#include "router/log.h"
#include "router/owed.h"
#include "router/publish.h"
#include "router/replay.h"
#include "router/resources.h"
#include "router/folders.h"
#include "router/schedules.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/invocations.h"
#include "targets/queue.h"

#define MEASURE_MS   20
#define LEDGER_BATCH 256 /* jobs a transaction: bounds how long a lone job waits behind a flood */

struct ledger {
    struct store *store;
    const struct clock *clock;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct ledger_job *first, **last; /* waiting, under the lock */
    bool stopping;
    atomic_uint_fast64_t commits, jobs, failures, bytes, free_bytes;
    int64_t measured_age;
    atomic_bool shrink;
    struct ledger_job nothing; /* wakes the thread for it */
};

static const char *const clock_migrations[] = {
    "CREATE TABLE weir_clock (one INTEGER PRIMARY KEY CHECK (one = 1), wall_ms INTEGER NOT NULL, age_ms INTEGER NOT "
    "NULL)",
    NULL,
};
static const struct store_schema clock_schema = {"clock", clock_migrations};
static const struct store_schema *const schemas[] = {
    &clock_schema,    &queue_schema,      &archive_schema,           &owed_schema,  &replay_schema,
    &schedule_schema, &folder_schema,     &deduplication_schema,     &pause_schema, &resource_schema,
    &publish_schema,  &invocation_schema, &lambda_permission_schema, NULL};

static bool clock_load(struct store *store, struct weir_time *out, struct weir_diag *diag)
{
    sqlite3_stmt *s = store_prepare(store, "SELECT wall_ms, age_ms FROM weir_clock", diag);
    if (!s)
        return false;
    *out = (struct weir_time){0};
    if (sqlite3_step(s) == SQLITE_ROW)
        *out = (struct weir_time){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
    sqlite3_reset(s);
    return true;
}

/* Not beside jobs that only read: they are answered on a full disk too, and pay no sync. */
static bool clock_save(struct store *store, int64_t changes, struct weir_time now, struct weir_diag *diag)
{
    if (sqlite3_total_changes64(store_handle(store)) == changes)
        return true;
    sqlite3_stmt *s =
        store_prepare(store, "INSERT OR REPLACE INTO weir_clock (one, wall_ms, age_ms) VALUES (1, ?, ?)", diag);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, now.wall_ms);
    sqlite3_bind_int64(s, 2, now.age_ms);
    return store_run(store, s, diag);
}

struct ledger *ledger_open(const char *path, struct clock *clock, struct weir_diag *diag)
{
    struct weir_time stored;
    struct store *store = store_open(path, schemas, diag);
    if (!store)
        return NULL;
    if (!clock_load(store, &stored, diag)) {
        store_close(store);
        return NULL;
    }
    if (!clock_start(clock, stored))
        log_warn("since the last run the wall clock went back or leapt by more than a week: ages take no notice");

    struct ledger *l = xalloc(sizeof *l);
    l->store = store;
    l->clock = clock;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    return l;
}

static void run_job(struct ledger *l, struct ledger_job *job, struct weir_time now)
{
    job->diag = (struct weir_diag){0};
    bool begun = store_savepoint(l->store, &job->diag);
    job->ok = begun && job->run(job, l->store, now, &job->diag) && store_release(l->store, &job->diag);
    if (begun && !job->ok)
        store_rollback_savepoint(l->store);
    atomic_fetch_add(job->ok ? &l->jobs : &l->failures, 1);
}

static void fail_all(struct ledger_job *jobs, const struct weir_diag *diag)
{
    for (struct ledger_job *job = jobs; job; job = job->next) {
        if (job->ok)
            job->diag = *diag;
        job->ok = false;
    }
}

/* Runs a list of jobs in one transaction; afterwards each job's ok and diag are set. */
static void run_batch(struct ledger *l, struct ledger_job *jobs)
{
    struct weir_time now = clock_now(l->clock);
    struct weir_diag diag = {0};
    int64_t changes = sqlite3_total_changes64(store_handle(l->store));
    bool ok = store_begin(l->store, &diag);

    for (struct ledger_job *job = jobs; job; job = job->next) {
        if (ok)
            run_job(l, job, now);
        else
            job->ok = true; /* so that fail_all() gives it the reason */
    }
    if (ok && !clock_save(l->store, changes, now, &diag)) {
        store_rollback(l->store);
        ok = false;
    } else if (ok) {
        ok = store_commit(l->store, &diag);
    }
    if (!ok) {
        atomic_fetch_add(&l->failures, 1);
        log_error("the ledger cannot commit", LOG_TEXT("reason", diag.message));
        fail_all(jobs, &diag);
    } else {
        atomic_fetch_add(&l->commits, 1);
    }
}

static void deliver_job(struct mail *m)
{
    struct ledger_job *job = (struct ledger_job *)((char *)m - offsetof(struct ledger_job, mail));
    job->done(job, job->ok, &job->diag);
}

static void answer(struct ledger_job *jobs)
{
    while (jobs) {
        struct ledger_job *job = jobs;
        jobs = job->next; /* job may be gone after this */
        job->mail.deliver = deliver_job;
        if (job->reply)
            mailbox_post(job->reply, &job->mail);
        else if (job->done)
            job->done(job, job->ok, &job->diag);
    }
}

/* Takes up to LEDGER_BATCH waiting jobs, in order; NULL when told to stop and none is left. */
static struct ledger_job *take(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->first && !l->stopping)
        pthread_cond_wait(&l->wake, &l->lock);
    struct ledger_job *jobs = l->first, **end = &l->first;
    for (int n = 0; *end && n < LEDGER_BATCH; n++)
        end = &(*end)->next;
    l->first = *end;
    *end = NULL;
    if (!l->first)
        l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    return jobs;
}

/* ---- its file ---- */

static void measure(struct ledger *l)
{
    struct store_size size;
    struct weir_diag diag;
    int64_t age = clock_now(l->clock).age_ms;

    if (l->measured_age && age - l->measured_age < MEASURE_MS)
        return;
    l->measured_age = age;
    if (!store_size(l->store, &size, &diag))
        return; /* the last one stands */
    atomic_store(&l->bytes, (uint64_t)size.bytes);
    atomic_store(&l->free_bytes, (uint64_t)size.free_bytes);
}

static bool do_nothing(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    return true;
}

static void shrunk(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct ledger *l = (struct ledger *)((char *)job - offsetof(struct ledger, nothing));
    struct weir_diag why;

    if (!store_shrink(l->store, &why))
        log_warn("the ledger cannot give space back, trying again", LOG_TEXT("reason", why.message));
    atomic_store(&l->shrink, false);
}

void ledger_shrink(struct ledger *l)
{
    if (atomic_exchange(&l->shrink, true))
        return;
    l->nothing = (struct ledger_job){.run = do_nothing, .done = shrunk};
    ledger_submit(l, &l->nothing);
}

static void *ledger_main(void *context)
{
    struct ledger *l = context;
    struct ledger_job *jobs;
    struct weir_diag diag;

    pthread_setname_np(pthread_self(), "weir-ledger");
    while ((jobs = take(l))) {
        run_batch(l, jobs);
        answer(jobs);
        if (!store_checkpoint(l->store, &diag)) /* now nobody waits for an answer */
            log_warn("the ledger's write-ahead log cannot be copied back, trying again",
                     LOG_TEXT("reason", diag.message));
        measure(l);
    }
    return NULL;
}

bool ledger_run_now(struct ledger *l, struct ledger_job *job, struct weir_diag *diag)
{
    job->next = NULL;
    run_batch(l, job);
    measure(l);
    *diag = job->diag;
    return job->ok;
}

void ledger_start(struct ledger *l)
{
    if (pthread_create(&l->thread, NULL, ledger_main, l) != 0)
        xfail("cannot start the ledger thread");
    l->started = true;
}

void ledger_submit(struct ledger *l, struct ledger_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&l->lock);
    *l->last = job;
    l->last = &job->next;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    store_close(l->store);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void ledger_stats(const struct ledger *l, struct ledger_stats *out)
{
    *out = (struct ledger_stats){atomic_load(&l->commits), atomic_load(&l->jobs), atomic_load(&l->failures),
                                 atomic_load(&l->bytes), atomic_load(&l->free_bytes)};
}
