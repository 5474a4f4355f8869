/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps for the command line: opened, asked again and again, closed. An ask waits until there is something, or until
 * its time is over. Of a tap on the misses of a rule, only near ones are shown: that takes explaining each, which is
 * done here, on the io thread, and not where events are dispatched.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/explain.h"
#include "router/api/v1_int.h"
#include "router/tap.h"
#include "router/xalloc.h"

#define WAIT_MAX_MS  20000
#define EXPLAINS_MAX 500 /* an answer: what is more counts as missed */

/* ---- opening ---- */

static void unknown_name(struct http_request *r, const char *what, struct str name, const char **names, size_t count)
{
    const char *near = diag_near(name, names, count);
    http_reply_error(r, 404, "no %s '%.*s'%s%s%s", what, name.size > 200 ? 200 : (int)name.size, name.ptr,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool check_bus(struct http_request *r, struct str name)
{
    const struct ruleset *set = http_set(r);

    if (!name.size || ruleset_bus(set, name))
        return true;
    const char **names = xarray(set->bus_count, sizeof *names);
    for (uint32_t i = 0; i < set->bus_count; i++)
        names[i] = set->buses[i].name.ptr; /* NUL-terminated, as all names of a rule set */
    unknown_name(r, "event bus", name, names, set->bus_count);
    free(names);
    return false;
}

/* NAME or BUS/NAME; a bare name is looked for on the tap's bus, or on all. */
static const struct rule *find_rule(const struct ruleset *set, struct str bus, struct str name)
{
    const char *slash = memrchr(name.ptr, '/', name.size);

    if (slash) {
        bus = (struct str){name.ptr, (size_t)(slash - name.ptr)};
        name = (struct str){slash + 1, name.size - bus.size - 1};
    }
    for (uint32_t i = 0; i < set->rule_count; i++)
        if (str_eq(set->rules[i].name, name) && (!bus.size || str_eq(set->rules[i].bus, bus)) &&
            !set->rules[i].is_archive)
            return &set->rules[i];
    return NULL;
}

static bool check_rule(struct http_request *r, struct str name, struct tap_filter *f)
{
    const struct ruleset *set = http_set(r);
    const struct rule *rule;

    if (!name.size)
        return true;
    rule = find_rule(set, f->bus, name);
    if (rule && rule->pattern) {
        f->miss_bus = rule->bus;
        f->miss_rule = rule->name;
        return true;
    }
    if (rule) {
        http_reply_error(r, 400, "rule '%.*s' has a schedule and no pattern: no event can miss it", STR_ARG(name));
        return false;
    }
    const char **names = xarray(set->rule_count + 1, sizeof *names);
    for (uint32_t i = 0; i < set->rule_count; i++)
        names[i] = set->rules[i].name.ptr;
    unknown_name(r, "rule", name, names, set->rule_count);
    free(names);
    return false;
}

static void open_tap(struct http_request *r)
{
    struct buf bus = BUF_INIT, pattern = BUF_INIT, rule = BUF_INIT, json = BUF_INIT;
    struct tap_filter filter = {0};
    struct weir_diag diag = {0};
    struct str body;

    if (v1_body(r, &body) && v1_text(r, body, "bus", &bus, false) && v1_text(r, body, "pattern", &pattern, false) &&
        v1_text(r, body, "near_miss", &rule, false)) {
        filter.bus = buf_view(&bus);
        filter.pattern = buf_view(&pattern);
        if (check_bus(r, filter.bus) && check_rule(r, buf_view(&rule), &filter)) {
            uint64_t id = tap_open(http_router(r)->taps, &filter, clock_now(&http_router(r)->clock), &diag);
            buf_printf(&json, "{\"tap\":%" PRIu64 "}", id);
            if (id)
                http_reply_json(r, 201, &json);
            else if (diag.code == WEIR_E_LIMIT && !diag.line)
                http_reply_error(r, 429, "%s", diag.message);
            else
                http_reply_error(r, 400, "the pattern, line %d, column %d: %s", diag.line, diag.column, diag.message);
        }
    }
    buf_fini(&json);
    buf_fini(&rule);
    buf_fini(&pattern);
    buf_fini(&bus);
}

/* ---- asking ---- */

struct asking {
    struct tap_waiter waiter; /* first */
    struct http_request *request;
    struct event *timer;
};

struct nearness {
    struct explainer *explainer; /* NULL: every event is shown */
    unsigned left;
};

/* By one condition of several, or by values that nearly fit. */
static bool is_near(const struct explanation *e)
{
    const struct explain_branch *b = e->branch_count ? &e->branches[0] : NULL;
    uint32_t hinted = 0;

    if (!b || e->matches)
        return false;
    for (uint32_t i = 0; i < b->leaf_count; i++)
        hinted += !e->leaves[b->leaves[i]].holds && e->leaves[b->leaves[i]].near_count > 0;
    return b->failing == 0 || (b->failing == 1 && b->leaf_count > 1) || hinted == b->failing;
}

static bool explain(struct nearness *n, struct str event, struct buf *out)
{
    struct arena arena = ARENA_INIT;
    struct explanation e;
    struct weir_diag diag;
    struct buf text = BUF_INIT;
    bool near = explainer_run(n->explainer, &arena, event, &e, &diag) && is_near(&e);

    if (near) {
        buf_text(out, ",\"explanation\":{");
        explanation_write_json(out, &e);
        buf_text(out, "},\"explanation_text\":");
        explanation_write_text(&text, &e, 1);
        json_write_string(out, buf_view(&text));
    }
    buf_fini(&text);
    arena_fini(&arena);
    return near;
}

static void write_event(struct buf *out, const struct tap_event *e, struct nearness *n)
{
    size_t before = out->size;
    char time[21];

    time_format_rfc3339(e->arrived_wall_ms, time);
    buf_text(out, out->data[out->size - 1] == '[' ? "{" : ",{");
    json_write_member(out, "bus", e->bus);
    buf_printf(out, ",\"position\":%" PRIu64, e->position);
    json_write_member(out, "arrived", str_from(time));
    if (e->origin.size)
        json_write_member(out, "replay", e->origin);
    buf_printf(out, ",\"rules\":%.*s", STR_ARG(e->rules));
    bool shown = !n->explainer || explain(n, e->event, out);
    buf_text(out, ",\"event\":");
    buf_str(out, e->event);
    buf_char(out, '}');
    if (!shown)
        out->size = before;
}

static void write_answer(struct buf *out, struct asking *a, struct explainer *explainer)
{
    struct nearness n = {.explainer = explainer, .left = EXPLAINS_MAX};
    uint64_t missed = a->waiter.missed;
    struct tap_event e;
    size_t at = 0;

    buf_text(out, "{\"events\":[");
    while (tap_next(&a->waiter.records, &at, &e))
        if (!explainer || n.left-- > 0) {
            write_event(out, &e, &n);
        } else {
            n.left = 0;
            missed++;
        }
    buf_printf(out, "],\"missed\":%" PRIu64 "}", missed);
}

static void answered(struct tap_waiter *w)
{
    struct asking *a = (struct asking *)w;
    const struct ruleset *set = http_set(a->request);
    const struct rule *rule = w->miss_rule.size ? ruleset_rule(set, w->miss_bus, w->miss_rule) : NULL;
    struct explainer *explainer = NULL;
    struct weir_diag diag;
    struct buf out = BUF_INIT;

    event_free(a->timer);
    if (w->gone) {
        http_reply_error(a->request, 404, "there is no such tap, or not any more");
    } else if (w->miss_rule.size && (!rule || !rule->pattern)) {
        http_reply_error(a->request, 404, "rule '%.*s' is gone", STR_ARG(w->miss_rule));
    } else {
        if (rule && !(explainer = explainer_create(rule->pattern, &diag)))
            xfail("out of memory");
        write_answer(&out, a, explainer);
        http_reply_json(a->request, 200, &out);
    }
    explainer_destroy(explainer);
    buf_fini(&w->records);
    buf_fini(&out);
    free(a);
}

static void over_cb(evutil_socket_t fd, short what, void *context)
{
    struct asking *a = context;
    tap_cancel(http_router(a->request)->taps, a->waiter.id, &a->waiter);
}

static void ask(struct http_request *r, uint64_t id)
{
    struct router *router = http_router(r);
    struct asking *a;
    struct str wait;
    long ms = 0;

    if (http_query(r, "wait_ms", &wait)) {
        ms = strtol(wait.ptr, NULL, 10);
        if (ms < 0 || ms > WAIT_MAX_MS) {
            http_reply_error(r, 400, "'wait_ms' must be 0..%d", WAIT_MAX_MS);
            return;
        }
    }
    a = xalloc(sizeof *a);
    a->request = r;
    a->waiter.mailbox = http_mailbox(r);
    a->waiter.done = answered;
    a->timer = event_new(http_base(r), -1, 0, over_cb, a);
    struct timeval until = {ms / 1000, ms % 1000 * 1000};
    if (!a->timer || event_add(a->timer, &until) != 0)
        xfail("cannot set a timer");
    tap_wait(router->taps, id, &a->waiter, clock_now(&router->clock));
}

void v1_taps(struct http_request *r)
{
    struct str rest = http_path_rest(r);
    uint64_t id = rest.size ? strtoull(rest.ptr, NULL, 10) : 0;
    struct buf json = BUF_INIT;

    if (!rest.size && strcmp(http_method(r), "POST") == 0) {
        open_tap(r);
    } else if (rest.size && strcmp(http_method(r), "GET") == 0) {
        ask(r, id);
    } else if (rest.size && strcmp(http_method(r), "DELETE") == 0) {
        buf_text(&json, "{}");
        if (tap_close(http_router(r)->taps, id))
            http_reply_json(r, 200, &json);
        else
            http_reply_error(r, 404, "there is no such tap, or not any more");
    } else {
        http_reply_error(r, 405, "a tap is opened with POST, asked with GET …/ID, closed with DELETE …/ID");
    }
    buf_fini(&json);
}
