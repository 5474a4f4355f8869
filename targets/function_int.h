/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TARGETS_FUNCTION_INT_H
#define TARGETS_FUNCTION_INT_H

/*
 * What the files of functions share:
 *
 *   function.c           the adapter: options; deliveries and batches as invocations, and their verdicts
 *   function_run.c       runtime command: a process a run
 *   function_slot.c      runtime provided: warm processes and their life
 *   function_api.c       the Runtime API that such a process speaks
 *   function_process.c   a watched process group, its environment, what it writes
 */

#include <event2/event.h>

#include "targets/function.h"
#include "targets/spawn.h"

struct run;
struct slot;
struct runtime_api;
TAILQ_HEAD(invocation_queue, invocation);

struct function {
    struct target target;            /* first */
    struct batcher batcher;          /* where the target has a batch */
    uint32_t running;                /* invocations under way */
    struct invocation_queue waiting; /* deliveries for which there was no room */
    struct invocation_queue ended;   /* from inside their start: to be told from the loop */
    struct event *later_event;       /* for both */
    TAILQ_HEAD(, run)
    runs; /* command */
    TAILQ_HEAD(, slot)
    slots;                            /* provided, the one used last first */
    uint32_t slot_count;              /* at most the concurrency */
    struct invocation_queue unserved; /* provided: under way, but no slot has them yet */
    struct {
        int64_t second;           /* age, in seconds, in which … */
        unsigned lines, withheld; /* … so many lines were logged; and how many were not, since one was */
    } output;
};

static inline const struct function_options *function_options_of(const struct function *f)
{
    return f->target.def->options;
}

/* Of a runtime: takes the invocation; now or later function_ended(). */
void run_start(struct function *f, struct invocation *i);
void runs_close(struct function *f);
void slot_start(struct function *f, struct invocation *i);
void slots_close(struct function *f);

/* Its verdict stands. Never from inside run_start() or slot_start(): function_ends_later() there. */
void function_ended(struct invocation *i);
void function_ends_later(struct invocation *i);
/* Makes the answer of a failed invocation, where it is wanted. */
void invocation_fail(struct invocation *i, const char *type, const char *message);
void invocation_timed_out(struct invocation *i); /* its verdict, too; line: of what it wrote */
/* A line that a process of it wrote, for the router's log: at most FUNCTION_LINES_MAX a second are shown. */
#define FUNCTION_LINES_MAX 100
void function_show_line(struct function *f, struct str request_id, struct str line);
void function_log_add(struct function_log *log, const char *bytes, size_t size);
/* ": " and its last line that is not blank, as text that fits into any document; empty where there is none. */
#define FUNCTION_LINE_BYTES 160
void function_log_last_line(const struct function_log *log, char out[FUNCTION_LINE_BYTES + 1]);

/* ---- function_api.c: the Runtime API of one slot, on a loopback port of its own ---- */

struct runtime_api *api_open(struct slot *s, struct host *host); /* NULL: errno */
void api_close(struct runtime_api *a);
uint16_t api_port(const struct runtime_api *a);
/* Answers the poll with the invocation's event. */
void api_hand_out(struct runtime_api *a, const struct invocation *i, const struct target_def *def);

/* What the API tells the slot, which does as it is told or says why not (NULL: it did). */
const char *slot_polls(struct slot *s);
void slot_hung_up(struct slot *s); /* the poll is gone */
/* error: NULL where the function succeeded, else its type. */
const char *slot_answers(struct slot *s, struct str request_id, struct str body, const char *error);
const char *slot_fails_to_start(struct slot *s, struct str body, const char *error);

/* ---- function_process.c ---- */

struct environment {
    struct buf texts; /* NAME=VALUE, each with a NUL */
    size_t count;
};
void environment_add(struct environment *e, const char *name, struct str value);
/* Those of the options go last, and so over those of ours that have the same name. */
void environment_add_options(struct environment *e, const struct function_options *o);
void environment_fini(struct environment *e);

struct process {
    struct spawned ends; /* its pipes: -1 when closed */
    int pidfd;
    struct event *exit_event, *in_event, *out_event, *err_event;
};

struct process_callbacks {
    event_callback_fn exited, input, output;
};

/* Starts the command and watches it; NULL callbacks: that pipe is not watched. Returns errno, or 0; then
   process_close() is owed. */
int process_start(struct process *p, struct function *f, struct str folder, const struct environment *e,
                  const struct process_callbacks *c, void *context);
void process_kill(struct process *p); /* its group; the pidfd tells when it is gone */
int process_reap(struct process *p);  /* kills the group, waits for its leader: status */
void process_close_end(int *fd, struct event **event);
void process_close(struct process *p); /* all but the process itself */
/* Reads what is there, a wake-up's worth; false: the pipe has ended. */
bool process_read(int fd, void (*each)(void *context, const char *bytes, size_t size), void *context);

/* THROTTLING or NO_RESOURCE. */
void process_judge_start(const struct function *f, int error, struct verdict *v);

#endif
