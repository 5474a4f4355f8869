/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays of files: whoever has the files feeds their records, batch after batch. A batch goes the way of an archive's:
 * a worker takes what the window and the pattern let through, turns take it from there. Where the replay is, is a
 * number of records (and which event of one), committed with the deliveries: the feeder goes on from it after a crash
 * of either side, and nothing is delivered twice or left out.
 */
#include "router/replay_int.h"

#define HOLD_MS 2000 /* a feeder waits so long for its events to be done with; then it asks again */

/* A record whose events are not all done is not read. */
uint64_t stream_records_read(const struct replay_at *at)
{
    return at->begun ? (uint64_t)at->key.time_ms + (at->key.offset == UINT64_MAX) : 0;
}

void stream_run(struct replay *r)
{
    reader_take(&r->reader, &r->window, r->from.begun ? &r->from.key : NULL, r->name, r->feeder->request.records,
                r->count_max, r->batches[r->filling]);
    r->work_ok = true;
}

void stream_answer(struct replay *r)
{
    struct replay_call *call = r->feeder;

    r->feeder = NULL;
    if (call && r->dispatch->stopping)
        replay_refuse(call, 503, "the router is stopping");
    else if (call)
        replay_show(call);
}

int64_t stream_wait(struct replay *r)
{
    int64_t waited = r->dispatch->now.age_ms - r->feeder_age;

    if (!r->feeder || r->working)
        return INT64_MAX;
    if (waited < HOLD_MS)
        return HOLD_MS - waited;
    stream_answer(r);
    return INT64_MAX;
}

void stream_settled(struct replay *r)
{
    if (!r->feeder)
        return;
    if (replay_await(r, r->feeder))
        r->feeder = NULL;
    else
        stream_answer(r);
}

/* The replay that is meant, if it can be fed now; else the call is refused. */
static struct replay *find(struct dispatch *d, struct replay_call *call)
{
    struct str name = call->request.name;
    struct replay *r = replay_find(d, name);

    if (!r || !r->inserted || !replay_active(r)) {
        replay_show(call); /* 404 or 409 */
        return NULL;
    }
    if (!replay_of_files(r))
        replay_refuse(call, 409, "Replay %.*s is one of an archive.", STR_ARG(name));
    else if (r->feeder || r->working || r->full[0] || r->full[1])
        replay_refuse(call, 409, "Replay %.*s is still busy with the records before.", STR_ARG(name));
    else
        return r;
    return NULL;
}

void stream_feed(struct dispatch *d, struct replay_call *call)
{
    const struct replay_records *records = call->request.records;
    struct replay *r = find(d, call);

    if (!r)
        return;
    if (records->first != stream_records_read(&r->at)) {
        replay_refuse(call, 409, "Replay %.*s goes on with record %llu, not with %llu.", STR_ARG(r->name),
                      (unsigned long long)stream_records_read(&r->at), (unsigned long long)records->first);
        return;
    }
    call->state = r;
    r->from = r->at;
    r->feeder = call;
    r->feeder_age = d->now.age_ms;
    replay_go_on(r);
}

void stream_finish(struct dispatch *d, struct replay_call *call)
{
    struct replay *r = find(d, call);

    if (!r)
        return;
    call->state = r;
    r->at.total = r->at.position + r->at.filtered;
    r->at.exact = true;
    replay_end(r, REPLAY_COMPLETED, "");
    if (!replay_await(r, call))
        replay_show(call);
    turn_schedule(d);
}
