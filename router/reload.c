/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reloading, see reload.h. One at a time: a request that comes meanwhile is carried out behind it. Dispatch answers
 * through an eventfd, since the main thread waits in poll() for signals too.
 *
 * --watch compares fingerprints instead of asking the kernel for notices: that works on every file system, with
 * editors that rename, and with includes that match more files than before. A change is taken when two looks in a row
 * saw the same, so a file that is being written is left alone. After a failure the files of that attempt are what is
 * looked at: one of them is to be mended.
 */
#include "router/reload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/cli/cli.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/xalloc.h"

#define DIAGS_MAX 1000

struct reloader {
    struct router *router;
    const struct router_options *options;
    int done_fd;
    struct dispatch_reload call;
    bool under_way, again;
    struct ruleset *refused; /* the last attempt, where it failed; NULL: it did not */
    uint64_t seen;           /* fingerprint at the last look */
};

/* ---- loading ---- */

/* The first error as one line, with how many more there are. */
static void write_first_error(const struct diags *diags, struct buf *out)
{
    const struct weir_diag *first = NULL;
    size_t errors = 0;

    for (size_t i = 0; i < diags->count; i++) {
        if (diags->list[i].warning)
            continue;
        if (!errors++) {
            first = &diags->list[i];
            buf_text(out, diags->files[i] ? diags->files[i] : "-");
            if (first->line)
                buf_printf(out, ":%d:%d", first->line, first->column);
            buf_printf(out, ": error: %s", first->message);
        }
    }
    if (errors > 1)
        buf_printf(out, " (and %zu more)", errors - 1);
    xbuf(out);
}

/* Not ok: the errors are on stderr, the first one in `error`. */
static struct ruleset *load(const char *file, uint64_t generation, struct buf *error, bool *ok_out)
{
    struct diags diags;
    struct buf report = BUF_INIT;

    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    struct ruleset *set = ruleset_try(file, generation, &diags, ok_out);
    if (!set)
        xfail("out of memory");
    ruleset_report(&diags, &report);
    fputs(buf_cstr(&report), stderr);
    if (!*ok_out)
        write_first_error(&diags, error);
    buf_fini(&report);
    diags_fini(&diags);
    return set;
}

struct ruleset *reload_first(const char *file)
{
    struct buf error = BUF_INIT;
    bool ok;
    struct ruleset *set = load(file, 1, &error, &ok);

    buf_fini(&error);
    if (ok)
        return set;
    ruleset_unref(set);
    return NULL;
}

/* ---- reports ---- */

struct ruleset *router_set(struct router *router)
{
    pthread_mutex_lock(&router->set_lock);
    struct ruleset *set = ruleset_ref(router->set);
    pthread_mutex_unlock(&router->set_lock);
    return set;
}

struct reload_report router_reload_report(struct router *router)
{
    pthread_mutex_lock(&router->set_lock);
    struct reload_report report = {router->loaded_ms, router->reload_failed_ms, NULL};
    if (router->reload_error)
        report.error = xtext(str_from(router->reload_error));
    pthread_mutex_unlock(&router->set_lock);
    return report;
}

static void show_metrics(struct router *router, bool ok)
{
    series_set(metric(METRIC_CONFIG_GENERATION), (int64_t)router->set->generation);
    series_set(metric(METRIC_RELOAD_SUCCESSFUL), ok);
    series_set(metric(METRIC_RELOAD_TIME), router->loaded_ms / 1000);
}

/* error NULL: the set has been taken. */
static void report(struct router *router, const char *error)
{
    pthread_mutex_lock(&router->set_lock);
    free(router->reload_error);
    router->reload_error = error ? xtext(str_from(error)) : NULL;
    router->reload_failed_ms = error ? clock_wall_ms() : 0;
    if (!error)
        router->loaded_ms = clock_wall_ms();
    pthread_mutex_unlock(&router->set_lock);
    show_metrics(router, !error);
}

/* Takes the set. */
static void failed(struct reloader *r, struct ruleset *set, const char *error)
{
    ruleset_unref(r->refused);
    r->refused = set;
    report(r->router, error);
    series_add(metric(METRIC_RELOADS, "failed"), 1);
    log_error("the changed configuration is not taken; the present one stays in force", LOG_TEXT("reason", error));
}

/* ---- a reload ---- */

static void keep_text(struct ruleset *set, struct str *field, struct str present, const char *key)
{
    if (str_eq(*field, present))
        return;
    log_warn("only a restart can change this; it stays as it is", LOG_TEXT("key", key), LOG_STR("present", present),
             LOG_STR("configured", *field));
    *field = arena_str(&set->keep, present);
    if (!field->ptr)
        xfail("out of memory");
}

/* What was given on the command line counts at every load, so it is no difference. */
static void keep_settings(struct reloader *r, struct ruleset *set)
{
    const struct ruleset *present = r->router->set;
    const struct router_options *o = r->options;

    if (!o->data)
        keep_text(set, &set->data, present->data, "data");
    if (o->listen) {
        set->listen_host = arena_str(&set->keep, present->listen_host);
        set->listen_port = present->listen_port;
        return;
    }
    keep_text(set, &set->listen_host, present->listen_host, "listen");
    if (set->listen_port != present->listen_port)
        log_warn("only a restart can change the port; it stays as it is", LOG_INT("configured", set->listen_port));
    set->listen_port = present->listen_port;
}

static void done_cb(struct dispatch_reload *call) /* dispatch thread */
{
    struct reloader *r = (struct reloader *)((char *)call - offsetof(struct reloader, call));
    uint64_t one = 1;

    if (write(r->done_fd, &one, sizeof one) != sizeof one)
        xfail("cannot wake the main thread");
}

static void start(struct reloader *r)
{
    struct router *router = r->router;
    struct buf error = BUF_INIT;
    bool ok;

    struct ruleset *set = load(r->options->config, router->set->generation + 1, &error, &ok);
    if (!ok) {
        failed(r, set, buf_cstr(&error));
        buf_fini(&error);
        return;
    }
    keep_settings(r, set);
    r->under_way = true;
    r->call = (struct dispatch_reload){.set = set, .done = done_cb};
    dispatch_reload(router->dispatch, &r->call);
}

void reloader_request(struct reloader *r)
{
    if (!r->options->config)
        log_warn("nothing to reload: the router was started without a configuration");
    else if (r->under_way)
        r->again = true;
    else
        start(r);
}

static void take(struct reloader *r)
{
    struct router *router = r->router;
    struct ruleset *before = router->set, *set = r->call.set;
    uint32_t rules, targets;

    pthread_mutex_lock(&router->set_lock);
    router->set = set;
    pthread_mutex_unlock(&router->set_lock);
    report(router, NULL);
    series_add(metric(METRIC_RELOADS, "ok"), 1);
    ruleset_count(set, &rules, &targets);
    log_info("configuration reloaded", LOG_INT("generation", set->generation), LOG_INT("rules", rules),
             LOG_INT("targets", targets));
    ruleset_unref(before);
    ruleset_unref(r->refused);
    r->refused = NULL;
}

void reloader_done(struct reloader *r)
{
    uint64_t count;

    if (read(r->done_fd, &count, sizeof count) != sizeof count)
        return;
    r->under_way = false;
    if (r->call.ok)
        take(r);
    else
        failed(r, r->call.set, r->call.diag.message);
    if (r->again) {
        r->again = false;
        start(r);
    }
}

void reloader_watch(struct reloader *r)
{
    if (r->under_way || !r->options->config)
        return;
    const struct ruleset *last = r->refused ? r->refused : r->router->set;
    uint64_t now = ruleset_fingerprint(last);
    bool settled = now == r->seen;
    r->seen = now;
    if (settled && now != last->fingerprint)
        start(r);
}

int reloader_fd(const struct reloader *r)
{
    return r->done_fd;
}

struct reloader *reloader_create(struct router *router, const struct router_options *options)
{
    struct reloader *r = xalloc(sizeof *r);

    r->router = router;
    r->options = options;
    r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->done_fd < 0)
        xfail("cannot make an eventfd");
    report(router, NULL);
    return r;
}

void reloader_destroy(struct reloader *r)
{
    if (!r)
        return;
    if (r->under_way)
        ruleset_unref(r->call.set);
    ruleset_unref(r->refused);
    close(r->done_fd);
    free(r->router->reload_error);
    free(r);
}
