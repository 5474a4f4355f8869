/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function is a command: the event comes on its stdin, what it writes to stdout is read, bounded and dropped (as
 * EventBridge drops a function's result), the last line of its stderr says in the message what went wrong. Exit 0 is
 * done, 75 (EX_TEMPFAIL) asks for a retry, anything else is a failure. Every run is a process group of its own, watched
 * through a pidfd on the dispatch loop:
 *
 *   send ─► spawn ─► stdin written ┐
 *                    stdout read   ├─► the process ends (or its time is over: its group is killed) ─► verdict
 *                    stderr read   ┘
 *
 * The end of the process ends the run, not the end of its pipes: a grandchild that keeps stdout open is killed with its
 * group. The group is killed before the process is reaped, so that its number cannot have gone to somebody else. What
 * leaves the group (setsid) is out of reach. A run costs one posix_spawn on the dispatch thread, which waits for the
 * exec. With `batch` a run gets many deliveries (batch.h), and what it writes may name those that failed. SIGPIPE is
 * ignored by the router, and back to its default in the command.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matcher/utf8.h"
#include "targets/batch.h"
#include "targets/fail.h"
#include "targets/policy.h"
#include "targets/spawn.h"

#define OUTPUT_BYTES_MAX (6u << 20) /* what Lambda allows for a result */
#define ERRORS_BYTES     4096       /* the end of stderr is kept for the message ... */
#define LINE_BYTES       160        /* ... and of its last line, this much */
#define EXIT_TEMPFAIL    75
#define READS_MAX        16 /* a wake-up's worth of output, 64 KiB each */

struct function_options {
    struct option_list command; /* of struct str */
    int64_t timeout;            /* ms */
    struct str working_directory;
    struct {
        int64_t maximum_retry_attempts;
        int64_t maximum_event_age; /* ms */
    } async;
    bool async_written;
    struct batch_options batch;
};

struct function {
    struct target target;   /* first */
    struct batcher batcher; /* where the target has a batch */
    TAILQ_HEAD(, run)
    runs;
};

struct run {
    TAILQ_ENTRY(run) link;
    struct function *function;
    struct delivery *delivery; /* or … */
    struct batch *batch;       /* … the other is NULL */
    struct str input;
    struct buf body;        /* behind input, for a batch */
    struct buf answer;      /* to a batch: its stdout */
    struct spawned process; /* its pipes: -1 when closed */
    int pidfd;
    struct event *exit_event, *in_event, *out_event, *err_event, *timeout_event;
    size_t written; /* of the input */
    size_t output;  /* bytes of stdout */
    char errors[ERRORS_BYTES];
    size_t errors_size;
    bool timed_out, too_long;
};

static const struct function_options *options_of(const struct function *f)
{
    return f->target.def->options;
}

/* ---- the end of a run ---- */

static void close_end(int *fd, struct event **event)
{
    if (*event)
        event_free(*event);
    if (*fd >= 0)
        close(*fd);
    *event = NULL;
    *fd = -1;
}

static void run_free(struct run *r)
{
    int none = -1;

    close_end(&r->process.in, &r->in_event);
    close_end(&r->process.out, &r->out_event);
    close_end(&r->process.err, &r->err_event);
    close_end(&r->pidfd, &r->exit_event);
    close_end(&none, &r->timeout_event);
    TAILQ_REMOVE(&r->function->runs, r, link);
    buf_fini(&r->body);
    buf_fini(&r->answer);
    free(r);
}

/* Kills the group and reaps its leader. */
static int reap(struct run *r)
{
    int status = 0;

    kill(-r->process.pid, SIGKILL);
    while (waitpid(r->process.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* ": " and the last line of stderr that is not blank, as text that fits into any document: whole characters, controls
 * and broken UTF-8 as spaces. Empty when there is none. */
static void last_line(const struct run *r, char out[LINE_BYTES + 1])
{
    size_t end = r->errors_size, start, size = 2;
    uint32_t code;

    while (end && (unsigned char)r->errors[end - 1] <= ' ')
        end--;
    for (start = end; start && r->errors[start - 1] != '\n'; start--)
        continue;
    memcpy(out, ": ", 2);
    while (start < end) {
        unsigned step = utf8_decode(r->errors + start, end - start, &code);
        bool plain = step && code >= ' ' && (code < 0x7F || code > 0x9F) && !utf8_is_surrogate(code);
        if (size + (plain ? step : 1) > LINE_BYTES)
            break;
        memcpy(out + size, plain ? r->errors + start : " ", plain ? step : 1);
        size += plain ? step : 1;
        start += step ? step : 1;
    }
    out[size > 2 ? size : 0] = '\0';
}

/* A failed run, as `async` says: again after one minute, then two, or for good. */
static void judge_failure(const struct run *r, const struct delivery *d, struct verdict *v)
{
    const struct function_options *o = options_of(r->function);
    int64_t age = r->function->target.host->now(r->function->target.host).age_ms - d->accepted.age_ms;

    if (!o->async_written || d->attempts >= o->async.maximum_retry_attempts || age > o->async.maximum_event_age)
        return;
    v->kind = VERDICT_RETRY;
    v->no_fault = true;
    v->retry_after_ms = d->attempts == 0 ? 60000 : 120000;
}

static void judge(const struct run *r, int status, struct verdict *v)
{
    char line[LINE_BYTES + 1];

    last_line(r, line);
    if (r->timed_out)
        verdict_set(v, options_of(r->function)->async_written ? VERDICT_FAILED : VERDICT_RETRY, "TIMEOUT",
                    "did not end within %" PRId64 " ms%s", options_of(r->function)->timeout, line);
    else if (r->too_long)
        verdict_set(v, VERDICT_FAILED, "FUNCTION_ERROR", "wrote more than %u bytes to its standard output",
                    OUTPUT_BYTES_MAX);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        verdict_set(v, VERDICT_SETTLED, "", "%s", "");
    else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TEMPFAIL)
        verdict_set(v, VERDICT_RETRY, "TEMPFAIL", "exit status %d%s", EXIT_TEMPFAIL, line);
    else if (WIFEXITED(status))
        verdict_set(v, VERDICT_FAILED, "FUNCTION_ERROR", "exit status %d%s", WEXITSTATUS(status), line);
    else
        verdict_set(v, VERDICT_FAILED, "FUNCTION_ERROR", "killed by signal %d%s", WTERMSIG(status), line);
}

static void complete_one(const struct run *r, struct delivery *d, const struct verdict *v)
{
    struct host *host = r->function->target.host;
    struct verdict own = *v;

    if (v->kind == VERDICT_FAILED)
        judge_failure(r, d, &own);
    host->complete(host, d, &own);
}

static void complete(struct run *r, const struct verdict *v)
{
    if (!r->batch) {
        complete_one(r, r->delivery, v);
    } else if (v->kind == VERDICT_SETTLED) {
        batch_settle(r->batch, buf_view(&r->answer), false);
    } else if (!options_of(r->function)->async_written) {
        batch_complete(r->batch, v);
    } else { /* each by its own age and attempts */
        for (size_t i = 0; i < r->batch->count; i++)
            complete_one(r, r->batch->items[i], v);
        batch_release(r->batch);
    }
}

/* ---- pipes ---- */

static void keep_errors(struct run *r, const char *bytes, size_t size)
{
    if (size >= ERRORS_BYTES) {
        bytes += size - ERRORS_BYTES;
        size = ERRORS_BYTES;
    }
    size_t kept = r->errors_size + size > ERRORS_BYTES ? ERRORS_BYTES - size : r->errors_size;
    memmove(r->errors, r->errors + (r->errors_size - kept), kept);
    memcpy(r->errors + kept, bytes, size);
    r->errors_size = kept + size;
}

static void count_output(struct run *r, const char *bytes, size_t size)
{
    r->output += size;
    if (r->batch)
        buf_add(&r->answer, bytes, size);
    if (r->output <= OUTPUT_BYTES_MAX || r->too_long)
        return;
    r->too_long = true;
    kill(-r->process.pid, SIGKILL);
}

/* False: the pipe has ended. */
static bool read_output(struct run *r, int fd)
{
    char chunk[65536];

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        if (fd == r->process.err)
            keep_errors(r, chunk, (size_t)n);
        else
            count_output(r, chunk, (size_t)n);
    }
    return true;
}

static void output_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    if (read_output(r, fd))
        return;
    if (fd == r->process.out) /* at the end of a pipe its event would fire for ever */
        close_end(&r->process.out, &r->out_event);
    else
        close_end(&r->process.err, &r->err_event);
}

static void input_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    while (r->written < r->input.size) {
        ssize_t n = write(fd, r->input.ptr + r->written, r->input.size - r->written);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* it does not want to read: its own affair */
        r->written += (size_t)n;
    }
    close_end(&r->process.in, &r->in_event);
}

static void exit_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;
    struct verdict v = {.retry_after_ms = -1};

    if (r->process.out >= 0)
        read_output(r, r->process.out); /* what it left in the pipes */
    if (r->process.err >= 0)
        read_output(r, r->process.err);
    judge(r, reap(r), &v);
    complete(r, &v);
    run_free(r);
}

static void timeout_cb(evutil_socket_t fd, short what, void *context)
{
    struct run *r = context;

    r->timed_out = true;
    kill(-r->process.pid, SIGKILL); /* the pidfd tells when it is gone */
}

/* ---- the start of a run ---- */

enum { ENVIRONMENT_MORE = 7 };

struct variable {
    const char *name;
    struct str value;
};

/* What tells the process which delivery this is. Returns how many. */
static size_t list_variables(const struct run *r, char number[24], struct variable out[ENVIRONMENT_MORE])
{
    const struct delivery *d = r->delivery;
    const struct str name = r->function->target.def->name;

    if (r->batch) {
        snprintf(number, 24, "%zu", r->batch->count);
        out[0] = (struct variable){"AWS_LAMBDA_FUNCTION_NAME", name};
        out[1] = (struct variable){"WEIR_BATCH_SIZE", str_from(number)};
        return 2;
    }
    snprintf(number, 24, "%" PRIu32, d->attempts + 1);
    const struct variable all[ENVIRONMENT_MORE] = {
        {"AWS_LAMBDA_FUNCTION_NAME", name},
        {"WEIR_ATTEMPT", str_from(number)},
        {"WEIR_EVENT_ID", d->event_id},
        {"WEIR_BUS", d->bus},
        {"WEIR_RULE", d->rule},
        {"WEIR_TARGET_ID", d->target_id},
        {"WEIR_IDEMPOTENCY_KEY", d->idempotency_key},
    };
    memcpy(out, all, sizeof all);
    return ENVIRONMENT_MORE;
}

/* errno, or 0. */
static int start_process(struct run *r)
{
    const struct function_options *o = options_of(r->function);
    struct buf texts = BUF_INIT;
    struct variable rows[ENVIRONMENT_MORE];
    char *more[ENVIRONMENT_MORE], number[24];
    size_t offsets[ENVIRONMENT_MORE], count = list_variables(r, number, rows);

    for (size_t i = 0; i < count; i++) {
        offsets[i] = texts.size;
        buf_printf(&texts, "%s=%.*s%c", rows[i].name, STR_ARG(rows[i].value), '\0');
    }
    for (size_t i = 0; i < count && !texts.failed; i++)
        more[i] = texts.data + offsets[i];
    int error = texts.failed ? ENOMEM : spawn_start(&o->command, o->working_directory, more, count, &r->process);
    buf_fini(&texts);
    return error;
}

/* errno, or 0. */
static int watch(struct run *r)
{
    struct event_base *base = r->function->target.host->base;
    int64_t ms = options_of(r->function)->timeout;
    struct timeval timeout = {ms / 1000, ms % 1000 * 1000};

    r->pidfd = (int)syscall(SYS_pidfd_open, r->process.pid, 0); /* closed on exec */
    if (r->pidfd < 0)
        return errno;
    r->exit_event = event_new(base, r->pidfd, EV_READ, exit_cb, r);
    r->in_event = event_new(base, r->process.in, EV_WRITE | EV_PERSIST, input_cb, r);
    r->out_event = event_new(base, r->process.out, EV_READ | EV_PERSIST, output_cb, r);
    r->err_event = event_new(base, r->process.err, EV_READ | EV_PERSIST, output_cb, r);
    r->timeout_event = event_new(base, -1, 0, timeout_cb, r);
    bool ok = r->exit_event && r->in_event && r->out_event && r->err_event && r->timeout_event &&
              !event_add(r->exit_event, NULL) && !event_add(r->in_event, NULL) && !event_add(r->out_event, NULL) &&
              !event_add(r->err_event, NULL) && !event_add(r->timeout_event, &timeout);
    return ok ? 0 : ENOMEM;
}

/* What a moment later may be otherwise; ETXTBSY: the program is being written. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ETXTBSY;
}

static void judge_start(const struct run *r, int error, struct verdict *v)
{
    const struct str *words = options_of(r->function)->command.items;
    bool passing = is_passing(error);

    verdict_set(v, passing ? VERDICT_RETRY : VERDICT_FAILED, passing ? "THROTTLING" : "NO_RESOURCE",
                "cannot run '%.*s': %s", STR_ARG(words[0]), strerror(error));
}

static bool write_input(struct run *r)
{
    if (r->batch)
        batch_write(r->batch, &r->body);
    r->input = r->batch ? buf_view(&r->body) : r->delivery->input;
    return !r->body.failed;
}

static void refuse(struct function *f, struct delivery *d, struct batch *b, const struct verdict *v)
{
    if (b)
        batch_complete(b, v);
    else
        f->target.host->complete(f->target.host, d, v);
}

/* One of the two. */
static void start_run(struct function *f, struct delivery *d, struct batch *b)
{
    struct run *r = calloc(1, sizeof *r);
    struct verdict v = {.retry_after_ms = -1};

    if (!r) {
        verdict_set(&v, VERDICT_RETRY, "THROTTLING", "out of memory");
        refuse(f, d, b, &v);
        return;
    }
    *r = (struct run){.function = f, .delivery = d, .batch = b, .process = {-1, -1, -1, -1}, .pidfd = -1};
    r->answer.max = b ? batch_answer_bytes(b) : 0;
    TAILQ_INSERT_TAIL(&f->runs, r, link);
    int error = write_input(r) ? start_process(r) : ENOMEM;
    if (!error) {
        error = watch(r);
        if (!error)
            return;
        reap(r); /* it runs, but cannot be watched */
    }
    judge_start(r, error, &v);
    refuse(f, d, b, &v);
    run_free(r);
}

static void start_batch(void *context, struct batch *b)
{
    start_run(context, NULL, b);
}

static void function_send(struct target *t, struct delivery *d)
{
    struct function *f = (struct function *)t;

    if (options_of(f)->batch.written)
        batcher_add(&f->batcher, d);
    else
        start_run(f, d, NULL);
}

static void function_flush_sends(struct target *t)
{
    struct function *f = (struct function *)t;

    if (options_of(f)->batch.written)
        batcher_flush(&f->batcher);
}

static void function_close(struct target *t)
{
    struct function *f = (struct function *)t;
    struct run *r;

    while ((r = TAILQ_FIRST(&f->runs))) {
        reap(r);
        run_free(r);
    }
    batcher_fini(&f->batcher);
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
    f->target = (struct target){.ops = def->adapter, .def = def, .host = host, .gathers = batch_gathers(&o->batch)};
    TAILQ_INIT(&f->runs);
    if (batcher_init(&f->batcher, host, &o->batch, (uint32_t)def->policy->concurrency, start_batch, f))
        return &f->target;
    fail_memory(diag);
    function_close(&f->target);
    return NULL;
}

static bool function_check(const struct target_def *def, struct diags *diags)
{
    const struct function_options *o = def->options;
    const struct str *words = o->command.items;

    if (o->command.count && words[0].size)
        return true;
    return diag_error(diags, def->pos, "command of function '%.*s' is empty", STR_ARG(def->name));
}

static const struct option async_options[] = {
    {.key = "maximum_retry_attempts",
     .type = OPTION_INT,
     .offset = offsetof(struct function_options, async.maximum_retry_attempts),
     .value = "2",
     .min = 0,
     .max = 2,
     .meaning = "how often a failed run is tried again, after 1 minute and then 2"},
    {.key = "maximum_event_age",
     .type = OPTION_DURATION,
     .offset = offsetof(struct function_options, async.maximum_event_age),
     .value = "6h",
     .min = 60000,
     .max = 21600000,
     .meaning = "a failed run is not tried again for an event older than this"},
    {0},
};

BATCH_MEMBERS(batch_members, struct function_options);

static const struct option function_options[] = {
    {.key = "command",
     .type = OPTION_COMMAND,
     .offset = offsetof(struct function_options, command),
     .required = true,
     .meaning = "the program and its arguments; the event comes on its standard input"},
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
     .meaning = "where it runs; default: where the router was started"},
    {.key = "async",
     .type = OPTION_OBJECT,
     .members = async_options,
     .present_offset = offsetof(struct function_options, async_written),
     .meaning = "failed runs are tried again; without it a failed run goes to the dead letters at once"},
    BATCH_OPTION(batch_members, struct function_options),
    {0},
};

const struct adapter function_adapter = {
    .type = "function",
    .section = "functions",
    .summary = "runs a command for each event: exit 0 is done, 75 asks for a retry, anything else is a failure",
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
