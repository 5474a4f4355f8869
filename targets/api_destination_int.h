/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_API_DESTINATION_INT_H
#define TARGETS_API_DESTINATION_INT_H

/* What a request to an API destination says: made from its options, its connection (in clear), and the delivery. */

#include "targets/api_destination.h"
#include "targets/connection.h"

/* The endpoint with its * replaced by the delivery's path values, and all parameters of the query. False: diag says
   what is missing. */
bool api_destination_url(const struct api_destination_options *o, const struct connection_options *c,
                         const struct delivery *d, struct buf *out, struct weir_diag *diag);

/* The input, with the connection's body parameters as further members. *body_out is the input itself, or in out. */
bool api_destination_body(const struct api_destination_options *o, const struct connection_options *c,
                          const struct delivery *d, struct buf *out, struct str *body_out, struct weir_diag *diag);
/* GET, HEAD and OPTIONS go without one. */
bool api_destination_is_bodiless(const struct api_destination_options *o);

typedef bool header_fn(void *context, const char *name, struct str value);
/*
 * Each header once: what authorizes comes first, then the connection's, then the delivery's. token: of OAuth. Those
 * that EventBridge takes off (Host, Connection, User-Agent, …) are left out. False: `each` said so.
 */
bool api_destination_headers(const struct connection_options *c, const struct delivery *d, struct str token,
                             header_fn *each, void *context);

/* Appends &name=value, or ?…, for each, percent-encoded. */
void http_write_query(struct buf *url, struct str name, struct str value);
/* "Basic …"; encoded: both are percent-encoded first, as OAuth (RFC 6749, 2.3.1) wants it. */
void http_write_basic(struct buf *out, struct str user, struct str password, bool encoded);

#endif
