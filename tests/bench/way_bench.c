/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way of an event: client, router and disk on one machine, every answer given after the sync. Each goal is a
 * run of its own with a router of its own:
 *
 *     way_bench [ndjson|complete|entries|lone|idle|rules]…          (default: all of them)
 *
 * A run first appends the same bytes in the same batches to a plain file, with one fdatasync a batch, in the same
 * folder; the ratio to that says more than the figure where the machine is shared. Events count once they are matched,
 * not when they are answered. At its end accepted, journaled and matched must be the number sent, and the rules must
 * have matched as often as the events are made for: else the program fails.
 *
 * WEIR names the program (default: the one built beside this one), WAY_SECONDS how long each run sends (4), WAY_FOLDER
 * where it writes (the working directory).
 */
#include "tests/bench/way.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RULES         1000
#define MANY_RULES    10000
#define LONE_EVENTS   1000
#define PLAIN_SECONDS 1.5

static char weir[PATH_MAX], folder[PATH_MAX];
static double run_seconds = 4;

/* ---- around a run ---- */

static void remove_data(void)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof path, "%s/data", folder);
    if (!way_place_remove(path))
        way_fail("cannot remove '%s'", path);
}

/* A file of `rules` rules whose matches go to `target`, which is a line of its own. */
static void configure(unsigned rules, const char *kept, const char *target)
{
    struct buf yaml = BUF_INIT;

    buf_printf(&yaml, "version: 1\ndata: ./data\n%s\n", kept);
    if (rules)
        way_rules(&yaml, rules, target);
    way_write_file(folder, "weir.yaml", &yaml);
    buf_fini(&yaml);
    remove_data();
}

/* ---- throughput ---- */

struct throughput {
    const char *name, *goal;
    struct way_requests requests;
    unsigned events; /* a request */
    unsigned connections;
    unsigned matches; /* of all requests once */
};

static void check(const struct way_router *r, const char *family, double wanted)
{
    double is = way_metric(r, family, "");
    if (is != wanted)
        way_fail("%s is %.0f, not %.0f", family, is, wanted);
}

static void print_cpu(const struct way_cpu *before, const struct way_cpu *after, double client, double events)
{
    printf("    CPU, us an event:  client %.2f, router %.2f (", client / events * 1e6,
           (after->all - before->all) / events * 1e6);
    for (size_t i = 0; i < after->count; i++) {
        double spent = after->parts[i].seconds;
        for (size_t k = 0; k < before->count; k++)
            if (strcmp(before->parts[k].name, after->parts[i].name) == 0)
                spent -= before->parts[k].seconds;
        printf("%s%s %.2f", i ? ", " : "", after->parts[i].name, spent / events * 1e6);
    }
    printf(")\n");
}

static void run_throughput(const struct throughput *t)
{
    struct way_router r;
    struct way_cpu before, after;

    configure(RULES, "queues: {hits: {}}", "hits");
    double plain = way_plain_rate(folder, (size_t)t->events * WAY_EVENT_BYTES, t->events, PLAIN_SECONDS);
    way_router_start(&r, weir, folder);
    way_router_cpu(&r, &before);
    double client = way_own_cpu(), began = way_now();
    uint64_t requests = way_load(r.port, &t->requests, t->connections, run_seconds);
    double events = (double)requests * t->events;
    client = way_own_cpu() - client;
    double answered = way_now() - began;
    way_metric_await(&r, "weir_events_matched_total", "", events);
    double passed = way_now() - began;
    way_router_cpu(&r, &after);
    /* Whole rounds match as made; of a round begun, the first requests. */
    double hits = (double)(requests / t->requests.count) * t->matches +
                  way_matches(0, (unsigned)(requests % t->requests.count) * t->events);
    check(&r, "weir_events_accepted_total", events);
    check(&r, "weir_journal_records_total", events);
    check(&r, "weir_events_matched_total", events);
    check(&r, "weir_rule_matches_total", hits);
    double syncs = way_metric(&r, "weir_journal_syncs_total", "");
    printf("%-9s %8.0f events/s (answered %.0f)  plain file %.0f/s  ratio %.2f  goal %s\n", t->name, events / passed,
           events / answered, plain, events / passed / plain, t->goal);
    print_cpu(&before, &after, client, events);
    printf(
        "    %.0f events, %.0f matches, all of them accounted for; %.0f events a sync; %.0f MiB resident at the end\n",
        events, hits, events / syncs, way_router_resident_mib(&r));
    way_router_stop(&r);
}

static void run_ndjson(bool complete)
{
    struct buf body = BUF_INIT, request = BUF_INIT;
    struct throughput t = {
        complete ? "complete" : "ndjson", "400000", {&request, 1, "{\"accepted\":1000}", 0}, WAY_BATCH, 8,
        way_matches(0, WAY_BATCH)};

    way_ndjson(&body, complete);
    way_request(&request, "/events", "", buf_view(&body));
    run_throughput(&t);
    buf_fini(&body);
    buf_fini(&request);
}

static void run_entries(void)
{
    struct buf body = BUF_INIT, requests[WAY_BATCH / WAY_ENTRIES];
    struct throughput t = {"entries",   "100000", {requests, WAY_BATCH / WAY_ENTRIES, "\"FailedEntryCount\":0", 0},
                           WAY_ENTRIES, 32,       way_matches(0, WAY_BATCH)};

    for (unsigned i = 0; i < WAY_BATCH / WAY_ENTRIES; i++) {
        buf_clear(&body);
        way_put_events(&body, i * WAY_ENTRIES);
        buf_init(&requests[i], 0);
        way_request(&requests[i], "/",
                    "X-Amz-Target: AWSEvents.PutEvents\r\nContent-Type: application/x-amz-json-1.1\r\n",
                    buf_view(&body));
    }
    run_throughput(&t);
    for (unsigned i = 0; i < WAY_BATCH / WAY_ENTRIES; i++)
        buf_fini(&requests[i]);
    buf_fini(&body);
}

/* ---- latency ---- */

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double plain_sync_ms(void)
{
    return 1e3 / way_plain_rate(folder, WAY_EVENT_BYTES, 1, PLAIN_SECONDS);
}

static void run_lone(void)
{
    struct way_router r;
    struct way_target target;
    struct buf event = BUF_INIT, request = BUF_INIT, answer = BUF_INIT, kept = BUF_INIT;
    static double answered[LONE_EVENTS], delivered[LONE_EVENTS];
    int called = -1;

    way_target_open(&target);
    buf_printf(&kept, "targets: {hook: {type: http, url: \"http://127.0.0.1:%u/hook\"}}", target.port);
    configure(RULES, buf_cstr(&kept), "hook");
    double sync_ms = plain_sync_ms();
    way_router_start(&r, weir, folder);
    way_event(&event, 7, false); /* one that a rule matches */
    way_request(&request, "/events", "", buf_view(&event));
    int fd = way_connect(r.port);
    for (unsigned i = 0; i < LONE_EVENTS; i++) {
        double began = way_now();
        if (way_ask(fd, buf_view(&request), &answer) != 200)
            way_fail("a lone event was refused");
        answered[i] = way_now() - began;
        delivered[i] = way_target_take(&target, &called) - began;
    }
    qsort(answered, LONE_EVENTS, sizeof *answered, by_value);
    qsort(delivered, LONE_EVENTS, sizeof *delivered, by_value);
    printf(
        "lone      delivered p50 %.2f ms, p99 %.2f ms (answered p50 %.2f, p99 %.2f)  plain sync %.2f ms, ratio of p50 "
        "%.2f  goal 1, 5\n",
        delivered[LONE_EVENTS / 2] * 1e3, delivered[LONE_EVENTS * 99 / 100] * 1e3, answered[LONE_EVENTS / 2] * 1e3,
        answered[LONE_EVENTS * 99 / 100] * 1e3, sync_ms, delivered[LONE_EVENTS / 2] * 1e3 / sync_ms);
    close(fd);
    close(called);
    close(target.fd);
    way_router_stop(&r);
    buf_fini(&event);
    buf_fini(&request);
    buf_fini(&answer);
    buf_fini(&kept);
}

/* ---- idle and start ---- */

static void run_idle(void)
{
    struct way_router r;
    struct way_cpu before, after;

    configure(0, "", "");
    way_router_start(&r, weir, folder);
    way_router_cpu(&r, &before);
    sleep(2);
    way_router_cpu(&r, &after);
    printf("idle      %.1f MiB resident, %.2f ms of CPU a second  goal 20\n", way_router_resident_mib(&r),
           (after.all - before.all) / 2 * 1e3);
    way_router_stop(&r);
}

static double check_seconds(void)
{
    double began = way_now();
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        if (chdir(folder) == 0 && dup2(null, 1) >= 0)
            execl(weir, weir, "check", "weir.yaml", (char *)NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        way_fail("weir check did not pass");
    return way_now() - began;
}

static void run_rules(void)
{
    struct way_router r;

    configure(MANY_RULES, "queues: {hits: {}}", "hits");
    double before = way_children_cpu(), checked = check_seconds(), cpu = way_children_cpu() - before;
    way_router_start(&r, weir, folder); /* makes its data folder, which costs a dozen syncs */
    double first = r.start_seconds;
    way_router_stop(&r);
    way_router_start(&r, weir, folder);
    printf(
        "rules     %d rules: weir check %.0f ms (%.0f of CPU), weir run ready after %.0f ms, the first time %.0f; %.1f "
        "MiB resident  goal 100\n",
        MANY_RULES, checked * 1e3, cpu * 1e3, r.start_seconds * 1e3, first * 1e3, way_router_resident_mib(&r));
    way_router_stop(&r);
}

/* ---- all of them ---- */

static void run_complete(void)
{
    run_ndjson(true);
}
static void run_lacking(void)
{
    run_ndjson(false);
}

static const struct {
    const char *name;
    void (*run)(void);
} runs[] = {
    {"ndjson", run_lacking}, {"complete", run_complete}, {"entries", run_entries},
    {"lone", run_lone},      {"idle", run_idle},         {"rules", run_rules},
};

static bool is_chosen(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    const char *seconds = getenv("WAY_SECONDS");

    if (seconds)
        run_seconds = atof(seconds);
    way_place_make(argv[0], "way", weir, folder);
    printf("1 KiB events, %d rules; ndjson: batches of %d on 8 connections; entries: %d a request on 32\n", RULES,
           WAY_BATCH, WAY_ENTRIES);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        if (is_chosen(argc, argv, runs[i].name)) {
            fflush(stdout);
            runs[i].run();
        }
    return way_place_remove(folder) ? 0 : 74;
}
