/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EventBridge's API over HTTP, as clients speak it: a real server with a real journal. Requests and their answers are
 * data (aws_events.cases); the matcher's table of refused patterns is put through TestEventPattern once more, for the
 * wording around each reason.
 */
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <curl/curl.h>

#include "matcher/json.h"
#include "router/api/events.h"
#include "router/metrics.h"
#include "router/router.h"
#include "tests/matcher/cases.h"
#include "tests/matcher/generate.h"
#include "tests/matcher/judge.h"

#define CASES         "tests/router/aws_events.cases"
#define PATTERN_CASES "tests/matcher/pattern_errors.cases"
#define EVENT         "{\"id\":\"1\",\"account\":\"2\",\"source\":\"a\",\"time\":\"t\",\"region\":\"r\",\"detail-type\":\"d\"}"

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

static struct {
    char dir[32];
    struct router router;
    struct http_server *server;
    CURL *curl;
    /* the last answer */
    long status;
    struct buf body, id, error, type;
} f;

static sem_t hold; /* keeps the journal thread after a sync, where a test wants it */

static void wait_cb(void *context, uint64_t sequence)
{
    sem_wait(&hold);
}

static void start(bool held)
{
    struct journal_options options = {.pending_bytes = 200, .synced = held ? wait_cb : NULL};
    struct journal_report report;
    struct weir_diag diag;

    strcpy(f.dir, "/tmp/weir-aws-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    f.router.set = &set;
    clock_start(&f.router.clock, (struct weir_time){0});
    f.router.journal = journal_open(f.dir, &options, &report, &diag);
    assert_non_null(f.router.journal);
    f.router.ready = true;
    f.router.draining = false;
    f.server = http_start(&f.router, "127.0.0.1", 0, &diag);
    assert_non_null(f.server);
    f.curl = curl_easy_init();
    assert_non_null(f.curl);
}

static int setup(void **state)
{
    start(false);
    return 0;
}

static int setup_held(void **state)
{
    sem_init(&hold, 0, 0);
    start(true);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    curl_easy_cleanup(f.curl);
    http_stop(f.server);
    journal_close(f.router.journal);
    snprintf(command, sizeof command, "rm -r %s", f.dir);
    assert_int_equal(system(command), 0);
    buf_fini(&f.body);
    buf_fini(&f.id);
    buf_fini(&f.error);
    buf_fini(&f.type);
    return 0;
}

/* ---- asking ---- */

static size_t body_cb(char *bytes, size_t size, size_t count, void *context)
{
    buf_add(&f.body, bytes, size * count);
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
    keep_header(line, "x-amzn-RequestId", &f.id);
    keep_header(line, "x-amzn-errortype", &f.error);
    keep_header(line, "Content-Type", &f.type);
    return line.size;
}

/* target NULL: none. What holds for every answer is checked here. */
static void ask(const char *target, struct str body)
{
    char url[64], header[256];
    struct curl_slist *headers = NULL;

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", http_port(f.server));
    if (target) {
        snprintf(header, sizeof header, "X-Amz-Target: %s", target);
        headers = curl_slist_append(headers, header);
    }
    headers = curl_slist_append(headers, "Expect:");
    buf_clear(&f.body);
    buf_clear(&f.id);
    buf_clear(&f.error);
    buf_clear(&f.type);
    curl_easy_setopt(f.curl, CURLOPT_URL, url);
    curl_easy_setopt(f.curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(f.curl, CURLOPT_POSTFIELDSIZE, (long)body.size);
    curl_easy_setopt(f.curl, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(f.curl, CURLOPT_WRITEFUNCTION, body_cb);
    curl_easy_setopt(f.curl, CURLOPT_HEADERFUNCTION, header_cb);
    assert_int_equal(curl_easy_perform(f.curl), CURLE_OK);
    curl_easy_getinfo(f.curl, CURLINFO_RESPONSE_CODE, &f.status);
    curl_slist_free_all(headers);
    buf_cstr(&f.body);
    buf_cstr(&f.error);
    assert_int_equal(f.id.size, UUID_SIZE);
    assert_true(f.body.size > 0);
}

static struct str answer_member(const char *key)
{
    return json_member(buf_view(&f.body), key);
}

/* The message of the last answer, decoded, NUL-terminated; it must be an error of this name. */
static const char *message(const char *error, struct buf *out)
{
    buf_clear(out);
    if (f.status == 200 || strcmp(f.error.data, error) != 0)
        fail_msg("%ld %s", f.status, f.body.data);
    json_decode(out, answer_member("message"));
    return buf_cstr(out);
}

static void request_pattern(struct buf *request, struct str pattern, struct str event)
{
    buf_clear(request);
    buf_char(request, '{');
    json_write_member(request, "EventPattern", pattern);
    json_write_member(request, "Event", event);
    buf_char(request, '}');
    assert_false(request->failed);
}

static void test_pattern(struct str pattern)
{
    struct buf request = BUF_INIT;
    request_pattern(&request, pattern, STR(EVENT));
    ask("AWSEvents.TestEventPattern", buf_view(&request));
    buf_fini(&request);
}

static void put_detail(struct str detail)
{
    struct buf request = BUF_INIT;
    buf_text(&request, "{\"Entries\":[{\"Source\":\"a\",\"DetailType\":\"t\",");
    json_write_key(&request, "Detail");
    request.data[request.size - 1] = ':';
    json_write_string(&request, detail);
    buf_text(&request, "}]}");
    assert_false(request.failed);
    ask("AWSEvents.PutEvents", buf_view(&request));
    buf_fini(&request);
}

/* ---- looking ---- */

static bool is_uuid(const char *text)
{
    for (int i = 0; i < UUID_SIZE; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !text[i] || !strchr("0123456789abcdef", text[i]))
            return false;
    return true;
}

/* Text with every UUID as ID. */
static const char *without_ids(const struct buf *text, struct buf *out)
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

static int64_t counted(enum metric family, const char *a, const char *b)
{
    return series_get(metric(family, a, b));
}

/* ---- tests ---- */

static void test_requests_and_answers(void **state)
{
    struct cases cases;
    struct buf target = BUF_INIT, body = BUF_INIT, wanted = BUF_INIT, got = BUF_INIT, line = BUF_INIT;
    int failures = 0;

    cases_open(&cases, CASES);
    while (cases_next(&cases, &target)) {
        cases_line(&cases, &body);
        cases_line(&cases, &wanted);
        ask(strcmp(buf_cstr(&target), "-") == 0 ? NULL : target.data, buf_view(&body));
        buf_clear(&line);
        buf_printf(&line, "%ld %s", f.status, without_ids(&f.body, &got));
        if (strcmp(buf_cstr(&line), buf_cstr(&wanted)) != 0) {
            print_error("%s:%d:\n  wanted %s\n  got    %s\n", cases.name, cases.line, wanted.data, line.data);
            failures++;
        }
        if (f.body.data[0] != '{')
            continue;
        const char *type =
            strncmp(target.data, "AmazonSQS", 9) == 0 ? "application/x-amz-json-1.0" : "application/x-amz-json-1.1";
        assert_string_equal(buf_cstr(&f.type), type);
        if (f.status == 200)
            assert_int_equal(f.error.size, 0);
        else
            assert_non_null(strstr(f.body.data, f.error.data));
    }
    cases_close(&cases);
    buf_fini(&target);
    buf_fini(&body);
    buf_fini(&wanted);
    buf_fini(&got);
    buf_fini(&line);
    assert_int_equal(failures, 0);
}

static const char put_request[] =
    "{\"Entries\":["
    "{\"Time\":1704164645.999,\"Source\":\"aws.s3\",\"Resources\":[\"r1\", \"r\\u00e92\"],\"DetailType\":\"T "
    "\\\"x\\\"\","
    "\"Detail\":\" {\\\"a\\\": [1.50, {\\\"b\\\" : null}]}\\n\",\"TraceHeader\":\"Root=1\"},"
    "{\"Source\":\"a\",\"DetailType\":\"t\",\"Detail\":\"{}\",\"EventBusName\":\"nowhere\"},"
    "{\"Source\":\"a\",\"DetailType\":\"t\",\"Detail\":\"{\\\"k\\\":1,\\\"k\\\":2}\",\"Time\":0,"
    "\"EventBusName\":\"arn:aws:events:us-east-1:000000000000:event-bus/audit\"}]}";

static void test_events_reach_the_journal(void **state)
{
    static const char *const wanted[][2] = {
        {"default",
         "{\"version\":\"0\",\"id\":\"ID\",\"detail-type\":\"T \\\"x\\\"\",\"source\":\"aws.s3\",\"account\":"
         "\"000000000000\",\"time\":\"2024-01-02T03:04:05Z\",\"region\":\"us-east-1\",\"resources\":[\"r1\","
         "\"r\\u00e92\"],\"detail\":{\"a\":[1.50,{\"b\":null}]}}"},
        {"audit",
         "{\"version\":\"0\",\"id\":\"ID\",\"detail-type\":\"t\",\"source\":\"a\",\"account\":\"000000000000\","
         "\"time\":\"1970-01-01T00:00:00Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"k\":1,"
         "\"k\":2}}"},
    };
    struct journal_record record;
    struct weir_diag diag;
    struct buf shown = BUF_INIT;
    int64_t accepted = counted(METRIC_EVENTS_ACCEPTED, "audit", "aws");
    int64_t nowhere = counted(METRIC_EVENTS_REFUSED, "aws", "unknown_bus");

    ask("AWSEvents.PutEvents", STR(put_request));
    assert_string_equal(without_ids(&f.body, &shown), "{\"FailedEntryCount\":0,\"Entries\":[{\"EventId\":\"ID\"},"
                                                      "{\"EventId\":\"ID\"},{\"EventId\":\"ID\"}]}");
    struct journal_reader *reader = journal_reader_open(f.router.journal, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_read(reader, &record, &diag), 1);
        struct str id = json_member(record.event, "id");
        assert_non_null(memmem(f.body.data, f.body.size, id.ptr, id.size)); /* what was answered */
        struct buf event = {(char *)record.event.ptr, record.event.size, 0, 0, false};
        assert_true(str_is(record.bus, wanted[i][0]));
        assert_string_equal(without_ids(&event, &shown), wanted[i][1]);
        assert_int_equal(record.flags, i ? JOURNAL_REPEATED_KEYS : 0);
    }
    assert_int_equal(journal_read(reader, &record, &diag), 0);
    journal_reader_close(reader);
    buf_fini(&shown);
    assert_int_equal(counted(METRIC_EVENTS_ACCEPTED, "audit", "aws"), accepted + 1);
    assert_int_equal(counted(METRIC_EVENTS_REFUSED, "aws", "unknown_bus"), nowhere + 1);
}

/* "a" and "t" are two bytes of the total. */
static void test_total_size_is_bounded(void **state)
{
    struct buf detail = BUF_INIT, text = BUF_INIT;

    buf_text(&detail, "{\"a\":\"");
    while (detail.size < PUT_EVENTS_BYTES_MAX - 4)
        buf_char(&detail, 'x');
    buf_text(&detail, "\"}");
    put_detail(buf_view(&detail));
    assert_int_equal(f.status, 200);
    assert_non_null(strstr(f.body.data, "\"FailedEntryCount\":0"));
    buf_char(&detail, ' ');
    put_detail(buf_view(&detail));
    assert_string_equal(message("ValidationException", &text),
                        "Total size of the entries in the request is over the limit.");
    buf_fini(&detail);
    buf_fini(&text);
}

/* A detail may be so deep that its envelope is as deep as an event may be. */
static void test_deep_details(void **state)
{
    struct buf detail = BUF_INIT;

    for (int depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH; depth++) {
        buf_clear(&detail);
        for (int i = 0; i < depth; i++)
            buf_text(&detail, "{\"a\":");
        buf_char(&detail, '1');
        for (int i = 0; i < depth; i++)
            buf_char(&detail, '}');
        put_detail(buf_view(&detail));
        assert_int_equal(f.status, 200);
        assert_int_equal(strstr(f.body.data, "MalformedDetail") != NULL, depth == LIMIT_JSON_DEPTH);
    }
    buf_fini(&detail);
}

static void ignore_cb(struct journal_batch *b, enum journal_result result) {}

/* The journal thread is held after the first batch; the second one then fills what may wait. */
static void test_a_full_journal_asks_to_come_again(void **state)
{
    static const struct journal_event event = {STR("default"), STR(EVENT), 0};
    static struct journal_batch batches[] = {{.events = &event, .count = 1, .done = ignore_cb},
                                             {.events = &event, .count = 1, .done = ignore_cb}};
    struct buf detail = BUF_INIT, text = BUF_INIT;

    assert_true(journal_submit(f.router.journal, &batches[0]));
    while (journal_synced(f.router.journal) == 0)
        sched_yield();
    assert_true(journal_submit(f.router.journal, &batches[1]));
    buf_printf(&detail, "{\"a\":\"%0100d\"}", 1);
    put_detail(buf_view(&detail));
    assert_int_equal(f.status, 503);
    assert_string_equal(message("ServiceUnavailable", &text), "the journal is behind: too much waits to be written");
    sem_post(&hold);
    sem_post(&hold);
    buf_fini(&detail);
    buf_fini(&text);
}

static void test_a_stopping_router_asks_to_come_again(void **state)
{
    struct buf text = BUF_INIT;

    f.router.draining = true;
    put_detail(STR("{}"));
    assert_int_equal(f.status, 503);
    assert_string_equal(message("ServiceUnavailable", &text), "The router is stopping.");
    buf_fini(&text);
}

/* ---- TestEventPattern ---- */

/* A refused pattern's reason and place, as the cases file has them, in full. */
static void write_refusal(struct buf *out, const char *pattern, const char *reason, const char *place)
{
    int line, column, open_line = 0, open_column = 0;
    char tail[8];

    assert_true(sscanf(place, "%d:%d %7s opened %d:%d", &line, &column, tail, &open_line, &open_column) >= 3);
    buf_clear(out);
    buf_printf(out, "Event pattern is not valid. Reason: %s", reason);
    if (open_line)
        buf_printf(out, " (%s [Source: (String)\"%s\"; line: %d, column: %d])",
                   strstr(reason, "end-of-input")   ? "start marker at"
                   : !open_column                   ? "for root starting at"
                   : strstr(reason, "expected '}'") ? "for Object starting at"
                                                    : "for Array starting at",
                   pattern, open_line, open_column);
    for (int i = strcmp(tail, "none") == 0 ? 0 : strcmp(tail, "once") == 0 ? 1 : 2; i; i--)
        buf_printf(out, "\n at [Source: (String)\"%s\"; line: %d, column: %d]", pattern, line, column);
}

static void test_refused_patterns_in_full_words(void **state)
{
    struct cases cases;
    struct buf pattern = BUF_INIT, reason = BUF_INIT, place = BUF_INIT, wanted = BUF_INIT, got = BUF_INIT;
    int failures = 0;

    cases_open(&cases, PATTERN_CASES);
    while (cases_next(&cases, &pattern)) {
        cases_line(&cases, &reason);
        cases_line(&cases, &place);
        if (memchr(pattern.data, '\t', pattern.size))
            continue; /* shown as an escape: see below */
        write_refusal(&wanted, buf_cstr(&pattern), buf_cstr(&reason), buf_cstr(&place));
        test_pattern(buf_view(&pattern));
        if (strcmp(message("InvalidEventPatternException", &got), buf_cstr(&wanted)) != 0) {
            print_error("%s:%d:\n  wanted %s\n  got    %s\n", cases.name, cases.line, wanted.data, got.data);
            failures++;
        }
    }
    cases_close(&cases);
    buf_fini(&pattern);
    buf_fini(&reason);
    buf_fini(&place);
    buf_fini(&wanted);
    buf_fini(&got);
    assert_int_equal(failures, 0);
}

static void test_long_patterns_are_shown_cut(void **state)
{
    struct buf pattern = BUF_INIT, text = BUF_INIT, wanted = BUF_INIT;

    buf_text(&pattern, "{\t\"\xC3\xA9\x7F\": [1],\n\"");
    buf_text(&wanted, "Event pattern is not valid. Reason: \"");
    for (int i = 0; i < 300; i++)
        buf_text(&pattern, "\xF0\x9F\x98\x80");    /* two of Java's characters each */
    size_t head = strlen("{\"..\x7F\": [1],\n\""); /* in characters */
    assert_int_equal(aws_length(buf_view(&pattern)), head + 600);
    buf_text(&pattern, "\":1}");
    test_pattern(buf_view(&pattern));
    message("InvalidEventPatternException", &text);
    const char *source = strstr(text.data, "[Source: (String)\"{\\u0009\"\xC3\xA9\\u007F\": [1],\n\"\xF0\x9F\x98\x80");
    assert_non_null(source);
    char *cut = strstr(text.data, "\"[truncated ");
    assert_non_null(cut);
    buf_clear(&wanted);
    buf_printf(&wanted, "\"[truncated %zu chars]; line: 2, column: 605]", head + 604 - 500);
    assert_string_equal(cut, buf_cstr(&wanted));
    buf_fini(&pattern);
    buf_fini(&text);
    buf_fini(&wanted);
}

static void test_length_of_patterns_is_bounded(void **state)
{
    struct buf pattern = BUF_INIT, text = BUF_INIT;

    buf_text(&pattern, "{\"source\":[\"a\"]}");
    while (pattern.size < EVENT_PATTERN_LENGTH_MAX)
        buf_char(&pattern, ' ');
    test_pattern(buf_view(&pattern));
    assert_string_equal(f.body.data, "{\"Result\":true}");
    buf_char(&pattern, ' ');
    test_pattern(buf_view(&pattern));
    message("ValidationException", &text);
    assert_non_null(strstr(text.data, "1 validation error detected: Value '{\"source\":[\"a\"]}  "));
    assert_non_null(strstr(text.data, "' at 'eventPattern' failed to satisfy constraint: Member must have length less "
                                      "than or equal to 4096"));
    buf_fini(&pattern);
    buf_fini(&text);
}

/* Whatever the pattern: an answer that says something, and the same verdict as the slow matcher's. */
static void test_made_up_patterns(void **state)
{
    struct buf event = BUF_INIT, request = BUF_INIT, text = BUF_INIT;
    int refused = 0, matched = 0;

    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct judge_memory memory = {0};
        struct generator g = {.memory = &memory, .state = seed};
        struct judge_node *about = generate_event(&g), *pattern = generate_pattern(&g, about);
        if (seed % 2)
            generate_damage(&g, pattern);
        struct judge_text made = generate_text(&g, pattern, GENERATE_SPACED), detail = generate_text(&g, about, 0);
        struct str p = {made.at, made.size};
        if (seed % 16 == 1)
            p.size = generate_below(&g, (uint32_t)p.size + 1); /* and cut somewhere */
        buf_clear(&event);
        buf_text(&event, EVENT);
        event.size--;
        if (detail.size > 2)
            buf_char(&event, ',');
        buf_add(&event, detail.at + 1, detail.size - 1);
        request_pattern(&request, p, buf_view(&event));
        ask("AWSEvents.TestEventPattern", buf_view(&request));
        int verdict = judge_match(p.ptr, p.size, event.data, event.size);
        if (f.status == 200 && verdict >= 0) {
            assert_string_equal(f.body.data, verdict == JUDGE_YES ? "{\"Result\":true}" : "{\"Result\":false}");
            matched += verdict == JUDGE_YES;
        } else if (f.status == 400 && aws_length(p) <= EVENT_PATTERN_LENGTH_MAX) {
            message("InvalidEventPatternException", &text);
            assert_true(text.size > strlen("Event pattern is not valid. Reason: "));
            assert_true(verdict == JUDGE_BAD_PATTERN || strstr(text.data, "Rule is too complex"));
            refused++;
        } else {
            assert_int_equal(f.status, 400);
        }
        judge_release(&memory);
    }
    assert_true(refused > 50 && matched > 50);
    buf_fini(&event);
    buf_fini(&request);
    buf_fini(&text);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_requests_and_answers),
        WITH_SERVER(test_events_reach_the_journal),
        WITH_SERVER(test_total_size_is_bounded),
        WITH_SERVER(test_deep_details),
        cmocka_unit_test_setup_teardown(test_a_full_journal_asks_to_come_again, setup_held, teardown),
        WITH_SERVER(test_a_stopping_router_asks_to_come_again),
        WITH_SERVER(test_refused_patterns_in_full_words),
        WITH_SERVER(test_long_patterns_are_shown_cut),
        WITH_SERVER(test_length_of_patterns_is_bounded),
        WITH_SERVER(test_made_up_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
