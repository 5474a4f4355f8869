/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weir beside what people would take instead, in one run on one machine:
 *
 *     brokers_bench [weir|nats|rabbitmq|redis]…          (default: all of them)
 *
 * The same 1 KiB events go to each in windows of 1, 10, 100 and 1000, by one connection and by eight, each a thread
 * with a blocking client. Before and after each figure the same batches are appended to a plain file on the same disk,
 * with one write and one fdatasync a batch; the ratio to that is what holds on a machine that is shared. How durable an
 * answer is differs more than the figures do: the legend says it for each, as `strace -f -e trace=fsync,fdatasync`
 * counted it with Debian 12's versions.
 *
 * Servers are started on free ports of the loopback address, with empty folders beside Weir's, and ended with the
 * program. One that is not installed, or does not start, is a line that says so. WEIR and WAY_FOLDER are as for
 * way_bench; BROKERS_SECONDS (2) is how long each figure is measured.
 */
#include "tests/bench/broker.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CONNECTIONS_MAX 8
#define PLAIN_SECONDS   0.4

char broker_events[BROKER_EVENTS][WAY_EVENT_BYTES];

static const struct broker *const brokers[] = {
    &broker_weir_bare,        &broker_weir_queue,      &broker_nats_sync, &broker_nats_async,
    &broker_rabbitmq_classic, &broker_rabbitmq_quorum, &broker_redis,
};
#define BROKERS (sizeof brokers / sizeof brokers[0])

static const unsigned windows[] = {1, 10, 100, 1000};
#define WINDOWS (sizeof windows / sizeof windows[0])

static const unsigned connections[] = {1, CONNECTIONS_MAX};

static char weir[PATH_MAX], folder[PATH_MAX];
static double run_seconds = 2;
static double plain_low[WINDOWS], plain_high[WINDOWS];

/* ---- one figure ---- */

struct sender {
    const struct broker *broker;
    pthread_barrier_t *ready;
    void *client;
    unsigned window;
    uint64_t answered;
    pthread_t thread;
};

static void *send_events(void *closure)
{
    struct sender *s = closure;

    pthread_barrier_wait(s->ready);
    s->answered = s->broker->send(s->client, s->window, way_now() + run_seconds);
    return NULL;
}

/* Events a second, from the first sent to the last settled. */
static double measure(const struct broker *b, struct broker_server *server, unsigned window, unsigned count)
{
    struct sender senders[CONNECTIONS_MAX];
    pthread_barrier_t ready;
    uint64_t events = 0;

    b->begin(server);
    pthread_barrier_init(&ready, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        senders[i] = (struct sender){b, &ready, b->connect(server), window, 0, 0};
        if (pthread_create(&senders[i].thread, NULL, send_events, &senders[i]) != 0)
            way_fail("cannot start a thread");
    }
    pthread_barrier_wait(&ready);
    double began = way_now();
    for (unsigned i = 0; i < count; i++) {
        pthread_join(senders[i].thread, NULL);
        events += senders[i].answered;
    }
    if (b->settle)
        b->settle(server, events);
    double passed = way_now() - began;
    if (b->verify)
        b->verify(server, events);
    for (unsigned i = 0; i < count; i++)
        b->close(senders[i].client);
    pthread_barrier_destroy(&ready);
    b->end(server);
    return (double)events / passed;
}

static double measure_plain(size_t column)
{
    unsigned window = windows[column];
    double rate = way_plain_rate(folder, (size_t)window * WAY_EVENT_BYTES, window, PLAIN_SECONDS);

    if (!plain_low[column] || rate < plain_low[column])
        plain_low[column] = rate;
    if (rate > plain_high[column])
        plain_high[column] = rate;
    return rate;
}

/* ---- the table ---- */

static void print_line(const struct broker *b, struct broker_server *server, unsigned count)
{
    printf("%-20s %5u ", b->name, count);
    for (size_t i = 0; i < WINDOWS; i++) {
        fflush(stdout);
        if (windows[i] > b->most) {
            printf("%17s", "-");
            continue;
        }
        double before = measure_plain(i), rate = measure(b, server, windows[i], count);
        printf("%9.0f (%5.2f)", rate, rate * 2 / (before + measure_plain(i)));
    }
    printf("\n");
}

static void run_broker(const struct broker *b, size_t number)
{
    char own[PATH_MAX + 32];
    struct broker_server server = {.weir = weir, .folder = own};

    snprintf(own, sizeof own, "%s/%zu", folder, number);
    if (mkdir(own, 0700) != 0)
        way_fail("cannot make '%s'", own);
    if (b->lacks) {
        printf("%-20s skipped: built without %s\n", b->name, b->lacks);
        return;
    }
    if (b->start(&server))
        for (size_t i = 0; i < sizeof connections / sizeof connections[0]; i++)
            print_line(b, &server, connections[i]);
    else
        printf("%-20s skipped: %s\n", b->name, server.why);
    b->stop(&server);
    if (!way_place_remove(own))
        way_fail("cannot remove '%s'", own);
}

static void print_plain(void)
{
    if (!plain_high[0])
        return; /* nothing was measured */
    printf("%-20s %5s ", "plain file", "");
    for (size_t i = 0; i < WINDOWS; i++)
        printf("%8.0f..%-7.0f", plain_low[i], plain_high[i]);
    printf("\n");
}

static void print_legend(const bool *chosen)
{
    printf("\nFigures are events a second, in brackets the ratio to a plain file of the same batches, measured just "
           "before and after."
           "\nN events are under way on each connection (conns):\n");
    for (size_t i = 0; i < BROKERS; i++)
        if (chosen[i])
            printf("  %-20s %s.\n", brokers[i]->name, brokers[i]->sends);
    printf("  %-20s N events in one write, then one fdatasync; the slowest and the fastest of all measurements.\n",
           "plain file");
}

/* ---- all of them ---- */

static void choose(int argc, char **argv, bool *chosen)
{
    for (int a = 1; a < argc; a++) {
        bool known = false;
        for (size_t i = 0; i < BROKERS; i++)
            if (strcmp(argv[a], brokers[i]->kind) == 0)
                known = chosen[i] = true;
        if (!known)
            way_fail("'%s' is none of weir, nats, rabbitmq, redis", argv[a]);
    }
    for (size_t i = 0; argc == 1 && i < BROKERS; i++)
        chosen[i] = true;
}

static void make_events(void)
{
    struct buf event = BUF_INIT;

    for (unsigned i = 0; i < BROKER_EVENTS; i++) {
        buf_clear(&event);
        way_event(&event, i, false);
        memcpy(broker_events[i], event.data, WAY_EVENT_BYTES);
    }
    buf_fini(&event);
}

/* Debian keeps servers where a user's PATH does not look, and behind a wrapper that changes the user. */
static void widen_path(void)
{
    struct buf path = BUF_INIT;
    const char *present = getenv("PATH");

    buf_printf(&path, "/usr/lib/rabbitmq/bin:%s:/usr/sbin:/sbin", present ? present : "/usr/bin:/bin");
    setenv("PATH", buf_cstr(&path), 1);
    buf_fini(&path);
}

int main(int argc, char **argv)
{
    bool chosen[BROKERS] = {false};
    const char *seconds = getenv("BROKERS_SECONDS");

    if (seconds)
        run_seconds = atof(seconds);
    choose(argc, argv, chosen);
    way_place_make(argv[0], "brokers", weir, folder);
    broker_server_guard(folder);
    widen_path();
    make_events();
    printf("%-20s %5s ", "1 KiB events", "conns");
    for (size_t i = 0; i < WINDOWS; i++)
        printf("%10s%-7u", "N = ", windows[i]);
    printf("\n");
    for (size_t i = 0; i < BROKERS; i++)
        if (chosen[i])
            run_broker(brokers[i], i);
    print_plain();
    print_legend(chosen);
    return 0;
}
