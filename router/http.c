/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io threads. One socket listens; each thread has an event loop, an evhttp that accepts from it (whoever wakes
 * first gets the connection) and a mailbox. A tick each second sweeps the connections and takes up accepting again
 * where it was paused. No port is shared by SO_REUSEPORT: a second router on the same port must fail to start.
 *
 *     http.c              threads, start and stop         http_request.c     one request: guard, route, answer
 *     http_connections.c  how many, how slow              http_guard.c       what is refused unseen
 *
 * evhttp's own limits are set a little above ours where ours can give the better answer.
 */
#include "router/http.h"

#include <errno.h>
#include <fcntl.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "router/http_int.h"
#include "router/log.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/tls.h"
#include "router/xalloc.h"

struct http_bounds http_bounds = {HTTP_IDLE_SECONDS, HTTP_REQUEST_SECONDS, TLS_HANDSHAKE_SECONDS, HTTP_CONNECTIONS_MAX};

static _Thread_local struct http_thread
    *current; /* the listener's error callback is given evhttp's context, not ours */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_tick(struct http_thread *t, int64_t ms)
{
    struct timeval every = {ms / 1000, (ms % 1000) * 1000};
    event_add(t->tick, &every);
}

/* ---- accepting ---- */

static void pause_accepting(struct http_thread *t, const char *why)
{
    if (t->paused || t->closing)
        return;
    log_warn("not accepting connections for now", LOG_TEXT("reason", why), LOG_INT("open", t->connections.count));
    evconnlistener_disable(t->listener);
    t->paused = true;
}

/* A listener that is disabled still accepts what waits at that moment: what is too much then is cut by a sweep. */
static struct bufferevent *accept_cb(struct event_base *base, void *context)
{
    struct http_thread *t = context;
    size_t max = http_bounds.connections_max / HTTP_THREADS;
    struct connections *c = &t->connections;

    if (c->count >= c->sweep_at)
        connections_sweep(c, now_ms(), &http_bounds);
    struct connection *one = connections_open(c, t->server->router, base, now_ms());
    one->unwanted = c->count > max;
    if (c->count >= max)
        pause_accepting(t, "too many connections");
    if (one->unwanted)
        event_active(t->tick, EV_TIMEOUT, 0);
    return one->stream;
}

static void accept_error_cb(struct evconnlistener *listener, void *context)
{
    pause_accepting(current, strerror(errno));
}

static void close_listener(struct http_thread *t)
{
    t->closing = true;
    evconnlistener_disable(t->listener);
}

static void tick_cb(evutil_socket_t fd, short what, void *context)
{
    struct http_thread *t = context;
    struct connections *c = &t->connections;

    connections_sweep(c, now_ms(), &http_bounds);
    series_add(metric(METRIC_HTTP_CONNECTIONS), (int64_t)c->count - (int64_t)t->counted);
    t->counted = c->count;
    if (t->paused && !t->closing && c->count < http_bounds.connections_max / HTTP_THREADS) {
        t->paused = false;
        evconnlistener_enable(t->listener);
    }
    if (t->stop_at_ms && ((t->under_way == 0 && connections_flushed(c)) || now_ms() > t->stop_at_ms))
        event_base_loopbreak(t->base);
    else
        set_tick(t, t->stop_at_ms ? 20 : 1000);
}

static void close_mail(struct mail *m)
{
    close_listener(((struct http_thread *)((char *)m - offsetof(struct http_thread, close_call.mail))));
}

static void stop_mail(struct mail *m)
{
    struct http_thread *t = (struct http_thread *)((char *)m - offsetof(struct http_thread, stop_call.mail));

    close_listener(t);
    t->stop_at_ms = now_ms() + HTTP_STOP_SECONDS * 1000;
    set_tick(t, 0);
}

/* ---- start and stop ---- */

static void *thread_main(void *context)
{
    struct http_thread *t = context;

    pthread_setname_np(pthread_self(), "weir-io");
    current = t;
    event_base_loop(t->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static int bind_one(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool fail(struct weir_diag *diag, const char *host, uint16_t port, const char *why)
{
    *diag = (struct weir_diag){.code = WEIR_E_IO};
    snprintf(diag->message, sizeof diag->message, "cannot listen on %s:%u: %s", host, port, why);
    return false;
}

static bool bind_port(struct http_server *s, const char *host, uint16_t port, int *fd_out, struct weir_diag *diag)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found, *a;
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char service[8];
    int fd = -1;

    snprintf(service, sizeof service, "%u", port);
    int error = getaddrinfo(host, service, &hints, &found);
    if (error)
        return fail(diag, host, port, gai_strerror(error));
    for (a = found; a && fd < 0; a = a->ai_next)
        fd = bind_one(a);
    error = errno;
    freeaddrinfo(found);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return fail(diag, host, port, strerror(error));
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    *fd_out = fd;
    return true;
}

/* Descriptors for all connections the bound allows, where the system's hard limit lets us. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    rlim_t wanted = HTTP_CONNECTIONS_MAX + 1024;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void libevent_log_cb(int severity, const char *message)
{
    log_debug("libevent", LOG_TEXT("says", message));
}

static void open_thread(struct http_thread *t, struct http_server *s, int fd)
{
    *t = (struct http_thread){.server = s, .base = event_base_new()};
    if (!t->base || !(t->http = evhttp_new(t->base)))
        xfail("out of memory");
    evhttp_set_timeout(t->http, http_bounds.idle_seconds);
    evhttp_set_max_headers_size(t->http, HTTP_HEADER_BYTES_MAX);
    evhttp_set_max_body_size(t->http, 2 * (ev_ssize_t)HTTP_BODY_BYTES_MAX); /* up to here, the 413 is ours */
    evhttp_set_flags(t->http, EVHTTP_SERVER_LINGERING_CLOSE);               /* past it, evhttp's own, once it is read */
    evhttp_set_default_content_type(t->http, NULL);
    evhttp_set_allowed_methods(t->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                            EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_bevcb(t->http, accept_cb, t);
    evhttp_set_gencb(t->http, http_request_cb, t);
    t->listener = evconnlistener_new(t->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!t->listener || !evhttp_bind_listener(t->http, t->listener))
        xfail("out of memory");
    evconnlistener_set_error_cb(t->listener, accept_error_cb);
    t->mailbox = mailbox_create(t->base);
    t->tick = evtimer_new(t->base, tick_cb, t);
    if (!t->tick)
        xfail("out of memory");
    set_tick(t, 1000);
    t->close_call.mail.deliver = close_mail;
    t->stop_call.mail.deliver = stop_mail;
}

struct http_server *http_start(struct router *router, const char *host, uint16_t port, struct weir_diag *diag)
{
    struct http_server *s = xalloc(sizeof *s);
    int fd;

    s->router = router;
    s->tls = router->tls != NULL;
    if (!bind_port(s, host, port, &fd, diag)) {
        free(s);
        return NULL;
    }
    raise_descriptors();
    event_set_log_callback(libevent_log_cb);
    for (int i = 0; i < HTTP_THREADS; i++) {
        int own = i == 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own < 0)
            xfail("no file descriptors");
        open_thread(&s->threads[i], s, own);
    }
    for (int i = 0; i < HTTP_THREADS; i++)
        if (pthread_create(&s->threads[i].id, NULL, thread_main, &s->threads[i]) != 0)
            xfail("cannot start an io thread");
    return s;
}

uint16_t http_port(const struct http_server *s)
{
    return s->port;
}

void http_stop_listening(struct http_server *s)
{
    for (int i = 0; i < HTTP_THREADS; i++)
        mailbox_post(s->threads[i].mailbox, &s->threads[i].close_call.mail);
}

void http_stop(struct http_server *s)
{
    bool abandoned = false;

    for (int i = 0; i < HTTP_THREADS; i++)
        mailbox_post(s->threads[i].mailbox, &s->threads[i].stop_call.mail);
    for (int i = 0; i < HTTP_THREADS; i++) {
        pthread_join(s->threads[i].id, NULL);
        abandoned = abandoned || s->threads[i].under_way > 0;
    }
    if (abandoned) { /* somebody may still post to a mailbox: all of it stays until the process ends */
        log_warn("requests were left unanswered at the end");
        return;
    }
    for (int i = 0; i < HTTP_THREADS; i++) {
        struct http_thread *t = &s->threads[i];
        evhttp_free(t->http);
        connections_fini(&t->connections);
        event_free(t->tick);
        mailbox_destroy(t->mailbox);
        event_base_loop(t->base, EVLOOP_NONBLOCK); /* lets bufferevents end */
        event_base_free(t->base);
    }
    free(s);
}
