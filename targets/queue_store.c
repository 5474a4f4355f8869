/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of queues, the rows of `queue` in memory, and whoever only looks.
 *
 *     queue                one row a queue: name, counts, next sequence number, the first fresh message
 *     queue_message        one row a message, never changed: it is written once and deleted once
 *     queue_claim          one row a message that was received or is delayed: when it is visible, its handle
 *     queue_group          one row a message group that has messages (FIFO): when it is free
 *     queue_deduplication  the deduplication ids of the last five minutes (FIFO)
 *     queue_move           one row a message move task (queue_move.c)
 *
 *     sequence numbers    1 ……………… fresh ………………… next_sequence
 *                         claimed or gone │ never received: in order, without any index
 *
 * So a message that is put costs one row at the end of one tree and, once a transaction, its queue's row; a receive
 * takes the rows from `fresh` on, or claims whose time-out ended (index over queue and visible_age), whichever was
 * visible first; deleting needs two keys. Each is O(log n), and large bodies are never moved by any of it.
 *
 * Counts. Messages and bytes are kept in the queue's row. In flight and delayed are counted there too as of the
 * time-out (counted_age, counted_id): a look first counts off the claims that ended since, each once.
 *
 * The row is read once a transaction, changed in memory, and written before the savepoint is released: the epoch of the
 * store says whether what is in memory still holds.
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <stdlib.h>

#define BUCKETS     64
#define COUNT_LIMIT 10000 /* time-outs that one look counts off */

static const char *const migrations[] = {
    "CREATE TABLE queue ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT UNIQUE," /* NULL: purged, its messages wait for queue_clear() */
    "  messages INTEGER NOT NULL DEFAULT 0,"
    "  bytes INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE queue_message ("
    "  id INTEGER PRIMARY KEY,"
    "  queue INTEGER NOT NULL,"
    "  visible_age INTEGER NOT NULL,"
    "  sent_age INTEGER NOT NULL,"
    "  receive_count INTEGER NOT NULL DEFAULT 0,"
    "  sent_wall INTEGER NOT NULL,"
    "  first_received_wall INTEGER NOT NULL DEFAULT 0,"
    "  bytes INTEGER NOT NULL,"
    "  handle TEXT,"
    "  message_id TEXT NOT NULL,"
    "  attributes TEXT NOT NULL,"
    "  body TEXT NOT NULL);"
    "CREATE INDEX queue_message_visible ON queue_message (queue, visible_age, receive_count);"
    "CREATE INDEX queue_message_queue ON queue_message (queue);"
    "CREATE TRIGGER queue_message_added AFTER INSERT ON queue_message BEGIN"
    "  UPDATE queue SET messages = messages + 1, bytes = bytes + NEW.bytes WHERE id = NEW.queue; END;"
    "CREATE TRIGGER queue_message_deleted AFTER DELETE ON queue_message BEGIN"
    "  UPDATE queue SET messages = messages - 1, bytes = bytes - OLD.bytes WHERE id = OLD.queue; END;"
    "CREATE TRIGGER queue_message_moved AFTER UPDATE OF queue ON queue_message BEGIN"
    "  UPDATE queue SET messages = messages - 1, bytes = bytes - OLD.bytes WHERE id = OLD.queue;"
    "  UPDATE queue SET messages = messages + 1, bytes = bytes + NEW.bytes WHERE id = NEW.queue; END;",

    /* Messages apart from their claims. 17592186044416 is 1 << SEQUENCE_BITS. Handles of messages that were in flight
       are void afterwards: these come back when their time-out ends. */
    "DROP TRIGGER queue_message_added;"
    "DROP TRIGGER queue_message_deleted;"
    "DROP TRIGGER queue_message_moved;"
    "DROP INDEX queue_message_visible;"
    "DROP INDEX queue_message_queue;"
    "ALTER TABLE queue_message RENAME TO queue_message_1;"
    "ALTER TABLE queue ADD COLUMN next_sequence INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE queue ADD COLUMN fresh INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE queue ADD COLUMN in_flight INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN delayed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE queue ADD COLUMN counted_age INTEGER NOT NULL DEFAULT -1;"
    "ALTER TABLE queue ADD COLUMN counted_id INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE queue_message ("
    "  id INTEGER PRIMARY KEY,"  /* queue << 44 | sequence number */
    "  waited INTEGER NOT NULL," /* it was put with a delay: it has had a claim from the beginning */
    "  sent_age INTEGER NOT NULL,"
    "  sent_wall INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  message_id TEXT NOT NULL,"
    "  attributes TEXT NOT NULL,"
    "  group_id INTEGER,"      /* of queue_group */
    "  deduplication_id TEXT," /* of a standard queue: the idempotency key */
    "  came_from TEXT,"        /* the queue whose redrive policy brought it here */
    "  moved_to INTEGER,"      /* then the queue where it is: its sent_age is older than its neighbours' */
    "  body TEXT NOT NULL);"   /* last, so that reading the other columns never walks overflow pages */
    "CREATE INDEX queue_message_moved ON queue_message (moved_to, sent_age) WHERE moved_to IS NOT NULL;"
    "CREATE INDEX queue_message_group ON queue_message (group_id) WHERE group_id IS NOT NULL;"
    "CREATE TABLE queue_claim ("
    "  id INTEGER PRIMARY KEY," /* the message's */
    "  queue INTEGER NOT NULL,"
    "  visible_age INTEGER NOT NULL," /* receivable from this age of the clock on */
    "  receive_count INTEGER NOT NULL,"
    "  first_received_wall INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  group_id INTEGER," /* once received */
    "  handle TEXT);"     /* of its latest receive; NULL: never received */
    "CREATE INDEX queue_claim_visible ON queue_claim (queue, visible_age);"
    "CREATE INDEX queue_claim_group ON queue_claim (group_id, visible_age) WHERE group_id IS NOT NULL;"
    "CREATE TABLE queue_group ("
    "  id INTEGER PRIMARY KEY,"
    "  queue INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  ready_age INTEGER NOT NULL," /* none of its messages is in flight, and the first is visible, from this age on */
    "  UNIQUE (queue, name));"
    "CREATE INDEX queue_group_ready ON queue_group (queue, ready_age);"
    "CREATE TABLE queue_deduplication ("
    "  id INTEGER PRIMARY KEY,"
    "  queue INTEGER NOT NULL,"
    "  key TEXT NOT NULL,"
    "  age INTEGER NOT NULL,"
    "  message_id TEXT NOT NULL,"
    "  sequence INTEGER NOT NULL,"
    "  UNIQUE (queue, key));"
    "CREATE INDEX queue_deduplication_age ON queue_deduplication (age);"
    "INSERT INTO queue_message (id, waited, sent_age, sent_wall, bytes, message_id, attributes, body)"
    "  SELECT queue * 17592186044416 + id, receive_count > 0 OR visible_age > sent_age, sent_age, sent_wall, bytes,"
    "  message_id, attributes, body FROM queue_message_1 ORDER BY queue, id;"
    "INSERT INTO queue_claim (id, queue, visible_age, receive_count, first_received_wall, bytes)"
    "  SELECT queue * 17592186044416 + id, queue, visible_age, receive_count, first_received_wall, bytes"
    "  FROM queue_message_1 WHERE receive_count > 0 OR visible_age > sent_age;"
    "UPDATE queue SET"
    "  next_sequence = 1 + coalesce((SELECT max(m.id) FROM queue_message_1 m WHERE m.queue = queue.id), 0),"
    "  in_flight = (SELECT count(*) FROM queue_claim c WHERE c.queue = queue.id AND receive_count > 0),"
    "  delayed = (SELECT count(*) FROM queue_claim c WHERE c.queue = queue.id AND receive_count = 0);"
    "DROP TABLE queue_message_1;",

    "CREATE TABLE queue_move ("
    "  id INTEGER PRIMARY KEY,"
    "  source TEXT NOT NULL,"
    "  target TEXT NOT NULL,"
    "  rate INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0," /* enum queue_move_state */
    "  started_wall INTEGER NOT NULL,"
    "  started_age INTEGER NOT NULL,"
    "  moved INTEGER NOT NULL DEFAULT 0,"
    "  total INTEGER NOT NULL,"
    "  place INTEGER NOT NULL DEFAULT 0,"
    "  until INTEGER NOT NULL,"
    "  failure TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX queue_move_source ON queue_move (source);"
    "CREATE INDEX queue_move_state ON queue_move (state);",
    NULL,
};

const struct store_schema queue_schema = {"queue", migrations};

/* ---- in memory ---- */

struct memory {
    struct queue_row *buckets[BUCKETS];
    struct queue_row *dirty, *told;
    void (*watch)(void *context, const struct queue_news *news);
    void *context;
};

static bool write_row(struct store *s, const struct queue_row *row, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "UPDATE queue SET messages = ?, bytes = ?, next_sequence = ?, fresh = ?,"
                                    " in_flight = ?, delayed = ?, counted_age = ?, counted_id = ? WHERE id = ?",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->messages);
    sqlite3_bind_int64(q, 2, row->bytes);
    sqlite3_bind_int64(q, 3, row->next_sequence);
    sqlite3_bind_int64(q, 4, row->fresh);
    sqlite3_bind_int64(q, 5, row->in_flight);
    sqlite3_bind_int64(q, 6, row->delayed);
    sqlite3_bind_int64(q, 7, row->counted_age);
    sqlite3_bind_int64(q, 8, row->counted_id);
    sqlite3_bind_int64(q, 9, row->id);
    return store_run(s, q, diag);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What was written back will be told after the commit. Where that does not come, it is told after the next one: once
   too often. */
static void remember_news(struct memory *m, struct queue_row *row)
{
    if (!row->news && row->news_age_ms == INT64_MAX)
        return;
    if (!row->is_told) {
        row->is_told = true;
        row->told = 0;
        row->told_age_ms = INT64_MAX;
        row->next_told = m->told;
        m->told = row;
    }
    row->told += row->news;
    row->told_age_ms = sooner(row->told_age_ms, row->news_age_ms);
    row->news = 0;
    row->news_age_ms = INT64_MAX;
}

static bool flush(struct store *s, void *memory, struct weir_diag *diag)
{
    struct memory *m = memory;

    for (struct queue_row *row; (row = m->dirty); m->dirty = row->next_dirty) {
        if (row->epoch == store_epoch(s)) {
            if (!write_row(s, row, diag))
                return false;
            remember_news(m, row);
        }
        row->dirty = false;
    }
    return true;
}

static void committed(struct store *s, void *memory)
{
    struct memory *m = memory;

    for (struct queue_row *row; (row = m->told); m->told = row->next_told) {
        row->is_told = false;
        if (m->watch)
            m->watch(m->context, &(struct queue_news){row->name, row->told, row->told_age_ms});
    }
}

static void close_memory(void *memory)
{
    struct memory *m = memory;

    for (int i = 0; i < BUCKETS; i++)
        for (struct queue_row *row = m->buckets[i], *next; row; row = next) {
            next = row->next;
            free(row);
        }
}

static const struct store_keeper keeper = {sizeof(struct memory), flush, committed, close_memory};

bool queue_watch(struct store *s, void (*each)(void *context, const struct queue_news *news), void *context,
                 struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);

    if (m) {
        m->watch = each;
        m->context = context;
    }
    return m != NULL;
}

/* ---- rows ---- */

static struct queue_row **bucket_of(struct memory *m, struct str name)
{
    uint32_t hash = 2166136261;

    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (uint8_t)name.ptr[i]) * 16777619;
    return &m->buckets[hash % BUCKETS];
}

static bool read_row(struct store *s, struct queue_row *row, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT id, messages, bytes, next_sequence, fresh, in_flight, delayed, counted_age,"
                                    " counted_id FROM queue WHERE name = ?",
                                    diag);
    bool found;

    if (!q)
        return false;
    store_bind(q, 1, row->name);
    if (!store_step(s, q, &found, diag))
        return false;
    row->id = found ? sqlite3_column_int64(q, 0) : 0;
    row->messages = found ? sqlite3_column_int64(q, 1) : 0;
    row->bytes = found ? sqlite3_column_int64(q, 2) : 0;
    row->next_sequence = found ? sqlite3_column_int64(q, 3) : 1;
    row->fresh = found ? sqlite3_column_int64(q, 4) : 1;
    row->in_flight = found ? sqlite3_column_int64(q, 5) : 0;
    row->delayed = found ? sqlite3_column_int64(q, 6) : 0;
    row->counted_age = found ? sqlite3_column_int64(q, 7) : -1;
    row->counted_id = found ? sqlite3_column_int64(q, 8) : 0;
    sqlite3_reset(q);
    row->news = 0;
    row->news_age_ms = INT64_MAX;
    row->epoch = store_epoch(s);
    return true;
}

struct queue_row *queue_find(struct store *s, struct str name, struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);
    struct queue_row **bucket, *row;

    if (!m)
        return NULL;
    bucket = bucket_of(m, name);
    for (row = *bucket; row && !str_eq(row->name, name); row = row->next)
        ;
    if (!row) {
        if (!(row = calloc(1, sizeof(*row) + name.size + 1))) {
            fail_memory(diag);
            return NULL;
        }
        memcpy(row->text, name.ptr, name.size);
        row->name = (struct str){row->text, name.size};
        row->next = *bucket;
        *bucket = row;
    }
    return row->epoch == store_epoch(s) || read_row(s, row, diag) ? row : NULL;
}

struct queue_row *queue_need(struct store *s, struct str name, struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, name, diag);
    sqlite3_stmt *q;

    if (!row || row->id)
        return row;
    /* The smallest free number: they are used up by purging. */
    q = store_prepare(s,
                      "INSERT INTO queue (id, name) SELECT"
                      " (SELECT min(n.id) FROM (SELECT 1 AS id UNION ALL SELECT id + 1 FROM queue) n"
                      "   WHERE n.id NOT IN (SELECT id FROM queue)), ?",
                      diag);
    if (!q)
        return NULL;
    store_bind(q, 1, name);
    if (!store_run(s, q, diag))
        return NULL;
    row->id = sqlite3_last_insert_rowid(store_handle(s));
    if (row->id < QUEUE_ROWS_MAX)
        return row;
    fail_with(diag, WEIR_E_LIMIT, "there are %lld queues, the limit", (long long)QUEUE_ROWS_MAX);
    return NULL;
}

void queue_touch(struct store *s, struct queue_row *row)
{
    struct memory *m = store_keep(s, &keeper, NULL); /* it is there: the row came from it */

    if (row->dirty)
        return;
    row->dirty = true;
    row->next_dirty = m->dirty;
    m->dirty = row;
}

void queue_tell(struct store *s, struct queue_row *row, unsigned count, int64_t visible_age)
{
    row->news += count;
    row->news_age_ms = sooner(row->news_age_ms, visible_age);
    queue_touch(s, row);
}

static bool is_counted(const struct queue_row *row, const struct claim *c)
{
    return c->visible_age > row->counted_age || (c->visible_age == row->counted_age && c->id > row->counted_id);
}

void queue_count_claim(struct store *s, struct queue_row *row, const struct claim *c, int sign)
{
    if (!is_counted(row, c))
        return;
    *(c->receive_count ? &row->in_flight : &row->delayed) += sign;
    queue_touch(s, row);
}

/* ---- helpers ---- */

bool queue_ask(struct store *s, const char *sql, int64_t a, int64_t b, int64_t *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);
    bool row;

    *out = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, a);
    if (sqlite3_bind_parameter_count(q) > 1)
        sqlite3_bind_int64(q, 2, b);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return true;
}

bool queue_run(struct store *s, const char *sql, int64_t a, int64_t b, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, a);
    if (sqlite3_bind_parameter_count(q) > 1)
        sqlite3_bind_int64(q, 2, b);
    return store_run(s, q, diag);
}

struct queue_message queue_message_read(sqlite3_stmt *q, struct claim *claim_out)
{
    *claim_out = (struct claim){.id = sqlite3_column_int64(q, 0),
                                .bytes = sqlite3_column_int64(q, 1),
                                .group = sqlite3_column_int64(q, 7),
                                .receive_count = sqlite3_column_int64(q, 10),
                                .visible_age = sqlite3_column_int64(q, 12),
                                .exists = sqlite3_column_type(q, 12) != SQLITE_NULL};
    return (struct queue_message){
        .id = sequence_of(claim_out->id),
        .message_id = store_column(q, 2),
        .receipt_handle = STR(""),
        .sent_wall_ms = sqlite3_column_int64(q, 3),
        .sent_age_ms = sqlite3_column_int64(q, 4),
        .attributes = store_column(q, 5),
        .body = store_column(q, 6),
        .sequence = claim_out->group ? (uint64_t)sequence_of(claim_out->id) : 0,
        .group = STR(""),
        .deduplication_id = claim_out->group ? store_column(q, 8) : STR(""),
        .idempotency_key = claim_out->group ? STR("") : store_column(q, 8),
        .came_from = store_column(q, 9),
        .receive_count = claim_out->receive_count,
        .first_received_wall_ms = sqlite3_column_int64(q, 11),
    };
}

/* ---- looking ---- */

bool queue_peek(struct store *s, struct str queue, int64_t after, unsigned max,
                void (*each)(void *context, const struct queue_message *m), void *context, struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag);
    char group[QUEUE_GROUP_MAX + 1];
    struct claim c;
    sqlite3_stmt *q;
    bool found;

    if (!row)
        return false;
    if (after >= SEQUENCE_MAX || !row->id)
        return true;
    q = store_prepare(s,
                      "SELECT " MESSAGE_COLUMNS CLAIM_COLUMNS " FROM queue_message m LEFT JOIN queue_claim c"
                      " ON c.id = m.id WHERE m.id > ? AND m.id < ? ORDER BY m.id LIMIT ?",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue_first_id(row) + (after > 0 ? after : 0));
    sqlite3_bind_int64(q, 2, queue_end_id(row));
    sqlite3_bind_int64(q, 3, max);
    while (store_step(s, q, &found, diag)) {
        if (!found)
            return true;
        struct queue_message m = queue_message_read(q, &c);
        if (c.group && !group_name(s, c.group, group, diag)) {
            sqlite3_reset(q);
            return false;
        }
        if (c.group)
            m.group = str_from(group);
        each(context, &m);
    }
    return false;
}

/* Claims that became visible since the last look are no longer in flight, or delayed. */
static bool count_timeouts(struct store *s, struct queue_row *row, struct weir_time now, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT visible_age, id, receive_count FROM queue_claim"
                                    " WHERE queue = ? AND (visible_age, id) > (?, ?) AND visible_age <= ?"
                                    " ORDER BY visible_age, id LIMIT ?",
                                    diag);
    bool found = true;
    int count = 0;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    sqlite3_bind_int64(q, 2, row->counted_age);
    sqlite3_bind_int64(q, 3, row->counted_id);
    sqlite3_bind_int64(q, 4, now.age_ms);
    sqlite3_bind_int64(q, 5, COUNT_LIMIT);
    for (; store_step(s, q, &found, diag) && found; count++) {
        row->counted_age = sqlite3_column_int64(q, 0);
        row->counted_id = sqlite3_column_int64(q, 1);
        --*(sqlite3_column_int64(q, 2) ? &row->in_flight : &row->delayed);
    }
    if (found)
        return false;
    if (count < COUNT_LIMIT && now.age_ms > row->counted_age) {
        row->counted_age = now.age_ms;
        row->counted_id = INT64_MAX;
    }
    if (count)
        queue_touch(s, row);
    return true;
}

/* The oldest is the first in line, or one that was brought here. */
static bool oldest(struct store *s, const struct queue_row *row, int64_t *sent_out, struct weir_diag *diag)
{
    int64_t moved;

    if (!queue_ask(s, "SELECT sent_age FROM queue_message WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
                   queue_first_id(row), queue_end_id(row), sent_out, diag) ||
        !queue_ask(s, "SELECT sent_age FROM queue_message WHERE moved_to = ? ORDER BY sent_age LIMIT 1", row->id, -1,
                   &moved, diag))
        return false;
    if (moved && moved < *sent_out)
        *sent_out = moved;
    return true;
}

bool queue_count(struct store *s, struct str queue, struct weir_time now, struct queue_counts *out,
                 struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag);
    int64_t sent;

    *out = (struct queue_counts){0};
    if (!row)
        return false;
    if (!row->messages)
        return true;
    if (!count_timeouts(s, row, now, diag) || !oldest(s, row, &sent, diag))
        return false;
    out->in_flight = row->in_flight;
    out->delayed = row->delayed;
    out->visible = row->messages - row->in_flight - row->delayed;
    out->bytes = row->bytes;
    out->oldest_age_ms = now.age_ms > sent ? now.age_ms - sent : 0;
    return true;
}

bool queue_names(struct store *s, void (*each)(void *context, struct str name), void *context, struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);
    sqlite3_stmt *q;
    bool row;

    if (!m || !flush(s, m, diag))
        return false;
    q = store_prepare(s, "SELECT name FROM queue WHERE messages > 0 AND name IS NOT NULL ORDER BY name", diag);
    while (q && store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        each(context, store_column(q, 0));
    }
    return false;
}
