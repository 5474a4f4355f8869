/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests a second of the AWS protocols: PutEvents, SendMessage, SendMessageBatch and ReceiveMessage as AWS's clients
 * write them, SQS in both of its protocols, on CONNECTIONS keep-alive connections. Beside Weir, in the same run on the
 * same machine, moto's server, where `moto_server` is installed: what people use in tests today. It keeps everything in
 * memory; Weir answers when the disk has it.
 *
 * usage: aws_bench [SECONDS]     (of each figure; 3)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "matcher/json.h"
#include "tests/bench/broker.h"

#define CONNECTIONS   16
#define ENTRIES       10
#define BODY_BYTES    1000
#define START_SECONDS 30

struct server {
    const char *name;
    uint16_t port;
    char queue_url[200];
};

enum protocol { EVENTS_JSON, SQS_JSON, SQS_QUERY };

struct row {
    const char *operation;
    enum protocol protocol;
    unsigned entries; /* of a request */
    void (*write)(struct buf *body, const struct server *s);
    const char *expected; /* in each answer */
    bool takes;           /* messages that must be there before: they are sent first */
};

static double seconds = 3;
static char text[BODY_BYTES + 1];

/* ---- requests ---- */

static void write_put_events(struct buf *out, const struct server *s)
{
    (void)s;
    buf_text(out, "{\"Entries\":[");
    for (unsigned i = 0; i < ENTRIES; i++)
        buf_printf(
            out,
            "%s{\"Source\":\"shop\",\"DetailType\":\"Order\",\"Detail\":\"{\\\"id\\\":%u,\\\"note\\\":\\\"%s\\\"}\"}",
            i ? "," : "", i, text);
    buf_text(out, "]}");
}

static void write_send_json(struct buf *out, const struct server *s)
{
    buf_printf(out, "{\"QueueUrl\":\"%s\",\"MessageBody\":\"%s\"}", s->queue_url, text);
}

static void write_batch_json(struct buf *out, const struct server *s)
{
    buf_printf(out, "{\"QueueUrl\":\"%s\",\"Entries\":[", s->queue_url);
    for (unsigned i = 0; i < ENTRIES; i++)
        buf_printf(out, "%s{\"Id\":\"m%u\",\"MessageBody\":\"%s\"}", i ? "," : "", i, text);
    buf_text(out, "]}");
}

static void write_receive_json(struct buf *out, const struct server *s)
{
    buf_printf(out, "{\"QueueUrl\":\"%s\",\"MaxNumberOfMessages\":%u}", s->queue_url, ENTRIES);
}

static void write_form(struct buf *out, const struct server *s, const char *action)
{
    buf_printf(out, "Action=%s&Version=2012-11-05&QueueUrl=", action);
    for (const char *c = s->queue_url; *c; c++)
        buf_printf(out, *c == ':' || *c == '/' ? "%%%02X" : "%c", *c);
}

static void write_send_query(struct buf *out, const struct server *s)
{
    write_form(out, s, "SendMessage");
    buf_printf(out, "&MessageBody=%s", text);
}

static void write_batch_query(struct buf *out, const struct server *s)
{
    write_form(out, s, "SendMessageBatch");
    for (unsigned i = 1; i <= ENTRIES; i++)
        buf_printf(out, "&SendMessageBatchRequestEntry.%u.Id=m%u&SendMessageBatchRequestEntry.%u.MessageBody=%s", i, i,
                   i, text);
}

static void write_receive_query(struct buf *out, const struct server *s)
{
    write_form(out, s, "ReceiveMessage");
    buf_printf(out, "&MaxNumberOfMessages=%u", ENTRIES);
}

static const struct row rows[] = {
    {"PutEvents", EVENTS_JSON, ENTRIES, write_put_events, "\"FailedEntryCount\"", false},
    {"SendMessage", SQS_JSON, 1, write_send_json, "MD5OfMessageBody", false},
    {"SendMessage", SQS_QUERY, 1, write_send_query, "MD5OfMessageBody", false},
    {"SendMessageBatch", SQS_JSON, ENTRIES, write_batch_json, "m9", false},
    {"SendMessageBatch", SQS_QUERY, ENTRIES, write_batch_query, "m9", false},
    {"ReceiveMessage", SQS_JSON, ENTRIES, write_receive_json, "ReceiptHandle", true},
    {"ReceiveMessage", SQS_QUERY, ENTRIES, write_receive_query, "ReceiptHandle", true},
};
static const struct row *const filling = &rows[3];
static const char *const protocol_names[] = {"JSON 1.1", "JSON 1.0", "query"};

/* One whole request. The signature is none, but its scope names the service, as every client's does. */
static void write_request(struct buf *out, enum protocol protocol, const char *operation, const struct buf *body)
{
    static const char *const types[] = {"application/x-amz-json-1.1", "application/x-amz-json-1.0",
                                        "application/x-www-form-urlencoded; charset=utf-8"};
    static const char *const services[] = {"AWSEvents", "AmazonSQS"};
    struct buf headers = BUF_INIT;

    buf_printf(&headers,
               "Content-Type: %s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/%s/aws4_request, "
               "SignedHeaders=host, Signature=0\r\n",
               types[protocol], protocol == EVENTS_JSON ? "events" : "sqs");
    if (protocol != SQS_QUERY)
        buf_printf(&headers, "X-Amz-Target: %s.%s\r\n", services[protocol], operation);
    way_request(out, "/", buf_cstr(&headers), buf_view(body));
    buf_fini(&headers);
}

/* ---- a queue of its own for each figure ---- */

static void make_queue(struct server *s, unsigned number)
{
    struct buf body = BUF_INIT, request = BUF_INIT, answer = BUF_INIT;
    int fd = way_connect(s->port);

    buf_printf(&body, "{\"QueueName\":\"bench-%u\"}", number);
    write_request(&request, SQS_JSON, "CreateQueue", &body);
    if (fd < 0 || way_ask(fd, buf_view(&request), &answer) != 200)
        way_fail("%s makes no queue: %s", s->name, buf_cstr(&answer));
    const char *url = strstr(buf_cstr(&answer), "http://");
    if (!url)
        way_fail("%s gives no QueueUrl: %s", s->name, buf_cstr(&answer));
    snprintf(s->queue_url, sizeof s->queue_url, "%.*s", (int)strcspn(url, "\""), url);
    close(fd);
    buf_fini(&body);
    buf_fini(&request);
    buf_fini(&answer);
}

static uint64_t load(const struct server *s, const struct row *row, uint64_t most, double *seconds_out)
{
    struct buf body = BUF_INIT, request = BUF_INIT;

    row->write(&body, s);
    write_request(&request, row->protocol, row->operation, &body);
    struct way_requests requests = {.list = &request, .count = 1, .expected = row->expected, .most = most};
    double began = way_now();
    uint64_t answered = way_load(s->port, &requests, CONNECTIONS, seconds);
    *seconds_out = way_now() - began;
    buf_fini(&body);
    buf_fini(&request);
    return answered;
}

/* Requests a second. Receivers get as many messages as were sent before, less what the last ones may find short. */
static double measure(struct server *s, const struct row *row, unsigned number)
{
    uint64_t most = 0;
    double took;

    make_queue(s, number);
    if (row->takes) {
        uint64_t there = load(s, filling, 0, &took);
        most = there > 4 * CONNECTIONS ? there - 2 * CONNECTIONS : 2 * CONNECTIONS;
    }
    uint64_t answered = load(s, row, most, &took);
    return (double)answered / took;
}

/* ---- the servers ---- */

static struct broker_server moto_server;

static bool start_moto(const char *folder, struct server *s)
{
    char port[8], own[4200];
    char *argv[] = {"moto_server", "-H", "127.0.0.1", "-p", port, NULL};

    snprintf(own, sizeof own, "%.4000s/moto", folder);
    if (mkdir(own, 0700) != 0)
        way_fail("cannot make '%s'", own);
    moto_server.folder = own;
    snprintf(port, sizeof port, "%u", moto_server.port = broker_server_port());
    moto_server.pid = broker_server_spawn(own, argv, NULL);
    if (!broker_server_wait(&moto_server, "moto (pip install 'moto[server]')", START_SECONDS))
        return false;
    *s = (struct server){.name = "moto", .port = moto_server.port};
    return true;
}

int main(int argc, char **argv)
{
    char weir[4096], folder[4096];
    struct buf config = BUF_INIT;
    struct way_router router;
    struct server moto;

    if (argc > 1)
        seconds = atof(argv[1]);
    memset(text, 'x', BODY_BYTES);
    way_place_make(argv[0], "aws", weir, folder);
    broker_server_guard(folder);
    bool beside = start_moto(folder, &moto);
    buf_text(&config, "version: 1\n");
    way_write_file(folder, "weir.yaml", &config);
    way_router_start(&router, weir, folder);
    struct server own = {.name = "weir", .port = router.port};

    printf("requests a second, %u connections, %u byte bodies; weir: durable before the answer; moto: in memory\n",
           CONNECTIONS, BODY_BYTES);
    printf("%-18s %-9s %8s %10s %10s %8s\n", "", "protocol", "entries", "weir/s", "moto/s", "ratio");
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double ours = measure(&own, &rows[i], i), theirs = beside ? measure(&moto, &rows[i], i) : 0;
        printf("%-18s %-9s %8u %10.0f ", rows[i].operation, protocol_names[rows[i].protocol], rows[i].entries, ours);
        if (theirs > 0)
            printf("%10.0f %8.1f\n", theirs, ours / theirs);
        else
            printf("%10s %8s\n", "-", "-");
        fflush(stdout);
    }
    if (!beside)
        printf("moto's server: %s\n", moto_server.why);
    way_router_stop(&router);
    buf_fini(&config);
    return 0;
}
