/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Housekeeping: every few seconds a small ledger job that counts queues and archives for their gauges; once a minute it
 * unlinks archive files past their retention. An archive that a replay is reading keeps its files until the replay is
 * done. Messages past their retention are dispatch_chores.c's.
 */
#include <stdlib.h>

#include "router/deduplication.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/replay.h"
#include "router/tap.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/queue.h"

#define HOUSE_MS     5000
#define EXPIRE_EVERY 12 /* rounds: once a minute */

struct keeping { /* of one archive */
    struct outlet *outlet;
    bool busy; /* being replayed */
    struct archive_totals totals;
};

struct house {
    struct ledger_job job;
    struct dispatch *dispatch;
    unsigned rounds;
    bool running;
    struct keeping *archives;
    size_t archive_count;
    int64_t expired_files;
};

static void add_name(void *context, struct str name)
{
    struct buf *names = context;
    buf_str(names, name);
    buf_char(names, '\0');
}

/* Those that left the configuration with messages in them too. */
static bool measure_queues(struct house *h, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct buf names = BUF_INIT;
    struct queue_counts counts;
    bool ok = queue_names(store, add_name, &names, diag);

    xbuf(&names);
    for (size_t at = 0; ok && at < names.size;) {
        struct str name = str_from(names.data + at);
        ok = queue_count(store, name, now, &counts, diag);
        if (ok)
            series_set(metric_str(METRIC_QUEUE_BYTES, &name), counts.bytes);
        at += name.size + 1;
    }
    buf_fini(&names);
    return ok;
}

static bool keep_archive(struct house *h, struct keeping *k, struct store *store, struct weir_time now,
                         struct weir_diag *diag)
{
    int64_t count = 0;

    if (h->rounds % EXPIRE_EVERY == 0 && !k->busy && !archive_expire(k->outlet->target, store, now, &count, diag))
        return false;
    h->expired_files += count;
    return archive_count(store, k->outlet->def->name, &k->totals, diag);
}

static bool house_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct house *h = (struct house *)job;

    h->expired_files = 0;
    if (!replay_expire(store, now, diag) || !deduplication_expire(h->dispatch, store, now, diag) ||
        !measure_queues(h, store, now, diag))
        return false;
    for (size_t i = 0; i < h->archive_count; i++)
        if (!keep_archive(h, &h->archives[i], store, now, diag))
            return false;
    return true;
}

static void show_round(const struct house *h)
{
    if (h->expired_files)
        log_info("past their retention and gone", LOG_INT("archive_files", h->expired_files));
    for (size_t i = 0; i < h->archive_count; i++) {
        const struct keeping *k = &h->archives[i];
        series_set(metric_str(METRIC_ARCHIVE_EVENTS, &k->outlet->def->name), k->totals.events);
        series_set(metric_str(METRIC_ARCHIVE_BYTES, &k->outlet->def->name), k->totals.bytes);
    }
}

static void house_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct house *h = (struct house *)job;

    h->running = false;
    if (!ok)
        log_warn("housekeeping failed, trying again", LOG_TEXT("reason", diag->message));
    else
        show_round(h);
    reload_try(h->dispatch);
}

static void house_cb(evutil_socket_t fd, short what, void *context)
{
    struct house *h = context;
    struct dispatch *d = h->dispatch;

    taps_expire(d->options.taps, d->now);
    outlet_tick(d); /* its timers stand still while the machine sleeps, ages do not */
    seal_tick(d);
    chores_tick(d);
    if (h->running || d->stopping || d->reload)
        return;
    for (size_t i = 0; i < h->archive_count; i++)
        h->archives[i].busy = replay_reads(d, h->archives[i].outlet->def->name);
    deduplication_keep(d);
    h->running = true;
    h->rounds++;
    ledger_submit(d->options.ledger, &h->job);
}

void house_apply(struct dispatch *d)
{
    struct house *h = d->house;
    const struct generation *g = d->generation;

    free(h->archives);
    h->archives = xarray(g->set->target_count, sizeof *h->archives);
    h->archive_count = 0;
    for (uint32_t i = 0; i < g->set->target_count; i++)
        if (g->set->targets[i]->adapter == &archive_adapter)
            h->archives[h->archive_count++].outlet = g->outlets[i];
}

bool house_busy(const struct dispatch *d)
{
    return d->house->running;
}

void house_start(struct dispatch *d)
{
    struct house *h = d->house = xalloc(sizeof *h);

    h->dispatch = d;
    h->job.run = house_run;
    h->job.done = house_done;
    h->job.reply = d->mailbox;
    house_apply(d);
    d->house_timer = event_new(d->host.base, -1, EV_PERSIST, house_cb, h);
    struct timeval period = {HOUSE_MS / 1000, HOUSE_MS % 1000 * 1000};
    if (!d->house_timer || event_add(d->house_timer, &period) != 0)
        xfail("cannot make a timer");
    house_cb(-1, 0, h);
}

void house_stop(struct dispatch *d)
{
    if (!d->house)
        return;
    event_free(d->house_timer);
    free(d->house->archives);
    free(d->house);
}
