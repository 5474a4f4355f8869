/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues against an obvious model: random operations on two standard and two FIFO queues, each done on the store and on
 * arrays that are walked from end to end; what comes out must be the same, message by message, and so must the counts.
 * Now and then a transaction is undone, or the store is closed and opened. The clock is a number.
 *
 * WEIR_MODEL_STEPS says how many steps a seed has (3000).
 */
#include "targets/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

#define MESSAGES_MAX 200
#define GROUPS       4
#define IDS          8
#define RETENTION    90000

static const struct store_schema *const schemas[] = {&queue_schema, NULL};

enum { WORK, PARKED, WORK_FIFO, PARKED_FIFO, QUEUES };
static struct target_def queues[QUEUES];
static struct queue_options options[QUEUES];
static const char *const names[] = {"work", "parked", "work.fifo", "parked.fifo"};

struct message {
    int queue, group, body;
    int64_t sequence, sent, visible;
    bool claimed; /* was received, or delayed */
    int receives;
    char handle[80];
    int from;  /* the queue it was redriven from; -1: none */
    bool seen; /* in the receive under way */
};

struct model {
    struct message list[MESSAGES_MAX]; /* in order of their sequence numbers */
    int count;
    int64_t next[QUEUES];
    int64_t ready[QUEUES][GROUPS];
    struct {
        int64_t sent, sequence;
    } ids[QUEUES][IDS]; /* sequence 0: never used */
};

struct run {
    struct sandbox box;
    struct model model, before;
    uint64_t random;
    int64_t now;
    int bodies;
    int given;                  /* in the receive under way */
    int expected[MESSAGES_MAX]; /* bodies */
    char old_handle[80];
};

static uint32_t roll(struct run *r, uint32_t below)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return (uint32_t)(r->random >> 16) % below;
}

static struct weir_time at(const struct run *r)
{
    return (struct weir_time){.wall_ms = 1700000000000 + r->now, .age_ms = r->now};
}

static bool is_fifo(int queue)
{
    return queue >= WORK_FIFO;
}

/* ---- the model ---- */

static void take_out(struct model *m, int at)
{
    memmove(&m->list[at], &m->list[at + 1], (size_t)(--m->count - at) * sizeof(m->list[0]));
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Something of the group changed: when is it free? */
static void refresh(struct run *r, int queue, int group)
{
    struct model *m = &r->model;
    int64_t ready = r->now;
    bool head = true;

    for (int i = 0; i < m->count; i++) {
        const struct message *x = &m->list[i];
        if (x->queue != queue || x->group != group)
            continue;
        if (x->claimed && (head || x->receives))
            ready = later(ready, x->visible);
        head = false;
    }
    m->ready[queue][group] = ready;
}

static bool group_is_empty(const struct model *m, int queue, int group)
{
    for (int i = 0; i < m->count; i++)
        if (m->list[i].queue == queue && m->list[i].group == group)
            return false;
    return true;
}

static struct message *append(struct run *r, struct message x)
{
    struct model *m = &r->model;

    assert_true(m->count < MESSAGES_MAX);
    x.sequence = m->next[x.queue]++;
    if (is_fifo(x.queue) && group_is_empty(m, x.queue, x.group))
        m->ready[x.queue][x.group] = x.claimed ? x.visible : r->now;
    m->list[m->count] = x;
    return &m->list[m->count++];
}

/* To the redrive target. */
static void move(struct run *r, int at)
{
    struct message x = r->model.list[at];

    take_out(&r->model, at);
    x.from = x.queue;
    x.queue++;
    x.claimed = false;
    x.receives = 0;
    x.handle[0] = '\0';
    if (is_fifo(x.queue))
        x.sent = r->now;
    x.seen = false;
    append(r, x);
}

static bool is_worn(const struct message *x)
{
    const struct queue_options *o = &options[x->queue];
    return o->redrive_policy.target && x->receives >= o->redrive_policy.max_receive_count;
}

/* What becomes of a visible message that is due; its place may be another's afterwards. True: it was given. */
static bool handle(struct run *r, int at, int64_t visibility)
{
    struct message *x = &r->model.list[at];

    if (x->sent <= r->now - RETENTION) {
        take_out(&r->model, at);
        return false;
    }
    if (is_worn(x)) {
        move(r, at);
        return false;
    }
    x->claimed = x->seen = true;
    x->receives++;
    x->visible = r->now + visibility;
    r->expected[r->given++] = x->body;
    return true;
}

/* The visible message that is due next on a standard queue; -1: none. */
static int next_standard(struct run *r, int queue)
{
    const struct model *m = &r->model;
    int back = -1, fresh = -1;

    for (int i = 0; i < m->count; i++) {
        const struct message *x = &m->list[i];
        if (x->queue != queue || x->seen)
            continue;
        if (!x->claimed && fresh < 0)
            fresh = i;
        if (x->claimed && x->visible <= r->now && (back < 0 || x->visible < m->list[back].visible))
            back = i;
    }
    return back >= 0 && (fresh < 0 || m->list[back].visible < m->list[fresh].sent) ? back : fresh;
}

/* Ties between groups go by their rows' ids: the one thing that the model asks the tables. */
static int64_t group_row(struct run *r, int queue, int group)
{
    char sql[200];

    snprintf(sql, sizeof(sql),
             "SELECT g.id FROM queue_group g JOIN queue q ON q.id = g.queue WHERE q.name = '%s' AND g.name = 'g%d'",
             names[queue], group);
    return sandbox_ask(&r->box, sql);
}

static int next_group(struct run *r, int queue, const bool *done, const int64_t *rows)
{
    int best = -1;

    for (int g = 0; g < GROUPS; g++) {
        int64_t ready = r->model.ready[queue][g];
        if (done[g] || !rows[g] || ready > r->now)
            continue;
        if (best < 0 || ready < r->model.ready[queue][best] ||
            (ready == r->model.ready[queue][best] && rows[g] < rows[best]))
            best = g;
    }
    return best;
}

static void receive_group(struct run *r, int queue, int group, int max, int64_t visibility)
{
    struct model *m = &r->model;

    for (int i = 0; i < m->count && r->given < max; i++) {
        const struct message *x = &m->list[i];
        if (x->queue != queue || x->group != group)
            continue;
        if (x->claimed && x->visible > r->now)
            break;
        if (!handle(r, i, visibility))
            i--;
    }
    refresh(r, queue, group);
}

static void model_receive(struct run *r, int queue, int max, int64_t visibility)
{
    bool done[GROUPS] = {false};
    int64_t rows[GROUPS];
    int next;

    r->given = 0;
    for (int i = 0; i < r->model.count; i++)
        r->model.list[i].seen = false;
    for (int g = 0; g < GROUPS; g++)
        rows[g] = is_fifo(queue) && !group_is_empty(&r->model, queue, g) ? group_row(r, queue, g) : 0;
    while (r->given < max)
        if (!is_fifo(queue)) {
            if ((next = next_standard(r, queue)) < 0)
                return;
            handle(r, next, visibility);
        } else {
            if ((next = next_group(r, queue, done, rows)) < 0)
                return;
            done[next] = true;
            receive_group(r, queue, next, max, visibility);
        }
}

static struct message *by_body(struct run *r, int body)
{
    for (int i = 0; i < r->model.count; i++)
        if (r->model.list[i].body == body)
            return &r->model.list[i];
    fail_msg("there is no message %d", body);
    return NULL;
}

static struct message *by_handle(struct run *r, int queue, const char *handle)
{
    for (int i = 0; i < r->model.count; i++)
        if (handle[0] && r->model.list[i].queue == queue && strcmp(r->model.list[i].handle, handle) == 0)
            return &r->model.list[i];
    return NULL;
}

/* ---- the operations, on both ---- */

static void put(struct run *r, int queue)
{
    char body[16], group[8] = "", id[8] = "";
    int g = (int)roll(r, GROUPS), k = (int)roll(r, IDS);
    int64_t delay = roll(r, 4) == 0 ? roll(r, 20000) : 0;
    struct model *m = &r->model;
    struct queue_sent sent;

    if (m->count > MESSAGES_MAX / 2)
        return;
    snprintf(body, sizeof(body), "%d", r->bodies);
    if (is_fifo(queue)) {
        snprintf(group, sizeof(group), "g%d", g);
        snprintf(id, sizeof(id), "d%d", k);
        delay = options[queue].delay;
    }
    struct queue_send message = {
        .body = str_from(body), .delay_ms = delay, .group = str_from(group), .deduplication_id = str_from(id)};
    assert_true(queue_put(r->box.store, &queues[queue], &message, at(r), &sent, &r->box.diag));
    bool known = is_fifo(queue) && m->ids[queue][k].sequence && m->ids[queue][k].sent > r->now - QUEUE_DEDUPLICATION_MS;
    assert_int_equal(sent.duplicate, known);
    if (known) {
        assert_int_equal(sent.sequence, m->ids[queue][k].sequence);
        return;
    }
    struct message *x = append(r, (struct message){.queue = queue,
                                                   .group = g,
                                                   .body = r->bodies++,
                                                   .sent = r->now,
                                                   .visible = r->now + delay,
                                                   .claimed = delay > 0,
                                                   .from = -1});
    if (!is_fifo(queue))
        return;
    assert_int_equal(sent.sequence, x->sequence);
    m->ids[queue][k].sequence = x->sequence;
    m->ids[queue][k].sent = r->now;
}

static void compare(void *context, const struct queue_message *m)
{
    struct run *r = context;
    struct message *x = by_body(r, r->expected[r->given++]);
    char body[16], group[8];

    snprintf(body, sizeof(body), "%d", x->body);
    snprintf(group, sizeof(group), "g%d", x->group);
    assert_true(str_is(m->body, body));
    assert_int_equal(m->id, x->sequence);
    assert_int_equal(m->receive_count, x->receives);
    assert_int_equal(m->sent_age_ms, x->sent);
    assert_true(str_is(m->group, is_fifo(x->queue) ? group : ""));
    assert_true(str_is(m->came_from, x->from < 0 ? "" : names[x->from]));
    if (m->receipt_handle.size)
        snprintf(x->handle, sizeof(x->handle), "%.*s", STR_ARG(m->receipt_handle));
}

static void receive(struct run *r, int queue)
{
    static const int64_t times[] = {0, 1000, 5000, 30000};
    int max = (int)roll(r, 8) + 1;
    int64_t visibility = times[roll(r, 4)];
    struct queue_want want = {(unsigned)max, visibility, 0, compare, r};
    struct queue_got got;

    model_receive(r, queue, max, visibility);
    int expected = r->given;
    r->given = 0;
    assert_true(queue_receive(r->box.store, &queues[queue], &want, at(r), &got, &r->box.diag));
    assert_int_equal(r->given, expected);
    assert_int_equal(got.count, expected);
    assert_int_equal(got.more, expected == max);
}

/* Mostly a handle that holds, sometimes one that is another queue's, or old. */
static const char *pick_handle(struct run *r)
{
    if (!r->model.count || roll(r, 10) == 0)
        return r->old_handle;
    return r->model.list[roll(r, (uint32_t)r->model.count)].handle;
}

static void delete_one(struct run *r, int queue)
{
    const char *handle = pick_handle(r);
    struct message *x = by_handle(r, queue, handle);
    bool found;

    if (handle != r->old_handle)
        snprintf(r->old_handle, sizeof(r->old_handle), "%s", handle);
    assert_true(queue_delete(r->box.store, queues[queue].name, str_from(r->old_handle), at(r), &found, &r->box.diag));
    assert_int_equal(found, x != NULL);
    if (!x)
        return;
    int group = x->group;
    take_out(&r->model, (int)(x - r->model.list));
    if (is_fifo(queue))
        refresh(r, queue, group);
}

static void hide(struct run *r, int queue)
{
    const char *handle = pick_handle(r);
    struct message *x = by_handle(r, queue, handle);
    int64_t ms = roll(r, 2) ? roll(r, 40000) : 0;
    bool found, flies = x && x->visible > r->now;

    assert_true(
        queue_change_visibility(r->box.store, queues[queue].name, str_from(handle), ms, at(r), &found, &r->box.diag));
    assert_int_equal(found, flies);
    if (!flies)
        return;
    x->visible = r->now + ms;
    if (is_fifo(queue))
        refresh(r, queue, x->group);
}

static void purge(struct run *r, int queue)
{
    struct model *m = &r->model;
    int64_t count, purged = 0;

    if (roll(r, 20))
        return;
    assert_true(queue_purge(r->box.store, queues[queue].name, &count, &r->box.diag));
    for (int i = m->count - 1; i >= 0; i--)
        if (m->list[i].queue == queue) {
            take_out(m, i);
            purged++;
        }
    assert_int_equal(count, purged);
    if (purged)
        memset(m->ids[queue], 0, sizeof(m->ids[queue])); /* a purged queue is a new one */
}

/* All that is old goes: with such a limit the order does not matter. */
static void expire(struct run *r, int queue)
{
    struct model *m = &r->model;
    bool touched[GROUPS] = {false};
    int64_t count, gone = 0;

    assert_true(queue_expire(r->box.store, &queues[queue], at(r), 1000, &count, &r->box.diag));
    for (int i = m->count - 1; i >= 0; i--)
        if (m->list[i].queue == queue && m->list[i].sent <= r->now - RETENTION) {
            touched[m->list[i].group] = true;
            take_out(m, i);
            gone++;
        }
    for (int g = 0; g < GROUPS; g++)
        if (touched[g] && is_fifo(queue))
            refresh(r, queue, g);
    assert_int_equal(count, gone);
    assert_true(queue_clear(r->box.store, at(r), 1 + roll(r, 20), &count, &r->box.diag));
}

static void count(struct run *r, int queue)
{
    struct queue_counts expected = {0}, n;
    int64_t bytes = 0, oldest = r->now;

    for (int i = 0; i < r->model.count; i++) {
        const struct message *x = &r->model.list[i];
        if (x->queue != queue)
            continue;
        bool hidden = x->claimed && x->visible > r->now;
        ++*(!hidden ? &expected.visible : x->receives ? &expected.in_flight : &expected.delayed);
        bytes += snprintf(NULL, 0, "%d", x->body);
        oldest = x->sent < oldest ? x->sent : oldest;
    }
    assert_true(queue_count(r->box.store, queues[queue].name, at(r), &n, &r->box.diag));
    assert_int_equal(n.visible, expected.visible);
    assert_int_equal(n.in_flight, expected.in_flight);
    assert_int_equal(n.delayed, expected.delayed);
    assert_int_equal(n.bytes, bytes);
    assert_int_equal(n.oldest_age_ms, r->now - oldest);
}

static void peek(struct run *r, int queue)
{
    int expected = 0;

    for (int i = 0; i < r->model.count; i++)
        if (r->model.list[i].queue == queue)
            r->expected[expected++] = r->model.list[i].body;
    r->given = 0;
    assert_true(queue_peek(r->box.store, queues[queue].name, 0, 1000, compare, r, &r->box.diag));
    assert_int_equal(r->given, expected);
}

/* ---- a run ---- */

static void reopen(struct run *r)
{
    sandbox_close(&r->box);
    sandbox_open(&r->box, schemas);
}

/* One transaction of a few jobs; some jobs are undone, and some transactions. */
static void transaction(struct run *r)
{
    static void (*const operations[])(struct run * r, int queue) = {
        put, put, put, put, receive, receive, receive, delete_one, delete_one, delete_one, hide, count, expire, purge};
    bool undo = roll(r, 12) == 0;
    struct model began = r->model;

    sandbox_begin(&r->box);
    for (uint32_t jobs = 1 + roll(r, 4); jobs; jobs--) {
        r->before = r->model;
        assert_true(store_savepoint(r->box.store, &r->box.diag));
        for (uint32_t n = 1 + roll(r, 3); n; n--)
            operations[roll(r, sizeof(operations) / sizeof(*operations))](r, (int)roll(r, QUEUES));
        if (roll(r, 10) == 0) {
            store_rollback_savepoint(r->box.store);
            r->model = r->before;
        } else {
            assert_true(store_release(r->box.store, &r->box.diag));
        }
    }
    if (undo) {
        store_rollback(r->box.store);
        r->model = began;
    } else {
        sandbox_commit(&r->box);
    }
}

static void prepare(struct run *r)
{
    for (int i = 0; i < QUEUES; i++) {
        options[i] = (struct queue_options){
            .visibility_timeout = 30000, .retention = RETENTION, .maximum_message_size = QUEUE_MESSAGE_BYTES_MAX};
        queues[i] = (struct target_def){.adapter = &queue_adapter, .name = str_from(names[i]), .options = &options[i]};
        r->model.next[i] = 1;
    }
    for (int i = WORK; i < QUEUES; i += 2) {
        options[i].redrive_policy.target = &queues[i + 1];
        options[i].redrive_policy.max_receive_count = 3;
    }
    options[PARKED_FIFO].delay = 4000;
}

static void run(uint64_t seed, int steps)
{
    static struct run r;

    r = (struct run){.random = seed * 0x9e3779b97f4a7c15u + 1, .now = 1000000};
    sandbox_init(&r.box);
    sandbox_open(&r.box, schemas);
    prepare(&r);
    for (int step = 0; step < steps; step++) {
        r.now += roll(&r, 3) ? roll(&r, 3) : roll(&r, 8) ? roll(&r, 6000) : roll(&r, 200000);
        transaction(&r);
        if (roll(&r, 100) == 0)
            reopen(&r);
        int queue = (int)roll(&r, QUEUES);
        count(&r, queue);
        peek(&r, queue);
    }
    sandbox_fini(&r.box);
}

static void queues_do_as_the_model(void **state)
{
    const char *steps = getenv("WEIR_MODEL_STEPS"), *seed = getenv("WEIR_MODEL_SEED");

    for (uint64_t i = 0; i < 2; i++)
        run((seed ? strtoull(seed, NULL, 10) : 1) + i, steps ? atoi(steps) : 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(queues_do_as_the_model)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
