/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_AT_H
#define ROUTER_REPLAY_AT_H

/* How far a replay has come: committed with the deliveries made on the way, and where it goes on after a crash. */

#include "router/replay_merge.h"

struct replay_at {
    uint64_t position; /* events put through the rules; the last one's number in delivery keys */
    uint64_t filtered; /* events that its pattern kept away */
    uint64_t total;    /* events in its window, position and filtered among them … */
    bool exact;        /* … or fewer, where this is false */
    uint64_t matched, deliveries;
    int64_t last_event_ms; /* INT64_MIN: none yet */
    bool begun;            /* key is set */
    struct replay_key key; /* of the last event it has done with */
};

#endif
