/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard, from header lists; and a real server on a free port, spoken to in raw bytes: what careless, slow and
 * hostile clients send, limits, answers that come later, and events on their way into a journal. The routes are this
 * file's own, so that nothing but HTTP, the sources and the journal is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "router/api/api.h"
#include "router/http_guard.h"
#include "router/http_int.h"
#include "router/router.h"
#include "router/tls.h"

/* ---- the guard ---- */

static const struct {
    const char *name;
    int status; /* 0: passes */
    const char *method, *target, *headers;
} guard_cases[] = {
    {"plain", 0, "POST", "/events", "Host: 127.0.0.1:4566\nContent-Length: 3"},
    {"chunked", 0, "POST", "/events", "Host: localhost\nTransfer-Encoding: Chunked"},
    {"IPv6", 0, "GET", "/", "Host: [::1]:4566"},
    {"IPv6 without a port", 0, "GET", "/", "Host: [::1]"},
    {"allowed name, other case", 0, "GET", "/", "Host: Weir.Internal:80"},
    {"listening name", 0, "GET", "/", "Host: weir.example"},
    {"length 0 on GET", 0, "GET", "/", "Host: localhost\nContent-Length: 0"},
    {"UTF-8 in a value", 0, "GET", "/", "Host: localhost\nX-Name: Zo\xc3\xab"},
    {"absolute form", 0, "GET", "http://localhost:1/x", "Host: localhost:1"},
    {"own page", 0, "POST", "/events", "Host: localhost:4566\nOrigin: http://localhost:4566"},
    {"allowed page", 0, "POST", "/events", "Host: localhost:4566\nOrigin: https://weir.internal"},
    {"1.0 without Host", 0, "GET1.0", "/", ""},
    {"1.0 chunked", 400, "POST1.0", "/", "Transfer-Encoding: chunked"},
    {"no Host", 400, "GET", "/", ""},
    {"two Hosts", 400, "GET", "/", "Host: localhost\nHost: localhost"},
    {"empty Host", 400, "GET", "/", "Host: "},
    {"Host with a user", 403, "GET", "/", "Host: a@localhost"},
    {"Host with a bad port", 400, "GET", "/", "Host: localhost:8a"},
    {"Host with a list", 403, "GET", "/", "Host: localhost, evil.example"},
    {"foreign Host", 403, "GET", "/", "Host: evil.example"},
    {"name that starts like an allowed one", 403, "GET", "/", "Host: weir.internal.evil.example"},
    {"name that ends like localhost", 403, "GET", "/", "Host: evil.localhost"},
    {"number as Host", 403, "GET", "/", "Host: 2130706433"},
    {"foreign page", 403, "POST", "/events", "Host: localhost\nOrigin: http://evil.example"},
    {"page of another port", 403, "POST", "/events", "Host: localhost:4566\nOrigin: http://localhost:3000"},
    {"page of an address", 403, "POST", "/events", "Host: 127.0.0.1\nOrigin: http://6.6.6.6"},
    {"page without origin", 403, "POST", "/events", "Host: localhost\nOrigin: null"},
    {"two lengths", 400, "POST", "/", "Host: localhost\nContent-Length: 3\nContent-Length: 4"},
    {"the same length twice", 400, "POST", "/", "Host: localhost\nContent-Length: 3\nContent-Length: 3"},
    {"list of lengths", 400, "POST", "/", "Host: localhost\nContent-Length: 3, 3"},
    {"signed length", 400, "POST", "/", "Host: localhost\nContent-Length: +3"},
    {"hex length", 400, "POST", "/", "Host: localhost\nContent-Length: 0x3"},
    {"empty length", 400, "POST", "/", "Host: localhost\nContent-Length: "},
    {"length past 64 bits", 400, "POST", "/", "Host: localhost\nContent-Length: 99999999999999999999"},
    {"length and chunked", 400, "POST", "/", "Host: localhost\nContent-Length: 3\nTransfer-Encoding: chunked"},
    {"gzip, chunked", 501, "POST", "/", "Host: localhost\nTransfer-Encoding: gzip, chunked"},
    {"chunked twice", 400, "POST", "/", "Host: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked"},
    {"identity", 501, "POST", "/", "Host: localhost\nTransfer-Encoding: identity"},
    {"tab before chunked", 501, "POST", "/", "Host: localhost\nTransfer-Encoding: \tchunked"},
    {"space in a name", 400, "POST", "/", "Host: localhost\nContent-Length : 3"},
    {"control byte in a value", 400, "GET", "/", "Host: localhost\nX-A: a\x01z"},
    {"body on GET", 400, "GET", "/", "Host: localhost\nContent-Length: 3"},
    {"chunked DELETE", 400, "DELETE", "/", "Host: localhost\nTransfer-Encoding: chunked"},
    {"absolute form of another host", 400, "GET", "http://evil.example/", "Host: localhost"},
    {"odd scheme", 400, "GET", "ftp://localhost/", "Host: localhost"},
    {"authority form", 400, "GET", "localhost:80", "Host: localhost:80"},
    {"fragment", 400, "GET", "/a#b", "Host: localhost"},
};

static void add_headers(struct evkeyvalq *headers, const char *lines)
{
    char *copy = strdup(lines), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        char *value = strchr(line, ':');
        *value = '\0';
        evhttp_add_header(headers, line, value + 1 + (value[1] == ' '));
    }
    free(copy);
}

static void test_guard(void **state)
{
    static const struct str allowed[] = {STR("weir.internal")};
    struct http_guard g = {STR("weir.example"), allowed, 1};

    for (size_t i = 0; i < sizeof guard_cases / sizeof guard_cases[0]; i++) {
        struct evkeyvalq headers;
        struct http_refusal refusal = {0};
        bool old = strstr(guard_cases[i].method, "1.0") != NULL;
        struct http_head head = {1, !old, guard_cases[i].method[0] == 'P', guard_cases[i].target, &headers};
        TAILQ_INIT(&headers);
        add_headers(&headers, guard_cases[i].headers);
        bool passed = http_guard_check(&g, &head, &refusal);
        evhttp_clear_headers(&headers);
        if (passed != (guard_cases[i].status == 0) || refusal.status != guard_cases[i].status)
            fail_msg("%s: %d %s", guard_cases[i].name, refusal.status, refusal.message);
    }
}

/* ---- a server ---- */

static void echo(struct http_request *r)
{
    struct str q;
    if (http_query(r, "q", &q))
        http_reply(r, 200, "text/plain", q);
    else
        http_reply(r, 200, "text/plain", http_body(r).size ? http_body(r) : STR("nothing"));
}

static void rest(struct http_request *r)
{
    http_reply(r, 200, "text/plain", http_path_rest(r));
}

static void answer_cb(evutil_socket_t fd, short what, void *context)
{
    http_reply(context, 200, "text/plain", STR("later"));
}

static void later(struct http_request *r)
{
    struct timeval after = {0, 300000};
    event_base_once(http_base(r), -1, EV_TIMEOUT, answer_cb, r, &after);
}

const struct http_route http_routes[] = {
    {"GET HEAD POST", "/echo", "echo", echo},
    {"GET", "/rest/*", "rest", rest},
    {"GET POST", "/later", "later", later},
    {"POST", "/events", "events", ingest_events},
    {"POST", "/events/*", "events", ingest_events},
    {"POST", "/s3", "s3", ingest_events},
    {0},
};

static struct bus buses[] = {{.name = STR("default")}, {.name = STR("audit")}};
static struct ruleset set = {
    .references = 1,
    .listen_host = STR("127.0.0.1"),
    .account = STR("000000000000"),
    .region = STR("us-east-1"),
    .buses = buses,
    .bus_count = 2,
};

struct fixture {
    char dir[32];
    struct router router;
    struct http_server *server;
};

static struct ssl_ctx_st *papers; /* of the next router; NULL: it speaks no TLS */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct journal_options options = {0};
    struct journal_report report;
    struct weir_diag diag;

    strcpy(f->dir, "/tmp/weir-http-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->router.set = &set;
    clock_start(&f->router.clock, (struct weir_time){0});
    f->router.journal = journal_open(f->dir, &options, &report, &diag);
    assert_non_null(f->router.journal);
    f->router.ready = true;
    f->router.tls = papers;
    f->server = http_start(&f->router, "127.0.0.1", 0, &diag);
    assert_non_null(f->server);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    http_stop(f->server);
    journal_close(f->router.journal);
    snprintf(command, sizeof command, "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
    http_bounds =
        (struct http_bounds){HTTP_IDLE_SECONDS, HTTP_REQUEST_SECONDS, TLS_HANDSHAKE_SECONDS, HTTP_CONNECTIONS_MAX};
    tls_free(papers);
    papers = NULL;
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_port(f->server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t size)
{
    for (ssize_t n; size; bytes = (const char *)bytes + n, size -= (size_t)n)
        if ((n = send(fd, bytes, size, MSG_NOSIGNAL)) <= 0)
            return; /* closed: the answer tells */
}

/* What comes until the peer closes (true), or until nothing came for a while. */
static bool take(int fd, char *out, size_t room, int patience_ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    size_t size = 0;
    ssize_t n = 1;

    while (n > 0 && size + 1 < room && poll(&p, 1, patience_ms) > 0)
        if ((n = recv(fd, out + size, room - size - 1, 0)) > 0)
            size += (size_t)n;
    out[size] = '\0';
    return n <= 0;
}

static char answer[65536];

/* Sends head (\n as CRLF) and body on a connection of its own; the status, 0 for none. Sets answer and *closed. */
static int ask_raw(const struct fixture *f, const char *head, const void *body, size_t size, bool *closed)
{
    struct buf text = BUF_INIT;
    int fd = dial(f), status = 0, patience_ms = strstr(head, "Connection: close") ? 20000 : 700;

    for (; *head; head++)
        buf_text(&text, *head == '\n' ? "\r\n" : (char[]){*head, 0});
    put(fd, text.data, text.size);
    put(fd, body, size);
    bool ended = take(fd, answer, sizeof answer, patience_ms);
    if (closed)
        *closed = ended;
    close(fd);
    buf_fini(&text);
    sscanf(answer, "HTTP/1.1 %d", &status);
    return status;
}

static int post(const struct fixture *f, const char *path, const char *more, const void *body, size_t size)
{
    char head[512];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: %zu\n%s\n", path,
             size, more);
    return ask_raw(f, head, body, size, NULL);
}

static int get(const struct fixture *f, const char *method, const char *path)
{
    char head[512];
    snprintf(head, sizeof head, "%s %s HTTP/1.1\nHost: localhost\nConnection: close\n\n", method, path);
    return ask_raw(f, head, "", 0, NULL);
}

static void has(const char *text)
{
    if (!strstr(answer, text))
        fail_msg("no '%s' in: %s", text, answer);
}

static void test_routes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, "GET", "/echo"), 200);
    has("\r\n\r\nnothing");
    assert_int_equal(get(f, "GET", "/echo?p=1&q=a%20b%26c"), 200);
    has("\r\n\r\na b&c");
    assert_int_equal(get(f, "HEAD", "/echo"), 200);
    has("Content-Length: 7\r\n");
    assert_null(strstr(answer, "nothing"));
    assert_int_equal(get(f, "GET", "/rest/a%2Fb/c"), 200);
    has("\r\n\r\na/b/c");
    assert_int_equal(get(f, "GET", "/nosuch"), 404);
    has("{\"message\":\"no such path '/nosuch'\"}");
    assert_int_equal(get(f, "GET", "//echo"), 404);
    assert_int_equal(get(f, "DELETE", "/echo"), 405);
    has("Allow: GET, HEAD, POST\r\n");
    assert_int_equal(get(f, "BREW", "/echo"), 501);
    assert_int_equal(
        ask_raw(f, "GET http://localhost/echo?q=x HTTP/1.1\nHost: localhost\nConnection: close\n\n", "", 0, NULL), 200);
    has("\r\n\r\nx");
}

static void test_refused_forms_close(void **state)
{
    struct fixture *f = *state;
    static const char second[] = "GET /echo?q=smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 0\nContent-Length: 10\n\n",
        "POST /echo HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked\n\n",
        "POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 10\nTransfer-Encoding: identity\n\n",
        "POST /echo HTTP/1.1\nContent-Length: 0\n\n",
        "GET /echo HTTP/1.1\nHost: localhost\nContent-Length: 10\n\n",
        "POST /echo HTTP/1.1\nHost: evil.example\nContent-Length: 0\n\n",
        "POST /echo HTTP/1.1\nHost: localhost\nContent-Length: -1\n\n",
        "POST /echo HTTP/1.1\nHost: localhost\nno colon\n\n",
        "POST /echo HTTP/2.0\nHost: localhost\n\n",
        "POST /echo\n\n",
    };

    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        bool closed;
        int status = ask_raw(f, heads[i], second, sizeof second - 1, &closed);
        if (!closed || (status != 0 && (status < 400 || status >= 600)) || strstr(answer, "smuggled"))
            fail_msg("%s: %d %s", heads[i], status, answer);
    }
}

static void test_keep_alive_and_pipelining(void **state)
{
    struct fixture *f = *state;
    bool closed;

    assert_int_equal(
        ask_raw(f,
                "GET /echo?q=one HTTP/1.1\nHost: localhost\n\nPOST /echo HTTP/1.1\nHost: localhost\n"
                "Transfer-Encoding: chunked\n\n3\ntwo\n0\n\nGET /echo?q=three HTTP/1.1\nHost: localhost\n\n",
                "", 0, &closed),
        200);
    assert_false(closed);
    has("one");
    has("two");
    has("three");
}

/* evhttp ends the process on bytes that come while an answer to a GET is awaited, unless reading is off. */
static void test_bytes_while_an_answer_is_awaited(void **state)
{
    struct fixture *f = *state;
    static const char first[] = "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static const char second[] = "GET /echo?q=second HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = dial(f);

    put(fd, first, sizeof first - 1);
    usleep(100000);
    put(fd, second, sizeof second - 1);
    take(fd, answer, sizeof answer, 700);
    has("later");
    has("second");
    close(fd);

    fd = dial(f); /* a client that goes away is noticed when it is answered */
    put(fd, first, sizeof first - 1);
    usleep(50000);
    close(fd);
    usleep(400000);
    assert_int_equal(get(f, "GET", "/echo"), 200);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    size_t size = HTTP_BODY_BYTES_MAX + 1;
    char *big = malloc(80 << 20), head[512];

    memset(big, 'x', 80 << 20);
    assert_int_equal(post(f, "/echo", "", big, size), 413);
    has("the limit is 33554432");
    assert_int_equal(post(f, "/echo", "", big, 80 << 20), 413);
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n%zx\n", size);
    assert_int_equal(ask_raw(f, head, big, 10, NULL), 0); /* waits for the rest */
    struct buf long_head = BUF_INIT;
    buf_printf(&long_head, "GET /echo HTTP/1.1\nHost: localhost\nX: %.*s\n\n", 70000, big);
    assert_int_equal(ask_raw(f, buf_cstr(&long_head), "", 0, NULL), 400);
    buf_fini(&long_head);
    free(big);
}

static int setup_hasty(void **state)
{
    http_bounds.idle_seconds = 1;
    http_bounds.request_seconds = 2;
    return setup(state);
}

static void test_slow_clients_are_cut(void **state)
{
    struct fixture *f = *state;
    int idle = dial(f), half = dial(f), trickle = dial(f);
    bool cut = false;

    put(half, "POST /echo HTTP/1.1\r\nHost: loc", 30);
    put(trickle, "GET /echo?q=", 12);
    for (int i = 0; i < 12 && !cut; i++) {
        put(trickle, "a", 1);
        cut = take(trickle, answer, sizeof answer, 500);
    }
    assert_true(cut);
    assert_true(take(idle, answer, sizeof answer, 100));
    assert_true(take(half, answer, sizeof answer, 100));
    close(idle);
    close(half);
    close(trickle);
    assert_int_equal(get(f, "GET", "/later"), 200);
}

/* ---- TLS ---- */

/* A certificate of its own, and little patience with those who do not shake hands. */
static int setup_tls(void **state)
{
    char pem[] = "/tmp/weir-pem-XXXXXX", command[300];
    struct ruleset named = {.certificate = str_from(pem), .certificate_key = str_from(pem)};
    struct buf why = BUF_INIT;

    close(mkstemp(pem));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=t -keyout %s -out %s.crt "
             "2>/dev/null && cat %s.crt >>%s && rm %s.crt",
             pem, pem, pem, pem, pem);
    assert_int_equal(system(command), 0);
    if (!tls_load(&named, &papers, &why))
        fail_msg("%s", buf_cstr(&why));
    unlink(pem);
    http_bounds.handshake_seconds = 1;
    return setup(state);
}

static void test_silent_handshakes_are_cut(void **state)
{
    struct fixture *f = *state;
    static const char half_hello[] = "\x16\x03\x01\x02\x00\x01\x00";
    int silent = dial(f), half = dial(f);

    put(half, half_hello, sizeof half_hello - 1);
    assert_true(take(silent, answer, sizeof answer, 5000));
    assert_true(take(half, answer, sizeof answer, 5000));
    close(silent);
    close(half);
}

static int setup_small(void **state)
{
    http_bounds.connections_max = 2 * HTTP_THREADS;
    return setup(state);
}

static void test_connections_are_bounded(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 12 };
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fds[MANY], answered = 0;

    for (int i = 0; i < MANY; i++)
        put(fds[i] = dial(f), request, sizeof request - 1);
    for (int i = 0; i < MANY; i++) {
        take(fds[i], answer, sizeof answer, 50); /* others are told 503, closed, or wait in the backlog */
        answered += strstr(answer, "nothing") != NULL;
    }
    assert_in_range(answered, 2, 2 * HTTP_THREADS);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    sleep(1);
    for (int i = 0; i < 30; i++)
        if (get(f, "GET", "/echo") == 200)
            return;
    fail_msg("never took up accepting again");
}

static void test_stop_answers_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    put(fd, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n", 41);
    usleep(100000);
    http_stop_listening(f->server);
    http_stop(f->server);
    assert_true(take(fd, answer, sizeof answer, 500));
    has("later");
    has("Connection: close");
    close(fd);
    struct weir_diag diag;
    f->server = http_start(&f->router, "127.0.0.1", 0, &diag);
    assert_non_null(f->server);
}

static void test_port_taken(void **state)
{
    struct fixture *f = *state;
    struct weir_diag diag;

    assert_null(http_start(&f->router, "127.0.0.1", http_port(f->server), &diag));
    assert_non_null(strstr(diag.message, "cannot listen on 127.0.0.1:"));
    assert_null(http_start(&f->router, "no.such.host.invalid", 1, &diag));
}

/* ---- putting events ---- */

static const char lines[] = "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{\"n\":1}}\n"
                            "\r\n"
                            "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{\"n\":2,\"n\":3}}\r\n";

static void test_events_reach_the_journal(void **state)
{
    struct fixture *f = *state;
    struct journal_record record;
    struct weir_diag diag;

    assert_int_equal(post(f, "/events/audit", "", lines, sizeof lines - 1), 200);
    has("\r\n\r\n{\"accepted\":2}");
    struct journal_reader *reader = journal_reader_open(f->router.journal, 1);
    assert_int_equal(journal_read(reader, &record, &diag), 1);
    assert_true(str_is(record.bus, "audit"));
    assert_int_equal(record.flags, 0);
    assert_non_null(memmem(record.event.ptr, record.event.size, "\"detail\":{\"n\":1}}", 17));
    assert_int_equal(journal_read(reader, &record, &diag), 1);
    assert_int_equal(record.flags, JOURNAL_REPEATED_KEYS);
    assert_int_equal(journal_read(reader, &record, &diag), 0);
    journal_reader_close(reader);
}

static void test_events_refused(void **state)
{
    struct fixture *f = *state;
    static const char bad[] = "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{}}\n\n{\"source\":\"s\"}\n";

    assert_int_equal(post(f, "/events", "", bad, sizeof bad - 1), 400);
    has("{\"message\":\"line 3: missing 'detail-type'\",\"line\":3}");
    assert_int_equal(post(f, "/events", "", "{\"a\":}\n{}", 9), 400);
    has("\"message\":\"line 1: column 6: ");
    assert_int_equal(post(f, "/events", "", "[{},1]", 6), 400);
    has("event 1: missing 'source'");
    assert_int_equal(post(f, "/events", "", "", 0), 200);
    has("{\"accepted\":0}");
    assert_int_equal(post(f, "/events/adit", "", lines, sizeof lines - 1), 404);
    has("no event bus 'adit'; did you mean 'audit'?");
    assert_int_equal(post(f, "/s3", "", "{\"Event\":\"s3:TestEvent\"}", 24), 200);
    assert_int_equal(journal_synced(f->router.journal), 0);
    atomic_store(&f->router.draining, true);
    assert_int_equal(post(f, "/events", "", lines, sizeof lines - 1), 503);
    has("Retry-After: 1");
    atomic_store(&f->router.draining, false);
}

static size_t gzip(const void *bytes, size_t size, unsigned char *out, size_t room)
{
    z_stream z = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void test_gzip(void **state)
{
    struct fixture *f = *state;
    enum { ROOM = 1 << 20 };
    unsigned char *packed = malloc(ROOM);
    char *blank = malloc(HTTP_BODY_BYTES_MAX + 2);
    size_t size = gzip(lines, sizeof lines - 1, packed, ROOM);

    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", packed, size), 200);
    has("{\"accepted\":2}");
    size += gzip(lines, sizeof lines - 1, packed + size, ROOM - size); /* two members are one body */
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", packed, size), 200);
    has("{\"accepted\":4}");
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", packed, size - 5), 400);
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", "not gzip", 8), 400);
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", "", 0), 400);
    assert_int_equal(post(f, "/events", "Content-Encoding: br\n", packed, size), 415);
    memset(blank, ' ', HTTP_BODY_BYTES_MAX + 2);
    size = gzip(blank, HTTP_BODY_BYTES_MAX, packed, ROOM);
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", packed, size), 200);
    size = gzip(blank, HTTP_BODY_BYTES_MAX + 1, packed, ROOM);
    assert_int_equal(post(f, "/events", "Content-Encoding: gzip\n", packed, size), 413);
    free(packed);
    free(blank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard),
        cmocka_unit_test_setup_teardown(test_routes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_forms_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep_alive_and_pipelining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_while_an_answer_is_awaited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_clients_are_cut, setup_hasty, teardown),
        cmocka_unit_test_setup_teardown(test_silent_handshakes_are_cut, setup_tls, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_bounded, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_stop_answers_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_reach_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gzip, setup, teardown),
    };
    signal(SIGPIPE, SIG_IGN); /* as the router does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
