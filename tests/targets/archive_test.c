/* SPDX-License-Identifier: Apache-2.0 */
/* Archives: every event once, over rollbacks, crashes, repeats and a full disk; paths, hours, times, retention. */
#include "targets/archive.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

#define HOUR      3600000
#define NOON      1795262400000 /* 2026-11-21T12:00:00Z */
#define NOON_FILE "archives/audit/bus=default/date=2026-11-21/hour=12/events.ndjson"
#define ONE_FILE  "archives/audit/bus=default/date=2026-11-21/hour=13/events.ndjson"

static const struct store_schema *const schemas[] = {&archive_schema, NULL};

static struct archive_options options;
static struct target_def audit;

struct world {
    struct sandbox f;
    struct target *t;
};

static void start(struct world *w)
{
    sandbox_open(&w->f, schemas);
    w->t = archive_adapter.open(&audit, NULL, w->f.folder, &w->f.diag);
    assert_non_null(w->t);
}

static bool recover(struct world *w)
{
    bool ok;

    sandbox_begin(&w->f);
    ok = archive_adapter.recover(w->t, w->f.store, &w->f.diag);
    if (ok)
        sandbox_commit(&w->f);
    else
        store_rollback(w->f.store);
    return ok;
}

/* As a kill -9 leaves it, but that the descriptors are closed. */
static void crash(struct world *w)
{
    if (w->t)
        archive_adapter.close(w->t);
    w->t = NULL;
    if (w->f.store)
        store_rollback(w->f.store);
    sandbox_close(&w->f);
}

static int setup(void **state)
{
    static struct world w;

    options = (struct archive_options){.bus = STR("default")};
    audit = (struct target_def){.adapter = &archive_adapter, .name = STR("audit"), .options = &options};
    sandbox_init(&w.f);
    start(&w);
    assert_true(recover(&w));
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    crash(w);
    sandbox_fini(&w->f);
    return 0;
}

static struct weir_time at(int64_t ms_after_noon)
{
    return (struct weir_time){.wall_ms = NOON + ms_after_noon, .age_ms = 100 * HOUR + ms_after_noon};
}

static void put_text(struct world *w, uint64_t position, const char *event, struct weir_time now)
{
    struct verdict v;
    struct delivery d = {.target = w->t, .position = position, .event = str_from(event)};

    archive_adapter.put(w->t, &d, w->f.store, now, &v);
    assert_int_equal(v.kind, VERDICT_SETTLED);
}

static void put(struct world *w, uint64_t position, struct weir_time now)
{
    char event[64];

    snprintf(event, sizeof(event), "{\"n\":%llu}", (unsigned long long)position);
    put_text(w, position, event, now);
}

static bool flush(struct world *w, struct weir_time now)
{
    return archive_adapter.flush(w->t, w->f.store, now, &w->f.diag);
}

/* Positions first to last as one committed batch. */
static void batch(struct world *w, uint64_t first, uint64_t last, struct weir_time now)
{
    sandbox_begin(&w->f);
    for (uint64_t p = first; p <= last; p++)
        put(w, p, now);
    assert_true(flush(w, now));
    sandbox_commit(&w->f);
}

/* A file's events as "1 2 3", whatever is not such a line as "?"; "none" where there is no file. */
static const char *inside(struct world *w, const char *path)
{
    static char text[8192], out[8192];
    long size = sandbox_read(&w->f, path, text, sizeof(text));

    if (size < 0)
        return "none";
    out[0] = '\0';
    for (char *line = text, *end; *line; line = end) {
        unsigned n;
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        size_t used = strlen(out);
        if (end[-1] == '\n' && sscanf(line, "{\"n\":%u}\n", &n) == 1)
            snprintf(out + used, sizeof(out) - used, "%s%u", used ? " " : "", n);
        else
            snprintf(out + used, sizeof(out) - used, "%s?", used ? " " : "");
    }
    return out;
}

static int64_t expire(struct world *w, struct weir_time now)
{
    int64_t count;

    sandbox_begin(&w->f);
    assert_true(archive_expire(w->t, w->f.store, now, &count, &w->f.diag));
    sandbox_commit(&w->f);
    return count;
}

static struct archive_totals totals(struct world *w)
{
    struct archive_totals t;

    assert_true(archive_count(w->f.store, audit.name, &t, &w->f.diag));
    return t;
}

static void batches_are_appended(void **state)
{
    struct world *w = *state;

    batch(w, 1, 3, at(0));
    batch(w, 7, 8, at(1000));
    assert_string_equal(inside(w, NOON_FILE), "1 2 3 7 8");
    assert_int_equal(totals(w).events, 5);
    assert_int_equal(totals(w).bytes, 40);
    assert_int_equal(totals(w).files, 1);
}

static void hours_have_their_own_files(void **state)
{
    struct world *w = *state;

    batch(w, 1, 1, at(HOUR - 1));
    batch(w, 2, 2, at(HOUR));
    batch(w, 3, 3, at(HOUR - 1)); /* the clock was set back */
    assert_string_equal(inside(w, NOON_FILE), "1 3");
    assert_string_equal(inside(w, ONE_FILE), "2");
}

/* A reload may give a running archive another bus. */
static void buses_have_their_own_files(void **state)
{
    struct world *w = *state;
    struct archive_options other = {.bus = STR("audit")};
    struct target_def now_of_audit = {.adapter = &archive_adapter, .name = STR("audit"), .options = &other};

    batch(w, 1, 1, at(0));
    w->t->def = &now_of_audit;
    batch(w, 2, 3, at(1000));
    w->t->def = &audit;
    batch(w, 4, 4, at(2000));
    assert_string_equal(inside(w, NOON_FILE), "1 4");
    assert_string_equal(inside(w, "archives/audit/bus=audit/date=2026-11-21/hour=12/events.ndjson"), "2 3");
}

static void rolled_back_batch_is_repeated_once(void **state)
{
    struct world *w = *state;

    batch(w, 1, 1, at(0));
    for (int i = 0; i < 3; i++) {
        sandbox_begin(&w->f);
        put(w, 2, at(0));
        put(w, 3, at(0));
        if (i != 1) /* once before the flush, twice after it */
            assert_true(flush(w, at(0)));
        store_rollback(w->f.store);
    }
    batch(w, 2, 3, at(0));
    assert_string_equal(inside(w, NOON_FILE), "1 2 3");
    assert_int_equal(totals(w).events, 3);
}

/* The repeat may differ: another rule set, an event less. */
static void shorter_repeat_leaves_no_tail(void **state)
{
    struct world *w = *state;

    sandbox_begin(&w->f);
    for (int p = 1; p <= 9; p++)
        put(w, (uint64_t)p, at(0));
    assert_true(flush(w, at(0)));
    store_rollback(w->f.store);
    batch(w, 9, 9, at(0));
    assert_string_equal(inside(w, NOON_FILE), "9");
}

static void savepoint_is_as_good_as_a_transaction(void **state)
{
    struct world *w = *state;

    sandbox_begin(&w->f);
    assert_true(store_savepoint(w->f.store, &w->f.diag));
    put(w, 1, at(0));
    assert_true(flush(w, at(0)));
    assert_true(store_release(w->f.store, &w->f.diag));
    assert_true(store_savepoint(w->f.store, &w->f.diag));
    put(w, 2, at(0));
    assert_true(flush(w, at(0)));
    store_rollback_savepoint(w->f.store);
    assert_true(store_savepoint(w->f.store, &w->f.diag));
    put(w, 2, at(0));
    put(w, 3, at(0));
    assert_true(flush(w, at(0)));
    assert_true(store_release(w->f.store, &w->f.diag));
    sandbox_commit(&w->f);
    assert_string_equal(inside(w, NOON_FILE), "1 2 3");
}

static void rolled_back_hour_leaves_no_file(void **state)
{
    struct world *w = *state;

    batch(w, 1, 1, at(0));
    sandbox_begin(&w->f);
    put(w, 2, at(HOUR));
    assert_true(flush(w, at(HOUR)));
    store_rollback(w->f.store);
    assert_string_equal(inside(w, ONE_FILE), "2");
    batch(w, 2, 2, at(2 * HOUR));
    assert_string_equal(inside(w, ONE_FILE), "none");
    assert_int_equal(totals(w).files, 2);
}

static void repeats_are_skipped(void **state)
{
    struct world *w = *state;

    batch(w, 1, 3, at(0));
    batch(w, 2, 4, at(0));
    batch(w, 1, 4, at(HOUR)); /* nothing new: no file either */
    assert_string_equal(inside(w, NOON_FILE), "1 2 3 4");
    assert_string_equal(inside(w, ONE_FILE), "none");
    crash(w);
    start(w);
    assert_true(recover(w));
    batch(w, 1, 5, at(0));
    assert_string_equal(inside(w, NOON_FILE), "1 2 3 4 5");
}

static void crash_before_commit_is_cut(void **state)
{
    struct world *w = *state;

    batch(w, 1, 2, at(0));
    sandbox_begin(&w->f);
    put(w, 3, at(0));
    assert_true(flush(w, at(0)));
    crash(w);
    sandbox_append(&w->f, NOON_FILE, "{\"n\":3"); /* torn */
    start(w);
    assert_string_equal(inside(w, NOON_FILE), "1 2 3 ?");
    assert_true(recover(w));
    assert_string_equal(inside(w, NOON_FILE), "1 2");
    batch(w, 3, 3, at(0));
    assert_string_equal(inside(w, NOON_FILE), "1 2 3");
}

static void crash_in_a_new_hour_is_set_aside(void **state)
{
    struct world *w = *state;

    batch(w, 1, 1, at(0));
    sandbox_begin(&w->f);
    put(w, 2, at(HOUR));
    assert_true(flush(w, at(HOUR)));
    crash(w);
    start(w);
    assert_true(recover(w));
    assert_string_equal(inside(w, ONE_FILE), "none");
    assert_string_equal(inside(w, ONE_FILE ".uncommitted"), "2");
    assert_string_equal(inside(w, NOON_FILE), "1");
    batch(w, 2, 2, at(3 * HOUR));
    assert_int_equal(totals(w).events, 2);
}

#define LOST(bytes)                                                                                                    \
    "the archive file '" NOON_FILE "' was removed or cut: " bytes " bytes of events recorded in it are lost, and the " \
    "archive goes on without them"

static void lost_and_shortened_files_are_reported(void **state)
{
    struct world *w = *state;
    char path[256];

    batch(w, 1, 2, at(0));
    batch(w, 3, 3, at(HOUR));
    snprintf(path, sizeof(path), "%s/" NOON_FILE, w->f.folder);
    assert_int_equal(truncate(path, 9), 0);
    assert_true(recover(w));
    assert_string_equal(w->f.diag.message, LOST("16"));
    assert_string_equal(inside(w, NOON_FILE), "none");
    assert_string_equal(inside(w, NOON_FILE ".damaged"), "1 ?"); /* nothing of it is taken away */
    assert_string_equal(inside(w, ONE_FILE), "3");
    assert_int_equal(totals(w).events, 1);
    snprintf(path, sizeof(path), "%s/" ONE_FILE, w->f.folder);
    assert_int_equal(unlink(path), 0);
    assert_true(recover(w));
    assert_int_equal(totals(w).events, 0);
    batch(w, 4, 4, at(HOUR));
    assert_true(recover(w));
    assert_string_equal(w->f.diag.message, "");
    assert_string_equal(inside(w, ONE_FILE), "4");
}

static void file_removed_under_our_feet_is_reported_once(void **state)
{
    struct world *w = *state;
    char path[256];

    batch(w, 1, 1, at(0));
    snprintf(path, sizeof(path), "%s/" NOON_FILE, w->f.folder);
    assert_int_equal(unlink(path), 0);
    sandbox_begin(&w->f);
    put(w, 2, at(0));
    assert_false(flush(w, at(0)));
    assert_string_equal(w->f.diag.message, LOST("8"));
    store_rollback(w->f.store);
    batch(w, 2, 2, at(0)); /* it comes again, and the archive goes on */
    batch(w, 3, 3, at(0));
    assert_string_equal(inside(w, NOON_FILE), "2 3");
    assert_int_equal(totals(w).events, 2);
}

static void event_times_are_kept(void **state)
{
    struct world *w = *state;

    sandbox_begin(&w->f);
    put_text(w, 1, "{\"time\":\"2026-11-20T10:00:00Z\",\"n\":1}", at(5));
    put_text(w, 2, "{\"time\":\"2026-11-20T08:00:00+01:00\",\"n\":1}", at(5));
    assert_true(flush(w, at(5)));
    sandbox_commit(&w->f);
    assert_int_equal(totals(w).time_min_ms, NOON - 29 * HOUR);
    assert_int_equal(totals(w).time_max_ms, NOON - 26 * HOUR);
    sandbox_begin(&w->f);
    put_text(w, 3, "{\"time\":\"yesterday\"}", at(5));
    put_text(w, 4, "{\"time\":12}", at(5));
    put_text(w, 5, "{}", at(5));
    assert_true(flush(w, at(5)));
    sandbox_commit(&w->f);
    assert_int_equal(totals(w).time_min_ms, NOON - 29 * HOUR);
    assert_int_equal(totals(w).time_max_ms, NOON + 5);
}

static void an_event_is_one_line(void **state)
{
    struct world *w = *state;

    sandbox_begin(&w->f);
    put_text(w, 1, "{\n  \"n\" : 1\n}", at(0));
    assert_true(flush(w, at(0)));
    sandbox_commit(&w->f);
    assert_string_equal(inside(w, NOON_FILE), "1");
}

static void any_name_makes_a_safe_path(void **state)
{
    struct world *w = *state;

    audit.name = STR("../a b");
    options.bus = STR("aws.partner/x.com/\xc3\xa9");
    batch(w, 1, 1, at(0));
    assert_string_equal(
        inside(w, "archives/%2E.%2Fa%20b/bus=aws.partner%2Fx.com%2F%C3%A9/date=2026-11-21/hour=12/events.ndjson"), "1");
    assert_true(recover(w));
    assert_int_equal(totals(w).events, 1);
}

static void check_bounds_the_name(void **state)
{
    char name[100];
    struct diags diags;
    struct target_def def = {.name = {name, 100}, .options = &options};

    memset(name, '/', sizeof(name)); /* three bytes each as a folder's name */
    assert_true(diags_init(&diags, 4));
    assert_false(archive_adapter.check(&def, &diags));
    assert_non_null(strstr(diags.list[0].message, "has 300 bytes as a folder's name, the limit is 240"));
    def.name.size = 80;
    assert_true(archive_adapter.check(&def, &diags));
    diags_fini(&diags);
}

struct listing {
    char text[256];
};

static void list(void *context, const struct archive_file *f)
{
    struct listing *l = context;
    size_t used = strlen(l->text);

    snprintf(l->text + used, sizeof(l->text) - used, "%lld:%lld/%lld ", (long long)((f->hour - NOON) / HOUR),
             (long long)f->events, (long long)f->bytes);
}

static void files_come_by_hour(void **state)
{
    struct world *w = *state;
    struct listing l = {""};

    batch(w, 1, 2, at(2 * HOUR));
    batch(w, 3, 3, at(0));
    batch(w, 4, 6, at(HOUR));
    assert_true(archive_files(w->f.store, audit.name, list, &l, &w->f.diag));
    assert_string_equal(l.text, "0:1/8 1:3/24 2:2/16 ");
    l.text[0] = '\0';
    assert_true(archive_files(w->f.store, STR("other"), list, &l, &w->f.diag));
    assert_string_equal(l.text, "");
    assert_int_equal(totals(w).files, 3);
}

static void retention_removes_whole_hours(void **state)
{
    struct world *w = *state;
    struct stat st;
    char folder[256];

    options.retention = 2 * HOUR;
    batch(w, 1, 1, at(0));
    batch(w, 2, 2, at(HOUR));
    assert_int_equal(expire(w, at(3 * HOUR)), 0);
    assert_int_equal(expire(w, at(3 * HOUR + 1)), 1);
    assert_int_equal(totals(w).files, 1);
    assert_string_equal(inside(w, NOON_FILE), "1"); /* unlinked only after that was committed */
    assert_int_equal(expire(w, at(3 * HOUR + 2)), 0);
    assert_string_equal(inside(w, NOON_FILE), "none");
    snprintf(folder, sizeof(folder), "%s/archives/audit/bus=default/date=2026-11-21/hour=12", w->f.folder);
    assert_int_equal(stat(folder, &st), -1);
    assert_string_equal(inside(w, ONE_FILE), "2");
    batch(w, 1, 3, at(4 * HOUR)); /* what was archived once is not archived again */
    assert_int_equal(totals(w).events, 2);
    expire(w, at(100 * HOUR));
    expire(w, at(100 * HOUR));
    batch(w, 4, 4, at(100 * HOUR));
    assert_true(recover(w));
    assert_int_equal(totals(w).files, 1);
}

static void rolled_back_retention_loses_nothing(void **state)
{
    struct world *w = *state;
    int64_t count;

    options.retention = HOUR;
    batch(w, 1, 1, at(0));
    sandbox_begin(&w->f);
    for (int i = 0; i < 2; i++)
        assert_true(archive_expire(w->t, w->f.store, at(9 * HOUR), &count, &w->f.diag));
    store_rollback(w->f.store);
    assert_string_equal(inside(w, NOON_FILE), "1");
    assert_true(recover(w));
    assert_int_equal(totals(w).files, 1);
}

static void file_back_from_the_trash_stays(void **state)
{
    struct world *w = *state;

    options.retention = HOUR;
    batch(w, 1, 1, at(0));
    assert_int_equal(expire(w, at(9 * HOUR)), 1);
    batch(w, 2, 2, at(0)); /* the clock was set back */
    expire(w, at(0));
    assert_string_equal(inside(w, NOON_FILE), "2");
    assert_true(recover(w));
}

static void trash_is_emptied_at_start(void **state)
{
    struct world *w = *state;

    options.retention = HOUR;
    batch(w, 1, 1, at(0));
    assert_int_equal(expire(w, at(9 * HOUR)), 1);
    crash(w);
    start(w);
    assert_true(recover(w));
    assert_string_equal(inside(w, NOON_FILE), "none");
    assert_string_equal(inside(w, NOON_FILE ".uncommitted"), "none");
}

/* ---- deleting ---- */

static void step(struct world *w, bool ok)
{
    assert_true(ok);
    sandbox_commit(&w->f);
    sandbox_begin(&w->f);
}

static void name_one(void *context, struct str name)
{
    *(struct str *)context = name;
}

static void deleted_archive_loses_its_files(void **state)
{
    struct world *w = *state;
    struct str doomed = {0};
    struct stat st;
    char folder[256];

    batch(w, 1, 2, at(0));
    sandbox_append(&w->f, NOON_FILE ".uncommitted", "set aside by a start\n");
    sandbox_begin(&w->f);
    step(w, archive_discard(w->f.store, audit.name, &w->f.diag)); /* not marked: both do nothing */
    step(w, archive_bury(w->f.store, w->f.folder, audit.name, &w->f.diag));
    assert_int_equal(totals(w).events, 2);
    step(w, archive_doom(w->f.store, audit.name, true, &w->f.diag));
    assert_true(archive_each_doomed(w->f.store, name_one, &doomed, &w->f.diag));
    assert_int_equal(doomed.size, audit.name.size);
    step(w, archive_discard(w->f.store, audit.name, &w->f.diag));
    assert_int_equal(totals(w).events, 0);
    assert_string_equal(inside(w, NOON_FILE), "1 2"); /* until that is committed */
    step(w, archive_bury(w->f.store, w->f.folder, audit.name, &w->f.diag));
    snprintf(folder, sizeof folder, "%s/archives/audit", w->f.folder);
    assert_int_equal(stat(folder, &st), -1);
    crash(w);
    start(w);
    assert_true(recover(w));
    batch(w, 3, 3, at(0)); /* another archive of that name */
    assert_string_equal(inside(w, NOON_FILE), "3");
    assert_int_equal(totals(w).events, 1);
}

/* What is configured when it recovers was not deleted, or is another one of that name. */
static void mark_goes_where_the_archive_is_there(void **state)
{
    struct world *w = *state;
    struct archive_seal_job job = {0};

    batch(w, 1, 2, at(0));
    sandbox_begin(&w->f);
    step(w, archive_doom(w->f.store, audit.name, true, &w->f.diag));
    assert_true(archive_seal_next(w->f.store, at(5 * HOUR), &job, &w->f.diag));
    assert_string_equal(job.path, "");
    store_rollback(w->f.store);
    crash(w);
    start(w);
    assert_true(recover(w));
    sandbox_begin(&w->f);
    step(w, archive_discard(w->f.store, audit.name, &w->f.diag));
    assert_true(archive_seal_next(w->f.store, at(5 * HOUR), &job, &w->f.diag));
    assert_string_equal(job.path, NOON_FILE);
    store_rollback(w->f.store);
    assert_string_equal(inside(w, NOON_FILE), "1 2");
    assert_int_equal(totals(w).events, 2);
}

static void wall_clock_that_leaps_expires_nothing(void **state)
{
    struct world *w = *state;
    struct weir_time leapt = at(HOUR);

    options.retention = 2 * HOUR;
    batch(w, 1, 1, at(0));
    leapt.wall_ms += 10000 * (int64_t)HOUR;
    assert_int_equal(expire(w, leapt), 0);
    assert_int_equal(expire(w, at(3 * HOUR + 1)), 1);
}

/* A file-size limit stands for a full disk: put `n` has no room. */
static void fail_for_room(struct world *w, uint64_t n)
{
    struct rlimit old, tight;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    tight = (struct rlimit){.rlim_cur = 20, .rlim_max = old.rlim_max};
    sandbox_begin(&w->f);
    put(w, n, at(0));
    setrlimit(RLIMIT_FSIZE, &tight);
    bool ok = flush(w, at(0));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_int_equal(w->f.diag.code, WEIR_E_IO);
    assert_string_equal(w->f.diag.message, "cannot write '" NOON_FILE "': File too large");
    store_rollback(w->f.store);
}

static void full_disk_fails_the_batch(void **state)
{
    struct world *w = *state;

    batch(w, 1, 2, at(0));
    fail_for_room(w, 3);
    batch(w, 3, 4, at(0));
    assert_string_equal(inside(w, NOON_FILE), "1 2 3 4");
}

static void full_disk_at_the_end_of_an_hour_leaves_no_tail(void **state)
{
    struct world *w = *state;

    batch(w, 1, 2, at(0));
    fail_for_room(w, 3);
    batch(w, 3, 4, at(HOUR));
    assert_string_equal(inside(w, NOON_FILE), "1 2");
    assert_string_equal(inside(w, ONE_FILE), "3 4");
}

static void missing_data_folder_is_an_error(void **state)
{
    struct world *w = *state;

    assert_null(archive_adapter.open(&audit, NULL, "/nonexistent", &w->f.diag));
    assert_string_equal(w->f.diag.message, "cannot open the data folder '/nonexistent': No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_are_appended),
        TEST(hours_have_their_own_files),
        TEST(buses_have_their_own_files),
        TEST(rolled_back_batch_is_repeated_once),
        TEST(shorter_repeat_leaves_no_tail),
        TEST(savepoint_is_as_good_as_a_transaction),
        TEST(rolled_back_hour_leaves_no_file),
        TEST(repeats_are_skipped),
        TEST(crash_before_commit_is_cut),
        TEST(crash_in_a_new_hour_is_set_aside),
        TEST(lost_and_shortened_files_are_reported),
        TEST(file_removed_under_our_feet_is_reported_once),
        TEST(event_times_are_kept),
        TEST(an_event_is_one_line),
        TEST(any_name_makes_a_safe_path),
        TEST(check_bounds_the_name),
        TEST(files_come_by_hour),
        TEST(retention_removes_whole_hours),
        TEST(rolled_back_retention_loses_nothing),
        TEST(file_back_from_the_trash_stays),
        TEST(trash_is_emptied_at_start),
        TEST(deleted_archive_loses_its_files),
        TEST(mark_goes_where_the_archive_is_there),
        TEST(wall_clock_that_leaps_expires_nothing),
        TEST(full_disk_fails_the_batch),
        TEST(full_disk_at_the_end_of_an_hour_leaves_no_tail),
        TEST(missing_data_folder_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
