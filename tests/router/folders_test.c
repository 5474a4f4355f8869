/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watched folders after a crash: what the ledger knows of a file in work, and what the journal has of its last batch.
 * How files come in is tests/e2e/test_sources.py's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "router/folders_int.h"
#include "router/log.h"

static char folder[64];
static struct router router;
static struct folders *folders;

static void start(void)
{
    struct weir_diag diag = {0};
    struct journal_options options = {0};
    struct journal_report report;
    char path[96];

    router = (struct router){0};
    snprintf(path, sizeof path, "%s/weir.db", folder);
    router.ledger = ledger_open(path, &router.clock, &diag);
    assert_non_null(router.ledger);
    snprintf(path, sizeof path, "%s/journal", folder);
    router.journal = journal_open(path, &options, &report, &diag);
    assert_non_null(router.journal);
    folders = folders_open(&router, folder, &diag);
    if (!folders)
        fail_msg("%s", diag.message);
}

static void stop(void)
{
    folders_stop(folders);
    journal_close(router.journal);
    ledger_close(router.ledger);
}

static void restart(void)
{
    stop();
    start();
}

static int set_up(void **state)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_ERROR + 1);
    strcpy(folder, "/tmp/weir-folders-XXXXXX");
    assert_non_null(mkdtemp(folder));
    start();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    stop();
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

struct handing {
    struct journal_batch batch;
    atomic_bool done;
};

static void handed(struct journal_batch *b, enum journal_result result)
{
    assert_int_equal(result, JOURNAL_SYNCED);
    atomic_store(&((struct handing *)b)->done, true);
}

static void journal(uint32_t count, uint32_t flags)
{
    struct journal_event events[100];
    struct handing h = {.batch = {.events = events, .count = count, .done = handed}};

    for (uint32_t i = 0; i < count; i++)
        events[i] = (struct journal_event){STR("default"), STR("{\"id\":\"same\"}"), flags};
    assert_true(journal_submit(router.journal, &h.batch));
    while (!atomic_load(&h.done))
        usleep(1000);
}

static void note(const char *path, enum file_state state, int64_t records, int64_t synced)
{
    struct weir_diag diag;
    struct file *file = file_add(folders, STR("trail"), str_from(path));

    file->size = 7;
    file->changed_ns = INT64_C(1700000000123456789);
    file->state = state;
    file->records = records;
    file->synced = synced;
    assert_true(file_save_now(folders, file, &diag));
}

static void check(const char *path, enum file_state state, int64_t records)
{
    const struct file *file = file_find(folders, STR("trail"), str_from(path));

    assert_non_null(file);
    assert_int_equal(file->state, state);
    assert_int_equal(file->records, records);
    assert_int_equal(file->size, 7);
    assert_int_equal(file->changed_ns, INT64_C(1700000000123456789));
    if (state == FILE_TAKING)
        assert_int_equal(file->synced, NO_DOUBT);
}

/* A batch that was synced and not yet noted counts, once, and nothing else does that came meanwhile. */
static void test_batch_landed(void **state)
{
    journal(5, JOURNAL_FROM_FOLDER); /* of the batch before, and noted */
    journal(3, 0);
    note("a/b.ndjson.gz", FILE_TAKING, 1000, (int64_t)journal_synced(router.journal));
    journal(2, 0);
    journal(70, JOURNAL_FROM_FOLDER | JOURNAL_REPEATED_KEYS);
    journal(4, 0);
    for (int i = 0; i < 2; i++) {
        restart();
        check("a/b.ndjson.gz", FILE_TAKING, 1070);
    }
}

static void test_batch_did_not_land(void **state)
{
    journal(5, JOURNAL_FROM_FOLDER);
    note("a", FILE_TAKING, 5, (int64_t)journal_synced(router.journal));
    journal(6, 0);
    restart();
    check("a", FILE_TAKING, 5);
}

/* The very first batch of a journal that is empty. */
static void test_first_batch(void **state)
{
    note("a", FILE_TAKING, 0, 0);
    journal(9, JOURNAL_FROM_FOLDER);
    restart();
    check("a", FILE_TAKING, 9);
}

/* A file that waits in the middle, out of doubt, has no part in what was taken from others. */
static void test_only_who_is_in_doubt(void **state)
{
    note("waits", FILE_TAKING, 40, NO_DOUBT);
    note("taken", FILE_TAKEN, 5, NO_DOUBT);
    note("bad", FILE_BAD, 0, NO_DOUBT);
    note("last", FILE_TAKING, 0, (int64_t)journal_synced(router.journal));
    journal(8, JOURNAL_FROM_FOLDER);
    restart();
    check("waits", FILE_TAKING, 40);
    check("taken", FILE_TAKEN, 5);
    check("bad", FILE_BAD, 0);
    check("last", FILE_TAKING, 8);
}

static void test_many_files(void **state)
{
    char name[32];

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "2026/%d.json.gz", i);
        note(name, FILE_TAKEN, i, NO_DOUBT);
    }
    restart();
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "2026/%d.json.gz", i);
        check(name, FILE_TAKEN, i);
    }
    assert_null(file_find(folders, STR("trail"), STR("2026/300.json.gz")));
    assert_null(file_find(folders, STR("other"), STR("2026/1.json.gz")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch_landed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch_did_not_land, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_who_is_in_doubt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
