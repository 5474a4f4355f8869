/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving, and what a receipt handle can do.
 *
 * A standard queue has two lines: messages never received, in the order they came, and claims whose time-out ended, in
 * that order. The head of either that has been visible longer goes first; so a message that cannot be handled never
 * blocks the others, and a redriven one is no exception. A FIFO queue's line is in queue_fifo.c.
 *
 * A receipt handle is `message id in hex`.`UUID`; the claim keeps the UUID of its latest receive only, so older handles
 * are void, and a handle is found by primary key.
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MAX     64   /* claims handled between two looks at the index */
#define MOVES_MAX    1000 /* expired and over-received messages that one receive clears away before it gives up */
#define HANDLE_BYTES 64

/* ---- changing a message ---- */

bool queue_remove(struct store *s, struct queue_row *row, const struct claim *c, struct weir_diag *diag)
{
    if (c->exists) {
        queue_count_claim(s, row, c, -1);
        if (!queue_run(s, "DELETE FROM queue_claim WHERE id = ?", c->id, 0, diag))
            return false;
    }
    row->messages--;
    row->bytes -= c->bytes;
    queue_touch(s, row);
    return queue_run(s, "DELETE FROM queue_message WHERE id = ?", c->id, 0, diag);
}

/* A copy of the message under another id; its sent time and where it came from as SQS has them. */
static bool copy_message(struct store *s, int64_t from, int64_t to, const struct transfer *t, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s,
        "INSERT INTO queue_message (id, waited, sent_age, sent_wall, bytes, message_id, attributes, group_id,"
        " deduplication_id, came_from, moved_to, body) SELECT ?, 0, coalesce(?, sent_age), coalesce(?, sent_wall),"
        " bytes, coalesce(?, message_id), attributes, ?, deduplication_id, ?, ?, body FROM queue_message WHERE id = ?",
        diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, to);
    if (t->is_new || t->group) /* a FIFO queue counts retention anew */
        sqlite3_bind_int64(q, 2, t->now.age_ms);
    if (t->is_new) {
        sqlite3_bind_int64(q, 3, t->now.wall_ms);
        store_bind(q, 4, str_from(t->message_id));
    }
    if (t->group)
        sqlite3_bind_int64(q, 5, t->group);
    if (!t->is_new)
        store_bind(q, 6, t->from->name);
    if (!t->is_new && !t->group)
        sqlite3_bind_int64(q, 7, t->to->id);
    sqlite3_bind_int64(q, 8, from);
    return store_run(s, q, diag);
}

bool queue_transfer(struct store *s, struct transfer *t, const struct claim *c, struct weir_diag *diag)
{
    char group[QUEUE_GROUP_MAX + 1];
    int64_t id = queue_first_id(t->to) + t->to->next_sequence;

    t->group = 0;
    if (t->to->next_sequence >= SEQUENCE_MAX)
        return fail_with(diag, WEIR_E_LIMIT, "queue '%.*s' has no sequence numbers left", STR_ARG(t->to->name));
    if (t->is_new && !uuid_random(t->message_id))
        return fail_with(diag, WEIR_E_IO, "the kernel gives no random numbers");
    if (c->group && queue_is_fifo(t->to->name) &&
        (!group_name(s, c->group, group, diag) ||
         !group_need(s, t->to, str_from(group), t->now.age_ms, &t->group, diag)))
        return false;
    if (!copy_message(s, c->id, id, t, diag) || !queue_remove(s, t->from, c, diag))
        return false;
    t->to->next_sequence++;
    t->to->messages++;
    t->to->bytes += c->bytes;
    queue_tell(s, t->to, 1, INT64_MAX);
    return true;
}

/* Out of sight until `visible`, received once more. */
static bool hide(struct receive *r, const struct claim *c, const struct queue_message *m, const char *secret)
{
    struct claim after = *c;
    sqlite3_stmt *q = store_prepare(r->store,
                                    "INSERT INTO queue_claim (id, queue, visible_age, receive_count,"
                                    " first_received_wall, bytes, group_id, handle) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
                                    " ?8) ON CONFLICT (id) DO UPDATE SET visible_age = ?3, receive_count = ?4,"
                                    " first_received_wall = ?5, group_id = ?7, handle = ?8",
                                    r->diag);
    if (!q)
        return false;
    after.visible_age = r->now.age_ms + r->visibility_ms;
    after.receive_count = m->receive_count;
    sqlite3_bind_int64(q, 1, c->id);
    sqlite3_bind_int64(q, 2, r->row->id);
    sqlite3_bind_int64(q, 3, after.visible_age);
    sqlite3_bind_int64(q, 4, m->receive_count);
    sqlite3_bind_int64(q, 5, m->first_received_wall_ms);
    sqlite3_bind_int64(q, 6, c->bytes);
    if (c->group)
        sqlite3_bind_int64(q, 7, c->group);
    store_bind(q, 8, str_from(secret));
    if (c->exists)
        queue_count_claim(r->store, r->row, c, -1);
    queue_count_claim(r->store, r->row, &after, 1);
    queue_tell(r->store, r->row, 0, after.visible_age);
    return store_run(r->store, q, r->diag);
}

/* Claims one message and hands it out while its row is held by the reading statement (so nothing is copied). */
static bool hand_out(struct receive *r, const struct claim *c, struct queue_message *m)
{
    static const char digits[] = "0123456789abcdef";
    char handle[16 + 1 + UUID_SIZE + 1], *secret = handle + 17;

    if (!uuid_random(secret))
        return fail_with(r->diag, WEIR_E_IO, "the kernel gives no random numbers");
    for (int i = 0; i < 16; i++)
        handle[i] = digits[c->id >> (60 - 4 * i) & 15];
    handle[16] = '.';
    m->receive_count++;
    if (!m->first_received_wall_ms)
        m->first_received_wall_ms = r->now.wall_ms;
    if (!hide(r, c, m, secret))
        return false;
    m->receipt_handle = (struct str){handle, sizeof handle - 1};
    r->want->each(r->want->context, m);
    r->given++;
    r->bytes += m->body.size;
    return true;
}

static bool redrive(struct receive *r, const struct claim *c)
{
    const struct queue_options *o = r->queue->options;
    struct transfer t = {.from = r->row, .now = r->now};

    t.to = queue_need(r->store, o->redrive_policy.target->name, r->diag);
    return t.to && queue_transfer(r->store, &t, c, r->diag);
}

bool receive_full(const struct receive *r)
{
    return r->given >= r->want->max || (r->want->bytes_max && r->bytes >= r->want->bytes_max) || r->moved >= MOVES_MAX;
}

bool receive_one(struct receive *r, sqlite3_stmt *q, struct str group, bool *handed_out)
{
    const struct queue_options *o = r->queue->options;
    struct claim c;
    struct queue_message m = queue_message_read(q, &c);
    bool expired = m.sent_age_ms <= r->now.age_ms - o->retention;
    bool worn = o->redrive_policy.target && m.receive_count >= o->redrive_policy.max_receive_count;

    *handed_out = !expired && !worn;
    m.group = group;
    if (*handed_out)
        return hand_out(r, &c, &m);
    sqlite3_reset(q);
    r->moved++;
    return expired ? queue_remove(r->store, r->row, &c, r->diag) : redrive(r, &c);
}

/* ---- a standard queue's two lines ---- */

struct returned { /* claims whose time-out ended */
    int64_t ids[PAGE_MAX], ages[PAGE_MAX];
    unsigned count, at;
};

/* They are read to the end before any is changed: changing one moves it in the very index that is being walked. */
static bool list_returned(struct receive *r, struct returned *out)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "SELECT id, visible_age FROM queue_claim WHERE queue = ? AND visible_age <= ?"
                                    " ORDER BY visible_age, id LIMIT ?",
                                    r->diag);
    bool row;

    out->count = out->at = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, r->row->id);
    sqlite3_bind_int64(q, 2, r->now.age_ms);
    sqlite3_bind_int64(q, 3, PAGE_MAX);
    while (store_step(r->store, q, &row, r->diag)) {
        if (!row)
            return true;
        out->ids[out->count] = sqlite3_column_int64(q, 0);
        out->ages[out->count++] = sqlite3_column_int64(q, 1);
    }
    return false;
}

static bool receive_returned(struct receive *r, int64_t id)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "SELECT " MESSAGE_COLUMNS CLAIM_COLUMNS " FROM queue_message m JOIN queue_claim c"
                                    " ON c.id = m.id WHERE m.id = ?",
                                    r->diag);
    bool row, handed_out;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    if (!store_step(r->store, q, &row, r->diag))
        return false;
    if (!row)
        return fail_with(r->diag, WEIR_E_IO, "a claim of queue '%.*s' has no message", STR_ARG(r->queue->name));
    bool ok = receive_one(r, q, STR(""), &handed_out);
    sqlite3_reset(q);
    return ok;
}

static sqlite3_stmt *open_fresh(struct receive *r)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "SELECT " MESSAGE_COLUMNS CLAIM_NONE " FROM queue_message m"
                                    " WHERE m.id >= ? AND m.id < ? AND m.waited = 0 ORDER BY m.id",
                                    r->diag);
    if (q) {
        sqlite3_bind_int64(q, 1, queue_first_id(r->row) + r->row->fresh);
        sqlite3_bind_int64(q, 2, queue_end_id(r->row));
    }
    return q;
}

/* The message q has read is fresh no more. */
static bool receive_fresh(struct receive *r, sqlite3_stmt **q, int64_t id)
{
    bool handed_out;

    r->row->fresh = sequence_of(id) + 1;
    queue_touch(r->store, r->row);
    if (!receive_one(r, *q, STR(""), &handed_out))
        return false;
    if (!handed_out)
        *q = open_fresh(r);
    return *q != NULL;
}

/* Merges the two lines until enough were given, or both end; *again_out: there are claims beyond this page. */
static bool receive_page(struct receive *r, sqlite3_stmt **q, bool *again_out)
{
    struct returned page;
    bool row = false, ended = false, ok = list_returned(r, &page);
    int64_t id = 0, age = 0;

    *again_out = false;
    while (ok && !receive_full(r)) {
        if (!row && !ended && !(ok = store_step(r->store, *q, &row, r->diag)))
            break;
        ended = !row;
        if (row) {
            id = sqlite3_column_int64(*q, 0);
            age = sqlite3_column_int64(*q, 4);
        }
        if (page.at < page.count && (!row || page.ages[page.at] < age)) {
            ok = receive_returned(r, page.ids[page.at++]);
        } else if (row) {
            row = false;
            ok = receive_fresh(r, q, id);
        } else {
            r->row->fresh = r->row->next_sequence;
            return true;
        }
        *again_out = page.at == PAGE_MAX;
        if (*again_out)
            break;
    }
    return ok;
}

static bool receive_standard(struct receive *r)
{
    bool again, ok;

    do {
        sqlite3_stmt *q = open_fresh(r);
        ok = q && receive_page(r, &q, &again);
        if (q)
            sqlite3_reset(q);
        /* A message handed out with visibility 0 is visible at once: a second page would hand it out again. */
    } while (ok && again && !receive_full(r) && r->visibility_ms != 0);
    return ok;
}

static bool receive_standard_next(struct receive *r, int64_t *age_out)
{
    return queue_ask(r->store,
                     "SELECT visible_age FROM queue_claim WHERE queue = ? AND visible_age > ?"
                     " ORDER BY visible_age LIMIT 1",
                     r->row->id, r->now.age_ms, age_out, r->diag);
}

bool queue_receive(struct store *s, const struct target_def *queue, const struct queue_want *want, struct weir_time now,
                   struct queue_got *got_out, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    struct receive r = {.store = s, .queue = queue, .now = now, .want = want, .diag = diag};
    struct queue_got unwanted = {0}, *got = got_out ? got_out : &unwanted;
    bool fifo = queue_is_fifo(queue->name);

    *got = (struct queue_got){.next_age_ms = INT64_MAX};
    r.visibility_ms = want->visibility_ms < 0 ? o->visibility_timeout : want->visibility_ms;
    if (!(r.row = queue_find(s, queue->name, diag)))
        return false;
    if (!r.row->messages)
        return true;
    if (!(fifo ? receive_fifo(&r) : receive_standard(&r)))
        return false;
    got->count = r.given;
    got->more = receive_full(&r);
    if (got->more)
        return true;
    if (!(fifo ? receive_fifo_next : receive_standard_next)(&r, &got->next_age_ms))
        return false;
    if (!got->next_age_ms)
        got->next_age_ms = INT64_MAX;
    return true;
}

/* ---- what a receipt handle can do ---- */

/* The claim that the handle names; it does not exist when the handle is unknown, or another receive came after. */
static bool find_handle(struct store *s, const struct queue_row *row, struct str handle, struct claim *out,
                        struct weir_diag *diag)
{
    char text[HANDLE_BYTES], *dot;
    bool found;
    sqlite3_stmt *q;

    *out = (struct claim){0};
    if (handle.size >= sizeof(text) || handle.size == 0 || !row->id)
        return true;
    memcpy(text, handle.ptr, handle.size);
    text[handle.size] = '\0';
    out->id = (int64_t)strtoull(text, &dot, 16);
    if (*dot != '.' || out->id < queue_first_id(row) || out->id >= queue_end_id(row))
        return true;
    q = store_prepare(s,
                      "SELECT visible_age, receive_count, bytes, coalesce(group_id, 0) FROM queue_claim"
                      " WHERE id = ? AND handle = ?",
                      diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, out->id);
    store_bind(q, 2, (struct str){dot + 1, handle.size - (size_t)(dot + 1 - text)});
    if (!store_step(s, q, &found, diag))
        return false;
    if (found)
        *out = (struct claim){out->id,
                              sqlite3_column_int64(q, 0),
                              sqlite3_column_int64(q, 1),
                              sqlite3_column_int64(q, 2),
                              sqlite3_column_int64(q, 3),
                              true};
    sqlite3_reset(q);
    return true;
}

bool queue_delete(struct store *s, struct str queue, struct str receipt_handle, struct weir_time now, bool *found_out,
                  struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag);
    struct claim c;

    *found_out = false;
    if (!row || !find_handle(s, row, receipt_handle, &c, diag))
        return false;
    *found_out = c.exists;
    if (!c.exists)
        return true;
    return queue_remove(s, row, &c, diag) && (!c.group || group_refresh(s, row, c.group, now, diag));
}

bool queue_change_visibility(struct store *s, struct str queue, struct str receipt_handle, int64_t visibility_ms,
                             struct weir_time now, bool *found_out, struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag);
    struct claim c;

    *found_out = false;
    if (!row || !find_handle(s, row, receipt_handle, &c, diag))
        return false;
    if (!c.exists || c.visible_age <= now.age_ms)
        return true;
    *found_out = true;
    queue_count_claim(s, row, &c, -1);
    c.visible_age = now.age_ms + visibility_ms;
    queue_count_claim(s, row, &c, 1);
    queue_tell(s, row, visibility_ms == 0, visibility_ms ? c.visible_age : INT64_MAX);
    return queue_run(s, "UPDATE queue_claim SET visible_age = ?1 WHERE id = ?2", c.visible_age, c.id, diag) &&
           (!c.group || group_refresh(s, row, c.group, now, diag));
}

bool queue_take(struct store *s, struct str queue, int64_t id, struct weir_time now, bool *found_out,
                struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag);
    struct claim c = {0};
    sqlite3_stmt *q;
    bool found;

    *found_out = false;
    if (!row)
        return false;
    if (!row->id || id <= 0 || id > SEQUENCE_MAX)
        return true;
    q = store_prepare(s,
                      "SELECT m.bytes, coalesce(m.group_id, 0), c.visible_age, c.receive_count FROM queue_message m"
                      " LEFT JOIN queue_claim c ON c.id = m.id WHERE m.id = ?",
                      diag);
    if (!q)
        return false;
    c.id = queue_first_id(row) + id;
    sqlite3_bind_int64(q, 1, c.id);
    if (!store_step(s, q, &found, diag))
        return false;
    if (!found)
        return true;
    c.bytes = sqlite3_column_int64(q, 0);
    c.group = sqlite3_column_int64(q, 1);
    c.exists = sqlite3_column_type(q, 2) != SQLITE_NULL;
    c.visible_age = sqlite3_column_int64(q, 2);
    c.receive_count = sqlite3_column_int64(q, 3);
    sqlite3_reset(q);
    *found_out = !c.exists || c.visible_age <= now.age_ms;
    return !*found_out || (queue_remove(s, row, &c, diag) && (!c.group || group_refresh(s, row, c.group, now, diag)));
}
