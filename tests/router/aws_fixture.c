/* SPDX-License-Identifier: Apache-2.0 */
/* The server and the client that the tests of AWS's protocols share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <cmocka.h>

#include <curl/curl.h>

#include "matcher/json.h"
#include "router/http.h"
#include "targets/uuid.h"
#include "tests/matcher/cases.h"
#include "tests/router/aws_fixture.h"

static struct bus buses[] = {
    {.name = STR("default"), .arn = STR("arn:aws:events:us-east-1:000000000000:event-bus/default")},
    {.name = STR("audit"), .arn = STR("arn:aws:events:us-east-1:000000000000:event-bus/audit")},
    {.name = STR("strict"), .arn = STR("arn:aws:events:us-east-1:000000000000:event-bus/strict"), .strict_aws = true},
};
static struct ruleset set = {
    .references = 1,
    .listen_host = STR("127.0.0.1"),
    .account = STR("000000000000"),
    .region = STR("us-east-1"),
    .buses = buses,
    .bus_count = 3,
};

struct aws_fixture aws;

void aws_fixture_start(void (*synced)(void *context, uint64_t sequence))
{
    struct journal_options options = {.pending_bytes = synced ? 200 : 0, .synced = synced};
    struct journal_report report;
    struct weir_diag diag;

    strcpy(aws.dir, "/tmp/weir-aws-XXXXXX");
    assert_non_null(mkdtemp(aws.dir));
    aws.router.set = &set;
    clock_start(&aws.router.clock, (struct weir_time){0});
    aws.router.journal = journal_open(aws.dir, &options, &report, &diag);
    assert_non_null(aws.router.journal);
    aws.router.ready = true;
    aws.router.draining = false;
    aws.server = http_start(&aws.router, "127.0.0.1", 0, &diag);
    assert_non_null(aws.server);
    aws.curl = curl_easy_init();
    assert_non_null(aws.curl);
}

void aws_fixture_stop(void)
{
    char command[64];

    curl_easy_cleanup(aws.curl);
    http_stop(aws.server);
    journal_close(aws.router.journal);
    snprintf(command, sizeof command, "rm -r %s", aws.dir);
    assert_int_equal(system(command), 0);
    buf_fini(&aws.body);
    buf_fini(&aws.id);
    buf_fini(&aws.error);
    buf_fini(&aws.type);
}

/* ---- asking ---- */

static size_t body_cb(char *bytes, size_t size, size_t count, void *context)
{
    buf_add(&aws.body, bytes, size * count);
    return size * count;
}

static void keep_header(struct str line, const char *name, struct buf *out)
{
    size_t size = strlen(name);
    if (line.size > size + 2 && strncasecmp(line.ptr, name, size) == 0 && line.ptr[size] == ':')
        buf_add(out, line.ptr + size + 2, line.size - size - 4); /* ": " before, CR LF behind */
}

static size_t header_cb(char *bytes, size_t size, size_t count, void *context)
{
    struct str line = {bytes, size * count};
    keep_header(line, "x-amzn-RequestId", &aws.id);
    keep_header(line, "x-amzn-errortype", &aws.error);
    keep_header(line, "Content-Type", &aws.type);
    return line.size;
}

void aws_ask(const char *target, struct str body)
{
    char url[64], header[256];
    struct curl_slist *headers = NULL;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", http_port(aws.server));
    if (target) {
        snprintf(header, sizeof header, "X-Amz-Target: %s", target);
        headers = curl_slist_append(headers, header);
    }
    headers = curl_slist_append(headers, "Expect:");
    buf_clear(&aws.body);
    buf_clear(&aws.id);
    buf_clear(&aws.error);
    buf_clear(&aws.type);
    curl_easy_setopt(aws.curl, CURLOPT_URL, url);
    curl_easy_setopt(aws.curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(aws.curl, CURLOPT_POSTFIELDSIZE, (long)body.size);
    curl_easy_setopt(aws.curl, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(aws.curl, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(aws.curl, CURLOPT_HEADERFUNCTION, header_cb);
    assert_int_equal(curl_easy_perform(aws.curl), CURLE_OK);
    curl_easy_getinfo(aws.curl, CURLINFO_RESPONSE_CODE, &aws.status);
    curl_slist_free_all(headers);
    buf_cstr(&aws.body);
    buf_cstr(&aws.error);
    assert_int_equal(aws.id.size, UUID_SIZE);
    assert_true(aws.body.size > 0);
}

const char *aws_message(const char *error, struct buf *out)
{
    buf_clear(out);
    if (aws.status == 200 || strcmp(aws.error.data, error) != 0)
        fail_msg("%ld %s", aws.status, aws.body.data);
    json_decode(out, json_member(buf_view(&aws.body), "message"));
    return buf_cstr(out);
}

/* ---- cases ---- */

static bool is_uuid(const char *text)
{
    for (int i = 0; i < UUID_SIZE; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

const char *aws_without_ids(const struct buf *text, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < text->size; i++)
        if (text->size - i >= UUID_SIZE && is_uuid(text->data + i)) {
            buf_text(out, "ID");
            i += UUID_SIZE - 1;
        } else {
            buf_char(out, text->data[i]);
        }
    return buf_cstr(out);
}

void aws_run_cases(const char *file)
{
    struct cases cases;
    struct buf target = BUF_INIT, body = BUF_INIT, wanted = BUF_INIT, got = BUF_INIT, line = BUF_INIT;
    int failures = 0;

    cases_open(&cases, file);
    while (cases_next(&cases, &target)) {
        cases_line(&cases, &body);
        cases_line(&cases, &wanted);
        aws_ask(strcmp(buf_cstr(&target), "-") == 0 ? NULL : target.data, buf_view(&body));
        buf_clear(&line);
        buf_printf(&line, "%ld %s", aws.status, aws_without_ids(&aws.body, &got));
        if (strcmp(buf_cstr(&line), buf_cstr(&wanted)) != 0) {
            print_error("%s:%d:\n  wanted %s\n  got    %s\n", cases.name, cases.line, wanted.data, line.data);
            failures++;
        }
        if (aws.body.data[0] != '{')
            continue;
        const char *type =
            strncmp(target.data, "AmazonSQS", 9) == 0 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1";
        assert_string_equal(buf_cstr(&aws.type), type);
        if (aws.status == 200)
            assert_int_equal(aws.error.size, 0);
        else
            assert_non_null(strstr(aws.body.data, aws.error.data));
    }
    cases_close(&cases);
    buf_fini(&target);
    buf_fini(&body);
    buf_fini(&wanted);
    buf_fini(&got);
    buf_fini(&line);
    assert_int_equal(failures, 0);
}
