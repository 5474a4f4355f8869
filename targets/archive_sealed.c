/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading sealed archive files. The index is believed only when its hash and its sums hold; otherwise the file is
 * walked frame by frame and unpacked once to make it again. Where that meets what is no frame it searches the bytes
 * that begin one, and takes the next that holds what its checksum says. What is asked for by its place in the text is
 * unpacked with the whole frame it lies in; the last frame is kept, since who reads goes on.
 */
#include "targets/archive_sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "matcher/hash.h"
#include "matcher/json.h"
#include "targets/archive_line.h"
#include "targets/fail.h"

#define INDEX_BYTES_MAX (256u << 20)
#define PACKED_MAX      ZSTD_COMPRESSBOUND(ARCHIVE_FRAME_BYTES_MAX)
#define SEARCH_BYTES    65536

struct gap {
    uint64_t at, end;   /* bytes of the sealed file */
    uint64_t text_at;   /* of the text before it */
    const char *reason; /* static */
};

struct archive_reader {
    char *path; /* of the sealed file */
    char shown[ARCHIVE_SHOWN_BYTES];
    int fd;
    uint64_t size;
    struct archive_frame *frames;
    size_t count, capacity;
    struct gap *gaps; /* found when the index was made again */
    size_t gap_count;
    bool rebuilt;
    ZSTD_DCtx *zstd;
    struct buf packed;
    struct buf kept; /* the text of frame number kept_frame; SIZE_MAX: none */
    size_t kept_frame;
};

static const char no_memory[] = "out of memory";

const char *archive_path_show(const char *path, char out[ARCHIVE_SHOWN_BYTES])
{
    size_t size = strlen(path), room = ARCHIVE_SHOWN_BYTES - sizeof "…";
    const char *end = size > room ? path + size - room : path;
    const char *slash = end > path ? strchr(end, '/') : NULL; /* never within a character */

    snprintf(out, ARCHIVE_SHOWN_BYTES, "%s%s", end > path ? "…" : "", slash ? slash : end);
    return out;
}

static bool fail_path(const struct archive_reader *r, const char *doing, struct weir_diag *diag)
{
    return fail_with(diag, WEIR_E_IO, "cannot %s '%s': %s", doing, r->shown, strerror(errno));
}

static bool fail_at(const struct archive_reader *r, uint64_t offset, const char *reason, struct weir_diag *diag)
{
    if (reason == no_memory)
        return fail_memory(diag);
    return fail_with(diag, WEIR_E_IO, "'%s', offset %" PRIu64 ": %s", r->shown, offset, reason);
}

static bool fail_gap(const struct archive_reader *r, const struct gap *g, struct weir_diag *diag)
{
    return fail_with(diag, WEIR_E_IO, "'%s', offset %" PRIu64 ": %s; %" PRIu64 " bytes are lost", r->shown, g->at,
                     g->reason, g->end - g->at);
}

static bool add_frame(struct archive_reader *r, const struct archive_frame *f)
{
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        struct archive_frame *more = realloc(r->frames, capacity * sizeof *more);
        if (!more)
            return false;
        r->frames = more;
        r->capacity = capacity;
    }
    r->frames[r->count++] = *f;
    return true;
}

static bool read_packed(struct archive_reader *r, uint64_t at, size_t size, struct weir_diag *diag)
{
    buf_clear(&r->packed);
    if (!buf_reserve(&r->packed, size + 1))
        return fail_memory(diag);
    while (r->packed.size < size) {
        ssize_t n = pread(r->fd, r->packed.data + r->packed.size, size - r->packed.size, (off_t)(at + r->packed.size));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_path(r, "read", diag);
        if (n == 0)
            return fail_at(r, at + r->packed.size, "the file ends in a frame", diag);
        r->packed.size += (size_t)n;
    }
    return true;
}

/* The packed frame in r->packed, appended to out. NULL, or what is wrong with it. */
static const char *unpack(struct archive_reader *r, uint64_t text, struct buf *out)
{
    if (text > ARCHIVE_FRAME_BYTES_MAX)
        return "a frame claims to hold more than 32 MiB";
    if (!buf_reserve(out, (size_t)text + 1))
        return no_memory;
    size_t n = ZSTD_decompressDCtx(r->zstd, out->data + out->size, (size_t)text, r->packed.data, r->packed.size);
    if (ZSTD_isError(n))
        return ZSTD_getErrorName(n);
    if (n != text)
        return "a frame holds less than it says";
    out->size += n;
    return NULL;
}

/* ---- the index ---- */

static bool number(struct str object, const char *key, int64_t *out)
{
    struct str raw = json_member(object, key);
    char text[24], *end;

    if (!raw.size || raw.size >= sizeof text)
        return false;
    memcpy(text, raw.ptr, raw.size);
    text[raw.size] = '\0';
    *out = strtoll(text, &end, 10);
    return *end == '\0';
}

static bool count_of(struct str object, const char *key, uint64_t *out)
{
    int64_t n;
    if (!number(object, key, &n) || n < 0)
        return false;
    *out = (uint64_t)n;
    return true;
}

static bool next_line(struct str *rest, struct str *line)
{
    const char *end = rest->size ? memchr(rest->ptr, '\n', rest->size) : NULL;

    if (!end)
        return false;
    *line = (struct str){rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (struct str){end + 1, rest->size - line->size - 1};
    return line->size && json_check(*line, NULL, NULL) && json_type_of(*line) == JSON_OBJECT;
}

/* The hash stands in the last line, of all before it. */
static bool hash_holds(struct str text)
{
    char wanted[40];

    for (size_t at = text.size > 1 ? text.size - 1 : 0; at > 0; at--)
        if (text.ptr[at - 1] == '\n') {
            int size = snprintf(wanted, sizeof wanted, "{\"hash\":\"%016" PRIx64 "\"}\n", hash_bytes(1, text.ptr, at));
            return text.size - at == (size_t)size && memcmp(text.ptr + at, wanted, (size_t)size) == 0;
        }
    return false;
}

static bool parse_frame(struct str line, struct archive_frame *f)
{
    return count_of(line, "text_at", &f->text_at) && count_of(line, "text", &f->text) &&
           count_of(line, "packed_at", &f->packed_at) && count_of(line, "packed", &f->packed) &&
           count_of(line, "events", &f->events) && number(line, "time_min", &f->time_min_ms) &&
           number(line, "time_max", &f->time_max_ms);
}

/* Frames lie one behind the other, in the text and in the file, and fill both. */
static bool parse_index(struct archive_reader *r, struct str text)
{
    uint64_t frames, text_size, packed, version, text_at = 0, packed_at = 0;
    struct str line;

    if (!hash_holds(text) || !next_line(&text, &line) || !count_of(line, "version", &version) || version != 1 ||
        !count_of(line, "frames", &frames) || !count_of(line, "text", &text_size) ||
        !count_of(line, "packed", &packed) || packed != r->size)
        return false;
    for (uint64_t i = 0; i < frames; i++) {
        struct archive_frame f;
        if (!next_line(&text, &line) || !parse_frame(line, &f) || f.text_at != text_at || f.packed_at != packed_at ||
            f.packed > r->size - packed_at || f.packed > PACKED_MAX || !add_frame(r, &f))
            return false;
        text_at += f.text;
        packed_at += f.packed;
    }
    return text_at == text_size && packed_at == packed;
}

static bool read_index(struct archive_reader *r)
{
    struct buf path = BUF_INIT, text = BUF_INIT;
    struct stat st;
    ssize_t n = -1;

    buf_printf(&path, "%s.idx", r->path);
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size <= INDEX_BYTES_MAX && buf_reserve(&text, (size_t)st.st_size + 1))
        while ((n = read(fd, text.data + text.size, (size_t)st.st_size - text.size)) > 0)
            text.size += (size_t)n;
    if (fd >= 0)
        close(fd);
    bool ok = n == 0 && parse_index(r, buf_view(&text));
    if (!ok)
        r->count = 0;
    buf_fini(&path);
    buf_fini(&text);
    return ok;
}

/* ---- making it again ---- */

static void look_at(struct archive_frame *f, struct str text)
{
    struct line_clock clock = {0};
    struct line_times times = line_times(text, &clock);

    f->events = times.events;
    f->time_min_ms = times.min_ms;
    f->time_max_ms = times.max_ms;
}

/* Reads the frame at the offset into r->packed. It is read in growing pieces: a frame does not say its size in front.
   False: *reason, or diag where the file cannot be read. */
static bool find_frame(struct archive_reader *r, struct archive_frame *f, const char **reason, struct weir_diag *diag)
{
    uint64_t left = r->size - f->packed_at;
    size_t size;

    *reason = NULL;
    for (size_t step = 2 * ARCHIVE_FRAME_BYTES;; step *= 2) {
        size_t have = left < step ? (size_t)left : step;
        if (!read_packed(r, f->packed_at, have, diag))
            return false;
        size = ZSTD_findFrameCompressedSize(r->packed.data, have);
        if (!ZSTD_isError(size))
            break;
        *reason = "no whole zstd frame";
        if (ZSTD_getErrorCode(size) != ZSTD_error_srcSize_wrong || have == left || step > PACKED_MAX)
            return false;
    }
    *reason = "the frame does not say how much it holds";
    f->text = ZSTD_getFrameContentSize(r->packed.data, size);
    if (f->text == ZSTD_CONTENTSIZE_ERROR || f->text == ZSTD_CONTENTSIZE_UNKNOWN)
        return false;
    f->packed = r->packed.size = size;
    return true;
}

static bool take_frame(struct archive_reader *r, struct archive_frame *f, const char **reason, struct weir_diag *diag)
{
    if (!find_frame(r, f, reason, diag))
        return false;
    buf_clear(&r->kept);
    *reason = unpack(r, f->text, &r->kept);
    if (!*reason)
        look_at(f, buf_view(&r->kept));
    return !*reason;
}

/* Where the four bytes that begin a frame stand next; the end of the file where they do not. */
static bool find_magic(struct archive_reader *r, uint64_t *at, struct weir_diag *diag)
{
    static const char magic[4] = {0x28, (char)0xb5, 0x2f, (char)0xfd};

    while (r->size - *at >= sizeof magic) {
        size_t size = r->size - *at < SEARCH_BYTES ? (size_t)(r->size - *at) : SEARCH_BYTES;
        if (!read_packed(r, *at, size, diag))
            return false;
        const char *found = memmem(r->packed.data, size, magic, sizeof magic);
        *at += found ? (size_t)(found - r->packed.data) : size - (sizeof magic - 1);
        if (found)
            return true;
    }
    *at = r->size;
    return true;
}

static bool begin_gap(struct archive_reader *r, const struct archive_frame *f, const char *reason)
{
    struct gap *more = realloc(r->gaps, (r->gap_count + 1) * sizeof *more);

    if (!more)
        return false;
    r->gaps = more;
    r->gaps[r->gap_count++] = (struct gap){.at = f->packed_at, .text_at = f->text_at, .reason = reason};
    return true;
}

static bool rebuild(struct archive_reader *r, struct weir_diag *diag)
{
    uint64_t at = 0, text_at = 0;
    bool in_gap = false;
    const char *reason;

    r->rebuilt = true;
    while (at < r->size) {
        struct archive_frame f = {.text_at = text_at, .packed_at = at};
        if (take_frame(r, &f, &reason, diag)) {
            if (!add_frame(r, &f))
                return fail_memory(diag);
            in_gap = false;
            at += f.packed;
            text_at += f.text;
            continue;
        }
        if (!reason)
            return false;
        if (reason == no_memory || (!in_gap && !begin_gap(r, &f, reason)))
            return fail_memory(diag);
        in_gap = true;
        at++;
        if (!find_magic(r, &at, diag))
            return false;
        r->gaps[r->gap_count - 1].end = at;
    }
    return true;
}

/* ---- life ---- */

static bool open_files(struct archive_reader *r, struct weir_diag *diag)
{
    struct stat st;

    r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        return fail_path(r, "open", diag);
    r->size = (uint64_t)st.st_size;
    r->zstd = ZSTD_createDCtx();
    if (!r->zstd)
        return fail_memory(diag);
    return read_index(r) || rebuild(r, diag);
}

struct archive_reader *archive_reader_open(const char *path, struct weir_diag *diag)
{
    struct archive_reader *r = calloc(1, sizeof *r);
    struct buf name = BUF_INIT;

    if (!r) {
        fail_memory(diag);
        return NULL;
    }
    buf_printf(&name, "%s" ARCHIVE_SEALED_SUFFIX, path);
    buf_cstr(&name);
    r->fd = -1;
    r->kept_frame = SIZE_MAX;
    r->path = name.failed ? NULL : strdup(name.data);
    buf_fini(&name);
    if (!r->path)
        fail_memory(diag);
    else if (archive_path_show(r->path, r->shown) && open_files(r, diag))
        return r;
    archive_reader_close(r);
    return NULL;
}

void archive_reader_close(struct archive_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    ZSTD_freeDCtx(r->zstd);
    buf_fini(&r->packed);
    buf_fini(&r->kept);
    free(r->frames);
    free(r->gaps);
    free(r->path);
    free(r);
}

const struct archive_frame *archive_reader_frames(const struct archive_reader *r, size_t *count_out)
{
    *count_out = r->count;
    return r->frames;
}

bool archive_reader_rebuilt(const struct archive_reader *r)
{
    return r->rebuilt;
}

/* ---- text ---- */

static bool read_frame(struct archive_reader *r, size_t i, struct buf *out, struct weir_diag *diag)
{
    const struct archive_frame *f = &r->frames[i];
    if (!read_packed(r, f->packed_at, (size_t)f->packed, diag))
        return false;
    const char *reason = unpack(r, f->text, out);
    return !reason || fail_at(r, f->packed_at, reason, diag);
}

/* The frame that holds the byte; count: none does. */
static size_t frame_at(const struct archive_reader *r, uint64_t at)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->frames[middle].text_at + r->frames[middle].text <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool keep_frame(struct archive_reader *r, size_t i, struct weir_diag *diag)
{
    if (r->kept_frame == i)
        return true;
    buf_clear(&r->kept);
    r->kept_frame = SIZE_MAX;
    if (!read_frame(r, i, &r->kept, diag))
        return false;
    r->kept_frame = i;
    return true;
}

bool archive_reader_text(struct archive_reader *r, uint64_t at, size_t size, struct buf *out, struct weir_diag *diag)
{
    if (r->gap_count && size && at + size > r->gaps[0].text_at)
        return fail_gap(r, &r->gaps[0], diag);
    while (size) {
        size_t i = frame_at(r, at);
        if (i == r->count)
            return fail_at(r, r->size, "the file holds less text than it was said to", diag);
        const struct archive_frame *f = &r->frames[i];
        if (f->text_at == at && f->text == size)
            return read_frame(r, i, out, diag);
        if (!keep_frame(r, i, diag))
            return false;
        size_t from = (size_t)(at - f->text_at), n = (size_t)f->text - from;
        n = n < size ? n : size;
        buf_add(out, r->kept.data + from, n);
        if (out->failed)
            return fail_memory(diag);
        at += n;
        size -= n;
    }
    return true;
}

/* ---- verifying ---- */

static bool verify_frame(struct archive_reader *r, size_t i, struct weir_diag *diag)
{
    const struct archive_frame *f = &r->frames[i];
    struct archive_frame seen = {0};

    buf_clear(&r->kept);
    r->kept_frame = SIZE_MAX;
    if (!read_frame(r, i, &r->kept, diag))
        return false;
    look_at(&seen, buf_view(&r->kept));
    if (seen.events != f->events)
        return fail_with(diag, WEIR_E_IO,
                         "'%s', offset %" PRIu64 ": the frame holds %" PRIu64 " events, its index says %" PRIu64,
                         r->shown, f->packed_at, seen.events, f->events);
    if (seen.time_min_ms != f->time_min_ms || seen.time_max_ms != f->time_max_ms)
        return fail_at(r, f->packed_at, "the times in the frame are not those of its index", diag);
    return true;
}

/* *next counts gaps, then frames. */
bool archive_reader_verify(struct archive_reader *r, size_t *next, struct weir_diag *diag)
{
    if (*next < r->gap_count)
        return fail_gap(r, &r->gaps[(*next)++], diag);
    while (*next - r->gap_count < r->count)
        if (!verify_frame(r, (*next)++ - r->gap_count, diag))
            return false;
    return true;
}
