/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to an API destination says: URL, headers and body from endpoint, connection and rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "targets/api_destination_int.h"
#include "targets/http_text.h"

#define LIST(...)                                                                                                      \
    (struct option_list)                                                                                               \
    {                                                                                                                  \
        (struct option_header[]){__VA_ARGS__},                                                                         \
            sizeof((struct option_header[]){__VA_ARGS__}) / sizeof(struct option_header)                               \
    }
#define PAIR(n, v)                                                                                                     \
    {                                                                                                                  \
        .name = {n, sizeof(n) - 1}, .value = { v, sizeof(v) - 1 }                                                      \
    }
#define PARAMETER(p, n, v)                                                                                             \
    {                                                                                                                  \
        PARAMETER_##p, {n, sizeof(n) - 1},                                                                             \
        {                                                                                                              \
            v, sizeof(v) - 1                                                                                           \
        }                                                                                                              \
    }

static struct weir_diag diag;

/* ---- URLs ---- */

static void url(const char *endpoint, const struct connection_options *c, const struct delivery_parameter *parameters,
                size_t count, const char *wanted)
{
    struct api_destination_options o = {.endpoint = str_from(endpoint)};
    struct delivery d = {.parameters = parameters, .parameter_count = count};
    struct buf out = BUF_INIT;
    bool ok = api_destination_url(&o, c, &d, &out, &diag);

    assert_int_equal(ok, wanted[0] == 'h');
    assert_string_equal(ok ? buf_cstr(&out) : diag.message, wanted);
    buf_fini(&out);
}

static void urls(void **state)
{
    static const struct delivery_parameter all[] = {
        PARAMETER(PATH, "", "a/b"),       PARAMETER(HEADER, "h", "no"),     PARAMETER(QUERY, "q", "x y"),
        PARAMETER(PATH, "", "*\xc3\xa9"), PARAMETER(QUERY, "same", "rule"), PARAMETER(QUERY, "e", ""),
    };
    struct connection_options none = {0}, c = {0};
    c.invocation.queries = LIST(PAIR("same", "connection"), PAIR("k&", "="));

    url("http://h/", &none, NULL, 0, "http://h/");
    url("http://h/", &c, NULL, 0, "http://h/?same=connection&k%26=%3D");
    url("http://h/?a=b", &c, NULL, 0, "http://h/?a=b&same=connection&k%26=%3D");
    url("http://h/*/x/*", &none, all, 6, "http://h/a%2Fb/x/%2A%C3%A9?q=x%20y&same=rule&e=");
    url("http://h/*/x/*", &c, all, 6, "http://h/a%2Fb/x/%2A%C3%A9?q=x%20y&e=&same=connection&k%26=%3D");
    url("http://h/*", &none, all, 1, "http://h/a%2Fb");
    url("http://h/", &none, all, 1, "http://h/"); /* more values than places */
    url("http://h/*/*", &none, all, 1, "the endpoint has more * than the rule's target has path values, 1");
    url("http://h/*", &none, NULL, 0, "the endpoint has more * than the rule's target has path values, 0");
}

/* ---- bodies ---- */

static void body(const struct connection_options *c, const char *input, const char *wanted)
{
    struct api_destination_options o = {0};
    struct delivery d = {.input = str_from(input)};
    struct buf out = BUF_INIT;
    struct str made;
    bool ok = api_destination_body(&o, c, &d, &out, &made, &diag);

    assert_true(str_is(ok ? made : str_from(diag.message), wanted));
    buf_fini(&out);
}

static void bodies(void **state)
{
    static const char no_object[] =
        "the connection has body parameters, and the input is no JSON object to add them to";
    struct connection_options none = {0}, c = {0};
    c.invocation.bodies = LIST(PAIR("a", "1"), PAIR("b\"", "\xc3\xa9\n"));

    body(&none, "no JSON at all", "no JSON at all");
    body(&none, "", "");
    body(&c, "{}", "{\"a\":\"1\",\"b\\\"\":\"\xc3\xa9\\n\"}");
    body(&c, "{\"x\":{\"a\":2}}", "{\"x\":{\"a\":2},\"a\":\"1\",\"b\\\"\":\"\xc3\xa9\\n\"}");
    body(&c, "{\"a\":2,\"x\":[1,2],\"\\u0061\":3}", "{\"x\":[1,2],\"a\":\"1\",\"b\\\"\":\"\xc3\xa9\\n\"}");
    body(&c, "{\"b\\\"\":0,\"x\":1.50}", "{\"x\":1.50,\"a\":\"1\",\"b\\\"\":\"\xc3\xa9\\n\"}");
    body(&c, "[{}]", no_object);
    body(&c, "\"text\"", no_object);
    body(&c, "{\"a\":", no_object);
    body(&c, "", no_object);
}

static void bodies_of_methods(void **state)
{
    for (int i = 0; api_destination_methods[i]; i++) {
        struct api_destination_options o = {.method = i};
        const char *m = api_destination_methods[i];
        bool bodiless = m[0] == 'G' || m[0] == 'H' || m[0] == 'O';
        assert_int_equal(api_destination_is_bodiless(&o), bodiless);
    }
}

/* ---- headers ---- */

static bool collect(void *context, const char *name, struct str value)
{
    buf_printf(context, "%s=%.*s;", name, STR_ARG(value));
    return true;
}

static void headers(const struct connection_options *c, const struct delivery_parameter *parameters, size_t count,
                    const char *wanted)
{
    struct delivery d = {.parameters = parameters, .parameter_count = count};
    struct buf out = BUF_INIT;

    assert_true(api_destination_headers(c, &d, STR("T0"), collect, &out));
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

#define TYPE "Content-Type=application/json; charset=utf-8;"

static void authorization(void **state)
{
    struct connection_options basic = {.basic = {.username = STR("ann"), .password.value = STR("a:b")}};
    struct connection_options key = {.authorization_type = AUTHORIZATION_API_KEY,
                                     .api_key = {.name = STR("X-Key"), .value.value = STR("k")}};
    struct connection_options oauth = {.authorization_type = AUTHORIZATION_OAUTH};

    headers(&basic, NULL, 0, "Authorization=Basic YW5uOmE6Yg==;" TYPE);
    headers(&key, NULL, 0, "X-Key=k;" TYPE);
    headers(&oauth, NULL, 0, "Authorization=Bearer T0;" TYPE);
}

static void headers_of_both(void **state)
{
    static const struct delivery_parameter rule[] = {
        PARAMETER(HEADER, "X-Rule", "1"),
        PARAMETER(QUERY, "q", "no"),
        PARAMETER(HEADER, "x-both", "rule"),
        PARAMETER(HEADER, "x-KEY", "forged"),
        PARAMETER(HEADER, "Host", ""),
        PARAMETER(HEADER, "content-TYPE", "text/x"),
        PARAMETER(HEADER, "TRANSFER-encoding", "chunked"),
    };
    struct connection_options c = {.authorization_type = AUTHORIZATION_API_KEY,
                                   .api_key = {.name = STR("X-Key"), .value.value = STR("k")}};
    c.invocation.headers = LIST(PAIR("X-Both", "connection"), PAIR("User-Agent", "me"), PAIR("x-key", "other"));

    headers(&c, NULL, 0, "X-Key=k;X-Both=connection;" TYPE);
    headers(&c, rule, 7, "X-Key=k;X-Both=connection;X-Rule=1;content-TYPE=text/x;");
    c.invocation.headers = LIST(PAIR("CONTENT-type", "text/y"));
    headers(&c, rule, 7, "X-Key=k;CONTENT-type=text/y;X-Rule=1;x-both=rule;");
}

/* ---- texts ---- */

static void encoding(void **state)
{
    struct buf out = BUF_INIT;

    http_write_encoded(&out, (struct str){"aZ09-._~ /%+\0\xff", 14});
    assert_string_equal(buf_cstr(&out), "aZ09-._~%20%2F%25%2B%00%FF");
    buf_clear(&out);
    http_write_basic(&out, STR("a:"), STR("b/"), true);
    assert_string_equal(buf_cstr(&out), "Basic YSUzQTpiJTJG");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),          cmocka_unit_test(bodies),          cmocka_unit_test(bodies_of_methods),
        cmocka_unit_test(authorization), cmocka_unit_test(headers_of_both), cmocka_unit_test(encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
