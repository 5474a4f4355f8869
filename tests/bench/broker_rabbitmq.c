/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RabbitMQ: persistent messages with publisher confirms, at most N unconfirmed, into a durable classic queue or into a
 * quorum queue of one node. Erlang wants a name service beside the server: one of our own on a free port, so that
 * nothing is left behind and no other node is met.
 */
#include "tests/bench/broker.h"

#define SENDS_CLASSIC                                                                                                  \
    "persistent messages to a durable queue, at most N unconfirmed; confirmed when the server's queue index is "       \
    "synced: one fsync for a lone event"
#define SENDS_QUORUM                                                                                                   \
    "the same to a quorum queue of one node; confirmed when the server's log is synced: one fdatasync for all that "   \
    "wait"

#if __has_include(<amqp.h>)

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>

#define START_SECONDS 90
#define QUEUE         "bench"
#define CHANNEL       1

struct client {
    amqp_connection_state_t connection;
    uint64_t sent, confirmed;  /* confirmed: all up to here, numbered from 1 */
    bool early[BROKER_EVENTS]; /* confirmed above that, by number: they come one by one in any order, or "all up to" */
};

static bool start(struct broker_server *s)
{
    char epmd_port[8], port[32], dist[32], epmd[32], home[300], base[300];
    uint16_t names = broker_server_port();

    snprintf(epmd_port, sizeof epmd_port, "%u", names);
    char *name_service[] = {"epmd", "-address", "127.0.0.1", "-port", epmd_port, NULL};
    s->helper = broker_server_spawn(s->folder, name_service, NULL);
    snprintf(port, sizeof port, "RABBITMQ_NODE_PORT=%u", s->port = broker_server_port());
    snprintf(dist, sizeof dist, "RABBITMQ_DIST_PORT=%u", broker_server_port());
    snprintf(epmd, sizeof epmd, "ERL_EPMD_PORT=%u", names);
    snprintf(home, sizeof home, "HOME=%s", s->folder);
    snprintf(base, sizeof base, "RABBITMQ_MNESIA_BASE=%s/mnesia", s->folder);
    char *environment[] = {port,
                           dist,
                           epmd,
                           home,
                           base,
                           "RABBITMQ_NODENAME=weir-bench@localhost",
                           "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
                           "RABBITMQ_CONF_ENV_FILE=/dev/null",
                           "RABBITMQ_CONFIG_FILE=rabbitmq",
                           "RABBITMQ_ENABLED_PLUGINS_FILE=plugins",
                           "RABBITMQ_LOG_BASE=.",
                           "RABBITMQ_LOGS=-",
                           "RUNNING_UNDER_SYSTEMD=true", /* the script becomes the server instead of keeping it */
                           NULL};
    char *argv[] = {"rabbitmq-server", NULL};
    s->pid = broker_server_spawn(s->folder, argv, environment);
    return broker_server_wait(s, "rabbitmq-server", START_SECONDS);
}

static void stop(struct broker_server *s)
{
    broker_server_end(s->pid);
    broker_server_end(s->helper);
}

static void need(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        way_fail("rabbitmq-server: %s: %s", what, amqp_error_string2(reply.library_error));
    way_fail("rabbitmq-server: %s: refused", what);
}

static void *connect_to(const struct broker_server *s)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || !(c->connection = amqp_new_connection()))
        way_fail("out of memory");
    amqp_socket_t *socket = amqp_tcp_socket_new(c->connection);
    if (!socket || amqp_socket_open(socket, "127.0.0.1", s->port) != AMQP_STATUS_OK)
        way_fail("cannot connect to rabbitmq-server");
    need(amqp_login(c->connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login");
    amqp_channel_open(c->connection, CHANNEL);
    need(amqp_get_rpc_reply(c->connection), "open a channel");
    amqp_confirm_select(c->connection, CHANNEL);
    need(amqp_get_rpc_reply(c->connection), "confirms");
    return c;
}

static void disconnect(void *client)
{
    struct client *c = client;
    amqp_connection_close(c->connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(c->connection);
    free(c);
}

static void begin(struct broker_server *s, const char *type)
{
    struct client *c = connect_to(s);
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes("x-queue-type"),
                                .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(type)}};
    amqp_table_t arguments = {1, &entry};

    amqp_queue_declare(c->connection, CHANNEL, amqp_cstring_bytes(QUEUE), 0, 1, 0, 0, arguments);
    need(amqp_get_rpc_reply(c->connection), "declare a queue");
    disconnect(c);
}

static void begin_classic(struct broker_server *s)
{
    begin(s, "classic");
}

static void begin_quorum(struct broker_server *s)
{
    begin(s, "quorum");
}

static void end(struct broker_server *s)
{
    struct client *c = connect_to(s);
    amqp_queue_delete(c->connection, CHANNEL, amqp_cstring_bytes(QUEUE), 0, 0);
    need(amqp_get_rpc_reply(c->connection), "delete a queue");
    disconnect(c);
}

static void publish(struct client *c, uint64_t number)
{
    amqp_basic_properties_t persistent = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
    amqp_bytes_t body = {WAY_EVENT_BYTES, broker_events[number % BROKER_EVENTS]};
    int status = amqp_basic_publish(c->connection, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(QUEUE), 0, 0,
                                    &persistent, body);
    if (status != AMQP_STATUS_OK)
        way_fail("rabbitmq-server: publish: %s", amqp_error_string2(status));
}

static void confirm(struct client *c, const amqp_basic_ack_t *ack)
{
    c->early[ack->delivery_tag % BROKER_EVENTS] = true;
    if (ack->multiple)
        for (uint64_t tag = c->confirmed + 1; tag < ack->delivery_tag; tag++)
            c->early[tag % BROKER_EVENTS] = true;
    for (bool *next; c->confirmed < c->sent && *(next = &c->early[(c->confirmed + 1) % BROKER_EVENTS]); *next = false)
        c->confirmed++;
}

/* Waits for one confirm, and takes what else has come. */
static void wait_confirms(struct client *c)
{
    struct timeval now = {0};
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame(c->connection, &frame);

    for (; status == AMQP_STATUS_OK; status = amqp_simple_wait_frame_noblock(c->connection, &frame, &now)) {
        if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
            way_fail("rabbitmq-server did not confirm");
        confirm(c, frame.payload.method.decoded);
        amqp_maybe_release_buffers(c->connection);
    }
    if (status != AMQP_STATUS_TIMEOUT)
        way_fail("rabbitmq-server: confirms: %s", amqp_error_string2(status));
}

static uint64_t send_windows(void *client, unsigned window, double until)
{
    struct client *c = client;

    while (way_now() < until) {
        while (c->sent - c->confirmed < window)
            publish(c, c->sent++);
        wait_confirms(c);
    }
    while (c->confirmed < c->sent)
        wait_confirms(c);
    return c->sent;
}

/* Every confirmed event is in the queue. */
static void verify(const struct broker_server *s, uint64_t events)
{
    struct client *c = connect_to(s);
    double until = way_now() + 10; /* the count of a quorum queue follows with a delay */
    uint32_t is = 0;

    while (is != events && way_now() < until) {
        amqp_queue_declare_ok_t *queue =
            amqp_queue_declare(c->connection, CHANNEL, amqp_cstring_bytes(QUEUE), 1, 1, 0, 0, amqp_empty_table);
        need(amqp_get_rpc_reply(c->connection), "count");
        is = queue->message_count;
    }
    if (is != events)
        way_fail("rabbitmq-server: the queue has %u events, not %llu", is, (unsigned long long)events);
    disconnect(c);
}

#define COMMON                                                                                                         \
    .start = start, .stop = stop, .connect = connect_to, .send = send_windows, .close = disconnect, .verify = verify,  \
    .end = end

#else

#define begin_classic NULL
#define begin_quorum  NULL
#define COMMON        .lacks = "librabbitmq-dev"

#endif

const struct broker broker_rabbitmq_classic = {
    .kind = "rabbitmq",
    .name = "rabbitmq, classic",
    .sends = SENDS_CLASSIC,
    .most = BROKER_EVENTS,
    .begin = begin_classic,
    COMMON,
};

const struct broker broker_rabbitmq_quorum = {
    .kind = "rabbitmq",
    .name = "rabbitmq, quorum",
    .sends = SENDS_QUORUM,
    .most = BROKER_EVENTS,
    .begin = begin_quorum,
    COMMON,
};
