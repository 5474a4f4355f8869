/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures against vectors that another implementation made (tests/e2e/sigv4.py, and AWS's published example), the
 * canonical forms of awkward requests, and the allow lists' patterns. What clients and attackers do to a whole router:
 * tests/e2e/test_auth.py.
 */
#include "router/auth_sigv4_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/router/raw_request.h"

#define NOW_MS INT64_C(1440938160000) /* 20150830T123600Z */
#define SCOPE  "20150830/us-east-1/events/aws4_request"

static const struct access_holder holder = {.id = STR("AKIDEXAMPLE"),
                                            .secret = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
static const struct access access_of_one = {.serial = 1, .keys = &holder, .key_count = 1};

static bool verify(const char *text, int64_t now_ms, bool tls, struct sigv4_result *out)
{
    struct raw_request raw;

    raw_read(&raw, str_from(text));
    raw.request.tls = tls;
    return sigv4_verify(&raw.request, &access_of_one, now_ms, out);
}

/* ---- good ones ---- */

#define SIGNED(names, signature)                                                                                       \
    "Host: localhost:4566\nX-Amz-Date: 20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 "                             \
    "Credential=AKIDEXAMPLE/" SCOPE ", SignedHeaders=" names ", Signature=" signature "\n"

static const struct {
    const char *name, *request, *body; /* body: of chunks, as it is given on; NULL: it came whole */
} good[] = {
    {"a body and a target",
     "POST /\nX-Amz-Target: AWSEvents.PutEvents\n" SIGNED(
         "host;x-amz-date;x-amz-target", "d85f53d922729283fd0323e46fdf28fcf7d2e871d424d4f1236de204b058323d") "\n{}",
     NULL},
    {"nothing", "GET /\n" SIGNED("host;x-amz-date", "3f35218ffbfd5e58afe2625928daa59d804d563a2799c222ab8c929cb461bf22"),
     NULL},
    {"a path to be normalised",
     "POST /a/./b//../c/%20d/\n" SIGNED("host;x-amz-date",
                                        "09a15736d678798108be357187d56b009f5a664b7bcf1a4bc3d0c7a9bcc172ca") "\nx",
     NULL},
    {"the same path, normalised",
     "POST /a/c/%20d/\n" SIGNED("host;x-amz-date",
                                "09a15736d678798108be357187d56b009f5a664b7bcf1a4bc3d0c7a9bcc172ca") "\nx",
     NULL},
    {"a query to be sorted",
     "GET /?b=2&a=%2f&a=1&c&d=x+y\n" SIGNED("host;x-amz-date",
                                            "b5aa5d5a335fdd9b0c0ff6110d80e87c4fa429f5d5be0f7741d10303139caded"),
     NULL},
    {"the same query, sorted and spelled otherwise",
     "GET /?a=1&%61=/&b=2&c=&d=x%20y\n" SIGNED("host;x-amz-date",
                                               "b5aa5d5a335fdd9b0c0ff6110d80e87c4fa429f5d5be0f7741d10303139caded"),
     NULL},
    {"blanks in a value",
     "POST /\nMy-Header:   a   b\t c \n" SIGNED("host;my-header;x-amz-date",
                                                "3986da1c63131d49eb9c7d4f5da37db01de3a40a4921a3a83449d33d487a9d0f"),
     NULL},
    {"a header twice",
     "POST /\nMy-Header: b\nmy-header: a\n" SIGNED("host;my-header;x-amz-date",
                                                   "1b8087ad2fa173c4b9750e64a8e4198353684feb2122b7ca285d056900e3b538"),
     NULL},
    {"a signed hash",
     "POST /\nX-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n" SIGNED(
         "host;x-amz-content-sha256;x-amz-date", "cf4ecdc1453c23f79ab80bfcef14e654d3abcdb8725a70f79ca79fff96c0e137"),
     NULL},
    {"presigned",
     "GET "
     "/?Action=ListQueues&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1"
     "%2Fevents%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-"
     "Signature="
     "e113021ff03ef9aaa5d79147535506dfde666c262853c969c0110aff4c400708\nHost: localhost:4566\n",
     NULL},
    {"chunks",
     "POST /\nX-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n" SIGNED(
         "host;x-amz-content-sha256;x-amz-date", "ee49bd3127a7e8279d65d7c179b06dcb70acc8597169ba07d391f94849fcb"
                                                 "05f") "\n6;chunk-signature="
                                                        "39a0018ae204cd66c1f3d3dec8ad84b0c143a4e464e951cf08da22"
                                                        "22659ce1f4\r\nhello \r\n5;chunk-signature="
                                                        "30c609cf1394aa30a666959c3fd9f4dc1c29951b5cbd442c062c7b"
                                                        "db0566fa4a\r\nworld\r\n0;chunk-signature="
                                                        "2d9a396db42945421ff9cd21c7cc64888a0abd6a2a1de82e013d28"
                                                        "9690dc6eab\r\n\r\n",
     "hello world"},
    {"chunks with a trailer",
     "POST /\nX-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n" SIGNED(
         "host;x-amz-content-sha256;x-amz-date", "fc681cb4202184c403ae4f1bfa79dfa69ba9eeda9b3450e02eb87139283e6"
                                                 "3ec") "\n6;chunk-signature="
                                                        "7354cff8e0da5e08decd0b4beb29a1081c44a9333544e58998eb5c"
                                                        "df53f177c2\r\nhello \r\n5;chunk-signature="
                                                        "97438e46fec8a9af4ca59ad988befe1fcba7344f376584291b41cf"
                                                        "f6f23c6c61\r\nworld\r\n0;chunk-signature="
                                                        "02dbabfd1637ea860ae9ef515ccb04416ba4283e1c911db54a102b"
                                                        "1130670266\r\nx-amz-checksum-crc32:AAAAAA==\r\n"
                                                        "x-amz-trailer-signature:"
                                                        "6c696e3a6c9e7ebcebde44f78d2b3f69d99d0f6203113e350d6842"
                                                        "c1c652cf96\r\n\r\n",
     "hello world"},
};

enum { NORMALISED = 2, PRESIGNED = 9 }; /* of them */

static void test_vectors(void **state)
{
    struct sigv4_result result;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!verify(good[i].request, NOW_MS, false, &result))
            fail_msg("%s: %s", good[i].name, result.message);
        assert_ptr_equal(result.key, &holder);
        assert_string_equal(result.service, "events");
        assert_int_equal(result.decoded, good[i].body != NULL);
        if (good[i].body)
            assert_true(str_is(buf_view(&result.body), good[i].body));
        buf_fini(&result.body);
    }
}

/* No byte of a signed request but blanks may be another one; where a path is normalised, others may mean the same. */
static void test_every_byte_counts(void **state)
{
    struct sigv4_result result;
    size_t refused = 0;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char *copy = strdup(good[i].request);
        for (size_t at = 0; copy[at]; at++) {
            char before = copy[at];
            if (before == ' ' || before == '\t' || (i == NORMALISED && at < 20))
                continue;
            copy[at] = '!';
            if (verify(copy, NOW_MS, false, &result))
                fail_msg("%s: byte %zu of '%s' may be another one", good[i].name, at, copy);
            buf_fini(&result.body);
            refused++;
            copy[at] = before;
        }
        free(copy);
    }
    assert_true(refused > 3000);
}

static void test_time(void **state)
{
    static const struct {
        int64_t offset_s;
        bool presigned, good;
    } cases[] = {{-300, false, true}, {-301, false, false}, {300, false, true}, {301, false, false},
                 {300, true, true},   {301, true, false},   {-300, true, true}, {-301, true, false}};
    struct sigv4_result result;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = good[cases[i].presigned ? PRESIGNED : 0].request;
        assert_int_equal(verify(text, NOW_MS + cases[i].offset_s * 1000, false, &result), cases[i].good);
    }
    assert_false(verify(good[0].request, NOW_MS + 301000, false, &result));
    assert_string_equal(result.message, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z "
                                        "(20150830T124101Z - 5 min.)");
    assert_false(verify(good[0].request, NOW_MS - 301000, false, &result));
    assert_string_equal(result.message, "Signature not yet current: 20150830T123600Z is still later than "
                                        "20150830T123559Z (20150830T123059Z + 5 min.)");
}

/* Keys that were exchanged by a reload are not taken for what they were. */
static void test_remembered_keys_go_with_their_file(void **state)
{
    struct access_holder other = holder;
    struct access later = {.serial = 2, .keys = &other, .key_count = 1};
    struct sigv4_result result;
    struct raw_request raw;

    raw_read(&raw, str_from(good[0].request));
    assert_true(sigv4_verify(&raw.request, &later, NOW_MS, &result));
    other.secret = STR("another0secret0key00");
    later.serial = 3;
    assert_false(sigv4_verify(&raw.request, &later, NOW_MS, &result));
    assert_int_equal(result.fault, SIGV4_MISMATCH);
    assert_true(verify(good[0].request, NOW_MS, false, &result));
}

/* ---- what is signed ---- */

/* AWS's own example of the documentation: IAM's ListUsers. */
static void test_published_example(void **state)
{
    struct raw_request raw;
    struct sigv4_credential c = {.signed_headers = STR("content-type;host;x-amz-date")};
    struct buf text = BUF_INIT;
    char hex[SIGV4_HEX_SIZE + 1];

    raw_read(&raw, STR("GET /?Action=ListUsers&Version=2010-05-08\n"
                       "Content-Type: application/x-www-form-urlencoded; charset=utf-8\nHost: iam.amazonaws.com\n"
                       "X-Amz-Date: 20150830T123600Z\n"));
    sigv4_write_canonical(&raw.request, &c, STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                          &text);
    sigv4_digest(buf_view(&text), hex);
    assert_string_equal(hex, "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    buf_fini(&text);
}

static void test_canonical_paths_and_queries(void **state)
{
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"//", "/", ""},
        {"/..", "/", ""},
        {"/../../x", "/x", ""},
        {"/a/b/..", "/a", ""},
        {"/a/b/../", "/a/", ""},
        {"/a/.../b", "/a/.../b", ""},
        {"/a%2Fb/%2e%2e/c", "/a%252Fb/%252e%252e/c", ""},
        {"/a b:c~", "/a%20b%3Ac~", ""},
        {"/?", "/", ""},
        {"/?&&a&", "/", "a="},
        {"/?a=b=c", "/", "a=b%3Dc"},
        {"/?=x", "/", "=x"},
        {"/?a1=x&a=y", "/", "a=y&a1=x"},
        {"/?%zz=%4", "/", "%25zz=%254"},
        {"/?a=%C3%A9", "/", "a=%C3%A9"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf request = BUF_INIT, text = BUF_INIT, wanted = BUF_INIT;
        struct raw_request raw;
        buf_printf(&request, "GET ");
        raw_read(&raw, STR("GET /\nHost: h\n"));
        struct str target = str_from(cases[i].target);
        raw.request.path = raw_take(&target, '?');
        raw.request.query = target;
        sigv4_write_canonical(&raw.request, &(struct sigv4_credential){.signed_headers = STR("host")}, STR("H"), &text);
        buf_printf(&wanted, "GET\n%s\n%s\nhost:h\n\nhost\nH", cases[i].path, cases[i].query);
        assert_string_equal(buf_cstr(&text), buf_cstr(&wanted));
        buf_fini(&request);
        buf_fini(&text);
        buf_fini(&wanted);
    }
}

/* More parameters than anybody signs are refused, not sorted. */
static void test_many_parameters(void **state)
{
    struct buf query = BUF_INIT, text = BUF_INIT;
    struct raw_request raw;

    for (int i = 0; i <= SIGV4_PARAMETERS_MAX; i++)
        buf_printf(&query, "&p%d=", i);
    raw_read(&raw, STR("GET /\nHost: h\n"));
    raw.request.query = buf_view(&query);
    sigv4_write_canonical(&raw.request, &(struct sigv4_credential){.signed_headers = STR("host")}, STR("H"), &text);
    assert_true(text.failed);
    buf_fini(&query);
    buf_fini(&text);
}

/* ---- allow lists ---- */

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool fold, matches;
    } cases[] = {
        {"", "", false, true},
        {"", "a", false, false},
        {"*", "", false, true},
        {"*", "anything", false, true},
        {"a*", "a", false, true},
        {"a*", "ba", false, false},
        {"*a", "ba", false, true},
        {"*a", "ab", false, false},
        {"a*b*c", "aXbYbZc", false, true},
        {"a*b*c", "aXbYbZ", false, false},
        {"a**c", "ac", false, true},
        {"my.*", "my.app", false, true},
        {"my.*", "my", false, false},
        {"my.*", "MY.app", false, false},
        {"EVENTS:put*", "events:PutRule", true, true},
        {"a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (access_matches(str_from(cases[i].pattern), str_from(cases[i].text), cases[i].fold) != cases[i].matches)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

static void test_lists(void **state)
{
    static const struct str nothing[1], dots[] = {STR("my.*"), STR("aws.mine")};
    struct access_holder all = {0}, some = {.sources = {dots, 2, true}, .actions = {nothing, 0, true}};

    assert_true(access_may_act(&all, STR("events:PutRule")));
    assert_true(access_may_use_bus(&all, STR("any")));
    assert_true(access_may_send(&all, STR("my.app"), false));
    assert_false(access_may_send(&all, STR("aws.s3"), false));
    assert_true(access_may_send(&all, STR("aws.s3"), true));
    assert_true(access_may_send(&all, STR("aws"), false));
    assert_false(access_may_act(&some, STR("events:PutRule"))); /* an empty list is nothing, not everything */
    assert_true(access_may_send(&some, STR("my.app"), false));
    assert_true(access_may_send(&some, STR("aws.mine"), false));
    assert_false(access_may_send(&some, STR("aws.s3"), true));
}

static void test_loopback(void **state)
{
    static const char *const yes[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost"};
    static const char *const no[] = {"0.0.0.0",   "::",    "192.0.2.1", "::ffff:192.0.2.1", "localhost.",
                                     "128.0.0.1", "127.1", "",          "localhost.example"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(access_is_loopback(str_from(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(access_is_loopback(str_from(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_remembered_keys_go_with_their_file),
        cmocka_unit_test(test_published_example),
        cmocka_unit_test(test_canonical_paths_and_queries),
        cmocka_unit_test(test_many_parameters),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
