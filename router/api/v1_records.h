/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_V1_RECORDS_H
#define ROUTER_API_V1_RECORDS_H

/* Records of files, one a line, that are replayed or asked about without being accepted. */

#include "router/api/v1_int.h"

/*
 * Makes events of the lines, each a record of the format that the query names (default: events). On a fault the request
 * is answered, with 400 and the line, and false comes back. The list and the bytes are to be freed in any case.
 */
bool v1_records(struct http_request *r, struct str body, struct replay_records *out);
void v1_records_fini(struct replay_records *records);

#endif
