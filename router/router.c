/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and stopping: what opens in which order, and undone in the reverse one. The main thread only waits for
 * signals and looks, once a second, whether the journal has failed.
 *
 *   files ─► lock ─► ledger ─► rules, with what the APIs made ─► dispatch (targets recover, cursor)
 *         ─► journal (recovers) ─► threads ─► listen ─► ready
 */
#include "router/router.h"

#include <errno.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "router/auth.h"
#include "router/cli/cli.h"
#include "router/folders.h"
#include "router/http.h"
#include "router/invoke.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/queue_waiters.h"
#include "router/signer.h"
#include "router/reload.h"
#include "router/space.h"
#include "router/tap.h"
#include "router/tls.h"
#include "router/xalloc.h"
#include "rules/access.h"

#define TICK_MS  1000
#define WATCH_MS 500

#define TRIM_TICKS 3 /* without an event */

#define INVOKE_GRACE_MS                                                                                                \
    20000 /* for functions that a client waits for, at the stop; less than the HTTP server's own                       \
           */

struct running {
    struct router router; /* first */
    const struct router_options *options;
    char *data;
    int lock;    /* of the data folder; -1 */
    int signals; /* signalfd; -1 */
    struct folders *folders;
    uint64_t records_seen; /* of the journal, at the last tick */
    unsigned quiet_ticks;  /* since there was one */
};

/* ---- configuration ---- */

/* HOST:PORT, or [ADDRESS]:PORT, into the rule set, which nobody shares yet. */
static bool override_listen(struct ruleset *set, const char *text)
{
    const char *colon = strrchr(text, ':');
    struct str host = {text, colon ? (size_t)(colon - text) : 0};
    char *end;
    unsigned long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtoul(colon + 1, &end, 10) : 65536;

    if (host.size > 2 && host.ptr[0] == '[' && host.ptr[host.size - 1] == ']')
        host = (struct str){host.ptr + 1, host.size - 2};
    if (!host.size || port > 65535 || *end)
        return false;
    set->listen_host = arena_str(&set->keep, host);
    set->listen_port = (uint16_t)port;
    return set->listen_host.ptr != NULL;
}

/* Nobody must come to be open to the world by a slip. */
static bool may_listen(const struct ruleset *set, const struct router_options *options)
{
    const struct diag_pos *pos = &set->listen_pos;
    struct buf why = BUF_INIT;
    bool may = auth_check_listen(set, &why);

    if (!may && pos->file && !options->listen)
        fprintf(stderr, "%s:%d:%d: error: %s\n", pos->file, pos->line, pos->column, buf_cstr(&why));
    else if (!may)
        cli_fail(EXIT_CONFIG, "%s", buf_cstr(&why));
    buf_fini(&why);
    return may;
}

static bool open_tls(struct router *router)
{
    struct buf why = BUF_INIT;
    bool ok = tls_load(router->set, &router->tls, &why);

    if (!ok)
        cli_fail(EXIT_CONFIG, "%s", buf_cstr(&why));
    else if (router->set->access && !router->tls && !access_is_loopback(router->set->listen_host))
        log_warn("without 'tls' tokens and events go over the network in clear");
    buf_fini(&why);
    return ok;
}

/* ---- the data folder ---- */

static bool make_folders(const char *path)
{
    char *part = xtext(str_from(path));
    bool ok = true;

    for (char *slash = strchr(part + 1, '/'); slash && ok; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(part, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    ok = ok && (mkdir(part, 0700) == 0 || errno == EEXIST);
    free(part);
    return ok;
}

/* Not flock(): a child that posix_spawn is about to start shares that kind, and outlives kill -9 holding it. */
static int lock_folder(struct running *r)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct buf path = BUF_INIT;
    char pid[24];

    if (!make_folders(r->data))
        return cli_fail(EXIT_IO, "cannot make the data folder '%s': %s", r->data, strerror(errno));
    buf_printf(&path, "%s/lock", r->data);
    r->lock = open(buf_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_fini(&path);
    if (r->lock < 0)
        return cli_fail(EXIT_IO, "cannot open '%s/lock': %s", r->data, strerror(errno));
    if (fcntl(r->lock, F_SETLK, &whole) != 0) {
        ssize_t n = pread(r->lock, pid, sizeof pid - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        return cli_fail(EXIT_UNAVAILABLE, "the data folder '%s' is in use by another weir%s%s", r->data,
                        n > 0 ? ", process " : "", pid);
    }
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (ftruncate(r->lock, 0) != 0 || pwrite(r->lock, pid, strlen(pid), 0) < 0)
        log_warn("cannot note the process id in the lock file", LOG_TEXT("reason", strerror(errno)));
    return EXIT_DONE;
}

/* ---- parts ---- */

static void synced_cb(void *dispatch, uint64_t sequence)
{
    dispatch_wake(dispatch, sequence);
}

static void log_report(const struct journal_report *report)
{
    log_info("journal recovered", LOG_INT("records", report->records), LOG_INT("segments", report->segments));
    if (report->torn_bytes)
        log_warn("journal had a torn tail: what had not been answered was cut", LOG_INT("bytes", report->torn_bytes),
                 LOG_TEXT("where", report->detail));
    if (report->skipped)
        log_error("journal has damaged records: they were skipped", LOG_INT("records", report->skipped),
                  LOG_TEXT("where", report->detail));
    if (!report->torn_bytes && !report->skipped && report->detail[0])
        log_warn("journal was damaged", LOG_TEXT("where", report->detail));
}

static void collect_cb(void *context)
{
    const struct router *router = context;
    struct journal_stats j;
    struct ledger_stats l;
    uint64_t synced = journal_synced(router->journal), cursor = dispatch_cursor(router->dispatch);

    journal_stats(router->journal, &j);
    ledger_stats(router->ledger, &l);
    series_set(metric(METRIC_JOURNAL_RECORDS), (int64_t)j.records);
    series_set(metric(METRIC_JOURNAL_BYTES), (int64_t)j.bytes);
    series_set(metric(METRIC_JOURNAL_SYNCS), (int64_t)j.syncs);
    series_set(metric(METRIC_JOURNAL_SYNC_SECONDS), (int64_t)(j.sync_ns / 1000000));
    series_set(metric(METRIC_JOURNAL_SEGMENTS), (int64_t)j.segments);
    series_set(metric(METRIC_JOURNAL_LAG), synced > cursor ? (int64_t)(synced - cursor) : 0);
    series_set(metric(METRIC_LEDGER_COMMITS), (int64_t)l.commits);
    series_set(metric(METRIC_LEDGER_FAILURES), (int64_t)l.failures);
}

/* Where a client of this machine finds the router, for links in what it sends. */
static void set_url(struct running *r, uint16_t port)
{
    struct str host = r->router.set->listen_host;
    bool v6 = memchr(host.ptr, ':', host.size) != NULL, any = str_is(host, "0.0.0.0") || str_is(host, "::");
    struct buf url = BUF_INIT;

    if (any)
        host = STR("localhost");
    buf_printf(&url, v6 && !any ? "http%s://[%.*s]:%u" : "http%s://%.*s:%u", r->router.tls ? "s" : "", STR_ARG(host),
               port);
    signer_set_url(r->router.signer, buf_view(&url));
    buf_fini(&url);
}

static int open_stores(struct running *r)
{
    struct router *router = &r->router;
    struct weir_diag diag = {0};
    struct buf path = BUF_INIT;
    struct journal_report report;

    router->data = r->data;
    router->taps = taps_create();
    router->signer = signer_create(r->data);
    set_url(r, router->set->listen_port);
    buf_printf(&path, "%s/weir.db", r->data);
    router->ledger = ledger_open(buf_cstr(&path), &router->clock, &diag);
    enum reload_recovery recovery = router->ledger ? reloader_recover(router->reloader, &diag) : RELOAD_UNREADABLE;
    struct dispatch_options options = {.set = router->set,
                                       .ledger = router->ledger,
                                       .clock = &router->clock,
                                       .data_dir = r->data,
                                       .taps = router->taps,
                                       .signer = router->signer};
    router->dispatch = recovery == RELOAD_RECOVERED ? dispatch_open(&options, &diag) : NULL;
    if (router->dispatch)
        router->waiters = queue_waiters_create(dispatch_loop(router->dispatch), router->ledger, &router->clock, &diag);
    if (router->waiters) {
        dispatch_take_waiters(router->dispatch, router->waiters);
        struct journal_options journal = {.above = dispatch_cursor(router->dispatch),
                                          .segment_bytes = space_segment_bytes(r->data, router->set->data_limit),
                                          .synced = synced_cb,
                                          .context = router->dispatch};
        buf_clear(&path);
        buf_printf(&path, "%s/journal", r->data);
        router->journal = journal_open(buf_cstr(&path), &journal, &report, &diag);
    }
    buf_fini(&path);
    if (recovery == RELOAD_UNFIT)
        return EXIT_CONFIG;
    if (!router->journal)
        return cli_fail(EXIT_IO, "%s", diag.message);
    log_report(&report);
    if (report.records && !dispatch_cursor(router->dispatch))
        log_warn("the ledger knows nothing of the journal's events: all of them are matched, delivered before or not");
    return EXIT_DONE;
}

static int start_threads(struct running *r)
{
    struct router *router = &r->router;
    struct weir_diag diag = {0};

    r->folders = folders_open(router, r->data, &diag);
    if (!r->folders)
        return cli_fail(EXIT_IO, "%s", diag.message);
    metrics_on_collect(collect_cb, router);
    router->space = space_open(router, r->data);
    ledger_start(router->ledger);
    dispatch_start(router->dispatch, router->journal);
    router->http = http_start(router, router->set->listen_host.ptr, router->set->listen_port, &diag);
    if (!router->http)
        return cli_fail(EXIT_UNAVAILABLE, "%s", diag.message);
    set_url(r, http_port(router->http));
    return EXIT_DONE;
}

/* ---- what is said at the start ---- */

static void print_count(uint32_t count, const char *type, const char *what)
{
    const char *plural = str_is(STR("bus"), type) ? "es" : "s";
    if (count)
        printf(", %u %s%s%s", count, type, what, count == 1 ? "" : plural);
}

static void print_banner(const struct running *r)
{
    const struct ruleset *set = r->router.set;
    uint32_t rules = 0;
    bool v6 = memchr(set->listen_host.ptr, ':', set->listen_host.size) != NULL;

    printf("weir %s listening on http%s://%s%.*s%s:%u\n", weir_version(), r->router.tls ? "s" : "", v6 ? "[" : "",
           STR_ARG(set->listen_host), v6 ? "]" : "", http_port(r->router.http));
    for (uint32_t i = 0; i < set->rule_count; i++)
        rules += !set->rules[i].is_archive;
    if (set->file.size)
        printf("loaded %.*s: %u rule%s", STR_ARG(set->file), rules, rules == 1 ? "" : "s");
    else if (rules)
        printf("no configuration: %u rule%s made by API; -c FILE names one", rules, rules == 1 ? "" : "s");
    else
        printf("no configuration: events are taken and match no rule; -c FILE names one");
    for (const struct adapter *const *a = target_adapters; *a; a++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < set->target_count; i++)
            count += set->targets[i]->adapter == *a && !set->targets[i]->builtin;
        print_count(count, (*a)->type, (*a)->section ? "" : " target");
    }
    printf("; data in %s\n", r->data);
    fflush(stdout);
}

/* ---- signals ---- */

static void take_signals(struct running *r)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of write(), like a full disk */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: they inherit it */
    r->signals = signalfd(-1, &set, SFD_CLOEXEC);
}

/* From now on a signal ends the process at once. */
static void give_signals_back(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The signal that ends it; 0: none yet. */
static unsigned take_signal(struct running *r)
{
    struct signalfd_siginfo info;

    if (read(r->signals, &info, sizeof info) != sizeof info)
        return 0;
    if (info.ssi_signo != SIGHUP)
        return info.ssi_signo;
    reloader_request(r->router.reloader);
    return 0;
}

/* Once a burst is over, what it has left with the allocator goes back to the system. */
static void trim_when_quiet(struct running *r)
{
    struct journal_stats stats;

    journal_stats(r->router.journal, &stats);
    if (stats.records != r->records_seen)
        r->quiet_ticks = 0;
    else if (r->quiet_ticks < TRIM_TICKS && ++r->quiet_ticks == TRIM_TICKS)
        malloc_trim(0);
    r->records_seen = stats.records;
}

/* Somebody removed the data folder, or the ledger, or the lock: what is answered from now on would be lost. */
static bool is_folder_removed(struct running *r)
{
    struct buf path = BUF_INIT;
    struct stat st;

    buf_printf(&path, "%s/weir.db", r->data);
    bool removed =
        (fstat(r->lock, &st) == 0 && st.st_nlink == 0) || (stat(buf_cstr(&path), &st) != 0 && errno == ENOENT);
    buf_fini(&path);
    return removed;
}

static int wait_for_end(struct running *r)
{
    struct pollfd fds[] = {{.fd = r->signals, .events = POLLIN},
                           {.fd = reloader_fd(r->router.reloader), .events = POLLIN}};
    unsigned signal = 0;

    while (!journal_failed(r->router.journal)) {
        int ready = poll(fds, 2, r->options->watch ? WATCH_MS : TICK_MS);
        space_check(r->router.space);
        if (is_folder_removed(r))
            return cli_fail(
                EXIT_IO, "the data folder '%s', its ledger or its lock was removed under the running router", r->data);
        if (ready > 0 && fds[1].revents)
            reloader_done(r->router.reloader);
        if (ready > 0 && fds[0].revents)
            signal = take_signal(r);
        if (ready == 0)
            trim_when_quiet(r);
        if (ready == 0 && r->options->watch)
            reloader_watch(r->router.reloader);
        if (signal) {
            log_info("stopping", LOG_TEXT("signal", signal == SIGINT ? "SIGINT" : "SIGTERM"));
            return EXIT_DONE;
        }
    }
    return cli_fail(EXIT_IO,
                    "the journal could not be synced; nothing that was answered is lost, but no more can be taken");
}

/* ---- run ---- */

static void stop(struct running *r)
{
    struct router *router = &r->router;

    atomic_store(&router->draining, true);
    give_signals_back();
    if (router->http) {
        reloader_stop(router->reloader); /* requests wait for it */
        http_stop_listening(router->http);
        taps_close(router->taps);
        dispatch_end_calls(router->dispatch, INVOKE_GRACE_MS); /* before: event source mappings stop polling by it */
        queue_waiters_close(router->waiters);
        http_stop(router->http);
    }
    folders_stop(r->folders);
    if (router->journal && router->dispatch)
        dispatch_stop(router->dispatch, r->options->drain_ms);
    journal_close(router->journal);
    ledger_close(router->ledger);
    queue_waiters_destroy(router->waiters);
    if (router->dispatch)
        dispatch_close(router->dispatch);
    taps_destroy(router->taps);
    space_close(router->space);
    signer_destroy(router->signer);
}

static int run(struct running *r)
{
    struct router *router = &r->router;
    const struct router_options *options = r->options;

    router->reloader = reloader_create(router, options);
    if (!reloader_first(router->reloader))
        return EXIT_CONFIG;
    if (options->listen && !override_listen(router->set, options->listen))
        return cli_fail(EXIT_USAGE, "--listen takes HOST:PORT, got '%s'", options->listen);
    if (!may_listen(router->set, options) || !open_tls(router))
        return EXIT_CONFIG;
    r->data = options->data ? xtext(str_from(options->data)) : xtext(router->set->data);
    int code = lock_folder(r);
    if (code == EXIT_DONE)
        code = open_stores(r);
    if (code == EXIT_DONE)
        code = start_threads(r);
    if (code == EXIT_DONE) {
        atomic_store(&router->ready, true);
        folders_start(r->folders);
        print_banner(r);
        code = wait_for_end(r);
    }
    stop(r);
    return code;
}

int router_run(const struct router_options *options)
{
    struct running r = {.options = options, .lock = -1, .signals = -1};

    r.router.started_wall_ms = clock_wall_ms();
    pthread_mutex_init(&r.router.set_lock, NULL);
    evthread_use_pthreads();
    take_signals(&r);
    int code = run(&r);
    reloader_destroy(r.router.reloader);
    ruleset_unref(r.router.set);
    tls_free(r.router.tls);
    free(r.data);
    if (r.lock >= 0)
        close(r.lock);
    if (r.signals >= 0)
        close(r.signals);
    if (code == EXIT_DONE)
        log_info("stopped");
    return code;
}
