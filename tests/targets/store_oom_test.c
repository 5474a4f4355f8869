/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory in the ledger's code: each allocation, ours and SQLite's, is refused in turn. Whatever was refused is
 * reported, nothing is half done after the rollback, and the same work then succeeds on the same store.
 */
#include "targets/archive.h"
#include "targets/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

#include "tests/wrap_malloc.h"

/* ---- refusing ---- */

static long countdown = -1; /* allocations until one is refused; below 0: none is */
static bool refused_one;

static bool refused(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    refused_one = true;
    return true;
}

static sqlite3_mem_methods sqlites;

static void *sqlite_malloc(int size)
{
    return refused() ? NULL : sqlites.xMalloc(size);
}
static void *sqlite_realloc(void *memory, int size)
{
    return refused() ? NULL : sqlites.xRealloc(memory, size);
}

static int hook_sqlite(void **state)
{
    sqlite3_mem_methods hooked;

    /* Without lookaside every small allocation of SQLite's passes here too. */
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlites) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return -1;
    hooked = sqlites;
    hooked.xMalloc = sqlite_malloc;
    hooked.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &hooked) == SQLITE_OK ? 0 : -1;
}

/* ---- the work ---- */

static const struct store_schema *const schemas[] = {&queue_schema, &archive_schema, NULL};

static struct queue_options dead_options = {
    .visibility_timeout = 1000, .retention = 60000, .maximum_message_size = 4096};
static const struct target_def dead = {.adapter = &queue_adapter, .name = {"dead", 4}, .options = &dead_options};
static struct queue_options work_options = {.visibility_timeout = 1000,
                                            .retention = 60000,
                                            .maximum_message_size = 4096,
                                            .redrive_policy = {.target = &dead, .max_receive_count = 1}};
static const struct target_def work = {.adapter = &queue_adapter, .name = {"work", 4}, .options = &work_options};
static struct archive_options archive_options = {.bus = {"default", 7}, .retention = 3600000};
static const struct target_def audit = {.adapter = &archive_adapter, .name = {"audit", 5}, .options = &archive_options};

static void ignore(void *context, const struct queue_message *m) {}

static bool put(struct target *t, struct store *s, uint64_t position, struct weir_time now)
{
    struct verdict v;
    struct delivery d = {
        .target = t, .position = position, .event = STR("{\"time\":\"2026-11-21T04:00:00Z\"}"), .input = STR("{}")};

    t->ops->put(t, &d, s, now, &v);
    return v.kind == VERDICT_SETTLED;
}

/* One batch as the ledger thread runs it: round n puts a message and an event, and moves the message of round n - 1. */
static bool batch(struct store *s, struct target *queue, struct target *archive, uint64_t round, struct weir_diag *diag)
{
    struct weir_time now = {.wall_ms = (int64_t)round * 7200000, .age_ms = (int64_t)round * 2000};
    struct queue_want want = {.max = 5, .visibility_ms = -1, .each = ignore};
    int64_t expired;

    return store_savepoint(s, diag) && queue_receive(s, &work, &want, now, NULL, diag) && put(queue, s, round, now) &&
           queue_receive(s, &work, &want, now, NULL, diag) && put(archive, s, round, now) &&
           archive->ops->flush(archive, s, now, diag) && archive_expire(archive, s, now, &expired, diag) &&
           store_release(s, diag);
}

static bool transaction(struct store *s, struct target *queue, struct target *archive, uint64_t round,
                        struct weir_diag *diag)
{
    if (!store_begin(s, diag))
        return false;
    if (batch(s, queue, archive, round, diag))
        return store_commit(s, diag);
    store_rollback(s);
    return false;
}

static void check_state(struct sandbox *box, uint64_t rounds)
{
    assert_int_equal(sandbox_ask(box, "SELECT count(*) FROM queue_message"), rounds);
    assert_int_equal(sandbox_ask(box, "SELECT sum(messages) FROM queue"), rounds);
    assert_int_equal(sandbox_ask(box, "SELECT count(*) FROM queue_claim WHERE receive_count > 0"), 1);
    assert_int_equal(sandbox_ask(box, "SELECT position FROM archive"), rounds);
}

/* ---- the tests ---- */

static void every_refused_allocation_undoes_its_batch(void **state)
{
    struct sandbox box;
    uint64_t round = 1;
    bool ok, all = false;

    sandbox_init(&box);
    sandbox_open(&box, schemas);
    struct target *queue = queue_adapter.open(&work, NULL, box.folder, &box.diag);
    struct target *archive = archive_adapter.open(&audit, NULL, box.folder, &box.diag);
    for (long n = 0; !all; n++) {
        refused_one = false;
        countdown = n;
        ok = transaction(box.store, queue, archive, round, &box.diag);
        countdown = -1;
        all = !refused_one;
        if (!ok) {
            assert_true(refused_one); /* SQLite may also do without the memory and go on */
            assert_true(transaction(box.store, queue, archive, round, &box.diag));
        }
        check_state(&box, round++);
    }
    assert_true(round > 50);
    queue_adapter.close(queue);
    archive_adapter.close(archive);
    sandbox_fini(&box);
}

static void every_refused_allocation_fails_the_open(void **state)
{
    struct sandbox box;
    struct store *s;
    bool all = false;

    sandbox_init(&box);
    for (long n = 0; !all; n++) {
        refused_one = false;
        countdown = n;
        s = store_open(box.database, schemas, &box.diag);
        countdown = -1;
        all = !refused_one;
        assert_true(s || (refused_one && box.diag.code == WEIR_E_MEMORY));
        if (s)
            store_close(s);
    }
    sandbox_open(&box, schemas);
    assert_int_equal(sandbox_ask(&box, "SELECT count(*) FROM weir_schema"), 2);
    sandbox_fini(&box);
}

static void every_refused_allocation_fails_the_target(void **state)
{
    struct weir_diag diag;

    countdown = 0;
    assert_null(queue_adapter.open(&work, NULL, "/tmp", &diag));
    assert_int_equal(diag.code, WEIR_E_MEMORY);
    countdown = 0;
    assert_null(archive_adapter.open(&audit, NULL, "/tmp", &diag));
    assert_int_equal(diag.code, WEIR_E_MEMORY);
    countdown = -1;
}

int main(void)
{
    allocation_refused = refused;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refused_allocation_undoes_its_batch),
        cmocka_unit_test(every_refused_allocation_fails_the_open),
        cmocka_unit_test(every_refused_allocation_fails_the_target),
    };

    return cmocka_run_group_tests(tests, hook_sqlite, NULL);
}
