/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ROUTER_AWS_FIXTURE_H
#define TESTS_ROUTER_AWS_FIXTURE_H

/*
 * A server with a real journal, and a client for the AWS protocols on POST /. Buses: default, audit, and strict with
 * `strict: aws`.
 */

#include "router/router.h"

struct aws_fixture {
    char dir[32];
    struct router router;
    struct http_server *server;
    void *curl;
    /* the last answer; body and error are NUL-terminated */
    long status;
    struct buf body, id, error, type;
};
extern struct aws_fixture aws;

/* synced: the journal's callback; with one, only 200 bytes may wait to be written. NULL: none. */
void aws_fixture_start(void (*synced)(void *context, uint64_t sequence));
void aws_fixture_stop(void);

/* Asks and keeps the answer; it must have a body and a request id. target NULL: no X-Amz-Target. */
void aws_ask(const char *target, struct str body);
/* The message of the last answer, decoded, NUL-terminated; it must be an error of this name. */
const char *aws_message(const char *error, struct buf *out);
/* Text with every UUID as ID, NUL-terminated. */
const char *aws_without_ids(const struct buf *text, struct buf *out);
/*
 * Runs a file of cases: three lines each, the target ("-": none), the body, and status and answer with ID for every
 * UUID. JSON answers must be of their protocol's type and name their error in the header as in the body.
 */
void aws_run_cases(const char *file);

#endif
