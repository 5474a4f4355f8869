/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers, arenas and diagnoses: what every other file of the project leans on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "matcher/arena.h"
#include "matcher/diag.h"

static void test_buf_grows(void **state)
{
    struct buf b = BUF_INIT;
    assert_string_equal(buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_false(b.failed);
    assert_int_equal(b.size, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.data, "0,1,2,", 6);
    buf_clear(&b);
    buf_printf(&b, "%0300d", 7);
    assert_int_equal(b.size, 300);
    assert_int_equal(strlen(buf_cstr(&b)), 300);
    buf_fini(&b);
    buf_text(&b, "again");
    assert_string_equal(buf_cstr(&b), "again");
    buf_fini(&b);
}

static void test_buf_bound_is_exact_and_sticky(void **state)
{
    struct buf b;
    buf_init(&b, 300);
    buf_printf(&b, "%0300d", 1);
    assert_false(b.failed);
    assert_int_equal(strlen(buf_cstr(&b)), 300);
    buf_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.size, 300);
    assert_string_equal(buf_cstr(&b), "");
    buf_clear(&b);
    buf_text(&b, "y");
    assert_string_equal(buf_cstr(&b), "y");
    assert_false(buf_reserve(&b, SIZE_MAX));
    buf_fini(&b);
}

static void test_arena_is_zeroed_and_aligned(void **state)
{
    struct arena a = ARENA_INIT;
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size);
    }
    assert_string_equal(arena_text(&a, STR("text")), "text");
    assert_int_equal(arena_str(&a, (struct str){NULL, 0}).size, 0);
    assert_non_null(arena_alloc(&a, 1 << 20));
    assert_false(a.failed);
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_true(a.failed);
    arena_fini(&a);
    assert_null(a.blocks);
}

static void assert_printed(const char *file, struct weir_diag diag, struct str source, const char *wanted)
{
    struct buf out = BUF_INIT;
    diag_format(&out, file, &diag, source);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

static void test_diag_printed_form(void **state)
{
    struct weir_diag d = {.line = 2, .column = 4, .message = "unknown key 'b'"};
    assert_printed("f.yaml", d, (struct str){0}, "f.yaml:2:4: error: unknown key 'b'\n");
    assert_printed("f.yaml", d, STR("a\n\t\xC3\xA9 b\r\nc"),
                   "f.yaml:2:4: error: unknown key 'b'\n\t\xC3\xA9 b\n\t  ^\n");
    assert_printed(NULL, d, STR("a\n\x1b[1m"), "2:4: error: unknown key 'b'\n?[1m\n   ^\n");
    assert_printed("f", d, STR("only one line"), "f:2:4: error: unknown key 'b'\n");
    d.warning = true;
    d.line = 0;
    assert_printed("f", d, STR("x"), "f: warning: unknown key 'b'\n");
    assert_printed(NULL, d, STR("x"), "warning: unknown key 'b'\n");
    strcpy(d.message, "\"a\x1b\n\"");
    assert_printed(NULL, d, STR("x"), "warning: \"a??\"\n");
}

static void test_diag_cuts_long_lines(void **state)
{
    struct buf line = BUF_INIT, out = BUF_INIT;
    for (int i = 0; i < 100000; i++)
        buf_text(&line, i == 50000 ? "!" : "\xC3\xA9");
    struct weir_diag d = {.line = 1, .column = 50001, .message = "here"};
    diag_format(&out, NULL, &d, buf_view(&line));
    assert_true(out.size < 500);
    const char *text = buf_cstr(&out), *shown = strchr(text, '\n') + 1, *caret = strchr(shown, '\n') + 1;
    /* characters before the '!' and spaces before the caret are as many */
    size_t characters = 0;
    for (const char *p = shown; *p != '!'; p++)
        characters += (*p & 0xC0) != 0x80;
    assert_int_equal(strspn(caret, " "), characters);
    buf_fini(&line);
    buf_fini(&out);
}

static void test_diags_list_is_bounded(void **state)
{
    struct diags d;
    assert_true(diags_init(&d, 2));
    assert_true(diags_ok(&d));
    diag_warn(&d, (struct diag_pos){"f", 1, 2}, "odd");
    assert_true(diags_ok(&d));
    assert_false(diag_error(&d, (struct diag_pos){"g", 3, 4}, "bad %d", 7));
    struct weir_diag other = {.code = WEIR_E_PATTERN, .message = "third"};
    diag_add(&d, "h", &other);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.warnings, 1);
    assert_int_equal(d.dropped, 1);
    assert_false(diags_ok(&d));
    assert_string_equal(d.list[1].message, "bad 7");
    assert_string_equal(d.files[1], "g");
    diags_fini(&d);
}

static void test_near_names(void **state)
{
    static const char *const names[] = {"detail", "detail-type", "source", "id", "time"};
    const struct {
        const char *word, *near;
    } cases[] = {
        {"detial", "detail"}, {"detail", "detail"},
        {"detai", "detail"},  {"deetails", "detail"},
        {"suorce", "source"}, {"tiem", "time"},
        {"xx", NULL},         {"wholly other", NULL},
        {"", NULL},           {"detail_type", "detail-type"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *near = diag_near(str_from(cases[i].word), names, sizeof(names) / sizeof(names[0]));
        if (!cases[i].near)
            assert_null(near);
        else
            assert_string_equal(near, cases[i].near);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_grows),
        cmocka_unit_test(test_buf_bound_is_exact_and_sticky),
        cmocka_unit_test(test_arena_is_zeroed_and_aligned),
        cmocka_unit_test(test_diag_printed_form),
        cmocka_unit_test(test_diag_cuts_long_lines),
        cmocka_unit_test(test_diags_list_is_bounded),
        cmocka_unit_test(test_near_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
