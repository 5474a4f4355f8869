/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a message again to who received it: a client that lost the answer to a receive asks for the same messages
 * (SQS's ReceiveRequestAttemptId). It is no new receive: the handle stays, and the receive count too.
 */
#include <stdlib.h>

#include "targets/queue_int.h"

/* The message of this id, with its claim, to `each`. */
static bool show(struct store *s, int64_t id, struct str handle, const struct queue_want *want, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "SELECT " MESSAGE_COLUMNS CLAIM_COLUMNS " FROM queue_message m JOIN queue_claim c"
                                    " ON c.id = m.id WHERE m.id = ?",
                                    diag);
    char group[QUEUE_GROUP_MAX + 1];
    struct claim c;
    bool row, ok;

    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, id);
    ok = store_step(s, q, &row, diag);
    if (!ok || !row)
        return ok;
    struct queue_message m = queue_message_read(q, &c);
    if (c.group && (ok = group_name(s, c.group, group, diag)))
        m.group = str_from(group);
    m.receipt_handle = handle;
    if (ok)
        want->each(want->context, &m);
    sqlite3_reset(q);
    return ok;
}

bool queue_receive_again(struct store *s, const struct target_def *queue, struct str receipt_handle,
                         const struct queue_want *want, struct weir_time now, bool *found_out, struct weir_diag *diag)
{
    const struct queue_options *o = queue->options;
    int64_t visibility_ms = want->visibility_ms < 0 ? o->visibility_timeout : want->visibility_ms;

    if (!queue_change_visibility(s, queue->name, receipt_handle, visibility_ms, now, found_out, diag))
        return false;
    /* A handle that was found begins with the message's id. */
    return !*found_out || show(s, (int64_t)strtoull(receipt_handle.ptr, NULL, 16), receipt_handle, want, diag);
}
