/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue as a target: its options, and put(), which makes a message of a delivery in the ledger's
 * transaction. The tables are in queue_store.c, what SQS clients do with messages in queue_send.c, queue_receive.c and
 * beside.
 */
#include "targets/queue.h"

#include "matcher/limits.h"
#include "targets/fail.h"

#include <inttypes.h>
#include <stdlib.h>

#define SECONDS       1000
#define MINUTES       (60 * SECONDS)
#define HOURS         (60 * MINUTES)
#define DAYS          (24 * HOURS)
#define FIELD(member) offsetof(struct queue_options, member)

/* The default of maximum_message_size takes whatever was accepted as an event. A dead letter that does not fit would
   stay owed for ever, and it may have grown by a replay's name. */
_Static_assert(QUEUE_MESSAGE_BYTES_MAX >= LIMIT_EVENT_BYTES + (64 << 10), "any event is a dead letter that fits");

static const char *const scopes[] = {"queue", "message_group", NULL}; /* enum queue_deduplication_scope */

static const struct option redrive_options[] = {
    {.key = "target",
     .type = OPTION_QUEUE,
     .offset = FIELD(redrive_policy.target),
     .required = true,
     .meaning = "the queue that messages move to once they were received too often"},
    {.key = "max_receive_count",
     .type = OPTION_INT,
     .offset = FIELD(redrive_policy.max_receive_count),
     .value = "10",
     .min = 1,
     .max = 1000,
     .meaning = "how many times a message may be received before it moves"},
    {0},
};

static const struct option options[] = {
    {.key = "visibility_timeout",
     .type = OPTION_DURATION,
     .offset = FIELD(visibility_timeout),
     .value = "30s",
     .min = 0,
     .max = 12 * HOURS,
     .meaning = "how long a received message stays hidden from other receivers"},
    {.key = "delay",
     .type = OPTION_DURATION,
     .offset = FIELD(delay),
     .value = "0s",
     .min = 0,
     .max = 15 * MINUTES,
     .meaning = "how long a new message stays hidden"},
    {.key = "retention",
     .type = OPTION_DURATION,
     .offset = FIELD(retention),
     .value = "4d",
     .min = 1 * MINUTES,
     .max = 14 * DAYS,
     .meaning = "how long a message is kept, counted from when it was first sent, also across a redrive"},
    {.key = "maximum_message_size",
     .type = OPTION_SIZE,
     .offset = FIELD(maximum_message_size),
     .value = "16MiB",
     .min = 1 << 10,
     .max = LIMIT_EVENT_BYTES,
     .meaning = "the largest message body taken from a rule; any event fits into the default, SQS itself takes 1 MiB"},
    {.key = "receive_wait_time",
     .type = OPTION_DURATION,
     .offset = FIELD(receive_wait_time),
     .value = "0s",
     .min = 0,
     .max = 20 * SECONDS,
     .meaning = "how long an SQS client's receive waits for a message when it does not say so itself"},
    {.key = "redrive_policy",
     .type = OPTION_OBJECT,
     .members = redrive_options,
     .meaning = "where messages go that are received again and again and never deleted"},
    {.key = "content_based_deduplication",
     .type = OPTION_BOOL,
     .offset = FIELD(content_based_deduplication),
     .value = "false",
     .meaning = "FIFO: a message without a deduplication id is known by the SHA-256 of its body"},
    {.key = "deduplication_scope",
     .type = OPTION_ENUM,
     .offset = FIELD(deduplication_scope),
     .names = scopes,
     .value = "queue",
     .meaning = "FIFO: whether a deduplication id counts in the whole queue, or in its message group"},
    {0},
};

static bool check(const struct target_def *def, struct diags *diags)
{
    const struct queue_options *o = def->options;
    const struct target_def *redrive = o->redrive_policy.target;
    bool ok = true, fifo = queue_is_fifo(def->name);

    if (redrive == def)
        ok = diag_error(diags, def->pos, "queue '%.*s' cannot be its own redrive target", STR_ARG(def->name));
    else if (redrive && queue_is_fifo(redrive->name) != fifo)
        ok = diag_error(diags, def->pos, "the redrive target of queue '%.*s' must be a %s queue, and '%.*s' is not",
                        STR_ARG(def->name), fifo ? "FIFO" : "standard", STR_ARG(redrive->name));
    if (!fifo && (o->content_based_deduplication || o->deduplication_scope != QUEUE_SCOPE_QUEUE))
        ok = diag_error(diags, def->pos,
                        "queue '%.*s' is no FIFO queue (its name does not end in '.fifo'): it deduplicates nothing",
                        STR_ARG(def->name));
    return ok;
}

static struct target *open_queue(const struct target_def *def, struct host *host, const char *data_dir,
                                 struct weir_diag *diag)
{
    struct target *t = calloc(1, sizeof(*t));

    if (!t) {
        fail_memory(diag);
        return NULL;
    }
    *t = (struct target){.ops = &queue_adapter, .def = def, .host = host};
    return t;
}

static void close_queue(struct target *t)
{
    free(t);
}

static void put(struct target *t, const struct delivery *d, struct store *store, struct weir_time now,
                struct verdict *v)
{
    const struct queue_options *o = t->def->options;
    struct queue_send m = {.body = d->input,
                           .attributes = d->attributes,
                           .delay_ms = -1,
                           .group = d->message_group,
                           .idempotency_key = d->idempotency_key};
    const char *fault;
    struct weir_diag diag;

    if (!o->content_based_deduplication)
        m.deduplication_id = d->deduplication_id;
    if ((fault = queue_send_fault(t->def, &m)))
        verdict_set(v, VERDICT_FAILED, "InvalidParameterValue", "%s", fault);
    else if (d->input.size > (size_t)o->maximum_message_size)
        verdict_set(v, VERDICT_FAILED, "InvalidMessageContents",
                    "the message has %zu bytes, maximum_message_size of queue '%.*s' is %" PRId64, d->input.size,
                    STR_ARG(t->def->name), o->maximum_message_size);
    else if (queue_put(store, t->def, &m, now, NULL, &diag))
        verdict_set(v, VERDICT_SETTLED, "", "%s", "");
    else
        verdict_set(v, VERDICT_RETRY, "InternalError", "%s", diag.message);
}

const struct adapter queue_adapter = {
    .type = "queue",
    .section = "queues",
    .summary = "keeps messages on disk until a consumer that speaks SQS receives and deletes them",
    .arn_format = "arn:aws:sqs:{region}:{account}:{name}",
    .name_max = 80,
    .options = options,
    .options_size = sizeof(struct queue_options),
    .check = check,
    .open = open_queue,
    .close = close_queue,
    .put = put,
};
