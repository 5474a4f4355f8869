/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_FOLDERS_H
#define ROUTER_FOLDERS_H

/*
 * Watched folders (`sources:` of type folder): every file below one is taken in once, as if it had been sent, also
 * over restarts and kill -9. Meant for trees such as CloudTrail's AWSLogs/ACCOUNT/CloudTrail/REGION/yyyy/mm/dd/, which
 * a copy job fills.
 *
 *   file ─► settled for a second ─► unpacked, parsed whole ─► batch ─► journal ─► … ─► the ledger: taken
 *                                                              │
 *                            the ledger: taking, from record n ┘ before each batch
 *
 * Taken are *.json, *.jsonl and *.ndjson, also with .gz or .zst behind; names that begin with a dot, *.tmp, *.part and
 * symbolic links are let alone. A file with a fault in it is reported once and nothing of it is taken, until it
 * changes; one that changes after it was taken, or while it was, is reported, and no more of it is taken. The data
 * folder is left alone.
 *
 * Each event once: files are taken one at a time, and before each batch the ledger is told how far the journal is. What
 * comes from folders is marked in the journal; so after a crash the marked records behind that place are the present
 * batch, as much of it as was written, and the file goes on behind them. Until the ledger knows of it, the journal
 * keeps what may be asked for.
 *
 * A reload counts from the next batch on: what is left of a file then goes the way that its folder says now, or stays
 * where it is when the folder is not configured any more.
 *
 * One thread of its own, which waits for ledger and journal; it looks through the folders every second, or less often
 * where that takes long.
 */

#include "router/router.h"

struct folders;

extern const struct store_schema folder_schema;

/* Start-up, in this order: before the ledger and dispatch run (reads the journal where files were in work) … */
struct folders *folders_open(struct router *router, const char *data, struct weir_diag *diag); /* NULL: diag */
void folders_start(struct folders *f); /* … when the router is ready … */
void folders_stop(struct folders *f);  /* … before the journal closes; also frees it */

/* [{"name","path","bus","taken","bad","under_way","events"}], for the status; ledger thread. */
bool folders_show(struct buf *out, const struct ruleset *set, struct store *store, struct weir_diag *diag);

#endif
