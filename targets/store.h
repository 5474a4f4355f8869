/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_STORE_H
#define TARGETS_STORE_H

/*
 * The one SQLite file (DATA/weir.db): WAL, synchronous=FULL, one writing connection that belongs to one
 * thread (the ledger thread). Whoever keeps state registers its tables as a schema: a name and a list of
 * migrations, each run once, in order, inside one transaction at open; the version reached is kept in the
 * table weir_schema. A file written by a newer Weir is refused.
 *
 * Nobody else opens or closes the database file in this process (closing any descriptor of it drops the POSIX locks).
 */

#include <sqlite3.h>

#include "matcher/weir.h"
#include "matcher/str.h"

struct store;

struct store_schema {
    const char *name;
    const char *const *migrations; /* SQL of version 1, 2, …; ended by NULL */
};

/* schemas: ended by NULL. NULL: diag says why (path, SQLite's words). */
struct store *store_open(const char *path, const struct store_schema *const *schemas, struct weir_diag *diag);
/* Of a database that another process may have open: only for reading, nothing is made and nobody is kept waiting. */
struct store *store_open_read(const char *path, struct weir_diag *diag);
void store_close(struct store *s); /* checkpoints */

/* A prepared statement for this text (cached by the pointer: pass string literals), reset and unbound. NULL: diag. */
sqlite3_stmt *store_prepare(struct store *s, const char *sql, struct weir_diag *diag);
/* Steps a statement that gives no rows; resets it. */
bool store_run(struct store *s, sqlite3_stmt *statement, struct weir_diag *diag);
/* Steps a statement that gives rows: *row_out says whether there is one. After the last row, and after an error
   (false), the statement is reset. */
bool store_step(struct store *s, sqlite3_stmt *statement, bool *row_out, struct weir_diag *diag);
bool store_exec(struct store *s, const char *sql, struct weir_diag *diag);
sqlite3 *store_handle(struct store *s);
int64_t store_changes(struct store *s); /* rows changed by the last statement */

bool store_begin(struct store *s, struct weir_diag *diag);  /* BEGIN IMMEDIATE */
bool store_commit(struct store *s, struct weir_diag *diag); /* durable when true; false: rolled back */
void store_rollback(struct store *s);
bool store_savepoint(struct store *s, struct weir_diag *diag); /* one level inside a transaction … */
bool store_release(struct store *s, struct weir_diag *diag);   /* … kept */
void store_rollback_savepoint(struct store *s);                /* … or undone */

/* A number that changes whenever a transaction begins, commits or is undone, and when a savepoint is undone: who
   gathers in memory during a transaction can tell that what was gathered belongs to another one. */
uint64_t store_epoch(const struct store *s);

/* What a schema's owner gathers in memory during a transaction, beside its tables: made with the first store_keep(),
   zeroed. `flush` writes it before a savepoint is released and before a commit (false: diag, and that fails);
   `committed` (or NULL) follows a commit; `close` releases what it holds, not the memory itself. By store_epoch() it
   can tell that what it gathered was undone. */
struct store_keeper {
    size_t size;
    bool (*flush)(struct store *s, void *memory, struct weir_diag *diag);
    void (*committed)(struct store *s, void *memory);
    void (*close)(void *memory);
};
/* The keeper's memory in this store. NULL: diag. */
void *store_keep(struct store *s, const struct store_keeper *keeper, struct weir_diag *diag);

/* Copies the WAL back into the database once it has grown to STORE_CHECKPOINT_BYTES; else does nothing. To be called
   between transactions, when nobody waits for an answer: no commit does it on its way. A failure is no loss (the WAL
   only goes on growing, and the next call tries again): false, diag. */
#define STORE_CHECKPOINT_BYTES (16 << 20)
bool store_checkpoint(struct store *s, struct weir_diag *diag);

/* Of the database without its WAL, and how much of it is free pages. */
struct store_size {
    int64_t bytes, free_bytes;
};
bool store_size(struct store *s, struct store_size *out, struct weir_diag *diag);
/* Between transactions: gives at most 2,048 free pages (8 MiB) and the WAL back to the file system. */
bool store_shrink(struct store *s, struct weir_diag *diag);

/* diag from SQLite's last error; false. SQLITE_FULL, IOERR and the like are WEIR_E_IO. */
bool store_error(struct store *s, const char *doing, struct weir_diag *diag);

/* Binding and reading slices. */
void store_bind(sqlite3_stmt *statement, int index, struct str text); /* TEXT, copied by reference: keep until step */
struct str store_column(sqlite3_stmt *statement, int column);         /* valid until the next step */

#endif
