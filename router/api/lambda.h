/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_LAMBDA_H
#define ROUTER_API_LAMBDA_H

/* The operations of Lambda, and what they share. A function is named as AWS allows it: name, ACCOUNT:function:name, or
 * ARN, each with or without :$LATEST. */

#include "router/api/aws.h"
#include "router/http.h"
#include "targets/function.h"

void lambda_invoke(struct http_request *r); /* POST /2015-03-31/functions/NAME/invocations */

/* {"Type": …, "Message": …} with the header that clients read the code from. */
void lambda_fail(struct http_request *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The function that a path or a body names; NULL: answered with ResourceNotFoundException. */
const struct target_def *lambda_find(struct http_request *r, struct str name);
void lambda_fail_unknown(struct http_request *r, struct str name);

#endif
