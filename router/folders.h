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
 * Taken are *.json, *.jsonl and *.ndjson, also with .gz or .zst behind; names that begin with a dot, *.tmp and *.part
 * are let alone. A file with a fault in it is reported once and nothing of it is taken, until it changes; one that
 * changes after it was taken is reported, and not taken again.
 *
 * Each event once: the ledger knows of a file in work how far the journal was before the present batch. After a crash
 * the journal is asked, from there on, how much of the batch it has: events without an id of their own get one made of
 * the file and their place in it, so they can be told. The journal keeps what may be asked for.
 *
 * One thread of its own, which waits for ledger and journal; it looks through the folders every second, or less often
 * where that takes long.
 */

#include "router/router.h"

struct folders;

extern const struct store_schema folder_schema;

/* Start-up, in this order: before the ledger and dispatch run (reads the journal where files were in work) … */
struct folders *folders_open(struct router *router, struct weir_diag *diag); /* NULL: diag */
void folders_start(struct folders *f);                                       /* … when the router is ready … */
void folders_stop(struct folders *f); /* … before the journal closes; also frees it */

#endif
