/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file target appends each event as one line. Writing blocks, so it happens on a worker: deliveries that come while
 * it writes gather and are the next batch, which is one write and one fdatasync however many lines it has.
 *
 *   send ─► pending ─► batch ─► worker: open, write, sync ─► done: verdicts, next batch
 *
 * A line is whole or not there: what was written of a batch that fails is cut off again and the batch is tried later.
 * Where that cannot be (a pipe; somebody else appended meanwhile; the power went), the next line begins on a line of
 * its own. The file is opened anew when its name has come to mean another one (log rotation). Every errno is a retry:
 * room, rights and folders can be mended. Nothing waits long: a pipe without a reader or one that is full is a retry
 * too. Close it when no worker is at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matcher/json.h"
#include "targets/adapter.h"
#include "targets/fail.h"

#define FILE_BATCH  1000      /* also the most concurrency: deliveries it holds at once */
#define BATCH_BYTES (4 << 20) /* of input; one line may be more */
#define BYTES_KEPT  (1 << 20) /* of memory, from batch to batch */
#define PIPE_MS     5000      /* how long a pipe may be full */

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
    bool regular; /* not a pipe or a device */
    bool torn;    /* it ends in the middle of a line */
    int error;    /* errno of the batch; 0: written */
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

/* Does a regular file end in the middle of a line? One that may not be read is believed. */
static bool ends_torn(const char *path)
{
    struct stat st;
    char last = '\n';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
        last = '\n';
    close(fd);
    return last != '\n';
}

/* A new file is on disk only with its name. */
static bool sync_folder(struct file_target *f)
{
    struct str path = options_of(f)->path;
    const char *slash = memrchr(path.ptr, '/', path.size);
    char folder[PATH_MAX] = ".";

    if (slash && (size_t)(slash - path.ptr) + 2 > sizeof folder)
        return fault(f, "sync the folder of", ENAMETOOLONG);
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path.ptr + 1), path.ptr);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    return ok || fault(f, "sync the folder of", error);
}

static void close_file(struct file_target *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static bool open_file(struct file_target *f)
{
    const char *path = options_of(f)->path.ptr;
    struct stat st;

    if (is_current(f))
        return true;
    close_file(f);
    f->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    if (f->fd < 0)
        return fault(f, "open", errno);
    f->regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    f->torn = f->regular && ends_torn(path);
    if (!options_of(f)->sync || !f->regular || sync_folder(f))
        return true;
    close_file(f); /* so that the next batch syncs the folder */
    return false;
}

/* Takes back what was written of a batch that will be tried again, unless somebody else has appended since. */
static bool cut_back(struct file_target *f, off_t size, size_t written, const char *doing, int error)
{
    struct stat st;

    if (!f->regular || fstat(f->fd, &st) != 0 || st.st_size != size + (off_t)written || ftruncate(f->fd, size) != 0)
        f->torn = written ? f->lines.data[written - 1] != '\n' : f->torn;
    return fault(f, doing, error);
}

static bool wait_for_room(const struct file_target *f)
{
    struct pollfd p = {.fd = f->fd, .events = POLLOUT};
    return poll(&p, 1, PIPE_MS) > 0;
}

static bool write_lines(struct file_target *f)
{
    struct stat st = {0};
    size_t written = 0;

    if (fstat(f->fd, &st) != 0)
        return fault(f, "write", errno);
    while (written < f->lines.size) {
        ssize_t n = write(f->fd, f->lines.data + written, f->lines.size - written);
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(f))))
            continue;
        if (n <= 0)
            return cut_back(f, st.st_size, written, "write", n < 0 ? errno : ENOSPC);
        written += (size_t)n;
    }
    if (options_of(f)->sync && f->regular && fdatasync(f->fd) != 0)
        return cut_back(f, st.st_size, written, "sync", errno);
    f->torn = false;
    return true;
}

static bool make_lines(struct file_target *f)
{
    buf_clear(&f->lines);
    if (f->torn)
        buf_char(&f->lines, '\n');
    for (size_t i = 0; i < f->batch_count; i++)
        add_line(&f->lines, f->batch[i]->input);
    return !f->lines.failed || fault(f, "write", ENOMEM);
}

static void run_batch(struct work *w)
{
    struct file_target *f = of_work(w);

    f->error = 0;
    if (open_file(f) && make_lines(f))
        write_lines(f);
    if (f->lines.capacity > BYTES_KEPT)
        buf_fini(&f->lines);
}

/* ---- on the dispatch thread ---- */

static void start_batch(struct file_target *f)
{
    size_t count = 0, bytes = 0;

    while (count < f->pending_count && (!count || bytes + f->pending[count]->input.size <= BATCH_BYTES))
        bytes += f->pending[count++]->input.size;
    f->busy = true;
    f->batch_count = count;
    f->pending_count -= count;
    memcpy(f->batch, f->pending, count * sizeof *f->batch);
    memmove(f->pending, f->pending + count, f->pending_count * sizeof *f->pending);
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
    f->target = (struct target){.ops = def->adapter, .def = def, .host = host};
    f->work = (struct work){.run = run_batch, .done = batch_done};
    f->fd = -1;
    return &f->target;
}

static void file_close(struct target *t)
{
    struct file_target *f = of_target(t);

    close_file(f);
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
    .concurrency = "1000",
    .concurrency_max = FILE_BATCH,
    .open = file_open,
    .close = file_close,
    .send = file_send,
};
