/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of one event. The log of outcomes says it (trail.h); of an event that is not in there the journal's files
 * may know at least that it came. Both are files to be read through, so it is done on a thread of its own: somebody
 * asks such a question rarely.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/arena.h"
#include "router/api/v1_int.h"
#include "router/journal_verify.h"
#include "router/trail.h"
#include "router/xalloc.h"

#define ENTRIES_MAX 10000 /* attempts shown of one event */

struct lookup {
    struct http_request *request;
    const char *data;
    struct str id; /* owned */
    struct arena arena;
    struct trail_entry *entries;
    size_t count, capacity;
    int64_t since_ms;
    bool in_journal;
    uint64_t position;
    int64_t arrived_ms;
    struct str bus;
    bool ok;
    struct weir_diag diag;
    struct mail mail;
};

/* ---- on the thread ---- */

static void keep(void *context, const struct trail_entry *entry)
{
    struct lookup *l = context;

    if (l->count == ENTRIES_MAX)
        return;
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->entries = xrealloc(l->entries, l->capacity * sizeof *l->entries);
    }
    struct trail_entry *e = &l->entries[l->count++];
    *e = *entry;
    struct str *texts[] = {&e->bus,          &e->rule,   &e->target, &e->target_id,
                           &e->subscription, &e->origin, &e->code,   &e->message};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = arena_str(&l->arena, *texts[i]);
    if (l->arena.failed)
        xfail("out of memory");
}

static bool look_at_record(void *context, const struct journal_record *r)
{
    struct lookup *l = context;
    struct buf id = BUF_INIT;

    if (!memmem(r->event.ptr, r->event.size, l->id.ptr, l->id.size))
        return true;
    struct str raw = json_member(r->event, "id");
    if (raw.size && raw.ptr[0] == '"')
        json_decode(&id, raw);
    l->in_journal = str_eq(buf_view(&id), l->id);
    buf_fini(&id);
    if (l->in_journal) {
        l->position = r->sequence;
        l->arrived_ms = r->time_ms;
        l->bus = arena_str(&l->arena, r->bus);
    }
    return !l->in_journal;
}

static bool search_journal(struct lookup *l)
{
    const struct journal_walk walk = {.context = l, .record = look_at_record};
    struct buf folder = BUF_INIT;

    buf_printf(&folder, "%s/journal", l->data);
    bool ok = journal_walk_files(buf_cstr(&folder), true, &walk, &l->diag);
    buf_fini(&folder);
    return ok;
}

static void *search(void *context)
{
    struct lookup *l = context;

    l->ok = trail_find(l->data, l->id, keep, l, &l->since_ms, &l->diag) && search_journal(l);
    mailbox_post(http_mailbox(l->request), &l->mail);
    return NULL;
}

/* ---- the answer ---- */

static bool is_same(const struct trail_entry *a, const struct trail_entry *b)
{
    return str_eq(a->rule, b->rule) && str_eq(a->bus, b->bus) && str_eq(a->target, b->target) &&
           str_eq(a->target_id, b->target_id) && str_eq(a->subscription, b->subscription) &&
           str_eq(a->origin, b->origin);
}

static void write_step(struct buf *out, const struct trail_entry *e)
{
    char at[21];

    time_format_rfc3339(e->at_ms, at);
    buf_char(out, '{');
    json_write_member(out, "at", str_from(at));
    json_write_member(out, "result", str_from(trail_state_names[e->state]));
    buf_printf(out, ",\"attempts\":%u", e->attempts);
    if (e->code.size)
        json_write_member(out, "code", e->code);
    if (e->message.size)
        json_write_member(out, "message", e->message);
    buf_char(out, '}');
}

/* All that is noted of the delivery whose first entry is number i. */
static void write_delivery(struct buf *out, const struct lookup *l, size_t i)
{
    const struct trail_entry *e = &l->entries[i], *last = e;
    const char *comma = "";

    json_write_member(out, "bus", e->bus);
    json_write_member(out, "rule", e->rule);
    json_write_member(out, "target", e->target);
    json_write_member(out, "target_id", e->target_id);
    if (e->subscription.size)
        json_write_member(out, "subscription", e->subscription);
    if (e->origin.size)
        json_write_member(out, "replay", e->origin);
    json_write_key(out, "history");
    buf_char(out, '[');
    for (size_t k = i; k < l->count; k++)
        if (is_same(e, &l->entries[k])) {
            buf_text(out, comma);
            write_step(out, last = &l->entries[k]);
            comma = ",";
        }
    buf_char(out, ']');
    bool waits = last->state == TRAIL_RETRIED || last->state == TRAIL_QUEUED;
    json_write_member(out, "state", waits ? STR("waiting") : str_from(trail_state_names[last->state]));
}

static void write_answer(struct buf *out, const struct lookup *l)
{
    char time[21];
    const char *comma = "";

    buf_char(out, '{');
    json_write_member(out, "event", l->id);
    if (l->in_journal) {
        time_format_rfc3339(l->arrived_ms, time);
        buf_printf(out, ",\"journal\":{\"record\":%llu", (unsigned long long)l->position);
        json_write_member(out, "bus", l->bus);
        json_write_member(out, "arrived", str_from(time));
        buf_printf(out, ",\"dispatched\":%s}",
                   dispatch_cursor(http_router(l->request)->dispatch) >= l->position ? "true" : "false");
    }
    if (l->since_ms) {
        time_format_rfc3339(l->since_ms, time);
        json_write_member(out, "since", str_from(time));
    }
    json_write_key(out, "deliveries");
    buf_char(out, '[');
    for (size_t i = 0; i < l->count; i++) {
        size_t k = 0;
        while (k < i && !is_same(&l->entries[k], &l->entries[i]))
            k++;
        if (k < i)
            continue;
        buf_printf(out, "%s{", comma);
        write_delivery(out, l, i);
        buf_char(out, '}');
        comma = ",";
    }
    buf_text(out, "]}");
}

static void found(struct mail *m)
{
    struct lookup *l = (struct lookup *)((char *)m - offsetof(struct lookup, mail));
    struct buf out = BUF_INIT;

    if (l->ok) {
        write_answer(&out, l);
        http_reply_json(l->request, 200, &out);
    } else {
        http_reply_error(l->request, 500, "%s", l->diag.message);
    }
    buf_fini(&out);
    arena_fini(&l->arena);
    free(l->entries);
    free((char *)l->id.ptr);
    free(l);
}

void v1_deliveries(struct http_request *r)
{
    struct str id;
    pthread_t thread;

    if (!http_query(r, "event", &id) || !id.size) {
        http_reply_error(r, 400, "'event' must be an event's id");
        return;
    }
    struct lookup *l = xalloc(sizeof *l);
    l->request = r;
    l->data = http_router(r)->data;
    l->id = xstr(id);
    l->mail.deliver = found;
    if (pthread_create(&thread, NULL, search, l) != 0)
        xfail("cannot start a thread");
    pthread_detach(thread);
}
