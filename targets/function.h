/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_FUNCTION_H
#define TARGETS_FUNCTION_H

/*
 * Functions, with Lambda's words: an invocation is one run of a function, whoever wants it (a delivery, the Invoke
 * operation, an asynchronous run, an event source mapping). A function runs at most `concurrency` invocations at once;
 * a runtime says what a run is:
 *
 *   command    one process a run: payload on its standard input, answer on its standard output      function_run.c
 *   provided   an unmodified bootstrap that speaks the Lambda Runtime API, one warm process a slot   function_slot.c
 *
 * All of it belongs to the dispatch thread.
 */

#include <sys/queue.h>

#include "targets/batch.h"
#include "targets/uuid.h"

#define FUNCTION_PAYLOAD_BYTES_MAX (6u << 20) /* of an invocation that is waited for, and of an answer: Lambda's */
#define FUNCTION_ASYNC_BYTES_MAX   (1u << 20) /* of an asynchronous one that comes by the API: Lambda's */
#define FUNCTION_LOG_BYTES         4096       /* of what a run writes, its end is kept: as much as Invoke gives */

enum function_runtime { FUNCTION_COMMAND, FUNCTION_PROVIDED };

struct function_options {
    struct option_list command; /* of struct str */
    int64_t timeout;            /* ms */
    struct str working_directory;
    struct str description;
    int runtime; /* enum function_runtime */
    struct str handler;
    int64_t memory_size;            /* MiB: told to the function, not enforced */
    int64_t idle_timeout;           /* ms */
    struct option_list environment; /* of struct option_header */
    struct {
        int64_t maximum_retry_attempts;
        int64_t maximum_event_age;            /* ms */
        int64_t retry_interval;               /* ms; the second time it is twice that */
        const struct target_def *on_success;  /* NULL: nowhere */
        const struct target_def *on_failure;  /* the same */
        const struct target_def *dead_letter; /* a queue; NULL: `dead-letters`, unless there is an on_failure */
    } async;
    bool async_written;
    struct batch_options batch;
};

extern const struct adapter function_adapter;

struct function_log { /* the end of what a run wrote */
    char bytes[FUNCTION_LOG_BYTES];
    size_t size;
};

struct invocation {            /* embed it, zeroed */
    struct str payload;        /* lives until done */
    struct str client_context; /* "" or JSON, for the Runtime API */
    char request_id[UUID_SIZE + 1];
    const struct delivery *delivery; /* a rule's; NULL */
    size_t batch_count;              /* deliveries of a batch; 0: it is none */
    uint32_t attempts;               /* made before this one */
    bool wants_answer;               /* else it is read, bounded and dropped; answer.max bounds what is kept */
    void (*done)(struct invocation *i);
    void (*dropped)(struct invocation *i); /* instead of done: the process ends, and nothing comes of it */

    /* What came of it. SETTLED: the function succeeded. RETRY with code THROTTLING: it could not be started now. Else
       it failed. */
    struct verdict verdict;
    struct buf answer; /* the function's; where it failed {"errorMessage":…,"errorType":…}. The caller frees it */
    struct function_log log;
    int64_t started_ms, ended_ms; /* ages */

    struct function *function; /* private from here */
    TAILQ_ENTRY(invocation) link;
};

/* What is delivered to it is kept by the ledger, and run from there (targets/invocations.h). */
static inline bool function_is_async(const struct function_options *o)
{
    return o->async_written && !o->batch.written;
}

/* Starts it. False: the function runs as many as it may; nothing was done. Else `done` is called later, never from
   inside this call, and once. */
bool function_invoke(struct target *function, struct invocation *i);

#endif
