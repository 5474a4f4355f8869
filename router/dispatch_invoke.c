/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct runs of functions, and calls from other threads that wait for one (invoke.h). A run is counted in its outlet's
 * in_flight, so that neither rules nor others start more than there is room for, and a target that is replaced by a
 * reload lives until its last run is back.
 *
 * A call's run has its own copy of the payload: a router that stops answers the call when its time is over, and lets
 * the run end as it may.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/invoke.h"
#include "router/xalloc.h"

struct invoke_run {
    struct direct_run run;    /* first */
    struct invoke_call *call; /* NULL: it is answered */
    char payload[];
};

/* ---- runs ---- */

static void run_done(struct invocation *i)
{
    struct direct_run *r = (struct direct_run *)i;
    struct outlet *o = r->outlet;
    struct dispatch *d = o->dispatch;

    d->now = dispatch_now(d);
    d->in_flight--;
    if (r->target == o->target)
        o->in_flight--;
    else
        retired_settled(d, r->target);
    if (r->gated && r->target == o->target)
        outlet_run_answered(o, &i->verdict, r->probe);
    series_observe_ms(o->seconds, i->ended_ms - i->started_ms);
    r->done(r);
    outlet_pump(o);
    dispatch_stopped(d);
}

static void run_dropped(struct invocation *i)
{
    struct direct_run *r = (struct direct_run *)i;
    r->dropped(r);
}

bool outlet_has_room(const struct outlet *o)
{
    return o->target && !o->gate.paused && o->in_flight < o->def->policy->concurrency;
}

bool outlet_run(struct outlet *o, struct direct_run *r)
{
    r->outlet = o;
    r->target = o->target;
    r->invocation.done = run_done;
    r->invocation.dropped = run_dropped;
    if (!outlet_has_room(o) || !function_invoke(o->target, &r->invocation))
        return false;
    o->in_flight++;
    o->dispatch->in_flight++;
    if (r->gated)
        r->probe = outlet_run_started(o);
    return true;
}

static struct outlet *function_outlet(struct dispatch *d, struct str name)
{
    const struct target_def *def = ruleset_target(d->set, function_adapter.type, name);
    return def ? d->generation->outlets[def->index] : NULL;
}

/* ---- calls ---- */

static void call_deliver(struct mail *m)
{
    struct invoke_call *call = (struct invoke_call *)((char *)m - offsetof(struct invoke_call, mail));
    call->done(call);
}

static void answer(struct invoke_call *call, enum invoke_outcome outcome)
{
    call->outcome = outcome;
    call->mail.deliver = call_deliver;
    mailbox_post(call->reply, &call->mail);
}

static void detach(struct invoke_run *run, enum invoke_outcome outcome)
{
    struct invoke_call *call = run->call;

    run->call = NULL;
    TAILQ_REMOVE(&call->dispatch->calls, call, link);
    answer(call, outcome);
}

static void call_dropped(struct direct_run *r)
{
    buf_fini(&r->invocation.answer);
    free(r);
}

static void call_done(struct direct_run *r)
{
    struct invoke_run *run = (struct invoke_run *)r;
    bool busy = str_is(STR("THROTTLING"), r->invocation.verdict.code);

    if (!run->call) {
        call_dropped(r);
        return;
    }
    run->call->invocation = r->invocation;
    detach(run, busy ? INVOKE_BUSY : INVOKE_RAN);
    free(run);
}

static struct invoke_run *make_run(struct invoke_call *call)
{
    struct str payload = call->invocation.payload, context = call->invocation.client_context;
    struct invoke_run *run = xalloc(sizeof *run + payload.size + 1 + context.size + 1);
    char *behind = run->payload + payload.size + 1;

    if (payload.size)
        memcpy(run->payload, payload.ptr, payload.size);
    if (context.size)
        memcpy(behind, context.ptr, context.size);
    run->run.invocation = call->invocation;
    run->run.invocation.payload = (struct str){run->payload, payload.size};
    run->run.invocation.client_context = (struct str){behind, context.size};
    run->run.done = call_done;
    run->run.dropped = call_dropped;
    run->call = call;
    return run;
}

static void start(struct dispatch *d, struct invoke_call *call, struct outlet *o)
{
    struct invoke_run *run = make_run(call);

    if (!outlet_run(o, &run->run)) {
        free(run);
        answer(call, INVOKE_BUSY);
        return;
    }
    call->run = run;
    TAILQ_INSERT_TAIL(&d->calls, call, link);
}

static void invoke_deliver(struct mail *m)
{
    struct invoke_call *call = (struct invoke_call *)((char *)m - offsetof(struct invoke_call, mail));
    struct dispatch *d = call->dispatch;
    struct outlet *o = function_outlet(d, call->name);

    d->now = dispatch_now(d);
    if (!o)
        answer(call, INVOKE_UNKNOWN);
    else if (d->stopping || d->calls_end)
        answer(call, INVOKE_STOPPING);
    else
        start(d, call, o);
}

void dispatch_invoke(struct dispatch *d, struct invoke_call *call)
{
    call->dispatch = d;
    call->mail.deliver = invoke_deliver;
    mailbox_post(d->mailbox, &call->mail);
}

/* ---- the end ---- */

static void end_cb(evutil_socket_t fd, short what, void *context)
{
    struct dispatch *d = context;
    struct invoke_call *call;

    while ((call = TAILQ_FIRST(&d->calls)))
        detach(call->run, INVOKE_STOPPING);
}

static void end_deliver(struct mail *m)
{
    struct dispatch *d = (struct dispatch *)((char *)m - offsetof(struct dispatch, calls_mail));
    struct timeval wait = {d->calls_end / 1000, d->calls_end % 1000 * 1000};

    if (event_base_once(d->host.base, -1, EV_TIMEOUT, end_cb, d, &wait) != 0)
        xfail("cannot set a timer");
}

void dispatch_end_calls(struct dispatch *d, int64_t ms)
{
    d->calls_end = ms;
    d->calls_mail.deliver = end_deliver;
    mailbox_post(d->mailbox, &d->calls_mail);
}
