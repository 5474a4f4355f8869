/* SPDX-License-Identifier: Apache-2.0 */
/* What the APIs make: edits, rounds, what is refused, what is there after a restart, and files beside it. */
#include "tests/router/resources_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/documents.h"
#include "targets/missing.h"
#include "targets/queue.h"

#define assert_outcome(c, wanted)                                                                                      \
    do {                                                                                                               \
        if ((c).change.outcome != (wanted))                                                                            \
            fail_msg("%s:%s outcome %d: %s", (c).steps[0].section, (c).steps[0].key, (int)(c).change.outcome,          \
                     (c).change.message);                                                                              \
    } while (0)

static void make(const char *section, const char *key, const char *document)
{
    struct change c = change_carry_out(section, key, document);
    assert_outcome(c, RESOURCES_DONE);
    assert_int_equal(c.change.generation, rig.router.set->generation);
}

static void refused(const char *section, const char *key, const char *document, const char *message)
{
    uint64_t generation = rig.router.set->generation;
    struct change c = change_carry_out(section, key, document);
    assert_outcome(c, RESOURCES_REFUSED);
    assert_string_equal(c.change.message, message);
    assert_int_equal(rig.router.set->generation, generation);
}

static const struct target_def *queue(const char *name)
{
    return ruleset_target(rig.router.set, "queue", str_from(name));
}

static const struct rule *rule(const char *bus, const char *name)
{
    return ruleset_rule(rig.router.set, str_from(bus), str_from(name));
}

#define QUEUE_ARN "arn:aws:sqs:us-east-1:000000000000:"

/* ---- the tests ---- */

struct look {
    struct ledger_job job;
    const char *key;
    bool found, done;
};

static bool look_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct look *l = (struct look *)job;
    return resources_stored(store, "queues", str_from(l->key), &l->found, diag);
}

static void look_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    assert_true(ok);
    ((struct look *)job)->done = true;
}

/* As a job of the ledger sees it. */
static bool is_stored(const char *key)
{
    struct look l = {.job = {.run = look_run, .done = look_done, .reply = rig.mailbox}, .key = key};
    ledger_submit(rig.router.ledger, &l.job);
    change_wait(&l.done);
    return l.found;
}

static void test_made_and_there_again(void **state)
{
    rig_start();
    make("queues", "orders", "{\"delay\":\"5s\",\"x-aws\":{\"CreatedTimestamp\":17}}");
    make("buses", "audit", "{\"x-aws\":{}}");
    make("rules", "audit/root",
         "{\"name\":\"root\",\"bus\":\"audit\",\"pattern\":\"{\\\"a\\\":[1],\\\"a\\\":[2]}\",\"targets\":[{\"target\":"
         "\"" QUEUE_ARN "orders\",\"id\":\"1\",\"x-aws\":{\"RoleArn\":\"r\"}}]}");
    for (int run = 0; run < 2; run++) {
        const struct queue_options *o = queue("orders")->options;
        assert_int_equal(o->delay, 5000);
        assert_int_equal(queue("orders")->made.size, strlen("{\"delay\":\"5s\",\"x-aws\":{\"CreatedTimestamp\":17}}"));
        assert_non_null(ruleset_bus(rig.router.set, STR("audit"))->made.ptr);
        assert_ptr_equal(rule("audit", "root")->targets[0].target, queue("orders"));
        assert_non_null(rule("audit", "root")->made.ptr);
        rig_stop();
        rig_start();
    }
    assert_true(is_stored("orders"));
    make("rules", "audit/root", NULL);
    make("queues", "orders", NULL);
    assert_null(queue("orders"));
    assert_false(is_stored("orders"));
    rig_stop();
    rig_start();
    assert_null(queue("orders"));
    assert_null(rule("audit", "root"));
    assert_non_null(ruleset_bus(rig.router.set, STR("audit")));
}

static void test_no_change(void **state)
{
    rig_start();
    make("queues", "orders", "{}");
    uint64_t generation = rig.router.set->generation;
    make("queues", "orders", "{}");
    make("queues", "other", NULL);
    assert_int_equal(rig.router.set->generation, generation);

    struct change no = {.steps = {{"queues", "third", "{}"}}, .unless = {"queues", "orders", NULL}};
    change_submit(&no);
    change_wait(&no.done);
    assert_outcome(no, RESOURCES_UNCHANGED);
    assert_null(queue("third"));
}

static void test_what_does_not_load(void **state)
{
    rig_start();
    refused("queues", "orders", "{\"dellay\":1}", "unknown key 'dellay' in queue 'orders'; did you mean 'delay'?");
    refused("queues", "orders", "[]", "queues 'orders': a document must be a JSON object");
    refused("queues", "orders", "{\"delay\":", "queues 'orders': not JSON: text ends where a value was expected");
    refused("nonsense", "a", "{}", "this program has no section 'nonsense'");
    refused("rules", "gone/a", "{\"pattern\":{\"a\":[1]}}", "unknown bus 'gone'; declare it under 'buses'");
    refused("rules", "a", "{\"pattern\":{\"a\":[{\"regex\":\"x\"}]}}", "Unrecognized match type regex");
    refused("queues", "dead-letters", "{\"delay\":5}",
            "delay '5' has no unit; write 5s for seconds (units: ms, s, m, h, d)");
}

/* Of changes that gathered, the bad ones fail by themselves. */
static void test_a_round(void **state)
{
    static struct change all[20];
    static char names[20][16];

    rig_start();
    memset(all, 0, sizeof all);
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "q%d", i);
        all[i].steps[0] = (struct change_step){"queues", names[i], i == 3 || i == 17 ? "{\"delay\":\"-1s\"}" : "{}"};
        all[i].unless = (struct change_step){"queues", i == 9 ? "q8" : "none", NULL};
        change_submit(&all[i]);
    }
    for (int i = 0; i < 20; i++) {
        change_wait(&all[i].done);
        assert_outcome(all[i], i == 3 || i == 17 ? RESOURCES_REFUSED : i == 9 ? RESOURCES_UNCHANGED : RESOURCES_DONE);
        assert_true((queue(names[i]) != NULL) == (all[i].change.outcome == RESOURCES_DONE));
    }
    assert_int_equal(rig.router.set->generation, all[0].change.generation);
}

static void test_dangling(void **state)
{
    const struct queue_options *o;

    rig_start();
    make("queues", "orders", "{\"redrive_policy\":{\"target\":\"" QUEUE_ARN "parked\",\"max_receive_count\":2}}");
    make("rules", "a",
         "{\"pattern\":{\"a\":[1]},\"targets\":[{\"id\":\"1\",\"target\":\"" QUEUE_ARN
         "late\",\"dead_letter\":\"" QUEUE_ARN "letters\"},{\"id\":\"2\",\"target\":\"" QUEUE_ARN
         "late\"},{\"id\":\"3\",\"target\":\"" QUEUE_ARN "orders\"}]}");
    const struct rule_target *t = rule("default", "a")->targets;
    assert_ptr_equal(t[0].target->adapter, &missing_adapter);
    assert_ptr_equal(t[0].target, t[1].target);
    assert_true(str_is(t[0].target->arn, QUEUE_ARN "late"));
    assert_ptr_equal(t[0].dead_letter, rig.router.set->dead_letters);
    assert_ptr_equal(t[2].target, queue("orders"));
    o = queue("orders")->options;
    assert_null(o->redrive_policy.target);

    make("queues", "late", "{}");
    make("queues", "letters", "{}");
    make("queues", "parked", "{}");
    t = rule("default", "a")->targets;
    assert_ptr_equal(t[0].target, queue("late"));
    assert_ptr_equal(t[0].dead_letter, queue("letters"));
    o = queue("orders")->options;
    assert_ptr_equal(o->redrive_policy.target, queue("parked"));
    assert_int_equal(o->redrive_policy.max_receive_count, 2);
}

static enum resources_owner owners[8];

static bool ask_owners(struct resources_change *change, struct resources *r)
{
    static const struct change_step asked[] = {{"queues", "filed", NULL},  {"queues", "made", NULL},
                                               {"queues", "nobody", NULL}, {"queues", "dead-letters", NULL},
                                               {"rules", "filed", NULL},   {"rules", "audit/filed", NULL},
                                               {"buses", "default", NULL}, {"sources", "events", NULL}};
    for (size_t i = 0; i < 8; i++)
        owners[i] = resources_owner(r, asked[i].section, str_from(asked[i].key));
    return false;
}

struct listing {
    char keys[64];
    int left;
};

static bool list_key(void *context, struct str key, struct str document)
{
    struct listing *l = context;
    snprintf(l->keys + strlen(l->keys), sizeof l->keys - strlen(l->keys), "%.*s=%.*s ", STR_ARG(key),
             STR_ARG(document));
    return --l->left > 0;
}

static struct listing listed[3];

static bool list_all(struct resources_change *change, struct resources *r)
{
    listed[0] = listed[1] = listed[2] = (struct listing){.left = 10};
    listed[2].left = 1;
    resources_delete(r, "queues", STR("b1"));
    resources_put(r, "queues", STR("b3"), STR("{\"delay\":\"1s\"}"));
    resources_each(r, "queues", STR("b"), list_key, &listed[0]);
    resources_each(r, "topics", STR(""), list_key, &listed[1]);
    resources_each(r, "queues", STR(""), list_key, &listed[2]);
    return false;
}

static void test_listed(void **state)
{
    rig_start();
    make("queues", "b2", "{}");
    make("queues", "a", "{}");
    make("queues", "b1", "{}");
    make("queues", "c", "{}");
    make("topics", "b", "{}");
    struct change c = {.change.edit = list_all};
    change_submit(&c);
    change_wait(&c.done);
    assert_string_equal(listed[0].keys, "b2={} b3={\"delay\":\"1s\"} ");
    assert_string_equal(listed[1].keys, "b={} ");
    assert_string_equal(listed[2].keys, "a={} ");
    assert_non_null(queue("b1"));
    assert_null(queue("b3"));
}

static void test_owners(void **state)
{
    static const enum resources_owner wanted[] = {RESOURCES_FILE,    RESOURCES_API,    RESOURCES_NOBODY,
                                                  RESOURCES_BUILTIN, RESOURCES_NOBODY, RESOURCES_FILE,
                                                  RESOURCES_BUILTIN, RESOURCES_FILE};
    rig_config("queues: {filed: {}}\nbuses: {audit: {}}\nsources: {events: {rate: 5}}\n"
               "rules: {filed: {bus: audit, pattern: {a: [1]}}}\n");
    rig_start();
    make("queues", "made", "{}");
    make("buses", "default", "{\"x-aws\":{\"Policy\":\"p\"}}");
    assert_non_null(rig.router.set->buses[0].made.ptr);
    struct change c = {.change.edit = ask_owners};
    change_submit(&c);
    change_wait(&c.done);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(owners[i], wanted[i]);
    refused("queues", "filed", "{}",
            "queue 'filed' was made by the API; delete it there or give this one another name");
}

/* ---- beside files ---- */

static void reload(bool wanted)
{
    uint64_t generation = rig.router.set->generation;

    reloader_request(rig.router.reloader);
    for (int i = 0; wanted && rig.router.set->generation == generation; i++) {
        struct pollfd fd = {.fd = reloader_fd(rig.router.reloader), .events = POLLIN};
        if (poll(&fd, 1, 5) > 0)
            reloader_done(rig.router.reloader);
        assert_true(i < 2000);
    }
    assert_true((rig.router.set->generation != generation) == wanted);
}

static void test_files_beside(void **state)
{
    rig_config("queues: {filed: {}}\n");
    rig_start();
    make("queues", "made", "{}");
    rig_config("queues: {filed: {delay: 3s}, more: {}}\n");
    make("queues", "second", "{}"); /* as the files were, not as they are */
    assert_null(queue("more"));
    reload(true);
    assert_non_null(queue("more"));
    assert_non_null(queue("made"));

    rig_config("queues: {made: {}}\n");
    reload(false);
    struct reload_report report = router_reload_report(&rig.router);
    assert_non_null(strstr(report.error, "weir.yaml:3:10: error: queue 'made' was made by the API; delete it there or "
                                         "give this one another name"));
    free(report.error);

    rig_config("rules: {a: {pattern: {a: [1]}, targets: [made]}}\n"); /* what `weir check` refuses too */
    reload(false);
    report = router_reload_report(&rig.router);
    assert_non_null(strstr(
        report.error, "unknown target 'made'; one was made by the API, but what a file names must stand in the files"));
    free(report.error);
    make("queues", "third", "{}");
    assert_non_null(queue("more"));
}

static void refused_reload(const char *yaml, const char *message)
{
    rig_config(yaml);
    reload(false);
    struct reload_report report = router_reload_report(&rig.router);
    if (!report.error || !strstr(report.error, message))
        fail_msg("%s", report.error);
    free(report.error);
}

/* Whether a file is right does not hang on what an API makes. */
static void test_files_see_themselves_only(void **state)
{
    rig_config("topics: {both: {}}\nrules: {a: {pattern: {a: [1]}, targets: [both]}}\n");
    rig_start();
    make("queues", "both", "{}");
    assert_string_equal(rule("default", "a")->targets[0].target->adapter->type, "topic");
    make("buses", "made", "{}");
    refused_reload("rules: {a: {bus: made, pattern: {a: [1]}}}\n",
                   "unknown bus 'made'; one was made by the API, but what a file names must stand in the files");
    refused_reload("queues: {a: {redrive_policy: {target: both}}}\n", "unknown queue 'both'; one was made by the API");
    refused_reload("queues: {a: {x-aws: {}}}\n", "unknown key 'x-aws' in queue 'a'");
    rig_config("queues: {a: {redrive_policy: {target: dead-letters}}}\n");
    reload(true);
}

/* What is built in may be in the files, and have what AWS's answers need from the API. */
static void test_built_in(void **state)
{
    const struct bus *bus;

    rig_config("buses: {default: {description: of the file}}\nqueues: {dead-letters: {delay: 1s}}\n");
    rig_start();
    make("buses", "default", "{\"x-aws\":{\"Policy\":\"p\"}}");
    make("queues", "dead-letters", "{\"x-aws\":{}}");
    refused("queues", "dead-letters", "{\"delay\":\"2s\"}",
            "queue 'dead-letters' was made by the API; delete it there or give this one another name");
    bus = &rig.router.set->buses[0];
    assert_true(str_is(bus->description, "of the file") && bus->made.ptr);
    assert_int_equal(((const struct queue_options *)queue("dead-letters")->options)->delay, 1000);
    rig_config("");
    reload(true);
    make("queues", "dead-letters", "{\"delay\":\"2s\"}");
    assert_int_equal(((const struct queue_options *)queue("dead-letters")->options)->delay, 2000);
    make("queues", "dead-letters", NULL);
    assert_ptr_equal(queue("dead-letters"), rig.router.set->dead_letters);
}

/* What dispatch cannot open is not there, in the ledger neither. */
static void test_taken_back(void **state)
{
    rig_start();
    make("queues", "before", "{}");
    char aside[96];
    snprintf(aside, sizeof aside, "%s.aside", rig.targets);
    assert_int_equal(rename(rig.targets, aside), 0);
    struct change c = {
        .steps = {{"archives", "bad", "{\"bus\":\"default\"}"}, {"queues", "with", "{}"}, {"queues", "before", NULL}}};
    change_submit(&c);
    change_wait(&c.done);
    assert_outcome(c, RESOURCES_UNAVAILABLE);
    assert_non_null(strstr(c.change.message, "cannot open the data folder"));
    assert_true(queue("before") && !queue("with"));
    assert_int_equal(rename(aside, rig.targets), 0);
    make("queues", "after", "{}");
    rig_stop();
    rig_start();
    assert_true(queue("before") && queue("after") && !queue("with"));
    assert_null(ruleset_target(rig.router.set, "archive", STR("bad")));
}

static void test_a_start_that_does_not_fit(void **state)
{
    struct weir_diag diag = {0};

    rig_start();
    make("queues", "made", "{}");
    rig_stop();
    rig_config("queues: {made: {}}\n");
    assert_int_equal(rig_recover(&diag), RELOAD_UNFIT);
    rig_stop();
    rig_config("");
    rig_start();
    assert_non_null(queue("made"));
}

static void test_while_stopping(void **state)
{
    struct change c = {.steps = {{"queues", "late", "{}"}}};

    rig_start();
    reloader_stop(rig.router.reloader);
    change_submit(&c);
    change_wait(&c.done);
    assert_outcome(c, RESOURCES_UNAVAILABLE);
    assert_string_equal(c.change.message, "the router is stopping");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_and_there_again, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_no_change, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_load, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_round, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_dangling, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_listed, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_owners, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_files_beside, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_files_see_themselves_only, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_built_in, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_taken_back, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_start_that_does_not_fit, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_while_stopping, rig_set_up, rig_tear_down),
    };
    return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
