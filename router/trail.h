/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_TRAIL_H
#define ROUTER_TRAIL_H

/*
 * What became of deliveries, for people who ask about one event: a log of outcomes beside the ledger, bounded and not
 * synced. Nothing depends on it. It may lack the last moments before a crash, and reaches back only as far as its
 * space does: two files of TRAIL_FILE_BYTES, of which the older one is given up when the newer one is full. Deliveries
 * into archives are left out: an archive says itself what it holds.
 *
 *     DATA/deliveries/0.log, 1.log    a header of 16 bytes ("WEIRTRL1", i64 ms since 1970 when it was begun); records,
 *                                     native byte order, padded to 8 bytes: see trail.c
 */

#include "matcher/buf.h"
#include "matcher/diag.h"

#define TRAIL_FILE_BYTES (32u << 20)

struct trail;
struct flight;

enum trail_state { /* stable numbers: they are in the file */
                   TRAIL_DELIVERED = 1,
                   TRAIL_RETRIED = 2, /* an attempt failed, another one will be made */
                   TRAIL_DEAD_LETTERED = 3,
                   TRAIL_DROPPED = 4,
                   TRAIL_QUEUED = 5, /* waits for its first attempt */
};
extern const char *const trail_state_names[];

/* ---- writing: dispatch thread ---- */

/* Never fails: where the files cannot be written, nothing is noted (and the log says so once). */
struct trail *trail_open(const char *data_dir);
void trail_close(struct trail *t);
void trail_note(struct trail *t, const struct flight *f, enum trail_state state, int64_t wall_ms);
void trail_flush(struct trail *t); /* after a turn's notes: one write */

/* ---- reading: any thread ---- */

struct trail_entry {
    int64_t at_ms;
    enum trail_state state;
    uint32_t attempts; /* made, with this one */
    struct str bus, rule, target, target_id, subscription;
    struct str origin;        /* the replay's name; "" */
    struct str code, message; /* why it failed; "" */
};

/* Calls each() for all that is noted of the event, oldest first; slices are valid during the call. *since_ms: how far
   the log reaches back; 0: it is empty. False: diag. */
bool trail_find(const char *data_dir, struct str event_id, void (*each)(void *context, const struct trail_entry *entry),
                void *context, int64_t *since_ms, struct weir_diag *diag);

#endif
