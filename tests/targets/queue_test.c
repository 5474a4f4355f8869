/* SPDX-License-Identifier: Apache-2.0 */
/* Queues: visibility, receive counts, handles, redrive, delay, retention, purge, counts, and that a backlog costs
 * nothing. */
#include "targets/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

#define SECOND 1000
#define START  5000000 /* the age clock's reading when a test begins */

static const struct store_schema *const schemas[] = {&queue_schema, NULL};

static struct queue_options parked_options = {
    .visibility_timeout = 30 * SECOND, .retention = 345600 * SECOND, .maximum_message_size = QUEUE_MESSAGE_BYTES_MAX};
static const struct target_def parked = {.adapter = &queue_adapter, .name = {"parked", 6}, .options = &parked_options};
static struct queue_options work_options = {
    .visibility_timeout = 30 * SECOND, .retention = 3600 * SECOND, .maximum_message_size = 1024};
static const struct target_def work = {.adapter = &queue_adapter, .name = {"work", 4}, .options = &work_options};

static int setup(void **state)
{
    static struct sandbox f;

    sandbox_init(&f);
    sandbox_open(&f, schemas);
    work_options.redrive_policy.target = NULL;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    sandbox_fini(*state);
    return 0;
}

static struct weir_time at(int64_t seconds)
{
    return (struct weir_time){.wall_ms = 1700000000000 + seconds * SECOND, .age_ms = START + seconds * SECOND};
}

/* ---- the calls, each in a transaction of its own, and what they gave ---- */

struct got {
    unsigned count;
    char bodies[64]; /* joined by commas */
    char handle[80]; /* the last one's */
    char uuid[37];
    char attributes[64];
    struct queue_message last; /* numbers only: its slices are gone */
};

static void gather(void *context, const struct queue_message *m)
{
    struct got *got = context;
    size_t used = strlen(got->bodies);

    snprintf(got->bodies + used, sizeof(got->bodies) - used, "%s%.*s", used ? "," : "", STR_ARG(m->body));
    snprintf(got->handle, sizeof(got->handle), "%.*s", STR_ARG(m->receipt_handle));
    snprintf(got->uuid, sizeof(got->uuid), "%.*s", STR_ARG(m->message_id));
    snprintf(got->attributes, sizeof(got->attributes), "%.*s", STR_ARG(m->attributes));
    got->last = *m;
    got->count++;
}

static void send_delayed(struct sandbox *f, const struct target_def *q, const char *body, int64_t delay, int64_t second)
{
    sandbox_begin(f);
    assert_true(queue_put(f->store, q, &(struct queue_send){.body = str_from(body), .delay_ms = delay}, at(second),
                          NULL, &f->diag));
    sandbox_commit(f);
}

static void send(struct sandbox *f, const struct target_def *q, const char *body, int64_t second)
{
    send_delayed(f, q, body, 0, second);
}

static struct got receive_for(struct sandbox *f, const struct target_def *q, unsigned max, int64_t visibility,
                              int64_t second)
{
    struct got got = {0};
    struct queue_want want = {.max = max, .visibility_ms = visibility, .each = gather, .context = &got};

    sandbox_begin(f);
    assert_true(queue_receive(f->store, q, &want, at(second), NULL, &f->diag));
    sandbox_commit(f);
    return got;
}

static struct got receive(struct sandbox *f, const struct target_def *q, unsigned max, int64_t second)
{
    return receive_for(f, q, max, -1, second);
}

static bool delete_at(struct sandbox *f, const struct target_def *q, const char *handle, int64_t second)
{
    bool found;

    sandbox_begin(f);
    assert_true(queue_delete(f->store, q->name, str_from(handle), at(second), &found, &f->diag));
    sandbox_commit(f);
    return found;
}

static bool delete (struct sandbox *f, const struct target_def *q, const char *handle)
{
    return delete_at(f, q, handle, 0);
}

static bool hide(struct sandbox *f, const char *handle, int64_t ms, int64_t second)
{
    bool found;

    sandbox_begin(f);
    assert_true(queue_change_visibility(f->store, work.name, str_from(handle), ms, at(second), &found, &f->diag));
    sandbox_commit(f);
    return found;
}

static struct queue_counts count(struct sandbox *f, const struct target_def *q, int64_t second)
{
    struct queue_counts counts;

    assert_true(queue_count(f->store, q->name, at(second), &counts, &f->diag));
    return counts;
}

static int64_t expire(struct sandbox *f, const struct target_def *q, unsigned limit, int64_t second)
{
    int64_t deleted;

    sandbox_begin(f);
    assert_true(queue_expire(f->store, q, at(second), limit, &deleted, &f->diag));
    sandbox_commit(f);
    return deleted;
}

/* Until nothing is left; fails when that takes more than `rounds` pieces. */
static void clear(struct sandbox *f, unsigned limit, int rounds, int64_t second)
{
    int64_t count = limit;

    for (; count >= limit; rounds--) {
        assert_true(rounds > 0);
        sandbox_begin(f);
        assert_true(queue_clear(f->store, at(second), limit, &count, &f->diag));
        sandbox_commit(f);
    }
}

/* ---- the tests ---- */

static void message_is_handed_out_whole(void **state)
{
    struct sandbox *f = *state;
    struct queue_sent sent;
    struct queue_send m = {.body = STR("{\"a\":1}"), .attributes = STR("{\"k\":{}}")};

    sandbox_begin(f);
    assert_true(queue_put(f->store, &work, &m, at(0), &sent, &f->diag));
    sandbox_commit(f);
    struct got got = receive(f, &work, 1, 2);
    assert_string_equal(got.bodies, "{\"a\":1}");
    assert_string_equal(got.attributes, "{\"k\":{}}");
    assert_string_equal(got.uuid, sent.message_id);
    assert_int_equal(got.uuid[14], '4');
    assert_int_equal(got.last.receive_count, 1);
    assert_int_equal(got.last.sent_wall_ms, at(0).wall_ms);
    assert_int_equal(got.last.first_received_wall_ms, at(2).wall_ms);
}

static void received_message_hides_and_comes_back(void **state)
{
    struct sandbox *f = *state;

    send(f, &work, "a", 0);
    assert_int_equal(receive(f, &work, 10, 0).count, 1);
    assert_int_equal(receive(f, &work, 10, 29).count, 0);
    struct got got = receive(f, &work, 10, 30);
    assert_int_equal(got.last.receive_count, 2);
    assert_int_equal(got.last.first_received_wall_ms, at(0).wall_ms);
    assert_true(delete (f, &work, got.handle));
    assert_int_equal(receive(f, &work, 10, 1000).count, 0);
    assert_false(delete (f, &work, got.handle));
}

static void oldest_come_first(void **state)
{
    struct sandbox *f = *state;

    for (int i = 0; i < 5; i++)
        send(f, &work, (const char *[]){"a", "b", "c", "d", "e"}[i], 0);
    assert_string_equal(receive(f, &work, 2, 0).bodies, "a,b");
    assert_string_equal(receive(f, &work, 2, 0).bodies, "c,d");
    /* What came back stands behind what was always visible. */
    assert_string_equal(receive(f, &work, 10, 30).bodies, "e,a,b,c,d");
}

static void superseded_handle_is_void(void **state)
{
    struct sandbox *f = *state;

    send(f, &work, "a", 0);
    struct got first = receive(f, &work, 1, 0), second = receive(f, &work, 1, 40);
    assert_string_not_equal(first.handle, second.handle);
    assert_false(delete (f, &work, first.handle));
    assert_false(hide(f, first.handle, 0, 41));
    assert_true(delete (f, &work, second.handle));
}

static void strange_handles_are_unknown(void **state)
{
    struct sandbox *f = *state;
    char right[80];
    static const char *const handles[] = {"",
                                          "x",
                                          ".",
                                          "1",
                                          "1.",
                                          "1.x",
                                          "-1.x",
                                          "zzz.1",
                                          "99999999999999999999.aa",
                                          "1111111111111111111111111111111111111111111111111111111111111111111111111"};

    send(f, &work, "a", 0);
    snprintf(right, sizeof(right), "%s", receive(f, &work, 1, 0).handle);
    for (size_t i = 0; i < sizeof(handles) / sizeof(*handles); i++)
        assert_false(delete (f, &work, handles[i]));
    assert_false(delete (f, &parked, right)); /* another queue's */
    assert_true(delete (f, &work, right));
}

static void visibility_can_be_changed_while_in_flight(void **state)
{
    struct sandbox *f = *state;

    send(f, &work, "a", 0);
    struct got got = receive_for(f, &work, 1, 5 * SECOND, 0);
    assert_true(hide(f, got.handle, 100 * SECOND, 4)); /* a heartbeat */
    assert_int_equal(receive(f, &work, 1, 103).count, 0);
    assert_true(hide(f, got.handle, 0, 103));            /* given back */
    assert_false(hide(f, got.handle, 10 * SECOND, 103)); /* no longer in flight */
    assert_int_equal(receive(f, &work, 1, 103).last.receive_count, 2);
}

static void visibility_zero_hands_out_once_a_call(void **state)
{
    struct sandbox *f = *state;

    send(f, &work, "a", 0);
    send(f, &work, "b", 0);
    assert_string_equal(receive_for(f, &work, 10, 0, 1).bodies, "a,b");
    assert_string_equal(receive_for(f, &work, 10, 0, 1).bodies, "a,b");
}

static void delayed_message_waits(void **state)
{
    struct sandbox *f = *state;

    send_delayed(f, &work, "late", 60 * SECOND, 0);
    assert_int_equal(receive(f, &work, 1, 59).count, 0);
    assert_int_equal(count(f, &work, 59).delayed, 1);
    assert_int_equal(receive(f, &work, 1, 60).count, 1);
}

static void worn_message_is_redriven(void **state)
{
    struct sandbox *f = *state;

    work_options.redrive_policy.target = &parked;
    work_options.redrive_policy.max_receive_count = 2;
    send(f, &work, "worn", 0);
    send(f, &work, "next", 66);
    assert_string_equal(receive(f, &work, 1, 0).bodies, "worn");
    assert_string_equal(receive(f, &work, 1, 35).bodies, "worn");
    assert_string_equal(receive(f, &work, 1, 70).bodies, "next"); /* "worn" moves and does not cost the receive */
    struct got got = receive(f, &parked, 10, 70);
    assert_string_equal(got.bodies, "worn");
    assert_int_equal(got.last.receive_count, 1);
    assert_int_equal(got.last.sent_wall_ms, at(0).wall_ms);
    assert_int_equal(count(f, &work, 70).in_flight, 1);
    assert_int_equal(count(f, &parked, 70).bytes, 4);
}

static void many_worn_messages_do_not_hide_a_good_one(void **state)
{
    struct sandbox *f = *state;

    for (int i = 0; i < 300; i++)
        send(f, &work, "worn", 0);
    assert_int_equal(receive(f, &work, 300, 0).count, 300);
    send(f, &work, "good", 1);
    receive(f, &work, 1, 2);
    work_options.redrive_policy.target = &parked;
    work_options.redrive_policy.max_receive_count = 1;
    send(f, &work, "better", 100);
    assert_string_equal(receive(f, &work, 10, 101).bodies, "better");
    assert_int_equal(count(f, &parked, 101).visible, 301);
}

static void retention_ends_messages(void **state)
{
    struct sandbox *f = *state;

    for (int i = 0; i < 5; i++)
        send(f, &work, "old", i);
    send(f, &work, "young", 1000);
    assert_string_equal(receive(f, &work, 1, 3601).bodies, "old"); /* sent at 2; 0 and 1 are past it and go */
    assert_int_equal(count(f, &work, 3601).visible, 3);
    assert_int_equal(expire(f, &work, 2, 3604), 2);
    assert_int_equal(expire(f, &work, 2, 3604), 1);
    assert_int_equal(expire(f, &work, 2, 3604), 0);
    assert_string_equal(receive(f, &work, 9, 3604).bodies, "young");
}

static void counts_are_kept(void **state)
{
    struct sandbox *f = *state;

    assert_int_equal(count(f, &work, 0).visible, 0);
    send(f, &work, "four", 0);
    send(f, &work, "fives", 1);
    send_delayed(f, &work, "seconds", 20 * SECOND, 2);
    receive(f, &work, 1, 3);
    struct queue_counts c = count(f, &work, 4);
    assert_int_equal(c.visible, 1);
    assert_int_equal(c.in_flight, 1);
    assert_int_equal(c.delayed, 1);
    assert_int_equal(c.bytes, 16);
    assert_int_equal(c.oldest_age_ms, 4 * SECOND);
}

static void purge_is_immediate_and_cleared_in_pieces(void **state)
{
    struct sandbox *f = *state;
    int64_t purged;

    for (int i = 0; i < 5; i++)
        send(f, &work, "x", 0);
    struct got got = receive(f, &work, 1, 0);
    sandbox_begin(f);
    assert_true(queue_purge(f->store, work.name, &purged, &f->diag));
    sandbox_commit(f);
    assert_int_equal(purged, 5);
    assert_int_equal(count(f, &work, 0).bytes, 0);
    assert_false(delete (f, &work, got.handle));
    send(f, &work, "new", 1);
    assert_string_equal(receive(f, &work, 9, 100).bodies, "new");
    clear(f, 2, 100, 100);
    assert_int_equal(sandbox_ask(f, "SELECT count(*) FROM queue_message"), 1);
    assert_int_equal(sandbox_ask(f, "SELECT count(*) FROM queue"), 1);
}

static void peek_changes_nothing(void **state)
{
    struct sandbox *f = *state;
    struct got got = {0};

    for (int i = 0; i < 3; i++)
        send(f, &work, (const char *[]){"a", "b", "c"}[i], i);
    assert_true(queue_peek(f->store, work.name, 0, 2, gather, &got, &f->diag));
    assert_string_equal(got.bodies, "a,b");
    assert_string_equal(got.handle, "");
    int64_t after = got.last.id;
    got = (struct got){0};
    assert_true(queue_peek(f->store, work.name, after, 2, gather, &got, &f->diag));
    assert_string_equal(got.bodies, "c");
    assert_int_equal(got.last.receive_count, 0);
    assert_int_equal(count(f, &work, 5).visible, 3);
}

static void append_name(void *context, struct str name)
{
    strncat(context, name.ptr, name.size);
    strcat(context, " ");
}

static void names_are_those_with_messages(void **state)
{
    struct sandbox *f = *state;
    char names[64] = "";

    send(f, &work, "a", 0);
    send(f, &parked, "b", 0);
    assert_true(delete (f, &parked, receive(f, &parked, 1, 0).handle));
    send(f, &(const struct target_def){.name = STR("forgotten"), .options = &work_options}, "c", 0);
    assert_true(queue_names(f->store, append_name, names, &f->diag));
    assert_string_equal(names, "forgotten work ");
}

static void everything_survives_a_restart(void **state)
{
    struct sandbox *f = *state;

    send(f, &work, "a", 0);
    struct got got = receive(f, &work, 1, 0);
    sandbox_close(f);
    sandbox_open(f, schemas);
    assert_int_equal(receive(f, &work, 1, 29).count, 0);
    assert_true(delete (f, &work, got.handle));
}

/* A file as the first version wrote it. */
static void old_tables_are_taken_over(void **state)
{
    static const char *migrations[2];
    static const struct store_schema first = {"queue", migrations};
    static const struct store_schema *const firsts[] = {&first, NULL};
    struct sandbox *f = *state;

    sandbox_close(f);
    assert_int_equal(unlink(f->database), 0);
    migrations[0] = queue_schema.migrations[0];
    sandbox_open(f, firsts);
    assert_true(store_exec(
        f->store,
        "INSERT INTO queue (id, name) VALUES (1, 'other'), (2, 'work'), (3, NULL);"
        "INSERT INTO queue_message (queue, visible_age, sent_age, receive_count, sent_wall, first_received_wall, bytes,"
        " handle, message_id, attributes, body) VALUES"
        " (1, 5000000, 5000000, 0, 7, 0, 1, NULL, 'id', '', 'o'),"
        " (2, 5030000, 5000000, 3, 7, 9, 1, 'secret', 'id-a', '{\"k\":{}}', 'a')," /* in flight */
        " (2, 5060000, 5000001, 0, 7, 0, 1, NULL, 'id-b', '', 'b'),"               /* delayed */
        " (3, 5000000, 5000000, 0, 7, 0, 5, NULL, 'id-p', '', 'purged'),"
        " (2, 5000002, 5000002, 0, 7, 0, 1, NULL, 'id-c', '', 'c');",
        &f->diag));
    sandbox_close(f);
    sandbox_open(f, schemas);
    struct queue_counts n = count(f, &work, 1);
    assert_int_equal(n.visible, 1);
    assert_int_equal(n.in_flight, 1);
    assert_int_equal(n.delayed, 1);
    assert_int_equal(n.bytes, 3);
    assert_int_equal(n.oldest_age_ms, 1 * SECOND);
    assert_string_equal(receive(f, &work, 10, 1).bodies, "c");
    struct got got = receive(f, &work, 10, 30);
    assert_string_equal(got.bodies, "a");
    assert_string_equal(got.uuid, "id-a");
    assert_string_equal(got.attributes, "{\"k\":{}}");
    assert_int_equal(got.last.receive_count, 4);
    assert_int_equal(got.last.first_received_wall_ms, 9);
    send(f, &work, "d", 30);
    assert_string_equal(receive(f, &work, 10, 30).bodies, "d");
    assert_string_equal(receive(f, &work, 10, 60).bodies, "c,a,b,d");
    clear(f, 10, 3, 60);
    assert_int_equal(sandbox_ask(f, "SELECT count(*) FROM queue_message"), 5);
}

static bool is_queue(void *context, struct str name)
{
    return !str_is(name, "gone");
}

static void keep_move(void *context, const struct queue_move *m)
{
    struct queue_move *latest = context;
    if (m->id > latest->id)
        *latest = *m;
}

static struct queue_move step(struct sandbox *f, unsigned limit, int64_t second)
{
    struct queue_move_host host = {is_queue, NULL};
    struct queue_move latest = {0};
    unsigned running;

    sandbox_begin(f);
    assert_true(queue_move_step(f->store, &host, at(second), limit, &running, &f->diag));
    sandbox_commit(f);
    assert_true(queue_move_each(f->store, parked.name, keep_move, &latest, &f->diag));
    assert_int_equal(running, latest.state == QUEUE_MOVE_RUNNING);
    return latest;
}

static bool start_move(struct sandbox *f, struct str target, int64_t rate, int64_t second)
{
    struct queue_move m;

    sandbox_begin(f);
    bool ok = queue_move_start(f->store, parked.name, target, rate, at(second), &m, &f->diag);
    sandbox_commit(f);
    return ok;
}

static void move_takes_pieces_in_order_and_leaves_what_is_in_flight(void **state)
{
    struct sandbox *f = *state;

    for (int i = 0; i < 5; i++)
        send(f, &parked, (const char *[]){"a", "b", "c", "d", "e"}[i], 0);
    assert_string_equal(receive(f, &parked, 1, 0).bodies, "a");
    assert_true(start_move(f, work.name, 0, 1));
    assert_false(start_move(f, work.name, 0, 1));
    assert_string_equal(f->diag.message, "messages of queue 'parked' are being moved already");
    send(f, &parked, "later", 1);
    struct queue_move m = step(f, 3, 1);
    assert_int_equal(m.state, QUEUE_MOVE_RUNNING);
    assert_int_equal(m.moved, 2);
    assert_int_equal(m.total, 4);
    sandbox_close(f);
    sandbox_open(f, schemas);
    assert_int_equal(step(f, 3, 2).state, QUEUE_MOVE_COMPLETED);
    struct got got = receive(f, &work, 9, 2);
    assert_string_equal(got.bodies, "b,c,d,e");
    assert_int_equal(got.last.sent_wall_ms, at(2).wall_ms);
    assert_int_equal(got.last.receive_count, 1);
    assert_string_equal(receive(f, &parked, 9, 40).bodies, "later,a");
}

static void move_keeps_its_rate(void **state)
{
    struct sandbox *f = *state;

    for (int i = 0; i < 50; i++)
        send(f, &parked, "x", 0);
    assert_true(start_move(f, work.name, 5, 0));
    assert_int_equal(step(f, 100, 0).moved, 1);
    assert_int_equal(step(f, 100, 1).moved, 6);
    assert_int_equal(step(f, 100, 1).moved, 6);
    assert_int_equal(step(f, 100, 3).moved, 16);
    assert_int_equal(step(f, 100, 100).state, QUEUE_MOVE_COMPLETED);
}

static void move_says_why_it_fails(void **state)
{
    struct sandbox *f = *state;

    assert_false(start_move(f, parked.name, 0, 0));
    assert_string_equal(f->diag.message, "queue 'parked' cannot be moved to itself");
    assert_false(start_move(f, STR("x.fifo"), 0, 0));
    send(f, &parked, "a", 0);
    assert_true(start_move(f, STR("gone"), 0, 0));
    struct queue_move m = step(f, 9, 0);
    assert_int_equal(m.state, QUEUE_MOVE_FAILED);
    assert_string_equal(m.failure, "there is no queue 'gone' any more: name the queue that messages shall go to");
    assert_int_equal(count(f, &parked, 0).visible, 1);
}

static void rolled_back_put_is_gone(void **state)
{
    struct sandbox *f = *state;

    sandbox_begin(f);
    assert_true(queue_put(f->store, &work, &(struct queue_send){.body = STR("x")}, at(0), NULL, &f->diag));
    store_rollback(f->store);
    assert_int_equal(count(f, &work, 0).visible, 0);
}

static void too_large_a_body_names_the_limit(void **state)
{
    struct sandbox *f = *state;
    char *large = calloc(1, QUEUE_MESSAGE_BYTES_MAX + 1);
    struct str body = {large, QUEUE_MESSAGE_BYTES_MAX + 1};

    memset(large, 'x', body.size);
    sandbox_begin(f);
    assert_false(queue_put(f->store, &work, &(struct queue_send){.body = body}, at(0), NULL, &f->diag));
    assert_int_equal(f->diag.code, WEIR_E_LIMIT);
    assert_string_equal(f->diag.message, "the message has 16842753 bytes, the limit of a message is 16842752");
    body.size--;
    assert_true(queue_put(f->store, &work, &(struct queue_send){.body = body}, at(0), NULL, &f->diag));
    sandbox_commit(f);
    free(large);
}

static void adapter_puts_deliveries(void **state)
{
    struct sandbox *f = *state;
    char large[1025];
    struct verdict v;
    struct target *t = queue_adapter.open(&work, NULL, f->folder, &f->diag);

    assert_non_null(t);
    sandbox_begin(f);
    struct delivery d = {.target = t, .input = STR("{}")};
    queue_adapter.put(t, &d, f->store, at(0), &v);
    assert_int_equal(v.kind, VERDICT_SETTLED);
    memset(large, 'x', sizeof(large));
    d.input = (struct str){large, sizeof(large)};
    queue_adapter.put(t, &d, f->store, at(0), &v);
    assert_int_equal(v.kind, VERDICT_FAILED);
    assert_string_equal(v.code, "InvalidMessageContents");
    assert_string_equal(v.message, "the message has 1025 bytes, maximum_message_size of queue 'work' is 1024");
    sandbox_commit(f);
    assert_string_equal(receive(f, &work, 9, 0).bodies, "{}");
    queue_adapter.close(t);
}

static void check_names_what_a_queue_cannot_be(void **state)
{
    struct diags diags;
    struct queue_options o = work_options;
    struct target_def def = {.adapter = &queue_adapter, .name = STR("jobs.fifo"), .options = &o};

    assert_true(diags_init(&diags, 9));
    o.redrive_policy.target = &def;
    assert_false(queue_adapter.check(&def, &diags));
    assert_string_equal(diags.list[0].message, "queue 'jobs.fifo' cannot be its own redrive target");
    o.redrive_policy.target = &parked;
    assert_false(queue_adapter.check(&def, &diags));
    assert_string_equal(diags.list[1].message,
                        "the redrive target of queue 'jobs.fifo' must be a FIFO queue, and 'parked' is not");
    def.name = STR("jobs");
    assert_true(queue_adapter.check(&def, &diags));
    o.content_based_deduplication = true;
    assert_false(queue_adapter.check(&def, &diags));
    assert_string_equal(diags.list[2].message,
                        "queue 'jobs' is no FIFO queue (its name does not end in '.fifo'): it deduplicates nothing");
    assert_int_equal(diags.count, 3);
    diags_fini(&diags);
}

/* Statements that no backlog may make slow: none walks a table, none sorts. */
static void no_statement_walks(void **state)
{
    struct sandbox *f = *state;
    sqlite3_stmt *q = NULL;
    char plan[1024];
    int seen = 0;

    work_options.redrive_policy.target = &parked;
    work_options.redrive_policy.max_receive_count = 1;
    send(f, &work, "a", 0);
    send_delayed(f, &work, "b", SECOND, 0);
    struct got got = receive(f, &work, 10, 0);
    hide(f, got.handle, 1, 0);
    receive(f, &work, 10, 40);
    assert_false(delete (f, &work, got.handle));
    count(f, &work, 40);
    count(f, &parked, 40);
    expire(f, &parked, 10, 40);
    while ((q = sqlite3_next_stmt(store_handle(f->store), q))) {
        const char *sql = sqlite3_sql(q);
        if (!strstr(sql, "queue_") || strncmp(sql, "INSERT", 6) == 0)
            continue;
        sandbox_plan(f, sql, plan, sizeof(plan));
        if (strstr(plan, "SCAN ") || strstr(plan, "TEMP B-TREE") || !strstr(plan, "SEARCH"))
            fail_msg("%s\n%s", sql, plan);
        seen++;
    }
    assert_true(seen > 10);
}

/* A backlog: what calls do is bounded by what they hand out. Counted in SQLite's own steps, not in time. */
static void backlog_costs_nothing(void **state)
{
    struct sandbox *f = *state;
    sqlite3_stmt *q = NULL;
    int64_t steps = 0, purged;

    sandbox_begin(f);
    for (int i = 0; i < 100000; i++)
        assert_true(queue_put(f->store, &work, &(struct queue_send){.body = STR("{\"n\":1}")}, at(0), NULL, &f->diag));
    sandbox_commit(f);
    while ((q = sqlite3_next_stmt(store_handle(f->store), q)))
        sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 1);
    struct got got = receive(f, &work, 10, 1);
    assert_int_equal(got.count, 10);
    assert_true(delete (f, &work, got.handle));
    assert_int_equal(count(f, &work, 1).visible, 99990);
    assert_int_equal(count(f, &work, 1).in_flight, 9);
    assert_int_equal(expire(f, &work, 10, 1), 0);
    sandbox_begin(f);
    assert_true(queue_purge(f->store, work.name, &purged, &f->diag));
    sandbox_commit(f);
    assert_int_equal(purged, 99999);
    while ((q = sqlite3_next_stmt(store_handle(f->store), q)))
        steps += sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 0);
    assert_true(steps < 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What a lost answer gave, once more: the got of one handle. */
static struct got receive_again(struct sandbox *f, const char *handle, int64_t second, bool *found)
{
    struct got got = {0};
    struct queue_want want = {.max = 1, .visibility_ms = -1, .each = gather, .context = &got};

    sandbox_begin(f);
    assert_true(queue_receive_again(f->store, &work, str_from(handle), &want, at(second), found, &f->diag));
    sandbox_commit(f);
    return got;
}

static void a_lost_answer_is_given_again(void **state)
{
    struct sandbox *f = *state;
    bool found;

    send_delayed(f, &work, "a", -1, 0);
    struct got first = receive(f, &work, 1, 0), again = receive_again(f, first.handle, 20, &found);
    assert_true(found);
    assert_string_equal(again.bodies, "a");
    assert_string_equal(again.handle, first.handle);
    assert_int_equal(again.last.receive_count, 1);
    assert_int_equal(receive(f, &work, 1, 49).count, 0); /* hidden anew, at second 20 */
    again = receive_again(f, first.handle, 50, &found);
    assert_false(found);
    assert_int_equal(again.count, 0);
    struct got second = receive(f, &work, 1, 51);
    receive_again(f, first.handle, 52, &found); /* superseded */
    assert_false(found);
    assert_true(delete_at(f, &work, second.handle, 53));
    receive_again(f, second.handle, 54, &found);
    assert_false(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_is_handed_out_whole),
        TEST(received_message_hides_and_comes_back),
        TEST(oldest_come_first),
        TEST(superseded_handle_is_void),
        TEST(a_lost_answer_is_given_again),
        TEST(strange_handles_are_unknown),
        TEST(visibility_can_be_changed_while_in_flight),
        TEST(visibility_zero_hands_out_once_a_call),
        TEST(delayed_message_waits),
        TEST(worn_message_is_redriven),
        TEST(many_worn_messages_do_not_hide_a_good_one),
        TEST(retention_ends_messages),
        TEST(counts_are_kept),
        TEST(purge_is_immediate_and_cleared_in_pieces),
        TEST(peek_changes_nothing),
        TEST(names_are_those_with_messages),
        TEST(everything_survives_a_restart),
        TEST(old_tables_are_taken_over),
        TEST(move_takes_pieces_in_order_and_leaves_what_is_in_flight),
        TEST(move_keeps_its_rate),
        TEST(move_says_why_it_fails),
        TEST(rolled_back_put_is_gone),
        TEST(too_large_a_body_names_the_limit),
        TEST(adapter_puts_deliveries),
        TEST(check_names_what_a_queue_cannot_be),
        TEST(no_statement_walks),
        TEST(backlog_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
