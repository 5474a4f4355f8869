/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a replay, and how it is fed to dispatch.
 *
 *   START ──► ledger: name, files and their lengths ──► 201 STARTING ──► worker: frames, first batch ──► RUNNING
 *                                                                                                          │
 *   COMPLETED ◄── all fed, deliveries committed ◄── turn ◄── batch ◄──┬── batch ◄── worker reads and ──────┤
 *                                                    (fed)            └  (filled)   filters ahead ◄────────┘
 *
 * Replays are fed when the journal has nothing waiting; while it always has, a tenth of each turn is theirs, so that
 * steady load does not starve them. They go through the same turns as the journal, one after the other in a ring, and
 * where a replay is (struct replay_at) is committed with the deliveries made up to there: it goes on from there after a
 * crash and repeats nothing. COMPLETED says that all deliveries were made, not that all targets have taken them.
 *
 * A replay also waits while a target that it delivers to owes much: archived events can wait where they are.
 *
 * A paused replay holds nothing but its row: it goes on as after a restart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/log.h"
#include "router/replay_int.h"
#include "router/xalloc.h"

#define CROWDED_MS 100 /* a target that is far behind is looked at again after so long */

/* ---- life of a replay ---- */

struct replay *replay_create(struct dispatch *d, struct str name, struct str archive)
{
    struct replay *r = xalloc(sizeof *r);

    r->dispatch = d;
    r->name = xstr(name);
    r->archive = xstr(archive);
    r->at.last_event_ms = INT64_MIN;
    r->fed = metric_str(METRIC_REPLAYED_EVENTS, &r->name);
    r->total = metric_str(METRIC_REPLAY_TOTAL, &r->name);
    reader_init(&r->reader, d);
    for (int i = 0; i < 2; i++)
        r->batches[i] = xalloc(sizeof *r->batches[i]);
    TAILQ_INSERT_TAIL(&d->replays, r, link);
    return r;
}

void replay_destroy(struct replay *r)
{
    const struct str texts[] = {r->name, r->archive, r->bus_name, r->rule_names, r->target, r->pattern};

    TAILQ_REMOVE(&r->dispatch->replays, r, link);
    reader_fini(&r->reader);
    choice_fini(&r->choice);
    for (int i = 0; i < 2; i++) {
        buf_fini(&r->batches[i]->bytes);
        free(r->batches[i]);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free((char *)texts[i].ptr);
    free(r);
}

bool replay_active(const struct replay *r)
{
    return replay_row_active(r->state);
}

void replay_release(struct replay *r)
{
    if (!replay_active(r) && !r->working && !r->uncommitted)
        replay_destroy(r);
}

struct replay *replay_find(const struct dispatch *d, struct str name)
{
    struct replay *r;
    TAILQ_FOREACH (r, &d->replays, link)
        if (str_eq(r->name, name))
            return r;
    return NULL;
}

bool replay_reads(const struct dispatch *d, struct str archive)
{
    struct replay *r;
    TAILQ_FOREACH (r, &d->replays, link)
        if (replay_active(r) && str_eq(r->archive, archive))
            return true;
    return false;
}

void replays_close(struct dispatch *d)
{
    struct replay *r;
    while ((r = TAILQ_FIRST(&d->replays)))
        replay_destroy(r);
}

/* Where it is now goes into the present turn. */
struct replay_progress *replay_note(struct replay *r)
{
    struct turn *t = r->dispatch->turn;
    size_t i = 0;

    while (i < t->replay_count && t->replays[i].replay != r)
        i++;
    assert(i < REPLAYS_ACTIVE_MAX);
    struct replay_progress *p = &t->replays[i];
    if (i == t->replay_count) {
        t->replay_count++;
        r->uncommitted++;
        *p = (struct replay_progress){.replay = r, .name = r->name};
    }
    p->at = r->at;
    p->state = r->state;
    p->paused = r->paused;
    memcpy(p->reason, r->reason, sizeof p->reason);
    series_set(r->total, (int64_t)r->at.total);
    return p;
}

bool replay_await(struct replay *r, struct replay_call *call)
{
    struct replay_progress *p = replay_note(r);

    if (p->answer)
        return false;
    p->answer = call;
    r->dispatch->turn->awaited = true;
    return true;
}

void replay_end(struct replay *r, enum replay_state state, const char *reason)
{
    r->state = state;
    r->paused = r->waiting = false;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    if (r->reader.unreadable)
        log_warn("lines of an archive are no events and were not replayed", LOG_STR("archive", r->archive),
                 LOG_INT("lines", r->reader.unreadable));
    if (r->reader.given_up)
        log_warn("a replay's pattern gave a regex up: these events count as not matching", LOG_STR("replay", r->name),
                 LOG_INT("events", r->reader.given_up));
    log_info("a replay has ended", LOG_STR("replay", r->name), LOG_TEXT("state", replay_state_names[state]),
             LOG_INT("events", r->at.position), LOG_INT("deliveries", r->at.deliveries), LOG_TEXT("reason", reason));
    replay_note(r);
    if (!r->working)
        stream_answer(r);
}

void replay_committed(struct dispatch *d, struct replay_progress *p)
{
    p->replay->uncommitted--;
    replay_release(p->replay);
    if (p->answer)
        replay_show(p->answer);
}

/* ---- pausing ---- */

void replay_pause(struct replay *r, bool paused)
{
    if (r->paused == paused)
        return;
    r->paused = paused;
    r->waiting = false;
    log_info(paused ? "a replay is paused" : "a replay goes on", LOG_STR("replay", r->name),
             LOG_INT("position", r->at.position));
    if (paused && !r->working)
        stream_answer(r);
    replay_go_on(r);
}

/* ---- feeding ---- */

static void feed_one(struct replay *r, struct replay_batch *b)
{
    const struct replay_span *s = &b->spans[b->next++];
    struct incoming in = {.origin = r->name,
                          .position = ++r->at.position,
                          .arrived_wall_ms = r->dispatch->now.wall_ms,
                          .bus = r->bus->name,
                          .event = {b->bytes.data + s->offset, s->size},
                          .checked = true, /* whether it repeats keys is not kept in archives */
                          .rules = r->choice.rules,
                          .only = r->choice.only};
    struct matched m = turn_offer(r->dispatch, &in);

    r->at.filtered += s->filtered;
    r->crowded = m.crowded;
    r->at.matched += m.any;
    r->at.deliveries += m.deliveries;
    r->at.last_event_ms = s->time_ms;
    r->at.key = s->key;
    r->at.begun = true;
    series_add(r->fed, 1);
}

static bool can_feed(const struct replay *r)
{
    return r->state == REPLAY_RUNNING && !r->paused && r->full[r->feeding];
}

static void complete(struct replay *r)
{
    r->at.total = r->at.position + r->at.filtered;
    r->at.exact = true;
    replay_end(r, REPLAY_COMPLETED, "");
}

/* A batch is fed up: now, or when it is full, it is the other one's turn. */
static void pass_batch(struct replay *r, struct replay_batch *b)
{
    r->at.filtered += b->filtered;
    if (b->any) {
        r->at.key = b->end;
        r->at.begun = true;
    }
    r->full[r->feeding] = false;
    r->feeding = !r->feeding;
    stream_settled(r);
    if (r->read_all && !r->full[r->feeding])
        complete(r);
    replay_go_on(r);
}

/* A target that is far behind gets no more from a replay: what is archived can wait there better than in the ledger. */
static bool is_crowded(struct replay *r)
{
    if (r->crowded && !backlog_is_crowded(r->crowded))
        r->crowded = NULL;
    return r->crowded;
}

/* Gives how long the next event must wait; 0: it need not. */
static int64_t feed(struct replay *r)
{
    struct dispatch *d = r->dispatch;
    int64_t wait = 0;

    while (can_feed(r) && !turn_full(d->turn)) {
        struct replay_batch *b = r->batches[r->feeding];
        if (b->next < b->count) {
            wait =
                is_crowded(r) ? CROWDED_MS : pace_wait(&r->pace, &r->pacing, d->now.age_ms, b->spans[b->next].time_ms);
            if (wait)
                break;
            feed_one(r, b);
        }
        if (b->next == b->count)
            pass_batch(r, b);
    }
    return wait;
}

bool replays_hungry(const struct dispatch *d)
{
    const struct replay *r;
    TAILQ_FOREACH (r, &d->replays, link)
        if (can_feed(r) && r->wake_age <= d->now.age_ms)
            return true;
    return false;
}

static void set_timer(struct dispatch *d, int64_t wait)
{
    if (wait < INT64_MAX)
        dispatch_timer(d->replay_timer, wait);
}

/* Each in its turn is the first: the others get what it left. */
bool replays_feed(struct dispatch *d, bool busy)
{
    struct replay *r, *first = TAILQ_FIRST(&d->replays);
    int64_t soonest = INT64_MAX;
    bool more = false;

    TAILQ_FOREACH (r, &d->replays, link) {
        if (!can_feed(r))
            continue;
        uint64_t before = r->at.position + r->at.filtered;
        int64_t wait = feed(r);
        r->waiting = busy && !wait;
        r->wake_age = d->now.age_ms + wait;
        if (r->at.position + r->at.filtered > before && replay_active(r))
            replay_note(r);
        int64_t answer = stream_wait(r);
        if (wait && wait < soonest)
            soonest = wait;
        if (answer < soonest)
            soonest = answer;
        more |= !wait && can_feed(r);
    }
    if (first) {
        TAILQ_REMOVE(&d->replays, first, link);
        TAILQ_INSERT_TAIL(&d->replays, first, link);
    }
    set_timer(d, soonest);
    return more;
}

/* ---- after a restart or a reload ---- */

static bool choose_again(struct replay *r)
{
    const struct dispatch *d = r->dispatch;

    choice_fini(&r->choice);
    r->bus = replay_of_files(r) ? ruleset_bus(d->set, r->bus_name) : replay_bus(d, r->archive);
    return r->bus && choice_again(d, r->bus, r->rule_names, r->target, &r->choice);
}

static const char *why_not(const struct replay *r)
{
    return r->bus ? "its target is not configured any more" : "its archive or bus is not configured any more";
}

static void load_row(void *context, const struct replay_row *row)
{
    struct dispatch *d = context;
    struct replay *r = replay_create(d, row->name, row->archive);

    r->inserted = true;
    r->window = row->window;
    r->pacing = row->pacing;
    r->limit = row->limit;
    r->bus_name = xstr(row->bus);
    r->rule_names = xstr(row->rules);
    r->target = xstr(row->target);
    r->pattern = xstr(row->pattern);
    r->state = row->state;
    r->paused = row->paused;
    r->at = row->at;
    r->taken = row->at.position;
}

static void load_file(void *context, struct str path, int64_t bytes)
{
    struct replay *r = context;
    reader_add_file(&r->reader, r->dispatch, path, bytes);
}

bool replays_load(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct replay *r;

    if (!replay_each_active(store, load_row, d, diag))
        return false;
    TAILQ_FOREACH (r, &d->replays, link)
        if (!replay_each_file(store, r->name, load_file, r, diag))
            return false;
    return true;
}

void replays_apply(struct dispatch *d)
{
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link)
        if (replay_active(r) && !choose_again(r) && r->inserted)
            replay_end(r, REPLAY_FAILED, why_not(r));
}

void replay_resume(struct replay *r)
{
    struct weir_diag diag;

    if (!choose_again(r))
        replay_end(r, REPLAY_FAILED, why_not(r));
    else if (r->pattern.size && !filter_open(&r->reader.filter, r->pattern, &diag))
        replay_end(r, REPLAY_FAILED, diag.message);
    else
        replay_go_on(r);
    if (replay_of_files(r) && r->state == REPLAY_STARTING) {
        r->state = REPLAY_RUNNING;
        replay_note(r);
    }
}

void replays_stop(struct dispatch *d)
{
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link) {
        if (r->feeder && !r->working)
            replay_refuse(r->feeder, 503, "the router is stopping");
        r->feeder = r->working ? r->feeder : NULL;
    }
}

void replays_resume(struct dispatch *d)
{
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link) {
        log_info(r->paused ? "a replay is paused" : "a replay goes on", LOG_STR("replay", r->name),
                 LOG_INT("position", r->at.position));
        replay_resume(r);
    }
    turn_schedule(d);
}
