/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the journal before anybody reads or writes it.
 *
 * A segment is begun only when the one before it was synced whole, and every group of records is synced before it is
 * answered. So only the last segment can have a torn tail, and recovery reads that one alone: from its front, record by
 * record. Zeros up to its end are room that was taken and not used. At damage there are two cases. Some later record of
 * the segment says that the log had been synced past the damaged one: what was there had been answered and is now
 * unreadable (the disk's fault): it is skipped, counted and reported. Otherwise nothing from there on had been
 * answered: a torn tail, cut. Damage in earlier segments is met by the readers, which skip in the same way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/journal_int.h"
#include "router/xalloc.h"

bool journal_io_error(struct weir_diag *diag, const char *doing, const char *path, const char *name)
{
    *diag = (struct weir_diag){.code = WEIR_E_IO};
    snprintf(diag->message, sizeof diag->message, "cannot %s '%s%s%s': %s", doing, path, *name ? "/" : "", name,
             strerror(errno));
    return false;
}

void segments_add(struct segments *s, struct segment one)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 16;
        s->list = xrealloc(s->list, s->capacity * sizeof *s->list);
    }
    s->list[s->count++] = one;
}

static int by_first(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

bool journal_list(int dir, const char *path, struct segments *out, struct weir_diag *diag)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct segment s = {0};
    struct stat st;

    if (!d)
        return journal_io_error(diag, "list", path, "");
    while ((entry = readdir(d)))
        if (segment_name_parse(entry->d_name, &s.first) && fstatat(dir, entry->d_name, &st, 0) == 0) {
            s.size = (uint64_t)st.st_size;
            segments_add(out, s);
        }
    closedir(d);
    if (out->count)
        qsort(out->list, out->count, sizeof *out->list, by_first);
    return true;
}

static void note_damage(struct journal_report *report, const char *path, const char *name, size_t offset,
                        const char *what)
{
    if (!report->detail[0])
        snprintf(report->detail, sizeof report->detail, "%s/%s: offset %zu: %s", path, name, offset, what);
}

/* Does any whole record behind `at` say that `sequence` had been synced? */
static bool was_synced(const uint8_t *bytes, size_t size, size_t at, uint32_t salt, uint64_t sequence)
{
    struct record r;
    while ((at = record_search(bytes, size, at, salt, sequence, &r)) < size) {
        if (r.synced >= sequence)
            return true;
        at += record_bytes(r.body_size);
    }
    return false;
}

struct tail {
    size_t end;    /* where the good part ends */
    uint64_t last; /* the highest sequence number in it; 0: no record */
};

static struct tail scan(const uint8_t *bytes, const struct segment *s, const char *path, const char *name,
                        struct journal_report *report)
{
    size_t size = s->size, at = SEGMENT_HEADER_BYTES;
    struct tail tail = {at < size ? at : size, 0};
    uint64_t expected = s->first;
    struct record r;

    while (at < size) {
        size_t found = record_search(bytes, size, at, s->salt, expected, &r);
        if (found == size && journal_is_zero(bytes + at, size - at))
            break;
        if (found != at) { /* damage, or the end */
            if (!was_synced(bytes, size, at, s->salt, expected)) {
                note_damage(report, path, name, at, "torn tail, cut");
                break;
            }
            note_damage(report, path, name, at, "damaged, skipped");
            report->skipped += r.sequence - expected;
        }
        at = found + record_bytes(r.body_size);
        tail = (struct tail){at, r.sequence};
        expected = r.sequence + 1;
        report->records++;
    }
    return tail;
}

bool journal_is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Behind the last byte that is not zero. */
static size_t used_bytes(const uint8_t *bytes, size_t size)
{
    while (size && !bytes[size - 1])
        size--;
    return size;
}

/* The salt of a segment whose header is damaged, from its records; 0: it has none. */
static uint32_t salt_of_records(const uint8_t *bytes, size_t size, uint64_t first)
{
    struct record r;
    return record_search(bytes, size, SEGMENT_HEADER_BYTES, 0, first, &r) < size ? r.salt : 0;
}

/* All of it, owned. By reading, not by mapping: of a bad sector we want an error, not a SIGBUS. NULL: errno. */
static uint8_t *read_whole(int fd, size_t size)
{
    uint8_t *bytes = xalloc(size);

    for (size_t have = 0; have < size;) {
        ssize_t n = pread(fd, bytes + have, size - have, (off_t)have);
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            free(bytes);
            return NULL;
        }
        have += (size_t)n;
    }
    return bytes;
}

/* Reads the last segment. *keep: it has a usable header or records; otherwise it was being born in the crash. */
static bool recover_segment(int dir, const char *path, struct segment *s, struct tail *tail, bool *keep,
                            struct journal_report *report, struct weir_diag *diag)
{
    char name[SEGMENT_NAME_BYTES];
    struct segment header = {0};

    segment_name(s->first, name);
    *keep = false;
    *tail = (struct tail){0, 0};
    if (s->size < SEGMENT_HEADER_BYTES)
        return true;
    int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
    uint8_t *bytes = fd < 0 ? NULL : read_whole(fd, s->size);
    if (!bytes) {
        journal_io_error(diag, "read", path, name);
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = segment_header_decode(bytes, &header) && header.first == s->first;
    s->salt = ok ? header.salt : salt_of_records(bytes, s->size, s->first);
    if (!ok)
        note_damage(report, path, name, 0, "segment header damaged");
    *keep = ok || s->salt;
    if (*keep)
        *tail = scan(bytes, s, path, name, report);
    size_t used = used_bytes(bytes, s->size);
    free(bytes);
    report->torn_bytes += used > tail->end ? used - tail->end : 0;
    bool done = !*keep || tail->end == s->size || ftruncate(fd, (off_t)tail->end) == 0;
    done =
        done && fdatasync(fd) == 0; /* what a killed process wrote but never synced is made durable before it is read */
    close(fd);
    s->size = tail->end;
    return done || journal_io_error(diag, "sync", path, name);
}

bool journal_recover(int dir, const char *path, struct segments *out, uint64_t *last_out, struct journal_report *report,
                     struct weir_diag *diag)
{
    struct tail tail = {0};
    bool keep = false;

    *report = (struct journal_report){0};
    *last_out = 0;
    if (!journal_list(dir, path, out, diag))
        return false;
    while (out->count && !keep) {
        struct segment *last = &out->list[out->count - 1];
        if (!recover_segment(dir, path, last, &tail, &keep, report, diag))
            return false;
        if (keep) {
            *last_out = tail.last ? tail.last : last->first - 1;
        } else {
            char name[SEGMENT_NAME_BYTES];
            segment_name(last->first, name);
            note_damage(report, path, name, 0, "never finished, removed");
            if (unlinkat(dir, name, 0) != 0)
                return journal_io_error(diag, "remove", path, name);
            out->count--;
        }
    }
    report->segments = out->count;
    report->first = out->count ? out->list[0].first : 0;
    report->last = *last_out;
    return fsync(dir) == 0 || journal_io_error(diag, "sync", path, "");
}
