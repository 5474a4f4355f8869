/* SPDX-License-Identifier: Apache-2.0 */
/* Redis streams: XADD with the append-only file synced always, N commands a pipeline, in plain RESP. */
#include "tests/bench/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_SECONDS 10

struct client {
    int fd;
    struct buf pipeline;
};

static bool start(struct broker_server *s)
{
    char port[8];
    char *argv[] = {"redis-server",
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    port,
                    "--save",
                    "",
                    "--dir",
                    ".",
                    "--appendonly",
                    "yes",
                    "--auto-aof-rewrite-percentage",
                    "0",
                    "--appendfsync",
                    "always",
                    NULL};

    snprintf(port, sizeof port, "%u", s->port = broker_server_port());
    s->pid = broker_server_spawn(s->folder, argv, NULL);
    return broker_server_wait(s, "redis-server", START_SECONDS);
}

static void stop(struct broker_server *s)
{
    broker_server_end(s->pid);
}

/* Sends the commands and reads so many lines, none of which may be an error. */
static void ask(int fd, struct str commands, unsigned lines)
{
    char in[65536];
    bool starts = true;

    if (send(fd, commands.ptr, commands.size, MSG_NOSIGNAL) != (ssize_t)commands.size)
        way_fail("redis-server hung up");
    while (lines) {
        ssize_t n = recv(fd, in, sizeof in, 0);
        if (n <= 0)
            way_fail("redis-server hung up");
        for (ssize_t i = 0; i < n; i++) {
            if (starts && in[i] == '-')
                way_fail("redis-server: %.*s", (int)(n - i), in + i);
            starts = in[i] == '\n';
            lines -= starts;
        }
    }
}

static void begin(struct broker_server *s) {}

static void end(struct broker_server *s)
{
    int fd = way_connect(s->port);
    ask(fd, STR("DEL events\r\n"), 1);
    close(fd);
}

static void *connect_to(const struct broker_server *s)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || (c->fd = way_connect(s->port)) < 0)
        way_fail("cannot connect to redis-server");
    return c;
}

static uint64_t send_windows(void *client, unsigned window, double until)
{
    struct client *c = client;
    uint64_t answered = 0;

    buf_clear(&c->pipeline);
    for (unsigned i = 0; i < window; i++) {
        buf_printf(&c->pipeline, "*5\r\n$4\r\nXADD\r\n$6\r\nevents\r\n$1\r\n*\r\n$1\r\ne\r\n$%d\r\n", WAY_EVENT_BYTES);
        buf_add(&c->pipeline, broker_events[i], WAY_EVENT_BYTES);
        buf_text(&c->pipeline, "\r\n");
    }
    for (; way_now() < until; answered += window)
        ask(c->fd, buf_view(&c->pipeline), window * 2); /* each answer is an id: its length, and itself */
    return answered;
}

static void disconnect(void *client)
{
    struct client *c = client;
    close(c->fd);
    buf_fini(&c->pipeline);
    free(c);
}

const struct broker broker_redis = {
    .kind = "redis",
    .name = "redis stream",
    .sends = "a pipeline of N XADD, appendonly yes, appendfsync always; answered when the server's append-only file is "
             "synced: one fdatasync for a lone event, and for every 30 or so of a long pipeline",
    .most = BROKER_EVENTS,
    .start = start,
    .stop = stop,
    .begin = begin,
    .connect = connect_to,
    .send = send_windows,
    .close = disconnect,
    .end = end,
};
