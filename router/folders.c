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

static bool is_stopping(struct folders *f)
{
    pthread_mutex_lock(&f->lock);
    bool stopping = f->stopping;
    pthread_mutex_unlock(&f->lock);
    return stopping;
}

/* ---- a look ---- */

struct look {
    struct folders *folders;
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

static int64_t changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool is_settled(const struct stat *st)
{
    int64_t age = clock_wall_ms() - changed_ns(st) / 1000000;
    return age >= SETTLE_MS || age < -SETTLE_MS; /* a stamp of the future says nothing */
}

/* Is it to be taken in? Files that are known and settled cost no call. */
static bool is_due(struct look *l, struct str path, const char *full_path)
{
    struct file *file = file_find(l->folders, l->def->name, path);
    struct stat st;

    if (file && file->state == FILE_TAKEN && (file->said || !l->thorough))
        return false;
    if (stat(full_path, &st) != 0 || !S_ISREG(st.st_mode) || !is_settled(&st))
        return false;
    bool changed = file && (file->size != st.st_size || file->changed_ns != changed_ns(&st));
    if (file && file->state == FILE_TAKEN) {
        if (changed)
            log_warn("a file changed after it was taken in; it is not taken again", LOG_STR("folder", file->folder),
                     LOG_STR("file", file->path));
        file->said = changed;
        return false;
    }
    if (file && file->state == FILE_BAD && !changed)
        return false;
    if (!file)
        file = file_add(l->folders, l->def->name, path);
    if (file->state == FILE_BAD || changed) {
        file->records = 0;
        buf_fini(&file->landed);
    }
    file->state = FILE_TAKING;
    file->size = st.st_size;
    file->changed_ns = changed_ns(&st);
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
        if (is_folder)
            walk(l, full, below, depth + 1);
        else if (is_wanted(name) && is_due(l, path, buf_cstr(full)))
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
        if (!is_stopping(l->folders))
            file_take(l->folders, l->def, file_find(l->folders, l->def->name, l->paths[i]), buf_cstr(&full));
        free((char *)l->paths[i].ptr);
    }
    free(l->paths);
    buf_fini(&full);
}

static void look_through(struct folders *f, const struct source_def *def)
{
    struct look l = {.folders = f, .def = def, .thorough = f->looks % THOROUGH_EVERY == 0};
    struct buf full = BUF_INIT;

    buf_str(&full, def->path);
    xbuf(&full);
    walk(&l, &full, full.size, 0);
    buf_fini(&full);
    take_noted(&l);
}

static void *folders_main(void *context)
{
    struct folders *f = context;
    int64_t pause = 0;

    pthread_setname_np(pthread_self(), "weir-folders");
    while (!folders_pause(f, pause)) {
        int64_t start = monotonic_ms();
        struct ruleset *set = router_set(f->router);
        for (uint32_t i = 0; i < set->source_count; i++)
            if (set->sources[i].is_folder)
                look_through(f, &set->sources[i]);
        ruleset_unref(set);
        f->looks++;
        pause = LOOK_SHARE * (monotonic_ms() - start);
        pause = pause < LOOK_MS ? LOOK_MS : pause;
    }
    return NULL;
}

/* ---- life ---- */

/* Where files were in work when the router ended: the ids of what came into the journal behind their last mark. */
static bool find_landed(struct folders *f, struct weir_diag *diag)
{
    struct journal_record r;
    uint64_t from = UINT64_MAX;
    int got = 0;

    for (size_t i = 0; i < f->slot_count; i++)
        for (struct file *file = f->slots[i]; file; file = file->next)
            if (file->state == FILE_TAKING && file->synced < from)
                from = file->synced;
    if (from == UINT64_MAX)
        return true;
    struct journal_reader *reader = journal_reader_open(f->router->journal, from + 1);
    while ((got = journal_read(reader, &r, diag)) > 0) {
        struct str id = json_member(r.event, "id");
        for (size_t i = 0; i < f->slot_count; i++)
            for (struct file *file = f->slots[i]; file; file = file->next)
                if (file->state == FILE_TAKING && r.sequence > file->synced) {
                    buf_str(&file->landed, id);
                    buf_char(&file->landed, '\n');
                    xbuf(&file->landed);
                }
    }
    journal_reader_close(reader);
    return got == 0;
}

struct folders *folders_open(struct router *router, struct weir_diag *diag)
{
    struct folders *f = xalloc(sizeof *f);
    pthread_condattr_t attributes;

    f->router = router;
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (files_load(f, diag) && find_landed(f, diag))
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
    free(f);
}
