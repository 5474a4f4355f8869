/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages in SQLite.
 *
 *     queue          id, name, and how many messages and bytes it holds (kept by triggers, so nothing ever counts rows)
 *     queue_message  one row a message; body last, so that reading the other columns never walks overflow pages
 *
 * Two indexes carry everything:
 *     (queue, visible_age, receive_count)   receive takes the first entries up to now, O(log n) in a backlog of
 * millions; in flight and delayed are the entries past now, counted without a table read (queue), which ends in the row
 * id     peek, the oldest message, retention: ids grow with the age clock
 *
 * "Oldest" for receive means visible longest: a message that came back stands where its time-out ended, so one that
 * cannot be handled never blocks the others. A redriven message keeps its row, id and age and changes its queue.
 *
 * A receipt handle is `row id in hex`.`32 random hex digits`; the row keeps the random part of its latest receive only,
 * so older handles are void, and a handle is found by primary key.
 *
 * Purging is one UPDATE: the queue's row loses its name, a new row is made by the next put, and queue_expire() deletes
 * the nameless messages piece by piece.
 */
#include "targets/queue.h"

#include "targets/fail.h"
#include "targets/uuid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX     64   /* messages handled between two looks at the index */
#define MOVES_MAX    1000 /* expired and over-received messages that one receive clears away before it gives up */
#define HANDLE_BYTES 64

static const char *const migrations[] = {
    "CREATE TABLE queue ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT UNIQUE," /* NULL: purged, its messages wait for queue_expire() */
    "  messages INTEGER NOT NULL DEFAULT 0,"
    "  bytes INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE queue_message ("
    "  id INTEGER PRIMARY KEY,"
    "  queue INTEGER NOT NULL,"
    "  visible_age INTEGER NOT NULL," /* receivable from this age of the clock on */
    "  sent_age INTEGER NOT NULL,"
    "  receive_count INTEGER NOT NULL DEFAULT 0,"
    "  sent_wall INTEGER NOT NULL,"
    "  first_received_wall INTEGER NOT NULL DEFAULT 0,"
    "  bytes INTEGER NOT NULL,"
    "  handle TEXT," /* NULL: never received */
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
    NULL,
};

const struct store_schema queue_schema = {"queue", migrations};

struct queue_row {
    int64_t id; /* 0: there is none */
    int64_t messages, bytes;
};

/* ---- queues ---- */

static bool find_queue(struct store *s, struct str name, struct queue_row *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT id, messages, bytes FROM queue WHERE name = ?", diag);
    bool row;

    *out = (struct queue_row){0};
    if (!q)
        return false;
    store_bind(q, 1, name);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = (struct queue_row){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2)};
    sqlite3_reset(q);
    return true;
}

/* The queue's row, made where there is none. */
static bool need_queue(struct store *s, struct str name, int64_t *id_out, struct weir_diag *diag)
{
    struct queue_row queue;
    sqlite3_stmt *q;

    if (!find_queue(s, name, &queue, diag))
        return false;
    *id_out = queue.id;
    if (queue.id)
        return true;
    if (!(q = store_prepare(s, "INSERT INTO queue (name) VALUES (?)", diag)))
        return false;
    store_bind(q, 1, name);
    if (!store_run(s, q, diag))
        return false;
    *id_out = sqlite3_last_insert_rowid(store_handle(s));
    return true;
}

/* ---- sending ---- */

bool queue_put(struct store *s, struct str queue, struct str body, struct str attributes, int64_t delay_ms,
               struct weir_time now, struct str *message_id_out, struct weir_diag *diag)
{
    char message_id[UUID_SIZE + 1];
    int64_t id;
    sqlite3_stmt *q;

    if (body.size > QUEUE_MESSAGE_BYTES_MAX)
        return fail_with(diag, WEIR_E_LIMIT, "the message has %zu bytes, the limit of a message is %d", body.size,
                         QUEUE_MESSAGE_BYTES_MAX);
    if (!uuid_random(message_id))
        return fail_with(diag, WEIR_E_IO, "the kernel gives no random numbers");
    if (!need_queue(s, queue, &id, diag) ||
        !(q = store_prepare(s,
                            "INSERT INTO queue_message (queue, visible_age, sent_age, sent_wall, bytes, message_id,"
                            " attributes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                            diag)))
        return false;
    sqlite3_bind_int64(q, 1, id);
    sqlite3_bind_int64(q, 2, now.age_ms + delay_ms);
    sqlite3_bind_int64(q, 3, now.age_ms);
    sqlite3_bind_int64(q, 4, now.wall_ms);
    sqlite3_bind_int64(q, 5, (int64_t)(body.size + attributes.size));
    store_bind(q, 6, (struct str){message_id, UUID_SIZE});
    store_bind(q, 7, attributes);
    store_bind(q, 8, body);
    if (!store_run(s, q, diag))
        return false;
    if (message_id_out) {
        memcpy((char *)message_id_out->ptr, message_id, UUID_SIZE);
        message_id_out->size = UUID_SIZE;
    }
    return true;
}

/* ---- receiving ---- */

struct receive {
    struct store *store;
    const struct target_def *queue;
    struct weir_time now;
    int64_t visibility_ms;
    void (*each)(void *context, const struct queue_message *m);
    void *context;
    struct weir_diag *diag;
    unsigned given, moved;
};

/* The ids of the first visible messages. They are read to the end before any is changed: changing a message moves it in
   the very index that is being walked. */
static bool visible_ids(struct receive *r, int64_t queue, unsigned max, int64_t *ids, unsigned *count_out)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "SELECT id FROM queue_message WHERE queue = ? AND visible_age <= ?"
                                    " ORDER BY visible_age, receive_count, id LIMIT ?",
                                    r->diag);
    bool row;

    *count_out = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue);
    sqlite3_bind_int64(q, 2, r->now.age_ms);
    sqlite3_bind_int64(q, 3, max);
    while (store_step(r->store, q, &row, r->diag)) {
        if (!row)
            return true;
        ids[(*count_out)++] = sqlite3_column_int64(q, 0);
    }
    return false;
}

static bool delete_message(struct store *s, int64_t id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM queue_message WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    return store_run(s, q, diag);
}

/* To the redrive target, whole; there it counts its receives afresh. */
static bool redrive(struct receive *r, int64_t id)
{
    const struct queue_options *o = r->queue->options;
    int64_t target;
    sqlite3_stmt *q;

    if (!need_queue(r->store, o->redrive_policy.target->name, &target, r->diag) ||
        !(q = store_prepare(r->store,
                            "UPDATE queue_message SET queue = ?, visible_age = ?, receive_count = 0,"
                            " first_received_wall = 0, handle = NULL WHERE id = ?",
                            r->diag)))
        return false;
    sqlite3_bind_int64(q, 1, target);
    sqlite3_bind_int64(q, 2, r->now.age_ms);
    sqlite3_bind_int64(q, 3, id);
    return store_run(r->store, q, r->diag);
}

/* Takes it out of sight under a new handle. */
static bool claim(struct receive *r, struct queue_message *m, const char *secret)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "UPDATE queue_message SET visible_age = ?, receive_count = ?,"
                                    " first_received_wall = ?, handle = ? WHERE id = ?",
                                    r->diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, r->now.age_ms + r->visibility_ms);
    sqlite3_bind_int64(q, 2, m->receive_count);
    sqlite3_bind_int64(q, 3, m->first_received_wall_ms);
    store_bind(q, 4, str_from(secret));
    sqlite3_bind_int64(q, 5, m->id);
    return store_run(r->store, q, r->diag);
}

#define MESSAGE_COLUMNS "id, message_id, receive_count, sent_wall, first_received_wall, sent_age, attributes, body"

static struct queue_message read_message(sqlite3_stmt *q)
{
    return (struct queue_message){
        .id = sqlite3_column_int64(q, 0),
        .message_id = store_column(q, 1),
        .receipt_handle = STR(""),
        .receive_count = sqlite3_column_int64(q, 2),
        .sent_wall_ms = sqlite3_column_int64(q, 3),
        .first_received_wall_ms = sqlite3_column_int64(q, 4),
        .attributes = store_column(q, 6),
        .body = store_column(q, 7),
    };
}

/* Claims one message and hands it out while its row is held by the reading statement (so nothing is copied). */
static bool hand_out(struct receive *r, sqlite3_stmt *q)
{
    struct queue_message m = read_message(q);
    char uuid[UUID_SIZE + 1], handle[HANDLE_BYTES];

    if (!uuid_random(uuid))
        return fail_with(r->diag, WEIR_E_IO, "the kernel gives no random numbers");
    m.receive_count++;
    if (!m.first_received_wall_ms)
        m.first_received_wall_ms = r->now.wall_ms;
    if (!claim(r, &m, uuid))
        return false;
    int size = snprintf(handle, sizeof(handle), "%" PRIx64 ".%s", (uint64_t)m.id, uuid);
    m.receipt_handle = (struct str){handle, (size_t)size};
    r->each(r->context, &m);
    r->given++;
    return true;
}

/* What is to be done with one visible message: it is over its retention, over its receives, or handed out. */
static bool receive_one(struct receive *r, int64_t id)
{
    const struct queue_options *o = r->queue->options;
    sqlite3_stmt *q = store_prepare(r->store, "SELECT " MESSAGE_COLUMNS " FROM queue_message WHERE id = ?", r->diag);
    bool row, ok;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    if (!store_step(r->store, q, &row, r->diag) || !row)
        return !row &&
               fail_with(r->diag, WEIR_E_IO, "a message of queue '%.*s' is in its index only", STR_ARG(r->queue->name));
    bool expired = sqlite3_column_int64(q, 5) <= r->now.age_ms - o->retention;
    bool worn = o->redrive_policy.target && sqlite3_column_int64(q, 2) >= o->redrive_policy.max_receive_count;
    if (expired || worn) {
        sqlite3_reset(q);
        r->moved++;
        return expired ? delete_message(r->store, id, r->diag) : redrive(r, id);
    }
    ok = hand_out(r, q);
    sqlite3_reset(q);
    return ok;
}

static bool receive_page(struct receive *r, int64_t queue, unsigned max, unsigned *count_out)
{
    int64_t ids[PAGE_MAX];

    if (!visible_ids(r, queue, max < PAGE_MAX ? max : PAGE_MAX, ids, count_out))
        return false;
    for (unsigned i = 0; i < *count_out; i++)
        if (!receive_one(r, ids[i]))
            return false;
    return true;
}

bool queue_receive(struct store *s, const struct target_def *queue, unsigned max, int64_t visibility_ms,
                   struct weir_time now, void (*each)(void *context, const struct queue_message *m), void *context,
                   struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    struct receive r = {.store = s, .queue = queue, .now = now, .each = each, .context = context, .diag = diag};
    struct queue_row found;
    unsigned count = 0;

    r.visibility_ms = visibility_ms < 0 ? o->visibility_timeout : visibility_ms;
    if (!find_queue(s, queue->name, &found, diag))
        return false;
    if (!found.id)
        return true;
    do {
        if (!receive_page(&r, found.id, max - r.given, &count))
            return false;
        /* A message handed out with visibility 0 is visible at once: a second page would hand it out again. */
    } while (count && r.given < max && r.moved < MOVES_MAX && !(r.given && r.visibility_ms == 0));
    return true;
}

/* ---- what a receipt handle can do ---- */

/* The message that the handle names, 0 when it is unknown or another receive came after. */
static bool find_handle(struct store *s, struct str queue, struct str handle, int64_t *id_out, int64_t *visible_out,
                        struct weir_diag *diag)
{
    char text[HANDLE_BYTES], *dot;
    bool row;
    sqlite3_stmt *q;

    *id_out = 0;
    if (handle.size >= sizeof(text) || handle.size == 0)
        return true;
    memcpy(text, handle.ptr, handle.size);
    text[handle.size] = '\0';
    int64_t id = (int64_t)strtoull(text, &dot, 16);
    if (*dot != '.')
        return true;
    q = store_prepare(s,
                      "SELECT m.id, m.visible_age FROM queue_message m JOIN queue q ON q.id = m.queue"
                      " WHERE m.id = ? AND m.handle = ? AND q.name = ?",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    store_bind(q, 2, (struct str){dot + 1, handle.size - (size_t)(dot + 1 - text)});
    store_bind(q, 3, queue);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row) {
        *id_out = sqlite3_column_int64(q, 0);
        *visible_out = sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return true;
}

bool queue_delete(struct store *s, struct str queue, struct str receipt_handle, bool *found_out, struct weir_diag *diag)
{
    int64_t id, visible;

    *found_out = false;
    if (!find_handle(s, queue, receipt_handle, &id, &visible, diag))
        return false;
    *found_out = id != 0;
    return !id || delete_message(s, id, diag);
}

bool queue_change_visibility(struct store *s, struct str queue, struct str receipt_handle, int64_t visibility_ms,
                             struct weir_time now, bool *found_out, struct weir_diag *diag)
{
    int64_t id, visible;
    sqlite3_stmt *q;

    *found_out = false;
    if (!find_handle(s, queue, receipt_handle, &id, &visible, diag))
        return false;
    if (!id || visible <= now.age_ms)
        return true;
    *found_out = true;
    if (!(q = store_prepare(s, "UPDATE queue_message SET visible_age = ? WHERE id = ?", diag)))
        return false;
    sqlite3_bind_int64(q, 1, now.age_ms + visibility_ms);
    sqlite3_bind_int64(q, 2, id);
    return store_run(s, q, diag);
}

/* ---- looking ---- */

bool queue_peek(struct store *s, struct str queue, int64_t after, unsigned max,
                void (*each)(void *context, const struct queue_message *m), void *context, struct weir_diag *diag)
{
    struct queue_row found;
    sqlite3_stmt *q;
    bool row;

    if (!find_queue(s, queue, &found, diag) ||
        !(q = store_prepare(
              s, "SELECT " MESSAGE_COLUMNS " FROM queue_message WHERE queue = ? AND id > ? ORDER BY id LIMIT ?", diag)))
        return false;
    sqlite3_bind_int64(q, 1, found.id);
    sqlite3_bind_int64(q, 2, after);
    sqlite3_bind_int64(q, 3, max);
    while (store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        struct queue_message m = read_message(q);
        each(context, &m);
    }
    return false;
}

/* One integer for one queue (and perhaps an age); no row leaves 0. */
static bool ask(struct store *s, const char *sql, int64_t queue, int64_t age_ms, int64_t *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);
    bool row;

    *out = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue);
    if (sqlite3_bind_parameter_count(q) > 1)
        sqlite3_bind_int64(q, 2, age_ms);
    if (!store_step(s, q, &row, diag))
        return false;
    if (row)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return true;
}

bool queue_count(struct store *s, struct str queue, struct weir_time now, struct queue_counts *out,
                 struct weir_diag *diag)
{
    struct queue_row found;
    int64_t hidden, sent;

    *out = (struct queue_counts){0};
    if (!find_queue(s, queue, &found, diag))
        return false;
    if (!found.messages)
        return true;
    if (!ask(s, "SELECT count(*) FROM queue_message WHERE queue = ? AND visible_age > ?", found.id, now.age_ms, &hidden,
             diag) ||
        !ask(s, "SELECT count(*) FROM queue_message WHERE queue = ? AND visible_age > ? AND receive_count = 0",
             found.id, now.age_ms, &out->delayed, diag) ||
        !ask(s, "SELECT sent_age FROM queue_message WHERE queue = ? ORDER BY id LIMIT 1", found.id, 0, &sent, diag))
        return false;
    out->in_flight = hidden - out->delayed;
    out->visible = found.messages - hidden;
    out->bytes = found.bytes;
    out->oldest_age_ms = now.age_ms > sent ? now.age_ms - sent : 0;
    return true;
}

bool queue_names(struct store *s, void (*each)(void *context, struct str name), void *context, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s, "SELECT name FROM queue WHERE messages > 0 AND name IS NOT NULL ORDER BY name", diag);
    bool row;

    while (q && store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        each(context, store_column(q, 0));
    }
    return false;
}

/* ---- clearing away ---- */

bool queue_purge(struct store *s, struct str queue, int64_t *count_out, struct weir_diag *diag)
{
    struct queue_row found;
    sqlite3_stmt *q;

    *count_out = 0;
    if (!find_queue(s, queue, &found, diag))
        return false;
    if (!found.id)
        return true;
    *count_out = found.messages;
    if (!(q = store_prepare(s, "UPDATE queue SET name = NULL WHERE id = ?", diag)))
        return false;
    sqlite3_bind_int64(q, 1, found.id);
    return store_run(s, q, diag);
}

/* Deletes up to `limit` of a queue's oldest messages that were sent at or before this age. */
static bool delete_oldest(struct store *s, int64_t queue, int64_t sent_age, unsigned limit, int64_t *count_out,
                          struct weir_diag *diag)
{
    /* The inner query takes the oldest rows and only then looks at their age: the first that is young enough
       would end it anyway, since ids and ages grow together. */
    sqlite3_stmt *q = store_prepare(s,
                                    "DELETE FROM queue_message WHERE id IN (SELECT id FROM queue_message"
                                    " WHERE queue = ? ORDER BY id LIMIT ?) AND sent_age <= ?",
                                    diag);
    *count_out = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue);
    sqlite3_bind_int64(q, 2, limit);
    sqlite3_bind_int64(q, 3, sent_age);
    if (!store_run(s, q, diag))
        return false;
    *count_out = store_changes(s);
    return true;
}

/* A piece of a purged queue, if there is one; the row goes when nothing is left of it. */
static bool clear_purged(struct store *s, unsigned limit, struct weir_diag *diag)
{
    int64_t queue, count;
    sqlite3_stmt *q;

    if (!ask(s, "SELECT id FROM queue WHERE name IS NULL AND id > ? LIMIT 1", 0, 0, &queue, diag))
        return false;
    if (!queue)
        return true;
    if (!delete_oldest(s, queue, INT64_MAX, limit, &count, diag) ||
        !(q = store_prepare(s, "DELETE FROM queue WHERE id = ? AND messages = 0", diag)))
        return false;
    sqlite3_bind_int64(q, 1, queue);
    return store_run(s, q, diag);
}

bool queue_expire(struct store *s, const struct target_def *queue, struct weir_time now, unsigned limit,
                  int64_t *count_out, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    struct queue_row found;

    *count_out = 0;
    if (!find_queue(s, queue->name, &found, diag))
        return false;
    if (found.messages && !delete_oldest(s, found.id, now.age_ms - o->retention, limit, count_out, diag))
        return false;
    return *count_out >= limit || clear_purged(s, limit - (unsigned)*count_out, diag);
}
