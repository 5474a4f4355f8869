/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_API_EVENTS_BUSES_H
#define ROUTER_API_EVENTS_BUSES_H

/*
 * Event buses as EventBridge's API has them, and as documents: what weir.yaml has no key for (or means otherwise: the
 * dead-letter queue of a bus is for its key, which Weir does not use) stands under "x-aws".
 *
 *     "buses" "audit"   {"description":"…","x-aws":{"Description":"…","Policy":"{…}","CreationTime":1700000000123}}
 *
 * The default bus, which nobody made, has a document once something was said of it.
 */

#include "router/api/events_rules.h"

struct bus_says { /* {NULL,0}: absent */
    struct str description, kms, policy;
    struct str dead_letter, log;    /* JSON: structures DeadLetterConfig and LogConfig */
    struct str tags;                /* JSON: an array of Tag structures */
    int64_t created_ms, changed_ms; /* since 1970; 0: not known */
};

void events_bus_show(struct arena *a, const struct bus *bus, struct bus_says *out);
/* Description, KmsKeyIdentifier, DeadLetterConfig and LogConfig, where they are there, as members of an object. */
void events_bus_write(struct buf *json, const struct bus_says *says);

/* For edits: what stands now, in the request's arena. False: refused. */
bool events_bus_edit(struct aws_change *c, struct resources *resources, struct str bus, struct bus_says *out);
/* The document anew, changed now. */
void events_bus_put(struct aws_change *c, struct resources *resources, struct str bus, struct bus_says *says);

#endif
