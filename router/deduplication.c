/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publish deduplication, see deduplication.h.
 *
 *     event ─► digest of source and id ─► in the bus's memory? ── yes ─► counted, and that is all
 *                                                 │ no
 *                                                 ▼
 *                             remembered, and noted in the present turn ─► one row a turn and bus
 *
 * A row is the ids of a turn packed: 16 bytes of digest and 4 of age each. So remembering costs a turn one insert and
 * the deletion of a few rows that have expired. Digests are of 128 bits (SHA-256, cut): that two ids share one by
 * chance or on purpose can be left out of account.
 */
#include "router/deduplication.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/id_memory.h"
#include "router/log.h"
#include "router/xalloc.h"

#define NOTE_BYTES    (ID_DIGEST_BYTES + 4)
#define TURN_EXPIRES  4   /* rows: more than a turn adds */
#define HOUSE_EXPIRES 100 /* rows a bus and round; a row is up to DISPATCH_EVENTS notes: 20 KB */
#define WINDOW_MAX_MS 86400000
#define SAY_AGAIN_MS  60000

struct deduplicator {
    struct deduplicator *next;
    struct str bus; /* owned */
    int64_t window_ms;
    struct id_memory ids;
    int64_t rows_until; /* housekeeping: rows with nothing younger are not needed any more */
    uint64_t told;      /* of ids.forgotten, as was said at … */
    int64_t told_age;
    struct series *duplicates, *remembered, *forgotten;
};

struct noted_ids {
    struct noted_ids *next;
    const struct deduplicator *of; /* outlives the turn: a reload waits until it is committed */
    int64_t first_age, last_age;
    int64_t rows_until;
    struct buf notes;
};

static const char *const migrations[] = {
    "CREATE TABLE deduplication ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  bus TEXT NOT NULL,"
    "  first_age INTEGER NOT NULL,"
    "  last_age INTEGER NOT NULL,"
    "  ids BLOB NOT NULL);" /* of each: digest, ms since first_age as four bytes, the lowest first */
    "CREATE INDEX deduplication_bus ON deduplication (bus, last_age)",
    NULL,
};
const struct store_schema deduplication_schema = {"deduplication", migrations};

/* ---- who deduplicates ---- */

static struct deduplicator *find(struct dispatch *d, struct str bus)
{
    struct deduplicator *one = d->deduplicators;
    while (one && !str_eq(one->bus, bus))
        one = one->next;
    return one;
}

static struct deduplicator *make(struct dispatch *d, struct str bus)
{
    struct deduplicator *one = xalloc(sizeof *one);

    one->bus = xstr(bus);
    one->ids.seed = d->random * 0xD6E8FEB86659FD93u;
    one->told_age = -SAY_AGAIN_MS;
    one->duplicates = metric_str(METRIC_EVENTS_DEDUPLICATED, &one->bus);
    one->remembered = metric_str(METRIC_DEDUPLICATION_IDS, &one->bus);
    one->forgotten = metric_str(METRIC_DEDUPLICATION_FORGOTTEN, &one->bus);
    one->next = d->deduplicators;
    d->deduplicators = one;
    return one;
}

static void destroy(struct deduplicator *one)
{
    series_set(one->remembered, 0);
    id_memory_fini(&one->ids);
    free((char *)one->bus.ptr);
    free(one);
}

static void drop_unused(struct dispatch *d)
{
    for (struct deduplicator **at = &d->deduplicators; *at;) {
        struct deduplicator *one = *at;
        const struct bus *bus = ruleset_bus(d->set, one->bus);
        if (bus && bus->deduplication_ms) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        destroy(one);
    }
}

/* What it holds is as good as its oldest id: rows behind that only cost. */
static int64_t needless_until(const struct deduplicator *one, int64_t age)
{
    int64_t expired = age - one->window_ms, oldest = id_memory_oldest(&one->ids);
    return oldest != INT64_MAX && oldest - 1 > expired ? oldest - 1 : expired;
}

void deduplication_apply(struct dispatch *d)
{
    for (uint32_t i = 0; i < d->set->bus_count; i++) {
        const struct bus *bus = &d->set->buses[i];
        struct deduplicator *one = find(d, bus->name);
        if (bus->deduplication_ms) {
            one = one ? one : make(d, bus->name);
            one->window_ms = bus->deduplication_ms;
            id_memory_limit(&one->ids, (size_t)bus->deduplication_ids);
        }
        d->generation->scratches[i].deduplicator = bus->deduplication_ms ? one : NULL;
    }
    drop_unused(d);
}

void deduplication_close(struct dispatch *d)
{
    struct deduplicator *one;

    while ((one = d->deduplicators)) {
        d->deduplicators = one->next;
        destroy(one);
    }
    EVP_MD_CTX_free(d->digest);
}

/* ---- an event ---- */

static bool digest_text(EVP_MD_CTX *ctx, struct buf *space, struct str raw)
{
    if (raw.size < 2 || raw.ptr[0] != '"')
        return false;
    struct str text = {raw.ptr + 1, raw.size - 2};
    if (memchr(raw.ptr, '\\', raw.size)) {
        buf_clear(space);
        json_decode(space, raw);
        xbuf(space);
        text = buf_view(space);
    }
    uint64_t size = text.size; /* or "ab","c" and "a","bc" would be the same */
    return EVP_DigestUpdate(ctx, &size, sizeof size) && EVP_DigestUpdate(ctx, text.ptr, text.size);
}

/* False: it has no id that could be compared. */
static bool digest_event(struct dispatch *d, struct str event, struct id_digest *out)
{
    static const char *const keys[] = {"id", "source", NULL};
    struct str values[2];
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!d->digest && !(d->digest = EVP_MD_CTX_new()))
        xfail("out of memory");
    json_members(event, keys, values);
    if (!EVP_DigestInit_ex(d->digest, EVP_sha256(), NULL))
        xfail("libcrypto has no SHA-256");
    if (!digest_text(d->digest, &d->work, values[1]) || !digest_text(d->digest, &d->work, values[0]) ||
        !EVP_DigestFinal_ex(d->digest, digest, NULL))
        return false;
    memcpy(out->bytes, digest, sizeof out->bytes);
    return true;
}

static struct noted_ids *noted_of(struct turn *t, struct deduplicator *of, int64_t age)
{
    struct noted_ids *n = t->noted_ids;

    while (n && n->of != of)
        n = n->next;
    if (!n) {
        n = xalloc(sizeof *n);
        n->of = of;
        n->first_age = age;
        n->next = t->noted_ids;
        t->noted_ids = n;
    }
    return n;
}

static void note(struct turn *t, struct deduplicator *of, const struct id_digest *digest, int64_t age)
{
    struct noted_ids *n = noted_of(t, of, age);
    uint32_t ms = (uint32_t)(age - n->first_age);
    const unsigned char bytes[4] = {(unsigned char)ms, (unsigned char)(ms >> 8), (unsigned char)(ms >> 16),
                                    (unsigned char)(ms >> 24)};

    n->last_age = age;
    n->rows_until = needless_until(of, age);
    buf_add(&n->notes, digest->bytes, sizeof digest->bytes);
    buf_add(&n->notes, bytes, sizeof bytes);
    xbuf(&n->notes);
}

/* Forgetting early is the safe side: a duplicate is delivered then, nothing is lost. But somebody must hear of it. */
static void tell_forgotten(struct deduplicator *of, int64_t age)
{
    if (of->ids.forgotten == of->told)
        return;
    series_add(of->forgotten, (int64_t)(of->ids.forgotten - of->told));
    of->told = of->ids.forgotten;
    if (age - of->told_age < SAY_AGAIN_MS)
        return;
    of->told_age = age;
    log_warn(
        "more ids come within the window than deduplication_ids lets a bus remember: the oldest are forgotten early",
        LOG_STR("bus", of->bus), LOG_INT("deduplication_ids", (int64_t)of->ids.max));
}

bool deduplicator_knows(struct dispatch *d, struct deduplicator *of, struct str event)
{
    struct id_digest digest;
    int64_t age = d->now.age_ms;

    if (!digest_event(d, event, &digest))
        return false;
    if (id_memory_note(&of->ids, &digest, age, age - of->window_ms)) {
        series_add(of->duplicates, 1);
        return true;
    }
    tell_forgotten(of, age);
    series_set(of->remembered, (int64_t)of->ids.count);
    note(d->turn, of, &digest, age);
    return false;
}

/* ---- rows ---- */

static bool expire_rows(struct store *store, struct str bus, int64_t until, int limit, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(store,
                                    "DELETE FROM deduplication WHERE number IN (SELECT number FROM deduplication "
                                    "WHERE bus = ? AND last_age <= ? ORDER BY last_age LIMIT ?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, bus);
    sqlite3_bind_int64(q, 2, until);
    sqlite3_bind_int(q, 3, limit);
    return store_run(store, q, diag);
}

static bool insert_row(struct store *store, const struct noted_ids *n, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(store, "INSERT INTO deduplication (bus, first_age, last_age, ids) VALUES (?,?,?,?)", diag);
    if (!q)
        return false;
    store_bind(q, 1, n->of->bus);
    sqlite3_bind_int64(q, 2, n->first_age);
    sqlite3_bind_int64(q, 3, n->last_age);
    sqlite3_bind_blob64(q, 4, n->notes.data, n->notes.size, SQLITE_STATIC);
    return store_run(store, q, diag);
}

bool noted_ids_write(struct turn *t, struct store *store, struct weir_diag *diag)
{
    for (const struct noted_ids *n = t->noted_ids; n; n = n->next)
        if (!insert_row(store, n, diag) || !expire_rows(store, n->of->bus, n->rows_until, TURN_EXPIRES, diag))
            return false;
    return true;
}

void noted_ids_fini(struct turn *t)
{
    struct noted_ids *n;

    while ((n = t->noted_ids)) {
        t->noted_ids = n->next;
        buf_fini(&n->notes);
        free(n);
    }
}

/* ---- start-up ---- */

static void remember_row(struct deduplicator *of, const unsigned char *notes, size_t size, int64_t first_age,
                         int64_t until)
{
    struct id_digest digest;

    for (; size >= NOTE_BYTES; notes += NOTE_BYTES, size -= NOTE_BYTES) {
        const unsigned char *ms = notes + ID_DIGEST_BYTES;
        int64_t age = first_age + (ms[0] | (int64_t)ms[1] << 8 | (int64_t)ms[2] << 16 | (int64_t)ms[3] << 24);
        memcpy(digest.bytes, notes, sizeof digest.bytes);
        if (age > until)
            id_memory_note(&of->ids, &digest, age, until);
    }
}

static bool load_bus(struct deduplicator *of, struct store *store, int64_t until, struct weir_diag *diag)
{
    bool more;
    sqlite3_stmt *q = store_prepare(
        store, "SELECT first_age, ids FROM deduplication WHERE bus = ? AND last_age > ? ORDER BY number", diag);
    if (!q)
        return false;
    store_bind(q, 1, of->bus);
    sqlite3_bind_int64(q, 2, until);
    while (store_step(store, q, &more, diag)) {
        if (!more)
            return true;
        int64_t first_age = sqlite3_column_int64(q, 0);
        const unsigned char *notes = sqlite3_column_blob(q, 1);
        remember_row(of, notes, (size_t)sqlite3_column_bytes(q, 1), first_age, until);
    }
    return false;
}

bool deduplication_load(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    for (struct deduplicator *one = d->deduplicators; one; one = one->next) {
        if (!load_bus(one, store, now.age_ms - one->window_ms, diag))
            return false;
        one->told = one->ids.forgotten;
        series_set(one->remembered, (int64_t)one->ids.count);
    }
    return true;
}

/* ---- housekeeping ---- */

void deduplication_keep(struct dispatch *d)
{
    for (struct deduplicator *one = d->deduplicators; one; one = one->next) {
        id_memory_expire(&one->ids, d->now.age_ms - one->window_ms);
        series_set(one->remembered, (int64_t)one->ids.count);
        one->rows_until = needless_until(one, d->now.age_ms);
    }
}

/* Of buses that do not deduplicate any more; the oldest rows have the lowest numbers. */
static bool expire_old(struct store *store, int64_t age, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(store,
                      "DELETE FROM deduplication WHERE number IN (SELECT number FROM (SELECT number, last_age FROM "
                      "deduplication ORDER BY number LIMIT ?) WHERE last_age <= ?)",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int(q, 1, HOUSE_EXPIRES);
    sqlite3_bind_int64(q, 2, age - WINDOW_MAX_MS);
    return store_run(store, q, diag);
}

bool deduplication_expire(struct dispatch *d, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    for (const struct deduplicator *one = d->deduplicators; one; one = one->next)
        if (!expire_rows(store, one->bus, one->rows_until, HOUSE_EXPIRES, diag))
            return false;
    return expire_old(store, now.age_ms, diag);
}
