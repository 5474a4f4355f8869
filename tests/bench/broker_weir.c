/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weir among the brokers: batches as NDJSON to POST /events of a router without rules, and of one whose only rule puts
 * every event on a queue. Its time ends when the last event is matched, or is a message of the queue: what was answered
 * is durable before that, but a broker's answer also says that consumers can have it.
 */
#include "tests/bench/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct client {
    int fd;
    unsigned window;
    struct buf request, answer;
};

static struct way_router router;

static bool start(struct broker_server *s)
{
    return true; /* a router of its own for each cell */
}

static void stop(struct broker_server *s) {}

static void begin(struct broker_server *s, const char *rules)
{
    struct buf yaml = BUF_INIT;

    buf_printf(&yaml, "version: 1\ndata: ./data\n%s\n", rules);
    way_write_file(s->folder, "weir.yaml", &yaml);
    buf_fini(&yaml);
    way_router_start(&router, s->weir, s->folder);
    s->port = router.port;
}

static void begin_bare(struct broker_server *s)
{
    begin(s, "");
}

static void begin_queue(struct broker_server *s)
{
    begin(s, "queues: {all: {}}\nrules: {all: {pattern: {source: [shop.orders]}, targets: [all]}}");
}

static void end(struct broker_server *s)
{
    char path[300];

    way_router_stop(&router);
    snprintf(path, sizeof path, "%s/data", s->folder);
    if (!way_place_remove(path))
        way_fail("cannot remove '%s'", path);
}

static void *connect_to(const struct broker_server *s)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || (c->fd = way_connect(s->port)) < 0)
        way_fail("cannot connect to the router");
    return c;
}

static void make_request(struct client *c, unsigned window)
{
    struct buf body = BUF_INIT;

    for (unsigned i = 0; i < window; i++) {
        buf_add(&body, broker_events[i], WAY_EVENT_BYTES);
        buf_char(&body, '\n');
    }
    buf_clear(&c->request);
    way_request(&c->request, "/events", "", buf_view(&body));
    buf_fini(&body);
    c->window = window;
}

static uint64_t send_windows(void *client, unsigned window, double until)
{
    struct client *c = client;
    uint64_t answered = 0;

    make_request(c, window);
    for (; way_now() < until; answered += window) {
        buf_clear(&c->answer);
        if (way_ask(c->fd, buf_view(&c->request), &c->answer) != 200)
            way_fail("the router refused: %s", buf_cstr(&c->answer));
    }
    return answered;
}

static void disconnect(void *client)
{
    struct client *c = client;
    close(c->fd);
    buf_fini(&c->request);
    buf_fini(&c->answer);
    free(c);
}

static void settle_bare(const struct broker_server *s, uint64_t events)
{
    way_metric_await(&router, "weir_events_matched_total", "", (double)events);
}

static void settle_queue(const struct broker_server *s, uint64_t events)
{
    way_metric_await(&router, "weir_deliveries_total", "\"delivered\"", (double)events);
}

#define COMMON                                                                                                         \
    .kind = "weir", .most = BROKER_EVENTS, .start = start, .stop = stop, .connect = connect_to, .send = send_windows,  \
    .close = disconnect, .end = end

const struct broker broker_weir_bare = {
    .name = "weir, no rule",
    .sends = "a request of N lines; answered when the router's journal is synced (one fdatasync for all requests that "
             "wait). Timed until the last event is matched",
    .begin = begin_bare,
    .settle = settle_bare,
    COMMON,
};

const struct broker broker_weir_queue = {
    .name = "weir, rule to queue",
    .sends =
        "the same, and every event becomes a message of a queue (SQLite, WAL, synced each commit). Timed until the "
        "last is there",
    .begin = begin_queue,
    .settle = settle_queue,
    COMMON,
};
