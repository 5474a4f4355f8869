/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_JOURNAL_VERIFY_H
#define ROUTER_JOURNAL_VERIFY_H

/*
 * Reading a journal's files as they lie on disk, without opening the journal: of a router that is stopped, or beside
 * one that runs. Nothing is changed.
 *
 * A segment is good when its header is whole and every byte behind it belongs to a whole record: checksums of header
 * and body, the segment's salt, numbers that ascend by one, zeros as padding. Zeros up to the end of the last segment
 * are room that nothing was written to yet. What is bad is told by its offset; then the walk goes on at the next whole
 * record, as recovery and readers do.
 */

#include "router/journal.h"

struct journal_fault {
    char file[40];
    uint64_t offset, sequence; /* of the record that should have stood there */
    uint64_t bytes;            /* passed over */
    bool torn;                 /* nothing whole behind it: where this is the last segment, the next start cuts it */
    char reason[120];
};

struct journal_segment {
    char file[40];
    uint64_t first, last; /* sequence numbers; last 0: it has no record */
    uint64_t records, bytes;
    int64_t first_time_ms, last_time_ms; /* of arrival */
    uint64_t faults;
};

struct journal_walk {
    void *context;
    /* Any may be NULL. Slices are valid during the call. record: false ends the walk. */
    bool (*record)(void *context, const struct journal_record *r);
    void (*fault)(void *context, const struct journal_fault *f);
    void (*segment)(void *context, const struct journal_segment *s);
};

/* Walks all segments of the folder in order, one in memory at a time (64 MiB). False: a file cannot be read (diag).
   growing: a router runs, and the end of the last segment may be half written. */
bool journal_walk_files(const char *folder, bool growing, const struct journal_walk *walk, struct weir_diag *diag);

#endif
