/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime `provided`: a slot is one process of the function that takes one event after the other by the Runtime API
 * (function_api.c). Slots are started on demand, kept warm, and end with their process:
 *
 *              asks for the first event            is handed one
 *   STARTING ───────────────────────────► IDLE ───────────────────► BUSY
 *                                          ▲                          │ posts what came of it
 *                                          └──────── ANSWERED ◄───────┘
 *                                      asks again
 *
 * One timer watches each step: too long to start, too long for an event, too long until it asks again, idle for too
 * long: then its group is killed, and when the process is gone, for this or any other reason, so is the slot. An
 * invocation under way then has failed; the next one finds another slot, or starts one. There is no restarting without
 * demand, so a bootstrap that cannot start does so once an invocation, and not in a circle.
 *
 * What the process writes goes, line by line, to the router's log, and the end of it to the invocation.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "matcher/json.h"
#include "targets/function_int.h"
#include "targets/policy.h"

#define START_MS   10000 /* as Lambda has it; or the function's timeout, where that is longer */
#define FAILED_MS  500   /* a runtime that said that it cannot start is given so long to end */
#define LINE_MAX   2048
#define ERROR_SIZE 256

enum slot_state { STARTING, IDLE, BUSY, ANSWERED, ENDING };

struct line { /* that is not finished yet */
    char bytes[LINE_MAX];
    size_t size;
};

struct slot {
    TAILQ_ENTRY(slot) link;
    struct function *function;
    struct runtime_api *api;
    struct process process;
    enum slot_state state;
    struct invocation *invocation; /* BUSY */
    struct event *timer;
    bool late;             /* it was killed for it */
    bool failed_to_start;  /* and said so: */
    char type[ERROR_SIZE]; /* … */
    struct buf error;
    struct line out, err;
};

/* ---- what is said of an invocation ---- */

static void finish(struct slot *s)
{
    struct invocation *i = s->invocation;

    s->invocation = NULL;
    function_ended(i);
}

/* The error document's own words, cut to fit. */
static void judge_error(struct invocation *i, struct str body, const char *type)
{
    struct buf text = BUF_INIT;
    struct str member = {NULL, 0};

    if (json_check(body, NULL, NULL) && json_type_of(body) == JSON_OBJECT)
        member = json_member(body, "errorMessage");
    if (member.ptr && json_type_of(member) == JSON_STRING)
        json_decode(&text, member);
    verdict_set(&i->verdict, VERDICT_FAILED, "FUNCTION_ERROR", "%.60s%s%.*s", type, text.size ? ": " : "",
                (int)(text.size < 180 ? text.size : 180), text.size ? text.data : "");
    if (i->wants_answer && body.size)
        buf_str(&i->answer, body);
    else
        invocation_fail(i, type, "");
    buf_fini(&text);
}

static void write_status(int status, char out[64])
{
    if (WIFSIGNALED(status))
        snprintf(out, 64, "signal: %d", WTERMSIG(status));
    else
        snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
}

static void judge_exit(struct invocation *i, int status)
{
    char how[64], line[FUNCTION_LINE_BYTES + 1], message[160];

    write_status(status, how);
    function_log_last_line(&i->log, line);
    verdict_set(&i->verdict, VERDICT_FAILED, "FUNCTION_ERROR", "the runtime ended with %s%s", how, line);
    snprintf(message, sizeof message, "RequestId: %s Error: Runtime exited with error: %s", i->request_id, how);
    invocation_fail(i, "Runtime.ExitError", message);
}

static void judge_late_start(struct invocation *i)
{
    char message[160];

    verdict_set(&i->verdict, VERDICT_FAILED, "TIMEOUT", "the runtime did not ask for an event in time");
    snprintf(message, sizeof message, "RequestId: %s Error: Runtime did not start in time", i->request_id);
    invocation_fail(i, "Sandbox.Timedout", message);
}

/* ---- handing out ---- */

static void set_timer(struct slot *s, int64_t ms)
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};
    event_add(s->timer, &wait); /* of an event that was added before: cannot fail */
}

static struct slot *find(struct function *f, enum slot_state state)
{
    struct slot *s;

    TAILQ_FOREACH (s, &f->slots, link)
        if (s->state == state)
            return s;
    return NULL;
}

static void hand_out(struct slot *s)
{
    struct function *f = s->function;
    struct invocation *i = TAILQ_FIRST(&f->unserved);

    TAILQ_REMOVE(&f->unserved, i, link);
    s->invocation = i;
    s->state = BUSY;
    set_timer(s, function_options_of(f)->timeout);
    TAILQ_REMOVE(&f->slots, s, link);
    TAILQ_INSERT_HEAD(&f->slots, s, link);
    api_hand_out(s->api, i, f->target.def);
}

static void start_wanted(struct function *f);

static void serve(struct function *f)
{
    struct slot *s;

    while (!TAILQ_EMPTY(&f->unserved) && (s = find(f, IDLE)))
        hand_out(s);
    start_wanted(f);
}

const char *slot_polls(struct slot *s)
{
    if (s->state == BUSY)
        return "the event it has is not answered yet";
    if (s->state == ENDING)
        return "it is ending";
    s->state = IDLE;
    set_timer(s, function_options_of(s->function)->idle_timeout);
    if (!TAILQ_EMPTY(&s->function->unserved))
        hand_out(s);
    return NULL;
}

void slot_hung_up(struct slot *s)
{
    if (s->state != IDLE)
        return;
    s->state = ANSWERED;
    set_timer(s, function_options_of(s->function)->timeout);
}

const char *slot_answers(struct slot *s, struct str request_id, struct str body, const char *error)
{
    struct invocation *i = s->invocation;

    if (s->state != BUSY || !str_is(request_id, i->request_id))
        return "Invalid request ID";
    if (error) {
        judge_error(i, body, error);
    } else {
        verdict_set(&i->verdict, VERDICT_SETTLED, "", "%s", "");
        if (i->wants_answer)
            buf_str(&i->answer, body);
    }
    s->state = ANSWERED;
    finish(s);
    return NULL;
}

const char *slot_fails_to_start(struct slot *s, struct str body, const char *error)
{
    if (s->state != STARTING)
        return "it has started";
    s->failed_to_start = true;
    snprintf(s->type, sizeof s->type, "%s", error);
    buf_str(&s->error, body);
    s->state = ENDING;
    set_timer(s, FAILED_MS);
    return NULL;
}

/* ---- what it writes ---- */

static void show(struct slot *s, struct line *line)
{
    struct str id = s->invocation ? str_from(s->invocation->request_id) : STR("");

    function_show_line(s->function, id, (struct str){line->bytes, line->size});
    line->size = 0;
}

static void take_line(struct slot *s, struct line *line, const char *bytes, size_t size)
{
    struct invocation *i = s->invocation ? s->invocation : TAILQ_FIRST(&s->function->unserved);

    if (i)
        function_log_add(&i->log, bytes, size);
    for (size_t k = 0; k < size; k++) {
        if (bytes[k] != '\n')
            line->bytes[line->size++] = bytes[k];
        if (line->size == LINE_MAX || (bytes[k] == '\n' && line->size))
            show(s, line);
    }
}

static void take_output(void *slot, const char *bytes, size_t size)
{
    take_line(slot, &((struct slot *)slot)->out, bytes, size);
}

static void take_errors(void *slot, const char *bytes, size_t size)
{
    take_line(slot, &((struct slot *)slot)->err, bytes, size);
}

static bool read_output(struct slot *s, int fd)
{
    return process_read(fd, fd == s->process.ends.err ? take_errors : take_output, s);
}

static void output_cb(evutil_socket_t fd, short what, void *context)
{
    struct slot *s = context;

    if (read_output(s, fd))
        return;
    if (fd == s->process.ends.out)
        process_close_end(&s->process.ends.out, &s->process.out_event);
    else
        process_close_end(&s->process.ends.err, &s->process.err_event);
}

/* ---- the end ---- */

static void slot_free(struct slot *s)
{
    process_close(&s->process);
    if (s->api)
        api_close(s->api);
    if (s->timer)
        event_free(s->timer);
    TAILQ_REMOVE(&s->function->slots, s, link);
    s->function->slot_count--;
    buf_fini(&s->error);
    free(s);
}

/* It never asked for an event: one that waits for it has failed. */
static void fail_unserved(struct slot *s, int status)
{
    struct invocation *i = TAILQ_FIRST(&s->function->unserved);

    if (!i)
        return;
    TAILQ_REMOVE(&s->function->unserved, i, link);
    if (s->failed_to_start)
        judge_error(i, buf_view(&s->error), s->type);
    else if (s->late)
        judge_late_start(i);
    else
        judge_exit(i, status);
    function_ended(i);
}

static void fail_invocation(struct slot *s, int status)
{
    if (s->late)
        invocation_timed_out(s->invocation);
    else
        judge_exit(s->invocation, status);
    finish(s);
}

static void exit_cb(evutil_socket_t fd, short what, void *context)
{
    struct slot *s = context;
    struct function *f = s->function;

    if (s->process.ends.out >= 0)
        read_output(s, s->process.ends.out); /* what it left in the pipes */
    if (s->process.ends.err >= 0)
        read_output(s, s->process.ends.err);
    if (s->out.size)
        show(s, &s->out);
    if (s->err.size)
        show(s, &s->err);
    int status = process_reap(&s->process);
    if (s->state == BUSY)
        fail_invocation(s, status);
    else if (s->state == STARTING || s->failed_to_start)
        fail_unserved(s, status);
    slot_free(s);
    serve(f);
}

static void timer_cb(evutil_socket_t fd, short what, void *context)
{
    struct slot *s = context;

    s->late = s->state == BUSY || s->state == STARTING;
    if (!s->late)
        s->state = ENDING; /* what comes now finds another */
    process_kill(&s->process);
}

/* ---- the start ---- */

/* Where the command stands, unless said otherwise; NUL-terminated in out. */
static struct str task_root(const struct function_options *o, char out[4096])
{
    const struct str *words = o->command.items;
    const char *slash = memrchr(words[0].ptr, '/', words[0].size);

    if (o->working_directory.size)
        return o->working_directory;
    if (!slash)
        return STR("");
    size_t size = slash == words[0].ptr ? 1 : (size_t)(slash - words[0].ptr);
    snprintf(out, 4096, "%.*s", (int)size, words[0].ptr);
    return str_from(out);
}

/* The n-th field between the colons of an ARN. */
static struct str arn_field(struct str arn, int n)
{
    for (const char *at = arn.ptr, *end = arn.ptr + arn.size, *colon; at < end; at = colon + 1, n--) {
        colon = memchr(at, ':', (size_t)(end - at));
        if (!colon || n == 0)
            return (struct str){at, (size_t)((colon ? colon : end) - at)};
    }
    return STR("");
}

static void add_log_names(struct environment *e, const struct function *f)
{
    time_t seconds = (time_t)(f->target.host->now(f->target.host).wall_ms / 1000);
    struct buf group = BUF_INIT;
    char id[UUID_SIZE + 1] = "", day[16], stream[80];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof day, "%Y/%m/%d", &tm);
    uuid_random(id);
    snprintf(stream, sizeof stream, "%s/[$LATEST]%.8s%.4s%.4s%.4s%.12s", day, id, id + 9, id + 14, id + 19, id + 24);
    buf_printf(&group, "/aws/lambda/%.*s", STR_ARG(f->target.def->name));
    environment_add(e, "AWS_LAMBDA_LOG_GROUP_NAME", buf_view(&group));
    environment_add(e, "AWS_LAMBDA_LOG_STREAM_NAME", str_from(stream));
    buf_fini(&group);
}

static void list_variables(const struct slot *s, struct str root, struct environment *e)
{
    const struct target_def *def = s->function->target.def;
    const struct function_options *o = def->options;
    struct str region = arn_field(def->arn, 3);
    char number[24], address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", api_port(s->api));
    snprintf(number, sizeof number, "%" PRId64, o->memory_size);
    environment_add(e, "AWS_LAMBDA_RUNTIME_API", str_from(address));
    environment_add(e, "_HANDLER", o->handler);
    environment_add(e, "LAMBDA_TASK_ROOT", root.size ? root : STR("."));
    environment_add(e, "LAMBDA_RUNTIME_DIR", root.size ? root : STR("."));
    environment_add(e, "AWS_LAMBDA_FUNCTION_NAME", def->name);
    environment_add(e, "AWS_LAMBDA_FUNCTION_VERSION", STR("$LATEST"));
    environment_add(e, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str_from(number));
    environment_add(e, "AWS_LAMBDA_INITIALIZATION_TYPE", STR("on-demand"));
    environment_add(e, "AWS_REGION", region);
    environment_add(e, "AWS_DEFAULT_REGION", region);
    environment_add(e, "TZ", STR(":UTC"));
    add_log_names(e, s->function);
    environment_add_options(e, o);
}

/* errno, or 0. */
static int start_process(struct slot *s)
{
    static const struct process_callbacks callbacks = {exit_cb, NULL, output_cb};
    struct function *f = s->function;
    struct environment e = {0};
    char folder[4096];
    struct str root = task_root(function_options_of(f), folder);

    if (!(s->api = api_open(s, f->target.host)))
        return errno;
    list_variables(s, root, &e);
    int error = process_start(&s->process, f, root, &e, &callbacks, s);
    environment_fini(&e);
    return error;
}

/* errno, or 0. */
static int open_slot(struct function *f)
{
    struct slot *s = calloc(1, sizeof *s);
    int64_t ms = function_options_of(f)->timeout;

    if (!s)
        return ENOMEM;
    *s = (struct slot){.function = f, .process = {.ends = {-1, -1, -1, -1}, .pidfd = -1}};
    TAILQ_INSERT_TAIL(&f->slots, s, link);
    f->slot_count++;
    s->timer = event_new(f->target.host->base, -1, 0, timer_cb, s);
    struct timeval wait = {(ms > START_MS ? ms : START_MS) / 1000, 0};
    int error = s->timer && !event_add(s->timer, &wait) ? start_process(s) : ENOMEM;
    if (error)
        slot_free(s);
    else
        process_close_end(&s->process.ends.in, &s->process.in_event); /* it has nothing to read there */
    return error;
}

/* As many as wait for one, as far as they may be. */
static void start_wanted(struct function *f)
{
    struct invocation *i;
    struct slot *s;
    uint32_t wanted = 0;

    TAILQ_FOREACH (i, &f->unserved, link)
        wanted++;
    TAILQ_FOREACH (s, &f->slots, link)
        wanted -= wanted && s->state == STARTING;
    for (; wanted && f->slot_count < f->target.def->policy->concurrency; wanted--) {
        int error = open_slot(f);
        if (!error)
            continue;
        i = TAILQ_FIRST(&f->unserved);
        TAILQ_REMOVE(&f->unserved, i, link);
        process_judge_start(f, error, &i->verdict);
        invocation_fail(i, "Runtime.InvalidEntrypoint", i->verdict.message);
        function_ends_later(i);
    }
}

void slot_start(struct function *f, struct invocation *i)
{
    TAILQ_INSERT_TAIL(&f->unserved, i, link);
    serve(f);
}

void slots_close(struct function *f)
{
    struct slot *s;
    struct invocation *i;

    while ((s = TAILQ_FIRST(&f->slots))) {
        i = s->invocation;
        process_reap(&s->process);
        slot_free(s);
        if (i)
            i->dropped(i);
    }
}
