/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reloading, and what reloading shares with changes by the APIs, see reload.h and reload_int.h: writing rows, handing
 * to dispatch, taking. What is read and built is reload_build.c's, rounds of changes are resources_round.c's.
 *
 * --watch compares fingerprints instead of asking the kernel for notices: that works on every file system, with
 * editors that rename, and with includes that match more files than before. A change is taken when two looks in a row
 * saw the same, so a file that is being written is left alone. After a failure the files of that attempt are what is
 * looked at: one of them is to be mended.
 */
#include "router/reload_int.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/log.h"
#include "router/metrics.h"
#include "router/tls.h"
#include "router/xalloc.h"

#define STOP_MS 10000 /* for the ledger and dispatch to answer */

void offer_drop(struct offer *o)
{
    ruleset_unref(o->set);
    files_unref(o->files);
    documents_unref(o->documents);
    *o = (struct offer){NULL, NULL, NULL};
}

/* ---- reports ---- */

struct ruleset *router_set(struct router *router)
{
    pthread_mutex_lock(&router->set_lock);
    struct ruleset *set = ruleset_ref(router->set);
    pthread_mutex_unlock(&router->set_lock);
    return set;
}

struct reload_report router_reload_report(struct router *router)
{
    pthread_mutex_lock(&router->set_lock);
    struct reload_report report = {router->loaded_ms, router->reload_failed_ms, NULL};
    if (router->reload_error)
        report.error = xtext(str_from(router->reload_error));
    pthread_mutex_unlock(&router->set_lock);
    return report;
}

static void show_metrics(struct router *router, bool ok)
{
    series_set(metric(METRIC_CONFIG_GENERATION), (int64_t)router->set->generation);
    series_set(metric(METRIC_RELOAD_SUCCESSFUL), ok);
    series_set(metric(METRIC_RELOAD_TIME), router->loaded_ms / 1000);
}

/* error NULL: the set has been taken. */
void reload_note(struct router *router, const char *error)
{
    pthread_mutex_lock(&router->set_lock);
    free(router->reload_error);
    router->reload_error = error ? xtext(str_from(error)) : NULL;
    router->reload_failed_ms = error ? clock_wall_ms() : 0;
    if (!error)
        router->loaded_ms = clock_wall_ms();
    pthread_mutex_unlock(&router->set_lock);
    show_metrics(router, !error);
}

static void failed(struct reloader *r, const char *error)
{
    reload_note(r->router, error);
    series_add(metric(METRIC_RELOADS, "failed"), 1);
    log_error("the changed configuration is not taken; the present one stays in force", LOG_TEXT("reason", error));
}

/* Trees are kept for who has changes to make: until then nothing is built from these files again. */
void reload_rest(struct reloader *r)
{
    if (!r->present.documents->count)
        files_forget_trees(r->present.files);
}

/* ---- the way into force ---- */

void reload_wake(struct reloader *r)
{
    uint64_t one = 1;

    if (write(r->fd, &one, sizeof one) != sizeof one)
        xfail("cannot wake the main thread");
}

static void answered(struct reloader *r)
{
    atomic_store(&r->answered, true);
    reload_wake(r);
}

static void handed_cb(struct dispatch_reload *call) /* dispatch thread */
{
    answered((struct reloader *)((char *)call - offsetof(struct reloader, call)));
}

static void hand_over(struct reloader *r)
{
    r->step = RELOAD_HANDING;
    r->call = (struct dispatch_reload){.set = r->offer.set, .done = handed_cb};
    dispatch_reload(r->router->dispatch, &r->call);
}

static struct reloader *of_job(struct ledger_job *job)
{
    return (struct reloader *)((char *)job - offsetof(struct reloader, job));
}

static bool write_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct reloader *r = of_job(job);
    return resources_write(store, r->written, r->being_written, diag);
}

static void write_done(struct ledger_job *job, bool ok, const struct weir_diag *diag) /* ledger thread */
{
    answered(of_job(job));
}

/* From what the rows say now: where an earlier way back failed, they are ahead of what is in force. */
static void write_rows(struct reloader *r, enum reload_step step, struct documents *documents)
{
    r->step = step;
    r->being_written = documents_ref(documents);
    r->job = (struct ledger_job){.run = write_run, .done = write_done};
    ledger_submit(r->router->ledger, &r->job);
}

static void rows_written(struct reloader *r)
{
    struct documents *gone = r->job.ok ? r->written : r->being_written;

    if (r->job.ok)
        r->written = r->being_written;
    r->being_written = NULL;
    documents_unref(gone);
}

/* The files' set and the APIs' go the same way; only one of them is a reload, for those who watch. */
static void tell_taken(struct reloader *r, bool of_files)
{
    const struct ruleset *set = r->router->set;
    uint32_t rules, targets;

    ruleset_count(set, &rules, &targets);
    if (!of_files) {
        series_set(metric(METRIC_CONFIG_GENERATION), (int64_t)set->generation);
        log_debug("changes of the APIs are in force", LOG_INT("generation", set->generation), LOG_INT("rules", rules),
                  LOG_INT("targets", targets));
        return;
    }
    reload_note(r->router, NULL);
    series_add(metric(METRIC_RELOADS, "ok"), 1);
    log_info("configuration reloaded", LOG_INT("generation", set->generation), LOG_INT("rules", rules),
             LOG_INT("targets", targets));
}

/* The new one serves connections that come from now on. */
static void take_tls(struct reloader *r)
{
    struct ssl_ctx_st *before = r->router->tls;

    if (!r->tls)
        return;
    pthread_mutex_lock(&r->router->set_lock);
    r->router->tls = r->tls;
    pthread_mutex_unlock(&r->router->set_lock);
    r->tls = NULL;
    tls_free(before);
}

static void take(struct reloader *r)
{
    struct router *router = r->router;
    struct ruleset *before = router->set;
    bool of_files = r->offer.files != r->present.files;

    pthread_mutex_lock(&router->set_lock);
    router->set = r->offer.set;
    pthread_mutex_unlock(&router->set_lock);
    r->offer.set = NULL;
    offer_drop(&r->present);
    r->present = r->offer;
    r->offer = (struct offer){NULL, NULL, NULL};
    reload_rest(r);
    ruleset_unref(before);
    if (of_files) {
        files_unref(r->refused);
        r->refused = NULL;
        take_tls(r);
    }
    tell_taken(r, of_files);
    round_answer(r, RESOURCES_DONE, "");
}

static void not_taken(struct reloader *r)
{
    const char *why = r->call.diag.message;

    if (r->offer.files != r->present.files) {
        files_unref(r->refused);
        r->refused = files_ref(r->offer.files);
        failed(r, why);
    } else {
        log_error("a change by an API cannot be taken: it is undone", LOG_TEXT("reason", why));
    }
    offer_drop(&r->offer);
}

/* ---- one step after the other ---- */

static void start(struct reloader *r)
{
    struct buf error = BUF_INIT;

    if (r->requested) {
        r->requested = false;
        if (reload_read(r, &error))
            hand_over(r);
        else
            failed(r, buf_cstr(&error));
        buf_fini(&error);
    }
    if (r->step == RELOAD_IDLE && round_begin(r))
        write_rows(r, RELOAD_WRITING, r->offer.documents);
}

static void rows_are_there(struct reloader *r)
{
    rows_written(r);
    if (r->job.ok) {
        hand_over(r);
        return;
    }
    offer_drop(&r->offer);
    r->step = RELOAD_IDLE;
    round_answer(r, RESOURCES_UNAVAILABLE, r->job.diag.message);
}

static void dispatch_has_said(struct reloader *r)
{
    r->step = RELOAD_IDLE;
    if (r->call.ok) {
        take(r);
        return;
    }
    not_taken(r);
    if (r->round)
        write_rows(r, RELOAD_TAKING_BACK, r->present.documents);
}

static void rows_are_back(struct reloader *r)
{
    rows_written(r);
    if (!r->job.ok)
        log_error("the ledger still has the change that was undone: the next change, not a restart, corrects it");
    r->step = RELOAD_IDLE;
    round_answer(r, RESOURCES_UNAVAILABLE, r->call.diag.message);
}

static void go_on(struct reloader *r)
{
    if (r->step != RELOAD_IDLE && atomic_exchange(&r->answered, false)) {
        switch (r->step) {
        case RELOAD_WRITING: rows_are_there(r); break;
        case RELOAD_HANDING: dispatch_has_said(r); break;
        case RELOAD_TAKING_BACK: rows_are_back(r); break;
        case RELOAD_IDLE: break;
        }
    }
    if (r->step == RELOAD_IDLE)
        start(r);
    if (r->step == RELOAD_IDLE && round_waits(r)) /* a round is bounded, and signals want their turn */
        reload_wake(r);
}

void reloader_done(struct reloader *r)
{
    uint64_t count;

    if (read(r->fd, &count, sizeof count) != sizeof count)
        return;
    go_on(r);
}

void reloader_request(struct reloader *r)
{
    if (!r->options->config) {
        log_warn("nothing to reload: the router was started without a configuration");
        return;
    }
    r->requested = true;
    if (r->step == RELOAD_IDLE)
        start(r);
}

void reloader_watch(struct reloader *r)
{
    if (r->step != RELOAD_IDLE || !r->options->config)
        return;
    const struct files *last = r->refused ? r->refused : r->present.files;
    uint64_t now = files_now(last);
    bool settled = now == r->seen;
    r->seen = now;
    if (settled && now != last->fingerprint)
        reloader_request(r);
}

int reloader_fd(const struct reloader *r)
{
    return r->fd;
}

/* ---- start and end ---- */

struct reloader *reloader_create(struct router *router, const struct router_options *options)
{
    struct reloader *r = xalloc(sizeof *r);

    r->router = router;
    r->options = options;
    r->last = &r->first;
    pthread_mutex_init(&r->lock, NULL);
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->present.documents = documents_create();
    if (r->fd < 0 || !r->present.documents)
        xfail("cannot make an eventfd");
    return r;
}

void reloader_stop(struct reloader *r)
{
    struct pollfd fd = {.fd = r->fd, .events = POLLIN};

    round_refuse_waiting(r);
    r->requested = false;
    while (r->step != RELOAD_IDLE && poll(&fd, 1, STOP_MS) > 0)
        reloader_done(r);
}

void reloader_destroy(struct reloader *r)
{
    if (!r)
        return;
    offer_drop(&r->offer);
    offer_drop(&r->present);
    files_unref(r->refused);
    tls_free(r->tls);
    documents_unref(r->written);
    documents_unref(r->being_written);
    close(r->fd);
    pthread_mutex_destroy(&r->lock);
    free(r->router->reload_error);
    free(r);
}
