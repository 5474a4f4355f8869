/* SPDX-License-Identifier: Apache-2.0 */
/* A folder and a store in it, for one test; in memory where there is such a place, since these tests sync a lot. */
#include "tests/targets/sandbox.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void need(bool ok, const char *what, const struct weir_diag *diag)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, diag ? diag->message : "failed");
    abort();
}

void sandbox_init(struct sandbox *f)
{
    *f = (struct sandbox){.folder = "/dev/shm/weir-test-XXXXXX"};
    if (access("/dev/shm", W_OK) != 0)
        strcpy(f->folder, "/tmp/weir-test-XXXXXX");
    need(mkdtemp(f->folder) != NULL, "mkdtemp", NULL);
    snprintf(f->database, sizeof(f->database), "%s/weir.db", f->folder);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void sandbox_fini(struct sandbox *f)
{
    sandbox_close(f);
    nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void sandbox_open(struct sandbox *f, const struct store_schema *const *schemas)
{
    f->store = store_open(f->database, schemas, &f->diag);
    need(f->store != NULL, "store_open", &f->diag);
}

void sandbox_close(struct sandbox *f)
{
    if (f->store)
        store_close(f->store);
    f->store = NULL;
}

void sandbox_begin(struct sandbox *f)
{
    need(store_begin(f->store, &f->diag), "store_begin", &f->diag);
}
void sandbox_commit(struct sandbox *f)
{
    need(store_commit(f->store, &f->diag), "store_commit", &f->diag);
}

int64_t sandbox_ask(struct sandbox *f, const char *sql)
{
    sqlite3_stmt *q = NULL;

    need(sqlite3_prepare_v2(store_handle(f->store), sql, -1, &q, NULL) == SQLITE_OK, sql, NULL);
    need(sqlite3_step(q) == SQLITE_ROW, sql, NULL);
    int64_t answer = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return answer;
}

const char *sandbox_plan(struct sandbox *f, const char *sql, char *out, size_t size)
{
    char explain[2048];
    sqlite3_stmt *q = NULL;
    size_t used = 0;

    snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    need(sqlite3_prepare_v2(store_handle(f->store), explain, -1, &q, NULL) == SQLITE_OK, sql, NULL);
    out[0] = '\0';
    while (sqlite3_step(q) == SQLITE_ROW && used < size)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " | " : "", sqlite3_column_text(q, 3));
    sqlite3_finalize(q);
    return out;
}

static FILE *open_below(struct sandbox *f, const char *path, const char *mode)
{
    char full[1024];

    snprintf(full, sizeof(full), "%s/%s", f->folder, path);
    return fopen(full, mode);
}

long sandbox_read(struct sandbox *f, const char *path, char *out, size_t size)
{
    FILE *file = open_below(f, path, "r");

    if (!file)
        return -1;
    size_t got = fread(out, 1, size - 1, file);
    out[got] = '\0';
    fclose(file);
    return (long)got;
}

void sandbox_append(struct sandbox *f, const char *path, const char *text)
{
    FILE *file = open_below(f, path, "a");

    need(file != NULL, path, NULL);
    fputs(text, file);
    fclose(file);
}
