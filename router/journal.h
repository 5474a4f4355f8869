/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_JOURNAL_H
#define ROUTER_JOURNAL_H

/*
 * The journal: append-only segments of events and nothing else. One thread writes whatever has gathered, syncs
 * once, and answers the waiting batches: group commit, whose batch grows with load.
 *
 *     DATA/journal/00000000000000000001.seg     named by the sequence number of its first record
 *
 * A segment starts with a 32-byte header (magic "WEIRSEG1", salt, first sequence number, CRC-32C); then records,
 * little-endian, each padded to 8 bytes:
 *
 *      0  u32 header CRC-32C (of bytes 4..47)       24  i64 time, ms since 1970 (arrival)
 *      4  u32 salt of the segment                   32  u64 synced: sequence number the log was synced up to when
 *      8  u32 body size (bus and event)                 this record was written
 *     12  u16 bus size, u16 flags                   40  u32 body CRC-32C, u32 zero
 *     16  u64 sequence number                       48  bus, event (the envelope, compact JSON)
 *
 * The last segment takes room ahead of what it holds, up to a segment's size: zeros behind its records mean nothing.
 *
 * At start-up the tail is synced before anything reads it. A damaged record that a later record says was already
 * synced is skipped, counted and reported with file and offset; any other damage at the end is a torn tail: cut and
 * reported. Numbering resumes above both the tail and the ledger's cursor.
 *
 * An error from a sync is final: the journal refuses everything from then on (journal_failed), the process should end.
 * An error from a write (disk full) refuses the batch, cuts what was written of it, and goes on.
 */

#include <stdint.h>

#include "matcher/str.h"
#include "matcher/weir.h"

struct journal;
struct journal_reader;

#define JOURNAL_REPEATED_KEYS 1u /* some object of the event repeats a key */
#define JOURNAL_FROM_FOLDER   2u /* it stood in a file of a watched folder, see folders.h */

struct journal_event {
    struct str bus;   /* at most 256 bytes */
    struct str event; /* at most LIMIT_EVENT_BYTES */
    uint32_t flags;
};

enum journal_result { JOURNAL_SYNCED, JOURNAL_NO_SPACE, JOURNAL_FAILED };

struct journal_batch { /* embed it; all or nothing; must live until done */
    const struct journal_event *events;
    uint32_t count;
    void (*done)(struct journal_batch *b,
                 enum journal_result result); /* on the journal thread: post it on, do not work here */
    uint64_t first_sequence;                  /* set before done */
    struct journal_batch *next;
    size_t bytes; /* private */
};

struct journal_report { /* what start-up found */
    uint64_t records, segments;
    uint64_t skipped;     /* damaged records that had been synced */
    uint64_t torn_bytes;  /* cut from the tail */
    uint64_t first, last; /* sequence numbers present; 0: none */
    char detail[256];     /* file and offset of the first damage; "" */
};

struct journal_options {
    uint64_t segment_bytes; /* 0: 64 MiB */
    size_t pending_bytes;   /* events waiting to be written, bytes; past it journal_submit refuses; 0: 64 MiB */
    uint64_t above;         /* numbering resumes above this too: the ledger's cursor */
    void (*synced)(void *context, uint64_t sequence); /* journal thread: everything up to sequence may be read */
    void *context;
};

/* Opens, recovers, starts the thread. dir is made when missing. NULL: diag. */
struct journal *journal_open(const char *dir, const struct journal_options *options, struct journal_report *report,
                             struct weir_diag *diag);
void journal_close(struct journal *j); /* writes and syncs what is pending, answers it, stops the thread */

/* Any thread. False: the journal is full (too much pending) or has failed: nothing was taken, done is not called. */
bool journal_submit(struct journal *j, struct journal_batch *b);
bool journal_failed(const struct journal *j);
uint64_t journal_synced(const struct journal *j); /* last readable sequence number; 0: none */

struct journal_stats {
    uint64_t records, bytes, syncs, segments;
    uint64_t sync_ns; /* in all */
};
void journal_stats(const struct journal *j, struct journal_stats *out); /* any thread */

/* Segments all of whose records are below `sequence` are unlinked (never the one being written). Any one thread. */
void journal_release(struct journal *j, uint64_t sequence);

/* ---- reading: one thread a reader; sees synced records only ---- */

struct journal_record {
    uint64_t sequence;
    int64_t time_ms;
    uint32_t flags;
    struct str bus, event; /* valid until the next call with this reader */
};

/* The first record at or above `from`. */
struct journal_reader *journal_reader_open(struct journal *j, uint64_t from);
void journal_reader_close(struct journal_reader *r);
/* 1: a record; 0: no more for now; -1: a segment cannot be read (diag). */
int journal_read(struct journal_reader *r, struct journal_record *out, struct weir_diag *diag);

#endif
