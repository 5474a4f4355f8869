/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_PAGE_H
#define ROUTER_API_AWS_PAGE_H

/*
 * Pages of a list that is in order of its keys: NextToken holds the last key of the page before, so a page costs the
 * router no memory, and things that come and go between two pages neither hide others nor show them twice. Clients
 * cannot read it, and one of another list, or a made-up one, is told from ours.
 *
 *     if (in.token.ptr && !aws_token_read(&r->arena, "ListRules", in.token, &after)) → the service's own error
 *     … the first `limit` keys greater than `after`; then, where there are more: aws_token_write(&json, "ListRules",
 * last)
 */

#include "matcher/arena.h"
#include "matcher/buf.h"

/* Appends the token as a JSON string. */
void aws_token_write(struct buf *json, const char *list, struct str last);
/* The key behind which the page begins, in the arena. False: no token of this list. */
bool aws_token_read(struct arena *a, const char *list, struct str token, struct str *after);

#endif
