/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message move tasks: messages of a dead-letter queue go back to the queues whose redrive policy brought them there, or
 * to one that is named. A task is a row; each step moves a piece of it in the transaction that also writes how far it
 * came, so a task goes on after a crash and moves each message once. It takes what stood in the queue when it began, in
 * order, and leaves out what is in flight or delayed as it comes by.
 */
#include "targets/fail.h"
#include "targets/queue_int.h"

#include <stdio.h>

#define PAGE_MAX   64
#define TASKS_KEPT 10 /* of a queue: as many as SQS lists */

static const char *const states[] = {"RUNNING", "COMPLETED", "CANCELLED", "FAILED"};

const char *queue_move_state(enum queue_move_state state)
{
    return states[state];
}

#define COLUMNS                                                                                                        \
    "id, source, target, rate, state, started_wall, started_age, moved, total, place, until, failure FROM queue_move"

static void read_task(sqlite3_stmt *q, struct queue_move *out)
{
    *out = (struct queue_move){.id = sqlite3_column_int64(q, 0),
                               .rate = sqlite3_column_int64(q, 3),
                               .state = (enum queue_move_state)sqlite3_column_int64(q, 4),
                               .started_wall_ms = sqlite3_column_int64(q, 5),
                               .started_age_ms = sqlite3_column_int64(q, 6),
                               .moved = sqlite3_column_int64(q, 7),
                               .total = sqlite3_column_int64(q, 8),
                               .place = sqlite3_column_int64(q, 9),
                               .until = sqlite3_column_int64(q, 10)};
    snprintf(out->source, sizeof out->source, "%.*s", STR_ARG(store_column(q, 1)));
    snprintf(out->target, sizeof out->target, "%.*s", STR_ARG(store_column(q, 2)));
    snprintf(out->failure, sizeof out->failure, "%.*s", STR_ARG(store_column(q, 11)));
}

/* ---- start, list, cancel ---- */

static bool insert_task(struct store *s, struct queue_move *m, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO queue_move (source, target, rate, started_wall, started_age, total,"
                                    " until) VALUES (?, ?, ?, ?, ?, ?, ?)",
                                    diag);
    if (!q)
        return false;
    store_bind(q, 1, str_from(m->source));
    store_bind(q, 2, str_from(m->target));
    sqlite3_bind_int64(q, 3, m->rate);
    sqlite3_bind_int64(q, 4, m->started_wall_ms);
    sqlite3_bind_int64(q, 5, m->started_age_ms);
    sqlite3_bind_int64(q, 6, m->total);
    sqlite3_bind_int64(q, 7, m->until);
    if (!store_run(s, q, diag))
        return false;
    m->id = sqlite3_last_insert_rowid(store_handle(s));
    if (!(q = store_prepare(s,
                            "DELETE FROM queue_move WHERE id IN (SELECT id FROM queue_move WHERE source = ?"
                            " ORDER BY id DESC LIMIT -1 OFFSET ?)",
                            diag)))
        return false;
    store_bind(q, 1, str_from(m->source));
    sqlite3_bind_int64(q, 2, TASKS_KEPT);
    return store_run(s, q, diag);
}

static void note_running(void *context, const struct queue_move *m)
{
    if (m->state == QUEUE_MOVE_RUNNING)
        *(bool *)context = true;
}

bool queue_move_start(struct store *s, struct str source, struct str target, int64_t rate, struct weir_time now,
                      struct queue_move *out, struct weir_diag *diag)
{
    struct queue_counts counts;
    struct queue_row *row;
    bool running = false;

    if (str_eq(source, target))
        return fail_with(diag, WEIR_E_LIMIT, "queue '%.*s' cannot be moved to itself", STR_ARG(source));
    if (target.size && queue_is_fifo(source) != queue_is_fifo(target))
        return fail_with(diag, WEIR_E_LIMIT, "'%.*s' and '%.*s' must both be FIFO queues, or both standard queues",
                         STR_ARG(source), STR_ARG(target));
    if (!queue_move_each(s, source, note_running, &running, diag) || !queue_count(s, source, now, &counts, diag) ||
        !(row = queue_find(s, source, diag)))
        return false;
    if (running)
        return fail_with(diag, WEIR_E_LIMIT, "messages of queue '%.*s' are being moved already", STR_ARG(source));
    *out = (struct queue_move){.rate = rate,
                               .started_wall_ms = now.wall_ms,
                               .started_age_ms = now.age_ms,
                               .total = counts.visible,
                               .until = row->next_sequence};
    snprintf(out->source, sizeof out->source, "%.*s", STR_ARG(source));
    snprintf(out->target, sizeof out->target, "%.*s", STR_ARG(target));
    return insert_task(s, out, diag);
}

bool queue_move_each(struct store *s, struct str source, void (*each)(void *context, const struct queue_move *m),
                     void *context, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT " COLUMNS " WHERE source = ? ORDER BY id DESC", diag);
    struct queue_move m;
    bool row;

    if (!q)
        return false;
    store_bind(q, 1, source);
    while (store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        read_task(q, &m);
        each(context, &m);
    }
    return false;
}

bool queue_move_cancel(struct store *s, struct str source, bool *found_out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "UPDATE queue_move SET state = 2 WHERE source = ? AND state = 0", diag);

    _Static_assert(QUEUE_MOVE_CANCELLED == 2 && QUEUE_MOVE_RUNNING == 0, "the statements say so");
    if (!q)
        return false;
    store_bind(q, 1, source);
    if (!store_run(s, q, diag))
        return false;
    *found_out = store_changes(s) > 0;
    return true;
}

/* ---- a step ---- */

struct page {
    struct claim claims[PAGE_MAX];
    char from[PAGE_MAX][QUEUE_NAME_MAX + 1];
    unsigned count;
};

static bool list_messages(struct store *s, const struct queue_row *row, const struct queue_move *m, int64_t limit,
                          struct page *out, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT m.id, m.bytes, coalesce(m.group_id, 0), c.receive_count, c.visible_age,"
                                    " coalesce(m.came_from, '') FROM queue_message m LEFT JOIN queue_claim c"
                                    " ON c.id = m.id WHERE m.id > ? AND m.id < ? ORDER BY m.id LIMIT ?",
                                    diag);
    bool found;

    out->count = 0;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, queue_first_id(row) + m->place);
    sqlite3_bind_int64(q, 2, queue_first_id(row) + m->until);
    sqlite3_bind_int64(q, 3, limit < PAGE_MAX ? limit : PAGE_MAX);
    while (store_step(s, q, &found, diag)) {
        if (!found)
            return true;
        snprintf(out->from[out->count], sizeof out->from[0], "%.*s", STR_ARG(store_column(q, 5)));
        out->claims[out->count++] = (struct claim){.id = sqlite3_column_int64(q, 0),
                                                   .bytes = sqlite3_column_int64(q, 1),
                                                   .group = sqlite3_column_int64(q, 2),
                                                   .receive_count = sqlite3_column_int64(q, 3),
                                                   .visible_age = sqlite3_column_int64(q, 4),
                                                   .exists = sqlite3_column_type(q, 4) != SQLITE_NULL};
    }
    return false;
}

/* In flight or delayed; on a FIFO queue, with one of its group that is. */
static bool is_hidden(struct store *s, const struct claim *c, struct weir_time now, bool *hidden_out,
                      struct weir_diag *diag)
{
    int64_t ready = 0;

    if (c->group && !queue_ask(s, "SELECT ready_age FROM queue_group WHERE id = ?", c->group, -1, &ready, diag))
        return false;
    *hidden_out = (c->exists && c->visible_age > now.age_ms) || ready > now.age_ms;
    return true;
}

struct step {
    struct store *store;
    struct queue_move *move;
    struct queue_row *row;
    const struct queue_move_host *host;
    struct weir_time now;
    struct weir_diag *diag;
};

static void fail_task(struct queue_move *m, const char *reason, const char *name)
{
    m->state = QUEUE_MOVE_FAILED;
    snprintf(m->failure, sizeof m->failure, reason, name);
}

/* One message, or the reason why the task ends. */
static bool move_message(struct step *step, const struct claim *c, const char *from)
{
    struct queue_move *m = step->move;
    const char *to = m->target[0] ? m->target : from;
    struct transfer t = {.from = step->row, .now = step->now, .is_new = true};
    bool hidden;

    if (!is_hidden(step->store, c, step->now, &hidden, step->diag))
        return false;
    if (!hidden && !to[0])
        fail_task(m, "a message does not say which queue it came from: name the queue it shall go to%s", "");
    else if (!hidden && !step->host->is_queue(step->host->context, str_from(to)))
        fail_task(m, "there is no queue '%s' any more: name the queue that messages shall go to", to);
    if (hidden || m->state == QUEUE_MOVE_FAILED)
        return true;
    t.to = queue_need(step->store, str_from(to), step->diag);
    if (!t.to || !queue_transfer(step->store, &t, c, step->diag))
        return false;
    m->moved++;
    return !c->group || group_refresh(step->store, step->row, c->group, step->now, step->diag);
}

static bool move_piece(struct step *step, int64_t limit)
{
    struct queue_move *m = step->move;
    struct page page;

    do {
        if (!list_messages(step->store, step->row, m, limit, &page, step->diag))
            return false;
        for (unsigned i = 0; i < page.count && m->state == QUEUE_MOVE_RUNNING; i++) {
            if (!move_message(step, &page.claims[i], page.from[i]))
                return false;
            if (m->state == QUEUE_MOVE_RUNNING)
                m->place = sequence_of(page.claims[i].id);
        }
        limit -= page.count;
        if (!page.count)
            m->state = QUEUE_MOVE_COMPLETED;
    } while (limit > 0 && m->state == QUEUE_MOVE_RUNNING);
    return true;
}

static bool write_task(struct store *s, const struct queue_move *m, struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s, "UPDATE queue_move SET state = ?, moved = ?, place = ?, failure = ? WHERE id = ?", diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, m->state);
    sqlite3_bind_int64(q, 2, m->moved);
    sqlite3_bind_int64(q, 3, m->place);
    store_bind(q, 4, str_from(m->failure));
    sqlite3_bind_int64(q, 5, m->id);
    return store_run(s, q, diag);
}

/* How many it may move now: its rate, counted from its start. */
static int64_t allowance(const struct queue_move *m, struct weir_time now, int64_t limit)
{
    int64_t due = m->rate ? (now.age_ms - m->started_age_ms) * m->rate / 1000 + 1 - m->moved : limit;
    return due < 0 ? 0 : due < limit ? due : limit;
}

bool queue_move_step(struct store *s, const struct queue_move_host *host, struct weir_time now, unsigned limit,
                     unsigned *running_out, struct weir_diag *diag)
{
    struct queue_move m;
    bool row = true;
    int64_t after = 0;

    for (*running_out = 0; row; after = m.id) {
        sqlite3_stmt *q = store_prepare(s, "SELECT " COLUMNS " WHERE state = 0 AND id > ? ORDER BY id LIMIT 1", diag);
        if (!q)
            return false;
        sqlite3_bind_int64(q, 1, after);
        if (!store_step(s, q, &row, diag))
            return false;
        if (!row)
            return true;
        read_task(q, &m);
        sqlite3_reset(q);
        struct step step = {.store = s, .move = &m, .host = host, .now = now, .diag = diag};
        int64_t count = allowance(&m, now, limit);
        step.row = queue_find(s, str_from(m.source), diag);
        if (!step.row || (count && (!move_piece(&step, count) || !write_task(s, &m, diag))))
            return false;
        *running_out += m.state == QUEUE_MOVE_RUNNING;
    }
    return true;
}
