/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an archive back, on worker threads: files into frames, frames into one order (replay_merge.h), and from that,
 * batch after batch, the events that the pattern lets through, with their replay-name. Files are cut at the lengths
 * they had when the replay was made, so the order is the same whenever they are read.
 *
 * Files are read, not mapped: a bad sector, or somebody who cuts a file, is an error of this replay and no SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/log.h"
#include "router/replay_int.h"
#include "router/xalloc.h"

#define FRAME_BYTES (1u << 20) /* of text, where a file has no frames of its own */

/* ---- files ---- */

void reader_init(struct replay_reader *x, const struct dispatch *d)
{
    *x = (struct replay_reader){.ending = &d->ending};
}

void reader_add_file(struct replay_reader *x, const struct dispatch *d, struct str path, int64_t bytes)
{
    struct buf name = BUF_INIT;

    buf_printf(&name, "%s/%.*s", d->options.data_dir, STR_ARG(path));
    xbuf(&name);
    x->files = xrealloc(x->files, (x->file_count + 1) * sizeof *x->files);
    x->files[x->file_count++] = (struct replay_file){.path = xtext(buf_view(&name)), .bytes = bytes};
    buf_fini(&name);
}

static bool file_error(struct replay_reader *x, uint32_t file, const char *why)
{
    char shown[ARCHIVE_SHOWN_BYTES];
    snprintf(x->error, sizeof x->error, "cannot read archive file '%s': %s",
             archive_path_show(x->files[file].path, shown), why);
    return false;
}

static bool sealed_error(struct replay_reader *x, const struct weir_diag *diag)
{
    if (diag->code == WEIR_E_MEMORY)
        xfail("out of memory");
    snprintf(x->error, sizeof x->error, "cannot read archive file: %s", diag->message);
    return false;
}

static void close_file(struct replay_open_file *o)
{
    if (!o->used)
        return;
    if (o->fd >= 0)
        close(o->fd);
    archive_reader_close(o->sealed);
    *o = (struct replay_open_file){0};
}

/* The place of the file, or else of the one that was not used for longest. */
static struct replay_open_file *place_for(struct replay_reader *x, uint32_t file)
{
    struct replay_open_file *oldest = &x->open[0];

    for (size_t i = 0; i < REPLAY_OPEN_FILES; i++) {
        if (x->open[i].used && x->open[i].file == file)
            return &x->open[i];
        if (x->open[i].used < oldest->used)
            oldest = &x->open[i];
    }
    close_file(oldest);
    return oldest;
}

/* As it grows, or else, when that form is gone, sealed: places in its text are the same. */
static bool open_file(struct replay_reader *x, uint32_t file, struct replay_open_file *out)
{
    const char *path = x->files[file].path;
    struct weir_diag diag;

    *out = (struct replay_open_file){.file = file, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (out->fd >= 0)
        return true;
    if (errno != ENOENT)
        return file_error(x, file, strerror(errno));
    out->sealed = archive_reader_open(path, &diag);
    if (out->sealed && archive_reader_rebuilt(out->sealed))
        log_warn("the index of a sealed archive file is missing or damaged: the file was read through",
                 LOG_TEXT("file", path));
    return out->sealed || sealed_error(x, &diag);
}

/* NULL: x->error. */
static struct replay_open_file *need_file(struct replay_reader *x, uint32_t file)
{
    struct replay_open_file *o = place_for(x, file);

    if (!o->used && !open_file(x, file, o))
        return NULL;
    o->used = ++x->uses;
    return o;
}

static bool read_growing(struct replay_reader *x, const struct replay_open_file *o, uint64_t offset, size_t size,
                         struct buf *out)
{
    size_t end = out->size + size;

    while (out->size < end) {
        ssize_t n = pread(o->fd, out->data + out->size, end - out->size, (off_t)(offset + size - (end - out->size)));
        if (n <= 0)
            return file_error(x, o->file, n ? strerror(errno) : "it is shorter than it was");
        out->size += (size_t)n;
    }
    return true;
}

static bool read_text(struct replay_reader *x, uint32_t file, uint64_t offset, size_t size, struct buf *out)
{
    struct replay_open_file *o = need_file(x, file);
    struct weir_diag diag;

    if (!o)
        return false;
    if (!buf_reserve(out, size))
        xfail("out of memory");
    if (!o->sealed)
        return read_growing(x, o, offset, size, out);
    return archive_reader_text(o->sealed, offset, size, out, &diag) || sealed_error(x, &diag);
}

/* ---- frames ---- */

static void add_frame(struct replay_reader *x, const struct replay_frame *f)
{
    if ((x->frame_count & (x->frame_count - 1)) == 0)
        x->frames = xrealloc(x->frames, (2 * x->frame_count + 1) * sizeof *x->frames);
    x->frames[x->frame_count] = *f;
    x->frames[x->frame_count].number = (uint32_t)x->frame_count;
    x->frame_count++;
}

/* A run of whole lines of a file whose frames nobody has noted: the times in it. */
static struct replay_frame scan_lines(uint32_t file, uint64_t offset, struct str text, struct line_clock *clock)
{
    struct line_times times = line_times(text, clock);

    return (struct replay_frame){.file = file,
                                 .offset = offset,
                                 .size = text.size,
                                 .events = times.events,
                                 .time_min_ms = times.min_ms,
                                 .time_max_ms = times.max_ms};
}

static bool stopping(struct replay_reader *x, uint32_t file)
{
    return atomic_load_explicit(x->ending, memory_order_relaxed) && !file_error(x, file, "the router is stopping");
}

/* Up to the last line end within `bytes`; all of the text where that is where the file ends. */
static size_t whole_lines(struct str text, bool ends)
{
    const char *last = ends ? NULL : memrchr(text.ptr, '\n', text.size);
    return last ? (size_t)(last - text.ptr) + 1 : ends ? text.size : 0;
}

static bool scan_growing(struct replay_reader *x, uint32_t file)
{
    uint64_t offset = 0, bytes = (uint64_t)x->files[file].bytes;
    struct line_clock clock = {0};
    struct buf text = BUF_INIT;
    bool ok = true;

    for (size_t step = FRAME_BYTES; ok && offset < bytes;) {
        size_t size = bytes - offset < step ? (size_t)(bytes - offset) : step;
        buf_clear(&text);
        ok = !stopping(x, file) && read_text(x, file, offset, size, &text);
        size_t lines = ok ? whole_lines(buf_view(&text), offset + size == bytes) : 0;
        step = lines ? FRAME_BYTES : 2 * step; /* a line of more than a frame */
        if (!lines)
            continue;
        struct replay_frame f = scan_lines(file, offset, (struct str){text.data, lines}, &clock);
        if (f.events)
            add_frame(x, &f);
        offset += lines;
    }
    buf_fini(&text);
    return ok;
}

/* A sealed file has noted its frames. It may have grown since the replay was made: the last frame is cut then. */
static bool add_sealed(struct replay_reader *x, uint32_t file, struct archive_reader *sealed)
{
    uint64_t bytes = (uint64_t)x->files[file].bytes;
    struct line_clock clock = {0};
    struct buf text = BUF_INIT;
    bool ok = true;
    size_t count;
    const struct archive_frame *frames = archive_reader_frames(sealed, &count);

    /* Where the file was cut, or a part of it is no frame any more, its last byte is not found. */
    if (bytes)
        ok = read_text(x, file, bytes - 1, 1, &text);
    for (size_t i = 0; ok && i < count && frames[i].text_at < bytes; i++) {
        const struct archive_frame *a = &frames[i];
        struct replay_frame f = {file, 0, a->text_at, (size_t)a->text, a->events, a->time_min_ms, a->time_max_ms};
        if (a->text_at + a->text > bytes) {
            buf_clear(&text);
            ok = read_text(x, file, a->text_at, (size_t)(bytes - a->text_at), &text);
            f = scan_lines(file, a->text_at, buf_view(&text), &clock);
        }
        if (ok && f.events)
            add_frame(x, &f);
    }
    buf_fini(&text);
    return ok;
}

static bool scan_file(struct replay_reader *x, uint32_t file)
{
    struct replay_open_file *o = need_file(x, file);
    return o && (o->sealed ? add_sealed(x, file, o->sealed) : scan_growing(x, file));
}

static bool load_frame(void *context, const struct replay_frame *f, struct buf *text)
{
    struct replay_reader *x = context;
    return !stopping(x, f->file) && read_text(x, f->file, f->offset, f->size, text);
}

/* ---- life ---- */

/* Replays of before there were keys know only how many they have done. */
static bool skip(struct replay_reader *x, uint64_t count)
{
    struct merge_event e;
    int got = 1;

    for (uint64_t i = 0; i < count && got > 0; i++)
        got = merge_next(x->merge, &e);
    return got >= 0;
}

bool reader_open(struct replay_reader *x, const struct replay_window *w, const struct replay_at *at, size_t bytes_max)
{
    for (uint32_t i = 0; i < x->file_count; i++)
        if (!scan_file(x, i))
            return false;
    struct merge_options o = {.by_arrival = w->by_arrival,
                              .from_ms = w->by_arrival ? INT64_MIN : w->from_ms,
                              .to_ms = w->by_arrival ? INT64_MAX : w->to_ms,
                              .after = at->begun ? &at->key : NULL,
                              .bytes_max = bytes_max,
                              .load = load_frame,
                              .context = x};
    x->merge = merge_create(&o, x->frames, x->frame_count);
    return at->begun || skip(x, at->position);
}

void reader_close(struct replay_reader *x)
{
    merge_destroy(x->merge);
    free(x->frames);
    for (size_t i = 0; i < REPLAY_OPEN_FILES; i++)
        close_file(&x->open[i]);
    x->merge = NULL;
    x->frames = NULL;
    x->frame_count = 0;
}

void reader_forget_files(struct replay_reader *x)
{
    for (size_t i = 0; i < x->file_count; i++)
        free(x->files[i].path);
    free(x->files);
    x->files = NULL;
    x->file_count = 0;
}

void reader_fini(struct replay_reader *x)
{
    reader_close(x);
    reader_forget_files(x);
    filter_close(&x->filter);
}

/* ---- events ---- */

/* A regex that was given up counts as no match, as it does in rules. */
static bool passes(struct replay_reader *x, struct str event)
{
    const uint32_t *ids;
    struct weir_diag diag;

    if (!x->filter.matcher)
        return true;
    long n = weir_match(x->filter.matcher, x->filter.scratch, event.ptr, event.size, WEIR_CHECKED, &ids, &diag);
    if (n <= 0)
        x->given_up += weir_match_given_up(x->filter.scratch, &ids) > 0;
    return n > 0;
}

int reader_next(struct replay_reader *x, uint64_t *filtered, struct merge_event *out)
{
    int got;

    while ((got = merge_next(x->merge, out)) > 0 && !passes(x, out->line))
        ++*filtered;
    return got;
}

static void add_event(struct replay_batch *b, struct str name, const struct merge_event *e)
{
    size_t start = b->bytes.size;

    line_name(&b->bytes, e->line, e->name_at, name);
    xbuf(&b->bytes);
    b->spans[b->count++] =
        (struct replay_span){start, b->bytes.size - start, e->time_ms, e->key, (uint32_t)b->filtered};
    b->filtered = 0;
}

static void begin_batch(struct replay_batch *b)
{
    buf_clear(&b->bytes);
    b->count = b->next = 0;
    b->filtered = 0;
    b->any = false;
}

bool reader_fill(struct replay_reader *x, struct str name, uint64_t count_max, struct replay_batch *b)
{
    struct merge_event e;
    int got = 1;

    begin_batch(b);
    if (count_max > REPLAY_BATCH)
        count_max = REPLAY_BATCH;
    for (int read = 0; read < REPLAY_BATCH_READ && b->count < count_max && b->bytes.size < REPLAY_BATCH_BYTES; read++) {
        if ((got = merge_next(x->merge, &e)) <= 0)
            break;
        b->end = e.key;
        b->any = true;
        if (passes(x, e.line))
            add_event(b, name, &e);
        else
            b->filtered++;
    }
    b->left = merge_left(x->merge, &b->exact) - (b->any && got > 0); /* the merge counts one when it is passed */
    b->last = got == 0;
    return got >= 0;
}

/* ---- of files ---- */

_Static_assert(REPLAY_RECORDS_MAX <= REPLAY_BATCH, "what comes at once fits a batch");

/* Records in their order, then the events of one. */
static struct replay_key record_key(const struct replay_records *records, uint64_t record, uint64_t part)
{
    return (struct replay_key){.time_ms = (int64_t)(records->first + record), .offset = part};
}

static struct replay_key records_end(const struct replay_records *records)
{
    return record_key(records, records->records - 1, UINT64_MAX);
}

void reader_take(struct replay_reader *x, const struct replay_window *w, const struct replay_key *after,
                 struct str name, const struct replay_records *records, uint64_t count_max, struct replay_batch *b)
{
    struct line_clock clock = {0};
    struct archive_line line;

    begin_batch(b);
    for (size_t i = 0; i < records->count && b->count < count_max; i++) {
        const struct replay_record_event *from = &records->list[i];
        struct merge_event e = {.line = {records->bytes.data + from->offset, from->size},
                                .key = record_key(records, from->record, from->part)};
        if (after && replay_key_cmp(&e.key, after) <= 0)
            continue;
        if (!line_read(e.line, &clock, &line) || line.time_ms < w->from_ms || line.time_ms >= w->to_ms)
            continue;
        e.time_ms = line.time_ms;
        e.name_at = line.name_at;
        if (passes(x, e.line))
            add_event(b, name, &e);
        else
            b->filtered++;
    }
    b->end = b->count && b->count == count_max ? b->spans[b->count - 1].key : records_end(records);
    b->any = true;
    b->left = 0;
    b->exact = b->last = false;
}
