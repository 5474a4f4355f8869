/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an asynchronous invocation ends: its record goes to on_success or on_failure, the event it was of to a
 * dead-letter queue, and its row goes, all in one ledger job where queues and functions take them. A bus takes the
 * record by the journal and a topic by deliveries of its own, and the job follows when that is durable; so a crash
 * between the two makes a second run and a second record, and never none.
 *
 *     async_end ─► record ─► queue, function ────────────────────► ledger job ─► forgotten
 *                        ├─► bus: journal, synced ───────────────►
 *                        └─► topic: published, committed ────────►
 */
#include <stdlib.h>

#include "router/dispatch_async_int.h"
#include "router/invocation_record.h"
#include "router/log.h"
#include "router/publish.h"
#include "router/signer.h"
#include "router/xalloc.h"
#include "targets/bus.h"
#include "targets/queue.h"

#define HOPS_MAX   16
#define RECORD_MAX (LIMIT_EVENT_BYTES - (64 << 10)) /* room for what an event or a message has around it */

struct publishing {
    struct publish_call call; /* first */
    struct item *item;
};

void async_clear_end(struct item *t)
{
    ruleset_unref(t->set);
    t->set = NULL;
    free(t->publishing);
    t->publishing = NULL;
    buf_fini(&t->record);
    buf_fini(&t->envelope);
}

/* ---- the end of one, or of one try ---- */

static struct item *item_of_job(struct ledger_job *job)
{
    return (struct item *)((char *)job - offsetof(struct item, job));
}

static bool put_letter(struct item *t, struct store *s, const struct target_def *queue, struct weir_time now,
                       struct weir_diag *diag)
{
    struct buf attributes = BUF_INIT;

    record_write_attributes(&attributes, t->outlet->def ? t->outlet->def->arn : t->outlet->key, &t->run.invocation,
                            t->row.request_id, t->condition);
    struct queue_send m = {.body = t->row.payload, .attributes = buf_view(&attributes), .delay_ms = -1};
    bool ok = queue_put(s, queue, &m, now, NULL, diag);
    buf_fini(&attributes);
    return ok;
}

/* To a bus or a topic it went before. */
static bool put_record(struct item *t, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    char id[UUID_SIZE + 1];

    if (t->record_to->adapter == &queue_adapter) {
        struct queue_send m = {.body = buf_view(&t->record), .attributes = STR(""), .delay_ms = -1};
        return queue_put(s, t->record_to, &m, now, NULL, diag);
    }
    if (t->record_to->adapter != &function_adapter)
        return true;
    struct invocation_row row = {.function = t->record_to->name,
                                 .request_id = {id, UUID_SIZE},
                                 .payload = buf_view(&t->record),
                                 .hops = t->row.hops + 1};
    if (!uuid_random(id))
        xfail("the kernel gives no random bytes");
    return invocations_insert(s, &row, now, diag);
}

static bool end_run(struct ledger_job *job, struct store *s, struct weir_time now, struct weir_diag *diag)
{
    struct item *t = item_of_job(job);

    if (!t->condition)
        return invocations_retry(s, t->row.id, t->row.attempts, t->row.throttles, t->next_age, diag);
    return invocations_delete(s, t->row.id, diag) && (!t->record_to || put_record(t, s, now, diag)) &&
           (!t->letter_to || put_letter(t, s, t->letter_to, now, diag));
}

static void end_done(struct ledger_job *job, bool ok, const struct weir_diag *diag);

static void submit_end(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;

    t->job = (struct ledger_job){.run = end_run, .done = end_done, .reply = d->mailbox};
    ledger_submit(d->options.ledger, &t->job);
}

static void again_cb(evutil_socket_t fd, short what, void *context)
{
    submit_end(context);
}

static void end_done(struct ledger_job *job, bool ok, const struct weir_diag *diag)
{
    static const struct timeval pause = {ASYNC_AGAIN_MS / 1000, 0};
    struct item *t = item_of_job(job);
    struct outlet *o = t->outlet;
    struct dispatch *d = o->dispatch;

    d->now = dispatch_now(d);
    if (!ok) {
        log_error("the end of an asynchronous invocation cannot be committed, trying again", LOG_STR("target", o->key),
                  LOG_TEXT("reason", diag->message));
        if (event_base_once(d->host.base, -1, EV_TIMEOUT, again_cb, t, &pause) != 0)
            xfail("cannot set a timer");
        return;
    }
    d->loads--;
    if (!t->condition && t->next_age < o->async->next_due)
        o->async->next_due = t->next_age;
    async_forget(t);
    outlet_pump(o);
    dispatch_stopped(d);
    reload_try(d);
}

/* ---- a record for a bus: the journal first ---- */

/* It could not be handed on: all of it again, later. */
static void put_back(struct item *t, const char *message)
{
    log_error(message, LOG_STR("target", t->outlet->key), LOG_STR("destination", t->record_to->name));
    t->condition = NULL;
    t->next_age = dispatch_now(t->outlet->dispatch).age_ms + ASYNC_AGAIN_MS;
    submit_end(t);
}

static void journaled_mail(struct mail *m)
{
    struct item *t = (struct item *)((char *)m - offsetof(struct item, mail));

    if (t->journaled == JOURNAL_SYNCED) {
        series_add(metric_str(METRIC_EVENTS_ACCEPTED, (struct str[]){t->record_to->name, STR("lambda")}), 1);
        submit_end(t);
        return;
    }
    put_back(t, "the record of an asynchronous invocation cannot be put on its bus, trying again");
}

static void journaled(struct journal_batch *b, enum journal_result result) /* journal thread */
{
    struct item *t = (struct item *)((char *)b - offsetof(struct item, batch));

    t->journaled = result;
    mailbox_post(t->outlet->dispatch->mailbox, &t->mail);
}

static void put_on_bus(struct item *t, const char *status)
{
    struct dispatch *d = t->outlet->dispatch;

    record_write_event(&t->envelope, t->set, t->record_to, t->outlet->def ? t->outlet->def->arn : STR(""), status,
                       buf_view(&t->record), d->now.wall_ms);
    t->event = (struct journal_event){t->record_to->name, buf_view(&t->envelope), JOURNAL_REPEATED_KEYS};
    t->batch = (struct journal_batch){.events = &t->event, .count = 1, .done = journaled};
    t->mail.deliver = journaled_mail;
    if (journal_submit(d->journal, &t->batch))
        return;
    t->journaled = JOURNAL_FAILED;
    mailbox_post(d->mailbox, &t->mail);
}

/* ---- a record for a topic: its deliveries first ---- */

static void published(struct publish_call *call)
{
    struct item *t = ((struct publishing *)call)->item;

    if (call->status == 200)
        submit_end(t);
    else
        put_back(t, "the record of an asynchronous invocation cannot be published, trying again");
}

static void publish(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;
    struct arena arena = ARENA_INIT;
    struct publishing *p = t->publishing = xalloc(sizeof *p);
    struct publish_message *m = &p->call.messages[0];

    if (!uuid_random(m->id))
        xfail("the kernel gives no random bytes");
    struct topic_message said = {.id = str_from(m->id), .text = buf_view(&t->record), .time_ms = d->now.wall_ms};
    if (d->options.signer)
        said.base_url = signer_url(d->options.signer, &arena);
    publish_document(&t->envelope, &said, false, STR(""), STR(""));
    arena_fini(&arena);
    m->subscription = STR("");
    m->document = buf_view(&t->envelope);
    m->text = buf_view(&t->record);
    m->filterable = STR("{}");
    m->deduplication = STR("");
    p->item = t;
    p->call.topic = t->record_to->name;
    p->call.count = 1;
    p->call.reply = d->mailbox;
    p->call.done = published;
    dispatch_publish(d, &p->call);
}

/* ---- judging ---- */

static void begin_end(struct item *t)
{
    struct dispatch *d = t->outlet->dispatch;

    d->loads++; /* a reload waits for it, and so does the end */
    t->set = ruleset_ref(d->generation->set);
}

/* One that nobody could take becomes a dead letter of its event. */
static void write_record(struct item *t)
{
    struct outlet *o = t->outlet;

    record_write(&t->record, o->def->arn, t->condition, &t->row, t->ran ? &t->run.invocation : NULL,
                 o->dispatch->now.wall_ms);
    if (t->record.size <= RECORD_MAX && t->row.hops < HOPS_MAX)
        return;
    if (t->record.size > RECORD_MAX)
        verdict_set(&t->run.invocation.verdict, VERDICT_FAILED, "RECORD_TOO_LARGE",
                    "the record of its result has more than %d bytes", RECORD_MAX);
    else
        verdict_set(&t->run.invocation.verdict, VERDICT_FAILED, "TOO_MANY_HOPS",
                    "it is the result of more than %d functions in a row", HOPS_MAX);
    t->record_to = NULL;
    t->letter_to = t->set->dead_letters;
}

void async_end(struct item *t, const char *condition)
{
    struct outlet *o = t->outlet;
    const struct function_options *options = async_options(o);
    bool well = strcmp(condition, "Success") == 0;

    begin_end(t);
    t->condition = condition;
    t->record_to = options ? (well ? options->async.on_success : options->async.on_failure) : NULL;
    t->letter_to = well                                    ? NULL
                   : options && options->async.dead_letter ? options->async.dead_letter
                   : t->record_to                          ? NULL
                                                           : t->set->dead_letters;
    series_add(metric(METRIC_ASYNC_INVOCATIONS, o->key.ptr, well ? "succeeded" : "failed"), 1);
    if (!well)
        log_warn("an asynchronous invocation is given up", LOG_STR("target", o->key),
                 LOG_STR("request", t->row.request_id), LOG_TEXT("condition", condition),
                 LOG_TEXT("code", t->run.invocation.verdict.code),
                 LOG_TEXT("reason", t->run.invocation.verdict.message));
    if (t->record_to)
        write_record(t);
    if (t->record_to && t->record_to->adapter == &bus_adapter)
        put_on_bus(t, well ? "Success" : "Failure");
    else if (t->record_to && t->record_to->adapter == &topic_adapter)
        publish(t);
    else
        submit_end(t);
}

void async_wait(struct item *t, int64_t delay_ms)
{
    struct outlet *o = t->outlet;

    begin_end(t);
    t->condition = NULL;
    t->next_age = o->dispatch->now.age_ms + delay_ms;
    series_add(metric(METRIC_ASYNC_INVOCATIONS, o->key.ptr, "retried"), 1);
    submit_end(t);
}
