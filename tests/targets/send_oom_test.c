/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory while a target opens, sends and completes: each allocation, ours, libcurl's and libevent's, is refused
 * in turn. A target that cannot open says so; a delivery always gets a verdict, and it is never "failed for good".
 */
#include "targets/adapter.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "targets/api_destination.h"
#include "targets/connection.h"
#include "tests/targets/rig.h"

#include "tests/wrap_malloc.h"

extern const struct adapter function_adapter, http_adapter, file_adapter;

/* ---- refusing ---- */

static atomic_long countdown = -1;      /* allocations until one is refused; below 0: none is */
static atomic_bool refused_one, inside; /* inside: of open() or send() */

static bool refused(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    refused_one = true;
    return true;
}

/* libevent's: the loop of the rig has allocations too, which are not the target's. */
static void *event_malloc(size_t size)
{
    return inside && refused() ? NULL : __real_malloc(size);
}
static void *event_realloc(void *memory, size_t size)
{
    return inside && refused() ? NULL : __real_realloc(memory, size);
}

/* libcurl's: all of them, as ours. */
static void *curl_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}
static void *curl_realloc(void *memory, size_t size)
{
    return refused() ? NULL : __real_realloc(memory, size);
}
static void *curl_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}
static char *curl_strdup(const char *text)
{
    return refused() ? NULL : __real_strdup(text);
}

static int hook(void **state)
{
    allocation_refused = refused;
    event_set_mem_functions(event_malloc, event_realloc, free);
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, free, curl_realloc, curl_strdup, curl_calloc);
}

/* ---- the work ---- */

static struct rig r;

static bool opens(struct weir_diag *diag)
{
    inside = true;
    r.target = r.def.adapter->open(&r.def, &r.host, r.folder, diag);
    inside = false;
    return r.target;
}

/* One life of a target in which the n-th allocation is refused. False: there were not so many. */
static bool refuse(long n, const struct adapter *adapter, void (*set)(void))
{
    struct weir_diag diag = {0};

    rig_init(&r, adapter);
    set();
    refused_one = false;
    countdown = n;
    if (opens(&diag)) {
        inside = true;
        rig_send(&r, STR("{\n}"));
        inside = false;
        rig_wait(&r, 1);
        assert_int_not_equal(r.verdicts[0].kind, VERDICT_FAILED);
        assert_true(r.verdicts[0].kind == VERDICT_SETTLED || refused_one);
        countdown = -1;
        assert_int_equal(rig_run(&r, STR("{}"))->kind, VERDICT_SETTLED); /* and it is as good as ever */
    } else {
        assert_int_equal(diag.code, WEIR_E_MEMORY);
        assert_true(refused_one);
    }
    countdown = -1;
    rig_fini(&r);
    return refused_one;
}

static void refuse_each(const struct adapter *adapter, void (*set)(void), long least)
{
    int before = rig_descriptors();
    long n = 0;

    while (refuse(n, adapter, set))
        n++;
    assert_true(n >= least);
    assert_int_equal(rig_descriptors(), before);
}

static void set_function(void)
{
    rig_command(&r, "command", (const char *[]){"true", NULL});
}

static void set_function_batch(void)
{
    set_function();
    rig_int(&r, "batch.max_events", 1);
}

static void function(void **state)
{
    refuse_each(&function_adapter, set_function, 8);
    refuse_each(&function_adapter, set_function_batch, 10);
}

static void set_file(void)
{
    rig_text(&r, "path", rig_path(&r, "out"));
}

static void file(void **state)
{
    refuse_each(&file_adapter, set_file, 2);
}

/* ---- http: a server that says yes, and gives tokens, one connection at a time ---- */

static int listener, port;

static void *say_yes(void *context)
{
    static const char yes[] = "HTTP/1.1 200 Fine\r\nConnection: close\r\n\r\n{\"access_token\":\"t\"}";
    char request[4096];
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (recv(fd, request, sizeof request, 0) > 0)
            send(fd, yes, sizeof yes - 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static void set_http(void)
{
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    rig_text(&r, "url", url);
    rig_int(&r, "timeout", 300); /* the end of a transfer whose socket could not be watched */
}

static void set_http_batch(void)
{
    set_http();
    rig_int(&r, "batch.max_wait", 1);
}

static struct connection_options connection;
static const struct target_def connection_def = {
    .adapter = &connection_adapter, .name = {"c", 1}, .options = &connection};
static struct option_header added[] = {{.name = {"a", 1}, .value = {"b", 1}}};

static void set_destination(void)
{
    struct api_destination_options *o = r.def.options;
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    rig_text(&r, "invocation_endpoint", url);
    rig_int(&r, "timeout", 300);
    o->connection = &connection_def;
    connection = (struct connection_options){.basic = {.username = STR("u"), .password.value = STR("p")}};
    connection.invocation.bodies = connection.invocation.queries = connection.invocation.headers =
        (struct option_list){added, 1};
}

static void set_destination_oauth(void)
{
    set_destination();
    connection.authorization_type = AUTHORIZATION_OAUTH;
    connection.oauth.client_id = connection.oauth.client_secret.value = STR("s");
    connection.oauth.endpoint = ((struct api_destination_options *)r.def.options)->endpoint;
    connection.oauth.method = 1;
}

static void http(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    pthread_t thread;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, size) | listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&at, &size);
    port = ntohs(at.sin_port);
    pthread_create(&thread, NULL, say_yes, NULL);
    refuse_each(&http_adapter, set_http, 30);
    refuse_each(&http_adapter, set_http_batch, 30);
    refuse_each(&api_destination_adapter, set_destination, 30);
    refuse_each(&api_destination_adapter, set_destination_oauth, 60);
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function),
        cmocka_unit_test(file),
        cmocka_unit_test(http),
    };
    return cmocka_run_group_tests(tests, hook, NULL);
}
