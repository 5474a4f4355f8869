/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger knows of archives: the last position archived, each file's committed length and range of event times,
 * and files that have left it but are still to be unlinked.
 *
 * The trash is there because unlinking cannot be rolled back: a file's row moves to the trash in one transaction,
 * and only a later one, which sees that move committed, unlinks it. The other order could leave a row without its file.
 */
#include "targets/archive_int.h"

#include <assert.h>
#include <unistd.h>

static const char *const migrations[] = {
    "CREATE TABLE archive ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  position INTEGER NOT NULL DEFAULT -1);" /* of the last event archived: outlives its file */
    "CREATE TABLE archive_file ("
    "  id INTEGER PRIMARY KEY,"
    "  archive INTEGER NOT NULL,"
    "  hour INTEGER NOT NULL,"
    "  path TEXT NOT NULL UNIQUE,"
    "  bytes INTEGER NOT NULL,"
    "  events INTEGER NOT NULL,"
    "  time_min INTEGER NOT NULL,"
    "  time_max INTEGER NOT NULL);"
    "CREATE INDEX archive_file_hour ON archive_file (archive, hour);"
    "CREATE TABLE archive_trash (archive INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (archive, path)) WITHOUT "
    "ROWID;",
    "ALTER TABLE archive_file ADD COLUMN age INTEGER NOT NULL DEFAULT 0",    /* of the clock, when it last grew */
    "ALTER TABLE archive_file ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"  /* enum archive_state */
    "ALTER TABLE archive_file ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;" /* bytes of the sealed file */
    "CREATE INDEX archive_file_unsealed ON archive_file (archive, hour) WHERE state < 2",
    "ALTER TABLE archive ADD COLUMN doomed INTEGER NOT NULL DEFAULT 0", /* archive_delete.c */
    NULL,
};

const struct store_schema archive_schema = {"archive", migrations};

/* ---- the archive's row ---- */

bool archive_row(struct store *s, struct str name, int64_t *id_out, int64_t *position_out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT id, position FROM archive WHERE name = ?", diag);
    bool row;

    if (!q)
        return false;
    store_bind(q, 1, name);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        *id_out = sqlite3_column_int64(q, 0);
        *position_out = sqlite3_column_int64(q, 1);
        sqlite3_reset(q);
        return true;
    }
    if (!(q = store_prepare(s, "INSERT INTO archive (name) VALUES (?)", diag)))
        return false;
    store_bind(q, 1, name);
    *position_out = -1;
    if (!store_run(s, q, diag))
        return false;
    *id_out = sqlite3_last_insert_rowid(store_handle(s));
    return true;
}

bool archive_row_position(struct store *s, int64_t archive, int64_t position, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE archive SET position = ? WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, position);
    sqlite3_bind_int64(q, 2, archive);
    return store_run(s, q, diag);
}

/* ---- files ---- */

bool archive_file_state(struct store *s, struct str path, int64_t *bytes_out, enum archive_state *state_out,
                        struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT bytes, state FROM archive_file WHERE path = ?", diag);
    bool row;

    *bytes_out = -1;
    *state_out = ARCHIVE_GROWING;
    if (!q)
        return false;
    store_bind(q, 1, path);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        *bytes_out = sqlite3_column_int64(q, 0);
        *state_out = (enum archive_state)sqlite3_column_int(q, 1);
    }
    sqlite3_reset(q);
    return true;
}

bool archive_file_forget(struct store *s, struct str path, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM archive_file WHERE path = ?", diag);

    if (!q)
        return false;
    store_bind(q, 1, path);
    return store_run(s, q, diag);
}

/* A path that comes back from the trash (the wall clock was set back) is no longer to be unlinked. */
static bool untrash(struct store *s, int64_t archive, struct str path, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM archive_trash WHERE archive = ? AND path = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    store_bind(q, 2, path);
    return store_run(s, q, diag);
}

bool archive_file_grown(struct store *s, int64_t archive, const struct archive_file *f, int64_t age_ms,
                        struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s,
                      "INSERT INTO archive_file (archive, hour, path, bytes, events, time_min, time_max, age)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes,"
                      " events = events + excluded.events, time_min = min(time_min, excluded.time_min),"
                      " time_max = max(time_max, excluded.time_max), age = excluded.age",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    sqlite3_bind_int64(q, 2, f->hour);
    store_bind(q, 3, f->path);
    sqlite3_bind_int64(q, 4, f->bytes);
    sqlite3_bind_int64(q, 5, f->events);
    sqlite3_bind_int64(q, 6, f->time_min_ms);
    sqlite3_bind_int64(q, 7, f->time_max_ms);
    sqlite3_bind_int64(q, 8, age_ms);
    return store_run(s, q, diag) && untrash(s, archive, f->path, diag);
}

#define FILE_COLUMNS "f.path, f.hour, f.bytes, f.events, f.time_min, f.time_max, f.state, f.packed"

static struct archive_file file_of(sqlite3_stmt *q)
{
    return (struct archive_file){
        .path = store_column(q, 0),
        .hour = sqlite3_column_int64(q, 1),
        .bytes = sqlite3_column_int64(q, 2),
        .events = sqlite3_column_int64(q, 3),
        .time_min_ms = sqlite3_column_int64(q, 4),
        .time_max_ms = sqlite3_column_int64(q, 5),
        .state = (enum archive_state)sqlite3_column_int(q, 6),
        .packed = sqlite3_column_int64(q, 7),
    };
}

static bool each_file(struct store *s, sqlite3_stmt *q, void (*each)(void *context, const struct archive_file *f),
                      void *context, struct weir_diag *diag)
{
    bool row;

    while (store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        struct archive_file f = file_of(q);
        each(context, &f);
    }
    return false;
}

bool archive_files(struct store *s, struct str archive, void (*each)(void *context, const struct archive_file *f),
                   void *context, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT " FILE_COLUMNS " FROM archive_file f"
                                    " JOIN archive a ON a.id = f.archive WHERE a.name = ? ORDER BY f.hour, f.id",
                                    diag);

    if (!q)
        return false;
    store_bind(q, 1, archive);
    return each_file(s, q, each, context, diag);
}

bool archive_files_of_all(struct store *s, void (*each)(void *context, const struct archive_file *f), void *context,
                          struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s, "SELECT " FILE_COLUMNS " FROM archive_file f ORDER BY f.archive, f.hour, f.id", diag);
    return q && each_file(s, q, each, context, diag);
}

bool archive_file_find(struct store *s, struct str path, struct archive_file *out, bool *found, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT " FILE_COLUMNS " FROM archive_file f WHERE f.path = ?", diag);

    *found = false;
    if (!q)
        return false;
    store_bind(q, 1, path);
    if (!store_step(s, q, found, diag))
        return false;
    if (*found)
        *out = file_of(q);
    out->path = path;
    sqlite3_reset(q);
    return true;
}

bool archive_count(struct store *s, struct str archive, struct archive_totals *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT count(*), sum(f.bytes), sum(f.events), min(f.time_min), max(f.time_max),"
                                    " sum(f.state = 2), sum(CASE f.state WHEN 2 THEN f.packed ELSE f.bytes END)"
                                    " FROM archive_file f JOIN archive a ON a.id = f.archive WHERE a.name = ?",
                                    diag);
    bool row;

    *out = (struct archive_totals){0};
    if (!q)
        return false;
    store_bind(q, 1, archive);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = (struct archive_totals){
            .files = sqlite3_column_int64(q, 0), /* of no file, the rest is NULL, which reads as 0 */
            .bytes = sqlite3_column_int64(q, 1),
            .events = sqlite3_column_int64(q, 2),
            .time_min_ms = sqlite3_column_int64(q, 3),
            .time_max_ms = sqlite3_column_int64(q, 4),
            .sealed_files = sqlite3_column_int64(q, 5),
            .disk_bytes = sqlite3_column_int64(q, 6),
        };
    sqlite3_reset(q);
    return true;
}

/* ---- the trash ---- */

static bool run_for(struct store *s, sqlite3_stmt *q, int64_t archive, struct weir_time before, struct weir_diag *diag)
{
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    if (sqlite3_bind_parameter_count(q) > 1) {
        sqlite3_bind_int64(q, 2, before.wall_ms);
        sqlite3_bind_int64(q, 3, before.age_ms);
    }
    return store_run(s, q, diag);
}

/* Whatever form it has: what is not there needs no unlinking. */
#define TRASH_FILES                                                                                                    \
    "INSERT OR IGNORE INTO archive_trash (archive, path) SELECT archive, path || suffix.column1 FROM archive_file,"    \
    " (VALUES (''), ('.zst'), ('.zst.idx')) AS suffix WHERE archive = ?"

bool archive_trash_before(struct store *s, int64_t archive, struct weir_time before, int64_t *count_out,
                          struct weir_diag *diag)
{
    *count_out = 0;
    if (!run_for(s, store_prepare(s, TRASH_FILES " AND hour < ? AND age < ?", diag), archive, before, diag) ||
        !run_for(s, store_prepare(s, "DELETE FROM archive_file WHERE archive = ? AND hour < ? AND age < ?", diag),
                 archive, before, diag))
        return false;
    *count_out = store_changes(s);
    return true;
}

bool archive_trash_all(struct store *s, int64_t archive, struct weir_diag *diag)
{
    struct weir_time never = {0};

    return run_for(s, store_prepare(s, TRASH_FILES, diag), archive, never, diag) &&
           run_for(s, store_prepare(s, "DELETE FROM archive_file WHERE archive = ?", diag), archive, never, diag);
}

bool archive_trash_empty(struct store *s, int64_t archive, void (*each)(void *context, const char *path), void *context,
                         struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT path FROM archive_trash WHERE archive = ?", diag);
    bool row;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    do {
        if (!store_step(s, q, &row, diag))
            return false;
        if (row)
            each(context, store_column(q, 0).ptr);
    } while (row);
    return run_for(s, store_prepare(s, "DELETE FROM archive_trash WHERE archive = ?", diag), archive,
                   (struct weir_time){0}, diag);
}

/* ---- sealing ---- */

/* In the order of their numbers: who passes over one that cannot be packed finds all others behind it. */
static bool choose(struct store *s, struct weir_time now, struct archive_seal_job *job, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT id, archive, path, bytes FROM archive_file INDEXED BY archive_file_unsealed"
                                    " WHERE state < 2 AND id > ? AND (state = 1 OR hour <= ? OR bytes >= ?)"
                                    " AND archive NOT IN (SELECT id FROM archive WHERE doomed)"
                                    " ORDER BY id LIMIT 1",
                                    diag);
    bool row;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, job->file);
    sqlite3_bind_int64(q, 2, now.wall_ms - HOUR_MS);
    sqlite3_bind_int64(q, 3, ARCHIVE_FILE_BYTES);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        struct str path = store_column(q, 2);
        assert(path.size < sizeof job->path);
        memcpy(job->path, path.ptr, path.size);
        job->path[path.size] = '\0';
        job->file = sqlite3_column_int64(q, 0);
        job->archive = sqlite3_column_int64(q, 1);
        job->bytes = sqlite3_column_int64(q, 3);
        sqlite3_reset(q);
    }
    return true;
}

bool archive_seal_next(struct store *s, struct weir_time now, struct archive_seal_job *job, struct weir_diag *diag)
{
    job->path[0] = '\0';
    if (!choose(s, now, job, diag))
        return false;
    if (!job->path[0])
        return true;
    sqlite3_stmt *q = store_prepare(s, "UPDATE archive_file SET state = 1 WHERE id = ?", diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, job->file);
    return store_run(s, q, diag);
}

static bool trash(struct store *s, int64_t archive, const char *path, const char *suffix, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "INSERT OR IGNORE INTO archive_trash (archive, path) VALUES (?, ? || ?)", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    store_bind(q, 2, str_from(path));
    store_bind(q, 3, str_from(suffix));
    return store_run(s, q, diag);
}

static bool untrash_sealed(struct store *s, int64_t archive, const char *path, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s, "DELETE FROM archive_trash WHERE archive = ? AND path IN (? || '.zst', ? || '.zst.idx')", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, archive);
    store_bind(q, 2, str_from(path));
    store_bind(q, 3, str_from(path));
    return store_run(s, q, diag);
}

bool archive_seal_done(struct store *s, const struct archive_seal_job *job, int64_t packed, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s, "UPDATE archive_file SET state = 2, packed = ? WHERE path = ? AND state = 1 AND bytes = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, packed);
    store_bind(q, 2, str_from(job->path));
    sqlite3_bind_int64(q, 3, job->bytes);
    if (!store_run(s, q, diag))
        return false;
    if (store_changes(s) > 0)
        return trash(s, job->archive, job->path, "", diag) && untrash_sealed(s, job->archive, job->path, diag);
    /* Its retention ended meanwhile. */
    return trash(s, job->archive, job->path, ".zst", diag) && trash(s, job->archive, job->path, ".zst.idx", diag);
}

/* The row decides: a file of that name that grows (the clock was set back) is another one. It stays in the trash, which
   is emptied where the archive is configured. */
bool archive_seal_clear(struct store *s, const char *data_dir, const struct archive_seal_job *job,
                        struct weir_diag *diag)
{
    struct buf path = BUF_INIT;
    enum archive_state state;
    int64_t bytes;

    if (!archive_file_state(s, str_from(job->path), &bytes, &state, diag))
        return false;
    if (state != ARCHIVE_SEALED)
        return true;
    buf_printf(&path, "%s/%s", data_dir, job->path);
    if (buf_cstr(&path) && !path.failed)
        unlink(path.data);
    buf_fini(&path);
    return true;
}
