/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking through watched folders, see folders.h. A look walks the tree by names and asks the file system only about
 * files that are not known, so it costs little however many were taken; it is repeated at once a second, or after
 * twenty times as long as it took.
 */
#include "router/folders_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "matcher/json.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/xalloc.h"

#define LOOK_MS        1000
#define LOOK_SHARE     20   /* the thread is busy looking at most one part in so many */
#define SETTLE_MS      1000 /* a file that was written this lately may not be whole */
#define DEPTH_MAX      32
#define THOROUGH_EVERY 10 /* looks: so often files that were taken are asked whether they changed */

/* ---- waiting ---- */

void folders_wait(struct folders *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->done)
        pthread_cond_wait(&f->wake, &f->lock);
    f->done = false;
    pthread_mutex_unlock(&f->lock);
}

void folders_done(struct folders *f)
{
    pthread_mutex_lock(&f->lock);
    f->done = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool folders_pause(struct folders *f, int64_t ms)
{
    int64_t until = monotonic_ms() + ms;
    struct timespec at = {until / 1000, until % 1000 * 1000000};

    pthread_mutex_lock(&f->lock);
    while (!f->stopping && pthread_cond_timedwait(&f->wake, &f->lock, &at) != ETIMEDOUT)
        ;
    bool stopping = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return stopping;
}

/* Once the journal has failed nothing more is handed over: one file is in doubt, no second one. */
static bool is_stopping(struct folders *f)
{
    pthread_mutex_lock(&f->lock);
    bool stopping = f->stopping || journal_failed(f->router->journal);
    pthread_mutex_unlock(&f->lock);
    return stopping;
}

/* The caller holds its set, so no other can have come to stand in its place. */
bool folders_is_current(struct folders *f, const struct ruleset *set)
{
    struct ruleset *present = router_set(f->router);
    ruleset_unref(present);
    return present == set;
}

/* ---- a look ---- */

struct look {
    struct folders *folders;
    struct ruleset *set;
    const struct source_def *def;
    bool thorough;     /* asks about files that were taken too */
    struct str *paths; /* to be taken, below the folder; owned */
    size_t count, capacity;
};

static bool ends_with(struct str name, const char *end)
{
    size_t size = strlen(end);
    return name.size > size && memcmp(name.ptr + name.size - size, end, size) == 0;
}

static bool is_wanted(struct str name)
{
    static const char *const packings[] = {".gz", ".zst"}, *const kinds[] = {".json", ".jsonl", ".ndjson"};

    for (size_t i = 0; i < 2; i++)
        if (ends_with(name, packings[i])) {
            name.size -= strlen(packings[i]);
            break;
        }
    for (size_t i = 0; i < 3; i++)
        if (ends_with(name, kinds[i]))
            return true;
    return false;
}

static bool is_settled(const struct stat *st)
{
    int64_t age = clock_wall_ms() - file_changed_ns(st) / 1000000;
    return age >= SETTLE_MS || age < -SETTLE_MS; /* a stamp of the future says nothing */
}

/* One that is known to be taken, wholly or in part, is not what it was. */
static void report_change(struct folders *f, struct file *file)
{
    series_add(metric_str(METRIC_FOLDER_FILES, (struct str[]){file->folder, STR("changed")}), 1);
    if (file->state == FILE_TAKEN) {
        const struct log_field fields[] = {LOG_STR("folder", file->folder), LOG_STR("file", file->path)};
        log_each(LEVEL_WARN, "a file changed after it was taken in; it is not taken again", fields, 2);
    } else {
        log_error("a file changed while it was taken in; no more of it is taken", LOG_STR("folder", file->folder),
                  LOG_STR("file", file->path), LOG_INT("taken", file->records));
        file->state = FILE_TAKEN;
        file_save(f, file); /* where that fails, the next start says it again */
    }
    file->said = true;
}

/* Is it to be taken in? Files that are known and settled cost no call. */
static bool is_due(struct look *l, struct str path, const char *full_path)
{
    struct file *file = file_find(l->folders, l->def->name, path);
    struct stat st;

    if (file && file->state == FILE_TAKEN && (file->said || !l->thorough))
        return false;
    if (lstat(full_path, &st) != 0 || !S_ISREG(st.st_mode) || !is_settled(&st))
        return false;
    bool changed = file && (file->size != st.st_size || file->changed_ns != file_changed_ns(&st));
    if (changed && (file->state == FILE_TAKEN || (file->state == FILE_TAKING && file->records)))
        report_change(l->folders, file);
    if (file && (file->state == FILE_TAKEN || (file->state == FILE_BAD && !changed)))
        return false;
    if (!file)
        file = file_add(l->folders, l->def->name, path);
    file->state = FILE_TAKING;
    file->size = st.st_size;
    file->changed_ns = file_changed_ns(&st);
    return true;
}

static void note(struct look *l, struct str path)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->paths = xrealloc(l->paths, l->capacity * sizeof *l->paths);
    }
    l->paths[l->count++] = xstr(path);
}

/* Archives are files of events too: what Weir wrote must not come in again. */
static bool is_data(const struct folders *f, const char *path, bool or_below)
{
    char *real = f->data ? realpath(path, NULL) : NULL;
    size_t size = f->data ? strlen(f->data) : 0;
    bool is = real && strncmp(real, f->data, size) == 0 && (!real[size] || (or_below && real[size] == '/'));

    free(real);
    return is;
}

/* full: the folder's path and what is below it so far; below: where that begins. */
static void walk(struct look *l, struct buf *full, size_t below, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(buf_cstr(full)) : NULL;
    struct dirent *e;
    size_t size = full->size;

    if (!dir && depth == 0 && l->thorough)
        log_warn("a watched folder cannot be read", LOG_STR("folder", l->def->name), LOG_STR("path", l->def->path),
                 LOG_TEXT("reason", strerror(errno)));
    while (dir && (e = readdir(dir))) {
        struct str name = str_from(e->d_name);
        struct stat st;
        if (name.ptr[0] == '.')
            continue;
        buf_char(full, '/');
        buf_str(full, name);
        xbuf(full);
        bool is_folder =
            e->d_type == DT_DIR || (e->d_type == DT_UNKNOWN && lstat(buf_cstr(full), &st) == 0 && S_ISDIR(st.st_mode));
        struct str path = {full->data + below + 1, full->size - below - 1};
        if (is_folder && !is_data(l->folders, buf_cstr(full), false))
            walk(l, full, below, depth + 1);
        else if (!is_folder && is_wanted(name) && is_due(l, path, buf_cstr(full)))
            note(l, path);
        full->size = size;
    }
    if (dir)
        closedir(dir);
}

static int path_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void take_noted(struct look *l)
{
    struct buf full = BUF_INIT;

    if (l->count)
        qsort(l->paths, l->count, sizeof *l->paths, path_cmp); /* CloudTrail's names sort by time */
    for (size_t i = 0; i < l->count; i++) {
        buf_clear(&full);
        buf_printf(&full, "%.*s/%.*s", STR_ARG(l->def->path), STR_ARG(l->paths[i]));
        xbuf(&full);
        if (!is_stopping(l->folders) && folders_is_current(l->folders, l->set))
            file_take(l->folders, l->set, l->def, file_find(l->folders, l->def->name, l->paths[i]), buf_cstr(&full));
        free((char *)l->paths[i].ptr);
    }
    free(l->paths);
    buf_fini(&full);
}

static void look_through(struct folders *f, struct ruleset *set, const struct source_def *def)
{
    struct look l = {.folders = f, .set = set, .def = def, .thorough = f->looks % THOROUGH_EVERY == 0};
    struct buf full = BUF_INIT;
    int64_t start = monotonic_ms();

    buf_str(&full, def->path);
    xbuf(&full);
    if (!is_data(f, buf_cstr(&full), true))
        walk(&l, &full, full.size, 0);
    else if (l.thorough)
        log_error("a watched folder lies in the data folder; it is not looked into", LOG_STR("folder", def->name),
                  LOG_STR("path", def->path));
    buf_fini(&full);
    f->look_ms += monotonic_ms() - start;
    take_noted(&l);
}

static void *folders_main(void *context)
{
    struct folders *f = context;
    int64_t pause = 0;

    pthread_setname_np(pthread_self(), "weir-folders");
    while (!folders_pause(f, pause)) {
        struct ruleset *set = router_set(f->router);
        f->look_ms = 0; /* of looking alone: taking files in is work, not waste */
        for (uint32_t i = 0; i < set->source_count; i++)
            if (set->sources[i].is_folder)
                look_through(f, set, &set->sources[i]);
        ruleset_unref(set);
        f->looks++;
        pause = LOOK_SHARE * f->look_ms;
        pause = pause < LOOK_MS ? LOOK_MS : pause;
    }
    return NULL;
}

/* ---- life ---- */

/* The batch that was under way when the router ended: so much of it as the journal has is one run of marked records. */
static bool count_landed(struct folders *f, struct file *file, struct weir_diag *diag)
{
    struct journal_reader *reader = journal_reader_open(f->router->journal, (uint64_t)file->synced + 1);
    struct journal_record r;
    uint64_t first = 0, last = 0;
    int got;

    while ((got = journal_read(reader, &r, diag)) > 0)
        if (r.flags & JOURNAL_FROM_FOLDER) {
            first = first ? first : r.sequence;
            last = r.sequence;
        }
    journal_reader_close(reader);
    if (first)
        file->records += (int64_t)(last - first) + 1;
    file->synced = NO_DOUBT;
    return got == 0 && file_save_now(f, file, diag);
}

static bool clear_doubt(struct folders *f, struct weir_diag *diag)
{
    for (size_t i = 0; i < f->slot_count; i++)
        for (struct file *file = f->slots[i]; file; file = file->next)
            if (file->state == FILE_TAKING && file->synced != NO_DOUBT)
                return count_landed(f, file, diag);
    return true;
}

struct folders *folders_open(struct router *router, const char *data, struct weir_diag *diag)
{
    struct folders *f = xalloc(sizeof *f);
    pthread_condattr_t attributes;

    f->router = router;
    f->data = realpath(data, NULL);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (files_load(f, diag) && clear_doubt(f, diag))
        return f;
    folders_stop(f);
    return NULL;
}

void folders_start(struct folders *f)
{
    if (pthread_create(&f->thread, NULL, folders_main, f) != 0)
        xfail("cannot start the folder thread");
    f->started = true;
}

void folders_stop(struct folders *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    if (f->started)
        pthread_join(f->thread, NULL);
    files_free(f);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f->data);
    free(f);
}
