/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree: what YAML means as JSON, where each node stands, what bare words are, and the bounds. Faults that need
 * no odd bytes are data: tests/rules/bad/ (see load_test.c).
 */
#include "rules/yaml.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct tree {
    struct arena arena;
    struct diags diags;
    const struct node *root;
};

static void tree_init(struct tree *t, struct str text)
{
    *t = (struct tree){.arena = ARENA_INIT};
    assert_true(diags_init(&t->diags, 10));
    t->root = yaml_parse(&t->arena, "x.yaml", text, &t->diags);
}

static void tree_fini(struct tree *t)
{
    diags_fini(&t->diags);
    arena_fini(&t->arena);
}

static void assert_json(const struct node *n, const char *json)
{
    struct buf out = BUF_INIT;
    node_write_json(&out, n);
    assert_string_equal(buf_cstr(&out), json);
    buf_fini(&out);
}

static void assert_fault(struct str text, const char *message, int line, int column)
{
    struct tree t;
    tree_init(&t, text);
    assert_true(t.diags.count >= 1);
    assert_string_equal(t.diags.list[0].message, message);
    assert_int_equal(t.diags.list[0].line, line);
    assert_int_equal(t.diags.list[0].column, column);
    tree_fini(&t);
}

static void test_means(void **state)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: 1", "{\"a\":1}"},
        {"{a: [1, -0.5e3, true, false, null, x]}", "{\"a\":[1,-0.5e3,true,false,null,\"x\"]}"},
        {"- a\n- b: c\n  d:\n  - e\n", "[\"a\",{\"b\":\"c\",\"d\":[\"e\"]}]"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"a: 'it''s'\nb: \"\\u00e9\\n\"", "{\"a\":\"it's\",\"b\":\"é\\n\"}"},
        {"a:", "{\"a\":null}"},
        {"1: 2\ntrue: 3\nno: 4", "{\"1\":2,\"true\":3,\"no\":4}"},
        {"a: &x [1]\nb: *x", "{\"a\":[1],\"b\":[1]}"},
        {"a: &x 1\nb: &x 2\nc: *x", "{\"a\":1,\"b\":2,\"c\":2}"},
        {"x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}", "{\"x\":{\"a\":1,\"b\":2},\"y\":{\"b\":3,\"a\":1}}"},
        {"x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz: {<<: [*x, *y]}",
         "{\"x\":{\"a\":1},\"y\":{\"a\":2,\"b\":2},\"z\":{\"a\":1,\"b\":2}}"},
        {"'<<': 1", "{\"<<\":1}"},
        {"a: b:c\nd: x#y # comment", "{\"a\":\"b:c\",\"d\":\"x#y\"}"},
        {"%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}"},
        {"\xEF\xBB\xBF"
         "a: 1",
         "{\"a\":1}"},
        {"a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}"},
        {"", "null"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tree t;
        tree_init(&t, str_from(cases[i].yaml));
        assert_true(diags_ok(&t.diags));
        assert_json(t.root, cases[i].json);
        tree_fini(&t);
    }
}

static void assert_place(const struct node *n, int line, int column)
{
    assert_non_null(n);
    assert_string_equal(n->pos.file, "x.yaml");
    assert_int_equal(n->pos.line, line);
    assert_int_equal(n->pos.column, column);
}

static void test_places(void **state)
{
    struct tree t;
    tree_init(&t, STR("plain: x\n"
                      "é: 'ü'\n"
                      "list: [a, &anchor  b]\n"
                      "block: |\n"
                      "   text\n"
                      "indented: |2\n"
                      "    two more\n"
                      "blank: >\n"
                      "\n"
                      "  text\n"
                      "map:\n"
                      "  key: *anchor\n"));
    assert_true(diags_ok(&t.diags));
    assert_place(node_get(t.root, "plain"), 1, 8);
    assert_place(node_get(t.root, "é"), 2, 4);
    assert_place(node_get(t.root, "list"), 3, 7);
    assert_place(node_get(t.root, "list")->items[0], 3, 8);
    assert_place(node_get(t.root, "list")->items[1], 3, 20);
    assert_place(node_get(t.root, "block"), 5, 4);
    assert_place(node_get(t.root, "indented"), 7, 3);
    assert_place(node_get(t.root, "blank"), 9, 3);
    assert_place(node_get(t.root, "map"), 12, 3);
    assert_place(node_get(node_get(t.root, "map"), "key"), 3, 20);
    assert_null(node_get(t.root, "none"));
    assert_null(node_get(node_get(t.root, "plain"), "none"));
    tree_fini(&t);
}

/* Bare words that are what they look like; the others stand in bad/words.yaml. */
static void test_words(void **state)
{
    static const struct {
        const char *word;
        enum node_type type;
    } cases[] = {
        {"null", NODE_NULL},
        {"true", NODE_TRUE},
        {"false", NODE_FALSE},
        {"0", NODE_NUMBER},
        {"-0", NODE_NUMBER},
        {"1.50", NODE_NUMBER},
        {"1E-5", NODE_NUMBER},
        {"12345678901", NODE_NUMBER},
        {"-", NODE_TEXT},
        {"1234567890123", NODE_NUMBER},
        {"2026-01-01", NODE_TEXT},
        {"1.2.3", NODE_TEXT},
        {"10.0.0.0/8", NODE_TEXT},
        {"12:30:45", NODE_TEXT},
        {"1e", NODE_TEXT},
        {"e1", NODE_TEXT},
        {"0xZ", NODE_TEXT},
        {"0x", NODE_TEXT},
        {".", NODE_TEXT},
        {"..", NODE_TEXT},
        {"_1", NODE_TEXT},
        {"norway", NODE_TEXT},
        {"nO", NODE_TEXT},
        {"yEs", NODE_TEXT},
        {"1a", NODE_TEXT},
        {"-x", NODE_TEXT},
        {"+", NODE_TEXT},
        {"inf", NODE_TEXT},
        {"no", NODE_FAULT},
        {"0.", NODE_FAULT},
        {"-.5", NODE_FAULT},
        {"0_0", NODE_FAULT},
        {"000000000000", NODE_FAULT},
        {".Inf", NODE_FAULT},
        {"+0x1", NODE_FAULT},
        {"1.5e+", NODE_TEXT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf why = BUF_INIT;
        assert_int_equal(yaml_scalar_type(str_from(cases[i].word), &why), cases[i].type);
        assert_int_equal(why.size > 0, cases[i].type == NODE_FAULT);
        buf_fini(&why);
    }
}

static void test_bytes(void **state)
{
    assert_fault(STR("a: \xff"), "byte 0xff is not UTF-8", 1, 4);
    assert_fault(STR("é: x\nü: \xc3("), "byte 0xc3 is not UTF-8", 2, 4);
    assert_fault(STR("a: \xed\xa0\x80"), "byte 0xed is not UTF-8", 1, 4);
    assert_fault(STR("a: \x01"), "control characters are not allowed", 1, 4);
    assert_fault(STR("a: \0b"), "control characters are not allowed", 1, 4);
}

static void test_depth(void **state)
{
    struct buf text = BUF_INIT;
    struct tree t;
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_char(&text, '[');
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_char(&text, ']');
    tree_init(&t, buf_view(&text));
    assert_true(diags_ok(&t.diags));
    tree_fini(&t);
    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_char(&text, '[');
    assert_fault(buf_view(&text), "lists and mappings are nested more than 128 deep", 1, 129);
    buf_fini(&text);
}

/* Nine levels of ten aliases each: a billion nodes in four hundred bytes. */
static void test_laughs(void **state)
{
    struct buf text = BUF_INIT;
    buf_text(&text, "l0: &l0 x\n");
    for (int level = 1; level <= 9; level++) {
        buf_printf(&text, "l%d: &l%d [", level, level);
        for (int i = 0; i < 10; i++)
            buf_printf(&text, "%s*l%d", i ? ", " : "", level - 1);
        buf_text(&text, "]\n");
    }
    assert_fault(buf_view(&text), "aliases expand to more than 10000000 nodes here", 8, 9);
    buf_fini(&text);
}

static void assert_json_place(const char *yaml, size_t item, int line, int column)
{
    struct tree t;
    tree_init(&t, str_from(yaml));
    const struct node *json = node_read_json(&t.arena, node_get(t.root, "j"), &t.diags);
    assert_true(diags_ok(&t.diags));
    assert_json(json, "[1,{\"a\":\"é\"},3]");
    assert_place(json->items[item], line, column);
    tree_fini(&t);
}

static void test_json_in_scalars(void **state)
{
    assert_json_place("j: '[1, {\"a\": \"é\"}, 3]'", 2, 1, 21);
    assert_json_place("j: \"[1, {\\\"a\\\": \\\"\\u00e9\\\"}, 3]\"", 2, 1, 30);
    assert_json_place("j: |\n  [1,\n   {\"a\": \"é\"},\n  3]\n", 1, 3, 4);
    assert_json_place("j: |\n\n  [1,\n   {\"a\": \"é\"},\n  3]\n", 2, 5, 3);
    assert_json_place("j: >\n  [1,\n  {\"a\": \"é\"},\n  3]\n", 2, 2, 3);
    assert_json_place("j: &x '[1, {\"a\": \"é\"}, 3]'", 0, 1, 9);

    struct tree t;
    tree_init(&t, STR("j: '[1, {\"a\": 1, \"b\": 2, \"a\": 3}]'"));
    const struct node *json = node_read_json(&t.arena, node_get(t.root, "j"), &t.diags);
    assert_string_equal(t.diags.list[0].message, "key 'a' is repeated; it stands in line 1, column 10 already");
    assert_int_equal(t.diags.list[0].column, 26);
    assert_json(json, "[1,{\"a\":1,\"b\":2}]");
    tree_fini(&t);
}

/* One line is the whole file, as programs write it: what each value costs must not grow with what stands before it. */
static void test_a_long_line(void **state)
{
    const int count = 100000;
    struct buf text = BUF_INIT;
    struct tree t;
    buf_text(&text, "# é\n{ü: [é");
    for (int i = 1; i < count; i++)
        buf_text(&text, i % 2 ? ", \"ö\"" : ", &a é");
    buf_text(&text, "], b: *a}");
    tree_init(&t, buf_view(&text));
    const struct node *list = t.root->pairs[0].value;
    assert_int_equal(list->count, count);
    assert_place(list->items[0], 2, 6);
    assert_place(list->items[1], 2, 9);
    assert_place(list->items[2], 2, 17); /* behind its anchor */
    assert_place(list->items[count - 1], 2, 9 + (count - 2) / 2 * 11);
    tree_fini(&t);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means),  cmocka_unit_test(test_a_long_line),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_words),  cmocka_unit_test(test_bytes),           cmocka_unit_test(test_depth),
        cmocka_unit_test(test_laughs), cmocka_unit_test(test_json_in_scalars),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
