/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two waits, the longer counts. The rate is a bucket that holds 100 ms worth of events; event time is mapped to age by
 * one pair, moved on where the replay came too late by more than LATE_MS.
 */
#include "router/replay_pace.h"

#include <math.h>

#define BUCKET_S 0.1
#define LATE_MS  1000

static void begin(struct replay_pace *p, int64_t age_ms, int64_t event_ms)
{
    *p = (struct replay_pace){.begun = true,
                              .credit_age_ms = age_ms,
                              .credit = 1,
                              .age_ms = age_ms,
                              .time_ms = event_ms,
                              .latest_ms = event_ms};
}

static int64_t rate_wait(struct replay_pace *p, double rate, int64_t age_ms)
{
    double most = fmax(1, rate * BUCKET_S);

    p->credit = fmin(most, p->credit + (double)(age_ms - p->credit_age_ms) * rate / 1000);
    p->credit_age_ms = age_ms;
    if (p->credit >= 1)
        return 0;
    return (int64_t)fmax(REPLAY_TICK_MS, ceil((1 - p->credit) * 1000 / rate));
}

static int64_t speed_wait(struct replay_pace *p, double speed, int64_t age_ms, int64_t event_ms)
{
    if (event_ms > p->latest_ms)
        p->latest_ms = event_ms;
    double due = (double)p->age_ms + (double)(p->latest_ms - p->time_ms) / speed;
    if ((double)age_ms - due > LATE_MS) {
        p->age_ms = age_ms;
        p->time_ms = p->latest_ms;
    }
    return due <= (double)age_ms ? 0 : (int64_t)fmin(ceil(due - (double)age_ms), 86400000);
}

int64_t pace_wait(struct replay_pace *p, const struct replay_pacing *by, int64_t age_ms, int64_t event_ms)
{
    if (by->rate <= 0 && by->speed <= 0)
        return 0;
    if (!p->begun)
        begin(p, age_ms, event_ms);
    int64_t speed = by->speed > 0 ? speed_wait(p, by->speed, age_ms, event_ms) : 0;
    int64_t rate = by->rate > 0 ? rate_wait(p, by->rate, age_ms) : 0;
    if (!speed && !rate)
        p->credit -= 1;
    return speed > rate ? speed : rate;
}
