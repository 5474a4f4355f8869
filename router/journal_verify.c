/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a journal's files, see journal_verify.h. A segment is read whole: by reading, not by mapping, since of
 * a bad sector we want an error. Beside a running router the end of the last segment may be a group of records that is
 * just being written: a fault there is looked at again, from newly read bytes, before it is told.
 */
#include "router/journal_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "router/journal_int.h"
#include "router/xalloc.h"

#define LOOKS        5 /* at a fault that may be a group half written */
#define LOOK_WAIT_NS 100000000

struct walk {
    const struct journal_walk *calls;
    const char *folder;
    int dir;
    bool growing, is_last; /* the present segment */
    struct buf bytes;      /* of it */
    struct segment head;
    struct journal_segment segment;
    bool ended; /* the caller has seen enough */
    struct weir_diag *diag;
};

static const uint8_t *at(const struct walk *w, uint64_t offset)
{
    return (const uint8_t *)w->bytes.data + offset;
}

static bool read_file(struct walk *w)
{
    int fd = openat(w->dir, w->segment.file, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n = -1;

    buf_clear(&w->bytes);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        if (!buf_reserve(&w->bytes, (size_t)st.st_size + 1))
            xfail("out of memory");
        while ((n = pread(fd, w->bytes.data + w->bytes.size, (size_t)st.st_size - w->bytes.size,
                          (off_t)w->bytes.size)) > 0)
            w->bytes.size += (size_t)n;
    }
    bool ok = n == 0 || journal_io_error(w->diag, "read", w->folder, w->segment.file);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- one record ---- */

static bool bad(char reason[120], const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool bad(char reason[120], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, 120, format, args);
    va_end(args);
    return false;
}

/* Is there a good record at the offset, and is it number `expected`? */
static bool check_record(const struct walk *w, uint64_t offset, uint64_t expected, struct record *r, char reason[120])
{
    uint64_t left = w->bytes.size - offset;

    if (left < RECORD_HEADER_BYTES)
        return bad(reason, "%" PRIu64 " bytes, less than a record's header", left);
    if (!record_decode(at(w, offset), r))
        return bad(reason, "the record's header does not agree with its checksum");
    if (w->head.salt && r->salt != w->head.salt)
        return bad(reason, "the record belongs to another segment (salt %08" PRIx32 ", not %08" PRIx32 ")", r->salt,
                   w->head.salt);
    if (record_bytes(r->body_size) > left)
        return bad(reason, "the record has %zu bytes, the file ends after %" PRIu64, record_bytes(r->body_size), left);
    if (!record_body_ok(r, at(w, offset) + RECORD_HEADER_BYTES))
        return bad(reason, "the record's body does not agree with its checksum");
    size_t body = RECORD_HEADER_BYTES + r->body_size;
    if (!journal_is_zero(at(w, offset + body), record_bytes(r->body_size) - body))
        return bad(reason, "the padding behind the record is not zero");
    if (r->sequence != expected)
        return bad(reason, "record number %" PRIu64 " where %" PRIu64 " should be", r->sequence, expected);
    if (r->synced >= r->sequence)
        return bad(reason, "the record says that it was synced before it was written (%" PRIu64 ")", r->synced);
    return true;
}

static void give(struct walk *w, uint64_t offset, const struct record *r)
{
    const char *body = (const char *)at(w, offset) + RECORD_HEADER_BYTES;
    struct journal_record out = {.sequence = r->sequence,
                                 .time_ms = r->time_ms,
                                 .flags = r->flags,
                                 .bus = {body, r->bus_size},
                                 .event = {body + r->bus_size, r->body_size - r->bus_size}};

    if (!w->segment.records++)
        w->segment.first_time_ms = r->time_ms;
    w->segment.last_time_ms = r->time_ms;
    w->segment.last = r->sequence;
    if (w->calls->record && !w->calls->record(w->calls->context, &out))
        w->ended = true;
}

/* ---- one segment ---- */

static void tell(struct walk *w, const struct journal_fault *fault)
{
    struct journal_fault f = *fault;

    memcpy(f.file, w->segment.file, sizeof f.file);
    w->segment.faults++;
    if (w->calls->fault)
        w->calls->fault(w->calls->context, &f);
}

/* Where the walk goes on behind a fault, and with which number; the end of the file: nowhere. */
static uint64_t behind(const struct walk *w, uint64_t offset, uint64_t *expected)
{
    struct record found;
    uint64_t next =
        record_search((const uint8_t *)w->bytes.data, w->bytes.size, offset, w->head.salt, *expected, &found);

    if (next == w->bytes.size)
        return next;
    if (next > offset || found.sequence > *expected) { /* at the same place: only the numbers between are missing */
        *expected = found.sequence;
        return next;
    }
    *expected += 1; /* whole, and bad all the same */
    return offset + record_bytes(found.body_size);
}

static bool look_again(struct walk *w, unsigned *looks)
{
    const struct timespec wait = {0, LOOK_WAIT_NS};

    if (!w->growing || !w->is_last || ++*looks > LOOKS)
        return false;
    nanosleep(&wait, NULL);
    return read_file(w);
}

static void check_header(struct walk *w, uint64_t first)
{
    struct segment head = {0};
    struct journal_fault f = {.sequence = first, .bytes = SEGMENT_HEADER_BYTES};

    if (w->bytes.size < SEGMENT_HEADER_BYTES) {
        f.bytes = w->bytes.size;
        f.torn = true;
        bad(f.reason, "%zu bytes, less than a segment's header", w->bytes.size);
    } else if (!segment_header_decode(at(w, 0), &head)) {
        bad(f.reason, "the segment's header does not agree with its checksum");
        head.salt = 0;
    } else if (head.first != first) {
        bad(f.reason, "the segment's header says that it begins with record %" PRIu64, head.first);
    }
    w->head = head;
    if (f.reason[0])
        tell(w, &f);
}

static void check_records(struct walk *w, uint64_t first)
{
    uint64_t offset = SEGMENT_HEADER_BYTES, expected = first;
    unsigned looks = 0;
    struct record r;

    while (offset < w->bytes.size && !w->ended) {
        struct journal_fault f = {.offset = offset, .sequence = expected};
        if (check_record(w, offset, expected, &r, f.reason)) {
            give(w, offset, &r);
            offset += record_bytes(r.body_size);
            expected = r.sequence + 1;
            looks = 0;
            continue;
        }
        if (w->is_last && journal_is_zero(at(w, offset), w->bytes.size - offset))
            return;
        if (look_again(w, &looks))
            continue;
        uint64_t next = behind(w, offset, &expected);
        f.bytes = next - offset;
        f.torn = next >= w->bytes.size;
        tell(w, &f);
        if (f.torn)
            return;
        offset = next;
    }
}

static bool walk_segment(struct walk *w, uint64_t first)
{
    w->segment = (struct journal_segment){.first = first};
    segment_name(first, w->segment.file);
    if (!read_file(w))
        return false;
    check_header(w, first);
    check_records(w, first);
    w->segment.bytes = w->bytes.size;
    if (w->calls->segment && !w->ended)
        w->calls->segment(w->calls->context, &w->segment);
    return true;
}

bool journal_walk_files(const char *folder, bool growing, const struct journal_walk *calls, struct weir_diag *diag)
{
    struct walk w = {.calls = calls, .folder = folder, .growing = growing, .diag = diag};
    struct segments segments = {0};

    w.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = w.dir >= 0 ? journal_list(w.dir, folder, &segments, diag) : journal_io_error(diag, "open", folder, "");
    for (size_t i = 0; ok && i < segments.count && !w.ended; i++) {
        w.is_last = i + 1 == segments.count;
        ok = walk_segment(&w, segments.list[i].first);
        if (!ok && growing && faccessat(w.dir, w.segment.file, F_OK, 0) != 0 && errno == ENOENT)
            ok = true; /* settled and removed meanwhile */
    }
    if (w.dir >= 0)
        close(w.dir);
    free(segments.list);
    buf_fini(&w.bytes);
    return ok;
}
