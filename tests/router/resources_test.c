/* SPDX-License-Identifier: Apache-2.0 */
/* What the APIs make: edits, rounds, what is refused, what is there after a restart, and files beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <event2/thread.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/cli/cli.h"
#include "router/log.h"
#include "router/reload.h"
#include "router/resources.h"
#include "rules/documents.h"
#include "targets/missing.h"
#include "targets/queue.h"

static struct {
    char folder[64];
    struct router router;
    struct router_options options;
    char config[96];
    struct event_base *base;
    struct mailbox *mailbox;
} world;

/* ---- a router without HTTP, its main thread being the test ---- */

static void write_config(const char *yaml)
{
    FILE *f = fopen(world.config, "we");
    fprintf(f, "version: 1\ndata: %s/data\n%s", world.folder, yaml);
    fclose(f);
}

static void synced(void *context, uint64_t sequence)
{
    dispatch_wake(context, sequence);
}

static enum reload_recovery open_ledger(struct weir_diag *diag)
{
    struct router *r = &world.router;
    char path[128];

    snprintf(path, sizeof path, "%s/data/weir.db", world.folder);
    *r = (struct router){.data = world.folder};
    pthread_mutex_init(&r->set_lock, NULL);
    r->reloader = reloader_create(r, &world.options);
    assert_true(reloader_first(r->reloader));
    r->ledger = ledger_open(path, &r->clock, diag);
    assert_non_null(r->ledger);
    return reloader_recover(r->reloader, diag);
}

static void start(void)
{
    struct router *r = &world.router;
    struct weir_diag diag = {0};
    struct journal_report report;
    char path[128];

    assert_int_equal(open_ledger(&diag), RELOAD_RECOVERED);
    struct dispatch_options dispatch = {
        .set = r->set, .ledger = r->ledger, .clock = &r->clock, .data_dir = world.folder};
    r->dispatch = dispatch_open(&dispatch, &diag);
    assert_string_equal(diag.message, "");
    struct journal_options journal = {.synced = synced, .context = r->dispatch};
    snprintf(path, sizeof path, "%s/data/journal", world.folder);
    r->journal = journal_open(path, &journal, &report, &diag);
    assert_string_equal(diag.message, "");
    ledger_start(r->ledger);
    dispatch_start(r->dispatch, r->journal);
}

static void stop(void)
{
    struct router *r = &world.router;

    if (!r->reloader)
        return;
    reloader_stop(r->reloader);
    if (r->dispatch)
        dispatch_stop(r->dispatch, 100);
    journal_close(r->journal);
    ledger_close(r->ledger);
    if (r->dispatch)
        dispatch_close(r->dispatch);
    reloader_destroy(r->reloader);
    ruleset_unref(r->set);
    pthread_mutex_destroy(&r->set_lock);
    *r = (struct router){0};
}

static int set_up(void **state)
{
    char command[128];

    log_open(LOG_FORMAT_LOGFMT, getenv("FIXTURE_LOG") ? LEVEL_DEBUG : LEVEL_ERROR + 1);
    evthread_use_pthreads();
    memset(&world, 0, sizeof world);
    strcpy(world.folder, "/tmp/weir-resources-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    snprintf(world.config, sizeof world.config, "%s/weir.yaml", world.folder);
    snprintf(command, sizeof command, "mkdir '%s/data'", world.folder);
    world.options.config = world.config;
    world.base = event_base_new();
    world.mailbox = mailbox_create(world.base);
    write_config("");
    return system(command);
}

static int tear_down(void **state)
{
    char command[128];

    stop();
    mailbox_destroy(world.mailbox);
    event_base_free(world.base);
    snprintf(command, sizeof command, "rm -rf '%s'", world.folder);
    return system(command);
}

/* ---- changes ---- */

#define STEPS_MAX 4

struct step {
    const char *section, *key, *document; /* document NULL: deleted */
};

struct change {                     /* puts and deletes what it says; `unless` is there already: says no */
    struct resources_change change; /* first */
    struct step steps[STEPS_MAX];
    struct step unless;
    int runs;
    bool done;
};

static bool edit(struct resources_change *change, struct resources *r)
{
    struct change *c = (struct change *)change;

    c->runs++;
    for (const struct step *s = c->steps; s < c->steps + STEPS_MAX && s->section; s++) {
        if (s->document)
            resources_put(r, s->section, str_from(s->key), str_from(s->document));
        else
            resources_delete(r, s->section, str_from(s->key));
    }
    return !c->unless.section || !resources_get(r, c->unless.section, str_from(c->unless.key)).ptr;
}

static void done(struct resources_change *change)
{
    ((struct change *)change)->done = true;
}

static void submit(struct change *c)
{
    c->change.edit = c->change.edit ? c->change.edit : edit;
    c->change.done = done;
    c->change.reply = world.mailbox;
    resources_submit(&world.router, &c->change);
}

/* The main thread's loop, until it is answered. */
static void wait_for(const bool *flag)
{
    for (int turns = 0; !*flag; turns++) {
        struct pollfd fd = {.fd = reloader_fd(world.router.reloader), .events = POLLIN};
        if (poll(&fd, 1, 5) > 0)
            reloader_done(world.router.reloader);
        event_base_loop(world.base, EVLOOP_NONBLOCK);
        assert_true(turns < 4000);
    }
}

static struct change carry_out(const char *section, const char *key, const char *document)
{
    struct change c = {.steps = {{section, key, document}}};

    submit(&c);
    wait_for(&c.done);
    return c;
}

#define assert_outcome(c, wanted)                                                                                      \
    do {                                                                                                               \
        if ((c).change.outcome != (wanted))                                                                            \
            fail_msg("%s:%s outcome %d: %s", (c).steps[0].section, (c).steps[0].key, (int)(c).change.outcome,          \
                     (c).change.message);                                                                              \
    } while (0)

static void make(const char *section, const char *key, const char *document)
{
    struct change c = carry_out(section, key, document);
    assert_outcome(c, RESOURCES_DONE);
    assert_int_equal(c.change.generation, world.router.set->generation);
}

static void refused(const char *section, const char *key, const char *document, const char *message)
{
    uint64_t generation = world.router.set->generation;
    struct change c = carry_out(section, key, document);
    assert_outcome(c, RESOURCES_REFUSED);
    assert_string_equal(c.change.message, message);
    assert_int_equal(world.router.set->generation, generation);
}

static const struct target_def *queue(const char *name)
{
    return ruleset_target(world.router.set, "queue", str_from(name));
}

static const struct rule *rule(const char *bus, const char *name)
{
    return ruleset_rule(world.router.set, str_from(bus), str_from(name));
}

#define QUEUE_ARN "arn:aws:sqs:us-east-1:000000000000:"

/* ---- the tests ---- */

static void test_made_and_there_again(void **state)
{
    start();
    make("queues", "orders", "{\"delay\":\"5s\",\"x-aws\":{\"CreatedTimestamp\":17}}");
    make("buses", "audit", "{\"x-aws\":{}}");
    make("rules", "audit/root",
         "{\"name\":\"root\",\"bus\":\"audit\",\"pattern\":\"{\\\"a\\\":[1],\\\"a\\\":[2]}\",\"targets\":[{\"target\":"
         "\"" QUEUE_ARN "orders\",\"id\":\"1\",\"x-aws\":{\"RoleArn\":\"r\"}}]}");
    for (int run = 0; run < 2; run++) {
        const struct queue_options *o = queue("orders")->options;
        assert_int_equal(o->delay, 5000);
        assert_int_equal(queue("orders")->made.size, strlen("{\"delay\":\"5s\",\"x-aws\":{\"CreatedTimestamp\":17}}"));
        assert_non_null(ruleset_bus(world.router.set, STR("audit"))->made.ptr);
        assert_ptr_equal(rule("audit", "root")->targets[0].target, queue("orders"));
        assert_non_null(rule("audit", "root")->made.ptr);
        stop();
        start();
    }
    make("rules", "audit/root", NULL);
    make("queues", "orders", NULL);
    assert_null(queue("orders"));
    stop();
    start();
    assert_null(queue("orders"));
    assert_null(rule("audit", "root"));
    assert_non_null(ruleset_bus(world.router.set, STR("audit")));
}

static void test_no_change(void **state)
{
    start();
    make("queues", "orders", "{}");
    uint64_t generation = world.router.set->generation;
    make("queues", "orders", "{}");
    make("queues", "other", NULL);
    assert_int_equal(world.router.set->generation, generation);

    struct change no = {.steps = {{"queues", "third", "{}"}}, .unless = {"queues", "orders", NULL}};
    submit(&no);
    wait_for(&no.done);
    assert_outcome(no, RESOURCES_UNCHANGED);
    assert_null(queue("third"));
}

static void test_what_does_not_load(void **state)
{
    start();
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
    static char names[20][8];

    start();
    memset(all, 0, sizeof all);
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "q%d", i);
        all[i].steps[0] = (struct step){"queues", names[i], i == 3 || i == 17 ? "{\"delay\":\"-1s\"}" : "{}"};
        all[i].unless = (struct step){"queues", i == 9 ? "q8" : "none", NULL};
        submit(&all[i]);
    }
    for (int i = 0; i < 20; i++) {
        wait_for(&all[i].done);
        assert_outcome(all[i], i == 3 || i == 17 ? RESOURCES_REFUSED : i == 9 ? RESOURCES_UNCHANGED : RESOURCES_DONE);
        assert_true((queue(names[i]) != NULL) == (all[i].change.outcome == RESOURCES_DONE));
    }
    assert_int_equal(world.router.set->generation, all[0].change.generation);
}

static void test_dangling(void **state)
{
    const struct queue_options *o;

    start();
    make("queues", "orders", "{\"redrive_policy\":{\"target\":\"" QUEUE_ARN "parked\",\"max_receive_count\":2}}");
    make("rules", "a",
         "{\"pattern\":{\"a\":[1]},\"targets\":[{\"id\":\"1\",\"target\":\"" QUEUE_ARN
         "late\",\"dead_letter\":\"" QUEUE_ARN "letters\"},{\"id\":\"2\",\"target\":\"" QUEUE_ARN
         "late\"},{\"id\":\"3\",\"target\":\"" QUEUE_ARN "orders\"}]}");
    const struct rule_target *t = rule("default", "a")->targets;
    assert_ptr_equal(t[0].target->adapter, &missing_adapter);
    assert_ptr_equal(t[0].target, t[1].target);
    assert_true(str_is(t[0].target->arn, QUEUE_ARN "late"));
    assert_ptr_equal(t[0].dead_letter, world.router.set->dead_letters);
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
    static const struct step asked[] = {{"queues", "filed", NULL},  {"queues", "made", NULL},
                                        {"queues", "nobody", NULL}, {"queues", "dead-letters", NULL},
                                        {"rules", "filed", NULL},   {"rules", "audit/filed", NULL},
                                        {"buses", "default", NULL}, {"sources", "events", NULL}};
    for (size_t i = 0; i < 8; i++)
        owners[i] = resources_owner(r, asked[i].section, str_from(asked[i].key));
    return false;
}

static void test_owners(void **state)
{
    static const enum resources_owner wanted[] = {RESOURCES_FILE,    RESOURCES_API,    RESOURCES_NOBODY,
                                                  RESOURCES_BUILTIN, RESOURCES_NOBODY, RESOURCES_FILE,
                                                  RESOURCES_BUILTIN, RESOURCES_FILE};
    write_config("queues: {filed: {}}\nbuses: {audit: {}}\nsources: {events: {rate: 5}}\n"
                 "rules: {filed: {bus: audit, pattern: {a: [1]}}}\n");
    start();
    make("queues", "made", "{}");
    make("buses", "default", "{\"x-aws\":{\"Policy\":\"p\"}}");
    assert_non_null(world.router.set->buses[0].made.ptr);
    struct change c = {.change.edit = ask_owners};
    submit(&c);
    wait_for(&c.done);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(owners[i], wanted[i]);
    refused("queues", "filed", "{}",
            "queue 'filed' was made by the API; delete it there or give this one another name");
}

/* ---- beside files ---- */

static void reload(bool wanted)
{
    uint64_t generation = world.router.set->generation;

    reloader_request(world.router.reloader);
    for (int i = 0; wanted && world.router.set->generation == generation; i++) {
        struct pollfd fd = {.fd = reloader_fd(world.router.reloader), .events = POLLIN};
        if (poll(&fd, 1, 5) > 0)
            reloader_done(world.router.reloader);
        assert_true(i < 2000);
    }
    assert_true((world.router.set->generation != generation) == wanted);
}

static void test_files_beside(void **state)
{
    write_config("queues: {filed: {}}\n");
    start();
    make("queues", "made", "{}");
    write_config("queues: {filed: {delay: 3s}, more: {}}\n");
    make("queues", "second", "{}"); /* as the files were, not as they are */
    assert_null(queue("more"));
    reload(true);
    assert_non_null(queue("more"));
    assert_non_null(queue("made"));

    write_config("queues: {made: {}}\n");
    reload(false);
    struct reload_report report = router_reload_report(&world.router);
    assert_non_null(strstr(report.error, "weir.yaml:3:10: error: queue 'made' was made by the API; delete it there or "
                                         "give this one another name"));
    free(report.error);

    write_config("rules: {a: {pattern: {a: [1]}, targets: [made]}}\n"); /* what `weir check` refuses too */
    reload(false);
    report = router_reload_report(&world.router);
    assert_non_null(strstr(
        report.error, "unknown target 'made'; one was made by the API, but what a file names must stand in the files"));
    free(report.error);
    make("queues", "third", "{}");
    assert_non_null(queue("more"));
}

static void test_a_start_that_does_not_fit(void **state)
{
    struct weir_diag diag = {0};

    start();
    make("queues", "made", "{}");
    stop();
    write_config("queues: {made: {}}\n");
    assert_int_equal(open_ledger(&diag), RELOAD_UNFIT);
    stop();
    write_config("");
    start();
    assert_non_null(queue("made"));
}

static void test_while_stopping(void **state)
{
    struct change c = {.steps = {{"queues", "late", "{}"}}};

    start();
    reloader_stop(world.router.reloader);
    submit(&c);
    wait_for(&c.done);
    assert_outcome(c, RESOURCES_UNAVAILABLE);
    assert_string_equal(c.change.message, "the router is stopping");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_and_there_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_does_not_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dangling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_beside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_start_that_does_not_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_while_stopping, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
