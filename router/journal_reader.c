/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading synced records in order, through one buffer per reader. The buffer is filled by pread; since the writer may
 * be half way through bytes that were read beyond the synced part, a record is only taken from the buffer if it had
 * been synced before the buffer was filled.
 *
 * Damage is skipped to the next whole record of the segment (recovery has already cut what was never answered), counted
 * by the gap in the numbers, and logged with file and offset.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/journal_int.h"
#include "router/log.h"
#include "router/xalloc.h"

#define READ_BYTES (1u << 20)

struct journal_reader {
    struct journal *journal;
    struct segment segment; /* being read; first 0: none yet */
    int fd;
    uint64_t offset; /* of the next record */
    uint64_t next;   /* lowest sequence number it may have */
    struct buf buf;  /* bytes of the file from buf_offset on */
    uint64_t buf_offset;
    uint64_t buf_synced; /* what was synced when the buffer was filled */
};

struct journal_reader *journal_reader_open(struct journal *j, uint64_t from)
{
    struct journal_reader *r = xalloc(sizeof *r);
    r->journal = j;
    r->fd = -1;
    r->next = from ? from : 1;
    return r;
}

void journal_reader_close(struct journal_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    buf_fini(&r->buf);
    free(r);
}

/* The segment that holds r->next at the start; later the one behind the present one. */
static bool find_segment(struct journal_reader *r, struct segment *out)
{
    struct journal *j = r->journal;
    bool found = false;

    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->segments.count && !found; i++) {
        const struct segment *s = &j->segments.list[i];
        bool is_last = i + 1 == j->segments.count;
        found = r->segment.first ? s->first > r->segment.first : is_last || s[1].first > r->next;
        if (found)
            *out = *s;
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

/* 1: the next segment is open; 0: there is none; -1: diag. */
static int next_segment(struct journal_reader *r, struct weir_diag *diag)
{
    struct segment s;
    char name[SEGMENT_NAME_BYTES];
    uint8_t header[SEGMENT_HEADER_BYTES];
    struct segment decoded;

    if (!find_segment(r, &s))
        return 0;
    segment_name(s.first, name);
    int fd = openat(r->journal->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        journal_io_error(diag, "open", r->journal->path, name);
        return -1;
    }
    if (!s.salt && pread(fd, header, sizeof header, 0) == sizeof header && segment_header_decode(header, &decoded))
        s.salt = decoded.salt; /* earlier segments are not read at start-up; a damaged header leaves 0: any salt */
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    r->segment = s;
    r->offset = SEGMENT_HEADER_BYTES;
    r->buf_offset = 0;
    buf_clear(&r->buf);
    return 1;
}

static bool is_last(const struct journal_reader *r)
{
    struct journal *j = r->journal;

    pthread_mutex_lock(&j->lock);
    bool last = j->segments.list[j->segments.count - 1].first == r->segment.first;
    pthread_mutex_unlock(&j->lock);
    return last;
}

/* Makes at least `size` bytes from r->offset available, or as many as the file has. Returns how many are. -1: diag. */
static ssize_t fill(struct journal_reader *r, size_t size, struct weir_diag *diag)
{
    size_t want = READ_BYTES, have = 0;

    r->buf_synced = journal_synced(r->journal);
    uint64_t end = atomic_load(&r->journal->end); /* in the last segment there is only room behind it */
    if (is_last(r) && end > r->offset && end - r->offset < want)
        want = end - r->offset;
    if (want < size)
        want = size;
    buf_clear(&r->buf);
    if (!buf_reserve(&r->buf, want))
        xfail("out of memory");
    while (have < want) {
        ssize_t n = pread(r->fd, r->buf.data + have, want - have, (off_t)(r->offset + have));
        if (n < 0) {
            char name[SEGMENT_NAME_BYTES];
            segment_name(r->segment.first, name);
            journal_io_error(diag, "read", r->journal->path, name);
            return -1;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    r->buf.size = have;
    r->buf_offset = r->offset;
    return (ssize_t)have;
}

static ssize_t available(struct journal_reader *r, size_t size, struct weir_diag *diag)
{
    size_t end = r->buf_offset + r->buf.size;
    if (r->next <= r->buf_synced && r->offset >= r->buf_offset && r->offset + size <= end)
        return (ssize_t)(end - r->offset);
    return fill(r, size, diag);
}

static const uint8_t *bytes_at_offset(const struct journal_reader *r)
{
    return (const uint8_t *)r->buf.data + (r->offset - r->buf_offset);
}

/* Behind damage: reads the rest of the segment whole and goes on at the next whole record. 1, 0 (none here), -1. */
static int resync(struct journal_reader *r, struct weir_diag *diag)
{
    struct stat st;
    struct record found;
    char name[SEGMENT_NAME_BYTES];

    if (fstat(r->fd, &st) != 0 || (uint64_t)st.st_size <= r->offset)
        return 0;
    ssize_t have = fill(r, (size_t)((uint64_t)st.st_size - r->offset), diag);
    if (have < 0)
        return -1;
    size_t at = record_search((const uint8_t *)r->buf.data, (size_t)have, 0, r->segment.salt, r->next, &found);
    segment_name(r->segment.first, name);
    if (at == (size_t)have || found.sequence > r->buf_synced) {
        log_error("the rest of a journal segment is damaged and was skipped", LOG_TEXT("file", name),
                  LOG_INT("offset", r->offset), LOG_INT("next_record", r->next));
        return 0;
    }
    log_error("journal records are damaged and were skipped", LOG_TEXT("file", name), LOG_INT("offset", r->offset),
              LOG_INT("records", found.sequence - r->next));
    r->offset += at;
    return 1;
}

/* Looks at the record at r->offset. 1: out is filled; 0: end of this segment; -1: diag; 2: damage. */
static int read_here(struct journal_reader *r, struct record *head, struct weir_diag *diag)
{
    ssize_t have = available(r, RECORD_HEADER_BYTES, diag);
    if (have <= 0)
        return (int)have;
    if (have < RECORD_HEADER_BYTES || !record_decode(bytes_at_offset(r), head) ||
        (r->segment.salt && head->salt != r->segment.salt))
        return 2;
    size_t size = record_bytes(head->body_size);
    have = available(r, size, diag);
    if (have < 0)
        return -1;
    if ((size_t)have < size || !record_body_ok(head, bytes_at_offset(r) + RECORD_HEADER_BYTES))
        return 2;
    return 1;
}

static int give(struct journal_reader *r, const struct record *head, struct journal_record *out)
{
    const char *body = (const char *)bytes_at_offset(r) + RECORD_HEADER_BYTES;

    *out = (struct journal_record){.sequence = head->sequence,
                                   .time_ms = head->time_ms,
                                   .flags = head->flags,
                                   .bus = {body, head->bus_size},
                                   .event = {body + head->bus_size, head->body_size - head->bus_size}};
    r->next = head->sequence + 1;
    r->offset += record_bytes(head->body_size);
    return 1;
}

int journal_read(struct journal_reader *r, struct journal_record *out, struct weir_diag *diag)
{
    struct record head;

    while (r->next <= journal_synced(r->journal)) {
        int got = r->fd < 0 ? 0 : read_here(r, &head, diag);
        if (got == 2)
            got = resync(r, diag);
        else if (got == 1 && head.sequence >= r->next)
            return give(r, &head, out);
        else if (got == 1)
            r->offset += record_bytes(head.body_size); /* before what was asked for */
        if (got < 0)
            return -1;
        if (got == 0 && (got = next_segment(r, diag)) <= 0)
            return got;
    }
    return 0;
}
