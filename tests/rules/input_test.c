/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target is given: EventBridge's recorded answers as a table of template, event and result, then paths,
 * constants, and what is refused.
 */
#include "rules/input.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char event[] =
    "{\"version\":\"0\",\"id\":\"7\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2026-11-21T00:00:00Z\","
    "\"resources\":[\"r\"],"
    "\"detail\":{\"id\":\"baz\",\"n\":1.50,\"yes\":true,\"none\":null,\"list\":[\"ACTIVE\",\"INACTIVE\"],"
    "\"object\":{\"acc_id\":\"0a7\",\"sf_id\":\"baz\",\"tags\":[1,{\"a\":\"b\"}]},\"quote\":\"a\\\"b\",\"line\":"
    "\"a\\nb\",\"uni\":\"\\u00e9\","
    "\"items\":[{\"k\":\"v0\"},{\"k\":\"v1\"}],\"numbers\":[1,2],\"dotted-key\":\"d\"}}";

static const struct input_variables variables = {
    .rule_arn = {"arn:aws:events:us-east-1:000000000000:rule/r", 44},
    .rule_name = {"r", 1},
    .ingestion_time = {"2026-11-21T04:00:00Z", 20},
};

/* STR() is no constant expression. */
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

static const struct input_pair pairs[] = {
    {TEXT("id"), TEXT("$.detail.id"), {0}, false},        {TEXT("n"), TEXT("$.detail.n"), {0}, false},
    {TEXT("yes"), TEXT("$.detail.yes"), {0}, false},      {TEXT("none"), TEXT("$.detail.none"), {0}, false},
    {TEXT("list"), TEXT("$.detail.list"), {0}, false},    {TEXT("object"), TEXT("$.detail.object"), {0}, false},
    {TEXT("quote"), TEXT("$.detail.quote"), {0}, false},  {TEXT("line"), TEXT("$.detail.line"), {0}, false},
    {TEXT("uni"), TEXT("$.detail.uni"), {0}, false},      {TEXT("second"), TEXT("$.detail.items[1].k"), {0}, false},
    {TEXT("missing"), TEXT("$.detail.gone"), {0}, false}, {TEXT("numbers"), TEXT("$.detail.numbers"), {0}, false},
    {TEXT("type"), TEXT("$.detail-type"), {0}, false},    {TEXT("all"), TEXT("$"), {0}, false},
    {TEXT("past"), TEXT("$.detail.list[2]"), {0}, false}, {TEXT("scalar"), TEXT("$.detail.id.x"), {0}, false},
};
#define PAIR_COUNT (sizeof(pairs) / sizeof(pairs[0]))

struct fixture {
    struct arena arena;
    struct diags diags;
    struct buf out;
    struct weir_diag diag;
};

static void init(struct fixture *f)
{
    *f = (struct fixture){.arena = ARENA_INIT};
    assert_true(diags_init(&f->diags, 10));
}

static void fini(struct fixture *f)
{
    buf_fini(&f->out);
    diags_fini(&f->diags);
    arena_fini(&f->arena);
}

/* result NULL: rendering fails with reason. */
static void assert_renders(struct fixture *f, const struct input *input, const char *result, const char *reason)
{
    assert_non_null(input);
    buf_clear(&f->out);
    buf_text(&f->out, "before ");
    bool ok = input_render(input, str_from(event), &variables, &f->out, &f->diag);
    assert_true(ok == (result != NULL));
    if (!ok)
        assert_string_equal(f->diag.message, reason);
    assert_string_equal(buf_cstr(&f->out) + strlen("before "), ok ? result : "");
}

static void assert_template(const char *template, const char *result, const char *reason)
{
    struct fixture f;
    init(&f);
    const struct input *input = input_transformer(&f.arena, pairs, PAIR_COUNT, str_from(template), NULL, &f.diags);
    if (f.diags.count && !f.diags.list[0].warning)
        fail_msg("%s: %s", template, f.diags.list[0].message);
    assert_renders(&f, input, result, reason);
    fini(&f);
}

static void test_json_templates(void **state)
{
    static const struct {
        const char *template, *result, *reason;
    } cases[] = {
        {"{\"path\": \"users/<id>/second/<id>\"}", "{\"path\":\"users/baz/second/baz\"}", NULL},
        {"{\"v\": <id>}", "{\"v\":\"baz\"}", NULL},
        {"{\"v\": \"<id>\"}", "{\"v\":\"baz\"}", NULL},
        {"{\"v\": <n>, \"t\": \"<n>\"}", "{\"v\":1.50,\"t\":\"1.50\"}", NULL},
        {"{\"v\": <yes>, \"t\": \"is <yes>\"}", "{\"v\":true,\"t\":\"is true\"}", NULL},
        {"{\"v\": <none>, \"t\": \"<none>\"}", "{\"v\":null,\"t\":\"null\"}", NULL},
        {"{\"v\": <object>, \"l\": <list>}",
         "{\"v\":{\"acc_id\":\"0a7\",\"sf_id\":\"baz\",\"tags\":[1,{\"a\":\"b\"}]},\"l\":[\"ACTIVE\",\"INACTIVE\"]}",
         NULL},
        {"{\"v\": <missing>, \"t\": \"a<missing>b\"}", "{\"v\":\"\",\"t\":\"ab\"}", NULL},
        {"{\"v\": <past>, \"w\": <scalar>}", "{\"v\":\"\",\"w\":\"\"}", NULL},
        {"{\"v\": \"<numbers>\"}", "{\"v\":\"[1,2]\"}", NULL},
        {"{\"v\": \"<uni> <second> <type>\"}", "{\"v\":\"é v1 t\"}", NULL},
        {"{\n  \"v\": 1,\n  \"<id>\": 2\n}\n", "{\"v\":1,\"baz\":2}", NULL},
        {"[<id>, <n>]", "[\"baz\",1.50]", NULL},
        {"{\"v\": \"a < b, <br/> and <>\"}", "{\"v\":\"a < b, <br/> and <>\"}", NULL},
        {"{\"v\": \"\\\"<id>\\\"\"}", "{\"v\":\"\\\"baz\\\"\"}", NULL},
        {"{\"v\": \"<object>\"}", NULL, "the rendered input is not JSON: expected ',' or '}' in line 1, column 10"},
        {"{\"v\": \"<quote>\"}", NULL, "the rendered input is not JSON: expected ',' or '}' in line 1, column 10"},
        {"{\"v\": <quote>}", "{\"v\":\"a\\\"b\"}", NULL},
        {"{\"a\": <aws.events.rule-arn>, \"n\": \"rule <aws.events.rule-name>\", \"t\": "
         "<aws.events.event.ingestion-time>}",
         "{\"a\":\"arn:aws:events:us-east-1:000000000000:rule/r\",\"n\":\"rule r\",\"t\":\"2026-11-21T04:00:00Z\"}",
         NULL},
        {"{\"e\": <aws.events.event>}",
         "{\"e\":{\"version\":\"0\",\"id\":\"7\",\"detailType\":\"t\",\"source\":\"s\",\"time\":\"2026-11-21T00:00:"
         "00Z\",\"resources\":[\"r\"]}}",
         NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_template(cases[i].template, cases[i].result, cases[i].reason);
    char whole[2048];
    snprintf(whole, sizeof(whole), "{\"e\":%s}", event);
    assert_template("{\"e\": <aws.events.event.json>}", whole, NULL);
    assert_template("{\"e\": <all>}", whole, NULL);
}

static void test_string_templates(void **state)
{
    static const struct {
        const char *template, *result, *reason;
    } cases[] = {
        {"\"<id> is <yes>\"", "\"baz is true\"", NULL},
        {"\"<object>\"", "\"{acc_id:0a7,sf_id:baz,tags:[1,{a:b}]}\"", NULL},
        {"\"<list>\"", "\"[ACTIVE,INACTIVE]\"", NULL},
        {"\"first <id>\"\n\"second <missing>.\"\n", "\"first baz\"\n\"second .\"", NULL},
        {"\"a\"\n\n\"b\"", "\"a\"\n\n\"b\"", NULL},
        {"<id>", "\"baz\"", NULL},
        {"<object>", "{\"acc_id\":\"0a7\",\"sf_id\":\"baz\",\"tags\":[1,{\"a\":\"b\"}]}", NULL},
        {"\"at <aws.events.event.ingestion-time>\"", "\"at 2026-11-21T04:00:00Z\"", NULL},
        {"\"<aws.events.event>\"", "\"{version:0,id:7,detailType:t,source:s,time:2026-11-21T00:00:00Z,resources:[r]}\"",
         NULL},
        {"\"<uni>\"", "\"é\"", NULL},
        {"\"a\"\n<id> was here", NULL, "line 2 of the rendered input is not JSON: more text after the value"},
        {"\"<quote>\"", NULL, "line 1 of the rendered input is not JSON: more text after the value"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_template(cases[i].template, cases[i].result, cases[i].reason);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *result;
    } cases[] = {
        {"$.detail.id", "\"baz\""},
        {"$.detail.items[0]", "{\"k\":\"v0\"}"},
        {"$.detail.items[1].k", "\"v1\""},
        {"$.detail.dotted-key", "\"d\""},
        {"$.detail.uni", "\"\\u00e9\""},
        {"$.resources", "[\"r\"]"},
        {"$.detail.none", "null"},
        {"$", event},
        {"$.gone", NULL},
        {"$.detail.list.x", NULL},
        {"$.detail[0]", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        char reason[100];
        init(&f);
        snprintf(reason, sizeof(reason), "input_path '%s' is not in the event", cases[i].path);
        assert_renders(&f, input_path(&f.arena, str_from(cases[i].path), (struct diag_pos){0}, &f.diags),
                       cases[i].result, reason);
        fini(&f);
    }
}

static void test_constant(void **state)
{
    struct fixture f;
    init(&f);
    assert_renders(&f, input_constant(&f.arena, STR("{ \"a\": [1, 2.0] }"), (struct diag_pos){0}, &f.diags),
                   "{\"a\":[1,2.0]}", NULL);
    assert_renders(&f, input_constant(&f.arena, STR("\"x y\""), (struct diag_pos){0}, &f.diags), "\"x y\"", NULL);
    assert_true(input_render(NULL, STR("{}"), &variables, &f.out, &f.diag));
    assert_null(input_constant(&f.arena, STR("{"), (struct diag_pos){0}, &f.diags));
    fini(&f);
}

static void assert_refused(struct str name, struct str path, struct str template, const char *message, bool warning)
{
    struct fixture f;
    init(&f);
    struct input_pair pair = {name, path, {0}, false};
    const struct input *input = input_transformer(&f.arena, &pair, 1, template, NULL, &f.diags);
    assert_true((input != NULL) == warning);
    assert_int_equal(f.diags.count, 1);
    assert_int_equal(f.diags.list[0].warning, warning);
    assert_string_equal(f.diags.list[0].message, message);
    fini(&f);
}

static void test_refused(void **state)
{
    struct str v = STR("v"), path = STR("$.a");
    char large[9000];
    memset(large, 'x', sizeof(large));
    assert_refused(v, path, STR("\"<w>\""), "input_template contains invalid placeholder '<w>'", false);
    assert_refused(STR("value"), path, STR("\"<valeu>\""),
                   "input_template contains invalid placeholder '<valeu>'; did you mean '<value>'?", false);
    assert_refused(
        v, path, STR("\"<aws.events.rule_name>\""),
        "input_template contains invalid placeholder '<aws.events.rule_name>'; did you mean '<aws.events.rule-name>'?",
        false);
    assert_refused(STR("aws.events.rule-arn"), path, STR("1"), "variable 'aws.events.rule-arn' is reserved", false);
    assert_refused(v, STR("$..a"), STR("1"),
                   "path '$..a' is not a path such as $.detail.id: a key is missing behind '.'", false);
    assert_refused(
        v, STR("$.a[*]"), STR("1"),
        "path '$.a[*]' is not a path such as $.detail.id: brackets hold one index such as [0]; a key is written .key",
        false);
    assert_refused(v, path, STR("  \n"), "input_template is empty", false);
    assert_refused(v, path, (struct str){large, sizeof(large)},
                   "input_template has 9000 bytes; at most 8192 are allowed", false);
    assert_refused(v, path, STR("hello <v>"),
                   "with this input_template nothing will be delivered: line 1 of the rendered input is not JSON: "
                   "expected a value; a "
                   "text is written in double quotes, line by line",
                   true);
    assert_refused(v, path, STR("{\"e\": \"<aws.events.event.json>\", \"b\": \"<v>\"}"),
                   "'<aws.events.event.json>' is an object; inside quotes it makes invalid JSON, and nothing will be "
                   "delivered: write it without the quotes",
                   true);
}

/* Each name once, in the order of the template. */
static void test_source(void **state)
{
    struct fixture f;
    struct str name, path;
    init(&f);
    const struct input *constant = input_constant(&f.arena, STR("{ \"a\": 1 }"), (struct diag_pos){0}, &f.diags);
    const struct input *found = input_path(&f.arena, STR("$.detail"), (struct diag_pos){0}, &f.diags);
    const struct input *template = input_transformer(
        &f.arena, pairs, PAIR_COUNT, STR("{\"n\": <n>, \"i\": \"<id><n><aws.events.rule-name>\"}\n"), NULL, &f.diags);
    assert_true(str_is(input_source(constant).constant, "{\"a\":1}") && !input_source(constant).path.ptr);
    assert_true(str_is(input_source(found).path, "$.detail") && !input_source(found).template.ptr);
    assert_true(str_is(input_source(template).template, "{\"n\": <n>, \"i\": \"<id><n><aws.events.rule-name>\"}"));
    assert_false(input_source_pair(found, 0, &name, &path));
    assert_true(input_source_pair(template, 0, &name, &path));
    assert_true(str_is(name, "n") && str_is(path, "$.detail.n"));
    assert_true(input_source_pair(template, 1, &name, &path));
    assert_true(str_is(name, "id") && str_is(path, "$.detail.id"));
    assert_false(input_source_pair(template, 2, &name, &path));
    fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_templates), cmocka_unit_test(test_string_templates), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_constant),       cmocka_unit_test(test_refused),          cmocka_unit_test(test_source),
    };
    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
