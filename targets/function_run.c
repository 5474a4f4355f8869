/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime `command`: each invocation is a process. The payload comes on its stdin, what it writes to stdout is its
 * answer, the last line of its stderr says in the message what went wrong. Exit 0 is done, 75 (EX_TEMPFAIL) asks for a
 * retry, anything else is a failure:
 *
 *   start ─► spawn ─► stdin written ┐
 *                     stdout read   ├─► the process ends (or its time is over: its group is killed) ─► verdict
 *                     stderr read   ┘
 *
 * The end of the process ends the run, not the end of its pipes: a grandchild that keeps stdout open is killed with its
 * group. SIGPIPE is ignored by the router, and back to its default in the command.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "targets/function_int.h"

#define EXIT_TEMPFAIL 75

struct run {
    TAILQ_ENTRY(run) link;
    struct function *function;
    struct invocation *invocation;
    struct process process;
    struct event *timeout_event; /* or, where it could not start, what tells that */
    size_t written;              /* of the payload */
    size_t output;               /* bytes of stdout */
    bool timed_out, too_long;
};

/* ---- the end of a run ---- */

static void run_free(struct run *r)
{
    process_close(&r->process);
    if (r->timeout_event)
        event_free(r->timeout_event);
    TAILQ_REMOVE(&r->function->runs, r, link);
    free(r);
}

static void end(struct run *r)
{
    struct invocation *i = r->invocation;

    run_free(r);
    function_ended(i);
}

static void judge_exit(struct run *r, int status, const char *line)
{
    struct invocation *i = r->invocation;
    struct verdict *v = &i->verdict;
    char message[sizeof v->message + 96];

    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TEMPFAIL)
        verdict_set(v, VERDICT_RETRY, "TEMPFAIL", "exit status %d%s", EXIT_TEMPFAIL, line);
    else if (WIFEXITED(status))
        verdict_set(v, VERDICT_FAILED, "FUNCTION_ERROR", "exit status %d%s", WEXITSTATUS(status), line);
    else
        verdict_set(v, VERDICT_FAILED, "FUNCTION_ERROR", "killed by signal %d%s", WTERMSIG(status), line);
    snprintf(message, sizeof message, "RequestId: %s Error: Runtime exited with error: %s", i->request_id, v->message);
    invocation_fail(i, "Runtime.ExitError", message);
}

static void judge(struct run *r, int status)
{
    struct invocation *i = r->invocation;
    char line[FUNCTION_LINE_BYTES + 1];

    function_log_last_line(&i->log, line);
    if (r->timed_out) {
        invocation_timed_out(i);
    } else if (r->too_long) {
        verdict_set(&i->verdict, VERDICT_FAILED, "FUNCTION_ERROR", "wrote more than %u bytes to its standard output",
                    FUNCTION_PAYLOAD_BYTES_MAX);
        invocation_fail(i, "Function.ResponseSizeTooLarge",
                        "Response payload size exceeded maximum allowed payload "
                        "size (6291456 bytes).");
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        verdict_set(&i->verdict, VERDICT_SETTLED, "", "%s", "");
    } else {
        judge_exit(r, status, line);
    }
}

/* ---- pipes ---- */

static void take_errors(void *run, const char *bytes, size_t size)
{
    function_log_add(&((struct run *)run)->invocation->log, bytes, size);
}

static void take_output(void *run, const char *bytes, size_t size)
{
    struct run *r = run;

    r->output += size;
    if (r->invocation->wants_answer)
        buf_add(&r->invocation->answer, bytes, size);
    if (r->output <= FUNCTION_PAYLOAD_BYTES_MAX || r->too_long)
        return;
    r->too_long = true;
    process_kill(&r->process);
}

/* False: the pipe has ended. */
static bool read_output(struct run *r, int fd)
{
    return process_read(fd, fd == r->process.ends.err ? take_errors : take_output, r);
}

static void output_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    if (read_output(r, fd))
        return;
    if (fd == r->process.ends.out) /* at the end of a pipe its event would fire for ever */
        process_close_end(&r->process.ends.out, &r->process.out_event);
    else
        process_close_end(&r->process.ends.err, &r->process.err_event);
}

static void input_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;
    struct str input = r->invocation->payload;

    while (r->written < input.size) {
        ssize_t n = write(fd, input.ptr + r->written, input.size - r->written);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* it does not want to read: its own affair */
        r->written += (size_t)n;
    }
    process_close_end(&r->process.ends.in, &r->process.in_event);
}

static void exit_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    if (r->process.ends.out >= 0)
        read_output(r, r->process.ends.out); /* what it left in the pipes */
    if (r->process.ends.err >= 0)
        read_output(r, r->process.ends.err);
    judge(r, process_reap(&r->process));
    end(r);
}

static void timeout_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    r->timed_out = true;
    process_kill(&r->process);
}

/* ---- the start of a run ---- */

/* What tells the process which delivery this is. */
static void list_variables(const struct invocation *i, struct environment *e)
{
    const struct delivery *d = i->delivery;
    char number[24];

    environment_add(e, "AWS_LAMBDA_FUNCTION_NAME", i->function->target.def->name);
    if (i->batch_count) {
        snprintf(number, sizeof number, "%zu", i->batch_count);
        environment_add(e, "WEIR_BATCH_SIZE", str_from(number));
        return;
    }
    snprintf(number, sizeof number, "%" PRIu32, i->attempts + 1);
    environment_add(e, "WEIR_ATTEMPT", str_from(number));
    if (i->request_id[0])
        environment_add(e, "WEIR_REQUEST_ID", str_from(i->request_id));
    if (!d)
        return;
    environment_add(e, "WEIR_EVENT_ID", d->event_id);
    environment_add(e, "WEIR_BUS", d->bus);
    environment_add(e, "WEIR_RULE", d->rule);
    environment_add(e, "WEIR_TARGET_ID", d->target_id);
    environment_add(e, "WEIR_IDEMPOTENCY_KEY", d->idempotency_key);
}

/* errno, or 0. */
static int start_process(struct run *r)
{
    static const struct process_callbacks callbacks = {exit_cb, input_cb, output_cb};
    const struct function_options *o = function_options_of(r->function);
    struct environment e = {0};

    list_variables(r->invocation, &e);
    environment_add_options(&e, o);
    int error = process_start(&r->process, r->function, o->working_directory, &e, &callbacks, r);
    environment_fini(&e);
    return error;
}

static bool set_timeout(struct run *r)
{
    int64_t ms = function_options_of(r->function)->timeout;
    struct timeval timeout = {ms / 1000, ms % 1000 * 1000};

    r->timeout_event = event_new(r->function->target.host->base, -1, 0, timeout_cb, r);
    return r->timeout_event && !event_add(r->timeout_event, &timeout);
}

void run_start(struct function *f, struct invocation *i)
{
    struct run *r = calloc(1, sizeof *r);

    if (!r) {
        verdict_set(&i->verdict, VERDICT_RETRY, "THROTTLING", "out of memory");
        function_ends_later(i);
        return;
    }
    *r = (struct run){.function = f, .invocation = i, .process = {.ends = {-1, -1, -1, -1}, .pidfd = -1}};
    TAILQ_INSERT_TAIL(&f->runs, r, link);
    int error = set_timeout(r) ? start_process(r) : ENOMEM;
    if (!error)
        return;
    process_judge_start(f, error, &i->verdict);
    invocation_fail(i, "Runtime.InvalidEntrypoint", i->verdict.message);
    run_free(r);
    function_ends_later(i);
}

void runs_close(struct function *f)
{
    struct run *r;

    while ((r = TAILQ_FIRST(&f->runs))) {
        struct invocation *i = r->invocation;
        process_reap(&r->process);
        run_free(r);
        i->dropped(i);
    }
}
