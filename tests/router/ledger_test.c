/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger thread: jobs commit together, a failing job undoes only itself, the clock's pair survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "router/ledger.h"
#include "router/log.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    log_open(LOG_FORMAT_LOGFMT, LEVEL_ERROR + 1);
    strcpy(folder, "/tmp/weir-ledger-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/weir.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

struct note { /* a job that writes its number */
    struct ledger_job job;
    int number;
    bool fails;
    bool finished, ok;
    char message[512];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;

static bool write_note(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct note *n = (struct note *)job;
    sqlite3_stmt *insert;

    if (!store_exec(s, "CREATE TABLE IF NOT EXISTS notes (number INTEGER)", diag) ||
        !(insert = store_prepare(s, "INSERT INTO notes VALUES (?)", diag)))
        return false;
    sqlite3_bind_int(insert, 1, n->number);
    if (!store_run(s, insert, diag))
        return false;
    if (n->fails)
        snprintf(diag->message, sizeof diag->message, "number %d is not wanted", n->number);
    return !n->fails;
}

static void noted(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct note *n = (struct note *)job;
    pthread_mutex_lock(&lock);
    n->finished = true;
    n->ok = ok;
    snprintf(n->message, sizeof n->message, "%s", diag->message);
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
}

static bool sum_notes(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct note *n = (struct note *)job;
    sqlite3_stmt *sum = store_prepare(s, "SELECT sum(number) FROM notes", diag);

    if (!sum || sqlite3_step(sum) != SQLITE_ROW)
        return false;
    n->number = sqlite3_column_int(sum, 0);
    sqlite3_reset(sum);
    return true;
}

static void wait_for(struct note *n)
{
    pthread_mutex_lock(&lock);
    while (!n->finished)
        pthread_cond_wait(&wake, &lock);
    pthread_mutex_unlock(&lock);
}

static struct ledger *open_ledger(struct clock *clock)
{
    struct weir_diag diag = {0};
    struct ledger *l = ledger_open(path, clock, &diag);
    if (!l)
        fail_msg("%s", diag.message);
    return l;
}

static void a_failing_job_undoes_only_itself(void **state)
{
    enum { JOBS = 300 };
    static struct note notes[JOBS];
    struct clock clock = {0};
    struct ledger *l = open_ledger(&clock);
    int wanted = 0;

    for (int i = 0; i < JOBS; i++) {
        notes[i] = (struct note){.job = {.run = write_note, .done = noted}, .number = i, .fails = i % 7 == 3};
        wanted += notes[i].fails ? 0 : i;
        ledger_submit(l, &notes[i].job);
    }
    ledger_start(l); /* all are waiting: they share a few commits */
    for (int i = 0; i < JOBS; i++) {
        wait_for(&notes[i]);
        assert_int_equal(notes[i].ok, !notes[i].fails);
        if (notes[i].fails)
            assert_non_null(strstr(notes[i].message, "is not wanted"));
    }
    struct ledger_stats stats;
    ledger_stats(l, &stats);
    assert_in_range(stats.commits, 1, 5);
    ledger_close(l);

    l = open_ledger(&clock);
    struct note sum = {.job = {.run = sum_notes, .done = noted}};
    struct weir_diag diag;
    assert_true(ledger_run_now(l, &sum.job, &diag));
    assert_int_equal(sum.number, wanted);
    ledger_close(l);
}

static void close_runs_what_waits(void **state)
{
    struct clock clock = {0};
    struct ledger *l = open_ledger(&clock);
    struct note note = {.job = {.run = write_note, .done = noted}, .number = 5};

    ledger_start(l);
    ledger_submit(l, &note.job);
    ledger_close(l);
    assert_true(note.finished && note.ok);
}

static void ages_resume_from_the_last_commit(void **state)
{
    struct clock clock = {0};
    struct note note = {.job = {.run = write_note, .done = noted}, .number = 1};
    struct weir_diag diag;
    struct ledger *l = open_ledger(&clock);

    clock.age_base_ms += 1000000; /* as if it had run for long */
    assert_true(ledger_run_now(l, &note.job, &diag));
    ledger_close(l);
    l = open_ledger(&clock);
    assert_in_range(clock_now(&clock).age_ms, 1000000, 1010000);
    ledger_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_job_undoes_only_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(close_runs_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ages_resume_from_the_last_commit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
