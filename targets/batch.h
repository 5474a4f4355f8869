/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_BATCH_H
#define TARGETS_BATCH_H

/*
 * Deliveries gathered into batches: for adapters that can hand over many events at once. To dispatch nothing changes:
 * each delivery is sent and completed by itself.
 *
 *     send ─► batcher_add ─► open batch ── max_events, max_bytes or max_wait ──► go(batch) ─► batch_complete
 *
 * At most `limit` batches are under way at once; what is full meanwhile waits in line, what is merely due goes on
 * filling. A batch's deliveries share its fate, but where the answer names those that failed:
 *
 *     {"batchItemFailures": [{"itemIdentifier": IDEMPOTENCY-KEY}, …]}
 *
 * is what Lambda's pollers take: those are tried again, the others are done. An answer of that form that names what is
 * not in the batch means that nobody knows, so all are tried again.
 *
 * Where the whole batch fails for good, its halves are sent by themselves, and theirs, until what nobody will take
 * stands alone: one bad event does not take its neighbours along.
 *
 * As bodies go: a JSON array of the inputs, or one a line (ndjson). Each input as it is, a text that is no JSON as a
 * JSON string; with `envelope` as {"itemIdentifier": …, "input": …}. Dispatch thread only.
 */

#include <sys/queue.h>

#include "targets/adapter.h"

struct event;
struct batcher;

enum batch_format { BATCH_JSON, BATCH_NDJSON };
extern const char *const batch_formats[];

struct batch_options {
    bool written; /* there is a `batch`; else nothing is gathered */
    int64_t max_events, max_bytes;
    int64_t max_wait; /* ms */
    int format;       /* enum batch_format */
    bool envelope;
};

/* The rows of `batch` for an adapter's table: options_type has a struct batch_options called batch. */
#define BATCH_MEMBERS(name, options_type)                                                                              \
    static const struct option name[] = {                                                                              \
        {.key = "max_events",                                                                                          \
         .type = OPTION_INT,                                                                                           \
         .offset = offsetof(options_type, batch.max_events),                                                           \
         .value = "100",                                                                                               \
         .min = 1,                                                                                                     \
         .max = 10000,                                                                                                 \
         .meaning = "a batch goes out when it has so many events"},                                                    \
        {.key = "max_bytes",                                                                                           \
         .type = OPTION_SIZE,                                                                                          \
         .offset = offsetof(options_type, batch.max_bytes),                                                            \
         .value = "1MiB",                                                                                              \
         .min = 1,                                                                                                     \
         .max = 16 << 20,                                                                                              \
         .meaning = "a batch goes out before its inputs come to more than this; a larger one goes alone"},             \
        {.key = "max_wait",                                                                                            \
         .type = OPTION_DURATION,                                                                                      \
         .offset = offsetof(options_type, batch.max_wait),                                                             \
         .value = "1s",                                                                                                \
         .min = 1,                                                                                                     \
         .max = 300000,                                                                                                \
         .meaning = "a batch goes out when its first event has waited so long"},                                       \
        {.key = "format",                                                                                              \
         .type = OPTION_ENUM,                                                                                          \
         .offset = offsetof(options_type, batch.format),                                                               \
         .value = "json",                                                                                              \
         .names = batch_formats,                                                                                       \
         .meaning = "json: an array of inputs; ndjson: one input a line"},                                             \
        {.key = "envelope",                                                                                            \
         .type = OPTION_BOOL,                                                                                          \
         .offset = offsetof(options_type, batch.envelope),                                                             \
         .value = "false",                                                                                             \
         .meaning = "each input comes as {\"itemIdentifier\": its idempotency key, \"input\": the input}"},            \
        {0},                                                                                                           \
    }
#define BATCH_OPTION(member_rows, options_type)                                                                        \
    {                                                                                                                  \
        .key = "batch", .type = OPTION_OBJECT, .members = member_rows,                                                 \
        .present_offset = offsetof(options_type, batch.written),                                                       \
        .meaning = "gathers events and hands over many at once; without it, each goes by itself"                       \
    }

struct batch {
    TAILQ_ENTRY(batch) link; /* the batcher's */
    struct batcher *of;
    struct delivery **items;
    size_t count, capacity;
    size_t bytes; /* of inputs */
    bool due;     /* has waited long enough */
};
TAILQ_HEAD(batch_queue, batch);

/* Starts the batch on its way; it ends, now or later, in batch_complete(), batch_settle() or batch_release(). */
typedef void batch_go(void *context, struct batch *b);

struct batcher {
    struct batch_options options;
    struct host *host;
    uint32_t limit; /* batches under way at once */
    batch_go *go;
    void *context;

    /* private */
    struct batch *open;         /* being filled; NULL: none */
    struct batch_queue waiting; /* full */
    struct batch_queue away;
    uint32_t away_count;
    struct event *due, *pump; /* the open one has waited long enough; one came back, so others may go */
};

/* False: out of memory. options are copied. */
bool batcher_init(struct batcher *b, struct host *host, const struct batch_options *options, uint32_t limit,
                  batch_go *go, void *context);
void batcher_fini(struct batcher *b); /* what is in it is not completed; a zeroed one is fine too */
void batcher_add(struct batcher *b, struct delivery *d);
void batcher_flush(struct batcher *b);                 /* the open one need not wait any longer */
uint32_t batch_gathers(const struct batch_options *o); /* for struct target */

void batch_write(const struct batch *b, struct buf *out); /* the body */
const char *batch_content_type(const struct batch *b);

/* All of it ends so, or it is halved; the batch is gone afterwards. */
void batch_complete(struct batch *b, const struct verdict *v);
size_t batch_answer_bytes(const struct batch *b); /* what is kept of an answer: room for all keys and more */
/* It was taken, but for what the answer names. partial: the answer must name it (207), else it may be anything. An
   answer that was cut short is still one that names something when it began to. */
void batch_settle(struct batch *b, struct str answer, bool partial);
/* The caller has completed each of its items. */
void batch_release(struct batch *b);

#endif
