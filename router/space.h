/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_SPACE_H
#define ROUTER_SPACE_H

/*
 * Room for events: the bound of the data folder (`data_limit`) and the free space of its file system, less a reserve
 * kept so that what was taken can be settled. Where there is none, whoever takes events answers 503 and says what
 * holds most; deliveries go on, and when they or an administrator have made room, events are taken again by themselves.
 *
 * Looked at once a second: one statvfs(), the sizes of the journal's few files, and counters. In between what is taken
 * is counted against the room that was found; where that seems to be used up it is looked at again before anything is
 * refused. So a flood does not run past the bound within a second, and the way in costs an atomic subtraction.
 */

#include <stdint.h>

#include "matcher/buf.h"

struct router;
struct space;

#define SPACE_RESERVE_BYTES (64 << 20) /* or an eighth of the bound, where that is less */

struct space *space_open(struct router *router, const char *data); /* looks for the first time */
void space_close(struct space *s);
void space_check(struct space *s); /* one thread; call it about once a second */

struct space_refusal {
    const char *reason; /* "data_limit", "disk_reserve": for the metric */
    char message[400];
};
/* Any thread; may so many events of so many bytes in all be taken? False: why not. s NULL: always. */
bool space_take(struct space *s, size_t events, size_t bytes, struct space_refusal *no);
/* Appends {"bytes":…,"limit_bytes":…,"disk_free_bytes":…,"reserve_bytes":…,"refusing":…,"most":{"what","bytes"}}. */
void space_show(struct space *s, struct buf *out);

/* For journal_options: smaller segments where there is little room. */
uint64_t space_segment_bytes(const char *data, int64_t limit);

/* ---- the decision ---- */

struct space_facts {
    int64_t used, limit; /* of the data folder; limit 0: none */
    int64_t disk_free, disk_size;
    int64_t wal;          /* the ledger's write-ahead log: it will be copied into the ledger */
    int64_t undispatched; /* bytes of the journal that may yet become rows and messages */
};
int64_t space_reserve(int64_t bound);
/* Bytes that may be taken until the next look; 0 or less: none. limited_out: by the folder's bound, not the disk. */
int64_t space_room(const struct space_facts *f, bool *limited_out);

#endif
