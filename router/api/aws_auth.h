/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_AUTH_H
#define ROUTER_API_AWS_AUTH_H

/*
 * What the holder of an access key may do by the AWS protocols: operations by `actions`, what belongs to an event bus
 * by `buses`, entries of PutEvents by `sources` and the permissions of the bus. That the request is signed by him has
 * been seen to before (router/auth.h); without `auth:` all of these say yes.
 */

#include "router/api/aws.h"

/* May this operation be run at all? r->operation may be NULL. False: it is answered. */
bool aws_may_act(struct aws_request *r);
/* The same for the event bus that r->input names. */
bool aws_may_use(struct aws_request *r);

/* Is there anything that this pattern of `actions` allows? No request is asked about. */
bool aws_has_action(struct str pattern);

/* An entry of PutEvents: NULL: it may be put; else its ErrorCode, and why in *reason, in r's arena. bus: a name. */
const char *aws_refuse_entry(struct aws_request *r, struct str bus, struct str source, const char **reason);

#endif
