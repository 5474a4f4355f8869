/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a message on a queue: one row at the end of the queue's range; a claim where it is delayed; on a FIFO queue
 * its group, and its deduplication id. The queue's own row is written once a transaction (queue_store.c).
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <inttypes.h>
#include <stdio.h>

bool queue_is_fifo(struct str name)
{
    struct str suffix = STR(".fifo");

    return name.size > suffix.size && str_eq((struct str){name.ptr + name.size - suffix.size, suffix.size}, suffix);
}

void queue_sequence_write(uint64_t sequence, char out[QUEUE_SEQUENCE_DIGITS + 1])
{
    snprintf(out, QUEUE_SEQUENCE_DIGITS + 1, "1%019" PRIu64, sequence % UINT64_C(10000000000000000000));
}

bool queue_is_id(struct str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return text.size && text.size <= QUEUE_GROUP_MAX;
}

bool queue_id_write(struct str text, char out[QUEUE_GROUP_MAX + 1])
{
    if (!queue_is_id(text))
        return digest_write(text, out);
    memcpy(out, text.ptr, text.size);
    out[text.size] = '\0';
    return true;
}

const char *queue_send_fault(const struct target_def *queue, const struct queue_send *m)
{
    const struct queue_options *o = queue->options;

    if (!queue_is_fifo(queue->name))
        return m->group.size              ? "a message group id is for FIFO queues"
               : m->deduplication_id.size ? "a deduplication id is for FIFO queues"
                                          : NULL;
    if (!m->group.size)
        return "a message for a FIFO queue needs a message group id";
    if (!queue_is_id(m->group))
        return "a message group id is 1 to 128 letters, digits and punctuation marks";
    if (m->deduplication_id.size && !queue_is_id(m->deduplication_id))
        return "a deduplication id is 1 to 128 letters, digits and punctuation marks";
    if (!m->deduplication_id.size && !o->content_based_deduplication)
        return "a message for a FIFO queue needs a deduplication id, or the queue content_based_deduplication";
    return NULL;
}

static bool add_claim(struct store *s, struct queue_row *row, const struct claim *c, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO queue_claim (id, queue, visible_age, receive_count,"
                                    " first_received_wall, bytes) VALUES (?, ?, ?, 0, 0, ?)",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, c->id);
    sqlite3_bind_int64(q, 2, row->id);
    sqlite3_bind_int64(q, 3, c->visible_age);
    sqlite3_bind_int64(q, 4, c->bytes);
    queue_count_claim(s, row, c, 1);
    return store_run(s, q, diag);
}

static bool add_message(struct store *s, const struct queue_send *m, const struct claim *c, struct str key,
                        struct weir_time now, const char *message_id, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO queue_message (id, waited, sent_age, sent_wall, bytes, message_id,"
                                    " attributes, body, group_id, deduplication_id)"
                                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                    diag);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, c->id);
    sqlite3_bind_int64(q, 2, c->exists);
    sqlite3_bind_int64(q, 3, now.age_ms);
    sqlite3_bind_int64(q, 4, now.wall_ms);
    sqlite3_bind_int64(q, 5, c->bytes);
    store_bind(q, 6, (struct str){message_id, UUID_SIZE});
    store_bind(q, 7, m->attributes);
    store_bind(q, 8, m->body);
    if (c->group) {
        sqlite3_bind_int64(q, 9, c->group);
        store_bind(q, 10, key);
    } else if (m->idempotency_key.size) {
        store_bind(q, 10, m->idempotency_key);
    }
    return store_run(s, q, diag);
}

/* With its id and, where it has one, its group. */
static bool put_new(struct store *s, struct queue_row *row, const struct queue_send *m, struct claim *c,
                    const struct queue_sent *sent, struct str key, struct weir_time now, struct weir_diag *diag)
{
    if (row->next_sequence >= SEQUENCE_MAX)
        return fail_with(diag, WEIR_E_LIMIT, "queue '%.*s' has no sequence numbers left", STR_ARG(row->name));
    c->id = queue_first_id(row) + row->next_sequence;
    c->exists = c->visible_age > now.age_ms;
    if ((m->group.size && !group_need(s, row, m->group, c->visible_age, &c->group, diag)) ||
        (c->exists && !add_claim(s, row, c, diag)) || !add_message(s, m, c, key, now, sent->message_id, diag))
        return false;
    row->next_sequence++;
    row->messages++;
    row->bytes += c->bytes;
    queue_tell(s, row, !c->exists, c->exists ? c->visible_age : INT64_MAX);
    return true;
}

static bool put_fifo(struct store *s, struct queue_row *row, const struct target_def *queue, const struct queue_send *m,
                     struct claim *c, struct weir_time now, struct queue_sent *sent, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    char id[QUEUE_GROUP_MAX + 1], key[2 * QUEUE_GROUP_MAX + 2];

    if (m->deduplication_id.size)
        queue_id_write(m->deduplication_id, id);
    else if (!digest_write(m->body, id))
        return fail_memory(diag);
    snprintf(key, sizeof key, "%s%s%.*s", id, o->deduplication_scope == QUEUE_SCOPE_MESSAGE_GROUP ? " " : "",
             o->deduplication_scope == QUEUE_SCOPE_MESSAGE_GROUP ? (int)m->group.size : 0, m->group.ptr);
    if (!deduplication_find(s, row, str_from(key), now, sent, diag))
        return false;
    if (sent->duplicate)
        return true;
    sent->sequence = (uint64_t)row->next_sequence;
    return put_new(s, row, m, c, sent, str_from(id), now, diag) &&
           deduplication_note(s, row, str_from(key), now, sent, diag);
}

bool queue_put(struct store *s, const struct target_def *queue, const struct queue_send *m, struct weir_time now,
               struct queue_sent *sent_out, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    const char *fault = queue_send_fault(queue, m);
    struct queue_sent unwanted = {0}, *sent = sent_out ? sent_out : &unwanted;
    struct queue_row *row;

    *sent = (struct queue_sent){0};
    if (fault)
        return fail_with(diag, WEIR_E_LIMIT, "%s", fault);
    if (m->body.size > QUEUE_MESSAGE_BYTES_MAX)
        return fail_with(diag, WEIR_E_LIMIT, "the message has %zu bytes, the limit of a message is %d", m->body.size,
                         QUEUE_MESSAGE_BYTES_MAX);
    if (!uuid_random(sent->message_id))
        return fail_with(diag, WEIR_E_IO, "the kernel gives no random numbers");
    if (!(row = queue_need(s, queue->name, diag)))
        return false;
    struct claim c = {.bytes = (int64_t)(m->body.size + m->attributes.size),
                      .visible_age = now.age_ms + (m->delay_ms < 0 || m->group.size ? o->delay : m->delay_ms)};
    return m->group.size ? put_fifo(s, row, queue, m, &c, now, sent, diag)
                         : put_new(s, row, m, &c, sent, STR(""), now, diag);
}
