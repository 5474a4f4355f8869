/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_ARCHIVE_H
#define TARGETS_ARCHIVE_H

/*
 * Archives: NDJSON on disk, one growing file per archive and hour of arrival (UTC), events as accepted, one a line:
 *
 *     DATA/archives/NAME/bus=BUS/date=2026-11-21/hour=04/events.ndjson
 *
 * A file grows to ARCHIVE_FILE_BYTES; then, and when the clock comes back to an hour whose file is closed, the hour
 * gets another one: events.2.ndjson, … A file that does not grow any more is sealed (archive_sealed.h): its row says
 * when it is being sealed, so nobody appends to it, and when it is; only then the growing form goes.
 *
 * An event is in its archive exactly once: put() gathers lines, flush() writes them at the committed length
 * (pwrite), syncs the file (and its directory when new), and records (file, length, events, last sequence,
 * smallest and largest event time) in the ledger's transaction; recover() cuts every file to its committed length,
 * reports one that is missing or too short, and sets aside (as events.ndjson.uncommitted) one that was never committed.
 * A put with a position not above the recorded one is a repeat after a crash and is skipped. Replayed events
 * (delivery.origin not "") are never archived: dispatch does not offer them.
 */

#include "matcher/buf.h"
#include "targets/adapter.h"
#include "targets/store.h"

struct archive_options {
    struct str bus;                /* default: "default" */
    int64_t retention;             /* ms; 0: for ever */
    const struct pattern *pattern; /* NULL: every event of the bus */
    struct str description;
};

#define ARCHIVE_FILE_BYTES (INT64_C(256) << 20) /* of text: about where a file ends */

enum archive_state { ARCHIVE_GROWING, ARCHIVE_SEALING, ARCHIVE_SEALED }; /* stable numbers: they are in the ledger */

struct archive_file {
    struct str path;                  /* below the data folder, as it is named while it grows */
    int64_t hour;                     /* start of the hour of arrival, ms since 1970 */
    int64_t bytes, events;            /* bytes: of its text */
    int64_t time_min_ms, time_max_ms; /* event time of what is inside, ms since 1970 */
    enum archive_state state;
    int64_t packed; /* SEALED: bytes of the sealed file */
};

struct archive_totals {
    int64_t files, bytes, events;
    int64_t sealed_files, disk_bytes; /* disk_bytes: sealed files by their packed size */
    int64_t time_min_ms, time_max_ms;
};

extern const struct adapter archive_adapter;
extern const struct store_schema archive_schema;

/* Ledger thread. Files of an archive in order of hour; slices valid during the call. */
bool archive_files(struct store *s, struct str archive, void (*each)(void *context, const struct archive_file *f),
                   void *context, struct weir_diag *diag);
/* Of all archives, those that left the configuration too. */
bool archive_files_of_all(struct store *s, void (*each)(void *context, const struct archive_file *f), void *context,
                          struct weir_diag *diag);
/* As the file is recorded now; *found: whether it is. out->path is the caller's. */
bool archive_file_find(struct store *s, struct str path, struct archive_file *out, bool *found, struct weir_diag *diag);
bool archive_count(struct store *s, struct str archive, struct archive_totals *out, struct weir_diag *diag);
/* Unlinks whole files whose hour ended more than retention ago, by the wall clock and by the age clock (a wall clock
   that leaps takes no archive with it):
   their rows go in this transaction, the files themselves in a later call's, once that is committed. */
bool archive_expire(struct target *t, struct store *s, struct weir_time now, int64_t *count_out,
                    struct weir_diag *diag);

/*
 * Deleting an archive with its files (archive_delete.c), on the ledger thread, each step in a transaction of its own:
 * marks it, or takes the mark away; moves the files of a marked one to the trash, when it is not configured any more;
 * unlinks them. One that has no mark, or is not there, is let alone.
 */
bool archive_doom(struct store *s, struct str name, bool doomed, struct weir_diag *diag);
bool archive_discard(struct store *s, struct str name, struct weir_diag *diag);
bool archive_bury(struct store *s, const char *data_dir, struct str name, struct weir_diag *diag);
bool archive_each_doomed(struct store *s, void (*each)(void *context, struct str name), void *context,
                         struct weir_diag *diag);

/*
 * Sealing, in four steps: archive_seal_next() on the ledger thread picks a file that does not grow any more and marks
 * it; archive_seal() (archive_sealed.h) packs it, on a thread that may take its time; archive_seal_done() records it;
 * archive_seal_clear(), once that is committed, unlinks the growing form. A step that was not reached, or failed, is
 * taken again from the first on; who passes over a file that cannot be packed asks for those behind it. Files of an
 * hour that is not over are left alone, unless they are full. Archives that left the configuration are sealed too.
 */
struct archive_seal_job {
    int64_t file;    /* in: the number of the last file to pass over (0: none); out: of the one to seal */
    int64_t archive; /* out: the number of its archive */
    char path[1100]; /* out; "": there is nothing to seal */
    int64_t bytes;   /* out */
};
bool archive_seal_next(struct store *s, struct weir_time now, struct archive_seal_job *job, struct weir_diag *diag);
bool archive_seal_done(struct store *s, const struct archive_seal_job *job, int64_t packed, struct weir_diag *diag);
bool archive_seal_clear(struct store *s, const char *data_dir, const struct archive_seal_job *job,
                        struct weir_diag *diag);

/* Any thread: the archive's folder below the data folder, "archives/NAME", percent-encoded. */
void archive_path_root(struct buf *out, struct str archive);
/* Any thread: "2026-11-21T04:00:00Z" (fractions and offsets too) to ms since 1970; false: not RFC 3339. */
bool time_parse_rfc3339(struct str text, int64_t *out_ms);
/* Writes "2026-11-21T04:00:00Z" (20 bytes and a NUL). */
void time_format_rfc3339(int64_t ms, char out[21]);
int time_month_days(int year, int month); /* month: 1-12 */

#endif
