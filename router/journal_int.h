/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_JOURNAL_INT_H
#define ROUTER_JOURNAL_INT_H

/*
 * What the journal's files share: the format on disk (journal_format.c), recovery (journal_recover.c), the writer
 * (journal.c) and readers (journal_reader.c).
 */

#include <pthread.h>
#include <stdatomic.h>

#include "matcher/buf.h"
#include "router/journal.h"

#define SEGMENT_HEADER_BYTES 32
#define RECORD_HEADER_BYTES  48
#define SEGMENT_NAME_BYTES   32

struct segment {
    uint64_t first; /* sequence number in its name: of its first record */
    uint32_t salt;
    uint64_t size; /* bytes that count */
};

struct record { /* a record header, decoded */
    uint32_t salt, body_size, flags, body_crc;
    uint16_t bus_size;
    uint64_t sequence, synced;
    int64_t time_ms;
};

/* ---- journal_format.c: bytes ---- */
void segment_name(uint64_t first, char out[SEGMENT_NAME_BYTES]);
bool segment_name_parse(const char *name, uint64_t *first_out);
void segment_header_encode(const struct segment *s, uint8_t out[SEGMENT_HEADER_BYTES]);
bool segment_header_decode(const uint8_t *bytes, struct segment *out);
size_t record_bytes(uint32_t body_size); /* header, body and padding */
void record_encode(struct buf *out, const struct record *r, struct str bus, struct str event);
bool record_decode(const uint8_t *bytes, struct record *out); /* the header only: its CRC holds */
bool record_body_ok(const struct record *r, const uint8_t *body);

/*
 * The first offset >= from (a multiple of 8) in bytes[0..size) where a whole, undamaged record stands that belongs to
 * this segment (salt; any salt when 0) and whose sequence number is at least `sequence`; size when there is none.
 */
size_t record_search(const uint8_t *bytes, size_t size, size_t from, uint32_t salt, uint64_t sequence,
                     struct record *out);

/* ---- journal_recover.c ---- */
struct segments {
    struct segment *list; /* ascending */
    size_t count, capacity;
};
void segments_add(struct segments *s, struct segment one);
/* Appends the folder's segments, with the sizes of their files. */
bool journal_list(int dir, const char *path, struct segments *out, struct weir_diag *diag);

/* Lists the folder, checks the last segment, syncs and cuts its tail. last_out: the highest sequence number there. */
bool journal_recover(int dir, const char *path, struct segments *out, uint64_t *last_out, struct journal_report *report,
                     struct weir_diag *diag);
bool journal_is_zero(const uint8_t *bytes, size_t size);
bool journal_io_error(struct weir_diag *diag, const char *doing, const char *path, const char *name);

/* ---- journal.c ---- */
struct journal {
    struct journal_options options;
    char *path;
    int dir;

    pthread_t thread;
    pthread_mutex_t lock; /* waiting list and segments */
    pthread_cond_t wake;
    struct journal_batch *first, **last;
    size_t pending;
    bool stopping;
    struct segments segments; /* readers look up, the writer appends, release removes from the front */

    /* the writer's own */
    int fd;                 /* of the last segment; -1: none open */
    struct segment current; /* the last segment, with its size as written */
    uint64_t room;          /* bytes that file has: behind current.size zeros, see make_room() */
    uint64_t next;
    struct buf group;

    atomic_uint_fast64_t end; /* of the last segment's synced bytes; set before … */
    atomic_uint_fast64_t synced;
    atomic_bool failed;
    atomic_uint_fast64_t records, bytes, syncs, sync_ns;
};

#endif
