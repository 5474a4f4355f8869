/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking one file in: read, unpacked and parsed whole (a fault anywhere refuses the file), then journaled in batches.
 * Before each batch the ledger is told how far the journal is and from which record on the batch goes; so whatever
 * happens, the next start can find out where to go on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "matcher/json.h"
#include "router/folders_int.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/space.h"
#include "router/sources/source.h"
#include "router/unpack.h"
#include "router/xalloc.h"

#define FILE_BYTES_MAX ((size_t)512 << 20) /* unpacked: against bombs */
#define BATCH_EVENTS   1000
#define BATCH_BYTES    (4u << 20)
#define AGAIN_MS       500

struct taking {
    struct folders *folders;
    const struct source_def *def;
    struct file *file;
    const struct source *source;
    struct ruleset *set;
    struct buf text, out;
    struct source_events events;
    enum outcome { TAKE_OK, TAKE_BAD, TAKE_LATER } outcome;
    char reason[300]; /* why it is BAD, or is left for LATER */
};

/* ---- reading ---- */

static bool refuse(struct taking *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct taking *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->reason, sizeof t->reason, format, args);
    va_end(args);
    t->outcome = TAKE_BAD;
    return false;
}

/* What ails the file system, or a writer who is not done, says nothing about the file. */
static bool leave(struct taking *t, const char *reason)
{
    refuse(t, "%s", reason);
    t->outcome = TAKE_LATER;
    return false;
}

static bool is_as_looked_at(const struct file *file, FILE *f)
{
    struct stat st;
    return fstat(fileno(f), &st) == 0 && file->size == st.st_size && file->changed_ns == file_changed_ns(&st);
}

static bool read_text(struct taking *t, const char *path)
{
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rbe");

    if (!f)
        return leave(t, strerror(errno));
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&t->text, chunk, n);
    bool ok = !ferror(f) || leave(t, strerror(errno));
    ok = ok && (is_as_looked_at(t->file, f) || leave(t, "it is being written to"));
    fclose(f);
    return ok && (!t->text.failed || refuse(t, "it is larger than %zu bytes", FILE_BYTES_MAX));
}

static bool unpack_text(struct taking *t)
{
    struct buf plain = {.max = FILE_BYTES_MAX};

    if (!unpack_kind(buf_view(&t->text)))
        return true;
    bool ok = unpack(buf_view(&t->text), &plain);
    buf_fini(&t->text);
    t->text = plain;
    return ok || refuse(t, "its packing is damaged, cut short or unpacks to more than %zu bytes", FILE_BYTES_MAX);
}

static bool parse(struct taking *t)
{
    struct arena arena = ARENA_INIT;
    struct diags diags;
    struct str text = buf_view(&t->text);

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    t->source = str_is(t->def->format, "auto") ? source_guess(text) : source_find(t->def->format);
    struct source_context c = {.set = t->set,
                               .bus = t->def->bus,
                               .now = clock_now(&t->folders->router->clock),
                               .arena = &arena,
                               .diags = &diags,
                               .out = &t->out,
                               .unit = "line"};
    bool ok = t->source->parse(&c, text, NULL, &t->events);
    if (!ok && (diags.out_of_memory || arena.failed))
        xfail("out of memory");
    if (!ok && diags.count)
        refuse(t, "%s %d: %s", c.unit, diags.list[0].line, diags.list[0].message);
    diags_fini(&diags);
    arena_fini(&arena);
    return ok;
}

/* ---- the journal ---- */

struct handing {
    struct journal_batch batch;
    struct folders *folders;
    enum journal_result result;
};

static void handed(struct journal_batch *b, enum journal_result result) /* journal thread */
{
    struct handing *h = (struct handing *)((char *)b - offsetof(struct handing, batch));
    h->result = result;
    folders_done(h->folders);
}

/* Files can wait where clients must be refused. False: the router stops. */
static bool wait_for_room(struct taking *t, size_t first, size_t count)
{
    struct folders *f = t->folders;
    struct space_refusal no;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += t->events.list[first + i].size;
    while (!space_take(f->router->space, count, bytes, &no))
        if (folders_pause(f, AGAIN_MS))
            return false;
    return true;
}

/* So many records from `first` on; false: the router stops, or the journal has failed. */
static bool hand_over(struct taking *t, size_t first, size_t count)
{
    struct folders *f = t->folders;
    struct journal_event *list = xarray(count, sizeof *list);
    struct handing h = {.folders = f, .result = JOURNAL_NO_SPACE};
    bool stop = false;

    for (size_t i = 0; i < count; i++) {
        const struct source_span *span = &t->events.list[first + i];
        list[i] = (struct journal_event){
            t->def->bus, {t->out.data + span->offset, span->size}, span->flags | JOURNAL_FROM_FOLDER};
    }
    h.batch = (struct journal_batch){.events = list, .count = (uint32_t)count, .done = handed};
    while (h.result == JOURNAL_NO_SPACE && !stop) {
        if (journal_submit(f->router->journal, &h.batch))
            folders_wait(f);
        if (h.result == JOURNAL_NO_SPACE)
            stop = journal_failed(f->router->journal) || folders_pause(f, AGAIN_MS);
    }
    free(list);
    return h.result == JOURNAL_SYNCED;
}

static size_t batch_size(const struct taking *t, size_t first)
{
    size_t count = 0, bytes = 0;
    while (first + count < t->events.count && count < BATCH_EVENTS && (!count || bytes < BATCH_BYTES))
        bytes += t->events.list[first + count++].size;
    return count;
}

static bool save(struct taking *t)
{
    while (!file_save(t->folders, t->file))
        if (folders_pause(t->folders, AGAIN_MS))
            return false;
    return true;
}

/* Between two batches all of what is taken so far is known. */
static bool put_off(struct taking *t)
{
    t->file->synced = NO_DOUBT;
    if (save(t))
        dispatch_hold(t->folders->router->dispatch, UINT64_MAX);
    return false;
}

static bool journal_all(struct taking *t)
{
    struct router *router = t->folders->router;
    struct str labels[] = {t->def->bus, str_from(t->source->name)};

    t->file->state = FILE_TAKING;
    while ((size_t)t->file->records < t->events.count) {
        size_t first = (size_t)t->file->records, count = batch_size(t, first);
        uint64_t synced = journal_synced(router->journal);
        if (!folders_is_current(t->folders, t->set))
            return put_off(t);
        t->file->synced = (int64_t)synced;
        dispatch_hold(router->dispatch, synced + 1);
        if (!wait_for_room(t, first, count) || !save(t) || !hand_over(t, first, count))
            return false;
        t->file->records += (int64_t)count;
        series_add(metric_str(METRIC_EVENTS_ACCEPTED, labels), (int64_t)count);
    }
    t->file->state = FILE_TAKEN;
    t->file->synced = NO_DOUBT;
    if (!save(t))
        return false; /* the next start asks the journal */
    dispatch_hold(router->dispatch, UINT64_MAX);
    return true;
}

/* ---- a file ---- */

static void count(const struct file *file, const char *result)
{
    series_add(metric_str(METRIC_FOLDER_FILES, (struct str[]){file->folder, str_from(result)}), 1);
}

static void report_taken(const struct file *file)
{
    const struct log_field fields[] = {LOG_STR("folder", file->folder), LOG_STR("file", file->path),
                                       LOG_INT("events", file->records)};
    log_each(LEVEL_INFO, "took in a file", fields, 3);
    count(file, "taken");
}

static void report_bad(struct taking *t)
{
    const struct log_field fields[] = {LOG_STR("folder", t->file->folder), LOG_STR("file", t->file->path),
                                       LOG_TEXT("reason", t->reason)};
    log_each(LEVEL_ERROR, "a file of a watched folder cannot be taken in; nothing of it was", fields, 3);
    count(t->file, "bad");
    t->file->state = FILE_BAD;
    save(t);
}

static void report_later(const struct taking *t)
{
    if (!t->file->said)
        log_warn("a file of a watched folder cannot be read now; it is tried again", LOG_STR("folder", t->file->folder),
                 LOG_STR("file", t->file->path), LOG_TEXT("reason", t->reason));
    t->file->said = true;
}

void file_take(struct folders *f, struct ruleset *set, const struct source_def *def, struct file *file,
               const char *full_path)
{
    struct taking t = {.folders = f, .def = def, .file = file, .set = set};

    t.text.max = FILE_BYTES_MAX;
    if (read_text(&t, full_path) && unpack_text(&t) && parse(&t)) {
        file->said = false;
        if (journal_all(&t))
            report_taken(file);
    } else if (t.outcome == TAKE_BAD) {
        report_bad(&t);
    } else {
        report_later(&t);
    }
    buf_fini(&t.text);
    buf_fini(&t.out);
    free(t.events.list);
}
