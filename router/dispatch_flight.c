/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A delivery in memory, from the match (or from its row) until the job that settles it is committed.
 *
 * Names are slices of the rule set; a row whose rule or target is gone brings copies of its own. The event is shared by
 * all deliveries of one match. What a target is handed is rendered at send, again for each attempt: a retry uses the
 * target's present definition.
 */
#include <stdio.h>
#include <stdlib.h>

#include "router/dispatch_int.h"
#include "router/xalloc.h"
#include "rules/input.h"
#include "targets/archive.h"

static struct str put_text(char **at, struct str text)
{
    struct str copy = {*at, text.size};
    if (text.size)
        memcpy(*at, text.ptr, text.size);
    *at += text.size;
    return copy;
}

struct shared_event *event_share(struct str origin, uint64_t position, struct str id, struct str event,
                                 struct weir_time accepted)
{
    struct shared_event *e = malloc(sizeof *e + origin.size + id.size + event.size);
    if (!e)
        xfail("out of memory");
    char *at = e->bytes;
    e->references = 1;
    e->position = position;
    e->accepted = accepted;
    e->origin = put_text(&at, origin);
    e->id = put_text(&at, id);
    e->event = put_text(&at, event);
    return e;
}

void event_release(struct shared_event *e)
{
    if (--e->references == 0)
        free(e);
}

static struct flight *make(struct shared_event *event, int64_t id)
{
    struct flight *f = xalloc(sizeof *f);

    event->references++;
    f->event = event;
    f->id = id;
    f->d.origin = event->origin;
    f->d.position = event->position;
    f->d.event = event->event;
    f->d.event_id = event->id;
    f->d.accepted = event->accepted;
    return f;
}

static void take_route(struct flight *f, struct generation *g, struct route *route)
{
    f->generation = generation_ref(g);
    f->route = route;
    f->outlet = route->outlet;
    f->d.bus = route->rule->bus;
    f->d.rule = route->rule->name;
    f->d.rule_arn = route->rule->arn;
    f->d.target_id = route->entry->id;
    f->d.subscription = route->subscription;
    f->d.target = route->outlet->target;
    f->target_arn = route->outlet->def->arn;
}

struct flight *flight_make(struct generation *g, struct route *route, struct shared_event *event, int64_t id)
{
    struct flight *f = make(event, id);
    take_route(f, g, route);
    return f;
}

static void drop_route(struct flight *f)
{
    generation_unref(f->generation);
    f->generation = NULL;
    f->route = NULL;
}

void flight_route(struct flight *f, struct generation *g, struct route *route)
{
    struct generation *old = f->generation;

    f->generation = NULL;
    take_route(f, g, route);
    generation_unref(old);
}

static void copy_names(struct flight *f, const struct owed_row *row)
{
    char *at = f->names = xalloc(row->bus.size + row->rule.size + row->target_id.size + row->subscription.size +
                                 row->rule_arn.size + row->target_arn.size + 1);
    f->d.bus = put_text(&at, row->bus);
    f->d.rule = put_text(&at, row->rule);
    f->d.target_id = put_text(&at, row->target_id);
    f->d.subscription = put_text(&at, row->subscription);
    f->d.rule_arn = put_text(&at, row->rule_arn);
    f->target_arn = put_text(&at, row->target_arn);
}

void flight_strand(struct flight *f)
{
    struct owed_row row = flight_row(f, 0);

    if (!f->route)
        return;
    copy_names(f, &row);
    drop_route(f);
    f->d.target = NULL;
}

static void copy_error(struct verdict *v, const struct owed_row *row)
{
    *v = (struct verdict){.kind = VERDICT_RETRY, .retry_after_ms = -1};
    snprintf(v->code, sizeof v->code, "%.*s", STR_ARG(row->error_code));
    snprintf(v->message, sizeof v->message, "%.*s", STR_ARG(row->error_message));
}

struct flight *flight_from_row(struct dispatch *d, struct outlet *from, const struct owed_row *row,
                               struct shared_event *event)
{
    struct shared_event *e =
        event ? event : event_share(row->origin, row->position, row->event_id, row->event, row->accepted);
    struct flight *f = make(e, row->id);
    struct route *route = route_find(d->generation, row->bus, row->rule, row->target_id, row->subscription);

    if (!event)
        event_release(e); /* the flight's own reference stays */
    /* An archive takes events in the journal's order only: an old one cannot be put there any more. */
    if (route && route->outlet->target && route->outlet->def->adapter != &archive_adapter) {
        take_route(f, d->generation, route);
    } else {
        copy_names(f, row);
        f->outlet = from;
    }
    f->has_row = true;
    f->row_outlet = from;
    f->place = row->place;
    f->order_key = row->order_key;
    f->attempts = f->d.attempts = row->attempts;
    copy_error(&f->verdict, row);
    return f;
}

struct owed_row flight_row(const struct flight *f, int64_t next_age)
{
    struct owed_row row = {
        .id = f->id,
        .target = f->outlet->key,
        .next_age = next_age,
        .origin = f->d.origin,
        .bus = f->d.bus,
        .rule = f->d.rule,
        .target_id = f->d.target_id,
        .subscription = f->d.subscription,
        .position = f->d.position,
        .rule_arn = f->d.rule_arn,
        .target_arn = f->target_arn,
        .accepted = f->d.accepted,
        .error_code = STR(""),
        .error_message = STR(""),
        .event_id = f->d.event_id,
        .event = f->d.event,
        .order_key = !f->has_row || f->row_outlet == f->outlet ? f->order_key : 0,
    };
    return row;
}

static void write_key(struct flight *f)
{
    if (f->key.size)
        return;
    buf_str(&f->key, f->d.event_id);
    buf_char(&f->key, '/');
    buf_str(&f->key, f->d.rule);
    if (!f->route->published)
        buf_printf(&f->key, "/%.*s", STR_ARG(f->d.target_id));
    if (f->d.subscription.size) {
        buf_char(&f->key, '/');
        buf_str(&f->key, f->d.subscription);
    }
    xbuf(&f->key);
    f->d.idempotency_key = buf_view(&f->key);
}

bool route_input(const struct route *route, struct str event, int64_t accepted_ms, struct buf *out,
                 struct weir_diag *diag)
{
    char ingested[21];

    time_format_rfc3339(accepted_ms, ingested);
    struct input_variables variables = {route->rule->arn, route->rule->name, str_from(ingested)};
    if (!input_render(route->entry->input, event, &variables, out, diag))
        return false;
    xbuf(out);
    return true;
}

bool flight_render(struct dispatch *d, struct flight *f, struct weir_time now, struct weir_diag *diag)
{
    write_key(f);
    f->d.input = f->d.event;
    buf_clear(&f->input);
    if (f->route->entry->input) {
        if (!route_input(f->route, f->d.event, f->d.accepted.wall_ms, &f->input, diag))
            return false;
        f->d.input = buf_view(&f->input);
    }
    if (f->route->topic && !flight_render_message(d, f, diag))
        return false;
    return flight_group(d, f, diag) && flight_parameters(f, diag);
}

void flight_free(struct flight *f)
{
    event_release(f->event);
    generation_unref(f->generation);
    buf_fini(&f->key);
    buf_fini(&f->input);
    buf_fini(&f->ids);
    flight_message_free(f->message);
    buf_fini(&f->values);
    free(f->parameters);
    free(f->names);
    free(f);
}

void flights_add(struct flight_list *l, struct flight *f)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->list = xrealloc(l->list, l->capacity * sizeof(struct flight *));
    }
    l->list[l->count++] = f;
}

void flights_fini(struct flight_list *l)
{
    free(l->list);
    *l = (struct flight_list){0};
}
