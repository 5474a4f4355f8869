/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing archive files, one at a time:
 *
 *     ask (ledger) ──► pack, on a thread of its own ──► record (ledger) ──► ask
 *
 * The thread is nice: packing takes a processor for a second a file, and delivering goes first. A file that cannot be
 * packed (somebody removed it, or cut it) is logged and passed over, with all before it, for a while: one bad file
 * keeps no other from being sealed. What a crash cuts off is begun again after the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/archive_sealed.h"

#define NICE     19
#define WAIT_MS  30000  /* after a failure that was no file's */
#define AGAIN_MS 600000 /* files that were passed over are tried again, and logged again */

enum seal_state { SEAL_IDLE, SEAL_ASKING, SEAL_PACKING, SEAL_PACKED, SEAL_RECORDING };

struct sealer {
    struct ledger_job ledger;
    struct dispatch *dispatch;
    enum seal_state state;
    struct archive_seal_job job;
    bool clear;          /* job is recorded, its growing form is to be unlinked */
    int64_t passed_over; /* the number of the last file that could not be packed; 0: none */
    int64_t again_at;    /* age: when what was passed over is tried again */
    int64_t not_before;  /* age: after a failure */

    /* the thread's while packing */
    pthread_t thread;
    bool ok;
    int64_t packed;
    struct weir_diag diag;
    struct mail mail;
};

static void failed(struct sealer *s, const char *doing, const char *reason)
{
    log_error("an archive file cannot be sealed, trying again", LOG_TEXT("doing", doing), LOG_TEXT("file", s->job.path),
              LOG_TEXT("reason", reason));
    s->state = SEAL_IDLE;
    s->not_before = s->dispatch->now.age_ms + WAIT_MS;
}

static void pass_over(struct sealer *s)
{
    log_error("an archive file cannot be sealed, going on with the others", LOG_TEXT("file", s->job.path),
              LOG_TEXT("reason", s->diag.message));
    if (!s->passed_over)
        s->again_at = s->dispatch->now.age_ms + AGAIN_MS;
    s->passed_over = s->job.file;
    s->state = SEAL_IDLE;
    seal_tick(s->dispatch);
}

/* ---- packing ---- */

static void *pack(void *context)
{
    struct sealer *s = context;
    struct dispatch *d = s->dispatch;
    int fd = open(d->options.data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    pthread_setname_np(pthread_self(), "weir-seal");
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread, on Linux */
    s->ok = fd >= 0 && archive_seal(fd, s->job.path, s->job.bytes, &d->ending, &s->packed, &s->diag);
    if (fd < 0)
        snprintf(s->diag.message, sizeof s->diag.message, "cannot open '%s': %s", d->options.data_dir, strerror(errno));
    else
        close(fd);
    mailbox_post(d->mailbox, &s->mail);
    return NULL;
}

static void packed(struct mail *m)
{
    struct sealer *s = (struct sealer *)((char *)m - offsetof(struct sealer, mail));

    pthread_join(s->thread, NULL);
    s->state = SEAL_PACKED;
    if (s->ok)
        seal_tick(s->dispatch);
    else
        pass_over(s);
}

static void start_packing(struct sealer *s)
{
    s->state = SEAL_PACKING;
    s->mail.deliver = packed;
    if (pthread_create(&s->thread, NULL, pack, s) != 0)
        failed(s, "pack", "no thread can be started");
}

/* ---- asking and recording ---- */

static bool ask_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct sealer *s = (struct sealer *)job;

    if (s->clear && !archive_seal_clear(store, s->dispatch->options.data_dir, &s->job, diag))
        return false;
    s->clear = false;
    s->job.file = s->passed_over;
    return archive_seal_next(store, now, &s->job, diag);
}

static void ask_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct sealer *s = (struct sealer *)job;

    s->state = SEAL_IDLE;
    if (!ok)
        failed(s, "look for one", diag->message);
    else if (s->job.path[0] && !s->dispatch->stopping)
        start_packing(s);
    reload_try(s->dispatch);
}

static bool record_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct sealer *s = (struct sealer *)job;
    return archive_seal_done(store, &s->job, s->packed, diag);
}

static void record_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct sealer *s = (struct sealer *)job;

    s->state = SEAL_IDLE;
    if (!ok) {
        failed(s, "record it", diag->message);
    } else {
        log_info("archive file sealed", LOG_TEXT("file", s->job.path), LOG_INT("bytes", s->job.bytes),
                 LOG_INT("packed", s->packed));
        s->clear = true;
        seal_tick(s->dispatch); /* there may be more */
    }
    reload_try(s->dispatch);
}

static void submit(struct sealer *s, enum seal_state state)
{
    bool ask = state == SEAL_ASKING;

    s->state = state;
    s->ledger = (struct ledger_job){
        .run = ask ? ask_run : record_run, .done = ask ? ask_done : record_done, .reply = s->dispatch->mailbox};
    ledger_submit(s->dispatch->options.ledger, &s->ledger);
}

void seal_tick(struct dispatch *d)
{
    struct sealer *s = d->sealer;

    if (d->stopping || d->reload)
        return;
    if (s->state == SEAL_PACKED) {
        submit(s, SEAL_RECORDING);
    } else if (s->state == SEAL_IDLE && s->not_before <= d->now.age_ms) {
        if (s->again_at <= d->now.age_ms)
            s->passed_over = 0;
        submit(s, SEAL_ASKING);
    }
}

bool seal_busy(const struct dispatch *d)
{
    return d->sealer->state == SEAL_ASKING || d->sealer->state == SEAL_RECORDING;
}

void seal_start(struct dispatch *d)
{
    d->sealer = xalloc(sizeof *d->sealer);
    d->sealer->dispatch = d;
}

void seal_stop(struct dispatch *d)
{
    struct sealer *s = d->sealer;

    if (!s)
        return;
    if (s->state == SEAL_PACKING)
        pthread_join(s->thread, NULL); /* it has seen d->ending; its mail is not delivered any more */
    free(s);
    d->sealer = NULL;
}
