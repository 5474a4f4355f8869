/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter policies at work: which subscriptions of a topic a message passes to. A message is judged once for all of
 * them, by the topic's compiled matcher, when its event is matched: what no subscription wants is never a delivery. The
 * message is the rule's rendered input; one that is no JSON object passes no policy, one that cannot be rendered passes
 * all, so that its delivery is dead-lettered with the reason.
 */
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/xalloc.h"

void sieves_open(struct generation *g)
{
    g->sieves = xarray(g->set->filter_count, sizeof *g->sieves);
    for (uint32_t i = 0; i < g->set->filter_count; i++) {
        struct sieve *s = &g->sieves[i];
        struct expansion x;
        size_t count = 0;
        s->filter = &g->set->filters[i];
        while (s->filter->topic->adapter->expand(s->filter->topic, count, &x) == 1)
            count++;
        s->passed = xarray(count, sizeof *s->passed);
        s->scratch = weir_scratch_create(s->filter->body);
        s->attributes_scratch = weir_scratch_create(s->filter->attributes);
        if (!s->scratch || !s->attributes_scratch)
            xfail("out of memory");
    }
}

void sieves_close(struct generation *g)
{
    for (uint32_t i = 0; i < g->set->filter_count; i++) {
        weir_scratch_destroy(g->sieves[i].scratch);
        weir_scratch_destroy(g->sieves[i].attributes_scratch);
        free(g->sieves[i].passed);
    }
    free(g->sieves);
}

struct sieve *sieve_of(const struct generation *g, const struct target_def *topic)
{
    for (uint32_t i = 0; i < g->set->filter_count; i++)
        if (g->sieves[i].filter->topic == topic)
            return &g->sieves[i];
    return NULL;
}

static void pass_all(struct sieve *s, const struct target_def *topic)
{
    struct expansion x;
    for (size_t i = 0; topic->adapter->expand(topic, i, &x) == 1; i++)
        s->passed[i] = s->message;
}

static void judge(struct dispatch *d, struct sieve *s, const struct route *route, const struct incoming *in)
{
    struct str message = in->event;
    const uint32_t *ids;
    struct weir_diag diag;

    s->message++;
    s->event_number = d->event_number;
    s->entry = route->entry;
    if (route->entry->input) {
        buf_clear(&d->work);
        if (!route_input(route, in->event, in->arrived_wall_ms, &d->work, &diag)) {
            pass_all(s, s->filter->topic);
            return;
        }
        message = buf_view(&d->work);
    }
    bool checked = route->entry->input || in->checked;
    long count = weir_match(s->filter->body, s->scratch, message.ptr, message.size,
                            checked ? WEIR_CHECKED : WEIR_TRUSTED, &ids, &diag);
    for (long i = 0; i < count; i++)
        s->passed[ids[i]] = s->message;
    if (count >= 0 && weir_match_given_up(s->scratch, &ids) > 0)
        turn_count_regex_limit(route->rule, in);
}

static void count_filtered(struct route *route)
{
    if (!route->filtered)
        route->filtered = metric_str(METRIC_FILTERED, (struct str[]){route->subscribed->name, route->subscription});
    series_add(route->filtered, 1);
}

bool route_passes(struct dispatch *d, struct route *route, const struct incoming *in)
{
    struct sieve *s = route->attributes ? NULL : route->sieve;
    bool passes = !route->never;

    if (s) {
        if (s->event_number != d->event_number || s->entry != route->entry)
            judge(d, s, route, in);
        passes = s->passed[route->sieve_index] == s->message;
    }
    if (!passes)
        count_filtered(route);
    return passes;
}

/* ---- what is published ---- */

static void judge_by(struct sieve *s, struct weir_matcher *matcher, struct weir_scratch *scratch, struct str json)
{
    const uint32_t *ids;
    struct weir_diag diag;
    long count = weir_match(matcher, scratch, json.ptr, json.size, WEIR_CHECKED, &ids, &diag);

    for (long i = 0; i < count; i++) /* below 0: it is no JSON object, and passes none */
        s->passed[ids[i]] = s->message;
}

void sieve_judge(struct sieve *s, struct str text, struct str attributes)
{
    s->message++;
    s->entry = NULL;
    judge_by(s, s->filter->body, s->scratch, text);
    judge_by(s, s->filter->attributes, s->attributes_scratch, attributes);
}

bool route_passes_judged(struct route *route)
{
    bool passes = !route->sieve || route->sieve->passed[route->sieve_index] == route->sieve->message;

    if (!passes)
        count_filtered(route);
    return passes;
}
