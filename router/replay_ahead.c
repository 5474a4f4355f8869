/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ahead: of a replay's two batches one is fed while a worker fills the other. So reading, unpacking, filtering
 * and naming cost the dispatch thread nothing, and a replay that is held up holds two batches and what its merge keeps.
 * REPLAY_READERS replays have a worker at a time; the others get theirs when one is done.
 */
#include "router/replay_int.h"

static void work_run(struct work *w)
{
    struct replay *r = (struct replay *)((char *)w - offsetof(struct replay, work));

    if (replay_of_files(r)) {
        stream_run(r);
        return;
    }
    if (!r->reader.merge)
        r->work_ok = reader_open(&r->reader, &r->window, &r->from, r->bytes_max);
    else
        merge_bound(r->reader.merge, r->bytes_max);
    if (r->reader.merge)
        r->work_ok = reader_fill(&r->reader, r->name, r->count_max, r->batches[r->filling]);
}

static size_t share_of_memory(const struct dispatch *d)
{
    struct replay *r;
    size_t active = 0;

    TAILQ_FOREACH (r, &d->replays, link)
        active += replay_active(r) && !r->paused;
    return REPLAY_BYTES_MAX / (active ? active : 1);
}

/* Forgets what was read and not fed: it is read again from where the replay is. */
static void drop_batches(struct replay *r)
{
    reader_close(&r->reader);
    for (int i = 0; i < 2; i++) {
        buf_fini(&r->batches[i]->bytes);
        r->full[i] = false;
    }
    r->read_all = false;
    r->pace = (struct replay_pace){0};
}

static bool limit_taken(const struct replay *r)
{
    return r->limit && r->taken >= r->limit;
}

static unsigned count_readers(const struct dispatch *d)
{
    const struct replay *r;
    unsigned count = 0;

    TAILQ_FOREACH (r, &d->replays, link)
        count += r->working;
    return count;
}

static void work_done(struct work *w);

static void read_on(struct replay *r)
{
    if (count_readers(r->dispatch) >= REPLAY_READERS)
        return; /* all_go_on() comes back to it */
    if (!r->reader.merge && !replay_of_files(r)) {
        r->from = r->at;
        r->taken = r->at.position;
    }
    r->bytes_max = share_of_memory(r->dispatch);
    r->count_max = r->limit ? r->limit - r->taken : UINT64_MAX;
    r->filling = r->full[r->feeding] ? !r->feeding : r->feeding;
    r->working = true;
    r->work = (struct work){.run = work_run, .done = work_done};
    workers_submit(r->dispatch->workers, &r->work);
}

void replay_go_on(struct replay *r)
{
    if (r->working || !replay_active(r))
        return;
    if (replay_of_files(r)) {
        if (r->feeder && !r->full[r->feeding])
            read_on(r);
    } else if (r->paused) {
        drop_batches(r);
    } else if (!r->read_all && !(r->full[0] && r->full[1])) {
        read_on(r);
    }
}

/* What is in the window, as far as it is known when this batch has been read. */
static void take_total(struct replay *r, const struct replay_batch *b)
{
    uint64_t before = r->at.position + r->at.filtered; /* what is fed, and what is in the other batch */
    const struct replay_batch *other = r->full[r->feeding] ? r->batches[r->feeding] : NULL;

    for (size_t i = other ? other->next : 0; other && i < other->count; i++)
        before += 1 + other->spans[i].filtered;
    before += other ? other->filtered : 0;
    for (size_t i = 0; i < b->count; i++)
        before += 1 + b->spans[i].filtered;
    r->at.total = before + b->filtered + b->left;
    r->at.exact = b->exact;
    if (r->limit && r->at.total >= r->limit && !r->pattern.size)
        r->at.total = r->limit, r->at.exact = true;
}

static void batch_came(struct replay *r)
{
    struct replay_batch *b = r->batches[r->filling];

    r->taken += b->count;
    take_total(r, b);
    r->full[r->filling] = true;
    r->read_all = b->last || limit_taken(r);
    if (r->state == REPLAY_STARTING)
        r->state = REPLAY_RUNNING;
    replay_note(r);
}

static void all_go_on(struct dispatch *d)
{
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link)
        if (r->inserted)
            replay_go_on(r);
}

static void work_done(struct work *w)
{
    struct replay *r = (struct replay *)((char *)w - offsetof(struct replay, work));
    struct dispatch *d = r->dispatch;

    r->working = false;
    if (!replay_active(r)) {
        stream_answer(r);
        replay_release(r); /* cancelled meanwhile */
    } else if (!r->work_ok) {
        replay_end(r, REPLAY_FAILED, r->reader.error);
    } else {
        batch_came(r);
        if (r->paused || d->stopping)
            stream_answer(r);
    }
    all_go_on(d);
    turn_schedule(d);
    turn_again(d);
}
