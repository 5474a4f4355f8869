/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_PACE_H
#define ROUTER_REPLAY_PACE_H

/*
 * How fast a replay goes: at most so many events a second, or in step with its events' own times, or both. Who is held
 * up (by accepted events, a pause, a restart) goes on from there and does not hurry to make up for it.
 */

#include <stdbool.h>
#include <stdint.h>

struct replay_pacing {
    double rate;  /* events a second; 0: no bound */
    double speed; /* event time a second; 0: not paced */
};

struct replay_pace { /* zeroed: begins with the next event */
    bool begun;
    int64_t credit_age_ms;   /* rate: when credit was counted */
    double credit;           /* events that may go now */
    int64_t age_ms, time_ms; /* speed: this event time is due at this age */
    int64_t latest_ms;       /* of the event times so far: by arrival they may step back */
};

#define REPLAY_TICK_MS 10 /* events of so much time go together: a commit for each would be many */

/* Is an event of this time due? 0: yes, and it is taken for gone; else ask again in so many ms. */
int64_t pace_wait(struct replay_pace *p, const struct replay_pacing *by, int64_t age_ms, int64_t event_ms);

#endif
