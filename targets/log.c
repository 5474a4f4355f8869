/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line an event among the router's own lines, for trying rules out and for what a log collector reads
 * anyway. The line is written by a worker, so that a terminal or a pipe that is stuck holds up this target and nothing
 * else; one at a time, so that lines come in order.
 */
#include <stdlib.h>

#include "targets/adapter.h"
#include "targets/fail.h"

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};

struct log_options {
    int level;
};

static const struct option options[] = {
    {.key = "level",
     .type = OPTION_ENUM,
     .offset = offsetof(struct log_options, level),
     .value = "info",
     .names = levels,
     .meaning = "of the lines; those below the router's --log-level are not shown"},
    {0},
};

struct log_target {
    struct target target; /* first */
    struct work work;
    struct delivery *delivery; /* being written */
    int level;
};

static struct log_target *of_work(struct work *w)
{
    return (struct log_target *)((char *)w - offsetof(struct log_target, work));
}

static void run(struct work *w)
{
    struct log_target *t = of_work(w);
    t->target.host->log(t->target.host, t->level, t->delivery);
}

static void done(struct work *w)
{
    struct log_target *t = of_work(w);
    struct verdict v;

    verdict_set(&v, VERDICT_SETTLED, "", "%s", "");
    t->target.host->complete(t->target.host, t->delivery, &v);
}

static struct target *open_target(const struct target_def *def, struct host *host, const char *data_dir,
                                  struct weir_diag *diag)
{
    extern const struct adapter log_adapter;
    struct log_target *t = calloc(1, sizeof(*t));

    if (!t) {
        fail_memory(diag);
        return NULL;
    }
    t->target = (struct target){.ops = &log_adapter, .def = def, .host = host};
    return &t->target;
}

static void close_target(struct target *t)
{
    free(t);
}

static void send(struct target *target, struct delivery *d)
{
    struct log_target *t = (struct log_target *)target;

    t->delivery = d;
    t->level = ((const struct log_options *)target->def->options)->level;
    t->work = (struct work){.run = run, .done = done};
    target->host->work(target->host, &t->work);
}

const struct adapter log_adapter = {
    .type = "log",
    .summary = "writes each event as a line of the router's log",
    .arn_format = "arn:aws:logs:{region}:{account}:log-group:{name}",
    .options = options,
    .options_size = sizeof(struct log_options),
    .concurrency = "1",
    .concurrency_max = 1,
    .open = open_target,
    .close = close_target,
    .send = send,
};
