/* SPDX-License-Identifier: Apache-2.0 */
/* Replays: order by event time, chosen rules, where they resume, what they count, and that nothing is archived twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "targets/archive.h"
#include "targets/topic.h"
#include "tests/router/fixture.h"

/* Stands in for targets/table.c. */
const struct adapter *const target_adapters[] = {&queue_adapter, &topic_adapter, &archive_adapter, &fake_adapter, NULL};

const struct adapter *target_adapter_find(struct str type)
{
    for (const struct adapter *const *a = target_adapters; *a; a++)
        if (str_is(type, (*a)->type))
            return *a;
    return NULL;
}

#define CONFIG                                                                                                         \
    "queues: {one: {}, two: {}}\n"                                                                                     \
    "archives: {all: {}}\n"                                                                                            \
    "rules:\n"                                                                                                         \
    "  one: {pattern: {source: [test]}, targets: [one]}\n"                                                             \
    "  two: {pattern: {detail: {n: [{numeric: ['<', 3]}]}}, targets: [two]}\n"                                         \
    "  kept: {pattern: {source: [test]}, targets: [all]}\n"

#define START    INT64_C(1767225600000) /* 2026-01-01T00:00:00Z, second 0 of the fixture's events */
#define ARCHIVED "SELECT sum(events) FROM archive_file"

static struct buf answer;

static int call(int what, const char *name, int64_t from, int64_t to, const char *rule, bool dry)
{
    struct str rules[] = {rule ? str_from(rule) : STR("")};
    struct replay_request q = {.name = str_from(name),
                               .archive = STR("all"),
                               .from_ms = START + from * 1000,
                               .to_ms = START + to * 1000,
                               .rules = rules,
                               .rule_count = rule != NULL,
                               .dry_run = dry};
    buf_clear(&answer);
    return fixture_replay(what, &q, &answer);
}

static bool answered(const char *part)
{
    return strstr(buf_cstr(&answer), part) != NULL;
}

static void wait_state(const char *name, const char *state)
{
    char part[64];
    snprintf(part, sizeof part, "\"state\":\"%s\"", state);
    fixture_wait(call(REPLAY_SHOW, name, 0, 0, NULL, false) == 200 && answered(part));
}

static void empty_queues(void)
{
    fixture_number("DELETE FROM queue_message");
}

/* Ten events whose times run against their arrival: n has second 100 - 10 n. */
static void fill(void)
{
    fixture_start(CONFIG);
    fixture_send_many("default", 10, 100, -10);
    fixture_dispatched();
    assert_int_equal(fixture_number(ARCHIVED), 10); /* once, though rule kept leads there too */
    empty_queues();
}

static int number_of(const struct message *m)
{
    struct str n = json_member(json_member(str_from(m->body), "detail"), "n");
    return atoi(n.ptr);
}

static void by_event_time_to_the_chosen_rule(void **state)
{
    fill();
    int64_t archived = fixture_number(ARCHIVED);
    assert_int_equal(call(REPLAY_START, "again", 50, 91, "one", false), 201);
    assert_true(answered("\"name\":\"again\"") && answered("\"state\":\"STARTING\"") &&
                answered("\"rules\":[\"one\"]"));
    wait_state("again", "COMPLETED");
    assert_true(answered("\"events_total\":5") && answered("\"events_replayed\":5") &&
                answered("\"events_matched\":5") && answered("\"deliveries\":5") &&
                answered("\"last_event_time\":\"2026-01-01T00:01:30Z\""));
    struct messages got = fixture_messages("one");
    assert_int_equal(got.count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(number_of(&got.list[i]), 5 - i);
    assert_non_null(strstr(got.list[0].body, "\"region\":\"r\",\"replay-name\":\"again\",\"resources\":[]"));
    assert_int_equal(fixture_messages("two").count, 0);
    assert_int_equal(fixture_number(ARCHIVED), archived);
}

static void to_all_rules_without_a_choice(void **state)
{
    fill();
    int64_t archived = fixture_number(ARCHIVED);
    assert_int_equal(call(REPLAY_START, "", 0, 1000, NULL, false), 201);
    assert_true(answered("\"name\":\"replay-2"));
    fixture_wait_number("SELECT count(*) FROM replays WHERE state = 3", 1);
    assert_int_equal(fixture_messages("one").count, 10);
    assert_int_equal(fixture_messages("two").count, 3);
    assert_int_equal(fixture_number(ARCHIVED), archived);
    assert_int_equal(fixture_number("SELECT count(*) FROM replay_files"), 0);
}

static void a_dry_run_only_counts(void **state)
{
    fill();
    assert_int_equal(call(REPLAY_START, "", 0, 1000, NULL, true), 200);
    assert_true(answered("\"events\":10"));
    assert_true(answered("{\"rule\":\"one\",\"target\":\"\",\"events\":10}"));
    assert_true(answered("{\"rule\":\"one\",\"target\":\"queue/one\",\"events\":10}"));
    assert_true(answered("{\"rule\":\"two\",\"target\":\"queue/two\",\"events\":3}"));
    assert_int_equal(fixture_messages("one").count, 0);
    assert_int_equal(call(REPLAY_LIST, "", 0, 0, NULL, false), 200);
    assert_true(answered("{\"replays\":[]}"));
}

static void what_is_asked_wrongly_is_refused(void **state)
{
    struct replay_request other = {.name = STR("x"), .archive = STR("al"), .from_ms = 0, .to_ms = 1};

    fill();
    buf_clear(&answer);
    assert_int_equal(fixture_replay(REPLAY_START, &other, &answer), 404);
    assert_true(answered("no archive 'al'; did you mean 'all'?"));
    assert_int_equal(call(REPLAY_START, "x", 10, 10, NULL, false), 400);
    assert_true(answered("before"));
    assert_int_equal(call(REPLAY_START, "x", 0, 10, "on", false), 404);
    assert_true(answered("no rule 'on' on bus 'default'; did you mean 'one'?"));
    assert_int_equal(call(REPLAY_START, "x", 0, 10, "Events-Archive-all", false), 404);
    assert_int_equal(call(REPLAY_START, "x", 0, 10, NULL, false), 201);
    assert_int_equal(call(REPLAY_START, "x", 0, 10, NULL, false), 409);
    wait_state("x", "COMPLETED");
    assert_int_equal(call(REPLAY_START, "x", 0, 10, NULL, false), 409);
    assert_true(answered("Replay x already exists."));
    assert_int_equal(call(REPLAY_CANCEL, "x", 0, 0, NULL, false), 409);
    assert_int_equal(call(REPLAY_CANCEL, "y", 0, 0, NULL, false), 404);
    assert_int_equal(call(REPLAY_SHOW, "y", 0, 0, NULL, false), 404);
    assert_true(answered("Replay y does not exist."));
}

#define MANY "queues: {one: {}}\narchives: {all: {}}\nrules: {one: {pattern: {source: [test]}, targets: [one]}}\n"

static void archive_20000(void)
{
    fixture_start(MANY);
    for (int i = 0; i < 20; i++)
        fixture_send_many("default", 1000, i, 1);
    fixture_dispatched();
    empty_queues();
}

static void replay_and_die(void)
{
    fixture_start(MANY);
    if (call(REPLAY_SHOW, "long", 0, 0, NULL, false) == 404)
        assert_int_equal(call(REPLAY_START, "long", 0, 100000, NULL, false), 201);
    while (fixture_number("SELECT position FROM replays") < 1)
        fixture_nap();
}

static void a_replay_goes_on_after_a_crash(void **state)
{
    fixture_crash(archive_20000);
    fixture_crash(replay_and_die);
    fixture_crash(replay_and_die);
    fixture_start(MANY);
    fixture_send_many("default", 100, 0, 1); /* archived since: not part of it */
    wait_state("long", "COMPLETED");
    assert_true(answered("\"events_total\":20000") && answered("\"events_replayed\":20000"));
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message WHERE body LIKE '%replay-name%'"), 20000);
    assert_int_equal(fixture_number("SELECT count(DISTINCT json_extract(body, '$.id')) FROM queue_message "
                                    "WHERE body LIKE '%replay-name%'"),
                     20000);
}

static void a_replay_can_be_cancelled(void **state)
{
    fixture_crash(archive_20000);
    fixture_start(MANY);
    assert_int_equal(call(REPLAY_START, "long", 0, 100000, NULL, false), 201);
    assert_int_equal(call(REPLAY_CANCEL, "long", 0, 0, NULL, false), 200);
    assert_true(answered("\"state\":\"CANCELLED\"") && answered("\"ended\""));
    int64_t position = fixture_number("SELECT position FROM replays");
    assert_true(position < 20000);
    usleep(100000);
    assert_int_equal(fixture_number("SELECT position FROM replays"), position);
    assert_int_equal(fixture_messages("one").count, position);
}

static void the_eleventh_is_one_too_many(void **state)
{
    char name[16];
    int status = 0;

    fixture_crash(archive_20000);
    fixture_start(MANY);
    for (int i = 0; i < 40 && status != 400; i++) {
        snprintf(name, sizeof name, "r%d", i);
        status = call(REPLAY_START, name, 0, 100000, NULL, false);
    }
    assert_int_equal(status, 400);
    assert_true(answered("The requested resource exceeds the maximum number allowed."));
}

static void a_lost_archive_file_fails_the_replay(void **state)
{
    char command[160];

    fill();
    snprintf(command, sizeof command, "rm -r '%s'/archives/all", fixture.data);
    assert_int_equal(system(command), 0);
    assert_int_equal(call(REPLAY_START, "x", 0, 1000, NULL, false), 201);
    wait_state("x", "FAILED");
    assert_true(answered("\"reason\":\"cannot read archive file"));
}

static void ignore(struct replay_call *c) {}

/* The ledger has not said yet that the replay is kept when its archive goes. */
static void an_archive_that_goes_while_it_starts_fails_the_replay(void **state)
{
    struct event_base *base = event_base_new();
    struct replay_call start = {.what = REPLAY_START,
                                .request = {.name = STR("x"), .archive = STR("all"), .from_ms = 0, .to_ms = INT64_MAX},
                                .reply = mailbox_create(base),
                                .done = ignore};

    fill();
    fixture_hold_ledger();
    replay_submit(fixture.dispatch, &start);
    assert_true(fixture_reload("queues: {one: {}}\n"));
    fixture_release_ledger();
    wait_state("x", "FAILED");
    assert_true(answered("\"reason\":\"its archive or bus is not configured any more\""));
    fixture_stop();
    buf_fini(&start.json);
    mailbox_destroy(start.reply);
    event_base_free(base);
}

static void named(const char *event, const char *wanted)
{
    struct buf out = BUF_INIT;
    replay_name_event(&out, str_from(event), STR("x\"y"));
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

static void the_name_stands_before_the_resources(void **state)
{
    named("{\"id\":\"resources\",\"resources\":[],\"detail\":{\"resources\":1}}",
          "{\"id\":\"resources\",\"replay-name\":\"x\\\"y\",\"resources\":[],\"detail\":{\"resources\":1}}");
    named("{\"id\":1,\"detail\":{\"resources\":1}}",
          "{\"id\":1,\"replay-name\":\"x\\\"y\",\"detail\":{\"resources\":1}}");
    named("{}", "{\"replay-name\":\"x\\\"y\"}");
}

static int tear_down(void **state)
{
    buf_fini(&answer);
    return fixture_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_event_time_to_the_chosen_rule),
        TEST(to_all_rules_without_a_choice),
        TEST(a_dry_run_only_counts),
        TEST(what_is_asked_wrongly_is_refused),
        TEST(a_replay_goes_on_after_a_crash),
        TEST(a_replay_can_be_cancelled),
        TEST(the_eleventh_is_one_too_many),
        TEST(a_lost_archive_file_fails_the_replay),
        TEST(an_archive_that_goes_while_it_starts_fails_the_replay),
        TEST(the_name_stands_before_the_resources),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
