/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TARGETS_FIXTURE_H
#define TESTS_TARGETS_FIXTURE_H

/* What the tests of targets that keep state share: a folder of their own, and a store in it. Failures abort the test.
 */

#include "targets/store.h"

struct fixture {
    char folder[64]; /* gone after fixture_fini() */
    char database[80];
    struct store *store; /* NULL unless opened */
    struct weir_diag diag;
};

void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f); /* closes the store, removes the folder */
void fixture_open(struct fixture *f, const struct store_schema *const *schemas);
void fixture_close(struct fixture *f);

void fixture_begin(struct fixture *f);
void fixture_commit(struct fixture *f);

/* An answer of one integer. */
int64_t fixture_ask(struct fixture *f, const char *sql);
/* How SQLite would run this: EXPLAIN QUERY PLAN's lines, joined by " | ". */
const char *fixture_plan(struct fixture *f, const char *sql, char *out, size_t size);

/* A file below the folder: its text (NUL-terminated, at most size - 1 bytes), or -1. */
long fixture_read(struct fixture *f, const char *path, char *out, size_t size);
void fixture_append(struct fixture *f, const char *path, const char *text);

#endif
