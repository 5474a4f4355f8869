/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_REPLAY_MERGE_H
#define ROUTER_REPLAY_MERGE_H

/*
 * The events of many frames in one exact order, within a bound of memory.
 *
 * A frame is a run of lines of one file, of which the smallest and the largest event time are known. The order is by
 * event time, then by place (file, offset in its text): the same for the same files whenever they are read, packed or
 * not, so a place in it (a key) is where a replay goes on. By arrival the order is that of the files.
 *
 *     struct merge *m = merge_create(&options, frames, count);
 *     while ((got = merge_next(m, &event)) > 0) …         // -1: options.load() gave up
 *     merge_destroy(m);
 *
 * One thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "targets/archive_line.h"

struct replay_key {  /* a place in the order */
    int64_t time_ms; /* by arrival: 0 */
    uint64_t offset; /* of the line in the file's text */
    uint32_t file;
};
int replay_key_cmp(const struct replay_key *a, const struct replay_key *b);

struct replay_frame {
    uint32_t file;
    uint32_t number; /* for load() */
    uint64_t offset; /* of its text in the file's text */
    size_t size;     /* of its text */
    uint64_t events;
    int64_t time_min_ms, time_max_ms;
};

struct merge_options {
    bool by_arrival;
    int64_t from_ms, to_ms;         /* event time, [from, to) */
    const struct replay_key *after; /* only what comes behind it; NULL: all */
    size_t bytes_max;               /* of lines held; on top of it one frame may be in hand */
    /* Appends the frame's text. False: the merge ends. */
    bool (*load)(void *context, const struct replay_frame *frame, struct buf *text);
    void *context;
};

struct merge_event {
    struct str line; /* good until the next call */
    struct replay_key key;
    int64_t time_ms;
    uint32_t name_at; /* see archive_line.h */
};

struct merge;

struct merge *merge_create(const struct merge_options *options, const struct replay_frame *frames, size_t count);
void merge_destroy(struct merge *m);
/* 1: *out; 0: no more; -1: load() failed. */
int merge_next(struct merge *m, struct merge_event *out);
void merge_bound(struct merge *m, size_t bytes_max); /* from now on */
/* Events that are still to come: never too few, and exact when *exact_out. */
uint64_t merge_left(const struct merge *m, bool *exact_out);
uint64_t merge_unreadable(const struct merge *m); /* lines that are no events, so far */
size_t merge_held(const struct merge *m);         /* bytes held now */
uint64_t merge_loads(const struct merge *m);      /* frames loaded so far */

#endif
