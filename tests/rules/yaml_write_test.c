/* SPDX-License-Identifier: Apache-2.0 */
/* YAML written for people reads back as what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "matcher/json.h"
#include "rules/yaml_write.h"

static struct arena arena;
static struct diags diags;

static int set_up(void **state)
{
    return diags_init(&diags, 5) ? 0 : -1;
}

static int tear_down(void **state)
{
    diags_fini(&diags);
    arena_fini(&arena);
    return 0;
}

static const struct node *read_json(struct str json)
{
    struct node text = {.type = NODE_TEXT, .style = NODE_DOUBLE_QUOTED, .text = json};
    const struct node *n = node_read_json(&arena, &text, &diags);
    if (!n)
        fail_msg("%.*s: %s", STR_ARG(json), diags.list[0].message);
    return n;
}

/* Writes it, and reads that again: the same JSON. */
static void comes_back(struct str json, unsigned blocks)
{
    struct buf yaml = BUF_INIT, again = BUF_INIT, before = BUF_INIT;
    const struct node *n = read_json(json);
    yaml_write(&yaml, n, 0, blocks);
    struct str text = arena_str(&arena, buf_view(&yaml));
    const struct node *read = yaml_parse(&arena, "x", text, &diags);
    if (!read || diags.count)
        fail_msg("%s\nof:\n%s", diags.list[0].message, buf_cstr(&yaml));
    node_write_json(&again, read);
    node_write_json(&before, n);
    assert_string_equal(buf_cstr(&again), buf_cstr(&before));
    buf_fini(&yaml);
    buf_fini(&again);
    buf_fini(&before);
}

static void test_comes_back(void **state)
{
    static const char *const cases[] = {
        "{\"a\":1}",
        "{\"a\":\"30s\",\"b\":\"100/s\",\"c\":\"0x\",\"d\":\"1e\",\"e\":\"0b1\",\"f\":\"12:30\",\"g\":\"2026-01-01\"}",
        "{\"a\":{},\"b\":[],\"c\":[{}],\"d\":[[]],\"e\":\"\",\"f\":null}",
        "{\"yes\":\"no\",\"on\":\"~\",\"null\":\"0x1F\",\"a\":\"123456789012\",\"b\":\"1e5\",\"c\":\"0644\",\"d\":\"="
        "\"}",
        "{\"a: b\":\"c: d\",\"#\":\"x #y\",\"- a\":\"- b\",\"? q\":\"a:\",\"<<\":\"*a\",\"&b\":\"!c\",\"%\":\"@d\"}",
        "{\"lines\":\"one\\ntwo\\n  three\\n\",\"open\":\"one\\ntwo\",\"last\":\"one\\n\\n\",\"first\":\" a\\nb\\n\"}",
        "{\"odd\":\"\\u0000\\u0007\\u007f\\u0085\\u2028\\ufeff\\\"\\\\\\t\",\"far\":\"\\ud83d\\ude00 \u00e4\"}",
        "{\"deep\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":[{\"g\":[{\"h\":[1,[2,[3]]]}]}]}}}}}}",
        "{\"list\":[\"one\",{\"a\":1,\"b\":{\"c\":[1,2]}},[\"x\",[\"y\",{\"z\":0}]],{\"k\":\"two\\nlines\\n\"}]}",
        "{\"a b\":[\"a, b\",\"[c]\",\"{d}\",\"it's\",\"e: f\",\"arn:aws:sqs:us-east-1:000000000000:q\"]}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (unsigned blocks = 0; blocks < 4; blocks++)
            comes_back(str_from(cases[i]), blocks);
}

/* ---- anything ---- */

static unsigned below(unsigned bound)
{
    return (unsigned)rand() % bound;
}

static void write_text(struct buf *out)
{
    static const char *const pieces[] = {"a",
                                         "Bc",
                                         " ",
                                         ":",
                                         ": ",
                                         "#",
                                         " #",
                                         "-",
                                         "- ",
                                         "\n",
                                         "\n\n",
                                         "'",
                                         "\"",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         "&",
                                         "*",
                                         "!",
                                         "|",
                                         ">",
                                         "%",
                                         "@",
                                         "`",
                                         "no",
                                         "1",
                                         "0.5",
                                         "~",
                                         "?",
                                         "? ",
                                         "\t",
                                         "\\",
                                         "null",
                                         "\xC3\xA4",
                                         "\xE2\x80\xA8",
                                         "$.a",
                                         "true",
                                         "_",
                                         "12",
                                         ""};
    struct buf text = BUF_INIT;
    for (unsigned i = below(5); i; i--)
        buf_text(&text, pieces[below(sizeof(pieces) / sizeof(pieces[0]))]);
    json_write_string(out, buf_view(&text));
    buf_fini(&text);
}

static void write_any(struct buf *out, unsigned depth)
{
    unsigned what = below(depth > 4 ? 4 : 8), count = below(5);
    if (what < 2)
        write_text(out);
    else if (what < 4)
        buf_text(out, what == 2 ? "17" : "false");
    for (unsigned i = 0; what >= 4 && i < count; i++) {
        buf_char(out, i ? ',' : what < 6 ? '[' : '{');
        if (what >= 6) {
            buf_printf(out, "\"%u", i); /* keys differ */
            struct buf rest = BUF_INIT;
            write_text(&rest);
            buf_add(out, buf_cstr(&rest) + 1, rest.size - 1);
            buf_char(out, ':');
            buf_fini(&rest);
        }
        write_any(out, depth + 1);
    }
    if (what >= 4)
        buf_text(out, count ? (what < 6 ? "]" : "}") : (what < 6 ? "[]" : "{}"));
}

static void test_anything_comes_back(void **state)
{
    struct buf json = BUF_INIT;
    srand(1);
    for (int i = 0; i < 5000; i++) {
        buf_clear(&json);
        buf_text(&json, "{\"top\":");
        write_any(&json, 0);
        buf_char(&json, '}');
        buf_cstr(&json);
        comes_back(buf_view(&json), below(4));
        arena_fini(&arena);
    }
    buf_fini(&json);
}

static void test_is_pretty(void **state)
{
    struct buf yaml = BUF_INIT;
    yaml_write(
        &yaml,
        read_json(STR("{\"rules\":{\"root\":{\"bus\":\"audit\",\"description\":\"The account's root user\","
                      "\"pattern\":{\"source\":[\"aws.iam\"],\"detail\":{\"a\":[{\"prefix\":\"x y\"}]}},"
                      "\"targets\":[{\"target\":\"queue/a\",\"id\":\"1\",\"input_transformer\":{\"input_template\":"
                      "\"{\\n  \\\"a\\\": 1\\n}\\n\"}},{\"target\":\"b\"}]}}}")),
        0, 2);
    assert_string_equal(buf_cstr(&yaml), "rules:\n"
                                         "  root:\n"
                                         "    bus: audit\n"
                                         "    description: The account's root user\n"
                                         "    pattern:\n"
                                         "      source: [aws.iam]\n"
                                         "      detail: {a: [{prefix: x y}]}\n"
                                         "    targets:\n"
                                         "      - target: queue/a\n"
                                         "        id: \"1\"\n"
                                         "        input_transformer:\n"
                                         "          input_template: |\n"
                                         "            {\n"
                                         "              \"a\": 1\n"
                                         "            }\n"
                                         "      - target: b\n");
    buf_fini(&yaml);
}

static void test_numbers_without_a_spelling(void **state)
{
    assert_true(yaml_can_write(read_json(STR("{\"a\":[1,-0.5,1e3]}"))));
    assert_false(yaml_can_write(read_json(STR("{\"a\":[{\"b\":123456789012}]}"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_anything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_pretty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_without_a_spelling, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("yaml_write", tests, NULL, NULL);
}
