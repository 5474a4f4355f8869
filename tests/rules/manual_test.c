/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and tables as mdoc. Whether the pages hold them is asked by tests/e2e/test_manuals.py. */
#include "rules/manual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_text(const char *text, const char *wanted)
{
    struct buf out = BUF_INIT;
    manual_write_text(&out, text);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

static void texts_become_sentences(void **state)
{
    assert_text("how long a message is kept", "How long a message is kept.\n");
    assert_text("one sentence. Another: by hand:", "One sentence.\nAnother: by hand:\n");
    assert_text("the line\nbreaks\n", "The line breaks.\n");
    assert_text("a.b stays in one line", "a.b stays in one line.\n");
}

static void words_that_stand_for_themselves_keep_their_case(void **state)
{
    assert_text("debug, info or warn", "debug, info or warn.\n");
    assert_text("receive: at most so many", "receive: at most so many.\n");
    assert_text("HOST:PORT", "HOST:PORT.\n");
}

static void what_mdoc_would_take_is_escaped(void **state)
{
    assert_text(".gz files", "\\&.gz files.\n");
    assert_text("'weir check' finds it", "\\&'weir check' finds it.\n");
    assert_text("\\* is a star", "\\e* is a star.\n");
}

static void long_texts_are_wrapped(void **state)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    for (int i = 0; i < 100; i++)
        buf_text(&text, "letters ");
    manual_write_text(&out, buf_cstr(&text));
    size_t words = 0;
    for (const char *line = buf_cstr(&out); *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 111); /* with the full stop */
        words += (strcspn(line, "\n") + 1) / strlen("letters ");
    }
    assert_int_equal(words, 100);
    buf_fini(&text);
    buf_fini(&out);
}

static void tables_become_lists(void **state)
{
    static const struct option inner[] = {
        {.key = "target", .type = OPTION_QUEUE, .required = true, .scalar = true, .meaning = "where it goes"},
        {0},
    };
    static const struct option options[] = {
        {.key = "size", .type = OPTION_SIZE, .value = "1KiB", .max = 4096, .meaning = "how large it may be"},
        {.key = "to", .type = OPTION_LIST, .members = inner, .meaning = "all of them"},
        {0},
    };
    struct buf out = BUF_INIT;
    manual_write_options(&out, &(struct table){"thing", "a thing", options, NULL});
    assert_string_equal(buf_cstr(&out), ".Bl -tag -width Ds\n"
                                        ".It Ic size Ar \"size\"\nHow large it may be.\n0..4KiB; default 1KiB.\n"
                                        ".It Ic to Ar \"list\"\nAll of them.\nAn entry is a mapping, or just its\n"
                                        ".Ic target .\n.Bl -tag -width Ds\n"
                                        ".It Ic target Ar \"queue\"\nWhere it goes.\nRequired.\n.El\n.El\n");
    buf_fini(&out);
}

static void arguments_are_quoted(void **state)
{
    struct buf out = BUF_INIT;
    manual_write_argument(&out, "a \"b\" \\c");
    assert_string_equal(buf_cstr(&out), " \"a \"\"b\"\" \\ec\"");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_sentences),
        cmocka_unit_test(words_that_stand_for_themselves_keep_their_case),
        cmocka_unit_test(what_mdoc_would_take_is_escaped),
        cmocka_unit_test(long_texts_are_wrapped),
        cmocka_unit_test(tables_become_lists),
        cmocka_unit_test(arguments_are_quoted),
    };
    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
