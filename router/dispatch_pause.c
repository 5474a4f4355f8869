/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pausing a target and letting it go on, by a person. A paused target keeps its backlog, in the order it came, and goes
 * on taking deliveries into it; ages go on as well, so what is older than its retry policy allows when the target is
 * resumed becomes a dead letter. The ledger remembers what is paused, over restarts and reloads, by the target's kind
 * and name; it may even be paused while it is gone from the configuration.
 *
 *     call (any thread) ──► dispatch thread: who is meant? ──► ledger: kept ──► dispatch thread: done, answered
 *
 * It is answered when it is on disk and in force.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/dispatch_int.h"
#include "router/xalloc.h"
#include "targets/archive.h"

static const char *const migrations[] = {
    "CREATE TABLE paused_targets (target TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) WITHOUT ROWID",
    NULL,
};
const struct store_schema pause_schema = {"pauses", migrations};

struct pausing { /* the ledger job */
    struct ledger_job job;
    struct pause_call *call;
    struct outlet *outlet;
    int64_t since_ms; /* as it stands in the ledger */
};

/* ---- the ledger ---- */

static bool forget_pause(struct store *s, struct str key, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "DELETE FROM paused_targets WHERE target = ?", diag);
    if (!q)
        return false;
    store_bind(q, 1, key);
    return store_run(s, q, diag);
}

/* One that is paused already stays so since then. */
static bool keep_pause(struct store *s, struct str key, int64_t now_ms, int64_t *since_ms, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s,
                                    "INSERT INTO paused_targets (target, since_ms) VALUES (?, ?) "
                                    "ON CONFLICT (target) DO UPDATE SET since_ms = since_ms RETURNING since_ms",
                                    diag);
    bool row;
    if (!q)
        return false;
    store_bind(q, 1, key);
    sqlite3_bind_int64(q, 2, now_ms);
    if (!store_step(s, q, &row, diag))
        return false;
    *since_ms = row ? sqlite3_column_int64(q, 0) : now_ms;
    sqlite3_reset(q);
    return true;
}

static bool pause_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct pausing *p = (struct pausing *)job;

    return p->call->pause ? keep_pause(s, p->outlet->key, now.wall_ms, &p->since_ms, diag)
                          : forget_pause(s, p->outlet->key, diag);
}

bool pauses_load(struct dispatch *d, struct store *s, struct weir_diag *diag)
{
    sqlite3_stmt *q = store_prepare(s, "SELECT target, since_ms FROM paused_targets", diag);
    bool row = false;

    if (!q)
        return false;
    while (store_step(s, q, &row, diag)) {
        if (!row)
            return true;
        outlet_pause(outlet_find(d, store_column(q, 0)), true, sqlite3_column_int64(q, 1));
    }
    return false;
}

/* ---- answers ---- */

static void answered(struct mail *m)
{
    struct pause_call *call = (struct pause_call *)((char *)m - offsetof(struct pause_call, mail));
    call->done(call);
}

static void answer(struct pause_call *call, int status)
{
    xbuf(&call->json);
    call->status = status;
    call->mail.deliver = answered;
    mailbox_post(call->reply, &call->mail);
}

static void refuse(struct pause_call *call, int status, const char *format, ...)
{
    struct buf text = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    buf_char(&call->json, '{');
    json_write_member(&call->json, "message", buf_view(&text));
    buf_char(&call->json, '}');
    buf_fini(&text);
    answer(call, status);
}

static void pause_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct pausing *p = (struct pausing *)job;
    struct pause_call *call = p->call;
    struct dispatch *d = call->dispatch;
    struct buf *out = &call->json;

    d->now = dispatch_now(d);
    if (!ok) {
        refuse(call, 503, "%s", diag->message);
        free(p);
        return;
    }
    outlet_pause(p->outlet, call->pause, p->since_ms);
    buf_char(out, '{');
    json_write_member(out, "target", p->outlet->key);
    json_write_key(out, "owed");
    json_write_int(out, series_get(p->outlet->owed));
    dispatch_show_gate(d, p->outlet->key, out);
    buf_char(out, '}');
    free(p);
    answer(call, 200);
    turn_schedule(d);
}

/* ---- who is meant ---- */

struct meant {
    struct outlet *outlet;           /* NULL: nobody */
    const struct target_def *second; /* of the same name: it must be said which; NULL */
};

/* By kind/name, also one that went; else by name or ARN, where those that deliveries are sent to come first. */
static struct meant find(const struct dispatch *d, struct str name)
{
    struct meant m = {0};

    for (size_t i = 0; i < d->outlet_count; i++)
        if (str_eq(d->outlets[i]->key, name))
            return (struct meant){d->outlets[i], NULL};
    for (uint32_t i = 0; i < d->set->target_count; i++) {
        const struct target_def *def = d->set->targets[i];
        struct outlet *o = d->generation->outlets[i];
        if (!str_eq(def->name, name) && !str_eq(def->arn, name))
            continue;
        if (m.outlet && m.outlet->def->adapter->send && def->adapter->send)
            m.second = def;
        else if (!m.outlet || def->adapter->send)
            m.outlet = o;
    }
    return m;
}

static void refuse_unknown(struct dispatch *d, struct pause_call *call)
{
    const char **names = xarray(2 * d->outlet_count, sizeof *names);
    size_t count = 0;

    for (size_t i = 0; i < d->outlet_count; i++)
        if (d->outlets[i]->def && d->outlets[i]->def->policy) {
            names[count++] = d->outlets[i]->key.ptr;
            names[count++] = d->outlets[i]->def->name.ptr;
        }
    const char *near = diag_near(call->name, names, count);
    refuse(call, 404, "no target is called '%.*s'%s%s%s", STR_ARG(call->name), near ? "; did you mean '" : "",
           near ? near : "", near ? "'?" : "");
    free(names);
}

/* What is not sent to cannot be held back. */
static bool may_be_paused(struct pause_call *call, const struct target_def *def)
{
    const char *why = !def || def->adapter->send ? NULL
                      : def->adapter == &archive_adapter
                          ? "takes its events in the order of arrival, as part of routing"
                      : def->adapter->put ? "is in the router itself and holds messages back by itself"
                                          : "hands on at once: pause the targets behind it";
    if (why)
        refuse(call, 409, "%s '%.*s' cannot be paused: it %s", def->adapter->type, STR_ARG(def->name), why);
    return !why;
}

static void call_deliver(struct mail *m)
{
    struct pause_call *call = (struct pause_call *)((char *)m - offsetof(struct pause_call, mail));
    struct dispatch *d = call->dispatch;

    d->now = dispatch_now(d);
    struct meant meant = find(d, call->name);
    struct outlet *o = meant.outlet;
    if (!o || (!o->def && !o->gate.paused)) {
        refuse_unknown(d, call);
        return;
    }
    if (meant.second) {
        refuse(call, 409, "'%.*s' is the name of two targets: say %.*s or %s/%.*s", STR_ARG(call->name),
               STR_ARG(o->key), meant.second->adapter->type, STR_ARG(meant.second->name));
        return;
    }
    if (!may_be_paused(call, o->def))
        return;
    struct pausing *p = xalloc(sizeof *p);
    p->job = (struct ledger_job){.run = pause_run, .done = pause_done, .reply = d->mailbox};
    p->call = call;
    p->outlet = o;
    ledger_submit(d->options.ledger, &p->job);
}

void dispatch_pause(struct dispatch *d, struct pause_call *call)
{
    call->dispatch = d;
    call->mail.deliver = call_deliver;
    mailbox_post(d->mailbox, &call->mail);
}
