/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since when the oldest delivery of each target is owed. Blocks stand in order, so a target's first one tells. Rows
 * have no order by age; those of the lowest ids are looked at, a bounded number: a target whose oldest row is not among
 * them has so many older ones of others before it that its own age hardly matters.
 */
#include "router/owed.h"

#define ROWS_LOOKED_AT 20000

bool owed_oldest_each(struct store *s, void (*each)(void *context, struct str target, int64_t age), void *context,
                      struct weir_diag *diag)
{
    sqlite3_stmt *q =
        store_prepare(s,
                      "SELECT target, min(age) FROM ("
                      " SELECT target, min(accepted_age) AS age FROM"
                      "  (SELECT target, accepted_age FROM deliveries ORDER BY id LIMIT ?) GROUP BY target"
                      " UNION ALL SELECT target, min(age) AS age FROM owed_blocks GROUP BY target) GROUP BY target",
                      diag);
    bool row;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, ROWS_LOOKED_AT);
    while (store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        each(context, store_column(q, 0), sqlite3_column_int64(q, 1));
    }
    return false;
}
