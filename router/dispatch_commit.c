/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn as one ledger job: what it puts, the rows of deliveries that have not settled, the rows of those that have
 * since, dead letters, progress of replays, and the new cursor, all or nothing. So whatever the cursor has passed is
 * settled or has a row, at every commit.
 *
 * Writing few rows: a turn without puts is held back for HOLD_MS, in which a quick target settles everything and
 * nothing of it is ever written. A turn with puts goes at once, since somebody may be polling the queue.
 *
 * Order: jobs are numbered, and a job that does not find its predecessor's number in the ledger fails. So when one
 * fails (disk full), those behind it fail too; all are tried again, in order, after a pause. Reading stops meanwhile:
 * the journal keeps what comes in.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/deduplication.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/publish.h"
#include "router/replay.h"
#include "router/schedules.h"
#include "router/trail.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define HOLD_MS      20
#define PAUSE_MS     1000
#define PAUSE_MAX_MS 30000

struct turn *turn_create(struct dispatch *d)
{
    struct turn *t = xalloc(sizeof *t);
    t->dispatch = d;
    STAILQ_INIT(&t->redrives);
    STAILQ_INIT(&t->published);
    t->cursor = d->turn ? d->turn->cursor : dispatch_cursor(d);
    return t;
}

static void free_list(struct flight_list *l, bool flights)
{
    for (size_t i = 0; flights && i < l->count; i++)
        flight_free(l->list[i]);
    flights_fini(l);
}

void turn_free(struct turn *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->created.count; i++)
        if (t->created.list[i]->spilled)
            flight_free(t->created.list[i]); /* the others are in their outlet's window, or ended */
    free_list(&t->created, false);
    free_list(&t->puts, true);
    free_list(&t->ended, true);
    free_list(&t->shelved, true);
    free(t->groups);
    schedule_notes_fini(t);
    noted_ids_fini(t);
    redrives_fini(t);
    publish_fini(t);
    free(t->sign_parts);
    free(t);
}

/* ---- on the ledger thread ---- */

/* What stands in a block leaves it with the others of the turn. */
static bool delete_row(struct turn *t, const struct flight *f, struct store *store, struct weir_diag *diag)
{
    if (!f->has_row)
        return true;
    backlog_row_deleted(t, f);
    return f->place.block || owed_delete(store, f->id, diag);
}

static bool put_one(struct turn *t, struct flight *f, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    f->verdict = (struct verdict){0};
    f->missed = publish_is_duplicate(f);
    if (f->missed)
        return true;
    f->outlet->target->ops->put(f->outlet->target, &f->d, store, now, &f->verdict);
    if (f->verdict.kind == VERDICT_RETRY) {
        *diag = (struct weir_diag){.code = WEIR_E_IO};
        snprintf(diag->message, sizeof diag->message, "%.*s: %s", STR_ARG(f->outlet->key), f->verdict.message);
        return false;
    }
    f->result = f->verdict.kind == VERDICT_SETTLED ? RESULT_DELIVERED : letter_result(f);
    if (f->result == RESULT_DEAD_LETTERED && !letter_write(t->dispatch, store, f, now, diag))
        return false;
    return delete_row(t, f, store, diag);
}

static bool run_puts(struct turn *t, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    for (size_t i = 0; i < t->puts.count; i++)
        if (!put_one(t, t->puts.list[i], store, now, diag))
            return false;

    uint64_t stamp = ++t->dispatch->put_stamp;
    for (size_t i = 0; i < t->puts.count; i++) {
        struct outlet *o = t->puts.list[i]->outlet;
        if (o->put_stamp == stamp)
            continue;
        o->put_stamp = stamp;
        if (o->target->ops->flush && !o->target->ops->flush(o->target, store, now, diag))
            return false;
    }
    return true;
}

static bool write_retried(struct turn *t, const struct flight *f, struct store *store, struct weir_time now,
                          struct weir_diag *diag)
{
    struct owed_row row = flight_row(f, now.age_ms + f->delay_ms);

    row.attempts = f->attempts;
    row.error_code = str_from(f->verdict.code);
    row.error_message = str_from(f->verdict.message);
    if (!f->has_row)
        backlog_row_inserted(t, f);
    else
        backlog_row_kept(t, f);
    if (f->has_row && !f->place.block)
        return owed_retry(store, f->id, row.target, row.attempts, row.next_age, row.error_code, row.error_message,
                          diag);
    return owed_insert(store, &row, diag);
}

static bool write_ended(struct turn *t, const struct flight *f, struct store *store, struct weir_time now,
                        struct weir_diag *diag)
{
    if (f->result == RESULT_RETRIED)
        return write_retried(t, f, store, now, diag);
    if (f->result == RESULT_DEAD_LETTERED && !letter_write(t->dispatch, store, f, now, diag))
        return false;
    return delete_row(t, f, store, diag);
}

static bool turn_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct turn *t = (struct turn *)job;

    backlog_begin(t);
    if (!owed_cursor_move(store, t->number, t->cursor, diag))
        return false;
    if (!publish_write(t, store, now, diag) || !run_puts(t, store, now, diag))
        return false;
    if (!turn_write_created(t, store, now, diag))
        return false;
    for (size_t i = 0; i < t->ended.count; i++)
        if (!write_ended(t, t->ended.list[i], store, now, diag))
            return false;
    if (!turn_leave_blocks(t, store, diag) || !turn_advance(t, store, now, diag))
        return false;
    for (size_t i = 0; i < t->replay_count; i++)
        if (!replay_write_progress(store, &t->replays[i], now, diag))
            return false;
    return backlog_write(t, store, diag) && noted_ids_write(t, store, diag) && schedules_write(t, store, diag);
}

/* ---- committed ---- */

static void note(struct dispatch *d, const struct flight *f, enum trail_state state)
{
    if (f->outlet->def && f->outlet->def->adapter == &archive_adapter)
        return;
    trail_note(d->trail, f, state, d->now.wall_ms);
}

static void count_result(struct dispatch *d, struct flight *f)
{
    static const enum trail_state states[RESULT_COUNT] = {
        [RESULT_DELIVERED] = TRAIL_DELIVERED,
        [RESULT_RETRIED] = TRAIL_RETRIED,
        [RESULT_DEAD_LETTERED] = TRAIL_DEAD_LETTERED,
        [RESULT_DROPPED] = TRAIL_DROPPED,
    };

    note(d, f, states[f->result]);
    series_add(route_series(f, f->result), 1);
    if (f->result != RESULT_RETRIED)
        backlog_end(f);
}

/* Another one of its key may be due now. */
static void look_behind(struct dispatch *d, struct flight *f)
{
    if (f->order_key && f->has_row)
        outlet_rows_came(f->row_outlet, 0, d->now.age_ms);
}

static void finish_ended(struct dispatch *d, struct flight *f)
{
    struct outlet *o = f->outlet;
    bool waits = f->result == RESULT_RETRIED;
    int64_t due = d->now.age_ms + f->delay_ms;

    count_result(d, f);
    look_behind(d, f);
    outlet_forget(f);
    if (waits)
        outlet_rows_came(o, 1, due);
}

static void finish(struct dispatch *d, struct turn *t)
{
    for (size_t i = 0; i < t->puts.count; i++) {
        struct flight *f = t->puts.list[i];
        if (f->missed)
            backlog_end(f);
        else
            count_result(d, f);
        look_behind(d, f);
        flight_free(f);
    }
    for (size_t i = 0; i < t->ended.count; i++)
        finish_ended(d, t->ended.list[i]);
    for (size_t i = 0; i < t->created.count; i++) {
        struct flight *f = t->created.list[i];
        if (f->missed) {
            redrive_missed(f);
        } else if (f->spilled) {
            note(d, f, TRAIL_QUEUED);
            outlet_rows_came(f->outlet, 1, d->now.age_ms);
            flight_free(f);
        }
    }
    for (size_t i = 0; i < t->shelved.count; i++) {
        outlet_rows_came(t->shelved.list[i]->outlet, 1, OWED_IN_HAND);
        flight_free(t->shelved.list[i]);
    }
    t->puts.count = t->ended.count = t->created.count = t->shelved.count = 0;
    for (size_t i = 0; i < t->replay_count; i++)
        replay_committed(d, &t->replays[i]);
    schedules_committed(d, t);
    redrives_committed(t);
    publish_committed(t);
    trail_flush(d->trail);
}

static void pause_jobs(struct dispatch *d)
{
    d->job_delay_ms = d->job_delay_ms ? 2 * d->job_delay_ms : PAUSE_MS;
    if (d->job_delay_ms > PAUSE_MAX_MS)
        d->job_delay_ms = PAUSE_MAX_MS;
    d->jobs_paused = true;
    dispatch_timer(d->job_timer, d->job_delay_ms);
}

static void turn_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct turn *t = (struct turn *)job;
    struct dispatch *d = t->dispatch;

    d->now = dispatch_now(d);
    d->jobs_away--;
    if (!ok) {
        if (t == STAILQ_FIRST(&d->jobs)) /* those behind it fail because of it */
            log_error("deliveries cannot be committed, trying again", LOG_TEXT("reason", diag->message));
        if (!d->jobs_away)
            pause_jobs(d);
        return;
    }
    assert(t == STAILQ_FIRST(&d->jobs));
    STAILQ_REMOVE_HEAD(&d->jobs, link);
    d->job_count--;
    d->job_delay_ms = 0;
    atomic_store(&d->cursor, t->cursor);
    finish(d, t);
    turn_free(t);
    uint64_t next = dispatch_cursor(d) + 1, hold = atomic_load(&d->hold);
    journal_release(d->journal, next < hold ? next : hold);
    turn_schedule(d);
    turn_again(d);
    dispatch_stopped(d);
    reload_try(d);
}

/* ---- submitting ---- */

/* Leaves in `created` the flights that are written now, and marks them. */
static void choose_rows(struct turn *t)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->created.count; i++) {
        struct flight *f = t->created.list[i];
        if (f->ended)
            continue;
        f->open = false;
        f->has_row = true;
        f->row_outlet = f->outlet;
        t->created.list[kept++] = f;
    }
    t->created.count = kept;
    t->open = 0;
    turn_group(t);
}

/* In order: one whose puts are being signed holds up those behind it. */
static void send_away(struct dispatch *d)
{
    struct turn *t;

    STAILQ_FOREACH (t, &d->jobs, link) {
        if (t->signing)
            return;
        if (t->away)
            continue;
        t->away = true;
        d->jobs_away++;
        ledger_submit(d->options.ledger, &t->job);
    }
}

void turn_signed(struct dispatch *d)
{
    if (!d->jobs_paused)
        send_away(d);
}

static void submit(struct dispatch *d)
{
    struct turn *t = d->turn;

    d->turn = turn_create(d);
    choose_rows(t);
    t->number = ++d->job_number;
    t->job.run = turn_run;
    t->job.done = turn_done;
    t->job.reply = d->mailbox;
    STAILQ_INSERT_TAIL(&d->jobs, t, link);
    d->job_count++;
    d->submitted = t->cursor;
    event_del(d->hold_timer);
    sign_puts(t);
    send_away(d);
    turn_again(d); /* there is room for more */
}

static bool has_work(const struct dispatch *d)
{
    const struct turn *t = d->turn;

    return t->cursor != d->submitted || t->puts.count || t->created.count || t->ended.count || t->replay_count ||
           t->note_count || !STAILQ_EMPTY(&t->published);
}

void turn_schedule(struct dispatch *d)
{
    const struct turn *t = d->turn;

    if (d->jobs_paused || d->job_count >= DISPATCH_JOBS || !has_work(d))
        return;
    if (t->puts.count || t->awaited || (turn_full(t) && !t->open) || d->drained || d->reload)
        submit(d);
    else if (!event_pending(d->hold_timer, EV_TIMEOUT, NULL))
        dispatch_timer(d->hold_timer, HOLD_MS);
}

void turn_hold_over(struct dispatch *d)
{
    if (!d->jobs_paused && d->job_count < DISPATCH_JOBS && has_work(d))
        submit(d);
}

void turn_resubmit(struct dispatch *d)
{
    struct turn *t;

    d->jobs_paused = false;
    STAILQ_FOREACH (t, &d->jobs, link)
        t->away = false;
    send_away(d);
}

bool turn_idle(const struct dispatch *d)
{
    return STAILQ_EMPTY(&d->jobs) && !has_work(d);
}
