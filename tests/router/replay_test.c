/* SPDX-License-Identifier: Apache-2.0 */
/* Replays: their order, what is chosen of rules, targets and events, pace and pauses, where they go on after a crash,
   what they count, and that nothing is archived twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "targets/archive.h"
#include "targets/archive_sealed.h"
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

static int call_with(int what, const char *name, int64_t from, int64_t to, const char *rule, struct replay_request q)
{
    struct str rules[] = {rule ? str_from(rule) : STR("")};

    q.name = str_from(name);
    q.archive = STR("all");
    q.from_ms = START + from * 1000;
    q.to_ms = START + to * 1000;
    q.rules = rules;
    q.rule_count = rule != NULL;
    buf_clear(&answer);
    return fixture_replay(what, &q, &answer);
}

static int call(int what, const char *name, int64_t from, int64_t to, const char *rule, bool dry)
{
    return call_with(what, name, from, to, rule, (struct replay_request){.dry_run = dry});
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

static void it_waits_while_there_is_no_room(void **state)
{
    fill();
    dispatch_rest(fixture.dispatch, true);
    assert_int_equal(call(REPLAY_START, "again", 0, 1000, "one", false), 201);
    fixture_send("default", "{}"); /* is dispatched */
    fixture_dispatched();
    assert_int_equal(fixture_number("SELECT position FROM replays"), 0);
    dispatch_rest(fixture.dispatch, false);
    wait_state("again", "COMPLETED");
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
    for (int i = 0; i < 40 && status != 429; i++) {
        snprintf(name, sizeof name, "r%d", i);
        status = call(REPLAY_START, name, 0, 100000, NULL, false);
    }
    assert_int_equal(status, 429);
    assert_true(answered("10 replays are active"));
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

/* ---- what else can be chosen ---- */

#define ANY_TIME INT64_C(-1000000000), INT64_C(10000000000) /* hours of arrival: those of today */

static void expect_numbers(const char *queue, const char *wanted)
{
    struct buf got = BUF_INIT;
    struct messages m = fixture_messages(queue);

    for (size_t i = 0; i < m.count; i++)
        buf_printf(&got, "%s%d", i ? " " : "", number_of(&m.list[i]));
    assert_string_equal(buf_cstr(&got), wanted);
    buf_fini(&got);
}

/* Who keeps the keys it has seen takes nothing of a replay twice. */
static void a_delivery_has_the_same_key_again(void **state)
{
    fixture_start(MANY);
    fixture_send_many("default", 1, 0, 1);
    fixture_dispatched();
    const char *keys = "SELECT count(*) FROM queue_message WHERE deduplication_id = 'e0/one/one'";
    assert_int_equal(fixture_number(keys), 1);
    assert_int_equal(call(REPLAY_START, "x", 0, 1000, NULL, false), 201);
    wait_state("x", "COMPLETED");
    assert_int_equal(fixture_number(keys), 2);
}

static void by_arrival_in_the_order_of_the_archive(void **state)
{
    fill();
    assert_int_equal(call_with(REPLAY_START, "x", ANY_TIME, "one", (struct replay_request){.by_arrival = true}), 201);
    assert_true(answered("\"by\":\"arrival\""));
    wait_state("x", "COMPLETED");
    expect_numbers("one", "0 1 2 3 4 5 6 7 8 9");
    empty_queues();
    assert_int_equal(call_with(REPLAY_START, "y", 0, 1000, "one", (struct replay_request){.by_arrival = true}), 201);
    wait_state("y", "COMPLETED"); /* nothing came in that hour of 2026 */
    expect_numbers("one", "");
}

static void only_what_the_pattern_matches(void **state)
{
    const struct replay_request odd = {.pattern = STR("{ \"detail\": {\"n\": [1, 3, 5, 7, 9]} }"), .limit = 3};

    fill();
    assert_int_equal(call_with(REPLAY_START, "x", 0, 1000, "one", odd), 201);
    assert_true(answered("\"pattern\":{\"detail\":{\"n\":[1,3,5,7,9]}}") && answered("\"limit\":3"));
    wait_state("x", "COMPLETED");
    assert_true(answered("\"events_total\":5,\"events_total_exact\":true,\"events_replayed\":3,"
                         "\"events_filtered\":2,\"events_matched\":3"));
    expect_numbers("one", "9 7 5");
    struct replay_request dry = odd;
    dry.dry_run = true;
    assert_int_equal(call_with(REPLAY_START, "", 0, 1000, NULL, dry), 200);
    assert_true(answered("\"events\":3") && answered("{\"rule\":\"one\",\"target\":\"queue/one\",\"events\":3}"));
    assert_int_equal(call_with(REPLAY_START, "z", 0, 1, NULL, (struct replay_request){.pattern = STR("{\"a\":\n1}")}),
                     400);
    assert_true(answered("pattern, line 2, column "));
}

#define TWO_TARGETS                                                                                                    \
    "queues: {one: {}, two: {}, three: {}}\n"                                                                          \
    "topics: {fan: {subscriptions: [three, queue/two]}, two: {subscriptions: []}}\n"                                   \
    "archives: {all: {}}\n"                                                                                            \
    "rules:\n"                                                                                                         \
    "  one: {pattern: {source: [test]}, targets: [one, queue/two]}\n"                                                  \
    "  fan: {pattern: {source: [test]}, targets: [fan, topic/two]}\n"

static int64_t count_in(const char *queue)
{
    return (int64_t)fixture_messages(queue).count;
}

static void only_to_one_target(void **state)
{
    fixture_start(TWO_TARGETS);
    fixture_send_many("default", 5, 0, 1);
    fixture_dispatched();
    empty_queues();
    assert_int_equal(call_with(REPLAY_START, "x", 0, 9, NULL, (struct replay_request){.target = STR("three")}), 201);
    assert_true(answered("\"target\":\"queue/three\""));
    wait_state("x", "COMPLETED");
    assert_true(answered("\"deliveries\":5"));
    assert_int_equal(count_in("one") + count_in("two"), 0);
    assert_int_equal(count_in("three"), 5);
    assert_int_equal(call_with(REPLAY_START, "y", 0, 9, "one", (struct replay_request){.target = STR("two")}), 201);
    wait_state("y", "COMPLETED");
    assert_int_equal(count_in("one"), 0);
    assert_int_equal(count_in("two"), 5);
    assert_int_equal(
        call_with(REPLAY_START, "", 0, 9, NULL, (struct replay_request){.target = STR("fan"), .dry_run = true}), 200);
    assert_true(answered("queue/three") && answered("queue/two") && !answered("queue/one"));
    assert_int_equal(call_with(REPLAY_START, "z", 0, 9, NULL, (struct replay_request){.target = STR("two")}), 400);
    assert_true(answered("write queue/two or topic/two") || answered("write topic/two or queue/two"));
    assert_int_equal(call_with(REPLAY_START, "z", 0, 9, "one", (struct replay_request){.target = STR("three")}), 404);
    assert_true(answered("has a target 'three'"));
}

/* ---- pauses, and how fast ---- */

static void a_replay_is_paused_and_goes_on(void **state)
{
    fixture_crash(archive_20000);
    fixture_start(MANY);
    assert_int_equal(call_with(REPLAY_START, "long", 0, 100000, NULL, (struct replay_request){.rate = 20000}), 201);
    fixture_wait(fixture_number("SELECT position FROM replays") > 0);
    assert_int_equal(call(REPLAY_PAUSE, "long", 0, 0, NULL, false), 200);
    assert_true(answered("\"state\":\"RUNNING\",\"paused\":true"));
    int64_t position = fixture_number("SELECT position FROM replays");
    assert_true(position > 0 && position < 20000);
    assert_int_equal(call(REPLAY_PAUSE, "long", 0, 0, NULL, false), 200); /* it is */
    usleep(50000);
    assert_int_equal(fixture_number("SELECT position FROM replays"), position);
    assert_int_equal(fixture_messages("one").count, position);
    assert_int_equal(call(REPLAY_RESUME, "long", 0, 0, NULL, false), 200);
    assert_true(answered("\"paused\":false"));
    wait_state("long", "COMPLETED");
    assert_int_equal(fixture_number("SELECT count(DISTINCT json_extract(body, '$.id')) FROM queue_message"), 20000);
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message"), 20000);
    assert_int_equal(call(REPLAY_PAUSE, "long", 0, 0, NULL, false), 409);
    assert_int_equal(call(REPLAY_RESUME, "never", 0, 0, NULL, false), 404);
}

static void pause_and_die(void)
{
    const struct replay_request q = {
        .pattern = STR("{\"detail\":{\"n\":[{\"numeric\":[\"<\",500]}]}}"), .rate = 20000, .limit = 5000};

    fixture_start(MANY);
    if (call(REPLAY_SHOW, "long", 0, 0, NULL, false) == 404)
        assert_int_equal(call_with(REPLAY_START, "long", 0, 100000, NULL, q), 201);
    assert_int_equal(call(REPLAY_RESUME, "long", 0, 0, NULL, false), 200);
    int64_t before = fixture_number("SELECT position FROM replays");
    while (fixture_number("SELECT position FROM replays") == before)
        fixture_nap();
    assert_int_equal(call(REPLAY_PAUSE, "long", 0, 0, NULL, false), 200);
}

/* A pause, a pattern, a limit and a rate outlive crashes; nothing is doubled, nothing left out. */
static void what_was_chosen_survives_a_crash(void **state)
{
    fixture_crash(archive_20000);
    fixture_crash(pause_and_die);
    fixture_crash(pause_and_die);
    fixture_start(MANY);
    assert_int_equal(call(REPLAY_SHOW, "long", 0, 0, NULL, false), 200);
    assert_true(answered("\"rate\":20000,\"limit\":5000,\"state\":\"RUNNING\",\"paused\":true"));
    int64_t position = fixture_number("SELECT position FROM replays");
    usleep(30000);
    assert_int_equal(fixture_number("SELECT position FROM replays"), position);
    assert_int_equal(call(REPLAY_RESUME, "long", 0, 0, NULL, false), 200);
    wait_state("long", "COMPLETED");
    assert_true(answered("\"events_replayed\":5000"));
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message"), 5000);
    /* the first 5000 of those below 500 in the order of time, then arrival: event e<1000 i + n> has second i + n */
    assert_int_equal(fixture_number("SELECT count(DISTINCT json_extract(body, '$.id')) FROM queue_message "
                                    "WHERE json_extract(body, '$.detail.n') < 500"),
                     5000);
    int64_t last = fixture_number("SELECT max(unixepoch(json_extract(body, '$.time'))) FROM queue_message");
    int64_t counted = 0;
    for (int64_t i = 0; i < 20; i++)
        for (int64_t n = 0; n < 500; n++)
            counted += START / 1000 + i + n < last;
    assert_true(counted < 5000 && counted >= 5000 - 20);
    assert_int_equal(fixture_number("SELECT count(*) FROM (SELECT id, json_extract(body, '$.time') AS t, "
                                    "lag(json_extract(body, '$.time')) OVER (ORDER BY id) AS before "
                                    "FROM queue_message) WHERE t < before"),
                     0);
}

#define SLOW_TARGET                                                                                                    \
    "queues: {one: {}}\n"                                                                                              \
    "targets: {slow: {type: fake}}\n"                                                                                  \
    "archives: {all: {}}\n"                                                                                            \
    "rules: {one: {pattern: {replay-name: [{exists: true}]}, targets: [one, slow]}}\n"

/* What is archived does not become a backlog in the ledger. */
static void a_target_far_behind_holds_a_replay(void **state)
{
    fixture_crash(archive_20000);
    fake_set(FAKE_SILENT, 0);
    fixture_start(SLOW_TARGET);
    assert_int_equal(call(REPLAY_START, "a", 0, 100000, NULL, false), 201);
    fixture_wait(call(REPLAY_SHOW, "a", 0, 0, NULL, false) == 200 && answered("\"waiting_for\":\"fake/slow\""));
    fixture_wait(fixture_number("SELECT position FROM replays") > 9000);
    assert_true(fixture_number("SELECT position FROM replays") <= 10001);
    assert_int_equal(call_with(REPLAY_START, "b", 0, 100000, NULL, (struct replay_request){.target = STR("one")}), 201);
    wait_state("b", "COMPLETED");
    assert_true(fixture_number("SELECT position FROM replays WHERE name = 'a'") <= 10001);
}

/* Seals the one file of the archive, as it is done when its hour is over. */
static void seal(void)
{
    char command[200], path[200] = "";
    snprintf(command, sizeof command, "cd '%s' && find archives -name events.ndjson", fixture.data);
    FILE *found = popen(command, "r");
    assert_int_equal(fscanf(found, "%199s", path), 1);
    pclose(found);
    int folder = open(fixture.data, O_RDONLY | O_DIRECTORY);
    const atomic_bool stop = false;
    struct weir_diag diag;
    int64_t packed;

    assert_true(archive_seal(folder, path, fixture_number("SELECT bytes FROM archive_file"), &stop, &packed, &diag));
    assert_int_equal(unlinkat(folder, path, 0), 0);
    close(folder);
}

static void a_file_that_is_sealed_meanwhile(void **state)
{
    fixture_crash(archive_20000);
    fixture_start(MANY);
    assert_int_equal(call_with(REPLAY_START, "a", 0, 100000, NULL, (struct replay_request){.rate = 40000}), 201);
    fixture_wait(fixture_number("SELECT position FROM replays") > 0);
    assert_int_equal(call(REPLAY_PAUSE, "a", 0, 0, NULL, false), 200);
    seal();
    assert_int_equal(call(REPLAY_RESUME, "a", 0, 0, NULL, false), 200);
    wait_state("a", "COMPLETED");
    assert_true(answered("\"events_replayed\":20000"));
    assert_int_equal(fixture_number("SELECT count(DISTINCT json_extract(body, '$.id')) FROM queue_message"), 20000);
    assert_int_equal(fixture_number("SELECT count(*) FROM (SELECT json_extract(body, '$.time') AS t, "
                                    "lag(json_extract(body, '$.time')) OVER (ORDER BY id) AS before "
                                    "FROM queue_message) WHERE t < before"),
                     0);
    empty_queues();
    assert_int_equal(call(REPLAY_START, "b", 500, 502, NULL, false), 201); /* sealed from the beginning */
    wait_state("b", "COMPLETED");
    assert_true(answered("\"events_total\":40,"));
    assert_int_equal(fixture_messages("one").count, 40);
}

static void as_fast_as_the_rate_says(void **state)
{
    struct replay_pace p = {0};
    const struct replay_pacing by = {.rate = 1000};
    int64_t age = 5000;
    int count = 0;

    assert_int_equal(pace_wait(&p, &by, age, 0), 0);
    for (; age < 6000; age += REPLAY_TICK_MS)
        while (pace_wait(&p, &by, age, 0) == 0)
            count++;
    assert_in_range(count, 980, 1000);
    count = 0;
    for (age = 100000; pace_wait(&p, &by, age, 0) == 0;) /* held up: it does not hurry */
        count++;
    assert_int_equal(count, 100);
    const struct replay_pacing slow = {.rate = 0.5};
    p = (struct replay_pace){0};
    assert_int_equal(pace_wait(&p, &slow, 0, 0), 0);
    assert_int_equal(pace_wait(&p, &slow, 0, 0), 2000);
    assert_int_equal(pace_wait(&p, &slow, 1500, 0), 500);
    assert_int_equal(pace_wait(&p, &slow, 2000, 0), 0);
}

static void in_step_with_event_time(void **state)
{
    struct replay_pace p = {0};
    const struct replay_pacing by = {.speed = 10};

    assert_int_equal(pace_wait(&p, &by, 1000, 50000), 0);
    assert_int_equal(pace_wait(&p, &by, 1000, 50000), 0);
    assert_int_equal(pace_wait(&p, &by, 1000, 60000), 1000);
    assert_int_equal(pace_wait(&p, &by, 1400, 60000), 600);
    assert_int_equal(pace_wait(&p, &by, 2000, 60000), 0);
    assert_int_equal(pace_wait(&p, &by, 2000, 55000), 0); /* by arrival it may step back */
    assert_int_equal(pace_wait(&p, &by, 2000, 61000), 100);
    assert_int_equal(pace_wait(&p, &by, 9000, 62000), 0);   /* 6.8 s late: from here on … */
    assert_int_equal(pace_wait(&p, &by, 9000, 63000), 100); /* … in step again */
    assert_int_equal(pace_wait(&p, &(struct replay_pacing){0}, 0, 0), 0);
}

/* A replay that starts behind a long backlog begins before the backlog ends. */
static void live_events_leave_a_replay_its_share(void **state)
{
    const char *begun = "SELECT (SELECT min(id) FROM queue_message WHERE body LIKE '%replay-name%') < "
                        "(SELECT max(id) FROM queue_message WHERE body NOT LIKE '%replay-name%')";

    fixture_crash(archive_20000);
    fixture_start(MANY);
    for (int i = 0; i < 6; i++)
        fixture_send_many("default", 10000, 0, 1);
    assert_int_equal(call_with(REPLAY_START, "a", 0, 100000, NULL, (struct replay_request){.limit = 1000}), 201);
    assert_int_equal(call_with(REPLAY_START, "b", 0, 100000, NULL, (struct replay_request){.limit = 1000}), 201);
    wait_state("a", "COMPLETED");
    wait_state("b", "COMPLETED");
    fixture_dispatched();
    assert_int_equal(fixture_number(begun), 1);
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message"), 62000);
}

#define HOUR INT64_C(3600000)

/* Four hours of arrival whose event times lie across one another, in and against the order of arrival. */
static void one_order_over_several_files(void **state)
{
    static const struct replay_request by_arrival = {.by_arrival = true};
    static _Atomic int64_t wall = START + 1000 * HOUR;

    fixture.clock.by_hand = &wall;
    fixture_start(MANY);
    for (int hour = 0; hour < 4; hour++) {
        fixture_send_many("default", 300, 1000 + hour * 100, hour % 2 ? -3 : 3);
        fixture_send_many("default", 300, 50 * hour, 7);
        fixture_dispatched();
        fixture_wait_number("SELECT sum(events) FROM archive_file", 600 * (hour + 1));
        wall += HOUR;
    }
    assert_int_equal(fixture_number("SELECT count(*) FROM archive_file"), 4);
    empty_queues();
    assert_int_equal(call(REPLAY_START, "x", -1000, 100000, NULL, false), 201);
    wait_state("x", "COMPLETED");
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message"), 2400);
    /* each is behind the one before: by time, then by arrival, which is the number in its id */
    assert_int_equal(
        fixture_number("WITH got AS (SELECT id, json_extract(body, '$.time') AS t, "
                       "CAST(substr(json_extract(body, '$.id'), 2) AS INT) AS n FROM queue_message), "
                       "pairs AS (SELECT t, n, lag(t) OVER (ORDER BY id) AS t0, lag(n) OVER (ORDER BY id) AS n0 "
                       "FROM got) SELECT count(*) FROM pairs WHERE (t, n) > (t0, n0)"),
        2399);
    empty_queues();
    assert_int_equal(call_with(REPLAY_START, "y", 3600 * 1001 + 1800, 3600 * 1002, "one", by_arrival), 201);
    wait_state("y", "COMPLETED"); /* the hour that its window overlaps */
    assert_int_equal(fixture_number("SELECT count(*) FROM queue_message"), 600);
    assert_int_equal(fixture_number("SELECT min(CAST(substr(json_extract(body, '$.id'), 2) AS INT)) = 600 "
                                    "AND max(CAST(substr(json_extract(body, '$.id'), 2) AS INT)) = 1199 "
                                    "FROM queue_message"),
                     1);
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
        TEST(it_waits_while_there_is_no_room),
        TEST(to_all_rules_without_a_choice),
        TEST(a_dry_run_only_counts),
        TEST(what_is_asked_wrongly_is_refused),
        TEST(a_replay_goes_on_after_a_crash),
        TEST(a_replay_can_be_cancelled),
        TEST(the_eleventh_is_one_too_many),
        TEST(a_lost_archive_file_fails_the_replay),
        TEST(an_archive_that_goes_while_it_starts_fails_the_replay),
        TEST(a_delivery_has_the_same_key_again),
        TEST(by_arrival_in_the_order_of_the_archive),
        TEST(only_what_the_pattern_matches),
        TEST(only_to_one_target),
        TEST(a_replay_is_paused_and_goes_on),
        TEST(what_was_chosen_survives_a_crash),
        TEST(live_events_leave_a_replay_its_share),
        TEST(one_order_over_several_files),
        TEST(a_file_that_is_sealed_meanwhile),
        TEST(a_target_far_behind_holds_a_replay),
        cmocka_unit_test(as_fast_as_the_rate_says),
        cmocka_unit_test(in_step_with_event_time),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
