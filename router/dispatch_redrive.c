/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redriving: dead letters go through their rules' targets again. A call takes one chunk of a queue's messages, oldest
 * first, and says where it ended, so that a caller shows progress and may stop at any time.
 *
 *     call ──► ledger: look at a chunk ──► dispatch: whose is each? ──► the present turn ──► committed: answer
 *                                          RULE_ARN, TARGET_ARN          takes the message from its queue and
 *                                                                        writes the delivery's row, or neither
 *
 * What is made is a delivery like any other, by the rule's and the target's present definition, with new attempts and a
 * new age. It gets its row before anybody sends it: a crash finds either the dead letter or the delivery. What cannot
 * go anywhere stays in the queue, and is counted by reason; so does what somebody has received meanwhile.
 *
 * An event that a function gave up, which no rule's delivery was for any more, becomes an asynchronous invocation
 * again, in a job before that.
 *
 * Attributes name a rule and a target, not the entry of the rule: where a rule leads to one target by several ways, the
 * dead letter has one more attribute that says by which (TARGET_ID, see dispatch_letter.c).
 */
#include <stdarg.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/archive.h"
#include "targets/invocations.h"
#include "targets/queue.h"

#define CHUNK       500 /* messages looked at in one ledger job */
#define CHUNK_BYTES (4u << 20)

enum stay { STAY_NO_RULE, STAY_RULE_GONE, STAY_TARGET_GONE, STAY_NO_SEND, STAY_BACKLOG, STAY_IN_FLIGHT, STAY_COUNT };
static const char *const stay_names[STAY_COUNT] = {
    [STAY_NO_RULE] = "not_of_a_rule",        [STAY_RULE_GONE] = "rule_gone",  [STAY_TARGET_GONE] = "target_gone",
    [STAY_NO_SEND] = "cannot_be_sent_again", [STAY_BACKLOG] = "backlog_full", [STAY_IN_FLIGHT] = "in_flight",
};

struct letter { /* a message that was looked at */
    int64_t id;
    struct str attributes, body;       /* in the redrive's arena */
    const struct target_def *function; /* that gave it up; NULL: it is a rule's, or stays */
};

struct redrive {
    struct ledger_job job; /* looks */
    STAILQ_ENTRY(redrive) link;
    struct redrive_call *call;
    struct dispatch *dispatch;
    struct arena arena;
    struct buf origin; /* "dlq/QUEUE" */
    struct letter letters[CHUNK];
    size_t count, bytes;
    int64_t now_ms;
    int64_t last; /* message looked at */
    bool full;    /* there may be more behind it */
    int64_t redriven, skipped, stayed[STAY_COUNT];
    int64_t invoked;     /* of those given up by functions */
    struct ruleset *set; /* of those functions: a reference */
};

/* ---- answers ---- */

static void answered(struct mail *m)
{
    struct redrive_call *call = (struct redrive_call *)((char *)m - offsetof(struct redrive_call, mail));
    call->done(call);
}

static void redrive_free(struct redrive *r)
{
    arena_fini(&r->arena);
    buf_fini(&r->origin);
    ruleset_unref(r->set);
    free(r);
}

static void answer(struct redrive *r, int status)
{
    struct redrive_call *call = r->call;

    xbuf(&call->json);
    call->status = status;
    call->mail.deliver = answered;
    redrive_free(r);
    mailbox_post(call->reply, &call->mail);
}

static void refuse(struct redrive *r, int status, const char *message)
{
    buf_char(&r->call->json, '{');
    json_write_member(&r->call->json, "message", str_from(message));
    buf_char(&r->call->json, '}');
    answer(r, status);
}

static void write_count(struct buf *out, const char *key, int64_t n)
{
    json_write_key(out, key);
    json_write_int(out, n);
}

static void report(struct redrive *r)
{
    struct buf *out = &r->call->json;

    buf_char(out, '{');
    write_count(out, "redriven", r->redriven + r->invoked);
    write_count(out, "skipped", r->skipped);
    json_write_key(out, "stayed");
    buf_char(out, '{');
    for (size_t i = 0; i < STAY_COUNT; i++)
        if (r->stayed[i])
            write_count(out, stay_names[i], r->stayed[i]);
    buf_char(out, '}');
    write_count(out, "after", r->last);
    write_count(out, "before_ms", r->call->before_ms);
    json_write_key(out, "more");
    buf_text(out, r->full ? "true}" : "false}");
    answer(r, 200);
}

/* ---- looking: ledger thread ---- */

static void take_letter(void *context, const struct queue_message *m)
{
    struct redrive *r = context;
    struct letter *l = &r->letters[r->count];

    if (r->full || m->sent_wall_ms > r->call->before_ms)
        return; /* what failed again since the redrive began is not tried over and over */
    if (r->count && r->bytes + m->body.size > CHUNK_BYTES) {
        r->full = true;
        return;
    }
    *l = (struct letter){m->id, arena_str(&r->arena, m->attributes), arena_str(&r->arena, m->body), NULL};
    if (!l->attributes.ptr || !l->body.ptr)
        xfail("out of memory");
    r->bytes += m->body.size;
    r->last = m->id;
    r->full = ++r->count == r->call->limit || r->count == CHUNK;
}

static bool look_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct redrive *r = (struct redrive *)job;

    arena_fini(&r->arena);
    r->count = r->bytes = 0;
    r->full = false;
    r->last = r->call->after;
    if (!r->call->before_ms)
        r->call->before_ms = now.wall_ms;
    return queue_peek(s, r->call->queue, r->call->after, CHUNK, take_letter, r, diag);
}

/* ---- whose is it? ---- */

/* The decoded Value of an attribute; "" : none. */
static struct str attribute(struct redrive *r, const struct letter *l, const char *name)
{
    struct str one = json_type_of(l->attributes) == JSON_OBJECT ? json_member(l->attributes, name) : (struct str){0};
    struct str value = one.size ? json_member(one, "Value") : one;

    return value.size && json_type_of(value) == JSON_STRING ? json_decode_in(&r->arena, value) : STR("");
}

/* arn:aws:events:REGION:ACCOUNT:rule/[BUS/]NAME */
static const struct rule *rule_of(const struct ruleset *set, struct str arn)
{
    const char *slash = memchr(arn.ptr, '/', arn.size), *end = arn.ptr + arn.size;
    if (!slash)
        return NULL;
    const char *second = memchr(slash + 1, '/', (size_t)(end - slash - 1));
    struct str bus = second ? (struct str){slash + 1, (size_t)(second - slash - 1)} : STR("default");
    const char *name = second ? second + 1 : slash + 1;
    const struct rule *rule = ruleset_rule(set, bus, (struct str){name, (size_t)(end - name)});
    return rule && str_eq(rule->arn, arn) ? rule : NULL;
}

static struct route *route_of(const struct generation *g, const struct rule *rule, struct str target_arn,
                              struct str way)
{
    struct route_span span = g->spans[rule->index];

    for (uint32_t i = span.first; i < span.first + span.count; i++) {
        struct route *route = &g->routes[i];
        if (str_eq(route->outlet->def->arn, target_arn) && (!way.size || route_is_way(route, way)))
            return route;
    }
    return NULL;
}

static bool rule_is_chosen(const struct redrive_call *c, const struct rule *rule)
{
    return !c->rule.size || str_eq(c->rule, rule->name) || str_eq(c->rule, rule->arn);
}

static bool target_is_chosen(const struct redrive_call *c, const struct outlet *o)
{
    return !c->target.size || str_eq(c->target, o->key) || str_eq(c->target, o->def->name) ||
           str_eq(c->target, o->def->arn);
}

static bool stays(struct redrive *r, enum stay why)
{
    r->stayed[why]++;
    return false;
}

/* False: it stays, or is not one of those chosen. Filters that name what is gone choose nothing. */
static bool find_route(struct redrive *r, const struct letter *l, struct route **out)
{
    const struct generation *g = r->dispatch->generation;
    struct str rule_arn = attribute(r, l, "RULE_ARN"), target_arn = attribute(r, l, "TARGET_ARN");
    bool all = !r->call->rule.size && !r->call->target.size;
    const struct rule *rule = rule_of(g->set, rule_arn);

    if (!rule && all)
        return stays(r, rule_arn.size ? STAY_RULE_GONE : STAY_NO_RULE);
    struct route *route = rule ? route_of(g, rule, target_arn, attribute(r, l, "TARGET_ID")) : NULL;
    if (rule && !route && !r->call->target.size && rule_is_chosen(r->call, rule))
        return stays(r, STAY_TARGET_GONE);
    if (!route || !rule_is_chosen(r->call, rule) || !target_is_chosen(r->call, route->outlet)) {
        r->skipped++;
        return false;
    }
    if (!route->outlet->target || route->forward || route->outlet->def->adapter == &archive_adapter)
        return stays(r, STAY_NO_SEND);
    if (backlog_is_full(route->outlet, l->body.size))
        return stays(r, STAY_BACKLOG);
    *out = route;
    return true;
}

/* ---- what functions gave up ---- */

/* Its attributes name the function, and no rule. */
static const struct target_def *function_of(struct redrive *r, const struct letter *l)
{
    const struct ruleset *set = r->dispatch->generation->set;
    struct str arn = attribute(r, l, "TARGET_ARN");

    if (!arn.size || r->call->rule.size || attribute(r, l, "RULE_ARN").size)
        return NULL;
    for (uint32_t i = 0; i < set->target_count; i++) {
        const struct target_def *def = set->targets[i];
        if (def->adapter == &function_adapter && str_eq(def->arn, arn))
            return target_is_chosen(r->call, r->dispatch->generation->outlets[i]) ? def : NULL;
    }
    return NULL;
}

static bool invoke_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct redrive *r = (struct redrive *)job;
    char id[UUID_SIZE + 1];
    bool found;

    r->invoked = r->stayed[STAY_IN_FLIGHT] = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct letter *l = &r->letters[i];
        if (!l->function)
            continue;
        struct invocation_row row = {.function = l->function->name, .request_id = {id, UUID_SIZE}, .payload = l->body};
        if (!uuid_random(id))
            xfail("the kernel gives no random bytes");
        if (!queue_take(s, r->call->queue, l->id, now, &found, diag) ||
            (found && !invocations_insert(s, &row, now, diag)))
            return false;
        *(found ? &r->invoked : &r->stayed[STAY_IN_FLIGHT]) += 1;
    }
    return true;
}

/* ---- into the turn ---- */

static void offer(struct redrive *r, const struct letter *l)
{
    struct dispatch *d = r->dispatch;
    struct route *route;

    if (!find_route(r, l, &route))
        return;
    struct str id = json_type_of(l->body) == JSON_OBJECT ? json_member(l->body, "id") : (struct str){0};
    id = id.size && json_type_of(id) == JSON_STRING ? json_decode_in(&r->arena, id) : STR("");
    struct shared_event *e = event_share(buf_view(&r->origin), (uint64_t)l->id, id, l->body, d->now);
    struct flight *f = flight_make(d->generation, route, e, d->next_id++);
    event_release(e);
    f->redrive = r;
    f->spilled = true; /* a row first, then sent */
    backlog_owe(f);
    route->outlet->spilled++;
    flights_add(&d->turn->created, f);
    r->redriven++;
}

static bool goes_on(struct redrive *r, bool ok, const struct weir_diag *diag)
{
    r->dispatch->now = dispatch_now(r->dispatch);
    if (ok && !r->dispatch->stopping)
        return true;
    refuse(r, 503, ok ? "the router is going down" : diag->message);
    return false;
}

static void offer_all(struct redrive *r)
{
    struct dispatch *d = r->dispatch;

    for (size_t i = 0; i < r->count; i++)
        if (!r->letters[i].function)
            offer(r, &r->letters[i]);
    if (!r->redriven) {
        report(r);
        return;
    }
    STAILQ_INSERT_TAIL(&d->turn->redrives, r, link);
    turn_hold_over(d); /* somebody waits; nothing of it settles by itself before */
    turn_schedule(d);
}

static void invoke_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct redrive *r = (struct redrive *)job;

    if (goes_on(r, ok, diag))
        offer_all(r);
}

static void look_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct redrive *r = (struct redrive *)job;
    struct dispatch *d = r->dispatch;
    bool any = false;

    if (!goes_on(r, ok, diag))
        return;
    for (size_t i = 0; i < r->count; i++)
        any |= (r->letters[i].function = function_of(r, &r->letters[i])) != NULL;
    if (!any) {
        offer_all(r);
        return;
    }
    r->set = ruleset_ref(d->generation->set);
    r->job = (struct ledger_job){.run = invoke_run, .done = invoke_done, .reply = d->mailbox};
    ledger_submit(d->options.ledger, &r->job);
}

bool redrive_take(struct flight *f, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    bool found = true;

    if (f->redrive && !queue_take(s, f->redrive->call->queue, (int64_t)f->d.position, now, &found, diag))
        return false;
    f->missed = !found;
    return true;
}

void redrive_missed(struct flight *f)
{
    f->redrive->redriven--;
    f->redrive->stayed[STAY_IN_FLIGHT]++;
    f->outlet->spilled--;
    backlog_end(f);
    flight_free(f);
}

void redrives_committed(struct turn *t)
{
    struct redrive *r;

    while ((r = STAILQ_FIRST(&t->redrives))) {
        STAILQ_REMOVE_HEAD(&t->redrives, link);
        log_debug("dead letters redriven", LOG_STR("queue", r->call->queue), LOG_INT("messages", r->redriven));
        report(r);
    }
}

void redrives_fini(struct turn *t)
{
    struct redrive *r;

    while ((r = STAILQ_FIRST(&t->redrives))) {
        STAILQ_REMOVE_HEAD(&t->redrives, link);
        redrive_free(r);
    }
}

/* ---- the call ---- */

static void call_deliver(struct mail *m)
{
    struct redrive_call *call = (struct redrive_call *)((char *)m - offsetof(struct redrive_call, mail));
    struct redrive *r = xalloc(sizeof *r);

    r->job = (struct ledger_job){.run = look_run, .done = look_done, .reply = call->dispatch->mailbox};
    r->call = call;
    r->dispatch = call->dispatch;
    buf_printf(&r->origin, "dlq/%.*s", STR_ARG(call->queue));
    xbuf(&r->origin);
    ledger_submit(call->dispatch->options.ledger, &r->job);
}

void dispatch_redrive(struct dispatch *d, struct redrive_call *call)
{
    call->dispatch = d;
    call->mail.deliver = call_deliver;
    mailbox_post(d->mailbox, &call->mail);
}
