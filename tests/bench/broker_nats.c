/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NATS JetStream: one server, a stream in files; publishes that wait for their acknowledgement one by one, and
 * asynchronous ones of which at most N are unanswered at any time.
 */
#include "tests/bench/broker.h"

#define SENDS_SYNC                                                                                                     \
    "js_Publish, one after the other; acknowledged when written to the stream's file: the server makes no call of "    \
    "fsync or fdatasync, so power loss can take what was acknowledged"
#define SENDS_ASYNC "js_PublishAsync, at most N unanswered; acknowledged as above"

#if __has_include(<nats/nats.h>)

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define START_SECONDS 10
#define WAIT_MS       30000 /* for an acknowledgement, for room */
#define STREAM        "BENCH"
#define SUBJECT       "bench.events"

struct client {
    natsConnection *connection;
    jsCtx *js; /* of synchronous publishes */
};

static _Atomic(uint64_t) refused;

static void need(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        way_fail("nats-server: %s: %s", what, natsStatus_GetText(status));
}

static bool start(struct broker_server *s)
{
    char port[8];
    char *argv[] = {"nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", ".", NULL};

    snprintf(port, sizeof port, "%u", s->port = broker_server_port());
    s->pid = broker_server_spawn(s->folder, argv, NULL);
    return broker_server_wait(s, "nats-server", START_SECONDS);
}

static void stop(struct broker_server *s)
{
    broker_server_end(s->pid);
}

static void *connect_to(const struct broker_server *s)
{
    struct client *c = calloc(1, sizeof *c);
    char url[64];

    if (!c)
        way_fail("out of memory");
    snprintf(url, sizeof url, "nats://127.0.0.1:%u", s->port);
    need(natsConnection_ConnectTo(&c->connection, url), "connect");
    need(natsConnection_JetStream(&c->js, c->connection, NULL), "JetStream");
    return c;
}

static void disconnect(void *client)
{
    struct client *c = client;
    jsCtx_Destroy(c->js);
    natsConnection_Destroy(c->connection);
    free(c);
}

static void begin(struct broker_server *s)
{
    struct client *c = connect_to(s);
    const char *subjects[] = {SUBJECT};
    jsStreamConfig config;

    jsStreamConfig_Init(&config);
    config.Name = STREAM;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    need(js_AddStream(NULL, c->js, &config, NULL, NULL), "add stream");
    disconnect(c);
}

static void end(struct broker_server *s)
{
    struct client *c = connect_to(s);
    need(js_DeleteStream(c->js, STREAM, NULL, NULL), "delete stream");
    disconnect(c);
}

/* Every acknowledged event is in the stream. */
static void verify(const struct broker_server *s, uint64_t events)
{
    struct client *c = connect_to(s);
    jsStreamInfo *info = NULL;

    need(js_GetStreamInfo(&info, c->js, STREAM, NULL, NULL), "stream info");
    if (info->State.Msgs != events)
        way_fail("nats-server: the stream has %llu events, not %llu", (unsigned long long)info->State.Msgs,
                 (unsigned long long)events);
    jsStreamInfo_Destroy(info);
    disconnect(c);
}

static uint64_t send_sync(void *client, unsigned window, double until)
{
    struct client *c = client;
    uint64_t answered = 0;

    for (; way_now() < until; answered++)
        need(js_Publish(NULL, c->js, SUBJECT, broker_events[answered % BROKER_EVENTS], WAY_EVENT_BYTES, NULL, NULL),
             "publish");
    return answered;
}

static void refused_cb(jsCtx *js, jsPubAckErr *error, void *closure)
{
    refused++;
}

static uint64_t send_async(void *client, unsigned window, double until)
{
    struct client *c = client;
    jsOptions options;
    jsPubOptions wait;
    jsCtx *js = NULL;
    uint64_t sent = 0;

    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = window;
    options.PublishAsync.StallWait = WAIT_MS;
    options.PublishAsync.ErrHandler = refused_cb;
    need(natsConnection_JetStream(&js, c->connection, &options), "JetStream");
    for (; way_now() < until; sent++)
        need(js_PublishAsync(js, SUBJECT, broker_events[sent % BROKER_EVENTS], WAY_EVENT_BYTES, NULL), "publish");
    jsPubOptions_Init(&wait);
    wait.MaxWait = WAIT_MS;
    need(js_PublishAsyncComplete(js, &wait), "acknowledgements");
    if (refused)
        way_fail("nats-server refused %llu events", (unsigned long long)refused);
    jsCtx_Destroy(js);
    return sent;
}

#define COMMON                                                                                                         \
    .start = start, .stop = stop, .begin = begin, .connect = connect_to, .close = disconnect, .verify = verify,        \
    .end = end

#else

#define send_sync  NULL
#define send_async NULL
#define COMMON     .lacks = "libnats-dev"

#endif

const struct broker broker_nats_sync = {
    .kind = "nats",
    .name = "nats, sync publish",
    .sends = SENDS_SYNC,
    .most = 1,
    .send = send_sync,
    COMMON,
};

const struct broker broker_nats_async = {
    .kind = "nats",
    .name = "nats, async publish",
    .sends = SENDS_ASYNC,
    .most = BROKER_EVENTS,
    .send = send_async,
    COMMON,
};
