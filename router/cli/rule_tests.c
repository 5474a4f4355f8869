/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test of a rule, step by step: event → envelope → match → inputs. Each step that finds a difference fills the
 * result and ends the test: what comes after it would only repeat the fault in other words.
 */
#include "router/cli/rule_tests.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "matcher/explain.h"
#include "matcher/compile.h"
#include "matcher/json.h"
#include "router/cli/canonical.h"
#include "router/cli/cli.h"
#include "router/cli/records.h"
#include "router/clock.h"
#include "rules/read_only.h"
#include "targets/archive_line.h"
#include "router/xalloc.h"
#include "rules/input.h"

#define DIAGS_MAX 8

struct run {
    struct rule_tests *tests;
    const struct rule *rule;
    const struct rule_test *test;
    struct rule_test_result *result;
    struct arena arena;
    struct buf body;     /* the event as its source gives it */
    struct buf replay;   /* the name of the replay that it comes from; empty: none */
    struct buf envelope; /* what the source made of it */
};

void rule_tests_open(struct rule_tests *t, const struct ruleset *set)
{
    *t = (struct rule_tests){.set = set, .scratches = xarray(set->bus_count, sizeof *t->scratches)};
}

void rule_tests_close(struct rule_tests *t)
{
    for (uint32_t i = 0; i < t->set->bus_count; i++)
        weir_scratch_destroy(t->scratches[i]);
    free(t->scratches);
}

void rule_test_result_fini(struct rule_test_result *result)
{
    buf_fini(&result->message);
    buf_fini(&result->wanted);
    buf_fini(&result->got);
    buf_fini(&result->why);
}

/* ---- the event ---- */

static bool no_event(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool no_event(struct run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(&run->result->message, format, args);
    va_end(args);
    buf_text(&run->result->wanted, "an event");
    buf_text(&run->result->got, "none");
    return false;
}

static bool read_body(struct run *run)
{
    const struct rule_test *test = run->test;
    if (test->event.ptr) {
        buf_str(&run->body, test->event);
        return true;
    }
    struct stat st;
    if (stat(test->event_file.ptr, &st) == 0 && !S_ISREG(st.st_mode))
        return no_event(run, "the event's file '%s' is not a regular file", test->event_file.ptr);
    if (input_read(test->event_file.ptr, &run->body) == EXIT_DONE)
        return true;
    return no_event(run, "the event's file '%s' cannot be read", test->event_file.ptr);
}

/* A CloudTrail record without what every real one has, and a test need not write down. */
static void complete_record(struct run *run)
{
    struct str record = buf_view(&run->body);
    struct json_info info;
    if (!json_check(record, &info, NULL) || info.type != JSON_OBJECT || json_member(record, "Records").ptr ||
        json_member(record, "eventType").ptr)
        return;
    struct buf whole = BUF_INIT;
    const char *rest = (const char *)memchr(record.ptr, '{', record.size) + 1;
    bool is_empty = rest[strspn(rest, " \t\r\n")] == '}';
    buf_printf(&whole, "{\"eventType\":\"AwsApiCall\"%s", is_empty ? "" : ",");
    buf_add(&whole, rest, (size_t)(record.ptr + record.size - rest));
    buf_fini(&run->body);
    run->body = whole;
    xbuf(&run->body);
}

/* Ingest refuses "replay-name", since only replays may set it: a test may play one. It is cut out of the event here. */
static void take_replay_name(struct run *run)
{
    struct str event = buf_view(&run->body), name;
    struct json_info info;
    struct json_reader r;
    struct json_token t;
    struct buf rest = BUF_INIT;
    if (!json_check(event, &info, NULL) || info.type != JSON_OBJECT ||
        !(name = json_member(event, "replay-name")).ptr || json_type_of(name) != JSON_STRING)
        return;
    json_decode(&run->replay, name);
    json_reader_init(&r, event);
    json_next(&r, &t);
    buf_char(&rest, '{');
    while (json_next(&r, &t) == JSON_KEY) {
        struct str key = t.raw;
        json_next(&r, &t);
        json_skip(&r, &t);
        if (json_raw_is(key, "replay-name"))
            continue;
        buf_printf(&rest, "%s%.*s:", rest.size > 1 ? "," : "", STR_ARG(key));
        buf_str(&rest, t.raw);
    }
    buf_char(&rest, '}');
    buf_fini(&run->body);
    run->body = rest;
    xbuf(&run->body);
}

/* As the router puts it into an archived event. */
static void put_replay_name(struct run *run)
{
    struct buf whole = BUF_INIT;
    if (!run->replay.size)
        return;
    line_name_event(&whole, buf_view(&run->envelope), buf_view(&run->replay));
    buf_fini(&run->envelope);
    run->envelope = whole;
    xbuf(&run->envelope);
}

static bool parse_body(struct run *run, const struct source *source, struct diags *diags)
{
    struct source_events events = {0};
    struct source_context context = {.set = run->tests->set,
                                     .bus = run->rule->bus,
                                     .now = {.wall_ms = clock_wall_ms()},
                                     .arena = &run->arena,
                                     .diags = diags,
                                     .out = &run->envelope};
    bool ok = source->parse(&context, buf_view(&run->body), NULL, &events);
    size_t count = events.count;
    free(events.list);
    if (!ok)
        return no_event(run, "the event is none of format '%s': %s", source->name,
                        diags->count ? diags->list[0].message : "out of memory");
    return count == 1 || no_event(run, "a test wants one event; here are %zu", count);
}

static bool make_envelope(struct run *run)
{
    struct str format = run->test->format;
    struct diags diags;
    if (!read_body(run))
        return false;
    const struct source *source = str_is(format, "auto") ? records_guess(buf_view(&run->body)) : source_find(format);
    if (!source)
        return no_event(run, "format '%.*s' is not served by this version", STR_ARG(format));
    if (str_is(format, "cloudtrail"))
        complete_record(run);
    if (str_is(str_from(source->name), "events"))
        take_replay_name(run);
    if (!diags_init(&diags, DIAGS_MAX))
        xfail("out of memory");
    bool ok = parse_body(run, source, &diags);
    diags_fini(&diags);
    if (ok)
        put_replay_name(run);
    return ok;
}

/* ---- the match ---- */

static bool is_among(const uint32_t *ids, long count, uint32_t wanted)
{
    for (long i = 0; i < count; i++)
        if (ids[i] == wanted)
            return true;
    return false;
}

/* 1: the rule matches, 0: it does not, -1: diag. */
static bool is_held_back(const struct run *run)
{
    return !run->rule->all_management_events &&
           read_only_is_held_back(ruleset_bus(run->tests->set, run->rule->bus), buf_view(&run->envelope));
}

static int meet(struct run *run, const struct weir_matcher *m, struct weir_scratch *s, struct weir_diag *diag)
{
    const uint32_t *ids;
    long count = weir_match(m, s, run->envelope.data, run->envelope.size, WEIR_CHECKED, &ids, diag);
    if (count < 0 || is_among(ids, count, run->rule->index))
        return count < 0 ? -1 : !is_held_back(run);
    count = weir_match_given_up(s, &ids);
    if (!is_among(ids, count, run->rule->index))
        return 0;
    *diag = (struct weir_diag){.code = WEIR_E_LIMIT, .message = "a regex hit a limit, see weir-pattern(7)"};
    return -1;
}

static int meet_on_bus(struct run *run, struct weir_diag *diag)
{
    const struct bus *bus = ruleset_bus(run->tests->set, run->rule->bus);
    struct weir_scratch **scratch = &run->tests->scratches[bus->index];
    if (!*scratch && !(*scratch = weir_scratch_create(bus->matcher)))
        xfail("out of memory");
    return meet(run, bus->matcher, *scratch, diag);
}

static int meet_alone(struct run *run, struct weir_diag *diag)
{
    struct weir_builder *b = weir_builder_create();
    struct weir_matcher *m = NULL;
    struct weir_scratch *s = NULL;
    if (b && builder_add_pattern(b, run->rule->index, run->rule->pattern, diag) && (m = weir_builder_build(b, diag)))
        s = weir_scratch_create(m);
    if (!s)
        xfail("out of memory");
    int met = meet(run, m, s, diag);
    weir_scratch_destroy(s);
    weir_matcher_unref(m);
    weir_builder_destroy(b);
    return met;
}

static void explain(struct run *run)
{
    struct weir_diag diag;
    struct explanation e;
    struct explainer *x = explainer_create(run->rule->pattern, &diag);

    if (x && explainer_run(x, &run->arena, buf_view(&run->envelope), &e, &diag))
        explanation_write_text(&run->result->why, &e, EXPLAIN_BRANCHES);
    explainer_destroy(x);
}

static bool check_match(struct run *run)
{
    struct rule_test_result *result = run->result;
    struct weir_diag diag = {.code = WEIR_OK};
    int met = run->rule->enabled ? meet_on_bus(run, &diag) : meet_alone(run, &diag);
    if (met < 0)
        return no_event(run, "the event cannot be matched: %s", diag.message);
    if (met == run->test->match)
        return true;
    buf_text(&result->message, met ? "the rule matches the event" : "the rule does not match the event");
    buf_text(&result->wanted, met ? "no match" : "a match");
    buf_text(&result->got, met ? "a match" : "no match");
    explain(run);
    return false;
}

/* ---- the inputs ---- */

static bool render(struct run *run, const struct rule_target *target, struct buf *out, struct weir_diag *diag)
{
    struct buf time = BUF_INIT;
    json_decode(&time, json_member(buf_view(&run->envelope), "time"));
    xbuf(&time);
    struct input_variables variables = {run->rule->arn, run->rule->name, buf_view(&time)};
    bool ok = input_render(target->input, buf_view(&run->envelope), &variables, out, diag);
    buf_fini(&time);
    return ok;
}

static bool is_expected(const struct rule_test_input *input, struct str got)
{
    if (input->is_text)
        return str_eq(input->expected, got);
    return json_check(got, NULL, NULL) && canonical_equal(input->expected, got);
}

/* JSON in one spelling on both sides, so that the eye finds the difference. */
static void show(const struct rule_test_input *input, struct str text, struct buf *out)
{
    if (!input->is_text && json_check(text, NULL, NULL))
        canonical_write(out, text);
    else
        buf_str(out, text);
}

static bool check_input(struct run *run, const struct rule_test_input *input)
{
    struct rule_test_result *result = run->result;
    struct weir_diag diag = {.code = WEIR_OK};
    struct buf got = BUF_INIT;
    bool rendered = render(run, input->target, &got, &diag);
    bool ok = rendered && is_expected(input, buf_view(&got));
    if (!ok) {
        buf_printf(&result->message, rendered ? "target '%.*s' is given another input" : "target '%.*s' is given none",
                   STR_ARG(input->target->id));
        show(input, input->expected, &result->wanted);
        if (rendered)
            show(input, buf_view(&got), &result->got);
        else
            buf_text(&result->got, diag.message);
    }
    buf_fini(&got);
    return ok;
}

static bool check_inputs(struct run *run)
{
    for (uint32_t i = 0; i < run->test->input_count; i++)
        if (!check_input(run, &run->test->inputs[i]))
            return false;
    return true;
}

bool rule_tests_run(struct rule_tests *t, const struct rule *rule, const struct rule_test *test,
                    struct rule_test_result *result)
{
    struct run run = {.tests = t, .rule = rule, .test = test, .result = result};
    *result = (struct rule_test_result){0};
    bool ok = make_envelope(&run) && check_match(&run) && check_inputs(&run);
    xbuf(&result->message);
    xbuf(&result->wanted);
    xbuf(&result->got);
    xbuf(&result->why);
    buf_fini(&run.body);
    buf_fini(&run.replay);
    buf_fini(&run.envelope);
    arena_fini(&run.arena);
    return ok;
}
