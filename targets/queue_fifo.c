/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIFO queues: message groups and deduplication.
 *
 * A group has a row as long as it has messages: from ready_age on none of them is in flight and the first is visible.
 * The index over queue and ready_age is the queue's line of groups, those free longest first, so that a busy group
 * waits for its turn behind the others. A receive takes as many messages from the head of a group as there are, in
 * order, and the group is out of reach until all of them were deleted or came back.
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <openssl/evp.h>
#include <stdio.h>

#define GROUPS_MAX 16 /* looked at before any is changed */

/* ---- groups ---- */

bool group_need(struct store *s, struct queue_row *row, struct str name, int64_t ready_age, int64_t *id_out,
                struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT id FROM queue_group WHERE queue = ? AND name = ?", diag);
    bool found;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    store_bind(q, 2, name);
    if (!store_step(s, q, &found, diag))
        return false;
    *id_out = found ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(q);
    if (found)
        return true;
    if (!(q = store_prepare(s, "INSERT INTO queue_group (queue, name, ready_age) VALUES (?, ?, ?)", diag)))
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    store_bind(q, 2, name);
    sqlite3_bind_int64(q, 3, ready_age);
    if (!store_run(s, q, diag))
        return false;
    *id_out = sqlite3_last_insert_rowid(store_handle(s));
    return true;
}

bool group_name(struct store *s, int64_t group, char out[QUEUE_GROUP_MAX + 1], struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT name FROM queue_group WHERE id = ?", diag);
    bool found;

    out[0] = '\0';
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, group);
    if (!store_step(s, q, &found, diag))
        return false;
    if (found)
        snprintf(out, QUEUE_GROUP_MAX + 1, "%.*s", STR_ARG(store_column(q, 0)));
    sqlite3_reset(q);
    return true;
}

bool group_refresh(struct store *s, struct queue_row *row, int64_t group, struct weir_time now, struct weir_diag *diag)
{
    int64_t head, delayed, flight, ready = now.age_ms;

    if (!queue_ask(s, "SELECT id FROM queue_message WHERE group_id = ? ORDER BY id LIMIT 1", group, -1, &head, diag))
        return false;
    if (!head)
        return queue_run(s, "DELETE FROM queue_group WHERE id = ?", group, 0, diag);
    if (!queue_ask(s, "SELECT visible_age FROM queue_claim WHERE id = ?", head, -1, &delayed, diag) ||
        !queue_ask(s, "SELECT visible_age FROM queue_claim WHERE group_id = ? ORDER BY visible_age DESC LIMIT 1", group,
                   -1, &flight, diag))
        return false;
    ready = delayed > ready ? delayed : ready;
    ready = flight > ready ? flight : ready;
    bool free_now = ready <= now.age_ms;
    queue_tell(s, row, free_now, free_now ? INT64_MAX : ready);
    return queue_run(s, "UPDATE queue_group SET ready_age = ?1 WHERE id = ?2", ready, group, diag);
}

/* ---- receiving ---- */

/* From the head of the group, until one is not visible. */
static bool receive_group(struct receive *r, int64_t group, struct str name)
{
    bool row, handed_out = false, ok = true;
    int64_t last = 0;
    sqlite3_stmt *q = NULL;

    while (ok && !receive_full(r)) {
        if (!handed_out) {
            q = store_prepare(r->store,
                              "SELECT " MESSAGE_COLUMNS CLAIM_COLUMNS " FROM queue_message m LEFT JOIN queue_claim c"
                              " ON c.id = m.id WHERE m.group_id = ? AND m.id > ? ORDER BY m.id",
                              r->diag);
            if (!q)
                return false;
            sqlite3_bind_int64(q, 1, group);
            sqlite3_bind_int64(q, 2, last);
        }
        ok = store_step(r->store, q, &row, r->diag);
        if (!ok || !row || sqlite3_column_int64(q, 12) > r->now.age_ms)
            break;
        last = sqlite3_column_int64(q, 0);
        ok = receive_one(r, q, name, &handed_out);
    }
    if (q)
        sqlite3_reset(q);
    return ok && group_refresh(r->store, r->row, group, r->now, r->diag);
}

struct groups {
    int64_t ids[GROUPS_MAX];
    char names[GROUPS_MAX][QUEUE_GROUP_MAX + 1];
    unsigned count;
};

static bool list_groups(struct receive *r, struct groups *out)
{
    sqlite3_stmt *q = store_prepare(r->store,
                                    "SELECT id, name FROM queue_group WHERE queue = ? AND ready_age <= ?"
                                    " ORDER BY ready_age, id LIMIT ?",
                                    r->diag);
    bool row;

    out->count = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, r->row->id);
    sqlite3_bind_int64(q, 2, r->now.age_ms);
    sqlite3_bind_int64(q, 3, GROUPS_MAX);
    while (store_step(r->store, q, &row, r->diag)) {
        if (!row)
            return true;
        out->ids[out->count] = sqlite3_column_int64(q, 0);
        snprintf(out->names[out->count++], QUEUE_GROUP_MAX + 1, "%.*s", STR_ARG(store_column(q, 1)));
    }
    return false;
}

bool receive_fifo(struct receive *r)
{
    struct groups page;

    do {
        if (!list_groups(r, &page))
            return false;
        for (unsigned i = 0; i < page.count && !receive_full(r); i++)
            if (!receive_group(r, page.ids[i], str_from(page.names[i])))
                return false;
        /* With visibility 0 the same groups would come again. */
    } while (page.count == GROUPS_MAX && !receive_full(r) && r->visibility_ms != 0);
    return true;
}

bool receive_fifo_next(struct receive *r, int64_t *age_out)
{
    return queue_ask(r->store,
                     "SELECT ready_age FROM queue_group WHERE queue = ? AND ready_age > ? ORDER BY ready_age LIMIT 1",
                     r->row->id, r->now.age_ms, age_out, r->diag);
}

/* ---- deduplication ---- */

bool digest_write(struct str text, char out[QUEUE_GROUP_MAX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(text.ptr, text.size, digest, &size, EVP_sha256(), NULL) != 1)
        return false;
    for (unsigned i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

bool deduplication_find(struct store *s, struct queue_row *row, struct str key, struct weir_time now,
                        struct queue_sent *sent, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(
        s, "SELECT message_id, sequence FROM queue_deduplication WHERE queue = ? AND key = ? AND age > ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    store_bind(q, 2, key);
    sqlite3_bind_int64(q, 3, now.age_ms - QUEUE_DEDUPLICATION_MS);
    if (!store_step(s, q, &sent->duplicate, diag))
        return false;
    if (sent->duplicate) {
        snprintf(sent->message_id, sizeof sent->message_id, "%.*s", STR_ARG(store_column(q, 0)));
        sent->sequence = (uint64_t)sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    return true;
}

bool deduplication_note(struct store *s, struct queue_row *row, struct str key, struct weir_time now,
                        const struct queue_sent *sent, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT OR REPLACE INTO queue_deduplication (queue, key, age, message_id, sequence)"
                                    " VALUES (?, ?, ?, ?, ?)",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    store_bind(q, 2, key);
    sqlite3_bind_int64(q, 3, now.age_ms);
    store_bind(q, 4, str_from(sent->message_id));
    sqlite3_bind_int64(q, 5, (int64_t)sent->sequence);
    return store_run(s, q, diag);
}
