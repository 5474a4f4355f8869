/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a replay, and how it is fed to dispatch.
 *
 *   START ──► ledger: name, files and their lengths ──► 201 STARTING ──► worker: index ──► RUNNING
 *                                                                                            │
 *             COMPLETED ◄── all fed, deliveries committed ◄── turn ◄── batch ◄── worker: read ┘
 *
 * A replay is fed only when the journal has nothing waiting, a batch at a time, through the same turns as the journal;
 * its position is committed with the deliveries made from it, so it resumes where it was and repeats nothing. COMPLETED
 * says that all deliveries were made, not that all targets have taken them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

/* ---- life of a replay ---- */

struct replay *replay_create(struct dispatch *d, struct str name, struct str archive)
{
    struct replay *r = xalloc(sizeof *r);

    r->dispatch = d;
    r->name = xstr(name);
    r->archive = xstr(archive);
    r->last_event_ms = INT64_MIN;
    r->fed = metric_str(METRIC_REPLAYED_EVENTS, &r->name);
    TAILQ_INSERT_TAIL(&d->replays, r, link);
    return r;
}

void replay_destroy(struct replay *r)
{
    TAILQ_REMOVE(&r->dispatch->replays, r, link);
    index_fini(&r->index);
    buf_fini(&r->batch.bytes);
    free((char *)r->name.ptr);
    free((char *)r->archive.ptr);
    free((char *)r->rule_names.ptr);
    free(r->rules);
    free(r);
}

bool replay_active(const struct replay *r)
{
    return replay_row_active(r->state);
}

static void release(struct replay *r)
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
    p->position = r->position;
    p->total = r->total;
    p->matched = r->matched;
    p->deliveries = r->deliveries;
    p->last_event_ms = r->last_event_ms;
    p->state = r->state;
    memcpy(p->reason, r->reason, sizeof p->reason);
    return p;
}

void replay_end(struct replay *r, enum replay_state state, const char *reason)
{
    r->state = state;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    log_info("a replay has ended", LOG_STR("replay", r->name), LOG_TEXT("state", replay_state_names[state]),
             LOG_INT("events", r->position), LOG_INT("deliveries", r->deliveries), LOG_TEXT("reason", reason));
    replay_note(r);
}

void replay_committed(struct dispatch *d, struct replay_progress *p)
{
    p->replay->uncommitted--;
    release(p->replay);
    if (p->answer)
        replay_show(p->answer);
}

/* ---- the worker's part ---- */

static void work_run(struct work *w)
{
    struct replay *r = (struct replay *)((char *)w - offsetof(struct replay, work));

    if (!r->indexed)
        r->work_ok = index_build(&r->index, r->from_ms, r->to_ms);
    else
        r->work_ok = index_read(&r->index, r->position, r->name, &r->batch);
}

static void work_done(struct work *w);

/* Index, then batch after batch; ends it when there is no more, or nowhere to go. */
void replay_go_on(struct replay *r)
{
    if (!r->bus) {
        replay_end(r, REPLAY_FAILED, "its archive or bus is not configured any more");
        return;
    }
    if (r->indexed && r->position >= r->index.count) {
        replay_end(r, REPLAY_COMPLETED, "");
        return;
    }
    r->batch.count = r->next = 0;
    r->working = true;
    r->work = (struct work){.run = work_run, .done = work_done};
    workers_submit(r->dispatch->workers, &r->work);
}

static void indexed(struct replay *r)
{
    r->indexed = true;
    r->total = r->index.count;
    if (r->index.unreadable)
        log_warn("lines of an archive are no events and are not replayed", LOG_STR("archive", r->archive),
                 LOG_INT("lines", r->index.unreadable));
    r->state = REPLAY_RUNNING;
    replay_note(r);
    replay_go_on(r);
}

static void work_done(struct work *w)
{
    struct replay *r = (struct replay *)((char *)w - offsetof(struct replay, work));
    struct dispatch *d = r->dispatch;

    r->working = false;
    if (!replay_active(r))
        release(r); /* cancelled meanwhile */
    else if (!r->work_ok)
        replay_end(r, REPLAY_FAILED, r->index.error);
    else if (!r->indexed)
        indexed(r);
    turn_schedule(d);
    turn_again(d);
}

/* ---- feeding ---- */

static void feed_one(struct replay *r)
{
    const struct replay_span *s = &r->batch.spans[r->next++];
    struct incoming in = {.origin = r->name,
                          .position = ++r->position,
                          .arrived_wall_ms = r->dispatch->now.wall_ms,
                          .bus = r->bus->name,
                          .event = {r->batch.bytes.data + s->offset, s->size},
                          .checked = true, /* whether it repeats keys is not kept in archives */
                          .rules = r->rules};
    struct matched m = turn_offer(r->dispatch, &in);

    r->matched += m.any;
    r->deliveries += m.deliveries;
    r->last_event_ms = s->time_ms;
    series_add(r->fed, 1);
}

bool replays_feed(struct dispatch *d)
{
    struct replay *r;
    bool more = false;

    TAILQ_FOREACH (r, &d->replays, link) {
        if (r->state != REPLAY_RUNNING || r->working || !r->batch.count)
            continue;
        size_t before = r->next;
        while (r->next < r->batch.count && !turn_full(d->turn))
            feed_one(r);
        if (r->next > before)
            replay_note(r);
        if (r->next == r->batch.count)
            replay_go_on(r);
        else
            more = true;
    }
    return more;
}

/* ---- after a restart or a reload ---- */

/* The bus of an archive; NULL: there is no such archive. */
const struct bus *replay_bus(const struct dispatch *d, struct str archive)
{
    const struct target_def *def = ruleset_target(d->set, archive_adapter.type, archive);
    if (!def)
        return NULL;
    const struct archive_options *options = def->options;
    return ruleset_bus(d->set, options->bus.size ? options->bus : STR("default"));
}

/* By name: those that are gone simply receive nothing. */
static uint64_t *chosen_again(const struct dispatch *d, const struct bus *bus, struct str json)
{
    uint64_t *set = NULL;
    struct json_reader reader;
    struct json_token t;
    struct buf name = BUF_INIT;

    json_reader_init(&reader, json);
    json_next(&reader, &t);
    while (json_next(&reader, &t) == JSON_STRING) {
        set = set ? set : replay_no_rules(d);
        buf_clear(&name);
        json_decode(&name, t.raw);
        const struct rule *rule = ruleset_rule(d->set, bus->name, buf_view(&name));
        if (rule && !rule->is_archive)
            replay_choose(set, rule);
    }
    buf_fini(&name);
    return set;
}

static void load_row(void *context, const struct replay_row *row)
{
    struct dispatch *d = context;
    struct replay *r = replay_create(d, row->name, row->archive);

    r->inserted = true;
    r->bus = replay_bus(d, row->archive);
    r->from_ms = row->from_ms;
    r->to_ms = row->to_ms;
    r->rule_names = xstr(row->rules);
    r->rules = r->bus ? chosen_again(d, r->bus, r->rule_names) : NULL;
    r->state = row->state;
    r->position = row->position;
    r->total = row->total;
    r->matched = row->matched;
    r->deliveries = row->deliveries;
    r->last_event_ms = row->last_event_ms;
}

static void load_file(void *context, struct str path, int64_t bytes)
{
    struct replay *r = context;
    index_add_file(&r->index, r->dispatch, path, bytes);
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

    TAILQ_FOREACH (r, &d->replays, link) {
        if (!replay_active(r))
            continue;
        r->bus = replay_bus(d, r->archive);
        free(r->rules);
        r->rules = r->bus ? chosen_again(d, r->bus, r->rule_names) : NULL;
        if (!r->bus && r->inserted) /* else: when the ledger knows it */
            replay_go_on(r);
    }
}

void replays_resume(struct dispatch *d)
{
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link) {
        if (r->bus)
            log_info("a replay goes on", LOG_STR("replay", r->name), LOG_INT("position", r->position));
        replay_go_on(r);
    }
    turn_schedule(d);
}
