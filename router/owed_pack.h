/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_OWED_PACK_H
#define ROUTER_OWED_PACK_H

/*
 * Many untried deliveries of one target as one compressed run of bytes: what stands in a block of the ledger (owed.h).
 * Pure: no SQL, no threads of its own.
 *
 *     struct owed_pack *p = owed_pack_create();
 *     owed_pack_begin(p);
 *     for (…) owed_pack_add(p, &row);
 *     if (owed_pack_finish(p, &body, diag)) … p->count, p->first_id …; body is valid until the next begin
 *     owed_pack_destroy(p);
 *
 * An event is written once where its deliveries follow each other, as they do: the order is that of matching. Names
 * are written once a block (nearly: a route is looked for among the last few different ones).
 */

#include "router/owed.h"

struct owed_pack {
    /* of what was added since begin */
    int64_t first_id, last_id; /* of the first one; the highest */
    int64_t age;               /* when the first one was accepted */
    uint32_t count;
    size_t bytes;              /* before compression */
    struct owed_packing *work; /* private */
};

struct owed_pack *owed_pack_create(void);
void owed_pack_destroy(struct owed_pack *p);
void owed_pack_begin(struct owed_pack *p);
/* Copies what it keeps of a row: id, key, ARNs, accepted, event_id, event. */
void owed_pack_add(struct owed_pack *p, const struct owed_row *row);
bool owed_pack_finish(struct owed_pack *p, struct str *body_out, struct weir_diag *diag);

/* Shows the rows in the order they were added; slices valid during the call, place.index counts from 0. Rows of one
   event that follow each other have the same event.ptr. False: the bytes are damaged (diag), and nothing was shown. */
bool owed_unpack(struct str body, void (*each)(void *context, const struct owed_row *row), void *context,
                 struct weir_diag *diag);

#endif
