/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both runtimes have of a process: a group of its own, watched through a pidfd, three pipes, an environment.
 * The group is killed before its leader is reaped, so that its number cannot have gone to somebody else. What leaves
 * the group (setsid) is out of reach. Starting costs one posix_spawn on the dispatch thread, which waits for the exec.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matcher/utf8.h"
#include "targets/function_int.h"

#define READS_MAX 16 /* a wake-up's worth of output, 64 KiB each */

/* ---- environment ---- */

void environment_add(struct environment *e, const char *name, struct str value)
{
    buf_printf(&e->texts, "%s=%.*s%c", name, STR_ARG(value), '\0');
    e->count++;
}

void environment_add_options(struct environment *e, const struct function_options *o)
{
    const struct option_header *rows = o->environment.items;

    for (size_t i = 0; i < o->environment.count; i++)
        environment_add(e, rows[i].name.ptr, rows[i].value);
}

void environment_fini(struct environment *e)
{
    buf_fini(&e->texts);
}

/* Of two of one name the later one counts. NULL: out of memory. */
static char **list_environment(const struct environment *e, size_t *count_out)
{
    char **list = e->texts.failed ? NULL : calloc(e->count + 1, sizeof *list);
    char *at = e->texts.data;
    size_t count = 0;

    for (size_t i = 0; list && i < e->count; i++, at += strlen(at) + 1) {
        size_t name = strcspn(at, "=") + 1, k = 0;
        while (k < count && strncmp(list[k], at, name) != 0)
            k++;
        list[k] = at;
        count += k == count;
    }
    *count_out = count;
    return list;
}

/* ---- life ---- */

void process_close_end(int *fd, struct event **event)
{
    if (*event)
        event_free(*event);
    if (*fd >= 0)
        close(*fd);
    *event = NULL;
    *fd = -1;
}

void process_close(struct process *p)
{
    process_close_end(&p->ends.in, &p->in_event);
    process_close_end(&p->ends.out, &p->out_event);
    process_close_end(&p->ends.err, &p->err_event);
    process_close_end(&p->pidfd, &p->exit_event);
}

void process_kill(struct process *p)
{
    kill(-p->ends.pid, SIGKILL);
}

int process_reap(struct process *p)
{
    int status = 0;

    process_kill(p);
    while (waitpid(p->ends.pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static bool watch_one(struct event_base *base, int fd, short what, event_callback_fn call, void *context,
                      struct event **out)
{
    if (!call)
        return true;
    *out = event_new(base, fd, what, call, context);
    return *out && !event_add(*out, NULL);
}

/* errno, or 0. */
static int watch(struct process *p, struct event_base *base, const struct process_callbacks *c, void *context)
{
    p->pidfd = (int)syscall(SYS_pidfd_open, p->ends.pid, 0); /* closed on exec */
    if (p->pidfd < 0)
        return errno;
    bool ok = watch_one(base, p->pidfd, EV_READ, c->exited, context, &p->exit_event) &&
              watch_one(base, p->ends.in, EV_WRITE | EV_PERSIST, c->input, context, &p->in_event) &&
              watch_one(base, p->ends.out, EV_READ | EV_PERSIST, c->output, context, &p->out_event) &&
              watch_one(base, p->ends.err, EV_READ | EV_PERSIST, c->output, context, &p->err_event);
    return ok ? 0 : ENOMEM;
}

int process_start(struct process *p, struct function *f, struct str folder, const struct environment *e,
                  const struct process_callbacks *c, void *context)
{
    const struct function_options *o = function_options_of(f);
    size_t count = 0;
    char **more = list_environment(e, &count);

    *p = (struct process){.ends = {-1, -1, -1, -1}, .pidfd = -1};
    int error = more ? spawn_start(&o->command, folder, more, count, &p->ends) : ENOMEM;
    free(more);
    if (error)
        return error;
    error = watch(p, f->target.host->base, c, context);
    if (error) { /* it runs, but cannot be watched */
        process_reap(p);
        process_close(p);
    }
    return error;
}

bool process_read(int fd, void (*each)(void *context, const char *bytes, size_t size), void *context)
{
    char chunk[65536];

    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        each(context, chunk, (size_t)n);
    }
    return true;
}

/* What a moment later may be otherwise; ETXTBSY: the program is being written. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ETXTBSY;
}

void process_judge_start(const struct function *f, int error, struct verdict *v)
{
    const struct str *words = function_options_of(f)->command.items;
    bool passing = is_passing(error);

    verdict_set(v, passing ? VERDICT_RETRY : VERDICT_FAILED, passing ? "THROTTLING" : "NO_RESOURCE",
                "cannot run '%.*s': %s", STR_ARG(words[0]), strerror(error));
}

/* ---- what it wrote ---- */

void function_show_line(struct function *f, struct str request_id, struct str line)
{
    struct host *host = f->target.host;
    int64_t second = host->now(host).age_ms / 1000;
    char more[64];

    if (f->output.second != second) {
        f->output.second = second;
        f->output.lines = 0;
    }
    if (f->output.lines++ >= FUNCTION_LINES_MAX) {
        f->output.withheld++;
        return;
    }
    if (f->output.withheld) {
        snprintf(more, sizeof more, "(%u lines before this one are not shown)", f->output.withheld);
        host->log_line(host, &f->target, STR(""), str_from(more));
    }
    f->output.withheld = 0;
    host->log_line(host, &f->target, request_id, line);
}

void function_log_add(struct function_log *log, const char *bytes, size_t size)
{
    if (size >= FUNCTION_LOG_BYTES) {
        bytes += size - FUNCTION_LOG_BYTES;
        size = FUNCTION_LOG_BYTES;
    }
    size_t kept = log->size + size > FUNCTION_LOG_BYTES ? FUNCTION_LOG_BYTES - size : log->size;
    memmove(log->bytes, log->bytes + (log->size - kept), kept);
    memcpy(log->bytes + kept, bytes, size);
    log->size = kept + size;
}

/* Whole characters; controls and broken UTF-8 as spaces. */
void function_log_last_line(const struct function_log *log, char out[FUNCTION_LINE_BYTES + 1])
{
    size_t end = log->size, start, size = 2;
    uint32_t code;

    while (end && (unsigned char)log->bytes[end - 1] <= ' ')
        end--;
    for (start = end; start && log->bytes[start - 1] != '\n'; start--)
        continue;
    memcpy(out, ": ", 2);
    while (start < end) {
        unsigned step = utf8_decode(log->bytes + start, end - start, &code);
        bool plain = step && code >= ' ' && (code < 0x7F || code > 0x9F) && !utf8_is_surrogate(code);
        if (size + (plain ? step : 1) > FUNCTION_LINE_BYTES)
            break;
        memcpy(out + size, plain ? log->bytes + start : " ", plain ? step : 1);
        size += plain ? step : 1;
        start += step ? step : 1;
    }
    out[size > 2 ? size : 0] = '\0';
}
