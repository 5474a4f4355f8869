/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file target appends each event as one line. Writing blocks, so it happens on a worker: deliveries that come while
 * it writes gather and are the next batch, which is one write and one fdatasync however many lines it has.
 *
 *   send ─► pending ─► batch ─► worker: open, write, sync ─► done: verdicts, next batch
 *
 * A line is whole or not there: a write that fails half way is cut off again and the batch is tried later. The file is
 * opened anew when its name has come to mean another one (log rotation).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matcher/json.h"
#include "targets/adapter.h"
#include "targets/fail.h"

#define FILE_BATCH 1000 /* also its concurrency: deliveries it holds at once */

struct file_options {
    struct str path;
    bool sync;
};

struct file_target {
    struct target target; /* first */
    struct work work;
    bool busy;
    struct delivery *pending[FILE_BATCH], *batch[FILE_BATCH];
    size_t pending_count, batch_count;
    /* the worker's while busy */
    int fd;
    int error; /* errno of the batch; 0: written */
    const char *doing;
    struct buf lines;
};

static struct file_target *of_target(struct target *t)
{
    return (struct file_target *)t;
}

static struct file_target *of_work(struct work *w)
{
    return (struct file_target *)((char *)w - offsetof(struct file_target, work));
}

static const struct file_options *options_of(const struct file_target *f)
{
    return f->target.def->options;
}

/* ---- on the worker ---- */

/* One line: JSON over several lines is minified, other text gets spaces for its newlines. */
static void add_line(struct buf *out, struct str input)
{
    size_t start = out->size;

    if (input.size && memchr(input.ptr, '\n', input.size) && json_check(input, NULL, NULL))
        json_minify(out, input);
    else
        buf_str(out, input);
    for (size_t i = start; i < out->size; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    buf_char(out, '\n');
}

static bool fault(struct file_target *f, const char *doing, int error)
{
    f->doing = doing;
    f->error = error;
    return false;
}

static bool is_current(const struct file_target *f)
{
    struct stat opened, named;
    return f->fd >= 0 && fstat(f->fd, &opened) == 0 && stat(options_of(f)->path.ptr, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* A new file is on disk only with its name. */
static bool sync_folder(struct file_target *f)
{
    struct str path = options_of(f)->path;
    const char *slash = memrchr(path.ptr, '/', path.size);
    char folder[PATH_MAX] = ".";

    if (!options_of(f)->sync || (slash && (size_t)(slash - path.ptr) >= sizeof folder))
        return true;
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path.ptr + 1), path.ptr);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    return ok || fault(f, "sync the folder of", error);
}

static bool open_file(struct file_target *f)
{
    if (is_current(f))
        return true;
    if (f->fd >= 0)
        close(f->fd);
    bool is_new = access(options_of(f)->path.ptr, F_OK) != 0;
    f->fd = open(options_of(f)->path.ptr, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    return f->fd >= 0 ? !is_new || sync_folder(f) : fault(f, "open", errno);
}

/* Takes back what was written of a batch that will be tried again. */
static bool cut_back(struct file_target *f, bool regular, off_t size, const char *doing, int error)
{
    if (regular && ftruncate(f->fd, size) != 0)
        return fault(f, "cut a torn line in", errno);
    return fault(f, doing, error);
}

static bool write_lines(struct file_target *f)
{
    struct stat st;
    bool regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t written = 0;

    while (written < f->lines.size) {
        ssize_t n = write(f->fd, f->lines.data + written, f->lines.size - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return cut_back(f, regular && written, st.st_size, "write", n < 0 ? errno : ENOSPC);
        written += (size_t)n;
    }
    if (options_of(f)->sync && regular && fdatasync(f->fd) != 0)
        return cut_back(f, true, st.st_size, "sync", errno);
    return true;
}

static void run_batch(struct work *w)
{
    struct file_target *f = of_work(w);

    f->error = 0;
    buf_clear(&f->lines);
    for (size_t i = 0; i < f->batch_count; i++)
        add_line(&f->lines, f->batch[i]->input);
    if (f->lines.failed)
        fault(f, "write", ENOMEM);
    else if (open_file(f))
        write_lines(f);
}

/* ---- on the dispatch thread ---- */

static void start_batch(struct file_target *f)
{
    f->busy = true;
    memcpy(f->batch, f->pending, f->pending_count * sizeof *f->batch);
    f->batch_count = f->pending_count;
    f->pending_count = 0;
    f->target.host->work(f->target.host, &f->work);
}

static void batch_done(struct work *w)
{
    struct file_target *f = of_work(w);
    struct verdict v = {.kind = VERDICT_SETTLED, .retry_after_ms = -1};

    if (f->error)
        verdict_set(&v, VERDICT_RETRY, f->error == ENOSPC ? "NO_SPACE" : "IO_ERROR", "cannot %s '%.*s': %s", f->doing,
                    STR_ARG(options_of(f)->path), strerror(f->error));
    f->busy = false;
    for (size_t i = 0; i < f->batch_count; i++)
        f->target.host->complete(f->target.host, f->batch[i], &v);
    f->batch_count = 0;
    if (f->pending_count)
        start_batch(f);
}

static void file_send(struct target *t, struct delivery *d)
{
    struct file_target *f = of_target(t);
    struct verdict v;

    if (f->pending_count == FILE_BATCH) { /* more than its concurrency: cannot be, but would not be lost */
        verdict_set(&v, VERDICT_RETRY, "THROTTLING", "too many lines are waiting");
        t->host->complete(t->host, d, &v);
        return;
    }
    f->pending[f->pending_count++] = d;
    if (!f->busy)
        start_batch(f);
}

static struct target *file_open(const struct target_def *def, struct host *host, const char *data_dir,
                                struct weir_diag *diag)
{
    struct file_target *f = calloc(1, sizeof *f);

    if (!f) {
        fail_memory(diag);
        return NULL;
    }
    f->target = (struct target){.ops = def->adapter, .def = def, .host = host, .concurrency = FILE_BATCH};
    f->work = (struct work){.run = run_batch, .done = batch_done};
    f->fd = -1;
    return &f->target;
}

static void file_close(struct target *t)
{
    struct file_target *f = of_target(t);

    if (f->fd >= 0)
        close(f->fd);
    buf_fini(&f->lines);
    free(f);
}

static const struct option file_options[] = {
    {.key = "path",
     .type = OPTION_PATH,
     .offset = offsetof(struct file_options, path),
     .required = true,
     .meaning = "the file; made when it is missing, opened anew after a rotation"},
    {.key = "sync",
     .type = OPTION_BOOL,
     .offset = offsetof(struct file_options, sync),
     .value = "true",
     .meaning = "a delivery counts only once its line is on disk"},
    {0},
};

const struct adapter file_adapter = {
    .type = "file",
    .summary = "appends each event as one line to a file",
    .arn_format = "arn:weir:file:{region}:{account}:{name}",
    .options = file_options,
    .options_size = sizeof(struct file_options),
    .open = file_open,
    .close = file_close,
    .send = file_send,
};
