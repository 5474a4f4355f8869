/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adapter of functions: what configuration says of one, and how deliveries become invocations (function.h). A
 * delivery, or a batch of them (batch.h), is one invocation; where the function runs as many as it may, since others
 * invoke it too, it waits here for its turn.
 *
 *     send ─► (batch) ─► errand ─► function_invoke() ─► run or slot ─► function_ended() ─► verdict ─► host
 *
 * What a function answers is dropped for a rule, as EventBridge drops it; of a batch it may name those that failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "matcher/json.h"
#include "targets/bus.h"
#include "targets/fail.h"
#include "targets/function_int.h"
#include "targets/invocations.h"
#include "targets/policy.h"
#include "targets/queue.h"
#include "targets/topic.h"

static const char *const runtimes[] = {"command", "provided", NULL};

/* ---- invocations ---- */

static uint32_t most(const struct function *f)
{
    return (uint32_t)f->target.def->policy->concurrency;
}

static void later(struct function *f)
{
    event_active(f->later_event, EV_TIMEOUT, 0);
}

void function_ended(struct invocation *i)
{
    struct function *f = i->function;

    f->running--;
    i->ended_ms = f->target.host->now(f->target.host).age_ms;
    if (!TAILQ_EMPTY(&f->waiting))
        later(f);
    i->done(i);
}

void function_ends_later(struct invocation *i)
{
    TAILQ_INSERT_TAIL(&i->function->ended, i, link);
    later(i->function);
}

bool function_invoke(struct target *t, struct invocation *i)
{
    struct function *f = (struct function *)t;

    if (f->running >= most(f))
        return false;
    f->running++;
    i->function = f;
    i->started_ms = t->host->now(t->host).age_ms;
    if (function_options_of(f)->runtime == FUNCTION_COMMAND)
        run_start(f, i);
    else
        slot_start(f, i);
    return true;
}

static void later_cb(evutil_socket_t fd, short what, void *context)
{
    struct function *f = context;
    struct invocation_queue ended = TAILQ_HEAD_INITIALIZER(ended);
    struct invocation *i;

    TAILQ_CONCAT(&ended, &f->ended, link);
    while ((i = TAILQ_FIRST(&ended))) {
        TAILQ_REMOVE(&ended, i, link);
        function_ended(i);
    }
    while (f->running < most(f) && (i = TAILQ_FIRST(&f->waiting))) {
        TAILQ_REMOVE(&f->waiting, i, link);
        function_invoke(&f->target, i);
    }
}

void invocation_fail(struct invocation *i, const char *type, const char *message)
{
    if (!i->wants_answer)
        return;
    buf_clear(&i->answer);
    buf_char(&i->answer, '{');
    json_write_member(&i->answer, "errorType", str_from(type));
    json_write_member(&i->answer, "errorMessage", str_from(message));
    buf_char(&i->answer, '}');
}

void invocation_timed_out(struct invocation *i)
{
    const struct function_options *o = function_options_of(i->function);
    char line[FUNCTION_LINE_BYTES + 1], message[160];

    function_log_last_line(&i->log, line);
    verdict_set(&i->verdict, o->async_written ? VERDICT_FAILED : VERDICT_RETRY, "TIMEOUT",
                "did not end within %" PRId64 " ms%s", o->timeout, line);
    snprintf(message, sizeof message, "RequestId: %s Error: Task timed out after %.2f seconds", i->request_id,
             (double)o->timeout / 1000);
    invocation_fail(i, "Sandbox.Timedout", message);
}

/* ---- deliveries ---- */

struct errand { /* an invocation for the host */
    struct invocation invocation;
    struct delivery *delivery; /* or … */
    struct batch *batch;       /* … the other is NULL */
    struct buf body;           /* a batch's payload */
};

/* A failed run, as `async` says: again after one minute, then two, or for good. */
static void judge_failure(const struct function *f, const struct delivery *d, struct verdict *v)
{
    const struct function_options *o = function_options_of(f);
    int64_t age = f->target.host->now(f->target.host).age_ms - d->accepted.age_ms;

    if (!o->async_written || d->attempts >= o->async.maximum_retry_attempts || age > o->async.maximum_event_age)
        return;
    v->kind = VERDICT_RETRY;
    v->no_fault = true;
    v->retry_after_ms = d->attempts == 0 ? 60000 : 120000;
}

static void complete_one(const struct function *f, struct delivery *d, const struct verdict *v)
{
    struct host *host = f->target.host;
    struct verdict own = *v;

    if (v->kind == VERDICT_FAILED)
        judge_failure(f, d, &own);
    host->complete(host, d, &own);
}

static void complete(struct function *f, struct errand *e)
{
    const struct verdict *v = &e->invocation.verdict;

    if (!e->batch) {
        complete_one(f, e->delivery, v);
    } else if (v->kind == VERDICT_SETTLED) {
        batch_settle(e->batch, buf_view(&e->invocation.answer), false);
    } else if (!function_options_of(f)->async_written) {
        batch_complete(e->batch, v);
    } else { /* each by its own age and attempts */
        for (size_t i = 0; i < e->batch->count; i++)
            complete_one(f, e->batch->items[i], v);
        batch_release(e->batch);
    }
}

static void errand_free(struct errand *e)
{
    buf_fini(&e->invocation.answer);
    buf_fini(&e->body);
    free(e);
}

static void errand_done(struct invocation *i)
{
    struct errand *e = (struct errand *)i;

    complete(i->function, e);
    errand_free(e);
}

static void errand_dropped(struct invocation *i)
{
    errand_free((struct errand *)i);
}

static void refuse(struct function *f, struct delivery *d, struct batch *b)
{
    struct verdict v;

    verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
    if (b)
        batch_complete(b, &v);
    else
        f->target.host->complete(f->target.host, d, &v);
}

static bool write_batch(struct errand *e)
{
    struct invocation *i = &e->invocation;

    i->wants_answer = true;
    i->batch_count = e->batch->count;
    i->answer.max = batch_answer_bytes(e->batch);
    batch_write(e->batch, &e->body);
    i->payload = buf_view(&e->body);
    return !e->body.failed;
}

/* One of the two. */
static void start_errand(struct function *f, struct delivery *d, struct batch *b)
{
    struct errand *e = calloc(1, sizeof *e);

    if (!e) {
        refuse(f, d, b);
        return;
    }
    e->invocation = (struct invocation){.function = f, .delivery = d, .done = errand_done, .dropped = errand_dropped};
    e->delivery = d;
    e->batch = b;
    uuid_random(e->invocation.request_id); /* "" where there is no randomness: nothing rests on it */
    if (d) {
        e->invocation.payload = d->input;
        e->invocation.attempts = d->attempts;
    } else if (!write_batch(e)) {
        errand_free(e);
        refuse(f, NULL, b);
        return;
    }
    if (!function_invoke(&f->target, &e->invocation))
        TAILQ_INSERT_TAIL(&f->waiting, &e->invocation, link);
}

static void start_batch(void *context, struct batch *b)
{
    start_errand(context, NULL, b);
}

static void function_send(struct target *t, struct delivery *d)
{
    struct function *f = (struct function *)t;

    if (function_options_of(f)->batch.written)
        batcher_add(&f->batcher, d);
    else
        start_errand(f, d, NULL);
}

static void function_flush_sends(struct target *t)
{
    struct function *f = (struct function *)t;

    if (function_options_of(f)->batch.written)
        batcher_flush(&f->batcher);
}

/* ---- asynchronous ones: to hand a delivery over is to put it into the ledger ---- */

static void function_put(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                         struct verdict *v)
{
    struct weir_diag diag;
    char id[UUID_SIZE + 1];
    struct invocation_row row = {.function = t->def->name, .payload = d->input, .request_id = {id, UUID_SIZE}};

    if (uuid_random(id) && invocations_insert(store, &row, now, &diag))
        verdict_set(v, VERDICT_SETTLED, "", "%s", "");
    else
        verdict_set(v, VERDICT_RETRY, "LEDGER", "%s", diag.message);
}

static void function_close(struct target *t);

static const struct adapter asynchronous = {
    /* of its running target only */
    .type = "function",
    .close = function_close,
    .put = function_put,
};

/* ---- life ---- */

static void drop_all(struct invocation_queue *q)
{
    struct invocation *i;

    while ((i = TAILQ_FIRST(q))) {
        TAILQ_REMOVE(q, i, link);
        i->dropped(i);
    }
}

static void function_close(struct target *t)
{
    struct function *f = (struct function *)t;

    runs_close(f);
    slots_close(f);
    drop_all(&f->unserved);
    drop_all(&f->waiting);
    drop_all(&f->ended);
    batcher_fini(&f->batcher);
    if (f->later_event)
        event_free(f->later_event);
    free(f);
}

static struct target *function_open(const struct target_def *def, struct host *host, const char *data_dir,
                                    struct weir_diag *diag)
{
    const struct function_options *o = def->options;
    struct function *f = calloc(1, sizeof *f);

    if (!f) {
        fail_memory(diag);
        return NULL;
    }
    f->target = (struct target){.ops = function_is_async(o) ? &asynchronous : def->adapter,
                                .def = def,
                                .host = host,
                                .gathers = batch_gathers(&o->batch)};
    TAILQ_INIT(&f->runs);
    TAILQ_INIT(&f->slots);
    TAILQ_INIT(&f->unserved);
    TAILQ_INIT(&f->waiting);
    TAILQ_INIT(&f->ended);
    f->later_event = event_new(host->base, -1, 0, later_cb, f);
    if (f->later_event &&
        batcher_init(&f->batcher, host, &o->batch, (uint32_t)def->policy->concurrency, start_batch, f))
        return &f->target;
    fail_memory(diag);
    function_close(&f->target);
    return NULL;
}
static bool is_destination(const struct adapter *a)
{
    return a == &queue_adapter || a == &topic_adapter || a == &function_adapter || a == &bus_adapter;
}

/* Who can take the record of a run: what the ledger keeps itself, or the journal. */
static bool check_destination(const struct target_def *def, const char *key, const struct target_def *to,
                              struct diags *diags)
{
    bool known = !to || is_destination(to->adapter),
         kept = to && (to->adapter == &queue_adapter || to->adapter == &topic_adapter);

    if (known && kept && queue_is_fifo(to->name))
        return diag_error(diags, def->pos, "%s of function '%.*s' is FIFO %s '%.*s'; it must be a standard %s", key,
                          STR_ARG(def->name), to->adapter->type, STR_ARG(to->name), to->adapter->type);
    return known || diag_error(diags, def->pos,
                               "%s of function '%.*s' is %s '%.*s'; it must be a queue, a topic, a function or a bus",
                               key, STR_ARG(def->name), to->adapter->type, STR_ARG(to->name));
}

static bool check_batch(const struct target_def *def, struct diags *diags)
{
    const struct function_options *o = def->options;

    if (!o->batch.written || !(o->async.on_success || o->async.on_failure || o->async.dead_letter))
        return true;
    return diag_error(diags, def->pos,
                      "function '%.*s' has a 'batch': its runs have no destinations and no dead_letter of their own",
                      STR_ARG(def->name));
}

static bool function_check(const struct target_def *def, struct diags *diags)
{
    const struct function_options *o = def->options;
    const struct str *words = o->command.items;

    if (!o->command.count || !words[0].size)
        return diag_error(diags, def->pos, "command of function '%.*s' is empty", STR_ARG(def->name));
    return check_destination(def, "on_success", o->async.on_success, diags) &&
           check_destination(def, "on_failure", o->async.on_failure, diags) && check_batch(def, diags);
}

static const struct option async_options[] = {
    {.key = "maximum_retry_attempts",
     .type = OPTION_INT,
     .offset = offsetof(struct function_options, async.maximum_retry_attempts),
     .value = "2",
     .min = 0,
     .max = 2,
     .meaning = "how often a failed run is tried again"},
    {.key = "maximum_event_age",
     .type = OPTION_DURATION,
     .offset = offsetof(struct function_options, async.maximum_event_age),
     .value = "6h",
     .min = 60000,
     .max = 21600000,
     .meaning = "an event older than this is not run any more"},
    {.key = "retry_interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct function_options, async.retry_interval),
     .value = "1m",
     .min = 10,
     .max = 3600000,
     .meaning = "a failed run is tried again after this, and the second time after twice as long"},
    {.key = "on_success",
     .type = OPTION_TARGET,
     .offset = offsetof(struct function_options, async.on_success),
     .meaning = "the queue, topic, function or bus that gets a record of each run that succeeded"},
    {.key = "on_failure",
     .type = OPTION_TARGET,
     .offset = offsetof(struct function_options, async.on_failure),
     .meaning = "the queue, topic, function or bus that gets a record of each event that was given up"},
    {.key = "dead_letter",
     .type = OPTION_QUEUE,
     .offset = offsetof(struct function_options, async.dead_letter),
     .meaning =
         "the queue that gets each event that was given up; default: dead-letters, unless there is an on_failure"},
    {0},
};

BATCH_MEMBERS(batch_members, struct function_options);

static const struct option function_options[] = {
    {.key = "command",
     .type = OPTION_COMMAND,
     .offset = offsetof(struct function_options, command),
     .required = true,
     .meaning = "the program and its arguments; the event comes as its runtime says"},
    {.key = "runtime",
     .type = OPTION_ENUM,
     .offset = offsetof(struct function_options, runtime),
     .value = "command",
     .names = runtimes,
     .meaning = "command: a process for each event, which comes on its standard input; provided: an unmodified "
                "bootstrap that speaks the Lambda Runtime API and is kept warm"},
    {.key = "handler",
     .type = OPTION_TEXT,
     .offset = offsetof(struct function_options, handler),
     .value = "function.handler",
     .max = 128,
     .meaning = "runtime provided: what the bootstrap finds in _HANDLER"},
    {.key = "memory_size",
     .type = OPTION_INT,
     .offset = offsetof(struct function_options, memory_size),
     .value = "128",
     .min = 128,
     .max = 10240,
     .meaning = "MiB, told to the function and shown by the Lambda API; not enforced"},
    {.key = "idle_timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct function_options, idle_timeout),
     .value = "5m",
     .min = 100,
     .max = 86400000,
     .meaning = "runtime provided: a process without an event for so long is ended"},
    {.key = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct function_options, timeout),
     .value = "10s",
     .min = 100,
     .max = 900000,
     .meaning = "a run that takes longer is killed with its process group"},
    {.key = "working_directory",
     .type = OPTION_PATH,
     .offset = offsetof(struct function_options, working_directory),
     .meaning = "where it runs; default: where the router was started, and with runtime provided where the command is"},
    {.key = "environment",
     .type = OPTION_HEADERS,
     .offset = offsetof(struct function_options, environment),
     .meaning = "variables it gets: name to text, or to {env: NAME}, which hands on one of the router's"},
    {.key = "description",
     .type = OPTION_TEXT,
     .offset = offsetof(struct function_options, description),
     .max = 256,
     .meaning = "what it is for, as the Lambda API shows it"},
    {.key = "async",
     .type = OPTION_OBJECT,
     .members = async_options,
     .present_offset = offsetof(struct function_options, async_written),
     .meaning =
         "to deliver to it is to put the event into the ledger, from where it is run and tried again; without it "
         "a delivery is a run, and one that fails goes to the dead letters"},
    BATCH_OPTION(batch_members, struct function_options),
    {0},
};

const struct adapter function_adapter = {
    .type = "function",
    .section = "functions",
    .summary = "runs a command for each event (exit 0 is done, 75 asks for a retry), or a Lambda bootstrap",
    .arn_format = "arn:aws:lambda:{region}:{account}:function:{name}",
    .options = function_options,
    .options_size = sizeof(struct function_options),
    .concurrency = "4",
    .concurrency_max = 1000,
    .check = function_check,
    .open = function_open,
    .close = function_close,
    .send = function_send,
    .flush_sends = function_flush_sends,
};
