/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_QUEUE_INT_H
#define TARGETS_QUEUE_INT_H

/* Private to queue*.c: what is kept of a queue in memory, and what the files share. The tables are in queue_store.c. */

#include "targets/queue.h"

/* A message's id in the tables: its queue's id, then its sequence number there. So a queue's messages stand together,
   in order, and one that is put goes to the end. 44 bits are five years at 100,000 a second. */
#define SEQUENCE_BITS  44
#define SEQUENCE_MAX   ((INT64_C(1) << SEQUENCE_BITS) - 1)
#define QUEUE_ROWS_MAX (INT64_C(1) << (62 - SEQUENCE_BITS))

/* A row of the table `queue` while a transaction works on it. Valid in one epoch of the store; written back before a
   savepoint is released and before a commit. */
struct queue_row {
    uint64_t epoch;
    int64_t id; /* 0: there is no such row */
    int64_t messages, bytes;
    int64_t next_sequence;
    int64_t fresh; /* messages below were received, or waited for their delay: they have a claim or are gone */
    /* Claims that were not visible yet, as of the time-out (age, message) up to which time-outs were counted. */
    int64_t in_flight, delayed;
    int64_t counted_age, counted_id;
    bool dirty;
    unsigned news, told; /* since it was written back; and since the commit */
    int64_t news_age_ms, told_age_ms;
    struct queue_row *next;       /* in its bucket */
    struct queue_row *next_dirty; /* in the list of those to be written */
    struct queue_row *next_told;
    bool is_told;
    struct str name;
    char text[];
};

/* A claim: what is known of a message that was received, or waits for its delay. */
struct claim {
    int64_t id;
    int64_t visible_age;
    int64_t receive_count; /* 0: delayed */
    int64_t bytes;
    int64_t group; /* 0: none */
    bool exists;
};

/* ---- queue_store.c ---- */
/* The row of this name (id 0: none; it stays valid as long as the store). NULL: diag. */
struct queue_row *queue_find(struct store *s, struct str name, struct weir_diag *diag);
struct queue_row *queue_need(struct store *s, struct str name, struct weir_diag *diag); /* makes the row */
void queue_touch(struct store *s, struct queue_row *row); /* it was changed, and will be written back */
/* News for queue_watch(): so many became visible; and (or INT64_MAX) when the next one will. */
void queue_tell(struct store *s, struct queue_row *row, unsigned count, int64_t visible_age);
/* The claim comes (1) or goes (-1). */
void queue_count_claim(struct store *s, struct queue_row *row, const struct claim *c, int sign);

static inline int64_t queue_first_id(const struct queue_row *row)
{
    return row->id << SEQUENCE_BITS;
}
static inline int64_t queue_end_id(const struct queue_row *row)
{
    return (row->id + 1) << SEQUENCE_BITS;
}
static inline int64_t sequence_of(int64_t id)
{
    return id & SEQUENCE_MAX;
}

/* One integer; no row gives 0. b < 0: the statement has one parameter. */
bool queue_ask(struct store *s, const char *sql, int64_t a, int64_t b, int64_t *out, struct weir_diag *diag);
/* Runs a statement of one or two integer parameters. */
bool queue_run(struct store *s, const char *sql, int64_t a, int64_t b, struct weir_diag *diag);

/* The columns of a message, in the order in which queue_message_read() takes them; CLAIM_… is what stands for the claim
   where there is none. */
#define MESSAGE_COLUMNS                                                                                                \
    "m.id, m.bytes, m.message_id, m.sent_wall, m.sent_age, m.attributes, m.body, coalesce(m.group_id, 0),"             \
    " m.deduplication_id, m.came_from"
#define CLAIM_COLUMNS ", c.receive_count, c.first_received_wall, c.visible_age"
#define CLAIM_NONE    ", 0, 0, NULL"
struct queue_message queue_message_read(sqlite3_stmt *q, struct claim *claim_out);

/* ---- queue_receive.c ---- */
/* Deletes a message with its claim and keeps the counts; its group, if it has one, is the caller's. */
bool queue_remove(struct store *s, struct queue_row *row, const struct claim *c, struct weir_diag *diag);
/* Moves it to the end of another queue: as it is, received too often; or (is_new) as a new message, moved by hand. */
struct transfer {
    struct queue_row *from, *to;
    struct weir_time now;
    bool is_new;
    int64_t group; /* private from here */
    char message_id[UUID_SIZE + 1];
};
bool queue_transfer(struct store *s, struct transfer *t, const struct claim *c, struct weir_diag *diag);

struct receive {
    struct store *store;
    const struct target_def *queue;
    struct queue_row *row;
    struct weir_time now;
    const struct queue_want *want;
    struct weir_diag *diag;
    int64_t visibility_ms;
    unsigned given, moved;
    size_t bytes;
};
bool receive_full(const struct receive *r);
/* What is to be done with a visible message that q has read: it is over its retention, over its receives, or handed
   out. *handed_out tells. q is reset unless it was handed out. */
bool receive_one(struct receive *r, sqlite3_stmt *q, struct str group, bool *handed_out);

/* ---- queue_fifo.c ---- */
/* The group of this name, made (ready at ready_age) where it is missing. */
bool group_need(struct store *s, struct queue_row *row, struct str name, int64_t ready_age, int64_t *id_out,
                struct weir_diag *diag);
/* Something of the group went, came back or was hidden: when is it free again? */
bool group_refresh(struct store *s, struct queue_row *row, int64_t group, struct weir_time now, struct weir_diag *diag);
bool group_name(struct store *s, int64_t group, char out[QUEUE_GROUP_MAX + 1], struct weir_diag *diag);
bool receive_fifo(struct receive *r);
bool receive_fifo_next(struct receive *r, int64_t *age_out);
bool digest_write(struct str text, char out[QUEUE_GROUP_MAX + 1]); /* SHA-256 in hex */
/* sent->duplicate: a message with this key was sent within five minutes, and *sent is that one. */
bool deduplication_find(struct store *s, struct queue_row *row, struct str key, struct weir_time now,
                        struct queue_sent *sent, struct weir_diag *diag);
bool deduplication_note(struct store *s, struct queue_row *row, struct str key, struct weir_time now,
                        const struct queue_sent *sent, struct weir_diag *diag);

#endif
