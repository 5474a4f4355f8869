/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The http target against a server of plain sockets, so that every answer can be as wrong as one likes. A thread
 * accepts, each connection has a thread of its own; the test says by a function what is written for a request.
 */
#include "targets/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/targets/rig.h"

extern const struct adapter http_adapter;

/* ---- the server ---- */

#define REQUEST_BYTES   8192
#define CONNECTIONS_MAX 64

struct request {
    int fd;
    char text[REQUEST_BYTES]; /* head and body, NUL-terminated */
    const char *body;
};

struct server {
    int fd, port;
    /* Writes an answer; false: the connection is closed. */
    bool (*answer)(const struct request *q);
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    int connections[CONNECTIONS_MAX];
    size_t connection_count;
    pthread_mutex_t lock;
    size_t request_count;     /* under the lock */
    char last[REQUEST_BYTES]; /* request: under the lock */
};

static struct server server;
static struct rig r;

static void say(const struct request *q, const char *text)
{
    send(q->fd, text, strlen(text), MSG_NOSIGNAL);
}

static size_t body_size(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? (size_t)atol(at + 17) : 0;
}

/* Reads one request; what does not fit is read and dropped. */
static bool read_request(struct request *q)
{
    size_t size = 0, total = 0, wanted = SIZE_MAX;
    char chunk[4096];

    q->body = NULL;
    while (total < wanted) {
        ssize_t n = recv(q->fd, chunk, sizeof chunk, 0);
        if (n <= 0)
            return false;
        size_t room = sizeof q->text - 1 - size, fits = (size_t)n < room ? (size_t)n : room;
        memcpy(q->text + size, chunk, fits);
        size += fits;
        total += (size_t)n;
        q->text[size] = '\0';
        char *end = strstr(q->text, "\r\n\r\n");
        if (end && !q->body) {
            q->body = end + 4;
            wanted = (size_t)(q->body - q->text) + body_size(q->text);
        }
    }
    return true;
}

static void *serve(void *context)
{
    static _Thread_local struct request q;

    q.fd = *(int *)context;
    while (read_request(&q)) {
        pthread_mutex_lock(&server.lock);
        server.request_count++;
        memcpy(server.last, q.text, sizeof server.last);
        pthread_mutex_unlock(&server.lock);
        if (!server.answer(&q))
            break;
    }
    shutdown(q.fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *context)
{
    int fd;

    while (server.connection_count < CONNECTIONS_MAX && (fd = accept(server.fd, NULL, NULL)) >= 0) {
        size_t i = server.connection_count++;
        server.connections[i] = fd;
        pthread_create(&server.threads[i], NULL, serve, &server.connections[i]);
    }
    return NULL;
}

static void server_start(bool (*answer)(const struct request *q))
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;

    memset(&server, 0, sizeof server);
    server.answer = answer;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_mutex_init(&server.lock, NULL);
    if (bind(server.fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(server.fd, 64) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&at, &size) != 0)
        abort();
    server.port = ntohs(at.sin_port);
    pthread_create(&server.acceptor, NULL, accept_all, NULL);
}

static void server_stop(void)
{
    if (server.fd < 0)
        return;
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.acceptor, NULL);
    for (size_t i = 0; i < server.connection_count; i++)
        shutdown(server.connections[i], SHUT_RDWR);
    for (size_t i = 0; i < server.connection_count; i++) {
        pthread_join(server.threads[i], NULL);
        close(server.connections[i]);
    }
    close(server.fd);
    server.fd = -1;
    pthread_mutex_destroy(&server.lock);
}

static bool ok(const struct request *q)
{
    say(q, "HTTP/1.1 204 No Content\r\n\r\n");
    return true;
}

/* Answers with what it was sent. */
static bool parrot(const struct request *q)
{
    say(q, q->body);
    return false;
}

static bool silent(const struct request *q)
{
    struct pollfd p = {.fd = q->fd, .events = POLLRDHUP};
    poll(&p, 1, 30000); /* until the client gives up, or the server stops */
    return false;
}

/* ---- the target ---- */

static void prepare(bool (*answer)(const struct request *q))
{
    char url[64];

    server_start(answer);
    rig_init(&r, &http_adapter);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook?a=b", server.port);
    rig_text(&r, "url", url);
}

static void start(bool (*answer)(const struct request *q))
{
    prepare(answer);
    rig_open(&r);
}

static int teardown(void **state)
{
    rig_fini(&r);
    server_stop();
    return 0;
}

static const struct verdict *ends(const char *input, enum verdict_kind kind, const char *code, const char *message)
{
    const struct verdict *v = rig_run(&r, str_from(input));

    assert_string_equal(v->message, message);
    assert_string_equal(v->code, code);
    assert_int_equal(v->kind, kind);
    return v;
}

static bool asked_for(const char *line)
{
    return strstr(server.last, line) != NULL;
}

/* ---- requests ---- */

static void what_is_sent(void **state)
{
    prepare(ok);
    rig_header(&r, "headers", "Authorization", "Bearer s3cret");
    rig_header(&r, "headers", "X-Empty", "");
    rig_open(&r);
    rig_next(&r)->attempts = 4;
    ends("{\"a\":1}", VERDICT_SETTLED, "", "");
    assert_memory_equal(server.last, "POST /hook?a=b HTTP/1.1\r\n", 25);
    assert_true(asked_for("\r\nContent-Type: application/json\r\n"));
    assert_true(asked_for("\r\nContent-Length: 7\r\n"));
    assert_true(asked_for("\r\nUser-Agent: weir/" WEIR_VERSION "\r\n"));
    assert_true(asked_for("\r\nWeir-Event-Id: event-1\r\n"));
    assert_true(asked_for("\r\nWeir-Attempt: 5\r\n"));
    assert_true(asked_for("\r\nIdempotency-Key: event-1/a-rule/Id1\r\n"));
    assert_true(asked_for("\r\nAuthorization: Bearer s3cret\r\n"));
    assert_true(asked_for("\r\nX-Empty:\r\n"));
    assert_false(asked_for("Expect"));
    assert_true(asked_for("\r\n\r\n{\"a\":1}"));
}

static void own_headers_replace_ours(void **state)
{
    prepare(ok);
    rig_header(&r, "headers", "content-type", "text/plain");
    rig_header(&r, "headers", "user-agent", "mine");
    rig_header(&r, "headers", "Idempotency-Key", "mine too");
    rig_int(&r, "method", 1);
    rig_open(&r);
    ends("", VERDICT_SETTLED, "", "");
    assert_memory_equal(server.last, "PUT ", 4);
    assert_true(asked_for("\r\ncontent-type: text/plain\r\n"));
    assert_true(asked_for("\r\nuser-agent: mine\r\n"));
    assert_true(asked_for("\r\nIdempotency-Key: mine too\r\n"));
    assert_true(asked_for("\r\nContent-Length: 0\r\n"));
    assert_false(asked_for("application/json") || asked_for("weir/") || asked_for("event-1/a-rule"));
}

static void events_make_no_headers(void **state)
{
    start(ok);
    rig_next(&r)->event_id = STR("1\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1\t\x7f");
    ends("{}", VERDICT_SETTLED, "", "");
    assert_true(asked_for("\r\nWeir-Event-Id: 1%0D%0AX-Evil: 1%0D%0A%0D%0AGET / HTTP/1.1\t%7F\r\n"));
}

static void framing_headers_are_refused(void **state)
{
    struct weir_diag diag = {0};

    prepare(ok);
    assert_true(rig_check(&r, &diag));
    rig_header(&r, "headers", "content-length", "5");
    assert_false(rig_check(&r, &diag));
    assert_string_equal(diag.message, "header 'content-length' of target 'tested' cannot be set");
}

static void a_big_body(void **state)
{
    static char big[8 << 20];

    start(ok);
    memset(big, 'x', sizeof big);
    rig_run(&r, (struct str){big, sizeof big});
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    assert_true(asked_for("\r\nContent-Length: 8388608\r\n"));
}

static void connections_are_kept(void **state)
{
    start(ok);
    for (int i = 0; i < 10; i++)
        ends("{}", VERDICT_SETTLED, "", "");
    assert_int_equal(server.request_count, 10);
    assert_int_equal(server.connection_count, 1);
}

/* A proxy of the environment would see the secrets of every target. */
static void no_proxy(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:9/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9/", 1);
    start(ok);
    ends("{}", VERDICT_SETTLED, "", "");
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

/* ---- batches ---- */

static void prepare_batch(bool (*answer)(const struct request *q), int64_t max_events)
{
    prepare(answer);
    rig_int(&r, "batch.max_events", max_events);
    rig_int(&r, "batch.max_wait", 1);
}

static void send_three(const char *a, const char *b, const char *c)
{
    rig_send(&r, str_from(a));
    rig_send(&r, str_from(b));
    rig_send(&r, str_from(c));
}

static void a_batch_is_one_request(void **state)
{
    prepare_batch(ok, 3);
    rig_open(&r);
    send_three("{\"a\":1}", "{\"a\":2}", "{\"a\":3}");
    rig_wait(&r, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(r.verdicts[i].kind, VERDICT_SETTLED);
    assert_int_equal(server.request_count, 1);
    assert_true(asked_for("\r\nContent-Type: application/json\r\n"));
    assert_true(asked_for("\r\nWeir-Batch-Size: 3\r\n"));
    assert_false(asked_for("Idempotency-Key") || asked_for("Weir-Event-Id") || asked_for("Weir-Attempt"));
    assert_true(asked_for("\r\n\r\n[{\"a\":1},{\"a\":2},{\"a\":3}]"));
}

static void a_batch_that_is_not_full_goes_in_time(void **state)
{
    prepare_batch(ok, 100);
    rig_int(&r, "batch.format", 1);
    rig_open(&r);
    send_three("1", "2", "3");
    rig_wait(&r, 3);
    assert_int_equal(server.request_count, 1);
    assert_true(asked_for("\r\nContent-Type: application/x-ndjson\r\n"));
    assert_true(asked_for("\r\n\r\n1\n2\n3\n"));
}

static bool names_the_second(const struct request *q)
{
    static const char body[] = "{\"batchItemFailures\":[{\"itemIdentifier\":\"b/a-rule/Id1\"}]}";
    char answer[200];

    snprintf(answer, sizeof answer, "HTTP/1.1 207 Multi-Status\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    say(q, answer);
    return true;
}

static void an_answer_may_name_what_failed(void **state)
{
    prepare_batch(names_the_second, 3);
    rig_open(&r);
    rig_send(&r, STR("1"));
    rig_next(&r)->idempotency_key = STR("b/a-rule/Id1");
    rig_send(&r, STR("2"));
    rig_send(&r, STR("3"));
    rig_wait(&r, 3);
    assert_int_equal(r.verdicts[0].kind, VERDICT_SETTLED);
    assert_int_equal(r.verdicts[1].kind, VERDICT_RETRY);
    assert_string_equal(r.verdicts[1].code, "BATCH_ITEM_FAILURE");
    assert_int_equal(r.verdicts[2].kind, VERDICT_SETTLED);
}

static bool refuses_bad(const struct request *q)
{
    say(q, strstr(q->body, "bad") ? "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"
                                  : "HTTP/1.1 204 No Content\r\n\r\n");
    return true;
}

static void a_bad_event_does_not_take_its_neighbours_along(void **state)
{
    prepare_batch(refuses_bad, 8);
    rig_open(&r);
    for (int i = 0; i < 8; i++)
        rig_send(&r, i == 5 ? STR("\"bad\"") : STR("\"good\""));
    rig_wait(&r, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(r.verdicts[i].kind, i == 5 ? VERDICT_FAILED : VERDICT_SETTLED);
    assert_string_equal(r.verdicts[5].message, "answered 400: no");
    assert_int_equal(server.request_count, 7); /* 8, 4 and 4, 2 and 2, 1 and 1 */
}

/* ---- answers ---- */

#define ANSWER(status, headers, body) "HTTP/1.1 " status "\r\n" headers "\r\n" body

static void statuses(void **state)
{
    static const struct {
        const char *answer;
        enum verdict_kind kind;
        const char *code, *message;
    } rows[] = {
        {ANSWER("200 OK", "", "fine"), VERDICT_SETTLED, "", ""},
        {ANSWER("202 Accepted", "", ""), VERDICT_SETTLED, "", ""},
        {ANSWER("299 Odd", "", ""), VERDICT_SETTLED, "", ""},
        {ANSWER("301 Moved", "Location: http://127.0.0.1:9/\r\n", "x"), VERDICT_FAILED, "HTTP_301",
         "answered 301; redirects are not followed"},
        {ANSWER("304 Not Modified", "", ""), VERDICT_FAILED, "HTTP_304", "answered 304; redirects are not followed"},
        {ANSWER("400 Bad Request", "", "no\r\n\033[1mbad\303\251"), VERDICT_FAILED, "HTTP_400",
         "answered 400: no   [1mbad  "},
        {ANSWER("404 Not Found", "", ""), VERDICT_FAILED, "HTTP_404", "answered 404"},
        {ANSWER("408 Request Timeout", "", ""), VERDICT_RETRY, "HTTP_408", "answered 408"},
        {ANSWER("410 Gone", "", ""), VERDICT_FAILED, "HTTP_410", "answered 410"},
        {ANSWER("429 Too Many", "", "slow down"), VERDICT_RETRY, "THROTTLING", "answered 429: slow down"},
        {ANSWER("500 Oops", "", ""), VERDICT_RETRY, "HTTP_500", "answered 500"},
        {ANSWER("503 Later", "", ""), VERDICT_RETRY, "HTTP_503", "answered 503"},
        {"HTTP/1.1 100 Continue\r\n\r\n" ANSWER("200 OK", "", ""), VERDICT_SETTLED, "", ""},
    };

    start(parrot);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(ends(rows[i].answer, rows[i].kind, rows[i].code, rows[i].message)->retry_after_ms, -1);
    assert_int_equal(server.request_count, sizeof rows / sizeof *rows); /* none was followed */
}

static int64_t after(const char *status, const char *value)
{
    char answer[256];

    snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nRetry-After: %s\r\n\r\n", status, value);
    const struct verdict *v = rig_run(&r, str_from(answer));
    assert_int_equal(v->kind, VERDICT_RETRY);
    return v->retry_after_ms;
}

static void retry_after(void **state)
{
    char date[64];
    time_t then = time(NULL) + 100;

    start(parrot);
    assert_int_equal(after("503 Later", "7"), 7000);
    assert_int_equal(after("429 Slow", "120"), 120000);
    assert_int_equal(after("500 Oops", "86401"), 86400000);
    assert_int_equal(after("503 Later", "9999999999"), 86400000);
    assert_int_equal(after("503 Later", "0"), -1);
    assert_int_equal(after("503 Later", "soon"), -1);
    assert_int_equal(after("503 Later", "-5"), -1);
    assert_int_equal(after("503 Later", "Wed, 21 Oct 2015 07:28:00 GMT"), -1);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    int64_t ms = after("503 Later", date);
    assert_true(ms > 90000 && ms <= 100000);
}

static void what_is_no_answer(void **state)
{
    start(parrot);
    ends("", VERDICT_RETRY, "CONNECTION_ERROR", "Empty reply from server");
    ends("SSH-2.0-OpenSSH_9.2\r\n", VERDICT_RETRY, "CONNECTION_ERROR", "Received HTTP/0.9 when not allowed");
    const struct verdict *v = rig_run(&r, STR("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"));
    assert_int_equal(v->kind, VERDICT_RETRY);
    assert_string_equal(v->code, "CONNECTION_ERROR");
}

static bool endless(const struct request *q)
{
    static char much[65536];

    say(q, "HTTP/1.1 500 Oops\r\n\r\nsome words ");
    memset(much, 'x', sizeof much);
    while (send(q->fd, much, sizeof much, MSG_NOSIGNAL) > 0)
        continue;
    return false;
}

static void an_answer_without_end(void **state)
{
    prepare(endless);
    rig_int(&r, "timeout", 300);
    rig_open(&r);
    const struct verdict *v = rig_run(&r, STR("{}"));
    assert_int_equal(v->kind, VERDICT_RETRY);
    assert_string_equal(v->code, "TIMEOUT");
}

/* ---- connections ---- */

static void a_server_that_never_answers(void **state)
{
    prepare(silent);
    rig_int(&r, "timeout", 300);
    rig_header(&r, "headers", "Authorization", "Bearer s3cret");
    rig_open(&r);
    int64_t began = rig_clock_ms();
    const struct verdict *v = rig_run(&r, STR("{}"));
    assert_true(rig_clock_ms() - began >= 290);
    assert_int_equal(v->kind, VERDICT_RETRY);
    assert_string_equal(v->code, "TIMEOUT");
    assert_non_null(strstr(v->message, "timed out after"));
    assert_null(strstr(v->message, "s3cret"));
}

static void connection_refused(void **state)
{
    start(ok);
    server_stop();
    const struct verdict *v = rig_run(&r, STR("{}"));
    assert_int_equal(v->kind, VERDICT_RETRY);
    assert_string_equal(v->code, "CONNECTION_ERROR");
    assert_non_null(strstr(v->message, "Failed to connect to 127.0.0.1"));
}

/* A listener whose queue is full lets nobody in. */
static void no_connection_in_time(void **state)
{
    char url[64];
    int fillers[8];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, size) | listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&at, &size);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&at, size);
    }
    prepare(ok);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
    rig_text(&r, "url", url);
    rig_int(&r, "connect_timeout", 200);
    rig_open(&r);
    int64_t began = rig_clock_ms();
    const struct verdict *v = rig_run(&r, STR("{}"));
    assert_true(rig_clock_ms() - began < 3000); /* not the whole time-out of 5 s */
    assert_string_equal(v->code, "TIMEOUT");
    assert_int_equal(v->kind, VERDICT_RETRY);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(fd);
}

static void tls_to_a_plain_server(void **state)
{
    char url[64];

    prepare(parrot);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", server.port);
    rig_text(&r, "url", url);
    rig_int(&r, "timeout", 1000);
    rig_open(&r);
    const struct verdict *v = rig_run(&r, STR("{}"));
    assert_int_equal(v->kind, VERDICT_RETRY);
}

/* The server closes a kept connection between two requests: nobody is to notice. */
static bool ok_once(const struct request *q)
{
    say(q, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static void a_kept_connection_that_went(void **state)
{
    start(ok_once);
    for (int i = 0; i < 5; i++) {
        ends("{}", VERDICT_SETTLED, "", "");
        rig_turn(&r, 20);
    }
    assert_int_equal(server.request_count, 5);
}

/* ---- many, and the end ---- */

static bool sleepy(const struct request *q)
{
    usleep((useconds_t)atoi(q->body) * 1000);
    return ok(q);
}

static void out_of_order(void **state)
{
    start(sleepy);
    assert_int_equal(r.target->def->policy->concurrency, 16);
    rig_send(&r, STR("400"));
    rig_send(&r, STR("200"));
    rig_send(&r, STR("0"));
    assert_int_equal(r.completed, 0);
    rig_wait(&r, 3);
    assert_int_equal(r.order[0], 2);
    assert_int_equal(r.order[1], 1);
    assert_int_equal(r.order[2], 0);
}

static void close_while_it_waits(void **state)
{
    int before = rig_descriptors();

    start(silent);
    for (int i = 0; i < 5; i++)
        rig_send(&r, STR("{}"));
    for (size_t seen = 0; seen < 5;) {
        rig_turn(&r, 10);
        pthread_mutex_lock(&server.lock);
        seen = server.request_count;
        pthread_mutex_unlock(&server.lock);
    }
    rig_close(&r);
    rig_turn(&r, 20);
    assert_int_equal(r.completed, 0);
    rig_fini(&r);
    server_stop();
    assert_int_equal(rig_descriptors(), before);
}

static void no_descriptor_is_left(void **state)
{
    int before = rig_descriptors();

    for (int i = 0; i < 5; i++) {
        start(ok);
        for (int j = 0; j < 20; j++)
            rig_send(&r, STR("{}"));
        rig_wait(&r, 20);
        rig_fini(&r);
        server_stop();
    }
    assert_int_equal(rig_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_sent, teardown),
        cmocka_unit_test_teardown(own_headers_replace_ours, teardown),
        cmocka_unit_test_teardown(events_make_no_headers, teardown),
        cmocka_unit_test_teardown(framing_headers_are_refused, teardown),
        cmocka_unit_test_teardown(a_big_body, teardown),
        cmocka_unit_test_teardown(connections_are_kept, teardown),
        cmocka_unit_test_teardown(no_proxy, teardown),
        cmocka_unit_test_teardown(a_batch_is_one_request, teardown),
        cmocka_unit_test_teardown(a_batch_that_is_not_full_goes_in_time, teardown),
        cmocka_unit_test_teardown(an_answer_may_name_what_failed, teardown),
        cmocka_unit_test_teardown(a_bad_event_does_not_take_its_neighbours_along, teardown),
        cmocka_unit_test_teardown(statuses, teardown),
        cmocka_unit_test_teardown(retry_after, teardown),
        cmocka_unit_test_teardown(what_is_no_answer, teardown),
        cmocka_unit_test_teardown(an_answer_without_end, teardown),
        cmocka_unit_test_teardown(a_server_that_never_answers, teardown),
        cmocka_unit_test_teardown(connection_refused, teardown),
        cmocka_unit_test_teardown(no_connection_in_time, teardown),
        cmocka_unit_test_teardown(tls_to_a_plain_server, teardown),
        cmocka_unit_test_teardown(a_kept_connection_that_went, teardown),
        cmocka_unit_test_teardown(out_of_order, teardown),
        cmocka_unit_test(close_while_it_waits),
        cmocka_unit_test(no_descriptor_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
