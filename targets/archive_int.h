/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_ARCHIVE_INT_H
#define TARGETS_ARCHIVE_INT_H

/* Shared by the archive's own files: archive.c (target), archive_rows.c (tables), archive_disk.c (folders and files).
 */

#include "matcher/buf.h"
#include "targets/archive.h"

#define HOUR_MS 3600000

struct archive {
    struct target target; /* first */
    int data_fd;          /* the data folder; all paths are below it */

    /* What put() gathered since the last flush. It belongs to one transaction: another epoch voids it. */
    uint64_t epoch;   /* store_epoch() of it; 0: none */
    int64_t row;      /* of the archive, as read in that epoch */
    int64_t position; /* the last one recorded or gathered; -1: none */
    struct buf lines;
    int64_t events, time_min_ms, time_max_ms;

    /* The file written last, kept open. */
    int fd; /* -1: none */
    int64_t hour;
    unsigned part;     /* of the hour; 0: not known yet */
    struct buf path;   /* NUL-terminated */
    struct buf wanted; /* scratch: the path of the batch in hand */
    struct buf maimed; /* of the file last reported as such; the next flush goes on without it */

    uint64_t expired_epoch; /* the transaction in which archive_expire() last ran */
};

/* ---- archive_rows.c: false: diag ---- */

/* The archive's row, made where there is none. */
bool archive_row(struct store *s, struct str name, int64_t *id_out, int64_t *position_out, struct weir_diag *diag);
bool archive_row_position(struct store *s, int64_t archive, int64_t position, struct weir_diag *diag);

/* *bytes_out: -1 where no such file is recorded. */
bool archive_file_state(struct store *s, struct str path, int64_t *bytes_out, enum archive_state *state_out,
                        struct weir_diag *diag);
bool archive_file_forget(struct store *s, struct str path, struct weir_diag *diag);
/* Records what was appended: f->bytes is the new length, f->events what was added, the times those of what was added.
 */
bool archive_file_grown(struct store *s, int64_t archive, const struct archive_file *f, int64_t age_ms,
                        struct weir_diag *diag);

/* Files whose hour began before that wall time, and that last grew before that age, leave the table for the trash. */
bool archive_trash_before(struct store *s, int64_t archive, struct weir_time before, int64_t *count_out,
                          struct weir_diag *diag);
/* All its files do. */
bool archive_trash_all(struct store *s, int64_t archive, struct weir_diag *diag);
/* Hands out every path in the archive's trash, then empties it. */
bool archive_trash_empty(struct store *s, int64_t archive, void (*each)(void *context, const char *path), void *context,
                         struct weir_diag *diag);

/* ---- archive_disk.c ---- */

/* archive_path_root(), then "/bus=BUS/date=…/hour=…/events.ndjson", from part 2 on "events.2.ndjson". */
void archive_path_hour(struct buf *out, struct str archive, struct str bus, int64_t hour_ms, unsigned part);

/* Opens or makes the file and its folders; created: all of them are synced. -1: diag. */
int archive_disk_open(int data_fd, const char *path, bool created, struct weir_diag *diag);
/* Cuts the file to `bytes`. False: it is shorter, or gone, or cannot be cut. */
bool archive_disk_cut(int fd, const char *path, int64_t bytes, struct weir_diag *diag);
/* The file is gone, or shorter than `bytes`: somebody else was at it. */
bool archive_disk_is_maimed(int data_fd, const char *path, int64_t bytes);
/* Renames what is left of such a file, so that nothing is written over it. */
bool archive_disk_set_aside(int data_fd, const char *path, struct weir_diag *diag);
bool archive_disk_append(int fd, const char *path, struct str bytes, int64_t at, struct weir_diag *diag);
/* Unlinks the file (it may be gone already) and those of its folders that became empty. */
void archive_disk_remove(int data_fd, const char *path);
/* Sets aside files of the archive that no row knows: they were made in a transaction that never committed. Removes what
   a sealing that was cut off left, and the growing form of what is sealed. store NULL: removes all files of the
   archive, what was set aside too, and its folders. */
bool archive_disk_sweep(int data_fd, struct str archive, struct store *store, struct weir_diag *diag);

#endif
