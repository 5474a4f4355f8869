/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for events, see space.h. What the folder holds is the sum of its parts:
 *
 *     journal (its files) + ledger (its pages) + archives (counted by themselves)
 *
 * The reserve is for what becomes of events that were taken, and for the ledger's write-ahead log, which comes and
 * goes. One that waits in the journal may be written twice more, to that log and to the ledger, so on the disk twice
 * what is not dispatched yet is kept free besides, and what the log holds; in the folder once.
 *
 * SQLite keeps the pages it frees. Where room is short they are given back to the file system, some megabytes a second:
 * else a backlog that drained would hold its place for ever.
 */
#include "router/space.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/xalloc.h"
#include "rules/options.h"

#define RECORD_BYTES 64 /* of the journal, beside an event: header, bus name, padding */
#define COPIES       3  /* the journal's, the write-ahead log's, the ledger's */
#define CHECK_MS     900
#define AGAIN_MS     20        /* before it refuses */
#define REFUSED_MS   200       /* while it refuses */
#define SHRINK_BYTES (1 << 20) /* free pages that are worth it … */
#define WAL_BYTES    (4 << 20) /* … and a write-ahead log that is */

/* The last segment stays: it must be smaller than the reserve, or it alone could keep the folder full. */
#define SEGMENT_PART      16
#define SEGMENT_BYTES_MIN (1u << 20)
#define SEGMENT_BYTES_MAX (64u << 20)

struct most { /* what holds most */
    char what[120];
    int64_t bytes;
};

struct space {
    struct router *router;
    char *data;
    atomic_bool refusing;
    atomic_int_fast64_t room;
    pthread_mutex_t look_lock; /* one looks at a time: */
    int64_t looked_age;
    bool can_shrink;
    pthread_mutex_t lock; /* of what was found last: */
    struct space_facts facts;
    struct most most;
    bool limited;
};

/* ---- the decision ---- */

int64_t space_reserve(int64_t bound)
{
    return bound / 8 < SPACE_RESERVE_BYTES ? bound / 8 : SPACE_RESERVE_BYTES;
}

int64_t space_room(const struct space_facts *f, bool *limited_out)
{
    int64_t disk = f->disk_free - space_reserve(f->disk_size) - 2 * f->undispatched - f->wal;
    int64_t folder = f->limit ? f->limit - space_reserve(f->limit) - f->undispatched - f->used : INT64_MAX;

    *limited_out = folder < disk;
    return folder < disk ? folder : disk;
}

uint64_t space_segment_bytes(const char *data, int64_t limit)
{
    struct statvfs disk;
    uint64_t bytes = SEGMENT_BYTES_MAX;

    if (limit && (uint64_t)limit / SEGMENT_PART < bytes)
        bytes = (uint64_t)limit / SEGMENT_PART;
    if (statvfs(data, &disk) == 0 && disk.f_blocks * disk.f_frsize / SEGMENT_PART < bytes)
        bytes = disk.f_blocks * disk.f_frsize / SEGMENT_PART;
    return bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes;
}

/* ---- what there is ---- */

static int64_t file_bytes(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, 0) == 0 ? (int64_t)st.st_size : 0;
}

static int64_t folder_bytes(const char *data, const char *name)
{
    struct buf path = BUF_INIT;
    struct dirent *one;
    int64_t sum = 0;

    buf_printf(&path, "%s/%s", data, name);
    DIR *d = opendir(buf_cstr(&path));
    buf_fini(&path);
    while (d && (one = readdir(d)))
        if (one->d_name[0] != '.')
            sum += file_bytes(dirfd(d), one->d_name);
    if (d)
        closedir(d);
    return sum;
}

static int64_t wal_bytes(const char *data)
{
    struct buf path = BUF_INIT;

    buf_printf(&path, "%s/weir.db-wal", data);
    int64_t bytes = file_bytes(AT_FDCWD, buf_cstr(&path));
    buf_fini(&path);
    return bytes;
}

struct ranking {
    const char *format;
    int64_t sum;
    struct most *most;
};

static void rank(void *context, const struct str *labels, int64_t value)
{
    struct ranking *r = context;

    r->sum += value;
    if (value <= r->most->bytes)
        return;
    r->most->bytes = value;
    snprintf(r->most->what, sizeof r->most->what, r->format, STR_ARG(labels[0]));
}

static int64_t rank_family(enum metric family, const char *format, struct most *most)
{
    struct ranking r = {format, 0, most};
    metrics_each(family, rank, &r);
    return r.sum;
}

/* Of the journal's bytes those behind the cursor, as far as an average tells. */
static int64_t undispatched_bytes(const struct router *router, int64_t journal_bytes)
{
    struct journal_stats j;
    uint64_t synced = journal_synced(router->journal), cursor = dispatch_cursor(router->dispatch);
    uint64_t lag = synced > cursor ? synced - cursor : 0;

    journal_stats(router->journal, &j);
    if (!lag)
        return 0;
    int64_t bytes = j.records ? (int64_t)(lag * (j.bytes / j.records + 1)) : journal_bytes;
    return bytes < journal_bytes ? bytes : journal_bytes;
}

static void look(const struct space *s, const struct ledger_stats *ledger, struct space_facts *f, struct most *most)
{
    struct ruleset *set = router_set(s->router);
    struct statvfs disk;
    int64_t journal = folder_bytes(s->data, "journal");

    *f = (struct space_facts){.limit = set->data_limit, .disk_free = INT64_MAX / 4, .disk_size = INT64_MAX / 4};
    ruleset_unref(set);
    if (statvfs(s->data, &disk) == 0) {
        f->disk_free = (int64_t)(disk.f_bavail * disk.f_frsize);
        f->disk_size = (int64_t)(disk.f_blocks * disk.f_frsize);
    }
    *most = (struct most){.what = "in the journal", .bytes = journal};
    rank_family(METRIC_DELIVERIES_OWED_BYTES, "owed to %.*s", most);
    rank_family(METRIC_QUEUE_BYTES, "in queue %.*s", most);
    f->used = journal + folder_bytes(s->data, "deliveries") + (int64_t)ledger->bytes +
              rank_family(METRIC_ARCHIVE_BYTES, "in archive %.*s", most);
    f->wal = wal_bytes(s->data);
    f->undispatched = undispatched_bytes(s->router, journal);
}

/* ---- looking ---- */

static void write_size(struct buf *out, int64_t bytes)
{
    if (bytes >= 10 << 20)
        buf_printf(out, "%lld MiB", (long long)(bytes >> 20));
    else
        buf_printf(out, "%lld KiB", (long long)(bytes >> 10));
}

/* Under the lock. */
static void write_message(const struct space *s, struct buf *out)
{
    const struct space_facts *f = &s->facts;

    if (s->limited) {
        buf_text(out, "the data folder has ");
        write_size(out, f->used);
        buf_text(out, " of its data_limit, ");
        options_write_size(out, f->limit);
    } else {
        buf_text(out, "the disk of the data folder has ");
        write_size(out, f->disk_free);
        buf_text(out, " free");
    }
    buf_text(out, ", and ");
    write_size(out, space_reserve(s->limited ? f->limit : f->disk_size));
    buf_printf(out, " are kept for settling; most is %s (", s->most.what);
    write_size(out, s->most.bytes);
    buf_text(out, "); nothing was taken");
}

static void report_change(struct space *s, bool refusing)
{
    struct buf message = BUF_INIT;

    pthread_mutex_lock(&s->lock);
    write_message(s, &message);
    pthread_mutex_unlock(&s->lock);
    if (refusing)
        log_error("no room: no events are taken until there is", LOG_TEXT("reason", buf_cstr(&message)));
    else
        log_info("there is room again: events are taken");
    buf_fini(&message);
}

static void set_refusing(struct space *s, bool refusing)
{
    if (atomic_exchange(&s->refusing, refusing) == refusing)
        return;
    series_set(metric(METRIC_DATA_REFUSING), refusing);
    dispatch_rest(s->router->dispatch, refusing); /* what a replay delivers takes room too */
    report_change(s, refusing);
}

/* It must be worth while to begin again: hence a quarter of the reserve before it does. */
static void decide(struct space *s, const struct space_facts *f, const struct most *most)
{
    bool limited;
    int64_t room = space_room(f, &limited);
    int64_t least = atomic_load(&s->refusing) ? space_reserve(limited ? f->limit : f->disk_size) / 4 : 0;

    pthread_mutex_lock(&s->lock);
    s->facts = *f;
    s->most = *most;
    s->limited = limited;
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->room, room);
    set_refusing(s, room <= least);
    series_set(metric(METRIC_DATA_BYTES), f->used);
    series_set(metric(METRIC_DATA_LIMIT), f->limit);
    series_set(metric(METRIC_DATA_DISK_FREE), f->disk_free);
}

/* Unless that was done less than so long ago. */
static void look_again(struct space *s, int64_t ms)
{
    struct ledger_stats ledger;
    struct space_facts f;
    struct most most;

    pthread_mutex_lock(&s->look_lock);
    int64_t age = clock_now(&s->router->clock).age_ms;
    if (age - s->looked_age >= ms) {
        ledger_stats(s->router->ledger, &ledger);
        look(s, &ledger, &f, &most);
        decide(s, &f, &most);
        s->looked_age = age;
        s->can_shrink = ledger.free_bytes >= SHRINK_BYTES || f.wal >= WAL_BYTES;
    }
    pthread_mutex_unlock(&s->look_lock);
}

void space_check(struct space *s)
{
    look_again(s, CHECK_MS);
    pthread_mutex_lock(&s->look_lock);
    bool shrink =
        s->can_shrink && atomic_load(&s->room) < 2 * space_reserve(s->limited ? s->facts.limit : s->facts.disk_size);
    s->can_shrink = false; /* once a look */
    pthread_mutex_unlock(&s->look_lock);
    if (shrink)
        ledger_shrink(s->router->ledger);
}

/* ---- asking ---- */

static void refuse(struct space *s, struct space_refusal *no)
{
    struct buf message = BUF_INIT;

    pthread_mutex_lock(&s->lock);
    write_message(s, &message);
    no->reason = s->limited ? "data_limit" : "disk_reserve";
    pthread_mutex_unlock(&s->lock);
    snprintf(no->message, sizeof no->message, "%s", buf_cstr(&message));
    buf_fini(&message);
}

static bool take(struct space *s, int64_t bytes)
{
    return !atomic_load(&s->refusing) && atomic_fetch_sub(&s->room, bytes) >= bytes;
}

bool space_take(struct space *s, size_t events, size_t bytes, struct space_refusal *no)
{
    int64_t wanted = (int64_t)(bytes + events * RECORD_BYTES) * COPIES;

    if (!s || take(s, wanted))
        return true;
    look_again(s, atomic_load(&s->refusing) ? REFUSED_MS : AGAIN_MS);
    if (take(s, wanted))
        return true;
    set_refusing(s, true);
    refuse(s, no);
    return false;
}

void space_show(struct space *s, struct buf *out)
{
    pthread_mutex_lock(&s->lock);
    struct space_facts f = s->facts;
    struct most most = s->most;
    bool limited = s->limited;
    pthread_mutex_unlock(&s->lock);
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"bytes", f.used},
                   {"limit_bytes", f.limit},
                   {"disk_free_bytes", f.disk_free},
                   {"reserve_bytes", space_reserve(limited ? f.limit : f.disk_size)}};

    buf_char(out, '{');
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        json_write_key(out, numbers[i].key);
        json_write_int(out, numbers[i].value);
    }
    json_write_key(out, "refusing");
    buf_text(out, atomic_load(&s->refusing) ? "true" : "false");
    json_write_key(out, "most");
    buf_char(out, '{');
    json_write_member(out, "what", str_from(most.what));
    json_write_key(out, "bytes");
    json_write_int(out, most.bytes);
    buf_text(out, "}}");
}

/* ---- life ---- */

struct space *space_open(struct router *router, const char *data)
{
    struct space *s = xalloc(sizeof *s);

    s->router = router;
    s->data = xtext(str_from(data));
    s->looked_age = INT64_MIN / 2;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->look_lock, NULL);
    space_check(s);
    return s;
}

void space_close(struct space *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->look_lock);
    free(s->data);
    free(s);
}
