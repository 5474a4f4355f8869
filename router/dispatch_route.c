/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule set as dispatch needs it: one outlet a target, and for each rule the flat list of its routes. Topics are
 * followed here, once a rule set, so that matching an event only walks an array:
 *
 *     spans[rule->index] ──► routes[first … first + count)      each: rule entry, subscription, outlet
 *
 * A topic may name a topic; EXPAND_DEPTH bounds how far that is followed (a ring of topics would have no end), and the
 * subscription's name is then a path: "first/second".
 *
 * Everything points into the rule set, which dispatch holds for as long as it lives.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"

#define EXPAND_DEPTH 8

struct routes { /* growing */
    struct route *list;
    size_t count, capacity;
};

static void add_route(struct routes *r, const struct route *one)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        r->list = xrealloc(r->list, r->capacity * sizeof *r->list);
    }
    r->list[r->count++] = *one;
}

static struct str join_names(struct dispatch *d, struct str outer, struct str inner)
{
    if (!outer.size)
        return inner;
    char *text = arena_alloc(&d->names, outer.size + 1 + inner.size);
    if (!text)
        xfail("out of memory");
    memcpy(text, outer.ptr, outer.size);
    text[outer.size] = '/';
    memcpy(text + outer.size + 1, inner.ptr, inner.size);
    return (struct str){text, outer.size + 1 + inner.size};
}

/* Adds the routes of one rule entry to `def`, itself or what is behind it. */
static void follow(struct dispatch *d, struct routes *out, const struct route *so_far, const struct target_def *def,
                   int depth)
{
    struct route route = *so_far;
    struct expansion x;

    if (!def->adapter->expand) {
        route.outlet = d->outlets[def->index];
        add_route(out, &route);
        return;
    }
    if (depth == EXPAND_DEPTH) {
        log_warn("a target leads through too many topics and is not followed", LOG_STR("rule", route.rule->name),
                 LOG_STR("topic", def->name));
        return;
    }
    for (size_t i = 0; def->adapter->expand(def, i, &x) == 1; i++) {
        route.topic = x.raw ? NULL : def;
        route.subscription = join_names(d, so_far->subscription, x.name);
        follow(d, out, &route, x.target, depth + 1);
    }
}

static void make_routes(struct dispatch *d)
{
    struct routes all = {0};

    d->spans = xarray(d->set->rule_count, sizeof *d->spans);
    d->rule_matches = xarray(d->set->rule_count, sizeof(struct series *));
    for (uint32_t i = 0; i < d->set->rule_count; i++) {
        const struct rule *rule = &d->set->rules[i];
        d->spans[i].first = (uint32_t)all.count;
        for (uint32_t k = 0; k < rule->target_count; k++) {
            struct route route = {.rule = rule, .entry = &rule->targets[k], .subscription = STR("")};
            follow(d, &all, &route, rule->targets[k].target, 0);
        }
        d->spans[i].count = (uint32_t)all.count - d->spans[i].first;
    }
    d->routes = all.list;
}

static struct outlet *make_outlet(struct dispatch *d, const struct target_def *def, struct str key)
{
    struct outlet *o = xalloc(sizeof *o);

    o->dispatch = d;
    o->def = def;
    o->key = xstr(key);
    o->next_due = OWED_IN_HAND;
    o->owed = metric(METRIC_DELIVERIES_OWED, o->key.ptr);
    series_set(o->owed, 0);
    TAILQ_INIT(&o->ready);
    TAILQ_INIT(&o->sent);
    d->outlets = xrealloc(d->outlets, (d->outlet_count + 1) * sizeof(struct outlet *));
    d->outlets[d->outlet_count++] = o;
    return o;
}

static bool open_targets(struct dispatch *d, struct weir_diag *diag)
{
    struct buf key = BUF_INIT;

    for (uint32_t i = 0; i < d->set->target_count; i++) {
        const struct target_def *def = d->set->targets[i];
        buf_clear(&key);
        buf_printf(&key, "%s/%.*s", def->adapter->type, STR_ARG(def->name));
        xbuf(&key);
        struct outlet *o = make_outlet(d, def, buf_view(&key));
        if (!def->adapter->open)
            continue;
        o->target = def->adapter->open(def, &d->host, d->options.data_dir, diag);
        if (!o->target) {
            buf_fini(&key);
            return false;
        }
        if (def->adapter->send)
            o->seconds = metric(METRIC_DELIVERY_SECONDS, o->key.ptr);
    }
    buf_fini(&key);
    return true;
}

static void open_scratches(struct dispatch *d)
{
    d->scratches = xarray(d->set->bus_count, sizeof *d->scratches);
    for (uint32_t i = 0; i < d->set->bus_count; i++) {
        struct scratch *s = &d->scratches[i];
        s->bus = &d->set->buses[i];
        s->scratch = weir_scratch_create(s->bus->matcher);
        if (!s->scratch)
            xfail("out of memory");
        s->matched = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("matched")});
        s->unmatched = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("unmatched")});
        s->failed = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("failed")});
    }
}

bool routes_open(struct dispatch *d, struct weir_diag *diag)
{
    if (!open_targets(d, diag))
        return false;
    make_routes(d);
    open_scratches(d);
    return true;
}

static void free_queue(struct flight_queue *q)
{
    struct flight *f;

    while ((f = TAILQ_FIRST(q))) {
        TAILQ_REMOVE(q, f, link);
        flight_free(f);
    }
}

static void close_outlet(struct outlet *o)
{
    if (o->target && o->target->ops->close)
        o->target->ops->close(o->target);
    free_queue(&o->ready);
    free_queue(&o->sent); /* the target has let go of them */
    free((char *)o->key.ptr);
    free(o);
}

void routes_close(struct dispatch *d)
{
    free_queue(&d->completed);
    for (size_t i = 0; i < d->outlet_count; i++)
        close_outlet(d->outlets[i]);
    for (uint32_t i = 0; d->scratches && i < d->set->bus_count; i++)
        weir_scratch_destroy(d->scratches[i].scratch);
    free(d->outlets);
    free(d->routes);
    free(d->spans);
    free(d->rule_matches);
    free(d->scratches);
    arena_fini(&d->names);
}

struct outlet *outlet_find(struct dispatch *d, struct str key)
{
    for (size_t i = 0; i < d->outlet_count; i++)
        if (str_eq(d->outlets[i]->key, key))
            return d->outlets[i];
    return make_outlet(d, NULL, key);
}

struct route *route_find(const struct dispatch *d, struct str bus, struct str rule_name, struct str target_id,
                         struct str subscription)
{
    const struct rule *rule = ruleset_rule(d->set, bus, rule_name);

    if (!rule)
        return NULL;
    struct route_span span = d->spans[rule->index];
    for (uint32_t i = span.first; i < span.first + span.count; i++)
        if (str_eq(d->routes[i].entry->id, target_id) && str_eq(d->routes[i].subscription, subscription))
            return &d->routes[i];
    return NULL;
}

struct series *route_series(struct flight *f, enum result result)
{
    struct str target = f->outlet->key;

    if (!f->route)
        return metric_str(METRIC_DELIVERIES,
                          (struct str[]){f->d.bus, f->d.rule, target, str_from(result_names[result])});
    struct series **s = &f->route->results[result];
    if (!*s)
        *s = metric_str(METRIC_DELIVERIES, (struct str[]){f->route->rule->bus, f->route->rule->name, target,
                                                          str_from(result_names[result])});
    return *s;
}
