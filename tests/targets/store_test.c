/* SPDX-License-Identifier: Apache-2.0 */
/* The store: opening good and bad files, migrations, transactions, savepoints, the statement cache. */
#include "targets/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/targets/sandbox.h"

#define TABLE "CREATE TABLE pair (a INTEGER PRIMARY KEY, b TEXT);"

static const char *const first[] = {TABLE, NULL};
static const char *const second[] = {TABLE, "ALTER TABLE pair ADD COLUMN c TEXT DEFAULT 'new'", NULL};
static const char *const broken[] = {TABLE, "ALTER TABLE pair ADD COLUMN c", "CREATE NONSENSE", NULL};
static const struct store_schema schema_one = {"pair", first}, schema_two = {"pair", second},
                                 schema_broken = {"pair", broken};
static const struct store_schema *const version_one[] = {&schema_one, NULL}, *const version_two[] = {&schema_two, NULL},
                                        *const version_broken[] = {&schema_broken, NULL}, *const none[] = {NULL};

static int setup(void **state)
{
    static struct sandbox f;

    sandbox_init(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    sandbox_fini(*state);
    return 0;
}

static bool insert(struct sandbox *f, int64_t a, const char *b)
{
    sqlite3_stmt *q = store_prepare(f->store, "INSERT INTO pair (a, b) VALUES (?, ?)", &f->diag);

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, a);
    store_bind(q, 2, str_from(b));
    return store_run(f->store, q, &f->diag);
}

#define ROWS "SELECT count(*) FROM pair"

static void opens_private_wal_file(void **state)
{
    struct sandbox *f = *state;
    struct stat st;

    sandbox_open(f, version_one);
    assert_int_equal(stat(f->database, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(sandbox_ask(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(sandbox_ask(f, "PRAGMA synchronous"), 2);
    assert_int_equal(sandbox_ask(f, "PRAGMA foreign_keys"), 0);
}

static void committed_rows_survive(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_one);
    sandbox_begin(f);
    assert_true(insert(f, 1, "x"));
    sandbox_commit(f);
    sandbox_begin(f);
    assert_true(insert(f, 2, "y"));
    store_rollback(f->store);
    sandbox_close(f);
    sandbox_open(f, version_one);
    assert_int_equal(sandbox_ask(f, ROWS), 1);
}

static void migrates_once_and_in_order(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_one);
    assert_true(insert(f, 1, "x"));
    sandbox_close(f);
    for (int i = 0; i < 2; i++) {
        sandbox_open(f, version_two);
        assert_int_equal(sandbox_ask(f, "SELECT version FROM weir_schema WHERE name = 'pair'"), 2);
        assert_int_equal(sandbox_ask(f, "SELECT c = 'new' FROM pair"), 1);
        sandbox_close(f);
    }
}

static void failing_migration_changes_nothing(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_one);
    sandbox_close(f);
    assert_null(store_open(f->database, version_broken, &f->diag));
    assert_non_null(strstr(f->diag.message, "NONSENSE"));
    sandbox_open(f, version_one);
    assert_int_equal(sandbox_ask(f, "SELECT version FROM weir_schema"), 1);
    assert_int_equal(sandbox_ask(f, "SELECT count(*) FROM pragma_table_info('pair')"), 2);
}

static void refuses_newer_file(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_two);
    sandbox_close(f);
    assert_null(store_open(f->database, version_one, &f->diag));
    assert_int_equal(f->diag.code, WEIR_E_IO);
    assert_non_null(
        strstr(f->diag.message, "written by a newer weir: its tables 'pair' have version 2, this one knows 1"));
    assert_null(store_open(f->database, none, &f->diag));
    assert_non_null(strstr(f->diag.message, "does not know its tables 'pair'"));
}

static void refuses_what_is_not_ours(void **state)
{
    struct sandbox *f = *state;
    char after[64];
    sqlite3 *db;

    sandbox_append(f, "weir.db", "This is a letter to a friend, and by no means a database of any kind.\n");
    assert_null(store_open(f->database, version_one, &f->diag));
    assert_non_null(strstr(f->diag.message, "is not a SQLite database"));
    assert_true(sandbox_read(f, "weir.db", after, sizeof(after)) > 0);
    assert_memory_equal(after, "This is a letter", 16);

    assert_int_equal(unlink(f->database), 0);
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE recipes (cake TEXT)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(store_open(f->database, version_one, &f->diag));
    assert_non_null(strstr(f->diag.message, "database of another program"));
}

static void names_the_path_it_cannot_open(void **state)
{
    struct sandbox *f = *state;

    assert_null(store_open("/nonexistent/weir.db", version_one, &f->diag));
    assert_string_equal(f->diag.message, "cannot create '/nonexistent/weir.db': No such file or directory");
    assert_int_equal(f->diag.code, WEIR_E_IO);
    assert_int_equal(mkdir(f->database, 0700), 0);
    assert_null(store_open(f->database, version_one, &f->diag));
    assert_non_null(strstr(f->diag.message, f->database));
}

static void savepoint_undoes_only_itself(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_one);
    sandbox_begin(f);
    assert_true(store_savepoint(f->store, &f->diag));
    assert_true(insert(f, 1, "x"));
    assert_true(store_release(f->store, &f->diag));
    uint64_t epoch = store_epoch(f->store);
    assert_true(store_savepoint(f->store, &f->diag));
    assert_true(insert(f, 2, "y"));
    store_rollback_savepoint(f->store);
    assert_true(store_epoch(f->store) != epoch);
    assert_true(store_savepoint(f->store, &f->diag));
    assert_true(insert(f, 3, "z"));
    assert_true(store_release(f->store, &f->diag));
    sandbox_commit(f);
    assert_int_equal(sandbox_ask(f, "SELECT sum(a) FROM pair"), 4);
}

static void step_tells_rows_and_end(void **state)
{
    struct sandbox *f = *state;
    bool row;

    sandbox_open(f, version_one);
    assert_true(insert(f, 1, "") && insert(f, 2, "two"));
    sqlite3_stmt *q = store_prepare(f->store, "SELECT b FROM pair ORDER BY a", &f->diag);
    assert_true(store_step(f->store, q, &row, &f->diag) && row);
    assert_int_equal(sqlite3_column_type(q, 0), SQLITE_TEXT);
    assert_int_equal(store_column(q, 0).size, 0);
    assert_true(store_step(f->store, q, &row, &f->diag) && row);
    assert_true(str_is(store_column(q, 0), "two"));
    assert_true(store_step(f->store, q, &row, &f->diag) && !row);
    assert_false(sqlite3_stmt_busy(q));
}

static void errors_carry_sqlites_words(void **state)
{
    struct sandbox *f = *state;

    sandbox_open(f, version_one);
    assert_true(insert(f, 1, "x"));
    assert_false(insert(f, 1, "again"));
    assert_non_null(strstr(f->diag.message, "UNIQUE constraint failed: pair.a"));
    assert_null(store_prepare(f->store, "SELECT absent FROM pair", &f->diag));
    assert_non_null(strstr(f->diag.message, "no such column"));
    assert_true(insert(f, 2, "y"));
    assert_int_equal(store_changes(f->store), 1);
}

/* More texts than the cache holds: it stays bounded, and every text still works, also after it made room. */
static void statement_cache_is_bounded(void **state)
{
    struct sandbox *f = *state;
    static char sql[300][32];
    int open = 0;
    bool row;

    sandbox_open(f, version_one);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 300; i++) {
            snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
            sqlite3_stmt *q = store_prepare(f->store, sql[i], &f->diag);
            assert_non_null(q);
            assert_ptr_equal(store_prepare(f->store, sql[i], &f->diag), q);
            assert_true(store_step(f->store, q, &row, &f->diag) && row);
            assert_int_equal(sqlite3_column_int(q, 0), i);
            sqlite3_reset(q);
        }
    for (sqlite3_stmt *q = NULL; (q = sqlite3_next_stmt(store_handle(f->store), q));)
        open++;
    assert_true(open <= 128);
}

/* A write that the file-size limit refuses, as a full disk would: an error, and what was there stays. */
static void full_disk_is_an_error(void **state)
{
    struct sandbox *f = *state;
    struct rlimit old, tight;
    bool ok = true;
    char *text = calloc(1, 100001);

    memset(text, 'x', 100000);
    sandbox_open(f, version_one);
    assert_true(insert(f, 1, "kept"));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    tight = (struct rlimit){.rlim_cur = 200000, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    sandbox_begin(f);
    for (int i = 2; ok && i < 300; i++) /* past the page cache, or at the commit */
        ok = insert(f, i, text);
    if (ok)
        ok = store_commit(f->store, &f->diag);
    else {
        bool undone = sqlite3_get_autocommit(store_handle(f->store));
        /* Where SQLite undid the transaction by itself, nothing may slip in behind it. */
        assert_true(!undone || !insert(f, 1000, "stray"));
        store_rollback(f->store);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_int_equal(f->diag.code, WEIR_E_IO);
    assert_int_equal(sandbox_ask(f, ROWS), 1);
    sandbox_begin(f);
    assert_true(insert(f, 2, "again"));
    sandbox_commit(f);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(opens_private_wal_file),
        TEST(committed_rows_survive),
        TEST(migrates_once_and_in_order),
        TEST(failing_migration_changes_nothing),
        TEST(refuses_newer_file),
        TEST(refuses_what_is_not_ours),
        TEST(names_the_path_it_cannot_open),
        TEST(savepoint_undoes_only_itself),
        TEST(step_tells_rows_and_end),
        TEST(errors_carry_sqlites_words),
        TEST(statement_cache_is_bounded),
        TEST(full_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
