/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_ARCHIVE_DELETE_H
#define ROUTER_ARCHIVE_DELETE_H

/*
 * Deletions of archives that a crash cut off are carried through when the router starts (targets/archive_delete.c):
 * those that are marked and were not taken up by the configuration lose their files. Before ledger_start(), after the
 * targets have recovered. What cannot be unlinked is reported and tried again at the next start.
 */

#include "router/ledger.h"

/* False: the ledger failed, diag says how. */
bool archive_deletions_finish(struct ledger *ledger, const char *data_dir, struct weir_diag *diag);

#endif
