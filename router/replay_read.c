/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an archive back, on worker threads.
 *
 * Replay goes by event time, files go by arrival: so every line in range is noted with its time and place, 24 bytes an
 * event (10 million events: 240 MB while the replay runs), and sorted by (time, file, offset). The same files, cut at
 * the lengths they had when the replay was made, give the same order again: that is how a replay resumes by a number.
 * Events are then read back in batches, mostly in sequence, since time and arrival run nearly in parallel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

#define READ_STEP (1u << 20)

void index_add_file(struct replay_index *x, const struct dispatch *d, struct str path, int64_t bytes)
{
    struct buf name = BUF_INIT;

    buf_printf(&name, "%s/%.*s", d->options.data_dir, STR_ARG(path));
    xbuf(&name);
    x->ending = &d->ending;
    x->files = xrealloc(x->files, (x->file_count + 1) * sizeof *x->files);
    x->files[x->file_count++] = (struct replay_file){xtext(buf_view(&name)), bytes};
    buf_fini(&name);
}

void index_fini(struct replay_index *x)
{
    for (size_t i = 0; i < x->file_count; i++)
        free(x->files[i].path);
    free(x->files);
    free(x->entries);
    *x = (struct replay_index){0};
}

static bool file_error(struct replay_index *x, const struct replay_file *f, const char *why)
{
    snprintf(x->error, sizeof x->error, "cannot read archive file '%s': %s", f->path, why);
    return false;
}

/* The committed part of a file, some of it in memory. It is read, not mapped: a bad sector, or somebody who cuts the
   file, is an error of this replay and no SIGBUS. */
struct text {
    const struct replay_file *file;
    int fd;
    struct buf bytes; /* of the file, from `start` on */
    uint64_t start;
    size_t at; /* of the next line in bytes */
};

static bool read_more(struct replay_index *x, struct text *t)
{
    size_t left = (size_t)((uint64_t)t->file->bytes - t->start) - t->bytes.size;

    if (t->at)
        memmove(t->bytes.data, t->bytes.data + t->at, t->bytes.size - t->at);
    t->bytes.size -= t->at;
    t->start += t->at;
    t->at = 0;
    if (!buf_reserve(&t->bytes, READ_STEP))
        xfail("out of memory");
    ssize_t n = pread(t->fd, t->bytes.data + t->bytes.size, left < READ_STEP ? left : READ_STEP,
                      (off_t)(t->start + t->bytes.size));
    if (n <= 0)
        return file_error(x, t->file, n ? strerror(errno) : "it is shorter than it was");
    t->bytes.size += (size_t)n;
    return true;
}

/* 1: the next line, which is good until the next call; 0: no more; -1: x->error. */
static int next_line(struct replay_index *x, struct text *t, uint64_t *offset, struct str *line)
{
    for (;;) {
        size_t size = t->bytes.size - t->at;
        const char *text = t->bytes.data + t->at, *end = size ? memchr(text, '\n', size) : NULL;
        if (!end && t->start + t->bytes.size < (uint64_t)t->file->bytes) {
            if (!read_more(x, t))
                return -1;
            continue;
        }
        if (!size)
            return 0;
        *offset = t->start + t->at;
        *line = (struct str){text, end ? (size_t)(end - text) : size};
        t->at += line->size + (end != NULL);
        return 1;
    }
}

static bool event_time(struct str line, int64_t *out_ms)
{
    struct str raw = line.size && line.ptr[0] == '{' ? json_member(line, "time") : (struct str){0};
    return raw.size > 2 && raw.ptr[0] == '"' && time_parse_rfc3339((struct str){raw.ptr + 1, raw.size - 2}, out_ms);
}

typedef void line_fn(void *context, uint32_t file, uint64_t offset, struct str line, int64_t time_ms);

static bool walk_file(struct replay_index *x, uint32_t number, int64_t from_ms, int64_t to_ms, line_fn *each,
                      void *context)
{
    const struct replay_file *f = &x->files[number];
    struct text text = {.file = f, .fd = open(f->path, O_RDONLY | O_CLOEXEC), .bytes = BUF_INIT};
    uint64_t offset;
    struct str line;
    int64_t time_ms;
    int got;

    if (text.fd < 0)
        return file_error(x, f, strerror(errno));
    while ((got = next_line(x, &text, &offset, &line)) > 0) {
        if (atomic_load_explicit(x->ending, memory_order_relaxed)) {
            file_error(x, f, "the router is stopping");
            got = -1;
            break;
        }
        if (!event_time(line, &time_ms))
            x->unreadable++;
        else if (time_ms >= from_ms && time_ms < to_ms)
            each(context, number, offset, line, time_ms);
    }
    close(text.fd);
    buf_fini(&text.bytes);
    return got == 0;
}

static void add_entry(void *context, uint32_t file, uint64_t offset, struct str line, int64_t time_ms)
{
    struct replay_index *x = context;

    if (x->count == x->capacity) {
        x->capacity = x->capacity ? 2 * x->capacity : 1024;
        x->entries = xrealloc(x->entries, x->capacity * sizeof *x->entries);
    }
    x->entries[x->count++] = (struct replay_entry){time_ms, offset, file, (uint32_t)line.size};
}

static int compare(const void *a, const void *b)
{
    const struct replay_entry *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

bool index_build(struct replay_index *x, int64_t from_ms, int64_t to_ms)
{
    for (size_t i = 0; i < x->file_count; i++)
        if (!walk_file(x, (uint32_t)i, from_ms, to_ms, add_entry, x))
            return false;
    if (x->count)
        qsort(x->entries, x->count, sizeof *x->entries, compare);
    return true;
}

/* ---- batches ---- */

void replay_name_event(struct buf *out, struct str event, struct str name)
{
    struct json_reader r;
    struct json_token t;
    size_t before = 0, detail = 0;

    json_reader_init(&r, event);
    json_next(&r, &t);
    while (!before && json_next(&r, &t) == JSON_KEY) {
        size_t at = (size_t)(t.raw.ptr - event.ptr);
        if (json_raw_is(t.raw, "resources"))
            before = at;
        else if (json_raw_is(t.raw, "detail"))
            detail = at;
        json_next(&r, &t);
        json_skip(&r, &t);
    }
    if (!before)
        before = detail ? detail : 1; /* envelopes have both: an event from elsewhere may not */
    buf_add(out, event.ptr, before);
    buf_text(out, "\"replay-name\":");
    json_write_string(out, name);
    if (event.size > 2)
        buf_char(out, ',');
    buf_add(out, event.ptr + before, event.size - before);
}

struct open_file { /* the last one read: events in order mostly stay in it */
    uint32_t number;
    int fd;
};

static bool read_entry(struct replay_index *x, const struct replay_entry *e, struct open_file *at, struct buf *line)
{
    const struct replay_file *f = &x->files[e->file];

    if (at->fd < 0 || at->number != e->file) {
        if (at->fd >= 0)
            close(at->fd);
        at->number = e->file;
        at->fd = open(f->path, O_RDONLY | O_CLOEXEC);
        if (at->fd < 0)
            return file_error(x, f, strerror(errno));
    }
    buf_clear(line);
    if (!buf_reserve(line, e->size))
        xfail("out of memory");
    while (line->size < e->size) {
        ssize_t n = pread(at->fd, line->data + line->size, e->size - line->size, (off_t)(e->offset + line->size));
        if (n <= 0)
            return file_error(x, f, n ? strerror(errno) : "it is shorter than it was");
        line->size += (size_t)n;
    }
    return true;
}

bool index_read(struct replay_index *x, uint64_t position, struct str name, struct replay_batch *out)
{
    struct open_file at = {.fd = -1};
    struct buf line = BUF_INIT;
    bool ok = true;

    buf_clear(&out->bytes);
    out->count = 0;
    while (ok && position < x->count && out->count < REPLAY_BATCH && out->bytes.size < REPLAY_BATCH_BYTES) {
        const struct replay_entry *e = &x->entries[position++];
        size_t start = out->bytes.size;
        ok = read_entry(x, e, &at, &line);
        if (!ok)
            break;
        replay_name_event(&out->bytes, buf_view(&line), name);
        xbuf(&out->bytes);
        out->spans[out->count++] = (struct replay_span){start, out->bytes.size - start, e->time_ms};
    }
    if (at.fd >= 0)
        close(at.fd);
    buf_fini(&line);
    return ok;
}

/* ---- dry runs ---- */

struct walk {
    void (*each)(void *context, struct str event, int64_t time_ms);
    void *context;
};

static void walk_line(void *context, uint32_t file, uint64_t offset, struct str line, int64_t time_ms)
{
    const struct walk *w = context;
    w->each(w->context, line, time_ms);
}

bool index_walk(struct replay_index *x, int64_t from_ms, int64_t to_ms,
                void (*each)(void *context, struct str event, int64_t time_ms), void *context)
{
    struct walk w = {each, context};

    for (size_t i = 0; i < x->file_count; i++)
        if (!walk_file(x, (uint32_t)i, from_ms, to_ms, walk_line, &w))
            return false;
    return true;
}
