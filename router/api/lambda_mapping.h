/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_LAMBDA_MAPPING_H
#define ROUTER_API_LAMBDA_MAPPING_H

/* What the operations on event source mappings share. */

#include "router/api/lambda.h"
#include "rules/ruleset.h"

/* Its number: the key of an API's document, or made of the name that a file gave it. */
void lambda_mapping_uuid(const struct event_source_mapping *m, char out[UUID_SIZE + 1]);
const struct event_source_mapping *lambda_mapping_find(const struct ruleset *set, struct str uuid); /* NULL: none */

/* As the API shows it; state NULL: its own. */
void lambda_mapping_write(struct buf *out, const struct aws_request *r, const struct event_source_mapping *m,
                          const char *state);
void lambda_mapping_write_raw(struct buf *out, const char *member, struct str json); /* json {NULL,0}: nothing */
void lambda_mapping_reply(struct aws_request *r, int status, const struct event_source_mapping *m);
void lambda_mapping_unknown(struct aws_request *r); /* answers that there is none */

#endif
