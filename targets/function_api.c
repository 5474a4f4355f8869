/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Lambda Runtime API, as a bootstrap knows it: it asks for the next event and waits for it, however long, and posts
 * what came of it.
 *
 *     GET  /2018-06-01/runtime/invocation/next
 *     POST /2018-06-01/runtime/invocation/REQUEST-ID/response
 *     POST /2018-06-01/runtime/invocation/REQUEST-ID/error
 *     POST /2018-06-01/runtime/init/error
 *
 * A slot has a listener of its own, since AWS_LAMBDA_RUNTIME_API is a host and a port and nothing else tells one
 * process of a function from the other. A runtime may do what it likes with it: nothing here waits, bodies and
 * connections are bounded, and whoever sends half a request meets the deadline of its invocation, which is watched by
 * the slot. What a web page could send (an Origin, a foreign Host) is refused, as at the router's own port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "matcher/json.h"
#include "targets/function_int.h"

#define CONNECTIONS_MAX 16 /* a runtime needs one, or two */
#define BACKLOG         8
#define HEADERS_MAX     (64 << 10)
#define BODY_MARGIN     (64 << 10) /* a body a little too long is told so; a longer one is cut */
#define QUIET_SECONDS   86400      /* the slot has its own clock */
#define PREFIX          "/2018-06-01/runtime"

struct runtime_api {
    struct slot *slot;
    struct host *host;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    uint16_t port;
    char name[32]; /* 127.0.0.1:PORT */
    struct bufferevent *connections[CONNECTIONS_MAX];
    size_t connection_count;
    struct evhttp_request *poll; /* waits for the next event; NULL */
    struct event *poll_closed;
};

/* ---- connections: evhttp counts none, so each is held by a second reference until evhttp has let go of it ---- */

static void sweep(struct runtime_api *a)
{
    size_t kept = 0;
    bufferevent_event_cb on_event;

    for (size_t i = 0; i < a->connection_count; i++) {
        bufferevent_getcb(a->connections[i], NULL, NULL, &on_event, NULL);
        if (on_event)
            a->connections[kept++] = a->connections[i];
        else
            bufferevent_decref(a->connections[i]);
    }
    a->connection_count = kept;
}

static struct bufferevent *accept_cb(struct event_base *base, void *context)
{
    struct runtime_api *a = context;
    struct bufferevent *one = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    sweep(a);
    if (!one || a->connection_count == CONNECTIONS_MAX)
        return one; /* NULL: evhttp makes one; one too many: nobody counts it, see below */
    bufferevent_incref(one);
    a->connections[a->connection_count++] = one;
    if (a->connection_count >= CONNECTIONS_MAX - BACKLOG)
        evconnlistener_disable(evhttp_bound_socket_get_listener(a->bound)); /* what waits still comes: BACKLOG */
    return one;
}

static void take_connections(struct runtime_api *a)
{
    sweep(a);
    if (a->connection_count < CONNECTIONS_MAX - BACKLOG)
        evconnlistener_enable(evhttp_bound_socket_get_listener(a->bound));
}

/* ---- answers ---- */

static void reply(struct evhttp_request *r, int status, struct str body)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(r);

    evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", "application/json");
    evbuffer_add(out, body.ptr, body.size);
    evhttp_send_reply(r, status, NULL, NULL);
}

static void refuse(struct evhttp_request *r, int status, const char *type, const char *message)
{
    char text[320];
    int size = snprintf(text, sizeof text, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", message, type);

    reply(r, status, (struct str){text, (size_t)size});
}

/* ---- the poll ---- */

static void end_poll(struct runtime_api *a)
{
    event_free(a->poll_closed);
    a->poll_closed = NULL;
    a->poll = NULL;
}

static void poll_closed_cb(evutil_socket_t fd, short what, void *context)
{
    struct runtime_api *a = context;
    struct evhttp_request *r = a->poll;

    end_poll(a);
    refuse(r, 503, "Closed", "the connection was closed"); /* only so that evhttp frees it */
    slot_hung_up(a->slot);
}

static void poll(struct runtime_api *a, struct evhttp_request *r)
{
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(r)));
    struct event *closed = a->poll ? NULL : event_new(a->host->base, fd, EV_CLOSED, poll_closed_cb, a);

    if (!closed || event_add(closed, NULL) != 0) {
        refuse(r, 403, "InvalidStateTransition", "the next event is asked for already");
        if (closed)
            event_free(closed);
        return;
    }
    a->poll = r;
    a->poll_closed = closed;
    const char *why = slot_polls(a->slot); /* may hand out at once */
    if (!why)
        return;
    end_poll(a);
    refuse(r, 403, "InvalidStateTransition", why);
}

static void add_header(struct evhttp_request *r, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(r), name, value);
}

/* A root of its own for every invocation, made of its request id. */
static void write_trace(const struct invocation *i, int64_t wall_ms, char out[96])
{
    const char *id = i->request_id;

    snprintf(out, 96, "Root=1-%08x-%.8s%.4s%.4s%.4s%.4s;Parent=%.12s%.4s;Sampled=0", (unsigned)(wall_ms / 1000), id,
             id + 9, id + 14, id + 19, id + 24, id + 24, id + 9);
}

void api_hand_out(struct runtime_api *a, const struct invocation *i, const struct target_def *def)
{
    const struct function_options *o = def->options;
    struct evhttp_request *r = a->poll;
    int64_t now = a->host->now(a->host).wall_ms;
    char number[24], trace[96];

    end_poll(a);
    snprintf(number, sizeof number, "%" PRId64, now + o->timeout);
    write_trace(i, now, trace);
    add_header(r, "Lambda-Runtime-Aws-Request-Id", i->request_id);
    add_header(r, "Lambda-Runtime-Deadline-Ms", number);
    add_header(r, "Lambda-Runtime-Invoked-Function-Arn", def->arn.ptr);
    add_header(r, "Lambda-Runtime-Trace-Id", trace);
    if (i->client_context.size)
        add_header(r, "Lambda-Runtime-Client-Context", i->client_context.ptr);
    reply(r, 200, i->payload);
}

/* ---- what is posted ---- */

static struct str body_of(struct evhttp_request *r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(r);
    size_t size = evbuffer_get_length(in);

    return (struct str){size ? (const char *)evbuffer_pullup(in, -1) : "", size};
}

/* Also as a trailer, behind an answer that was streamed and went wrong on the way. */
static const char *error_type(struct evhttp_request *r)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r), "Lambda-Runtime-Function-Error-Type");
}

static void told(struct evhttp_request *r, const char *why)
{
    if (why)
        refuse(r, 400, "InvalidRequestID", why);
    else
        reply(r, 202, STR("{\"status\":\"OK\"}\n"));
}

static bool ends_with(struct str text, const char *end, struct str *rest)
{
    size_t size = strlen(end);

    if (text.size < size || memcmp(text.ptr + text.size - size, end, size) != 0)
        return false;
    *rest = (struct str){text.ptr, text.size - size};
    return true;
}

static void post(struct runtime_api *a, struct evhttp_request *r, struct str path)
{
    static const struct str invocation = {"/invocation/", sizeof "/invocation/" - 1};
    struct str body = body_of(r), rest = path, id;
    const char *type = error_type(r);

    if (str_is(path, "/init/error")) {
        told(r, slot_fails_to_start(a->slot, body, type ? type : "Unhandled"));
        return;
    }
    if (str_starts(path, invocation))
        rest = (struct str){path.ptr + invocation.size, path.size - invocation.size};
    if (rest.size == path.size)
        refuse(r, 404, "NotFound", "there is nothing here");
    else if (ends_with(rest, "/error", &id))
        told(r, slot_answers(a->slot, id, body, type ? type : "Unhandled"));
    else if (!ends_with(rest, "/response", &id))
        refuse(r, 404, "NotFound", "there is nothing here");
    else if (body.size > FUNCTION_PAYLOAD_BYTES_MAX)
        refuse(r, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291456 bytes).");
    else
        told(r, slot_answers(a->slot, id, body, type));
}

/* ---- requests ---- */

static bool is_foreign(const struct runtime_api *a, struct evhttp_request *r)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(r);
    const char *host = evhttp_find_header(headers, "Host");

    return evhttp_find_header(headers, "Origin") || evhttp_find_header(headers, "Sec-Fetch-Site") ||
           (host && strcmp(host, a->name) != 0);
}

static void request_cb(struct evhttp_request *r, void *context)
{
    struct runtime_api *a = context;
    const char *text = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(r));
    struct str path = str_from(text ? text : "");
    enum evhttp_cmd_type method = evhttp_request_get_command(r);

    take_connections(a);
    if (is_foreign(a, r)) {
        refuse(r, 403, "Forbidden", "this is for the function's own runtime");
        return;
    }
    if (!str_starts(path, STR(PREFIX))) {
        refuse(r, 404, "NotFound", "there is nothing here");
        return;
    }
    path = (struct str){path.ptr + sizeof PREFIX - 1, path.size - (sizeof PREFIX - 1)};
    if (method == EVHTTP_REQ_GET && str_is(path, "/invocation/next"))
        poll(a, r);
    else if (method == EVHTTP_REQ_POST)
        post(a, r, path);
    else
        refuse(r, 404, "NotFound", "there is nothing here");
}

/* ---- life ---- */

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool serve(struct runtime_api *a, int fd)
{
    if (!(a->http = evhttp_new(a->host->base)) || !(a->bound = evhttp_accept_socket_with_handle(a->http, fd))) {
        close(fd);
        errno = ENOMEM;
        return false;
    }
    evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(a->http, HEADERS_MAX);
    evhttp_set_max_body_size(a->http, FUNCTION_PAYLOAD_BYTES_MAX + BODY_MARGIN);
    evhttp_set_timeout(a->http, QUIET_SECONDS);
    evhttp_set_bevcb(a->http, accept_cb, a);
    evhttp_set_gencb(a->http, request_cb, a);
    return true;
}

struct runtime_api *api_open(struct slot *s, struct host *host)
{
    struct runtime_api *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->slot = s;
    a->host = host;
    int fd = listen_on_loopback(&a->port);
    snprintf(a->name, sizeof a->name, "127.0.0.1:%u", a->port);
    if (fd >= 0 && serve(a, fd))
        return a;
    int error = errno;
    api_close(a);
    errno = error;
    return NULL;
}

uint16_t api_port(const struct runtime_api *a)
{
    return a->port;
}

void api_close(struct runtime_api *a)
{
    if (a->poll_closed)
        event_free(a->poll_closed);
    if (a->http)
        evhttp_free(a->http); /* with its connections, and the poll on one of them */
    for (size_t i = 0; i < a->connection_count; i++)
        bufferevent_decref(a->connections[i]);
    free(a);
}
