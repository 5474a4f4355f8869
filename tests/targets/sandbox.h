/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TARGETS_SANDBOX_H
#define TESTS_TARGETS_SANDBOX_H

/* What the tests of targets that keep state share: a folder of their own, and a store in it. Failures abort. */

#include "targets/store.h"

struct sandbox {
    char folder[64]; /* gone after sandbox_fini() */
    char database[80];
    struct store *store; /* NULL unless opened */
    struct weir_diag diag;
};

void sandbox_init(struct sandbox *f);
void sandbox_fini(struct sandbox *f); /* closes the store, removes the folder */
void sandbox_open(struct sandbox *f, const struct store_schema *const *schemas);
void sandbox_close(struct sandbox *f);

void sandbox_begin(struct sandbox *f);
void sandbox_commit(struct sandbox *f);

/* An answer of one integer. */
int64_t sandbox_ask(struct sandbox *f, const char *sql);
/* How SQLite would run this: EXPLAIN QUERY PLAN's lines, joined by " | ". */
const char *sandbox_plan(struct sandbox *f, const char *sql, char *out, size_t size);

/* A file below the folder: its text (NUL-terminated, at most size - 1 bytes), or -1. */
long sandbox_read(struct sandbox *f, const char *path, char *out, size_t size);
void sandbox_append(struct sandbox *f, const char *path, const char *text);

#endif
