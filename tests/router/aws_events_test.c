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

#include "matcher/json.h"
#include "router/api/events.h"
#include "router/metrics.h"
#include "router/router.h"
#include "tests/matcher/cases.h"
#include "tests/matcher/generate.h"
#include "tests/matcher/judge.h"
#include "tests/router/aws_fixture.h"

#define CASES         "tests/router/aws_events.cases"
#define PATTERN_CASES "tests/matcher/pattern_errors.cases"
#define EVENT         "{\"id\":\"1\",\"account\":\"2\",\"source\":\"a\",\"time\":\"t\",\"region\":\"r\",\"detail-type\":\"d\"}"

static sem_t hold; /* keeps the journal thread after a sync, where a test wants it */

static void wait_cb(void *context, uint64_t sequence)
{
    sem_wait(&hold);
}

static int setup(void **state)
{
    aws_fixture_start(NULL);
    return 0;
}

static int setup_held(void **state)
{
    sem_init(&hold, 0, 0);
    aws_fixture_start(wait_cb);
    return 0;
}

static int teardown(void **state)
{
    aws_fixture_stop();
    return 0;
}

/* ---- asking ---- */

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
    aws_ask("AWSEvents.TestEventPattern", buf_view(&request));
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
    aws_ask("AWSEvents.PutEvents", buf_view(&request));
    buf_fini(&request);
}

/* ---- looking ---- */

static int64_t counted(enum metric family, const char *a, const char *b)
{
    return series_get(metric(family, a, b));
}

/* ---- tests ---- */

static void test_requests_and_answers(void **state)
{
    aws_run_cases(CASES);
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

    aws_ask("AWSEvents.PutEvents", STR(put_request));
    assert_string_equal(aws_without_ids(&aws.body, &shown), "{\"FailedEntryCount\":0,\"Entries\":[{\"EventId\":\"ID\"},"
                                                            "{\"EventId\":\"ID\"},{\"EventId\":\"ID\"}]}");
    struct journal_reader *reader = journal_reader_open(aws.router.journal, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_read(reader, &record, &diag), 1);
        struct str id = json_member(record.event, "id");
        assert_non_null(memmem(aws.body.data, aws.body.size, id.ptr, id.size)); /* what was answered */
        struct buf event = {(char *)record.event.ptr, record.event.size, 0, 0, false};
        assert_true(str_is(record.bus, wanted[i][0]));
        assert_string_equal(aws_without_ids(&event, &shown), wanted[i][1]);
        assert_int_equal(record.flags, i ? JOURNAL_REPEATED_KEYS : 0);
    }
    assert_int_equal(journal_read(reader, &record, &diag), 0);
    journal_reader_close(reader);
    buf_fini(&shown);
    assert_int_equal(counted(METRIC_EVENTS_ACCEPTED, "audit", "aws"), accepted + 1);
    assert_int_equal(counted(METRIC_EVENTS_REFUSED, "aws", "unknown_bus"), nowhere + 1);
}

/* Whatever comes, the answer is AWS's: it says something, and blames the request. */
static void test_damaged_requests(void **state)
{
    static const char bits[] = "{}[]\",:\\0e-. nu\x01\xC3\xFF";
    struct judge_memory memory = {0};
    struct generator g = {.memory = &memory, .state = 1};
    char request[sizeof put_request];
    int refused = 0;

    for (int i = 0; i < 1000; i++) {
        size_t size = sizeof put_request - 1;
        memcpy(request, put_request, size);
        for (uint32_t n = 1 + generate_below(&g, 3); n; n--)
            request[generate_below(&g, (uint32_t)size)] = bits[generate_below(&g, sizeof bits - 1)];
        if (generate_chance(&g, 10))
            size = generate_below(&g, (uint32_t)size);
        aws_ask("AWSEvents.PutEvents", (struct str){request, size});
        assert_true(aws.status == 200 || aws.status == 400);
        assert_true(json_check(buf_view(&aws.body), NULL, NULL));
        refused += aws.status == 400;
    }
    assert_true(refused > 200 && refused < 1000);
    judge_release(&memory);
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
    assert_int_equal(aws.status, 200);
    assert_non_null(strstr(aws.body.data, "\"FailedEntryCount\":0"));
    buf_char(&detail, ' ');
    put_detail(buf_view(&detail));
    assert_string_equal(aws_message("ValidationException", &text),
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
        assert_int_equal(aws.status, 200);
        assert_int_equal(strstr(aws.body.data, "MalformedDetail") != NULL, depth == LIMIT_JSON_DEPTH);
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

    assert_true(journal_submit(aws.router.journal, &batches[0]));
    while (journal_synced(aws.router.journal) == 0)
        sched_yield();
    assert_true(journal_submit(aws.router.journal, &batches[1]));
    buf_printf(&detail, "{\"a\":\"%0100d\"}", 1);
    put_detail(buf_view(&detail));
    assert_int_equal(aws.status, 503);
    assert_string_equal(aws_message("ServiceUnavailable", &text),
                        "the journal is behind: too much waits to be written");
    sem_post(&hold);
    sem_post(&hold);
    buf_fini(&detail);
    buf_fini(&text);
}

static void test_a_stopping_router_asks_to_come_again(void **state)
{
    struct buf text = BUF_INIT;

    aws.router.draining = true;
    put_detail(STR("{}"));
    assert_int_equal(aws.status, 503);
    assert_string_equal(aws_message("ServiceUnavailable", &text), "The router is stopping.");
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
        if (strcmp(aws_message("InvalidEventPatternException", &got), buf_cstr(&wanted)) != 0) {
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
    aws_message("InvalidEventPatternException", &text);
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
    assert_string_equal(aws.body.data, "{\"Result\":true}");
    buf_char(&pattern, ' ');
    test_pattern(buf_view(&pattern));
    aws_message("ValidationException", &text);
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
        aws_ask("AWSEvents.TestEventPattern", buf_view(&request));
        int verdict = judge_match(p.ptr, p.size, event.data, event.size);
        if (aws.status == 200 && verdict >= 0) {
            assert_string_equal(aws.body.data, verdict == JUDGE_YES ? "{\"Result\":true}" : "{\"Result\":false}");
            matched += verdict == JUDGE_YES;
        } else if (aws.status == 400 && aws_length(p) <= EVENT_PATTERN_LENGTH_MAX) {
            aws_message("InvalidEventPatternException", &text);
            assert_true(text.size > strlen("Event pattern is not valid. Reason: "));
            assert_true(verdict == JUDGE_BAD_PATTERN || strstr(text.data, "Rule is too complex"));
            refused++;
        } else {
            assert_int_equal(aws.status, 400);
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
        WITH_SERVER(test_damaged_requests),
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
