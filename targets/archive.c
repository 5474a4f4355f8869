/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive as a target. A batch of events becomes durable in two places that cannot commit together, a file and
 * the ledger; the ledger's row is the truth, and the file follows:
 *
 *     put      gathers lines in memory
 *     flush    cuts the file to its recorded length, writes the lines there, syncs, records the new length
 *     commit   (the caller's) makes the record true; until then the bytes in the file do not exist
 *
 * So nothing has to be undone after a rollback or a crash: whatever state this target remembers belongs to one
 * epoch of the store, and in another it is read anew from the rows. The batch comes again and lands at the same place.
 *
 * Cost: one write, one fdatasync and two small row updates a batch, whatever its size.
 */
#include "targets/archive_int.h"

#include "matcher/json.h"
#include "targets/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPONENT_MAX 240           /* of a path; file systems take 255 bytes, and "bus=" stands before a bus */
#define LINES_KEPT    (4u << 20)    /* a larger batch's memory is given back after its flush */
#define RETENTION_MAX 3155760000000 /* 100 years: a bound that keeps the arithmetic safe */

static const struct option options[] = {
    {.key = "bus",
     .type = OPTION_BUS,
     .offset = offsetof(struct archive_options, bus),
     .value = "default",
     .meaning = "the event bus whose events are archived"},
    {.key = "retention",
     .type = OPTION_DURATION,
     .offset = offsetof(struct archive_options, retention),
     .value = "0s",
     .min = 0,
     .max = RETENTION_MAX,
     .meaning = "how long events are kept, counted from their arrival, in whole hours; 0s keeps them for ever"},
    {.key = "pattern",
     .type = OPTION_PATTERN,
     .offset = offsetof(struct archive_options, pattern),
     .meaning = "which events are archived; without it, every event of the bus"},
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = offsetof(struct archive_options, description),
     .max = 512,
     .meaning = "what the archive is for"},
    {0},
};

static bool check(const struct target_def *def, struct diags *diags)
{
    struct buf path = BUF_INIT;
    size_t size;

    archive_path_root(&path, def->name);
    size = path.size - strlen("archives/");
    bool failed = path.failed;
    buf_fini(&path);
    if (failed)
        return diag_error(diags, def->pos, "out of memory");
    if (size <= COMPONENT_MAX)
        return true;
    return diag_error(diags, def->pos, "the name of archive '%.*s' has %zu bytes as a folder's name, the limit is %d",
                      STR_ARG(def->name), size, COMPONENT_MAX);
}

static struct archive *archive_of(struct target *t)
{
    return (struct archive *)t;
}

static struct target *open_archive(const struct target_def *def, struct host *host, const char *data_dir,
                                   struct weir_diag *diag)
{
    struct archive *a = calloc(1, sizeof(*a));

    if (!a) {
        fail_memory(diag);
        return NULL;
    }
    a->target = (struct target){.ops = &archive_adapter, .def = def, .host = host};
    a->fd = -1;
    a->data_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->data_fd < 0) {
        fail_with(diag, WEIR_E_IO, "cannot open the data folder '%s': %s", data_dir, strerror(errno));
        free(a);
        return NULL;
    }
    return &a->target;
}

static void close_file(struct archive *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

static void close_archive(struct target *t)
{
    struct archive *a = archive_of(t);

    close_file(a);
    close(a->data_fd);
    buf_fini(&a->lines);
    buf_fini(&a->path);
    buf_fini(&a->wanted);
    buf_fini(&a->maimed);
    free(a);
}

/* ---- put ---- */

static void forget(struct archive *a)
{
    buf_clear(&a->lines);
    if (a->lines.capacity > LINES_KEPT)
        buf_fini(&a->lines);
    a->events = 0;
}

/* Makes what is gathered belong to the store's present epoch; what an earlier one left is void. */
static bool enter_epoch(struct archive *a, struct store *store, struct weir_diag *diag)
{
    if (a->epoch == store_epoch(store))
        return true;
    forget(a);
    a->epoch = 0;
    if (!archive_row(store, a->target.def->name, &a->row, &a->position, diag))
        return false;
    a->epoch = store_epoch(store);
    return true;
}

/* The envelope's time; where it cannot be read, the time of arrival. */
static int64_t event_time(struct str event, struct weir_time now)
{
    struct str raw = json_member(event, "time");
    int64_t ms;

    if (raw.size > 2 && raw.ptr[0] == '"' && time_parse_rfc3339((struct str){raw.ptr + 1, raw.size - 2}, &ms))
        return ms;
    return now.wall_ms;
}

static void gather(struct archive *a, struct str event, struct weir_time now)
{
    int64_t time = event_time(event, now);

    if (memchr(event.ptr, '\n', event.size)) /* not compact after all: a line is a line */
        json_minify(&a->lines, event);
    else
        buf_str(&a->lines, event);
    buf_char(&a->lines, '\n');
    if (!a->events || time < a->time_min_ms)
        a->time_min_ms = time;
    if (!a->events || time > a->time_max_ms)
        a->time_max_ms = time;
    a->events++;
}

static void put(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                struct verdict *v)
{
    struct archive *a = archive_of(t);
    struct weir_diag diag;

    if (!enter_epoch(a, store, &diag)) {
        verdict_set(v, VERDICT_RETRY, "InternalError", "%s", diag.message);
        return;
    }
    if ((int64_t)d->position > a->position) {
        gather(a, d->event, now);
        if (a->lines.failed) {
            a->epoch = 0;
            verdict_set(v, VERDICT_RETRY, "InternalError", "out of memory for the archive's batch");
            return;
        }
        a->position = (int64_t)d->position;
    }
    verdict_set(v, VERDICT_SETTLED, "", "%s", "");
}

/* ---- flush ---- */

/* What was written by a flush that failed is cut off by the next one that gets here: so the file stays open, unless it
   is not in its folder any more. */
static void close_removed_file(struct archive *a)
{
    struct stat st;

    if (a->fd >= 0 && (fstat(a->fd, &st) < 0 || st.st_nlink == 0))
        close_file(a);
}

/* The hour, or the archive's bus, has changed: a batch that was written to the old file and then rolled back must not
 * stay in it. */
static bool settle_old_file(struct archive *a, struct store *store, struct weir_diag *diag)
{
    enum archive_state state;
    int64_t bytes;

    if (a->fd < 0)
        return true;
    if (!archive_file_state(store, buf_view(&a->path), &bytes, &state, diag))
        return false;
    if (bytes < 0)
        archive_disk_remove(a->data_fd, buf_cstr(&a->path));
    else if (state != ARCHIVE_SEALED && !archive_disk_cut(a->fd, buf_cstr(&a->path), bytes, diag))
        return false;
    close_file(a);
    return true;
}

/* False, with the loss in diag, the first time: the caller rolls back, says so and comes again. Then it is forgotten,
 * or one file that somebody removed would hold up every target. */
static bool forget_maimed(struct archive *a, struct store *store, struct str path, int64_t bytes,
                          struct weir_diag *diag)
{
    if (str_eq(buf_view(&a->maimed), path)) {
        buf_clear(&a->maimed);
        if (str_eq(buf_view(&a->path), path))
            close_file(a);
        return archive_disk_set_aside(a->data_fd, path.ptr, diag) && archive_file_forget(store, path, diag);
    }
    buf_clear(&a->maimed);
    buf_str(&a->maimed, path);
    return fail_with(
        diag, WEIR_E_IO,
        "the archive file '%.*s' was removed or cut: %lld bytes of events recorded in it are lost, and the "
        "archive goes on without them",
        STR_ARG(path), (long long)bytes);
}

/* The hour's file that still grows, or the next one to begin: its path in a->wanted, what is recorded of it. */
static bool choose_file(struct archive *a, struct store *store, int64_t hour, int64_t *bytes_out,
                        struct weir_diag *diag)
{
    const struct archive_options *o = a->target.def->options;
    enum archive_state state;

    for (a->part = a->hour == hour && a->part ? a->part : 1;; a->part++) {
        buf_clear(&a->wanted);
        archive_path_hour(&a->wanted, a->target.def->name, o->bus, hour, a->part);
        buf_cstr(&a->wanted);
        if (a->wanted.failed)
            return fail_memory(diag);
        if (!archive_file_state(store, buf_view(&a->wanted), bytes_out, &state, diag))
            return false;
        if (*bytes_out >= 0 && state == ARCHIVE_GROWING &&
            archive_disk_is_maimed(a->data_fd, a->wanted.data, *bytes_out)) {
            if (!forget_maimed(a, store, buf_view(&a->wanted), *bytes_out, diag))
                return false;
            *bytes_out = -1;
        }
        if (*bytes_out < 0 || (state == ARCHIVE_GROWING && *bytes_out < ARCHIVE_FILE_BYTES))
            return true;
    }
}

static bool need_file(struct archive *a, struct store *store, int64_t hour, int64_t *bytes_out, struct weir_diag *diag)
{
    if (!choose_file(a, store, hour, bytes_out, diag))
        return false;
    if (!str_eq(buf_view(&a->wanted), buf_view(&a->path))) {
        if (!settle_old_file(a, store, diag))
            return false;
        struct buf old = a->path;
        a->path = a->wanted;
        a->wanted = old;
    }
    if (a->fd < 0)
        a->fd = archive_disk_open(a->data_fd, a->path.data, *bytes_out < 0, diag);
    a->hour = hour;
    if (*bytes_out < 0)
        *bytes_out = 0;
    return a->fd >= 0;
}

static int64_t hour_of(int64_t ms)
{
    return ms - (ms % HOUR_MS + HOUR_MS) % HOUR_MS;
}

static bool write_lines(struct archive *a, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    int64_t bytes;

    if (!need_file(a, store, hour_of(now.wall_ms), &bytes, diag) ||
        !archive_disk_cut(a->fd, a->path.data, bytes, diag) ||
        !archive_disk_append(a->fd, a->path.data, buf_view(&a->lines), bytes, diag))
        return false;
    struct archive_file f = {
        .path = buf_view(&a->path),
        .hour = a->hour,
        .bytes = bytes + (int64_t)a->lines.size,
        .events = a->events,
        .time_min_ms = a->time_min_ms,
        .time_max_ms = a->time_max_ms,
    };
    return archive_file_grown(store, a->row, &f, now.age_ms, diag) &&
           archive_row_position(store, a->row, a->position, diag);
}

static bool flush(struct target *t, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct archive *a = archive_of(t);
    bool ok = true;

    if (a->epoch == store_epoch(store) && a->events) {
        ok = write_lines(a, store, now, diag);
        if (!ok) {
            a->epoch = 0; /* the caller rolls back: read everything anew */
            close_removed_file(a);
        }
    }
    forget(a);
    return ok;
}

/* ---- start-up and retention ---- */

struct recovery {
    struct archive *archive;
    struct weir_diag *diag, loss;
    bool ok;
};

static void recover_file(void *context, const struct archive_file *f)
{
    struct recovery *r = context;
    int fd;

    if (!r->ok || r->archive->maimed.size || f->state == ARCHIVE_SEALED) /* those are looked at when they are read */
        return;
    if (archive_disk_is_maimed(r->archive->data_fd, f->path.ptr, f->bytes)) {
        forget_maimed(r->archive, NULL, f->path, f->bytes, &r->loss);
        return;
    }
    /* store_column() slices end in a NUL. */
    fd = archive_disk_open(r->archive->data_fd, f->path.ptr, false, r->diag);
    r->ok = fd >= 0 && archive_disk_cut(fd, f->path.ptr, f->bytes, r->diag);
    if (fd >= 0)
        close(fd);
}

static void remove_file(void *context, const char *path)
{
    struct archive *a = context;

    if (a->fd >= 0 && strcmp(path, buf_cstr(&a->path)) == 0)
        close_file(a);
    archive_disk_remove(a->data_fd, path);
}

/* One pass over the files; *again: it met a maimed one, which is forgotten now, and did not look further. */
static bool recover_files(struct recovery *r, struct store *store, bool *again)
{
    struct archive *a = r->archive;
    struct buf path = BUF_INIT;
    bool ok = archive_files(store, a->target.def->name, recover_file, r, r->diag) && r->ok;

    *again = a->maimed.size > 0;
    buf_str(&path, buf_view(&a->maimed));
    buf_cstr(&path);
    if (ok && *again)
        ok = path.failed ? fail_memory(r->diag) : forget_maimed(a, store, buf_view(&path), 0, r->diag);
    buf_fini(&path);
    return ok;
}

static bool recover(struct target *t, struct store *store, struct weir_diag *diag)
{
    struct archive *a = archive_of(t);
    struct recovery r = {.archive = a, .diag = diag, .ok = true};
    int64_t row, position;
    bool again = true;

    if (!archive_row(store, t->def->name, &row, &position, diag) || !archive_doom(store, t->def->name, false, diag) ||
        !archive_trash_empty(store, row, remove_file, a, diag))
        return false;
    while (again)
        if (!recover_files(&r, store, &again))
            return false;
    if (!archive_disk_sweep(a->data_fd, t->def->name, store, diag))
        return false;
    *diag = r.loss; /* of the last one that was maimed */
    return true;
}

bool archive_expire(struct target *t, struct store *s, struct weir_time now, int64_t *count_out, struct weir_diag *diag)
{
    struct archive *a = archive_of(t);
    const struct archive_options *o = t->def->options;
    int64_t row, position;

    *count_out = 0;
    if (!archive_row(s, t->def->name, &row, &position, diag))
        return false;
    if (a->expired_epoch != store_epoch(s) && !archive_trash_empty(s, row, remove_file, a, diag))
        return false;
    a->expired_epoch = store_epoch(s);
    if (!o->retention)
        return true;
    /* An hour ended more than `retention` ago when it began before this; a wall clock that leapt says so too early. */
    struct weir_time before = {now.wall_ms - o->retention - HOUR_MS, now.age_ms - o->retention};
    return archive_trash_before(s, row, before, count_out, diag);
}

const struct adapter archive_adapter = {
    .type = "archive",
    .section = "archives",
    .summary = "keeps events on disk, one NDJSON file an hour, to be read by anything and replayed",
    .arn_format = "arn:aws:events:{region}:{account}:archive/{name}",
    .name_max = 48,
    .options = options,
    .options_size = sizeof(struct archive_options),
    .check = check,
    .open = open_archive,
    .close = close_archive,
    .recover = recover,
    .put = put,
    .flush = flush,
};
