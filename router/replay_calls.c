/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of replays, each answered once, through the caller's mailbox. All go by the dispatch thread, which
 * knows what is active, and end in a ledger job, so that an answer is what the table says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "router/replay_int.h"
#include "router/xalloc.h"

/* ---- answers ---- */

static void deliver_answer(struct mail *m)
{
    struct replay_call *call = (struct replay_call *)((char *)m - offsetof(struct replay_call, mail));
    call->done(call);
}

void replay_answer(struct replay_call *call, int status)
{
    xbuf(&call->json);
    call->status = status;
    call->mail.deliver = deliver_answer;
    mailbox_post(call->reply, &call->mail);
}

void replay_refuse(struct replay_call *call, int status, const char *format, ...)
{
    struct buf message = BUF_INIT;
    va_list args;

    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    xbuf(&message);
    buf_clear(&call->json);
    buf_char(&call->json, '{');
    json_write_member(&call->json, "message", buf_view(&message));
    buf_char(&call->json, '}');
    buf_fini(&message);
    replay_answer(call, status);
}

/* ---- SHOW, LIST ---- */

struct showing {
    struct ledger_job job;
    struct replay_call *call;
    struct buf json;
    size_t count;
    struct waiting { /* those that just now wait; owned */
        struct str name, what;
    } waiting[REPLAYS_ACTIVE_MAX];
    size_t waiting_count;
};

static struct str waiting_for(const struct showing *s, struct str name)
{
    for (size_t i = 0; i < s->waiting_count; i++)
        if (str_eq(s->waiting[i].name, name))
            return s->waiting[i].what;
    return STR("");
}

static void show_row(void *context, const struct replay_row *row)
{
    struct showing *s = context;
    if (s->count++)
        buf_char(&s->json, ',');
    replay_write_json(&s->json, row, waiting_for(s, row->name));
}

static bool show_run(struct ledger_job *job, struct store *store, struct weir_time now, struct weir_diag *diag)
{
    struct showing *s = (struct showing *)job;
    bool list = s->call->what == REPLAY_LIST;

    s->count = 0;
    buf_clear(&s->json);
    buf_text(&s->json, list ? "{\"replays\":[" : "");
    bool ok = replay_each(store, list ? STR("") : s->call->request.name, show_row, s, diag);
    buf_text(&s->json, list ? "]}" : "");
    xbuf(&s->json);
    return ok;
}

static void show_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    struct showing *s = (struct showing *)job;
    struct replay_call *call = s->call;
    struct str name = call->request.name;

    if (!ok) {
        replay_refuse(call, 503, "the replays cannot be read: %s", diag->message);
    } else if (call->what != REPLAY_LIST && !s->count) {
        replay_refuse(call, 404, "Replay %.*s does not exist.", STR_ARG(name));
    } else if (call->what != REPLAY_LIST && call->what != REPLAY_SHOW && !call->state) {
        replay_refuse(call, 409, "Replay %.*s is not starting or running.", STR_ARG(name));
    } else {
        buf_str(&call->json, buf_view(&s->json));
        replay_answer(call, 200);
    }
    for (size_t i = 0; i < s->waiting_count; i++)
        free((char *)s->waiting[i].name.ptr), free((char *)s->waiting[i].what.ptr);
    buf_fini(&s->json);
    free(s);
}

void replay_show(struct replay_call *call)
{
    struct dispatch *d = call->dispatch;
    struct showing *s = xalloc(sizeof *s);
    struct replay *r;

    TAILQ_FOREACH (r, &d->replays, link)
        if ((r->crowded || r->waiting) && replay_active(r) && s->waiting_count < REPLAYS_ACTIVE_MAX)
            s->waiting[s->waiting_count++] =
                (struct waiting){xstr(r->name), xstr(r->crowded ? r->crowded->key : STR("events"))};
    s->call = call;
    s->job.run = show_run;
    s->job.done = show_done;
    s->job.reply = d->mailbox;
    ledger_submit(d->options.ledger, &s->job);
}

/* ---- CANCEL, PAUSE, RESUME ---- */

static void change(struct dispatch *d, struct replay_call *call)
{
    struct replay *r = replay_find(d, call->request.name);

    if (!r || !r->inserted || !replay_active(r)) {
        replay_show(call);
        return;
    }
    call->state = r;
    if (call->what == REPLAY_CANCEL)
        replay_end(r, REPLAY_CANCELLED, "");
    else
        replay_pause(r, call->what == REPLAY_PAUSE);
    if (!replay_await(r, call))
        replay_show(call); /* two at once: what the table says then will do for this one */
    turn_schedule(d);
}

static void deliver_call(struct mail *m)
{
    struct replay_call *call = (struct replay_call *)((char *)m - offsetof(struct replay_call, mail));
    struct dispatch *d = call->dispatch;

    d->now = dispatch_now(d);
    if (d->stopping)
        replay_refuse(call, 503, "the router is stopping");
    else if (call->what == REPLAY_START)
        replay_start(d, call);
    else if (call->what == REPLAY_LIST || call->what == REPLAY_SHOW)
        replay_show(call);
    else if (call->what == REPLAY_FEED)
        stream_feed(d, call);
    else if (call->what == REPLAY_FINISH)
        stream_finish(d, call);
    else
        change(d, call);
}

void replay_submit(struct dispatch *d, struct replay_call *call)
{
    call->dispatch = d;
    call->state = NULL;
    call->json = (struct buf)BUF_INIT;
    call->mail.deliver = deliver_call;
    mailbox_post(d->mailbox, &call->mail);
}
