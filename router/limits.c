/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the ways in, see limits.h. One lock: it is held for a few additions, once or twice a request. */
#include "router/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ROUTES_MAX 8

static struct {
    pthread_mutex_t lock;
    struct limiter {
        double tokens;   /* events that may come now; below 0: overdrawn */
        int64_t age_ms;  /* when that was so */
        int64_t present; /* requests let in and not answered */
        bool used;
    } routes[ROUTES_MAX];
} limits = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct limiter *limiter_of(const char *route)
{
    for (size_t i = 0; source_routes[i]; i++)
        if (strcmp(source_routes[i], route) == 0) {
            assert(i < ROUTES_MAX);
            return &limits.routes[i];
        }
    return NULL;
}

/* Brings the bucket to the present. */
static void refill(struct limiter *l, const struct source_def *def, int64_t age_ms)
{
    double most = (double)def->burst;

    if (!l->used)
        l->tokens = most;
    else if (age_ms > l->age_ms)
        l->tokens += (double)(age_ms - l->age_ms) / 1000 * (double)def->rate;
    if (l->tokens > most)
        l->tokens = most;
    l->age_ms = age_ms;
    l->used = true;
}

static bool refuse(struct limits_refusal *out, const char *reason, int64_t wait_s, const char *route, const char *what,
                   int64_t limit)
{
    out->reason = reason;
    out->wait_s = wait_s < 1 ? 1 : wait_s;
    snprintf(out->message, sizeof out->message, "source '%s' is over its limit of %lld %s; nothing was taken", route,
             (long long)limit, what);
    return false;
}

bool limits_enter(const struct ruleset *set, const char *route, int64_t age_ms, struct limits_refusal *out)
{
    const struct source_def *def = ruleset_source(set, str_from(route));
    struct limiter *l = limiter_of(route);
    bool ok = true;

    if (!l)
        return true;
    pthread_mutex_lock(&limits.lock);
    if (def && def->concurrency && l->present >= def->concurrency)
        ok = refuse(out, "concurrency", 1, route, "requests at once", def->concurrency);
    if (ok && def && def->rate) {
        refill(l, def, age_ms);
        if (l->tokens <= 0)
            ok =
                refuse(out, "rate", (int64_t)(-l->tokens / (double)def->rate) + 1, route, "events a second", def->rate);
    }
    l->present += ok;
    pthread_mutex_unlock(&limits.lock);
    return ok;
}

void limits_charge(const struct ruleset *set, const char *route, int64_t age_ms, size_t events)
{
    const struct source_def *def = ruleset_source(set, str_from(route));
    struct limiter *l = limiter_of(route);

    if (!l || !def || !def->rate)
        return;
    pthread_mutex_lock(&limits.lock);
    refill(l, def, age_ms);
    l->tokens -= (double)events;
    pthread_mutex_unlock(&limits.lock);
}

void limits_leave(const char *route)
{
    struct limiter *l = limiter_of(route);

    if (!l)
        return;
    pthread_mutex_lock(&limits.lock);
    assert(l->present > 0);
    l->present--;
    pthread_mutex_unlock(&limits.lock);
}
