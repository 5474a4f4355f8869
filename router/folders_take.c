/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking one file in: read, unpacked and parsed whole (a fault anywhere refuses the file), then journaled in batches.
 * Before each batch the ledger is told how far the journal is and from which record on the batch goes; so whatever
 * happens, the next start can find out where to go on.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/folders_int.h"
#include "router/log.h"
#include "router/metrics.h"
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
    char reason[300]; /* why the file is refused */
};

/* ---- reading ---- */

static bool refuse(struct taking *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct taking *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->reason, sizeof t->reason, format, args);
    va_end(args);
    return false;
}

static bool read_text(struct taking *t, const char *path)
{
    struct buf plain = {.max = FILE_BYTES_MAX};
    char chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rbe");

    if (!f)
        return refuse(t, "%s", strerror(errno));
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&t->text, chunk, n);
    bool ok = !ferror(f) || refuse(t, "%s", strerror(errno));
    fclose(f);
    if (!ok)
        return false;
    if (t->text.failed)
        return refuse(t, "it is larger than %zu bytes", FILE_BYTES_MAX);
    if (!unpack_kind(buf_view(&t->text)))
        return true;
    ok = unpack(buf_view(&t->text), &plain);
    buf_fini(&t->text);
    t->text = plain;
    return ok || refuse(t, "its packing is damaged, cut short or unpacks to more than %zu bytes", FILE_BYTES_MAX);
}

/* What the ids of events are made of that have none: the same for the same file, another for any other. */
static void make_seed(const struct file *file, uint8_t seed[SOURCE_SEED_SIZE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint64_t sizes[] = {file->folder.size, (uint64_t)file->size, (uint64_t)file->changed_ns};

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, sizes, sizeof sizes) != 1 ||
        EVP_DigestUpdate(ctx, file->folder.ptr, file->folder.size) != 1 ||
        EVP_DigestUpdate(ctx, file->path.ptr, file->path.size) != 1 || EVP_DigestFinal_ex(ctx, seed, NULL) != 1)
        xfail("cannot make a digest");
    EVP_MD_CTX_free(ctx);
}

static bool parse(struct taking *t)
{
    uint8_t seed[EVP_MAX_MD_SIZE];
    struct arena arena = ARENA_INIT;
    struct diags diags;
    struct str text = buf_view(&t->text);

    if (!diags_init(&diags, 1))
        xfail("out of memory");
    make_seed(t->file, seed);
    t->source = str_is(t->def->format, "auto") ? source_guess(text) : source_find(t->def->format);
    struct source_context c = {.set = t->set,
                               .bus = t->def->bus,
                               .now = clock_now(&t->folders->router->clock),
                               .arena = &arena,
                               .diags = &diags,
                               .out = &t->out,
                               .unit = "line",
                               .seed = seed};
    bool ok = t->source->parse(&c, text, NULL, &t->events);
    if (!ok && (diags.out_of_memory || arena.failed))
        xfail("out of memory");
    if (!ok && diags.count)
        refuse(t, "%s %d: %s", c.unit, diags.list[0].line, diags.list[0].message);
    diags_fini(&diags);
    arena_fini(&arena);
    return ok;
}

/* ---- after a crash ---- */

static bool has_id(struct str event, struct str line)
{
    return str_eq(json_member(event, "id"), line);
}

/* How many of the records that were handed over last did land: they are in the journal in order. */
static void pass_landed(struct taking *t)
{
    struct file *file = t->file;
    struct str rest = buf_view(&file->landed);

    while (rest.size && (size_t)file->records < t->events.count) {
        const struct source_span *span = &t->events.list[file->records];
        const char *end = memchr(rest.ptr, '\n', rest.size);
        struct str line = {rest.ptr, (size_t)(end - rest.ptr)};
        file->records += has_id((struct str){t->out.data + span->offset, span->size}, line);
        rest = (struct str){end + 1, rest.size - line.size - 1};
    }
    buf_fini(&file->landed);
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

/* So many records from `first` on; false: the router stops, or the journal has failed. */
static bool hand_over(struct taking *t, size_t first, size_t count)
{
    struct folders *f = t->folders;
    struct journal_event *list = xarray(count, sizeof *list);
    struct handing h = {.folders = f, .result = JOURNAL_NO_SPACE};
    bool stop = false;

    for (size_t i = 0; i < count; i++) {
        const struct source_span *span = &t->events.list[first + i];
        list[i] = (struct journal_event){t->def->bus, {t->out.data + span->offset, span->size}, span->flags};
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

static bool journal_all(struct taking *t)
{
    struct router *router = t->folders->router;
    struct str labels[] = {t->def->bus, str_from(t->source->name)};

    t->file->state = FILE_TAKING;
    while ((size_t)t->file->records < t->events.count) {
        size_t first = (size_t)t->file->records, count = batch_size(t, first);
        t->file->synced = journal_synced(router->journal);
        dispatch_hold(router->dispatch, t->file->synced + 1);
        if (!save(t) || !hand_over(t, first, count))
            return false;
        t->file->records += (int64_t)count;
        series_add(metric_str(METRIC_EVENTS_ACCEPTED, labels), (int64_t)count);
    }
    t->file->state = FILE_TAKEN;
    bool ok = save(t);
    dispatch_hold(router->dispatch, UINT64_MAX);
    return ok;
}

/* ---- a file ---- */

static void settle(struct taking *t, bool ok)
{
    struct file *file = t->file;

    if (ok) {
        log_info("took in a file", LOG_STR("folder", file->folder), LOG_STR("file", file->path),
                 LOG_INT("events", file->records));
    } else {
        file->state = FILE_BAD;
        log_error("a file of a watched folder cannot be taken in; nothing of it was", LOG_STR("folder", file->folder),
                  LOG_STR("file", file->path), LOG_TEXT("reason", t->reason));
        save(t);
    }
    series_add(metric_str(METRIC_FOLDER_FILES, (struct str[]){file->folder, ok ? STR("taken") : STR("bad")}), 1);
}

void file_take(struct folders *f, const struct source_def *def, struct file *file, const char *full_path)
{
    struct taking t = {.folders = f, .def = def, .file = file, .set = router_set(f->router)};

    t.text.max = FILE_BYTES_MAX;
    if (!read_text(&t, full_path) || !parse(&t)) {
        settle(&t, false);
    } else {
        pass_landed(&t);
        if (journal_all(&t))
            settle(&t, true);
    }
    buf_fini(&t.text);
    buf_fini(&t.out);
    free(t.events.list);
    ruleset_unref(t.set);
}
