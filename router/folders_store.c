/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of files: a table in the ledger, and all of it in a hash table, since a look asks for each. */
#include <stdlib.h>

#include "matcher/hash.h"
#include "matcher/json.h"
#include "router/folders_int.h"
#include "router/xalloc.h"

static const char *const migrations[] = {
    "CREATE TABLE folder_files ("
    "  folder TEXT NOT NULL,"
    "  path TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  changed_ns INTEGER NOT NULL,"
    "  state INTEGER NOT NULL," /* 0 taking, 1 taken, 2 bad */
    "  records INTEGER NOT NULL,"
    "  synced INTEGER NOT NULL,"
    "  PRIMARY KEY (folder, path)) WITHOUT ROWID",
    NULL,
};
const struct store_schema folder_schema = {"folders", migrations};

/* ---- the hash table ---- */

static size_t slot_of(const struct folders *f, struct str folder, struct str path)
{
    uint64_t hash = hash_bytes(hash_bytes(0, folder.ptr, folder.size), path.ptr, path.size);
    return hash & (f->slot_count - 1);
}

struct file *file_find(const struct folders *f, struct str folder, struct str path)
{
    struct file *file = f->slot_count ? f->slots[slot_of(f, folder, path)] : NULL;
    while (file && !(str_eq(file->folder, folder) && str_eq(file->path, path)))
        file = file->next;
    return file;
}

static void link_file(struct folders *f, struct file *file)
{
    size_t slot = slot_of(f, file->folder, file->path);
    file->next = f->slots[slot];
    f->slots[slot] = file;
}

static void grow(struct folders *f)
{
    struct file **before = f->slots;
    size_t count = f->slot_count;

    f->slot_count = count ? 2 * count : 64;
    f->slots = xarray(f->slot_count, sizeof(struct file *));
    for (size_t i = 0; i < count; i++)
        for (struct file *file = before[i], *next; file; file = next) {
            next = file->next;
            link_file(f, file);
        }
    free(before);
}

struct file *file_add(struct folders *f, struct str folder, struct str path)
{
    struct file *file = xalloc(sizeof *file);

    file->folder = xstr(folder);
    file->path = xstr(path);
    file->synced = NO_DOUBT;
    if (f->file_count++ >= f->slot_count)
        grow(f);
    link_file(f, file);
    return file;
}

void files_free(struct folders *f)
{
    for (size_t i = 0; i < f->slot_count; i++)
        for (struct file *file = f->slots[i], *next; file; file = next) {
            next = file->next;
            free((char *)file->folder.ptr);
            free((char *)file->path.ptr);
            free(file);
        }
    free(f->slots);
}

/* ---- the table ---- */

struct loading {
    struct ledger_job job;
    struct folders *folders;
};

static bool load_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct folders *f = ((struct loading *)job)->folders;
    bool row;
    sqlite3_stmt *q =
        store_prepare(store, "SELECT folder, path, size, changed_ns, state, records, synced FROM folder_files", diag);
    if (!q)
        return false;
    while (store_step(store, q, &row, diag)) {
        if (!row)
            return true;
        struct file *file = file_add(f, store_column(q, 0), store_column(q, 1));
        file->size = sqlite3_column_int64(q, 2);
        file->changed_ns = sqlite3_column_int64(q, 3);
        file->state = (enum file_state)sqlite3_column_int(q, 4);
        file->records = sqlite3_column_int64(q, 5);
        file->synced = sqlite3_column_int64(q, 6);
    }
    return false;
}

bool files_load(struct folders *f, struct weir_diag *diag)
{
    struct loading loading = {.job = {.run = load_run}, .folders = f};
    return ledger_run_now(f->router->ledger, &loading.job, diag);
}

struct saving {
    struct ledger_job job;
    struct folders *folders;
    const struct file *file;
    bool ok;
};

static bool save_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    const struct file *file = ((struct saving *)job)->file;
    sqlite3_stmt *q = store_prepare(store,
                                    "INSERT OR REPLACE INTO folder_files "
                                    "(folder, path, size, changed_ns, state, records, synced) VALUES (?,?,?,?,?,?,?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, file->folder);
    store_bind(q, 2, file->path);
    sqlite3_bind_int64(q, 3, file->size);
    sqlite3_bind_int64(q, 4, file->changed_ns);
    sqlite3_bind_int(q, 5, (int)file->state);
    sqlite3_bind_int64(q, 6, file->records);
    sqlite3_bind_int64(q, 7, file->synced);
    return store_run(store, q, diag);
}

static void save_done(struct ledger_job *job, bool ok, const struct weir_diag *diag) /* ledger thread */
{
    struct saving *s = (struct saving *)job;
    s->ok = ok;
    folders_done(s->folders);
}

bool file_save(struct folders *f, const struct file *file)
{
    struct saving s = {.job = {.run = save_run, .done = save_done}, .folders = f, .file = file};

    ledger_submit(f->router->ledger, &s.job);
    folders_wait(f);
    return s.ok;
}

bool file_save_now(struct folders *f, const struct file *file, struct weir_diag *diag)
{
    struct saving s = {.job = {.run = save_run}, .folders = f, .file = file};
    return ledger_run_now(f->router->ledger, &s.job, diag);
}

/* ---- the status ---- */

static bool count_files(struct store *store, struct str folder, int64_t files[3], int64_t *events,
                        struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q = store_prepare(
        store, "SELECT state, COUNT(*), SUM(records) FROM folder_files WHERE folder = ? GROUP BY state", diag);
    if (!q)
        return false;
    store_bind(q, 1, folder);
    while (store_step(store, q, &row, diag)) {
        if (!row)
            return true;
        int state = sqlite3_column_int(q, 0);
        if (state >= FILE_TAKING && state <= FILE_BAD)
            files[state] = sqlite3_column_int64(q, 1);
        if (state != FILE_BAD)
            *events += sqlite3_column_int64(q, 2);
    }
    return false;
}

static void write_count(struct buf *out, const char *key, int64_t n)
{
    json_write_key(out, key);
    json_write_int(out, n);
}

bool folders_show(struct buf *out, const struct ruleset *set, struct store *store, struct weir_diag *diag)
{
    bool ok = true, any = false;

    buf_char(out, '[');
    for (uint32_t i = 0; i < set->source_count && ok; i++) {
        const struct source_def *def = &set->sources[i];
        int64_t files[3] = {0}, events = 0;
        if (!def->is_folder)
            continue;
        ok = count_files(store, def->name, files, &events, diag);
        buf_text(out, any ? ",{" : "{");
        any = true;
        json_write_member(out, "name", def->name);
        json_write_member(out, "path", def->path);
        json_write_member(out, "bus", def->bus);
        write_count(out, "taken", files[FILE_TAKEN]);
        write_count(out, "bad", files[FILE_BAD]);
        write_count(out, "under_way", files[FILE_TAKING]);
        write_count(out, "events", events);
        buf_char(out, '}');
    }
    buf_char(out, ']');
    return ok;
}
