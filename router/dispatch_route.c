/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule set as dispatch needs it: for each rule the flat list of its routes. Topics are followed here, once a rule
 * set, so that matching an event only walks an array:
 *
 *     spans[rule->index] ──► routes[first … first + count)      each: rule entry, subscription, outlet
 *
 * A topic may name a topic; EXPAND_DEPTH bounds how far that is followed (a ring of topics would have no end), and the
 * subscription's name is then a path: "first/second".
 *
 * Everything points into the rule set, which the generation holds for as long as it lives; outlets are dispatch's own
 * and outlive it.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/log.h"
#include "router/xalloc.h"
#include "targets/bus.h"

#define EXPAND_DEPTH 8

struct routes { /* growing */
    struct generation *generation;
    size_t capacity;
};

static void add_route(struct routes *r, const struct route *one)
{
    struct generation *g = r->generation;

    if (g->route_count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 64;
        g->routes = xrealloc(g->routes, r->capacity * sizeof *g->routes);
    }
    g->routes[g->route_count++] = *one;
}

static struct str join_names(struct generation *g, struct str outer, struct str inner)
{
    if (!outer.size)
        return inner;
    char *text = arena_alloc(&g->names, outer.size + 1 + inner.size);
    if (!text)
        xfail("out of memory");
    memcpy(text, outer.ptr, outer.size);
    text[outer.size] = '/';
    memcpy(text + outer.size + 1, inner.ptr, inner.size);
    return (struct str){text, outer.size + 1 + inner.size};
}

static void take_filter(struct generation *g, struct route *route, const struct target_def *topic,
                        const struct expansion *x, size_t index)
{
    struct sieve *s = sieve_of(g, topic);

    route->subscribed = x->filter ? topic : NULL;
    route->never = x->filter && x->filter_attributes && !s->filter->attributeless[index];
    route->sieve = x->filter ? s : NULL;
    route->attributes = x->filter_attributes;
    route->sieve_index = (uint32_t)index;
}

static void take_subscription(struct generation *g, struct route *route, const struct target_def *topic,
                              const struct expansion *x, size_t index)
{
    take_filter(g, route, topic, x, index);
    route->topic = topic;
    route->raw = x->raw;
    route->pending = x->pending;
    route->endpoint = x->endpoint;
    route->dead_letter = x->dead_letter;
    if (x->retry_policy)
        route->retries = *x->retry_policy;
}

/* Adds the routes of one rule entry to `def`, itself or what is behind it. */
static void follow(struct routes *out, const struct route *so_far, const struct target_def *def, int depth)
{
    struct route route = *so_far;
    struct expansion x;

    if (def->adapter == &bus_adapter)
        route.forward = ruleset_bus(out->generation->set, def->name);
    if (!def->adapter->expand) {
        route.outlet = out->generation->outlets[def->index];
        route.retries = policy_retries(&so_far->retries, def->policy);
        add_route(out, &route);
        return;
    }
    if (depth == EXPAND_DEPTH) {
        log_warn("a target leads through too many topics and is not followed", LOG_STR("rule", route.rule->name),
                 LOG_STR("topic", def->name));
        return;
    }
    for (size_t i = 0; def->adapter->expand(def, i, &x) == 1; i++) {
        if (x.pending && !so_far->published)
            continue;
        route.retries = so_far->retries;
        route.subscription = join_names(out->generation, so_far->subscription, x.name);
        take_subscription(out->generation, &route, def, &x, i);
        follow(out, &route, x.target, depth + 1);
    }
}

/* What is published to a topic goes as if a rule of its own had it as its target: rule "topic/NAME" of no bus. */
static const struct rule *topic_rule(struct generation *g, const struct target_def *topic)
{
    struct rule *rule = arena_new(&g->names, struct rule);
    struct rule_target *entry = arena_new(&g->names, struct rule_target);

    if (!rule || !entry)
        xfail("out of memory");
    *entry = (struct rule_target){.id = STR("publish"),
                                  .target = topic,
                                  .dead_letter = g->set->dead_letters,
                                  .retry_policy = RETRY_POLICY_UNSAID};
    *rule = (struct rule){.name = join_names(g, STR("topic"), topic->name),
                          .bus = STR(""),
                          .arn = topic->arn,
                          .enabled = true,
                          .targets = entry,
                          .target_count = 1,
                          .index = g->set->rule_count + topic->index};
    return rule;
}

static void follow_entries(struct routes *out, const struct rule *rule, bool published)
{
    struct generation *g = out->generation;
    struct route_span *span = &g->spans[rule->index];

    span->first = (uint32_t)g->route_count;
    for (uint32_t k = 0; k < rule->target_count; k++) {
        struct route route = {.rule = rule,
                              .entry = &rule->targets[k],
                              .retries = rule->targets[k].retry_policy,
                              .published = published,
                              .subscription = STR("")};
        follow(out, &route, rule->targets[k].target, 0);
    }
    span->count = (uint32_t)g->route_count - span->first;
}

static void make_routes(struct generation *g)
{
    struct routes all = {.generation = g};

    g->spans = xarray(g->set->rule_count + g->set->target_count, sizeof *g->spans);
    g->rule_matches = xarray(g->set->rule_count, sizeof(struct series *));
    for (uint32_t i = 0; i < g->set->rule_count; i++)
        follow_entries(&all, &g->set->rules[i], false);
    for (uint32_t i = 0; i < g->set->target_count; i++)
        if (g->set->targets[i]->adapter->expand)
            follow_entries(&all, topic_rule(g, g->set->targets[i]), true);
}

static void open_scratches(struct generation *g)
{
    g->scratches = xarray(g->set->bus_count, sizeof *g->scratches);
    for (uint32_t i = 0; i < g->set->bus_count; i++) {
        struct scratch *s = &g->scratches[i];
        s->bus = &g->set->buses[i];
        s->scratch = weir_scratch_create(s->bus->matcher);
        if (!s->scratch)
            xfail("out of memory");
        s->matched = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("matched")});
        s->unmatched = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("unmatched")});
        s->failed = metric_str(METRIC_EVENTS_MATCHED, (struct str[]){s->bus->name, STR("failed")});
    }
}

struct generation *generation_create(struct dispatch *d, struct ruleset *set)
{
    struct generation *g = xalloc(sizeof *g);

    atomic_init(&g->references, 1);
    g->set = ruleset_ref(set);
    g->outlets = xarray(set->target_count, sizeof(struct outlet *));
    for (uint32_t i = 0; i < set->target_count; i++)
        g->outlets[i] = outlet_of(d, set->targets[i]);
    sieves_open(g);
    make_routes(g);
    open_scratches(g);
    return g;
}

struct generation *generation_ref(struct generation *g)
{
    atomic_fetch_add_explicit(&g->references, 1, memory_order_relaxed);
    return g;
}

void generation_unref(struct generation *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < g->set->bus_count; i++)
        weir_scratch_destroy(g->scratches[i].scratch);
    sieves_close(g);
    free(g->outlets);
    free(g->routes);
    free(g->spans);
    free(g->rule_matches);
    free(g->scratches);
    arena_fini(&g->names);
    ruleset_unref(g->set);
    free(g);
}

/* Which span is the rule's, or that of what is published to a topic; NULL: neither is there. */
static const struct route_span *find_span(const struct generation *g, struct str bus, struct str name)
{
    const size_t prefix = sizeof "topic/" - 1;
    const struct rule *rule = ruleset_rule(g->set, bus, name);

    if (rule)
        return &g->spans[rule->index];
    if (bus.size || name.size < prefix)
        return NULL;
    const struct target_def *topic =
        ruleset_target(g->set, "topic", (struct str){name.ptr + prefix, name.size - prefix});
    return topic ? route_topic_span(g, topic) : NULL;
}

const struct route_span *route_topic_span(const struct generation *g, const struct target_def *topic)
{
    return &g->spans[g->set->rule_count + topic->index];
}

struct route *route_find(const struct generation *g, struct str bus, struct str rule_name, struct str target_id,
                         struct str subscription)
{
    const struct route_span *found = find_span(g, bus, rule_name);

    if (!found)
        return NULL;
    struct route_span span = *found;
    for (uint32_t i = span.first; i < span.first + span.count; i++)
        if (str_eq(g->routes[i].entry->id, target_id) && str_eq(g->routes[i].subscription, subscription))
            return &g->routes[i];
    return NULL;
}

struct series *route_result(struct route *route, enum result result)
{
    struct series **s = &route->results[result];
    if (!*s)
        *s = metric_str(METRIC_DELIVERIES, (struct str[]){route->rule->bus, route->rule->name, route->outlet->key,
                                                          str_from(result_names[result])});
    return *s;
}

struct series *route_series(struct flight *f, enum result result)
{
    if (!f->route)
        return metric_str(METRIC_DELIVERIES,
                          (struct str[]){f->d.bus, f->d.rule, f->outlet->key, str_from(result_names[result])});
    return route_result(f->route, result);
}
