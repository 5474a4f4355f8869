/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clearing away, a bounded piece a call: messages past their retention, purged queues, deduplication ids that ended.
 *
 * Purging changes one row: the queue loses its name, and the next put makes a new row that goes on counting; what the
 * nameless row still holds is deleted by ranges of ids.
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <assert.h>

#define PAGE_MAX 64

/* ---- purge ---- */

bool queue_purge(struct store *s, struct str queue, int64_t *count_out, struct weir_diag *diag)
{
    struct queue_row *row = queue_find(s, queue, diag), *fresh;
    int64_t next;

    *count_out = 0;
    if (!row)
        return false;
    if (!row->messages)
        return true;
    *count_out = row->messages;
    next = row->next_sequence;
    if (!queue_run(s, "UPDATE queue SET name = NULL WHERE id = ?", row->id, 0, diag))
        return false;
    row->id = 0;
    if (!(fresh = queue_need(s, queue, diag)))
        return false;
    assert(fresh == row);
    row->messages = row->bytes = row->in_flight = row->delayed = 0;
    row->next_sequence = row->fresh = next; /* sequence numbers never fall back */
    queue_touch(s, row);
    return true;
}

/* What a queue has, in the order in which it goes: a group's row only when no message refers to it any more, since its
   id may be used again. ?1 and ?2: the range of the queue's message ids; ?3: the queue; ?4: how many. */
static const char *const erasures[] = {
    "DELETE FROM queue_message WHERE id >= ?1 AND id < min(?2, coalesce((SELECT id FROM queue_message"
    " WHERE id >= ?1 AND id < ?2 AND ?3 ORDER BY id LIMIT 1 OFFSET ?4), ?2))",
    "DELETE FROM queue_claim WHERE id >= ?1 AND id < min(?2, coalesce((SELECT id FROM queue_claim"
    " WHERE id >= ?1 AND id < ?2 AND ?3 ORDER BY id LIMIT 1 OFFSET ?4), ?2))",
    "DELETE FROM queue_group WHERE id IN (SELECT id FROM queue_group WHERE ?1 < ?2 AND queue = ?3 LIMIT ?4)",
    "DELETE FROM queue_deduplication WHERE id IN"
    " (SELECT id FROM queue_deduplication WHERE ?1 < ?2 AND queue = ?3 LIMIT ?4)",
    "DELETE FROM queue WHERE ?1 < ?2 AND id = ?3 AND ?4",
};

static bool erase(struct store *s, const char *sql, int64_t queue, int64_t limit, int64_t *count,
                  struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue << SEQUENCE_BITS);
    sqlite3_bind_int64(q, 2, (queue + 1) << SEQUENCE_BITS);
    sqlite3_bind_int64(q, 3, queue);
    sqlite3_bind_int64(q, 4, limit);
    if (!store_run(s, q, diag))
        return false;
    *count += store_changes(s);
    return true;
}

/* Purged queues, as far as `limit` goes. */
static bool clear_purged(struct store *s, int64_t limit, int64_t *count, struct weir_diag *diag)
{
    int64_t queue = 0;

    while (*count < limit) {
        if (!queue_ask(s, "SELECT id FROM queue WHERE name IS NULL AND id > ? LIMIT 1", 0, -1, &queue, diag))
            return false;
        if (!queue)
            return true;
        for (size_t i = 0; *count < limit && i < sizeof(erasures) / sizeof(*erasures); i++)
            if (!erase(s, erasures[i], queue, limit - *count, count, diag))
                return false;
    }
    return true;
}

bool queue_clear(struct store *s, struct weir_time now, unsigned limit, int64_t *count_out, struct weir_diag *diag)
{
    *count_out = 0;
    if (!queue_run(s,
                   "DELETE FROM queue_deduplication WHERE id IN (SELECT id FROM queue_deduplication WHERE age <= ?1"
                   " ORDER BY age LIMIT ?2)",
                   now.age_ms - QUEUE_DEDUPLICATION_MS, limit, diag))
        return false;
    *count_out = store_changes(s);
    return clear_purged(s, limit, count_out, diag);
}

/* ---- retention ---- */

struct page {
    struct claim claims[PAGE_MAX];
    unsigned count;
};

/* Messages of one of the two orders below, until one is young enough. */
static bool list_old(struct store *s, const char *sql, const struct queue_row *row, int64_t sent_age, int64_t limit,
                     struct page *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, sql, diag);
    bool found;

    out->count = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, row->id);
    sqlite3_bind_int64(q, 2, queue_first_id(row));
    sqlite3_bind_int64(q, 3, queue_end_id(row));
    sqlite3_bind_int64(q, 4, limit < PAGE_MAX ? limit : PAGE_MAX);
    while (store_step(s, q, &found, diag)) {
        if (!found || sqlite3_column_int64(q, 5) > sent_age) {
            sqlite3_reset(q);
            return true;
        }
        out->claims[out->count++] = (struct claim){.id = sqlite3_column_int64(q, 0),
                                                   .bytes = sqlite3_column_int64(q, 1),
                                                   .group = sqlite3_column_int64(q, 2),
                                                   .receive_count = sqlite3_column_int64(q, 3),
                                                   .visible_age = sqlite3_column_int64(q, 4),
                                                   .exists = sqlite3_column_type(q, 4) != SQLITE_NULL};
    }
    return false;
}

#define OLD "SELECT m.id, m.bytes, coalesce(m.group_id, 0), c.receive_count, c.visible_age, m.sent_age FROM"
/* Those sent here stand in order of their age. */
#define OLD_SENT                                                                                                       \
    OLD " queue_message m LEFT JOIN queue_claim c ON c.id = m.id WHERE ?1 > 0 AND m.id >= ?2 AND m.id < ?3"            \
        " ORDER BY m.id LIMIT ?4"
/* Those brought here by a redrive policy are older than their neighbours. */
#define OLD_MOVED                                                                                                      \
    OLD " queue_message m LEFT JOIN queue_claim c ON c.id = m.id WHERE m.moved_to = ?1 AND ?2 < ?3"                    \
        " ORDER BY m.sent_age LIMIT ?4"

static bool expire_order(struct store *s, const char *sql, struct queue_row *row, int64_t sent_age,
                         struct weir_time now, int64_t limit, int64_t *count, struct weir_diag *diag)
{
    struct page page;

    do {
        if (!list_old(s, sql, row, sent_age, limit - *count, &page, diag))
            return false;
        for (unsigned i = 0; i < page.count; i++) {
            const struct claim *c = &page.claims[i];
            if (!queue_remove(s, row, c, diag) || (c->group && !group_refresh(s, row, c->group, now, diag)))
                return false;
        }
        *count += page.count;
    } while (page.count == PAGE_MAX && *count < limit);
    return true;
}

bool queue_expire(struct store *s, const struct target_def *queue, struct weir_time now, unsigned limit,
                  int64_t *count_out, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    struct queue_row *row = queue_find(s, queue->name, diag);
    int64_t sent_age = now.age_ms - o->retention;

    *count_out = 0;
    if (!row)
        return false;
    if (!row->messages)
        return true;
    return expire_order(s, OLD_SENT, row, sent_age, now, limit, count_out, diag) &&
           expire_order(s, OLD_MOVED, row, sent_age, now, limit, count_out, diag);
}
