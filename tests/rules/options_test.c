/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walker over option tables, with a table of the test's own: every type once right, defaults, lists, and how
 * values are written. Wrong values are data: tests/rules/bad/values.yaml and keys.yaml.
 */
#include "rules/options.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct item {
    struct str name;
    int64_t weight;
};

struct thing {
    struct str text, url, path;
    int64_t number, age, size;
    bool flag;
    int color;
    struct option_list command, headers, items;
    struct {
        int64_t depth;
    } inner;
    bool inner_written;
};

#define FIELD(member) offsetof(struct thing, member)

static const char *const colors[] = {"red", "green", NULL};
static const struct option item_options[] = {
    {.key = "name", .type = OPTION_TEXT, .offset = offsetof(struct item, name), .required = true, .scalar = true},
    {.key = "weight", .type = OPTION_INT, .offset = offsetof(struct item, weight), .value = "7"},
    {0},
};
static const struct option inner_options[] = {
    {.key = "depth", .type = OPTION_INT, .value = "3", .min = 1, .max = INT64_MAX, .required = true},
    {0},
};
static const struct option thing_options[] = {
    {.key = "text", .type = OPTION_TEXT, .offset = FIELD(text), .value = "none", .min = 1, .max = 4},
    {.key = "url", .type = OPTION_URL, .offset = FIELD(url)},
    {.key = "path", .type = OPTION_PATH, .offset = FIELD(path), .value = "./data"},
    {.key = "number", .type = OPTION_INT, .offset = FIELD(number), .value = "-5"},
    {.key = "age", .type = OPTION_DURATION, .offset = FIELD(age), .value = "2m"},
    {.key = "size", .type = OPTION_SIZE, .offset = FIELD(size), .value = "64KiB"},
    {.key = "flag", .type = OPTION_BOOL, .offset = FIELD(flag), .value = "true"},
    {.key = "color", .type = OPTION_ENUM, .offset = FIELD(color), .value = "green", .names = colors},
    {.key = "command", .type = OPTION_COMMAND, .offset = FIELD(command)},
    {.key = "headers", .type = OPTION_HEADERS, .offset = FIELD(headers)},
    {.key = "items",
     .type = OPTION_LIST,
     .offset = FIELD(items),
     .members = item_options,
     .item_size = sizeof(struct item)},
    {.key = "inner",
     .type = OPTION_OBJECT,
     .offset = FIELD(inner),
     .members = inner_options,
     .present_offset = FIELD(inner_written)},
    {0},
};

struct fixture {
    struct arena arena;
    struct diags diags;
    struct references names;
    struct thing thing;
    bool ok;
};

static void fill(struct fixture *f, const char *yaml)
{
    static const char *const own[] = {"type", OPTIONS_IGNORED, NULL};
    *f = (struct fixture){.arena = ARENA_INIT};
    assert_true(diags_init(&f->diags, 10));
    f->names.arena = &f->arena;
    const struct node *map = yaml ? yaml_parse(&f->arena, "/etc/weir/x.yaml", str_from(yaml), &f->diags) : NULL;
    struct options_reader reader = {&f->arena, &f->arena, &f->diags, &f->names};
    f->ok = options_fill(&reader, thing_options, map, (struct diag_pos){"/etc/weir/x.yaml", 1, 1}, "thing 'x'", own,
                         &f->thing);
    assert_int_equal(f->ok, diags_ok(&f->diags));
}

static void fini(struct fixture *f)
{
    diags_fini(&f->diags);
    arena_fini(&f->arena);
}

static void assert_str(struct str s, const char *text)
{
    assert_int_equal(s.size, strlen(text));
    assert_memory_equal(s.ptr, text, s.size);
}

static void test_defaults(void **state)
{
    struct fixture f;
    fill(&f, NULL);
    assert_true(f.ok);
    assert_str(f.thing.text, "none");
    assert_null(f.thing.url.ptr);
    assert_str(f.thing.path, "/etc/weir/data");
    assert_int_equal(f.thing.number, -5);
    assert_int_equal(f.thing.age, 120000);
    assert_int_equal(f.thing.size, 65536);
    assert_true(f.thing.flag);
    assert_int_equal(f.thing.color, 1);
    assert_int_equal(f.thing.items.count, 0);
    assert_int_equal(f.thing.inner.depth, 3);
    assert_false(f.thing.inner_written);
    fini(&f);
}

static void test_values(void **state)
{
    struct fixture f;
    assert_int_equal(setenv("WEIR_TEST_TOKEN", "secret", 1), 0);
    fill(&f, "type: ignored\n"
             "x-anything: [1]\n"
             "text: éééé\n"
             "url: https://example.com/\n"
             "path: ../other/data\n"
             "number: -9\n"
             "age: 1500ms\n"
             "size: 1000\n"
             "flag: false\n"
             "color: red\n"
             "command: [./run, ./not-a-path, \"7\"]\n"
             "headers: {Accept: text/plain, Authorization: {env: WEIR_TEST_TOKEN}}\n"
             "items: [bare, {name: full, weight: 1}, {name: half}]\n"
             "inner: {depth: 4}\n");
    assert_true(f.ok);
    assert_str(f.thing.text, "éééé");
    assert_str(f.thing.url, "https://example.com/");
    assert_str(f.thing.path, "/etc/weir/../other/data");
    assert_int_equal(f.thing.number, -9);
    assert_int_equal(f.thing.age, 1500);
    assert_int_equal(f.thing.size, 1000);
    assert_false(f.thing.flag);
    assert_int_equal(f.thing.color, 0);
    assert_int_equal(f.thing.inner.depth, 4);
    assert_true(f.thing.inner_written);

    const struct str *words = f.thing.command.items;
    assert_int_equal(f.thing.command.count, 3);
    assert_str(words[0], "/etc/weir/run");
    assert_str(words[1], "./not-a-path");
    assert_str(words[2], "7");

    const struct option_header *headers = f.thing.headers.items;
    assert_int_equal(f.thing.headers.count, 2);
    assert_str(headers[0].value, "text/plain");
    assert_false(headers[0].secret);
    assert_str(headers[1].value, "secret");
    assert_true(headers[1].secret);

    const struct item *items = f.thing.items.items;
    assert_int_equal(f.thing.items.count, 3);
    assert_str(items[0].name, "bare");
    assert_int_equal(items[0].weight, 7);
    assert_int_equal(items[1].weight, 1);
    assert_int_equal(items[2].weight, 7);
    fini(&f);
}

static void assert_faults(const char *yaml, const char *first, size_t count)
{
    struct fixture f;
    fill(&f, yaml);
    assert_int_equal(f.diags.count, count);
    assert_string_equal(f.diags.list[0].message, first);
    fini(&f);
}

static void test_faults(void **state)
{
    assert_faults("text: ééééé", "'text' has 5 characters; it must have 1..4", 1);
    assert_faults("inner: {}", "missing key 'depth' in 'inner' of thing 'x'", 1);
    assert_faults("inner: {depth: 0}", "depth '0' is less than 1", 1);
    assert_faults("items: [{weight: 1}]", "missing key 'name' in 'items' of thing 'x'", 1);
    assert_faults("items: {name: x}", "'items' must be a list, not a mapping", 1);
    assert_faults("headers: {A: \"x\\r\\nB: y\"}", "the value of header 'A' has a control character", 1);
    assert_faults("path: ''", "'path' must be a path, not empty", 1);
    assert_faults("colour: red", "unknown key 'colour' in thing 'x'; did you mean 'color'?", 1);
    assert_faults("x: 1\nflag: 1\nsize: 1.5",
                  "size '1.5' is not a size; write a whole number of bytes, or of KiB, MiB, GiB or TiB", 3);
    assert_faults("[1]", "thing 'x' must be a mapping, not a list", 1);
    assert_faults("number: no",
                  "bare 'no' is false to some YAML readers and text to others; write false, or quote it: \"no\"", 1);
}

static void test_units(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } durations[] = {{"0s", 0}, {"500ms", 500}, {"30s", 30000}, {"5m", 300000}, {"24h", 86400000}, {"30d", 2592000000}};
    static const struct {
        const char *text;
        int64_t value;
    } sizes[] = {
        {"0", 0}, {"512", 512}, {"64KiB", 65536}, {"10MiB", 10485760}, {"1GiB", 1073741824}, {"3TiB", 3298534883328}};
    static const char *const wrong[] = {
        "", "s", "-1s", "1.5s", "1 s", "1S", "99999999999999999999s", "9223372036854775807d"};
    struct buf out = BUF_INIT;
    int64_t value;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        assert_true(options_parse_duration(str_from(durations[i].text), &value));
        assert_int_equal(value, durations[i].value);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_true(options_parse_size(str_from(sizes[i].text), &value));
        assert_int_equal(value, sizes[i].value);
        buf_clear(&out);
        options_write_size(&out, value);
        assert_string_equal(buf_cstr(&out), sizes[i].text);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(options_parse_duration(str_from(wrong[i]), &value));
        assert_false(options_parse_size(str_from(wrong[i]), &value));
    }
    struct option_rate rate;
    assert_true(options_parse_rate(STR("100/s"), &rate));
    assert_true(rate.count == 100 && rate.period_ms == 1000);
    assert_true(options_parse_rate(STR("5000/h"), &rate));
    assert_true(rate.count == 5000 && rate.period_ms == 3600000);
    assert_false(options_parse_rate(STR("/s"), &rate));
    assert_false(options_parse_rate(STR("10/d"), &rate));
    assert_false(options_parse_rate(STR("10"), &rate));
    static const int64_t times[] = {0, 1, 1500, 60000, 86400000, 90000000};
    static const char *const written[] = {"0s", "1ms", "1500ms", "1m", "1d", "25h"};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        buf_clear(&out);
        options_write_duration(&out, times[i]);
        assert_string_equal(buf_cstr(&out), written[i]);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
