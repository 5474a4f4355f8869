/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and matching. A turn takes what the journal has synced, up to DISPATCH_EVENTS or DISPATCH_BYTES; when the
 * journal has nothing waiting, replays are fed in the same way. Schedules, which are few, come first. Then the loop
 * gets its turn: verdicts, timers, mail.
 *
 * Each event is matched once; each matching rule's routes become flights. The event is copied once, at its first
 * flight, and shared by all of them. An event that matches nothing costs the match and a counter.
 *
 * A turn also ends at FLIGHTS flights, however few the events were: fan-out is bounded in memory too.
 */
#include "matcher/json.h"
#include "router/deduplication.h"
#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/publish.h"
#include "router/replay.h"
#include "router/schedules.h"
#include "router/tap.h"
#include "router/xalloc.h"
#include "rules/read_only.h"
#include "targets/archive.h"
#include "targets/bus.h"

#define FLIGHTS       8192 /* a turn; about 700 bytes each */
#define READ_AGAIN_MS 1000 /* after a journal segment could not be read */

bool turn_full(const struct turn *t)
{
    return t->events >= DISPATCH_EVENTS || t->bytes >= DISPATCH_BYTES || t->puts.count + t->created.count >= FLIGHTS;
}

/* ---- flights of one event ---- */

struct offer { /* one event while it is matched */
    struct dispatch *dispatch;
    const struct incoming *in;
    struct shared_event *event;    /* made at the first flight */
    const uint64_t *chosen;        /* rules that may receive it here; NULL: all */
    const struct target_def *only; /* of their targets; NULL: all */
    bool held_back;                /* of this bus's rules only those that say so get it: rules/read_only.h */
    unsigned hops;                 /* from bus to bus so far */
    struct weir_time now;
    struct matched matched;
};

static struct str event_id(struct str event, struct buf *space)
{
    struct str raw = json_member(event, "id");

    if (raw.size < 2 || raw.ptr[0] != '"')
        return STR("");
    if (!memchr(raw.ptr, '\\', raw.size))
        return (struct str){raw.ptr + 1, raw.size - 2};
    buf_clear(space);
    json_decode(space, raw);
    xbuf(space);
    return buf_view(space);
}

static struct shared_event *shared(struct offer *o)
{
    if (!o->event) {
        struct weir_time accepted = {o->in->arrived_wall_ms, o->now.age_ms};
        struct str id = event_id(o->in->event, &o->dispatch->work);
        o->event = event_share(o->in->origin, o->in->position, id, o->in->event, accepted);
        o->dispatch->turn->kept_events++;
        o->dispatch->turn->kept_bytes += o->in->event.size;
    }
    return o->event;
}

/* What goes to local state is rendered now: it is put by the ledger thread. */
static void offer_put(struct dispatch *d, struct flight *f, struct weir_time now)
{
    struct weir_diag diag;

    if (f->route->rule->is_archive || flight_render(d, f, now, &diag))
        flights_add(&d->turn->puts, f);
    else
        outlet_give_up(f, "INVALID_INPUT", diag.message, NULL);
}

/* Rendered, since its dead letter may be what it would have been given. */
static void give_up_gone(struct dispatch *d, struct flight *f)
{
    struct weir_diag diag;

    flight_render(d, f, d->now, &diag);
    outlet_give_up(f, "NO_RESOURCE", "the target is not there any more", NULL);
}

void turn_take(struct dispatch *d, struct flight *f)
{
    struct outlet *o = f->outlet;
    bool full = backlog_is_full(o, f->event->event.size);

    backlog_owe(f);
    if (!o->target)
        give_up_gone(d, f);
    else if (o->target->ops->put)
        offer_put(d, f, d->now);
    else if (full)
        backlog_refuse(f);
    else
        outlet_offer(o, f);
}

static void offer_on(struct offer *o, const struct bus *bus);

/* Hops are counted against a chain of buses; a ring ends by itself, since an event meets a bus once. */
static void offer_bus(struct offer *o, struct route *route)
{
    struct dispatch *d = o->dispatch;

    if (d->generation->scratches[route->forward->index].offered == d->event_number)
        return;
    if (o->hops == BUS_HOPS_MAX) {
        struct flight *f = flight_make(d->generation, route, shared(o), d->next_id++);
        backlog_owe(f);
        _Static_assert(BUS_HOPS_MAX == 8, "the message says so");
        outlet_give_up(f, "TOO_MANY_HOPS", "forwarded over more than 8 event buses in a row", NULL);
        return;
    }
    const uint64_t *chosen = o->chosen;
    const struct target_def *only = o->only;
    bool held_back = o->held_back;
    o->chosen = NULL; /* a replay names rules of the first bus, and targets of those */
    o->only = NULL;
    o->hops++;
    series_add(route_result(route, RESULT_DELIVERED), 1);
    offer_on(o, route->forward);
    o->hops--;
    o->chosen = chosen;
    o->only = only;
    o->held_back = held_back;
}

static void offer_route(struct offer *o, struct route *route)
{
    struct dispatch *d = o->dispatch;

    if (o->only && !route_leads_to(route, o->only))
        return;
    if (route->forward) {
        offer_bus(o, route);
        return;
    }
    if ((route->subscribed && !route_passes(d, route, o->in)) || !route->outlet->target ||
        (o->in->origin.size && route->outlet->def->adapter == &archive_adapter))
        return; /* what came out of an archive is never archived again */
    struct flight *f = flight_make(d->generation, route, shared(o), d->next_id++);
    if (route->entry->order_by)
        f->order_key = route_order_key(route, f->event, &d->work);
    o->matched.deliveries++;
    turn_take(d, f);
    if (!route->outlet->target->ops->put && backlog_is_crowded(route->outlet))
        o->matched.crowded = route->outlet;
}

static bool chosen(const struct offer *o, const struct rule *rule)
{
    uint32_t i = rule->index;

    if ((rule->is_archive && o->in->origin.size) || (o->held_back && !rule->all_management_events))
        return false;
    return !o->chosen || (o->chosen[i / 64] >> (i % 64) & 1);
}

static void note_for_taps(struct dispatch *d, uint32_t rule)
{
    if (d->tapped_count == d->tapped_capacity) {
        d->tapped_capacity = d->tapped_capacity ? 2 * d->tapped_capacity : 64;
        d->tapped_rules = xrealloc(d->tapped_rules, d->tapped_capacity * sizeof *d->tapped_rules);
    }
    d->tapped_rules[d->tapped_count++] = rule;
}

static bool offer_rule(struct offer *o, uint32_t index)
{
    struct dispatch *d = o->dispatch;
    const struct rule *rule = &d->set->rules[index];
    struct generation *g = d->generation;
    struct route_span span = g->spans[index];

    if (!chosen(o, rule))
        return false;
    if (!g->rule_matches[index])
        g->rule_matches[index] = metric_str(METRIC_RULE_MATCHES, (struct str[]){rule->bus, rule->name});
    series_add(g->rule_matches[index], 1);
    if (d->tapped)
        note_for_taps(d, index);
    for (uint32_t i = span.first; i < span.first + span.count; i++)
        offer_route(o, &g->routes[i]);
    return true;
}

void turn_count_regex_limit(const struct rule *rule, const struct incoming *in)
{
    series_add(metric_str(METRIC_REGEX_LIMITS, (struct str[]){rule->bus, rule->name}), 1);
    log_warn("a regex hit a limit and counts as no match", LOG_STR("rule", rule->name), LOG_STR("bus", rule->bus),
             LOG_INT("position", in->position));
}

/* Rules that the event would match if a regex did that was given up: rare, and somebody must hear of it. */
static void report_given_up(const struct offer *o, struct weir_scratch *s)
{
    const uint32_t *ids;
    long count = weir_match_given_up(s, &ids);

    for (long i = 0; i < count; i++) {
        const struct rule *rule = &o->dispatch->set->rules[ids[i]];
        if (chosen(o, rule))
            turn_count_regex_limit(rule, o->in);
    }
}

/* No rule can be asked about it: that is no reason to lose it. */
static void offer_failed(struct offer *o, const struct scratch *s, const char *reason)
{
    series_add(s->failed, 1);
    log_error("an event cannot be matched and is dead-lettered", LOG_STR("bus", s->bus->name),
              LOG_INT("position", o->in->position), LOG_TEXT("reason", reason));
    struct flight *f = letter_unmatched(o->dispatch, shared(o), s->bus->name, reason);
    backlog_owe(f);
    flights_add(&o->dispatch->turn->ended, f);
}

static void offer_on(struct offer *o, const struct bus *bus)
{
    struct dispatch *d = o->dispatch;
    const struct incoming *in = o->in;
    struct scratch *s = &d->generation->scratches[bus->index];
    bool any = false;
    const uint32_t *ids;
    struct weir_diag diag;

    s->offered = d->event_number;
    if (s->deduplicator && !in->origin.size && deduplicator_knows(d, s->deduplicator, in->event))
        return;
    long count = weir_match(bus->matcher, s->scratch, in->event.ptr, in->event.size,
                            in->checked ? WEIR_CHECKED : WEIR_TRUSTED, &ids, &diag);
    o->held_back = count > 0 && read_only_is_held_back(bus, in->event);
    if (count < 0)
        offer_failed(o, s, diag.message);
    else
        report_given_up(o, s->scratch);
    for (long i = 0; i < count; i++)
        any |= offer_rule(o, ids[i]);
    if (count >= 0)
        series_add(any ? s->matched : s->unmatched, 1);
    o->matched.any |= any;
}

struct matched turn_offer(struct dispatch *d, const struct incoming *in)
{
    struct offer o = {.dispatch = d, .in = in, .chosen = in->rules, .only = in->only, .now = d->now};
    const struct bus *bus = ruleset_bus(d->set, in->bus);

    d->turn->events++;
    d->turn->bytes += in->event.size;
    d->event_number++;
    if (!bus) {
        series_add(metric_str(METRIC_EVENTS_MATCHED, (struct str[]){STR(""), STR("unknown_bus")}), 1);
        log_warn("an event is for a bus that is not there and goes nowhere", LOG_STR("bus", in->bus),
                 LOG_INT("position", in->position));
        return o.matched;
    }
    d->tapped = taps_any(d->options.taps);
    d->tapped_count = 0;
    offer_on(&o, bus);
    if (d->tapped)
        taps_offer(d->options.taps, d->set, in, d->tapped_rules, d->tapped_count);
    if (o.event)
        event_release(o.event);
    return o.matched;
}

void turn_offer_rule(struct dispatch *d, const struct incoming *in, const struct rule *rule)
{
    struct offer o = {.dispatch = d, .in = in, .now = d->now};

    d->turn->events++;
    d->turn->bytes += in->event.size;
    d->event_number++;
    d->tapped = taps_any(d->options.taps);
    d->tapped_count = 0;
    offer_rule(&o, rule->index);
    if (d->tapped)
        taps_offer(d->options.taps, d->set, in, d->tapped_rules, d->tapped_count);
    if (o.event)
        event_release(o.event);
}

/* ---- the journal ---- */

/* Takes one record into the turn. False: none is waiting. */
static bool read_one(struct dispatch *d)
{
    struct journal_record r;
    struct weir_diag diag = {0};
    int got = journal_read(d->reader, &r, &diag);

    if (got < 0) {
        log_error("the journal cannot be read, trying again", LOG_TEXT("reason", diag.message));
        d->reader_broken = true;
        dispatch_due(d, d->now.age_ms + READ_AGAIN_MS);
    }
    if (got <= 0)
        return false;
    struct incoming in = {.origin = STR(""),
                          .position = r.sequence,
                          .arrived_wall_ms = r.time_ms,
                          .bus = r.bus,
                          .event = r.event,
                          .checked = r.flags & JOURNAL_REPEATED_KEYS};
    turn_offer(d, &in);
    d->turn->cursor = r.sequence;
    return true;
}

void turn_again(struct dispatch *d)
{
    dispatch_timer(d->turn_event, 0); /* not event_active(): sockets and mail are looked at in between */
}

/* The journal's part of it, while replays have something to feed too. */
static bool turn_shared(const struct turn *t)
{
    return t->events >= DISPATCH_EVENTS * 9 / 10 || t->bytes >= DISPATCH_BYTES / 10 * 9 ||
           t->puts.count + t->created.count >= FLIGHTS * 9 / 10;
}

/*
 * Events that no delivery was made for are in memory no longer, and the turn may take as many again. So under load a
 * commit covers more events, and most commits while the disk is busy with the one before are saved: the turn goes to
 * the ledger when nothing waits to be read, when it is full, or when no other job is there.
 */
static void go_on(struct dispatch *d, bool more)
{
    struct turn *t = d->turn;

    if (!d->jobs_paused) {
        t->events = t->kept_events;
        t->bytes = t->kept_bytes;
    }
    if (!more || turn_full(t) || !d->jobs_away)
        turn_schedule(d); /* may make room by submitting the turn; then it calls turn_again() */
    if (more && !turn_full(d->turn))
        turn_again(d);
}

void turn_read(struct dispatch *d)
{
    bool more = true;

    if (d->stopping || d->reader_broken || d->reload)
        return;
    d->now = dispatch_now(d);
    schedules_feed(d); /* leaves something only when the turn is full; then `more` stays */
    publish_feed(d);
    bool resting = atomic_load(&d->resting), hungry = !resting && replays_hungry(d);
    while (more && !turn_full(d->turn) && !(hungry && turn_shared(d->turn)))
        more = read_one(d);
    if (!resting && (hungry || !more) && replays_feed(d, more))
        more = true;
    go_on(d, more);
}
