/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing. The text is read in pieces of whole lines, each becomes a frame; the index is written last, from what was
 * noted on the way. Both files are made aside, synced, and renamed: a sealed file that is there is whole. Who calls
 * then records it in the ledger, and only after that the growing file goes. So at every moment one of the two forms is
 * whole, and recorded.
 *
 * zstd's level 1: the fastest that halves real events several times over; an archive is written once, and rarely read.
 */
#include "targets/archive_sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "matcher/hash.h"
#include "targets/archive_line.h"
#include "targets/fail.h"

#define LEVEL      1
#define ASIDE      ".tmp"
#define DROP_BYTES (8u << 20) /* so often the page cache is told that what was read is not needed again */
#define PATH_BYTES 1200

struct seal {
    int data_fd, from, to;
    const char *path;
    const atomic_bool *stop;
    uint64_t bytes, read; /* of the text */
    uint64_t packed;      /* written */
    uint64_t events, frames;
    struct buf text;  /* of the present piece */
    struct buf frame; /* packed */
    struct buf index;
    ZSTD_CCtx *zstd;
    struct line_clock clock;
    struct weir_diag *diag;
};

static bool fail_path(struct seal *s, const char *doing, const char *suffix)
{
    return fail_with(s->diag, WEIR_E_IO, "cannot %s '%s%s': %s", doing, s->path, suffix, strerror(errno));
}

static bool stopped(struct seal *s)
{
    if (!s->stop || !atomic_load_explicit(s->stop, memory_order_relaxed))
        return false;
    *s->diag = (struct weir_diag){.code = WEIR_E_IO};
    return true;
}

/* ---- pieces of whole lines ---- */

static bool read_piece(struct seal *s, size_t want)
{
    while (s->text.size < want) {
        ssize_t n = pread(s->from, s->text.data + s->text.size, want - s->text.size, (off_t)(s->read + s->text.size));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_path(s, "read", "");
        if (n == 0)
            return fail_with(s->diag, WEIR_E_IO,
                             "the archive file '%s' has %" PRIu64 " bytes, %" PRIu64 " are recorded", s->path,
                             s->read + s->text.size, s->bytes);
        s->text.size += (size_t)n;
    }
    return true;
}

/* The next lines, up to a frame's worth; one that is longer is read whole. */
static bool next_piece(struct seal *s)
{
    for (size_t step = ARCHIVE_FRAME_BYTES;; step *= 2) {
        uint64_t left = s->bytes - s->read;
        size_t want = left < step ? (size_t)left : step;
        if (step > ARCHIVE_FRAME_BYTES_MAX)
            return fail_with(s->diag, WEIR_E_IO, "'%s', offset %" PRIu64 ": a line of more than %u bytes", s->path,
                             s->read, ARCHIVE_FRAME_BYTES_MAX);
        if (!buf_reserve(&s->text, want - s->text.size))
            return fail_memory(s->diag);
        if (!read_piece(s, want))
            return false;
        const char *last = want == left ? NULL : memrchr(s->text.data, '\n', s->text.size);
        if (last)
            s->text.size = (size_t)(last - s->text.data) + 1;
        if (last || want == left)
            return true;
    }
}

/* ---- writing ---- */

static bool write_all(struct seal *s, struct str bytes, const char *suffix)
{
    while (bytes.size) {
        ssize_t n = write(s->to, bytes.ptr, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_path(s, "write", suffix);
        bytes.ptr += n;
        bytes.size -= (size_t)n;
    }
    return true;
}

static bool pack(struct seal *s)
{
    size_t room = ZSTD_compressBound(s->text.size);

    buf_clear(&s->frame);
    if (!buf_reserve(&s->frame, room))
        return fail_memory(s->diag);
    s->frame.size = ZSTD_compress2(s->zstd, s->frame.data, room, s->text.data, s->text.size);
    if (!ZSTD_isError(s->frame.size))
        return true;
    const char *reason = ZSTD_getErrorName(s->frame.size);
    s->frame.size = 0;
    return fail_with(s->diag, WEIR_E_IO, "cannot pack '%s': %s", s->path, reason);
}

static void note_frame(struct seal *s, const struct archive_frame *f)
{
    buf_printf(&s->index,
               "{\"text_at\":%" PRIu64 ",\"text\":%" PRIu64 ",\"packed_at\":%" PRIu64 ",\"packed\":%" PRIu64
               ",\"events\":%" PRIu64 ",\"time_min\":%" PRId64 ",\"time_max\":%" PRId64 "}\n",
               f->text_at, f->text, f->packed_at, f->packed, f->events, f->time_min_ms, f->time_max_ms);
}

static bool seal_piece(struct seal *s)
{
    buf_clear(&s->text);
    if (stopped(s) || !next_piece(s))
        return false;
    struct line_times times = line_times(buf_view(&s->text), &s->clock);
    struct archive_frame f = {s->read, s->text.size, s->packed, 0, times.events, times.min_ms, times.max_ms};
    if (!pack(s) || !write_all(s, buf_view(&s->frame), ARCHIVE_SEALED_SUFFIX ASIDE))
        return false;
    f.packed = s->frame.size;
    note_frame(s, &f);
    s->read += f.text;
    s->packed += f.packed;
    s->events += f.events;
    s->frames++;
    if (s->read / DROP_BYTES != (s->read - f.text) / DROP_BYTES)
        posix_fadvise(s->from, 0, (off_t)s->read, POSIX_FADV_DONTNEED);
    return true;
}

/* ---- files made aside ---- */

static void path_with(const struct seal *s, const char *suffix, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s%s", s->path, suffix);
}

static bool begin_file(struct seal *s, const char *suffix)
{
    char path[PATH_BYTES];

    path_with(s, suffix, path);
    s->to = openat(s->data_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->to >= 0 || fail_path(s, "create", suffix);
}

static bool end_file(struct seal *s, const char *suffix)
{
    bool ok = fdatasync(s->to) == 0 || fail_path(s, "sync", suffix);

    posix_fadvise(s->to, 0, 0, POSIX_FADV_DONTNEED); /* a replay may come years later */
    close(s->to);
    s->to = -1;
    return ok;
}

static bool put_in_place(struct seal *s, const char *from_suffix, const char *to_suffix)
{
    char from[PATH_BYTES], to[PATH_BYTES];

    path_with(s, from_suffix, from);
    path_with(s, to_suffix, to);
    return renameat(s->data_fd, from, s->data_fd, to) == 0 || fail_path(s, "rename", from_suffix);
}

static bool sync_folder(struct seal *s)
{
    char path[PATH_BYTES];

    path_with(s, "", path);
    *strrchr(path, '/') = '\0';
    int fd = openat(s->data_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        fail_path(s, "sync the folder of", "");
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool write_text(struct seal *s)
{
    bool ok = true;

    if (!begin_file(s, ARCHIVE_SEALED_SUFFIX ASIDE))
        return false;
    while (ok && s->read < s->bytes)
        ok = seal_piece(s);
    return ok && end_file(s, ARCHIVE_SEALED_SUFFIX ASIDE);
}

static bool write_index(struct seal *s)
{
    struct buf whole = BUF_INIT;

    buf_printf(&whole,
               "{\"version\":1,\"frames\":%" PRIu64 ",\"text\":%" PRIu64 ",\"packed\":%" PRIu64 ",\"events\":%" PRIu64
               "}\n",
               s->frames, s->bytes, s->packed, s->events);
    buf_str(&whole, buf_view(&s->index));
    uint64_t hash = hash_bytes(1, whole.data, whole.size);
    buf_printf(&whole, "{\"hash\":\"%016" PRIx64 "\"}\n", hash);
    bool ok = whole.failed ? fail_memory(s->diag)
                           : begin_file(s, ARCHIVE_INDEX_SUFFIX ASIDE) &&
                                 write_all(s, buf_view(&whole), ARCHIVE_INDEX_SUFFIX ASIDE) &&
                                 end_file(s, ARCHIVE_INDEX_SUFFIX ASIDE);
    buf_fini(&whole);
    return ok;
}

static void remove_aside(struct seal *s)
{
    static const char *const suffixes[] = {ARCHIVE_SEALED_SUFFIX ASIDE, ARCHIVE_INDEX_SUFFIX ASIDE};
    char path[PATH_BYTES];

    for (size_t i = 0; i < 2; i++) {
        path_with(s, suffixes[i], path);
        unlinkat(s->data_fd, path, 0);
    }
}

static bool open_zstd(struct seal *s)
{
    s->zstd = ZSTD_createCCtx();
    if (!s->zstd || ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)))
        return fail_memory(s->diag);
    return true;
}

bool archive_seal(int data_fd, const char *path, int64_t bytes, const atomic_bool *stop, int64_t *packed_out,
                  struct weir_diag *diag)
{
    struct seal s = {.data_fd = data_fd, .to = -1, .path = path, .stop = stop, .bytes = (uint64_t)bytes, .diag = diag};

    s.from = openat(data_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = s.from >= 0 ? open_zstd(&s) : fail_path(&s, "open", "");
    ok = ok && write_text(&s) && write_index(&s) &&
         put_in_place(&s, ARCHIVE_SEALED_SUFFIX ASIDE, ARCHIVE_SEALED_SUFFIX) &&
         put_in_place(&s, ARCHIVE_INDEX_SUFFIX ASIDE, ARCHIVE_INDEX_SUFFIX) && sync_folder(&s);
    if (s.to >= 0)
        close(s.to);
    if (!ok)
        remove_aside(&s);
    if (s.from >= 0)
        close(s.from);
    ZSTD_freeCCtx(s.zstd);
    buf_fini(&s.text);
    buf_fini(&s.frame);
    buf_fini(&s.index);
    *packed_out = (int64_t)s.packed;
    return ok;
}
