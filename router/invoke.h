/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_INVOKE_H
#define ROUTER_INVOKE_H

/*
 * Functions invoked past the rules: by the Invoke operation, by asynchronous runs, by event source mappings. Such an
 * invocation takes its place among those its function may run at once, beside the deliveries of rules.
 */

#include "router/mailbox.h"
#include "targets/function.h"

struct dispatch;
struct outlet;

/* ---- from any thread ---- */

enum invoke_outcome {
    INVOKE_RAN,     /* well or not: see the invocation's verdict */
    INVOKE_UNKNOWN, /* there is no such function */
    INVOKE_BUSY,    /* it runs as many as it may, is paused, or could not be started for want of resources */
    INVOKE_STOPPING
};

struct invoke_call { /* embed it; must live until done */
    struct str name; /* of the function; lives until done */
    struct mailbox *reply;
    void (*done)(struct invoke_call *call); /* delivered through reply */
    struct invocation invocation;           /* in: payload and what describes it; out: what came of it */
    enum invoke_outcome outcome;            /* out */
    struct dispatch *dispatch;              /* private from here */
    struct mail mail;
    struct invoke_run *run;
    TAILQ_ENTRY(invoke_call) link;
};
TAILQ_HEAD(invoke_calls, invoke_call);

void dispatch_invoke(struct dispatch *d, struct invoke_call *call);
/* The router stops: no call begins any more, and those under way after ms are answered with STOPPING. Any thread. */
void dispatch_end_calls(struct dispatch *d, int64_t ms);

/* ---- on the dispatch thread ---- */

struct direct_run {               /* embed it first, zeroed */
    struct invocation invocation; /* first; its done and dropped are outlet_run()'s */
    void (*done)(struct direct_run *r);
    void (*dropped)(struct direct_run *r); /* instead of done: dispatch is closed */
    bool gated;                            /* it counts against the function's rate and circuit */
    bool probe;                            /* private from here */
    struct outlet *outlet;
    struct target *target;
};
/* False: there is no room, or it is paused. Else done or dropped is called, once, later. */
bool outlet_run(struct outlet *o, struct direct_run *r);
bool outlet_has_room(const struct outlet *o);

#endif
