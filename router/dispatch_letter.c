/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters: the original event (never the rendered input), with message attributes that say why, put in the
 * dead-letter queue in the same transaction that ends the delivery. Where that put fails the transaction is undone and
 * tried again: a dead letter that cannot be written stays owed.
 *
 * Attributes are AWS's: RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, RETRY_ATTEMPTS (attempts after the first), and
 * EXHAUSTED_RETRY_CONDITION where the retry policy, not the target, made an end. TARGET_ARN is who should have got it:
 * for a topic's subscription that subscription's target. Where the rule leads to that target by several ways, TARGET_ID
 * says by which: the id of the rule's entry, and behind a slash the subscription. What was published to a topic has no
 * rule, but a TOPIC_ARN; its dead letter is the message as the subscription would have got it, as SNS has it. A
 * subscription with a redrive policy has its dead letters in that queue.
 */
#include <stdio.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/publish.h"
#include "router/xalloc.h"
#include "targets/queue.h"

enum result letter_result(const struct flight *f)
{
    if (publish_is_dropped(f))
        return RESULT_DROPPED;
    return f->route && f->route->entry->drop ? RESULT_DROPPED : RESULT_DEAD_LETTERED;
}

static void add_attribute(struct buf *out, const char *name, const char *type, struct str value)
{
    if (!value.size)
        return;
    json_write_key(out, name);
    buf_char(out, '{');
    json_write_member(out, "Type", str_from(type));
    json_write_member(out, "Value", value);
    buf_char(out, '}');
}

bool route_is_way(const struct route *route, struct str way)
{
    struct str id = route->entry->id, rest = {way.ptr + id.size, way.size - id.size};

    if (!str_starts(way, id) || !route->subscription.size)
        return str_eq(way, id);
    return rest.size && rest.ptr[0] == '/' && str_eq((struct str){rest.ptr + 1, rest.size - 1}, route->subscription);
}

static bool has_other_way(const struct flight *f)
{
    const struct generation *g = f->generation;
    struct route_span span = f->route ? g->spans[f->route->rule->index] : (struct route_span){0};
    uint32_t ways = 0;

    for (uint32_t i = span.first; i < span.first + span.count; i++)
        ways += g->routes[i].outlet == f->route->outlet;
    return ways > 1;
}

static void write_attributes(struct buf *out, const struct flight *f)
{
    char retries[16];
    struct buf way = BUF_INIT;

    snprintf(retries, sizeof retries, "%u", f->attempts ? f->attempts - 1 : 0);
    buf_char(out, '{');
    add_attribute(out, publish_is(f) ? "TOPIC_ARN" : "RULE_ARN", "String", f->d.rule_arn);
    add_attribute(out, "TARGET_ARN", "String", f->target_arn);
    add_attribute(out, "ERROR_CODE", "String", str_from(f->verdict.code));
    add_attribute(out, "ERROR_MESSAGE", "String", str_from(f->verdict.message));
    add_attribute(out, "EXHAUSTED_RETRY_CONDITION", "String", str_from(f->exhausted));
    add_attribute(out, "RETRY_ATTEMPTS", "Number", str_from(retries));
    buf_printf(&way, f->d.subscription.size ? "%.*s/%.*s" : "%.*s", STR_ARG(f->d.target_id),
               STR_ARG(f->d.subscription));
    if (has_other_way(f))
        add_attribute(out, "TARGET_ID", "String", buf_view(&way));
    buf_fini(&way);
    buf_char(out, '}');
    xbuf(out);
}

bool letter_write(struct dispatch *d, struct store *store, const struct flight *f, struct weir_time now,
                  struct weir_diag *diag)
{
    const struct target_def *queue = d->set->dead_letters;
    struct buf attributes = BUF_INIT;

    if (f->route && f->route->dead_letter)
        queue = f->route->dead_letter;
    else if (f->route && f->route->entry->dead_letter)
        queue = f->route->entry->dead_letter;
    write_attributes(&attributes, f);
    struct queue_send m = {.body = f->d.event, .attributes = buf_view(&attributes)};
    if (publish_is(f) && f->d.input.size)
        m.body = f->d.input;
    if (queue_is_fifo(queue->name)) {
        m.group = f->d.message_group;
        m.deduplication_id = f->d.deduplication_id;
    }
    bool ok = queue_put(store, queue, &m, now, NULL, diag);
    buf_fini(&attributes);
    return ok;
}

struct flight *letter_unmatched(struct dispatch *d, struct shared_event *e, struct str bus, const char *message)
{
    struct flight *f = xalloc(sizeof *f);

    e->references++;
    f->event = e;
    f->id = d->next_id++;
    f->outlet = d->generation->outlets[d->set->dead_letters->index];
    f->names = xtext(bus);
    f->d = (struct delivery){.origin = e->origin,
                             .position = e->position,
                             .bus = {f->names, bus.size},
                             .rule = STR(""),
                             .rule_arn = STR(""),
                             .event = e->event,
                             .event_id = e->id,
                             .accepted = e->accepted};
    verdict_set(&f->verdict, VERDICT_FAILED, "MATCH_FAILED", "%s", message);
    f->result = RESULT_DEAD_LETTERED;
    return f;
}
