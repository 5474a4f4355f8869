/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that costs little itself: one thread, epoll, requests made beforehand. Each connection sends one request and
 * waits for its answer, as clients do that want to know; several connections are what lets the router gather.
 */
#include "tests/bench/way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double way_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_of(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

double way_own_cpu(void)
{
    return cpu_of(RUSAGE_SELF);
}

double way_children_cpu(void)
{
    return cpu_of(RUSAGE_CHILDREN);
}

void way_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int way_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

void way_request(struct buf *out, const char *path, const char *headers, struct str body)
{
    buf_printf(out, "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n", path, headers, body.size);
    buf_str(out, body);
}

/* ---- answers ---- */

/* The body of a whole answer, and its status; 0: more is to come. */
static int whole_answer(const struct buf *in, struct str *body)
{
    const char *end = in->size ? memmem(in->data, in->size, "\r\n\r\n", 4) : NULL;
    const char *length = end ? strcasestr(in->data, "\r\nContent-Length:") : NULL;
    size_t head = end ? (size_t)(end - in->data) + 4 : 0;

    if (!end)
        return 0;
    if (!length || length > end)
        way_fail("an answer without a length: %.*s", (int)head, in->data);
    *body = (struct str){in->data + head, strtoul(length + strlen("\r\nContent-Length:"), NULL, 10)};
    return in->size - head >= body->size ? atoi(in->data + strlen("HTTP/1.1 ")) : 0;
}

int way_ask(int fd, struct str request, struct buf *out)
{
    struct buf in = BUF_INIT;
    struct str body;
    int status;

    if (send(fd, request.ptr, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        return 0;
    while (!(status = whole_answer(&in, &body))) {
        if (!buf_reserve(&in, 4096))
            way_fail("out of memory");
        ssize_t n = recv(fd, in.data + in.size, in.capacity - in.size - 1, 0);
        if (n <= 0)
            break;
        in.size += (size_t)n;
        in.data[in.size] = '\0';
    }
    if (status)
        buf_str(out, body);
    buf_fini(&in);
    return status;
}

/* ---- load ---- */

struct connection {
    int fd;
    const struct buf *request;
    size_t sent;
    bool waits_for_room;
    struct buf in;
};

struct load {
    int epoll;
    uint16_t port;
    const struct way_requests *requests;
    uint64_t begun, answered;
    double until;
};

static void watch(struct load *l, struct connection *c, bool for_room)
{
    struct epoll_event e = {.events = EPOLLIN | (for_room ? EPOLLOUT : 0), .data.ptr = c};
    if (c->waits_for_room != for_room)
        epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->waits_for_room = for_room;
}

static void send_on(struct load *l, struct connection *c)
{
    while (c->sent < c->request->size) {
        ssize_t n = send(c->fd, c->request->data + c->sent, c->request->size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            way_fail("cannot send: %s", strerror(errno));
        c->sent += (size_t)n;
    }
    watch(l, c, c->sent < c->request->size);
}

static bool may_begin(const struct load *l)
{
    return way_now() < l->until && (!l->requests->most || l->begun < l->requests->most);
}

static void begin(struct load *l, struct connection *c)
{
    c->request = &l->requests->list[l->begun++ % l->requests->count];
    c->sent = 0;
    send_on(l, c);
}

static void open_connection(struct load *l, struct connection *c)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

    c->waits_for_room = false;
    c->fd = way_connect(l->port);
    if (c->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        way_fail("cannot connect");
}

/* Some servers end the connection with each answer. */
static void keep_or_open_again(struct load *l, struct connection *c)
{
    if (strcasestr(c->in.data, "\r\nConnection: close\r\n")) {
        close(c->fd);
        open_connection(l, c);
    }
}

static void receive(struct load *l, struct connection *c)
{
    struct str body;

    if (!buf_reserve(&c->in, 4096))
        way_fail("out of memory");
    ssize_t n = recv(c->fd, c->in.data + c->in.size, c->in.capacity - c->in.size - 1, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        way_fail("the router hung up");
    c->in.size += (size_t)n;
    c->in.data[c->in.size] = '\0';
    int status = whole_answer(&c->in, &body);
    if (!status)
        return;
    if (status != 200 || !memmem(body.ptr, body.size, l->requests->expected, strlen(l->requests->expected)))
        way_fail("answered %d: %.*s", status, (int)body.size, body.ptr);
    l->answered++;
    keep_or_open_again(l, c);
    buf_clear(&c->in);
    if (may_begin(l))
        begin(l, c);
}

uint64_t way_load(uint16_t port, const struct way_requests *requests, unsigned connections, double seconds)
{
    struct load l = {
        .epoll = epoll_create1(EPOLL_CLOEXEC), .port = port, .requests = requests, .until = way_now() + seconds};
    struct connection *list = calloc(connections, sizeof *list);
    struct epoll_event events[64];

    for (unsigned i = 0; list && i < connections; i++) {
        open_connection(&l, &list[i]);
        begin(&l, &list[i]);
    }
    while (l.answered < l.begun) {
        int n = epoll_wait(l.epoll, events, 64, 30000);
        if (n == 0)
            way_fail("no answer for 30 seconds");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_on(&l, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(&l, c);
        }
    }
    for (unsigned i = 0; i < connections; i++) {
        close(list[i].fd);
        buf_fini(&list[i].in);
    }
    free(list);
    close(l.epoll);
    return l.answered;
}

/* ---- a target ---- */

void way_target_open(struct way_target *t)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(t->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(t->fd, 16) != 0 ||
        getsockname(t->fd, (struct sockaddr *)&at, &size) != 0)
        way_fail("cannot listen");
    t->port = ntohs(at.sin_port);
}

double way_target_take(const struct way_target *t, int *fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char in[8192] = "";
    size_t size = 0;
    const char *end = NULL, *length = NULL;

    while (*fd < 0 || !end || size < (size_t)(end - in) + 4 + (length ? strtoul(length + 17, NULL, 10) : 0)) {
        if (*fd < 0)
            *fd = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n = recv(*fd, in + size, sizeof in - 1 - size, 0);
        if (n <= 0) { /* hung up between two calls */
            close(*fd);
            *fd = -1;
            size = 0;
            continue;
        }
        size += (size_t)n;
        in[size] = '\0';
        end = strstr(in, "\r\n\r\n");
        length = strcasestr(in, "\r\nContent-Length:");
    }
    double came = way_now();
    (void)!send(*fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
    return came;
}
