/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's writer: one thread, group commit.
 *
 *   submit ──► waiting list ──► take what gathered ──► encode into one buffer ──► write ──► fdatasync ──► done, synced
 *              (bounded)        (up to GROUP_BYTES)
 *
 * While it syncs, the next group gathers: the batch grows with load and a lone event pays one sync. A group goes into
 * one segment, so every segment but the last has been synced whole. Cost: one copy and one CRC of each body.
 *
 * A write error (disk full) cuts the segment back and refuses the group: nobody was told anything, nothing is lost. A
 * sync error is final: after it the kernel may have dropped the pages, and no later success would mean anything.
 */
#include "router/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "router/clock.h"
#include "router/journal_int.h"
#include "router/log.h"
#include "router/xalloc.h"

#define SEGMENT_BYTES    (64u << 20)
#define PENDING_BYTES    (64u << 20)
#define GROUP_BYTES      (8u << 20) /* at least one batch; bounds how long a group's answers wait */
#define ROOM_BYTES_MIN   (1u << 20)
#define PLENTY           16         /* times the room that is asked for must be free */
#define GROUP_KEEP_BYTES (2u << 20) /* a larger buffer is given back: idle memory stays small */

static uint32_t new_salt(void)
{
    uint32_t salt = 0;
    while (!salt) /* 0 means "any" to record_search() */
        if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
            salt = (uint32_t)clock_wall_ms() | 1;
    return salt;
}

static bool write_all(int fd, const char *bytes, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool has_plenty(int fd, uint64_t bytes)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) == 0 && fs.f_bavail * (uint64_t)fs.f_frsize / PLENTY >= bytes;
}

/*
 * Room for a group that ends at `end`, taken from the file system in steps that double: writing into blocks that the
 * file has costs a third of appending, and its sync has less to write down. A file system that cannot do it is no
 * error; and where little is free, what is not needed yet is left to others: the ledger has to settle what the journal
 * holds.
 */
static void make_room(struct journal *j, uint64_t end)
{
    uint64_t room = 2 * j->room > ROOM_BYTES_MIN ? 2 * j->room : ROOM_BYTES_MIN;

    if (end <= j->room)
        return;
    if (room > j->options.segment_bytes)
        room = j->options.segment_bytes;
    if (room < end)
        room = end;
    if (!has_plenty(j->fd, room)) {
        room = end;
    } else if (fallocate(j->fd, 0, (off_t)j->room, (off_t)(room - j->room)) != 0) {
        (void)!ftruncate(j->fd, (off_t)j->current.size); /* what it got is given back */
        room = UINT64_MAX;                               /* and no more is asked for in this segment */
    }
    j->room = room;
}

/* Room that was not used is given back, durably: only the last segment has zeros behind its records. */
static bool end_segment(struct journal *j)
{
    if (j->fd < 0 || j->room <= j->current.size)
        return true;
    return ftruncate(j->fd, (off_t)j->current.size) == 0 && fdatasync(j->fd) == 0;
}

/* A new segment for records from j->next on. Its header is synced with the first group. */
static bool begin_segment(struct journal *j)
{
    struct segment s = {.first = j->next, .salt = new_salt(), .size = SEGMENT_HEADER_BYTES};
    uint8_t header[SEGMENT_HEADER_BYTES];
    char name[SEGMENT_NAME_BYTES];

    segment_name(s.first, name);
    int fd = end_segment(j) ? openat(j->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return false;
    segment_header_encode(&s, header);
    if (!write_all(fd, (char *)header, sizeof header, 0) || fsync(j->dir) != 0) {
        int error = errno;
        close(fd);
        unlinkat(j->dir, name, 0);
        errno = error;
        return false;
    }
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    j->current = s;
    j->room = s.size;
    pthread_mutex_lock(&j->lock);
    segments_add(&j->segments, s);
    pthread_mutex_unlock(&j->lock);
    return true;
}

/* Goes on with the last segment found at start-up, if numbering goes on where it ended. */
static bool resume_segment(struct journal *j, uint64_t last)
{
    char name[SEGMENT_NAME_BYTES];

    if (!j->segments.count || j->next != last + 1)
        return true; /* begun with the first group */
    j->current = j->segments.list[j->segments.count - 1];
    j->room = j->current.size;
    atomic_store(&j->end, j->current.size);
    segment_name(j->current.first, name);
    j->fd = openat(j->dir, name, O_RDWR | O_CLOEXEC);
    return j->fd >= 0;
}

static void encode(struct journal *j, struct journal_batch *batches, uint32_t salt)
{
    int64_t now = clock_wall_ms();
    uint64_t sequence = j->next, synced = atomic_load(&j->synced);

    buf_clear(&j->group);
    for (struct journal_batch *b = batches; b; b = b->next) {
        b->first_sequence = sequence;
        for (uint32_t i = 0; i < b->count; i++) {
            const struct journal_event *e = &b->events[i];
            struct record r = {.salt = salt,
                               .body_size = (uint32_t)(e->bus.size + e->event.size),
                               .bus_size = (uint16_t)e->bus.size,
                               .flags = e->flags,
                               .sequence = sequence,
                               .time_ms = now,
                               .synced = synced};
            record_encode(&j->group, &r, e->bus, e->event);
            sequence++;
        }
    }
    xbuf(&j->group);
}

static size_t group_bytes(const struct journal_batch *batches, uint64_t *records)
{
    size_t bytes = 0;
    *records = 0;
    for (const struct journal_batch *b = batches; b; b = b->next) {
        bytes += b->bytes;
        *records += b->count;
    }
    return bytes;
}

static bool sync_segment(struct journal *j)
{
    struct timespec before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    bool ok = fdatasync(j->fd) == 0;
    clock_gettime(CLOCK_MONOTONIC, &after);
    atomic_fetch_add(&j->sync_ns,
                     (uint64_t)((after.tv_sec - before.tv_sec) * INT64_C(1000000000) + after.tv_nsec - before.tv_nsec));
    atomic_fetch_add(&j->syncs, 1);
    return ok;
}

static enum journal_result refuse(const char *what)
{
    log_error("the journal cannot write: events are refused", LOG_TEXT("doing", what),
              LOG_TEXT("reason", strerror(errno)));
    return JOURNAL_NO_SPACE;
}

static enum journal_result fail(struct journal *j, const char *what)
{
    log_error("the journal has failed and takes nothing more", LOG_TEXT("doing", what),
              LOG_TEXT("reason", strerror(errno)));
    atomic_store(&j->failed, true);
    return JOURNAL_FAILED;
}

static enum journal_result write_group(struct journal *j, struct journal_batch *batches)
{
    uint64_t records;
    size_t size = group_bytes(batches, &records);

    if (atomic_load(&j->failed))
        return JOURNAL_FAILED;
    if (j->fd < 0 || j->current.size + size > j->options.segment_bytes)
        if ((j->fd < 0 || j->current.size > SEGMENT_HEADER_BYTES) && !begin_segment(j))
            return refuse("begin a segment");
    encode(j, batches, j->current.salt);
    uint64_t end = j->current.size;
    make_room(j, end + j->group.size);
    if (!write_all(j->fd, j->group.data, j->group.size, end)) {
        enum journal_result result = refuse("write");
        /* Synced, too: whole records of it that came back after a power cut would stand before those accepted next. */
        j->room = end;
        bool cut = ftruncate(j->fd, (off_t)end) == 0 && fdatasync(j->fd) == 0;
        return cut ? result : fail(j, "cut an unfinished write");
    }
    if (!sync_segment(j))
        return fail(j, "sync");
    j->current.size = end + j->group.size;
    j->next += records;
    atomic_fetch_add(&j->records, records);
    atomic_fetch_add(&j->bytes, j->group.size);
    atomic_store(&j->end, j->current.size);
    atomic_store(&j->synced, j->next - 1);
    return JOURNAL_SYNCED;
}

/* What gathered, up to GROUP_BYTES and at least one batch; NULL when stopping and nothing is left. */
static struct journal_batch *take(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    while (!j->first && !j->stopping)
        pthread_cond_wait(&j->wake, &j->lock);
    struct journal_batch *batches = j->first, **end = &j->first;
    size_t bytes = 0;
    while (*end && (!bytes || bytes + (*end)->bytes <= GROUP_BYTES)) {
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    j->first = *end;
    *end = NULL;
    if (!j->first)
        j->last = &j->first;
    j->pending -= bytes;
    pthread_mutex_unlock(&j->lock);
    return batches;
}

static void *journal_main(void *context)
{
    struct journal *j = context;
    struct journal_batch *batches;

    pthread_setname_np(pthread_self(), "weir-journal");
    while ((batches = take(j))) {
        enum journal_result result = write_group(j, batches);
        if (result == JOURNAL_SYNCED && j->options.synced)
            j->options.synced(j->options.context, atomic_load(&j->synced));
        while (batches) {
            struct journal_batch *b = batches;
            batches = b->next; /* b may be gone after done */
            b->done(b, result);
        }
        if (j->group.capacity > GROUP_KEEP_BYTES)
            buf_fini(&j->group);
    }
    return NULL;
}

static void destroy(struct journal *j)
{
    if (j->fd >= 0) {
        end_segment(j); /* if not, the next start finds zeros */
        close(j->fd);
    }
    if (j->dir >= 0)
        close(j->dir);
    buf_fini(&j->group);
    free(j->segments.list);
    free(j->path);
    pthread_cond_destroy(&j->wake);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

static bool open_folder(struct journal *j, struct weir_diag *diag)
{
    if (mkdir(j->path, 0700) != 0 && errno != EEXIST)
        return journal_io_error(diag, "make", j->path, "");
    j->dir = open(j->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return j->dir >= 0 || journal_io_error(diag, "open", j->path, "");
}

struct journal *journal_open(const char *dir, const struct journal_options *options, struct journal_report *report,
                             struct weir_diag *diag)
{
    struct journal *j = xalloc(sizeof *j);
    uint64_t last = 0;

    j->options = *options;
    if (!j->options.segment_bytes)
        j->options.segment_bytes = SEGMENT_BYTES;
    if (!j->options.pending_bytes)
        j->options.pending_bytes = PENDING_BYTES;
    j->path = xtext(str_from(dir));
    j->dir = j->fd = -1;
    j->last = &j->first;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->wake, NULL);

    bool ok = open_folder(j, diag) && journal_recover(j->dir, j->path, &j->segments, &last, report, diag);
    j->next = (last > options->above ? last : options->above) + 1;
    atomic_store(&j->synced, j->next - 1);
    if (ok && !resume_segment(j, last))
        ok = journal_io_error(diag, "open", j->path, "the last segment");
    if (ok && pthread_create(&j->thread, NULL, journal_main, j) != 0)
        ok = journal_io_error(diag, "start a thread for", j->path, "");
    if (!ok) {
        destroy(j);
        return NULL;
    }
    return j;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_signal(&j->wake);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    destroy(j);
}

bool journal_submit(struct journal *j, struct journal_batch *b)
{
    b->next = NULL;
    b->bytes = 0;
    for (uint32_t i = 0; i < b->count; i++)
        b->bytes += record_bytes((uint32_t)(b->events[i].bus.size + b->events[i].event.size));
    pthread_mutex_lock(&j->lock);
    /* One batch is always taken, however large: the source has bounded it. */
    bool ok =
        !atomic_load(&j->failed) && !j->stopping && (!j->pending || j->pending + b->bytes <= j->options.pending_bytes);
    if (ok) {
        j->pending += b->bytes;
        *j->last = b;
        j->last = &b->next;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
    return ok;
}

bool journal_failed(const struct journal *j)
{
    return atomic_load(&j->failed);
}
uint64_t journal_synced(const struct journal *j)
{
    return atomic_load(&j->synced);
}

void journal_stats(const struct journal *j, struct journal_stats *out)
{
    struct journal *lockable = (struct journal *)j;

    *out = (struct journal_stats){.records = atomic_load(&j->records),
                                  .bytes = atomic_load(&j->bytes),
                                  .syncs = atomic_load(&j->syncs),
                                  .sync_ns = atomic_load(&j->sync_ns)};
    pthread_mutex_lock(&lockable->lock);
    out->segments = j->segments.count;
    pthread_mutex_unlock(&lockable->lock);
}

void journal_release(struct journal *j, uint64_t sequence)
{
    char name[SEGMENT_NAME_BYTES];
    uint64_t first;

    for (;;) {
        pthread_mutex_lock(&j->lock);
        bool done = j->segments.count < 2 || j->segments.list[1].first > sequence;
        if (!done) {
            first = j->segments.list[0].first;
            memmove(j->segments.list, j->segments.list + 1, --j->segments.count * sizeof *j->segments.list);
        }
        pthread_mutex_unlock(&j->lock);
        if (done)
            return;
        segment_name(first, name);
        if (unlinkat(j->dir, name, 0) != 0 && errno != ENOENT)
            log_warn("cannot remove a settled journal segment", LOG_TEXT("file", name),
                     LOG_TEXT("reason", strerror(errno)));
    }
}
