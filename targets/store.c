/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite file: opening, migrations, transactions and the cache of prepared statements. What the tables
 * mean is left to the units that register them.
 *
 *     open     the file is made by us first, readable for its owner alone (SQLite would make it 0644); SQLite's
 *              -wal and -shm files take over its mode
 *     check    a file that is no database, another program's, damaged, or a newer Weir's is refused before
 *              anything is written to it
 *     keepers  what others gather in memory during a transaction is written in one go before its end
 *     migrate  all missing migrations of all schemas in one transaction: a file is at one version or at the next
 *
 * Prepared statements are kept in a small hash table keyed by the address of their SQL literal: no text is
 * hashed or compared on the hot path. The cache is bounded; the least recently used statement makes room.
 *
 * SQLite undoes the whole transaction by itself after some errors (disk full, I/O). Whatever ran after that would
 * commit on its own, statement by statement; so from then on nothing can be prepared until the caller has rolled back.
 */
#include "targets/store.h"
#include "targets/fail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATEMENTS_MAX 128 /* the program has fewer literals than this; the bound is for mistakes */
#define KEEPERS_MAX    4
#define PAGE_BYTES     4096       /* SQLite's default */
#define APPLICATION_ID 1466263922 /* "Weir": file(1) and we ourselves can tell whose file it is */

/* A WAL that a long reader let grow is cut back to this after a checkpoint; the cache is filled only as needed. */
static const char pragmas[] = "PRAGMA busy_timeout = 5000;"
                              "PRAGMA auto_vacuum = INCREMENTAL;" /* of a new file; before anything is written */
                              "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA foreign_keys = OFF;"
                              "PRAGMA trusted_schema = OFF;"
                              "PRAGMA secure_delete = FAST;" /* some build it ON: each freed page is written then */
                              "PRAGMA journal_size_limit = 67108864;"
                              "PRAGMA wal_autocheckpoint = 0;" /* store_checkpoint() does it */
                              "PRAGMA cache_size = -16384;"
                              "PRAGMA temp_store = MEMORY;";

struct cached {
    const char *sql;
    sqlite3_stmt *statement; /* NULL: the entry is free */
    uint64_t used;           /* tick of the last use */
    int next;                /* in its bucket; -1: last */
};

struct kept {
    const struct store_keeper *keeper; /* NULL: free */
    void *memory;
};

struct store {
    sqlite3 *db;
    char *path;
    bool begun;    /* between begin and commit or rollback, whatever SQLite thinks of it */
    int wal_pages; /* in the WAL after the last commit */
    struct kept kept[KEEPERS_MAX];
    uint64_t epoch; /* see store_epoch() */
    uint64_t tick;
    int buckets[STATEMENTS_MAX]; /* first entry of each; -1: none */
    struct cached cache[STATEMENTS_MAX];
};

/* ---- errors ---- */

static enum weir_code code_of(int result)
{
    switch (result & 0xff) {
    case SQLITE_NOMEM: return WEIR_E_MEMORY;
    case SQLITE_TOOBIG: return WEIR_E_LIMIT;
    default: return WEIR_E_IO;
    }
}

bool store_error(struct store *s, const char *doing, struct weir_diag *diag)
{
    int result = sqlite3_extended_errcode(s->db);
    const char *words = sqlite3_errmsg(s->db);

    if ((result & 0xff) == SQLITE_NOTADB)
        return fail_with(diag, WEIR_E_IO, "'%s' is not a SQLite database", s->path);
    if ((result & 0xff) == SQLITE_CORRUPT)
        return fail_with(diag, WEIR_E_IO, "the database '%s' is damaged: cannot %s: %s", s->path, doing, words);
    return fail_with(diag, code_of(result), "cannot %s in '%s': %s", doing, s->path, words);
}

/* ---- statements ---- */

static unsigned bucket_of(const char *sql)
{
    uint64_t address = (uintptr_t)sql;

    return (unsigned)(address * 0x9e3779b97f4a7c15u >> 57); /* the upper 7 bits: 128 buckets */
}
_Static_assert(STATEMENTS_MAX == 1 << 7, "bucket_of() gives 7 bits");

static struct cached *cache_find(struct store *s, const char *sql)
{
    for (int i = s->buckets[bucket_of(sql)]; i >= 0; i = s->cache[i].next)
        if (s->cache[i].sql == sql)
            return &s->cache[i];
    return NULL;
}

static void cache_drop(struct store *s, struct cached *c)
{
    int *link = &s->buckets[bucket_of(c->sql)];

    while (&s->cache[*link] != c)
        link = &s->cache[*link].next;
    *link = c->next;
    sqlite3_finalize(c->statement);
    *c = (struct cached){0};
}

/* A free entry, or the one least recently used. */
static struct cached *cache_room(struct store *s)
{
    struct cached *oldest = &s->cache[0];

    for (int i = 0; i < STATEMENTS_MAX && oldest->statement; i++)
        if (!s->cache[i].statement || s->cache[i].used < oldest->used)
            oldest = &s->cache[i];
    if (oldest->statement)
        cache_drop(s, oldest);
    return oldest;
}

static struct cached *cache_add(struct store *s, const char *sql, struct weir_diag *diag)
{
    sqlite3_stmt *statement = NULL;
    struct cached *c;
    int *first = &s->buckets[bucket_of(sql)];

    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        store_error(s, "prepare a statement", diag);
        return NULL;
    }
    c = cache_room(s);
    *c = (struct cached){.sql = sql, .statement = statement, .next = *first};
    *first = (int)(c - s->cache);
    return c;
}

sqlite3_stmt *store_prepare(struct store *s, const char *sql, struct weir_diag *diag)
{
    struct cached *c = cache_find(s, sql);

    if (s->begun && sqlite3_get_autocommit(s->db)) {
        fail_with(diag, WEIR_E_IO, "the transaction in '%s' was undone by an earlier error", s->path);
        return NULL;
    }
    if (!c && !(c = cache_add(s, sql, diag)))
        return NULL;
    assert(strcmp(sqlite3_sql(c->statement), sql) == 0); /* else it was no literal */
    c->used = ++s->tick;
    sqlite3_reset(c->statement);
    sqlite3_clear_bindings(c->statement);
    return c->statement;
}

bool store_run(struct store *s, sqlite3_stmt *statement, struct weir_diag *diag)
{
    int result = sqlite3_step(statement);
    bool ok = result == SQLITE_DONE || result == SQLITE_ROW;

    if (!ok)
        store_error(s, "write", diag);
    sqlite3_reset(statement);
    return ok;
}

bool store_step(struct store *s, sqlite3_stmt *statement, bool *row_out, struct weir_diag *diag)
{
    int result = sqlite3_step(statement);

    *row_out = result == SQLITE_ROW;
    if (result == SQLITE_ROW)
        return true;
    if (result != SQLITE_DONE)
        store_error(s, "read", diag);
    sqlite3_reset(statement);
    return result == SQLITE_DONE;
}

bool store_exec(struct store *s, const char *sql, struct weir_diag *diag)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || store_error(s, "write", diag);
}

void store_bind(sqlite3_stmt *statement, int index, struct str text)
{
    /* A NULL pointer would bind NULL: the empty text is a text. */
    sqlite3_bind_text64(statement, index, text.ptr ? text.ptr : "", text.size, SQLITE_STATIC, SQLITE_UTF8);
}

struct str store_column(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return (struct str){text, text ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

sqlite3 *store_handle(struct store *s)
{
    return s->db;
}
int64_t store_changes(struct store *s)
{
    return sqlite3_changes64(s->db);
}
uint64_t store_epoch(const struct store *s)
{
    return s->epoch;
}

/* ---- keepers ---- */

void *store_keep(struct store *s, const struct store_keeper *keeper, struct weir_diag *diag)
{
    struct kept *k = s->kept;

    for (; k->keeper != keeper; k++) {
        assert(k < s->kept + KEEPERS_MAX);
        if (k->keeper)
            continue;
        if (!(k->memory = calloc(1, keeper->size))) {
            fail_memory(diag);
            return NULL;
        }
        k->keeper = keeper;
        break;
    }
    return k->memory;
}

static bool flush(struct store *s, struct weir_diag *diag)
{
    for (struct kept *k = s->kept; k < s->kept + KEEPERS_MAX && k->keeper; k++)
        if (!k->keeper->flush(s, k->memory, diag))
            return false;
    return true;
}

static void tell_committed(struct store *s)
{
    for (struct kept *k = s->kept; k < s->kept + KEEPERS_MAX && k->keeper; k++)
        if (k->keeper->committed)
            k->keeper->committed(s, k->memory);
}

/* ---- transactions ---- */

/* Runs one of the fixed statements below past store_prepare()'s guard. */
static bool control(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

bool store_begin(struct store *s, struct weir_diag *diag)
{
    assert(!s->begun);
    if (!control(s, "BEGIN IMMEDIATE"))
        return store_error(s, "begin a transaction", diag);
    s->begun = true;
    s->epoch++;
    return true;
}

bool store_commit(struct store *s, struct weir_diag *diag)
{
    assert(s->begun);
    if (sqlite3_get_autocommit(s->db))
        fail_with(diag, WEIR_E_IO, "the transaction in '%s' was undone by an earlier error", s->path);
    else if (flush(s, diag)) {
        if (control(s, "COMMIT")) {
            s->begun = false;
            s->epoch++;
            tell_committed(s);
            return true;
        }
        store_error(s, "commit", diag);
    }
    store_rollback(s);
    return false;
}

void store_rollback(struct store *s)
{
    /* A statement left in the middle of its rows would make ROLLBACK leave it behind in an error state. */
    for (int i = 0; i < STATEMENTS_MAX; i++)
        if (s->cache[i].statement)
            sqlite3_reset(s->cache[i].statement);
    if (!sqlite3_get_autocommit(s->db))
        control(s, "ROLLBACK");
    s->begun = false;
    s->epoch++;
}

bool store_savepoint(struct store *s, struct weir_diag *diag)
{
    assert(s->begun);
    if (sqlite3_get_autocommit(s->db)) /* a savepoint would quietly begin a transaction of its own */
        return fail_with(diag, WEIR_E_IO, "the transaction in '%s' was undone by an earlier error", s->path);
    return control(s, "SAVEPOINT job") || store_error(s, "set a savepoint", diag);
}

bool store_release(struct store *s, struct weir_diag *diag)
{
    return flush(s, diag) && (control(s, "RELEASE job") || store_error(s, "release a savepoint", diag));
}

void store_rollback_savepoint(struct store *s)
{
    s->epoch++;
    if (!sqlite3_get_autocommit(s->db))
        control(s, "ROLLBACK TO job; RELEASE job");
}

/* ---- the WAL ---- */

static int wal_cb(void *context, sqlite3 *db, const char *schema, int pages)
{
    struct store *s = context;

    s->wal_pages = pages;
    return SQLITE_OK;
}

/* Nobody else reads, so all of it can be copied back, and the next commit begins the WAL anew: it stays bounded by this
   and one transaction. */
bool store_checkpoint(struct store *s, struct weir_diag *diag)
{
    assert(!s->begun);
    if (s->wal_pages < STORE_CHECKPOINT_BYTES / PAGE_BYTES)
        return true;
    s->wal_pages = 0; /* where it fails: not again before the next commit */
    return sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK ||
           store_error(s, "copy the WAL back", diag);
}

/* ---- opening ---- */

/* An answer of one integer; statements of no row give 0. */
static bool ask_int(struct store *s, const char *sql, struct str text, int64_t *out, struct weir_diag *diag)
{
    bool row;
    sqlite3_stmt *q = store_prepare(s, sql, diag);

    *out = 0;
    if (!q)
        return false;
    if (sqlite3_bind_parameter_count(q))
        store_bind(q, 1, text);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return true;
}

/* ---- its size ---- */

bool store_size(struct store *s, struct store_size *out, struct weir_diag *diag)
{
    int64_t pages, free_pages;

    if (!ask_int(s, "PRAGMA page_count", STR(""), &pages, diag) ||
        !ask_int(s, "PRAGMA freelist_count", STR(""), &free_pages, diag))
        return false;
    *out = (struct store_size){pages * PAGE_BYTES, free_pages * PAGE_BYTES};
    return true;
}

static bool truncate_wal(struct store *s, struct weir_diag *diag)
{
    s->wal_pages = 0;
    return sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK ||
           store_error(s, "copy the WAL back", diag);
}

/* The pragma gives up a page a step. */
static bool give_pages_back(struct store *s, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "PRAGMA incremental_vacuum(2048)", diag);
    bool more = true;

    if (!q || !store_begin(s, diag))
        return false;
    while (more)
        if (!store_step(s, q, &more, diag)) {
            store_rollback(s);
            return false;
        }
    return store_commit(s, diag);
}

bool store_shrink(struct store *s, struct weir_diag *diag)
{
    assert(!s->begun);
    return truncate_wal(s, diag) && give_pages_back(s, diag) && truncate_wal(s, diag);
}

/* Is it empty, or ours? */
static bool check_owner(struct store *s, struct weir_diag *diag)
{
    int64_t tables, id;

    if (!ask_int(s, "SELECT count(*) FROM sqlite_schema", STR(""), &tables, diag) ||
        !ask_int(s, "PRAGMA application_id", STR(""), &id, diag))
        return false;
    if (id == APPLICATION_ID || (id == 0 && tables == 0))
        return true;
    return fail_with(diag, WEIR_E_IO, "'%s' is a database of another program, not Weir's", s->path);
}

static size_t schema_version(const struct store_schema *schema)
{
    size_t count = 0;

    while (schema->migrations[count])
        count++;
    return count;
}

static const struct store_schema *schema_find(const struct store_schema *const *schemas, struct str name)
{
    for (; *schemas; schemas++)
        if (str_is(name, (*schemas)->name))
            return *schemas;
    return NULL;
}

/* No table set of the file may be unknown to us, or newer than we know it. */
static bool check_versions(struct store *s, const struct store_schema *const *schemas, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT name, version FROM weir_schema", diag);
    bool row;

    while (q) {
        if (!store_step(s, q, &row, diag))
            return false;
        if (!row)
            return true;
        struct str name = store_column(q, 0);
        int64_t version = sqlite3_column_int64(q, 1);
        const struct store_schema *known = schema_find(schemas, name);
        if (known && version <= (int64_t)schema_version(known))
            continue;
        if (known)
            fail_with(diag, WEIR_E_IO,
                      "'%s' was written by a newer weir: its tables '%s' have version %lld, this one knows %zu",
                      s->path, known->name, (long long)version, schema_version(known));
        else
            fail_with(diag, WEIR_E_IO, "'%s' was written by a newer weir: this one does not know its tables '%.*s'",
                      s->path, STR_ARG(name));
        sqlite3_reset(q);
        return false;
    }
    return false;
}

static bool migrate_one(struct store *s, const struct store_schema *schema, struct weir_diag *diag)
{
    int64_t version;
    sqlite3_stmt *q;
    size_t newest = schema_version(schema);

    if (!ask_int(s, "SELECT version FROM weir_schema WHERE name = ?", str_from(schema->name), &version, diag))
        return false;
    if (version == (int64_t)newest)
        return true;
    for (size_t i = (size_t)version; i < newest; i++)
        if (!store_exec(s, schema->migrations[i], diag))
            return false;
    if (!(q = store_prepare(s, "INSERT OR REPLACE INTO weir_schema (name, version) VALUES (?, ?)", diag)))
        return false;
    store_bind(q, 1, str_from(schema->name));
    sqlite3_bind_int64(q, 2, (int64_t)newest);
    return store_run(s, q, diag);
}

static bool migrate_all(struct store *s, const struct store_schema *const *schemas, struct weir_diag *diag)
{
    if (!store_exec(s,
                    "CREATE TABLE IF NOT EXISTS weir_schema (name TEXT PRIMARY KEY, version INTEGER NOT NULL) "
                    "WITHOUT ROWID;"
                    "PRAGMA application_id = 1466263922;",
                    diag) ||
        !check_versions(s, schemas, diag))
        return false;
    for (; *schemas; schemas++)
        if (!migrate_one(s, *schemas, diag))
            return false;
    return true;
}

static bool migrate(struct store *s, const struct store_schema *const *schemas, struct weir_diag *diag)
{
    if (!store_begin(s, diag))
        return false;
    if (migrate_all(s, schemas, diag))
        return store_commit(s, diag);
    store_rollback(s);
    return false;
}

/* Makes the file with the mode we want, and its name durable. A file that is there already is not touched:
   closing a descriptor of it would drop SQLite's locks. */
static bool make_file(const char *path, struct weir_diag *diag)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";

    if (fd < 0)
        return errno == EEXIST || fail_with(diag, WEIR_E_IO, "cannot create '%s': %s", path, strerror(errno));
    close(fd);
    if (slash && (size_t)(slash - path) < sizeof(folder) - 1) {
        size_t size = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        fail_with(diag, WEIR_E_IO, "cannot sync the folder '%s': %s", folder, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool open_file(struct store *s, const struct store_schema *const *schemas, struct weir_diag *diag)
{
    if (!make_file(s->path, diag))
        return false;
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return s->db ? store_error(s, "open the database", diag) : fail_memory(diag);
    sqlite3_extended_result_codes(s->db, 1);
    if (!check_owner(s, diag) || !store_exec(s, pragmas, diag))
        return false;
    sqlite3_wal_hook(s->db, wal_cb, s); /* after the pragmas: wal_autocheckpoint would take its place */
    return migrate(s, schemas, diag);
}

static bool open_read(struct store *s, struct weir_diag *diag)
{
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return s->db ? store_error(s, "open the database", diag) : fail_memory(diag);
    sqlite3_extended_result_codes(s->db, 1);
    return check_owner(s, diag) && store_exec(s, "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;", diag);
}

static struct store *create(const char *path, struct weir_diag *diag)
{
    struct store *s = calloc(1, sizeof(*s));

    if (!s || !(s->path = strdup(path))) {
        free(s);
        fail_memory(diag);
        return NULL;
    }
    for (int i = 0; i < STATEMENTS_MAX; i++)
        s->buckets[i] = -1;
    return s;
}

struct store *store_open(const char *path, const struct store_schema *const *schemas, struct weir_diag *diag)
{
    struct store *s = create(path, diag);

    if (!s || open_file(s, schemas, diag))
        return s;
    store_close(s);
    return NULL;
}

struct store *store_open_read(const char *path, struct weir_diag *diag)
{
    struct store *s = create(path, diag);

    if (!s || open_read(s, diag))
        return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    for (int i = 0; i < STATEMENTS_MAX; i++)
        sqlite3_finalize(s->cache[i].statement);
    for (struct kept *k = s->kept; k < s->kept + KEEPERS_MAX && k->keeper; k++) {
        k->keeper->close(k->memory);
        free(k->memory);
    }
    /* The last connection to close copies the WAL back and removes it. */
    int result = sqlite3_close(s->db);
    assert(result == SQLITE_OK);
    (void)result;
    free(s->path);
    free(s);
}
