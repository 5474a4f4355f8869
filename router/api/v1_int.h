/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_V1_INT_H
#define ROUTER_API_V1_INT_H

/* What the handlers of /_weir/v1 share. */

#include "matcher/json.h"
#include "router/api/v1.h"
#include "router/ledger.h"
#include "router/router.h"
#include "targets/archive.h"
#include "targets/queue.h"

/* The request's body as a JSON object, checked; on a fault the request is answered with 400 and false comes back. An
 * empty body is {}. */
bool v1_body(struct http_request *r, struct str *object);
/* Members of a checked object. False where the member is there and is not what it should be: answered with 400. */
bool v1_text(struct http_request *r, struct str object, const char *key, struct buf *out, bool required);
bool v1_int(struct http_request *r, struct str object, const char *key, int64_t otherwise, int64_t min, int64_t max,
            int64_t *out);

/* Queues and archives as they stand in answers; on the ledger thread. */
bool v1_write_queues(struct buf *out, const struct ruleset *set, struct store *s, struct weir_time now,
                     struct weir_diag *diag);
bool v1_write_archives(struct buf *out, const struct ruleset *set, struct store *s, struct weir_diag *diag);

#endif
