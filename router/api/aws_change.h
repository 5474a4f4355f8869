/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_AWS_CHANGE_H
#define ROUTER_API_AWS_CHANGE_H

/*
 * Operations that change what the APIs made (router/resources.h), in three steps:
 *
 *     run     io thread     reads and checks the request; what edit needs goes into a struct of the operation's own
 *     edit    main thread   sees all earlier changes; says what shall be, or refuses
 *     answer  io thread     the change is durable and live, or there was nothing to be changed
 *
 *     struct put { struct aws_change change; struct str name; };
 *
 *     static bool edit(struct aws_change *c, struct resources *resources)
 *     {
 *         struct put *put = (struct put *)c;
 *         if (resources_owner(resources, "queues", put->name) == RESOURCES_FILE)
 *             return aws_refuse(c, 400, "UnsupportedOperation", "…");
 *         resources_put(resources, "queues", put->name, document);
 *         return true;
 *     }
 *
 *     void sqs_create_queue(struct aws_request *r)
 *     {
 *         struct put *put = aws_change_new(r, sizeof *put, edit, answer);     // lives as long as the request
 *         if (!aws_read(r, r->input, "", members, put) …)
 *             return;
 *         aws_change_start(&put->change);
 *     }
 *
 * The request and its arena belong to whichever step runs; an edit may run twice (resources.h), so it must set what it
 * leaves for the answer anew each time.
 */

#include "router/api/aws.h"
#include "router/resources.h"

struct aws_change {
    struct resources_change change;
    struct aws_request *request;
    /* False: nothing is to be changed; refused where aws_refuse() was called. */
    bool (*edit)(struct aws_change *c, struct resources *resources);
    void (*answer)(struct aws_change *c); /* NULL: {} */
    int status;                           /* private: of the refusal; 0: none */
    const char *code;
    struct str message;
};

/* size bytes, zeroed, in the request's arena; a struct aws_change comes first. */
void *aws_change_new(struct aws_request *r, size_t size,
                     bool (*edit)(struct aws_change *c, struct resources *resources),
                     void (*answer)(struct aws_change *c));
void aws_change_start(struct aws_change *c);
/* For edits: what the request is answered with; always false. code must last. */
bool aws_refuse(struct aws_change *c, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A text that is done, into the arena; the buf is empty afterwards. */
struct str aws_keep(struct arena *a, struct buf *text);

#endif
