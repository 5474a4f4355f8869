/* SPDX-License-Identifier: Apache-2.0 */
/* A table with one place for each hash: of two attempts that share one, the later is remembered. */
#include "router/api/sqs_attempt.h"

#include <stdio.h>
#include <stdlib.h>

#include "matcher/hash.h"
#include "router/xalloc.h"

#define PLACES      4096
#define REMEMBER_MS (5 * 60 * 1000)

struct memory {
    struct sqs_attempt *places; /* NULL until there is an attempt */
};

static bool flush(struct store *s, void *memory, struct weir_diag *diag)
{
    return true; /* nothing of it is written */
}

static void close_memory(void *memory)
{
    free(((struct memory *)memory)->places);
}

static const struct store_keeper keeper = {.size = sizeof(struct memory), .flush = flush, .close = close_memory};

struct sqs_attempt *sqs_attempt_need(struct store *s, struct str queue, struct str id, struct weir_time now,
                                     struct weir_diag *diag)
{
    struct memory *m = store_keep(s, &keeper, diag);

    if (!m)
        return NULL;
    if (!m->places)
        m->places = xarray(PLACES, sizeof *m->places);
    struct sqs_attempt *a = &m->places[hash_bytes(hash_bytes(0, queue.ptr, queue.size), id.ptr, id.size) % PLACES];
    if (str_is(queue, a->queue) && str_is(id, a->id) && now.age_ms - a->age_ms < REMEMBER_MS)
        return a;
    *a = (struct sqs_attempt){.age_ms = now.age_ms};
    snprintf(a->queue, sizeof a->queue, "%.*s", STR_ARG(queue));
    snprintf(a->id, sizeof a->id, "%.*s", STR_ARG(id));
    return a;
}

void sqs_attempt_add(struct sqs_attempt *a, struct str handle)
{
    if (a->count < SQS_RECEIVE_MAX && handle.size < SQS_HANDLE_SIZE)
        snprintf(a->handles[a->count++], SQS_HANDLE_SIZE, "%.*s", STR_ARG(handle));
}
